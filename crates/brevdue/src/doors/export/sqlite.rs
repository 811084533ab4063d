//! One SQLite file that the public shells open with the owner's password; the tables are `mailbox::portable`'s.

use super::sink::Sink;
use crate::cli::FileCipher;
use crate::doors::manifest::Whole;
use crate::doors::piece::{Folder, Message};
use crate::failure::Failure;
use mailbox::Cipher;
use mailbox::portable::{PortableFile, PortableMessage};
use std::path::Path;
use vault::Password;

/// The file.
pub struct SqliteFile {
    file: PortableFile,
    whole: Whole,
}

impl SqliteFile {
    /// Begins in an empty file.
    pub fn create(path: &Path, address: &str, password: &Password, cipher: FileCipher) -> Result<Self, Failure> {
        let cipher = match cipher {
            FileCipher::Chacha20 => Cipher::ChaCha20,
            FileCipher::Sqlcipher => Cipher::SqlCipher4,
        };
        let file = PortableFile::create(path, password, cipher, address)?;
        Ok(Self { file, whole: Whole { folders: 0, messages: 0, octets: 0 } })
    }
}

impl Sink for SqliteFile {
    fn folder(&mut self, folder: &Folder) -> Result<(), Failure> {
        self.whole.folders += 1;
        Ok(self.file.folder(&folder.name, folder.special_use, folder.subscribed)?)
    }

    fn begin(&mut self, message: Message) -> Result<(), Failure> {
        self.whole.messages += 1;
        self.whole.octets += message.size;
        Ok(self.file.begin(&PortableMessage {
            uid_validity: message.uid_validity,
            uid: message.uid,
            internal_date_ms: message.internal_date_ms,
            flags: message.flags,
            keywords: &message.keywords,
            size: message.size,
        })?)
    }

    fn data(&mut self, data: &[u8]) -> Result<(), Failure> {
        Ok(self.file.data(data)?)
    }

    fn end(&mut self) -> Result<(), Failure> {
        Ok(self.file.end()?)
    }

    fn finish(self: Box<Self>) -> Result<Whole, Failure> {
        self.file.finish()?;
        Ok(self.whole)
    }
}
