//! Every command: what is read, what is refused, and that what is printed is read alike.

mod print;
mod second_opinion;
mod strategy;

use super::*;
use crate::codec::{Decoder, Step};
use crate::limits::SIGNED_IN;
use proptest::prelude::*;

fn good(text: &str) -> Command {
    match parse(text.as_bytes(), Enabled::default()) {
        (Some("a"), Ok(command)) => command,
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn commands_are_read() {
    for text in [
        "a NOOP",
        "a noop",
        "a NOOP ",
        "a CAPABILITY",
        "a LOGOUT",
        "a STARTTLS",
        "a IDLE",
        "a CHECK",
        "a CLOSE",
        "a UNSELECT",
        "a NAMESPACE",
        "a EXPUNGE",
        "a UID EXPUNGE 1:*",
        "a ID NIL",
        "a ID (\"name\" \"x\" \"version\" NIL)",
        "a ID ()",
        "a ENABLE CONDSTORE QRESYNC X",
        "a LOGIN \"a\\\"b\" {3}\r\nx y",
        "a AUTHENTICATE plain",
        "a AUTHENTICATE PLAIN =",
        "a AUTHENTICATE PLAIN AGEAYg==",
        "a SELECT INBOX",
        "a EXAMINE \"Sent\" (CONDSTORE)",
        "a CREATE x/y/",
        "a CREATE x (USE (\\Sent \\Junk))",
        "a CREATE x (USE ())",
        "a DELETE &-",
        "a RENAME {1+}\r\na b",
        "a SUBSCRIBE x",
        "a UNSUBSCRIBE x",
        "a LIST \"\" *",
        "a LIST \"\" \"%\"",
        "a LIST x/ %]",
        "a LIST () \"\" * RETURN ()",
        "a LIST (SUBSCRIBED REMOTE RECURSIVEMATCH) \"\" (a% \"b\")",
        "a LIST (special-use) x/ % RETURN (CHILDREN SUBSCRIBED SPECIAL-USE)",
        "a LIST \"\" (INBOX) RETURN (STATUS (MESSAGES UNSEEN SIZE) CHILDREN)",
        "a LIST \"\" * RETURN (METADATA (/shared/a \"/private/b\") STATUS (SIZE))",
        "a LIST \"\" * RETURN (METADATA /shared/a)",
        "a GETMETADATA \"\" /shared/comment",
        "a GETMETADATA (MAXSIZE 1024 DEPTH infinity) INBOX (/private \"/shared/a b\")",
        "a GETMETADATA INBOX (DEPTH 1) (/private)",
        "a GETMETADATA INBOX (MAXSIZE 0) /private/x",
        "a SETMETADATA INBOX (/private/comment {1}\r\nx /shared/comment NIL)",
        "a SETMETADATA \"\" (/private/a ~{3}\r\na\0b)",
        "a GETQUOTA \"\"",
        "a GETQUOTAROOT INBOX",
        "a SETQUOTA \"\" (STORAGE 512 MESSAGE 3)",
        "a SETQUOTA x ()",
        "a LSUB \"\" \"*\"",
        "a STATUS x (SIZE DELETED DELETED-STORAGE MAILBOXID)",
        "a STATUS x (MESSAGES)",
        "a COPY 1:3 x",
        "a UID MOVE * x",
        "a STORE 1 FLAGS ()",
        "a UID STORE 1:* (UNCHANGEDSINCE 0) -FLAGS.SILENT (\\Seen)",
        "a SEARCH ALL",
        "a UID SEARCH CHARSET utf-8 TEXT {2}\r\n\u{f8} 1:*",
        "a SEARCH (OR NOT SEEN (UID 1 KEYWORD x) SINCE 1-Feb-2024)",
        "a SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338",
    ] {
        good(text);
    }
}

#[test]
fn what_is_malformed_is_refused_with_a_reason() {
    for text in [
        "a",
        "a ",
        "a  NOOP",
        "a NOOP x",
        "a NONSENSE",
        "a UID NOOP",
        "a UID",
        "a UID  FETCH 1 FLAGS",
        "a ID",
        "a ID x",
        "a ID (\"name\")",
        "a ENABLE",
        "a ENABLE ",
        "a LOGIN x",
        "a LOGIN x y z",
        "a LOGIN \"x y",
        "a LOGIN \"a\\nb\" y",
        "a LOGIN {5}\r\nx y",
        "a LOGIN x {1}\r\n\0",
        "a LOGIN x(y z",
        "a AUTHENTICATE",
        "a SELECT",
        "a SELECT INBOX ()",
        "a SELECT INBOX (FOO)",
        "a SELECT INBOX CONDSTORE",
        "a SELECT INBOX (CONDSTORE",
        "a CREATE",
        "a CREATE x USE",
        "a CREATE x (USE)",
        "a CREATE x (USE (Sent))",
        "a CREATE x (USE (\\Sent)",
        "a RENAME a",
        "a LIST x",
        "a LIST \"\" (",
        "a LIST \"\" ()",
        "a LIST (RECURSIVEMATCH) \"\" *",
        "a LIST (RECURSIVEMATCH REMOTE) \"\" *",
        "a LIST (MARKED) \"\" *",
        "a LIST (SUBSCRIBED)",
        "a LIST (SUBSCRIBED \"\" *",
        "a LIST \"\" * RETURN",
        "a LIST \"\" * RETURN (MYRIGHTS)",
        "a LIST \"\" * RETURN (STATUS)",
        "a LIST \"\" * RETURN (STATUS ())",
        "a LIST \"\" * RETURN (STATUS (FOO))",
        "a LIST \"\" * (CHILDREN)",
        "a LIST \"\" * RETURN (METADATA)",
        "a LIST \"\" * RETURN (METADATA ())",
        "a LIST \"\" * RETURN (METADATA (comment))",
        "a GETMETADATA INBOX",
        "a GETMETADATA INBOX ()",
        "a GETMETADATA () INBOX /private/x",
        "a GETMETADATA (DEPTH 2) INBOX /private/x",
        "a GETMETADATA (MAXSIZE) INBOX /private/x",
        "a GETMETADATA INBOX /comment",
        "a GETMETADATA INBOX /private/",
        "a GETMETADATA INBOX /private//x",
        "a GETMETADATA INBOX \"/private/%\"",
        "a GETMETADATA INBOX private/x",
        "a GETMETADATA INBOX {10}\r\n/private/\u{fc}",
        "a SETMETADATA INBOX ()",
        "a SETMETADATA INBOX (/private \"x\")",
        "a SETMETADATA INBOX (/private/x)",
        "a SETMETADATA INBOX (/private/x y)",
        "a SETMETADATA INBOX /private/x NIL",
        "a SETMETADATA INBOX (/private/x {1}\r\n\0)",
        "a GETQUOTA",
        "a GETQUOTAROOT",
        "a SETQUOTA \"\"",
        "a SETQUOTA \"\" (STORAGE)",
        "a STATUS x",
        "a STATUS x ()",
        "a STATUS x (FOO)",
        "a STATUS x MESSAGES",
        "a COPY x INBOX",
        "a COPY 1",
        "a UID EXPUNGE",
        "a EXPUNGE 1",
        "a STORE 1 FLAGS",
        "a STORE 1 FLAGS (\\Recent)",
        "a STORE 1 +-FLAGS ()",
        "a STORE 1 (UNCHANGEDSINCE) FLAGS ()",
        "a STORE 1 FLAGSX ()",
        "a STORE 1 (FOO 1) FLAGS ()",
        "a SEARCH",
        "a SEARCH ",
        "a SEARCH ()",
        "a SEARCH NOT",
        "a SEARCH OR SEEN",
        "a SEARCH FOO",
        "a SEARCH SUBJECT",
        "a SEARCH SINCE yesterday",
        "a SEARCH LARGER x",
        "a SEARCH CHARSET",
        "a SEARCH CHARSET UTF-8",
        "a SEARCH TEXT {1}\r\n\u{ff}",
        "a SEARCH MODSEQ",
        "a SEARCH MODSEQ \"/flags/x\" 5",
        "a SEARCH MODSEQ \"/other\" all 5",
        "a SEARCH SEEN  ALL",
        "a APPEND INBOX x",
    ] {
        let (tag, parsed) = parse(text.as_bytes(), Enabled::default());
        assert_eq!(tag, Some("a"), "{text:?}");
        let reason = parsed.expect_err(text).0;
        assert!(reason.len() > 10 && reason.is_ascii() && !reason.contains(['\r', '\n']), "{text:?}: {reason}");
    }
    for text in ["", " ", "+ NOOP", "{3}", "\r", "\u{e9} NOOP", &format!("{} NOOP", "a".repeat(129))] {
        assert_eq!(parse(text.as_bytes(), Enabled::default()).0, None, "{text:?}");
    }
}

#[test]
fn an_unknown_charset_is_not_malformed() {
    assert_eq!(
        good("a SEARCH CHARSET X-KLINGON SUBJECT {1}\r\n\u{7f}"),
        Command::Search(search::Search {
            by_uid: false,
            returns: None,
            criteria: search::Criteria { charset_named: true, bad_charset: true, keys: vec![] },
        })
    );
}

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| format!("a SEARCH {}ALL{}", "(".repeat(depth), ")".repeat(depth));
    good(&nested(90));
    assert!(parse(nested(10_000).as_bytes(), Enabled::default()).1.is_err());
    let negated = format!("a SEARCH {}ALL", "NOT ".repeat(10_000));
    assert!(parse(negated.as_bytes(), Enabled::default()).1.is_err());
}

#[test]
fn secrets_are_not_printed() {
    for text in ["a LOGIN name sesame", "a AUTHENTICATE PLAIN sesame"] {
        assert!(!format!("{:?}", good(text)).contains("sesame"));
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_read_alike(command in strategy::commands(), style in any::<u64>()) {
        let printed = print::command(&command, style);
        let mut decoder = Decoder::new(SIGNED_IN);
        decoder.input().extend_from_slice(&printed);
        let text = loop {
            match decoder.step() {
                Step::Literal(_) => decoder.accept(),
                Step::Command(text) => break text,
                other => prop_assert!(false, "{other:?} in {}", String::from_utf8_lossy(&printed)),
            }
        };
        let (tag, parsed) = parse(&text, Enabled::default());
        prop_assert_eq!(tag, Some("t1"), "{}", String::from_utf8_lossy(&printed));
        prop_assert_eq!(parsed, Ok(command), "{}", String::from_utf8_lossy(&printed));
    }

    /// Whatever comes, the parser ends and does not panic.
    #[test]
    fn anything_may_come(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&text, Enabled::default());
        let _ = append::head(&text, true, Enabled::default());
        let _ = append::head(&text, false, Enabled::default());
    }

    #[test]
    fn anything_may_come_after_a_known_start(command in strategy::commands(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let mut text = print::command(&command, 0);
        let at = at.index(text.len());
        text[at] = with;
        let _ = parse(&text, Enabled::default());
        text.truncate(at);
        let _ = parse(&text, Enabled::default());
    }
}
