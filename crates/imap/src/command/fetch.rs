//! FETCH (RFC 3501 §6.4.5), by message number and by UID, with CHANGEDSINCE (RFC 7162 §3.1.4.1) and PARTIAL (RFC 9394 §3.2).

mod answer;
mod items;
mod section;

pub use items::Items;
pub use section::{Form, Kind, Section};

use crate::codec::SequenceSet;
use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::command::search::Range;
use crate::session::answer::{Answer, End, Outcome, Stop};
use crate::session::{Enabled, Selected, Session, absorb, expunge_issued, patiently, within_limit, write_vanished};
use answer::{Told, Writer};
use model::UidSet;
use wire::session::FetchItem;

/// Modifiers of one FETCH.
const MODIFIERS_MAX: usize = 8;

/// FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// UID FETCH.
    pub by_uid: bool,
    /// Which messages.
    pub set: SequenceSet,
    /// What of them.
    pub items: Items,
    /// Only those with a higher MODSEQ.
    pub changed_since: Option<u64>,
    /// PARTIAL: only the first or last so many of them (RFC 9394 §3.2).
    pub partial: Option<Range>,
    /// VANISHED: what of the set is gone since then (RFC 7162 §3.2.6).
    pub vanished: bool,
}

/// What came of a FETCH.
struct Streamed {
    /// Messages that were answered.
    answered: usize,
    /// A part's transfer encoding is not known.
    undecoded: bool,
}

/// Tells of new messages what NOTIFY asked for (RFC 5465 §5.2). Nothing becomes \Seen by it.
///
/// # Errors
/// NO of the node; the end of the connection when a message broke off.
pub(crate) async fn tell_new(items: Items, mut selected: Selected<'_>, uids: &UidSet) -> Result<(), Stop> {
    let set = SequenceSet::all();
    let fetch = Fetch { by_uid: true, set, items, changed_since: None, partial: None, vanished: false };
    if fetch.is_known_here() {
        return answer::uids(selected, uids).await.map(|_| ());
    }
    fetch.stream(&mut selected, uids, false).await.map(|_| ())
}

impl Fetch {
    /// Reads the set, the items and the modifier.
    ///
    /// # Errors
    /// One is missing or malformed.
    pub fn parse(cursor: &mut Cursor<'_>, by_uid: bool) -> Parsed<Self> {
        cursor.space()?;
        let set = SequenceSet::parse(cursor)?;
        cursor.space()?;
        let items = Items::parse(cursor)?;
        let mut fetch = Self { by_uid, set, items, changed_since: None, partial: None, vanished: false };
        if cursor.take(b' ') && cursor.list(MODIFIERS_MAX, |cursor| fetch.modifier(cursor))?.is_empty() {
            return Err(Malformed("Expected a modifier"));
        }
        if fetch.vanished && !(by_uid && fetch.changed_since.is_some()) {
            return Err(Malformed("VANISHED goes with UID FETCH and CHANGEDSINCE"));
        }
        Ok(fetch)
    }

    fn modifier(&mut self, cursor: &mut Cursor<'_>) -> Parsed<()> {
        if cursor.word("CHANGEDSINCE ") {
            self.changed_since = Some(cursor.number64()?);
            // RFC 7162 §3.1.4.1: CHANGEDSINCE asks for MODSEQ.
            self.items.want(FetchItem::Modseq);
        } else if self.by_uid && cursor.word("PARTIAL ") {
            self.partial = Some(Range::parse(cursor)?);
        } else if cursor.word("VANISHED") {
            self.vanished = true;
        } else {
            return Err(Malformed("There is no such modifier of FETCH"));
        }
        Ok(())
    }

    /// Answers.
    ///
    /// # Errors
    /// BAD without a selected folder; NO of the node; the end of the connection when a message broke off.
    pub async fn run(self, session: &mut Session) -> Outcome {
        if self.vanished && !session.enabled.qresync {
            // RFC 7162 §3.2.6
            return Err(Answer::bad("VANISHED needs ENABLE QRESYNC").into());
        }
        if self.items.has(FetchItem::Modseq) {
            session.enable_condstore();
        }
        let messages_max = session.shared.settings.messages_per_command_max;
        let mut selected = session.selected()?;
        let mut uids = selected.uids(&self.set, self.by_uid)?;
        if let Some(range) = self.partial {
            // RFC 9394 §3.4: of the set; which of them have changed is asked afterwards.
            uids = range.of(&uids);
        }
        if self.vanished {
            self.tell_vanished(&mut selected).await?;
        }
        if uids.is_empty() {
            return Ok(Answer::ok("Done"));
        }
        if self.is_known_here() {
            return answer::uids(selected, &uids).await;
        }
        // RFC 3501 §6.4.5: a body that is not peeked at is seen, but not in a folder in which nothing can be changed.
        let (uids, limit) = within_limit(uids, messages_max);
        let marks_seen = self.items.marks_seen() && selected.view.is_writable();
        let streamed = self.stream(&mut selected, &uids, marks_seen).await?;
        if streamed.undecoded {
            // RFC 3516 §4.3
            return Ok(Answer::refused("UNKNOWN-CTE", "The transfer encoding of a part is not known"));
        }
        let missing = self.changed_since.is_none() && streamed.answered < uids.len();
        let gone = missing || !selected.view.vanished_of(&uids).is_empty();
        let answer = Answer::ok("Done");
        Ok(match limit {
            Some(limit) => answer.with(limit),
            // RFC 2180 §4.1: by number, the client must hear that something it knows of could not be had.
            None if gone && !self.by_uid => expunge_issued(),
            None => answer,
        })
    }

    /// Streams what a node sends to the client as it comes, and the node sends no more than was written.
    async fn stream(&self, selected: &mut Selected<'_>, uids: &UidSet, marks_seen: bool) -> Result<Streamed, Stop> {
        let request = self.request(selected.view.folder, uids, marks_seen);
        let mut stream = selected.node.fetch(request).await?;
        let told = Told {
            marks_seen,
            modseq: selected.enabled.condstore,
            uid_only: selected.enabled.uid_only,
            uid: self.tells_uid(selected.enabled, marks_seen),
        };
        let mut writer = Writer::new(&self.items, told);
        let mut answered = 0usize;
        loop {
            let next = if writer.is_midway() {
                stream.next().await
            } else {
                patiently(selected.connection, selected.tag, stream.next()).await?
            };
            let Some(fetched) = next else { break };
            let fetched = match fetched {
                Ok(fetched) => fetched,
                Err(error) => return Err(writer.broken(error.into())),
            };
            absorb(selected.node, selected.view).map_err(|stop| writer.broken(stop))?;
            if let Some(columns) = fetched.columns {
                answered += writer.columns(&columns, selected.view, selected.connection).await?;
            }
            for message in fetched.messages {
                answered += usize::from(!message.continues);
                writer.record(message, selected.view, selected.connection).await?;
            }
        }
        writer.end()?;
        Ok(Streamed { answered, undecoded: writer.is_undecoded() })
    }

    /// RFC 3501 §6.4.8: UID FETCH answers with the UID whether asked or not, and so does a FETCH that changes flags for a client
    /// of CONDSTORE (RFC 7162 §3.2.4); a UIDFETCH has it in front (RFC 9586 §3.3).
    fn tells_uid(&self, enabled: Enabled, marks_seen: bool) -> bool {
        self.items.uid || ((self.by_uid || (marks_seen && enabled.condstore)) && !enabled.uid_only)
    }

    /// RFC 7162 §3.2.6: what of the set is gone comes before the rest. `*` is the highest UID there can be.
    async fn tell_vanished(&self, selected: &mut Selected<'_>) -> Result<(), Stop> {
        let vanished = selected.vanished_earlier(self.changed_since.unwrap_or_default()).await?;
        let vanished = vanished.intersection(&self.set.resolve(u32::MAX));
        Ok(write_vanished(selected.connection, &vanished, true).await?)
    }

    /// Only the UID is asked for, which the view has.
    fn is_known_here(&self) -> bool {
        self.items.bits() == 0 && self.items.sections.is_empty() && self.changed_since.is_none()
    }

    fn request(&self, folder: u64, uids: &UidSet, mark_seen: bool) -> wire::session::Fetch {
        let mut items = self.items.bits();
        // What marking changes is told in the same answer; the MODSEQ says which held change the flags make obsolete.
        if mark_seen || self.items.has(FetchItem::Flags) {
            items |= FetchItem::Flags as u32 | FetchItem::Modseq as u32;
        }
        wire::session::Fetch {
            folder,
            uids: Some(uids.into()),
            items,
            sections: self.items.sections.iter().map(Section::wire).collect(),
            changed_since: self.changed_since.unwrap_or_default(),
            mark_seen,
            columns: true,
        }
    }
}

impl Writer<'_> {
    /// A failure in the middle of an answer cannot be told: the connection ends instead.
    fn broken(&self, stop: Stop) -> Stop {
        if self.is_midway() { End::Broken.into() } else { stop }
    }
}

#[cfg(test)]
mod tests;
