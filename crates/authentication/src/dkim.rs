//! DKIM signatures of a message, verified (RFC 6376 §6, RFC 8301, RFC 8463).

use crate::keys::Ready;
use crate::limits::{SIGNATURES_MAX, SIGNED_NAMES_MAX};
use crate::results::{Dkim, Verdict};
use mail_auth::common::crypto::{Algorithm, CryptoError};
use mail_auth::common::headers::Header;
use mail_auth::common::verify::VerifySignature;
use mail_auth::dkim::{DkimError, Signature};
use mail_auth::{AuthenticatedMessage, DkimOutput, DkimResult, DnsError, Error};

/// Bits of an RSA key at least (RFC 8301 §3.2).
const RSA_BITS_MIN: usize = 1024;
/// Characters of `b=` that tell signatures apart (RFC 6008 §4 asks for eight at least).
const SIGNATURE_CHARS: usize = 10;

/// Takes the signatures out of the message that are not worth a look-up, or that the library must not be given, and says
/// why. What is left has `l=` 0 and SHA-256.
pub(crate) fn refuse(message: &mut AuthenticatedMessage<'_>) -> Vec<Dkim> {
    let mut refused: Vec<Dkim> = message.errors.iter().filter_map(unreadable).take(SIGNATURES_MAX).collect();
    message.errors.retain(|header| !is_dkim(header));
    let mut left = SIGNATURES_MAX;
    message.dkim_headers.retain(|header| match objection(&header.header) {
        _ if left == 0 => false,
        None => {
            left -= 1;
            true
        }
        Some((result, reason)) => {
            left -= 1;
            refused.push(describe(&header.header, result, Some(reason)));
            false
        }
    });
    for header in &mut message.dkim_headers {
        // Third-party signatures (RFC 6541) vouch for nobody here, and failure reports (RFC 6651) are not sent.
        header.header.atps = None;
        header.header.r = false;
    }
    refused
}

fn objection(signature: &Signature) -> Option<(Verdict, &'static str)> {
    if signature.a == Algorithm::RsaSha1 {
        // RFC 8301 §3.1: it must not be used for verifying.
        return Some((Verdict::Policy, "rsa-sha1 is not accepted"));
    }
    // RFC 6376 §6.1.1: a signature that does not cover From is a permanent failure.
    if !signature.h.iter().any(|name| name.trim().eq_ignore_ascii_case("from")) {
        return Some((Verdict::PermError, "From is not signed"));
    }
    if signature.h.len() > SIGNED_NAMES_MAX {
        return Some((Verdict::Policy, "it names too many fields"));
    }
    None
}

fn is_dkim(header: &Header<'_, Error>) -> bool {
    header.name.trim_ascii().eq_ignore_ascii_case(b"DKIM-Signature")
}

/// A field that is no signature that can be verified.
fn unreadable(header: &Header<'_, Error>) -> Option<Dkim> {
    if !is_dkim(header) {
        return None;
    }
    let (result, reason) = match &header.header {
        // RFC 6376 §8.2: what is appended to such a body is not seen by the signature.
        Error::Dkim(DkimError::SignatureLength) => (Verdict::Policy, "l= leaves a part of the body unsigned"),
        Error::Dkim(_) => (Verdict::Neutral, "not of a kind that is known here"),
        _ => (Verdict::Neutral, "the field cannot be read"),
    };
    let parsed = Signature::parse(header.value).unwrap_or_default();
    Some(describe(&parsed, result, Some(reason)))
}

/// The names of the keys.
pub(crate) fn key_names(message: &AuthenticatedMessage<'_>) -> Vec<String> {
    message.dkim_headers.iter().map(|header| header.header.domain_key()).collect()
}

/// What the library found of one that was left.
pub(crate) fn read(output: &DkimOutput<'_>, keys: &Ready) -> Option<Dkim> {
    let signature = output.signature()?;
    let weak = signature.a == Algorithm::RsaSha256
        && keys.key_bits(&signature.domain_key()).is_some_and(|bits| bits < RSA_BITS_MIN);
    let (result, reason) = match output.result() {
        DkimResult::Pass if weak => (Verdict::Policy, Some("the key is too short")),
        DkimResult::Pass => (Verdict::Pass, None),
        DkimResult::Neutral(error)
        | DkimResult::Fail(error)
        | DkimResult::PermError(error)
        | DkimResult::TempError(error) => explain(error),
        DkimResult::None => (Verdict::None, None),
    };
    Some(describe(signature, result, reason))
}

/// RFC 8601 §2.7.1, by what went wrong.
pub(crate) fn explain(error: &Error) -> (Verdict, Option<&'static str>) {
    let (result, reason) = match error {
        Error::Dns(DnsError::Resolver(_)) => (Verdict::TempError, "the key cannot be looked up now"),
        Error::Dns(DnsError::RecordNotFound(_)) => (Verdict::PermError, "no key"),
        Error::Dns(DnsError::InvalidRecordType) | Error::ParseError | Error::Base64 => {
            (Verdict::PermError, "the key's record is none")
        }
        Error::Dkim(DkimError::RevokedPublicKey) => (Verdict::PermError, "the key was withdrawn"),
        Error::Dkim(DkimError::UnsupportedKeyType | DkimError::UnsupportedVersion) => {
            (Verdict::PermError, "a key of a kind that is not known here")
        }
        Error::Dkim(DkimError::FailedBodyHashMatch) => (Verdict::Fail, "the body was changed"),
        Error::Dkim(DkimError::SignatureExpired) => (Verdict::Fail, "the signature has expired"),
        Error::Dkim(DkimError::FailedAuidMatch) => (Verdict::PermError, "i= is not of the domain d="),
        Error::Dkim(DkimError::SignatureLength) => (Verdict::Policy, "l= leaves a part of the body unsigned"),
        Error::Dkim(DkimError::UnsupportedAlgorithm | DkimError::UnsupportedCanonicalization)
        | Error::Crypto(CryptoError::IncompatibleAlgorithms) => (Verdict::Neutral, "not of a kind that is known here"),
        Error::Crypto(CryptoError::FailedVerification | CryptoError::Library(_)) => {
            (Verdict::Fail, "the signature does not fit")
        }
        Error::MissingParameters | Error::NoHeadersFound => (Verdict::Neutral, "the field cannot be read"),
        Error::Arc(_) | Error::Dkim2(_) | Error::NotAligned | Error::Io(_) => {
            (Verdict::Fail, "the signature does not fit")
        }
    };
    (result, Some(reason))
}

fn describe(signature: &Signature, result: Verdict, reason: Option<&'static str>) -> Dkim {
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(signature.b.get(..12).unwrap_or(&signature.b));
    Dkim {
        result,
        reason,
        domain: signature.d.to_lowercase(),
        selector: signature.s.clone(),
        algorithm: signature.a.name(),
        signature: encoded.chars().take(SIGNATURE_CHARS).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(names: &str) -> Vec<(Verdict, Option<&'static str>)> {
        let header = format!(
            "DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=s; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; h={names}; b=AAAA\r\n\
             From: a@x.example\r\n\r\n"
        );
        let mut message = AuthenticatedMessage::parse(header.as_bytes()).unwrap();
        refuse(&mut message).into_iter().map(|signature| (signature.result, signature.reason)).collect()
    }

    #[test]
    fn a_signature_names_no_more_fields_than_anybody_signs() {
        let names = |count: usize| (0..count).fold("from".to_owned(), |names, at| format!("{names}:x{at}"));
        assert_eq!(refused(&names(SIGNED_NAMES_MAX - 1)), []);
        assert_eq!(refused(&names(SIGNED_NAMES_MAX)), [(Verdict::Policy, Some("it names too many fields"))]);
    }
}
