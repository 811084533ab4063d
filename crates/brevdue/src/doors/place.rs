//! Where an export goes. It is made beside that place under another name, and gets its own when it is whole and on stable
//! storage: who finds it there finds all of it.

use super::manifest::MANIFEST;
use crate::failure::Failure;
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder of files.
    Folder,
    /// One file.
    File,
}

/// A place that is taken: nobody else exports to it. What was made is removed when it is dropped before [`Place::settle`].
pub struct Place {
    target: PathBuf,
    part: PathBuf,
    /// Open, and locked.
    held: File,
    kind: Kind,
    settled: bool,
}

impl Place {
    /// Takes the place; refuses what is there, unless it may be replaced.
    pub fn take(target: &Path, kind: Kind, replace: bool) -> Result<Self, Failure> {
        let named = target.file_name().ok_or_else(|| Failure::Usage(format!("{}: has no name", target.display())))?;
        check_free(target, kind, replace)?;
        let mut name = OsString::from(".");
        name.push(named);
        name.push(".brevdue-part");
        let part = target.with_file_name(name);
        let cannot = |error: io::Error| Failure::refused(format!("{}: cannot be made: {error}", part.display()));
        let held = open_part(&part, kind).map_err(cannot)?;
        if rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(Failure::refused(format!("{}: another export to it is under way", target.display())));
        }
        // What an export that was killed has left: plain mail, that nobody would look for.
        match kind {
            Kind::Folder => empty(&part).map_err(cannot)?,
            Kind::File => held.set_len(0).map_err(cannot)?,
        }
        Ok(Self { target: target.to_owned(), part, held, kind, settled: false })
    }

    /// Where it is made.
    pub fn part(&self) -> &Path {
        &self.part
    }

    /// Gives it its name. Durable: the file system writes out what it has of it before the name, and the name after that.
    pub fn settle(mut self) -> Result<(), Failure> {
        let cannot = |error: io::Error| Failure::refused(format!("{}: {error}", self.target.display()));
        match self.kind {
            // One call for any number of files; it tells of what could not be written (Linux 5.8).
            Kind::Folder => rustix::fs::syncfs(&self.held).map_err(|error| cannot(error.into()))?,
            Kind::File => self.held.sync_all().map_err(cannot)?,
        }
        let replaces = self.target.symlink_metadata().is_ok();
        let flags = if replaces { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
        rustix::fs::renameat_with(CWD, &self.part, CWD, &self.target, flags).map_err(|error| cannot(error.into()))?;
        self.settled = true;
        let folder = match self.target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            Some(_) | None => Path::new("."),
        };
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(cannot)?;
        if replaces {
            remove(&self.part, self.kind).map_err(cannot)?;
        }
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.settled {
            // It may be gone; what is left is removed by the next export to here.
            let _ = remove(&self.part, self.kind);
        }
    }
}

/// Refuses to replace what is no export.
fn check_free(target: &Path, kind: Kind, replace: bool) -> Result<(), Failure> {
    let there = match target.symlink_metadata() {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure::refused(format!("{}: {error}", target.display()))),
    };
    if !replace {
        let why = "is there already; choose another --out, or give --yes to replace it";
        return Err(Failure::refused(format!("{} {why}", target.display())));
    }
    let replaceable = match kind {
        Kind::File => there.is_file(),
        Kind::Folder => there.is_dir() && (target.join(MANIFEST).is_file() || is_empty(target)),
    };
    if replaceable {
        return Ok(());
    }
    Err(Failure::refused(format!("{} is no export, and is not replaced; choose another --out", target.display())))
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// Plain mail: for who makes it alone.
fn open_part(part: &Path, kind: Kind) -> io::Result<File> {
    match kind {
        Kind::Folder => {
            match DirBuilder::new().mode(0o700).create(part) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) | Err(_) => {}
            }
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            Ok(rustix::fs::openat(CWD, part, flags, Mode::empty())?.into())
        }
        Kind::File => {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(part)
        }
    }
}

fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
    }
    Ok(())
}

fn remove(path: &Path, kind: Kind) -> io::Result<()> {
    match kind {
        Kind::Folder => fs::remove_dir_all(path),
        Kind::File => fs::remove_file(path),
    }
}

/// Sets when a file was last changed, which programs take for when its message came.
pub fn set_time(path: &Path, ms: i64) -> io::Result<()> {
    let time = rustix::fs::Timespec { tv_sec: ms.div_euclid(1000), tv_nsec: ms.rem_euclid(1000) * 1_000_000 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Makes a file that must not be there.
pub fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Makes a folder with those above it; it may be there.
pub fn new_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(result: Result<Place, Failure>) -> String {
        match result {
            Ok(_) => String::new(),
            Err(Failure::Usage(why) | Failure::Refused(why)) => why,
        }
    }

    #[test]
    fn what_is_there_stays_unless_it_is_an_export() {
        let scratch = tempfile::tempdir().unwrap();
        let target = scratch.path().join("out");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("letter"), "mine").unwrap();
        assert!(why(Place::take(&target, Kind::Folder, false)).contains("is there already"));
        assert!(why(Place::take(&target, Kind::Folder, true)).contains("is no export"));
        fs::write(target.join(MANIFEST), "").unwrap();
        let place = Place::take(&target, Kind::Folder, true).ok().unwrap();
        assert!(why(Place::take(&target, Kind::Folder, true)).contains("under way"));
        fs::write(place.part().join("new"), "x").unwrap();
        place.settle().ok().unwrap();
        let names: Vec<_> = fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["new"]);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_not_whole_is_gone() {
        let scratch = tempfile::tempdir().unwrap();
        let target = scratch.path().join("file");
        let place = Place::take(&target, Kind::File, false).ok().unwrap();
        fs::write(place.part(), "half").unwrap();
        // As if it had been killed: the next one begins anew.
        let part = place.part().to_owned();
        drop(place);
        assert!(!part.exists());
        fs::write(&part, "left over").unwrap();
        let place = Place::take(&target, Kind::File, false).ok().unwrap();
        assert_eq!(fs::read(place.part()).unwrap(), b"");
        place.settle().ok().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"");
    }
}
