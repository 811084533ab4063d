//! Hands out what is due: destinations take turns, and within one what has been due longest comes first.

use super::ENVELOPE_BYTES_MAX;
use super::batch::QueueTx;
use super::row::{self, ENTRY_COLUMNS, Entry, STATE_COLUMNS};
use super::types::{Leased, State, Wanted};
use crate::error::Error;
use rusqlite::params;
use std::collections::HashSet;

/// What was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Handed {
    /// By destination, each in its order.
    pub leased: Vec<Leased>,
    /// When more is due, among what was asked for; `None`: nothing is there.
    pub next_due_ms: Option<i64>,
}

/// A destination whose turn it is.
struct Turn {
    id: i64,
    name: String,
    given: usize,
    is_done: bool,
}

impl QueueTx<'_> {
    /// Leases what is due. From the commit on nobody else is handed it until the lease ends.
    ///
    /// # Errors
    /// Of the engine.
    pub fn lease(&mut self, wanted: &Wanted) -> Result<Handed, Error> {
        let mut turns = self.turns(wanted)?;
        let before = *self.lease;
        let (mut leased, mut octets) = (Vec::new(), 0);
        // As often as something is left over by destinations that had less than their part.
        while leased.len() < wanted.shares_max && octets < ENVELOPE_BYTES_MAX {
            let left = wanted.shares_max - leased.len();
            let part = left.div_ceil(turns.iter().filter(|turn| !turn.is_done).count().max(1));
            let so_far = leased.len();
            for turn in turns.iter_mut().filter(|turn| !turn.is_done) {
                let room = wanted.shares_max - leased.len();
                let ask = part.min(room).min(wanted.per_destination_max - turn.given);
                let got = self.lease_from(turn, ask, wanted, &mut leased, &mut octets)?;
                turn.given += got;
                turn.is_done = got < ask || turn.given >= wanted.per_destination_max || octets >= ENVELOPE_BYTES_MAX;
            }
            if leased.len() == so_far {
                break;
            }
        }
        for (at, turn) in turns.iter().filter(|turn| turn.given > 0).enumerate() {
            // Above every turn before: there are at least as many leases as destinations.
            let number = before + 1 + at as i64;
            self.connection
                .prepare_cached("UPDATE destination SET served_ms = ?2, turn = ?3 WHERE id = ?1")?
                .execute(params![turn.id, self.now, number])?;
            row::refresh(self.connection, turn.id)?;
        }
        if *self.lease != before {
            self.connection.prepare_cached("UPDATE queue SET lease = ?1")?.execute([*self.lease])?;
        }
        leased.sort_by_key(|one: &Leased| turns.iter().position(|turn| turn.name == one.destination));
        Ok(Handed { leased, next_due_ms: self.next_due(&wanted.not)? })
    }

    /// Destinations that are due, those that have waited for their turn longest first.
    fn turns(&self, wanted: &Wanted) -> Result<Vec<Turn>, Error> {
        let mut turns = Vec::new();
        if wanted.shares_max == 0 || wanted.per_destination_max == 0 {
            return Ok(turns);
        }
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, name FROM destination WHERE rank_ms <= ?1 ORDER BY rank_ms, turn")?;
        let mut rows = statement.query([self.now])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(1)?;
            if !wanted.not.contains(&name) {
                turns.push(Turn { id: row.get(0)?, name, given: 0, is_done: false });
            }
            if turns.len() >= wanted.shares_max {
                break;
            }
        }
        Ok(turns)
    }

    fn lease_from(
        &mut self,
        turn: &Turn,
        ask: usize,
        wanted: &Wanted,
        leased: &mut Vec<Leased>,
        octets: &mut usize,
    ) -> Result<usize, Error> {
        let due: Vec<(i64, i64)> = self
            .connection
            .prepare_cached(
                "SELECT id, entry FROM share WHERE destination = ?1 AND due_ms <= ?2 ORDER BY due_ms, id LIMIT ?3",
            )?
            .query_map(params![turn.id, self.now, ask as i64], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        let mut given = 0;
        for (share, entry) in due {
            if *octets >= ENVELOPE_BYTES_MAX {
                break;
            }
            let one = self.lease_share(share, entry, turn, wanted)?;
            *octets += one.recipients.iter().map(row::octets).sum::<usize>() + 128;
            leased.push(one);
            given += 1;
        }
        Ok(given)
    }

    fn lease_share(&mut self, share: i64, entry: i64, turn: &Turn, wanted: &Wanted) -> Result<Leased, Error> {
        *self.lease = self.lease.checked_add(1).ok_or(Error::LimitReached("leases"))?;
        let ends = self.now.saturating_add(wanted.lease_ms);
        self.connection
            .prepare_cached(
                "UPDATE share SET lease = ?2, leased_ms = ?3, lease_ends_ms = ?4, worker = ?5, due_ms = ?4, lost_after = NULL \
                 WHERE id = ?1",
            )?
            .execute(params![share, *self.lease, self.now, ends, wanted.worker])?;
        let entry = self.entry(entry)?;
        let recipients = self.due_recipients(share, self.now)?;
        if recipients.is_empty() {
            return Err(Error::damaged("a share that is due has no recipient that is"));
        }
        Ok(Leased {
            entry: entry.id,
            lease: *self.lease,
            destination: turn.name.clone(),
            envelope: entry.envelope,
            recipients,
            size: entry.size,
            arrived_ms: entry.arrived_ms,
        })
    }

    fn entry(&self, id: i64) -> Result<Entry, Error> {
        let sql = format!("SELECT {ENTRY_COLUMNS} FROM entry WHERE id = ?1");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([id])?;
        Entry::read(rows.next()?.ok_or_else(|| Error::damaged("a share without its entry"))?)
    }

    /// Recipients of a share that were due then, in the order of the envelope.
    pub(super) fn due_recipients(&self, share: i64, at: i64) -> Result<Vec<State>, Error> {
        let sql = format!("SELECT {STATE_COLUMNS} FROM recipient WHERE share = ?1 AND next_ms <= ?2 ORDER BY id");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let states = statement.query_map(params![share, at], row::state)?;
        states.collect::<Result<_, _>>().map_err(Error::from)
    }

    fn next_due(&self, not: &HashSet<String>) -> Result<Option<i64>, Error> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT name, rank_ms FROM destination WHERE rank_ms IS NOT NULL ORDER BY rank_ms")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let name = row.get_ref(0)?.as_str().map_err(|error| Error::damaged(error.to_string()))?;
            if !not.contains(name) {
                return Ok(Some(row.get(1)?));
            }
        }
        Ok(None)
    }
}
