//! The brevdue binary: roles, command line and dev. A table of contents; what each command does is in its module.

mod admin;
mod backups;
mod ca;
mod cli;
mod config;
mod dev;
mod dns;
mod doors;
mod failure;
mod keys;
mod output;
mod owner;
mod role;
mod terminal;

use clap::Parser;
use cli::{BackupCommand, CatalogueCommand, Cli, Command};
use failure::Failure;
use model::Role;
use output::Output;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    daemon::tls::install_provider();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    let (config, output) = (cli.config.as_deref(), Output::new(cli.json));
    match &cli.command {
        Command::Dev(args) => dev::run(args, cli.data.as_deref(), output),
        Command::Directory(args) => role::run(Role::Directory, args, config),
        Command::Node(args) => role::run(Role::Node, args, config),
        Command::Imap(args) => role::run(Role::Imap, args, config),
        Command::Pop3(args) => role::run(Role::Pop3, args, config),
        Command::Submission(args) => role::run(Role::Submission, args, config),
        Command::Mx(args) => role::run(Role::Mx, args, config),
        Command::Outbound(args) => role::run(Role::Outbound, args, config),
        Command::Backup(args) => match &args.command {
            None => role::run(Role::Backup, &args.role, config),
            Some(BackupCommand::Catalogue(CatalogueCommand::Restore(args))) => {
                backups::catalogue::restore(cli, args, output)
            }
            Some(command) => admin::run(cli, async |admin| backups::run(admin, command, output).await),
        },
        Command::Config(command) => config::run(command, config, output),
        Command::Ca(command) => ca::run(command, output),
        Command::Domain(command) => admin::run(cli, async |admin| admin::domain::run(admin, command, output).await),
        Command::Alias(command) => admin::run(cli, async |admin| admin::alias::run(admin, command, output).await),
        Command::Account(command) => admin::run(cli, async |admin| admin::account::run(admin, command, output).await),
        Command::Webhook(command) => admin::run(cli, async |admin| admin::webhook::run(admin, command, output).await),
        Command::Mailbox(command) => admin::run(cli, async |admin| admin::mailbox::run(admin, command, output).await),
        Command::Queue(command) => admin::run(cli, async |admin| admin::queue::run(admin, command, output).await),
        Command::Srs(command) => admin::run(cli, async |admin| admin::srs::run(admin, command, output).await),
        Command::Export(args) => admin::run(cli, async |admin| doors::export(admin, args, output).await),
        Command::Import(args) => admin::run(cli, async |admin| doors::import(admin, args, output).await),
        Command::Dns(args) => admin::run(cli, async |admin| dns::run(admin, args, output).await),
    }
}
