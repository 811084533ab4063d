//! mbox files as they lie about: ours, Thunderbird's, mutt's, and broken ones.

use super::*;
use crate::doors::limits::READ_BYTES;
use crate::doors::quote::Quoter;
use model::Flags;
use proptest::prelude::*;
use std::fs;

/// Every message of a file: its octets, and what is said of it.
fn read(file: &[u8]) -> Vec<(Vec<u8>, About)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mbox");
    fs::write(&path, file).unwrap();
    let mut mbox = Mbox::open(&path).unwrap();
    let mut at = mbox.first().unwrap();
    let mut found = Vec::new();
    while let Some(begins) = at {
        let mut text = MboxText { mbox: &mut mbox, at: begins, next: None, about: About::default() };
        let mut octets = Vec::new();
        text.read(&mut |data| {
            octets.extend_from_slice(data);
            Ok(())
        })
        .unwrap();
        found.push((octets, text.about()));
        at = text.next.unwrap();
    }
    found
}

fn texts(file: &str) -> Vec<String> {
    read(file.as_bytes()).into_iter().map(|(octets, _)| String::from_utf8(octets).unwrap()).collect()
}

const FROM: &str = "From a@b Tue Nov 14 22:13:20 2023\n";

#[test]
fn messages_begin_behind_an_empty_line() {
    let file = format!(
        "{FROM}Subject: one\n\nbody\nFrom here on 12:30\n>From quoted\n>>From twice\n\n{FROM}Subject: two\n\n\n\n"
    );
    assert_eq!(
        texts(&file),
        [
            "Subject: one\r\n\r\nbody\r\nFrom here on 12:30\r\nFrom quoted\r\n>From twice\r\n",
            "Subject: two\r\n\r\n\r\n"
        ]
    );
    assert_eq!(texts(&format!("{FROM}A: b\n\nno end")), ["A: b\r\n\r\nno end"]);
    assert_eq!(
        texts(&format!("{FROM}A: b\r\n\r\ntext\r\n\r\n{FROM}C: d\r\n\r\n")),
        ["A: b\r\n\r\ntext\r\n", "C: d\r\n"]
    );
    assert_eq!(texts(""), [""; 0]);
}

#[test]
fn what_an_mbox_says_of_messages_is_no_part_of_them() {
    let file = format!(
        "{FROM}Status: RO\nSubject: x\nX-Status: AF\nX-Keywords: work\n\t$Junk work\nX-UID: 5\n\nStatus: stays\n\n\
         From - \nX-Mozilla-Status: 1003\nX-Mozilla-Status2: 00000000\nDate: Tue, 14 Nov 2023 22:13:20 +0000\n\nb\n"
    );
    let found = read(file.as_bytes());
    assert_eq!(found[0].0, b"Subject: x\r\nX-UID: 5\r\n\r\nStatus: stays\r\n");
    let expected = [Flag::Seen, Flag::Answered, Flag::Flagged].into_iter().collect::<Flags>();
    assert_eq!(found[0].1.flags, expected);
    assert_eq!(found[0].1.internal_date_ms, Some(1_700_000_000_000));
    assert_eq!(found[1].0, b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n\r\nb\r\n");
    assert_eq!(found[1].1.flags, [Flag::Seen, Flag::Answered].into_iter().collect::<Flags>());
    assert_eq!(found[1].1.internal_date_ms, Some(1_700_000_000_000), "from the message, where the line has none");
    assert_eq!(found[1].1.keywords.iter().map(Keyword::as_str).collect::<Vec<_>>(), ["$Forwarded"]);
}

#[test]
fn lines_may_be_as_long_as_they_like() {
    let long = "x".repeat(3 * READ_BYTES);
    let quotes = ">".repeat(2 * READ_BYTES + 17);
    let file = format!("{FROM}A: b\r\n\r\n{long}\r\n{quotes}From x\r\n{quotes}\r\n\r\n{FROM}C: d\r\n\r\n");
    let unquoted = quotes.get(1..).unwrap();
    assert_eq!(
        texts(&file),
        [format!("A: b\r\n\r\n{long}\r\n{unquoted}From x\r\n{quotes}\r\n"), "C: d\r\n".to_owned()]
    );
}

#[test]
fn what_is_no_mbox_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    fs::write(&path, "Subject: none\n\n").unwrap();
    assert!(Mbox::open(&path).unwrap().first().unwrap_err().to_string().contains("does not begin as an mbox"));
}

/// As `export::mbox` writes it.
fn exported(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for message in messages {
        let block = format!(
            "{FROM}X-Brevdue-Mbox: fields=2 size={} date=5\r\nStatus: RO\r\nX-Keywords: a b\r\n",
            message.len()
        );
        file.extend_from_slice(block.as_bytes());
        let mut quoter = Quoter::default();
        quoter.write(&mut file, message).unwrap();
        quoter.end(&mut file).unwrap();
        file.extend_from_slice(if message.ends_with(b"\n") || message.is_empty() { b"\n" } else { b"\n\n" });
    }
    file
}

proptest! {
    #[test]
    fn every_octet_of_an_export_comes_back(
        messages in proptest::collection::vec("(From |>|\r\n|\n|\r|: |x|Status: R|\u{e6}){0,30}", 0..5)
    ) {
        let messages: Vec<Vec<u8>> = messages.into_iter().map(String::into_bytes).collect();
        let found: Vec<Vec<u8>> = read(&exported(&messages)).into_iter().map(|(octets, _)| octets).collect();
        prop_assert_eq!(found, messages);
    }

    #[test]
    fn anything_is_read_to_its_end(text in "(From a@b Tue Nov 14 22:13:20 2023\n|From |>|\r\n|\n|X-Brevdue-Mbox: fields=1 size=0 date=1\r\n|Status: x\n| |x){0,40}") {
        let file = format!("{FROM}{text}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, &file).unwrap();
        let mut mbox = Mbox::open(&path).unwrap();
        let mut at = mbox.first().unwrap();
        let mut rounds = 0;
        while let Some(begins) = at {
            let mut reading = MboxText { mbox: &mut mbox, at: begins, next: None, about: About::default() };
            let _ = reading.read(&mut |_| Ok(()));
            at = reading.next.unwrap();
            prop_assert!(at.is_none_or(|next| next > begins));
            rounds += 1;
        }
        prop_assert!(rounds <= file.len());
    }
}
