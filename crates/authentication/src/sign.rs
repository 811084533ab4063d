//! Signatures of our own (RFC 6376 §5, RFC 8463), made of what is kept of a message that went by.

use crate::Checked;
use crate::field::{Field, Folded, fields};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use mail_auth::common::crypto::{DkimKey, Ed25519Key, RsaKey, Sha256, SigningKey as _};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use vault::signing::{Algorithm, PrivateKey};

/// What is signed where it is there (RFC 6376 §5.4.1).
const SIGNED: [&str; 22] = [
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-id",
    "content-description",
    "list-id",
    "list-help",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-subscribe",
    "list-post",
    "list-archive",
];
/// What is signed once more than it is there, so that nobody can add one above (RFC 6376 §8.15).
const CLOSED: [&str; 9] =
    ["from", "reply-to", "to", "cc", "subject", "date", "message-id", "mime-version", "content-type"];
/// Names in `h=`. A message with more of these fields is no message that a client of ours wrote.
const SIGNED_FIELDS_MAX: usize = 64;

/// Why there is no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The header is too large, has no From, or more fields than can be named.
    #[error("a message with such a header is not signed")]
    Header,
    /// The private key is none that signs.
    #[error("the signing key cannot be used")]
    Key,
}

/// A key of a domain, ready to sign.
pub struct SigningKey {
    pub(crate) domain: String,
    pub(crate) selector: String,
    pub(crate) algorithm: &'static str,
    key: DkimKey,
}

impl SigningKey {
    /// From the key that the directory keeps.
    ///
    /// # Errors
    /// [`SignError::Key`].
    pub fn new(domain: &str, selector: &str, key: &PrivateKey) -> Result<Self, SignError> {
        let der = || PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8()));
        let (algorithm, key) = match key.algorithm() {
            Algorithm::Rsa2048 => {
                let key = RsaKey::<Sha256>::from_key_der(der()).map_err(|_| SignError::Key)?;
                ("rsa-sha256", DkimKey::Rsa(key))
            }
            Algorithm::Ed25519 => {
                let key = Ed25519Key::from_pkcs8_maybe_unchecked_der(key.pkcs8()).map_err(|_| SignError::Key)?;
                ("ed25519-sha256", DkimKey::Ed25519(key))
            }
        };
        Ok(Self { domain: domain.to_owned(), selector: selector.to_owned(), algorithm, key })
    }

    /// Signs what is in `canonical` and the field, which ends in `b=`, and gives the field with its signature.
    pub(crate) fn complete(&self, mut canonical: Vec<u8>, mut field: Folded) -> Result<String, SignError> {
        // RFC 6376 §3.7: the field itself comes last, with an empty b= and without its CRLF.
        let text = format!("{}\r\n", field.text());
        fields(text.as_bytes()).for_each(|field| field.relaxed(&mut canonical));
        canonical.truncate(canonical.len().saturating_sub(2));
        let signature = self.key.sign(canonical.as_slice()).map_err(|_| SignError::Key)?;
        field.breakable(&STANDARD.encode(signature));
        Ok(field.finish())
    }
}

/// The keys of one domain.
pub struct Signer {
    keys: Vec<SigningKey>,
}

impl Signer {
    /// Signs with each of these, in this order.
    pub fn new(keys: Vec<SigningKey>) -> Self {
        Self { keys }
    }

    /// Whether there is no key to sign with.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key for a chain: RSA where there is one, since few verifiers of ARC know another.
    pub(crate) fn sealing_key(&self) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.algorithm == "rsa-sha256").or_else(|| self.keys.first())
    }

    /// One DKIM-Signature per key, each with its last CRLF, to be put in front of the message. `prefix` holds whole fields
    /// that will stand between them and the message, and are signed with it. Takes a millisecond of the caller's thread.
    ///
    /// # Errors
    /// When the header is none that can be signed.
    pub fn sign(&self, prefix: &[u8], checked: &Checked, at: Timestamp) -> Result<String, SignError> {
        let (names, canonical) = signed_fields(prefix, checked, &SIGNED, &CLOSED)?;
        let mut out = String::new();
        for key in &self.keys {
            let mut field = Folded::new("DKIM-Signature");
            field.word("v=1;");
            tags(&mut field, key, at);
            cover(&mut field, &names, checked.relaxed_body_hash());
            out.push_str(&key.complete(canonical.clone(), field)?);
        }
        Ok(out)
    }
}

/// `a=`, `c=`, `d=`, `s=` and `t=`.
pub(crate) fn tags(field: &mut Folded, key: &SigningKey, at: Timestamp) {
    field.word(&format!("a={};", key.algorithm));
    field.word("c=relaxed/relaxed;");
    field.word(&format!("d={};", key.domain));
    field.word(&format!("s={};", key.selector));
    field.word(&format!("t={};", at.as_second()));
}

/// `h=`, `bh=` and an empty `b=`.
pub(crate) fn cover(field: &mut Folded, names: &[&str], body_hash: &[u8; 32]) {
    for (position, name) in names.iter().enumerate() {
        let start = if position == 0 { "h=" } else { "" };
        let end = if position + 1 == names.len() { ";" } else { ":" };
        field.word(&format!("{start}{name}{end}"));
    }
    field.word(&format!("bh={};", STANDARD.encode(body_hash)));
    field.word("b=");
}

/// The names for `h=`, and the fields they stand for in the relaxed form.
pub(crate) fn signed_fields(
    prefix: &[u8],
    checked: &Checked,
    signed: &[&'static str],
    closed: &[&'static str],
) -> Result<(Vec<&'static str>, Vec<u8>), SignError> {
    if checked.header_too_large() {
        return Err(SignError::Header);
    }
    let all: Vec<Field<'_>> = fields(prefix).chain(fields(checked.header())).collect();
    let (mut names, mut canonical) = (Vec::new(), Vec::new());
    for name in signed {
        // RFC 6376 §5.4.2: the last field of a name is the first that is signed.
        for field in all.iter().rev().filter(|field| field.is(name)) {
            names.push(*name);
            field.relaxed(&mut canonical);
        }
    }
    if !names.contains(&"from") {
        return Err(SignError::Header);
    }
    // One that is not there is signed as nothing at all.
    names.extend(closed);
    if names.len() > SIGNED_FIELDS_MAX { Err(SignError::Header) } else { Ok((names, canonical)) }
}

#[cfg(test)]
mod tests;
