//! A mailbox key on its way to a node opens there, and nowhere else.
#![allow(clippy::unwrap_used, reason = "helpers of tests may take the short way too")]

use model::{MailboxId, NodeId};
use vault::transit::{BootKey, PUBLIC_KEY_BYTES, SEALED_KEY_BYTES, seal};
use vault::{MailboxKey, VaultError};

const MAILBOX: MailboxId = MailboxId::from_bytes([7; 12]);

fn node(name: &str) -> NodeId {
    name.parse().unwrap()
}

#[test]
fn opens_on_its_node_for_its_mailbox_in_its_boot() {
    let boot = BootKey::generate().unwrap();
    assert_eq!(boot.public_bytes().len(), PUBLIC_KEY_BYTES);
    let key = MailboxKey::generate().unwrap();
    let sealed = seal(boot.public_bytes(), &key, &MAILBOX, &node("node-1")).unwrap();
    assert_eq!(sealed.len(), SEALED_KEY_BYTES);
    let opened = boot.open(&sealed, &MAILBOX, &node("node-1")).unwrap();
    assert_eq!(opened.raw_key(), key.raw_key());

    let elsewhere = MailboxId::from_bytes([8; 12]);
    assert!(matches!(boot.open(&sealed, &elsewhere, &node("node-1")), Err(VaultError::WrongKey)));
    assert!(matches!(boot.open(&sealed, &MAILBOX, &node("node-2")), Err(VaultError::WrongKey)));
    let later = BootKey::generate().unwrap();
    assert!(matches!(later.open(&sealed, &MAILBOX, &node("node-1")), Err(VaultError::WrongKey)));
}

#[test]
fn changed_bytes_are_refused() {
    let boot = BootKey::generate().unwrap();
    let key = MailboxKey::generate().unwrap();
    let sealed = seal(boot.public_bytes(), &key, &MAILBOX, &node("n")).unwrap();
    for at in (0..sealed.len()).step_by(23).chain([0, sealed.len() - 1]) {
        let mut flipped = sealed.clone();
        flipped[at] ^= 0x10;
        assert!(boot.open(&flipped, &MAILBOX, &node("n")).is_err(), "{at}");
        assert!(boot.open(&sealed[..at], &MAILBOX, &node("n")).is_err(), "{at}");
    }
    assert!(matches!(seal(&[1; 40], &key, &MAILBOX, &node("n")), Err(VaultError::Malformed(_))));
    assert!(matches!(seal(&[], &key, &MAILBOX, &node("n")), Err(VaultError::Malformed(_))));
}
