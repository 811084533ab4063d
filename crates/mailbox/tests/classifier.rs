//! A mailbox that was taught with moves puts new mail where it belongs; another one is not affected.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may take the short way")]

mod common;

use common::*;
use mailbox::*;
use model::{Flags, FolderName};

const COMMON: [&str; 24] = [
    "about", "after", "again", "because", "before", "could", "every", "first", "from", "good", "have", "here", "know",
    "little", "made", "many", "more", "much", "people", "please", "there", "today", "would", "your",
];
const GOOD: [&str; 30] = [
    "meeting", "agenda", "minutes", "report", "draft", "review", "schedule", "project", "invoice", "garden", "dinner",
    "grandma", "train", "ticket", "school", "lecture", "compiler", "patch", "branch", "weather", "bicycle", "kitchen",
    "holiday", "photos", "birthday", "library", "proposal", "budget", "contract", "deadline",
];
const JUNK: [&str; 30] = [
    "winner",
    "lottery",
    "viagra",
    "casino",
    "bonus",
    "cheap",
    "replica",
    "watches",
    "bitcoin",
    "profit",
    "guarantee",
    "urgent",
    "prince",
    "inheritance",
    "million",
    "dollars",
    "click",
    "unsubscribe",
    "limited",
    "offer",
    "discount",
    "pills",
    "weight",
    "miracle",
    "singles",
    "credit",
    "loan",
    "approved",
    "congratulations",
    "prize",
];

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % count
    }
}

/// Mostly words that everybody writes, some of its kind, a few of the other: people quote and joke.
fn message(dice: &mut Dice, junk: bool) -> Vec<u8> {
    let (own, other) = if junk { (JUNK, GOOD) } else { (GOOD, JUNK) };
    let mut words = Vec::new();
    for _ in 0..60 + dice.below(60) {
        words.push(match dice.below(100) {
            0..80 => COMMON[dice.below(COMMON.len())],
            80..96 => own[dice.below(own.len())],
            _ => other[dice.below(other.len())],
        });
    }
    let (subject, sender) = (own[dice.below(own.len())], dice.below(1000));
    let lines: Vec<String> = words.chunks(10).map(|line| line.join(" ")).collect();
    format!("From: s{sender}@example.org\r\nSubject: {subject}\r\n\r\n{}\r\n", lines.join("\r\n")).into_bytes()
}

/// Nothing but words of its kind.
fn plain_junk() -> Vec<u8> {
    format!("From: s@example.org\r\nSubject: {}\r\n\r\n{}\r\n", JUNK[0], JUNK.join(" ")).into_bytes()
}

fn arrive(writer: &mut Writer, text: &[u8], junk: bool) -> Appended {
    run(writer, |tx| tx.append(Append { folder: FolderRef::Incoming { junk }, ..append("INBOX", text, Flags::NONE) }))
}

fn folder(place: &Place, name: &str) -> FolderId {
    place.reader().select(&FolderName::parse(name).unwrap()).unwrap().folder
}

fn teach(place: &Place, writer: &mut Writer, dice: &mut Dice, count: usize) {
    let (inbox, junk) = (folder(place, "INBOX"), folder(place, "Junk"));
    for _ in 0..count {
        let spam = run(writer, |tx| tx.append(append("INBOX", &message(dice, true), Flags::NONE)));
        run(writer, |tx| tx.move_(inbox, &uids(&spam.uid.to_string()), &name("Junk"), clock(), None));
        let ham = run(writer, |tx| tx.append(append("Junk", &message(dice, false), Flags::NONE)));
        run(writer, |tx| tx.move_(junk, &uids(&ham.uid.to_string()), &name("INBOX"), clock(), None));
    }
}

#[test]
fn two_hundred_of_each_teach_it() {
    let place = Place::new();
    let mut writer = place.writer();
    let mut dice = Dice(7);
    teach(&place, &mut writer, &mut dice, 200);
    let (inbox, junk) = (folder(&place, "INBOX"), folder(&place, "Junk"));
    let mut right = 0;
    for at in 0..100 {
        let spam = at % 2 == 0;
        let there = arrive(&mut writer, &message(&mut dice, spam), false).folder;
        right += usize::from(there == if spam { junk } else { inbox });
    }
    assert!(right >= 95, "{right} of 100");
    place.reader().check().unwrap();

    // Another mailbox knows nothing of it.
    let other = Place::new();
    let mut writer = other.writer();
    for _ in 0..20 {
        assert_eq!(arrive(&mut writer, &message(&mut dice, true), false).folder, folder(&other, "INBOX"));
    }
}

#[test]
fn nothing_of_it_is_readable_without_the_key() {
    let place = Place::new();
    let mut writer = place.writer();
    teach(&place, &mut writer, &mut Dice(1), 20);
    let octets = place.octets();
    for word in ["inheritance", "taught", "lesson"] {
        assert!(!octets.windows(word.len()).any(|found| found == word.as_bytes()), "{word}");
    }
}

#[test]
fn a_message_counts_once_and_the_other_way_when_it_is_moved_back() {
    let place = Place::new();
    let mut writer = place.writer();
    let mut dice = Dice(3);
    teach(&place, &mut writer, &mut dice, 40);
    let (inbox, junk) = (folder(&place, "INBOX"), folder(&place, "Junk"));
    let text = plain_junk();
    assert_eq!(arrive(&mut writer, &text, false).folder, junk);
    // What the owner took for junk by mistake is taken back, all of it; then nothing is known of junk.
    let all = place.reader().select(&name("Junk")).unwrap().uids;
    let moved = run(&mut writer, |tx| tx.move_(junk, &all, &name("INBOX"), clock(), None));
    // Lessons are learned a few at a time: new mail is what brings them on.
    for _ in 0..6 {
        arrive(&mut writer, b"Subject: x\r\n\r\n", false);
    }
    assert_eq!(arrive(&mut writer, &text, false).folder, inbox);
    run(&mut writer, |tx| tx.move_(inbox, &moved.to.iter().copied().collect(), &name("Junk"), clock(), None));
    for _ in 0..6 {
        arrive(&mut writer, b"Subject: x\r\n\r\n", false);
    }
    assert_eq!(arrive(&mut writer, &text, false).folder, junk);
}

#[test]
fn what_goes_from_junk_to_trash_is_junk_still() {
    let place = Place::new();
    let mut writer = place.writer();
    let mut dice = Dice(5);
    teach(&place, &mut writer, &mut dice, 40);
    let junk = folder(&place, "Junk");
    let all = place.reader().select(&name("Junk")).unwrap().uids;
    run(&mut writer, |tx| tx.move_(junk, &all, &name("Trash"), clock(), None));
    assert_eq!(arrive(&mut writer, &plain_junk(), false).folder, junk);
}
