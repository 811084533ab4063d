//! Which addresses may be connected to, and in which order: what a stranger's name leads to is not to be our own network.

use crate::limits::HOST_ADDRESSES_MAX;
use crate::random;
use daemon::config::Network;
use std::net::IpAddr;

/// Whom to let through: who is public, and who the configuration names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guard {
    /// Whether private addresses are let through as well.
    pub allow_private: bool,
    /// Networks that are, whatever they are.
    pub networks: Vec<Network>,
}

impl Guard {
    /// Whether it may be connected to.
    pub fn allows(&self, address: IpAddr) -> bool {
        let somebody = !address.is_unspecified() && !address.is_multicast();
        dns::is_public(address) || (self.allow_private && somebody) || self.names(address)
    }

    /// Whether it is in a network of the configuration.
    pub fn names(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// Those that may be connected to, IPv6 and IPv4 in turns, so that neither broken family costs every try.
    pub fn order(&self, addresses: &[IpAddr]) -> Vec<IpAddr> {
        let (mut six, mut four): (Vec<IpAddr>, Vec<IpAddr>) =
            addresses.iter().copied().filter(|address| self.allows(*address)).partition(IpAddr::is_ipv6);
        random::shuffle(&mut six);
        random::shuffle(&mut four);
        let mut ordered = Vec::with_capacity(six.len() + four.len());
        let (mut six, mut four) = (six.into_iter(), four.into_iter());
        loop {
            let pair = [six.next(), four.next()];
            if pair == [None, None] {
                break;
            }
            ordered.extend(pair.into_iter().flatten());
        }
        ordered.truncate(HOST_ADDRESSES_MAX);
        ordered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn inward_addresses_are_nobodys() {
        let mixed =
            addresses(&["127.0.0.1", "::ffff:10.0.0.1", "9.9.9.9", "fe80::1", "2620:fe::9", "0.0.0.0", "ff02::1"]);
        let open = Guard::default();
        assert_eq!(open.order(&mixed), addresses(&["2620:fe::9", "9.9.9.9"]));
        let closed = Guard { allow_private: true, ..Guard::default() };
        assert!(closed.allows(mixed[0]) && closed.allows(mixed[3]));
        assert!(!closed.allows(mixed[5]) && !closed.allows(mixed[6]));
        let named = Guard { networks: vec!["10.0.0.0/8".parse().unwrap()], ..Guard::default() };
        assert_eq!((named.allows(mixed[0]), named.allows(mixed[1])), (false, true));
    }

    #[test]
    fn families_take_turns() {
        let many = addresses(&["2620:fe::9", "2620:fe::10", "2620:fe::11", "9.9.9.9", "1.1.1.1"]);
        let ordered = Guard::default().order(&many);
        assert_eq!(ordered.iter().map(IpAddr::is_ipv6).collect::<Vec<_>>(), [true, false, true, false]);
    }
}
