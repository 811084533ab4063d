//! The mailbox that mail is imported into: its folders, and one APPEND after the other.

use super::journal::Journal;
use super::present::Present;
use crate::doors::mailbox_failed;
use crate::doors::piece::Folder;
use crate::doors::progress::Progress;
use crate::doors::source::{Item, Key, Offer};
use crate::failure::Failure;
use bytes::Bytes;
use node_client::{ClientError, Session, Upload};
use std::collections::{HashMap, HashSet};
use tokio::sync::mpsc;
use vault::Digest;
use wire::convert;
use wire::session::{self, Append, Create, FailureCode, List, Select, Selected, SpecialUse, Subscribe};

/// What became of a message.
pub enum Appended {
    /// It was appended.
    Now,
    /// It was there.
    Already,
    /// It cannot be appended; others can.
    Refused(String),
}

/// The mailbox.
pub struct Mailbox {
    session: Session,
    journal: Journal,
    /// Folders that are there.
    folders: HashSet<String>,
    uses: HashMap<i32, String>,
    open: Option<Open>,
    /// Messages that stand for one of the source: UIDVALIDITY and UID, which name a folder's message for good.
    claimed: HashMap<String, HashSet<u32>>,
}

/// The folder that is appended to.
struct Open {
    name: String,
    selected: Selected,
    /// What it held; looked at when the first message comes that may be in it.
    present: Option<Present>,
}

impl Mailbox {
    /// Sees what folders there are.
    pub async fn open(session: Session, journal: Journal) -> Result<Self, Failure> {
        let list = session.list_with(List::default()).await.map_err(|error| mailbox_failed(&error))?;
        let usable = list.folders.iter().filter(|folder| !folder.no_select);
        let folders = usable.clone().map(|folder| folder.name.clone()).collect();
        let special = usable.filter(|folder| folder.special_use != SpecialUse::None as i32);
        let uses = special.map(|folder| (folder.special_use, folder.name.clone())).collect();
        Ok(Self { session, journal, folders, uses, open: None, claimed: HashMap::new() })
    }

    /// What comes next goes into this folder; it is made if it is not there. A folder for a use that the mailbox has a folder
    /// for goes into that one, whatever both are called. `Err` in words when it cannot be.
    pub async fn enter(&mut self, folder: &Folder) -> Result<Result<(), String>, Failure> {
        self.open = None;
        let special_use = convert::special_use_field(folder.special_use);
        let name = match self.uses.get(&special_use) {
            Some(name) if folder.special_use.is_some() => name.clone(),
            Some(_) | None => folder.name.clone(),
        };
        if !self.folders.contains(&name) {
            let create = Create { name: name.clone(), special_use, ..Create::default() };
            match self.session.create(create).await {
                Ok(_) | Err(ClientError::Failure(FailureCode::FolderExists, _)) => {}
                Err(ClientError::Failure(FailureCode::Limit | FailureCode::BadName | FailureCode::Cannot, why)) => {
                    return Ok(Err(why));
                }
                Err(error) => return Err(mailbox_failed(&error)),
            }
            if folder.subscribed {
                let subscribe = Subscribe { name: name.clone(), subscribed: true };
                self.session.subscribe(subscribe).await.map_err(|error| mailbox_failed(&error))?;
            }
            self.folders.insert(name.clone());
            if folder.special_use.is_some() {
                self.uses.insert(special_use, name.clone());
            }
        }
        let select = Select { name: name.clone(), read_only: true, ..Select::default() };
        let selected = self.session.select(select).await.map_err(|error| mailbox_failed(&error))?;
        // Nobody here reads what happens in it.
        self.session.unselect().await.map_err(|error| mailbox_failed(&error))?;
        self.open = Some(Open { name, selected, present: None });
        Ok(Ok(()))
    }

    /// A message of the source was appended by an earlier run.
    pub fn claim(&mut self, key: &Key) {
        let Some(open) = &mut self.open else { return };
        if let Some((uid_validity, uid)) = self.journal.place(key)
            && uid_validity == open.selected.uid_validity
        {
            self.claimed.entry(open.name.clone()).or_default().insert(uid);
            if let Some(present) = &mut open.present {
                present.claim(uid);
            }
        }
    }

    /// Appends a message whose octets follow, unless it is there.
    pub async fn append(
        &mut self,
        offer: Offer,
        inbox: &mut mpsc::Receiver<Item>,
        progress: &mut Progress,
    ) -> Result<Appended, Failure> {
        self.look().await?;
        let Some(open) = &mut self.open else { return Err(Failure::refused("a message without a folder")) };
        let present = open.present.as_mut();
        let like = (offer.size, offer.internal_date_ms.unwrap_or_default());
        let maybe = present.filter(|present| offer.internal_date_ms.is_some() && present.has_like(like.0, like.1));
        // Read before: known without a word to the mailbox.
        if let (Some(present), Some(sha256)) = (maybe, &offer.sha256)
            && let Some(uid) = present.take(&self.session, like, sha256).await?
        {
            skip(inbox).await;
            return self.found(&offer.key, uid);
        }
        let token = self.journal.begin(&offer.key)?;
        let Some(open) = &mut self.open else { return Err(Failure::refused("a message without a folder")) };
        let append = Append {
            folder: open.name.clone(),
            flags: offer.flags.bits(),
            keywords: convert::keyword_texts(&offer.keywords),
            internal_date_ms: offer.internal_date_ms.unwrap_or_default(),
            size: offer.size,
            token: Bytes::copy_from_slice(token.as_bytes()),
            ..Append::default()
        };
        let upload = self.session.append(append).await.map_err(|error| mailbox_failed(&error))?;
        let sent = send(upload, inbox, progress).await;
        let (upload, sha256) = match sent {
            Ok(sent) => sent,
            Err(sending) => return self.not_sent(&offer.key, sending, inbox).await,
        };
        // Known only now: what was sent is dropped, and nothing of it is stored.
        if offer.sha256.is_none()
            && offer.internal_date_ms.is_some()
            && let Some(present) = open.present.as_mut()
            && let Some(uid) = present.take(&self.session, like, &sha256).await?
        {
            drop(upload);
            return self.found(&offer.key, uid);
        }
        match upload.finish().await {
            Ok(appended) => self.appended(&offer.key, &appended),
            Err(error) => self.refused(&offer.key, &error),
        }
    }

    fn appended(&mut self, key: &Key, appended: &session::Appended) -> Result<Appended, Failure> {
        self.journal.done(key, (appended.uid_validity, appended.uid))?;
        let Some(open) = &self.open else { return Ok(Appended::Now) };
        // It came behind the look at the folder: of use only where the folder is entered once more.
        self.claimed.entry(open.name.clone()).or_default().insert(appended.uid);
        Ok(Appended::Now)
    }

    /// It was there before: it stands for this message of the source from now on.
    fn found(&mut self, key: &Key, uid: u32) -> Result<Appended, Failure> {
        let Some(open) = &self.open else { return Ok(Appended::Already) };
        self.claimed.entry(open.name.clone()).or_default().insert(uid);
        self.journal.done(key, (open.selected.uid_validity, uid))?;
        Ok(Appended::Already)
    }

    async fn not_sent(
        &mut self,
        key: &Key,
        sending: Sending,
        inbox: &mut mpsc::Receiver<Item>,
    ) -> Result<Appended, Failure> {
        match sending {
            Sending::Refused(error) => {
                skip(inbox).await;
                self.refused(key, &error)
            }
            Sending::Broken(why) => {
                self.journal.fail(key)?;
                Ok(Appended::Refused(why))
            }
            Sending::Ended => Err(Failure::refused("the source ended in the middle of a message")),
        }
    }

    /// What concerns this message alone is reported; anything else ends the import.
    fn refused(&mut self, key: &Key, error: &ClientError) -> Result<Appended, Failure> {
        match error {
            // It may have been appended: the next run tries it under the same token.
            ClientError::Interrupted | ClientError::Protocol(_) => Err(mailbox_failed(error)),
            ClientError::Failure(FailureCode::OverQuota | FailureCode::TooBig | FailureCode::Limit, why) => {
                self.journal.fail(key)?;
                Ok(Appended::Refused(why.clone()))
            }
            ClientError::Failure(_, _) | ClientError::Unavailable => {
                self.journal.fail(key)?;
                Err(mailbox_failed(error))
            }
        }
    }

    /// Looks at what the folder held, once.
    async fn look(&mut self) -> Result<(), Failure> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if open.present.is_some() {
            return Ok(());
        }
        let mut present = Present::look(&self.session, &open.selected).await?;
        for uid in self.claimed.get(&open.name).into_iter().flatten() {
            present.claim(*uid);
        }
        open.present = Some(present);
        Ok(())
    }

    /// Keeps what the journal says.
    pub fn close(mut self) -> Result<(), Failure> {
        self.journal.sync()
    }
}

/// Why the octets of a message did not all go.
enum Sending {
    /// The mailbox does not want them.
    Refused(ClientError),
    /// The source cannot read them.
    Broken(String),
    /// The source is gone.
    Ended,
}

/// Sends the octets that come, to the end of the message.
async fn send(
    mut upload: Upload,
    inbox: &mut mpsc::Receiver<Item>,
    progress: &mut Progress,
) -> Result<(Upload, [u8; 32]), Sending> {
    let mut digest = Digest::new();
    loop {
        match inbox.recv().await {
            Some(Item::Data(data)) => {
                progress.octets(data.len());
                digest.update(&data);
                upload.send(data).await.map_err(Sending::Refused)?;
            }
            Some(Item::End) => return Ok((upload, digest.finish())),
            Some(Item::Broken(why)) => return Err(Sending::Broken(why)),
            Some(_) | None => return Err(Sending::Ended),
        }
    }
}

/// Throws away what is left of a message.
pub async fn skip(inbox: &mut mpsc::Receiver<Item>) {
    while let Some(item) = inbox.recv().await {
        if matches!(item, Item::End | Item::Broken(_)) {
            return;
        }
    }
}
