//! Files of earlier schemas brought up to date, through power cuts: before it, after it, or at one of its steps, each of which
//! the next open goes on from; and nothing of the mail is lost.

use super::cuts::{Acknowledged, Trial, disk};
use super::steps::Subject;
use super::view::View;
use faulty_disk::FaultyDisk;
use mailbox::{Cipher, Options};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// The released schema that the file is of.
const FIRST: &str = include_str!("../../schema/0001.sql");
/// `Brvm`.
const MARK: i32 = 0x4272_766d;

/// A new file of a released schema, the number of its kind in `PRAGMA application_id`, made as the version of then made it; in a
/// transaction that waits for its rows.
pub fn first(disk: &'static FaultyDisk, path: &Path, raw_key: &str, (schema, mark): (&str, i32)) -> Connection {
    mailbox::Disk::create(disk, path).unwrap();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let (layer, pragmas) = match Options::default().cipher {
        Cipher::ChaCha20 => ("multipleciphers-faulty", format!("PRAGMA cipher='chacha20'; PRAGMA key='raw:{raw_key}'")),
        Cipher::SqlCipher4 => ("faulty", format!("PRAGMA key=\"x'{raw_key}'\"")),
    };
    let connection = Connection::open_with_flags_and_vfs(path, flags, layer).unwrap();
    connection.execute_batch(&pragmas).unwrap();
    connection.execute_batch("PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL;").unwrap();
    connection.execute_batch(&format!("BEGIN; {schema} PRAGMA user_version=1; PRAGMA application_id={mark};")).unwrap();
    connection
}

/// A file of the first schema with a mailbox in it.
fn old_file(subject: &Subject) {
    let connection = first(subject.disk, &subject.path(), &subject.key.raw_key(), (FIRST, MARK));
    let id = subject.id.as_bytes();
    connection
        .execute("INSERT INTO mailbox (one, id, created_ms, uid_validity, modseq) VALUES (1, ?1, 0, 5, 0)", [&id[..]])
        .unwrap();
    connection
        .execute_batch(
            "INSERT INTO folder (id, name, selectable, uid_validity, uid_next, highest_modseq, recent_from, vanished_floor, \
             vanished_runs, messages, unseen, deleted, size, deleted_size) VALUES (1, 'INBOX', 1, 5, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0); \
             INSERT INTO subscription (name) VALUES ('INBOX'), ('Elsewhere'); COMMIT; PRAGMA journal_mode=WAL;",
        )
        .unwrap();
    connection.close().unwrap();
}

#[test]
fn files_of_the_first_schema() {
    let subject = Subject::new(disk("migration"));
    old_file(&subject);
    subject.disk.record();
    let view = subject.look();
    assert_eq!(view.folders.len(), 1);
    assert_eq!(view.subscribed_only, ["Elsewhere"]);
    let mut acknowledged = Acknowledged::new(view.clone());
    acknowledged.push(subject.disk, view);
    let look = |_: &'static FaultyDisk| subject.look();
    let go_on = |acknowledged: &mut Acknowledged<View>| subject.go_on(acknowledged);
    let history = subject.disk.history();
    Trial { name: "migration", disk: subject.disk, history, acknowledged, look: &look, go_on: &go_on }.run();
}
