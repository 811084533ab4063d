//! What the index knows of a text: which runs of three characters it has. Knows no table.
//!
//! A text contains another only if it has every run of three characters that the other has; the other way round need not be
//! true, so that what the index finds is looked into afterwards.

use std::fmt::Write;

/// Distinct runs of one email that are indexed; an email with more (a novel in Chinese, a dump of random text) is always
/// looked into. Bounds memory and the size of one commit.
const GRAMS_PER_EMAIL_MAX: usize = 100_000;
/// Runs that are gathered before the double ones among them are dropped.
const GRAMS_GATHERED_MAX: usize = 4 * GRAMS_PER_EMAIL_MAX;
/// Runs of one searched text that are asked for: each costs a walk through its list, and more hardly narrow it down.
const GRAMS_ASKED_MAX: usize = 12;
/// Stands in every email that is always looked into; too short to be a run.
const LOOK_INTO: &str = "0";
/// Added to ASCII characters that are neither letter nor digit: a word of the index has only those and what is not ASCII.
const PRIVATE_USE: u32 = 0xe000;
/// Bits of one character.
const CHAR_BITS: u32 = 21;

/// The distinct runs of an email's texts.
#[derive(Debug, Default)]
pub(crate) struct Grams {
    found: Vec<u64>,
    /// There are too many, or the texts could not be read.
    look_into: bool,
}

impl Grams {
    /// The email cannot be described: every search looks into it.
    pub(crate) fn look_into() -> Self {
        Self { found: Vec::new(), look_into: true }
    }

    /// Adds the runs of a folded text.
    pub(crate) fn add(&mut self, text: &str) {
        if self.look_into {
            return;
        }
        for gram in grams(text) {
            self.found.push(gram);
            if self.found.len() >= GRAMS_GATHERED_MAX {
                self.tidy();
            }
        }
    }

    fn tidy(&mut self) {
        self.found.sort_unstable();
        self.found.dedup();
        if self.found.len() > GRAMS_PER_EMAIL_MAX {
            *self = Self::look_into();
        }
    }

    /// The email's row in the index: its words.
    pub(crate) fn into_words(mut self) -> String {
        self.tidy();
        if self.look_into {
            return LOOK_INTO.to_owned();
        }
        let mut words = String::with_capacity(self.found.len() * 6);
        for gram in self.found {
            write_word(&mut words, gram);
            words.push(' ');
        }
        words
    }
}

/// The query for emails that may contain every one of the folded texts; `None` when the index cannot tell.
pub(crate) fn query<'t>(texts: impl Iterator<Item = &'t str>) -> Option<String> {
    let mut asked: Vec<u64> = Vec::new();
    for text in texts {
        let mut of_text: Vec<u64> = grams(text).collect();
        // The rarest lead: the engine goes through the first list and skips in the others.
        of_text.sort_by_cached_key(|gram| (std::cmp::Reverse(rarity(*gram)), *gram));
        of_text.dedup();
        of_text.truncate(GRAMS_ASKED_MAX);
        asked.extend(of_text);
    }
    asked.sort_by_cached_key(|gram| (std::cmp::Reverse(rarity(*gram)), *gram));
    asked.dedup();
    asked.truncate(2 * GRAMS_ASKED_MAX);
    if asked.is_empty() {
        return None;
    }
    let mut query = format!("\"{LOOK_INTO}\" OR (");
    for (at, gram) in asked.into_iter().enumerate() {
        query.push_str(if at == 0 { "\"" } else { " AND \"" });
        write_word(&mut query, gram);
        query.push('"');
    }
    query.push(')');
    Some(query)
}

/// Runs of three characters; none across or with a control character, which line ends are.
fn grams(text: &str) -> impl Iterator<Item = u64> + '_ {
    let mut window = 0u64;
    let mut filled = 0u8;
    text.chars().filter_map(move |c| {
        if c.is_ascii_control() {
            filled = 0;
            return None;
        }
        window = (window << CHAR_BITS | u64::from(u32::from(c))) & ((1 << (3 * CHAR_BITS)) - 1);
        filled = (filled + 1).min(3);
        (filled == 3).then_some(window)
    })
}

/// A run's three characters.
fn characters(gram: u64) -> [char; 3] {
    let at = |shift: u32| char::from_u32((gram >> shift) as u32 & ((1 << CHAR_BITS) - 1)).unwrap_or_default();
    [at(2 * CHAR_BITS), at(CHAR_BITS), at(0)]
}

fn write_word(out: &mut String, gram: u64) {
    for c in characters(gram) {
        let plain = c.is_ascii_alphanumeric() || !c.is_ascii();
        let c = if plain { Some(c) } else { char::from_u32(PRIVATE_USE + u32::from(c)) };
        // A fault in writing to a string does not exist.
        let _ = c.map_or(Ok(()), |c| out.write_char(c));
    }
}

/// A guess at how rare a run is in mail, by its characters: only the order of the query rests on it.
fn rarity(gram: u64) -> u32 {
    characters(gram).into_iter().map(character_rarity).sum()
}

const fn character_rarity(c: char) -> u32 {
    match c {
        ' ' | 'e' | 't' | 'a' | 'o' | 'i' | 'n' | 's' | 'r' => 0,
        'h' | 'l' | 'd' | 'c' | 'u' | 'm' | '.' | '-' => 1,
        'p' | 'f' | 'g' | 'w' | 'y' | 'b' | ',' | '0' | '1' | '2' | '@' | ':' => 2,
        'v' | 'k' | '3'..='9' => 3,
        'x' | 'j' | 'q' | 'z' => 5,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(texts: &[&str]) -> String {
        let mut grams = Grams::default();
        texts.iter().for_each(|text| grams.add(text));
        grams.into_words()
    }

    #[test]
    fn words_are_runs_of_three_without_line_ends() {
        assert_eq!(words(&["abcab", "bca"]), "abc bca cab ");
        assert_eq!(words(&["ab\r\ncd", "e"]), "");
        assert_eq!(words(&["a b"]), "a\u{e020}b ");
        assert_eq!(words(&["xæ\u{1f54a}"]), "xæ\u{1f54a} ");
    }

    #[test]
    fn a_query_asks_for_the_rarest_runs_first() {
        assert_eq!(query(["then"].into_iter()).as_deref(), Some("\"0\" OR (\"hen\" AND \"the\")"));
        assert_eq!(query(["a\nb", "xy"].into_iter()), None);
        let long: String = ('a'..='z').collect();
        assert_eq!(query([long.as_str()].into_iter()).unwrap().matches("AND").count(), GRAMS_ASKED_MAX - 1);
    }

    #[test]
    fn what_has_too_many_is_always_looked_into() {
        let mut grams = Grams::default();
        let text: String = (0..GRAMS_PER_EMAIL_MAX as u32 + 10).filter_map(|n| char::from_u32(0x10000 + n)).collect();
        grams.add(&text);
        assert_eq!(grams.into_words(), "0");
    }
}
