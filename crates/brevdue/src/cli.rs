//! The command line: commands, arguments and their help. What they do is in the other modules.

mod account;
mod backup;
mod doors;
mod mail;

pub use account::{AccountCommand, Limits};
pub use backup::{
    BackupArgs, BackupCommand, BackupQueueCommand, CatalogueCommand, RestoreArgs, RestoreCatalogueArgs, StoreCommand,
};
pub use doors::{ExportArgs, ExportFormat, FileCipher, ImapArgs, ImportArgs, ImportFormat, TlsMode};
pub use mail::{
    Algorithms, DkimCommand, DnsArgs, Mode, PatternCommand, Payload, SrsCommand, Targets, WebhookCommand, Without,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use model::Role;
use std::path::PathBuf;

/// An encrypted mail system: one file per mailbox, opened by its owner's password only.
#[derive(Debug, Parser)]
#[command(name = "brevdue", version, arg_required_else_help = true)]
pub struct Cli {
    /// The folder of a `brevdue dev`, to work on. Without --data and --config: /etc/brevdue/admin.toml if it is there, else
    /// the folder that `brevdue dev` uses by default.
    #[arg(long, global = true, value_name = "DIR", conflicts_with = "config")]
    pub data: Option<PathBuf>,
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Answer with JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything on loopback, and print how to connect.
    Dev(DevArgs),
    /// Run the catalogue.
    Directory(RoleArgs),
    /// Run a storage node.
    Node(RoleArgs),
    /// Run an IMAP front-end.
    Imap(RoleArgs),
    /// Run a POP3 front-end.
    Pop3(RoleArgs),
    /// Run a submission front-end: SMTP from the people whose mail it is.
    Submission(RoleArgs),
    /// Run an MX: SMTP from the internet.
    Mx(RoleArgs),
    /// Run a worker of the queues: delivery to other hosts and programs.
    Outbound(RoleArgs),
    /// Run the worker that carries snapshots into stores; or make, list, restore and try backups.
    Backup(BackupArgs),
    /// Check a configuration file, or print the reference.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// The internal certificate authority.
    #[command(subcommand)]
    Ca(CaCommand),
    /// Domains that mail is taken for.
    #[command(subcommand)]
    Domain(DomainCommand),
    /// Aliases: their credentials, and where their mail goes.
    #[command(subcommand)]
    Alias(AliasCommand),
    /// Accounts: what their mailboxes may hold together.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Programs that are called with mail.
    #[command(subcommand)]
    Webhook(WebhookCommand),
    /// Mailboxes as a whole, with their owners' passwords.
    #[command(subcommand)]
    Mailbox(MailboxCommand),
    /// Mail that waits to leave.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Rewritten senders of forwarded mail.
    #[command(subcommand)]
    Srs(SrsCommand),
    /// All of a mailbox, in an open format.
    Export(ExportArgs),
    /// Mail into a mailbox: from files, or from another IMAP server. Again does nothing twice, and goes on where it stopped.
    Import(ImportArgs),
    /// Print every record that a domain needs in DNS, or compare them with what is there.
    Dns(DnsArgs),
}

/// Arguments of a role.
#[derive(Debug, Args)]
pub struct RoleArgs {
    /// End when standard input does: how `dev` takes its processes with it.
    #[arg(long, hide = true)]
    pub end_with_stdin: bool,
}

/// Arguments of `dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// The usual ports, or free ones.
    #[arg(long, value_enum, default_value_t = Ports::Default)]
    pub ports: Ports,
    /// A user to make, with its domain; without a password one is generated.
    #[arg(long = "user", value_name = "ADDRESS[:PASSWORD]")]
    pub users: Vec<String>,
    /// A file of users to make: `address password` on each line.
    #[arg(long = "users", value_name = "FILE")]
    pub users_file: Option<PathBuf>,
    /// Where to write, once everything listens, one JSON object that says where.
    #[arg(long, value_name = "FILE")]
    pub ready: Option<PathBuf>,
    /// Storage nodes.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub nodes: u16,
    /// IMAP front-ends.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub imap: u16,
    /// Settings to put over those that dev writes into the configuration of its processes; how tests have servers of their own.
    #[arg(long, value_name = "FILE", hide = true)]
    pub settings: Option<PathBuf>,
}

/// Which ports `dev` listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Ports {
    /// IMAP 1143, IMAPS 1993, POP3 1110, POP3S 1995, MX 1025, submission 1587, submissions 1465, metrics 1090.
    Default,
    /// Whatever is free.
    Auto,
}

/// `config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the file given with --config.
    Check {
        /// Also check what this role needs.
        #[arg(long, value_parser = parse_role)]
        role: Option<Role>,
    },
    /// Print every key with its meaning and default.
    Reference,
}

/// `ca …`
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Make the authority. Its key stays in the folder: keep it off the servers.
    Create {
        /// The folder, which must not hold one yet.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
    /// Issue the certificate of one process.
    Issue {
        /// The folder of the authority.
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// directory, node, imap, pop3, mx, submission, outbound, backup or admin.
        #[arg(value_parser = parse_role)]
        role: Role,
        /// Further host names or addresses that stand in the certificate.
        #[arg(long = "name", value_name = "HOST")]
        names: Vec<String>,
    },
}

/// `queue …`
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// List messages and their recipients, the oldest first.
    List {
        /// Only those for this destination: a domain, or webhook: and an id.
        destination: Option<String>,
        /// Messages at most.
        #[arg(long, value_name = "N", default_value_t = 1000)]
        limit: u32,
    },
    /// List destinations, those with the most recipients first.
    Destinations {
        /// Destinations at most.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// Show one message's envelope and what became of its recipients so far.
    Show {
        /// The message, as the list names it.
        id: String,
    },
    /// Try again now, also where a destination is paused.
    Retry(QueueMeant),
    /// Keep back until released; what is being tried now is tried to the end.
    Hold(QueueMeant),
    /// No longer keep back.
    Release(QueueMeant),
    /// Remove. Nobody is told.
    Drop {
        /// Which.
        #[command(flatten)]
        meant: QueueMeant,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// Which messages are meant.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct QueueMeant {
    /// One message, as the list names it.
    pub id: Option<String>,
    /// Everything for this destination.
    #[arg(long, value_name = "NAME")]
    pub destination: Option<String>,
    /// Everything.
    #[arg(long)]
    pub all: bool,
}

/// `mailbox …`
#[derive(Debug, Subcommand)]
pub enum MailboxCommand {
    /// Look whether a mailbox is sound: every page and its log, references, counters, contents, the text index, and its waiting
    /// mail. A damaged mailbox in which nothing is found is written again.
    Check {
        /// The address.
        address: String,
        /// Leave out what has to read and decode everything: contents and the text index.
        #[arg(long)]
        quick: bool,
        /// Read the owner's password, or the recovery key, from this file.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Files that were damaged or replaced, and are kept: what of a damaged waiting-mail file was whole waits in a new one, and a
    /// mailbox was brought back from a backup.
    Aside {
        /// What is wanted.
        #[command(subcommand)]
        command: AsideCommand,
    },
}

/// `mailbox aside …`
#[derive(Debug, Subcommand)]
pub enum AsideCommand {
    /// List them: which mailbox's, when and why they were moved aside, and how large they are.
    List,
    /// Remove one for good.
    Discard {
        /// Its name, as listed.
        name: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// `domain …`
#[derive(Debug, Subcommand)]
pub enum DomainCommand {
    /// Take mail for a domain.
    Add {
        /// The domain.
        name: String,
    },
    /// List the domains.
    List,
    /// Show a domain with all its settings.
    Show {
        /// The domain.
        name: String,
    },
    /// Change a setting of a domain.
    Set {
        /// The domain.
        name: String,
        /// The setting; `domain show` lists them.
        setting: String,
        /// What it is to be. For a list also +entry and -entry, which add and take away.
        #[arg(allow_hyphen_values = true, required_unless_present = "default")]
        value: Option<String>,
        /// Back to the default.
        #[arg(long, conflicts_with = "value")]
        default: bool,
    },
    /// DKIM keys.
    #[command(subcommand)]
    Dkim(DkimCommand),
}

/// `alias …`
#[derive(Debug, Subcommand)]
pub enum AliasCommand {
    /// Make an alias with a mailbox. Prints its password, if it was generated, and its recovery key; neither can be had
    /// again. With --forward or --webhook it has no mailbox but with --store too; `*@domain` is whatever else comes.
    Add {
        /// The address; its domain must be there.
        address: String,
        /// Where its mail goes.
        #[command(flatten)]
        targets: Targets,
        /// A mailbox too.
        #[arg(long)]
        store: bool,
        /// The account it belongs to; without one it gets its own.
        #[arg(long, value_name = "ID")]
        account: Option<String>,
        /// The node for its mailbox; without one, that with the fewest.
        #[arg(long, value_name = "ID")]
        node: Option<String>,
        /// The name of its first password.
        #[arg(long, value_name = "LABEL", default_value = "first")]
        name: String,
        /// Read the password from standard input.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Show or change where an address's mail goes.
    Route {
        /// The address, or `*@domain`.
        address: String,
        /// Where it goes too.
        #[command(flatten)]
        targets: Targets,
        /// Where it goes no more.
        #[command(flatten)]
        without: Without,
        /// Into its mailbox too.
        #[arg(long, conflicts_with = "no_store")]
        store: bool,
        /// Into its mailbox no more; what is there stays.
        #[arg(long)]
        no_store: bool,
    },
    /// Take no mail for an address. Its owner still signs in.
    Disable {
        /// The address, or `*@domain`.
        address: String,
        /// What is done with mail instead.
        #[arg(long, value_enum, default_value_t = Mode::Refuse)]
        mode: Mode,
        /// What the sender's host is told.
        #[arg(long)]
        text: Option<String>,
    },
    /// Take mail for an address again.
    Enable {
        /// The address, or `*@domain`.
        address: String,
    },
    /// Take away an address that has no mailbox.
    Remove {
        /// The address, or `*@domain`.
        address: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// List where mail goes, all or of one domain, where that is not its own mailbox alone.
    Rules {
        /// The domain.
        domain: Option<String>,
    },
    /// Addresses by regular expression.
    #[command(subcommand)]
    Pattern(PatternCommand),
    /// List the aliases, all or those of one domain.
    List {
        /// The domain.
        domain: Option<String>,
    },
    /// Give an alias one more password. Asks for one that it has, or its recovery key.
    Password {
        /// The address.
        address: String,
        /// The name of the new password, such as phone.
        #[arg(long, value_name = "LABEL")]
        name: Option<String>,
        /// Read the new password from standard input.
        #[arg(long)]
        password_stdin: bool,
        /// Read the owner's present password, or the recovery key, from this file.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Limit what the mailbox of an alias may hold, beside what its account and its domain may.
    Limit {
        /// The address.
        address: String,
        /// The limits.
        #[command(flatten)]
        limits: Limits,
    },
    /// Show or choose the store that the backups of an alias go to.
    Backup {
        /// The address.
        address: String,
        /// A store of the backup worker, none for no backups at all, or inherit for what the domain's setting backup_store says.
        #[arg(long, value_name = "NAME|inherit|none")]
        store: Option<String>,
    },
    /// List an alias's credentials.
    Credentials {
        /// The address.
        address: String,
    },
    /// Erase an alias: its mailbox, the mail that waits for it, what it has in the queue, its backups, its keys. Nothing
    /// brings them back.
    Erase {
        /// The address.
        address: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Take a password away from an alias.
    Revoke {
        /// The address.
        address: String,
        /// The name of the password.
        label: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

fn parse_role(text: &str) -> Result<Role, String> {
    let names = Role::ALL.map(Role::name).join(", ");
    text.parse().map_err(|_| format!("a role is one of {names}"))
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }
}
