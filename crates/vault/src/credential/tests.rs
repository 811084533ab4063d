//! Wrapping and unlocking.

use super::*;
use proptest::prelude::*;

const MAILBOX: MailboxId = MailboxId::from_bytes([7; 12]);
const PHONE: CredentialId = CredentialId::from_bytes([1; 8]);
const LAPTOP: CredentialId = CredentialId::from_bytes([2; 8]);

fn cheap() -> KdfPolicy {
    KdfPolicy::new(8, 1, 1).unwrap()
}

fn password(text: &str) -> Password {
    Password::from(text.to_owned())
}

fn wrapped(key: &MailboxKey, password: &Password, credential: CredentialId) -> (CredentialId, Vec<u8>) {
    (credential, wrap(key, password, &MAILBOX, &credential, &cheap(), None).unwrap())
}

fn opened(password: &Password, rows: &[(CredentialId, Vec<u8>)]) -> Option<(CredentialId, String)> {
    match unlock(password, &MAILBOX, rows) {
        Ok((credential, key)) => Some((credential, key.raw_key().to_string())),
        Err(VaultError::WrongPassword) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn each_credential_opens_with_its_own_password() {
    let key = MailboxKey::generate().unwrap();
    let raw = key.raw_key().to_string();
    let passwords = [generate_password().unwrap(), password("correct horse"), generate_recovery_key().unwrap()];
    let ids = [PHONE, LAPTOP, CredentialId::from_bytes([3; 8])];
    let rows: Vec<_> = passwords.iter().zip(ids).map(|(password, id)| wrapped(&key, password, id)).collect();
    for (password, id) in passwords.iter().zip(ids) {
        assert_eq!(opened(password, &rows), Some((id, raw.clone())));
    }
    for wrong in
        [password("correct horsf"), password(""), generate_password().unwrap(), generate_recovery_key().unwrap()]
    {
        assert_eq!(opened(&wrong, &rows), None);
    }
    let typed = password(&passwords[2].expose().to_lowercase().replace('-', " "));
    assert_eq!(opened(&typed, &rows), Some((ids[2], raw)));
}

#[test]
fn a_wrapping_belongs_to_its_mailbox_and_credential() {
    let key = MailboxKey::generate().unwrap();
    let secret = password("x");
    let (_, bytes) = wrapped(&key, &secret, PHONE);
    let moved = [(LAPTOP, bytes.clone())];
    assert_eq!(opened(&secret, &moved), None);
    let other = MailboxId::from_bytes([8; 12]);
    assert!(matches!(unlock(&secret, &other, &[(PHONE, bytes)]), Err(VaultError::WrongPassword)));
}

#[test]
fn chosen_ones_share_salt_and_policy() {
    let key = MailboxKey::generate().unwrap();
    let first = wrapped(&key, &password("one"), PHONE);
    let salt = salt_of(&first.1).unwrap();
    let policy = policy_of(&first.1).unwrap();
    assert_eq!(policy, cheap());
    let second = wrap(&key, &password("two"), &MAILBOX, &LAPTOP, &policy, Some(salt)).unwrap();
    assert_eq!(salt_of(&second), Some(salt));
    let rows = [first, (LAPTOP, second)];
    assert_eq!(opened(&password("two"), &rows).map(|(id, _)| id), Some(LAPTOP));
    assert_eq!(salt_of(&wrapped(&key, &generate_password().unwrap(), PHONE).1), None);
    assert_eq!(salt_of(b""), None);
}

#[test]
fn damaged_rows_do_not_shadow_good_ones_and_are_named_when_alone() {
    let key = MailboxKey::generate().unwrap();
    let secret = password("x");
    let (_, good) = wrapped(&key, &secret, LAPTOP);
    let mut newer = good.clone();
    newer[0] = 2;
    let cut = good[..good.len() - 1].to_vec();
    let rows = [(PHONE, newer.clone()), (PHONE, cut.clone()), (LAPTOP, good)];
    assert_eq!(opened(&secret, &rows).map(|(id, _)| id), Some(LAPTOP));
    assert!(matches!(unlock(&secret, &MAILBOX, &[(PHONE, newer)]), Err(VaultError::UnknownVersion(2))));
    assert!(matches!(unlock(&secret, &MAILBOX, &[(PHONE, cut)]), Err(VaultError::Malformed("wrapped key"))));
    assert!(matches!(unlock(&secret, &MAILBOX, &[(PHONE, Vec::new())]), Err(VaultError::Malformed("wrapped key"))));
    assert!(matches!(unlock(&secret, &MAILBOX, &[]), Err(VaultError::WrongPassword)));
    unlock_nobody(&secret);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_flipped_bit_is_refused(bit in 0usize..(122 * 8), text in "\\PC{0,20}") {
        let key = MailboxKey::generate().unwrap();
        let secret = password(&text);
        let (id, mut bytes) = wrapped(&key, &secret, PHONE);
        prop_assert_eq!(bytes.len(), 122);
        // Flipped parameters may ask for up to a GiB: those of memory and passes have their own test.
        prop_assume!(!(18 * 8..30 * 8).contains(&bit));
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(unlock(&secret, &MAILBOX, &[(id, bytes)]).is_err());
    }

    #[test]
    fn any_bytes_are_sorted_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (salt_of(&bytes), policy_of(&bytes));
    }
}

#[test]
fn changed_parameters_are_refused() {
    let key = MailboxKey::generate().unwrap();
    let secret = password("x");
    let (id, bytes) = wrapped(&key, &secret, PHONE);
    for (at, value) in [(21, 9), (21, 16), (25, 2), (24, 1), (29, 2), (18, 0xff), (26, 1), (21, 0)] {
        let mut changed = bytes.clone();
        changed[at] = value;
        assert!(unlock(&secret, &MAILBOX, &[(id, changed)]).is_err(), "{at} {value}");
    }
    // For a generated password the parameters are not used, but they are bound all the same.
    let strong = generate_password().unwrap();
    let (id, mut bytes) = wrapped(&key, &strong, PHONE);
    bytes[21] = 9;
    assert!(matches!(unlock(&strong, &MAILBOX, &[(id, bytes)]), Err(VaultError::WrongPassword)));
}
