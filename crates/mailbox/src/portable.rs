//! A mailbox for other programs: one file of plain tables, encrypted with a passphrase as the public SQLite3MultipleCiphers or
//! SQLCipher does by default. It is written once and not read here; `docs/formats/export.md` describes it.
//!
//! Nothing is durable before [`PortableFile::finish`], and then only once its caller has synced the file: a file that is not
//! whole is thrown away.

use crate::engine::{Cipher, PAGE_BYTES};
use crate::error::Error;
use message::Scanner;
use model::{Flags, Keyword, SpecialUse};
use rusqlite::blob::Blob;
use rusqlite::{Connection, MAIN_DB, OpenFlags, params};
use std::io::Write;
use std::path::Path;
use vault::{Digest, Password};
use zeroize::Zeroizing;

/// Messages of one transaction: each costs a write of the file's first pages.
const MESSAGES_PER_COMMIT: u32 = 256;
/// Page cache, KiB: what does not fit is written out, however large a message is.
const CACHE_KIB: u32 = 8 * 1024;

/// A message without its octets.
#[derive(Debug)]
pub struct PortableMessage<'a> {
    /// The UIDVALIDITY of its folder.
    pub uid_validity: u32,
    /// Its UID.
    pub uid: u32,
    /// INTERNALDATE, milliseconds since 1970-01-01 UTC.
    pub internal_date_ms: i64,
    /// System flags.
    pub flags: Flags,
    /// Keywords.
    pub keywords: &'a [Keyword],
    /// Octets that will come.
    pub size: u64,
}

/// The file, while it is written.
pub struct PortableFile {
    connection: Connection,
    folder: i64,
    open: Option<Open>,
    uncommitted: u32,
}

struct Open {
    row: i64,
    written: u64,
    size: u64,
    scanner: Scanner,
    digest: Digest,
}

impl PortableFile {
    /// Begins in a file that is there and empty.
    ///
    /// # Errors
    /// [`Error::NoCipher`] where the engine has not got it; of the engine.
    pub fn create(path: &Path, passphrase: &Password, cipher: Cipher, address: &str) -> Result<Self, Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        set_passphrase(&connection, passphrase, cipher)?;
        // Nobody else reads it, and after a crash it is made anew: no journal, and no sync but its caller's.
        connection.execute_batch(&format!(
            "PRAGMA page_size={PAGE_BYTES}; PRAGMA encoding='UTF-8'; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; \
             PRAGMA locking_mode=EXCLUSIVE; PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0; PRAGMA cache_size=-{CACHE_KIB}; BEGIN;"
        ))?;
        connection.execute_batch(include_str!("../schema/portable-0001.sql"))?;
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        connection
            .execute("INSERT INTO about (brevdue_export, address, exported) VALUES (1, ?1, ?2)", [address, &now])?;
        Ok(Self { connection, folder: 0, open: None, uncommitted: 0 })
    }

    /// What follows is of this folder.
    ///
    /// # Errors
    /// Of the engine.
    pub fn folder(&mut self, name: &str, special_use: Option<SpecialUse>, subscribed: bool) -> Result<(), Error> {
        self.connection
            .prepare_cached("INSERT INTO folder (name, special_use, subscribed) VALUES (?1, ?2, ?3)")?
            .execute(params![name, special_use.map(SpecialUse::name), subscribed])?;
        self.folder = self.connection.last_insert_rowid();
        Ok(())
    }

    /// A message begins.
    ///
    /// # Errors
    /// Of the engine; [`Error::TooBig`] when no file can hold it.
    pub fn begin(&mut self, message: &PortableMessage<'_>) -> Result<(), Error> {
        let size = i32::try_from(message.size).map_err(|_| Error::TooBig)?;
        let flags: Vec<&str> = message.flags.iter().map(model::Flag::name).collect();
        let keywords: Vec<&str> = message.keywords.iter().map(Keyword::as_str).collect();
        self.connection
            .prepare_cached(
                "INSERT INTO message (folder, uid_validity, uid, internal_date, flags, keywords, size) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                self.folder,
                message.uid_validity,
                message.uid,
                instant(message.internal_date_ms),
                flags.join(" "),
                keywords.join(" "),
                size
            ])?;
        let row = self.connection.last_insert_rowid();
        self.connection
            .prepare_cached("INSERT INTO content (message, octets) VALUES (?1, zeroblob(?2))")?
            .execute(params![row, size])?;
        let (scanner, digest) = (Scanner::new(), Digest::new());
        self.open = Some(Open { row, written: 0, size: message.size, scanner, digest });
        Ok(())
    }

    /// Octets of it.
    ///
    /// # Errors
    /// Of the engine; [`Error::UploadIncomplete`] when they are more than were announced.
    pub fn data(&mut self, data: &[u8]) -> Result<(), Error> {
        let open = self.open.as_mut().ok_or(Error::UploadIncomplete)?;
        if open.written + data.len() as u64 > open.size {
            return Err(Error::UploadIncomplete);
        }
        open.scanner.push(data);
        open.digest.update(data);
        let mut blob: Blob<'_> = self.connection.blob_open(MAIN_DB, "content", "octets", open.row, false)?;
        let at = usize::try_from(open.written).map_err(|_| Error::TooBig)?;
        blob.write_at(data, at)?;
        blob.flush().map_err(|error| Error::io("writing a message", error))?;
        open.written += data.len() as u64;
        Ok(())
    }

    /// It is whole.
    ///
    /// # Errors
    /// Of the engine; [`Error::UploadIncomplete`] when octets are missing.
    pub fn end(&mut self) -> Result<(), Error> {
        let open = self.open.take().ok_or(Error::UploadIncomplete)?;
        if open.written != open.size {
            return Err(Error::UploadIncomplete);
        }
        let scanned = open.scanner.finish();
        let summary = scanned.summary();
        let sha256: String = open.digest.finish().iter().map(|octet| format!("{octet:02x}")).collect();
        self.connection
            .prepare_cached(
                "UPDATE message SET sha256 = ?2, message_id = ?3, subject = ?4, sender = ?5, recipients = ?6, copies = ?7, \
                 sent = ?8 WHERE id = ?1",
            )?
            .execute(params![
                open.row,
                sha256,
                summary.message_id,
                summary.subject,
                summary.from,
                summary.to,
                summary.cc,
                summary.sent.map(|sent| instant(sent.ms))
            ])?;
        self.uncommitted += 1;
        if self.uncommitted >= MESSAGES_PER_COMMIT {
            self.uncommitted = 0;
            self.connection.execute_batch("COMMIT; BEGIN;")?;
        }
        Ok(())
    }

    /// That was all: everything is in the file, for its caller to sync.
    ///
    /// # Errors
    /// Of the engine.
    pub fn finish(self) -> Result<(), Error> {
        self.connection.execute_batch("CREATE INDEX message_by_date ON message (internal_date); COMMIT;")?;
        self.connection.close().map_err(|(_, error)| Error::from(error))
    }
}

/// As people and SQLite's date functions read it (ISO 8601, UTC).
fn instant(ms: i64) -> String {
    let instant = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    instant.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// The passphrase goes through the cipher's own key derivation, as it does in the public shells.
fn set_passphrase(connection: &Connection, passphrase: &Password, cipher: Cipher) -> Result<(), Error> {
    let quoted = Zeroizing::new(passphrase.expose().replace('\'', "''"));
    let choose = match cipher {
        Cipher::ChaCha20 if cfg!(feature = "multiple-ciphers") => "PRAGMA cipher='chacha20';",
        Cipher::ChaCha20 => return Err(Error::NoCipher("ChaCha20")),
        Cipher::SqlCipher4 if cfg!(feature = "multiple-ciphers") => "PRAGMA cipher='sqlcipher'; PRAGMA legacy=4;",
        Cipher::SqlCipher4 => "PRAGMA cipher_log_level=NONE;",
    };
    let sql = Zeroizing::new(format!("{choose} PRAGMA key='{}';", *quoted));
    // The engine's own error would quote the statement, and with it the passphrase.
    connection.execute_batch(&sql).map_err(|_| Error::Vault("the engine refused the passphrase".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, passphrase: &str, cipher: Cipher) -> Connection {
        let connection = Connection::open(path).unwrap();
        set_passphrase(&connection, &Password::from(passphrase.to_owned()), cipher).unwrap();
        connection
    }

    #[test]
    fn another_program_reads_it_with_the_passphrase() {
        let ciphers: &[Cipher] = if cfg!(feature = "multiple-ciphers") {
            &[Cipher::ChaCha20, Cipher::SqlCipher4]
        } else {
            &[Cipher::SqlCipher4]
        };
        for &cipher in ciphers {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("mail.db");
            std::fs::write(&path, b"").unwrap();
            let passphrase = "it's \"quoted\"";
            let mut file =
                PortableFile::create(&path, &Password::from(passphrase.to_owned()), cipher, "a@b.test").unwrap();
            file.folder("Sent", Some(SpecialUse::Sent), true).unwrap();
            let text = b"Subject: =?utf-8?q?=C3=A6?=\r\nFrom: x@y\r\n\r\nbody\r\n";
            let keywords = [Keyword::parse("work").unwrap()];
            let message = PortableMessage {
                uid_validity: 1,
                uid: 7,
                internal_date_ms: 1_700_000_000_123,
                flags: Flags::from_bits(1),
                keywords: &keywords,
                size: text.len() as u64,
            };
            file.begin(&message).unwrap();
            text.chunks(5).for_each(|piece| file.data(piece).unwrap());
            assert!(matches!(file.data(b"x"), Err(Error::UploadIncomplete)), "more than was announced");
            file.end().unwrap();
            file.finish().unwrap();
            let read = open(&path, passphrase, cipher);
            let row: (String, String, String, String, Vec<u8>) = read
                .query_row("SELECT folder, internal_date, flags, subject, octets FROM mail", [], |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
                })
                .unwrap();
            let expected =
                ("Sent".to_owned(), "2023-11-14T22:13:20.123Z".to_owned(), "\\Seen".to_owned(), "æ".to_owned());
            assert_eq!((row.0, row.1, row.2, row.3), expected);
            assert_eq!(row.4, text);
            let wrong = open(&path, "another", cipher);
            assert!(wrong.query_row("SELECT count(*) FROM mail", [], |row| row.get::<_, i64>(0)).is_err());
        }
    }
}
