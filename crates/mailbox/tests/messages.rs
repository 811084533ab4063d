//! Several messages at once, messages that replace others, and parts without their transfer encoding.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may take the short way")]

mod common;

use common::{Place, append, attachment, clock, fetch, noise, run, section, uid, uids};
use mailbox::{
    Content, Error, FetchCursor, FetchPlan, FlagEdit, FolderId, Ingest, Items, Reader, Section, SectionKind, StoreMode,
    TokenAnswer, UploadId, Writer,
};
use model::{Flags, FolderName, Keyword, ModSeq, Token, UidSet};
use std::sync::atomic::{AtomicBool, Ordering};

fn inbox(reader: &Reader) -> FolderId {
    reader.select(&FolderName::inbox()).unwrap().folder
}

fn token(byte: u8) -> Option<Token> {
    Some(Token::from_bytes([byte; 16]))
}

fn text(n: u32) -> Vec<u8> {
    format!("Subject: message {n}\r\n\r\nbody {n}\r\n").into_bytes()
}

#[test]
fn several_messages_are_all_there_or_none() {
    let place = Place::new();
    let mut writer = place.writer();
    let all = || (0..3).map(|n| append("INBOX", &text(n), Flags::NONE));
    let answer = run(&mut writer, |tx| tx.append_all(all(), None, token(1)));
    assert_eq!((answer.uid, answer.count, answer.already), (uid(1), 3, false));
    let again = run(&mut writer, |tx| tx.append_all(all(), None, token(1)));
    assert_eq!((again.uid, again.count, again.already), (uid(1), 3, true));
    let known = run(&mut writer, |tx| tx.token_result(&token(1).unwrap()));
    assert!(matches!(known, Some(TokenAnswer::Appended(known)) if (known.uid, known.count) == (uid(1), 3)));

    let mut batch = writer.batch().unwrap();
    let broken = batch.run(|tx| {
        let whole = all().chain([append("Nowhere", b"x", Flags::NONE)]);
        tx.append_all(whole, None, token(2))
    });
    assert!(matches!(broken, Err(Error::NoSuchFolder)), "{broken:?}");
    let apart = batch.run(|tx| tx.append_all(all().chain([append("Drafts", b"x", Flags::NONE)]), None, token(3)));
    assert!(matches!(apart, Err(Error::LimitReached(_))), "{apart:?}");
    let nothing = batch.run(|tx| tx.append_all([], None, token(4)));
    assert!(matches!(nothing, Err(Error::NoSuchMessage)), "{nothing:?}");
    assert_eq!(batch.commit().unwrap(), []);
    let state = place.reader().select(&FolderName::inbox()).unwrap();
    assert_eq!((state.uids, state.uid_next), (uids("1:3"), uid(4)));
    place.reader().check().unwrap();
}

#[test]
fn a_message_takes_the_place_of_another() {
    let place = Place::new();
    let mut writer = place.writer();
    let folder = place.fill(&mut writer, 3);
    let before = place.reader().select(&FolderName::inbox()).unwrap().highest_modseq;
    let replaced = run(&mut writer, |tx| {
        tx.append_all([append("INBOX", &text(9), Flags::NONE)], Some((folder, uid(2))), token(1))
    });
    assert_eq!((replaced.uid, replaced.count), (uid(4), 1));
    let state = place.reader().select(&FolderName::inbox()).unwrap();
    assert_eq!((&state.uids, state.highest_modseq), (&uids("1,3:4"), replaced.modseq));
    let since = place.reader().changes_since(folder, before).unwrap();
    assert_eq!((since.vanished, since.changed.len()), (uids("2"), 1));

    let mut batch = writer.batch().unwrap();
    let gone = batch.run(|tx| tx.append_all([append("INBOX", &text(9), Flags::NONE)], Some((folder, uid(2))), None));
    assert!(matches!(gone, Err(Error::NoSuchMessage)), "{gone:?}");
    let nowhere =
        batch.run(|tx| tx.append_all([append("Nowhere", &text(9), Flags::NONE)], Some((folder, uid(1))), None));
    assert!(matches!(nowhere, Err(Error::NoSuchFolder)), "{nowhere:?}");
    batch.commit().unwrap();
    assert_eq!(place.reader().select(&FolderName::inbox()).unwrap().uids, uids("1,3:4"));
    place.reader().check().unwrap();
}

#[test]
fn a_small_message_can_be_staged_too() {
    let place = Place::new();
    let mut writer = place.writer();
    let message = noise(7, 300_000);
    let mut ingest = Ingest::new();
    ingest.push(&message).unwrap();
    assert!(ingest.take_pieces().is_empty());
    let mut content: Content = ingest.finish().unwrap();
    let held = content.held_bytes();
    let pieces = content.take_pieces();
    assert!(held > 200_000 && content.held_bytes() < 2_000 && content.take_pieces().is_empty());
    run(&mut writer, |tx| tx.stage(UploadId(5), pieces));
    let mut staged = append("INBOX", b"", Flags::NONE);
    staged.content = content.with_upload(UploadId(5));
    run(&mut writer, |tx| tx.append_all([staged], None, None));
    let reader = place.reader();
    assert_eq!(section(&reader, inbox(&reader), uid(1), Section::whole(), 9_999).unwrap(), message);
    reader.check().unwrap();
}

/// A part with this transfer encoding.
fn part(encoding: &str, body: &str) -> String {
    format!("--b\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n")
}

#[test]
fn parts_are_decoded_whatever_the_steps() {
    let place = Place::new();
    let mut writer = place.writer();
    let long = attachment(3, 700_000);
    let parts = [
        part("base64", "AAEC/w=="),
        part("quoted-printable", "a=\r\nb=3D=00"),
        part("8bit", "as it is"),
        part("x-odd", "odd"),
        part("base64", std::str::from_utf8(&long).unwrap()),
        "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nside\r\n".to_owned(),
    ];
    let head = "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n";
    let message = format!("{head}{}--b--\r\n", parts.concat());
    run(&mut writer, |tx| tx.append(append("INBOX", message.as_bytes(), Flags::NONE)));
    let reader = place.reader();
    let folder = inbox(&reader);
    let binary = |part: &[u32], partial| Section { part: part.to_vec(), kind: SectionKind::Binary, partial };
    let decoded = undo_base64(&long);
    let inner = b"Subject: in\r\n\r\nside".to_vec();
    for (wanted, expected) in [
        (binary(&[1], None), Some(b"\x00\x01\x02\xff".to_vec())),
        (binary(&[1], Some((1, 2))), Some(b"\x01\x02".to_vec())),
        (binary(&[1], Some((4, 9))), Some(Vec::new())),
        (binary(&[1], Some((99, 9))), Some(Vec::new())),
        (binary(&[2], None), Some(b"ab=\x00".to_vec())),
        (binary(&[3], None), Some(b"as it is".to_vec())),
        (binary(&[3], Some((3, 2))), Some(b"it".to_vec())),
        (binary(&[5], None), Some(decoded.clone())),
        (binary(&[5], Some((100_000, 300_000))), Some(decoded[100_000..400_000].to_vec())),
        (binary(&[6], None), Some(inner)),
        (binary(&[], None), Some(message.clone().into_bytes())),
        (binary(&[7], None), None),
        (binary(&[1, 1], None), None),
    ] {
        for budget in [4_096, 50_000, 1_000_000] {
            let found = section(&reader, folder, uid(1), wanted.clone(), budget);
            assert!(found == expected, "{wanted:?} in steps of {budget}");
        }
    }
}

#[test]
fn lengths_nul_and_unknown_encodings_are_told_first() {
    let place = Place::new();
    let mut writer = place.writer();
    let parts = [part("base64", "AAEC/w=="), part("base64", "YWJj"), part("x-odd", "odd"), part("7bit", "seven")];
    let message = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n", parts.concat());
    run(&mut writer, |tx| tx.append(append("INBOX", message.as_bytes(), Flags::NONE)));
    let reader = place.reader();
    let wanted = |kind: SectionKind, part: u32| Section { part: vec![part], kind, partial: None };
    let sections = (1..=4).map(|part| wanted(SectionKind::BinarySize, part));
    let sections = sections.chain((1..=4).map(|part| wanted(SectionKind::Binary, part))).collect();
    let plan = FetchPlan {
        folder: inbox(&reader),
        uids: UidSet::range(uid(1), uid(1)),
        items: Items::NONE,
        sections,
        changed_since: ModSeq::ZERO,
    };
    let records = fetch(&reader, &plan, 100_000);
    let told: Vec<_> = records[0]
        .sections
        .iter()
        .map(|each| (each.total, each.data.len(), each.holds_nul, each.unknown_encoding, each.missing))
        .collect();
    let lengths = [(Some(4), false), (Some(3), false), (Some(0), true), (Some(5), false)];
    let expected: Vec<_> = lengths.map(|(length, unknown)| (length, 0, false, unknown, false)).to_vec();
    assert_eq!(told[..4], expected[..]);
    assert_eq!(
        told[4..],
        [
            (Some(4), 4, true, false, false),
            (Some(3), 3, false, false, false),
            (Some(0), 0, false, true, false),
            (Some(5), 5, false, false, false)
        ]
    );
}

/// RFC 4648 §4, another way than the decoder's.
fn undo_base64(encoded: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<u8> =
        encoded.iter().filter_map(|byte| ALPHABET.iter().position(|other| other == byte)).map(|at| at as u8).collect();
    let quantum = |four: &[u8]| {
        let bits = four.iter().fold(0u32, |bits, digit| bits << 6 | u32::from(*digit)) << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(quantum).collect()
}

fn add(writer: &mut Writer, folder: FolderId, uids: &UidSet, bits: u32, keywords: &[String]) {
    let keywords = keywords.iter().map(|text| Keyword::parse(text).unwrap()).collect();
    let edit = FlagEdit { mode: StoreMode::Add, flags: Flags::from_bits(bits), keywords };
    run(writer, |tx| tx.store(folder, uids, &edit, None));
}

fn flags_of(folder: FolderId, uids: UidSet, changed_since: ModSeq) -> FetchPlan {
    FetchPlan { folder, uids, items: Items::FLAGS.with(Items::MODSEQ), sections: vec![], changed_since }
}

/// UID, flags, keywords, MODSEQ.
type Flagged = (u32, u32, Vec<Keyword>, u64);

fn as_columns(reader: &Reader, plan: &FetchPlan, budget: usize) -> (Vec<Flagged>, usize) {
    let (mut cursor, mut all) = (FetchCursor::new(), Vec::new());
    for steps in 1.. {
        let step = reader.fetch_flags(plan, &mut cursor, budget).unwrap();
        let columns = step.columns;
        for (at, uid) in columns.uids.into_iter().enumerate() {
            let keywords = columns.sets_of[at].checked_sub(1).map(|set| columns.sets[set as usize].clone());
            all.push((uid, columns.flags[at], keywords.unwrap_or_default(), columns.modseqs[at]));
        }
        if step.done {
            return (all, steps);
        }
    }
    unreachable!()
}

#[test]
fn flags_alone_are_the_same_as_columns() {
    let place = Place::new();
    let mut writer = place.writer();
    let folder = place.fill(&mut writer, 900);
    add(&mut writer, folder, &uids("1:20,400:450,700"), 9, &["$junk".to_owned(), "work".to_owned()]);
    add(&mut writer, folder, &uids("10:30,449:460"), 2, &["a".to_owned()]);
    for n in 500..560 {
        let keywords: Vec<_> = (0..6).filter(|bit| n >> bit & 1 == 1).map(|bit| format!("k{bit}")).collect();
        add(&mut writer, folder, &UidSet::range(uid(n), uid(n)), n, &keywords);
    }
    let middle = place.reader().select(&FolderName::inbox()).unwrap().highest_modseq;
    add(&mut writer, folder, &uids("5,300:310,890"), 1, &[]);
    add(&mut writer, folder, &uids("7:9,350"), 8, &[]);
    run(&mut writer, |tx| tx.expunge(folder, None, clock()));
    let reader = place.reader();
    for (wanted, since, steps) in [
        ("1:1000", ModSeq::ZERO, 3),
        ("3:5,100:650,899:1000", ModSeq::ZERO, 2),
        ("1:400", middle, 1),
        ("901:950", middle, 1),
    ] {
        let plan = flags_of(folder, uids(wanted), since);
        let records = fetch(&reader, &plan, 4096);
        let expected: Vec<Flagged> = (records.into_iter())
            .map(|record| (record.uid.get(), record.flags.bits(), record.keywords, record.modseq.get()))
            .collect();
        assert_eq!(as_columns(&reader, &plan, 4096), (expected, steps), "{wanted}");
    }
    let nowhere = flags_of(FolderId::new(99), uids("1"), ModSeq::ZERO);
    let refused = reader.fetch_flags(&nowhere, &mut FetchCursor::new(), 4096);
    assert!(matches!(refused, Err(Error::NoSuchFolder)), "{refused:?}");
}

#[test]
fn many_keywords_make_more_steps() {
    let place = Place::new();
    let mut writer = place.writer();
    let folder = place.fill(&mut writer, 300);
    let keywords: Vec<_> = (0..200).map(|n| format!("{n:060}")).collect();
    add(&mut writer, folder, &uids("1:300"), 0, &keywords);
    let (reader, plan) = (place.reader(), flags_of(folder, uids("1:300"), ModSeq::ZERO));
    let (budget, mut cursor, mut seen) = (1 << 20, FetchCursor::new(), 0);
    loop {
        let step = reader.fetch(&plan, &mut cursor, budget).unwrap();
        let octets: usize =
            step.records.iter().flat_map(|record| &record.keywords).map(|each| each.as_str().len()).sum();
        assert!(octets <= budget, "{octets}");
        seen += step.records.len();
        if step.done {
            break;
        }
    }
    assert_eq!(seen, 300);
    // As columns, one set is all there is.
    assert_eq!(as_columns(&reader, &plan, budget).1, 1);
}

#[test]
fn keywords_that_are_made_during_a_fetch_do_not_look_like_damage() {
    let place = Place::new();
    let mut writer = place.writer();
    let folder = place.fill(&mut writer, 300);
    add(&mut writer, folder, &uids("1"), 0, &["first".to_owned()]);
    // Runs, so that a step is many statements.
    let every_other: UidSet = (1..=300).step_by(2).map(uid).collect();
    let (plan, ended) = (flags_of(folder, every_other, ModSeq::ZERO), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..250 {
                add(&mut writer, folder, &uids("291:300"), 0, &[format!("new{n}")]);
            }
            ended.store(true, Ordering::Relaxed);
        });
        let reader = place.reader();
        while !ended.load(Ordering::Relaxed) {
            assert_eq!(fetch(&reader, &plan, 1 << 20).len(), 150);
            assert_eq!(as_columns(&reader, &plan, 1 << 20).0.len(), 150);
        }
    });
}
