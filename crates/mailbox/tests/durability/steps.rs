//! What is done to a mailbox, one acknowledged step after the other.

use super::common::*;
use super::cuts::Acknowledged;
use super::view::{View, view};
use faulty_disk::FaultyDisk;
use mailbox::*;
use model::{DeliveryId, Flag, Flags, MailboxId, Token};
use std::path::PathBuf;
use vault::MailboxKey;

/// A mailbox on a faulty disk.
pub struct Subject {
    pub disk: &'static FaultyDisk,
    pub key: MailboxKey,
    pub id: MailboxId,
}

/// One step, which commits once, or changes nothing that can be seen.
pub type Step = (&'static str, fn(&mut Writer) -> Result<(), Error>);

impl Subject {
    pub fn new(disk: &'static FaultyDisk) -> Self {
        Self { disk, key: MailboxKey::generate().unwrap(), id: MailboxId::from_bytes([7; 12]) }
    }

    /// With its file made.
    pub fn made(disk: &'static FaultyDisk) -> Self {
        let subject = Self::new(disk);
        create_with(&subject.path(), &subject.key, &subject.id, clock(), &subject.options()).unwrap();
        subject
    }

    pub fn path(&self) -> PathBuf {
        self.disk.root().join("mailbox.db")
    }

    pub fn options(&self) -> Options {
        Options { clock, cache_kib: 64, disk: self.disk, ..Options::default() }
    }

    pub fn open(&self) -> Result<Writer, Error> {
        Writer::open(&self.path(), &self.key, &self.id, &self.options())
    }

    /// As a node opens it that starts: writer, then reader.
    pub fn look(&self) -> View {
        let writer = self.open().unwrap();
        self.view(&writer)
    }

    pub fn view(&self, writer: &Writer) -> View {
        let reader = Reader::beside(writer, &self.key, &self.options()).unwrap();
        reader.check().unwrap();
        view(&reader)
    }

    /// Goes on: what is new follows on what was there; the file is closed in order and opened again.
    pub fn go_on(&self, acknowledged: &mut Acknowledged<View>) {
        let before = self.look();
        let inbox = before.folders.iter().find(|folder| folder.row.name.is_inbox()).unwrap();
        let next = inbox.row.status.unwrap().uid_next;
        let mut writer = self.open().unwrap();
        let appended =
            run(&mut writer, |tx| tx.append(append("INBOX", b"Subject: later\r\n\r\nand on\r\n", Flags::NONE)));
        assert_eq!(appended.uid, next);
        assert!(appended.modseq.get() > before.modseq());
        acknowledged.push(self.disk, self.view(&writer));
        writer.checkpoint().unwrap();
        writer.collect_garbage().unwrap();
        writer.close().unwrap();
    }
}

/// In a batch of its own.
fn once<T>(writer: &mut Writer, operation: impl FnOnce(&mut Tx<'_>) -> Result<T, Error>) -> Result<(), Error> {
    let mut batch = writer.batch()?;
    let result = batch.run(operation);
    batch.commit()?;
    result.map(drop)
}

fn text(number: u32) -> Vec<u8> {
    format!("From: ann@example.com\r\nSubject: number {number}\r\nMessage-ID: <{number}@x>\r\n\r\nbody {number}\r\n")
        .into()
}

fn add(writer: &mut Writer, folder: &str, number: u32) -> Result<(), Error> {
    once(writer, |tx| tx.append(append(folder, &text(number), Flags::NONE)))
}

/// INBOX is the first folder of every mailbox.
fn inbox() -> FolderId {
    FolderId::new(1)
}

fn store(writer: &mut Writer, which: &str, mode: StoreMode, flags: Flags, keywords: &[&str]) -> Result<(), Error> {
    let keywords = keywords.iter().map(|keyword| model::Keyword::parse(keyword).unwrap()).collect();
    once(writer, |tx| tx.store(inbox(), &uids(which), &FlagEdit { mode, flags, keywords }, None))
}

fn large(writer: &mut Writer) -> Result<(), Error> {
    let line = |number: u32| format!("line {number} of a large message, which goes on and on\r\n").into_bytes();
    let octets = [b"Subject: large\r\n\r\n".to_vec(), (0..24_000).flat_map(line).collect()].concat();
    let (mut ingest, upload) = (Ingest::new(), UploadId(41));
    for part in octets.chunks(400_000) {
        ingest.push(part)?;
        let pieces = ingest.take_pieces();
        if !pieces.is_empty() {
            once(writer, |tx| tx.stage(upload, pieces))?;
        }
    }
    let content = ingest.finish()?.with_upload(upload);
    once(writer, |tx| tx.append(Append { content, ..append("INBOX", b"", Flags::NONE) }))
}

pub const APPENDS: &[Step] = &[
    ("one", |writer| add(writer, "INBOX", 1)),
    ("two at once", |writer| {
        let mut batch = writer.batch()?;
        batch.run(|tx| tx.append(append("INBOX", &text(2), Flags::NONE)))?;
        batch.run(|tx| tx.append(append("Sent", &text(3), Flags::from_bits(Flag::Seen as u32))))?;
        batch.commit().map(drop)
    }),
    ("a delivery", |writer| {
        let delivery = Some(DeliveryId::from_bytes([1; 16]));
        once(writer, |tx| tx.append(Append { delivery, ..append("INBOX", &text(4), Flags::NONE) }))
    }),
    ("the same delivery", |writer| {
        let delivery = Some(DeliveryId::from_bytes([1; 16]));
        once(writer, |tx| tx.append(Append { delivery, ..append("INBOX", &text(4), Flags::NONE) }))
    }),
    ("with a token", |writer| {
        let token = Some(Token::from_bytes([2; 16]));
        once(writer, |tx| tx.append(Append { token, ..append("INBOX", &text(5), Flags::NONE) }))
    }),
    ("with an attachment", |writer| {
        once(writer, |tx| tx.append(append("INBOX", &with_attachment("six", &attachment(6, 9000)), Flags::NONE)))
    }),
];

pub const LARGE: &[Step] = &[("small", |writer| add(writer, "INBOX", 1)), ("large", large)];

pub const FLAGS: &[Step] = &[
    ("one", |writer| add(writer, "INBOX", 1)),
    ("another", |writer| add(writer, "INBOX", 2)),
    ("seen", |writer| store(writer, "1:2", StoreMode::Add, Flags::from_bits(Flag::Seen as u32), &[])),
    ("keywords", |writer| store(writer, "2", StoreMode::Add, Flags::NONE, &["one", "two"])),
    ("fewer", |writer| store(writer, "2", StoreMode::Remove, Flags::NONE, &["one"])),
    ("others", |writer| store(writer, "1", StoreMode::Replace, Flags::from_bits(Flag::Flagged as u32), &["three"])),
];

pub const EXPUNGE: &[Step] = &[
    ("one", |writer| add(writer, "INBOX", 1)),
    ("two", |writer| add(writer, "INBOX", 2)),
    ("three", |writer| add(writer, "INBOX", 3)),
    ("deleted", |writer| store(writer, "1,3", StoreMode::Add, Flags::from_bits(Flag::Deleted as u32), &[])),
    ("one of them", |writer| once(writer, |tx| tx.expunge(inbox(), Some(&uids("3")), clock()))),
    ("the rest", |writer| once(writer, |tx| tx.expunge(inbox(), None, clock()))),
    ("garbage", |writer| {
        while writer.collect_garbage()? > 0 {}
        Ok(())
    }),
    ("four", |writer| add(writer, "INBOX", 4)),
];

pub const TRANSFERS: &[Step] = &[
    ("one", |writer| add(writer, "INBOX", 1)),
    ("two", |writer| add(writer, "INBOX", 2)),
    ("copy", |writer| once(writer, |tx| tx.copy(inbox(), &uids("1:2"), &name("Archive"), clock(), None))),
    ("move", |writer| {
        once(writer, |tx| tx.move_(inbox(), &uids("1"), &name("Trash"), clock(), Some(Token::from_bytes([3; 16]))))
    }),
    ("into junk, which teaches", |writer| {
        once(writer, |tx| tx.move_(inbox(), &uids("2"), &name("Junk"), clock(), None))
    }),
];

pub const FOLDERS: &[Step] = &[
    ("create", |writer| once(writer, |tx| tx.create_folder(&name("A/B"), None))),
    ("fill", |writer| add(writer, "A/B", 1)),
    ("subscribe", |writer| once(writer, |tx| tx.set_subscribed(&name("A/B"), true))),
    ("rename", |writer| once(writer, |tx| tx.rename_folder(&name("A"), &name("C")))),
    ("delete", |writer| once(writer, |tx| tx.delete_folder(&name("C/B")))),
    ("create again", |writer| once(writer, |tx| tx.create_folder(&name("C/B"), None))),
];

pub const CHECKPOINTS: &[Step] = &[
    ("one", |writer| add(writer, "INBOX", 1)),
    ("moved", |writer| writer.checkpoint().map(drop)),
    ("two, over the old log", |writer| add(writer, "INBOX", 2)),
    ("three", |writer| add(writer, "INBOX", 3)),
    ("moved again", |writer| writer.checkpoint().map(drop)),
    ("seen", |writer| store(writer, "1:3", StoreMode::Add, Flags::from_bits(Flag::Seen as u32), &[])),
];
