//! A message as it goes by: the header kept, the body hashed.

use crate::body::{BodyHash, Form};
use crate::limits::HEADER_BYTES_MAX;
use mail_auth::AuthenticatedMessage;
use mail_auth::common::crypto::HashAlgorithm;
use mail_auth::dkim::Canonicalization;
use memchr::memmem;

/// Takes a message in pieces of any size, with CRLF line ends and without dots that SMTP adds.
pub struct BodyStream {
    header: Vec<u8>,
    /// Octets of the header in which its end was looked for.
    searched: usize,
    state: State,
}

enum State {
    Header,
    Body(Box<Bodies>),
    /// Over [`HEADER_BYTES_MAX`].
    TooLarge,
}

/// The canonical forms of the body that signatures ask for; the relaxed one is also for signatures of our own.
struct Bodies {
    relaxed: BodyHash,
    simple: Option<BodyHash>,
}

impl Default for BodyStream {
    fn default() -> Self {
        Self::new()
    }
}

impl BodyStream {
    /// At the first octet of a message.
    pub fn new() -> Self {
        Self { header: Vec::new(), searched: 0, state: State::Header }
    }

    /// Takes in the next piece.
    pub fn push(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Header => self.push_header(bytes),
            State::Body(bodies) => bodies.push(bytes),
            State::TooLarge => {}
        }
    }

    fn push_header(&mut self, bytes: &[u8]) {
        let room = (HEADER_BYTES_MAX + 4).saturating_sub(self.header.len());
        let (kept, beyond) = bytes.split_at(room.min(bytes.len()));
        self.header.extend_from_slice(kept);
        match end_of_header(&self.header, self.searched) {
            Some(end) if end <= HEADER_BYTES_MAX => {
                let body = self.header.split_off(end);
                let mut bodies = Box::new(Bodies::for_header(&self.header));
                bodies.push(&body);
                bodies.push(beyond);
                self.state = State::Body(bodies);
            }
            Some(_) => self.too_large(),
            None if self.header.len() > HEADER_BYTES_MAX => self.too_large(),
            None => self.searched = self.header.len(),
        }
    }

    fn too_large(&mut self) {
        self.header = Vec::new();
        self.state = State::TooLarge;
    }

    /// At the end of the message.
    pub fn finish(self) -> Checked {
        let bodies = match self.state {
            State::TooLarge => {
                return Checked {
                    header: Vec::new(),
                    relaxed: [0; 32],
                    simple: None,
                    too_large: true,
                    from: Vec::new(),
                };
            }
            State::Body(bodies) => bodies,
            // A message without a body, whose header may even lack the last CRLF.
            State::Header => Box::new(Bodies::for_header(&self.header)),
        };
        let relaxed = bodies.relaxed.finish();
        let simple = bodies.simple.map(BodyHash::finish);
        let from = AuthenticatedMessage::parse(&self.header).map(|message| domains(&message.from)).unwrap_or_default();
        Checked { header: self.header, relaxed, simple, too_large: false, from }
    }
}

/// Where the header ends, its empty line included.
fn end_of_header(header: &[u8], searched: usize) -> Option<usize> {
    if header.starts_with(b"\r\n") {
        return Some(2);
    }
    let from = searched.saturating_sub(3);
    memmem::find(header.get(from..)?, b"\r\n\r\n").map(|at| from + at + 4)
}

impl Bodies {
    fn for_header(header: &[u8]) -> Self {
        let asked = AuthenticatedMessage::parse(header).map(|message| message.body_hashes).unwrap_or_default();
        let asks_for_simple = asked.iter().any(|(form, ..)| *form == Canonicalization::Simple);
        Self { relaxed: BodyHash::new(Form::Relaxed), simple: asks_for_simple.then(|| BodyHash::new(Form::Simple)) }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.relaxed.push(bytes);
        if let Some(simple) = &mut self.simple {
            simple.push(bytes);
        }
    }
}

/// The domains of addresses, each once, as A-labels where they have such.
fn domains(addresses: &[String]) -> Vec<String> {
    let mut domains: Vec<String> = Vec::new();
    for (_, domain) in addresses.iter().filter_map(|address| address.rsplit_once('@')) {
        let domain = match domain.parse::<dns::Name>() {
            Ok(name) => name.as_str().to_owned(),
            Err(_) => domain.to_lowercase(),
        };
        if !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    domains
}

/// What is kept of a message that went by: enough to verify it, to sign it and to seal it.
pub struct Checked {
    header: Vec<u8>,
    relaxed: [u8; 32],
    simple: Option<[u8; 32]>,
    too_large: bool,
    from: Vec<String>,
}

impl Checked {
    /// The header with its empty line; empty when it was too large.
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Whether the header was over [`HEADER_BYTES_MAX`], so that nothing can be said about the message.
    pub fn header_too_large(&self) -> bool {
        self.too_large
    }

    /// The domains in From, each once; there should be one.
    pub fn from_domains(&self) -> &[String] {
        &self.from
    }

    /// SHA-256 of the body in the relaxed form (RFC 6376 §3.4.4).
    pub(crate) fn relaxed_body_hash(&self) -> &[u8; 32] {
        &self.relaxed
    }

    /// The message for the library, with the hashes that were made in passing: SHA-256 in the forms that are asked for. A
    /// signature that asks for another hash must be taken out before the library verifies it.
    pub(crate) fn message(&self) -> Option<AuthenticatedMessage<'_>> {
        let mut message = AuthenticatedMessage::parse(&self.header)?;
        message.body_hashes = vec![(Canonicalization::Relaxed, HashAlgorithm::Sha256, 0, self.relaxed.to_vec())];
        if let Some(simple) = self.simple {
            message.body_hashes.push((Canonicalization::Simple, HashAlgorithm::Sha256, 0, simple.to_vec()));
        }
        Some(message)
    }
}

#[cfg(test)]
mod tests;
