//! CANCELUPDATE (RFC 5267 §4.3.5): no more updates of a result.

use crate::codec::cursor::{Cursor, Parsed};
use crate::limits::CONTEXTS_MAX;
use crate::session::Session;
use crate::session::answer::{Answer, Outcome};

/// CANCELUPDATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelUpdate {
    /// Tags of the commands that asked for updates.
    pub tags: Vec<Vec<u8>>,
}

impl CancelUpdate {
    /// Reads the tags.
    ///
    /// # Errors
    /// There is none, or there are more than can be.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let mut tags = Vec::new();
        cursor.space()?;
        loop {
            tags.push(cursor.string()?.into_owned());
            if !cursor.take(b' ') {
                return Ok(Self { tags });
            }
            if tags.len() == CONTEXTS_MAX {
                return Err(crate::codec::Malformed("There are not that many updates"));
            }
        }
    }

    /// Ends the updates.
    ///
    /// # Errors
    /// BAD without a selected folder.
    pub fn run(self, session: &mut Session) -> Outcome {
        let selected = session.selected()?;
        let known =
            self.tags.iter().filter(|tag| std::str::from_utf8(tag).is_ok_and(|tag| selected.view.searches.cancel(tag)));
        if known.count() < self.tags.len() {
            return Ok(Answer::no("No command with that tag asked for updates"));
        }
        Ok(Answer::ok("No further updates"))
    }
}
