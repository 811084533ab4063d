//! Heads of APPEND: which literal is the message.

use super::*;
use model::{Flag, Flags, FolderName};

fn message(text: &str) -> Append {
    match head(text.as_bytes(), Enabled::default()) {
        Head::Message(_, append) => append,
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn heads_of_messages() {
    let bare = Append { to: Ok(FolderName::inbox()), flags: FlagList::default(), internal_date_ms: None };
    assert_eq!(head(b"a1 APPEND inbox {5}\r\n", Enabled::default()), Head::Message("a1".into(), bare.clone()));
    assert_eq!(message("a append \"INBOX\" {5+}\r\n"), bare);
    assert_eq!(message("a APPEND {5}\r\nINBOX {5}\r\n"), bare);
    assert_eq!(message("a APPEND INBOX () {5}\n"), bare);
    let full = message("a APPEND Sent (\\Seen) \"01-Jan-1970 00:00:01 +0000\" {5}\r\n");
    assert_eq!((full.flags.flags, full.internal_date_ms), (Flags::NONE.with(Flag::Seen), Some(1000)));
    assert_eq!(message("a APPEND INBOX \" 1-Jan-1970 00:00:00 +0000\" {5}\r\n").internal_date_ms, Some(0));
    assert!(message("a APPEND &bad {5}\r\n").to.is_err());
}

#[test]
fn heads_of_something_else() {
    for text in
        ["a LOGIN {5}\r\n", "a APPEND {5}\r\n", "a APPEND {5+}\n", "", "a", "a APPENDX {5}\r\n", "a LIST \"\" {3}\r\n"]
    {
        assert_eq!(head(text.as_bytes(), Enabled::default()), Head::Other, "{text:?}");
    }
}

#[test]
fn heads_that_go_wrong() {
    for text in [
        "a APPEND INBOX{5}\r\n",
        "a APPEND INBOX (\\Bogus) {5}\r\n",
        "a APPEND INBOX (\\Seen {5}\r\n",
        "a APPEND INBOX \"yesterday\" {5}\r\n",
        "a APPEND INBOX \"01-Jan-1970 00:00:01 +0000\" (\\Seen) {5}\r\n",
        "a APPEND  INBOX {5}\r\n",
        "a APPEND INBOX {5} {6}\r\n",
        "a APPEND INBOX {x} {6}\r\n",
    ] {
        assert!(matches!(head(text.as_bytes(), Enabled::default()), Head::Bad(tag, _) if tag == "a"), "{text:?}");
    }
}
