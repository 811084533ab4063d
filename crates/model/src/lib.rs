//! The nouns that every crate shares: ids, addresses, UIDs, flags, folder names and limits. No I/O, no cryptography.

pub mod address;
pub mod flags;
pub mod folder;
pub mod ids;
pub mod limits;
pub mod octets;
pub mod role;
pub mod store_name;
pub mod uid;

pub use address::{Address, AddressError, Domain};
pub use flags::{Flag, Flags, Keyword};
pub use folder::{FolderName, FolderNameError, SpecialUse};
pub use ids::{
    AccountId, CredentialId, DeliveryId, EnqueueId, IdError, MailboxId, NodeId, QueueId, SnapshotId, Token, WebhookId,
};
pub use octets::{Octets, OctetsError};
pub use role::Role;
pub use store_name::{StoreName, StoreNameError};
pub use uid::{ModSeq, Uid, UidSet, UidValidity};
