//! The messages that are appended: the seeded corpus and the odd messages of the message crate, by name.

#[path = "../../../crates/message/tests/corpus/mod.rs"]
mod odd;

use harness::corpus;
use std::collections::HashMap;

/// Messages of the seeded corpus; every kind occurs twice.
const PLAIN_COUNT: usize = 24;

/// A corpus by name.
pub struct Letters {
    all: Vec<(String, Vec<u8>)>,
    names: HashMap<Vec<u8>, String>,
}

impl Letters {
    /// The corpus of a seed. What no server may take, or what Dovecot changes when it stores it, is left out: messages with
    /// NUL, with bare CR or LF, and the empty one.
    pub fn new(seed: u64) -> Self {
        let plain = corpus::messages(seed, PLAIN_COUNT).into_iter().enumerate();
        let plain = plain.map(|(n, octets)| (format!("corpus {}", n % 12), octets));
        let odd = odd::MESSAGES.iter().map(|message| (message.name.to_owned(), message.octets()));
        let fits = |octets: &[u8]| {
            let text = String::from_utf8_lossy(octets).replace("\r\n", "");
            !octets.is_empty() && !text.contains(['\r', '\n', '\0'])
        };
        let all: Vec<(String, Vec<u8>)> = plain.chain(odd).filter(|(_, octets)| fits(octets)).collect();
        let names = all.iter().map(|(name, octets)| (octets.clone(), name.clone())).collect();
        Self { all, names }
    }
    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }
    /// The nth.
    pub fn octets(&self, n: usize) -> &[u8] {
        &self.all[n].1
    }
    /// The name of a message that was fetched.
    pub fn name(&self, octets: &[u8]) -> &str {
        self.names.get(octets).map_or("unknown", String::as_str)
    }
}
