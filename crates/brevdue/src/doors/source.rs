//! What is imported, as it is read: files of three formats here, another server in `remote`. A source runs beside who writes
//! into the mailbox, hands on what it finds in order, and leaves out what an earlier run has imported.
//!
//! A message is known by a key: of its folder, its octets, and how many of the same came before it. So it does not matter
//! where in a file it stands, what a file is called, or in what order files are read.

mod detect;
mod eml;
mod from_line;
mod listed;
mod maildir;
mod mbox;
mod text;
mod tree;

pub use detect::{Found, detect};
pub use tree::folder_level;

use super::piece::Folder;
use bytes::Bytes;
use model::limits::MESSAGE_BYTES_MAX;
use model::{Flags, Keyword};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use text::{ReadError, Text};
use tokio::sync::mpsc;

/// What a message is known by.
pub type Key = [u8; 16];

/// Those that an earlier run has imported.
pub trait Known: Send + Sync {
    /// Whether this one is among them.
    fn is_known(&self, key: &Key) -> bool;
}

/// A message that is offered.
#[derive(Debug, Clone)]
pub struct Offer {
    /// What it is known by.
    pub key: Key,
    /// Where it stands, for a report.
    pub origin: String,
    /// System flags.
    pub flags: Flags,
    /// Keywords.
    pub keywords: Vec<Keyword>,
    /// INTERNALDATE, milliseconds since 1970-01-01 UTC; `None` for now.
    pub internal_date_ms: Option<i64>,
    /// Octets.
    pub size: u64,
    /// Of the octets, where they were read before.
    pub sha256: Option<[u8; 32]>,
}

/// What a source finds, in order.
#[derive(Debug)]
pub enum Item {
    /// So many messages more will be offered or are known.
    Expect(u64),
    /// What follows is of this folder.
    Folder(Folder),
    /// A message that an earlier run has imported.
    Known(Key),
    /// A message begins.
    Begin(Offer),
    /// Octets of it.
    Data(Bytes),
    /// It is whole.
    End,
    /// It cannot be read to its end.
    Broken(String),
    /// Something that cannot be imported: where it stands, and why.
    Problem(String, String),
    /// That was all.
    Whole,
}

/// Nobody takes what is found any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

/// Where a source that reads files hands on what it finds.
pub struct Out {
    items: mpsc::Sender<Item>,
    known: Arc<dyn Known>,
    folder: Option<Folder>,
    /// Messages of the same octets in the same folder.
    seen: HashMap<Key, u32>,
}

/// What is said of a message beside its octets.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// System flags.
    pub flags: Flags,
    /// Keywords.
    pub keywords: Vec<Keyword>,
    /// INTERNALDATE.
    pub internal_date_ms: Option<i64>,
}

impl Out {
    /// To this channel.
    pub fn new(items: mpsc::Sender<Item>, known: Arc<dyn Known>) -> Self {
        Self { items, known, folder: None, seen: HashMap::new() }
    }

    fn put(&self, item: Item) -> Result<(), Stopped> {
        self.items.blocking_send(item).map_err(|_| Stopped)
    }

    /// What follows is of this folder.
    pub fn folder(&mut self, folder: Folder) -> Result<(), Stopped> {
        if self.folder.as_ref() != Some(&folder) {
            self.folder = Some(folder.clone());
            self.put(Item::Folder(folder))?;
        }
        Ok(())
    }

    /// A folder of which nothing is known but its name.
    pub fn plain_folder(&mut self, name: String) -> Result<(), Stopped> {
        self.folder(Folder { name, special_use: None, subscribed: true })
    }

    /// Something cannot be imported.
    pub fn problem(&self, origin: &Path, why: impl std::fmt::Display) -> Result<(), Stopped> {
        self.put(Item::Problem(origin.display().to_string(), why.to_string()))
    }

    /// That was all.
    pub fn whole(&self) -> Result<(), Stopped> {
        self.put(Item::Whole)
    }

    /// Offers a message: reads it once to know it, and once more to hand it on.
    pub fn message(&mut self, origin: &str, text: &mut dyn Text) -> Result<(), Stopped> {
        let measured = match text::measure(text) {
            Ok(measured) => measured,
            Err(error) => return self.put(Item::Problem(origin.to_owned(), error.to_string())),
        };
        if measured.size > MESSAGE_BYTES_MAX {
            let why = format!("it has {} octets; a message may have {MESSAGE_BYTES_MAX}", measured.size);
            return self.put(Item::Problem(origin.to_owned(), why));
        }
        if measured.size == 0 {
            return self.put(Item::Problem(origin.to_owned(), "it is empty".to_owned()));
        }
        let key = self.key(&measured.sha256);
        self.put(Item::Expect(1))?;
        if self.known.is_known(&key) {
            return self.put(Item::Known(key));
        }
        let About { flags, keywords, internal_date_ms } = text.about();
        self.put(Item::Begin(Offer {
            key,
            origin: origin.to_owned(),
            flags,
            keywords,
            internal_date_ms,
            size: measured.size,
            sha256: Some(measured.sha256),
        }))?;
        let items = self.items.clone();
        let read = text.read(&mut |data| {
            let sent = items.blocking_send(Item::Data(Bytes::copy_from_slice(data)));
            sent.map_err(|_| ReadError::Stopped)
        });
        match read {
            Ok(()) => self.put(Item::End),
            Err(ReadError::Stopped) => Err(Stopped),
            Err(error) => self.put(Item::Broken(error.to_string())),
        }
    }

    fn key(&mut self, sha256: &[u8; 32]) -> Key {
        let folder = self.folder.as_ref().map_or("", |folder| folder.name.as_str());
        let same = key(&[b"same", folder.as_bytes(), sha256]);
        let before = self.seen.entry(same).or_default();
        *before += 1;
        key(&[b"file", folder.as_bytes(), sha256, &before.to_be_bytes()])
    }
}

/// The key of these parts; none of them runs into the next.
pub fn key(parts: &[&[u8]]) -> Key {
    let mut digest = vault::Digest::new();
    for part in parts {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let mut key = Key::default();
    let full = digest.finish();
    key.copy_from_slice(full.split_at(size_of::<Key>()).0);
    key
}

/// Reads what was found, on a thread of its own.
pub fn run(found: &Found, out: &mut Out) -> Result<(), Stopped> {
    match found {
        Found::Mbox(file) => {
            let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            out.plain_folder(tree::folder_level(&stem))?;
            mbox::file(file, out)?;
        }
        Found::Eml(file) => {
            out.plain_folder(model::folder::INBOX.to_owned())?;
            eml::file(file, out)?;
        }
        Found::MboxTree(root) => mbox::tree(root, out)?,
        Found::EmlTree(root) => eml::tree(root, out)?,
        Found::Maildir(root) => maildir::tree(root, out)?,
    }
    out.whole()
}
