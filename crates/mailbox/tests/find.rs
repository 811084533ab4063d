//! Keys of later extensions, SORT and THREAD: what is found, and in which order, over steps of any size.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may take the short way")]

mod common;

use common::*;
use mailbox::*;
use model::{Flags, FolderName, Uid, UidSet};

const MESSAGES: [&str; 6] = [
    "Message-ID: <1@x>\r\nSubject: Pigeons\r\nFrom: zoe@x\r\nDate: Mon, 5 Feb 2024 10:00:00 +0000\r\n\r\nGrey.\r\n",
    "Message-ID: <2@x>\r\nReferences: <1@x>\r\nSubject: Re: pigeons\r\nFrom: ann@x\r\nDate: Tue, 6 Feb 2024 10:00:00 +0000\r\n\r\n",
    "Message-ID: <3@x>\r\nReferences: <1@x> <2@x>\r\nSubject: RE: PIGEONS\r\nDate: Sun, 4 Feb 2024 10:00:00 +0000\r\n\r\n",
    "Message-ID: <4@x>\r\nIn-Reply-To: <9@x>\r\nSubject: =?utf-8?q?=C3=A4rger?=\r\nFrom: =?utf-8?q?=C3=84rger?= <bob@x>\r\n\r\n",
    "Message-ID: <5@x>\r\nReferences: <9@x>\r\nSubject: _underscore\r\nFrom: \"Anne\" <Ann@x>\r\n\r\nno. 42\r\n",
    "Message-ID: <6@x>\r\nSubject: zebra\r\nFrom: Pals: a@x;\r\nTo: q@x\r\n\r\n",
];

struct Filled {
    _place: Place,
    reader: Reader,
    folder: FolderId,
    uids: UidSet,
}

fn filled() -> Filled {
    let place = Place::new();
    let mut writer = place.writer();
    for text in MESSAGES {
        run(&mut writer, |tx| tx.append(append("INBOX", text.as_bytes(), Flags::NONE)));
    }
    let reader = place.reader();
    let state = reader.select(&FolderName::inbox()).unwrap();
    Filled { _place: place, reader, folder: state.folder, uids: state.uids }
}

impl Filled {
    fn found(&self, key: &SearchKey) -> String {
        let (mut cursor, mut found) = (SearchCursor::new(), UidSet::new());
        loop {
            let step = self.reader.search(self.folder, key, &mut cursor, 2).unwrap();
            found = found.union(&step.found);
            if step.done {
                return found.to_string();
            }
        }
    }

    fn sorted(&self, criteria: &[(SortField, bool)]) -> Vec<u32> {
        let criteria: Vec<_> =
            criteria.iter().map(|(field, reverse)| SortCriterion { field: field.clone(), reverse: *reverse }).collect();
        let by = |budget| {
            let mut cursor = SortCursor::new(self.uids.clone(), criteria.clone());
            let mut sorted = Vec::new();
            loop {
                let step = self.reader.sort(self.folder, &mut cursor, budget).unwrap();
                sorted.extend(step.sorted.into_iter().map(Uid::get));
                if step.done {
                    return sorted;
                }
            }
        };
        let sorted = by(100);
        assert_eq!(by(1), sorted);
        sorted
    }

    fn threads(&self, algorithm: Algorithm) -> String {
        let mut cursor = ThreadCursor::new(self.uids.clone(), algorithm).unwrap();
        loop {
            let step = self.reader.thread(self.folder, &mut cursor, 2).unwrap();
            if step.done {
                let node =
                    |node: &ThreadNode| format!("{}{}", "-".repeat(node.depth as usize), node.uid.map_or(0, Uid::get));
                return step.nodes.iter().map(node).collect::<Vec<_>>().join(" ");
            }
        }
    }
}

#[test]
fn what_is_compared_decides_the_order() {
    use SortField::*;
    let filled = filled();
    assert_eq!(filled.sorted(&[(Arrival, false)]), [1, 2, 3, 4, 5, 6]);
    assert_eq!(filled.sorted(&[(Arrival, true)]), [1, 2, 3, 4, 5, 6]);
    // Without a date a message is as old as its arrival, which is before all of these here.
    assert_eq!(filled.sorted(&[(Date, false)]), [4, 5, 6, 3, 1, 2]);
    // `i;unicode-casemap` has the underscore after the letters, and a letter with its dots after the bare one.
    assert_eq!(filled.sorted(&[(Subject, false)]), [4, 1, 2, 3, 6, 5]);
    assert_eq!(filled.sorted(&[(Subject, true), (Date, true)]), [5, 6, 2, 1, 3, 4]);
    assert_eq!(filled.sorted(&[(From, false)]), [3, 2, 5, 4, 6, 1]);
    assert_eq!(filled.sorted(&[(DisplayFrom, false)]), [3, 2, 5, 4, 6, 1]);
    assert_eq!(filled.sorted(&[(To, false)]), [1, 2, 3, 4, 5, 6]);
    assert_eq!(filled.sorted(&[(To, true)]), [6, 1, 2, 3, 4, 5]);
    assert_eq!(filled.sorted(&[(Rank(vec![uids("5"), uids("2,4")]), false)]), [5, 2, 4, 1, 3, 6]);
}

#[test]
fn threads_by_id_and_by_subject() {
    let filled = filled();
    assert_eq!(filled.threads(Algorithm::References), "0 -4 -5 6 1 -2 --3");
    assert_eq!(filled.threads(Algorithm::Refs), "1 -2 --3 0 -4 -5 6");
    assert_eq!(filled.threads(Algorithm::OrderedSubject), "4 5 6 3 -1 -2");
}

#[test]
fn patterns_are_found_where_they_are_looked_for() {
    let filled = filled();
    let found = |place: search::Place, pattern: &str| {
        filled.found(&SearchKey::Matches(place, Pattern::parse(pattern).unwrap()))
    };
    let subject = || search::Place::Field("subject".to_owned());
    assert_eq!(found(subject(), "^re: pig"), "2:3");
    assert_eq!(found(subject(), "ÄRG.r$"), "4");
    assert_eq!(found(search::Place::Body, r"no\. \d+$"), "5");
    assert_eq!(found(search::Place::Text, "^Message-ID: <[13]@"), "1,3");
    assert_eq!(found(search::Place::Text, "grey|42"), "1,5");
}

#[test]
fn ages_saved_dates_and_ids() {
    let filled = filled();
    let day = clock().as_millisecond() / 86_400_000;
    let received = 1_600_000_000_123; // Of every message here.
    assert_eq!(filled.found(&SearchKey::ReceivedUntil(received)), "1:6");
    assert_eq!(filled.found(&SearchKey::ReceivedFrom(received)), "1:6");
    assert_eq!(filled.found(&SearchKey::ReceivedUntil(received - 1)), "");
    assert_eq!(filled.found(&SearchKey::ReceivedFrom(received + 1)), "");
    assert_eq!(filled.found(&SearchKey::SavedDate(DateRelation::On, day as i32)), "1:6");
    assert_eq!(filled.found(&SearchKey::SavedDate(DateRelation::Before, day as i32)), "");
    // The thread of the first message is its own number, and so is its email.
    let of = |key: fn(u64) -> SearchKey| -> Vec<String> {
        (1..20).map(|number| filled.found(&key(number))).filter(|uids| !uids.is_empty()).collect()
    };
    assert_eq!(of(SearchKey::Email), ["1", "2", "3", "4", "5", "6"]);
    assert_eq!(of(SearchKey::Thread), ["1:3", "4", "5", "6"]);
}
