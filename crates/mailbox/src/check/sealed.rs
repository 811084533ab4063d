//! Files that only the node has a key to: whether waiting messages and queued ones have all of their parts, and whether the queue
//! counts right. Each step looks at a bounded number of rows, so that a scrub of a file of any size holds nobody up.

use super::At;
use super::finding::{Finding, Findings};
use crate::error::Error;
use rusqlite::Connection;

/// Messages of one step: each has some hundred parts at most.
const MESSAGES_PER_STEP: u32 = 64;
/// Destinations of one step.
const DESTINATIONS_PER_STEP: u32 = 16;

/// The next rows of a table after `after`, each with whether something is wrong with it.
struct Rows {
    table: &'static str,
    what: &'static str,
    /// The last row's id.
    last: &'static str,
    /// Ids after ?1, ?2 of them, and whether each is right.
    query: &'static str,
    per_step: u32,
}

/// Messages that wait and are whole: their parts, from the first to the last, have their octets.
const DELIVERIES: Rows = Rows {
    table: "delivery",
    what: "a message that waits does not have all of its parts",
    last: "SELECT coalesce(max(id), 0) FROM delivery",
    query: "SELECT d.id, d.chunks = count(c.sequence) AND d.size = coalesce(sum(length(c.bytes)), 0) \
            AND d.chunks = coalesce(max(c.sequence) + 1, 0) \
            FROM (SELECT id, chunks, size FROM delivery WHERE wrap IS NOT NULL AND id > ?1 ORDER BY id LIMIT ?2) d \
            LEFT JOIN chunk c ON c.delivery = d.id GROUP BY d.id ORDER BY d.id",
    per_step: MESSAGES_PER_STEP,
};

/// Messages in the queue: the same, and somebody is left whom they go to.
const ENTRIES: Rows = Rows {
    table: "entry",
    what: "a queued message does not have all of its parts, or goes to nobody",
    last: "SELECT coalesce(max(id), 0) FROM entry",
    query: "SELECT e.id, e.chunks = (SELECT count(*) FROM chunk WHERE entry = e.id AND number > 0) \
            AND e.size = (SELECT coalesce(sum(length(bytes)), 0) FROM chunk WHERE entry = e.id) \
            AND EXISTS (SELECT 1 FROM share JOIN recipient ON recipient.share = share.id WHERE share.entry = e.id) \
            FROM entry e WHERE e.arrived_ms IS NOT NULL AND e.id > ?1 ORDER BY e.id LIMIT ?2",
    per_step: MESSAGES_PER_STEP,
};

/// Destinations of the queue: they count their recipients.
const DESTINATIONS: Rows = Rows {
    table: "destination",
    what: "a destination does not have as many recipients as it says",
    last: "SELECT coalesce(max(id), 0) FROM destination",
    query: "SELECT d.id, d.recipients = (SELECT count(*) FROM share JOIN recipient ON recipient.share = share.id \
            WHERE share.destination = d.id) FROM destination d WHERE d.id > ?1 ORDER BY d.id LIMIT ?2",
    per_step: DESTINATIONS_PER_STEP,
};

/// The next messages that wait.
pub(super) fn deliveries(connection: &Connection, after: &mut i64, findings: &mut Findings) -> Result<At, Error> {
    DELIVERIES.step(connection, after, findings)
}

/// The next messages in the queue.
pub(super) fn entries(connection: &Connection, after: &mut i64, findings: &mut Findings) -> Result<At, Error> {
    ENTRIES.step(connection, after, findings)
}

/// The next destinations of the queue.
pub(super) fn destinations(connection: &Connection, after: &mut i64, findings: &mut Findings) -> Result<At, Error> {
    DESTINATIONS.step(connection, after, findings)
}

impl Rows {
    fn step(&self, connection: &Connection, after: &mut i64, findings: &mut Findings) -> Result<At, Error> {
        let last: i64 = connection.query_row(self.last, [], |row| row.get(0))?;
        let of = last.unsigned_abs();
        let mut statement = connection.prepare_cached(self.query)?;
        let mut rows = statement.query([*after, i64::from(self.per_step)])?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            let (id, right): (i64, bool) = (row.get(0)?, row.get(1)?);
            if !right {
                findings.add(Finding::of_row(self.table, id, self.what));
            }
            (*after, seen) = (id, seen + 1);
        }
        Ok(if seen < self.per_step { At::end_of(of) } else { At::on_the_way(after.unsigned_abs(), of) })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may take the short way")]
mod tests {
    use super::*;
    use crate::schema::{QUEUE, Schema, WAITING};

    fn file(schema: &Schema, rows: &str) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        schema.migrate(&mut connection).unwrap();
        connection.execute_batch(rows).unwrap();
        connection
    }

    /// The rows that are found by steps until the end.
    fn found(connection: &Connection, step: fn(&Connection, &mut i64, &mut Findings) -> Result<At, Error>) -> Vec<i64> {
        let (mut after, mut findings) = (0, Findings::default());
        while !step(connection, &mut after, &mut findings).unwrap().done {}
        findings.take().into_iter().filter_map(|finding| finding.row).collect()
    }

    #[test]
    fn waiting_messages_without_all_of_their_parts_are_found() {
        let connection = file(&WAITING, "");
        for id in 1..=200 {
            let (chunks, size, wrap) = if id % 3 == 0 { (0, 0, "NULL") } else { (2, 30, "x'01'") };
            let delivery = format!("{id:032x}");
            connection
                .execute_batch(&format!(
                    "INSERT INTO delivery (id, delivery, received_ms, size, chunks, wrap) \
                     VALUES ({id}, x'{delivery}', 0, {size}, {chunks}, {wrap}); \
                     INSERT INTO chunk (delivery, sequence, bytes) VALUES ({id}, 0, zeroblob(10)), ({id}, 1, zeroblob(20));"
                ))
                .unwrap();
        }
        assert_eq!(found(&connection, deliveries), Vec::<i64>::new());
        connection
            .execute_batch(
                "DELETE FROM chunk WHERE delivery = 70; UPDATE chunk SET sequence = 5 WHERE delivery = 71 AND sequence = 1; \
                 UPDATE chunk SET bytes = x'00' WHERE delivery = 199 AND sequence = 0; DELETE FROM chunk WHERE delivery = 72;",
            )
            .unwrap();
        assert_eq!(found(&connection, deliveries), [70, 71, 199]);
    }

    #[test]
    fn queued_messages_without_parts_or_recipients_and_wrong_counts_are_found() {
        let connection =
            file(&QUEUE, "INSERT INTO destination (id, name, recipients) VALUES (1, 'a', 50), (2, 'b', 1);");
        for id in 1..=50 {
            connection
                .execute_batch(&format!(
                    "INSERT INTO entry VALUES ({id}, 1, 13, 1, '', 0, '', 0, '', 1, 0); \
                     INSERT INTO chunk VALUES ({id}, 0, x'000000'), ({id}, 1, zeroblob(10)); \
                     INSERT INTO share (id, entry, destination) VALUES ({id}, {id}, 1); \
                     INSERT INTO recipient (share, address, notify, original, next_ms) VALUES ({id}, 'x', 0, '', 0);"
                ))
                .unwrap();
        }
        assert_eq!((found(&connection, entries), found(&connection, destinations)), (vec![], vec![2]));
        connection
            .execute_batch("DELETE FROM chunk WHERE entry = 3 AND number = 1; DELETE FROM recipient WHERE share = 4;")
            .unwrap();
        assert_eq!((found(&connection, entries), found(&connection, destinations)), (vec![3, 4], vec![1, 2]));
    }
}
