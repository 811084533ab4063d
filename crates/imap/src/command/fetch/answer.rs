//! Writes what a node fetched as IMAP's answers, piece by piece.
//!
//! Invariant: a literal gets exactly the octets that were announced for it, or the connection ends.

use super::{Form, Items};
use crate::codec::object_id::{self, Object};
use crate::codec::{date, writer};
use crate::session::answer::{Answer, End, Outcome};
use crate::session::connection::Connection;
use crate::session::view::{NumberCursor, View};
use crate::session::{Selected, begin_fetch, write_known_flags};
use model::{Flags, Uid, UidSet};
use wire::session::{FetchItem, FetchedMessage, FlagColumns, SectionData};

/// Answers with the UIDs alone.
pub(super) async fn uids(selected: Selected<'_>, uids: &UidSet) -> Outcome {
    let mut numbers = NumberCursor::default();
    for uid in uids.iter() {
        let Some(number) = numbers.number(selected.view.uids(), uid) else { continue };
        let out = &mut selected.connection.out;
        begin_fetch(out, number, uid.get(), selected.enabled.uid_only);
        out.extend_from_slice(b"UID ");
        writer::number(out, u64::from(uid.get()));
        out.extend_from_slice(b")\r\n");
        selected.connection.relieve().await?;
    }
    Ok(Answer::ok("Done"))
}

/// How flags are told beside what was asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    /// \Seen is set by this FETCH.
    pub(super) marks_seen: bool,
    /// With flags comes MODSEQ.
    pub(super) modseq: bool,
    /// UID is among the items.
    pub(super) uid: bool,
    /// It is a UIDFETCH (RFC 9586 §3.3).
    pub(super) uid_only: bool,
}

/// The answer to one FETCH.
pub(super) struct Writer<'a> {
    items: &'a Items,
    told: Told,
    numbers: NumberCursor,
    /// The message that is being written.
    open: Option<Open>,
    /// A part's transfer encoding is not known.
    undecoded: bool,
}

/// Flags of one message as a node tells of them.
struct Flagged<'a> {
    uid: Uid,
    flags: u32,
    modseq: u64,
    keywords: &'a [String],
}

struct Open {
    uid: u32,
    /// Octets that the section at hand still owes.
    owed: u64,
    /// The section at hand, by its index.
    section: Option<u32>,
    /// The client does not know of the message: its octets go nowhere.
    unknown: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(items: &'a Items, told: Told) -> Self {
        Self { items, told, numbers: NumberCursor::default(), open: None, undecoded: false }
    }

    /// Whether an answer has been begun and not ended.
    pub(super) fn is_midway(&self) -> bool {
        self.open.is_some()
    }

    /// Whether something could not be decoded: NIL stands for it.
    pub(super) fn is_undecoded(&self) -> bool {
        self.undecoded
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// [`End::Broken`] when an answer was not ended.
    pub(super) fn end(&self) -> Result<(), End> {
        if self.is_midway() { Err(End::Broken) } else { Ok(()) }
    }

    /// Writes one record.
    ///
    /// # Errors
    /// [`End::Broken`] when the records do not fit together; the connection's end.
    pub(super) async fn record(
        &mut self,
        message: FetchedMessage,
        view: &mut View,
        connection: &mut Connection,
    ) -> Result<(), End> {
        let mut sections = message.sections.as_slice();
        match (&mut self.open, message.continues) {
            (Some(open), true) if open.uid == message.uid => {
                if let Some((first, rest)) = sections.split_first()
                    && open.section == Some(first.index)
                {
                    open.piece(first, connection).await?;
                    sections = rest;
                }
            }
            (None, false) => self.open = Some(self.begin(&message, view, &mut connection.out)),
            (Some(_), _) | (None, true) => return Err(End::Broken),
        }
        let Some(open) = &mut self.open else { return Err(End::Broken) };
        for section in sections {
            self.undecoded |= section.unknown_encoding;
            open.section(self.items, section, connection).await?;
        }
        if !message.unfinished {
            if open.owed != 0 {
                return Err(End::Broken);
            }
            if !open.unknown {
                connection.out.extend_from_slice(b")\r\n");
            }
            self.open = None;
        }
        connection.relieve().await
    }

    /// Writes the simple items.
    fn begin(&mut self, message: &FetchedMessage, view: &mut View, out: &mut Vec<u8>) -> Open {
        let uid = Uid::new(message.uid);
        let number = uid.and_then(|uid| self.numbers.number(view.uids(), uid));
        let (Some(uid), Some(number)) = (uid, number) else {
            return Open { uid: message.uid, owed: 0, section: None, unknown: true };
        };
        if self.tells_flags(view, uid) {
            teach_keywords(&message.keywords, view, out);
        }
        let start = self.begin_line(number, uid, out);
        let FetchedMessage { flags, modseq, keywords, .. } = message;
        self.flags(&Flagged { uid, flags: *flags, modseq: *modseq, keywords }, view, out, start);
        if self.items.has(FetchItem::InternalDate) {
            writer::word(out, start, "INTERNALDATE ");
            date::write_date_time(out, message.internal_date_ms);
        }
        if self.items.has(FetchItem::Size) {
            writer::word(out, start, "RFC822.SIZE ");
            writer::number(out, message.size);
        }
        let ready = [
            (FetchItem::Envelope, "ENVELOPE ", &message.envelope),
            (FetchItem::Body, "BODY ", &message.body),
            (FetchItem::BodyStructure, "BODYSTRUCTURE ", &message.body_structure),
        ];
        for (_, name, bytes) in ready.into_iter().filter(|(item, ..)| self.items.has(*item)) {
            writer::word(out, start, name);
            out.extend_from_slice(bytes);
        }
        self.extras(message, out, start);
        Open { uid: message.uid, owed: 0, section: None, unknown: false }
    }

    /// Begins a message's line, up to its first item.
    fn begin_line(&self, number: usize, uid: Uid, out: &mut Vec<u8>) -> usize {
        let start = begin_fetch(out, number, uid.get(), self.told.uid_only);
        if self.told.uid {
            writer::word(out, start, "UID ");
            writer::number(out, u64::from(uid.get()));
        }
        start
    }

    /// Writes flags that came as columns; how many messages they are of.
    ///
    /// # Errors
    /// [`End::Broken`] when the columns do not fit together; the connection's end.
    pub(super) async fn columns(
        &mut self,
        columns: &FlagColumns,
        view: &mut View,
        connection: &mut Connection,
    ) -> Result<usize, End> {
        let FlagColumns { uids, flags, modseqs, sets_of, sets } = columns;
        let all = uids.len();
        if self.is_midway() || flags.len() != all || modseqs.len() != all || ![0, all].contains(&sets_of.len()) {
            return Err(End::Broken);
        }
        if self.items.has(FetchItem::Flags) {
            for set in sets {
                teach_keywords(&set.keywords, view, &mut connection.out);
            }
        }
        let sets_of = sets_of.iter().copied().chain(std::iter::repeat(0));
        for (((&uid, &flags), &modseq), set) in uids.iter().zip(flags).zip(modseqs).zip(sets_of) {
            let keywords = match set.checked_sub(1) {
                None => [].as_slice(),
                Some(at) => sets.get(at as usize).ok_or(End::Broken)?.keywords.as_slice(),
            };
            let uid = Uid::new(uid).ok_or(End::Broken)?;
            let Some(number) = self.numbers.number(view.uids(), uid) else { continue };
            let out = &mut connection.out;
            let start = self.begin_line(number, uid, out);
            self.flags(&Flagged { uid, flags, modseq, keywords }, view, out, start);
            out.extend_from_slice(b")\r\n");
            connection.relieve().await?;
        }
        Ok(all)
    }

    fn tells_flags(&self, view: &View, uid: Uid) -> bool {
        self.items.has(FetchItem::Flags) || (self.told.marks_seen && view.has_untold_flags(uid))
    }

    /// What later RFCs have added to the simple items.
    fn extras(&self, message: &FetchedMessage, out: &mut Vec<u8>, start: usize) {
        if self.items.has(FetchItem::EmailId) {
            writer::word(out, start, "EMAILID (");
            object_id::write(out, Object::Email, message.email_id);
            out.push(b')');
        }
        if self.items.has(FetchItem::ThreadId) {
            writer::word(out, start, "THREADID (");
            object_id::write(out, Object::Thread, message.thread_id);
            out.push(b')');
        }
        if self.items.has(FetchItem::SaveDate) {
            writer::word(out, start, "SAVEDATE ");
            date::write_date_time(out, message.save_date_ms);
        }
        if self.items.has(FetchItem::Preview) {
            writer::word(out, start, "PREVIEW ");
            writer::string(out, message.preview.as_bytes());
        }
    }

    /// FLAGS and MODSEQ: when asked for, and FLAGS when this FETCH set \Seen (RFC 3501 §6.4.5). A change that is told this
    /// way carries MODSEQ like one that is told unasked (RFC 7162 §3.1).
    fn flags(&self, of: &Flagged<'_>, view: &mut View, out: &mut Vec<u8>, start: usize) {
        let mut changed = false;
        if self.tells_flags(view, of.uid) {
            changed = view.told_flags(of.uid, of.modseq);
            writer::word(out, start, "FLAGS ");
            let keywords = of.keywords.iter().map(String::as_str);
            writer::flags(out, Flags::from_bits(of.flags), keywords, view.is_recent(of.uid));
        }
        if self.items.has(FetchItem::Modseq) || (changed && self.told.modseq) {
            writer::word(out, start, "MODSEQ (");
            writer::number(out, of.modseq);
            out.push(b')');
        }
    }
}

/// A client should know a keyword before it sees it (RFC 3501 §7.2.6).
fn teach_keywords(keywords: &[String], view: &mut View, out: &mut Vec<u8>) {
    view.learn_keywords(keywords);
    if view.take_keywords_grew() {
        write_known_flags(out, view);
    }
}

impl Open {
    /// The first octets of a section.
    async fn section(&mut self, items: &Items, data: &SectionData, connection: &mut Connection) -> Result<(), End> {
        let section = usize::try_from(data.index).ok().and_then(|at| items.sections.get(at)).ok_or(End::Broken)?;
        if self.owed != 0 {
            return Err(End::Broken);
        }
        self.section = Some(data.index);
        if self.unknown {
            return Ok(());
        }
        let out = &mut connection.out;
        if out.last() != Some(&b'(') {
            out.push(b' ');
        }
        section.write_name(out);
        if data.missing || data.unknown_encoding {
            out.extend_from_slice(if section.form == Form::BinarySize { b" 0" } else { b" NIL" });
            return Ok(());
        }
        out.push(b' ');
        if section.form == Form::BinarySize {
            writer::number(out, data.total);
            return Ok(());
        }
        if data.holds_nul {
            // RFC 3516 §4.3: what has NUL in it is a literal8.
            out.push(b'~');
        }
        writer::literal_head(out, data.total);
        self.owed = data.total;
        self.piece(data, connection).await
    }

    /// Further octets of the section at hand.
    async fn piece(&mut self, data: &SectionData, connection: &mut Connection) -> Result<(), End> {
        if self.unknown {
            return Ok(());
        }
        self.owed = self.owed.checked_sub(data.data.len() as u64).ok_or(End::Broken)?;
        connection.send(&data.data).await
    }
}

#[cfg(test)]
mod tests;
