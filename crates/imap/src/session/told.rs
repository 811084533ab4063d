//! Writes what a client is told unasked: flags of messages, messages that are gone, the flags that a folder knows. In the form
//! that fits what the client has enabled.

use super::Enabled;
use super::answer::{Code, End, untagged_no, untagged_number};
use super::connection::Connection;
use super::view::View;
use crate::codec::writer;
use model::{Flags, Uid, UidSet};
use std::fmt::Write as _;
use wire::session::FlagChange;

/// Runs of UIDs in one VANISHED line: about 8 KB, as RFC 7162 §4 has for the client's lines.
const VANISHED_RUNS_PER_LINE: usize = 512;

/// What an untagged FETCH of flags carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    /// UID, after a UID command and where the client counts on it.
    pub(crate) uid: bool,
    /// FLAGS, but for a silent STORE.
    pub(crate) flags: bool,
    /// MODSEQ, when CONDSTORE is on.
    pub(crate) modseq: bool,
    /// The UID stands for the number, and the answer is UIDFETCH (RFC 9586 §3.3).
    pub(crate) uid_only: bool,
}

impl Told {
    /// What is told of a change that nobody asked for. RFC 7162 §3.2.4: with UID once CONDSTORE is on; a client of RFC 9051
    /// has use for it as well.
    pub(crate) fn unasked(enabled: Enabled) -> Self {
        let uid = (enabled.condstore || enabled.rev2) && !enabled.uid_only;
        Self { uid, flags: true, modseq: enabled.condstore, uid_only: enabled.uid_only }
    }

    /// What is told in answer to a command.
    pub(crate) fn asked(enabled: Enabled, by_uid: bool) -> Self {
        let unasked = Self::unasked(enabled);
        Self { uid: unasked.uid || (by_uid && !enabled.uid_only), ..unasked }
    }
}

/// Begins an untagged FETCH, or UIDFETCH (RFC 9586 §3.3), up to its opening parenthesis; returns where the items start.
pub(crate) fn begin_fetch(out: &mut Vec<u8>, number: usize, uid: u32, uid_only: bool) -> usize {
    out.extend_from_slice(b"* ");
    writer::number(out, if uid_only { u64::from(uid) } else { number as u64 });
    out.extend_from_slice(if uid_only { b" UIDFETCH (" } else { b" FETCH (" });
    out.len()
}

/// Writes an untagged FETCH of one message's flags.
pub(crate) fn write_flags(out: &mut Vec<u8>, number: usize, view: &View, change: &FlagChange, told: Told) {
    let start = begin_fetch(out, number, change.uid, told.uid_only);
    if told.uid {
        writer::word(out, start, "UID ");
        writer::number(out, u64::from(change.uid));
    }
    if told.flags {
        let recent = Uid::new(change.uid).is_some_and(|uid| view.is_recent(uid));
        writer::word(out, start, "FLAGS ");
        writer::flags(out, Flags::from_bits(change.flags), change.keywords.iter().map(String::as_str), recent);
    }
    if told.modseq {
        writer::word(out, start, "MODSEQ (");
        writer::number(out, change.modseq);
        out.push(b')');
    }
    out.extend_from_slice(b")\r\n");
}

/// Writes FLAGS and PERMANENTFLAGS: every flag that is known here, and that new ones may be made.
pub(crate) fn write_known_flags(out: &mut Vec<u8>, view: &View) {
    let all = model::Flag::ALL.into_iter().collect::<Flags>();
    let keywords = || view.keywords.iter().map(String::as_str);
    out.extend_from_slice(b"* FLAGS ");
    writer::flags(out, all, keywords(), false);
    out.extend_from_slice(b"\r\n* OK [PERMANENTFLAGS ");
    if !view.is_writable() {
        out.extend_from_slice(b"()] No changes can be made\r\n");
    } else {
        writer::flags(out, all, keywords().chain(["\\*"]), false);
        out.extend_from_slice(b"] New keywords can be made\r\n");
    }
}

/// Writes that the mailbox is damaged: once, in words that the client shows to its owner (RFC 9051 §7.1 ALERT).
pub(crate) fn write_damage_alert(out: &mut Vec<u8>) {
    untagged_no(
        out,
        &Code::Plain("ALERT"),
        "This mailbox is damaged: what is intact can be read, and nothing can be changed until it is restored",
    );
}

/// Writes EXPUNGEs, from the last to the first, so that each number is right when it is told.
pub(crate) async fn write_expunged(connection: &mut Connection, numbers: Vec<(usize, usize)>) -> Result<(), End> {
    for (first, last) in numbers.into_iter().rev() {
        for number in (first..=last).rev() {
            untagged_number(&mut connection.out, number as u64, "EXPUNGE");
            connection.relieve().await?;
        }
    }
    Ok(())
}

/// Writes VANISHED (RFC 7162 §3.2.10), in as many lines as it takes. `earlier`: gone before this session, so that no number
/// shifts.
pub(crate) async fn write_vanished(connection: &mut Connection, uids: &UidSet, earlier: bool) -> Result<(), End> {
    for runs in uids.runs().chunks(VANISHED_RUNS_PER_LINE) {
        let mut line = String::from(if earlier { "* VANISHED (EARLIER) " } else { "* VANISHED " });
        for (at, (first, last)) in runs.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = if first == last { write!(line, "{comma}{first}") } else { write!(line, "{comma}{first}:{last}") };
        }
        line.push_str("\r\n");
        connection.out.extend_from_slice(line.as_bytes());
        connection.relieve().await?;
    }
    Ok(())
}
