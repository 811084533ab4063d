//! The node key's file, what it derives, and the blobs that it seals.
#![allow(clippy::unwrap_used, reason = "helpers of tests may take the short way too")]

use model::MailboxId;
use std::os::unix::fs::PermissionsExt;
use vault::{NodeKey, VaultError};

const MAILBOX: MailboxId = MailboxId::from_bytes([7; 12]);

#[test]
fn file_round_trips_and_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.key");
    let key = NodeKey::generate().unwrap();
    key.write_new(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let again = NodeKey::from_file(&path).unwrap();
    assert_eq!(again.file_key(&MAILBOX).unwrap().raw_key(), key.file_key(&MAILBOX).unwrap().raw_key());

    let before = std::fs::read(&path).unwrap();
    let other = NodeKey::generate().unwrap();
    assert!(matches!(other.write_new(&path), Err(VaultError::Io { source, .. })
        if source.kind() == std::io::ErrorKind::AlreadyExists));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn every_mailbox_has_a_file_key_of_its_own() {
    let key = NodeKey::generate().unwrap();
    let other = MailboxId::from_bytes([8; 12]);
    assert_ne!(key.file_key(&MAILBOX).unwrap().raw_key(), key.file_key(&other).unwrap().raw_key());
    let stranger = NodeKey::generate().unwrap();
    assert_ne!(key.file_key(&MAILBOX).unwrap().raw_key(), stranger.file_key(&MAILBOX).unwrap().raw_key());
}

#[test]
fn bad_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.key");
    assert!(matches!(NodeKey::from_file(&path), Err(VaultError::Io { .. })));
    NodeKey::generate().unwrap().write_new(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    let put = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        NodeKey::from_file(&path).err().unwrap()
    };
    assert!(matches!(put(&[]), VaultError::Malformed(_)));
    assert!(matches!(put(&good[..36]), VaultError::Malformed(_)));
    assert!(matches!(put(&[good.as_slice(), b"\n"].concat()), VaultError::Malformed(_)));
    assert!(matches!(put(&[good.as_slice(), &[0; 9000]].concat()), VaultError::Malformed(_)));
    let mut flipped = good.clone();
    flipped[20] ^= 1;
    assert!(matches!(put(&flipped), VaultError::Malformed(_)));
    flipped[0] = 9;
    assert!(matches!(put(&flipped), VaultError::UnknownVersion(9)));

    std::fs::write(&path, good).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(NodeKey::from_file(&path), Err(VaultError::Exposed(_))));
}

#[test]
fn blobs_belong_to_their_context() {
    let key = NodeKey::generate().unwrap();
    for plain in [&b""[..], b"x", &[5; 5000]] {
        let sealed = key.seal(b"queue 1", plain).unwrap();
        assert_eq!(sealed.len(), 1 + 32 + plain.len() + 16);
        assert_eq!(key.open(b"queue 1", &sealed).unwrap().as_slice(), plain);
        assert!(matches!(key.open(b"queue 2", &sealed), Err(VaultError::WrongKey)));
        assert!(matches!(NodeKey::generate().unwrap().open(b"queue 1", &sealed), Err(VaultError::WrongKey)));
        for bit in 0..sealed.len().min(60) * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(key.open(b"queue 1", &flipped).is_err(), "{bit}");
        }
        for len in 0..sealed.len().min(60) {
            assert!(key.open(b"queue 1", &sealed[..len]).is_err(), "{len}");
        }
    }
    assert_ne!(key.seal(b"", b"x").unwrap(), key.seal(b"", b"x").unwrap());
}
