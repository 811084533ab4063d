//! What stands beside a file of SQLite and belongs to it, and how its names are made durable.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// What follows the file's own name: the engine's, the count of its changes, and the mark of damage.
pub const BESIDE: [&str; 4] = ["-wal", "-shm", "-mark", DAMAGED];
/// The mark of damage.
pub const DAMAGED: &str = "-damaged";

/// The file beside this one.
pub fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes durable what is called what in the file's folder.
///
/// # Errors
/// Of the system.
pub fn sync_folder_of(file: &Path) -> io::Result<()> {
    file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
