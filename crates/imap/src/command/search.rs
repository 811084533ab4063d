//! SEARCH (RFC 3501 §6.4.4), by message number and by UID, with MODSEQ (RFC 7162 §3.1.5).

mod key;
mod wanted;

pub use key::Key;

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::writer;
use crate::session::answer::{Answer, Code, Outcome, Stop};
use crate::session::view::number_runs;
use crate::session::{Selected, Session};
use model::UidSet;
use wire::convert::uid_set;
use wire::session::Found;

/// SEARCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// UID SEARCH.
    pub by_uid: bool,
    /// The charset is neither US-ASCII nor UTF-8, and the keys were not read.
    pub bad_charset: bool,
    /// What is wanted; all of them must hold.
    pub keys: Vec<Key>,
}

impl Search {
    /// Reads the charset and the keys.
    ///
    /// # Errors
    /// A key is malformed or not known, or nested too deep.
    pub fn parse(cursor: &mut Cursor<'_>, by_uid: bool) -> Parsed<Self> {
        cursor.space()?;
        if cursor.word("CHARSET ") {
            let charset = cursor.astring()?;
            cursor.space()?;
            let known = [&b"US-ASCII"[..], b"UTF-8"].iter().any(|known| charset.eq_ignore_ascii_case(known));
            if !known {
                // Strings in an unknown charset cannot be read, so what follows is passed over.
                let _ = cursor.while_(|_| true);
                return Ok(Self { by_uid, bad_charset: true, keys: Vec::new() });
            }
        }
        let mut keys = vec![Key::parse(cursor, 0)?];
        while cursor.take(b' ') {
            if cursor.rest().is_empty() {
                break;
            }
            if keys.len() == model::limits::SEARCH_KEYS_MAX {
                return Err(Malformed("The search has too many keys"));
            }
            keys.push(Key::parse(cursor, 0)?);
        }
        Ok(Self { by_uid, bad_charset: false, keys })
    }

    /// Searches at the node, and writes what is found as it comes.
    ///
    /// # Errors
    /// BAD without a selected folder, or for a message number that does not exist; NO of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let by_modseq = self.keys.iter().any(Key::has_modseq);
        if by_modseq {
            session.enable_condstore();
        }
        let selected = session.selected()?;
        if self.bad_charset {
            return Ok(Answer::no("The charset is not known").with(Code::BadCharset));
        }
        let key = wanted::all_of(&self.keys, &selected)?;
        if let Err(problem) = wire::frame::check_search(&key) {
            return Ok(Answer::refused("LIMIT", problem.to_string()));
        }
        let request = wire::session::Search { folder: selected.view.folder, key: Some(key) };
        let mut stream = selected.node.search(request).await?;
        let mut line = Line { selected, by_uid: self.by_uid, begun: false, highest: 0 };
        while let Some(found) = stream.next().await {
            let added = match found {
                Ok(found) => line.add(&found).await,
                Err(error) => Err(error.into()),
            };
            if let Err(stop) = added {
                line.break_off();
                return Err(stop);
            }
        }
        line.end(by_modseq);
        Ok(Answer::ok("Done"))
    }
}

/// The untagged SEARCH, written as results come.
struct Line<'a> {
    selected: Selected<'a>,
    by_uid: bool,
    begun: bool,
    /// Highest MODSEQ of what was found.
    highest: u64,
}

impl Line<'_> {
    fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            self.selected.connection.out.extend_from_slice(b"* SEARCH");
        }
    }

    async fn add(&mut self, found: &Found) -> Result<(), Stop> {
        // The client cannot make sense of a message that it has not been told of.
        let uids = uid_set(found.uids.as_ref())?.intersection(self.selected.view.uids());
        self.begin();
        self.highest = self.highest.max(found.highest_modseq);
        // Numbers are written run by run: a million results are never held as text.
        for (first, last) in self.numbers(&uids) {
            for number in first..=last {
                self.selected.connection.out.push(b' ');
                writer::number(&mut self.selected.connection.out, number);
                self.selected.connection.relieve().await?;
            }
        }
        Ok(())
    }

    fn numbers(&self, uids: &UidSet) -> Vec<(u64, u64)> {
        if self.by_uid {
            return uids.runs().iter().map(|&(first, last)| (first.into(), last.into())).collect();
        }
        let runs = number_runs(self.selected.view.uids(), uids);
        runs.into_iter().map(|(first, last)| (first as u64, last as u64)).collect()
    }

    /// Ends the line. RFC 7162 §3.1.5: the highest MODSEQ stands there when it was searched for and something was found.
    fn end(mut self, by_modseq: bool) {
        self.begin();
        if by_modseq && self.highest > 0 {
            let modseq = format!(" (MODSEQ {})", self.highest);
            self.selected.connection.out.extend_from_slice(modseq.as_bytes());
        }
        self.selected.connection.out.extend_from_slice(b"\r\n");
    }

    /// The search failed: what was begun is ended, and a NO says that it is not whole.
    fn break_off(&mut self) {
        if self.begun {
            self.selected.connection.out.extend_from_slice(b"\r\n");
        }
    }
}
