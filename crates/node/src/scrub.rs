//! The slow scrub of files that only the node has a key to: waiting mail and queues. Mailboxes are scrubbed while their owner is
//! there, by `resident::scrub`.
//!
//! Invariants: on each volume one file at a time is read, a bounded step after the other, no faster than the rate that the operator
//! set. A scrub has a connection of its own and writes nothing; what it finds is acted upon where the file is used. A file that goes
//! meanwhile ends its scrub.

use crate::backup::queue_files;
use crate::fault::Fault;
use crate::keyed::Keyed;
use crate::limits::{SCRUB_DELAY_MS, SCRUB_FILES_LOOK_MS, SCRUB_STEP_BYTES, SCRUBS_REMEMBERED_MAX};
use crate::primary::Primary;
use crate::queue::{Found, Queues};
use crate::service::Shards;
use crate::shard::Request;
use mailbox::{CheckDepth, Checker, Error};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Who uses the files, and is told of damage.
#[derive(Clone)]
pub struct Users {
    /// Of waiting mail.
    pub shards: Shards,
    /// Of queues.
    pub queues: Weak<Queues>,
}

/// Scrubs the files of every volume until `stop`.
pub async fn keep_scrubbed(primary: Weak<Primary>, users: Users, stop: CancellationToken) {
    let Some(roots) = primary.upgrade().map(|primary| primary.volumes.roots()) else { return };
    let volumes = roots.into_iter().map(|root| keep_volume_scrubbed(primary.clone(), users.clone(), root));
    tokio::select! {
        _ = futures_util::future::join_all(volumes) => {}
        () = stop.cancelled() => {}
    }
}

async fn keep_volume_scrubbed(primary: Weak<Primary>, users: Users, root: PathBuf) {
    let mut scrubbed: HashMap<PathBuf, Instant> = HashMap::new();
    let mut look = Duration::from_millis(SCRUB_DELAY_MS);
    loop {
        tokio::time::sleep(look).await;
        let Some(primary) = primary.upgrade() else { return };
        let (every, rate) = (primary.settings.scrub_interval, primary.settings.scrub_bytes_per_second);
        if every.is_zero() || rate == 0 {
            return;
        }
        look = Duration::from_millis(SCRUB_FILES_LOOK_MS);
        let (on, of) = (primary.clone(), root.clone());
        let files = match primary.readers.run(move || files(&on, &of)).await.map_err(Fault::from).and_then(|all| all) {
            Ok(files) => files,
            Err(fault) => {
                tracing::warn!("waiting mail and queues cannot be scrubbed: {fault}");
                continue;
            }
        };
        scrubbed.retain(|path, _| files.iter().any(|(other, _)| other == path));
        let pause = Duration::from_secs_f64(SCRUB_STEP_BYTES as f64 / rate as f64);
        let weak = Arc::downgrade(&primary);
        drop(primary);
        for (path, whose) in files {
            if scrubbed.get(&path).is_some_and(|at| at.elapsed() < every) {
                continue;
            }
            let replaced = users.replaced(whose);
            match scrub(&weak, &path, whose, pause).await {
                Ok(found) => users.tell(whose, found, replaced).await,
                // Drained and deleted, or busy: it is looked for again.
                Err(fault) => tracing::debug!("a scrub ended before its time: {fault}"),
            }
            if scrubbed.len() < SCRUBS_REMEMBERED_MAX {
                scrubbed.insert(path, Instant::now());
            }
        }
    }
}

/// The files of a volume.
fn files(primary: &Primary, root: &Path) -> Result<Vec<(PathBuf, Keyed)>, Fault> {
    let waiting = primary.volumes.waiting_files()?.into_iter().map(|(path, id)| (path, Keyed::Waiting(id)));
    let folders = primary.volumes.queue_folders()?;
    let queues = folders.iter().flat_map(|folder| queue_files(folder)).map(|(path, id)| (path, Keyed::Queue(id)));
    Ok(waiting.chain(queues).filter(|(path, _)| path.starts_with(root)).collect())
}

/// One pass over a file; what is wrong with it.
async fn scrub(primary: &Weak<Primary>, path: &Path, whose: Keyed, pause: Duration) -> Result<Option<String>, Fault> {
    let mut checker: Option<Checker> = None;
    loop {
        let Some(primary) = primary.upgrade() else { return Ok(None) };
        let (on, of) = (primary.clone(), path.to_owned());
        let stepped = primary.readers.run(move || {
            let mut checker = match checker {
                Some(checker) => checker,
                None => begin(&on, &of, whose)?,
            };
            let step = checker.step()?;
            Ok::<_, Fault>((checker, step))
        });
        let (left, step) = match stepped.await.map_err(Fault::from).and_then(|stepped| stepped) {
            // Its first page: that the key is the node's was seen at its start.
            Err(fault) if fault.code == wire::session::FailureCode::WrongKey => return Ok(Some(fault.text)),
            stepped => stepped?,
        };
        metrics::counter!("brevdue_node_scrubbed_bytes_total").increment(SCRUB_STEP_BYTES);
        if let Some(finding) = step.findings.first() {
            return Ok(Some(finding.to_string()));
        }
        if step.done {
            return Ok(None);
        }
        checker = Some(left);
        drop(primary);
        tokio::time::sleep(pause).await;
    }
}

fn begin(primary: &Primary, path: &Path, whose: Keyed) -> Result<Checker, Fault> {
    match whose.checker(primary, path, CheckDepth::Rows) {
        Err(Error::Missing) => Err(crate::fault::unavailable("the file was deleted")),
        checker => Ok(checker?),
    }
}

impl Users {
    /// How often the file that is about to be looked at took the place of another.
    fn replaced(&self, whose: Keyed) -> Option<u64> {
        match whose {
            Keyed::Waiting(_) => None,
            Keyed::Queue(id) => self.queues.upgrade()?.replaced(&id),
        }
    }

    /// Damage is acted upon by whoever uses the file.
    async fn tell(&self, whose: Keyed, found: Option<String>, replaced: Option<u64>) {
        let result = if found.is_some() { "damaged" } else { "sound" };
        metrics::counter!("brevdue_node_scrubs_total", "result" => result).increment(1);
        let Some(what) = found else { return };
        metrics::counter!("brevdue_node_damage_found_total").increment(1);
        match (whose, replaced) {
            (Keyed::Waiting(id), _) => {
                let _ = self.shards.ask(&id, |answer| Request::WaitingDamaged(id, what, answer)).await;
            }
            (Keyed::Queue(id), Some(replaced)) => {
                if let Some(queues) = self.queues.upgrade() {
                    queues.found_damage(&id, Found { what, replaced });
                }
            }
            (Keyed::Queue(id), None) => {
                tracing::error!(queue = %id, "a queue file that is not served is damaged: {what}")
            }
        }
    }
}
