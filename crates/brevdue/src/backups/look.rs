//! A look into every store at once: what each has of a subject, and which of them cannot be read. One that fails, or does not answer,
//! keeps nobody from what the others have; who counts on everything is told that it was not everything.

use crate::admin::Admin;
use crate::failure::{Failure, warn};
use backup::manifest::Manifest;
use backup::store::{All, Store, StoreError};
use daemon::config;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use model::MailboxId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a store may take to say that it is there.
const ANSWER: Duration = Duration::from_secs(20);
/// What is said of one that does not.
const SILENT: &str = "it does not answer in time";
/// The kind of a mailbox's backups.
pub const MAILBOX: &str = "mailbox";

/// A backup with the store that has it.
pub struct Found {
    /// The store.
    pub store: Arc<Store>,
    /// Its name.
    pub name: String,
    /// What it is.
    pub manifest: Manifest,
}

/// A store that cannot be read.
pub struct Unread {
    name: String,
    why: StoreError,
}

/// What was seen.
#[derive(Default)]
pub struct Looked {
    /// Backups, the newest first.
    pub whole: Vec<Found>,
    /// What counts for nothing any more.
    pub lost: Vec<Found>,
    /// Stores that could not be looked into.
    pub unread: Vec<Unread>,
}

/// Those of the stores that answer; the others with what is wrong.
pub async fn answering(stores: BTreeMap<String, Arc<Store>>) -> (BTreeMap<String, Arc<Store>>, Vec<Unread>) {
    let asked = stores.into_iter().map(|(name, store)| async move {
        let silent = |_| Err(StoreError::Failed(SILENT.to_owned()));
        let answer = timeout(ANSWER, store.check()).await.unwrap_or_else(silent);
        (name, store, answer)
    });
    let (mut there, mut unread) = (BTreeMap::new(), Vec::new());
    for (name, store, answer) in join_all(asked).await {
        match answer {
            Ok(()) => drop(there.insert(name, store)),
            Err(why) => unread.push(Unread { name, why }),
        }
    }
    (there, unread)
}

/// Everything of a subject in every store.
pub async fn of(config: &config::Backup, kind: &str, subject: &str) -> Result<Looked, Failure> {
    let (there, unread) = answering(super::stores_of(config)?).await;
    let mut looked = within(&there, kind, subject).await;
    looked.unread.extend(unread);
    Ok(looked)
}

/// Everything of a subject in these stores, which answer.
pub async fn within(stores: &BTreeMap<String, Arc<Store>>, kind: &str, subject: &str) -> Looked {
    let asked = stores.iter().map(|(name, store)| async move { (name, store, store.all(kind, subject).await) });
    let mut looked = Looked::default();
    for (name, store, all) in join_all(asked).await {
        let found = |manifest| Found { store: store.clone(), name: name.clone(), manifest };
        match all {
            Ok(All { whole, lost }) => {
                looked.whole.extend(whole.into_iter().map(found));
                looked.lost.extend(lost.into_iter().map(found));
            }
            Err(why) => looked.unread.push(Unread { name: name.clone(), why }),
        }
    }
    for side in [&mut looked.whole, &mut looked.lost] {
        side.sort_by(|a, b| b.manifest.time.cmp(&a.manifest.time).then_with(|| b.manifest.id.cmp(&a.manifest.id)));
    }
    looked
}

/// Everything of a mailbox.
pub async fn of_mailbox(admin: &Admin, mailbox: &MailboxId) -> Result<Looked, Failure> {
    of(&admin.config.backup, MAILBOX, &mailbox.to_string()).await
}

/// The backup of this id, wherever it is: who has it answers, and the others are waited for no longer. Stores that could not be read
/// are told where it is in none of the others.
pub async fn find(admin: &Admin, mailbox: &MailboxId, id: &str) -> Result<Option<Found>, Failure> {
    let subject = mailbox.to_string();
    let mut asked: FuturesUnordered<_> = super::stores(admin)?
        .into_iter()
        .map(|(name, store)| async { (timeout(ANSWER, store.all(MAILBOX, &subject)).await, name, store) })
        .collect();
    let mut unread = Vec::new();
    while let Some((answer, name, store)) = asked.next().await {
        let silent = |_| Err(StoreError::Failed(SILENT.to_owned()));
        match answer.unwrap_or_else(silent) {
            Ok(all) => {
                if let Some(manifest) = all.whole.into_iter().find(|manifest| manifest.id == id) {
                    return Ok(Some(Found { store, name, manifest }));
                }
            }
            Err(why) => unread.push(Unread { name, why }),
        }
    }
    tell(&unread);
    Ok(None)
}

/// Tells of stores that cannot be read.
pub fn tell(unread: &[Unread]) {
    for Unread { name, why } in unread {
        warn(&format!("store {name} cannot be read, and what it has is left out: {why}"));
    }
}

/// Fails when a store could not be read: what was answered is not everything.
pub fn everything(unread: &[Unread]) -> Result<(), Failure> {
    if unread.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = unread.iter().map(|each| each.name.as_str()).collect();
    Err(Failure::refused(format!("not every store could be read: {}", names.join(", "))))
}

impl Looked {
    /// Tells what is none any more, and what could not be read.
    pub fn tell(&self) {
        for Found { name, manifest, .. } in &self.lost {
            let (id, time) = (&manifest.id, &manifest.time);
            warn(&format!(
                "store {name}: the backup {id} of {time} counts for nothing: its data was deleted there, or cut short; \
                 `brevdue backup store check {name}` tells of rules that delete"
            ));
        }
        tell(&self.unread);
    }

    /// The backup of this id, or the newest; that one only where every store could be read, for a newer one may be in another.
    /// `list` is the command that shows them.
    pub fn choose(self, id: Option<&str>, list: &str) -> Result<Found, Failure> {
        self.tell();
        if id.is_none() && !self.unread.is_empty() {
            let why = "which backup is the newest is not known while a store cannot be read: name one with --backup";
            return Err(Failure::refused(why));
        }
        let found = self.whole.into_iter().find(|found| id.is_none_or(|id| found.manifest.id == id));
        found.ok_or_else(|| match id {
            Some(id) => Failure::refused(format!("there is no backup {id}; `brevdue {list}` shows them")),
            None => Failure::refused("there is no backup"),
        })
    }
}
