//! SHA-256 (FIPS 180-4), for content addressing and checksums; not for passwords.

use aws_lc_rs::digest::{Context, SHA256};

/// A running SHA-256.
#[derive(Clone)]
pub struct Digest(Context);

impl Digest {
    /// Of no bytes yet.
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes taken in.
    pub fn finish(self) -> [u8; 32] {
        let mut out = [0; 32];
        out.copy_from_slice(self.0.finish().as_ref());
        out
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

/// The SHA-256 of the bytes.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    let mut running = Digest::new();
    running.update(bytes);
    running.finish()
}
