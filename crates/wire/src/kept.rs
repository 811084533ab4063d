//! What is kept beside a backup, as octets: the directory seals them and opens them, and nobody else reads them.

use crate::directory::Kept;
use prost::Message;

/// As octets.
pub fn encode(kept: &Kept) -> Vec<u8> {
    kept.encode_to_vec()
}

/// From octets, if that is what they are.
pub fn decode(octets: &[u8]) -> Option<Kept> {
    Kept::decode(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let kept = Kept { address: "ann@x.test".to_owned(), wrapped_sealing_key: vec![7; 9].into(), ..Kept::default() };
        assert_eq!(decode(&encode(&kept)), Some(kept));
        assert_eq!(decode(&[0xff]), None);
    }
}
