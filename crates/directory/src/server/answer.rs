//! Rows and errors of the catalogue as answers on the wire: the one place where they are translated.

mod keeping;
mod mail;
mod storage;

pub(super) use keeping::{backup_store, kept};

pub(super) use storage::{account, allowance, grant, stored};

pub(super) use mail::{details, key, keys, route, rule, sender, signing_key, webhook};

use crate::catalogue::{AliasRow, CredentialKind, CredentialRow, DomainRow, Error, NodeRow};
use tonic::{Code, Status};
use wire::directory as proto;

/// The gRPC status of an error; its text is the detail that clients may look at.
pub(super) fn status(error: &Error) -> Status {
    let code = match error {
        Error::UnknownDomain
        | Error::UnknownAlias
        | Error::UnknownMailbox
        | Error::UnknownAccount
        | Error::UnknownNode
        | Error::UnknownCredential
        | Error::UnknownRule
        | Error::UnknownWebhook
        | Error::UnknownKey => Code::NotFound,
        Error::DomainExists
        | Error::AliasExists
        | Error::MailboxExists
        | Error::CredentialExists
        | Error::RuleExists
        | Error::KeyExists => Code::AlreadyExists,
        Error::LastCredential
        | Error::AliasOpen
        | Error::AliasClosed
        | Error::ForeignKept
        | Error::NoNode
        | Error::WebhookInUse
        | Error::KeyInUse
        | Error::NoNextKey => Code::FailedPrecondition,
        Error::BadRule(_) | Error::BadSetting(_) => Code::InvalidArgument,
        Error::TooManyCredentials(_) | Error::TooManyToList(_) | Error::TooManyKeys(_) => Code::ResourceExhausted,
        Error::Stopped | Error::Random => Code::Unavailable,
        Error::NewerSchema { .. }
        | Error::OldEngine(_)
        | Error::InUse { .. }
        | Error::Open { .. }
        | Error::Key { .. }
        | Error::KeyLost { .. }
        | Error::Sealed(_)
        | Error::Storage(_)
        | Error::Damaged(_) => {
            tracing::error!(%error, "the catalogue failed");
            return Status::internal("the catalogue failed; its log says why");
        }
    };
    Status::new(code, error.to_string())
}

pub(super) fn alias(row: AliasRow, subaddress: Option<&str>) -> proto::Alias {
    proto::Alias {
        address: row.address,
        account: row.account,
        mailbox_id: row.mailbox_id,
        placement: Some(proto::Placement { node_id: row.node_id, epoch: row.epoch }),
        sealing_public_key: row.sealing_public_key.into(),
        disabled: row.disabled,
        born: row.born,
        subaddress: subaddress.unwrap_or_default().to_owned(),
    }
}

pub(super) fn credential(row: CredentialRow) -> proto::Credential {
    let kind = match row.kind {
        CredentialKind::Generated => proto::CredentialKind::Generated,
        CredentialKind::Chosen => proto::CredentialKind::Chosen,
        CredentialKind::Recovery => proto::CredentialKind::Recovery,
    };
    proto::Credential {
        id: row.id.to_string(),
        label: row.label,
        kind: kind.into(),
        wrapped_key: row.wrapped_key.into(),
        created_ms: row.created_ms,
    }
}

pub(super) fn domain(row: DomainRow) -> proto::Domain {
    proto::Domain { name: row.name, created_ms: row.created_ms }
}

pub(super) fn node(row: NodeRow) -> proto::NodeInfo {
    proto::NodeInfo { id: row.id, session_endpoints: row.session_endpoints, grpc_endpoint: row.grpc_endpoint }
}
