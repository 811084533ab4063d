//! RETURN: what a searching command is to answer (RFC 4731 §3.1, RFC 9051 §6.4.4, RFC 5182, RFC 5267 §4, RFC 6203, RFC 9394).

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::command::fetch::Items;
use crate::session::view::uids_at;
use model::{Uid, UidSet};
use std::fmt;

/// Options in one RETURN: there are nine.
const OPTIONS_MAX: usize = 32;

/// The options. None of MIN, MAX, ALL, COUNT and PARTIAL means ALL, but with SAVE alone nothing is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Returns {
    /// The lowest message; of a SORT the first.
    pub min: bool,
    /// The highest message; of a SORT the last.
    pub max: bool,
    /// All of them.
    pub all: bool,
    /// How many.
    pub count: bool,
    /// Keep the result for `$`.
    pub save: bool,
    /// A hint that the search comes again.
    pub context: bool,
    /// Tell what changes about the result.
    pub update: bool,
    /// What is fetched of new messages that come into the result (RFC 5465 §7).
    pub fetch: Option<Items>,
    /// How well each message fits.
    pub relevancy: bool,
    /// Some of them.
    pub partial: Option<Range>,
}

/// A range of results, counted from 1, from the first or from the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Written with minus signs: -1 is the last result.
    pub from_end: bool,
    /// As it was written; may be the higher one.
    pub first: u32,
    /// As it was written.
    pub last: u32,
}

impl Range {
    /// `partial-range` (RFC 9394 §4).
    ///
    /// # Errors
    /// It has another form.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let from_end = cursor.take(b'-');
        let first = cursor.nz_number()?;
        cursor.expect(b':', "A range of results is written as 1:10 or -1:-10")?;
        if from_end {
            cursor.expect(b'-', "Both ends of a range are counted from the same side")?;
        }
        Ok(Self { from_end, first, last: cursor.nz_number()? })
    }

    /// The lower number first: 4:2 is the same range as 2:4 (RFC 9394 §3.1).
    #[must_use]
    pub fn ascending(self) -> Self {
        Self { first: self.first.min(self.last), last: self.first.max(self.last), ..self }
    }

    /// Those of a set that it means, by UID.
    pub fn of(self, uids: &UidSet) -> UidSet {
        let Some((first, last)) = self.positions(uids.len()) else { return UidSet::new() };
        let number = |position: usize| u32::try_from(position + 1).ok().and_then(Uid::new);
        let numbers = number(first).zip(number(last)).map(|(first, last)| UidSet::range(first, last));
        uids_at(uids, &numbers.unwrap_or_default())
    }

    /// The positions from 0 on that it means among so many results, both included; `None` where it is beyond them.
    pub fn positions(self, count: usize) -> Option<(usize, usize)> {
        let (low, high) = (self.first.min(self.last) as usize, self.first.max(self.last) as usize);
        if low > count {
            return None;
        }
        let high = high.min(count);
        if self.from_end { Some((count - high, count - low)) } else { Some((low - 1, high - 1)) }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.from_end { "-" } else { "" };
        write!(f, "{sign}{}:{sign}{}", self.first, self.last)
    }
}

impl Returns {
    /// What a client that speaks IMAP4rev2 gets without asking.
    pub const ALL: Self = Self {
        min: false,
        max: false,
        all: true,
        count: false,
        save: false,
        context: false,
        update: false,
        fetch: None,
        relevancy: false,
        partial: None,
    };

    /// `RETURN (…)` and a space, if it stands here.
    ///
    /// # Errors
    /// An option is not known, or two exclude each other.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Option<Self>> {
        if !cursor.word("RETURN ") {
            return Ok(None);
        }
        let mut returns = Self::default();
        cursor.list(OPTIONS_MAX, |cursor| returns.option(cursor))?;
        cursor.space()?;
        // RFC 9394 §3.1: at most one of ALL and PARTIAL.
        if returns.all && returns.partial.is_some() {
            return Err(Malformed("ALL and PARTIAL exclude each other"));
        }
        if !(returns.tells() || returns.save) {
            returns.all = true;
        }
        Ok(Some(returns))
    }

    fn option(&mut self, cursor: &mut Cursor<'_>) -> Parsed<()> {
        let option = match cursor.atom()?.to_ascii_uppercase().as_str() {
            "MIN" => &mut self.min,
            "MAX" => &mut self.max,
            "ALL" => &mut self.all,
            "COUNT" => &mut self.count,
            "SAVE" => &mut self.save,
            "CONTEXT" => &mut self.context,
            "UPDATE" => {
                self.update = true;
                // The grammar has no space before the parenthesis, the examples have one (RFC 5465 §7, §8).
                let mut ahead = cursor.clone();
                ahead.take(b' ');
                if ahead.peek() == Some(b'(') {
                    *cursor = ahead;
                    self.fetch = Some(Items::parse(cursor)?);
                }
                return Ok(());
            }
            "RELEVANCY" => &mut self.relevancy,
            "PARTIAL" => {
                cursor.space()?;
                if self.partial.is_some() {
                    return Err(Malformed("There may be one PARTIAL"));
                }
                self.partial = Some(Range::parse(cursor)?);
                return Ok(());
            }
            _ => return Err(Malformed("There is no such RETURN option")),
        };
        *option = true;
        Ok(())
    }

    /// Whether it asks for more than to keep the result.
    pub const fn tells(&self) -> bool {
        self.min || self.max || self.all || self.count || self.partial.is_some() || self.relevancy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returns(text: &str) -> Parsed<Option<Returns>> {
        Returns::parse(&mut Cursor::new(text.as_bytes()))
    }

    #[test]
    fn options_are_read() {
        assert_eq!(returns("RETURN () ALL"), Ok(Some(Returns::ALL)));
        assert_eq!(returns("return (all) ALL"), Ok(Some(Returns::ALL)));
        assert_eq!(returns("ALL"), Ok(None));
        let fetch = returns("RETURN (COUNT UPDATE (UID FLAGS) SAVE) ALL").unwrap().unwrap().fetch.unwrap();
        assert!(fetch.uid && fetch.has(wire::session::FetchItem::Flags));
        assert!(returns("RETURN (ALL UPDATE(UID)) ALL").unwrap().unwrap().fetch.unwrap().uid);
        let save = Returns { save: true, ..Returns::default() };
        assert_eq!(returns("RETURN (SAVE) ALL"), Ok(Some(save)));
        let partial = Some(Range { from_end: true, first: 1, last: 100 });
        let expected = Returns { partial, count: true, ..Returns::default() };
        assert_eq!(returns("RETURN (COUNT PARTIAL -1:-100) ALL"), Ok(Some(expected)));
        for text in [
            "RETURN (X) ALL",
            "RETURN ALL",
            "RETURN (ALL PARTIAL 1:2) ALL",
            "RETURN (PARTIAL 1:2 PARTIAL 1:2) ALL",
            "RETURN (PARTIAL 0:2) ALL",
            "RETURN (PARTIAL -1:2) ALL",
            "RETURN (PARTIAL 1) ALL",
            "RETURN (ALL)",
            "RETURN (UPDATE ()) ALL",
            "RETURN (UPDATE (X)) ALL",
            "RETURN (UPDATE (UID) ALL",
        ] {
            assert!(returns(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_mean_positions() {
        let range = |from_end, first, last| Range { from_end, first, last };
        assert_eq!(range(false, 2, 4).positions(10), Some((1, 3)));
        assert_eq!(range(false, 4, 2).positions(3), Some((1, 2)));
        assert_eq!(range(false, 4, 5).positions(3), None);
        assert_eq!(range(true, 1, 2).positions(10), Some((8, 9)));
        assert_eq!(range(true, 2, 100).positions(3), Some((0, 1)));
        assert_eq!(range(true, 1, 1).positions(0), None);
        assert_eq!(range(true, 1, 2).to_string(), "-1:-2");
        let uids = UidSet::from_bounds(&[3, 4, 9, 10]).unwrap();
        assert_eq!(range(true, 1, 3).of(&uids).to_string(), "4,9:10");
        assert!(range(false, 5, 6).of(&uids).is_empty());
    }
}
