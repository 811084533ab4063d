//! Flags and keywords in a STORE or APPEND.

use super::cursor::{Cursor, Malformed, Parsed};
use crate::limits::FLAGS_IN_LIST_MAX;
use model::flags::{Flag, Flags, Keyword};

/// What a client wants to set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlagList {
    /// System flags.
    pub flags: Flags,
    /// Keywords, as they were written, without repeats.
    pub keywords: Vec<Keyword>,
    /// A keyword was longer than a folder can keep. Not malformed, so it becomes a NO.
    pub overlong: bool,
}

impl FlagList {
    /// `flag-list`: in parentheses.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let mut list = Self::default();
        let mut first = true;
        cursor.list(FLAGS_IN_LIST_MAX, |cursor| {
            // No space belongs there, but Dovecot's dsync sends one before keywords when it brings a mailbox over.
            if std::mem::take(&mut first) {
                let _ = cursor.take(b' ');
            }
            list.flag(cursor)
        })?;
        Ok(list)
    }

    /// `flag-list` or flags without parentheses (RFC 3501 §9 store-att-flags).
    pub fn parse_store(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        if cursor.peek() == Some(b'(') {
            return Self::parse(cursor);
        }
        let mut list = Self::default();
        for _ in 0..FLAGS_IN_LIST_MAX {
            list.flag(cursor)?;
            if !cursor.take(b' ') {
                return Ok(list);
            }
        }
        Err(Malformed("The list has too many elements"))
    }

    fn flag(&mut self, cursor: &mut Cursor<'_>) -> Parsed<()> {
        let system = cursor.take(b'\\');
        let name = cursor.atom().map_err(|_| Malformed("Expected a flag"))?;
        if system {
            // \Recent is the server's to give (RFC 3501 §2.3.2), and others do not exist.
            let flag =
                Flag::ALL.into_iter().find(|flag| flag.name().get(1..).is_some_and(|n| n.eq_ignore_ascii_case(name)));
            self.flags = self.flags.with(flag.ok_or(Malformed("There is no such system flag that a client may set"))?);
            return Ok(());
        }
        match Keyword::parse(name) {
            Some(keyword) if !self.keywords.contains(&keyword) => self.keywords.push(keyword),
            Some(_) => {}
            None => self.overlong = true,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(text: &str) -> Parsed<FlagList> {
        let mut cursor = Cursor::new(text.as_bytes());
        let list = FlagList::parse_store(&mut cursor)?;
        cursor.end()?;
        Ok(list)
    }

    #[test]
    fn reads_flags_in_every_form() {
        let list = store("(\\seen \\FLAGGED $Junk $junk work)").unwrap();
        assert_eq!(list.flags, Flags::NONE.with(Flag::Seen).with(Flag::Flagged));
        assert_eq!(list.keywords.iter().map(Keyword::as_str).collect::<Vec<_>>(), ["$Junk", "work"]);
        assert_eq!(store("\\Seen $x"), store("(\\Seen $x)"));
        assert_eq!(store("()").unwrap(), FlagList::default());
        assert_eq!(store("( a b)"), store("(a b)"));
        assert!(store(&format!("({})", "k".repeat(65))).unwrap().overlong);
    }

    #[test]
    fn refuses_what_is_no_flag() {
        for text in
            ["", "(", "(\\Seen", "(\\Recent)", "\\Bogus", "(a  b)", "(a b", "(\\)", "\\*", "(\"a\")", "a]", "(a) b"]
        {
            assert!(store(text).is_err(), "{text}");
        }
        assert!(store(&format!("({})", vec!["a"; 65].join(" "))).is_err());
    }
}
