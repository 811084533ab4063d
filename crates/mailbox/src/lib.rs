//! The mailbox and waiting-mail files; the only crate that opens them, synchronous.
