//! HMAC-SHA-256 (RFC 2104, FIPS 198-1) for what others hand back or check: rewritten addresses, signed calls, names in a cache.

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};

/// The tag of the parts, one after the other, under this key of any length. Parts are not told apart: a caller that joins
/// texts of varying length puts a separator between them.
pub fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut running = Context::with_key(&Key::new(HMAC_SHA256, key));
    parts.iter().for_each(|part| running.update(part));
    let mut out = [0; 32];
    out.copy_from_slice(running.sign().as_ref());
    out
}

/// Whether two byte strings are equal, in a time that does not tell where they differ.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    crate::primitives::equal(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 §4.2 and §4.3.
    #[test]
    fn known_answers() {
        let hex = |tag: [u8; 32]| tag.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(mac(&[0x0b; 20], &[b"Hi There"])),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        assert_eq!(
            hex(mac(b"Jefe", &[b"what do ya want ", b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn comparing() {
        assert!(same(b"a", b"a") && !same(b"a", b"b") && !same(b"a", b"aa"));
    }
}
