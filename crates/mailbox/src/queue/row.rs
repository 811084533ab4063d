//! Rows as values: what stands in several queries alike.

use super::types::{Envelope, Origin, Ret, State};
use crate::error::Error;
use rusqlite::{Connection, Row};

/// Columns of an entry that [`Entry::read`] takes, in its order.
pub(super) const ENTRY_COLUMNS: &str = "entry.id, entry.arrived_ms, entry.size, entry.reverse_path, entry.ret, entry.envelope_id, entry.needs, \
     entry.mailbox, entry.origin, entry.expires_ms";
/// Columns of a recipient that [`state`] takes, in its order.
pub(super) const STATE_COLUMNS: &str = "recipient.address, recipient.notify, recipient.original, recipient.attempts, recipient.next_ms, \
     recipient.delay_notified, recipient.status, recipient.remote";
/// How many they are.
pub(super) const STATE_COLUMNS_COUNT: usize = 8;

const SMTPUTF8: i64 = 1;
const EIGHT_BIT: i64 = 2;
const REQUIRE_TLS: i64 = 4;

/// An entry's own row.
pub(super) struct Entry {
    pub(super) id: i64,
    pub(super) arrived_ms: i64,
    pub(super) size: u64,
    pub(super) envelope: Envelope,
}

impl Entry {
    pub(super) fn read(row: &Row<'_>) -> Result<Self, Error> {
        let needs: i64 = row.get(6)?;
        let envelope = Envelope {
            reverse_path: row.get(3)?,
            ret: Ret::of_code(row.get(4)?)?,
            envelope_id: row.get(5)?,
            smtputf8: needs & SMTPUTF8 != 0,
            eight_bit: needs & EIGHT_BIT != 0,
            require_tls: needs & REQUIRE_TLS != 0,
            mailbox: row.get(7)?,
            origin: Origin::of_code(row.get(8)?)?,
            expires_ms: row.get(9)?,
        };
        let size = u64::try_from(row.get::<_, i64>(2)?).map_err(|_| Error::damaged("a negative size"))?;
        Ok(Self { id: row.get(0)?, arrived_ms: row.get(1)?, size, envelope })
    }

    /// Octets that it takes in an answer, about.
    pub(super) fn octets(&self) -> usize {
        self.envelope.reverse_path.len() + self.envelope.envelope_id.len() + self.envelope.mailbox.len() + 64
    }
}

/// The envelope's needs as they are stored.
pub(super) fn needs(envelope: &Envelope) -> i64 {
    let bit = |set: bool, bit: i64| if set { bit } else { 0 };
    bit(envelope.smtputf8, SMTPUTF8) | bit(envelope.eight_bit, EIGHT_BIT) | bit(envelope.require_tls, REQUIRE_TLS)
}

pub(super) fn state(row: &Row<'_>) -> rusqlite::Result<State> {
    Ok(State {
        address: row.get(0)?,
        notify: row.get(1)?,
        original: row.get(2)?,
        attempts: row.get(3)?,
        next_ms: row.get(4)?,
        delay_notified: row.get(5)?,
        status: row.get(6)?,
        remote: row.get(7)?,
    })
}

/// Octets that a recipient takes in an answer, about.
pub(super) fn octets(state: &State) -> usize {
    state.address.len() + state.original.len() + state.status.len() + state.remote.len() + 64
}

/// A destination's count and earliest share, put right after its shares changed; without shares it goes.
pub(super) fn refresh(connection: &Connection, destination: i64) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE destination SET due_ms = (SELECT due_ms FROM share WHERE destination = ?1 AND due_ms IS NOT NULL \
             ORDER BY due_ms LIMIT 1) WHERE id = ?1",
        )?
        .execute([destination])?;
    connection.prepare_cached("DELETE FROM destination WHERE id = ?1 AND recipients = 0")?.execute([destination])?;
    Ok(())
}
