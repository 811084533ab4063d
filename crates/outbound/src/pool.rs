//! Connections that wait for the next message to the same destination.

use crate::connection::Connection;
use crate::limits::{CONNECTION_MESSAGES_MAX, IDLE_CONNECTIONS_MAX, IDLE_SECONDS_MAX};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Unused connections by destination.
#[derive(Default)]
pub(crate) struct Pool(Mutex<HashMap<String, Vec<Connection>>>);

impl Pool {
    /// The one used last.
    pub(crate) fn take(&self, destination: &str) -> Option<Connection> {
        let mut idle = self.idle();
        let of_destination = idle.get_mut(destination)?;
        let taken = of_destination.pop()?;
        if of_destination.is_empty() {
            idle.remove(destination);
        }
        Some(taken)
    }

    /// Keeps one; gives it back when it has carried enough, or too many wait already.
    pub(crate) fn put(&self, destination: &str, connection: Connection) -> Option<Connection> {
        let most = connection.offers().limits.transactions_max.unwrap_or(u32::MAX).min(CONNECTION_MESSAGES_MAX);
        if connection.messages() >= most {
            return Some(connection);
        }
        let mut idle = self.idle();
        if idle.values().map(Vec::len).sum::<usize>() >= IDLE_CONNECTIONS_MAX {
            return Some(connection);
        }
        idle.entry(destination.to_owned()).or_default().push(connection);
        None
    }

    /// Those that nobody used for long.
    pub(crate) fn take_idle(&self) -> Vec<Connection> {
        self.take_where(|connection| connection.idle() >= Duration::from_secs(IDLE_SECONDS_MAX))
    }

    /// All.
    pub(crate) fn take_all(&self) -> Vec<Connection> {
        self.take_where(|_| true)
    }

    fn take_where(&self, wanted: impl Fn(&mut Connection) -> bool) -> Vec<Connection> {
        let mut idle = self.idle();
        let mut taken = Vec::new();
        for connections in idle.values_mut() {
            taken.extend(connections.extract_if(.., |connection| wanted(connection)));
        }
        idle.retain(|_, connections| !connections.is_empty());
        taken
    }

    fn idle(&self) -> MutexGuard<'_, HashMap<String, Vec<Connection>>> {
        // No invariant of the map spans a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
