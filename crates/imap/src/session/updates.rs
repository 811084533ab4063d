//! Tells the client what changed in its folder, when and as far as the RFCs allow (RFC 3501 §5.2, §5.5, §7.4.1).

use super::answer::{Answer, End, Stop, Updates, untagged_number};
use super::connection::Connection;
use super::view::{NumberCursor, View};
use super::{Account, Session};
use crate::codec::writer;
use model::{Flags, Uid, UidSet};
use wire::session::{Fetch, FetchItem, FlagChange, Select};

impl Session {
    /// Takes in what the node pushed, and tells it.
    ///
    /// # Errors
    /// The connection ends, also when the folder is gone; or a NO when the node could not be asked.
    pub(crate) async fn tell(&mut self, updates: Updates) -> Result<(), Stop> {
        let Some(account) = self.account.as_deref_mut() else { return Ok(()) };
        let Account { node, view: Some(view) } = account else { return Ok(()) };
        if updates == Updates::Nothing {
            return Ok(());
        }
        absorb(node, view)?;
        if let Some(since) = view.needs_resync() {
            Box::pin(resync(node, view, since)).await?;
        }
        if view.is_gone() {
            return Err(End::Bye(None, "The selected folder was deleted or made anew").into());
        }
        if updates == Updates::All {
            tell_expunged(&mut self.connection, view).await?;
        }
        if let Some((exists, recent)) = view.take_arrived() {
            untagged_number(&mut self.connection.out, exists as u64, "EXISTS");
            if self.enabled.recent() {
                untagged_number(&mut self.connection.out, recent as u64, "RECENT");
            }
        }
        let (flags, stale) = view.take_flags();
        if view.take_keywords_grew() {
            write_known_flags(&mut self.connection.out, view);
        }
        let told = Told { uid: false, flags: true, modseq: self.enabled.condstore };
        let mut numbers = NumberCursor::default();
        for (uid, change) in &flags {
            if let Some(number) = numbers.number(view.uids(), *uid) {
                write_flags(&mut self.connection.out, number, view.is_recent(*uid), change, told);
                self.connection.relieve().await?;
            }
        }
        if stale.is_empty() {
            return Ok(());
        }
        let told = Box::pin(self.tell_stale(&stale, told)).await;
        if let (Err(Stop::Answer(_)), Ok(selected)) = (&told, self.selected()) {
            selected.view.forget_flags(&stale);
        }
        told
    }

    /// Flags that changed so often that only their messages were remembered.
    async fn tell_stale(&mut self, stale: &UidSet, told: Told) -> Result<(), Stop> {
        let selected = self.selected()?;
        let fetch = Fetch {
            folder: selected.view.folder,
            uids: Some(stale.into()),
            items: FetchItem::Flags as u32 | FetchItem::Modseq as u32,
            ..Fetch::default()
        };
        let mut stream = selected.node.fetch(fetch).await?;
        let mut numbers = NumberCursor::default();
        while let Some(fetched) = stream.next().await {
            for message in fetched?.messages {
                let Some(uid) = Uid::new(message.uid) else { continue };
                let Some(number) = numbers.number(selected.view.uids(), uid) else { continue };
                let recent = selected.view.is_recent(uid);
                let change = FlagChange {
                    uid: message.uid,
                    flags: message.flags,
                    keywords: message.keywords,
                    modseq: message.modseq,
                };
                write_flags(&mut selected.connection.out, number, recent, &change, told);
                selected.connection.relieve().await?;
            }
        }
        Ok(())
    }
}

/// Takes in what the node pushed.
///
/// # Errors
/// NO when what it pushed makes no sense.
pub(crate) fn absorb(node: &node_client::Session, view: &mut View) -> Result<(), Stop> {
    for changes in node.take_changes() {
        view.absorb(changes)?;
    }
    Ok(())
}

/// Pushes were lost: asks for everything since the last one that was heard.
async fn resync(node: &node_client::Session, view: &mut View, since: u64) -> Result<(), Stop> {
    let select = Select {
        name: view.name.as_str().to_owned(),
        read_only: view.read_only,
        known_uid_validity: view.uid_validity,
        known_modseq: since,
    };
    match node.select(select).await {
        Ok(selected) => Ok(view.reconcile(selected)?),
        Err(node_client::ClientError::Failure(wire::session::FailureCode::NoSuchFolder, _)) => {
            Err(End::Bye(None, "The selected folder was deleted").into())
        }
        Err(error) => Err(error.into()),
    }
}

async fn tell_expunged(connection: &mut Connection, view: &mut View) -> Result<(), Stop> {
    for (first, last) in view.take_expunged().into_iter().rev() {
        for number in (first..=last).rev() {
            untagged_number(&mut connection.out, number as u64, "EXPUNGE");
            connection.relieve().await?;
        }
    }
    Ok(())
}

/// What an untagged FETCH of flags carries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// UID, after a UID command.
    pub(crate) uid: bool,
    /// FLAGS, but for a silent STORE.
    pub(crate) flags: bool,
    /// MODSEQ, when CONDSTORE is on.
    pub(crate) modseq: bool,
}

/// Writes an untagged FETCH of one message's flags.
pub(crate) fn write_flags(out: &mut Vec<u8>, number: usize, recent: bool, change: &FlagChange, told: Told) {
    out.extend_from_slice(b"* ");
    writer::number(out, number as u64);
    out.extend_from_slice(b" FETCH (");
    let start = out.len();
    if told.uid {
        writer::word(out, start, "UID ");
        writer::number(out, u64::from(change.uid));
    }
    if told.flags {
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
    if view.read_only {
        out.extend_from_slice(b"()] No changes can be made\r\n");
    } else {
        writer::flags(out, all, keywords().chain(["\\*"]), false);
        out.extend_from_slice(b"] New keywords can be made\r\n");
    }
}

/// A NO of RFC 5530 for messages that another session expunged, when some of the wanted ones are gone.
pub(crate) fn expunge_issued() -> Answer {
    Answer::refused("EXPUNGEISSUED", "Some of the messages are gone")
}
