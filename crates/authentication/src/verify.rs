//! The checks in their order: who connects and who sends, and then what the message itself shows.

use crate::dmarc::Evidence;
use crate::keys::{Ready, authenticator};
use crate::limits::{CHECK_TIME_MAX, REVERSE_NAMES_MAX};
use crate::results::{Arc, Dmarc, Envelope, Identity, Iprev, Policy, Results, Spf, Verdict};
use crate::{Checked, arc, dkim, dmarc, spf};
use dns::{LookupError, Name, Resolver};
use mail_auth::common::cache::NoCache;
use mail_auth::{AuthenticatedMessage, MX, Parameters, RecordSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who is at the other end.
#[derive(Debug, Clone, Copy)]
pub struct Peer<'a> {
    /// Where it connects from.
    pub ip: IpAddr,
    /// What it called itself in HELO or EHLO.
    pub helo: &'a str,
    /// The reverse-path; empty for the null one.
    pub mail_from: &'a str,
    /// This host.
    pub host: &'a str,
}

/// What can be said at MAIL: the client's name and SPF. Never fails: what cannot be found out is a result.
pub async fn envelope(resolver: &Resolver, peer: &Peer<'_>) -> Envelope {
    let address = peer.ip.to_canonical();
    if !resolver.is_enabled() {
        let none = |identity| Spf { result: Verdict::None, identity, domain: String::new(), explanation: None };
        return Envelope {
            iprev: Iprev { result: Verdict::None, address, name: None },
            spf: none(if peer.mail_from.is_empty() { Identity::Helo } else { Identity::MailFrom }),
            helo: none(Identity::Helo),
        };
    }
    let peer = Peer { ip: address, ..*peer };
    let (iprev, helo, mail_from) =
        tokio::join!(iprev(resolver, address), spf::check(resolver, &peer, Identity::Helo), async {
            // RFC 7208 §2.4: the null reverse-path stands for postmaster at the HELO name.
            if peer.mail_from.is_empty() { None } else { Some(spf::check(resolver, &peer, Identity::MailFrom).await) }
        });
    Envelope { iprev, spf: mail_from.unwrap_or_else(|| helo.clone()), helo }
}

/// RFC 8601 §3: an address has a name, and the name that address.
async fn iprev(resolver: &Resolver, address: IpAddr) -> Iprev {
    let ended = |result| Iprev { result, address, name: None };
    let names = match resolver.reverse(address).await {
        Ok(answer) => answer.records,
        Err(error) if error.is_absent() => return ended(Verdict::PermError),
        Err(_) => return ended(Verdict::TempError),
    };
    let mut result = Verdict::Fail;
    for name in names.into_iter().take(REVERSE_NAMES_MAX) {
        match forward(resolver, &name, address).await {
            Ok(true) => return Iprev { result: Verdict::Pass, address, name: Some(name) },
            Ok(false) => {}
            Err(error) if error.is_absent() => {}
            Err(_) => result = Verdict::TempError,
        }
    }
    ended(result)
}

/// Whether the name has this address.
pub(crate) async fn forward(resolver: &Resolver, name: &Name, address: IpAddr) -> Result<bool, LookupError> {
    let answer = if address.is_ipv4() { resolver.ipv4(name).await } else { resolver.ipv6(name).await };
    Ok(answer?.records.contains(&address))
}

/// What can be said at the end of the text. Never fails: what cannot be found out is a result.
pub async fn verify(resolver: &Resolver, envelope: Envelope, checked: &Checked) -> Results {
    let (Some(mut message), Some(authenticator)) = (checked.message(), authenticator()) else {
        return unknown(envelope, checked);
    };
    let mut signatures = dkim::refuse(&mut message);
    arc::refuse(&mut message);
    let mut keys = Ready::default();
    let names = dkim::key_names(&message).into_iter().chain(arc::key_names(&message)).collect();
    // What is not there in time is a temporary error of the library's.
    _ = tokio::time::timeout(CHECK_TIME_MAX, keys.domain_keys(resolver, names)).await;
    let outputs = Box::pin(authenticator.verify_dkim(with(&message, &keys))).await;
    let mut acceptable = Vec::new();
    for output in &outputs {
        let Some(read) = dkim::read(output, &keys) else { continue };
        // What is refused here vouches for nobody, whatever the library says.
        if read.result != Verdict::Policy {
            acceptable.push(output.clone());
        }
        signatures.push(read);
    }
    let chain = Box::pin(authenticator.verify_arc(with(&message, &keys))).await;
    let arc = arc::read(&message, &chain);
    let evidence = Evidence { authenticator, envelope: &envelope, signatures: &acceptable };
    let judged = dmarc::check(resolver, &evidence, checked.from_domains());
    let dmarc = match tokio::time::timeout(CHECK_TIME_MAX, judged).await {
        Ok(dmarc) => dmarc,
        Err(_) => nothing_of(Verdict::TempError, checked),
    };
    Results { envelope, dkim: signatures, arc, dmarc }
}

type Nothing<T> = NoCache<Box<str>, RecordSet<T>>;
type Ptr = NoCache<IpAddr, RecordSet<Box<str>>>;

fn with<'a>(
    message: &'a AuthenticatedMessage<'a>,
    keys: &'a Ready,
) -> Parameters<'a, &'a AuthenticatedMessage<'a>, Ready, Nothing<MX>, Nothing<Ipv4Addr>, Nothing<Ipv6Addr>, Ptr> {
    Parameters {
        params: message,
        cache_txt: Some(keys),
        cache_mx: None,
        cache_ptr: None,
        cache_ipv4: None,
        cache_ipv6: None,
    }
}

/// Of a message whose header was too large, or is none.
fn unknown(envelope: Envelope, checked: &Checked) -> Results {
    let (result, reason) = if checked.header_too_large() {
        (Verdict::PermError, Some("the header is too large"))
    } else {
        (Verdict::None, None)
    };
    let arc = Arc { result, reason, sets: Vec::new() };
    Results { envelope, dkim: Vec::new(), arc, dmarc: nothing_of(result, checked) }
}

fn nothing_of(result: Verdict, checked: &Checked) -> Dmarc {
    let domain = checked.from_domains().first().cloned().unwrap_or_default();
    Dmarc { result, policy: Policy::None, domain, spf_aligned: false, dkim_aligned: false }
}
