//! What a release has stored, every later one opens: the files under `vectors/stored-1/` are never changed.
//!
//! A new version of a form gets a folder of its own, written by `write_vectors`.
#![allow(clippy::unwrap_used, reason = "helpers of tests may take the short way too")]

use model::{CredentialId, DeliveryId, MailboxId};
use std::collections::BTreeMap;
use std::path::PathBuf;
use vault::sealing::{Opener, PrivateKey, PublicKey, SEGMENT_BYTES, Sealer};
use vault::{MailboxKey, NodeKey, Password, credential};

const MAILBOX: MailboxId = MailboxId::from_bytes([0x11; 12]);
const DELIVERY: DeliveryId = DeliveryId::from_bytes([0x22; 16]);
const CHOSEN: &str = "correct horse battery st\u{e4}ple";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/stored-1")
}

fn id(number: u8) -> CredentialId {
    CredentialId::from_bytes([number; 8])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `name = value` lines.
fn read() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(folder().join("forms.txt")).unwrap();
    text.lines().filter_map(|line| line.split_once(" = ")).map(|(name, value)| (name.into(), value.into())).collect()
}

fn bytes(forms: &BTreeMap<String, String>, name: &str) -> Vec<u8> {
    let digits = forms[name].as_bytes();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn password(text: &str) -> Password {
    Password::from(text.to_owned())
}

/// More than a segment, so that the stored body has one in the middle and a last one.
fn letter() -> Vec<u8> {
    (0..SEGMENT_BYTES + 100).map(|at| (at * 31 % 251) as u8).collect()
}

#[test]
fn wrapped_keys_open() {
    let forms = read();
    let rows = ["generated", "chosen", "recovery"];
    let rows: Vec<_> =
        (1..).zip(rows).map(|(number, kind)| (id(number), bytes(&forms, &format!("wrapped-{kind}")))).collect();
    let typed = forms["password-recovery"].to_lowercase();
    for (number, text) in [(1, forms["password-generated"].as_str()), (2, CHOSEN), (3, typed.as_str())] {
        let (credential, key) = credential::unlock(&password(text), &MAILBOX, &rows).unwrap();
        assert_eq!(credential, id(number));
        assert_eq!(key.raw_key().as_str(), forms["mailbox-key"]);
    }
}

#[test]
fn sealed_mail_opens() {
    let forms = read();
    let (_, key) = credential::unlock(
        &password(&forms["password-generated"]),
        &MAILBOX,
        &[(id(1), bytes(&forms, "wrapped-generated"))],
    )
    .unwrap();
    let private = PrivateKey::unwrap(&bytes(&forms, "sealing-private"), &key, &MAILBOX).unwrap();
    let public = bytes(&forms, "sealing-public");
    assert_eq!(private.public().unwrap().to_bytes(), public);
    assert_eq!(PublicKey::from_bytes(&public).unwrap().to_bytes(), public);
    let mut opener = Opener::new(&private, &bytes(&forms, "wrap"), &DELIVERY, &MAILBOX).unwrap();
    let mut plain = opener.push(&std::fs::read(folder().join("letter.sealed")).unwrap()).unwrap();
    plain.extend(opener.finish().unwrap());
    assert_eq!(plain, letter());
}

#[test]
fn node_key_opens() {
    let forms = read();
    // Git keeps no modes, and the key refuses a file that everybody may read.
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("node.key");
    std::fs::copy(folder().join("node.key"), &path).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let key = NodeKey::from_file(&path).unwrap();
    assert_eq!(key.file_key(&MAILBOX).unwrap().raw_key().as_str(), forms["waiting-file-key"]);
    assert_eq!(key.open(b"stored-1", &bytes(&forms, "blob")).unwrap().as_slice(), b"a blob");
}

/// Writes the folder of a new version; refuses to touch one that is there.
#[test]
#[ignore = "run by hand when a form gets a new version"]
fn write_vectors() {
    std::fs::create_dir(folder()).unwrap();
    let key = MailboxKey::generate().unwrap();
    let (generated, recovery) =
        (credential::generate_password().unwrap(), credential::generate_recovery_key().unwrap());
    let policy = credential::KdfPolicy::default();
    let wrap = |password: &Password, number: u8| {
        hex(&credential::wrap(&key, password, &MAILBOX, &id(number), &policy, None).unwrap())
    };
    let (private, public) = PrivateKey::generate().unwrap();
    let mut sealer = Sealer::new(&DELIVERY).unwrap();
    let node = NodeKey::generate().unwrap();
    let forms = [
        ("mailbox-key", key.raw_key().to_string()),
        ("password-generated", generated.expose().to_owned()),
        ("password-recovery", recovery.expose().to_owned()),
        ("wrapped-generated", wrap(&generated, 1)),
        ("wrapped-chosen", wrap(&password(CHOSEN), 2)),
        ("wrapped-recovery", wrap(&recovery, 3)),
        ("sealing-private", hex(&private.wrap(&key, &MAILBOX).unwrap())),
        ("sealing-public", hex(&public.to_bytes())),
        ("wrap", hex(&sealer.wrap_for(&public, &MAILBOX).unwrap())),
        ("waiting-file-key", node.file_key(&MAILBOX).unwrap().raw_key().to_string()),
        ("blob", hex(&node.seal(b"stored-1", b"a blob").unwrap())),
    ];
    let lines: String = forms.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    std::fs::write(folder().join("forms.txt"), lines).unwrap();
    let mut sealed = sealer.push(&letter()).unwrap();
    sealed.extend(sealer.finish().unwrap());
    std::fs::write(folder().join("letter.sealed"), sealed).unwrap();
    node.write_new(&folder().join("node.key")).unwrap();
}
