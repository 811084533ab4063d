//! Random operations on the real mailbox and on a plain one in memory: everything that can be seen must be the same, after
//! every commit, after undone batches, and after the file was closed and opened again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may take the short way")]

mod apply;
#[path = "../common/mod.rs"]
mod common;
mod compare;
mod plain;

use apply::{Op, PENDING, World, op};
use common::Place;
use common::*;
use compare::{Compare, History, View};
use mailbox::*;
use model::FolderName;
use plain::{Folder, Mailbox};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What happens between two looks.
#[derive(Debug, Clone)]
struct Round {
    ops: Vec<Op>,
    after: After,
}

#[derive(Debug, Clone)]
enum After {
    Commit,
    /// The batch is dropped: nothing of it may be seen.
    Drop,
    /// Commit, collect garbage, move the log.
    Tidy,
    /// Commit, close everything, open again.
    Reopen,
}

const BODIES: usize = 8;

fn round() -> impl Strategy<Value = Round> {
    let after = prop_oneof![
        6 => Just(After::Commit),
        1 => Just(After::Drop),
        1 => Just(After::Tidy),
        1 => Just(After::Reopen),
    ];
    (proptest::collection::vec(op(BODIES), 1..6), after).prop_map(|(ops, after)| Round { ops, after })
}

/// Odd ones say so in their subject; two share an attachment, one is large, one is empty.
fn bodies() -> Vec<Vec<u8>> {
    let shared = attachment(21, 60_000);
    vec![
        b"".to_vec(),
        b"Subject: odd one\r\n\r\nhello\r\n".to_vec(),
        with_attachment("even", &shared),
        with_attachment("odd", &shared),
        b"Subject: bare\n\n\n--\n".to_vec(),
        b"Subject: =?utf-8?q?o=64d?=\r\n\r\n\xff\x00".to_vec(),
        noise(22, 300_000),
        [b"Subject: very odd\r\n\r\n", &b"-- \nsame line\r\n".repeat(20_000)[..]].concat(),
    ]
}

fn begin(reader: &Reader) -> Mailbox {
    let mut plain = Mailbox::default();
    for row in reader.folders().unwrap().folders {
        let status = reader.status(&row.name).unwrap();
        plain.validities.insert(status.uid_validity.get());
        plain.modseq = plain.modseq.max(status.highest_modseq.get());
        plain.subscribed.insert(row.name.to_string());
        let folder = Folder {
            id: row.id.get(),
            selectable: true,
            usage: row.special_use,
            validity: status.uid_validity.get(),
            next: 1,
            highest: status.highest_modseq.get(),
            recent_from: 1,
            messages: BTreeMap::new(),
            vanished: Vec::new(),
        };
        plain.folders.insert(row.name.to_string(), folder);
    }
    plain
}

fn play(rounds: &[Round]) {
    let place = Place::new();
    let bodies = bodies();
    let contents: Vec<_> = bodies.iter().map(|text| Content::from_bytes(text).unwrap()).collect();
    let (mut writer, mut reader) = (place.writer(), place.reader());
    let mut plain = begin(&reader);
    let (mut view, mut history) = (View::begin(&plain), History::default());
    for round in rounds {
        let before = plain.clone();
        let mut batch = writer.batch().unwrap();
        for op in &round.ops {
            World { plain: &mut plain, contents: &contents }.apply(op, &mut batch);
            // The id of a folder that RENAME of INBOX made is seen only after the commit.
            if plain.folders.values().any(|folder| folder.selectable && folder.id == PENDING) {
                break;
            }
        }
        match round.after {
            After::Drop => {
                drop(batch);
                plain = before;
            }
            After::Commit | After::Tidy | After::Reopen => view.follow(batch.commit().unwrap()),
        }
        if let After::Tidy = round.after {
            while writer.collect_garbage().unwrap() > 0 {}
            writer.checkpoint().unwrap();
        }
        if let After::Reopen = round.after {
            let compare = Compare { reader: &reader, bodies: &bodies };
            compare.all(&mut plain, &view, &mut history);
            plain.settle();
            compare.octets(&plain);
            drop(reader);
            drop(writer);
            (writer, reader) = (place.writer(), place.reader());
        }
        Compare { reader: &reader, bodies: &bodies }.all(&mut plain, &view, &mut history);
        plain.settle();
    }
    while writer.collect_garbage().unwrap() > 0 {}
    let compare = Compare { reader: &reader, bodies: &bodies };
    compare.all(&mut plain, &view, &mut history);
    compare.octets(&plain);
    for name in plain.folders.keys().filter(|name| *name != "INBOX").cloned().collect::<Vec<_>>() {
        run(&mut writer, |tx| match tx.delete_folder(&FolderName::parse(&name).unwrap()) {
            Err(Error::HasChildren) => Ok(()),
            done => done,
        });
    }
    while writer.collect_garbage().unwrap() > 0 {}
    reader.check().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_real_mailbox_is_the_plain_one(rounds in proptest::collection::vec(round(), 1..30)) {
        play(&rounds);
    }
}
