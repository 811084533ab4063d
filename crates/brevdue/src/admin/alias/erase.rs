//! `brevdue alias erase`: everything that is kept of an alias, wherever it is; a report says what was removed where.
//!
//! The order makes a crash harmless: first nobody signs in, no mail is taken, and every wrapping of the key is gone, so that
//! nothing here opens what is left; the alias is forgotten last, so that until then the same command finds it and goes on.

use crate::admin::Admin;
use crate::failure::Failure;
use crate::output::Output;
use crate::terminal;
use backup::store::Store;
use daemon::tls::Internal;
use model::{Address, MailboxId, Role};
use node_client::queue::{Queue, Queues};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use wire::directory::Alias;
use wire::grpc;
use wire::node::{EraseRequest, ErasedFile};
use wire::queue::{Action, ChangeRequest, Entry, ListRequest};

/// Entries of a queue that are asked for at once.
const PAGE_ENTRIES: u32 = 500;

/// Does it.
pub async fn run(admin: &Admin, address: &Address, yes: bool, output: Output) -> Result<(), Failure> {
    let alias = address.alias();
    if admin.alone {
        let why = "its mailbox is with a node, and none runs on this folder; start `brevdue dev` on it";
        return Err(Failure::refused(why).of(&alias));
    }
    if admin.directory.credentials(address).await?.is_none() {
        let why = "there is no such alias, and nothing of it to be erased; `brevdue alias list` shows those there are";
        return Err(Failure::refused(why).of(&alias));
    }
    let question =
        format!("Erase {alias}, its mailbox, the mail that waits for it, and its backups? Nothing brings them back.");
    if !yes && !terminal::confirm(&question, "give --yes to erase without being asked")? {
        return Err(Failure::refused("not erased").of(&alias));
    }
    let closed = admin.directory.erase_alias(address, false).await?;
    let erased = everything(admin, &closed).await.map_err(|failure| {
        failure.of(&format!("{alias} is closed, and not all of it is erased; give the same command again"))
    })?;
    admin.directory.erase_alias(address, true).await?;
    output.answer(&erased, || erased.lines())
}

/// What was removed where.
#[derive(Serialize)]
struct Erased {
    address: String,
    mailbox_id: String,
    node: String,
    files: Vec<File>,
    queue_entries: u64,
    backups: Vec<Backups>,
}

#[derive(Serialize)]
struct File {
    what: String,
    /// On the node.
    path: String,
    octets: u64,
}

/// Objects that were removed from a store.
#[derive(Serialize)]
struct Backups {
    store: String,
    /// By name.
    objects: BTreeSet<String>,
    #[serde(skip)]
    place: Arc<Store>,
}

impl Erased {
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self
            .files
            .iter()
            .map(|file| format!("node {}: {}, {} octets, {}", self.node, file.what, file.octets, file.path))
            .collect();
        lines.push(format!("node {}: {} messages of its queue", self.node, self.queue_entries));
        lines
            .extend(self.backups.iter().map(|store| format!("store {}: {} objects", store.store, store.objects.len())));
        lines.push(format!("directory: {} with its credentials and keys", self.address));
        lines.push(format!("{} is erased.", self.address));
        lines
    }
}

async fn everything(admin: &Admin, alias: &Alias) -> Result<Erased, Failure> {
    let node = alias.placement.as_ref().map(|placement| placement.node_id.clone()).unwrap_or_default();
    let mailbox: MailboxId = alias.mailbox_id.parse()?;
    // First, to be told of: from the node on the backup worker removes them, too.
    let mut backups = Backups::list(admin, &mailbox).await?;
    let files = files(admin, &node, &alias.mailbox_id).await?;
    let queue_entries = queued(admin, &node, &alias.mailbox_id).await?;
    for store in &mut backups {
        store.erase(&mailbox).await?;
    }
    let (address, mailbox_id) = (alias.address.clone(), alias.mailbox_id.clone());
    Ok(Erased { address, mailbox_id, node, files, queue_entries, backups })
}

/// Has the node close and remove what it has.
async fn files(admin: &Admin, node: &str, mailbox_id: &str) -> Result<Vec<File>, Failure> {
    let nodes = admin.directory.nodes().await?;
    let found = nodes.into_iter().find(|each| each.id == node);
    let endpoint = found.ok_or_else(|| Failure::refused(format!("node {node} has not registered")))?.grpc_endpoint;
    let tls = Internal::load(&admin.config.internal, Role::Admin)?;
    let mut client = grpc::node_client(grpc::connect(&endpoint, Role::Node, tls.client)?);
    let answer = client.erase(EraseRequest { mailbox_id: mailbox_id.to_owned() }).await;
    let erased = answer.map_err(|status| Failure::refused(format!("node {node}: {}", status.message())))?;
    let file = |file: ErasedFile| File { what: file.name, path: file.path, octets: file.bytes };
    Ok(erased.into_inner().files.into_iter().map(file).collect())
}

/// Drops what the alias has sent and is not delivered yet; how much that was.
async fn queued(admin: &Admin, node: &str, mailbox_id: &str) -> Result<u64, Failure> {
    let tls = Internal::load(&admin.config.internal, Role::Admin)?;
    let queues = Queues::new(admin.directory.clone(), tls.client).all().await?;
    let mut dropped = 0;
    for queue in queues.iter().filter(|queue| queue.node() == node) {
        dropped += drop_of(queue, mailbox_id).await?;
    }
    Ok(dropped)
}

async fn drop_of(queue: &Queue, mailbox_id: &str) -> Result<u64, Failure> {
    let (mut after_entry, mut dropped) = (0, 0);
    loop {
        let request = ListRequest { destination: String::new(), limit: PAGE_ENTRIES, after_entry };
        let page = queue.list(request).await?;
        let Some(last) = page.entries.last().map(|entry| entry.entry) else { return Ok(dropped) };
        for entry in page.entries.iter().filter(|entry| is_of(entry, mailbox_id)) {
            queue
                .change(ChangeRequest { action: Action::Drop.into(), entry: entry.entry, ..ChangeRequest::default() })
                .await?;
            dropped += 1;
        }
        after_entry = last;
    }
}

fn is_of(entry: &Entry, mailbox_id: &str) -> bool {
    entry.envelope.as_ref().is_some_and(|envelope| envelope.sender_mailbox == mailbox_id)
}

impl Backups {
    /// What every store has of the mailbox.
    async fn list(admin: &Admin, mailbox: &MailboxId) -> Result<Vec<Self>, Failure> {
        let mut all = Vec::new();
        for (name, store) in backup::stores(&admin.config.backup)? {
            // One that cannot be asked now is not erased from either, and then the command is not done.
            let objects = store.objects(mailbox).await.unwrap_or_default();
            all.push(Self { objects: objects.into_iter().collect(), store: name, place: store });
        }
        Ok(all)
    }

    /// Removes it, and what has come since.
    async fn erase(&mut self, mailbox: &MailboxId) -> Result<(), Failure> {
        let erased = self.place.erase(mailbox).await;
        self.objects.extend(erased.map_err(|error| Failure::refused(error).of(&format!("store {}", self.store)))?);
        Ok(())
    }
}
