//! A snapshot becomes a catalogue again, without a directory: what is left after a total loss.
//!
//! Invariants: nothing is touched before the copy is whole, sound and opened by the key; what was there is kept aside, log and
//! all; at every moment the catalogue's name has the old file or the new one.
//!
//! The restored catalogue begins a life of its own. Numbers that others remember (of the change feed, of grants of room, of
//! placements) go on far above everything that the lost one may have given out since the snapshot, so that nobody takes
//! something new for what they have seen, or something that they have seen for newer.

use super::copy::{self, CopyError, Inside};
use super::disk::{beside, folder_of};
use super::{Error, lock, now_ms};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use vault::NodeKey;

/// What is added to the catalogue's name while the restored one is made.
const RESTORING: &str = ".restoring";
/// How far numbers go on at least: more than a catalogue gives out in a life.
const NUMBERS_SKIPPED: i64 = 1 << 32;
/// Numbers for each millisecond since 1970: more than are given out in one, so that of two restores of one snapshot the later
/// is above the earlier.
const NUMBERS_PER_MS: i64 = 1 << 10;

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Domains in it.
    pub domains: u64,
    /// Aliases with a mailbox.
    pub aliases: u64,
    /// The catalogue that was there before, if there was one.
    pub aside: Option<PathBuf>,
}

/// Makes the catalogue at `target` from the snapshot at `from`. `key`: the directory's key file. `replace`: also where there is
/// a catalogue already.
///
/// # Errors
/// [`CopyError`]; then what was there is as it was.
pub async fn restore(from: &Path, key: &Path, target: &Path, replace: bool) -> Result<Restored, CopyError> {
    let key = NodeKey::from_file(key)?.catalogue_key()?;
    // Held to the end: a directory that starts meanwhile is refused.
    let _lock = lock(target).map_err(|error| match error {
        Error::InUse { path } => CopyError::InUse(path),
        error => copy::io(target, "taking its lock")(std::io::Error::other(error.to_string())),
    })?;
    belong_to_folder(&beside(target, ".lock"));
    if !replace && target.exists() {
        return Err(CopyError::Exists(target.to_owned()));
    }
    let inside = copy::inspect(from, &key).await?;
    let part = beside(target, RESTORING);
    copy::create(&part)?;
    let made = async {
        copy::vacuum(from, copy::open(from, &key), &part, None).await?;
        begin_life(&part, inside).await
    };
    let counted = made.await;
    let moved = match counted {
        Ok(counted) => {
            let (part, target) = (part.clone(), target.to_owned());
            copy::blocking(move || put_in_place(&part, &target)).await.map(|aside| (counted, aside))
        }
        Err(error) => Err(error),
    };
    if moved.is_err() {
        let _ = fs::remove_file(&part);
    }
    let ((domains, aliases), aside) = moved?;
    Ok(Restored { domains, aliases, aside })
}

/// Numbers go on above what was given out, and snapshots begin anew; domains and aliases that there are.
async fn begin_life(part: &Path, inside: Inside) -> Result<(u64, u64), CopyError> {
    let failed = copy::engine(part, "bringing the restored catalogue up to date");
    let options = SqliteConnectOptions::new()
        .filename(part)
        .journal_mode(SqliteJournalMode::Memory)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(&failed)?;
    let counted = renumber(&mut connection, inside).await.map_err(&failed)?;
    copy::sound(part, &mut connection).await?;
    connection.close().await.map_err(&failed)?;
    Ok(counted)
}

async fn renumber(connection: &mut SqliteConnection, inside: Inside) -> Result<(u64, u64), sqlx::Error> {
    let floor = now_ms().saturating_mul(NUMBERS_PER_MS);
    let above = |number: i64| number.saturating_add(NUMBERS_SKIPPED).max(floor);
    let mut change = connection.begin().await?;
    let last: Option<i64> = sqlx::query_scalar("SELECT seq FROM sqlite_sequence WHERE name = 'change'")
        .fetch_optional(&mut *change)
        .await?;
    // The feed goes on there with nothing before it: whoever watched the lost one is told to forget everything.
    sqlx::query("DELETE FROM change").execute(&mut *change).await?;
    sqlx::query("DELETE FROM sqlite_sequence WHERE name = 'change'").execute(&mut *change).await?;
    sqlx::query("INSERT INTO sqlite_sequence (name, seq) VALUES ('change', ?)")
        .bind(above(last.unwrap_or(0)))
        .execute(&mut *change)
        .await?;
    for (highest, set) in [
        ("SELECT coalesce(max(version), 0) FROM storage", "UPDATE storage SET version = ?"),
        ("SELECT coalesce(max(epoch), 0) FROM placement", "UPDATE placement SET epoch = ?"),
    ] {
        let highest: i64 = sqlx::query_scalar(highest).fetch_one(&mut *change).await?;
        sqlx::query(set).bind(above(highest)).execute(&mut *change).await?;
    }
    sqlx::query("DELETE FROM snapshot").execute(&mut *change).await?;
    sqlx::query("UPDATE change_count SET changes = ?, since_ms = ?")
        .bind(above(inside.changes.cast_signed()))
        .bind(now_ms())
        .execute(&mut *change)
        .await?;
    let domains: i64 = sqlx::query_scalar("SELECT count(*) FROM domain").fetch_one(&mut *change).await?;
    let aliases: i64 = sqlx::query_scalar("SELECT count(*) FROM alias").fetch_one(&mut *change).await?;
    change.commit().await?;
    Ok((domains.unsigned_abs(), aliases.unsigned_abs()))
}

/// Gives a file to whom its folder belongs, where this process may: who restores is the operator, and who reads is the role.
fn belong_to_folder(path: &Path) {
    if let Ok(folder) = fs::metadata(folder_of(path)) {
        let _ = chown(path, Some(folder.uid()), Some(folder.gid()));
    }
}

/// The old one, if there is one, gets another name besides its own, and so does its log; then the new one takes the name.
fn put_in_place(part: &Path, target: &Path) -> Result<Option<PathBuf>, CopyError> {
    belong_to_folder(part);
    copy::sync(part)?;
    let aside = target.exists().then(|| {
        let at = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        beside(target, &format!("-{at}.aside"))
    });
    if let Some(aside) = &aside {
        for suffix in ["-wal", ""] {
            let name = beside(aside, suffix);
            match fs::hard_link(beside(target, suffix), &name) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(copy::io(&name, "keeping what was there")(error));
                }
                Ok(()) | Err(_) => {}
            }
        }
        copy::sync_folder(target)?;
    }
    // A log of the old file must not be taken for the new one's.
    for suffix in ["-wal", "-shm"] {
        let name = beside(target, suffix);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(copy::io(&name, "removing the old log")(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    copy::sync_folder(target)?;
    fs::rename(part, target).map_err(copy::io(target, "putting the restored catalogue in place"))?;
    copy::sync_folder(target)?;
    Ok(aside)
}
