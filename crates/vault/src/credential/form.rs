//! The written forms of generated passwords and recovery keys (`docs/formats/passwords.md`): 256 bits and a check value.

use super::Kind;
use crate::{Digest, Password, Secret32, VaultError};
use zeroize::{Zeroize, Zeroizing};

/// Crockford's base 32: no i, l, o or u, which look like something else.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Octets of the secret.
const SECRET_BYTES: usize = 32;
/// Octets of the check value: one in 16 million mistyped or foreign words passes, and 35 octets fill 56 digits exactly.
const CHECK_BYTES: usize = 3;
const CODE_BYTES: usize = SECRET_BYTES + CHECK_BYTES;
/// Digits of secret and check value.
const CODE_DIGITS: usize = CODE_BYTES * 8 / 5;
/// Digits of a group of the recovery key.
const GROUP_DIGITS: usize = 4;
/// Octets that are looked at: both forms with generous spacing. Longer text is a chosen password.
const TEXT_BYTES_MAX: usize = 256;

const GENERATED_PREFIX: &str = "bd_";
const RECOVERY_PREFIX: &str = "bdr";

/// A new generated password: `bd_` and 56 digits.
///
/// # Errors
/// [`VaultError::Random`].
pub fn generate_password() -> Result<Password, VaultError> {
    let code = encode(&Secret32::generate()?, Kind::Generated);
    let mut text = Zeroizing::new(String::with_capacity(GENERATED_PREFIX.len() + CODE_DIGITS));
    text.push_str(GENERATED_PREFIX);
    code.iter().for_each(|&digit| text.push(char::from(digit)));
    Ok(Password::from(text))
}

/// A new recovery key for paper: `BDR` and 14 groups of four capital digits, separated by dashes.
///
/// # Errors
/// [`VaultError::Random`].
pub fn generate_recovery_key() -> Result<Password, VaultError> {
    let code = encode(&Secret32::generate()?, Kind::Recovery);
    let groups = CODE_DIGITS / GROUP_DIGITS;
    let mut text = Zeroizing::new(String::with_capacity(RECOVERY_PREFIX.len() + CODE_DIGITS + groups));
    text.push_str("BDR");
    for group in code.chunks(GROUP_DIGITS) {
        text.push('-');
        group.iter().for_each(|&digit| text.push(char::from(digit.to_ascii_uppercase())));
    }
    Ok(Password::from(text))
}

/// Which kind of credential the password can open, by its form and check value; anything else is a chosen one.
pub fn kind_of(password: &Password) -> Kind {
    secret_of(password).map_or(Kind::Chosen, |(kind, _)| kind)
}

/// The 256 bits behind a generated password or recovery key, `None` for a chosen password.
pub(super) fn secret_of(password: &Password) -> Option<(Kind, Secret32)> {
    let text = password.expose();
    if text.len() > TEXT_BYTES_MAX {
        return None;
    }
    // Phones start with a capital and add a space: neither carries a bit of the secret.
    let trimmed = text.trim();
    if let Some(digits) = strip_prefix_any_case(trimmed, GENERATED_PREFIX) {
        return decode(digits.bytes(), Kind::Generated).map(|secret| (Kind::Generated, secret));
    }
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    plain.extend(text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '\u{2010}'..='\u{2015}')));
    let digits = strip_prefix_any_case(&plain, RECOVERY_PREFIX)?;
    decode(digits.bytes(), Kind::Recovery).map(|secret| (Kind::Recovery, secret))
}

fn strip_prefix_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The digits of the secret and its check value.
fn encode(secret: &Secret32, kind: Kind) -> Zeroizing<[u8; CODE_DIGITS]> {
    let mut code = Zeroizing::new([0; CODE_BYTES]);
    code[..SECRET_BYTES].copy_from_slice(secret.expose());
    code[SECRET_BYTES..].copy_from_slice(&check(secret.expose(), kind));
    let mut digits = Zeroizing::new([0; CODE_DIGITS]);
    // Five octets are eight digits, first bit first.
    for (five, eight) in code.chunks_exact(5).zip(digits.chunks_exact_mut(8)) {
        let bits = five.iter().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
        for (at, digit) in eight.iter_mut().enumerate() {
            *digit = ALPHABET[(bits >> (35 - 5 * at)) as usize & 31];
        }
    }
    digits
}

fn decode(text: impl Iterator<Item = u8>, kind: Kind) -> Option<Secret32> {
    let mut code = Zeroizing::new([0u8; CODE_BYTES]);
    let (mut bits, mut held, mut filled) = (0u64, 0, 0);
    for letter in text {
        bits = bits << 5 | u64::from(value(letter)?);
        held += 5;
        if held >= 8 {
            held -= 8;
            *code.get_mut(filled)? = (bits >> held) as u8;
            filled += 1;
        }
    }
    bits.zeroize();
    if filled != CODE_BYTES || held != 0 {
        return None;
    }
    let secret: &[u8; SECRET_BYTES] = code.first_chunk()?;
    crate::primitives::equal(&check(secret, kind), &code[SECRET_BYTES..]).then(|| Secret32::from_slice(secret))
}

/// A digit's value, in either case; what a reader takes for a digit counts as that digit.
fn value(letter: u8) -> Option<u8> {
    let letter = match letter.to_ascii_lowercase() {
        b'o' => b'0',
        b'i' | b'l' => b'1',
        other => other,
    };
    ALPHABET.iter().position(|&digit| digit == letter).map(|at| at as u8)
}

fn check(secret: &[u8; SECRET_BYTES], kind: Kind) -> [u8; CHECK_BYTES] {
    let mut running = Digest::new();
    running.update(match kind {
        Kind::Recovery => b"brevdue recovery key 1",
        Kind::Generated | Kind::Chosen => b"brevdue password 1",
    });
    running.update(secret);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&running.finish()[..CHECK_BYTES]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn password(text: &str) -> Password {
        Password::from(text.to_owned())
    }

    fn secret(text: &str) -> Option<(Kind, [u8; 32])> {
        secret_of(&password(text)).map(|(kind, secret)| (kind, *secret.expose()))
    }

    #[test]
    fn forms_are_as_documented() {
        let generated = generate_password().unwrap();
        assert_eq!(generated.expose().len(), 59);
        assert!(generated.expose().starts_with("bd_"));
        assert_eq!(kind_of(&generated), Kind::Generated);
        let recovery = generate_recovery_key().unwrap();
        assert_eq!(recovery.expose().split('-').count(), 15);
        assert!(recovery.expose().split('-').skip(1).all(|group| group.len() == 4));
        assert_eq!(kind_of(&recovery), Kind::Recovery);
    }

    #[test]
    fn fixed_secret_has_fixed_forms() {
        let mut bytes = [0u8; 32];
        bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte = at as u8);
        let code = encode(&Secret32::from_slice(&bytes), Kind::Generated);
        let text = format!("bd_{}", std::str::from_utf8(code.as_slice()).unwrap());
        // The first 50 digits stand for the first 250 bits: an independent base-32 gives them.
        assert!(text.starts_with("bd_000g40r40m30e209185gr38e1w8124gk2gahc5rr34d1p70x3r"), "{text}");
        assert_eq!(secret(&text), Some((Kind::Generated, bytes)));
    }

    #[test]
    fn paper_may_be_typed_as_people_type() {
        let recovery = generate_recovery_key().unwrap();
        let text = recovery.expose();
        let want = secret(text).unwrap();
        let spoken = text.replace('0', "o").replace('1', "l").to_lowercase();
        for typed in [text.to_lowercase(), text.replace('-', " "), text.replace('-', ""), format!(" {spoken}\r\n")] {
            assert_eq!(secret(&typed), Some(want));
        }
        let generated = generate_password().unwrap();
        let text = generated.expose();
        assert_eq!(secret(&format!("B{} ", &text[1..])), secret(text));
    }

    #[test]
    fn anything_else_is_chosen() {
        let generated = generate_password().unwrap();
        let code = &generated.expose()[3..];
        let short = &generated.expose()[..58];
        for text in ["", "bd_", "BDR", "secret", short, code, &format!("bdr{code}"), &"b".repeat(10_000), "bd\u{e9}"] {
            assert_eq!(kind_of(&password(text)), Kind::Chosen, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn codes_round_trip(bytes: [u8; 32], recovery: bool) {
            let kind = if recovery { Kind::Recovery } else { Kind::Generated };
            let code = encode(&Secret32::from_slice(&bytes), kind);
            prop_assert_eq!(decode(code.iter().copied(), kind).map(|s| *s.expose()), Some(bytes));
        }

        #[test]
        fn one_wrong_digit_is_noticed(bytes: [u8; 32], at in 0..CODE_DIGITS, add in 1u8..32) {
            let mut code = encode(&Secret32::from_slice(&bytes), Kind::Generated);
            let was = value(code[at]).unwrap();
            code[at] = ALPHABET[usize::from((was + add) % 32)];
            prop_assert!(decode(code.iter().copied(), Kind::Generated).is_none());
        }

        #[test]
        fn any_text_is_sorted_without_panic(text in "\\PC{0,80}") {
            kind_of(&password(&text));
            kind_of(&password(&format!("bd_{text}")));
        }
    }
}
