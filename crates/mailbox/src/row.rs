//! Columns as the types that they hold; what cannot be is an error, never a default.

use crate::error::Error;
use model::{FolderName, ModSeq, Uid, UidValidity};
use rusqlite::Row;

/// A BLOB column; nothing where it is NULL.
pub(crate) fn octets<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<&'r [u8]> {
    let value = row.get_ref(column)?;
    let octets = value
        .as_blob_or_null()
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, value.data_type(), Box::new(error)))?;
    Ok(octets.unwrap_or_default())
}

/// A stored name.
pub(crate) fn stored_name(row: &Row<'_>, column: usize) -> Result<FolderName, Error> {
    let text = row.get_ref(column)?.as_str().unwrap_or_default();
    FolderName::parse(text).map_err(|_| Error::damaged("a stored folder name is not one"))
}

/// A MODSEQ column.
pub(crate) fn modseq(row: &Row<'_>, column: usize) -> rusqlite::Result<ModSeq> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).ok().and_then(ModSeq::new).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// A UID column.
pub(crate) fn uid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uid> {
    let value: u32 = row.get(column)?;
    Uid::new(value).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, i64::from(value)))
}

/// A UIDVALIDITY column.
pub(crate) fn uid_validity(row: &Row<'_>, column: usize) -> rusqlite::Result<UidValidity> {
    let value: u32 = row.get(column)?;
    UidValidity::new(value).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, i64::from(value)))
}
