//! APPEND: a message that comes in frames, against credit; staged while it comes, one row when it is whole.
//!
//! Invariants: no more than a window of credit and a chunk of the body is in memory. What was staged for an upload that ends
//! in any other way than its append is discarded: by `Staging` here, or when the file is next opened.

use crate::answer;
use crate::fault::{Fault, malformed, unavailable};
use crate::intake::{Intake, too_big};
use crate::limits::TRANSFER_STALL_MS_MAX;
use crate::resident::Use;
use crate::session::Call;
use crate::writer::Origin;
use jiff::Timestamp;
use mailbox::{Append, Appended, Content, FolderRef, Piece, TokenAnswer, UploadId};
use model::limits::{CREDIT_BYTES, MESSAGE_BYTES_MAX};
use model::{DeliveryId, Flags, FolderName, Keyword, Token};
use std::time::Duration;
use tokio::sync::mpsc;
use wire::convert::{flags, folder_name, keywords, token};
use wire::session::server_frame::Body;
use wire::session::{self, AppendStatus, Credit, Done, Unknown, Upload};

/// Credit is given back in such steps, so that small frames do not each cost one in return.
const CREDIT_STEP_BYTES: u64 = CREDIT_BYTES / 8;

/// A frame of an upload, and the octets of credit that it took.
pub struct Arrived {
    /// The frame.
    pub upload: Upload,
    /// Octets of the whole frame on the link.
    pub octets: u64,
}

/// A message that is whole but for its octets.
pub struct Letter {
    /// Where to.
    pub folder: FolderName,
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
    pub async fn append(mut self, origin: Origin, letter: Letter, content: Content) -> Result<Appended, Fault> {
        let content = if self.staged { content.with_upload(self.upload) } else { content };
        let append = move |tx: &mut mailbox::Tx<'_>| {
            tx.append(Append {
                folder: FolderRef::Name(&letter.folder),
                flags: letter.flags,
                keywords: &letter.keywords,
                internal_date: letter.internal_date,
                content,
                delivery: letter.delivery,
                token: letter.token,
            })
        };
        let appended = self.usage.write(origin, true, append).await?;
        // Pieces of a message that was known before belong to nothing.
        self.staged &= appended.already;
        Ok(appended)
    }
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

/// Answers an APPEND.
pub async fn append(call: &Call, append: session::Append, mut body: mpsc::Receiver<Arrived>) -> Result<(), Fault> {
    if append.size > MESSAGE_BYTES_MAX {
        return Err(too_big());
    }
    let usage = call.enter().await?;
    let letter = letter(&append, usage.resident().primary().now())?;
    // RFC 9051 §6.3.12: a folder that is not there is told before the octets come.
    usage.read(|reader| reader.status(&letter.folder))?;
    let mut intake = Intake::new(usage.resident().primary());
    let mut staging = Staging::new(usage);
    let mut owed = 0;
    loop {
        let arrived = tokio::time::timeout(Duration::from_millis(TRANSFER_STALL_MS_MAX), body.recv()).await;
        let arrived = arrived.map_err(|_| unavailable("the upload stalled for too long"))?;
        let Arrived { upload, octets } = arrived.ok_or_else(|| unavailable("the upload was cut off"))?;
        owed += octets;
        let last = upload.last;
        let pieces = intake.push(upload.data).await?;
        if intake.size() > append.size {
            return Err(malformed("the upload is longer than it was said to be"));
        }
        staging.stage(pieces).await?;
        if last {
            break;
        }
        if owed >= CREDIT_STEP_BYTES {
            call.send(Body::Credit(Credit { bytes: owed }), false);
            owed = 0;
        }
    }
    if intake.size() != append.size {
        return Err(malformed("the upload is shorter than it was said to be"));
    }
    metrics::counter!("brevdue_node_appended_bytes_total").increment(intake.size());
    let content = intake.finish().await?;
    let appended = staging.append(call.origin(false), letter, content).await?;
    call.send(answer::appended(&appended), true);
    Ok(())
}

fn letter(append: &session::Append, now: Timestamp) -> Result<Letter, Fault> {
    let internal_date = match append.internal_date_ms {
        0 => now,
        given => Timestamp::from_millisecond(given).map_err(|_| malformed("the internal date is out of range"))?,
    };
    Ok(Letter {
        folder: folder_name(&append.folder)?,
        flags: flags(append.flags)?,
        keywords: keywords(&append.keywords)?,
        internal_date,
        delivery: None,
        token: token(&append.token)?,
    })
}

/// After a broken link: was the request with this token committed?
pub async fn status(call: &Call, status: AppendStatus) -> Result<(), Fault> {
    let token = token(&status.token)?.ok_or_else(|| malformed("the token is missing"))?;
    let usage = call.enter().await?;
    // Through the queue: an append that is being committed is not unknown.
    match usage.write(Origin::default(), false, move |tx| tx.token_result(&token)).await? {
        Some(TokenAnswer::Appended(appended)) => call.send(answer::appended(&appended), true),
        Some(TokenAnswer::Copied(copied)) => call.answer(answer::copied(&copied)).await,
        Some(TokenAnswer::Done) => call.send(Body::Done(Done {}), true),
        None => call.send(Body::Unknown(Unknown {}), true),
    }
    Ok(())
}
