//! The node key: a second layer over what a node stores of others' (waiting mail, queues), never the only one (`docs/formats/node-key.md`).

use crate::primitives::{Aead, Extracted, NONCE_BYTES, TAG_BYTES, take};
use crate::{FileKey, Secret32, VaultError, digest};
use model::{MailboxId, QueueId};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// Version of the key file and of sealed blobs.
const VERSION: u8 = 1;
/// Octets of the check value in the key file.
const CHECK_BYTES: usize = 4;
/// Octets of the key file: version, key, check value.
const FILE_BYTES: usize = 1 + 32 + CHECK_BYTES;
/// Octets of a blob's salt: enough that a key never repeats.
const BLOB_SALT_BYTES: usize = 32;

const WAITING_LABEL: &[u8] = b"brevdue node key 1: waiting mail";
const QUEUE_LABEL: &[u8] = b"brevdue node key 1: queue";
const LEDGER_LABEL: &[u8] = b"brevdue node key 1: ledger of snapshots";
const CATALOGUE_LABEL: &[u8] = b"brevdue node key 1: snapshot of the catalogue";
const BLOB_LABEL: &[u8] = b"brevdue node key 1: blob";

/// The key of one node.
pub struct NodeKey(Secret32);

impl NodeKey {
    /// A new key of 256 random bits.
    ///
    /// # Errors
    /// [`VaultError::Random`].
    pub fn generate() -> Result<Self, VaultError> {
        Secret32::generate().map(Self)
    }

    /// From a file, as [`NodeKey::write_new`] or a systemd credential gives it.
    ///
    /// # Errors
    /// [`VaultError::Io`]; [`VaultError::Exposed`] when users outside the file's group may read it;
    /// [`VaultError::Malformed`], [`VaultError::UnknownVersion`].
    pub fn from_file(path: &Path) -> Result<Self, VaultError> {
        let mut file = File::open(path).map_err(|source| io(path, source))?;
        let mode = file.metadata().map_err(|source| io(path, source))?.mode();
        // The group is let be: systemd shows the access list of a credential's one reader as group rights.
        if mode & 0o007 != 0 {
            return Err(VaultError::Exposed(path.display().to_string()));
        }
        let mut bytes = Zeroizing::new([0; FILE_BYTES + 1]);
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read(rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(io(path, source)),
            }
        }
        Self::decode(bytes.get(..filled).unwrap_or_default())
    }

    fn decode(mut bytes: &[u8]) -> Result<Self, VaultError> {
        const FORM: VaultError = VaultError::Malformed("node key file");
        let [version] = take(&mut bytes).ok_or(FORM)?;
        if *version != VERSION {
            return Err(VaultError::UnknownVersion(*version));
        }
        let key: &[u8; 32] = take(&mut bytes).ok_or(FORM)?;
        let check: &[u8; CHECK_BYTES] = take(&mut bytes).ok_or(FORM)?;
        if !bytes.is_empty() || digest(key).first_chunk() != Some(check) {
            return Err(FORM);
        }
        Ok(Self(Secret32::from_slice(key)))
    }

    /// Writes the key to a new file with mode 0600, durably; refuses to overwrite one.
    ///
    /// # Errors
    /// [`VaultError::Io`], also when the file exists.
    pub fn write_new(&self, path: &Path) -> Result<(), VaultError> {
        let mut bytes = Zeroizing::new([0; FILE_BYTES]);
        bytes[0] = VERSION;
        bytes[1..33].copy_from_slice(self.0.expose());
        bytes[33..].copy_from_slice(&digest(self.0.expose())[..CHECK_BYTES]);
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(bytes.as_slice())?;
            file.sync_all()?;
            // The name is durable only when its directory is.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder)?.sync_all()
        };
        write().map_err(|source| io(path, source))
    }

    /// The key of a mailbox's waiting-mail file.
    ///
    /// # Errors
    /// [`VaultError::Encryption`], which does not happen.
    pub fn file_key(&self, mailbox: &MailboxId) -> Result<FileKey, VaultError> {
        let extracted = Extracted::new(&[], self.0.expose());
        extracted.key(&[WAITING_LABEL, mailbox.as_bytes()]).map(FileKey::from)
    }

    /// The key of a queue file.
    ///
    /// # Errors
    /// [`VaultError::Encryption`], which does not happen.
    pub fn queue_key(&self, queue: &QueueId) -> Result<FileKey, VaultError> {
        let extracted = Extracted::new(&[], self.0.expose());
        extracted.key(&[QUEUE_LABEL, queue.as_bytes()]).map(FileKey::from)
    }

    /// The key of a volume's ledger of snapshots.
    ///
    /// # Errors
    /// [`VaultError::Encryption`], which does not happen.
    pub fn ledger_key(&self) -> Result<FileKey, VaultError> {
        Extracted::new(&[], self.0.expose()).key(&[LEDGER_LABEL]).map(FileKey::from)
    }

    /// The key of the snapshots of the directory's catalogue, whose key file has the same form.
    ///
    /// # Errors
    /// [`VaultError::Encryption`], which does not happen.
    pub fn catalogue_key(&self) -> Result<FileKey, VaultError> {
        Extracted::new(&[], self.0.expose()).key(&[CATALOGUE_LABEL]).map(FileKey::from)
    }

    /// Encrypts a small blob, bound to `context` (what it is and whose), which [`NodeKey::open`] must be given again.
    ///
    /// # Errors
    /// [`VaultError::Random`].
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let salt: [u8; BLOB_SALT_BYTES] = crate::random()?;
        let mut sealed = Vec::with_capacity(plain.len() + TAG_BYTES);
        sealed.extend_from_slice(plain);
        // The salt makes a key of its own for each blob, so that the fixed nonce is used once.
        self.blob_key(&salt)?.seal([0; NONCE_BYTES], &blob_bound_to(context), &mut sealed)?;
        Ok([&[VERSION], salt.as_slice(), &sealed].concat())
    }

    /// Decrypts what [`NodeKey::seal`] made with the same `context`.
    ///
    /// # Errors
    /// [`VaultError::WrongKey`], [`VaultError::Malformed`], [`VaultError::UnknownVersion`].
    pub fn open(&self, context: &[u8], mut sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        const FORM: VaultError = VaultError::Malformed("sealed blob");
        let [version] = take(&mut sealed).ok_or(FORM)?;
        if *version != VERSION {
            return Err(VaultError::UnknownVersion(*version));
        }
        let salt: &[u8; BLOB_SALT_BYTES] = take(&mut sealed).ok_or(FORM)?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let plain = self.blob_key(salt)?.open([0; NONCE_BYTES], &blob_bound_to(context), &mut bytes)?.len();
        bytes.truncate(plain);
        Ok(bytes)
    }

    fn blob_key(&self, salt: &[u8]) -> Result<Aead, VaultError> {
        Aead::new(&Extracted::new(salt, self.0.expose()).key(&[BLOB_LABEL])?)
    }
}

fn blob_bound_to(context: &[u8]) -> Vec<u8> {
    [&[VERSION], context].concat()
}

fn io(path: &Path, source: std::io::Error) -> VaultError {
    VaultError::Io { path: path.display().to_string(), source }
}
