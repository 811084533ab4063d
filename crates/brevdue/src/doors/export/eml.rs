//! A file of each message, in folders as the mailbox has them. Flags, keywords and dates are in the manifest; a file's time
//! is its message's.

use super::sink::Sink;
use crate::doors::manifest::{FolderEntry, ManifestWriter, MessageEntry, Whole};
use crate::doors::names;
use crate::doors::piece::{Folder, Message, flag_names, hex};
use crate::doors::place::{new_file, new_folder, set_time};
use crate::failure::Failure;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use vault::Digest;

/// The files.
pub struct Eml {
    root: PathBuf,
    manifest: ManifestWriter,
    /// Of the folder, from the top.
    path: String,
    open: Option<Open>,
}

/// A message's file that is written.
pub struct Open {
    message: Message,
    path: PathBuf,
    /// From the top of the export.
    named: String,
    out: BufWriter<File>,
    digest: Digest,
}

impl Open {
    /// Makes the file.
    pub fn create(root: &Path, named: String, message: Message) -> io::Result<Self> {
        let path = root.join(&named);
        let out = BufWriter::new(new_file(&path)?);
        Ok(Self { message, path, named, out, digest: Digest::new() })
    }

    /// More of it.
    pub fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.digest.update(data);
        self.out.write_all(data)
    }

    /// Ends it; what the manifest says of it.
    pub fn finish(mut self) -> io::Result<MessageEntry> {
        self.out.flush()?;
        drop(self.out);
        set_time(&self.path, self.message.internal_date_ms)?;
        Ok(MessageEntry {
            file: self.named,
            flags: flag_names(self.message.flags, &self.message.keywords),
            internal_date_ms: self.message.internal_date_ms,
            size: self.message.size,
            sha256: hex(&self.digest.finish()),
        })
    }
}

impl Eml {
    /// Begins in an empty folder.
    pub fn create(root: &Path, address: &str) -> io::Result<Self> {
        let manifest = ManifestWriter::create(root, "eml", address)?;
        Ok(Self { root: root.to_owned(), manifest, path: String::new(), open: None })
    }
}

impl Sink for Eml {
    fn folder(&mut self, folder: &Folder) -> Result<(), Failure> {
        self.path = names::levels(&folder.name).collect::<Vec<_>>().join("/");
        new_folder(&self.root.join(&self.path))?;
        self.manifest.folder(FolderEntry {
            folder: folder.name.clone(),
            path: self.path.clone(),
            special_use: folder.special_use.map(|special_use| special_use.name().to_owned()),
            subscribed: folder.subscribed,
        })?;
        Ok(())
    }

    fn begin(&mut self, message: Message) -> Result<(), Failure> {
        let named = format!("{}/{:010}.eml", self.path, message.uid);
        self.open = Some(Open::create(&self.root, named, message)?);
        Ok(())
    }

    fn data(&mut self, data: &[u8]) -> Result<(), Failure> {
        match &mut self.open {
            Some(open) => Ok(open.write(data)?),
            None => Err(Failure::refused("octets of no message")),
        }
    }

    fn end(&mut self) -> Result<(), Failure> {
        if let Some(open) = self.open.take() {
            self.manifest.message(open.finish()?)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Whole, Failure> {
        Ok(self.manifest.finish()?)
    }
}
