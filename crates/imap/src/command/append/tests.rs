//! How APPEND and REPLACE begin, and what stands between their literals.

use super::grammar::{Event, Options};
use super::*;
use model::{Flag, Flags, FolderName};
use proptest::prelude::*;

fn message(text: &str) -> Append {
    match head(text.as_bytes(), true, Enabled::default()) {
        Head::Message(_, append) => *append,
        other => panic!("{text:?}: {other:?}"),
    }
}

fn options(append: &Append) -> &Options {
    match append.first.events.as_slice() {
        [Event::Message(options), ..] => options,
        other => panic!("{other:?}"),
    }
}

fn whole() -> Options {
    Options { whole: true, ..Options::default() }
}

fn url(text: &str) -> Event {
    Event::Url(text.into())
}

#[test]
fn heads_of_messages() {
    let octets = Ending::Octets { binary: false };
    let first = Chunk { events: vec![Event::Message(whole())], ending: octets, next: Place::Behind };
    let bare = Append { replaces: None, to: Ok(FolderName::inbox()), first };
    let expected = Head::Message("a1".into(), Box::new(bare.clone()));
    assert_eq!(head(b"a1 APPEND inbox {5}\r\n", true, Enabled::default()), expected);
    for text in [
        "a append \"INBOX\" {5+}\r\n",
        "a APPEND {5}\r\nINBOX {5}\r\n",
        "a APPEND INBOX {5}\n",
        "a APPEND INBOX () {5}\n",
    ] {
        assert_eq!(message(text), bare, "{text:?}");
    }
    let full = message("a APPEND Sent (\\Seen) \"01-Jan-1970 00:00:01 +0000\" {5}\r\n");
    assert_eq!(
        (options(&full).flags.flags, options(&full).internal_date_ms),
        (Flags::NONE.with(Flag::Seen), Some(1000))
    );
    let epoch = message("a APPEND INBOX \" 1-Jan-1970 00:00:00 +0000\" {5}\r\n");
    assert_eq!(options(&epoch).internal_date_ms, Some(0));
    assert!(message("a APPEND &bad {5}\r\n").to.is_err());
}

#[test]
fn literal8_and_utf8() {
    let binary = message("a APPEND INBOX ~{5}\r\n").first;
    assert_eq!((binary.ending, binary.next), (Ending::Octets { binary: true }, Place::Behind));
    let utf8 = message("a APPEND INBOX (\\Seen) UTF8 (~{5+}\r\n").first;
    assert_eq!((utf8.ending, utf8.next), (Ending::Octets { binary: true }, Place::Utf8));
}

#[test]
fn messages_made_of_pieces() {
    let text = message("a APPEND INBOX CATENATE (TEXT {5}\r\n").first;
    assert_eq!(text.events, [Event::Message(Options::default())]);
    assert_eq!((text.ending, text.next), (Ending::Octets { binary: false }, Place::Parts(1)));
    let urls = message("a APPEND INBOX CATENATE (URL \"/;UID=1\" URL /INBOX/;UID=2 TEXT ~{5}\r\n").first;
    assert_eq!(urls.events, [Event::Message(Options::default()), url("/;UID=1"), url("/INBOX/;UID=2")]);
    assert_eq!((urls.ending, urls.next), (Ending::Octets { binary: true }, Place::Parts(3)));
    let only = head(b"a APPEND INBOX CATENATE (URL /;UID=1)", false, Enabled::default());
    assert!(matches!(only, Head::Message(_, append) if append.first.ending == Ending::Command));
    // A URL that is a literal is read before anything is done.
    assert_eq!(head(b"a APPEND INBOX CATENATE (URL {8}\r\n", true, Enabled::default()), Head::Other);
    let literal = message("a APPEND INBOX CATENATE (URL {7}\r\n/;UID=1 TEXT {2}\r\n").first;
    assert_eq!(literal.events, [Event::Message(Options::default()), url("/;UID=1")]);
}

#[test]
fn what_follows_a_literal() {
    let after =
        |place, text: &str, announces, one| grammar::chunk(place, &mut Cursor::new(text.as_bytes()), announces, one);
    let end = |next| Chunk { events: Vec::new(), ending: Ending::Command, next };
    assert_eq!(after(Place::Behind, "", false, true), Ok(end(Place::Behind)));
    assert_eq!(after(Place::Behind, "  ", false, false), Ok(end(Place::Behind)));
    assert_eq!(after(Place::Utf8, ")", false, false), Ok(end(Place::Behind)));
    assert_eq!(after(Place::Parts(1), ")", false, false), Ok(end(Place::Behind)));
    let another = after(Place::Behind, " (\\Seen) {9+}\r\n", true, false).unwrap();
    assert_eq!((another.events.len(), another.ending), (1, Ending::Octets { binary: false }));
    let both = after(Place::Parts(1), " URL /;UID=1) CATENATE (TEXT {9}\r\n", true, false).unwrap();
    assert_eq!(both.events, [url("/;UID=1"), Event::Message(Options::default())]);
    for (place, text, announces, one) in [
        (Place::Behind, " {9}\r\n", true, true),
        (Place::Behind, "x", false, false),
        (Place::Behind, " x", false, false),
        (Place::Utf8, "", false, false),
        (Place::Parts(1), "", false, false),
        (Place::Parts(1), " )", false, false),
        (Place::Parts(1), " TEXT x)", false, false),
        (Place::Parts(1), " {9}\r\n", true, false),
        (Place::Parts(256), " URL /;UID=1)", false, false),
    ] {
        assert!(after(place, text, announces, one).is_err(), "{place:?} {text:?}");
    }
}

#[test]
fn replaced_messages() {
    let replaces = |text| message(text).replaces.map(|replaces| (replaces.by_uid, replaces.number.to_string()));
    assert_eq!(replaces("a REPLACE 4 Drafts (\\Draft) {5}\r\n"), Some((false, "4".into())));
    assert_eq!(replaces("a replace * Drafts {5}\r\n"), Some((false, "*".into())));
    assert_eq!(replaces("a UID REPLACE 77 {6}\r\nDrafts {5}\r\n"), Some((true, "77".into())));
    assert_eq!(head(b"a UID REPLACE 77 {6}\r\n", true, Enabled::default()), Head::Other);
}

#[test]
fn heads_of_something_else() {
    for text in [
        "a LOGIN {5}\r\n",
        "a APPEND {5}\r\n",
        "a APPEND {5+}\n",
        "",
        "a",
        "a APPENDX {5}\r\n",
        "a LIST \"\" {3}\r\n",
        "a UID FETCH {3}\r\n",
    ] {
        assert_eq!(head(text.as_bytes(), true, Enabled::default()), Head::Other, "{text:?}");
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
        "a APPEND INBOX UTF8 ({5}\r\n",
        "a APPEND INBOX CATENATE ({5}\r\n",
        "a APPEND INBOX CATENATE (BINARY {5}\r\n",
        "a REPLACE 0 INBOX {5}\r\n",
        "a REPLACE 1:2 INBOX {5}\r\n",
        "a UID REPLACE * INBOX {5}\r\n",
    ] {
        assert!(matches!(head(text.as_bytes(), true, Enabled::default()), Head::Bad(tag, _) if tag == "a"), "{text:?}");
    }
    for text in ["a APPEND INBOX", "a APPEND INBOX (\\Seen)", "a APPEND INBOX CATENATE ()", "a REPLACE 1 INBOX x"] {
        assert!(matches!(head(text.as_bytes(), false, Enabled::default()), Head::Bad(..)), "{text:?}");
    }
}

proptest! {
    /// Whatever comes between two literals, and whatever is said to be a URL: reading it ends and does not panic.
    #[test]
    fn anything_may_come(
        text in "[ -~]{0,9}|( URL \"?/?[A-Z]{0,3};?UID=[0-9]{0,3}(/;SECTION=[1A.%]{0,4})?\"?\\)?| TEXT ~?\\{9\\}\r\n| CATENATE \\(){1,3}",
        announces in any::<bool>(),
        one in any::<bool>(),
        parts in 0usize..300,
    ) {
        for place in [Place::First, Place::Behind, Place::Parts(parts), Place::Utf8] {
            if let Ok(chunk) = grammar::chunk(place, &mut Cursor::new(text.as_bytes()), announces, one) {
                // Without a literal at its end, a text ends the command; and the other way about.
                prop_assert_eq!(announces, chunk.ending != Ending::Command);
            }
        }
        let _ = url::parse(text.as_bytes());
    }
}
