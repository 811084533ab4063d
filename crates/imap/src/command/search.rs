//! SEARCH (RFC 3501 §6.4.4, RFC 9051 §6.4.4), by message number and by UID, with MODSEQ (RFC 7162 §3.1.5) and RETURN.

mod charset;
pub mod context;
mod criteria;
pub mod extended;
mod fuzzy;
mod key;
pub mod results;
mod returns;
mod streamed;
pub mod wanted;

pub use charset::CHARSETS_LISTED;
pub use context::Searches;
pub use criteria::Criteria;
pub use key::{Key, Place};
pub use returns::{Range, Returns};

use crate::codec::cursor::{Cursor, Parsed};
use crate::session::Session;
use crate::session::answer::{Answer, Outcome};
use extended::Extended;
use wanted::Terms;

/// SEARCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// UID SEARCH.
    pub by_uid: bool,
    /// What is to be answered; `None` for the answer of RFC 3501.
    pub returns: Option<Returns>,
    /// What is wanted.
    pub criteria: Criteria,
}

impl Search {
    /// Reads the options, the charset and the keys.
    ///
    /// # Errors
    /// One is malformed or not known.
    pub fn parse(cursor: &mut Cursor<'_>, by_uid: bool) -> Parsed<Self> {
        cursor.space()?;
        Ok(Self { by_uid, returns: Returns::parse(cursor)?, criteria: Criteria::parse(cursor)? })
    }

    /// Searches at the node, and writes what is found as it comes or, with RETURN, what was asked of it.
    ///
    /// # Errors
    /// BAD without a selected folder, or for a message number that does not exist; NO of the node.
    pub async fn run(self, session: &mut Session, tag: &str) -> Outcome {
        // RFC 9051 §6.4.4: without options it is RETURN (ALL).
        match self.returns.clone().or(session.enabled.rev2.then_some(Returns::ALL)) {
            Some(returns) => {
                let extended = Extended { by_uid: self.by_uid, returns, criteria: self.criteria, sort: None };
                extended.run(session, tag).await
            }
            None => self.run_plain(session).await,
        }
    }

    async fn run_plain(self, session: &mut Session) -> Outcome {
        session.selected()?;
        self.criteria.check(session)?;
        let mut selected = session.selected()?;
        let key = Terms::new(&selected).all_of(&self.criteria.keys)?;
        streamed::plain(&mut selected, key, self.by_uid, self.criteria.has_modseq()).await?;
        Ok(Answer::ok("Done"))
    }
}

/// Ends an untagged SEARCH or SORT. RFC 7162 §3.1.5: the highest MODSEQ stands there when it was searched for and something
/// was found.
pub fn end_line(out: &mut Vec<u8>, modseq: Option<u64>) {
    if let Some(modseq) = modseq.filter(|&modseq| modseq > 0) {
        out.extend_from_slice(format!(" (MODSEQ {modseq})").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}
