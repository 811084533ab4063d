//! `backup list`: what is in the stores, and what its node says of what is not.

use super::{Row, alias, look, node_of, waiting};
use crate::admin::Admin;
use crate::failure::Failure;
use crate::output::{Output, moment, table};
use crate::owner;
use directory::settings::NO_STORE;
use wire::backup::StateReply;
use wire::directory::BackupStoreReply;

/// Lists.
pub async fn run(admin: &Admin, address: &str, output: Output) -> Result<(), Failure> {
    let address = owner::address(address)?;
    let (alias, mailbox) = alias(admin, &address).await?;
    let looked = look::of_mailbox(admin, &mailbox).await?;
    looked.tell();
    let rows: Vec<Row> = looked.whole.iter().map(|found| Row::new(&found.name, &found.manifest)).collect();
    // A node that is down keeps nobody from what is in the stores.
    let state = match node_of(admin, &alias).await {
        Ok(node) => node.state(&mailbox).await.ok(),
        Err(_) => None,
    };
    let store = admin.directory.backup_store(&address, None).await?;
    let to = where_to(&store, |name| admin.config.backup.stores.iter().any(|known| known.name == name));
    // What changes is in no snapshot then, and is not to be.
    let state = if nowhere(&store).is_some() { Some(StateReply::default()) } else { state };
    // Of people's interest alone: programs ask for them by their own command.
    let waiting = waiting::look(admin, &mailbox).await?.whole;
    output.answer(&rows, || {
        let mut lines = lines(&rows, &to, state.as_ref());
        lines.extend(waiting.first().map(|newest| {
            let (count, time, alias) = (waiting.len(), &newest.manifest.time, address.alias());
            format!("{count} backups of waiting mail, the newest of {time}: `brevdue backup list {alias} --waiting`")
        }));
        lines
    })?;
    look::everything(&looked.unread)
}

/// Who says that there are no backups, if anybody does.
pub fn nowhere(store: &BackupStoreReply) -> Option<&'static str> {
    match (store.own.as_str(), store.domain.as_str()) {
        (NO_STORE, _) => Some("the alias"),
        ("", NO_STORE) => Some("its domain"),
        _ => None,
    }
}

/// Where the next backup goes, in a line; empty where that goes without saying.
fn where_to(store: &BackupStoreReply, is_known: impl Fn(&str) -> bool) -> String {
    let (name, whose) = match (store.own.as_str(), store.domain.as_str()) {
        ("", "") => return String::new(),
        ("", domain) => (domain, "its domain"),
        (own, _) => (own, "the alias"),
    };
    match name {
        _ if nowhere(store).is_some() => format!("NOT BACKED UP: the backup store of {whose} is none"),
        name if is_known(name) => format!("the next goes to the store {name}, as {whose} has it"),
        name => format!("the next goes to the store {name}, as {whose} has it, which this configuration does not have"),
    }
}

fn lines(rows: &[Row], to: &str, state: Option<&StateReply>) -> Vec<String> {
    let head = ["ID", "TIME", "OCTETS", "MESSAGES", "STORE"].map(str::to_owned).to_vec();
    let mut lines = table(&std::iter::once(head).chain(rows.iter().map(Row::cells)).collect::<Vec<_>>());
    if rows.is_empty() {
        lines = vec!["no backups".to_owned()];
    }
    lines.extend(Some(to.to_owned()).filter(|to| !to.is_empty()));
    lines.extend(state.map_or_else(|| vec!["its node cannot be asked what waits".to_owned()], said));
    lines
}

/// What is not in a store, and why.
fn said(state: &StateReply) -> Vec<String> {
    let late = if state.late { "LATE: " } else { "" };
    let mut lines = Vec::new();
    if state.uploaded && !state.why.is_empty() {
        return lines;
    }
    if state.due_since_ms > 0 {
        let since = moment(state.due_since_ms);
        lines.push(format!(
            "{late}changes since {since} are in no snapshot yet: one is made while the owner is signed in"
        ));
    }
    if let Some(newest) = state.newest.as_ref().filter(|_| !state.uploaded) {
        let why = if state.why.is_empty() { "it is on its way" } else { &state.why };
        lines.push(format!("{late}the snapshot of {} is in no store yet: {why}", moment(newest.taken_ms)));
    }
    lines
}
