//! Fills a mailbox, takes a snapshot of it while messages are read beside, and prints what that costs: time, memory, and by how
//! much the reading slows down.
//!
//! `cargo run --release -p mailbox --example snapshot -- FOLDER [MIB]`. A mailbox that is there is used as it is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example that measures"
)]

use jiff::Timestamp;
use mailbox::snapshot::{Pace, Subject, take};
use mailbox::*;
use model::{Flags, FolderName, MailboxId, ModSeq, Uid, UidSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vault::MailboxKey;

/// Octets of a message, as mail with small attachments comes.
const MESSAGE_BYTES: usize = 40_000;
/// Appends of one commit.
const TOGETHER: usize = 100;
/// How long reading alone is measured.
const ALONE: Duration = Duration::from_secs(5);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().expect("a folder"));
    let mib: usize = arguments.next().map_or(64, |mib| mib.parse().expect("a number"));
    let (key, id) = (MailboxKey::from_bytes(zeroize::Zeroizing::new([7; 32])), MailboxId::from_bytes([7; 12]));
    let options = Options { cache_kib: 256, ..Options::default() };
    std::fs::create_dir_all(&folder).unwrap();
    let (path, target) = (folder.join("mailbox.db"), folder.join("copy.sqlite"));
    if !path.exists() {
        create(&path, &key, &id, Timestamp::now()).unwrap();
        fill(&mut Writer::open(&path, &key, &id, &options).unwrap(), mib * 1024 * 1024 / MESSAGE_BYTES);
        println!("filled: run it again, so that the memory is that of the copy alone");
        return;
    }
    let writer = Writer::open(&path, &key, &id, &options).unwrap();
    let reader = Reader::open(&path, &key, &id, &options).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let timer = {
        let stop = stop.clone();
        std::thread::spawn(move || {
            std::thread::sleep(ALONE);
            stop.store(true, Ordering::Relaxed);
        })
    };
    let alone = read(&reader, &stop);
    timer.join().unwrap();

    let copied = Arc::new(AtomicBool::new(false));
    let _ = std::fs::remove_file(&target);
    let copying = {
        let (copied, path, target, options) = (copied.clone(), path.clone(), target.clone(), options.clone());
        let key = key.try_clone();
        std::thread::spawn(move || {
            let begun = Instant::now();
            let subject = Subject::Mailbox(&key, &id);
            let taken = take(&path, &subject, &options, &target, &Pace::gentle(Arc::default())).unwrap();
            copied.store(true, Ordering::Relaxed);
            (taken, begun.elapsed())
        })
    };
    let beside = read(&reader, &copied);
    let (taken, took) = copying.join().unwrap();
    drop(writer);
    println!("{} octets, {} messages, in {:.1} s", taken.bytes, taken.messages, took.as_secs_f64());
    println!("messages read a second: {alone:.0} alone, {beside:.0} beside: {:.0} %", beside * 100.0 / alone);
    println!("{}", high_water(Path::new("/proc/self/status")));
}

fn high_water(status: &Path) -> String {
    let status = std::fs::read_to_string(status).unwrap_or_default();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default().to_owned()
}

fn fill(writer: &mut Writer, count: usize) {
    let inbox = FolderName::inbox();
    let mut state = 1u64;
    for first in (0..count).step_by(TOGETHER) {
        let mut batch = writer.batch().unwrap();
        for number in first..(first + TOGETHER).min(count) {
            let mut text = format!("From: a@example.com\r\nSubject: number {number}\r\n\r\n").into_bytes();
            while text.len() < MESSAGE_BYTES {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                text.extend_from_slice(format!("{state:016x}{:016x}\r\n", state.wrapping_mul(7)).as_bytes());
            }
            let content = Content::from_bytes(&text).unwrap();
            let append = Append {
                folder: (&inbox).into(),
                flags: Flags::NONE,
                keywords: &[],
                internal_date: Timestamp::UNIX_EPOCH,
                content,
                delivery: None,
                token: None,
            };
            batch.run(|tx| tx.append(append)).unwrap();
        }
        batch.commit().unwrap();
        if writer.checkpoint_due().unwrap() {
            writer.checkpoint().unwrap();
        }
    }
    writer.checkpoint().unwrap();
}

/// Whole messages, one after the other, until told to stop; how many a second.
fn read(reader: &Reader, stop: &AtomicBool) -> f64 {
    let selected = reader.select(&FolderName::inbox()).unwrap();
    let uids: Vec<Uid> = selected.uids.iter().collect();
    let (begun, mut count) = (Instant::now(), 0u32);
    for uid in uids.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let plan = FetchPlan {
            folder: selected.folder,
            uids: UidSet::range(*uid, *uid),
            items: Items::NONE,
            sections: vec![Section::whole()],
            changed_since: ModSeq::ZERO,
        };
        let mut cursor = FetchCursor::new();
        while !reader.fetch(&plan, &mut cursor, 256 * 1024).unwrap().done {}
        count += 1;
    }
    f64::from(count) / begun.elapsed().as_secs_f64()
}
