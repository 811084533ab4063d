//! EXPUNGE (RFC 3501 §6.4.3) and UID EXPUNGE (RFC 4315 §2.1).

use crate::codec::SequenceSet;
use crate::codec::cursor::{Cursor, Parsed};
use crate::session::answer::{Answer, Code, Outcome};
use crate::session::{Session, patiently};
use wire::convert::uid_set;

/// EXPUNGE or UID EXPUNGE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expunge {
    /// Only these UIDs: UID EXPUNGE.
    pub uids: Option<SequenceSet>,
}

impl Expunge {
    /// Reads the set of a UID EXPUNGE.
    ///
    /// # Errors
    /// It is missing or malformed.
    pub fn parse(cursor: &mut Cursor<'_>, by_uid: bool) -> Parsed<Self> {
        if !by_uid {
            return Ok(Self { uids: None });
        }
        cursor.space()?;
        Ok(Self { uids: Some(SequenceSet::parse(cursor)?) })
    }

    /// Removes what has \Deleted. The EXPUNGEs are told with the other changes before the answer.
    ///
    /// # Errors
    /// BAD without a selected folder; NO in one that is read-only, or of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let selected = session.selected_for_change()?;
        let uids = match &self.uids {
            Some(set) => Some(selected.uids(set, true)?),
            None => None,
        };
        if uids.as_ref().is_some_and(model::UidSet::is_empty) {
            return Ok(Answer::ok("There are no such messages"));
        }
        let expunge = wire::session::Expunge {
            folder: selected.view.folder,
            by_uid: uids.is_some(),
            uids: uids.as_ref().map(Into::into),
        };
        let expunged = patiently(selected.connection, selected.tag, selected.node.expunge(expunge)).await??;
        let gone = uid_set(expunged.uids.as_ref())?;
        selected.view.vanish_own(&gone, expunged.highest_modseq);
        let answer = Answer::ok("Done");
        // RFC 7162 §3.2.7
        let told = selected.enabled.qresync && !gone.is_empty();
        Ok(if told { answer.with(Code::HighestModSeq(expunged.highest_modseq)) } else { answer })
    }
}
