//! Checks of what goes with backups, as it comes over the wire.

use super::{address, parse, sized};
use crate::catalogue::SetBackupStore;
use crate::settings::Form;
use model::{Address, MailboxId};
use tonic::Status;
use wire::directory as proto;

/// Octets of what is kept beside a backup: every credential that an alias may have, its keys and its address.
const KEPT_BYTES_MAX: usize = 46 * 1024;

/// Whose it is, and the sealed octets.
pub(in crate::server) fn kept(request: &proto::OpenKeptRequest) -> Result<(MailboxId, Vec<u8>), Status> {
    Ok((parse(&request.mailbox_id, "mailbox id")?, sized(&request.kept, KEPT_BYTES_MAX, "what is kept")?))
}

/// Whose backups, and where they are to go.
pub(in crate::server) fn backup_store(
    request: &proto::BackupStoreRequest,
) -> Result<(Address, Option<SetBackupStore>), Status> {
    let address = address(&request.address)?;
    let Some(text) = &request.store else { return Ok((address, None)) };
    let wrong = || Status::invalid_argument(format!("store: {}", Form::Store));
    let store = Form::Store.read(text, "").ok_or_else(wrong)?;
    Ok((address.clone(), Some(SetBackupStore { address, store })))
}
