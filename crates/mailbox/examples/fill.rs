//! Fills a mailbox file with many small messages and prints what SELECT, UID FETCH and SEARCH take there.
//!
//! `cargo run --release -p mailbox --example fill -- PATH COUNT [BODY_OCTETS] [HEX_KEY]`. The key defaults to 64 zeros and the
//! mailbox id to `070707070707070707070707`: for measurements only. A file that is there is filled up to COUNT.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "an example that measures")]

use jiff::Timestamp;
use mailbox::*;
use model::{Flag, Flags, FolderName, Keyword, MailboxId, ModSeq, Uid, UidSet};
use std::path::{Path, PathBuf};
use std::time::Instant;
use vault::MailboxKey;

/// Appends of one commit.
const TOGETHER: u32 = 1000;
/// Messages that are indexed in one commit, as the node takes them.
const INDEXED_TOGETHER: usize = 64;
/// Messages of one step of a SEARCH, as the node takes them.
const STEP_MESSAGES: usize = 256;
const WORDS: [&str; 24] = [
    "harbour", "meadow", "copper", "thistle", "garnet", "willow", "saddle", "lantern", "the", "and", "of", "to",
    "invoice", "meeting", "tomorrow", "please", "attached", "regards", "pigeon", "letter", "because", "would", "their",
    "which",
];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = PathBuf::from(arguments.next().expect("a path"));
    let count: u32 = arguments.next().expect("a count").parse().expect("a number");
    let body: usize = arguments.next().map_or(1500, |octets| octets.parse().expect("octets"));
    let key = arguments.next().unwrap_or_else(|| "0".repeat(64));
    let digits =
        (0..64).step_by(2).map(|at| u8::from_str_radix(&key[at..at + 2], 16).expect("hex")).collect::<Vec<_>>();
    let key = MailboxKey::from_bytes(zeroize(digits));
    let (id, options) = (MailboxId::from_bytes([7; 12]), Options { cache_kib: 256, ..Options::default() });
    if !path.exists() {
        create(&path, &key, &id, Timestamp::now()).unwrap();
    }
    let mut writer = Writer::open(&path, &key, &id, &options).unwrap();
    let reader = Reader::open(&path, &key, &id, &options).unwrap();
    fill(&mut writer, &reader, count, body);
    let before = octets(&path);
    index(&mut writer, &reader);
    writer.checkpoint().unwrap();
    let size = octets(&path);
    println!(
        "file {size} octets, {} a message; {} of them index",
        size / u64::from(count),
        (size - before) / u64::from(count)
    );
    reads(&Reader::open(&path, &key, &id, &options).unwrap(), count);
    searches(&Reader::open(&path, &key, &id, &options).unwrap(), count);
    // When nothing had to be filled, this is what readers alone took.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default());
}

fn octets(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

fn zeroize(octets: Vec<u8>) -> zeroize::Zeroizing<[u8; 32]> {
    zeroize::Zeroizing::new(octets.try_into().expect("32 octets"))
}

fn text(number: u32, body: usize) -> Vec<u8> {
    let mut state = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let word = |n: u64| WORDS[(n % WORDS.len() as u64) as usize];
    let (one, two, sender) = (word(next()), word(next()), next() % 500);
    let mut text = format!(
        "Received: from mx{sender}.example.com by mx.example.org; Fri, 21 Nov 2025 10:00:00 +0000\r\n\
         From: Person {sender} <person{sender}@example.com>\r\nTo: Ben <ben@example.org>\r\nSubject: Re: {one} {two} {number}\r\n\
         Date: Fri, {:02} Nov 2025 10:00:00 +0000\r\nMessage-ID: <{number}.{:x}@example.com>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n",
        number % 28 + 1,
        next()
    );
    if number % 20_000 == 777 {
        text.push_str("here is a xylophonist\r\n");
    }
    while text.len() < body {
        let n = next();
        text.push_str(word(n));
        // One word in five is as good as unique, as names and numbers are.
        if n >> 32 & 7 < 2 {
            text.push_str(&format!("{:x}", n >> 40));
        }
        text.push_str(if n >> 16 & 7 == 0 { "\r\n" } else { " " });
    }
    text.into_bytes()
}

fn fill(writer: &mut Writer, reader: &Reader, count: u32, body: usize) {
    let inbox = FolderName::inbox();
    let begun = Instant::now();
    let there = reader.status(&inbox).unwrap().messages;
    let mut number = there;
    while number < count {
        let mut batch = writer.batch().unwrap();
        for _ in 0..TOGETHER.min(count - number) {
            number += 1;
            let flags = if number.is_multiple_of(50) { Flags::NONE } else { Flags::NONE.with(Flag::Seen) };
            let flags = if number.is_multiple_of(300) { flags.with(Flag::Flagged) } else { flags };
            let keywords = if number.is_multiple_of(70) { vec![Keyword::parse("$label1").unwrap()] } else { vec![] };
            let append = Append {
                folder: (&inbox).into(),
                flags,
                keywords: &keywords,
                internal_date: Timestamp::from_millisecond(1_600_000_000_000 + i64::from(number) * 60_000).unwrap(),
                content: Content::from_bytes(&text(number, body)).unwrap(),
                delivery: None,
                token: None,
            };
            batch.run(|tx| tx.append(append)).unwrap();
        }
        batch.commit().unwrap();
        writer.checkpoint().unwrap();
    }
    let added = count.saturating_sub(there);
    println!("{added} appends, {:.0} µs each", begun.elapsed().as_secs_f64() * 1e6 / f64::from(added.max(1)));
}

fn index(writer: &mut Writer, reader: &Reader) {
    let before = reader.index_state().unwrap();
    let (mut decoding, mut writing, mut longest) = (0.0, 0.0, 0.0f64);
    loop {
        let begun = Instant::now();
        let made = reader.index_batch(INDEXED_TOGETHER).unwrap();
        decoding += begun.elapsed().as_secs_f64();
        if made.is_empty() {
            break;
        }
        let (begun, used) = (Instant::now(), processor_ms());
        let mut batch = writer.batch().unwrap();
        batch.run(|tx| tx.index(&made)).unwrap();
        batch.commit().unwrap();
        writing += begun.elapsed().as_secs_f64();
        longest = longest.max(processor_ms() - used);
        if writer.checkpoint_due().unwrap() {
            writer.checkpoint().unwrap();
        }
    }
    let each = 1e6 / (before.waiting.max(1)) as f64;
    println!(
        "{} indexed: {:.0} µs each to decode, {:.0} µs each to write, longest commit {:.1} ms of processor",
        before.waiting,
        decoding * each,
        writing * each,
        longest
    );
}

/// Milliseconds that this thread has run, the steadier figure on a shared machine; 0 where the system does not say.
fn processor_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0) / 1e6
}

/// The first time, which reads from the file, and the best of five.
fn time(what: &str, mut each: impl FnMut() -> String) {
    let mut times = Vec::new();
    let mut answer = String::new();
    for _ in 0..5 {
        let begun = Instant::now();
        answer = each();
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    let best = times.iter().copied().fold(f64::MAX, f64::min);
    println!("{what:<44} first {:>9.2} ms, best {best:>9.2} ms: {answer}", times[0]);
}

fn reads(reader: &Reader, count: u32) {
    let inbox = FolderName::inbox();
    time("SELECT", || {
        let state = reader.select(&inbox).unwrap();
        format!("{} runs, first unseen {:?}", state.uids.runs().len(), state.first_unseen.map(Uid::get))
    });
    time("STATUS", || reader.status(&inbox).unwrap().messages.to_string());
    let folder = reader.select(&inbox).unwrap().folder;
    let all = UidSet::range(Uid::new(1).unwrap(), Uid::new(count).unwrap());
    let last = UidSet::range(Uid::new(count.saturating_sub(50).max(1)).unwrap(), Uid::new(count).unwrap());
    let fetch = |uids: &UidSet, items| {
        let plan = FetchPlan { folder, uids: uids.clone(), items, sections: vec![], changed_since: ModSeq::ZERO };
        let (mut cursor, mut records) = (FetchCursor::new(), 0);
        loop {
            let step = reader.fetch(&plan, &mut cursor, 256 * 1024).unwrap();
            records += step.records.len();
            if step.done {
                return records.to_string();
            }
        }
    };
    let list = Items::FLAGS.with(Items::SIZE).with(Items::INTERNAL_DATE).with(Items::ENVELOPE);
    time("UID FETCH of 51: envelopes", || fetch(&last, list));
    time("UID FETCH of all: flags", || fetch(&all, Items::FLAGS));
    if count <= 200_000 {
        time("UID FETCH of all: envelopes", || fetch(&all, list));
    }
}

fn searches(reader: &Reader, count: u32) {
    let folder = reader.select(&FolderName::inbox()).unwrap().folder;
    let header = |name: &str, value: &str| SearchKey::Header { name: name.to_owned(), value: value.to_owned() };
    let text = |text: &str| SearchKey::Text(text.to_owned());
    let not = |key| SearchKey::Not(Box::new(key));
    let day = (1_600_000_000 + i64::from(count) * 60) / 86_400 - 1;
    let keys = [
        ("TEXT, a rare word", text("xylophonist")),
        ("TEXT, nowhere", text("nowhere at all")),
        ("TEXT, common runs, nowhere", text("thereandthe")),
        ("TEXT, common", text("harbour")),
        (
            "TEXT, two letters",
            SearchKey::AllOf(vec![
                SearchKey::Uids(UidSet::range(Uid::new(1).unwrap(), Uid::new(2000).unwrap())),
                text("zz"),
            ]),
        ),
        ("BODY, a rare word", SearchKey::Body("xylophonist".to_owned())),
        ("SUBJECT, one", header("Subject", "copper willow 4")),
        ("SUBJECT, common", header("Subject", "pigeon")),
        ("FROM, 1 in 500", header("From", "person77@")),
        ("FROM, everybody", header("From", "example")),
        ("UNSEEN", not(SearchKey::FlagSet(Flag::Seen))),
        ("SEEN", SearchKey::FlagSet(Flag::Seen)),
        ("FLAGGED", SearchKey::FlagSet(Flag::Flagged)),
        ("ANSWERED", SearchKey::FlagSet(Flag::Answered)),
        ("KEYWORD", SearchKey::KeywordSet(Keyword::parse("$label1").unwrap())),
        ("SINCE, the last day", SearchKey::InternalDate(DateRelation::Since, day as i32)),
        ("SENTON", SearchKey::SentDate(DateRelation::On, 20_400)),
        ("LARGER", SearchKey::Larger(1_000_000)),
        ("MODSEQ, the last 10", SearchKey::ModSeqAtLeast(ModSeq::new(u64::from(count)).unwrap())),
        ("UNSEEN SUBJECT", SearchKey::AllOf(vec![not(SearchKey::FlagSet(Flag::Seen)), header("Subject", "pigeon")])),
    ];
    for (what, key) in keys {
        let slow = what.contains("common") || what.contains("everybody") || what.contains("SENT");
        let once = |all: bool| {
            let (mut cursor, mut found, begun, mut first) = (SearchCursor::new(), 0, Instant::now(), None);
            loop {
                let step = reader.search(folder, &key, &mut cursor, STEP_MESSAGES).unwrap();
                found += step.found.len();
                if first.is_none() && found > 0 {
                    first = Some(begun.elapsed().as_secs_f64() * 1e3);
                }
                if step.done || (!all && found > 0) {
                    return format!("{found} found, the first after {:.2} ms", first.unwrap_or_default());
                }
            }
        };
        if slow {
            let begun = Instant::now();
            let answer = once(true);
            println!("{what:<44} once  {:>9.2} ms: {answer}", begun.elapsed().as_secs_f64() * 1e3);
        } else {
            time(what, || once(true));
        }
    }
}
