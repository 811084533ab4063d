//! The maildrop: the INBOX as it was at sign-in, with what the client marked since.
//!
//! Numbers do not move while the session lives, whatever others do to the folder (RFC 1939 §3): messages are kept by UID.
//! There is no lock: what two sessions delete is deleted once, and one that has gone meanwhile is no more.

use crate::limits::{MESSAGES_MAX, UPDATE_MESSAGES_AT_ONCE};
use model::{Flag, Uid, UidSet};
use node_client::{ClientError, Session};
use wire::convert::{uid_runs, uid_set};
use wire::session::{Expunge, Fetch, FetchItem, SectionKind, SectionWanted, Select, Store, StoreMode};

/// Bits of the wire.
const SEEN: u32 = Flag::Seen as u32;
const DELETED: u32 = Flag::Deleted as u32;

/// The INBOX of somebody who is signed in.
pub struct Maildrop {
    session: Session,
    folder: u64,
    uid_validity: u32,
    /// The mailbox is damaged: nothing can be removed from it.
    damaged: bool,
    messages: Vec<Message>,
    /// What is removed at the end.
    deleted: UidSet,
    /// What was read to its end.
    read: UidSet,
}

/// A message, by its place.
#[derive(Debug, Clone, Copy)]
pub struct Message {
    /// Its UID.
    pub uid: Uid,
    /// Octets.
    pub size: u64,
}

/// What the maildrop is answered about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Messages that are not marked.
    pub messages: usize,
    /// Their octets.
    pub octets: u64,
}

impl Maildrop {
    /// The INBOX of this session.
    ///
    /// # Errors
    /// The node's.
    pub async fn open(session: Session) -> Result<Self, ClientError> {
        // Reading only: \Recent is left to those who see it.
        let select = Select { name: model::folder::INBOX.to_owned(), read_only: true, ..Select::default() };
        let selected = session.select(select).await?;
        // From here on the folder is spoken of by its id alone: what becomes of it is of no interest, and what is marked can be
        // removed at the end.
        session.unselect().await?;
        let uids = uid_set(selected.uids.as_ref())?;
        let mut messages = Vec::with_capacity(uids.len().min(MESSAGES_MAX));
        if !uids.is_empty() {
            let fetch = Fetch {
                folder: selected.folder,
                uids: uid_runs(&uids),
                items: FetchItem::Size as u32,
                ..Fetch::default()
            };
            let mut stream = session.fetch(fetch).await?;
            while let Some(fetched) = stream.next().await {
                for message in fetched?.messages {
                    if messages.len() == MESSAGES_MAX {
                        return Err(ClientError::Protocol("more messages than any mailbox has"));
                    }
                    messages.push(Message { uid: wire::convert::uid(message.uid)?, size: message.size });
                }
            }
        }
        Ok(Self {
            session,
            folder: selected.folder,
            uid_validity: selected.uid_validity,
            damaged: selected.damaged,
            messages,
            deleted: UidSet::new(),
            read: UidSet::new(),
        })
    }

    /// The message of this number; `None` when there is none or it is marked.
    pub fn get(&self, number: u32) -> Option<Message> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        self.messages.get(at).copied().filter(|message| !self.deleted.contains(message.uid))
    }

    /// Those that are not marked, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Message)> + '_ {
        (1..).zip(self.messages.iter().copied()).filter(|(_, message)| !self.deleted.contains(message.uid))
    }

    /// The number of the last one, marked or not.
    pub fn last(&self) -> usize {
        self.messages.len()
    }

    /// How much is not marked.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals { messages: 0, octets: 0 };
        for (_, message) in self.iter() {
            totals.messages += 1;
            totals.octets = totals.octets.saturating_add(message.size);
        }
        totals
    }

    /// A message's unique id: UIDVALIDITY and UID, neither of which ever comes again (RFC 1939 §7, UIDL).
    pub fn unique_id(&self, message: Message) -> String {
        format!("{:08x}{:08x}", self.uid_validity, message.uid.get())
    }

    /// Whether nothing can be removed, because the mailbox was damaged when it was opened.
    pub fn is_damaged(&self) -> bool {
        self.damaged
    }

    /// Marks a message.
    pub fn delete(&mut self, message: Message) {
        self.deleted.insert(message.uid);
    }

    /// Takes every mark back.
    pub fn reset(&mut self) {
        self.deleted = UidSet::new();
    }

    /// A message was read to its end.
    pub fn was_read(&mut self, message: Message) {
        self.read.insert(message.uid);
    }

    /// A message's octets.
    ///
    /// # Errors
    /// The node's.
    pub async fn fetch(&self, message: Message) -> Result<node_client::Stream, ClientError> {
        let all = SectionWanted { kind: SectionKind::All.into(), ..SectionWanted::default() };
        let uids = uid_runs(&UidSet::range(message.uid, message.uid));
        self.session.fetch(Fetch { folder: self.folder, uids, sections: vec![all], ..Fetch::default() }).await
    }

    /// The end: what was read becomes `\Seen`, what is marked is removed. When it is answered, it is on stable storage.
    ///
    /// # Errors
    /// The node's. Some of it may have been done; the client asks again the next time.
    pub async fn update(self) -> Result<(), ClientError> {
        // That something was read is not worth an error that is about something else.
        if self.damaged && self.deleted.is_empty() {
            return Ok(());
        }
        for seen in portions(&self.read.difference(&self.deleted)) {
            self.flag(&seen, SEEN).await?;
        }
        for deleted in portions(&self.deleted) {
            self.flag(&deleted, DELETED).await?;
            let uids = uid_runs(&deleted);
            self.session.expunge(Expunge { folder: self.folder, by_uid: true, uids }).await?;
        }
        Ok(())
    }

    async fn flag(&self, uids: &UidSet, flags: u32) -> Result<(), ClientError> {
        let store = Store {
            folder: self.folder,
            uids: uid_runs(uids),
            mode: StoreMode::Add.into(),
            flags,
            silent: true,
            ..Store::default()
        };
        self.session.store(store).await.map(drop)
    }
}

/// The set in portions that one request is done with.
fn portions(uids: &UidSet) -> impl Iterator<Item = UidSet> + '_ {
    let starts = (0..uids.len()).step_by(UPDATE_MESSAGES_AT_ONCE);
    starts.map(|first| uids.slice(first, first + UPDATE_MESSAGES_AT_ONCE - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_are_all_of_it() {
        let uid = |n| Uid::new(n).unwrap();
        let all = UidSet::range(uid(5), uid(4 + 2 * UPDATE_MESSAGES_AT_ONCE as u32 + 1));
        let portions: Vec<_> = portions(&all).collect();
        let sizes: Vec<_> = portions.iter().map(UidSet::len).collect();
        assert_eq!(sizes, [UPDATE_MESSAGES_AT_ONCE, UPDATE_MESSAGES_AT_ONCE, 1]);
        assert_eq!(portions.iter().fold(UidSet::new(), |sum, portion| sum.union(portion)), all);
    }
}
