//! What becomes of leases: renewed, settled, or their destination paused. Which leases were lost with a damaged file is `lost`'s.

use super::batch::QueueTx;
use super::enqueue::Message;
use super::types::{Outcome, Settlement};
use super::{AHEAD_MS_MAX, PAUSE_MS_MAX, lost, row};
use crate::error::Error;
use rusqlite::{OptionalExtension, params};
use std::collections::HashMap;

/// A share under a lease.
struct Held {
    share: i64,
    entry: i64,
    destination: i64,
    leased_ms: i64,
    is_held: bool,
    /// It comes from a damaged file.
    is_carried: bool,
}

impl QueueTx<'_> {
    /// The lease ends so many milliseconds from now. One that ended and was not taken over goes on; so does one that was lost with
    /// a damaged file, as long as its entry is held.
    ///
    /// # Errors
    /// [`Error::NoSuchLease`].
    pub fn renew(&mut self, entry: i64, lease: i64, lease_ms: i64) -> Result<(), Error> {
        let held = match self.held(entry, lease) {
            Err(Error::NoSuchLease) if lost::goes_on(self.connection, entry, lease)? => return Ok(()),
            held => held?,
        };
        let ends = self.now.saturating_add(lease_ms);
        self.connection
            .prepare_cached(
                "UPDATE share SET lease_ends_ms = ?2, due_ms = CASE WHEN due_ms IS NULL THEN NULL ELSE ?2 END WHERE id = ?1",
            )?
            .execute(params![held.share, ends])?;
        row::refresh(self.connection, held.destination)
    }

    /// Ends a lease: recipients that are decided go, those that are deferred are due then, those that nothing is said of are
    /// due again at once. `notices` are taken into the queue in the same commit. An entry that nobody is left of goes. Of an entry
    /// that was carried over from a damaged file, also a lease of which this file knows nothing is taken, and recipients that could
    /// not be read are passed over; what is not decided stays held. Returns whether anything of all this is to be handed out, now or later.
    ///
    /// # Errors
    /// [`Error::NoSuchLease`], [`Error::NotLeased`].
    pub fn settle(
        &mut self,
        entry: i64,
        lease: i64,
        settlements: &[Settlement],
        notices: &[Message],
    ) -> Result<bool, Error> {
        let held = match self.held(entry, lease) {
            Err(Error::NoSuchLease) => self.held_under_lost(entry, lease, settlements)?,
            held => held?,
        };
        let mut under_lease = self.under_lease(&held)?;
        let count = under_lease.len() as u64;
        let mut gone = 0;
        for settlement in settlements {
            // Once each: a second one for the same recipient contradicts the first.
            match under_lease.remove(&settlement.address) {
                Some(recipient) => gone += self.decide(recipient, settlement)?,
                None if held.is_carried => {}
                None => return Err(Error::NotLeased),
            }
        }
        self.recipients_gone(held.destination, gone)?;
        self.connection
            .prepare_cached(
                "UPDATE share SET lease = NULL, leased_ms = NULL, lease_ends_ms = NULL, worker = NULL, due_ms = CASE WHEN ?2 \
                 THEN NULL ELSE (SELECT min(next_ms) FROM recipient WHERE share = ?1) END, \
                 lost_after = CASE WHEN lost_after < ?3 THEN ?3 ELSE lost_after END WHERE id = ?1",
            )?
            .execute(params![held.share, held.is_held, lease])?;
        self.remove_if_empty(held.share, held.entry)?;
        for notice in notices {
            self.take(notice)?;
        }
        // After the notices: a pause of the destination holds for what goes there too.
        row::refresh(self.connection, held.destination)?;
        Ok(gone < count || !notices.is_empty())
    }

    /// Hands out nothing of a destination until then; in the past it ends a pause. Without recipients there is no pause.
    ///
    /// # Errors
    /// Of the engine.
    pub fn pause(&mut self, destination: &str, until_ms: i64, status: &str) -> Result<(), Error> {
        let until = until_ms.clamp(0, self.now.saturating_add(PAUSE_MS_MAX));
        self.connection
            .prepare_cached("UPDATE destination SET paused_ms = ?2, paused_status = ?3 WHERE name = ?1")?
            .execute(params![destination, until, status])?;
        Ok(())
    }

    fn held(&self, entry: i64, lease: i64) -> Result<Held, Error> {
        let found = self
            .connection
            .prepare_cached(
                "SELECT id, destination, leased_ms, due_ms IS NULL, lost_after IS NOT NULL FROM share \
                 WHERE entry = ?1 AND lease = ?2",
            )?
            .query_row(params![entry, lease], |row| {
                Ok(Held {
                    share: row.get(0)?,
                    entry,
                    destination: row.get(1)?,
                    leased_ms: row.get(2)?,
                    is_held: row.get(3)?,
                    is_carried: row.get(4)?,
                })
            })
            .optional()?;
        found.ok_or(Error::NoSuchLease)
    }

    /// The share that a lease was on which was lost with a damaged file, by whom its worker has settled. Which of the recipients
    /// were under it is not known: all may have been.
    fn held_under_lost(&self, entry: i64, lease: i64, settlements: &[Settlement]) -> Result<Held, Error> {
        for settlement in settlements {
            if let Some(share) = lost::share_of(self.connection, entry, lease, &settlement.address)? {
                let lost::Share { id, destination, is_held } = share;
                return Ok(Held { share: id, entry, destination, leased_ms: i64::MAX, is_held, is_carried: true });
            }
        }
        Err(Error::NoSuchLease)
    }

    /// The recipients under a lease, by address.
    fn under_lease(&self, held: &Held) -> Result<HashMap<String, i64>, Error> {
        let mut statement =
            self.connection.prepare_cached("SELECT address, id FROM recipient WHERE share = ?1 AND next_ms <= ?2")?;
        let rows = statement.query_map(params![held.share, held.leased_ms], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>().map_err(Error::from)
    }

    /// How many recipients are gone by it: one or none.
    fn decide(&mut self, recipient: i64, settlement: &Settlement) -> Result<u64, Error> {
        let next = match settlement.outcome {
            Outcome::Delivered | Outcome::Failed => {
                self.connection.prepare_cached("DELETE FROM recipient WHERE id = ?1")?.execute([recipient])?;
                return Ok(1);
            }
            Outcome::Deferred { next_ms } => next_ms.clamp(self.now, self.now.saturating_add(AHEAD_MS_MAX)),
        };
        self.connection
            .prepare_cached(
                "UPDATE recipient SET attempts = attempts + 1, next_ms = ?2, delay_notified = delay_notified OR ?3, \
                 status = ?4, remote = ?5 WHERE id = ?1",
            )?
            .execute(params![recipient, next, settlement.delay_notified, settlement.status, settlement.remote])?;
        Ok(0)
    }

    /// Counts recipients that are decided or dropped.
    pub(super) fn recipients_gone(&mut self, destination: i64, gone: u64) -> Result<(), Error> {
        if gone > 0 {
            self.connection
                .prepare_cached("UPDATE destination SET recipients = recipients - ?2 WHERE id = ?1")?
                .execute(params![destination, gone as i64])?;
            self.totals.recipients = self.totals.recipients.saturating_sub(gone);
        }
        Ok(())
    }

    /// A share without recipients goes, and an entry without shares.
    pub(super) fn remove_if_empty(&mut self, share: i64, entry: i64) -> Result<(), Error> {
        let removed = self
            .connection
            .prepare_cached(
                "DELETE FROM share WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM recipient WHERE share = ?1)",
            )?
            .execute([share])?;
        if removed == 0 {
            return Ok(());
        }
        let size: Option<i64> = self
            .connection
            .prepare_cached(
                "DELETE FROM entry WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM share WHERE entry = ?1) RETURNING size",
            )?
            .query_row([entry], |row| row.get(0))
            .optional()?;
        if let Some(size) = size {
            self.totals.entries = self.totals.entries.saturating_sub(1);
            self.totals.octets = self.totals.octets.saturating_sub(size.unsigned_abs());
        }
        Ok(())
    }
}
