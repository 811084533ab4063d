//! `brevdue backup …`: backups of mailboxes, made, listed, restored and tried out. The stores are read where the configuration
//! says, and opened with the owner's key in a scratch folder.

pub mod catalogue;
mod drill;
mod everybody;
mod list;
mod look;
mod now;
mod part;
mod progress;
mod queue;
mod restore;
mod scratch;
mod store;
mod unlock;
mod waiting;

use crate::admin::Admin;
use crate::cli::BackupCommand;
use crate::failure::Failure;
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
        BackupCommand::List { address: Some(address), waiting: false } => list::run(admin, address, output).await,
        BackupCommand::List { address: Some(address), waiting: true } => waiting::list(admin, address, output).await,
        BackupCommand::List { address: None, .. } => everybody::run(admin, output).await,
        BackupCommand::Catalogue(command) => catalogue::run(admin, command, output).await,
        BackupCommand::Store(command) => store::run(admin, command, output).await,
        BackupCommand::Queue(command) => queue::run(admin, command, output).await,
        BackupCommand::Restore(args) if args.waiting => waiting::restore(admin, args, output).await,
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

    /// For a table: id, time, octets, messages, store.
    fn cells(&self) -> Vec<String> {
        vec![self.id.clone(), self.time.clone(), self.bytes.to_string(), self.messages.to_string(), self.store.clone()]
    }
}

/// Every store of the configuration, by name.
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
