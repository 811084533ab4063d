//! COPY (RFC 3501 §6.4.7) and MOVE (RFC 6851), by message number and by UID, with COPYUID (RFC 4315 §3).

use crate::codec::cursor::{Cursor, Parsed};
use crate::codec::{Name, SequenceSet, name};
use crate::session::answer::{Answer, Code, Outcome, failure_of_target, untagged_ok};
use crate::session::{Session, patiently};
use model::{Uid, UidSet};
use wire::session::Copied;

/// COPY or MOVE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// UID COPY, UID MOVE.
    pub by_uid: bool,
    /// The messages leave their folder: MOVE.
    pub moves: bool,
    /// Which messages.
    pub set: SequenceSet,
    /// Where to.
    pub to: Name,
}

impl Copy {
    /// Reads the set and the target.
    ///
    /// # Errors
    /// One of them is missing or malformed.
    pub fn parse(cursor: &mut Cursor<'_>, by_uid: bool, moves: bool) -> Parsed<Self> {
        cursor.space()?;
        let set = SequenceSet::parse(cursor)?;
        cursor.space()?;
        let to = name::parse(cursor)?;
        Ok(Self { by_uid, moves, set, to })
    }

    /// Copies or moves those that are still there, in one go.
    ///
    /// # Errors
    /// BAD in the wrong state; NO with TRYCREATE when there is no such folder.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let messages_max = session.shared.settings.messages_per_command_max;
        let selected = if self.moves { session.selected_for_change()? } else { session.selected()? };
        let uids = selected.uids(&self.set, self.by_uid)?;
        let to = super::folder(self.to)?;
        if uids.is_empty() {
            return Ok(Answer::ok("There are no such messages"));
        }
        if uids.len() > messages_max {
            // RFC 9738 §3.1: a COPY is done whole or not at all.
            let limit = Code::MessageLimit(messages_max, None);
            return Ok(Answer::no("That is too much for one command").with(limit));
        }
        let copy = wire::session::Copy {
            folder: selected.view.folder,
            uids: Some((&uids).into()),
            to: to.as_str().to_owned(),
            r#move: self.moves,
            token: bytes::Bytes::new(),
        };
        let copying = selected.node.copy(copy);
        let copied = patiently(selected.connection, selected.tag, copying).await?;
        let copied = copied.map_err(|error| failure_of_target(&error))?;
        let code = copy_uid(&copied);
        if self.moves {
            // RFC 6851 §4.3: COPYUID in an untagged OK before the EXPUNGEs.
            if let Some(code) = code {
                untagged_ok(&mut selected.connection.out, &code, "Moved");
            }
            let moved: UidSet = copied.from.iter().filter_map(|&uid| Uid::new(uid)).collect();
            selected.view.vanish_own(&moved, copied.highest_modseq);
            let answer = Answer::ok("Done");
            // RFC 7162 §3.2.7, as for what an EXPUNGE removes.
            let told = selected.enabled.qresync && !moved.is_empty();
            return Ok(if told { answer.with(Code::HighestModSeq(copied.highest_modseq)) } else { answer });
        }
        // RFC 2180 §4.4.1: what is gone cannot be copied, and is told to be gone before this answer.
        let answer = Answer::ok("Done");
        Ok(match code {
            Some(code) => answer.with(code),
            None => answer,
        })
    }
}

/// The COPYUID code, `None` when nothing was copied.
fn copy_uid(copied: &Copied) -> Option<Code> {
    if copied.from.is_empty() {
        return None;
    }
    Some(Code::CopyUid(copied.uid_validity, in_order(&copied.from), in_order(&copied.to)))
}

/// UIDs in the order given, with neighbours as ranges: source and target correspond pairwise (RFC 4315 §3).
fn in_order(uids: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &uid in uids {
        match runs.last_mut() {
            Some(run) if run.1.checked_add(1) == Some(uid) => run.1 = uid,
            _ => runs.push((uid, uid)),
        }
    }
    let words = runs.iter().map(|&(a, b)| if a == b { a.to_string() } else { format!("{a}:{b}") });
    words.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copyuid_keeps_the_order() {
        let copied =
            Copied { uid_validity: 7, from: vec![1, 2, 4, 9, 8], to: vec![11, 12, 13, 14, 15], highest_modseq: 0 };
        assert_eq!(copy_uid(&copied), Some(Code::CopyUid(7, "1:2,4,9,8".into(), "11:15".into())));
        assert_eq!(copy_uid(&Copied::default()), None);
    }
}
