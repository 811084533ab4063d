//! Operations a second on one mailbox file, in one process and one thread: what the file costs before any wire does.
//! `cargo run --release -p mailbox --example rates [FOLDER]`; some twenty seconds.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring tool prints, and has nobody to answer to")]

use jiff::Timestamp;
use mailbox::*;
use model::{Flag, Flags, FolderName, MailboxId, ModSeq, Uid, UidSet};
use std::time::{Duration, Instant};
use vault::MailboxKey;

/// Messages in the mailbox, as in the comparison with other servers.
const MESSAGES: u32 = 2000;
/// Octets of each.
const MESSAGE_BYTES: usize = 10_000;
/// How long each rate is measured: enough for two digits.
const EACH: Duration = Duration::from_secs(2);

fn main() {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let path = folder.join(format!("rates-{}.db", std::process::id()));
    let (key, id, options) = (MailboxKey::generate().unwrap(), MailboxId::from_bytes([1; 12]), Options::default());
    create(&path, &key, &id, Timestamp::now()).unwrap();
    let mut writer = Writer::open(&path, &key, &id, &options).unwrap();
    let reader = Reader::open(&path, &key, &id, &options).unwrap();
    rate("open and close a reader", || drop(Reader::open(&path, &key, &id, &options).unwrap()));
    appends(&mut writer);
    let inbox = reader.select(&FolderName::inbox()).unwrap();
    let (folder, count) = (inbox.folder, inbox.uids.len() as u32);
    stores(&mut writer, folder, count);
    reads(&reader, folder, count);
    copies(&mut writer, folder, count);
    println!("{:<52} {:>8.0} octets a message", "file", size(&path) as f64 / f64::from(count));
    drop((writer, reader));
    std::fs::remove_file(&path).unwrap();
}

/// Runs it over and over; prints how often it went in a second, and its processor time, the steadier figure of the two.
fn rate(what: &str, mut each: impl FnMut()) {
    let (begun, used, mut times) = (Instant::now(), processor_ns(), 0u32);
    while begun.elapsed() < EACH {
        each();
        times += 1;
    }
    let second = f64::from(times) / begun.elapsed().as_secs_f64();
    let micros = (processor_ns() - used) as f64 / 1000.0 / f64::from(times);
    println!("{what:<52} {second:>8.0} a second {micros:>9.1} µs of processor");
}

/// Nanoseconds that this thread has run; 0 where the system does not say.
fn processor_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
}

fn size(path: &std::path::Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

fn text(number: u32) -> Vec<u8> {
    let mut text = format!(
        "From: Ann Example <ann@example.com>\r\nTo: Ben <ben@example.com>\r\nSubject: message {number}\r\n\
         Date: Fri, 21 Nov 2025 10:00:00 +0000\r\nMessage-ID: <{number}@example.com>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n"
    );
    let mut state = u64::from(number) * 2 + 1;
    while text.len() < MESSAGE_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        text.push_str(["pigeon", "carries", "the", "letter", "over", "hills", "and", "streams"][state as usize % 8]);
        text.push_str(&format!("{}{}", state % 100, if state.is_multiple_of(9) { "\r\n" } else { " " }));
    }
    text.into_bytes()
}

fn append(inbox: &FolderName, content: Content) -> Append<'_> {
    Append {
        folder: inbox.into(),
        flags: Flags::NONE,
        keywords: &[],
        internal_date: Timestamp::now(),
        content,
        delivery: None,
        token: None,
    }
}

fn appends(writer: &mut Writer) {
    let inbox = FolderName::inbox();
    let mut number = 0;
    let mut next = || {
        number += 1;
        text(number)
    };
    let texts: Vec<_> = (0..1000).map(|_| next()).collect();
    let mut at = texts.iter().cycle();
    rate("ingest (scan, digest, compress), no file", || drop(Content::from_bytes(at.next().unwrap()).unwrap()));
    let mut fresh = 1_000_000;
    let mut content = || {
        fresh += 1;
        Content::from_bytes(&text(fresh)).unwrap()
    };
    rate("making the text and ingest", || drop(content()));
    for together in [1, 10] {
        rate(&format!("append, {together} a commit: commits"), || {
            let mut batch = writer.batch().unwrap();
            for _ in 0..together {
                let content = content();
                batch.run(|tx| tx.append(append(&inbox, content))).unwrap();
            }
            batch.commit().unwrap();
            if writer.checkpoint_due().unwrap() {
                writer.checkpoint().unwrap();
            }
        });
    }
}

fn stores(writer: &mut Writer, folder: FolderId, count: u32) {
    let mut at = 0u32;
    let mut mode = StoreMode::Add;
    for together in [1, 10] {
        rate(&format!("store that changes, {together} a commit: commits"), || {
            let mut batch = writer.batch().unwrap();
            for _ in 0..together {
                at = at % count + 1;
                if at == 1 {
                    mode = if mode == StoreMode::Add { StoreMode::Remove } else { StoreMode::Add };
                }
                let uid = Uid::new(at).unwrap();
                let edit = FlagEdit { mode, flags: Flags::NONE.with(Flag::Flagged), keywords: vec![] };
                batch.run(|tx| tx.store(folder, &UidSet::range(uid, uid), &edit, None)).unwrap();
            }
            batch.commit().unwrap();
            if writer.checkpoint_due().unwrap() {
                writer.checkpoint().unwrap();
            }
        });
    }
}

fn reads(reader: &Reader, folder: FolderId, count: u32) {
    let plan = |uids: UidSet, items, sections| FetchPlan { folder, uids, items, sections, changed_since: ModSeq::ZERO };
    let mut at = 7u32;
    rate("fetch BODY[] of one", || {
        at = at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let uid = Uid::new(at % count + 1).unwrap();
        let plan = plan(UidSet::range(uid, uid), Items::FLAGS, vec![Section::whole()]);
        assert!(reader.fetch(&plan, &mut FetchCursor::new(), 256 * 1024).unwrap().done);
    });
    let first = UidSet::range(Uid::new(1).unwrap(), Uid::new(MESSAGES).unwrap());
    let many = |items| {
        let plan = plan(first.clone(), items, vec![]);
        let mut cursor = FetchCursor::new();
        while !reader.fetch(&plan, &mut cursor, 256 * 1024).unwrap().done {}
    };
    let fast = Items::FLAGS.with(Items::SIZE).with(Items::INTERNAL_DATE);
    rate(&format!("fetch flags of {MESSAGES}"), || many(Items::FLAGS));
    rate(&format!("fetch flags, date, size, envelope, structure of {MESSAGES}"), || {
        many(fast.with(Items::ENVELOPE).with(Items::BODY_STRUCTURE));
    });
    let search = |key: SearchKey| {
        let key = SearchKey::AllOf(vec![SearchKey::Uids(first.clone()), key]);
        let mut cursor = SearchCursor::new();
        while !reader.search(folder, &key, &mut cursor, 500).unwrap().done {}
    };
    let subject = |text: &str| SearchKey::Header { name: "Subject".to_owned(), value: text.to_owned() };
    rate(&format!("search SUBJECT in {MESSAGES}"), || search(subject("message 99")));
    rate(&format!("search BODY in {MESSAGES}"), || search(SearchKey::Body("nowhere".to_owned())));
    rate(&format!("select of {count}"), || drop(reader.select(&FolderName::inbox()).unwrap()));
    rate("status", || assert!(reader.status(&FolderName::inbox()).is_ok()));
}

fn copies(writer: &mut Writer, folder: FolderId, count: u32) {
    let trash = FolderName::parse("Trash").unwrap();
    let mut at = 0u32;
    rate("copy of one", || {
        at = at % count + 1;
        let uid = Uid::new(at).unwrap();
        let mut batch = writer.batch().unwrap();
        batch.run(|tx| tx.copy(folder, &UidSet::range(uid, uid), &trash, Timestamp::now(), None)).unwrap();
        batch.commit().unwrap();
    });
    writer.checkpoint().unwrap();
}
