//! `backup list`: what is in the stores, and what its node says of what is not.

use super::{Row, alias, backups, node_of};
use crate::admin::Admin;
use crate::failure::Failure;
use crate::output::{Output, moment, table};
use crate::owner;
use wire::backup::StateReply;

/// Lists.
pub async fn run(admin: &Admin, address: &str, output: Output) -> Result<(), Failure> {
    let address = owner::address(address)?;
    let (alias, mailbox) = alias(admin, &address).await?;
    let rows: Vec<Row> =
        backups(admin, &mailbox).await?.iter().map(|found| Row::new(&found.name, &found.manifest)).collect();
    // A node that is down keeps nobody from what is in the stores.
    let state = match node_of(admin, &alias).await {
        Ok(node) => node.state(&mailbox).await.ok(),
        Err(_) => None,
    };
    output.answer(&rows, || lines(&rows, state.as_ref()))
}

fn lines(rows: &[Row], state: Option<&StateReply>) -> Vec<String> {
    let head = ["ID", "TIME", "OCTETS", "MESSAGES", "STORE"].map(str::to_owned).to_vec();
    let cells = |row: &Row| {
        vec![row.id.clone(), row.time.clone(), row.bytes.to_string(), row.messages.to_string(), row.store.clone()]
    };
    let mut lines = table(&std::iter::once(head).chain(rows.iter().map(cells)).collect::<Vec<_>>());
    if rows.is_empty() {
        lines = vec!["no backups".to_owned()];
    }
    lines.extend(state.map_or_else(|| vec!["its node cannot be asked what waits".to_owned()], said));
    lines
}

/// What is not in a store, and why.
fn said(state: &StateReply) -> Vec<String> {
    let late = if state.late { "LATE: " } else { "" };
    let mut lines = Vec::new();
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
