//! What operators do: retry, hold, release, drop; in steps, so that a long queue keeps nobody waiting.

use super::batch::QueueTx;
use super::types::{Action, ChangeCursor, Progress, Selection};
use super::{CHANGED_PER_STEP_MAX, row};
use crate::error::Error;
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeSet;

/// A share that is meant.
struct Meant {
    id: i64,
    entry: i64,
    destination: i64,
    /// When its lease began, while it lasts.
    leased_ms: Option<i64>,
}

impl QueueTx<'_> {
    /// One step of a change; `cursor` is where the last one ended, `None` at first.
    ///
    /// # Errors
    /// [`Error::NoSuchEntry`] when one entry is meant and there is none.
    pub fn change(
        &mut self,
        selection: &Selection,
        action: Action,
        cursor: Option<ChangeCursor>,
    ) -> Result<Progress, Error> {
        let cursor = match cursor {
            Some(cursor) => cursor,
            None => self.first(selection)?,
        };
        let meant = self.meant(selection, cursor)?;
        let mut recipients = 0;
        let mut destinations = BTreeSet::new();
        for share in &meant {
            recipients += match action {
                Action::Retry => self.retry(share)?,
                Action::Hold => self.hold(share)?,
                Action::Release => self.release(share)?,
                Action::Drop => self.drop_share(share)?,
            };
            destinations.insert(share.destination);
        }
        for destination in destinations {
            if action == Action::Retry {
                let sql = "UPDATE destination SET paused_ms = 0, paused_status = '' WHERE id = ?1";
                self.connection.prepare_cached(sql)?.execute([destination])?;
            }
            row::refresh(self.connection, destination)?;
        }
        let last = meant.last().filter(|_| meant.len() >= CHANGED_PER_STEP_MAX);
        Ok(Progress { recipients, next: last.map(|last| ChangeCursor { after: last.id, ..cursor }) })
    }

    fn first(&self, selection: &Selection) -> Result<ChangeCursor, Error> {
        if let Selection::Entry(entry) = selection {
            let sql = "SELECT 1 FROM entry WHERE id = ?1 AND arrived_ms IS NOT NULL";
            if !self.connection.prepare_cached(sql)?.exists([entry])? {
                return Err(Error::NoSuchEntry);
            }
        }
        let up_to = self.connection.query_row("SELECT coalesce(max(id), 0) FROM share", [], |row| row.get(0))?;
        Ok(ChangeCursor { after: 0, up_to })
    }

    fn meant(&self, selection: &Selection, cursor: ChangeCursor) -> Result<Vec<Meant>, Error> {
        let (clause, value): (&str, rusqlite::types::Value) = match selection {
            Selection::Entry(entry) => ("entry = ?5", (*entry).into()),
            Selection::Destination(name) => {
                ("destination = (SELECT id FROM destination WHERE name = ?5)", name.clone().into())
            }
            Selection::All => ("?5 IS NULL", rusqlite::types::Value::Null),
        };
        let sql = format!(
            "SELECT id, entry, destination, CASE WHEN lease_ends_ms > ?4 THEN leased_ms END FROM share \
             WHERE id > ?1 AND id <= ?2 AND {clause} ORDER BY id LIMIT ?3"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let bound = params![cursor.after, cursor.up_to, CHANGED_PER_STEP_MAX as i64, self.now, value];
        let rows = statement.query_map(bound, |row| {
            Ok(Meant { id: row.get(0)?, entry: row.get(1)?, destination: row.get(2)?, leased_ms: row.get(3)? })
        })?;
        rows.collect::<Result<_, _>>().map_err(Error::from)
    }

    /// What is leased is being tried already; its other recipients follow as soon as the lease is settled.
    fn retry(&mut self, share: &Meant) -> Result<u64, Error> {
        let after = share.leased_ms.unwrap_or(i64::MIN);
        let due = self.now.max(after.saturating_add(1));
        let touched = self
            .connection
            .prepare_cached("UPDATE recipient SET next_ms = min(next_ms, ?3) WHERE share = ?1 AND next_ms > ?2")?
            .execute(params![share.id, after, due])?;
        if share.leased_ms.is_none() {
            self.connection
                .prepare_cached("UPDATE share SET due_ms = ?2 WHERE id = ?1 AND due_ms > ?2")?
                .execute(params![share.id, self.now])?;
        }
        Ok(touched as u64)
    }

    fn hold(&mut self, share: &Meant) -> Result<u64, Error> {
        let sql = "UPDATE share SET due_ms = NULL WHERE id = ?1 AND due_ms IS NOT NULL";
        let changed = self.connection.prepare_cached(sql)?.execute([share.id])?;
        if changed == 0 { Ok(0) } else { self.recipients_of(share) }
    }

    fn release(&mut self, share: &Meant) -> Result<u64, Error> {
        let sql = "UPDATE share SET due_ms = CASE WHEN lease_ends_ms > ?2 THEN lease_ends_ms \
                   ELSE (SELECT min(next_ms) FROM recipient WHERE share = ?1) END, held_why = '' WHERE id = ?1 AND due_ms IS NULL";
        let changed = self.connection.prepare_cached(sql)?.execute(params![share.id, self.now])?;
        if changed == 0 { Ok(0) } else { self.recipients_of(share) }
    }

    fn drop_share(&mut self, share: &Meant) -> Result<u64, Error> {
        let sql = "DELETE FROM recipient WHERE share = ?1";
        let dropped = self.connection.prepare_cached(sql)?.execute([share.id])? as u64;
        self.recipients_gone(share.destination, dropped)?;
        self.remove_if_empty(share.id, share.entry)?;
        Ok(dropped)
    }

    fn recipients_of(&self, share: &Meant) -> Result<u64, Error> {
        let sql = "SELECT count(*) FROM recipient WHERE share = ?1";
        let count: Option<i64> =
            self.connection.prepare_cached(sql)?.query_row([share.id], |row| row.get(0)).optional()?;
        Ok(count.unwrap_or_default().unsigned_abs())
    }
}
