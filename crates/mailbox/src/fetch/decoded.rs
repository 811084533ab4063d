//! Parts without their transfer encoding (RFC 3516): first how long they are, then their octets, both in steps and in
//! bounded memory. IMAP says the length before the octets, so that a part is decoded twice.

use super::section::Access;
use crate::content::Segment;
use crate::error::Error;
use message::Decoder;
use std::ops::Range;

/// Octets that are decoded at once.
const PIECE_BYTES: usize = 32 * 1024;
/// Octets that are decoded to learn their length for what one octet of an answer costs.
const SIZING_PER_OCTET: usize = 4;

/// A part whose decoded length is being found.
#[derive(Debug, Clone)]
pub(super) struct Sizing {
    body: Range<u64>,
    at: u64,
    decoder: Decoder,
    length: u64,
    holds_nul: bool,
}

impl Sizing {
    /// Of the part with this body.
    pub(super) const fn new(body: Range<u64>, decoder: Decoder) -> Self {
        Self { at: body.start, body, decoder, length: 0, holds_nul: false }
    }

    /// Decodes until the budget is used up; true when the length is known.
    pub(super) fn go_on(
        &mut self,
        segments: &[Segment],
        access: &mut Access<'_>,
        budget: &mut usize,
    ) -> Result<bool, Error> {
        let (mut raw, mut plain) = (Vec::new(), Vec::new());
        while self.at < self.body.end {
            if *budget == 0 {
                return Ok(false);
            }
            let end = self.body.end.min(self.at + PIECE_BYTES as u64);
            access.read(segments, self.at..end, &mut raw)?;
            self.decoder.push(&raw, &mut plain);
            self.count(&mut plain);
            *budget = budget.saturating_sub(raw.len().div_ceil(SIZING_PER_OCTET));
            self.at = end;
        }
        self.decoder.finish(&mut plain);
        self.count(&mut plain);
        Ok(true)
    }

    fn count(&mut self, plain: &mut Vec<u8>) {
        self.length += plain.len() as u64;
        self.holds_nul |= memchr::memchr(0, plain).is_some();
        plain.clear();
    }

    /// The length that was found.
    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    /// The octets, of which `partial` are wanted. `decoder`: at the start.
    pub(super) fn octets(self, decoder: Decoder, partial: Option<(u64, u64)>) -> Decoded {
        let (offset, most) = partial.unwrap_or((0, u64::MAX));
        let skip = offset.min(self.length);
        let left = (self.length - skip).min(most);
        Decoded { body: self.body, decoder, ready: Vec::new(), used: 0, skip, left, holds_nul: self.holds_nul }
    }
}

/// A part that is being decoded.
#[derive(Debug, Clone)]
pub(super) struct Decoded {
    /// What has not been decoded.
    body: Range<u64>,
    decoder: Decoder,
    /// What has been, and how much of it is used up.
    ready: Vec<u8>,
    used: usize,
    /// Octets before those that are wanted.
    skip: u64,
    left: u64,
    holds_nul: bool,
}

impl Decoded {
    /// Octets that are still wanted.
    pub(super) const fn left(&self) -> u64 {
        self.left
    }

    /// Whether NUL is among the part's octets.
    pub(super) const fn holds_nul(&self) -> bool {
        self.holds_nul
    }

    /// Appends the next `count` octets, no more than are left.
    pub(super) fn take(
        &mut self,
        count: usize,
        segments: &[Segment],
        access: &mut Access<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut missing = count;
        while missing > 0 {
            let ready = self.ready.get(self.used..).unwrap_or_default();
            if ready.is_empty() {
                self.decode(segments, access)?;
                continue;
            }
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(ready.len());
            let wanted = ready.get(skipped..).unwrap_or_default();
            let wanted = wanted.get(..missing).unwrap_or(wanted);
            out.extend_from_slice(wanted);
            self.used += skipped + wanted.len();
            self.skip -= skipped as u64;
            missing -= wanted.len();
        }
        self.left = self.left.saturating_sub(count as u64);
        Ok(())
    }

    fn decode(&mut self, segments: &[Segment], access: &mut Access<'_>) -> Result<(), Error> {
        self.ready.clear();
        self.used = 0;
        if self.body.is_empty() {
            self.decoder.finish(&mut self.ready);
            // The length was found by decoding the same octets.
            let came = !self.ready.is_empty();
            return if came { Ok(()) } else { Err(Error::damaged("a part decodes to less than before")) };
        }
        let end = self.body.end.min(self.body.start + PIECE_BYTES as u64);
        let mut raw = Vec::new();
        access.read(segments, self.body.start..end, &mut raw)?;
        self.decoder.push(&raw, &mut self.ready);
        self.body.start = end;
        Ok(())
    }
}
