//! Checks of what comes over the wire: nothing reaches the catalogue that is not of the right form and size.

mod keeping;
mod mail;
mod storage;

pub(super) use mail::{add_rule, add_webhook, algorithm, change_rule, change_webhook, rule_name, selector, set_domain};

pub(super) use keeping::{backup_store, kept};

pub(super) use storage::{grant, limit_account, limit_alias};

use crate::catalogue::{
    AddAlias, AddCredential, CREDENTIALS_PER_ALIAS_MAX, CredentialKind, CredentialRow, RegisterNode, RevokeCredential,
};
use model::{Address, Domain};
use std::str::FromStr;
use tonic::Status;
use wire::directory as proto;

/// Octets of an address or domain as a caller may write it, before it is normalised: in UTF-8 with escapes.
const NAME_BYTES_MAX: usize = 1_024;
/// Octets of a credential's wrapped key: some 100 are used.
const WRAPPED_KEY_BYTES_MAX: usize = 1_024;
/// Octets of a wrapped private sealing key: an X-Wing seed, or the expanded key.
const WRAPPED_SEALING_KEY_BYTES_MAX: usize = 4_096;
/// Octets of a `host:port`.
const ENDPOINT_BYTES_MAX: usize = 270;
/// Shards of one node: more than any machine has cores.
const SHARDS_MAX: usize = 1_024;

/// An address in any spelling.
pub(super) fn address(text: &str) -> Result<Address, Status> {
    parse(text, "address")
}

/// A domain in any spelling.
pub(super) fn domain(text: &str) -> Result<Domain, Status> {
    parse(text, "domain")
}

/// A value of the model, with its own complaint when it is not one.
pub(super) fn parse<T: FromStr<Err: std::fmt::Display>>(text: &str, what: &str) -> Result<T, Status> {
    if text.len() > NAME_BYTES_MAX {
        return Err(Status::invalid_argument(format!("{what}: longer than {NAME_BYTES_MAX} octets")));
    }
    text.parse().map_err(|error| Status::invalid_argument(format!("{what}: {error}")))
}

/// A new alias. Without an account the alias is its own, named after its mailbox.
pub(super) fn add_alias(request: proto::AddAliasRequest) -> Result<AddAlias, Status> {
    let account = if request.account.is_empty() { &request.mailbox_id } else { &request.account };
    vault::sealing::PublicKey::from_bytes(&request.sealing_public_key)
        .map_err(|_| Status::invalid_argument("sealing public key: not an X-Wing key"))?;
    let credentials = request.credentials.into_iter().map(credential).collect::<Result<Vec<_>, _>>()?;
    if !credentials.iter().any(|credential| credential.kind == CredentialKind::Recovery) {
        return Err(Status::invalid_argument("credentials: the recovery key is missing"));
    }
    if credentials.len() > CREDENTIALS_PER_ALIAS_MAX {
        return Err(Status::invalid_argument("credentials: too many"));
    }
    let own = address(&request.address)?;
    let rule = if request.targets.is_empty() { None } else { Some(mail::rule_of_alias(&own, request.targets)?) };
    Ok(AddAlias {
        address: own,
        account: parse(account, "account")?,
        mailbox: parse(&request.mailbox_id, "mailbox id")?,
        sealing_public_key: request.sealing_public_key.to_vec(),
        wrapped_sealing_key: sized(&request.wrapped_sealing_key, WRAPPED_SEALING_KEY_BYTES_MAX, "wrapped sealing key")?,
        credentials,
        node: if request.node_id.is_empty() { None } else { Some(parse(&request.node_id, "node id")?) },
        rule,
    })
}

/// A new credential of an alias.
pub(super) fn add_credential(request: proto::AddCredentialRequest) -> Result<AddCredential, Status> {
    let given = request.credential.ok_or_else(|| Status::invalid_argument("credential: missing"))?;
    Ok(AddCredential { address: address(&request.address)?, credential: credential(given)? })
}

/// The credential to take away.
pub(super) fn revoke_credential(request: proto::RevokeCredentialRequest) -> Result<RevokeCredential, Status> {
    Ok(RevokeCredential { address: address(&request.address)?, label: label(request.label)? })
}

/// A node with its endpoints.
pub(super) fn register_node(request: proto::NodeInfo) -> Result<RegisterNode, Status> {
    if request.session_endpoints.is_empty() || request.session_endpoints.len() > SHARDS_MAX {
        return Err(Status::invalid_argument(format!("session endpoints: 1 to {SHARDS_MAX} are needed")));
    }
    Ok(RegisterNode {
        id: parse(&request.id, "node id")?,
        session_endpoints: request.session_endpoints.into_iter().map(endpoint).collect::<Result<_, _>>()?,
        grpc_endpoint: endpoint(request.grpc_endpoint)?,
    })
}

fn credential(given: proto::Credential) -> Result<CredentialRow, Status> {
    let kind = match given.kind() {
        proto::CredentialKind::Generated => CredentialKind::Generated,
        proto::CredentialKind::Chosen => CredentialKind::Chosen,
        proto::CredentialKind::Recovery => CredentialKind::Recovery,
    };
    // `kind()` reads an unknown number as the first kind.
    if proto::CredentialKind::try_from(given.kind).is_err() {
        return Err(Status::invalid_argument("credential: unknown kind"));
    }
    Ok(CredentialRow {
        id: parse(&given.id, "credential id")?,
        label: label(given.label)?,
        kind,
        wrapped_key: sized(&given.wrapped_key, WRAPPED_KEY_BYTES_MAX, "wrapped key")?,
        created_ms: jiff::Timestamp::now().as_millisecond(),
    })
}

/// A label as people write it: no control characters, no blanks around it.
fn label(text: String) -> Result<String, Status> {
    let fits = (1..=model::limits::LABEL_BYTES_MAX).contains(&text.len());
    if fits && text.trim() == text && !text.chars().any(char::is_control) {
        return Ok(text);
    }
    let most = model::limits::LABEL_BYTES_MAX;
    Err(Status::invalid_argument(format!("label: 1 to {most} octets, no control characters, no blanks around it")))
}

fn sized(bytes: &[u8], most: usize, what: &str) -> Result<Vec<u8>, Status> {
    if bytes.is_empty() || bytes.len() > most {
        return Err(Status::invalid_argument(format!("{what}: 1 to {most} octets are needed")));
    }
    Ok(bytes.to_vec())
}

/// `host:port`, where the host may be a name, an IPv4 address or an IPv6 address in brackets.
fn endpoint(text: String) -> Result<String, Status> {
    let host_and_port = text.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    if text.len() > ENDPOINT_BYTES_MAX || host_and_port.is_none() || !plain {
        return Err(Status::invalid_argument("endpoint: not of the form host:port"));
    }
    Ok(text)
}
