//! Bytes in and out: exactness, sharing, staging, garbage, bounded memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may take the short way")]

mod common;

use common::Place;
use common::*;
use mailbox::*;
use message::trace::Prefix;
use model::{Flag, Flags, FolderName, UidSet};

/// Octets of all stored chunks, before compression.
fn stored(place: &Place) -> (i64, i64) {
    let connection = keyed(place);
    let read = |sql: &str| connection.query_row(sql, [], |row| row.get(0)).unwrap();
    (read("SELECT coalesce(sum(size), 0) FROM chunk"), read("SELECT count(*) FROM content"))
}

fn keyed(place: &Place) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(place.path()).unwrap();
    let key = place.key.raw_key();
    let pragma = match Options::default().cipher {
        Cipher::ChaCha20 => format!("PRAGMA cipher='chacha20'; PRAGMA key='raw:{}'", *key),
        Cipher::SqlCipher4 => format!("PRAGMA key=\"x'{}'\"", *key),
    };
    connection.execute_batch(&pragma).unwrap();
    connection
}

fn inbox(place: &Place) -> FolderId {
    place.reader().select(&FolderName::inbox()).unwrap().folder
}

#[test]
fn odd_messages_come_back_exactly() {
    let chunk = 128 * 1024;
    let mut messages: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"\n".to_vec(),
        b"\r\n\r\n".to_vec(),
        b"no header at all".to_vec(),
        b"Subject: bare feeds\n\nline\nline\n".to_vec(),
        b"Subject: bare returns\r\r\rline\r".to_vec(),
        b"Subject: \xff\xfe\x00\r\n\r\n\x00\x01\x02".to_vec(),
        b"-\n--\n---\n\n--\n\n-".to_vec(),
        with_attachment("short", &attachment(1, 100)),
        with_attachment("unended", &attachment(2, 100_000))[..90_000].to_vec(),
    ];
    for size in [chunk - 1, chunk, chunk + 1, 32 * 1024 - 1, 32 * 1024, 32 * 1024 + 1, 3 * chunk] {
        messages.push(noise(size as u64, size));
        messages.push(vec![b'-'; size]);
        messages.push(b"-\n".repeat(size / 2));
        messages.push(with_attachment("sized", &attachment(size as u64, size)));
    }
    let place = Place::new();
    let mut writer = place.writer();
    for text in &messages {
        run(&mut writer, |tx| tx.append(append("INBOX", text, Flags::NONE)));
    }
    let (folder, reader) = (inbox(&place), place.reader());
    reader.check().unwrap();
    for (at, text) in messages.iter().enumerate() {
        let uid = uid(at as u32 + 1);
        assert!(body(&reader, folder, uid) == *text, "message {at}");
        for (offset, length) in [(0, 10), (1, 100_000), (131_000, 200), (32_767, 2), (u64::MAX, u64::MAX), (5, 0)] {
            let wanted = Section { partial: Some((offset, length)), ..Section::whole() };
            let start = text.len().min(usize::try_from(offset).unwrap());
            let end = text.len().min(start.saturating_add(usize::try_from(length).unwrap()));
            assert!(
                section(&reader, folder, uid, wanted, 5000).unwrap() == text[start..end],
                "message {at} at {offset}"
            );
        }
    }
}

#[test]
fn an_attachment_is_stored_once_whatever_is_around_it() {
    let place = Place::new();
    let mut writer = place.writer();
    let shared = attachment(3, 700_000);
    let messages: Vec<_> =
        ["one", "another", "a-third-with-a-longer-edge"].map(|subject| with_attachment(subject, &shared)).into();
    for text in &messages {
        run(&mut writer, |tx| tx.append(append("INBOX", text, Flags::NONE)));
    }
    let around: usize = messages.iter().map(|text| text.len() - shared.len()).sum();
    let (octets, contents) = stored(&place);
    assert_eq!(octets as usize, shared.len() + around);
    // The attachment, and what is before and after it in each.
    assert_eq!(contents, 1 + 2 * 3);
    // Forwarded as a message within a message it is the same attachment still.
    let mut forward = b"Subject: fwd\r\nContent-Type: message/rfc822\r\n\r\n".to_vec();
    forward.extend_from_slice(&messages[0]);
    run(&mut writer, |tx| tx.append(append("Sent", &forward, Flags::NONE)));
    // So is what follows it, the closing delimiter.
    let closing = b"--edge-one--\r\n".len();
    assert_eq!(stored(&place).0 as usize, shared.len() + around + forward.len() - shared.len() - closing);
    let (folder, reader) = (inbox(&place), place.reader());
    for (at, text) in messages.iter().enumerate() {
        assert!(body(&reader, folder, uid(at as u32 + 1)) == *text);
    }
    reader.check().unwrap();
}

#[test]
fn copies_and_moves_move_no_octets() {
    let place = Place::new();
    let mut writer = place.writer();
    let text = with_attachment("copied", &attachment(4, 500_000));
    run(&mut writer, |tx| tx.append(append("INBOX", &text, Flags::NONE)));
    let (folder, before) = (inbox(&place), stored(&place));
    let log = writer.log_bytes();
    for _ in 0..10 {
        run(&mut writer, |tx| tx.copy(folder, &uids("1"), &name("Archive"), clock(), None));
    }
    run(&mut writer, |tx| tx.move_(folder, &uids("1"), &name("Trash"), clock(), None));
    assert_eq!(stored(&place), before);
    assert!(writer.log_bytes() - log < 800_000, "eleven changes wrote {} octets", writer.log_bytes() - log);
    let reader = place.reader();
    let trash = reader.select(&name("Trash")).unwrap().folder;
    assert!(body(&reader, trash, uid(1)) == text);
    reader.check().unwrap();
}

#[test]
fn garbage_is_what_nobody_refers_to() {
    let place = Place::new();
    let mut writer = place.writer();
    let shared = attachment(6, 300_000);
    for subject in ["kept", "gone"] {
        run(&mut writer, |tx| {
            tx.append(append("INBOX", &with_attachment(subject, &shared), Flags::NONE.with(Flag::Deleted)))
        });
    }
    let folder = inbox(&place);
    run(&mut writer, |tx| tx.copy(folder, &uids("1"), &name("Archive"), clock(), None));
    let full = stored(&place);
    run(&mut writer, |tx| tx.expunge(folder, None, clock()));
    assert_eq!(stored(&place), full, "expunge collects nothing by itself");
    while writer.collect_garbage().unwrap() > 0 {}
    assert_eq!(stored(&place).0 as usize, with_attachment("kept", &shared).len());
    let reader = place.reader();
    reader.check().unwrap();
    let archive = reader.select(&name("Archive")).unwrap().folder;
    assert!(body(&reader, archive, uid(1)) == with_attachment("kept", &shared));
    run(&mut writer, |tx| tx.delete_folder(&name("Archive")));
    while writer.collect_garbage().unwrap() > 0 {}
    assert_eq!(stored(&place), (0, 0));
    reader.check().unwrap();
}

#[test]
fn the_file_gives_room_back() {
    let place = Place::new();
    let mut writer = place.writer();
    run(&mut writer, |tx| tx.append(append("INBOX", &noise(1, 30_000_000), Flags::NONE.with(Flag::Deleted))));
    writer.checkpoint().unwrap();
    let size = || std::fs::metadata(place.path()).unwrap().len();
    assert!(size() > 30_000_000);
    let folder = inbox(&place);
    run(&mut writer, |tx| tx.expunge(folder, None, clock()));
    for _ in 0..10 {
        writer.collect_garbage().unwrap();
    }
    writer.checkpoint().unwrap();
    assert!(size() < 8_000_000, "{}", size());
    place.reader().check().unwrap();
}

#[test]
fn a_fetch_that_runs_keeps_its_octets_until_garbage_is_collected() {
    let place = Place::new();
    let mut writer = place.writer();
    let text = noise(9, 400_000);
    run(&mut writer, |tx| tx.append(append("INBOX", &text, Flags::NONE.with(Flag::Deleted))));
    let (folder, reader) = (inbox(&place), place.reader());
    let plan = FetchPlan {
        folder,
        uids: uids("1"),
        items: Items::NONE,
        sections: vec![Section::whole()],
        changed_since: model::ModSeq::ZERO,
    };
    let mut cursor = FetchCursor::new();
    let mut read = reader.fetch(&plan, &mut cursor, 100_000).unwrap().records.remove(0).sections.remove(0).data;
    run(&mut writer, |tx| tx.expunge(folder, None, clock()));
    read.extend(reader.fetch(&plan, &mut cursor, 100_000).unwrap().records.remove(0).sections.remove(0).data);
    assert!(read[..] == text[..read.len()]);
    while writer.collect_garbage().unwrap() > 0 {}
    // New content takes the pages, and no cursor takes it for the old.
    run(&mut writer, |tx| tx.append(append("INBOX", &noise(10, 400_000), Flags::NONE)));
    let end = loop {
        match reader.fetch(&plan, &mut cursor, 100_000) {
            Ok(step) => {
                read.extend(step.records.into_iter().flat_map(|record| record.sections).flat_map(|part| part.data))
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(end, Error::Gone));
    assert!(read[..] == text[..read.len()]);
}

/// Sends a message in pieces of `step` octets, staging as it goes; the most that was held at once.
fn upload(writer: &mut Writer, upload: UploadId, text: &[u8], step: usize) -> (Content, usize) {
    let (mut ingest, mut held, mut most) = (Ingest::new(), 0, 0);
    for piece in text.chunks(step) {
        ingest.push(piece).unwrap();
        held += piece.len();
        let pieces = ingest.take_pieces();
        if !pieces.is_empty() {
            run(writer, |tx| tx.stage(upload, pieces));
            held = 0;
        }
        most = most.max(held);
    }
    (ingest.finish().unwrap().with_upload(upload), most)
}

#[test]
fn a_large_message_is_staged_piece_by_piece() {
    let place = Place::new();
    let mut writer = place.writer();
    let shared = attachment(11, 20_000_000);
    let mut text = with_attachment("large", &shared);
    text.extend(noise(12, 30_000_000));
    let (content, most) = upload(&mut writer, UploadId(1), &text, 60_000);
    assert!(most < 1_200_000, "{most} octets were held");
    assert_eq!(place.reader().status(&FolderName::inbox()).unwrap().messages, 0);
    let appended = run(&mut writer, |tx| tx.append(Append { content, ..append("INBOX", b"", Flags::NONE) }));
    let reader = place.reader();
    assert!(body(&reader, appended.folder, appended.uid) == text);
    // The same attachment in another large message is thrown away again.
    let before = stored(&place).0;
    let second = with_attachment("second", &shared);
    let (content, _) = upload(&mut writer, UploadId(2), &second, 60_000);
    run(&mut writer, |tx| tx.append(Append { content, ..append("INBOX", b"", Flags::NONE) }));
    while writer.collect_garbage().unwrap() > 0 {}
    assert_eq!((stored(&place).0 - before) as usize, second.len() - shared.len());
    assert!(body(&reader, appended.folder, uid(2)) == second);
    reader.check().unwrap();
}

#[test]
fn uploads_that_are_given_up_leave_nothing() {
    let place = Place::new();
    let mut writer = place.writer();
    let text = noise(13, 3_000_000);
    let (content, _) = upload(&mut writer, UploadId(1), &text, 100_000);
    run(&mut writer, |tx| tx.discard(UploadId(1)));
    let mut batch = writer.batch().unwrap();
    let refused = batch.run(|tx| tx.append(Append { content, ..append("INBOX", b"", Flags::NONE) }));
    assert!(matches!(refused, Err(Error::UploadIncomplete)));
    drop(batch);
    let (content, _) = upload(&mut writer, UploadId(2), &text, 100_000);
    drop(writer);
    // A crash: the next writer knows nothing of the upload.
    let mut writer = place.writer();
    let mut batch = writer.batch().unwrap();
    let refused = batch.run(|tx| tx.append(Append { content, ..append("INBOX", b"", Flags::NONE) }));
    assert!(matches!(refused, Err(Error::UploadIncomplete)));
    drop(batch);
    while writer.collect_garbage().unwrap() > 0 {}
    assert_eq!(stored(&place), (0, 0));
    place.reader().check().unwrap();
}

#[test]
fn a_body_goes_to_several_mailboxes_from_one_ingest() {
    let places = [Place::new(), Place::new()];
    let mut writers = places.each_ref().map(Place::writer);
    let text = with_attachment("both", &attachment(14, 2_000_000));
    let mut ingest = Ingest::new();
    for piece in text.chunks(50_000) {
        ingest.push(piece).unwrap();
        let pieces = ingest.take_pieces();
        for (at, writer) in writers.iter_mut().enumerate() {
            let pieces = pieces.clone();
            run(writer, |tx| tx.stage(UploadId(at as u64 + 5), pieces));
        }
    }
    let content = ingest.finish().unwrap();
    for (at, writer) in writers.iter_mut().enumerate() {
        let content = content.clone().with_upload(UploadId(at as u64 + 5));
        run(writer, |tx| tx.append(Append { content, ..append("INBOX", b"", Flags::NONE) }));
        let reader = places[at].reader();
        assert!(body(&reader, inbox(&places[at]), uid(1)) == text);
        reader.check().unwrap();
    }
}

#[test]
fn too_large_is_refused_as_it_comes() {
    let mut ingest = Ingest::new();
    let piece = vec![b'x'; 1024 * 1024];
    for _ in 0..64 {
        ingest.push(&piece).unwrap();
        ingest.take_pieces();
    }
    assert!(matches!(ingest.push(b"x"), Err(Error::TooBig)));
}

#[test]
fn steps_join_to_the_same_whatever_the_budget() {
    let place = Place::new();
    let mut writer = place.writer();
    for size in [10, 300_000, 20, 70_000, 5] {
        run(&mut writer, |tx| {
            tx.append(append("INBOX", &with_attachment("x", &attachment(size, size as usize)), Flags::NONE))
        });
    }
    let (folder, reader) = (inbox(&place), place.reader());
    let fields = SectionKind::Fields(vec!["Subject".to_owned(), "TO".to_owned()]);
    let plan = FetchPlan {
        folder,
        uids: UidSet::range(uid(1), uid(1000)),
        items: Items::ENVELOPE.with(Items::FLAGS),
        sections: vec![
            Section::whole(),
            Section { part: vec![2], kind: SectionKind::All, partial: Some((3, 200_000)) },
            Section { part: vec![9], kind: SectionKind::All, partial: None },
            Section { part: vec![], kind: fields, partial: None },
        ],
        changed_since: model::ModSeq::ZERO,
    };
    let joined = |budget| {
        let mut whole: Vec<FetchRecord> = Vec::new();
        for record in fetch(&reader, &plan, budget) {
            if !record.continues {
                assert!(whole.last().is_none_or(|last| !last.unfinished));
                whole.push(record);
                continue;
            }
            let last = whole.last_mut().unwrap();
            assert!(last.unfinished && last.uid == record.uid);
            last.unfinished = record.unfinished;
            for part in record.sections {
                match part.total {
                    None => last.sections.last_mut().unwrap().data.extend(part.data),
                    Some(_) => last.sections.push(part),
                }
            }
        }
        whole
    };
    let whole = joined(usize::MAX);
    assert_eq!(whole.len(), 5);
    for record in &whole {
        assert_eq!(record.sections.len(), 4);
        assert!(record.sections.iter().all(|part| part.total == Some(part.data.len() as u64)));
        assert!(record.sections[2].missing);
        assert_eq!(record.sections[3].data, b"To: ben@example.com\r\nSubject: x\r\n\r\n");
    }
    for budget in [1, 5000, 100_001, 131_072, 400_000] {
        assert!(joined(budget) == whole, "budget {budget}");
    }
}

#[test]
fn a_step_keeps_its_budget_but_for_one_large_description() {
    let place = Place::new();
    let mut writer = place.writer();
    let many = (0..3000).map(|at| format!("someone-{at}@example.com")).collect::<Vec<_>>().join(",\r\n ");
    for at in 0..30 {
        let to = if at % 10 == 5 { many.as_str() } else { "ben@example.com" };
        let text = format!("From: ann@example.com\r\nTo: {to}\r\nSubject: {at}\r\n\r\n");
        run(&mut writer, |tx| tx.append(append("INBOX", text.as_bytes(), Flags::NONE)));
    }
    let (folder, reader) = (inbox(&place), place.reader());
    let items = Items::ENVELOPE.with(Items::BODY_STRUCTURE);
    let sections = vec![Section::whole()];
    let plan = FetchPlan { folder, uids: uids("1:99"), items, sections, changed_since: model::ModSeq::ZERO };
    let (mut cursor, mut steps) = (FetchCursor::new(), 0);
    loop {
        let step = reader.fetch(&plan, &mut cursor, 50_000).unwrap();
        let size = |record: &FetchRecord| {
            let sections: usize = record.sections.iter().map(|part| part.data.len()).sum();
            record.envelope.len() + record.body_structure.len() + sections
        };
        let total: usize = step.records.iter().map(size).sum();
        assert!(total <= 50_000 || step.records.len() == 1, "{total} octets in {} records", step.records.len());
        steps += 1;
        if step.done {
            break;
        }
    }
    assert!(steps > 6);
}

#[test]
fn what_the_node_moves_between_threads_can_be_moved() {
    fn send<T: Send>() {}
    send::<(Writer, Reader, mailbox::waiting::WaitingFile, Ingest, Content, Piece)>();
    send::<(FetchPlan, FetchCursor, SearchKey, SearchCursor, Change, Error)>();
}

#[test]
fn what_is_put_in_front_at_the_end_stands_in_front() {
    let chunk = 128 * 1024;
    let prefix = b"Return-Path: <a@b>\r\nReceived: from c\r\n\tby d;\r\n\tnow\r\n".as_slice();
    let long = [b"X-Long: ".as_slice(), &vec![b'x'; 60_000], b"\r\n"].concat();
    let multipart = with_attachment("sized", &attachment(9, 40_000));
    let texts: Vec<Vec<u8>> = vec![
        Vec::new(),
        b" goes on\r\n\r\nbody".to_vec(),
        b"Subject: small\r\n\r\nbody\r\n".to_vec(),
        multipart,
        noise(1, chunk - prefix.len()),
        noise(2, chunk - prefix.len() + 1),
        noise(3, 3 * chunk),
        with_attachment("staged", &attachment(4, 2_000_000)),
    ];
    let place = Place::new();
    let mut writer = place.writer();
    for (at, text) in texts.iter().enumerate() {
        let upload = UploadId(at as u64);
        for prefix in [prefix, &long] {
            let mut ingest = Ingest::new();
            for piece in text.chunks(50_000) {
                ingest.push(piece).unwrap();
                let pieces = ingest.take_pieces();
                run(&mut writer, |tx| tx.stage(upload, pieces));
            }
            let content = ingest.finish_behind(&Prefix::new(prefix.to_vec()).unwrap()).unwrap().with_upload(upload);
            run(&mut writer, |tx| tx.append(Append { content, ..append("INBOX", b"", Flags::NONE) }));
        }
        let whole = [prefix, text].concat();
        run(&mut writer, |tx| tx.append(append("INBOX", &whole, Flags::NONE)));
    }
    let (folder, reader) = (inbox(&place), place.reader());
    reader.check().unwrap();
    let structures = |uid| {
        let plan = FetchPlan {
            folder,
            uids: UidSet::range(uid, uid),
            items: Items::ENVELOPE.with(Items::BODY_STRUCTURE),
            sections: vec![],
            changed_since: model::ModSeq::ZERO,
        };
        fetch(&reader, &plan, 100_000).into_iter().map(|record| (record.envelope, record.body_structure)).next()
    };
    for (at, text) in texts.iter().enumerate() {
        let [late, long_one, whole] = [1, 2, 3].map(|number| uid(at as u32 * 3 + number));
        assert!(body(&reader, folder, late) == [prefix, text].concat(), "message {at}");
        assert!(body(&reader, folder, long_one) == [&long[..], text].concat(), "message {at}");
        for part in [SectionKind::Header, SectionKind::Text].map(|kind| Section { kind, ..Section::whole() }) {
            let read = |uid| section(&reader, folder, uid, part.clone(), 100_000);
            assert_eq!(read(late), read(whole), "message {at}");
        }
        assert_eq!(structures(late), structures(whole), "message {at}");
    }
}

#[test]
fn a_small_message_with_something_in_front_is_one_content() {
    let place = Place::new();
    let mut writer = place.writer();
    let mut ingest = Ingest::new();
    ingest.push(b"Subject: x\r\n\r\nbody\r\n").unwrap();
    let content = ingest.finish_behind(&Prefix::new(b"Received: y\r\n".to_vec()).unwrap()).unwrap();
    run(&mut writer, |tx| tx.append(Append { content, ..append("INBOX", b"", Flags::NONE) }));
    assert_eq!(stored(&place).1, 1);
}

#[test]
fn junk_goes_where_junk_goes() {
    let place = Place::new();
    let mut writer = place.writer();
    let arrive = |junk| Append { folder: FolderRef::Incoming { junk }, ..append("INBOX", b"x", Flags::NONE) };
    let inbox = inbox(&place);
    let junk = place.reader().select(&name("Junk")).unwrap().folder;
    assert_eq!(run(&mut writer, |tx| tx.append(arrive(false))).folder, inbox);
    assert_eq!(run(&mut writer, |tx| tx.append(arrive(true))).folder, junk);
    run(&mut writer, |tx| tx.rename_folder(&name("Junk"), &name("Rubbish")));
    assert_eq!(run(&mut writer, |tx| tx.append(arrive(true))).folder, junk);
    run(&mut writer, |tx| tx.delete_folder(&name("Rubbish")));
    assert_eq!(run(&mut writer, |tx| tx.append(arrive(true))).folder, inbox);
}
