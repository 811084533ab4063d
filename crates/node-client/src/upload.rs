//! An APPEND under way: sends the body against credit, and finds out after a broken link whether it was committed.
//!
//! Invariants: a body whose last frame was not sent cannot have been committed. After it was sent the node is asked by the
//! token, and the same token makes a second copy impossible. That nothing was stored is said only after the node has noted
//! that the token is given up: the last frame may still be on its way over a link that is broken for this side alone.

use crate::ClientError;
use crate::attach::{Attached, Core, Miss, Tries};
use crate::connection::InFlight;
use crate::limits::{REPLAY_BYTES_MAX, UPLOAD_FRAME_BYTES};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use wire::session::client_frame::Body as Ask;
use wire::session::server_frame::Body as Answer;
use wire::session::{self, Append, AppendStatus, Appended, NextMessage};

/// The body of one APPEND. Dropped before [`Upload::finish`] has ended it is cancelled: nothing is stored, unless it was being
/// committed at that moment.
pub struct Upload {
    core: Arc<Core>,
    append: Append,
    under_way: Option<(Arc<Attached>, InFlight)>,
    /// Small pieces that wait to make a frame.
    gathered: BytesMut,
    /// Frames that are to be sent, or kept to be sent again.
    frames: Vec<session::Upload>,
    /// How many of them the present request has sent.
    sent: usize,
    octets: usize,
    /// Frames were forgotten: the body is too long to be sent again.
    forgotten: bool,
    /// The whole body was sent, and no answer came.
    doubtful: bool,
    tries: Tries,
    failed: Option<ClientError>,
}

impl Upload {
    pub(crate) fn new(core: Arc<Core>, append: Append) -> Self {
        Self {
            core,
            append,
            under_way: None,
            gathered: BytesMut::new(),
            frames: Vec::new(),
            sent: 0,
            octets: 0,
            forgotten: false,
            doubtful: false,
            tries: Tries::new(),
            failed: None,
        }
    }

    /// Sends more of the body; waits while the node has no room for it.
    ///
    /// # Errors
    /// The node's failure, for instance that there is no such folder: the rest of the body is of no use.
    /// [`ClientError::Unavailable`] when the link broke and the body is too long to be kept for another one. In either case
    /// nothing was stored, and every later call says the same.
    pub async fn send(&mut self, mut data: Bytes) -> Result<(), ClientError> {
        while !data.is_empty() {
            if self.gathered.is_empty() && data.len() >= UPLOAD_FRAME_BYTES {
                let frame = data.split_to(UPLOAD_FRAME_BYTES);
                self.ship(session::Upload { data: frame, last: false, next: None }).await?;
                continue;
            }
            let room = UPLOAD_FRAME_BYTES - self.gathered.len();
            let piece = data.split_to(room.min(data.len()));
            self.gathered.extend_from_slice(&piece);
            if self.gathered.len() == UPLOAD_FRAME_BYTES {
                let frame = self.gathered.split().freeze();
                self.ship(session::Upload { data: frame, last: false, next: None }).await?;
            }
        }
        Ok(())
    }

    /// Ends this message and begins another one of the same APPEND: all are stored or none (RFC 3502).
    ///
    /// # Errors
    /// As [`Upload::send`].
    pub async fn next(&mut self, next: NextMessage) -> Result<(), ClientError> {
        let rest = self.gathered.split().freeze();
        if !rest.is_empty() {
            self.ship(session::Upload { data: rest, last: false, next: None }).await?;
        }
        self.ship(session::Upload { data: Bytes::new(), last: false, next: Some(next) }).await
    }

    /// Ends the body. When this answers the message is stored, durably; all of them, if there are several.
    ///
    /// # Errors
    /// The node's failure; [`ClientError::Unavailable`] when nothing was stored; [`ClientError::Interrupted`] when nobody can
    /// tell.
    pub async fn finish(mut self) -> Result<Appended, ClientError> {
        let frame = self.gathered.split().freeze();
        self.ship(session::Upload { data: frame, last: true, next: None }).await?;
        match self.outcome().await {
            Err(error) if self.doubtful => self.give_up(error).await,
            outcome => outcome,
        }
    }

    /// The answer, over as many links as it takes; every time with the same token.
    async fn outcome(&mut self) -> Result<Appended, ClientError> {
        loop {
            match self.answer().await {
                Ok(frames) => return appended(&frames),
                Err(Miss::Refused(error)) => return Err(error),
                Err(Miss::NotDone(error)) => {
                    self.doubtful = true;
                    if self.forgotten {
                        return Err(error);
                    }
                    self.tries.again(error).await?;
                    self.rewind()?;
                }
                Err(Miss::Lost) => {
                    self.doubtful = true;
                    self.rewind()?;
                    self.tries.lost()?;
                    if let Some(appended) = self.status(false).await? {
                        return Ok(appended);
                    }
                }
            }
            self.flush().await?;
        }
    }

    /// Makes the error true, unless the message was committed after all.
    async fn give_up(&self, error: ClientError) -> Result<Appended, ClientError> {
        match self.status(true).await? {
            Some(appended) => Ok(appended),
            None if error == ClientError::Interrupted => Err(ClientError::Unavailable),
            None => Err(error),
        }
    }

    async fn ship(&mut self, frame: session::Upload) -> Result<(), ClientError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.octets += frame.data.len();
        self.frames.push(frame);
        self.flush().await.inspect_err(|error| {
            self.under_way = None;
            self.failed = Some(error.clone());
        })
    }

    /// Sends what is to be sent, over whatever link there is.
    async fn flush(&mut self) -> Result<(), ClientError> {
        while let Some(frame) = self.frames.get(self.sent).cloned() {
            if self.put(frame).await? {
                self.sent += 1;
                self.forget();
                continue;
            }
            match self.answer().await {
                Ok(_) => return Err(ClientError::Protocol("an answer before the end of the body")),
                Err(Miss::Refused(error)) => return Err(error),
                Err(Miss::NotDone(error)) => self.tries.again(error).await?,
                Err(Miss::Lost) => self.tries.lost()?,
            }
            self.rewind()?;
        }
        Ok(())
    }

    /// Sends one frame; `false` when the request has ended instead.
    async fn put(&mut self, frame: session::Upload) -> Result<bool, ClientError> {
        if self.under_way.is_none() {
            self.under_way = Some(self.core.begin(Ask::Append(self.append.clone()), &mut self.tries).await?);
        }
        let Some((_, flight)) = &self.under_way else { return Ok(false) };
        if !flight.pending.may_upload().await {
            return Ok(false);
        }
        flight.put_upload(frame).await;
        Ok(true)
    }

    /// A long body is not kept.
    fn forget(&mut self) {
        if self.octets > REPLAY_BYTES_MAX {
            self.frames.drain(..self.sent);
            self.sent = 0;
            self.forgotten = true;
        }
    }

    /// Begins anew, if everything is still there.
    fn rewind(&mut self) -> Result<(), ClientError> {
        self.sent = 0;
        if self.forgotten { Err(ClientError::Unavailable) } else { Ok(()) }
    }

    /// How the request ended; it is no longer under way.
    async fn answer(&mut self) -> Result<Vec<Answer>, Miss> {
        let Some((attached, flight)) = &self.under_way else { return Err(Miss::Lost) };
        let answer = attached.answer(flight).await;
        self.under_way = None;
        answer
    }

    /// Whether the message was committed though its answer was lost. `give_up`: if not, it must not be any more.
    async fn status(&self, give_up: bool) -> Result<Option<Appended>, ClientError> {
        let status = AppendStatus { token: self.append.token.clone(), give_up };
        match self.core.call(Ask::AppendStatus(status), true).await {
            Ok(frames) if matches!(frames.as_slice(), [Answer::Unknown(_)]) => Ok(None),
            Ok(frames) => appended(&frames).map(Some),
            Err(ClientError::Unavailable) => Err(ClientError::Interrupted),
            Err(error) => Err(error),
        }
    }
}

fn appended(frames: &[Answer]) -> Result<Appended, ClientError> {
    match frames {
        [Answer::Appended(appended)] => Ok(*appended),
        _ => Err(ClientError::Protocol("no Appended")),
    }
}
