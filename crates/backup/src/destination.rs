//! Which store a snapshot goes to, and what is kept beside it: the directory says so for mailboxes and their waiting mail, and what
//! belongs to nobody goes to the worker's first. A store that the configuration does not have is an error, never another store.

use crate::lane::Lane;
use crate::store::StoreError;
use directory::client::{DirectoryClient, Error, KeepingReply};
use model::MailboxId;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::backup::{Kind, Snapshot};

/// Every store, by name.
pub(crate) type Lanes = BTreeMap<String, Arc<Lane>>;

/// Where a snapshot goes.
pub(crate) enum Destination {
    /// Into a store.
    Store(Goes),
    /// Nowhere: its owner's mailbox is not backed up.
    Nowhere,
}

/// A store, and what goes there with the snapshot.
pub(crate) struct Goes {
    /// The store.
    pub(crate) lane: Arc<Lane>,
    /// Sealed keys; empty where nothing is kept.
    pub(crate) kept: Vec<u8>,
}

/// The stores, and who says which one it is.
pub(crate) struct Destinations {
    /// The directory.
    pub(crate) directory: DirectoryClient,
    /// What the configuration names, by name.
    pub(crate) lanes: Lanes,
    /// The first of them.
    pub(crate) default: String,
}

impl Destinations {
    /// Where a snapshot goes now.
    ///
    /// # Errors
    /// Nobody says, or the configuration does not have the store.
    pub(crate) async fn of(&self, snapshot: &Snapshot) -> Result<Destination, StoreError> {
        let said = match snapshot.kind() {
            Kind::Mailbox | Kind::Waiting => self.asked(&snapshot.subject).await?,
            Kind::Queue | Kind::Catalogue => KeepingReply::default(),
            Kind::Unspecified => return Err(StoreError::Source(format!("{} is of no kind", snapshot.id))),
        };
        if said.none {
            return Ok(Destination::Nowhere);
        }
        let name = if said.store.is_empty() { self.default.clone() } else { said.store };
        let lane = self.lanes.get(&name).cloned().ok_or(StoreError::Unknown(name))?;
        Ok(Destination::Store(Goes { lane, kept: said.kept.into() }))
    }

    async fn asked(&self, subject: &str) -> Result<KeepingReply, StoreError> {
        let mailbox: MailboxId = subject.parse().map_err(|_| StoreError::Source("it is of no mailbox".to_owned()))?;
        self.directory.keeping(&mailbox).await.map_err(|error| match error {
            Error::NotFound(why) | Error::Refused(why) => StoreError::Ownerless(why),
            Error::Unavailable(_) | Error::AlreadyExists(_) | Error::Forbidden(_) | Error::Failed(_) => {
                StoreError::Directory(error.to_string())
            }
        })
    }
}
