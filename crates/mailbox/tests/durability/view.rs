//! Everything of a mailbox that its owner can see, to be compared.

use mailbox::*;
use model::{ModSeq, UidSet};
use std::collections::BTreeMap;

/// The whole of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub folders: Vec<Folder>,
    pub subscribed_only: Vec<String>,
}

/// A folder and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    pub row: FolderRow,
    pub messages: BTreeMap<u32, Message>,
    pub vanished: String,
}

/// A message.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    pub flags: FlagState,
    pub text: Vec<u8>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = String::from_utf8_lossy(&self.text[..self.text.len().min(24)]).into_owned();
        write!(f, "{:?} {start:?} of {}", self.flags, self.text.len())
    }
}

/// Octets that are asked for at once.
const STEP_BYTES: usize = 4 << 20;

pub fn view(reader: &Reader) -> View {
    let found = reader.folders_with(Counts::Kept).unwrap();
    let folders = found.folders.into_iter().map(|row| folder(reader, row)).collect();
    View { folders, subscribed_only: found.subscribed_only.iter().map(ToString::to_string).collect() }
}

fn folder(reader: &Reader, row: FolderRow) -> Folder {
    if row.no_select {
        return Folder { row, messages: BTreeMap::new(), vanished: String::new() };
    }
    let since = reader.changes_since(row.id, ModSeq::ZERO).unwrap();
    let texts = texts(reader, row.id);
    assert_eq!(texts.len(), since.changed.len());
    let messages = since.changed.into_iter().map(|flags| {
        let text = texts[&flags.uid.get()].clone();
        (flags.uid.get(), Message { flags, text })
    });
    Folder { messages: messages.collect(), vanished: format!("{:?}", since.vanished), row }
}

fn texts(reader: &Reader, folder: FolderId) -> BTreeMap<u32, Vec<u8>> {
    let every = UidSet::range(model::Uid::new(1).unwrap(), model::Uid::new(u32::MAX).unwrap());
    let plan = FetchPlan {
        folder,
        uids: every,
        items: Items::NONE,
        sections: vec![Section::whole()],
        changed_since: ModSeq::ZERO,
    };
    let mut texts: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    for record in super::common::fetch(reader, &plan, STEP_BYTES) {
        let text = texts.entry(record.uid.get()).or_default();
        record.sections.iter().for_each(|section| text.extend_from_slice(&section.data));
    }
    texts
}

impl View {
    /// The same whatever MODSEQs were given out: an attempt that fails uses some up.
    pub fn shape(&self) -> String {
        let mut shape = format!("{:?}", self.subscribed_only);
        for folder in &self.folders {
            let status = folder.row.status.map(|status| (status.messages, status.unseen, status.size, status.uid_next));
            shape
                .push_str(&format!("\n{} {} {:?} {}", folder.row.name, folder.row.subscribed, status, folder.vanished));
            for (uid, message) in &folder.messages {
                let FlagState { flags, keywords, .. } = &message.flags;
                shape.push_str(&format!("\n  {uid} {flags:?} {keywords:?} {:?}", vault::digest(&message.text)));
            }
        }
        shape
    }

    /// The highest MODSEQ that anybody was told of.
    pub fn modseq(&self) -> u64 {
        let statuses = self.folders.iter().filter_map(|folder| folder.row.status);
        statuses.map(|status| status.highest_modseq.get()).max().unwrap_or_default()
    }

    /// No folder's MODSEQ or next UID goes back.
    pub fn precedes(&self, later: &Self) {
        for before in &self.folders {
            let after = later.folders.iter().find(|folder| folder.row.id == before.row.id);
            let (Some(before), Some(after)) = (before.row.status, after.and_then(|folder| folder.row.status)) else {
                continue;
            };
            assert!(before.highest_modseq <= after.highest_modseq, "{before:?}\n{after:?}");
            assert!(
                before.uid_next <= after.uid_next && before.uid_validity == after.uid_validity,
                "{before:?}\n{after:?}"
            );
        }
    }
}
