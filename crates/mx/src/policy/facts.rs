//! What is known of a client, its envelope and its message; looked up once for all recipients.

use super::Reason;
use crate::Mx;
use crate::limits::{LISTS_MAX, URI_DOMAINS_MAX};
use authentication::{Envelope, Peer, Results, Verdict};
use directory::client::Policy;
use dns::{Name, Resolver};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Where it connects from.
    pub address: IpAddr,
    /// What it called itself.
    pub hello: String,
}

/// Everything that the stages look at.
pub struct Facts {
    /// Who sends.
    pub client: Client,
    /// Policy is not for this client: it is on this machine.
    exempt: bool,
    /// Of the envelope; absent while it was not looked up.
    pub envelope: Option<Envelope>,
    /// Block lists that were asked, and whether they have the client.
    listed: BTreeMap<String, bool>,
    /// Lists of domains that were asked, and whether they have one that the message links to.
    named: BTreeMap<String, bool>,
    /// Of the message.
    pub results: Option<Results>,
    /// What its content shows.
    pub signs: Vec<Reason>,
    /// The virus in it.
    pub virus: Option<String>,
}

impl Facts {
    /// Nothing but who it is. On this machine no policy is asked of anybody, unless it is wanted.
    pub fn new(client: Client, policy_on_loopback: bool) -> Self {
        let exempt = client.address.to_canonical().is_loopback() && !policy_on_loopback;
        Self {
            client,
            exempt,
            envelope: None,
            listed: BTreeMap::new(),
            named: BTreeMap::new(),
            results: None,
            signs: Vec::new(),
            virus: None,
        }
    }

    /// Whether no policy is asked.
    pub const fn is_exempt(&self) -> bool {
        self.exempt
    }

    /// Looks up what a recipient's policy asks of the envelope, unless it is known.
    pub async fn look_up(&mut self, mx: &Mx, policy: &Policy, sender: &str) {
        if self.exempt || !mx.resolver.is_enabled() {
            return;
        }
        if self.envelope.is_none() {
            let Client { address, hello } = &self.client;
            let peer = Peer { ip: *address, helo: hello, mail_from: sender, host: &mx.session.hostname };
            self.envelope = Some(authentication::envelope(&mx.resolver, &peer).await);
        }
        let new = policy.dnsbl_zones.iter().filter(|zone| !self.listed.contains_key(*zone));
        let new: Vec<String> = new.take(LISTS_MAX).cloned().collect();
        let asked = new.into_iter().map(|zone| async {
            let name = zone.parse().and_then(|zone| Name::reverse_under(self.client.address, &zone));
            let listed = is_listed(&mx.resolver, name.ok()).await;
            (zone, listed)
        });
        let found = join_all(asked).await;
        self.listed.extend(found);
    }

    /// Asks a recipient's lists of domains for those that the message links to.
    pub async fn look_up_domains(&mut self, mx: &Mx, policy: &Policy, domains: &[String]) {
        if self.exempt || !policy.content || domains.is_empty() {
            return;
        }
        let new = policy.uribl_zones.iter().filter(|zone| !self.named.contains_key(*zone));
        let new: Vec<String> = new.take(LISTS_MAX).cloned().collect();
        for zone in new {
            let names = domains.iter().take(URI_DOMAINS_MAX).map(|domain| {
                let name = zone.parse::<Name>().and_then(|zone| zone.child(domain));
                is_listed(&mx.resolver, name.ok())
            });
            let named = join_all(names).await.contains(&true);
            self.named.insert(zone, named);
        }
    }

    /// Whether a block list has the client.
    pub fn is_listed(&self, zone: &str) -> bool {
        self.listed.get(zone).is_some_and(|listed| *listed)
    }

    /// Whether a list has a domain that the message links to.
    pub fn is_named_in(&self, zone: &str) -> bool {
        self.named.get(zone).is_some_and(|named| *named)
    }

    /// Whether SPF vouches for the reverse-path.
    pub fn spf_passes(&self) -> bool {
        self.envelope.as_ref().is_some_and(|envelope| envelope.spf.result.is_pass())
    }

    /// Whether the reverse-path may be sent what was asked for in its name: SPF vouches for it, or was not asked.
    pub fn may_be_told(&self) -> bool {
        self.exempt || self.envelope.is_none() || self.spf_passes()
    }

    /// The client's name, when it leads back to its address.
    pub fn client_name(&self) -> Option<&str> {
        let iprev = &self.envelope.as_ref()?.iprev;
        iprev.name.as_ref().filter(|_| iprev.result == Verdict::Pass).map(Name::as_str)
    }

    /// Whether the author's domain vouches for the message, or a signature does.
    pub fn is_vouched_for(&self) -> bool {
        self.results.as_ref().is_some_and(|results| results.is_signed() || results.dmarc.result.is_pass())
    }

    /// What limits of a domain count under.
    pub fn domain_key<'a>(&self, recipient: &'a str) -> &'a str {
        recipient.rsplit_once('@').map_or(recipient, |(_, domain)| domain)
    }
}

/// RFC 5782 §2.3: a list answers with an address in 127.0.0.0/8. Those above 127.255 say that it does not answer us.
async fn is_listed(resolver: &Resolver, name: Option<Name>) -> bool {
    let Some(name) = name else { return false };
    let Ok(answer) = resolver.ipv4(&name).await else { return false };
    answer.records.iter().any(|address| match address {
        IpAddr::V4(address) => matches!(address.octets(), [127, second, ..] if second != 255),
        IpAddr::V6(_) => false,
    })
}
