//! The chain of ARC sets, verified (RFC 8617 §5.2).

use crate::dkim::explain;
use crate::limits::{ARC_SETS_MAX, SIGNED_NAMES_MAX};
use crate::results::{Arc, ArcSet, Verdict};
use mail_auth::arc::ArcError;
use mail_auth::common::crypto::Algorithm;
use mail_auth::common::verify::VerifySignature;
use mail_auth::{ArcOutput, AuthenticatedMessage, DkimResult, Error};

/// Makes the chain a broken one where the library could not hash for it, has too many sets to look keys up for, or names too
/// many fields.
pub(crate) fn refuse(message: &mut AuthenticatedMessage<'_>) {
    let sets = message.ams_headers.len().max(message.as_headers.len());
    let old = message.ams_headers.iter().any(|signature| signature.header.a == Algorithm::RsaSha1)
        || message.as_headers.iter().any(|seal| seal.header.a == Algorithm::RsaSha1);
    let long = message.ams_headers.iter().any(|signature| signature.header.h.len() > SIGNED_NAMES_MAX);
    if old || long || sets > ARC_SETS_MAX {
        message.has_arc_errors = true;
    }
}

/// The names of the keys: of the newest signature and of every seal.
pub(crate) fn key_names(message: &AuthenticatedMessage<'_>) -> Vec<String> {
    if message.has_arc_errors {
        return Vec::new();
    }
    let newest = message.ams_headers.last().map(|signature| signature.header.domain_key());
    newest.into_iter().chain(message.as_headers.iter().map(|seal| seal.header.domain_key())).collect()
}

/// Whether there is any field of a chain.
pub(crate) fn has_chain(message: &AuthenticatedMessage<'_>) -> bool {
    message.has_arc_errors
        || !(message.ams_headers.is_empty() && message.as_headers.is_empty() && message.aar_headers.is_empty())
}

/// What the library found.
pub(crate) fn read(message: &AuthenticatedMessage<'_>, output: &ArcOutput<'_>) -> Arc {
    let (result, reason) = match output.result() {
        DkimResult::Pass => (Verdict::Pass, None),
        // A seal without a signature is a broken chain, though the library sees none.
        DkimResult::None if has_chain(message) => (Verdict::Fail, Some("the chain is incomplete")),
        DkimResult::None => (Verdict::None, None),
        DkimResult::Neutral(error)
        | DkimResult::Fail(error)
        | DkimResult::PermError(error)
        | DkimResult::TempError(error) => match explain_arc(error) {
            // RFC 8617 §5.2: a chain passes or fails; only what may change later is left open.
            (Verdict::TempError, reason) => (Verdict::TempError, reason),
            (_, reason) => (Verdict::Fail, reason),
        },
    };
    let sets = output.sets().iter().map(|set| ArcSet {
        domain: set.seal.header.d.to_lowercase(),
        selector: set.seal.header.s.clone(),
        results: crate::field::Field { name: set.results.name, value: set.results.value }.unfolded(),
    });
    Arc { result, reason, sets: sets.collect() }
}

fn explain_arc(error: &Error) -> (Verdict, Option<&'static str>) {
    let Error::Arc(error) = error else { return explain(error) };
    let reason = match error {
        ArcError::ChainTooLong => "too many sets",
        ArcError::InvalidInstance(_) => "the sets are not numbered in order",
        ArcError::InvalidCV => "it had failed before",
        ArcError::HasHeaderTag => "a seal has h=",
        ArcError::BrokenChain => "the chain is incomplete",
        ArcError::FailedBodyHashMatch => "the body was changed",
        ArcError::SignatureExpired => "the signature has expired",
        ArcError::SignatureLength => "l= leaves a part of the body unsigned",
    };
    (Verdict::Fail, Some(reason))
}
