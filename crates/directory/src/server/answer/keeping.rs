//! What goes with backups, as answers on the wire.

use super::credential;
use crate::catalogue::{BackupStoreRow, KeptRow};
use wire::directory as proto;

pub(in crate::server) fn kept(row: KeptRow) -> proto::Kept {
    proto::Kept {
        address: row.address,
        credentials: row.credentials.into_iter().map(credential).collect(),
        sealing_public_key: row.sealing_public_key.into(),
        wrapped_sealing_key: row.wrapped_sealing_key.into(),
    }
}

pub(in crate::server) fn backup_store(row: BackupStoreRow) -> proto::BackupStoreReply {
    proto::BackupStoreReply { own: row.own, domain: row.domain }
}
