//! The sealed body: segments of 64 KiB, numbered, the last one marked, so that a cut or a changed order is noticed
//! (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár 2015). Memory: one segment on either side. Beside them
//! the prefix: fields that go in front of the body and are known only at its end, one segment of its own.

use super::{PrivateKey, PublicKey};
use crate::primitives::{Aead, Extracted, NONCE_BYTES, TAG_BYTES, equal};
use crate::{Secret32, VaultError};
use model::{DeliveryId, MailboxId};

/// Octets of plain text in every segment but the last, which may have fewer.
pub const SEGMENT_BYTES: usize = 64 * 1024;
/// Octets of a sealed segment.
const SEALED_SEGMENT_BYTES: usize = SEGMENT_BYTES + TAG_BYTES;
const VERSION: u8 = 1;
const COMMITMENT_BYTES: usize = 32;
/// Octets before the first segment: version, commitment.
const HEADER_BYTES: usize = 1 + COMMITMENT_BYTES;

/// The nonce of the prefix: no segment of the body has a 2 at its end.
const PREFIX_NONCE: [u8; NONCE_BYTES] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

const ENCRYPT_LABEL: &[u8] = b"brevdue sealing 1: segments";
const COMMIT_LABEL: &[u8] = b"brevdue sealing 1: commit";

/// What both sides derive from the content key.
struct Segments {
    aead: Aead,
    commitment: Secret32,
    /// Version and delivery id, with every segment.
    aad: [u8; 1 + DeliveryId::LEN],
    next: u64,
}

impl Segments {
    fn new(content_key: &Secret32, delivery: &DeliveryId) -> Result<Self, VaultError> {
        let extracted = Extracted::new(&[], content_key.expose());
        let mut aad = [VERSION; 1 + DeliveryId::LEN];
        aad[1..].copy_from_slice(delivery.as_bytes());
        Ok(Self {
            aead: Aead::new(&extracted.key(&[ENCRYPT_LABEL, &aad])?)?,
            commitment: extracted.key(&[COMMIT_LABEL, &aad])?,
            aad,
            next: 0,
        })
    }

    /// Zeros, the segment's number (64 bits, big-endian), 1 for the last one. The key is one message's, so no nonce returns.
    fn nonce(&mut self, last: bool) -> Result<[u8; NONCE_BYTES], VaultError> {
        let mut nonce = [0; NONCE_BYTES];
        nonce[3..11].copy_from_slice(&self.next.to_be_bytes());
        nonce[11] = u8::from(last);
        self.next = self.next.checked_add(1).ok_or(VaultError::Encryption)?;
        Ok(nonce)
    }
}

/// Seals one message as it streams by.
pub struct Sealer {
    content_key: Secret32,
    delivery: DeliveryId,
    segments: Segments,
    /// Plain text of the segment that is not full yet, or full and not known to have a successor.
    held: Vec<u8>,
    header_sent: bool,
}

impl Sealer {
    /// A sealer with a fresh content key.
    ///
    /// # Errors
    /// [`VaultError::Random`].
    pub fn new(delivery: &DeliveryId) -> Result<Self, VaultError> {
        Self::with_content_key(Secret32::generate()?, delivery)
    }

    pub(super) fn with_content_key(content_key: Secret32, delivery: &DeliveryId) -> Result<Self, VaultError> {
        let segments = Segments::new(&content_key, delivery)?;
        Ok(Self { content_key, delivery: *delivery, segments, held: Vec::new(), header_sent: false })
    }

    /// The content key, wrapped for one recipient: [`super::WRAP_BYTES`] octets. At any time before [`Sealer::finish`].
    ///
    /// # Errors
    /// [`VaultError::Random`].
    pub fn wrap_for(&self, recipient: &PublicKey, mailbox: &MailboxId) -> Result<Vec<u8>, VaultError> {
        recipient.wrap_content_key(&self.content_key, &self.delivery, mailbox)
    }

    /// Takes in plain bytes and returns the sealed bytes that are ready, possibly none.
    ///
    /// # Errors
    /// [`VaultError::Encryption`]: what was sealed so far is not to be used.
    pub fn push(&mut self, mut plain: &[u8]) -> Result<Vec<u8>, VaultError> {
        let whole = (self.held.len() + plain.len()) / SEGMENT_BYTES;
        let mut out = Vec::with_capacity(HEADER_BYTES + whole * SEALED_SEGMENT_BYTES);
        self.send_header(&mut out);
        while !plain.is_empty() {
            if self.held.len() == SEGMENT_BYTES {
                self.seal_held(false, &mut out)?;
            }
            let (now, later) = plain.split_at(plain.len().min(SEGMENT_BYTES - self.held.len()));
            self.held.extend_from_slice(now);
            plain = later;
        }
        Ok(out)
    }

    /// The rest of the sealed bytes.
    ///
    /// # Errors
    /// [`VaultError::Encryption`].
    pub fn finish(mut self) -> Result<Vec<u8>, VaultError> {
        let mut out = Vec::with_capacity(HEADER_BYTES + self.held.len() + TAG_BYTES);
        self.send_header(&mut out);
        self.seal_held(true, &mut out)?;
        Ok(out)
    }

    /// The rest of the sealed bytes, and the prefix sealed: together with the body, for it is sealed once under a key.
    ///
    /// # Errors
    /// [`VaultError::Encryption`].
    pub fn finish_with_prefix(self, prefix: &[u8]) -> Result<(Vec<u8>, Vec<u8>), VaultError> {
        let mut sealed = Vec::with_capacity(prefix.len() + TAG_BYTES);
        sealed.extend_from_slice(prefix);
        self.segments.aead.seal(PREFIX_NONCE, &self.segments.aad, &mut sealed)?;
        Ok((self.finish()?, sealed))
    }

    fn send_header(&mut self, out: &mut Vec<u8>) {
        if !self.header_sent {
            out.push(VERSION);
            out.extend_from_slice(self.segments.commitment.expose());
            self.header_sent = true;
        }
    }

    fn seal_held(&mut self, last: bool, out: &mut Vec<u8>) -> Result<(), VaultError> {
        let nonce = self.segments.nonce(last)?;
        self.segments.aead.seal(nonce, &self.segments.aad, &mut self.held)?;
        out.append(&mut self.held);
        Ok(())
    }
}

/// Opens one message as it streams by. What [`Opener::push`] returns is authentic, but the message is whole only when
/// [`Opener::finish`] says so: nothing may be committed before.
pub struct Opener {
    segments: Segments,
    /// Sealed bytes: the header while it is short, then the segment that is not known to have a successor.
    held: Vec<u8>,
    header_seen: bool,
}

impl Opener {
    /// An opener for the recipient whose wrap this is.
    ///
    /// # Errors
    /// [`VaultError::WrongKey`] for another key, delivery or mailbox; [`VaultError::Malformed`], [`VaultError::UnknownVersion`].
    pub fn new(key: &PrivateKey, wrap: &[u8], delivery: &DeliveryId, mailbox: &MailboxId) -> Result<Self, VaultError> {
        let segments = Segments::new(&key.content_key(wrap, delivery, mailbox)?, delivery)?;
        Ok(Self { segments, held: Vec::new(), header_seen: false })
    }

    /// Takes in sealed bytes and returns the plain bytes that are ready, possibly none.
    ///
    /// # Errors
    /// [`VaultError::WrongKey`] when a segment is changed, out of place or another message's;
    /// [`VaultError::UnknownVersion`].
    pub fn push(&mut self, mut sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        if !self.header_seen && !self.take_header(&mut sealed)? {
            return Ok(Vec::new());
        }
        let whole = (self.held.len() + sealed.len()) / SEALED_SEGMENT_BYTES;
        let mut out = Vec::with_capacity(whole * SEGMENT_BYTES);
        while !sealed.is_empty() {
            if self.held.len() == SEALED_SEGMENT_BYTES {
                self.open_held(false, &mut out)?;
            }
            let (now, later) = sealed.split_at(sealed.len().min(SEALED_SEGMENT_BYTES - self.held.len()));
            self.held.extend_from_slice(now);
            sealed = later;
        }
        Ok(out)
    }

    /// The prefix that was sealed with this body. At any time before [`Opener::finish`], once the body's first octets were
    /// pushed, which show that the key is the one that both were sealed under.
    ///
    /// # Errors
    /// [`VaultError::WrongKey`] when it was changed, or is another message's.
    pub fn open_prefix(&self, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let mut held = sealed.to_vec();
        Ok(self.segments.aead.open(PREFIX_NONCE, &self.segments.aad, &mut held)?.to_vec())
    }

    /// The rest of the plain bytes: the message is whole.
    ///
    /// # Errors
    /// [`VaultError::Truncated`] when bytes are missing, or the last ones were changed.
    pub fn finish(mut self) -> Result<Vec<u8>, VaultError> {
        let first = self.segments.next == 0;
        // An empty segment can only be the whole of an empty message.
        if !self.header_seen || self.held.len() < TAG_BYTES || (self.held.len() == TAG_BYTES && !first) {
            return Err(VaultError::Truncated);
        }
        let mut out = Vec::with_capacity(self.held.len());
        self.open_held(true, &mut out).map_err(|error| match error {
            VaultError::WrongKey => VaultError::Truncated,
            other => other,
        })?;
        Ok(out)
    }

    /// Moves the header's bytes out of `sealed`; whether it is complete.
    fn take_header(&mut self, sealed: &mut &[u8]) -> Result<bool, VaultError> {
        let (header, rest) = sealed.split_at(sealed.len().min(HEADER_BYTES - self.held.len()));
        self.held.extend_from_slice(header);
        *sealed = rest;
        let Some((version, commitment)) = self.held.split_first() else { return Ok(false) };
        if *version != VERSION {
            return Err(VaultError::UnknownVersion(*version));
        }
        if commitment.len() < COMMITMENT_BYTES {
            return Ok(false);
        }
        // Every recipient who opens this body sees the same one: no two content keys have this commitment.
        if !equal(commitment, self.segments.commitment.expose()) {
            return Err(VaultError::WrongKey);
        }
        self.held.clear();
        self.header_seen = true;
        Ok(true)
    }

    fn open_held(&mut self, last: bool, out: &mut Vec<u8>) -> Result<(), VaultError> {
        let nonce = self.segments.nonce(last)?;
        out.extend_from_slice(self.segments.aead.open(nonce, &self.segments.aad, &mut self.held)?);
        self.held.clear();
        Ok(())
    }
}
