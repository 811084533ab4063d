//! The full-text index: what it finds is what a scan finds, however much of the mailbox is in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may take the short way")]

mod common;

use common::{Place, append, name, run, uid, uids};
use mailbox::{
    DateRelation, Error, FlagEdit, FolderId, IndexState, Reader, SearchCursor, SearchKey, StoreMode, Writer,
};
use model::{Flag, Flags, FolderName, Keyword, ModSeq, UidSet};
use proptest::prelude::*;

/// Words that share runs of characters, so that the index often leaves more than is found.
const WORDS: [&str; 14] = [
    "pigeon",
    "pigeonhole",
    "hole",
    "whole",
    "Ærø",
    "smørrebrød",
    "ΟΔΟΣ",
    "straße",
    "a b",
    "x",
    "letter",
    "let",
    "鳩の手紙",
    "été",
];

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&WORDS[..])
}

fn phrase() -> impl Strategy<Value = String> {
    prop::collection::vec(word(), 0..6).prop_map(|words| words.join(" "))
}

/// What a text is written as in the message.
#[derive(Debug, Clone, Copy)]
enum Form {
    Plain,
    Base64,
    Html,
    Mixed,
    Embedded,
    Picture,
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let form =
        prop::sample::select(&[Form::Plain, Form::Base64, Form::Html, Form::Mixed, Form::Embedded, Form::Picture][..]);
    (phrase(), phrase(), word(), form).prop_map(|(subject, body, from, form)| write(&subject, &body, from, form))
}

fn write(subject: &str, body: &str, from: &str, form: Form) -> Vec<u8> {
    let head = format!("From: {from} <{}@example.com>\r\nTo: a@b\r\nTo: {from}\r\nSubject: {subject}\r\n", from.len());
    let rest = match form {
        Form::Plain => format!("X-Word: {body}\r\n\r\n{subject}\r\n{body}\r\n"),
        Form::Base64 => format!(
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            base64(body.as_bytes())
        ),
        Form::Html => format!("Content-Type: text/html; charset=utf-8\r\n\r\n<p>{body}</p><b>bold</b>\r\n"),
        Form::Mixed => format!(
            "Content-Type: multipart/mixed; boundary=edge\r\n\r\n--edge\r\n\r\n{body}\r\n--edge\r\n\
             Content-Type: text/csv\r\n\r\n{from},{subject}\r\n--edge--\r\n"
        ),
        Form::Embedded => format!("Content-Type: message/rfc822\r\n\r\nSubject: {body}\r\n\r\n{from}\r\n"),
        Form::Picture => format!("Content-Type: image/png\r\n\r\n{body}\r\n"),
    };
    format!("{head}{rest}").into_bytes()
}

fn base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in octets.chunks(3) {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * at) & 63) as usize] as char;
            out.push(if at > three.len() { '=' } else { letter });
        }
    }
    out
}

/// A piece of a word, so that short texts, parts of words and what is nowhere come up too.
fn needle() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (word(), 0usize..4, 1usize..12).prop_map(|(word, from, count)| word.chars().skip(from).take(count).collect()),
        2 => phrase(),
        1 => Just("nowhere".to_owned()),
    ]
}

fn leaf() -> impl Strategy<Value = SearchKey> {
    let field = prop::sample::select(&["Subject", "From", "To", "X-Word", "Content-Type"][..]);
    prop_oneof![
        4 => needle().prop_map(SearchKey::Text),
        3 => needle().prop_map(SearchKey::Body),
        3 => (field, needle()).prop_map(|(name, value)| SearchKey::Header { name: name.to_owned(), value }),
        1 => Just(SearchKey::FlagSet(Flag::Seen)),
        1 => Just(SearchKey::FlagSet(Flag::Flagged)),
        1 => Just(SearchKey::FlagSet(Flag::Deleted)),
        1 => Just(SearchKey::KeywordSet(Keyword::parse("$word").unwrap())),
        1 => (1u32..30, 0u32..9).prop_map(|(from, more)| SearchKey::Uids(UidSet::range(uid(from), uid(from + more)))),
        1 => (0u64..60).prop_map(|modseq| SearchKey::ModSeqAtLeast(ModSeq::new(modseq).unwrap())),
        1 => (200u64..400).prop_map(SearchKey::Larger),
        1 => Just(SearchKey::InternalDate(DateRelation::Since, 18_518)),
    ]
}

fn program() -> impl Strategy<Value = SearchKey> {
    leaf().prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(SearchKey::AllOf),
            prop::collection::vec(inner.clone(), 0..4).prop_map(SearchKey::AnyOf),
            inner.prop_map(|key| SearchKey::Not(Box::new(key))),
        ]
    })
}

/// The same things done to two mailboxes, of which only one has an index.
struct Pair {
    indexed: Place,
    plain: Place,
    writers: [Writer; 2],
    folder: FolderId,
}

impl Pair {
    fn new() -> Self {
        let (indexed, plain) = (Place::new(), Place::new());
        let writers = [indexed.writer(), plain.writer()];
        let folder = indexed.reader().select(&FolderName::inbox()).unwrap().folder;
        Self { indexed, plain, writers, folder }
    }

    fn both(&mut self, operation: impl Fn(&mut mailbox::Tx<'_>) -> Result<(), Error>) {
        self.writers.iter_mut().for_each(|writer| run(writer, &operation));
    }

    fn append(&mut self, texts: &[Vec<u8>]) {
        for (at, text) in texts.iter().enumerate() {
            let flags = [Flags::NONE, Flags::NONE.with(Flag::Seen), Flags::NONE.with(Flag::Flagged)][at % 3];
            self.both(|tx| tx.append(append("INBOX", text, flags)).map(drop));
        }
    }

    /// Fills the index by batches of two, so many of them.
    fn fill(&mut self, batches: usize) {
        let reader = self.indexed.reader();
        for _ in 0..batches {
            let batch = reader.index_batch(2).unwrap();
            run(&mut self.writers[0], |tx| tx.index(&batch));
        }
    }

    fn check(&self, programs: &[SearchKey], budget: usize) {
        let (indexed, plain) = (self.indexed.reader(), self.plain.reader());
        for program in programs {
            let (found, expected) =
                (search(&indexed, self.folder, program, budget), search(&plain, self.folder, program, 1000));
            assert_eq!(found, expected, "{program:?}");
        }
        indexed.check().unwrap();
    }
}

fn search(reader: &Reader, folder: FolderId, key: &SearchKey, budget: usize) -> (String, ModSeq) {
    let (mut cursor, mut found, mut highest) = (SearchCursor::new(), UidSet::new(), ModSeq::ZERO);
    loop {
        let step = reader.search(folder, key, &mut cursor, budget).unwrap();
        assert!(found.last().is_none_or(|last| step.found.first().is_none_or(|first| first > last)), "in UID order");
        found = found.union(&step.found);
        highest = highest.max(step.highest_modseq);
        if step.done {
            return (found.to_string(), highest);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_index_finds_what_a_scan_finds(
        texts in prop::collection::vec(message(), 1..24),
        programs in prop::collection::vec(program(), 1..24),
        (batches, budget) in (0usize..14, 1usize..6),
        gone in prop::collection::vec(1u32..24, 0..4),
    ) {
        let mut pair = Pair::new();
        let half = texts.len() / 2;
        pair.append(&texts[..half]);
        pair.fill(batches / 2);
        // A copy shares its email; a MODSEQ that a flag takes is no email's id.
        let (folder, archive) = (pair.folder, name("Archive"));
        let edit = FlagEdit { mode: StoreMode::Add, flags: Flags::NONE, keywords: vec![Keyword::parse("$word").unwrap()] };
        pair.both(|tx| tx.store(folder, &uids("2:4"), &edit, None).map(drop));
        pair.both(|tx| tx.copy(folder, &uids("1:3"), &archive, common::clock(), None).map(drop));
        pair.append(&texts[half..]);
        pair.fill(batches - batches / 2);
        pair.check(&programs, budget);
        let gone: UidSet = gone.into_iter().map(uid).collect();
        let delete = FlagEdit { mode: StoreMode::Add, flags: Flags::NONE.with(Flag::Deleted), keywords: vec![] };
        pair.both(|tx| tx.store(folder, &gone, &delete, None).map(drop));
        pair.check(&programs, budget);
        pair.both(|tx| tx.expunge(folder, None, common::clock()).map(drop));
        pair.check(&programs, budget);
        for writer in &mut pair.writers {
            while writer.collect_garbage().unwrap() > 0 {}
        }
        pair.check(&programs, budget);
        pair.fill(20);
        pair.check(&programs, budget);
        assert_eq!(pair.indexed.reader().index_state().unwrap().waiting, 0);
    }
}

#[test]
fn a_kill_between_batches_leaves_an_index_that_goes_on() {
    let place = Place::new();
    let mut writer = place.writer();
    place.fill(&mut writer, 10);
    let batch = place.reader().index_batch(4).unwrap();
    assert!(batch.len() == 4 && batch.has_more());
    run(&mut writer, |tx| tx.index(&batch));
    // Read, but not committed: the mailbox is opened anew.
    let lost = place.reader().index_batch(4).unwrap();
    drop(writer);
    let mut writer = place.writer();
    assert_eq!(place.reader().index_state().unwrap(), IndexState { indexed: 4, waiting: 6 });
    run(&mut writer, |tx| tx.index(&lost));
    // The same batch again is one that another one overtook.
    run(&mut writer, |tx| tx.index(&lost));
    assert_eq!(place.reader().index_state().unwrap(), IndexState { indexed: 8, waiting: 2 });
    place.reader().check().unwrap();
}

#[test]
fn what_is_collected_leaves_the_index_and_what_went_before_its_batch_never_comes_in() {
    let place = Place::new();
    let mut writer = place.writer();
    let folder = place.fill(&mut writer, 6);
    let reader = place.reader();
    let first = reader.index_batch(3).unwrap();
    run(&mut writer, |tx| tx.index(&first));
    let second = reader.index_batch(3).unwrap();
    let delete = FlagEdit { mode: StoreMode::Add, flags: Flags::NONE.with(Flag::Deleted), keywords: vec![] };
    run(&mut writer, |tx| tx.store(folder, &uids("2,5"), &delete, None));
    run(&mut writer, |tx| tx.expunge(folder, None, common::clock()));
    while writer.collect_garbage().unwrap() > 0 {}
    run(&mut writer, |tx| tx.index(&second));
    assert_eq!(reader.index_state().unwrap(), IndexState { indexed: 4, waiting: 0 });
    reader.check().unwrap();
    let found = |text: &str| search(&reader, folder, &SearchKey::Text(text.to_owned()), 10).0;
    assert_eq!(
        (found("body"), found("message 4"), found("body 5")),
        ("1,3:4,6".to_owned(), String::new(), "6".to_owned())
    );
}
