//! What the tests share: a mailbox in a temporary folder, short ways to say what is done to it, and messages.
#![allow(dead_code)]

use jiff::Timestamp;
use mailbox::*;
use model::{Flags, FolderName, MailboxId, Uid, UidSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use vault::MailboxKey;

/// A clock that moves a millisecond with every look.
pub fn clock() -> Timestamp {
    static NOW: AtomicI64 = AtomicI64::new(1_750_000_000_000);
    Timestamp::from_millisecond(NOW.fetch_add(1, Ordering::Relaxed)).unwrap()
}

pub struct Place {
    pub folder: tempfile::TempDir,
    pub key: MailboxKey,
    pub id: MailboxId,
}

impl Place {
    pub fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            key: MailboxKey::generate().unwrap(),
            id: MailboxId::from_bytes([7; 12]),
        };
        create(&place.path(), &place.key, &place.id, clock()).unwrap();
        place
    }
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("mailbox.db")
    }
    pub fn options(&self) -> Options {
        Options { clock, ..Options::default() }
    }
    pub fn writer(&self) -> Writer {
        Writer::open(&self.path(), &self.key, &self.id, &self.options()).unwrap()
    }
    pub fn reader(&self) -> Reader {
        Reader::open(&self.path(), &self.key, &self.id, &self.options()).unwrap()
    }
    /// Appends `count` small messages to INBOX.
    pub fn fill(&self, writer: &mut Writer, count: usize) -> FolderId {
        let mut batch = writer.batch().unwrap();
        for at in 0..count {
            let text = format!("Subject: message {at}\r\n\r\nbody {at}\r\n");
            batch.run(|tx| tx.append(append("INBOX", text.as_bytes(), Flags::NONE))).unwrap();
        }
        batch.commit().unwrap();
        self.reader().select(&FolderName::inbox()).unwrap().folder
    }
    /// Every octet of every file in the folder.
    pub fn octets(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }
}

pub fn name(text: &str) -> FolderName {
    FolderName::parse(text).unwrap()
}

pub fn uid(number: u32) -> Uid {
    Uid::new(number).unwrap()
}

/// From `1:3,5`.
pub fn uids(text: &str) -> UidSet {
    let mut set = UidSet::new();
    for run in text.split(',').filter(|run| !run.is_empty()) {
        let (first, last) = run.split_once(':').unwrap_or((run, run));
        set.insert_range(uid(first.parse().unwrap()), uid(last.parse().unwrap()));
    }
    set
}

/// An append to a folder by name, which leaks it: tests are short.
pub fn append(folder: &str, text: &[u8], flags: Flags) -> Append<'static> {
    let folder: &'static FolderName = Box::leak(Box::new(name(folder)));
    Append {
        folder: folder.into(),
        flags,
        keywords: &[],
        internal_date: Timestamp::from_millisecond(1_600_000_000_123).unwrap(),
        content: Content::from_bytes(text).unwrap(),
        delivery: None,
        token: None,
    }
}

/// One operation in a batch of its own.
pub fn run<T>(writer: &mut Writer, operation: impl FnOnce(&mut Tx<'_>) -> Result<T, Error>) -> T {
    let mut batch = writer.batch().unwrap();
    let answer = batch.run(operation).unwrap();
    batch.commit().unwrap();
    answer
}

/// A whole FETCH in steps of `budget` octets.
pub fn fetch(reader: &Reader, plan: &FetchPlan, budget: usize) -> Vec<FetchRecord> {
    let (mut cursor, mut records) = (FetchCursor::new(), Vec::new());
    loop {
        let step = reader.fetch(plan, &mut cursor, budget).unwrap();
        records.extend(step.records);
        if step.done {
            return records;
        }
    }
}

/// One section of one message, put together from its records; `None` for NIL.
pub fn section(reader: &Reader, folder: FolderId, uid: Uid, section: Section, budget: usize) -> Option<Vec<u8>> {
    let plan = FetchPlan {
        folder,
        uids: UidSet::range(uid, uid),
        items: Items::NONE,
        sections: vec![section],
        changed_since: model::ModSeq::ZERO,
    };
    let records = fetch(reader, &plan, budget);
    let parts: Vec<_> = records.iter().flat_map(|record| &record.sections).collect();
    let first = parts.first().expect("the message is there");
    if first.missing {
        return None;
    }
    let data: Vec<u8> = parts.iter().flat_map(|part| part.data.iter().copied()).collect();
    assert_eq!(first.total, Some(data.len() as u64));
    Some(data)
}

/// `BODY[]`
pub fn body(reader: &Reader, folder: FolderId, uid: Uid) -> Vec<u8> {
    section(reader, folder, uid, Section::whole(), 100_000).unwrap()
}

/// Octets that do not compress, the same for the same seed.
pub fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..count).map(|_| next()).collect()
}

/// Lines of base64 alphabet, 76 to a line.
pub fn attachment(seed: u64, count: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = noise(seed, count).into_iter().map(|byte| ALPHABET[usize::from(byte % 64)]).collect::<Vec<_>>();
    letters.chunks(76).flat_map(|line| [line, b"\r\n"].concat()).collect()
}

/// A message with a note and one attachment.
pub fn with_attachment(subject: &str, attachment: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "From: Ann <ann@example.com>\r\nTo: ben@example.com\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"edge-{subject}\"\r\n\r\n--edge-{subject}\r\n\
         Content-Type: text/plain\r\n\r\nSee what is attached.\r\n--edge-{subject}\r\n\
         Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    .into_bytes();
    text.extend_from_slice(attachment);
    text.extend_from_slice(format!("--edge-{subject}--\r\n").as_bytes());
    text
}
