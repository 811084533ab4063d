//! What a look-up finds, in the words of mail.

use crate::Name;
use hickory_resolver::proto::rr::{RData, RecordType};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Records of one type, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// In the order of the answer; MX by preference.
    pub records: Vec<T>,
    /// Whether DNSSEC vouches for every step to them (RFC 4035 §4.3: secure).
    pub secure: bool,
    /// How long they may be kept.
    pub ttl: Duration,
    /// The name that holds them: another than what was asked where a CNAME led on.
    pub canonical: Name,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum LookupError {
    /// No such name (NXDOMAIN).
    #[error("no such name")]
    NoSuchName,
    /// The name has no record of this type.
    #[error("no such record")]
    NoRecords,
    /// The answer is not what the zone signed (RFC 4035 §4.3: bogus).
    #[error("the answer fails DNSSEC validation")]
    Bogus,
    /// No server gave an answer that can be used, in the time there is.
    #[error("no answer from DNS")]
    Failed,
    /// Nothing is looked up in this process.
    #[error("DNS is off")]
    Off,
}

impl LookupError {
    /// Whether DNS says that there is none.
    pub fn is_absent(self) -> bool {
        matches!(self, Self::NoSuchName | Self::NoRecords)
    }

    /// Whether asking later may help.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::Bogus | Self::Failed)
    }
}

/// A mail exchanger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mx {
    /// The lower is tried first.
    pub preference: u16,
    /// The host; `None` for the null MX of a domain that takes no mail (RFC 7505).
    pub exchange: Option<Name>,
}

/// A certificate association (RFC 6698 §2.1); the numbers are the registry's, and unknown ones are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tlsa {
    /// 0 PKIX-TA, 1 PKIX-EE, 2 DANE-TA, 3 DANE-EE.
    pub usage: u8,
    /// 0 the certificate, 1 its public key.
    pub selector: u8,
    /// 0 itself, 1 its SHA-256, 2 its SHA-512.
    pub matching: u8,
    /// What it must be.
    pub data: Vec<u8>,
}

/// Where a service is (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// The lower is tried first.
    pub priority: u16,
    /// Among those of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; `None` where the service is decidedly not there (a target of `.`).
    pub target: Option<Name>,
}

/// The types that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    A,
    Aaaa,
    Mx,
    Ptr,
    Srv,
    Tlsa,
    Txt,
}

impl Kind {
    pub(crate) fn wire(self) -> RecordType {
        match self {
            Self::A => RecordType::A,
            Self::Aaaa => RecordType::AAAA,
            Self::Mx => RecordType::MX,
            Self::Ptr => RecordType::PTR,
            Self::Srv => RecordType::SRV,
            Self::Tlsa => RecordType::TLSA,
            Self::Txt => RecordType::TXT,
        }
    }
}

/// One record as the caches keep it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Mx(u16, Option<Name>),
    Ptr(Name),
    Srv(u16, u16, u16, Option<Name>),
    Tlsa(u8, u8, u8, Vec<u8>),
    Txt(Vec<u8>),
}

impl Data {
    /// `None` for what is of no use: a name that no host can have.
    pub(crate) fn from_wire(data: &RData) -> Option<Self> {
        match data {
            RData::A(a) => Some(Self::A(a.0)),
            RData::AAAA(aaaa) => Some(Self::Aaaa(aaaa.0)),
            RData::MX(mx) => Some(Self::Mx(mx.preference, target(&mx.exchange)?)),
            RData::PTR(ptr) => Some(Self::Ptr(target(&ptr.0)??)),
            RData::SRV(srv) => Some(Self::Srv(srv.priority, srv.weight, srv.port, target(&srv.target)?)),
            RData::TLSA(tlsa) => Some(Self::Tlsa(
                tlsa.cert_usage.into(),
                tlsa.selector.into(),
                tlsa.matching.into(),
                tlsa.cert_data.clone(),
            )),
            RData::TXT(txt) => Some(Self::Txt(txt.txt_data.concat())),
            // What else stands in an answer was not asked for.
            _ => None,
        }
    }

    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Self::A(address) => Some(IpAddr::V4(*address)),
            Self::Aaaa(address) => Some(IpAddr::V6(*address)),
            _ => None,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let name = |name: &Option<Name>| name.as_ref().map_or(0, |name| name.as_str().len());
        size_of::<Self>()
            + match self {
                Self::A(_) | Self::Aaaa(_) => 0,
                Self::Mx(_, host) | Self::Srv(_, _, _, host) => name(host),
                Self::Ptr(name) => name.as_str().len(),
                Self::Tlsa(_, _, _, data) | Self::Txt(data) => data.len(),
            }
    }
}

/// A name from an answer: `Some(None)` for the root, `None` for what cannot be asked for.
#[allow(clippy::option_option, reason = "the root means that there is none, and is not the same as a bad name")]
fn target(name: &hickory_resolver::proto::rr::Name) -> Option<Option<Name>> {
    if name.is_root() { Some(None) } else { from_wire(name).map(Some) }
}

/// Label by label, for the library's text form escapes what a [`Name`] may hold.
pub(crate) fn from_wire(name: &hickory_resolver::proto::rr::Name) -> Option<Name> {
    let mut text = String::new();
    for label in name.iter() {
        if !text.is_empty() {
            text.push('.');
        }
        // A dot inside a label would read as another name, and a space as two words.
        let plain = |label: &&str| label.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.');
        text.push_str(str::from_utf8(label).ok().filter(plain)?);
    }
    text.parse().ok()
}

/// The name as the library has it, always fully qualified.
pub(crate) fn to_wire(name: &Name) -> Option<hickory_resolver::proto::rr::Name> {
    let mut wire = hickory_resolver::proto::rr::Name::from_labels(name.as_str().split('.').map(str::as_bytes)).ok()?;
    wire.set_fqdn(true);
    Some(wire)
}
