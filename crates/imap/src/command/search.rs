//! SEARCH (RFC 3501 §6.4.4, RFC 9051 §6.4.4), by message number and by UID, with MODSEQ (RFC 7162 §3.1.5) and RETURN.

mod charset;
pub mod context;
mod criteria;
pub mod extended;
mod fuzzy;
mod key;
pub mod results;
mod returns;
pub mod wanted;

pub use charset::CHARSETS_LISTED;
pub use context::Searches;
pub use criteria::Criteria;
pub use key::{Key, Place};
pub use returns::{Range, Returns};

use crate::codec::cursor::{Cursor, Parsed};
use crate::session::answer::{Answer, Outcome, Stop};
use crate::session::{Selected, Session, patiently};
use extended::Extended;
use node_client::{ClientError, SearchStream};
use results::Results;
use wanted::Terms;
use wire::convert::uid_set;
use wire::session::Found;

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
        match self.returns.or(session.enabled.rev2.then_some(Returns::ALL)) {
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
        let selected = session.selected()?;
        let key = Terms::new(&selected).all_of(&self.criteria.keys)?;
        let request = wire::session::Search { folder: selected.view.folder, key: Some(key) };
        let mut stream = selected.node.search(request).await?;
        let mut line = Line { selected, by_uid: self.by_uid, begun: false, highest: 0 };
        while let Some(found) = line.next(&mut stream).await? {
            let added = match found {
                Ok(found) => line.add(&found).await,
                Err(error) => Err(error.into()),
            };
            if let Err(stop) = added {
                line.break_off();
                return Err(stop);
            }
        }
        line.end(self.criteria.has_modseq());
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

    /// What is found next. Within the line nothing else can be told.
    async fn next(&mut self, stream: &mut SearchStream) -> Result<Option<Result<Found, ClientError>>, Stop> {
        if self.begun {
            return Ok(stream.next().await);
        }
        Ok(patiently(self.selected.connection, self.selected.tag, stream.next()).await?)
    }

    async fn add(&mut self, found: &Found) -> Result<(), Stop> {
        // The client cannot make sense of a message that it has not been told of.
        let uids = uid_set(found.uids.as_ref())?.intersection(self.selected.view.uids());
        self.begin();
        self.highest = self.highest.max(found.highest_modseq);
        results::write_plain(&mut self.selected, self.by_uid, &Results::Mailbox(uids)).await
    }

    /// Ends the line.
    fn end(mut self, by_modseq: bool) {
        self.begin();
        end_line(&mut self.selected.connection.out, by_modseq.then_some(self.highest));
    }

    /// The search failed: what was begun is ended, and a NO says that it is not whole.
    fn break_off(&mut self) {
        if self.begun {
            self.selected.connection.out.extend_from_slice(b"\r\n");
        }
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
