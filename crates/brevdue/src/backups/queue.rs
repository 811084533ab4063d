//! `backup queue …`: backups of the nodes' queues, listed, and brought back. Only the node that it was knows the key, and no password.

use super::Row;
use super::look::{self, Found, Looked};
use super::restore::{fetch, send};
use super::scratch::Scratch;
use crate::admin::Admin;
use crate::cli::BackupQueueCommand;
use crate::failure::Failure;
use crate::output::{Output, table};
use backup::Node;
use model::QueueId;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::Path;
use wire::backup::{Kind, RestoreBegin, RestoreReply};

/// The kind of its backups, and where their folders are.
const KIND: &str = "queue";
const QUEUES: &str = "queues/";

/// Does what was asked.
pub async fn run(admin: &Admin, command: &BackupQueueCommand, output: Output) -> Result<(), Failure> {
    match command {
        BackupQueueCommand::List { queue } => list(admin, queue.as_deref(), output).await,
        BackupQueueCommand::Restore { queue, backup, node } => {
            restore(admin, queue, (backup.as_deref(), node.as_deref()), output).await
        }
    }
}

#[derive(Serialize)]
struct QueueRow {
    queue: String,
    #[serde(flatten)]
    row: Row,
}

async fn list(admin: &Admin, queue: Option<&str>, output: Output) -> Result<(), Failure> {
    let named = queue.map(parse).transpose()?;
    let (stores, unread) = look::answering(super::stores(admin)?).await;
    let mut queues: BTreeSet<String> = named.iter().map(QueueId::to_string).collect();
    if named.is_none() {
        for (name, store) in &stores {
            let found = store.subjects(QUEUES).await;
            queues.extend(found.map_err(|error| Failure::refused(error).of(&format!("store {name}")))?);
        }
    }
    let (mut rows, mut all) = (Vec::new(), Looked { unread, ..Looked::default() });
    for queue in queues {
        let looked = look::within(&stores, KIND, &queue).await;
        rows.extend(
            looked
                .whole
                .iter()
                .map(|found| QueueRow { queue: queue.clone(), row: Row::new(&found.name, &found.manifest) }),
        );
        all.lost.extend(looked.lost);
        all.unread.extend(looked.unread);
    }
    all.tell();
    output.answer(&rows, || lines(&rows))?;
    look::everything(&all.unread)
}

fn parse(queue: &str) -> Result<QueueId, Failure> {
    queue.parse().map_err(|error| Failure::refused(error).of(queue))
}

fn lines(rows: &[QueueRow]) -> Vec<String> {
    if rows.is_empty() {
        return vec!["no backups of queues".to_owned()];
    }
    let head = ["QUEUE", "ID", "TIME", "OCTETS", "MESSAGES", "STORE"].map(str::to_owned).to_vec();
    let cells = |row: &QueueRow| [vec![row.queue.clone()], row.row.cells()].concat();
    table(&std::iter::once(head).chain(rows.iter().map(cells)).collect::<Vec<_>>())
}

#[derive(Serialize)]
struct Restored {
    backup: String,
    time: String,
    node: String,
    /// Messages that are held now.
    messages: u64,
    /// Messages that were there, or had come from a backup before.
    already_there: u64,
}

async fn restore(
    admin: &Admin,
    queue: &str,
    (backup, node): (Option<&str>, Option<&str>),
    output: Output,
) -> Result<(), Failure> {
    let id = parse(queue)?;
    let looked = look::of(&admin.config.backup, KIND, &id.to_string()).await?;
    let found = looked.choose(backup, "backup queue list").map_err(|failure| failure.of(&format!("queue {id}")))?;
    let nodes = super::nodes(admin)?;
    let nodes = match node {
        Some(label) => vec![nodes.of(label).await?],
        None => nodes.all().await?,
    };
    let scratch = Scratch::make()?;
    let file = fetch(&found, &scratch).await?;
    let (node, reply) = first_that_opens(&nodes, &id, &found, &file).await?;
    let manifest = found.manifest;
    let RestoreReply { messages, there, .. } = reply;
    let done = Restored { backup: manifest.id, time: manifest.time, node, messages, already_there: there };
    output.answer(&done, || {
        vec![
            format!("{messages} messages of {} ({}) are held on node {}", done.backup, done.time, done.node),
            format!("{there} were there already, or had been restored within a day and a half"),
            "look with `brevdue queue list` and `show`; `queue release` lets them go, `queue drop` ends them"
                .to_owned(),
        ]
    })
}

/// The node that has the key takes it; the others say that theirs does not open it.
async fn first_that_opens(
    nodes: &[Node],
    id: &QueueId,
    found: &Found,
    file: &Path,
) -> Result<(String, RestoreReply), Failure> {
    let mut refused = Vec::new();
    for node in nodes {
        let begin = RestoreBegin { mailbox_id: id.to_string(), kind: Kind::Queue.into(), ..RestoreBegin::default() };
        match send(node, begin, found, file).await {
            Ok(reply) => return Ok((node.id().to_owned(), reply)),
            Err(Failure::Usage(why) | Failure::Refused(why)) => refused.push(why),
        }
    }
    Err(Failure::refused(if refused.is_empty() { "no node has registered".to_owned() } else { refused.join("; ") }))
}
