//! What goes from stores: backups that are kept no longer, and what uploads left that nobody goes on with. Behind each backup for
//! its subject; and in a slow round once a day for all, because a subject's newest backup may go to another store by now, and one
//! that does not change is looked at by nobody else.
//!
//! Invariants: a subject's newest backup stays, in whichever store it is; a store that cannot be read makes more be kept and not
//! less, because what is newer elsewhere is what makes a backup superfluous; names that are not ours are not touched.

use crate::destination::Lanes;
use crate::limits::{LEFT_OVER_HOURS, SUBJECTS_MAX, SWEEP_EVERY_MS, SWEEP_PAUSE_MS_MAX};
use crate::manifest::{FOLDERS, MANIFEST, Manifest, folder, stem};
use crate::metrics::{ABORTED, REMOVED};
use crate::retention::{Keep, to_remove};

use crate::store::{Store, StoreError};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Removes.
pub(crate) struct Tidy {
    /// How many are kept.
    pub(crate) keep: Keep,
    /// Stems of names that are being uploaded: what is there of them is nobody's leaving.
    pub(crate) under_way: Mutex<HashSet<String>>,
}

/// A backup with the store that has it.
struct Held<'s> {
    store: &'s Store,
    manifest: Manifest,
}

impl AsRef<Manifest> for Held<'_> {
    fn as_ref(&self) -> &Manifest {
        &self.manifest
    }
}

/// A kind and an id, and the names of the stores that have something of it.
type Subjects = BTreeMap<(&'static str, String), Vec<String>>;

impl Tidy {
    /// What is being uploaded.
    pub(crate) fn under_way(&self) -> MutexGuard<'_, HashSet<String>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One subject in one store, behind a new backup of it there.
    ///
    /// # Errors
    /// Of the store; what could not be removed is tried again next time.
    pub(crate) async fn behind(&self, store: &Store, newest: &Manifest) -> Result<(), StoreError> {
        self.retain(&[store], &newest.kind, &newest.subject).await?;
        self.clear(store, &newest.kind, &newest.subject).await
    }

    /// Goes round through all stores, for ever.
    pub(crate) async fn keep_swept(&self, lanes: &Lanes) {
        loop {
            let begun = Instant::now();
            self.sweep(lanes).await;
            sleep(Duration::from_millis(SWEEP_EVERY_MS).saturating_sub(begun.elapsed())).await;
        }
    }

    async fn sweep(&self, lanes: &Lanes) {
        let (mut broken, subjects) = subjects(lanes).await;
        let each = SWEEP_EVERY_MS / (subjects.len() as u64).max(1);
        let pause = Duration::from_millis(each.min(SWEEP_PAUSE_MS_MAX));
        for ((kind, subject), names) in &subjects {
            let whole: Vec<(&String, &Store)> = names
                .iter()
                .filter(|name| !broken.contains(*name))
                .filter_map(|name| Some((name, lanes.get(name)?.store.as_ref())))
                .collect();
            let all: Vec<&Store> = whole.iter().map(|(_, store)| *store).collect();
            if let Err(error) = self.retain(&all, kind, subject).await {
                tracing::warn!(kind, subject, "what is kept too long could not be removed: {error}");
            }
            for (name, store) in whole {
                if let Err(error) = self.clear(store, kind, subject).await {
                    // One that is down would hold up the round for everybody: it is left until the next.
                    tracing::warn!(store = name, "the store is left alone until tomorrow: {error}");
                    broken.insert(name.clone());
                }
            }
            sleep(pause).await;
        }
        tracing::debug!(subjects = subjects.len(), "every store was looked through");
    }

    /// Retention over one subject's backups, wherever they are.
    async fn retain(&self, stores: &[&Store], kind: &str, subject: &str) -> Result<(), StoreError> {
        let mut held = Vec::new();
        for store in stores {
            let manifests = store.backups(kind, subject).await?;
            held.extend(manifests.into_iter().map(|manifest| Held { store, manifest }));
        }
        for Held { store, manifest } in to_remove(held, self.keep) {
            store.remove_backup(&manifest).await?;
            metrics::counter!(REMOVED).increment(1);
        }
        Ok(())
    }

    /// Removes what uploads left.
    async fn clear(&self, store: &Store, kind: &str, subject: &str) -> Result<(), StoreError> {
        let listed = store.list(&folder(kind, subject)).await?;
        let before = Timestamp::now().as_millisecond() - LEFT_OVER_HOURS * 3_600_000;
        let whole: HashSet<&str> = listed.iter().filter_map(|each| each.name.strip_suffix(MANIFEST)).collect();
        for each in listed.iter().filter(|each| each.modified_ms < before) {
            let Some(stem) = stem(&each.name) else { continue };
            if whole.contains(stem) || self.under_way().contains(stem) {
                continue;
            }
            if store.discard(&each.name).await? {
                metrics::counter!(ABORTED).increment(1);
            }
        }
        Ok(())
    }
}

/// Everything that has a folder in a store, and the stores that could not be asked.
async fn subjects(lanes: &Lanes) -> (BTreeSet<String>, Subjects) {
    let (mut broken, mut all) = (BTreeSet::new(), Subjects::new());
    for (name, lane) in lanes {
        // Of one that hangs each request would be waited for to its end.
        if let Err(error) = lane.check_first().await {
            tracing::warn!(store = name, "the store cannot be looked through today: {error}");
            broken.insert(name.clone());
            continue;
        }
        let store = &lane.store;
        let mut found: Vec<(&'static str, String)> = vec![("catalogue", "catalogue".to_owned())];
        for (kind, folders) in FOLDERS {
            match store.subjects(folders).await {
                Ok(subjects) => found.extend(subjects.into_iter().map(|subject| (kind, subject))),
                Err(error) => {
                    tracing::warn!(store = name, "the store cannot be looked through today: {error}");
                    broken.insert(name.clone());
                    break;
                }
            }
        }
        if broken.contains(name) {
            continue;
        }
        for subject in found {
            if all.len() >= SUBJECTS_MAX && !all.contains_key(&subject) {
                tracing::warn!(store = name, "only the first {SUBJECTS_MAX} mailboxes are looked through");
                break;
            }
            all.entry(subject).or_default().push(name.clone());
        }
    }
    (broken, all)
}
