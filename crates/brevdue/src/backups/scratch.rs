//! A folder for this user alone, where a backup is looked at; gone when it is dropped. What lies in it is ciphertext.

use crate::failure::Failure;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// The folder.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes it among the system's temporary files.
    pub fn make() -> Result<Self, Failure> {
        let random: [u8; 8] = vault::random().map_err(Failure::refused)?;
        let path = std::env::temp_dir().join(format!("brevdue-{:016x}", u64::from_be_bytes(random)));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
