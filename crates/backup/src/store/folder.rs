//! A folder as a store: on another disk or a network mount, so that a backup is somewhere else than what it is of.

use super::{Listed, Octets, Source, StoreError};
use crate::limits::SUBJECTS_MAX;
use crate::throttle::Throttle;
use bytes::Bytes;
use futures_util::StreamExt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Octets that are read at once.
const READ_BYTES: usize = 256 * 1024;
/// What is added to a name until the object is whole.
const UNFINISHED: &str = ".part";

/// The folder.
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder at this path. It is made when something is put into it.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn error(&self, error: &std::io::Error) -> StoreError {
        match error.kind() {
            ErrorKind::StorageFull => StoreError::Full,
            ErrorKind::PermissionDenied => StoreError::Refused(format!("{}: {error}", self.root.display())),
            ErrorKind::NotFound => StoreError::NoStore(self.root.display().to_string()),
            _ => StoreError::Failed(format!("{}: {error}", self.root.display())),
        }
    }

    pub(super) async fn put(&self, name: &str, source: &dyn Source, throttle: &Throttle) -> Result<(), StoreError> {
        let io = |error: std::io::Error| self.error(&error);
        let (path, part) = (self.path(name), self.path(&format!("{name}{UNFINISHED}")));
        self.make_parent(&path).await?;
        let mut digest = vault::Digest::new();
        let have = resume(&part, source.bytes(), &mut digest).await.map_err(io)?;
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).mode(0o600).open(&part).await.map_err(io)?;
        if have == 0 {
            file.set_len(0).await.map_err(io)?;
        }
        let mut file = file;
        let mut octets = source.read(have).await?;
        while let Some(piece) = octets.next().await {
            let piece = piece?;
            throttle.pass(piece.len() as u64).await;
            digest.update(&piece);
            file.write_all(&piece).await.map_err(io)?;
        }
        file.flush().await.map_err(io)?;
        // On stable storage before it has its name.
        file.sync_all().await.map_err(io)?;
        drop(file);
        if digest.finish() != source.sha256() {
            fs::remove_file(&part).await.map_err(io)?;
            return Err(StoreError::Differs);
        }
        fs::rename(&part, &path).await.map_err(io)?;
        self.sync_parent(&path).await
    }

    pub(super) async fn put_small(&self, name: &str, octets: Vec<u8>) -> Result<(), StoreError> {
        let io = |error: std::io::Error| self.error(&error);
        let (path, part) = (self.path(name), self.path(&format!("{name}{UNFINISHED}")));
        self.make_parent(&path).await?;
        let mut options = OpenOptions::new();
        let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&part).await.map_err(io)?;
        file.write_all(&octets).await.map_err(io)?;
        file.flush().await.map_err(io)?;
        file.sync_all().await.map_err(io)?;
        fs::rename(&part, &path).await.map_err(io)?;
        self.sync_parent(&path).await
    }

    pub(super) async fn get(&self, name: &str) -> Result<Octets, StoreError> {
        let file = match File::open(self.path(name)).await {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(StoreError::Missing(name.to_owned())),
            Err(error) => return Err(self.error(&error)),
        };
        let name = name.to_owned();
        let pieces = futures_util::stream::unfold(Some(file), move |file| {
            let name = name.clone();
            async move {
                let mut file = file?;
                let mut piece = vec![0; READ_BYTES];
                match file.read(&mut piece).await {
                    Ok(0) => None,
                    Ok(count) => {
                        piece.truncate(count);
                        Some((Ok(Bytes::from(piece)), Some(file)))
                    }
                    Err(error) => Some((Err(StoreError::Failed(format!("{name}: {error}"))), None)),
                }
            }
        });
        Ok(pieces.fuse().boxed())
    }

    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        let io = |error: std::io::Error| self.error(&error);
        let mut listed = Vec::new();
        // Prefixes are folders here: every name that is asked for ends with its slash.
        let mut entries = match fs::read_dir(self.path(prefix)).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(listed),
            Err(error) => return Err(io(error)),
        };
        while let Some(entry) = entries.next_entry().await.map_err(io)? {
            let (Ok(meta), Ok(name)) = (entry.metadata().await, entry.file_name().into_string()) else { continue };
            if !meta.is_file() {
                continue;
            }
            let modified = meta.modified().map_err(io)?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let modified_ms = i64::try_from(modified.as_millis()).unwrap_or(i64::MAX);
            listed.push(Listed { name: format!("{prefix}{name}"), bytes: meta.len(), modified_ms });
        }
        Ok(listed)
    }

    pub(super) async fn folders(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let io = |error: std::io::Error| self.error(&error);
        let mut names = Vec::new();
        let mut entries = match fs::read_dir(self.path(prefix)).await {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(names),
            Err(error) => return Err(io(error)),
        };
        while let Some(entry) = entries.next_entry().await.map_err(io)? {
            if names.len() >= SUBJECTS_MAX {
                break;
            }
            let is_folder = entry.file_type().await.is_ok_and(|kind| kind.is_dir());
            names.extend(entry.file_name().into_string().ok().filter(|_| is_folder));
        }
        Ok(names)
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name);
        match fs::remove_file(&path).await {
            Ok(()) => self.sync_removed(&path).await,
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.error(&error)),
        }
    }

    /// Removes a folder with nothing in it; one that is not empty, or not there, is left as it is.
    pub(super) async fn remove_folder(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name);
        match fs::remove_dir(&path).await {
            Ok(()) => self.sync_removed(&path).await,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => Ok(()),
            Err(error) => Err(self.error(&error)),
        }
    }

    pub(super) async fn check(&self) -> Result<(), StoreError> {
        self.make_parent(&self.root.join("x")).await
    }

    async fn make_parent(&self, path: &Path) -> Result<(), StoreError> {
        let Some(parent) = path.parent() else { return Ok(()) };
        if is_folder(parent).await {
            return Ok(());
        }
        let io = |error: std::io::Error| self.error(&error);
        // The root is the operator's to make: an empty mount point must not be taken for the disk that is not mounted.
        if !is_folder(&self.root).await {
            return Err(StoreError::NoStore(self.root.display().to_string()));
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).await.map_err(io)?;
        for folder in parent.ancestors().take_while(|folder| folder.starts_with(&self.root)) {
            File::open(folder).await.map_err(io)?.sync_all().await.map_err(io)?;
        }
        Ok(())
    }

    /// A name that is gone. So may its folder be by now: an erasure is followed by the worker and by who asked for it at once, and who
    /// removes the folder makes that durable.
    async fn sync_removed(&self, path: &Path) -> Result<(), StoreError> {
        match self.sync_parent(path).await {
            Err(StoreError::NoStore(_)) if is_folder(&self.root).await => Ok(()),
            synced => synced,
        }
    }

    /// The name is durable only once its folder is.
    async fn sync_parent(&self, path: &Path) -> Result<(), StoreError> {
        let parent = path.parent().unwrap_or(&self.root);
        let folder = File::open(parent).await.map_err(|error| self.error(&error))?;
        folder.sync_all().await.map_err(|error| self.error(&error))
    }
}

/// On a thread for what blocks: a network mount may hang.
async fn is_folder(path: &Path) -> bool {
    fs::metadata(path).await.is_ok_and(|meta| meta.is_dir())
}

/// What a put that was cut off left: its octets are taken into the digest; how many there are. 0: begin anew.
async fn resume(part: &Path, bytes: u64, digest: &mut vault::Digest) -> Result<u64, std::io::Error> {
    let mut file = match File::open(part).await {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let (mut piece, mut have) = (vec![0; READ_BYTES], 0);
    loop {
        let count = file.read(&mut piece).await?;
        let Some(read) = piece.get(..count).filter(|read| !read.is_empty()) else { break };
        digest.update(read);
        have += count as u64;
    }
    if have > bytes {
        *digest = vault::Digest::new();
        return Ok(0);
    }
    Ok(have)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_that_another_removed_is_no_store_that_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::new(root.path());
        let removed = root.path().join("mailboxes/x/name");
        folder.sync_removed(&removed).await.unwrap();
        let path = root.path().to_owned();
        drop(root);
        let error = folder.sync_removed(&removed).await.unwrap_err();
        assert_eq!(error.to_string(), StoreError::NoStore(path.display().to_string()).to_string());
    }
}
