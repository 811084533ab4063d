//! `brevdue mailbox aside`: files that were damaged or replaced and are kept on the nodes, until the operator removes them.

use super::Admin;
use crate::cli::AsideCommand;
use crate::failure::Failure;
use crate::output::{Output, moment, table};
use crate::terminal;
use daemon::tls::Internal;
use model::Role;
use serde::Serialize;
use std::collections::HashMap;
use tonic::transport::Channel;
use wire::grpc;
use wire::node::node_client::NodeClient;
use wire::node::{AsideFile, AsideKind, DiscardAsideRequest, ListAsideRequest};

/// Does what was asked.
pub async fn run(admin: &Admin, command: &AsideCommand, output: Output) -> Result<(), Failure> {
    match command {
        AsideCommand::List => list(admin, output).await,
        AsideCommand::Discard { name, yes } => discard(admin, name, *yes, output).await,
    }
}

/// Every node by its id, and how it is asked.
async fn nodes(admin: &Admin) -> Result<Vec<(String, NodeClient<Channel>)>, Failure> {
    let mut clients = Vec::new();
    for node in admin.directory.nodes().await? {
        let tls = Internal::load(&admin.config.internal, Role::Admin)?;
        clients.push((node.id, grpc::node_client(grpc::connect(&node.grpc_endpoint, Role::Node, tls.client)?)));
    }
    Ok(clients)
}

fn refused(node: &str, status: &tonic::Status) -> Failure {
    Failure::refused(format!("node {node}: {}", status.message()))
}

async fn files(admin: &Admin) -> Result<(Vec<Row>, u64), Failure> {
    let aliases = admin.directory.list_aliases(None).await?;
    let addresses: HashMap<_, _> = aliases.into_iter().map(|alias| (alias.mailbox_id, alias.address)).collect();
    let (mut rows, mut total) = (Vec::new(), 0);
    for (node, mut client) in nodes(admin).await? {
        let listed =
            client.list_aside(ListAsideRequest {}).await.map_err(|status| refused(&node, &status))?.into_inner();
        total += listed.total;
        rows.extend(listed.files.into_iter().map(|file| Row::new(&node, file, &addresses)));
    }
    Ok((rows, total))
}

async fn list(admin: &Admin, output: Output) -> Result<(), Failure> {
    let (files, total) = files(admin).await?;
    let listed = Listed { total, files };
    output.answer(&listed, || listed.lines())
}

async fn discard(admin: &Admin, name: &str, yes: bool, output: Output) -> Result<(), Failure> {
    let question = format!("Remove {name} for good? What is in it and was not saved is gone then.");
    if !yes && !terminal::confirm(&question, "give --yes to remove without being asked")? {
        return Err(Failure::refused("not removed"));
    }
    for (node, mut client) in nodes(admin).await? {
        match client.discard_aside(DiscardAsideRequest { name: name.to_owned() }).await {
            Ok(removed) => {
                let discarded = Discarded { node, name: name.to_owned(), octets: removed.into_inner().bytes };
                return output.answer(&discarded, || {
                    vec![format!("node {}: removed {}, {} octets", discarded.node, discarded.name, discarded.octets)]
                });
            }
            Err(status) if status.code() == tonic::Code::NotFound => {}
            Err(status) => return Err(refused(&node, &status)),
        }
    }
    Err(Failure::refused(format!(
        "no node keeps a file of the name {name}; `brevdue mailbox aside list` has the names"
    )))
}

#[derive(Serialize)]
struct Listed {
    total: u64,
    files: Vec<Row>,
}

impl Listed {
    fn lines(&self) -> Vec<String> {
        if self.files.is_empty() {
            return vec!["nothing was moved aside".to_owned()];
        }
        let head = ["NODE", "NAME", "WHAT", "ADDRESS", "TIME", "OCTETS", "WHY"].map(str::to_owned).to_vec();
        let rows: Vec<_> = std::iter::once(head).chain(self.files.iter().map(Row::cells)).collect();
        let mut lines = table(&rows);
        if self.total > self.files.len() as u64 {
            lines.push(format!("{} of {} files", self.files.len(), self.total));
        }
        lines
    }
}

#[derive(Serialize)]
struct Discarded {
    node: String,
    name: String,
    octets: u64,
}

/// A file as it is told.
#[derive(Serialize)]
struct Row {
    node: String,
    name: String,
    what: &'static str,
    /// Empty for a queue.
    #[serde(skip_serializing_if = "String::is_empty")]
    mailbox_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    queue_id: String,
    /// None when no alias has this mailbox any more.
    address: Option<String>,
    time: String,
    octets: u64,
    why: String,
}

impl Row {
    fn new(node: &str, file: AsideFile, addresses: &HashMap<String, String>) -> Self {
        let what = match file.kind() {
            AsideKind::Mailbox => "mailbox",
            AsideKind::Waiting => "waiting mail",
            AsideKind::Queue => "queue",
            AsideKind::Unspecified => "unknown",
        };
        let (mailbox_id, queue_id) = match file.kind() {
            AsideKind::Queue => (String::new(), file.id),
            AsideKind::Mailbox | AsideKind::Waiting | AsideKind::Unspecified => (file.id, String::new()),
        };
        Self {
            node: node.to_owned(),
            what,
            address: addresses.get(&mailbox_id).cloned(),
            time: moment(file.at_ms),
            octets: file.bytes,
            why: if file.why.is_empty() { "a backup took its place".to_owned() } else { file.why },
            name: file.name,
            mailbox_id,
            queue_id,
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.node.clone(),
            self.name.clone(),
            self.what.to_owned(),
            match (&self.address, self.queue_id.as_str()) {
                (Some(address), _) => address.clone(),
                (None, "") => "(erased)".to_owned(),
                (None, queue) => queue.to_owned(),
            },
            self.time.clone(),
            self.octets.to_string(),
            self.why.lines().take(3).collect::<Vec<_>>().join("; "),
        ]
    }
}
