//! SHA-256 (FIPS 180-4), for content addressing and checksums, and SHA-512, which TLSA records may name; not for passwords.

use aws_lc_rs::digest::{self, Context, SHA256, SHA512};

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

/// The SHA-512 of the bytes.
pub fn digest512(bytes: &[u8]) -> [u8; 64] {
    let mut out = [0; 64];
    out.copy_from_slice(digest::digest(&SHA512, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    /// FIPS 180-4, the example of one block.
    #[test]
    fn sha512() {
        let start: String = super::digest512(b"abc").iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(start, "ddaf35a193617aba");
    }
}
