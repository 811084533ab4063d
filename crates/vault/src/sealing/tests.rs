//! Sealing and opening, and everything that must be refused.

use super::*;
use proptest::prelude::*;

const DELIVERY: DeliveryId = DeliveryId::from_bytes([9; 16]);
const MAILBOX: MailboxId = MailboxId::from_bytes([7; 12]);
const SEALED: usize = SEGMENT_BYTES + 16;
const HEADER: usize = 33;

struct Letter {
    private: PrivateKey,
    wrap: Vec<u8>,
    sealed: Vec<u8>,
}

fn letter(plain: &[u8], piece: usize) -> Letter {
    let (private, public) = PrivateKey::generate().unwrap();
    let mut sealer = Sealer::new(&DELIVERY).unwrap();
    let mut sealed = Vec::new();
    for piece in plain.chunks(piece) {
        sealed.extend(sealer.push(piece).unwrap());
    }
    let wrap = sealer.wrap_for(&public, &MAILBOX).unwrap();
    sealed.extend(sealer.finish().unwrap());
    Letter { private, wrap, sealed }
}

fn open(letter: &Letter, sealed: &[u8], piece: usize) -> Result<Vec<u8>, VaultError> {
    let mut opener = Opener::new(&letter.private, &letter.wrap, &DELIVERY, &MAILBOX)?;
    let mut plain = Vec::new();
    for piece in sealed.chunks(piece) {
        plain.extend(opener.push(piece)?);
    }
    plain.extend(opener.finish()?);
    Ok(plain)
}

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}

#[test]
fn every_size_around_a_segment_comes_back() {
    for len in [0, 1, 15, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES, 3 * SEGMENT_BYTES + 7]
    {
        let plain = text(len);
        let letter = letter(&plain, 10_000);
        let segments = len.div_ceil(SEGMENT_BYTES).max(1);
        assert_eq!(letter.sealed.len(), HEADER + len + 16 * segments);
        for piece in [1000, SEALED, 1 << 20] {
            assert_eq!(open(&letter, &letter.sealed, piece).unwrap(), plain, "{len} {piece}");
        }
    }
}

#[test]
fn the_prefix_comes_back_with_its_own_body_only() {
    let (private, public) = PrivateKey::generate().unwrap();
    let seal = |delivery: &DeliveryId, prefix: &[u8]| {
        let mut sealer = Sealer::new(delivery).unwrap();
        let wrap = sealer.wrap_for(&public, &MAILBOX).unwrap();
        let mut body = sealer.push(b"text").unwrap();
        let (rest, sealed) = sealer.finish_with_prefix(prefix).unwrap();
        body.extend(rest);
        (wrap, body, sealed)
    };
    for prefix in [b"".to_vec(), b"Received: x\r\n".to_vec(), text(70_000)] {
        let (wrap, body, sealed) = seal(&DELIVERY, &prefix);
        let mut opener = Opener::new(&private, &wrap, &DELIVERY, &MAILBOX).unwrap();
        let mut plain = opener.push(&body).unwrap();
        assert_eq!(opener.open_prefix(&sealed).unwrap(), prefix);
        let mut changed = sealed.clone();
        changed[0] ^= 1;
        assert!(matches!(opener.open_prefix(&changed), Err(VaultError::WrongKey)));
        assert!(matches!(opener.open_prefix(&sealed[..15]), Err(VaultError::WrongKey)));
        assert!(matches!(opener.open_prefix(&seal(&DELIVERY, &prefix).2), Err(VaultError::WrongKey)));
        // A segment of the body is no prefix.
        assert!(matches!(opener.open_prefix(&body[HEADER..]), Err(VaultError::WrongKey)));
        plain.extend(opener.finish().unwrap());
        assert_eq!(plain, b"text");
    }
}

#[test]
fn one_octet_at_a_time() {
    let plain = text(300);
    let letter = letter(&plain, 1);
    assert_eq!(open(&letter, &letter.sealed, 1).unwrap(), plain);
}

#[test]
fn segments_cannot_be_swapped_dropped_or_repeated() {
    let letter = letter(&text(3 * SEGMENT_BYTES + 100), 1 << 20);
    let (header, body) = letter.sealed.split_at(HEADER);
    let parts: Vec<&[u8]> = body.chunks(SEALED).collect();
    let with = |order: &[usize]| {
        let body: Vec<u8> = order.iter().flat_map(|&at| parts[at].iter().copied()).collect();
        open(&letter, &[header, &body].concat(), 50_000)
    };
    assert!(with(&[0, 1, 2, 3]).is_ok());
    assert!(matches!(with(&[1, 0, 2, 3]), Err(VaultError::WrongKey)));
    assert!(matches!(with(&[0, 2, 3]), Err(VaultError::WrongKey)));
    assert!(matches!(with(&[0, 1, 1, 2, 3]), Err(VaultError::WrongKey)));
    assert!(matches!(with(&[0, 1, 2]), Err(VaultError::Truncated)));
    assert!(matches!(with(&[0]), Err(VaultError::Truncated)));
    assert!(matches!(with(&[]), Err(VaultError::Truncated)));
    assert!(with(&[0, 1, 2, 3, 3]).is_err());
}

#[test]
fn a_full_last_segment_cannot_pass_for_one_in_the_middle() {
    let letter = letter(&text(2 * SEGMENT_BYTES), 1 << 20);
    let cut = &letter.sealed[..HEADER + SEALED];
    assert!(matches!(open(&letter, cut, 1 << 20), Err(VaultError::Truncated)));
    let longer = [letter.sealed.as_slice(), &[0; 16]].concat();
    assert!(open(&letter, &longer, 1 << 20).is_err());
}

#[test]
fn a_wrap_belongs_to_its_recipient_delivery_and_mailbox() {
    let letter = letter(b"hello", 10);
    let other = DeliveryId::from_bytes([8; 16]);
    let elsewhere = MailboxId::from_bytes([8; 12]);
    let stranger = PrivateKey::generate().unwrap().0;
    let refused = |key: &PrivateKey, delivery: &DeliveryId, mailbox: &MailboxId| {
        matches!(Opener::new(key, &letter.wrap, delivery, mailbox), Err(VaultError::WrongKey))
    };
    assert!(refused(&letter.private, &other, &MAILBOX));
    assert!(refused(&letter.private, &DELIVERY, &elsewhere));
    assert!(refused(&stranger, &DELIVERY, &MAILBOX));
    let foreign = super::tests::letter(b"hello", 10);
    assert!(matches!(open(&letter, &foreign.sealed, 100), Err(VaultError::WrongKey)));
}

#[test]
fn one_body_opens_for_many_recipients() {
    let mut sealer = Sealer::new(&DELIVERY).unwrap();
    let recipients: Vec<_> = (0..3u8)
        .map(|at| {
            let (private, public) = PrivateKey::generate().unwrap();
            let mailbox = MailboxId::from_bytes([at; 12]);
            let wrap = sealer.wrap_for(&public, &mailbox).unwrap();
            assert_eq!(wrap.len(), WRAP_BYTES);
            (private, mailbox, wrap)
        })
        .collect();
    let mut sealed = sealer.push(b"to all").unwrap();
    sealed.extend(sealer.finish().unwrap());
    for (private, mailbox, wrap) in &recipients {
        let mut opener = Opener::new(private, wrap, &DELIVERY, mailbox).unwrap();
        let mut plain = opener.push(&sealed).unwrap();
        plain.extend(opener.finish().unwrap());
        assert_eq!(plain, b"to all");
    }
}

#[test]
fn keys_have_stored_forms() {
    let key = MailboxKey::generate().unwrap();
    let (private, public) = PrivateKey::generate().unwrap();
    let stored = private.wrap(&key, &MAILBOX).unwrap();
    assert_eq!(stored.len(), 61);
    let again = PrivateKey::unwrap(&stored, &key, &MAILBOX).unwrap();
    let bytes = public.to_bytes();
    assert_eq!(bytes.len(), PUBLIC_KEY_BYTES);
    assert_eq!(again.public().unwrap().to_bytes(), bytes);
    assert_eq!(PublicKey::from_bytes(&bytes).unwrap().to_bytes(), bytes);

    let elsewhere = MailboxId::from_bytes([8; 12]);
    assert!(matches!(PrivateKey::unwrap(&stored, &key, &elsewhere), Err(VaultError::WrongKey)));
    let other = MailboxKey::generate().unwrap();
    assert!(matches!(PrivateKey::unwrap(&stored, &other, &MAILBOX), Err(VaultError::WrongKey)));
    assert!(matches!(PrivateKey::unwrap(&stored[..60], &key, &MAILBOX), Err(VaultError::Malformed(_))));
    assert!(matches!(PrivateKey::unwrap(&[], &key, &MAILBOX), Err(VaultError::Malformed(_))));
    assert!(matches!(PublicKey::from_bytes(&bytes[..1216]), Err(VaultError::Malformed(_))));
    assert!(matches!(PublicKey::from_bytes(&[]), Err(VaultError::Malformed(_))));
    let mut newer = bytes;
    newer[0] = 2;
    assert!(matches!(PublicKey::from_bytes(&newer), Err(VaultError::UnknownVersion(2))));
    // ML-KEM's coefficients are below 3329 (FIPS 203 §7.2, modulus check).
    newer[0] = 1;
    newer[1..40].fill(0xff);
    assert!(matches!(PublicKey::from_bytes(&newer), Err(VaultError::Malformed(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_flipped_bit_of_the_body_is_refused(len in 0usize..3000, at: proptest::sample::Index, bit in 0u8..8) {
        let mut letter = letter(&text(len), 700);
        let at = at.index(letter.sealed.len());
        letter.sealed[at] ^= 1 << bit;
        prop_assert!(open(&letter, &letter.sealed, 900).is_err());
    }

    #[test]
    fn any_flipped_bit_of_the_wrap_is_refused(at in 0..WRAP_BYTES, bit in 0u8..8) {
        let mut letter = letter(b"hello", 700);
        letter.wrap[at] ^= 1 << bit;
        prop_assert!(open(&letter, &letter.sealed, 900).is_err());
    }

    #[test]
    fn any_cut_is_refused(len in 0usize..3000, at: proptest::sample::Index, big: bool) {
        let letter = letter(&text(if big { len + 2 * SEGMENT_BYTES } else { len }), 1 << 20);
        let cut = &letter.sealed[..at.index(letter.sealed.len())];
        prop_assert!(matches!(open(&letter, cut, 5000), Err(VaultError::Truncated)));
    }

    #[test]
    fn any_flipped_bit_of_a_wrapped_private_key_is_refused(at in 0usize..61, bit in 0u8..8) {
        let key = MailboxKey::generate().unwrap();
        let mut stored = PrivateKey::generate().unwrap().0.wrap(&key, &MAILBOX).unwrap();
        stored[at] ^= 1 << bit;
        prop_assert!(PrivateKey::unwrap(&stored, &key, &MAILBOX).is_err());
    }

    #[test]
    fn any_cutting_into_pieces_gives_the_same(len in 0usize..200_000, put in 1usize..90_000, get in 1usize..90_000) {
        let plain = text(len);
        let letter = letter(&plain, put);
        prop_assert_eq!(open(&letter, &letter.sealed, get).unwrap(), plain);
    }
}
