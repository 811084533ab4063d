//! DMARC (RFC 9989): the policy of the domain in From, found by a walk up the tree, and whether SPF or DKIM vouch for it.

use crate::keys::{Everything, Ready};
use crate::limits::FROM_DOMAINS_MAX;
use crate::results::{Dmarc, Envelope, Policy, Verdict};
use dns::{LookupError, Name, Resolver};
use mail_auth::common::cache::NoCache;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::{
    AuthenticatedMessage, DkimOutput, DkimResult, DmarcOutput, DmarcResult, MX, MessageAuthenticator, Parameters,
    RecordSet, SpfOutput, SpfResult, dmarc,
};
use std::net::{IpAddr, Ipv6Addr};

/// What the library takes: the policies laid ready, and nothing to look up with.
type Asked<'a> = Parameters<
    'a,
    DmarcParameters<'a>,
    Ready,
    NoCache<Box<str>, RecordSet<MX>>,
    Everything,
    NoCache<Box<str>, RecordSet<Ipv6Addr>>,
    NoCache<IpAddr, RecordSet<Box<str>>>,
>;

/// Labels from which the walk goes to the parent at once (RFC 9989 §4.10).
const WALK_LABELS_MAX: usize = 7;

/// What the library is given beside the message.
pub(crate) struct Evidence<'a> {
    pub(crate) authenticator: &'a MessageAuthenticator,
    pub(crate) envelope: &'a Envelope,
    pub(crate) signatures: &'a [DkimOutput<'a>],
}

/// Evaluates each domain of From for itself; the worst counts, so that no second address hides the first.
pub(crate) async fn check(resolver: &Resolver, evidence: &Evidence<'_>, from: &[String]) -> Dmarc {
    if from.len() > FROM_DOMAINS_MAX {
        return bare(Verdict::PermError, "");
    }
    let mut worst: Option<Dmarc> = None;
    for domain in from {
        let result = check_one(resolver, evidence, domain).await;
        let worse =
            worst.as_ref().is_none_or(|before| (badness(&result), result.policy) > (badness(before), before.policy));
        if worse {
            worst = Some(result);
        }
    }
    worst.unwrap_or_else(|| bare(Verdict::None, ""))
}

fn bare(result: Verdict, domain: &str) -> Dmarc {
    Dmarc { result, policy: Policy::None, domain: domain.to_owned(), spf_aligned: false, dkim_aligned: false }
}

fn badness(dmarc: &Dmarc) -> u8 {
    match dmarc.result {
        Verdict::Pass => 0,
        Verdict::None | Verdict::Neutral | Verdict::SoftFail | Verdict::Policy => 1,
        Verdict::PermError => 2,
        Verdict::TempError => 3,
        Verdict::Fail => 4,
    }
}

async fn check_one(resolver: &Resolver, evidence: &Evidence<'_>, domain: &str) -> Dmarc {
    let Ok(name) = domain.parse::<Name>() else { return bare(Verdict::PermError, domain) };
    let spf = &evidence.envelope.spf;
    // Every name that alignment may be judged by: relaxed alignment walks from the other domain, too.
    let signed = evidence
        .signatures
        .iter()
        .filter(|output| matches!(output.result(), DkimResult::Pass | DkimResult::TempError(_)));
    let others = signed.filter_map(|output| output.signature()).map(|signature| signature.d.as_str());
    let mut names = walk(&name);
    for other in others.chain([spf.domain.as_str()]).filter_map(|other| other.parse::<Name>().ok()) {
        if other.as_str().rsplit('.').next() == name.as_str().rsplit('.').next() {
            names.extend(walk(&other));
        }
    }
    let mut ready = Ready::default();
    ready.policies(resolver, names).await;
    let address = format!("x@{domain}");
    let message = AuthenticatedMessage { from: vec![address], ..AuthenticatedMessage::default() };
    let spf_output = SpfOutput::new(spf.domain.clone()).with_result(spf_result(spf.result));
    let parameters: Asked<'_> = Parameters {
        params: DmarcParameters {
            message: &message,
            dkim_output: evidence.signatures,
            dkim2_output: None,
            rfc5321_mail_from_domain: &spf.domain,
            spf_output: &spf_output,
        },
        cache_txt: Some(&ready),
        cache_mx: None,
        cache_ptr: None,
        cache_ipv4: Some(&Everything),
        cache_ipv6: None,
    };
    let output = Box::pin(evidence.authenticator.verify_dmarc(parameters)).await;
    let policy = policy(resolver, &name, &ready, &output).await;
    Dmarc {
        result: verdict(&output.result()),
        policy,
        domain: domain.to_owned(),
        spf_aligned: *output.spf_result() == DmarcResult::Pass,
        dkim_aligned: *output.dkim_result() == DmarcResult::Pass,
    }
}

/// The names of a walk (RFC 9989 §4.10), with the final dot.
fn walk(from: &Name) -> Vec<String> {
    let mut names = Vec::new();
    let mut at = Some(from.clone());
    while let Some(name) = at {
        if name == *from || name.labels() <= WALK_LABELS_MAX {
            names.push(format!("_dmarc.{name}."));
        }
        at = name.parent();
    }
    names
}

/// RFC 9989 §4.7: a record that is found further up has a policy of its own for names that do not exist.
async fn policy(resolver: &Resolver, name: &Name, ready: &Ready, output: &DmarcOutput) -> Policy {
    let mut policy = output.policy();
    if let Some(record) = output.dmarc_record()
        && record.np != record.sp
        && !ready.has_policy(&format!("_dmarc.{name}."))
        && resolver.ipv4(name).await.err() == Some(LookupError::NoSuchName)
    {
        policy = match (record.np, record.t) {
            // Test mode is one step milder.
            (dmarc::Policy::Reject, true) => dmarc::Policy::Quarantine,
            (dmarc::Policy::Quarantine, true) => dmarc::Policy::None,
            (policy, _) => policy,
        };
    }
    match policy {
        dmarc::Policy::None | dmarc::Policy::Unspecified => Policy::None,
        dmarc::Policy::Quarantine => Policy::Quarantine,
        dmarc::Policy::Reject => Policy::Reject,
    }
}

fn verdict(result: &DmarcResult) -> Verdict {
    match result {
        DmarcResult::Pass => Verdict::Pass,
        DmarcResult::Fail(_) => Verdict::Fail,
        DmarcResult::TempError(_) => Verdict::TempError,
        DmarcResult::PermError(_) => Verdict::PermError,
        DmarcResult::None => Verdict::None,
    }
}

fn spf_result(result: Verdict) -> SpfResult {
    match result {
        Verdict::Pass => SpfResult::Pass,
        Verdict::Fail => SpfResult::Fail,
        Verdict::SoftFail => SpfResult::SoftFail,
        Verdict::Neutral | Verdict::Policy => SpfResult::Neutral,
        Verdict::TempError => SpfResult::TempError,
        Verdict::PermError => SpfResult::PermError,
        Verdict::None => SpfResult::None,
    }
}
