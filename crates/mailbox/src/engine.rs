//! Opens connections: the key first, then the pragmas that every connection gets, then the checks. Knows no table.

use crate::create::with_suffix;
use crate::disk::{Disk, SYSTEM_DISK, folder_of};
use crate::error::Error;
use crate::quota::Quota;
use jiff::Timestamp;
// Nothing of it is named here: this makes the linker take the engine that rusqlite calls.
use libsqlite3_sys as _;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use zeroize::Zeroizing;

/// The first SQLite without the WAL reset flaw, as `sqlite3_libversion_number` writes it.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// Milliseconds that a connection waits for a lock. Only a checkpoint ever holds one against a reader, and briefly.
pub(crate) const BUSY_WAIT_MS: u32 = 5_000;
/// Prepared statements that a connection keeps: more than there are hot ones.
const STATEMENTS_KEPT_MAX: usize = 96;
/// Octets of a page. 16 KiB pages brought nothing when measured, and cost more for a small change.
pub(crate) const PAGE_BYTES: u32 = 4096;

/// Where the time comes from, so that tests can turn it.
pub type Clock = fn() -> Timestamp;

/// What encrypts the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cipher {
    /// ChaCha20-Poly1305 of SQLite3MultipleCiphers.
    ChaCha20,
    /// The SQLCipher 4 format (AES-256-CBC, HMAC-SHA-512), which both engines have.
    SqlCipher4,
}

/// How to open a file.
#[derive(Debug, Clone)]
pub struct Options {
    /// The file's cipher.
    pub cipher: Cipher,
    /// Page cache of one connection, KiB: small, because many mailboxes are open at once.
    pub cache_kib: u32,
    /// The clock.
    pub clock: Clock,
    /// What the mailbox may hold.
    pub quota: Quota,
    /// The disk.
    pub disk: &'static dyn Disk,
    /// Octets of log at which reads that last are ended; the default is [`crate::LOG_BYTES_MAX`].
    pub log_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        let cipher = if cfg!(feature = "multiple-ciphers") { Cipher::ChaCha20 } else { Cipher::SqlCipher4 };
        Self {
            cipher,
            cache_kib: 2048,
            clock: Timestamp::now,
            quota: Quota::default(),
            disk: &SYSTEM_DISK,
            log_bytes_max: crate::LOG_BYTES_MAX,
        }
    }
}

/// What a connection may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Make the file; it is there and empty.
    Create,
    /// Read and write.
    Write,
    /// Read. The file is opened for writing all the same: a reader of a WAL file writes its index.
    Read,
    /// Read pages of a file whose tables cannot be read.
    Pages,
    /// Look at a copy that nobody writes to: nothing of it is changed, and nothing is put beside it.
    Copy,
}

/// Opens the file and proves that the key is right. `raw_key`: 64 hex digits.
///
/// Closing a connection moves nothing into the file and removes no log, unless [`close`] does it: a connection that is dropped
/// because something failed leaves the files as they are, for the next open to find out what they hold.
pub(crate) fn open(path: &Path, raw_key: &str, options: &Options, access: Access) -> Result<Connection, Error> {
    open_file(path, raw_key, options, access).map_err(|error| error.on(options.disk, path))
}

fn open_file(path: &Path, raw_key: &str, options: &Options, access: Access) -> Result<Connection, Error> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(Error::EngineTooOld(rusqlite::version().to_owned()));
    }
    match options.disk.length(path).map_err(|error| Error::io("looking for the mailbox file", error))? {
        Some(0) if access != Access::Create => return Err(Error::damaged("the file is empty")),
        Some(_) => {}
        None => return Err(Error::Missing),
    }
    if access == Access::Write {
        settle(path, options.disk)?;
    }
    let connection = connect(path, options.disk)?;
    set_key(&connection, raw_key, options.cipher)?;
    if access == Access::Create {
        connection.execute_batch(&format!(
            "PRAGMA page_size={PAGE_BYTES}; PRAGMA encoding='UTF-8'; PRAGMA auto_vacuum=INCREMENTAL;"
        ))?;
    }
    if access == Access::Pages {
        // Tables that cannot be read are taken for none.
        connection.execute_batch("PRAGMA writable_schema=ON; PRAGMA query_only=ON;")?;
    }
    prove_key(&connection, access)?;
    set_pragmas(&connection, options, access)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT_MAX);
    // Else the planner looks at bound values because of the partial indexes, and prepares a statement anew whenever one of
    // them changes: with every UID. Queries for which such an index is meant spell its condition out.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

fn connect(path: &Path, disk: &dyn Disk) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match disk.vfs() {
        None => Connection::open_with_flags(path, flags)?,
        // SQLite3MultipleCiphers makes a layer of this name that encrypts on its way to the one behind the hyphen.
        Some(vfs) if cfg!(feature = "multiple-ciphers") => {
            Connection::open_with_flags_and_vfs(path, flags, format!("multipleciphers-{vfs}").as_str())?
        }
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs)?,
    };
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// What a process that was killed, or a sync that failed, left in the log may be readable and not on stable storage, and so may
/// the names of both files. It is about to be taken for committed, shown, and written upon: first it is made durable, what is
/// read and what is stored one. After a close in order there is no log, and syncing a folder that is clean costs next to
/// nothing.
fn settle(path: &Path, disk: &dyn Disk) -> Result<(), Error> {
    let log = with_suffix(path, "-wal");
    if disk.length(&log).map_err(|error| Error::io("looking for the log", error))?.is_some_and(|length| length > 0) {
        disk.renew(&log).map_err(|error| Error::io("renewing the log", error))?;
    }
    disk.sync_folder(folder_of(path)).map_err(|error| Error::io("syncing the folder", error))
}

/// Closes a connection in order. The last one of a file moves the log into it, syncs it, and removes the log; the engine does
/// so only if it can lock out everybody else, and leaves the log where it cannot.
pub(crate) fn close(connection: Connection) -> Result<(), Error> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    connection.close().map_err(|(_, error)| Error::from(error))
}

/// The raw form of the key bypasses the engine's key derivation, which would cost 25 ms and add nothing to 256 random bits.
fn set_key(connection: &Connection, raw_key: &str, cipher: Cipher) -> Result<(), Error> {
    let sql = match cipher {
        Cipher::ChaCha20 if cfg!(feature = "multiple-ciphers") => {
            format!("PRAGMA cipher='chacha20'; PRAGMA key='raw:{raw_key}';")
        }
        Cipher::ChaCha20 => return Err(Error::NoCipher("ChaCha20")),
        Cipher::SqlCipher4 if cfg!(feature = "multiple-ciphers") => {
            format!("PRAGMA cipher='sqlcipher'; PRAGMA legacy=4; PRAGMA key=\"x'{raw_key}'\";")
        }
        // Its failures are named here; SQLCipher would write them to standard error as well.
        Cipher::SqlCipher4 => format!("PRAGMA cipher_log_level=NONE; PRAGMA key=\"x'{raw_key}'\";"),
    };
    let sql = Zeroizing::new(sql);
    // The engine's own error would quote the statement, and with it the key.
    connection.execute_batch(&sql).map_err(|_| Error::Vault("the engine refused the key pragma".to_owned()))
}

/// The first read decrypts page 1.
fn prove_key(connection: &Connection, access: Access) -> Result<(), Error> {
    let sql = if access == Access::Pages { "PRAGMA schema_version" } else { "SELECT count(*) FROM sqlite_schema" };
    let read = connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    match read {
        Ok(_) => Ok(()),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => Err(Error::WrongKey),
        Err(error) => Err(error.into()),
    }
}

fn set_pragmas(connection: &Connection, options: &Options, access: Access) -> Result<(), Error> {
    connection.busy_timeout(std::time::Duration::from_millis(u64::from(BUSY_WAIT_MS)))?;
    // synchronous=FULL: a commit is on stable storage when it returns. temp_store=MEMORY: sorter files would be plaintext.
    // wal_autocheckpoint=0: checkpoints are the writer's, between commits. secure_delete=FAST: what was deleted is
    // ciphertext on disk, and overwriting it would double what an expunge writes.
    connection.execute_batch(&format!(
        "PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0; PRAGMA cache_size=-{}; PRAGMA foreign_keys=ON; \
         PRAGMA trusted_schema=OFF; PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=FULL; PRAGMA secure_delete=FAST;",
        options.cache_kib
    ))?;
    match access {
        Access::Create => {}
        Access::Write => require_wal(connection)?,
        Access::Copy | Access::Pages => connection.execute_batch("PRAGMA query_only=ON;")?,
        Access::Read => {
            require_wal(connection)?;
            connection.execute_batch("PRAGMA query_only=ON;")?;
        }
    }
    Ok(())
}

/// A commit's durability and readers beside the writer both rest on WAL.
pub(crate) fn require_wal(connection: &Connection) -> Result<(), Error> {
    let mode: String = connection.query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))?;
    if mode == "wal" { Ok(()) } else { Err(Error::damaged(format!("journal mode {mode} instead of wal"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reader;
    use model::MailboxId;
    use rusqlite::StatementStatus;
    use vault::MailboxKey;

    #[test]
    fn another_value_needs_no_other_plan() {
        let (folder, key) = (tempfile::tempdir().unwrap(), MailboxKey::generate().unwrap());
        let (path, id) = (folder.path().join("mailbox.db"), MailboxId::from_bytes([1; 12]));
        crate::create(&path, &key, &id, Timestamp::UNIX_EPOCH).unwrap();
        let writer = crate::Writer::open(&path, &key, &id, &Options::default()).unwrap();
        let reader = Reader::beside(&writer, &key, &Options::default()).unwrap();
        let prepared_anew = || {
            let sql = "SELECT uid, flags FROM message WHERE folder = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid";
            let mut statement = reader.connection.prepare(sql).unwrap();
            for uid in 1..10 {
                statement.exists([1, uid, uid]).unwrap();
            }
            statement.get_status(StatementStatus::RePrepare)
        };
        assert_eq!(prepared_anew(), 0);
        // What the setting is for.
        reader.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, false).unwrap();
        assert!(prepared_anew() > 0);
    }
}
