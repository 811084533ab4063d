//! What a folder held before: a message of the source that is there already is not appended again.
//!
//! Invariant: each message of the folder stands for one message of the source at most, so that what the source has twice is
//! there twice.

use crate::doors::mailbox_failed;
use crate::failure::Failure;
use model::{Uid, UidSet};
use node_client::Session;
use std::collections::{HashMap, HashSet};
use vault::Digest;
use wire::convert;
use wire::session::{Fetch, FetchItem, SectionKind, SectionWanted, Selected};

/// A message as it can be told from others without reading it: octets, and INTERNALDATE in seconds, which every format has.
type Likeness = (u64, i64);

/// The messages of a folder, by what they are like.
pub struct Present {
    folder: u64,
    messages: HashMap<Likeness, Vec<u32>>,
    /// Those that stand for a message of the source.
    claimed: HashSet<u32>,
    digests: HashMap<u32, [u8; 32]>,
}

impl Present {
    /// Looks at a folder.
    pub async fn look(session: &Session, selected: &Selected) -> Result<Self, Failure> {
        let mut present = Self {
            folder: selected.folder,
            messages: HashMap::new(),
            claimed: HashSet::new(),
            digests: HashMap::new(),
        };
        let uids = convert::uid_set(selected.uids.as_ref())?;
        if uids.is_empty() {
            return Ok(present);
        }
        let items = FetchItem::InternalDate as u32 | FetchItem::Size as u32;
        let fetch = Fetch { folder: selected.folder, uids: convert::uid_runs(&uids), items, ..Fetch::default() };
        let mut stream = session.fetch(fetch).await.map_err(|error| mailbox_failed(&error))?;
        while let Some(fetched) = stream.next().await {
            for message in fetched.map_err(|error| mailbox_failed(&error))?.messages {
                let likeness = (message.size, message.internal_date_ms.div_euclid(1000));
                present.messages.entry(likeness).or_default().push(message.uid);
            }
        }
        Ok(present)
    }

    /// A message stands for one of the source.
    pub fn claim(&mut self, uid: u32) {
        self.claimed.insert(uid);
    }

    /// Whether any is like this one.
    pub fn has_like(&self, size: u64, internal_date_ms: i64) -> bool {
        !self.like((size, internal_date_ms.div_euclid(1000))).is_empty()
    }

    fn like(&self, likeness: Likeness) -> Vec<u32> {
        let uids = self.messages.get(&likeness).into_iter().flatten();
        uids.filter(|uid| !self.claimed.contains(uid)).copied().collect()
    }

    /// The message that this one is; it stands for it from now on.
    pub async fn take(
        &mut self,
        session: &Session,
        (size, internal_date_ms): (u64, i64),
        sha256: &[u8; 32],
    ) -> Result<Option<u32>, Failure> {
        for uid in self.like((size, internal_date_ms.div_euclid(1000))) {
            let digest = match self.digests.get(&uid) {
                Some(digest) => *digest,
                None => {
                    let digest = digest_of(session, self.folder, uid).await?;
                    self.digests.insert(uid, digest);
                    digest
                }
            };
            if digest == *sha256 {
                self.claim(uid);
                return Ok(Some(uid));
            }
        }
        Ok(None)
    }
}

async fn digest_of(session: &Session, folder: u64, uid: u32) -> Result<[u8; 32], Failure> {
    let uids: UidSet = Uid::new(uid).into_iter().collect();
    let whole = SectionWanted { kind: SectionKind::All.into(), ..SectionWanted::default() };
    let fetch = Fetch { folder, uids: convert::uid_runs(&uids), sections: vec![whole], ..Fetch::default() };
    let mut stream = session.fetch(fetch).await.map_err(|error| mailbox_failed(&error))?;
    let mut digest = Digest::new();
    while let Some(fetched) = stream.next().await {
        let messages = fetched.map_err(|error| mailbox_failed(&error))?.messages;
        for section in messages.into_iter().flat_map(|message| message.sections) {
            digest.update(&section.data);
        }
    }
    Ok(digest.finish())
}
