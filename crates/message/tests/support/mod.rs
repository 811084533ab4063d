//! What the tests share: reading an IMAP answer strictly, checking a structure's invariants, scanning in pieces.
#![allow(dead_code, missing_docs, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

pub mod grammar;
pub mod rules;

use message::{Scanned, Scanner};

/// Scans a message that comes in one piece.
pub fn scan(message: &[u8]) -> Scanned {
    scan_pieces([message])
}

/// Scans a message that comes in pieces.
pub fn scan_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Scanned {
    let mut scanner = Scanner::new();
    pieces.into_iter().for_each(|piece| scanner.push(piece));
    scanner.finish()
}

/// Everything a scan yields, for comparing.
pub fn everything(scanned: &Scanned) -> (message::Structure, message::Summary, [Vec<u8>; 3]) {
    let answers = [scanned.envelope(), scanned.body(), scanned.body_structure()];
    (scanned.structure().clone(), scanned.summary().clone(), answers)
}
