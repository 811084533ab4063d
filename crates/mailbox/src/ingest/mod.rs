//! Turns a message's bytes, as they arrive, into what the mailbox stores: pieces, digests, and what is derived from the
//! structure. Memory is bounded by [`STAGE_BYTES_MIN`] and the scanner as long as the caller takes finished pieces. No
//! database here.

mod cutter;
mod segmenter;

use crate::error::Error;
use crate::search::fold;
use crate::types::UploadId;
use cutter::Cutter;
use message::trace::Prefix;
use message::{PREVIEW_SOURCE_BYTES, Scanned, Scanner};
use model::limits::MESSAGE_BYTES_MAX;
pub(crate) use segmenter::SegmentDraft;
use segmenter::Segmenter;
use std::sync::Arc;

/// Octets from which a message is staged piece by piece; a smaller one is held until its append, which is one commit
/// instead of two.
pub const STAGE_BYTES_MIN: u64 = 1024 * 1024;

/// A run of a message, compressed, ready to be staged. Cheap to clone: one body goes to several mailboxes.
#[derive(Debug, Clone)]
pub struct Piece {
    /// Which segment of the message.
    pub(crate) segment: u32,
    /// Which piece of the segment.
    pub(crate) sequence: u32,
    /// Octets before compression.
    pub(crate) size: u32,
    /// As stored.
    pub(crate) bytes: Arc<[u8]>,
}

impl Piece {
    /// Octets that it takes in memory and in the file.
    pub fn stored_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// One message on its way in.
pub struct Ingest {
    scanner: Scanner,
    cutter: Cutter,
    segmenter: Segmenter,
    size: u64,
    /// The first octets, for the preview.
    start: Vec<u8>,
}

impl Default for Ingest {
    fn default() -> Self {
        Self::new()
    }
}

impl Ingest {
    /// Nothing has arrived yet.
    pub fn new() -> Self {
        Self { scanner: Scanner::new(), cutter: Cutter::new(), segmenter: Segmenter::new(), size: 0, start: Vec::new() }
    }

    /// The next octets, as many as there are.
    ///
    /// # Errors
    /// [`Error::TooBig`] over [`MESSAGE_BYTES_MAX`]; then the message is to be given up.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.size = self.size.saturating_add(bytes.len() as u64);
        if self.size > MESSAGE_BYTES_MAX {
            return Err(Error::TooBig);
        }
        self.scanner.push(bytes);
        let start = bytes.get(..PREVIEW_SOURCE_BYTES.saturating_sub(self.start.len())).unwrap_or(bytes);
        self.start.extend_from_slice(start);
        let mut rest = bytes;
        while !rest.is_empty() {
            let (run, cut) = self.cutter.next(rest);
            let (now, after) = rest.split_at(run.min(rest.len()));
            self.segmenter.push(now)?;
            if cut {
                self.segmenter.cut()?;
            }
            rest = after;
        }
        Ok(())
    }

    /// Octets so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Finished pieces to stage under one upload; none while the message is smaller than [`STAGE_BYTES_MIN`]. Whoever takes
    /// them stages every one of them, in order, in each mailbox that the message goes to.
    pub fn take_pieces(&mut self) -> Vec<Piece> {
        if self.size < STAGE_BYTES_MIN { Vec::new() } else { self.segmenter.take_pieces() }
    }

    /// The message is whole.
    ///
    /// # Errors
    /// Of compression only.
    pub fn finish(self) -> Result<Content, Error> {
        self.finish_behind(&Prefix::default())
    }

    /// The message is whole, and now it is known what fields stand in front of what came: the message is both.
    ///
    /// # Errors
    /// [`Error::TooBig`] when both together are.
    pub fn finish_behind(self, prefix: &Prefix) -> Result<Content, Error> {
        let size = self.size.saturating_add(prefix.len());
        if size > MESSAGE_BYTES_MAX {
            return Err(Error::TooBig);
        }
        let scanned = self.scanner.finish();
        let derived = Derived::new(&scanned, &self.start, prefix.len());
        let whole = Whole { size, segments: self.segmenter.finish(prefix.as_bytes())?, derived };
        Ok(Content { whole: Arc::new(whole), upload: None })
    }
}

/// A whole message, ready to be appended; cheap to clone.
#[derive(Clone)]
pub struct Content {
    pub(crate) whole: Arc<Whole>,
    pub(crate) upload: Option<UploadId>,
}

pub(crate) struct Whole {
    pub(crate) size: u64,
    pub(crate) segments: Vec<SegmentDraft>,
    pub(crate) derived: Derived,
}

impl Content {
    /// A message that is in memory whole.
    ///
    /// # Errors
    /// As [`Ingest::push`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut ingest = Ingest::new();
        ingest.push(bytes)?;
        ingest.finish()
    }

    /// Octets.
    pub fn size(&self) -> u64 {
        self.whole.size
    }

    /// Octets that it keeps in memory.
    pub fn held_bytes(&self) -> usize {
        let segments = self.whole.segments.iter();
        let pieces: usize = segments.flat_map(|segment| &segment.pieces).map(Piece::stored_bytes).sum();
        pieces + self.whole.derived.held_bytes()
    }

    /// Takes the pieces that are in memory, to be staged like those of [`Ingest::take_pieces`]; none once it was cloned.
    pub fn take_pieces(&mut self) -> Vec<Piece> {
        let Some(whole) = Arc::get_mut(&mut self.whole) else { return Vec::new() };
        let mut taken = Vec::new();
        for segment in &mut whole.segments {
            segment.staged += segment.pieces.len() as u32;
            taken.append(&mut segment.pieces);
        }
        taken
    }

    /// Where its pieces were staged; needed when [`Ingest::take_pieces`] handed any out.
    #[must_use]
    pub fn with_upload(mut self, upload: UploadId) -> Self {
        self.upload = Some(upload);
        self
    }
}

/// What is made once from the message and stored beside it.
pub(crate) struct Derived {
    pub(crate) sent_day: Option<i32>,
    pub(crate) sent_ms: Option<i64>,
    pub(crate) message_id: Option<String>,
    pub(crate) in_reply_to: Option<String>,
    pub(crate) references: Option<String>,
    /// Message ids that name the thread, the nearest first.
    pub(crate) nearest: Vec<String>,
    pub(crate) subject: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) cc: String,
    pub(crate) bcc: String,
    pub(crate) base_subject: String,
    pub(crate) envelope: Vec<u8>,
    pub(crate) body: Vec<u8>,
    pub(crate) body_structure: Vec<u8>,
    pub(crate) structure: Vec<u8>,
    pub(crate) preview: String,
}

impl Derived {
    /// Octets of what is described at length.
    fn held_bytes(&self) -> usize {
        self.envelope.len() + self.body.len() + self.body_structure.len() + self.structure.len()
    }

    fn new(scanned: &Scanned, start: &[u8], prefix_bytes: u64) -> Self {
        let summary = scanned.summary();
        let nearest = summary.references.iter().rev().chain(&summary.in_reply_to);
        Self {
            sent_day: summary.sent.map(|sent| sent.day),
            sent_ms: summary.sent.map(|sent| sent.ms),
            message_id: summary.message_id.clone(),
            in_reply_to: (!summary.in_reply_to.is_empty()).then(|| summary.in_reply_to.join(" ")),
            references: (!summary.references.is_empty()).then(|| summary.references.join(" ")),
            nearest: nearest.cloned().collect(),
            subject: fold(&summary.subject),
            from: fold(&summary.from),
            to: fold(&summary.to),
            cc: fold(&summary.cc),
            bcc: fold(&summary.bcc),
            base_subject: fold(&summary.base_subject),
            envelope: scanned.envelope(),
            body: scanned.body(),
            body_structure: scanned.body_structure(),
            structure: scanned.structure().clone().behind(prefix_bytes).encode(),
            preview: message::preview(start, scanned.structure()),
        }
    }
}
