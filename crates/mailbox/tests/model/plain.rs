//! The plain mailbox that the real one is compared with: maps in memory, no cleverness. MODSEQ and UIDVALIDITY values are
//! the real one's to choose; the rules about them are checked here.

use model::{Flags, FolderName, SpecialUse};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    pub flags: Flags,
    pub keywords: BTreeSet<String>,
    pub modseq: u64,
    pub date_ms: i64,
    /// Index into the test's bodies.
    pub body: usize,
}

#[derive(Debug, Clone)]
pub struct Folder {
    pub id: u64,
    pub selectable: bool,
    pub usage: Option<SpecialUse>,
    pub validity: u32,
    pub next: u32,
    pub highest: u64,
    pub recent_from: u32,
    pub messages: BTreeMap<u32, Message>,
    /// UID and MODSEQ of everything that left.
    pub vanished: Vec<(u32, u64)>,
}

#[derive(Debug, Clone, Default)]
pub struct Mailbox {
    pub folders: BTreeMap<String, Folder>,
    pub subscribed: BTreeSet<String>,
    /// The highest MODSEQ of any change so far.
    pub modseq: u64,
    /// Every UIDVALIDITY so far.
    pub validities: BTreeSet<u32>,
    /// MODSEQs that were first seen in a comparison.
    pub settled: Vec<u64>,
}

pub type Answer<T> = Result<T, &'static str>;

impl Mailbox {
    pub fn selectable(&mut self, name: &str) -> Answer<&mut Folder> {
        self.folders.get_mut(name).filter(|folder| folder.selectable).ok_or("NoSuchFolder")
    }

    /// A MODSEQ that the real mailbox chose: higher than every one before.
    pub fn take_modseq(&mut self, modseq: u64) -> u64 {
        assert!(modseq > self.modseq, "MODSEQ {modseq} after {}", self.modseq);
        self.modseq = modseq;
        modseq
    }

    /// Ends a comparison: MODSEQs that were first seen in it count from now on.
    pub fn settle(&mut self) {
        for modseq in std::mem::take(&mut self.settled) {
            self.modseq = self.modseq.max(modseq);
        }
    }

    pub fn can_create(&self, name: &FolderName, usage: Option<SpecialUse>) -> Answer<()> {
        if name.is_inbox() {
            return Err("CannotInbox");
        }
        if usage.is_some() && self.folders.values().any(|folder| folder.usage == usage) {
            return Err("SpecialUseTaken");
        }
        match self.folders.get(name.as_str()) {
            Some(folder) if folder.selectable => Err("FolderExists"),
            _ => Ok(()),
        }
    }

    pub fn can_delete(&self, name: &FolderName) -> Answer<()> {
        if name.is_inbox() {
            return Err("CannotInbox");
        }
        let folder = self.folders.get(name.as_str()).ok_or("NoSuchFolder")?;
        if !folder.selectable && self.has_children(name) { Err("HasChildren") } else { Ok(()) }
    }

    pub fn can_rename(&self, from: &FolderName, to: &FolderName) -> Answer<()> {
        if to.is_inbox() {
            return Err("CannotInbox");
        }
        if !self.folders.contains_key(from.as_str()) {
            return Err("NoSuchFolder");
        }
        if self.folders.contains_key(to.as_str()) {
            return Err("FolderExists");
        }
        if !from.is_inbox() && to.is_below(from) { Err("BelowItself") } else { Ok(()) }
    }

    pub fn has_children(&self, name: &FolderName) -> bool {
        self.folders.keys().any(|key| FolderName::parse(key).unwrap().is_below(name))
    }

    pub fn delete(&mut self, name: &FolderName) {
        if self.has_children(name) {
            let folder = self.folders.get_mut(name.as_str()).unwrap();
            (folder.selectable, folder.usage) = (false, None);
            folder.messages.clear();
            folder.vanished.clear();
        } else {
            self.folders.remove(name.as_str());
        }
    }

    pub fn rename(&mut self, from: &FolderName, to: &FolderName) {
        let below = |key: &&String| *key == from.as_str() || FolderName::parse(key).unwrap().is_below(from);
        let keys: Vec<String> = self.folders.keys().filter(below).cloned().collect();
        for key in keys {
            let folder = self.folders.remove(&key).unwrap();
            self.folders.insert(format!("{to}{}", &key[from.as_str().len()..]), folder);
        }
    }
}
