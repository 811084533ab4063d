//! What a client hears of the records that a node sends.

use super::*;
use crate::codec::cursor::{Cursor, Parsed};
use crate::session::tests::pair;
use crate::session::transport::Transport;
use daemon::stream::Stream;
use model::FolderName;
use tokio::io::AsyncReadExt;
use wire::session::{Changes, FlagChange, KeywordSet, Selected as WireSelected, UidRuns};

fn items(text: &str) -> Parsed<Items> {
    Items::parse(&mut Cursor::new(text.as_bytes()))
}

fn view() -> View {
    let uids = Some(UidRuns { bounds: vec![5, 6, 9, 9] });
    let recent = Some(UidRuns { bounds: vec![9, 9] });
    let selected = WireSelected { folder: 1, uid_validity: 1, uids, recent, ..WireSelected::default() };
    View::new(FolderName::inbox(), false, &selected).unwrap()
}

fn section(index: u32, total: u64, data: &'static [u8]) -> SectionData {
    SectionData { index, total, data: data.into(), missing: false, ..SectionData::default() }
}

/// What a client hears of these records; an error is the end of the connection.
async fn written(items: &str, told: Told, view: &mut View, records: Vec<FetchedMessage>) -> Result<String, End> {
    let items = self::items(items).unwrap();
    let (near, mut far) = pair().await;
    let mut connection = Connection::new(Transport::Open(Stream::Plain(near)));
    let mut writer = Writer::new(&items, Told { uid: items.uid, ..told });
    for record in records {
        writer.record(record, view, &mut connection).await?;
    }
    writer.end()?;
    connection.flush().await?;
    drop(connection);
    let mut heard = String::new();
    far.read_to_string(&mut heard).await.unwrap();
    Ok(heard)
}

const PLAIN: Told = Told { marks_seen: false, modseq: false, uid: false, uid_only: false };

#[tokio::test]
async fn simple_items_stand_in_one_line() {
    let record = FetchedMessage {
        uid: 9,
        flags: 1,
        keywords: vec!["$x".into()],
        modseq: 7,
        size: 42,
        envelope: "(NIL)".into(),
        ..FetchedMessage::default()
    };
    let heard = written("(UID FLAGS MODSEQ INTERNALDATE RFC822.SIZE ENVELOPE)", PLAIN, &mut view(), vec![record]).await;
    // The keyword is new to the client, so it is told first (RFC 3501 §7.2.6).
    let expected = "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $x)\r\n\
                    * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $x \\*)] New keywords can be made\r\n\
                    * 3 FETCH (UID 9 FLAGS (\\Seen $x \\Recent) MODSEQ (7) INTERNALDATE \"01-Jan-1970 00:00:00 +0000\" \
                    RFC822.SIZE 42 ENVELOPE (NIL))\r\n";
    assert_eq!(heard.unwrap(), expected);
}

#[tokio::test]
async fn sections_go_on_over_several_records() {
    let first =
        FetchedMessage { uid: 5, sections: vec![section(0, 5, b"ab")], unfinished: true, ..FetchedMessage::default() };
    let second = FetchedMessage {
        uid: 5,
        continues: true,
        sections: vec![section(0, 0, b"cde"), section(1, 0, b"")],
        unfinished: true,
        ..FetchedMessage::default()
    };
    let missing = SectionData { index: 2, missing: true, ..SectionData::default() };
    let third = FetchedMessage {
        uid: 5,
        continues: true,
        sections: vec![section(1, 0, b""), missing],
        ..FetchedMessage::default()
    };
    let next = FetchedMessage { uid: 6, sections: vec![section(0, 1, b"z")], ..FetchedMessage::default() };
    let heard =
        written("(BODY.PEEK[] BODY.PEEK[1] BODY.PEEK[7])", PLAIN, &mut view(), vec![first, second, third, next]).await;
    let expected = "* 1 FETCH (BODY[] {5}\r\nabcde BODY[1] {0}\r\n BODY[7] NIL)\r\n* 2 FETCH (BODY[] {1}\r\nz)\r\n";
    assert_eq!(heard.unwrap(), expected);
}

#[tokio::test]
async fn what_marking_changed_is_told_with_the_body() {
    let mut view = view();
    let changed = vec![FlagChange { uid: 5, flags: 1, keywords: vec![], modseq: 8 }];
    view.absorb(Changes { folder: 1, changed, ..Changes::default() }).unwrap();
    let record = |uid, flags| FetchedMessage {
        uid,
        flags,
        modseq: 8,
        sections: vec![section(0, 1, b"x")],
        ..FetchedMessage::default()
    };
    let told = Told { marks_seen: true, modseq: true, ..PLAIN };
    let heard = written("BODY[]", told, &mut view, vec![record(5, 1), record(6, 1)]).await;
    let expected = "* 1 FETCH (FLAGS (\\Seen) MODSEQ (8) BODY[] {1}\r\nx)\r\n* 2 FETCH (BODY[] {1}\r\nx)\r\n";
    assert_eq!(heard.unwrap(), expected);
    assert_eq!(view.take_flags().0.len(), 0, "told once");
}

#[tokio::test]
async fn a_message_that_the_client_does_not_know_goes_nowhere() {
    let unknown = FetchedMessage { uid: 7, sections: vec![section(0, 3, b"abc")], ..FetchedMessage::default() };
    assert_eq!(written("BODY.PEEK[]", PLAIN, &mut view(), vec![unknown]).await.unwrap(), "");
}

#[tokio::test]
async fn a_literal_gets_what_was_announced_or_the_connection_ends() {
    let record = |uid, continues, unfinished, sections| FetchedMessage {
        uid,
        continues,
        unfinished,
        sections,
        ..FetchedMessage::default()
    };
    for records in [
        vec![record(5, false, false, vec![section(0, 3, b"ab")])],
        vec![record(5, false, false, vec![section(0, 3, b"abcd")])],
        vec![record(5, false, true, vec![section(0, 3, b"ab")])],
        vec![record(5, false, true, vec![section(0, 3, b"ab")]), record(6, false, false, vec![])],
        vec![record(5, false, true, vec![section(0, 3, b"ab")]), record(6, true, false, vec![section(0, 0, b"c")])],
        vec![record(5, true, false, vec![section(0, 3, b"abc")])],
        vec![record(5, false, false, vec![section(9, 3, b"abc")])],
    ] {
        let heard = written("(BODY.PEEK[] BODY.PEEK[1])", PLAIN, &mut view(), records.clone()).await;
        assert!(matches!(heard, Err(End::Broken)), "{records:?}");
    }
}

async fn written_columns(items: &str, view: &mut View, columns: &FlagColumns) -> Result<(usize, String), End> {
    let items = self::items(items).unwrap();
    let (near, mut far) = pair().await;
    let mut connection = Connection::new(Transport::Open(Stream::Plain(near)));
    let mut writer = Writer::new(&items, Told { uid: items.uid, modseq: true, ..PLAIN });
    let answered = writer.columns(columns, view, &mut connection).await?;
    connection.flush().await?;
    drop(connection);
    let mut heard = String::new();
    far.read_to_string(&mut heard).await.unwrap();
    Ok((answered, heard))
}

fn columns() -> FlagColumns {
    let set = |keywords: &[&str]| KeywordSet { keywords: keywords.iter().map(|&keyword| keyword.to_owned()).collect() };
    FlagColumns {
        uids: vec![5, 6, 7, 9],
        flags: vec![1, 0, 0, 8],
        modseqs: vec![11, 12, 13, 14],
        sets_of: vec![0, 2, 0, 1],
        sets: vec![set(&["$x"]), set(&["$x", "$y"])],
    }
}

#[tokio::test]
async fn flags_come_as_columns_too() {
    let mut view = view();
    // A change that is not told yet is told by the answer, and with MODSEQ then (RFC 7162 §3.1).
    view.change(FlagChange { uid: 6, flags: 0, keywords: vec![], modseq: 12 });
    let (answered, heard) = written_columns("(UID FLAGS)", &mut view, &columns()).await.unwrap();
    assert_eq!(
        heard,
        "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $x)\r\n\
         * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $x \\*)] New keywords can be made\r\n\
         * FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $x $y)\r\n\
         * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $x $y \\*)] New keywords can be made\r\n\
         * 1 FETCH (UID 5 FLAGS (\\Seen))\r\n\
         * 2 FETCH (UID 6 FLAGS ($x $y) MODSEQ (12))\r\n\
         * 3 FETCH (UID 9 FLAGS (\\Deleted $x \\Recent))\r\n"
    );
    assert_eq!(answered, 4);
    assert!(!view.has_untold_flags(Uid::new(6).unwrap()));
    let none = FlagColumns { sets_of: vec![], sets: vec![], ..columns() };
    let (_, heard) = written_columns("(MODSEQ)", &mut view, &none).await.unwrap();
    assert_eq!(heard, "* 1 FETCH (MODSEQ (11))\r\n* 2 FETCH (MODSEQ (12))\r\n* 3 FETCH (MODSEQ (14))\r\n");
}

#[tokio::test]
async fn columns_that_do_not_fit_together_end_the_connection() {
    for bad in [
        FlagColumns { flags: vec![1], ..columns() },
        FlagColumns { modseqs: vec![], ..columns() },
        FlagColumns { sets_of: vec![0], ..columns() },
        FlagColumns { sets_of: vec![3, 0, 0, 0], ..columns() },
        FlagColumns { uids: vec![0, 6, 7, 9], ..columns() },
    ] {
        let ended = written_columns("(FLAGS)", &mut view(), &bad).await;
        assert!(matches!(ended, Err(End::Broken)), "{bad:?}");
    }
}
