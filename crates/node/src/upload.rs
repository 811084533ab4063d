//! APPEND: a message that comes in frames, against credit; staged while it comes, one row when it is whole.
//!
//! Invariants: no more than a window of credit and a chunk of the body is in memory. What was staged for an upload that ends
//! in any other way than its append is discarded: by `Staging` here, or when the file is next opened.

use crate::answer;
use crate::credit::Credit as Window;
use crate::fault::{Fault, internal, limit, malformed, unavailable};
use crate::intake::{Intake, too_big};
use crate::limits::TRANSFER_STALL_MS_MAX;
use crate::quota::{Amount, Promise, Shortage};
use crate::resident::Use;
use crate::session::Call;
use crate::writer::Origin;
use bytes::Bytes;
use jiff::Timestamp;
use mailbox::{Append, Appended, Content, FolderId, FolderRef, Piece, TokenAnswer, UploadId};
use model::limits::{APPEND_MESSAGES_MAX, CREDIT_BYTES, MESSAGE_BYTES_MAX};
use model::{DeliveryId, Flags, FolderName, Keyword, Token, Uid, UidSet};
use std::time::Duration;
use tokio::sync::mpsc;
use wire::convert::{flags, folder_name, keywords, token};
use wire::session::server_frame::Body;
use wire::session::{self, AppendStatus, Credit, Done, NextMessage, Unknown, Upload};

/// Credit is given back in such steps, so that small frames do not each cost one in return.
const CREDIT_STEP_BYTES: u64 = CREDIT_BYTES / 8;
/// Octets that the messages of one APPEND keep in memory before further ones are staged: a handful of small messages is one
/// commit, as one message is.
const HELD_BYTES_HIGH: usize = 1024 * 1024;
/// Octets that they keep all the same: what is described of them.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A frame of an upload, and the octets of credit that it took.
pub struct Arrived {
    /// The frame.
    pub upload: Upload,
    /// Octets of the whole frame on the link.
    pub octets: u64,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Where a client said.
    Folder(FolderName),
    /// Where new mail goes.
    Incoming {
        /// It was found to be junk on its way.
        junk: bool,
    },
}

/// A message that is whole but for its octets.
pub struct Letter {
    /// Where to.
    pub destination: Destination,
    /// System flags.
    pub flags: Flags,
    /// Keywords.
    pub keywords: Vec<Keyword>,
    /// INTERNALDATE.
    pub internal_date: Timestamp,
    /// The delivery it is of.
    pub delivery: Option<DeliveryId>,
    /// The request it is of.
    pub token: Option<Token>,
}

impl Letter {
    fn append(&self, content: Content) -> Append<'_> {
        Append {
            folder: match &self.destination {
                Destination::Folder(name) => FolderRef::Name(name),
                Destination::Incoming { junk } => FolderRef::Incoming { junk: *junk },
            },
            flags: self.flags,
            keywords: &self.keywords,
            internal_date: self.internal_date,
            content,
            delivery: self.delivery,
            token: self.token,
        }
    }

    /// New mail of this delivery.
    pub fn incoming(delivery: DeliveryId, internal_date: Timestamp, junk: bool) -> Self {
        Self {
            destination: Destination::Incoming { junk },
            flags: Flags::NONE,
            keywords: Vec::new(),
            internal_date,
            delivery: Some(delivery),
            token: None,
        }
    }
}

/// Pieces of one upload in one mailbox; discards them unless they become a message.
pub struct Staging {
    usage: Use,
    upload: UploadId,
    staged: bool,
}

impl Staging {
    /// Nothing staged yet.
    pub fn new(usage: Use) -> Self {
        let upload = UploadId(usage.resident().unique_upload());
        Self { usage, upload, staged: false }
    }

    /// Stages pieces, durably.
    pub async fn stage(&mut self, pieces: Vec<Piece>) -> Result<(), Fault> {
        if pieces.is_empty() {
            return Ok(());
        }
        self.staged = true;
        let upload = self.upload;
        self.usage.write(Origin::default(), false, move |tx| tx.stage(upload, pieces)).await
    }

    /// Makes a message of the content and the pieces staged here. Answered after its commit is durable.
    pub async fn append(mut self, promise: Promise, letter: Letter, content: Content) -> Result<Appended, Fault> {
        let content = if self.staged { content.with_upload(self.upload) } else { content };
        let append = move |tx: &mut mailbox::Tx<'_>| tx.append(letter.append(content));
        let appended = self.usage.write_for(Some(promise), Origin::default(), append).await?;
        // Pieces of a message that was known before belong to nothing.
        self.staged &= appended.already;
        Ok(appended)
    }
}

impl Staging {
    /// Room for new messages, of which one may take the place of another.
    async fn room_for(&self, new: Amount, replaced: Option<(FolderId, Uid)>) -> Result<Promise, Shortage> {
        let gone = match replaced {
            Some((folder, uid)) => self.usage.read(|reader| reader.usage_of(folder, &UidSet::range(uid, uid)))?.into(),
            None => Amount::default(),
        };
        let more = new.less(gone);
        self.usage.resident().room.promise(more, more).await
    }
}

/// For what has no room only one thing can be done: to answer it as before, if it was committed before.
pub fn promised_or_known(promise: Result<Promise, Shortage>, token: Option<Token>) -> Result<Option<Promise>, Fault> {
    match promise {
        Ok(promise) => Ok(Some(promise)),
        Err(Shortage::Full | Shortage::Never) if token.is_some() => Ok(None),
        Err(shortage) => Err(shortage.into()),
    }
}

/// See [`promised_or_known`].
///
/// # Errors
/// [`mailbox::Error::OverQuota`] when there is no room and it was not committed before.
pub fn require_known(tx: &mailbox::Tx<'_>, has_room: bool, token: Option<Token>) -> Result<(), mailbox::Error> {
    let known = |token| tx.token_result(token).map(|known| known.is_some());
    if has_room || token.as_ref().map_or(Ok(false), known)? { Ok(()) } else { Err(mailbox::Error::OverQuota) }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.staged {
            let upload = self.upload;
            // Queued now; nobody waits for it. If the queue is full, the next opening of the file drops the pieces.
            drop(self.usage.write(Origin::default(), false, move |tx| tx.discard(upload)));
        }
    }
}

/// Makes messages of several that are whole, in this order and in one transaction: all or none. Each has its own delivery or
/// token, and one that was committed before is passed over. Room for them is promised. Answered after the commit is durable.
pub async fn append_each(whole: Vec<(Staging, Letter, Content)>, promise: Promise) -> Result<(), Fault> {
    let mut stagings = Vec::with_capacity(whole.len());
    let mut letters = Vec::with_capacity(whole.len());
    for (staging, letter, content) in whole {
        letters.push((letter, if staging.staged { content.with_upload(staging.upload) } else { content }));
        stagings.push(staging);
    }
    let Some(first) = stagings.first() else { return Ok(()) };
    let append = move |tx: &mut mailbox::Tx<'_>| {
        let appended = letters.iter().map(|(letter, content)| Ok(tx.append(letter.append(content.clone()))?.already));
        appended.collect::<Result<Vec<bool>, mailbox::Error>>()
    };
    let already = first.usage.write_for(Some(promise), Origin::default(), append).await?;
    // Pieces of messages that were known before belong to nothing.
    stagings.iter_mut().zip(already).for_each(|(staging, already)| staging.staged &= already);
    Ok(())
}

/// Messages of one APPEND that are whole, and wait for the others.
struct Messages {
    whole: Vec<(Staging, Letter, Content)>,
    held_bytes: usize,
}

impl Messages {
    /// Adds one. What it keeps in memory is staged instead when it is much, or when there are more to come after much.
    async fn add(&mut self, mut staging: Staging, letter: Letter, mut content: Content) -> Result<(), Fault> {
        if self.whole.len() == APPEND_MESSAGES_MAX {
            return Err(limit("messages of one append"));
        }
        if !self.whole.is_empty() && self.held_bytes + content.held_bytes() > HELD_BYTES_HIGH {
            staging.stage(content.take_pieces()).await?;
        }
        self.held_bytes += content.held_bytes();
        if self.held_bytes > HELD_BYTES_MAX && !self.whole.is_empty() {
            return Err(limit("what one append keeps in memory"));
        }
        self.whole.push((staging, letter, content));
        Ok(())
    }

    /// Makes messages of all of them in one transaction. Answered after its commit is durable.
    async fn append(
        self,
        call: &Call,
        replaced: Option<(FolderId, Uid)>,
        token: Option<Token>,
    ) -> Result<Appended, Fault> {
        let mut stagings = Vec::with_capacity(self.whole.len());
        let mut letters = Vec::with_capacity(self.whole.len());
        for (staging, letter, content) in self.whole {
            letters.push((letter, if staging.staged { content.with_upload(staging.upload) } else { content }));
            stagings.push(staging);
        }
        let Some(first) = stagings.first() else { return Err(malformed("an append without a message")) };
        let new = letters.iter().map(|(_, content)| Amount::message(content.size()));
        let promise = first.room_for(new.fold(Amount::default(), Amount::plus), replaced).await;
        let promise = promised_or_known(promise, token)?;
        let has_room = promise.is_some();
        let append = move |tx: &mut mailbox::Tx<'_>| {
            require_known(tx, has_room, token)?;
            let appends = letters.iter().map(|(letter, content)| letter.append(content.clone()));
            tx.append_all(appends, replaced, token)
        };
        let appended = first.usage.write_for(promise, call.origin(false), append).await?;
        // Pieces of messages that were known before belong to nothing.
        stagings.iter_mut().for_each(|staging| staging.staged &= appended.already);
        Ok(appended)
    }
}

/// A message that is coming.
struct Coming {
    letter: Letter,
    staging: Staging,
    intake: Intake,
    /// As it was said to be; 0 when that was not known.
    size: u64,
}

impl Coming {
    async fn push(&mut self, data: Bytes) -> Result<(), Fault> {
        let pieces = self.intake.push(data).await?;
        if self.size > 0 && self.intake.size() > self.size {
            return Err(malformed("the upload is longer than it was said to be"));
        }
        self.staging.stage(pieces).await
    }

    async fn whole(self, messages: &mut Messages) -> Result<(), Fault> {
        if self.size > 0 && self.intake.size() != self.size {
            return Err(malformed("the upload is shorter than it was said to be"));
        }
        metrics::counter!("brevdue_node_appended_bytes_total").increment(self.intake.size());
        let content = self.intake.finish().await?;
        messages.add(self.staging, self.letter, content).await
    }
}

/// Answers an APPEND.
pub async fn append(
    call: &Call,
    append: session::Append,
    mut body: mpsc::Receiver<Arrived>,
    credit: &Window,
) -> Result<(), Fault> {
    let usage = call.enter().await?;
    let folder = folder_name(&append.folder)?;
    let replaced = Uid::new(append.replaced_uid).map(|uid| (FolderId::new(append.replaced_folder), uid));
    let token = token(&append.token)?;
    let begin = |next: &NextMessage| {
        if next.size > MESSAGE_BYTES_MAX {
            return Err(too_big());
        }
        let letter = letter(&folder, next, usage.resident().primary().now())?;
        let intake = Intake::new(usage.resident().primary());
        Ok(Coming { letter, staging: Staging::new(usage.again()), intake, size: next.size })
    };
    let session::Append { flags, keywords, internal_date_ms, size, .. } = append;
    let mut coming = begin(&NextMessage { flags, keywords, internal_date_ms, size })?;
    // RFC 9051 §6.3.12: a folder that is not there is told before the octets come.
    usage.read(|reader| reader.status(&folder))?;
    let mut messages = Messages { whole: Vec::new(), held_bytes: 0 };
    let mut owed = 0;
    loop {
        let arrived = tokio::time::timeout(Duration::from_millis(TRANSFER_STALL_MS_MAX), body.recv()).await;
        let arrived = arrived.map_err(|_| unavailable("the upload stalled for too long"))?;
        let Arrived { upload, octets } = arrived.ok_or_else(|| unavailable("the upload was cut off"))?;
        owed += octets;
        if let Some(next) = &upload.next {
            let next = begin(next)?;
            std::mem::replace(&mut coming, next).whole(&mut messages).await?;
        }
        coming.push(upload.data).await?;
        if upload.last {
            break;
        }
        if owed >= CREDIT_STEP_BYTES {
            // Given back here first, so that the other side never has more than `link` lets in.
            credit.give(owed).map_err(|_| internal("more credit than was taken"))?;
            call.send(Body::Credit(Credit { bytes: owed }), false);
            owed = 0;
        }
    }
    coming.whole(&mut messages).await?;
    let appended = messages.append(call, replaced, token).await?;
    call.send(answer::appended(&appended), true);
    Ok(())
}

fn letter(folder: &FolderName, message: &NextMessage, now: Timestamp) -> Result<Letter, Fault> {
    let internal_date = match message.internal_date_ms {
        0 => now,
        given => Timestamp::from_millisecond(given).map_err(|_| malformed("the internal date is out of range"))?,
    };
    Ok(Letter {
        destination: Destination::Folder(folder.clone()),
        flags: flags(message.flags)?,
        keywords: keywords(&message.keywords)?,
        internal_date,
        delivery: None,
        token: None,
    })
}

/// After a broken link: was the request with this token committed? If it is given up and was not, it never will be, however
/// late its last frame comes over the broken link.
pub async fn status(call: &Call, status: AppendStatus) -> Result<(), Fault> {
    let AppendStatus { token: given, give_up } = status;
    let token = token(&given)?.ok_or_else(|| malformed("the token is missing"))?;
    let usage = call.enter().await?;
    // Through the queue: an append that is being committed is not unknown.
    let ask = move |tx: &mut mailbox::Tx<'_>| if give_up { tx.give_up(&token) } else { tx.token_result(&token) };
    // What was given up is noted durably when this returns.
    match usage.write(Origin::default(), false, ask).await? {
        Some(TokenAnswer::Appended(appended)) => call.send(answer::appended(&appended), true),
        Some(TokenAnswer::Copied(copied)) => call.answer(answer::copied(&copied)).await,
        Some(TokenAnswer::Done) => call.send(Body::Done(Done {}), true),
        Some(TokenAnswer::GivenUp) | None => call.send(Body::Unknown(Unknown {}), true),
    }
    Ok(())
}
