//! The words of a message: of its subject, its sender and what a reader sees, each as a number.

use message::text::{body_text, field_values};
use message::{Kind, Structure};
use std::collections::BTreeSet;
use std::ops::Range;

/// Words of one message: the first ones say what it is.
const WORDS_MAX: usize = 600;
/// Letters of a word: shorter ones are in every message, longer ones are in one only.
const LETTERS: Range<usize> = 3..33;

/// Of a message of which `start` are the first octets.
pub(super) fn of(start: &[u8], structure: &Structure) -> Vec<i64> {
    let mut words = Words::default();
    let octets = |range: Range<u64>| {
        let end = (range.end as usize).min(start.len());
        start.get(range.start as usize..end).unwrap_or_default()
    };
    let header = structure.parts().first().map(|top| octets(top.header.clone())).unwrap_or_default();
    for (name, mark) in [("Subject", "s:"), ("From", "f:"), ("Reply-To", "r:"), ("List-Id", "l:")] {
        field_values(header, name).iter().for_each(|value| words.take(mark, value));
    }
    for part in structure.parts() {
        if let Kind::Leaf(leaf) = &part.kind
            && leaf.text.is_some()
        {
            words.take("", &body_text(octets(part.body.clone()), part));
        }
    }
    words.0.into_iter().collect()
}

#[derive(Default)]
struct Words(BTreeSet<i64>);

impl Words {
    /// Takes the words of a text, told apart from those of other places by the mark.
    fn take(&mut self, mark: &str, text: &str) {
        for word in text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '\'' | '-' | '$' | '@' | '.')) {
            if self.0.len() >= WORDS_MAX {
                return;
            }
            let word = word.trim_matches(['.', '-', '\'']);
            if LETTERS.contains(&word.chars().count()) {
                self.0.insert(number(mark, &word.to_lowercase()));
            }
        }
    }
}

fn number(mark: &str, word: &str) -> i64 {
    let digest = vault::digest(format!("{mark}{word}").as_bytes());
    i64::from_be_bytes(*digest.first_chunk().unwrap_or(&[0; 8]))
}
