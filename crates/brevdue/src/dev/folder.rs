//! The folder of a `dev`: where each file lies in it, and the lock that one process at a time holds.

use crate::failure::Failure;
use daemon::config::Internal;
use model::Role;
use rustix::process::{Pid, test_kill_process};
use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Seconds to wait for whoever holds the folder and will soon be done: a command, or processes that drain because their
/// `dev` was killed, which is what takes long.
const HELD_SECONDS_MAX: u64 = 35;
/// Milliseconds between two looks at the lock.
const LOCK_POLL_MS: u64 = 25;
/// Octets of the lock file that are looked at.
const LOCK_BYTES_MAX: u64 = 64;

/// What the lock says of a `dev`; its process id follows.
const HELD_BY_DEV: &str = "dev";
/// What it says of any other command.
const HELD_BY_COMMAND: &str = "command";

/// The folder.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

/// Who holds the folder's lock.
pub enum Holder {
    /// A running `dev`.
    Dev,
    /// This process, until the lock is dropped.
    Us(Lock),
}

/// The folder is ours, until the last copy of this is gone. A `dev` hands copies to its processes, so that a `dev` that was
/// killed counts as running until they have drained.
#[derive(Debug, Clone)]
pub struct Lock(Arc<File>);

impl Lock {
    /// A copy to hand to a child.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.0.try_clone().map(OwnedFd::from)
    }
}

impl Folder {
    /// Where `dev` keeps its data when it is not told.
    pub fn default_path() -> PathBuf {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let data = set("XDG_DATA_HOME").filter(|path| path.is_absolute());
        let data = data.or_else(|| set("HOME").map(|home| home.join(".local/share")));
        data.unwrap_or_default().join("brevdue-dev")
    }

    /// Makes the folder with its parts, for this user alone.
    pub fn make(path: &Path) -> Result<Self, Failure> {
        let cannot = |error: io::Error| Failure::refused(format!("{}: cannot be made: {error}", path.display()));
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        for part in ["", "config", "log", "nodes", "run", "tls"] {
            builder.create(path.join(part)).map_err(cannot)?;
        }
        // Children run elsewhere, and configuration files name paths.
        Ok(Self(fs::canonicalize(path).map_err(cannot)?))
    }

    /// A folder that a `dev` made before.
    pub fn existing(path: &Path) -> Result<Self, Failure> {
        let folder = Self(path.to_owned());
        if folder.config("admin").is_file() {
            return Ok(folder);
        }
        let (at, why) = (path.display(), "not the folder of a `brevdue dev`");
        Err(Failure::refused(format!("{at}: {why}; run `brevdue dev --data {at}` first")))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }
    /// The catalogue.
    pub fn catalogue(&self) -> PathBuf {
        self.0.join("catalogue.db")
    }
    /// The key that seals the catalogue's secrets.
    pub fn directory_key(&self) -> PathBuf {
        self.0.join("directory.key")
    }
    /// The store of backups.
    pub fn backup(&self) -> PathBuf {
        self.0.join("backup")
    }
    /// The internal CA.
    pub fn ca(&self) -> PathBuf {
        self.0.join("ca")
    }
    /// A process's configuration file.
    pub fn config(&self, process: &str) -> PathBuf {
        self.0.join("config").join(format!("{process}.toml"))
    }
    /// A process's log.
    pub fn log(&self, process: &str) -> PathBuf {
        self.0.join("log").join(format!("{process}.log"))
    }
    /// What is true only while it runs.
    pub fn run(&self) -> PathBuf {
        self.0.join("run")
    }
    /// Holds a process's id while it runs.
    pub fn pid(&self, process: &str) -> PathBuf {
        self.run().join(format!("{process}.pid"))
    }
    /// A node's own folder.
    pub fn node(&self, process: &str) -> PathBuf {
        self.0.join("nodes").join(process)
    }
    /// The password of the account that the health checks sign in with.
    pub fn probe_password(&self) -> PathBuf {
        self.0.join("probe-password")
    }
    /// The users of this `dev` with their passwords.
    pub fn users(&self) -> PathBuf {
        self.0.join("dev-users")
    }
    /// The stem of the public certificate's files.
    pub fn public_stem(&self) -> PathBuf {
        self.0.join("tls/public")
    }
    /// The public certificate, which clients can be told to trust.
    pub fn public_certificate(&self) -> PathBuf {
        self.0.join("tls/public.crt")
    }
    /// Its key.
    pub fn public_key(&self) -> PathBuf {
        self.0.join("tls/public.key")
    }
    /// The internal certificate of a role.
    pub fn certificate(&self, role: Role) -> Internal {
        let ca = self.ca();
        Internal {
            ca: ca.join(daemon::ca::CERT_FILE),
            cert: ca.join(format!("{role}.crt")),
            key: ca.join(format!("{role}.key")),
        }
    }

    /// Holds the folder for a `dev`; refused while another does.
    pub async fn lock_for_dev(&self) -> Result<Lock, Failure> {
        let deadline = Instant::now() + Duration::from_secs(HELD_SECONDS_MAX);
        loop {
            match self.try_lock(&format!("{HELD_BY_DEV} {}", std::process::id()))? {
                Ok(lock) => return Ok(lock),
                Err(mark) => match living_dev(&mark) {
                    Some(pid) => {
                        return Err(Failure::refused(format!(
                            "{}: another `brevdue dev` (process {pid}) holds this folder; stop it, or give another --data",
                            self.0.display()
                        )));
                    }
                    None => self.wait_until(deadline).await?,
                },
            }
        }
    }

    /// Holds the folder for a command, unless a `dev` runs on it.
    pub async fn lock_or_find_dev(&self) -> Result<Holder, Failure> {
        let deadline = Instant::now() + Duration::from_secs(HELD_SECONDS_MAX);
        loop {
            match self.try_lock(HELD_BY_COMMAND)? {
                Ok(lock) => return Ok(Holder::Us(lock)),
                Err(mark) if living_dev(&mark).is_some() => return Ok(Holder::Dev),
                Err(_) => self.wait_until(deadline).await?,
            }
        }
    }

    async fn wait_until(&self, deadline: Instant) -> Result<(), Failure> {
        if Instant::now() >= deadline {
            let at = self.0.display();
            return Err(Failure::refused(format!("{at}: another brevdue process holds this folder; try again")));
        }
        tokio::time::sleep(Duration::from_millis(LOCK_POLL_MS)).await;
        Ok(())
    }

    /// The lock, or what its holder wrote into it.
    fn try_lock(&self, mark: &str) -> Result<Result<Lock, String>, Failure> {
        let path = self.0.join("lock");
        let cannot = |error: io::Error| Failure::refused(format!("{}: cannot be locked: {error}", path.display()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0).and_then(|()| file.rewind()).map_err(cannot)?;
                file.write_all(mark.as_bytes()).map_err(cannot)?;
                Ok(Ok(Lock(Arc::new(file))))
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.take(LOCK_BYTES_MAX).read_to_string(&mut holder).map_err(cannot)?;
                Ok(Err(holder))
            }
            Err(TryLockError::Error(error)) => Err(cannot(error)),
        }
    }
}

/// The process id of a `dev` that holds the lock and is alive.
fn living_dev(mark: &str) -> Option<i32> {
    let pid = mark.strip_prefix(HELD_BY_DEV)?.trim().parse().ok()?;
    Pid::from_raw(pid).filter(|pid| test_kill_process(*pid).is_ok()).map(|_| pid)
}

/// Writes a file so that a reader sees all of it or nothing, also after a power cut; readable for this user alone.
pub fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    let cannot = |error: io::Error| Failure::refused(format!("{}: cannot be written: {error}", path.display()));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&new).map_err(cannot)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(cannot)?;
    fs::rename(&new, path).map_err(cannot)?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_dev_at_a_time_and_commands_find_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::make(&dir.path().join("data")).unwrap();
        let held = folder.lock_for_dev().await.unwrap();
        let Err(Failure::Refused(why)) = folder.lock_for_dev().await else { panic!("not refused") };
        assert!(why.contains(&format!("(process {})", std::process::id())), "{why}");
        assert!(matches!(folder.lock_or_find_dev().await, Ok(Holder::Dev)));
        drop(held);
        let Ok(Holder::Us(command)) = folder.lock_or_find_dev().await else { panic!("not ours") };
        let waiting = tokio::spawn(async move { folder.lock_for_dev().await.is_ok() });
        tokio::task::yield_now().await;
        drop(command);
        assert!(waiting.await.unwrap());
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ready");
        write_whole(&path, "one").unwrap();
        write_whole(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write_whole(&dir.path().join("no/ready"), "x").is_err());
    }
}
