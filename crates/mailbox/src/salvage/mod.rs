//! Takes what is whole out of a damaged file into a new one: waiting mail and queues, to which the node has the key. Which file takes
//! whose place, and when, is the node's matter.
//!
//! Invariants: the damaged file is read and not changed. Pages are authenticated as they are read, so what is taken has the octets
//! that were stored. What is left out is named.

mod pour;
mod queue;
mod waiting;

pub use queue::queue;
pub use waiting::waiting;

use crate::engine::{self, Access, Options};
use crate::error::Error;
use model::DeliveryId;
use rusqlite::{Connection, OptionalExtension, Params};
use std::path::Path;
use vault::FileKey;

/// Octets that are written to the new file in one commit.
const COMMIT_BYTES: u64 = 16 * 1024 * 1024;
/// Page cache, KiB: rows are read once and written once.
const CACHE_KIB: u32 = 1024;

/// What became of the messages of a damaged file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Messages in the new file.
    pub taken: u64,
    /// Messages that are not whole any more.
    pub lost: Vec<Lost>,
    /// There may be more of them: part of what would name them cannot be read.
    pub unnamed: bool,
}

/// A message that cannot be taken, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its delivery, where it waited and that can be read.
    pub delivery: Option<DeliveryId>,
    /// Its row in the damaged file.
    pub row: i64,
    /// Why.
    pub what: String,
}

/// Opens a damaged file as far as it can be; `None` when nothing of it can be read.
fn open_damaged(from: &Path, key: &FileKey, options: &Options) -> Result<Option<Connection>, Error> {
    match engine::open(from, &key.raw_key(), options, Access::Read) {
        Ok(connection) => Ok(Some(connection)),
        Err(error) if is_loss(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether it means that something in the damaged file is lost, and the rest may be read all the same.
fn is_loss(error: &Error) -> bool {
    error.is_damage() || matches!(error, Error::WrongKey | Error::Sql(_))
}

/// One value, where there is a row that can be read.
fn one<T: rusqlite::types::FromSql>(connection: &Connection, sql: &str, with: impl Params) -> Result<Option<T>, Error> {
    Ok(connection.prepare_cached(sql)?.query_row(with, |row| row.get(0)).optional()?)
}
