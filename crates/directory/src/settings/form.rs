//! What a setting's value may be, and its one spelling.

use model::{Address, Domain, Octets, StoreName};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// Entries of a list of sources: every look-up carries them to the MX.
pub const SOURCES_MAX: usize = 256;
/// Zones of block lists: each is one more DNS query for every message.
pub const ZONES_MAX: usize = 8;
/// Host names of one setting: an MTA-STS policy and an SPF record have room for these.
pub const HOSTS_MAX: usize = 8;
/// Octets of a value as it is typed: a full list of sources with the longest names.
pub const VALUE_BYTES_MAX: usize = 96 * 1024;
/// A score at most: more than all signs together come to.
const SCORE_MAX: f64 = 100.0;

/// What stands for no store at all.
pub const NO_STORE: &str = "none";

/// What may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `on` or `off`.
    Switch,
    /// `off`, `score` or `refuse`.
    Enforcement,
    /// A number between these.
    Number {
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// A number of octets, with a unit if one likes.
    Octets,
    /// A score with at most one decimal place.
    Score,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Networks, addresses of hosts, domains and addresses of people, separated by commas.
    Sources,
    /// DNS zones, separated by commas.
    Zones,
    /// Host names, separated by commas.
    Hosts,
    /// One host name, or nothing.
    Host,
    /// One address, or nothing.
    Mailbox,
    /// A store of backups, `none`, or nothing.
    Store,
}

/// Says what is allowed.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch => f.write_str("on or off"),
            Self::Enforcement => f.write_str("off, score or refuse"),
            Self::Number { min, max } => write!(f, "a number from {min} to {max}"),
            Self::Octets => f.write_str("a number of octets, such as 5G, 300M or 0"),
            Self::Score => write!(f, "a number from 0 to {SCORE_MAX} with at most one decimal place"),
            Self::Choice(choices) => f.write_str(&choices.join(", ")),
            Self::Sources => write!(
                f,
                "up to {SOURCES_MAX} networks (192.0.2.0/24), hosts (2001:db8::1), domains (example.com) or addresses (ann@example.com), separated by commas"
            ),
            Self::Zones => write!(f, "up to {ZONES_MAX} DNS zones, separated by commas"),
            Self::Hosts => write!(f, "up to {HOSTS_MAX} host names, separated by commas"),
            Self::Host => f.write_str("a host name, or nothing"),
            Self::Mailbox => f.write_str("an address, or nothing"),
            Self::Store => f.write_str("the name of a store, none, or nothing"),
        }
    }
}

impl Form {
    /// The value in its one spelling; `None` when it is not of this form. For a list, `+entry` and `-entry` change what `now`
    /// holds, and anything else replaces it.
    pub fn read(self, text: &str, now: &str) -> Option<String> {
        if text.len() > VALUE_BYTES_MAX {
            return None;
        }
        let text = text.trim();
        match self {
            Self::Switch => choice(text, &["on", "off"]),
            Self::Enforcement => choice(text, &["off", "score", "refuse"]),
            Self::Number { min, max } => number(text).filter(|n| (min..=max).contains(n)).map(|n| n.to_string()),
            Self::Octets => text.parse::<Octets>().ok().map(|octets| octets.to_string()),
            Self::Score => score(text),
            Self::Choice(choices) => choice(text, choices),
            Self::Sources => list(text, now, SOURCES_MAX, source),
            Self::Zones => list(text, now, ZONES_MAX, host),
            Self::Hosts => list(text, now, HOSTS_MAX, host),
            Self::Host if text.is_empty() => Some(String::new()),
            Self::Host => host(text),
            Self::Mailbox if text.is_empty() => Some(String::new()),
            Self::Mailbox => text.parse::<Address>().ok().map(|address| address.to_string()),
            Self::Store if text.is_empty() => Some(String::new()),
            Self::Store if text.eq_ignore_ascii_case(NO_STORE) => Some(NO_STORE.to_owned()),
            Self::Store => text.parse::<StoreName>().ok().map(|name| name.to_string()),
        }
    }
}

fn choice(text: &str, choices: &[&str]) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    choices.contains(&lower.as_str()).then_some(lower)
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// `5`, `5.5`; no sign, no exponent.
fn score(text: &str) -> Option<String> {
    let (whole, tenths) = text.split_once('.').unwrap_or((text, "0"));
    let (whole, tenths) = (number(whole)?, number(tenths).filter(|_| tenths.len() == 1)?);
    let fits = f64::from(whole) + f64::from(tenths) / 10.0 <= SCORE_MAX;
    fits.then(|| if tenths == 0 { whole.to_string() } else { format!("{whole}.{tenths}") })
}

/// Sorted, each entry once.
fn list(text: &str, now: &str, most: usize, read: impl Fn(&str) -> Option<String>) -> Option<String> {
    let given: Vec<&str> = text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).collect();
    let changes = given.iter().filter(|entry| entry.starts_with(['+', '-'])).count();
    let mut entries: BTreeSet<String> = match changes {
        0 => BTreeSet::new(),
        // Half a change and half a list is a slip of the pen.
        n if n != given.len() => return None,
        _ => now.split(',').filter(|entry| !entry.is_empty()).map(str::to_owned).collect(),
    };
    for entry in given {
        match entry.strip_prefix('-') {
            Some(gone) => entries.remove(&read(gone.trim())?),
            None => entries.insert(read(entry.strip_prefix('+').unwrap_or(entry).trim())?),
        };
    }
    (entries.len() <= most).then(|| entries.into_iter().collect::<Vec<_>>().join(","))
}

/// A name with two labels at least, as A-labels.
fn host(text: &str) -> Option<String> {
    let domain: Domain = text.parse().ok()?;
    let name = domain.as_str();
    (name.contains('.') && name.parse::<IpAddr>().is_err()).then(|| name.to_owned())
}

fn source(text: &str) -> Option<String> {
    if text.contains('@') {
        return text.parse::<Address>().ok().map(|address| address.alias());
    }
    match text.split_once('/') {
        Some((ip, bits)) => network(ip.parse().ok()?, number(bits)?),
        None => match text.parse::<IpAddr>() {
            Ok(ip) => Some(ip.to_canonical().to_string()),
            Err(_) => host(text),
        },
    }
}

/// The network with its host bits cleared; all of the internet is none.
fn network(ip: IpAddr, bits: u32) -> Option<String> {
    let base = match ip {
        IpAddr::V4(ip) if (1..=32).contains(&bits) => {
            IpAddr::from((u32::from(ip) & (u32::MAX << (32 - bits))).to_be_bytes())
        }
        IpAddr::V6(ip) if (1..=128).contains(&bits) => {
            IpAddr::from((u128::from(ip) & (u128::MAX << (128 - bits))).to_be_bytes())
        }
        IpAddr::V4(_) | IpAddr::V6(_) => return None,
    };
    Some(format!("{base}/{bits}"))
}
