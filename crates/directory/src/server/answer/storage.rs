//! Limits, grants and accounts as answers on the wire.

use crate::catalogue::{AccountRow, Allowance, Granted, Space, StoredRow};
use wire::directory as proto;

fn space(space: Space) -> Option<proto::Space> {
    Some(proto::Space { bytes: space.bytes, messages: space.messages })
}

pub(in crate::server) fn allowance(allowance: Allowance) -> proto::AllowanceReply {
    proto::AllowanceReply {
        alias: space(allowance.alias),
        account: space(allowance.account),
        domain: space(allowance.domain),
        address: allowance.address,
        account_id: allowance.account_id,
        not_backed_up: allowance.not_backed_up,
    }
}

pub(in crate::server) fn grant(granted: Granted) -> proto::GrantReply {
    let Granted { applied, version, granted, held, others } = granted;
    proto::GrantReply { applied, version, granted: space(granted), held: space(held), others: space(others) }
}

pub(in crate::server) fn account(row: AccountRow) -> proto::Account {
    proto::Account { id: row.id, limit: space(row.limit), aliases: row.aliases.into_iter().map(stored).collect() }
}

pub(in crate::server) fn stored(row: StoredRow) -> proto::StoredAlias {
    proto::StoredAlias {
        address: row.address,
        limit: space(row.limit),
        used: space(row.used),
        waiting: space(row.waiting),
        granted: space(row.granted),
        told_ms: row.told_ms,
    }
}
