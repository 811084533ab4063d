//! `backup list --waiting` and `backup restore --waiting`: mail that waited for its owner. It is sealed to the owner, under a key of its
//! node besides: no password is needed to bring it back, and none opens it here.

use super::look::{self, Looked};
use super::restore::{fetch, send};
use super::scratch::Scratch;
use super::{Row, alias, node_of};
use crate::admin::Admin;
use crate::cli::RestoreArgs;
use crate::failure::Failure;
use crate::output::{Output, table};
use crate::owner;
use model::MailboxId;
use serde::Serialize;
use wire::backup::{Kind, RestoreBegin, RestoreReply};

/// The kind of its backups.
const KIND: &str = "waiting";

/// Every backup of it.
pub async fn look(admin: &Admin, mailbox: &MailboxId) -> Result<Looked, Failure> {
    look::of(&admin.config.backup, KIND, &mailbox.to_string()).await
}

/// Lists.
pub async fn list(admin: &Admin, address: &str, output: Output) -> Result<(), Failure> {
    let (_, mailbox) = alias(admin, &owner::address(address)?).await?;
    let looked = look(admin, &mailbox).await?;
    looked.tell();
    let rows: Vec<Row> = looked.whole.iter().map(|found| Row::new(&found.name, &found.manifest)).collect();
    output.answer(&rows, || lines(&rows))?;
    look::everything(&looked.unread)
}

fn lines(rows: &[Row]) -> Vec<String> {
    if rows.is_empty() {
        return vec!["no backups of waiting mail".to_owned()];
    }
    let head = ["ID", "TIME", "OCTETS", "MESSAGES", "STORE"].map(str::to_owned).to_vec();
    table(&std::iter::once(head).chain(rows.iter().map(Row::cells)).collect::<Vec<_>>())
}

#[derive(Serialize)]
struct Restored {
    backup: String,
    time: String,
    to: String,
    /// Messages that wait again.
    messages: u64,
    /// Messages that waited still.
    already_there: u64,
}

/// Restores: what does not wait now waits again.
pub async fn restore(admin: &Admin, args: &RestoreArgs, output: Output) -> Result<(), Failure> {
    let address = owner::address(args.address.as_deref().unwrap_or_default())?;
    let (alias, mailbox) = alias(admin, &address).await?;
    let name = address.alias();
    let found = look(admin, &mailbox).await?.choose(args.backup.as_deref(), "backup list ADDRESS --waiting");
    let found = found.map_err(|failure| failure.of(&format!("waiting mail of {name}")))?;
    let node = node_of(admin, &alias).await?;
    let scratch = Scratch::make()?;
    let file = fetch(&found, &scratch).await?;
    let begin = RestoreBegin { mailbox_id: mailbox.to_string(), kind: Kind::Waiting.into(), ..RestoreBegin::default() };
    let RestoreReply { messages, there, .. } = send(&node, begin, &found, &file).await?;
    let manifest = found.manifest;
    let done = Restored { backup: manifest.id, time: manifest.time, to: name, messages, already_there: there };
    output.answer(&done, || {
        vec![
            format!("{messages} messages of {} ({}) wait for {} again", done.backup, done.time, done.to),
            format!("{there} were waiting already; what the mailbox had within a month does not come twice"),
        ]
    })
}
