//! Checks of limits and grants as they come over the wire.

use super::{address, parse};
use crate::catalogue::{Grant, LimitAccount, LimitAlias, Space};
use model::{MailboxId, Octets};
use tonic::Status;
use wire::directory as proto;

/// Messages that a limit can be set to, or a mailbox hold: thousands of them add up in 64 bits.
const MESSAGES_MAX: u64 = 1 << 50;

fn space(given: Option<proto::Space>, what: &str) -> Result<Space, Status> {
    let proto::Space { bytes, messages } = given.unwrap_or_default();
    if bytes > Octets::MAX.get() || messages > MESSAGES_MAX {
        return Err(Status::invalid_argument(format!("{what}: more than there can be")));
    }
    Ok(Space { bytes, messages })
}

fn limit(given: Option<u64>, most: u64, what: &str) -> Result<Option<u64>, Status> {
    if given.is_some_and(|given| given > most) {
        return Err(Status::invalid_argument(format!("{what}: up to {most}, or 0 for no limit")));
    }
    Ok(given)
}

/// Whose grant, and its change; without one it is only looked at.
pub(in crate::server) fn grant(request: &proto::GrantRequest) -> Result<(MailboxId, Option<Grant>), Status> {
    let mailbox: MailboxId = parse(&request.mailbox_id, "mailbox id")?;
    let Some(version) = request.version else { return Ok((mailbox, None)) };
    let grant = Grant {
        mailbox,
        version,
        held: space(request.held, "held")?,
        waiting: space(request.waiting, "waiting")?,
        promised: space(request.promised, "promised")?,
        least: space(request.least, "least")?,
        wish: space(request.wish, "wish")?,
    };
    Ok((mailbox, Some(grant)))
}

/// Limits of an account.
pub(in crate::server) fn limit_account(request: &proto::LimitAccountRequest) -> Result<LimitAccount, Status> {
    Ok(LimitAccount {
        account: parse(&request.account, "account")?,
        bytes_max: limit(request.bytes_max, Octets::MAX.get(), "octets")?,
        messages_max: limit(request.messages_max, MESSAGES_MAX, "messages")?,
    })
}

/// Limits of an alias.
pub(in crate::server) fn limit_alias(request: &proto::LimitAliasRequest) -> Result<LimitAlias, Status> {
    Ok(LimitAlias {
        address: address(&request.address)?,
        bytes_max: limit(request.bytes_max, Octets::MAX.get(), "octets")?,
        messages_max: limit(request.messages_max, MESSAGES_MAX, "messages")?,
    })
}
