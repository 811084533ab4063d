//! Operations that become durable together, each undone alone if it fails.

use super::enqueue::{self, Incoming};
use super::file::QueueFile;
use super::types::{Limits, Totals};
use super::upkeep;
use crate::error::Error;
use rusqlite::Connection;

/// Operations that are on stable storage once they are committed.
pub struct QueueBatch<'q> {
    open: Open<'q>,
    /// Rows that the connection had changed before it.
    rows: u64,
    lease: i64,
    now: i64,
}

/// One operation's view of the queue; the operations are methods in the modules that are named after them.
pub struct QueueTx<'t> {
    pub(super) connection: &'t Connection,
    pub(super) totals: &'t mut Totals,
    pub(super) lease: &'t mut i64,
    pub(super) limits: Limits,
    pub(super) now: i64,
}

impl<'q> QueueBatch<'q> {
    pub(super) fn begin(file: &'q mut QueueFile) -> Result<Self, Error> {
        let now = file.now()?;
        if file.behind {
            file.connection.execute_batch("PRAGMA synchronous=FULL")?;
            file.behind = false;
        }
        let lease = file.lease;
        let rows = file.connection.total_changes();
        Ok(Self { open: Open::begin(file)?, rows, lease, now })
    }

    /// Runs one operation in a savepoint: an error undoes it alone.
    ///
    /// # Errors
    /// The operation's own, or [`Error::Undone`] when an earlier failure (a full disk) made the engine undo the batch.
    pub fn run<T>(&mut self, operation: impl FnOnce(&mut QueueTx<'_>) -> Result<T, Error>) -> Result<T, Error> {
        let (lease, now) = (&mut self.lease, self.now);
        self.open.run(|connection, totals, limits| {
            let mut tx = QueueTx { connection, totals, lease, limits, now };
            operation(&mut tx)
        })
    }

    /// Makes the batch durable, and forgets some ids that are old.
    ///
    /// With `synchronous=FULL` the log is synced before COMMIT returns, and with it every frame before: the text that was
    /// written behind in earlier commits, the arrival that makes a message part of the queue, the lease that keeps others
    /// from delivering it too, the settlement that keeps it from being sent again. A power cut right after loses none.
    ///
    /// # Errors
    /// [`Error::DiskFull`] and the like: nothing of the batch was kept.
    pub fn commit(mut self) -> Result<(), Error> {
        // In a savepoint like every operation: without one the engine does not write pages that come and go in one transaction, and
        // what was never written does not authenticate when the file is looked through.
        self.open.run(|connection, _, _| upkeep::forget(connection, self.now))?;
        // Lease numbers are not taken back when an operation is: they only grow.
        self.open.file.lease = self.lease;
        if self.open.connection()?.total_changes() == self.rows {
            return self.open.commit();
        }
        let count = "UPDATE queue SET changes = changes + 1 RETURNING changes";
        let changes = self.open.connection()?.prepare_cached(count)?.query_row([], |row| row.get(0))?;
        self.open.commit()?;
        self.open.file.mark.put(changes);
        Ok(())
    }
}

/// Text that is written and need not be on stable storage yet.
pub struct WriteBehind<'q>(Open<'q>);

impl<'q> WriteBehind<'q> {
    pub(super) fn begin(file: &'q mut QueueFile) -> Result<Self, Error> {
        if !file.behind {
            // Put back by the next batch that is to be durable, before it begins.
            file.behind = true;
            file.connection.execute_batch("PRAGMA synchronous=NORMAL")?;
        }
        Open::begin(file).map(Self)
    }

    /// As [`QueueTx::push`].
    ///
    /// # Errors
    /// [`Error::DiskFull`], [`Error::TooBig`].
    pub fn push(&mut self, incoming: Incoming, text: &[u8]) -> Result<Incoming, Error> {
        self.0.run(|connection, _, _| enqueue::push(connection, incoming, text))
    }

    /// As [`QueueTx::discard`].
    ///
    /// # Errors
    /// Of the engine.
    pub fn discard(&mut self, incoming: Incoming) -> Result<(), Error> {
        self.0.run(|connection, _, _| enqueue::discard(connection, incoming))
    }

    /// Commits without waiting for the disk.
    ///
    /// # Errors
    /// [`Error::DiskFull`] and the like: nothing of the batch was kept.
    pub fn commit(mut self) -> Result<(), Error> {
        self.0.commit()
    }
}

/// A transaction with what is known of the file beside it.
struct Open<'q> {
    file: &'q mut QueueFile,
    totals: Totals,
    done: bool,
}

impl<'q> Open<'q> {
    fn begin(file: &'q mut QueueFile) -> Result<Self, Error> {
        let totals = file.totals;
        execute(&file.connection, "BEGIN IMMEDIATE")?;
        Ok(Self { file, totals, done: false })
    }

    fn connection(&self) -> Result<&Connection, Error> {
        if self.file.connection.is_autocommit() { Err(Error::Undone) } else { Ok(&self.file.connection) }
    }

    fn run<T>(
        &mut self,
        operation: impl FnOnce(&Connection, &mut Totals, Limits) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (before, limits) = (self.totals, self.file.options.limits);
        let mut totals = before;
        let connection = self.connection()?;
        execute(connection, "SAVEPOINT operation")?;
        let result = operation(connection, &mut totals, limits).and_then(|value| {
            execute(connection, "RELEASE operation")?;
            Ok(value)
        });
        if result.is_err() && !connection.is_autocommit() {
            execute(connection, "ROLLBACK TO operation")?;
            execute(connection, "RELEASE operation")?;
        }
        if result.is_ok() {
            self.totals = totals;
        }
        result
    }

    fn commit(&mut self) -> Result<(), Error> {
        execute(self.connection()?, "COMMIT")?;
        self.file.totals = self.totals;
        self.done = true;
        Ok(())
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let connection = &self.file.connection;
        if !self.done && !connection.is_autocommit() {
            // If even this fails, the transaction stays open, the next BEGIN fails, and nothing was acknowledged.
            let _ = execute(connection, "ROLLBACK");
        }
    }
}

/// A statement without parameters or rows, from the cache.
fn execute(connection: &Connection, sql: &str) -> Result<(), Error> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
