//! The log stays within its bound while somebody reads on, and nobody who writes waits for them for long.

use super::common::*;
use super::cuts::disk;
use super::steps::Subject;
use mailbox::{Cipher, Disk, Error, Options, Reader, Writer, snapshot};
use model::{Flags, FolderName};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// Octets of log at which long reads are ended here.
const BOUND_BYTES: u64 = 1024 * 1024;
/// Octets of each message.
const MESSAGE_BYTES: usize = 100_000;
/// What one message takes in the log at most.
const COMMIT_BYTES_MAX: u64 = 200_000;

fn options(subject: &Subject) -> Options {
    Options { log_bytes_max: BOUND_BYTES, ..subject.options() }
}

fn add(writer: &mut Writer, number: u64) -> Result<(), Error> {
    let mut batch = writer.batch()?;
    batch.run(|tx| tx.append(append("INBOX", &noise(number, MESSAGE_BYTES), Flags::NONE)))?;
    batch.commit().map(drop)
}

fn log_bytes(subject: &Subject) -> u64 {
    let log = format!("{}-wal", subject.path().display());
    subject.disk.length(Path::new(&log)).unwrap().unwrap_or_default()
}

/// Somebody who reads and never ends, and is not one of ours that can be told to.
fn stuck(subject: &Subject) -> Connection {
    let key = subject.key.raw_key();
    let (layer, pragmas) = match Options::default().cipher {
        Cipher::ChaCha20 => ("multipleciphers-faulty", format!("PRAGMA cipher='chacha20'; PRAGMA key='raw:{}'", *key)),
        Cipher::SqlCipher4 => ("faulty", format!("PRAGMA key=\"x'{}'\"", *key)),
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let connection = Connection::open_with_flags_and_vfs(subject.path(), flags, layer).unwrap();
    connection.execute_batch(&pragmas).unwrap();
    connection.execute_batch("BEGIN; SELECT count(*) FROM message").unwrap();
    connection
}

#[test]
fn without_long_reads_the_log_stays_far_below_its_bound() {
    let subject = Subject::made(disk("log-free"));
    let mut writer = Writer::open(&subject.path(), &subject.key, &subject.id, &options(&subject)).unwrap();
    let reader = Reader::beside(&writer, &subject.key, &options(&subject)).unwrap();
    for number in 0..40 {
        add(&mut writer, number).unwrap();
        assert_eq!(u64::from(reader.status(&FolderName::inbox()).unwrap().messages), number + 1);
        assert!(log_bytes(&subject) <= BOUND_BYTES + COMMIT_BYTES_MAX);
    }
}

#[test]
fn a_reader_that_does_not_end_stops_the_writer_at_twice_the_bound_and_no_sooner() {
    let subject = Subject::made(disk("log-stuck"));
    let mut writer = Writer::open(&subject.path(), &subject.key, &subject.id, &options(&subject)).unwrap();
    let stuck = stuck(&subject);
    let mut taken = 0;
    let refused = loop {
        match add(&mut writer, taken) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 100);
    };
    assert!(matches!(refused, Error::Busy) && refused.is_temporary(), "{refused:?}");
    assert!(taken > 2 * (BOUND_BYTES - COMMIT_BYTES_MAX) / COMMIT_BYTES_MAX, "{taken}");
    assert!(log_bytes(&subject) <= 2 * BOUND_BYTES + COMMIT_BYTES_MAX, "{}", log_bytes(&subject));
    // Reading goes on; so does writing as soon as the reader lets go, and the log is short again.
    let reader = Reader::beside(&writer, &subject.key, &options(&subject)).unwrap();
    assert_eq!(u64::from(reader.status(&FolderName::inbox()).unwrap().messages), taken);
    stuck.execute_batch("COMMIT").unwrap();
    add(&mut writer, taken).unwrap();
    assert!(log_bytes(&subject) <= COMMIT_BYTES_MAX, "{}", log_bytes(&subject));
    reader.check().unwrap();
}

/// Copies are made while messages come, on a real disk: each is whole or says that it was ended, and the log keeps its bound.
#[test]
fn a_copy_that_lasts_is_ended_before_the_log_outgrows_its_bound() {
    let place = Place::new();
    let options = Options { log_bytes_max: BOUND_BYTES, ..place.options() };
    let mut writer = Writer::open(&place.path(), &place.key, &place.id, &options).unwrap();
    for number in 0..10 {
        add(&mut writer, number).unwrap();
    }
    let (target, log) = (place.folder.path().join("copy.db"), place.folder.path().join("mailbox.db-wal"));
    std::thread::scope(|scope| {
        let copies = scope.spawn(|| {
            let of = snapshot::Subject::Mailbox(&place.key, &place.id);
            for _ in 0..10 {
                match snapshot::take(&place.path(), &of, &options, &target, &snapshot::Pace::hurried()) {
                    Ok(copy) => assert!(copy.messages >= 10),
                    Err(Error::Interrupted) => {}
                    Err(error) => panic!("{error}"),
                }
                options.disk.remove(&target).unwrap();
            }
        });
        let mut number = 10;
        while !copies.is_finished() {
            match add(&mut writer, number) {
                Ok(()) | Err(Error::Busy) => number += 1,
                Err(error) => panic!("{error}"),
            }
            assert!(options.disk.length(&log).unwrap().unwrap_or_default() <= 2 * BOUND_BYTES + COMMIT_BYTES_MAX);
        }
        copies.join().unwrap();
    });
    place.reader().check().unwrap();
}
