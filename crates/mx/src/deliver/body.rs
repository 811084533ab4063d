//! The text of one message on its way to the nodes: cut into frames, sealed once for all who wait, kept while it is small.

use super::DeliverError;
use crate::limits::{FRAME_TEXT_BYTES, REPLAY_BYTES_MAX};
use bytes::{Bytes, BytesMut};
use model::{DeliveryId, MailboxId};
use vault::sealing::{PublicKey, Sealer};

/// One step of text, in the forms that are wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Frame {
    /// In the clear.
    pub(super) plain: Bytes,
    /// What the sealer had ready after it; empty when nobody waits.
    pub(super) sealed: Bytes,
}

/// The end of a text.
pub(super) struct Last {
    /// The last frames.
    pub(super) frames: [Frame; 2],
    /// What stands in front of the text, sealed with it.
    pub(super) sealed_prefix: Bytes,
}

/// Turns text into frames.
pub(super) struct Body {
    pending: BytesMut,
    sealer: Option<Sealer>,
    size: u64,
    /// The text so far; `None` once it is over [`REPLAY_BYTES_MAX`].
    replay: Option<Vec<Bytes>>,
}

impl Body {
    /// With a sealer if anybody's mailbox is not open.
    pub(super) fn new(delivery: &DeliveryId, anybody_waits: bool) -> Result<Self, DeliverError> {
        let sealer = if anybody_waits { Some(Sealer::new(delivery)?) } else { None };
        Ok(Self { pending: BytesMut::new(), sealer, size: 0, replay: Some(Vec::new()) })
    }

    /// The content key for one recipient whose mailbox is not open; before [`Body::finish`].
    pub(super) fn wrap(&self, key: &PublicKey, mailbox: &MailboxId) -> Result<Bytes, DeliverError> {
        let sealer = self.sealer.as_ref().ok_or(DeliverError::Order)?;
        Ok(sealer.wrap_for(key, mailbox)?.into())
    }

    /// Takes text in; as much of it as is not ready to be sent stays.
    pub(super) fn push(&mut self, text: &[u8]) {
        self.pending.extend_from_slice(text);
    }

    /// The next frame, if a whole one is there.
    pub(super) fn frame(&mut self) -> Result<Option<Frame>, DeliverError> {
        if self.pending.len() < FRAME_TEXT_BYTES {
            return Ok(None);
        }
        let plain = self.pending.split_to(FRAME_TEXT_BYTES).freeze();
        self.seal(plain).map(Some)
    }

    /// What was left of the text, the end of the seal, and the prefix under it (empty when nobody waits).
    pub(super) fn finish(&mut self, prefix: &[u8]) -> Result<Last, DeliverError> {
        let rest = self.pending.split().freeze();
        let last = self.seal(rest)?;
        let (end, sealed_prefix) = match self.sealer.take() {
            Some(sealer) => sealer.finish_with_prefix(prefix)?,
            None => (Vec::new(), Vec::new()),
        };
        let end = Frame { plain: Bytes::new(), sealed: end.into() };
        Ok(Last { frames: [last, end], sealed_prefix: sealed_prefix.into() })
    }

    /// Octets of text that went into frames.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// The whole text so far, if it is small enough to be sent again.
    pub(super) fn replay(&self) -> Option<&[Bytes]> {
        self.replay.as_deref()
    }

    fn seal(&mut self, plain: Bytes) -> Result<Frame, DeliverError> {
        self.size += plain.len() as u64;
        if self.size > REPLAY_BYTES_MAX as u64 {
            self.replay = None;
        }
        if let Some(replay) = &mut self.replay {
            replay.push(plain.clone());
        }
        let sealed = match &mut self.sealer {
            Some(sealer) => sealer.push(&plain)?.into(),
            None => Bytes::new(),
        };
        Ok(Frame { plain, sealed })
    }
}
