//! `brevdue alias backup`: which store the backups of an alias go to.

use crate::admin::Admin;
use crate::failure::{Failure, warn};
use crate::output::Output;
use directory::client::Error;
use directory::settings::NO_STORE;
use model::Address;
use serde::Serialize;

/// What is typed for "as the domain has it".
const INHERIT: &str = "inherit";

/// Where backups go, as people and programs are told.
#[derive(Serialize)]
struct Row {
    address: String,
    /// A store's name, `none`, or empty for the worker's first.
    store: String,
    /// Who says so: `alias`, `domain` or `worker`.
    said_by: &'static str,
}

/// Shows it, or changes it.
pub async fn run(admin: &Admin, address: &Address, store: Option<&str>, output: Output) -> Result<(), Failure> {
    let wanted = store.map(|store| if store.eq_ignore_ascii_case(INHERIT) { String::new() } else { store.to_owned() });
    let changes = wanted.is_some();
    let reply = admin.directory.backup_store(address, wanted).await.map_err(|error| match error {
        Error::NotFound(why) | Error::Refused(why) => Failure::refused(format!("{}: {why}", address.alias())),
        error => Failure::refused(error),
    })?;
    let (store, said_by) = match (reply.own, reply.domain) {
        (own, domain) if own.is_empty() && domain.is_empty() => (String::new(), "worker"),
        (own, domain) if own.is_empty() => (domain, "domain"),
        (own, _) => (own, "alias"),
    };
    let known = store.is_empty() || store == NO_STORE;
    if changes && !known && admin.config.backup.stores.iter().all(|each| each.name != store) {
        warn(&format!(
            "this configuration has no store {store}; where the worker has none either, backups wait on their node"
        ));
    }
    let row = Row { address: address.alias(), store, said_by };
    output.answer(&row, || vec![line(&row)])
}

fn line(row: &Row) -> String {
    let whose = match row.said_by {
        "alias" => "the alias has it so",
        "domain" => "its domain has it so",
        _ => "nobody says otherwise",
    };
    match row.store.as_str() {
        "" => format!("{}: backups go to the first store of the backup worker", row.address),
        NO_STORE => format!("{}: is not backed up; {whose}", row.address),
        store => format!("{}: backups go to the store {store}; {whose}", row.address),
    }
}
