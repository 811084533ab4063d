//! The queue file: every row that can be read is poured into the new one, and what is not whole there is taken out again.
//!
//! Invariants: entries keep their numbers, their envelopes, texts and times, and who they still go to; leases keep their numbers, so
//! that who has one settles it as ever. All of it is held: what says that a message was sent may be lost, and no message is sent twice
//! without somebody's word. Numbers go on far above all that the damaged file may have given out.

use super::pour::{Missed, Names, Pour, Table};
use super::{CACHE_KIB, Lost, Salvaged, is_loss, one, open_damaged};
use crate::create::create_file;
use crate::disk::Disk;
use crate::engine::Options;
use crate::error::Error;
use crate::mark::Mark;
use crate::queue::QueueOptions;
use crate::schema::QUEUE;
use model::QueueId;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use vault::FileKey;

/// How far numbers are moved on: more than a log that was lost can have given out.
const LEAP: i64 = 1 << 32;
/// Numbers given out in each millisecond since 1970, at most: where no number can be read, the next one is behind all of these.
const NUMBERS_PER_MS_MAX: i64 = 16;

const SHARE: Table = Table {
    name: "share",
    columns: "id, entry, destination, lease, leased_ms, lease_ends_ms, worker",
    names: Names::Index("SELECT rowid, entry FROM share INDEXED BY share_entry", &["entry", "rowid"]),
};
const RECIPIENT: Table = Table {
    name: "recipient",
    columns: "id, share, address, notify, original, attempts, next_ms, delay_notified, status, remote",
    names: Names::Index(
        "SELECT rowid, share FROM recipient INDEXED BY sqlite_autoindex_recipient_1",
        &["share", "address"],
    ),
};
const DESTINATION: Table = Table {
    name: "destination",
    columns: "id, name, recipients, served_ms, turn, paused_ms, paused_status",
    names: Names::Index("SELECT rowid, 0 FROM destination INDEXED BY sqlite_autoindex_destination_1", &["name"]),
};
const ENTRY: Table = Table {
    name: "entry",
    columns: "id, arrived_ms, size, chunks, reverse_path, ret, envelope_id, needs, mailbox, origin, expires_ms",
    names: Names::Poured("SELECT DISTINCT entry, entry FROM share"),
};
const CHUNK: Table = Table {
    name: "chunk",
    columns: "rowid, entry, number, bytes",
    names: Names::Index("SELECT rowid, entry FROM chunk INDEXED BY sqlite_autoindex_chunk_1", &["entry", "number"]),
};

const NO_ENVELOPE: &str = "its envelope cannot be read";
const NO_TEXT: &str = "not all of its text can be read";
const NO_RECIPIENTS: &str = "to whom it goes cannot be read";
const FEWER_RECIPIENTS: &str = "some of those to whom it goes cannot be read; for the others it is held";

/// Makes a queue file at `into` with every message of the one at `from` that is whole, each held because of `why`. Nobody writes to
/// either.
///
/// # Errors
/// Of the new file, [`Error::DiskFull`] among them; of the disk. That nothing can be read of the damaged one is none.
pub fn queue(
    from: &Path,
    into: &Path,
    key: &FileKey,
    id: &QueueId,
    options: QueueOptions,
    why: &str,
) -> Result<Salvaged, Error> {
    let engine_options = Options { cache_kib: CACHE_KIB, disk: options.disk, ..Options::default() };
    let damaged = open_damaged(from, key, &engine_options)?;
    let mut salvaged = Salvaged { unnamed: true, ..Salvaged::default() };
    create_file(into, &key.raw_key(), &QUEUE, &engine_options, |new| {
        new.execute("INSERT INTO queue (one, id, lease) VALUES (1, ?1, 0)", [&id.as_bytes()[..]])?;
        let mut numbers = Numbers::default();
        if let Some(damaged) = &damaged {
            numbers = Numbers::of(damaged)?;
            salvaged = pour(damaged, new)?;
            salvaged.unnamed |= has_lost_commits(damaged, options.disk, from)?;
        }
        hold(new, &numbers, why)?;
        numbers.go_on(new, (options.clock)().as_millisecond())
    })?;
    Ok(salvaged)
}

/// What was given out, as far as that can be read.
#[derive(Default)]
struct Numbers {
    lease: i64,
    entry: i64,
    share: i64,
}

impl Numbers {
    fn of(damaged: &Connection) -> Result<Self, Error> {
        let read = |sql: &str| match one::<i64>(damaged, sql, []) {
            Err(error) if is_loss(&error) => Ok(0),
            number => number.map(Option::unwrap_or_default),
        };
        Ok(Self {
            lease: read("SELECT lease FROM queue")?,
            entry: read("SELECT seq FROM sqlite_sequence WHERE name = 'entry'")?,
            share: read("SELECT seq FROM sqlite_sequence WHERE name = 'share'")?,
        })
    }

    /// Above what was given out and cannot be read any more.
    fn go_on(&self, new: &Connection, now_ms: i64) -> Result<(), Error> {
        let above = |known: i64| known.saturating_add(LEAP).max(now_ms.saturating_mul(NUMBERS_PER_MS_MAX));
        let lease: i64 = new.query_row("SELECT coalesce(max(lease), 0) FROM share", [], |row| row.get(0))?;
        new.execute("UPDATE queue SET lease = ?1, lost_lease = ?1", [above(lease.max(self.lease))])?;
        for (table, known) in [("entry", self.entry), ("share", self.share)] {
            let there: i64 =
                new.query_row(&format!("SELECT coalesce(max(id), 0) FROM {table}"), [], |row| row.get(0))?;
            new.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table])?;
            let next = params![table, above(known.max(there))];
            new.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", next)?;
        }
        Ok(())
    }
}

/// Whether the end of the log is gone, with commits that nothing names.
fn has_lost_commits(damaged: &Connection, disk: &'static dyn Disk, path: &Path) -> Result<bool, Error> {
    let bad = crate::log::damage(disk, path).map_err(|error| Error::io("reading the log", error))?;
    let changes = match one::<i64>(damaged, "SELECT changes FROM queue", []) {
        Err(error) if is_loss(&error) => None,
        changes => changes?,
    };
    Ok(bad.is_some() || changes.is_none_or(|changes| Mark::of(disk, path).require(changes).is_err()))
}

fn pour(damaged: &Connection, new: &Connection) -> Result<Salvaged, Error> {
    let mut pour = Pour::begin(damaged, new)?;
    let shares = pour.table(&SHARE)?;
    let recipients = pour.table(&RECIPIENT)?;
    pour.table(&DESTINATION)?;
    pour.table(&ENTRY)?;
    pour.table(&CHUNK)?;
    // Ids of messages that were taken stand in a table and in an index of it.
    let taken = "INSERT OR IGNORE INTO taken (enqueue, taken_ms) VALUES (?1, ?2)";
    if !pour.pairs("SELECT enqueue, taken_ms FROM taken NOT INDEXED", &["enqueue"], taken)? {
        let by_time = "SELECT enqueue, taken_ms FROM taken INDEXED BY taken_order";
        pour.pairs(by_time, &["taken_ms", "enqueue"], taken)?;
    }
    // Nobody was told that these are kept.
    new.execute("DELETE FROM entry WHERE arrived_ms IS NULL", [])?;
    let lost = take_out(new, &shares, &recipients)?;
    let taken: i64 = new.query_row("SELECT count(*) FROM entry", [], |row| row.get(0))?;
    pour.end()?;
    // Entries are named by their shares, and texts that are missing by their entries.
    let unnamed = shares.unnamed || recipients.unnamed;
    Ok(Salvaged { taken: taken.unsigned_abs(), lost, unnamed })
}

/// Takes out what is not whole; what that is, and what is whole but for some of its recipients.
fn take_out(new: &Connection, shares: &Missed, recipients: &Missed) -> Result<Vec<Lost>, Error> {
    let mut fewer = fewer_recipients(new, shares, recipients)?;
    let mut lost: BTreeMap<i64, &str> = BTreeMap::new();
    let mut name = |sql: &str, what| -> Result<(), Error> {
        let mut statement = new.prepare(sql)?;
        for entry in statement.query_map([], |row| row.get(0))? {
            lost.entry(entry?).or_insert(what);
        }
        Ok(())
    };
    name("SELECT DISTINCT entry FROM share WHERE entry NOT IN (SELECT id FROM entry)", NO_ENVELOPE)?;
    name(
        "SELECT id FROM entry WHERE chunks <> (SELECT count(*) FROM chunk WHERE entry = entry.id AND number BETWEEN 1 AND chunks) \
         OR size <> (SELECT coalesce(sum(length(bytes)), 0) FROM chunk WHERE entry = entry.id)",
        NO_TEXT,
    )?;
    new.execute_batch(
        "DELETE FROM share WHERE destination NOT IN (SELECT id FROM destination); \
         DELETE FROM recipient WHERE share NOT IN (SELECT id FROM share); \
         DELETE FROM share WHERE NOT EXISTS (SELECT 1 FROM recipient WHERE share = share.id);",
    )?;
    name("SELECT id FROM entry WHERE NOT EXISTS (SELECT 1 FROM share WHERE entry = entry.id)", NO_RECIPIENTS)?;
    let exists = "SELECT 1 FROM entry WHERE id = ?1";
    for entry in &fewer {
        if one::<i64>(new, exists, [entry])?.is_none() {
            lost.entry(*entry).or_insert(NO_ENVELOPE);
        }
    }
    for entry in lost.keys() {
        new.prepare_cached("DELETE FROM entry WHERE id = ?1")?.execute([entry])?;
    }
    new.execute_batch(
        "DELETE FROM share WHERE entry NOT IN (SELECT id FROM entry); \
         DELETE FROM recipient WHERE share NOT IN (SELECT id FROM share); \
         DELETE FROM chunk WHERE entry NOT IN (SELECT id FROM entry);",
    )?;
    fewer.retain(|entry| !lost.contains_key(entry));
    lost.extend(fewer.into_iter().map(|entry| (entry, FEWER_RECIPIENTS)));
    Ok(lost.into_iter().map(|(row, what)| Lost { delivery: None, row, what: what.to_owned() }).collect())
}

/// Entries of which some recipients are known to be missing.
fn fewer_recipients(new: &Connection, shares: &Missed, recipients: &Missed) -> Result<BTreeSet<i64>, Error> {
    let mut entries: BTreeSet<i64> = shares.named.iter().map(|(_, entry)| *entry).collect();
    let of_share = "SELECT entry FROM share WHERE id = ?1";
    for (_, share) in &recipients.named {
        entries.extend(new.prepare_cached(of_share)?.query_row([share], |row| row.get::<_, i64>(0)).optional()?);
    }
    let mut nowhere = new.prepare("SELECT entry FROM share WHERE destination NOT IN (SELECT id FROM destination)")?;
    for entry in nowhere.query_map([], |row| row.get(0))? {
        entries.insert(entry?);
    }
    Ok(entries)
}

/// Holds all of it, and counts.
fn hold(new: &Connection, numbers: &Numbers, why: &str) -> Result<(), Error> {
    // What could be read of the leases is what there was up to the highest number that could be read: a lease that was lost has a
    // higher one.
    new.execute("UPDATE share SET due_ms = NULL, held_why = ?1, lost_after = ?2", params![why, numbers.lease])?;
    new.execute_batch(
        "UPDATE destination SET due_ms = NULL, recipients = (SELECT count(*) FROM share JOIN recipient ON \
         recipient.share = share.id WHERE share.destination = destination.id); \
         DELETE FROM destination WHERE recipients = 0;",
    )?;
    Ok(())
}
