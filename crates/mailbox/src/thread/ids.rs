//! Texts as small numbers: message ids and subjects are only ever compared for equality.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Numbers texts in the order in which they come. Of a text only 128 bits of keyed hash are kept: a collision cannot be
/// made without the key, and does not happen by itself.
#[derive(Debug, Default)]
pub(super) struct Ids {
    numbers: HashMap<(u64, u64), u32>,
    keys: (RandomState, RandomState),
}

impl Ids {
    /// The text's number; `new` gives one to a text that is new, or refuses.
    pub(super) fn number(&mut self, text: &str, new: impl FnOnce() -> Option<u32>) -> Option<u32> {
        let hash = (self.keys.0.hash_one(text), self.keys.1.hash_one(text));
        if let Some(&number) = self.numbers.get(&hash) {
            return Some(number);
        }
        let number = new()?;
        self.numbers.insert(hash, number);
        Some(number)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }
}
