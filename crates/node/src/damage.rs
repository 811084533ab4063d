//! The mark of a damaged mailbox: a small file beside the mailbox's own. While it is there the mailbox is read and not written.
//! What is done about damage is the resident's.
//!
//! Invariant: the mark says only that something is wrong, so that nothing is lost with it but that: damage is found again. It is
//! never part of the mailbox's own files, and goes when a check found nothing or the mailbox was restored.

use crate::beside::{DAMAGED, beside, sync_folder_of};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Octets of a mark that are read: a line or two.
const MARK_BYTES_MAX: u64 = 4 * 1024;

fn mark(file: &Path) -> PathBuf {
    beside(file, DAMAGED)
}

/// What is wrong with the mailbox with this file, as far as anybody knows.
///
/// # Errors
/// Of the system.
pub fn known(file: &Path) -> io::Result<Option<String>> {
    use std::io::Read;
    match File::open(mark(file)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(mark) => {
            let mut octets = Vec::new();
            mark.take(MARK_BYTES_MAX).read_to_end(&mut octets)?;
            Ok(Some(String::from_utf8_lossy(&octets).trim().to_owned()))
        }
    }
}

/// Marks the mailbox, durably; one that is marked keeps the first reason.
///
/// # Errors
/// Of the system.
pub fn note(file: &Path, what: &str) -> io::Result<()> {
    if known(file)?.is_some() {
        return Ok(());
    }
    let (path, mut temporary) = (mark(file), mark(file).into_os_string());
    temporary.push(".new");
    let mut new = File::create(&temporary)?;
    writeln!(new, "{what}")?;
    new.sync_all()?;
    fs::rename(&temporary, &path)?;
    sync_folder_of(&path)
}

/// Takes the mark away, durably; whether there was one.
///
/// # Errors
/// Of the system.
pub fn lift(file: &Path) -> io::Result<bool> {
    let path = mark(file);
    match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        removed => removed?,
    }
    sync_folder_of(&path)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stays_until_it_is_lifted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.db");
        assert_eq!(known(&file).unwrap(), None);
        note(&file, "page 7").unwrap();
        note(&file, "page 8").unwrap();
        assert_eq!(known(&file).unwrap().as_deref(), Some("page 7"));
        assert!(lift(&file).unwrap());
        assert!(!lift(&file).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
