//! The check that does real work: on every volume an encrypted mailbox with a throw-away key is made, written, read back
//! and removed.

use crate::limits::CHECK_MS_MAX;
use crate::primary::Primary;
use jiff::Timestamp;
use mailbox::{Append, FetchCursor, FetchPlan, FolderRef, Ingest, Items, Options, Reader, Section, Writer};
use model::{Flags, FolderName, MailboxId, ModSeq, UidSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use vault::MailboxKey;

/// One probe at a time: they share a folder.
static ONE: Mutex<()> = Mutex::const_new(());

const PROBE: &[u8] = b"Subject: probe\r\n\r\nwritten and read back\r\n";
/// Octets that the probe is read back with at most.
const PROBE_READ_BYTES_MAX: usize = 4096;

/// Checks every volume.
///
/// # Errors
/// What is wrong, in one line for the operator.
pub async fn check(primary: &Arc<Primary>) -> Result<(), String> {
    let checked = async {
        let _one = ONE.lock().await;
        let on_disk = primary.clone();
        primary.writers.run(move || check_volumes(&on_disk)).await.map_err(|error| error.to_string())?
    };
    let checked = tokio::time::timeout(Duration::from_millis(CHECK_MS_MAX), checked).await;
    checked
        .unwrap_or_else(|_| Err(format!("the probe took longer than {CHECK_MS_MAX} ms: the disk is overloaded or ill")))
}

fn check_volumes(primary: &Primary) -> Result<(), String> {
    let id = MailboxId::from_bytes(vault::random().map_err(|error| error.to_string())?);
    for path in primary.volumes.probes(&id).map_err(|error| error.to_string())? {
        probe(&path, &id, &primary.settings.options, primary.now())
            .map_err(|error| format!("the probe on {} failed: {error}", path.display()))?;
        if let Some(folder) = path.parent() {
            std::fs::remove_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
    }
    Ok(())
}

fn probe(path: &Path, id: &MailboxId, options: &Options, now: Timestamp) -> Result<(), String> {
    let key = MailboxKey::generate().map_err(|error| error.to_string())?;
    let read = write_and_read(path, &key, id, options, now).map_err(|error| error.to_string())?;
    if read == PROBE { Ok(()) } else { Err("what was read is not what was written".to_owned()) }
}

fn write_and_read(
    path: &Path,
    key: &MailboxKey,
    id: &MailboxId,
    options: &Options,
    now: Timestamp,
) -> Result<Vec<u8>, mailbox::Error> {
    mailbox::create(path, key, id, now)?;
    let mut writer = Writer::open(path, key, id, options)?;
    let mut ingest = Ingest::new();
    ingest.push(PROBE)?;
    let content = ingest.finish()?;
    let mut batch = writer.batch()?;
    let inbox = FolderName::inbox();
    let appended = batch.run(|tx| {
        tx.append(Append {
            folder: FolderRef::Name(&inbox),
            flags: Flags::NONE,
            keywords: &[],
            internal_date: now,
            content,
            delivery: None,
            token: None,
        })
    })?;
    batch.commit()?;
    let plan = FetchPlan {
        folder: appended.folder,
        uids: UidSet::range(appended.uid, appended.uid),
        items: Items::NONE,
        sections: vec![Section::whole()],
        changed_since: ModSeq::ZERO,
    };
    let step = Reader::open(path, key, id, options)?.fetch(&plan, &mut FetchCursor::default(), PROBE_READ_BYTES_MAX)?;
    Ok(step.records.into_iter().flat_map(|record| record.sections).flat_map(|section| section.data).collect())
}
