//! A set of our own at the end of an ARC chain (RFC 8617 §5.1), for mail that goes on to somebody else.

use crate::field::{Field, Folded, fields};
use crate::limits::ARC_SETS_MAX;
use crate::report::{body, statements};
use crate::results::{Results, Verdict};
use crate::sign::{SignError, Signer, SigningKey, cover, signed_fields, tags};
use crate::{Checked, arc};
use jiff::Timestamp;
use mail_auth::AuthenticatedMessage;
use mail_auth::arc::ChainValidation;

/// What an ARC-Message-Signature covers: the message's own signatures besides what those cover, and none of the fields that
/// hosts on the way add (RFC 8617 §4.1.2).
const SIGNED: [&str; 16] = [
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
    "list-id",
    "list-unsubscribe",
    "dkim-signature",
];

/// The three fields of a new set, to be put in front of the message as they are, which must go on unchanged. `None` when
/// there is no more to say: the chain had failed before, has no room, cannot be told whole or broken just now, or there is
/// no key.
///
/// # Errors
/// When the header is none that can be signed.
pub fn seal_arc(
    signer: &Signer,
    host: &str,
    results: &Results,
    checked: &Checked,
    at: Timestamp,
) -> Result<Option<String>, SignError> {
    let Some(key) = signer.sealing_key() else { return Ok(None) };
    let Some(message) = checked.message() else { return Err(SignError::Header) };
    let Some(link) = next_link(&message, results.arc.result) else { return Ok(None) };
    let instance = format!("i={};", link.instance);

    let mut said = Folded::new("ARC-Authentication-Results");
    said.word(&instance);
    body(&mut said, host, &statements(results));
    let said = said.finish();

    let (names, canonical) = signed_fields(b"", checked, &SIGNED, &[])?;
    let mut signature = Folded::new("ARC-Message-Signature");
    signature.word(&instance);
    tags(&mut signature, key, at);
    cover(&mut signature, &names, checked.relaxed_body_hash());
    let signature = key.complete(canonical, signature)?;

    let mut chain = link.chain;
    for field in fields(said.as_bytes()).chain(fields(signature.as_bytes())) {
        field.relaxed(&mut chain);
    }
    let seal = key.complete(chain, seal(key, &instance, link.validation, at))?;
    Ok(Some(seal + &signature + &said))
}

/// Where the new set stands, and the canonical form of what its seal covers before it.
struct Link {
    instance: usize,
    validation: &'static str,
    chain: Vec<u8>,
}

fn next_link(message: &AuthenticatedMessage<'_>, verdict: Verdict) -> Option<Link> {
    if !arc::has_chain(message) {
        return Some(Link { instance: 1, validation: "none", chain: Vec::new() });
    }
    let newest = message.as_headers.iter().map(|seal| &seal.header).max_by_key(|seal| seal.i)?;
    let instance = usize::try_from(newest.i).ok()?.checked_add(1)?;
    // RFC 8617 §5.1.2: nothing is added to a chain that somebody found broken.
    if newest.cv == ChainValidation::Fail || instance > ARC_SETS_MAX {
        return None;
    }
    match verdict {
        Verdict::Pass => Some(Link { instance, validation: "pass", chain: chain(message) }),
        // Of a broken chain only the new set is sealed, as if it were the only one.
        Verdict::Fail => Some(Link { instance, validation: "fail", chain: Vec::new() }),
        Verdict::SoftFail
        | Verdict::Neutral
        | Verdict::Policy
        | Verdict::TempError
        | Verdict::PermError
        | Verdict::None => None,
    }
}

/// Every set before, oldest first (RFC 8617 §5.1.1). The library has sorted them.
fn chain(message: &AuthenticatedMessage<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let sets = message.aar_headers.iter().zip(&message.ams_headers).zip(&message.as_headers);
    for ((said, signature), seal) in sets {
        for (name, value) in [(said.name, said.value), (signature.name, signature.value), (seal.name, seal.value)] {
            Field { name: name.trim_ascii(), value }.relaxed(&mut out);
        }
    }
    out
}

fn seal(key: &SigningKey, instance: &str, validation: &str, at: Timestamp) -> Folded {
    let mut field = Folded::new("ARC-Seal");
    field.word(instance);
    field.word(&format!("a={};", key.algorithm));
    field.word(&format!("t={};", at.as_second()));
    field.word(&format!("cv={validation};"));
    field.word(&format!("d={};", key.domain));
    field.word(&format!("s={};", key.selector));
    field.word("b=");
    field
}
