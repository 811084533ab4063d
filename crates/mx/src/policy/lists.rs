//! Allow and deny lists of a domain: networks, addresses of hosts, domains, addresses of people.

use super::{Facts, Word};
use crate::answers::policy as answers;
use directory::client::Policy;
use std::net::IpAddr;

/// Whether the domain takes everything from there. A name counts only when somebody vouches for it: SPF for the sender, the
/// reverse look-up for the client; anybody can write a name.
pub fn is_allowed(policy: &Policy, facts: &Facts, sender: &str) -> bool {
    policy.allow.iter().any(|entry| match Entry::parse(entry) {
        Entry::Network(address, bits) => is_within(facts.client.address, address, bits),
        Entry::Person(person) => facts.spf_passes() && sender.eq_ignore_ascii_case(person),
        Entry::Domain(domain) => {
            (facts.spf_passes() && is_below(domain_of(sender), domain))
                || facts.client_name().is_some_and(|name| is_below(name, domain))
        }
    })
}

/// Whether the domain takes nothing from there. Here the bare name is enough.
pub fn deny(policy: &Policy, facts: &Facts, sender: &str) -> Word {
    let denied = policy.deny.iter().any(|entry| match Entry::parse(entry) {
        Entry::Network(address, bits) => is_within(facts.client.address, address, bits),
        Entry::Person(person) => sender.eq_ignore_ascii_case(person),
        Entry::Domain(domain) => {
            is_below(domain_of(sender), domain) || facts.client_name().is_some_and(|name| is_below(name, domain))
        }
    });
    if denied { Word::Refused(answers::DENIED) } else { Word::Pass }
}

enum Entry<'a> {
    /// An address, and how many of its bits count.
    Network(IpAddr, u8),
    Domain(&'a str),
    Person(&'a str),
}

impl<'a> Entry<'a> {
    fn parse(text: &'a str) -> Self {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, bits.parse().ok()));
        match address.parse::<IpAddr>() {
            Ok(address) => Self::Network(address, bits.unwrap_or(u8::MAX)),
            Err(_) if text.contains('@') => Self::Person(text),
            Err(_) => Self::Domain(text),
        }
    }
}

fn domain_of(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// Whether the name is the domain or below it.
fn is_below(name: &str, domain: &str) -> bool {
    let (name, domain) = (name.to_ascii_lowercase(), domain.to_ascii_lowercase());
    name.strip_suffix(&domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn is_within(client: IpAddr, network: IpAddr, bits: u8) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        let bits = u32::from(bits).min(width);
        // A shift by the whole width has no meaning, and no bit left to compare.
        bits == 0 || (a ^ b).checked_shr(width - bits).unwrap_or(0) == 0
    };
    match (client.to_canonical(), network.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let within = |client: &str, entry| match Entry::parse(entry) {
            Entry::Network(address, bits) => is_within(client.parse().unwrap(), address, bits),
            Entry::Domain(_) | Entry::Person(_) => panic!("{entry}"),
        };
        assert!(within("192.0.2.7", "192.0.2.0/24") && within("::ffff:192.0.2.7", "192.0.2.7"));
        assert!(!within("192.0.3.7", "192.0.2.0/24") && !within("192.0.2.8", "192.0.2.7"));
        assert!(within("203.0.113.1", "0.0.0.0/0") && !within("2001:db8::1", "0.0.0.0/0"));
        assert!(within("2001:db8::1", "2001:db8::/32") && !within("2001:db9::1", "2001:db8::/32"));
    }

    #[test]
    fn names() {
        assert!(is_below("mail.Example.com", "example.COM") && is_below("example.com", "example.com"));
        assert!(!is_below("badexample.com", "example.com") && !is_below("", "example.com"));
    }
}
