//! What follows the options of SEARCH, SORT, THREAD and ESEARCH: a charset and keys. One grammar for all of them.

use super::Key;
use super::charset::Charset;
use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::session::Session;
use crate::session::answer::{Answer, Code, Stop};

/// A charset and keys, all of which must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Criteria {
    /// A charset was named in a SEARCH.
    pub charset_named: bool,
    /// The charset is not known, and the keys were not read.
    pub bad_charset: bool,
    /// What is wanted.
    pub keys: Vec<Key>,
}

impl Criteria {
    /// These keys in UTF-8.
    pub const fn new(keys: Vec<Key>) -> Self {
        Self { charset_named: false, bad_charset: false, keys }
    }

    /// `["CHARSET" SP charset SP] search-key *(SP search-key)`
    ///
    /// # Errors
    /// A key is malformed or not known, or nested too deep.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        if !cursor.word("CHARSET ") {
            return Ok(Self::new(keys(cursor, &Charset::UTF_8)?));
        }
        Ok(Self { charset_named: true, ..Self::parse_after_charset(cursor)? })
    }

    /// `charset SP search-key *(SP search-key)`, as SORT and THREAD have it.
    ///
    /// # Errors
    /// As [`Criteria::parse`].
    pub fn parse_after_charset(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let name = cursor.astring()?;
        cursor.space()?;
        match Charset::named(&name) {
            Some(charset) => Ok(Self::new(keys(cursor, &charset)?)),
            None => {
                // Strings in an unknown charset cannot be read, so what follows is passed over.
                let _ = cursor.while_(|_| true);
                Ok(Self { bad_charset: true, ..Self::new(Vec::new()) })
            }
        }
    }

    /// Whether MODSEQ stands in it.
    pub fn has_modseq(&self) -> bool {
        self.keys.iter().any(|key| key.any(&|key| matches!(key, Key::ModSeq(_))))
    }

    /// Whether FUZZY stands in it.
    pub fn has_fuzzy(&self) -> bool {
        self.keys.iter().any(|key| key.any(&|key| matches!(key, Key::Fuzzy(_))))
    }

    /// What must be so before it can be run.
    ///
    /// # Errors
    /// NO for a charset that is not known, BAD for one where there is none to choose.
    pub fn check(&self, session: &mut Session) -> Result<(), Stop> {
        // RFC 6855 §3: after ENABLE UTF8=ACCEPT everything is UTF-8, and a SEARCH that names a charset is BAD.
        if self.charset_named && session.enabled.utf8 {
            return Err(Answer::bad("Everything is UTF-8 after ENABLE UTF8=ACCEPT").into());
        }
        if self.bad_charset {
            return Err(Answer::no("The charset is not known").with(Code::BadCharset).into());
        }
        // RFC 7162 §3.1.5: a SEARCH with MODSEQ enables CONDSTORE.
        if self.has_modseq() {
            session.enable_condstore();
        }
        Ok(())
    }
}

fn keys(cursor: &mut Cursor<'_>, charset: &Charset) -> Parsed<Vec<Key>> {
    let mut keys = vec![Key::parse(cursor, charset, 0)?];
    while cursor.take(b' ') {
        if cursor.rest().is_empty() {
            break;
        }
        if keys.len() == model::limits::SEARCH_KEYS_MAX {
            return Err(Malformed("The search has too many keys"));
        }
        keys.push(Key::parse(cursor, charset, 0)?);
    }
    Ok(keys)
}
