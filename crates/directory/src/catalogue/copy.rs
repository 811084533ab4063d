//! Copies of the catalogue: one state of it, written by the engine itself (`VACUUM INTO`) on a connection of its own while the
//! writer goes on.
//!
//! Invariants: a copy for elsewhere is ciphertext from its first octet, under a key that comes from the directory's; nothing
//! else of it touches the disk. It has its name only when it is whole, sound, opened by its key and on stable storage. No error
//! quotes what was handed to the engine, because the key is in it.

use super::disk::{Place, folder_of};
use super::schema;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use vault::{Digest, FileKey};
use zeroize::Zeroizing;

/// What is added to a copy's name until it counts.
pub(crate) const UNFINISHED: &str = ".part";
/// Octets that are read at once for the digest.
const READ_BYTES: usize = 256 * 1024;
/// What the engine answers when there is no room (`SQLITE_FULL`).
const FULL: i32 = 13;
/// What it answers of a file that is no database, or that the key does not open (`SQLITE_NOTADB`).
const NOT_A_DATABASE: i32 = 26;
/// What it answers of a page that is damaged (`SQLITE_CORRUPT`).
const CORRUPT: i32 = 11;

/// Why a copy could not be made, or is none.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The system failed.
    #[error("{path}: {what} failed: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The engine failed.
    #[error("{path}: {what} failed (SQLite's error {code}); is there room, and may the folder be written?")]
    Engine {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What it answered.
        code: i32,
    },
    /// There is no room for it.
    #[error("{0}: there is no room for a copy of the catalogue")]
    Full(PathBuf),
    /// The key opens nothing there.
    #[error("{0}: the directory's key does not open it: it is of another directory, or its first page is damaged")]
    WrongKey(PathBuf),
    /// It is damaged.
    #[error("{0}: the copy is damaged: {1}")]
    Damaged(PathBuf, String),
    /// A later version made it.
    #[error("{path}: it has schema {found}, this program knows up to {known}; use the newer version")]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// The key file cannot be used.
    #[error("{0}")]
    Key(#[from] vault::VaultError),
    /// A process has the catalogue open.
    #[error("{0}: a process has this catalogue open; stop that directory first")]
    InUse(PathBuf),
    /// There is something already.
    #[error("{0}: there is a catalogue already; give --yes to put the restored one in its place")]
    Exists(PathBuf),
    /// The process is ending.
    #[error("the process is ending")]
    Ending,
}

/// What a copy is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copied {
    /// Its octets.
    pub(crate) bytes: u64,
    /// Its SHA-256.
    pub(crate) sha256: [u8; 32],
    /// What it says of itself.
    pub(crate) inside: Inside,
}

/// What a copy says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inside {
    /// The catalogue's change counter.
    pub(crate) changes: u64,
    /// The number of its schema.
    pub(crate) schema: u32,
}

/// Makes an encrypted copy of the database at `target`, where nothing may be.
pub(crate) async fn take(source: &Place, key: &FileKey, target: &Path) -> Result<Copied, CopyError> {
    let part = super::disk::beside(target, UNFINISHED);
    let made = make(source, key, &part).await;
    let (from, to) = (part, target.to_owned());
    if made.is_err() {
        let left = from.clone();
        // What stays after all is removed at the next start.
        let _ = blocking(move || Ok(std::fs::remove_file(left))).await?;
    }
    let copied = made?;
    blocking(move || {
        std::fs::rename(&from, &to).map_err(io(&to, "naming the copy"))?;
        sync_folder(&to)
    })
    .await?;
    Ok(copied)
}

async fn make(source: &Place, key: &FileKey, part: &Path) -> Result<Copied, CopyError> {
    let path = part.to_owned();
    blocking(move || create(&path)).await?;
    let options = schema::writer_options(source).create_if_missing(false);
    vacuum(&source.path, options, part, Some(key)).await?;
    let path = part.to_owned();
    blocking(move || sync(&path)).await?;
    let inside = inspect(part, key).await?;
    let path = part.to_owned();
    let (bytes, sha256) = blocking(move || digest(&path)).await?;
    Ok(Copied { bytes, sha256, inside })
}

/// Has the engine write a copy of what `options` opens into an empty file, under the key or under none.
pub(super) async fn vacuum(
    source: &Path,
    options: SqliteConnectOptions,
    to: &Path,
    key: Option<&FileKey>,
) -> Result<(), CopyError> {
    let mut connection = options.connect().await.map_err(engine(source, "opening it to be copied"))?;
    let name = uri(to, key);
    // As an encrypted page has octets for its tag, a plain one has none: the source's pages are the other way round.
    let name = Zeroizing::new(format!("{}&reserve={}", *name, if key.is_some() { TAG_BYTES } else { 0 }));
    let copied = sqlx::query("VACUUM INTO ?").bind(name.as_str()).execute(&mut connection).await;
    copied.map_err(engine(to, "copying the catalogue"))?;
    connection.close().await.map_err(engine(source, "closing it"))
}

/// Octets that the cipher keeps of each page for nonce and tag.
const TAG_BYTES: u32 = 32;

/// Opens a copy with its key and looks at every page and index of it. Nothing of it is changed.
pub(crate) async fn inspect(path: &Path, key: &FileKey) -> Result<Inside, CopyError> {
    let mut connection = match open(path, key).connect().await {
        Ok(connection) => connection,
        Err(error) => return Err(of_copy(path, &error)),
    };
    let found = look(path, &mut connection).await?;
    connection.close().await.map_err(engine(path, "closing it"))?;
    Ok(found)
}

async fn look(path: &Path, connection: &mut SqliteConnection) -> Result<Inside, CopyError> {
    let failed = |error: sqlx::Error| of_copy(path, &error);
    // The first read proves the key.
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name IN ('_sqlx_migrations', 'change_count')")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
    if tables < 2 {
        return Err(CopyError::Damaged(path.to_owned(), "it is no catalogue".to_owned()));
    }
    let schema: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    let (found, known) = (u32::try_from(schema).unwrap_or(u32::MAX), schema::known());
    if found > known {
        return Err(CopyError::NewerSchema { path: path.to_owned(), found, known });
    }
    sound(path, connection).await?;
    let changes: i64 =
        sqlx::query_scalar("SELECT changes FROM change_count").fetch_one(&mut *connection).await.map_err(failed)?;
    Ok(Inside { changes: changes.unsigned_abs(), schema: found })
}

/// Every page and index.
pub(super) async fn sound(path: &Path, connection: &mut SqliteConnection) -> Result<(), CopyError> {
    let answer: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await
        .map_err(|error| of_copy(path, &error))?;
    if answer == "ok" { Ok(()) } else { Err(CopyError::Damaged(path.to_owned(), answer)) }
}

/// How a copy is opened: nothing is written to it, or put beside it.
pub(super) fn open(path: &Path, key: &FileKey) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(uri(path, Some(key)).as_str()).read_only(true).disable_statement_logging()
}

/// A file's name with its key, as the engine takes both. The raw form of the key bypasses its key derivation, which would add
/// nothing to 256 random bits.
fn uri(path: &Path, key: Option<&FileKey>) -> Zeroizing<String> {
    let mut name = String::from("file:");
    for &octet in path.as_os_str().as_bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => name.push(char::from(octet)),
            _ => name.push_str(&format!("%{octet:02X}")),
        }
    }
    let key = key.map_or_else(|| Zeroizing::new(String::new()), FileKey::raw_key);
    // Without room to grow the text would be copied, and the copy left behind.
    let mut whole = Zeroizing::new(String::with_capacity(name.len() + key.len() + 64));
    whole.push_str(&name);
    whole.push_str("?cipher=chacha20&key=");
    if !key.is_empty() {
        whole.push_str("raw%3A");
        whole.push_str(&key);
    }
    whole
}

/// Makes an empty file for this user alone, in place of one that was not finished. The engine keeps its rights.
pub(super) fn create(path: &Path) -> Result<(), CopyError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(io(path, "removing what was left")(error));
        }
        Ok(()) | Err(_) => {}
    }
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    made.map(drop).map_err(io(path, "making the file"))
}

pub(super) fn sync(path: &Path) -> Result<(), CopyError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(io(path, "syncing it"))
}

/// The name is durable only once the folder is.
pub(super) fn sync_folder(path: &Path) -> Result<(), CopyError> {
    let folder = folder_of(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io(folder, "syncing the folder"))
}

/// Octets and SHA-256 of a file.
pub(crate) fn digest(path: &Path) -> Result<(u64, [u8; 32]), CopyError> {
    let failed = io(path, "reading it");
    let mut file = File::open(path).map_err(&failed)?;
    let (mut buffer, mut running, mut bytes) = (vec![0; READ_BYTES], Digest::new(), 0);
    loop {
        let count = file.read(&mut buffer).map_err(&failed)?;
        let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
        running.update(read);
        bytes += count as u64;
    }
    Ok((bytes, running.finish()))
}

/// Off the async workers.
pub(crate) async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, CopyError> + Send + 'static,
) -> Result<T, CopyError> {
    tokio::task::spawn_blocking(run).await.map_err(|_| CopyError::Ending)?
}

pub(super) fn io(path: &Path, what: &'static str) -> impl Fn(std::io::Error) -> CopyError {
    let path = path.to_owned();
    move |source| match source.kind() {
        std::io::ErrorKind::StorageFull => CopyError::Full(path.clone()),
        _ => CopyError::Io { path: path.clone(), what, source },
    }
}

/// What the engine said, without its words: it may quote the name that it was given, and the key with it.
pub(super) fn engine(path: &Path, what: &'static str) -> impl Fn(sqlx::Error) -> CopyError {
    let path = path.to_owned();
    move |error| match code(&error) {
        FULL => CopyError::Full(path.clone()),
        code => CopyError::Engine { path: path.clone(), what, code },
    }
}

fn of_copy(path: &Path, error: &sqlx::Error) -> CopyError {
    match code(error) {
        NOT_A_DATABASE => CopyError::WrongKey(path.to_owned()),
        CORRUPT => CopyError::Damaged(path.to_owned(), "a page of it is not what was written".to_owned()),
        code => CopyError::Engine { path: path.to_owned(), what: "reading it", code },
    }
}

/// The engine's primary result code; 0 when it said none.
fn code(error: &sqlx::Error) -> i32 {
    let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<i32>().ok());
    code.unwrap_or(0) & 0xff
}
