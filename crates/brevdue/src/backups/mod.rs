//! `brevdue backup …`: backups of mailboxes, made, listed, restored and tried out. The stores are read where the configuration
//! says, and opened with the owner's key in a scratch folder.

pub mod catalogue;
mod drill;
mod everybody;
mod list;
mod now;
mod part;
mod progress;
mod restore;
mod scratch;
mod store;
mod unlock;

use crate::admin::Admin;
use crate::cli::BackupCommand;
use crate::failure::{Failure, warn};
use crate::output::Output;
use backup::Nodes;
use backup::manifest::Manifest;
use backup::store::Store;
use daemon::config;
use daemon::tls::Internal;
use model::{Address, MailboxId, Role};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::directory::Alias;

/// Does what was asked.
pub async fn run(admin: &Admin, command: &BackupCommand, output: Output) -> Result<(), Failure> {
    match command {
        BackupCommand::Now { address, password_file } => {
            now::run(admin, address, password_file.as_deref(), output).await
        }
        BackupCommand::List { address: Some(address) } => list::run(admin, address, output).await,
        BackupCommand::List { address: None } => everybody::run(admin, output).await,
        BackupCommand::Catalogue(command) => catalogue::run(admin, command, output).await,
        BackupCommand::Store(command) => store::run(admin, command, output).await,
        BackupCommand::Restore(args) => restore::run(admin, args, output).await,
        BackupCommand::Drill { address, password_file, sample } => {
            drill::run(admin, address.as_deref(), password_file.as_deref(), *sample, output).await
        }
    }
}

/// A backup, as people and programs are told of it.
#[derive(Debug, Clone, Serialize)]
struct Row {
    id: String,
    time: String,
    bytes: u64,
    messages: u64,
    sha256: String,
    store: String,
}

impl Row {
    fn new(store: &str, manifest: &Manifest) -> Self {
        Self {
            id: manifest.id.clone(),
            time: manifest.time.clone(),
            bytes: manifest.bytes,
            messages: manifest.messages,
            sha256: manifest.sha256.clone(),
            store: store.to_owned(),
        }
    }
}

/// A backup with the store that has it.
struct Found {
    store: Arc<Store>,
    name: String,
    manifest: Manifest,
}

fn stores(admin: &Admin) -> Result<BTreeMap<String, Arc<Store>>, Failure> {
    stores_of(&admin.config.backup)
}

fn stores_of(config: &config::Backup) -> Result<BTreeMap<String, Arc<Store>>, Failure> {
    let stores = backup::stores(config)?;
    if stores.is_empty() {
        let why = "the configuration names no store; describe it in [[backup.stores]] as for the backup worker";
        return Err(Failure::refused(why));
    }
    Ok(stores)
}

/// Every backup of a mailbox in every store, the newest first.
async fn backups(admin: &Admin, mailbox: &MailboxId) -> Result<Vec<Found>, Failure> {
    backups_of(&admin.config.backup, "mailbox", &mailbox.to_string()).await
}

/// Every backup of a subject in every store, the newest first. What is none any more is told beside.
async fn backups_of(config: &config::Backup, kind: &str, subject: &str) -> Result<Vec<Found>, Failure> {
    let (whole, lost) = all_of(config, kind, subject).await?;
    for Found { name, manifest, .. } in lost {
        let (id, time) = (&manifest.id, &manifest.time);
        warn(&format!(
            "store {name}: the backup {id} of {time} counts for nothing: its data was deleted there, or cut short; \
             `brevdue backup store check {name}` tells of rules that delete"
        ));
    }
    Ok(whole)
}

/// Every backup of a subject in every store, and what were some, the newest first.
async fn all_of(config: &config::Backup, kind: &str, subject: &str) -> Result<(Vec<Found>, Vec<Found>), Failure> {
    let (mut whole, mut lost) = (Vec::new(), Vec::new());
    for (name, store) in stores_of(config)? {
        let all = store.all(kind, subject).await;
        let all = all.map_err(|error| Failure::refused(error).of(&format!("store {name}")))?;
        let found = |manifest| Found { store: store.clone(), name: name.clone(), manifest };
        whole.extend(all.whole.into_iter().map(found));
        lost.extend(all.lost.into_iter().map(found));
    }
    for side in [&mut whole, &mut lost] {
        side.sort_by(|a, b| b.manifest.time.cmp(&a.manifest.time).then_with(|| b.manifest.id.cmp(&a.manifest.id)));
    }
    Ok((whole, lost))
}

/// Every backup of a mailbox and what were some: to try out, both.
async fn tried(admin: &Admin, mailbox: &MailboxId) -> Result<Vec<Found>, Failure> {
    let (mut all, lost) = all_of(&admin.config.backup, "mailbox", &mailbox.to_string()).await?;
    all.extend(lost);
    Ok(all)
}

/// The alias, its mailbox, and the label of its node.
async fn alias(admin: &Admin, address: &Address) -> Result<(Alias, MailboxId), Failure> {
    let found = admin.directory.resolve(address).await?;
    let none = || {
        let why = "there is no such alias; `brevdue alias list` shows them, and `brevdue backup list` the mailboxes that there are backups of";
        Failure::refused(why).of(&address.alias())
    };
    let found = found.ok_or_else(none)?;
    let mailbox = found.mailbox_id.parse().map_err(|_| none())?;
    Ok((found, mailbox))
}

/// How the nodes write their files.
fn options(admin: &Admin) -> mailbox::Options {
    let cipher = match admin.config.node.cipher {
        daemon::config::Cipher::ChaCha20 => mailbox::Cipher::ChaCha20,
        daemon::config::Cipher::SqlCipher4 => mailbox::Cipher::SqlCipher4,
    };
    mailbox::Options { cipher, ..mailbox::Options::default() }
}

fn nodes(admin: &Admin) -> Result<Nodes, Failure> {
    let tls = Internal::load(&admin.config.internal, Role::Admin)?;
    Ok(Nodes::new(admin.directory.clone(), tls.client))
}

/// The node that has the alias's mailbox.
async fn node_of(admin: &Admin, alias: &Alias) -> Result<backup::Node, Failure> {
    let label = alias.placement.as_ref().map(|placement| placement.node_id.clone()).unwrap_or_default();
    Ok(nodes(admin)?.of(&label).await?)
}
