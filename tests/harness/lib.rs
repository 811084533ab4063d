//! Drives the built binary from outside: starts `brevdue dev` on a folder of its own, speaks IMAP and SMTP, makes corpora.

pub mod client;
pub mod corpus;
pub mod dev;
pub mod dovecot;
pub mod exchange;
pub mod hook;
pub mod https;
pub mod imap;
pub mod incoming;
pub mod mailbox;
pub mod meter;
pub mod mirror;
pub mod moto;
pub mod peer;
pub mod port;
pub mod postfix;
pub mod redis;
pub mod s3;
pub mod sink;
pub mod smtp;
pub mod strangers;
pub mod tls;
pub mod tokens;
pub mod transcript;
pub mod value;
pub mod vouch;
pub mod wait;
pub mod zone;

pub use dev::{Dev, User};
pub use exchange::Exchange;
pub use imap::Imap;
pub use smtp::Smtp;
pub use wait::until;
