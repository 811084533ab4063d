//! `brevdue backup …`: the worker, and what the operator does with backups.

use super::RoleArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Without a command: the worker.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BackupArgs {
    /// Of the worker.
    #[command(flatten)]
    pub role: RoleArgs,
    /// What to do with backups.
    #[command(subcommand)]
    pub command: Option<BackupCommand>,
}

/// `backup …`
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// Back a mailbox up now, and wait until the backup is in its store. Asks for a password of the owner.
    Now {
        /// The address.
        address: String,
        /// Read the owner's password, or the recovery key, from this file.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// List the backups of a mailbox, the newest first. Without an address, every mailbox, also those whose alias is gone, and how it
    /// stands with its backups: what somebody should look at in front, and a sum.
    List {
        /// The address.
        address: Option<String>,
        /// The backups of the mail that waits for its owner instead.
        #[arg(long, requires = "address")]
        waiting: bool,
    },
    /// Restore a mailbox to the moment of a backup. Asks for a password of the owner: any that the mailbox has, whenever it was
    /// made, or had when the backup was made, or the recovery key. What the mailbox is now is kept aside on its node.
    Restore(RestoreArgs),
    /// Backups of the nodes' queues.
    #[command(subcommand)]
    Queue(BackupQueueCommand),
    /// Backups of the directory's catalogue: who there is, and the wrapped keys.
    #[command(subcommand)]
    Catalogue(CatalogueCommand),
    /// Fetch a backup at random, compare it with its digest, and report. With an address one of its backups is also opened with
    /// the owner's password and checked to the last page.
    Drill {
        /// The address.
        address: Option<String>,
        /// Read the owner's password, or the recovery key, from this file.
        #[arg(long, value_name = "FILE", requires = "address")]
        password_file: Option<PathBuf>,
        /// Backups to look at.
        #[arg(long, value_name = "N", default_value_t = 1)]
        sample: usize,
    },
    /// Stores: whether they work, and what is set in them once.
    #[command(subcommand)]
    Store(StoreCommand),
}

/// Arguments of `backup restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The address whose backup it is.
    #[arg(required_unless_present = "mailbox")]
    pub address: Option<String>,
    /// Instead of an address the id of a mailbox whose alias is gone, as `backup list` shows it.
    #[arg(long, value_name = "ID", conflicts_with = "address", requires = "to")]
    pub mailbox: Option<String>,
    /// The backup, as the list names it; the newest without.
    #[arg(long, value_name = "ID")]
    pub backup: Option<String>,
    /// Add the messages to the mailbox of this alias instead, and leave the other as it is. A second run adds nothing twice.
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<String>,
    /// The mail that waited for the owner then, instead of the mailbox: what does not wait now waits again, for the owner's next
    /// sign-in. No password is needed: it is sealed to the owner.
    #[arg(long, requires = "address", conflicts_with_all = ["to", "folder", "uid", "password_file", "to_password_file"])]
    pub waiting: bool,
    /// Only this folder. Without --to it goes into a folder of the mailbox that is named Restored, and nothing is replaced.
    #[arg(long, value_name = "NAME")]
    pub folder: Option<String>,
    /// Only the message with this UID in the folder.
    #[arg(long, value_name = "UID", requires = "folder")]
    pub uid: Option<u32>,
    /// Read the owner's password, or the recovery key, from this file.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Read the password of the owner of --to from this file.
    #[arg(long, value_name = "FILE", requires = "to")]
    pub to_password_file: Option<PathBuf>,
    /// Do not ask.
    #[arg(long)]
    pub yes: bool,
}

/// `backup queue …`
#[derive(Debug, Subcommand)]
pub enum BackupQueueCommand {
    /// List the backups of all queues, or of one, the newest first.
    List {
        /// The queue's id.
        queue: Option<String>,
    },
    /// What was in the queue then and is not there now comes into it again and is held, until `brevdue queue release` or `drop`: it
    /// may have been sent since.
    Restore {
        /// The queue's id, as the list names it.
        queue: String,
        /// The backup, as the list names it; the newest without.
        #[arg(long, value_name = "ID")]
        backup: Option<String>,
        /// The node whose key opens it; without, each is asked.
        #[arg(long, value_name = "LABEL")]
        node: Option<String>,
    },
}

/// `backup catalogue …`
#[derive(Debug, Subcommand)]
pub enum CatalogueCommand {
    /// Back the catalogue up now, and wait until the backup is in its store.
    Now,
    /// List its backups, the newest first.
    List,
    /// Make a catalogue of a backup. No directory runs; what it takes is a configuration that names the stores, and the
    /// directory's key file.
    Restore(RestoreCatalogueArgs),
}

/// Arguments of `backup catalogue restore`.
#[derive(Debug, Args)]
pub struct RestoreCatalogueArgs {
    /// The backup, as the list names it; the newest without.
    #[arg(long, value_name = "ID")]
    pub backup: Option<String>,
    /// The directory's key file; without it, the one that the configuration names.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Where the catalogue is to be: what directory.database names.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Do not ask. What is there is kept aside.
    #[arg(long)]
    pub yes: bool,
}

/// `backup store …`
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Try a store out: put, read, list and remove a small object, begin and end an upload in parts, and look at what the bucket
    /// deletes by itself. Without a name, every store.
    Check {
        /// The store, as the configuration names it.
        name: Option<String>,
    },
    /// Have a bucket end uploads that nobody goes on with. Rules of others in it stay as they are.
    Prepare {
        /// The store, as the configuration names it.
        name: String,
        /// After so many days.
        #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=365))]
        days: u16,
    },
}
