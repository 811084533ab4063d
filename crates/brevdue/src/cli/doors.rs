//! The command line of the doors out and in: what their arguments are.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Whose mailbox.
    pub address: String,
    /// What is made: mbox, eml and maildir a folder, sqlite a file.
    #[arg(long, value_enum)]
    pub format: ExportFormat,
    /// Where to; it must not be there yet.
    #[arg(long, value_name = "PATH")]
    pub out: PathBuf,
    /// What encrypts the file of sqlite, with the owner's password as its passphrase.
    #[arg(long, value_enum, default_value_t = FileCipher::Chacha20)]
    pub cipher: FileCipher,
    /// Read the owner's password, or the recovery key, from this file.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Replace an export that is there.
    #[arg(long)]
    pub yes: bool,
}

/// What an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A file of each folder (mboxrd).
    Mbox,
    /// A file of each message, and a manifest.
    Eml,
    /// Maildir++.
    Maildir,
    /// One encrypted SQLite file.
    Sqlite,
}

/// What encrypts an exported SQLite file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FileCipher {
    /// ChaCha20-Poly1305, the default of SQLite3MultipleCiphers.
    Chacha20,
    /// The format of SQLCipher 4.
    Sqlcipher,
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Whose mailbox.
    pub address: String,
    /// What to import: a file, or a folder of them.
    #[arg(required_unless_present = "imap", conflicts_with = "imap")]
    pub path: Option<PathBuf>,
    /// What it is.
    #[arg(long, value_enum, default_value_t = ImportFormat::Auto)]
    pub format: ImportFormat,
    /// Into this folder, and folders below it.
    #[arg(long, value_name = "NAME")]
    pub folder: Option<String>,
    /// From another IMAP server.
    #[command(flatten)]
    pub imap: ImapArgs,
    /// Where to remember what was imported, instead of in the home folder.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Read the owner's password, or the recovery key, from this file.
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
}

/// What is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportFormat {
    /// What it looks like.
    Auto,
    /// One mbox file, or a folder of them.
    Mbox,
    /// One message in a file, or a folder of them.
    Eml,
    /// A Maildir, with its folders.
    Maildir,
}

/// Arguments of an import from another server.
#[derive(Debug, Args)]
pub struct ImapArgs {
    /// The IMAP server to import from; port 993 unless one is named, and without TLS from the beginning 143.
    #[arg(long, value_name = "HOST[:PORT]", requires = "imap_user")]
    pub imap: Option<String>,
    /// Who to sign in as there.
    #[arg(long, value_name = "USER", requires = "imap")]
    pub imap_user: Option<String>,
    /// Read the password for there from this file.
    #[arg(long, value_name = "FILE", requires = "imap", conflicts_with = "xoauth2_token_file")]
    pub imap_password_file: Option<PathBuf>,
    /// Sign in there with the access token in this file.
    #[arg(long, value_name = "FILE", requires = "imap")]
    pub xoauth2_token_file: Option<PathBuf>,
    /// Trust this authority instead of the system's.
    #[arg(long, value_name = "FILE", requires = "imap")]
    pub ca: Option<PathBuf>,
    /// How the connection is secured.
    #[arg(long, value_enum, default_value_t = TlsMode::Implicit, value_name = "WHEN")]
    pub tls: TlsMode,
    /// Leave out this folder of the other server.
    #[arg(long = "without", value_name = "FOLDER", requires = "imap")]
    pub without: Vec<String>,
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TlsMode {
    /// With the first octet.
    Implicit,
    /// By STARTTLS.
    Starttls,
    /// Never; to this machine only.
    None,
}
