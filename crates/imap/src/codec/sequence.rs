//! Sequence sets as clients write them (`1:3,7,9:*` or `$`), and what they mean for a folder.

use super::cursor::{Cursor, Malformed, Parsed};
use model::uid::{Uid, UidSet};
use std::fmt;

/// One end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A message number or a UID; not 0.
    Number(u32),
    /// `*`: the highest in use.
    Star,
}

/// A set of message numbers or UIDs, unresolved. Without ranges it is `$`: what a SEARCH saved (RFC 5182).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceSet(Vec<(Bound, Bound)>);

impl SequenceSet {
    /// From ranges; `None` without one.
    pub fn new(ranges: Vec<(Bound, Bound)>) -> Option<Self> {
        (!ranges.is_empty()).then_some(Self(ranges))
    }

    /// `$`
    pub const fn saved() -> Self {
        Self(Vec::new())
    }

    /// Whether it is `$`.
    pub const fn is_saved(&self) -> bool {
        self.0.is_empty()
    }

    /// `1:*`
    pub fn all() -> Self {
        Self(vec![(Bound::Number(1), Bound::Star)])
    }

    /// Reads one.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        if cursor.take(b'$') {
            return Ok(Self::saved());
        }
        let mut ranges = Vec::new();
        loop {
            let first = bound(cursor)?;
            let last = if cursor.take(b':') { bound(cursor)? } else { first };
            ranges.push((first, last));
            if !cursor.take(b',') {
                return Ok(Self(ranges));
            }
        }
    }

    /// Whether it can start here.
    pub fn starts(cursor: &Cursor<'_>) -> bool {
        matches!(cursor.peek(), Some(b'0'..=b'9' | b'*' | b'$'))
    }

    /// The highest number that stands in it, `None` when there are only stars.
    pub fn highest_number(&self) -> Option<u32> {
        let numbers = self.0.iter().flat_map(|&(first, last)| [first, last]);
        numbers.filter_map(|bound| if let Bound::Number(n) = bound { Some(n) } else { None }).max()
    }

    /// Whether a `*` stands in it.
    pub fn has_star(&self) -> bool {
        self.0.iter().any(|&(first, last)| first == Bound::Star || last == Bound::Star)
    }

    /// The numbers it means when `*` is this; ranges may be written backwards (RFC 3501 §9 seq-range).
    pub fn resolve(&self, star: u32) -> UidSet {
        let number = |bound| match bound {
            Bound::Number(n) => n,
            Bound::Star => star,
        };
        let mut runs: Vec<(u32, u32)> = self.0.iter().map(|&(a, b)| (number(a), number(b))).collect();
        for run in &mut runs {
            *run = (run.0.min(run.1).max(1), run.0.max(run.1));
        }
        runs.sort_unstable();
        let mut bounds: Vec<u32> = Vec::with_capacity(runs.len() * 2);
        for (first, last) in runs.into_iter().filter(|run| run.0 <= run.1) {
            match bounds.last_mut() {
                Some(end) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => bounds.extend([first, last]),
            }
        }
        UidSet::from_bounds(&bounds).unwrap_or_default()
    }

    /// The UIDs it means in a folder that holds these; `*` is the highest of them.
    pub fn resolve_uids(&self, held: &UidSet) -> UidSet {
        self.resolve(held.last().map_or(0, Uid::get)).intersection(held)
    }
}

fn bound(cursor: &mut Cursor<'_>) -> Parsed<Bound> {
    if cursor.take(b'*') {
        return Ok(Bound::Star);
    }
    match cursor.nz_number() {
        Ok(n) => Ok(Bound::Number(n)),
        Err(_) => Err(Malformed("Expected a set of message numbers, such as 1:3,7")),
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => n.fmt(f),
            Self::Star => f.write_str("*"),
        }
    }
}

impl fmt::Display for SequenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_saved() {
            return f.write_str("$");
        }
        for (at, (first, last)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}:{last}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Parsed<SequenceSet> {
        let mut cursor = Cursor::new(text.as_bytes());
        let set = SequenceSet::parse(&mut cursor)?;
        cursor.end()?;
        Ok(set)
    }

    #[test]
    fn reads_and_resolves() {
        for (text, star, expected) in [
            ("1", 9, "1"),
            ("3:1", 9, "1:3"),
            ("*", 9, "9"),
            ("7:*", 9, "7:9"),
            ("*:7", 9, "7:9"),
            ("12:*", 9, "9:12"),
            ("5,1:2,3,2:4", 9, "1:5"),
            ("4294967295,1", 9, "1,4294967295"),
            ("1:4294967295,7", 9, "1:4294967295"),
            ("*", 0, ""),
        ] {
            assert_eq!(set(text).unwrap().resolve(star).to_string(), expected, "{text}");
            assert_eq!(set(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn star_is_the_highest_uid_even_above_the_range() {
        // RFC 3501 §6.4.8: "559:*" always includes the highest UID, even if 559 is higher.
        let held = UidSet::from_bounds(&[2, 4, 8, 8]).unwrap();
        assert_eq!(set("559:*").unwrap().resolve_uids(&held).to_string(), "8");
        assert_eq!(set("1:3").unwrap().resolve_uids(&held).to_string(), "2:3");
        assert_eq!(set("*").unwrap().resolve_uids(&UidSet::new()).to_string(), "");
    }

    #[test]
    fn a_saved_result_stands_alone() {
        assert_eq!(set("$"), Ok(SequenceSet::saved()));
        assert_eq!(set("$").unwrap().to_string(), "$");
        assert!(set("$,1").is_err() && set("1,$").is_err() && set("$:2").is_err());
    }

    #[test]
    fn refuses_what_is_no_set() {
        for text in ["", "0", "1:0", "1,", ",1", "1:", "a", "1::2", "4294967296", "1 2", "-1", "+1", "1:2:3"] {
            assert!(set(text).is_err(), "{text}");
        }
    }
}
