//! Items and sections: what is read, how it is named in the answer, what is refused.

use super::*;

fn fetch(text: &str) -> Parsed<Fetch> {
    let mut cursor = Cursor::new(text.as_bytes());
    let fetch = Fetch::parse(&mut cursor, false)?;
    cursor.end()?;
    Ok(fetch)
}

fn names(fetch: &Fetch) -> Vec<String> {
    let name = |section: &Section| {
        let mut out = Vec::new();
        section.write_name(&mut out);
        String::from_utf8(out).unwrap()
    };
    fetch.items.sections.iter().map(name).collect()
}

fn bits(items: &[FetchItem]) -> u32 {
    items.iter().map(|item| *item as u32).sum()
}

#[test]
fn macros_and_items() {
    use FetchItem::{Body, BodyStructure, Envelope, Flags, InternalDate, Modseq, Size};
    for (text, expected) in [
        (" 1 FAST", bits(&[Flags, InternalDate, Size])),
        (" 1 all", bits(&[Flags, InternalDate, Size, Envelope])),
        (" 1 FULL", bits(&[Flags, InternalDate, Size, Envelope, Body])),
        (" 1 BODY", bits(&[Body])),
        (" 1 (BODYSTRUCTURE modseq)", bits(&[BodyStructure, Modseq])),
        (" 1 (FLAGS FLAGS)", bits(&[Flags])),
        (" 1 FLAGS (CHANGEDSINCE 7)", bits(&[Flags, Modseq])),
    ] {
        assert_eq!(fetch(text).unwrap().items.bits(), expected, "{text}");
    }
    assert!(fetch(" 1 (UID)").unwrap().items.uid);
    assert_eq!(fetch(" 1 FLAGS (CHANGEDSINCE 7)").unwrap().changed_since, Some(7));
}

#[test]
fn sections_are_named_as_the_answer_names_them() {
    for (asked, answered, seen) in [
        ("BODY[]", "BODY[]", true),
        ("body.peek[]", "BODY[]", false),
        ("RFC822", "RFC822", true),
        ("RFC822.HEADER", "RFC822.HEADER", false),
        ("RFC822.TEXT", "RFC822.TEXT", true),
        ("BODY[HEADER]", "BODY[HEADER]", true),
        ("BODY[1.2.mime]", "BODY[1.2.MIME]", true),
        ("BODY[1]", "BODY[1]", true),
        ("BODY[3.TEXT]<10.20>", "BODY[3.TEXT]<10>", true),
        ("BODY.PEEK[]<0.4294967296>", "BODY[]<0>", false),
        ("BODY.PEEK[HEADER.FIELDS (From \"To\")]", "BODY[HEADER.FIELDS (From To)]", false),
        ("BODY.PEEK[4.HEADER.FIELDS.NOT (X-\"A)]", "", false),
        ("BODY[4.HEADER.FIELDS.NOT (Bcc)]", "BODY[4.HEADER.FIELDS.NOT (Bcc)]", true),
    ] {
        if answered.is_empty() {
            assert!(fetch(&format!(" 1 {asked}")).is_err(), "{asked}");
            continue;
        }
        let fetch = fetch(&format!(" 1 {asked}")).unwrap();
        assert_eq!(names(&fetch), [answered]);
        assert_eq!(fetch.items.marks_seen(), seen, "{asked}");
    }
    let many = fetch(" 1:* (BODY.PEEK[HEADER] RFC822.SIZE BODY[TEXT])").unwrap();
    assert_eq!(names(&many), ["BODY[HEADER]", "BODY[TEXT]"]);
    assert!(many.items.has(FetchItem::Size));
}

#[test]
fn what_is_no_fetch() {
    for text in [
        "",
        " 1",
        " 1 ",
        " 1 ()",
        " 1 NONSENSE",
        " 1 (ALL)",
        " 1 FASTER",
        " 0 FLAGS",
        " 1 BODY[",
        " 1 BODY[0]",
        " 1 BODY[1.]",
        " 1 BODY[1..2]",
        " 1 BODY[1TEXT]",
        " 1 BODY[MIME]",
        " 1 BODY[FOO]",
        " 1 BODY[]<1>",
        " 1 BODY[]<1.0>",
        " 1 BODY[]<1.2",
        " 1 BODY[HEADER.FIELDS ()]",
        " 1 BODY[HEADER.FIELDS (a:b)]",
        " 1 BODY[HEADER.FIELDS]",
        " 1 BODY.PEEK",
        " 1 FLAGS UID",
        " 1 (FLAGS  UID)",
        " 1 (FLAGS",
        " 1 FLAGS (CHANGEDSINCE)",
        " 1 FLAGS (CHANGEDSINCE x)",
        " 1 FLAGS (VANISHED)",
        " 1 RFC822.FOO",
        " 1 BODY[HEADER.FIELDS (\"a\r\nb\")]",
    ] {
        assert!(fetch(text).is_err(), "{text:?}");
    }
    let deep = vec!["1"; 65].join(".");
    assert!(fetch(&format!(" 1 BODY[{deep}]")).is_err());
    let long = vec!["BODY[]"; 129].join(" ");
    assert!(fetch(&format!(" 1 ({long})")).is_err());
}
