//! SEARCH and sections: what is found, and what is answered of a message.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may take the short way")]

mod common;

use common::Place;
use common::*;
use mailbox::*;
use model::{Flag, Flags, FolderName, Keyword, ModSeq};

struct Found<'a> {
    reader: &'a Reader,
    folder: FolderId,
}

impl Found<'_> {
    /// What is found, in steps of two messages.
    fn by(&self, key: &SearchKey) -> String {
        let (mut cursor, mut found, mut highest) = (SearchCursor::new(), model::UidSet::new(), ModSeq::ZERO);
        loop {
            let step = self.reader.search(self.folder, key, &mut cursor, 2).unwrap();
            found = found.union(&step.found);
            highest = highest.max(step.highest_modseq);
            if step.done {
                assert_eq!(highest == ModSeq::ZERO, found.is_empty());
                return found.to_string();
            }
        }
    }
    fn header(&self, field: &str, text: &str) -> String {
        self.by(&SearchKey::Header { name: field.to_owned(), value: text.to_owned() })
    }
    fn body(&self, text: &str) -> String {
        self.by(&SearchKey::Body(text.to_owned()))
    }
    fn text(&self, text: &str) -> String {
        self.by(&SearchKey::Text(text.to_owned()))
    }
}

fn corpus() -> [Vec<u8>; 6] {
    [
        b"From: =?iso-8859-1?q?J=F8rn?= <joern@example.dk>\r\nTo: ben@example.com\r\nSubject: Frokost\r\n\
          Message-ID: <1@example.dk>\r\nDate: Fri, 21 Nov 1997 23:30:00 -0600\r\n\r\nSm\xc3\xb8rrebr\xc3\xb8d i dag?\r\n"
            .to_vec(),
        b"From: ann@example.com\r\nSubject: Re: Frokost\r\nIn-Reply-To: <1@example.dk>\r\nX-Mood: Cheerful\r\n\
          Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nR3LDuG50IGzDuHY=\r\n"
            .to_vec(),
        b"Subject: odd\r\nContent-Type: text/html\r\n\r\n<p>grey &amp; <b>white</b></p>".to_vec(),
        b"Subject: outer\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?inner_w=C3=B8rd?=\r\n\r\ninner text\r\n"
            .to_vec(),
        with_attachment("picture", &attachment(1, 50_000)),
        b"X-Empty:\r\nDate: nonsense\r\n\r\n".to_vec(),
    ]
}

fn filled() -> (Place, FolderId) {
    let place = Place::new();
    let mut writer = place.writer();
    for text in corpus() {
        run(&mut writer, |tx| tx.append(append("INBOX", &text, Flags::NONE)));
    }
    let folder = place.reader().select(&FolderName::inbox()).unwrap().folder;
    let edit =
        |flags, keyword| FlagEdit { mode: StoreMode::Add, flags, keywords: vec![Keyword::parse(keyword).unwrap()] };
    run(&mut writer, |tx| tx.store(folder, &uids("2:3"), &edit(Flags::NONE.with(Flag::Flagged), "$Junk"), None));
    (place, folder)
}

#[test]
fn text_is_found_decoded_and_without_case() {
    let (place, folder) = filled();
    let found = Found { reader: &place.reader(), folder };
    assert_eq!(found.header("Subject", "FROKOST"), "1:2");
    assert_eq!(found.header("From", "jØRN"), "1");
    assert_eq!(found.header("from", "example"), "1:2,5");
    assert_eq!(found.header("Message-Id", "<1@EXAMPLE.dk>"), "1");
    assert_eq!(found.header("In-Reply-To", "1@example"), "2");
    assert_eq!(found.header("x-mood", "cheer"), "2");
    assert_eq!(found.header("X-Mood", "sad"), "");
    assert_eq!(found.header("X-Empty", ""), "6");
    assert_eq!(found.header("Subject", ""), "1:5");
    assert_eq!(found.body("SMØRREBRØD"), "1");
    assert_eq!(found.body("grønt LØV"), "2");
    assert_eq!(found.body("Grey & White"), "3");
    assert_eq!(found.body("<b>"), "");
    // RFC 9051 §6.4.4: BODY looks at no header field, TEXT at those of parts and inner messages too.
    assert_eq!(found.body("inner wørd"), "");
    assert_eq!(found.text("inner wørd"), "4");
    assert_eq!(found.body("outer"), "");
    assert_eq!(found.text("OUTER"), "4");
    assert_eq!(found.text("cheerful"), "2");
    assert_eq!(found.text("inner text"), "4");
    assert_eq!(found.body("what is attached"), "5");
    assert_eq!(found.body(""), "1:6", "the empty text is in every message");
}

#[test]
fn programs_combine_and_dates_have_no_zone() {
    let (place, folder) = filled();
    let reader = place.reader();
    let found = Found { reader: &reader, folder };
    let day = |relation, day| found.by(&SearchKey::SentDate(relation, day));
    // 21 Nov 1997 as it is written, though it is the 22nd in UTC.
    assert_eq!(day(DateRelation::On, 10_186), "1");
    assert_eq!(day(DateRelation::Before, 10_187), "1");
    assert_eq!(day(DateRelation::Since, 10_187), "");
    // Every message came on 13 September 2020.
    assert_eq!(found.by(&SearchKey::InternalDate(DateRelation::On, 18_518)), "1:6");
    assert_eq!(found.by(&SearchKey::InternalDate(DateRelation::Before, 18_518)), "");
    assert_eq!(found.by(&SearchKey::Larger(1000)), "5");
    assert_eq!(found.by(&SearchKey::Smaller(40)), "6");
    assert_eq!(found.by(&SearchKey::Everything), "1:6");
    let flagged = SearchKey::FlagSet(Flag::Flagged);
    let not = |key: &SearchKey| SearchKey::Not(Box::new(key.clone()));
    assert_eq!(found.by(&flagged), "2:3");
    assert_eq!(found.by(&not(&flagged)), "1,4:6");
    assert_eq!(found.by(&SearchKey::KeywordSet(Keyword::parse("$junk").unwrap())), "2:3");
    assert_eq!(found.by(&SearchKey::KeywordSet(Keyword::parse("never").unwrap())), "");
    let both = SearchKey::AllOf(vec![SearchKey::Text("frokost".to_owned()), flagged.clone()]);
    assert_eq!(found.by(&both), "2");
    let either = SearchKey::AnyOf(vec![both, SearchKey::Uids(uids("5:9"))]);
    assert_eq!(found.by(&either), "2,5:6");
    let bound = SearchKey::AllOf(vec![SearchKey::Uids(uids("1:4,6")), not(&flagged), SearchKey::Uids(uids("4:99"))]);
    assert_eq!(found.by(&bound), "4,6");
    assert_eq!(found.by(&SearchKey::AnyOf(vec![])), "");
    let highest = reader.status(&FolderName::inbox()).unwrap().highest_modseq;
    assert_eq!(found.by(&SearchKey::ModSeqAtLeast(highest)), "2:3");
}

#[test]
fn programs_have_limits() {
    let (place, folder) = filled();
    let reader = place.reader();
    let refused = |key: &SearchKey| match reader.search(folder, key, &mut SearchCursor::new(), 10) {
        Err(Error::BadSearch(why)) => why,
        other => panic!("{other:?}"),
    };
    let deep = (0..40).fold(SearchKey::Everything, |key, _| SearchKey::Not(Box::new(key)));
    assert_eq!(refused(&deep), "too many levels");
    assert_eq!(refused(&SearchKey::AllOf(vec![SearchKey::Everything; 1024])), "too many keys");
    let nowhere = reader.search(FolderId::new(u64::MAX), &SearchKey::Everything, &mut SearchCursor::new(), 10);
    assert!(matches!(nowhere, Err(Error::NoSuchFolder)));
}

#[test]
fn sections_are_those_of_the_rfc() {
    let (place, folder) = filled();
    let reader = place.reader();
    let texts = corpus();
    let get = |number: u32, part: &[u32], kind: SectionKind| {
        let wanted = Section { part: part.to_vec(), kind, partial: None };
        section(&reader, folder, uid(number), wanted, 4096).map(|octets| String::from_utf8_lossy(&octets).into_owned())
    };
    let split = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).into_owned();
        let at = text.find("\r\n\r\n").unwrap() + 4;
        (text[..at].to_owned(), text[at..].to_owned())
    };
    let (header, text) = split(&texts[0]);
    assert_eq!(get(1, &[], SectionKind::Header), Some(header));
    assert_eq!(get(1, &[], SectionKind::Text), Some(text.clone()));
    assert_eq!(get(1, &[1], SectionKind::All), Some(text));
    assert_eq!(get(1, &[2], SectionKind::All), None);
    assert_eq!(get(4, &[1], SectionKind::Text).as_deref(), Some("inner text\r\n"));
    let inner = "Subject: =?utf-8?q?inner_w=C3=B8rd?=\r\n\r\n";
    assert_eq!(get(4, &[1], SectionKind::Header).as_deref(), Some(inner));
    assert_eq!(get(5, &[1], SectionKind::Mime).as_deref(), Some("Content-Type: text/plain\r\n\r\n"));
    assert_eq!(get(5, &[1], SectionKind::All).as_deref(), Some("See what is attached."));
    let fields = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let chosen = get(2, &[], SectionKind::Fields(fields(&["x-mood", "from"])));
    assert_eq!(chosen.as_deref(), Some("From: ann@example.com\r\nX-Mood: Cheerful\r\n\r\n"));
    let rest = get(6, &[], SectionKind::FieldsNot(fields(&["date"])));
    assert_eq!(rest.as_deref(), Some("X-Empty:\r\n\r\n"));
    let none = get(2, &[], SectionKind::Fields(fields(&["nothing"])));
    assert_eq!(none.as_deref(), Some("\r\n"));
}

#[test]
fn fetch_answers_what_exists_and_changed() {
    let (place, folder) = filled();
    let reader = place.reader();
    let before = reader.status(&FolderName::inbox()).unwrap().highest_modseq;
    let plan = |since| FetchPlan {
        folder,
        uids: uids("2:4,6:90"),
        items: Items::FLAGS.with(Items::ENVELOPE).with(Items::BODY).with(Items::BODY_STRUCTURE),
        sections: vec![],
        changed_since: since,
    };
    let all = fetch(&reader, &plan(ModSeq::ZERO), 1);
    assert_eq!(all.iter().map(|record| record.uid.get()).collect::<Vec<_>>(), [2, 3, 4, 6]);
    assert!(all.iter().all(|record| record.envelope.starts_with(b"(") && record.body_structure.starts_with(b"(")));
    assert_eq!(all[0].keywords, [Keyword::parse("$Junk").unwrap()]);
    assert!(fetch(&reader, &plan(before), 1).is_empty());
    let changed = fetch(&reader, &plan(ModSeq::new(before.get() - 1).unwrap()), 1);
    assert_eq!(changed.iter().map(|record| record.uid.get()).collect::<Vec<_>>(), [2, 3]);
    let nowhere = FetchPlan { folder: FolderId::new(999), ..plan(ModSeq::ZERO) };
    assert!(matches!(reader.fetch(&nowhere, &mut FetchCursor::new(), 1), Err(Error::NoSuchFolder)));
}
