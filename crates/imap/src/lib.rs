//! The IMAP front-end: grammar, sessions and commands.
