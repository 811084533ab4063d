//! Records that are needed against what DNS says.

use super::record::{Record, Value};
use dns::{LookupError, Name, Resolver};
use futures_util::StreamExt;
use futures_util::stream;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Look-ups at once.
const AT_ONCE_MAX: usize = 8;

/// How a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// DNS says that there is none.
    Missing,
    /// There is another.
    Differs,
    /// It is there, but DNSSEC does not vouch for it, and without that it does not count.
    Unsigned,
    /// DNS gave no answer.
    Unknown,
}

/// A record, and what was found of it.
#[derive(Debug, Serialize)]
pub(super) struct Checked {
    #[serde(flatten)]
    pub(super) record: Record,
    pub(super) state: State,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) found: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

impl Checked {
    /// Whether nothing is to be done about it. An unsigned DANE record harms nobody: it is not looked at.
    pub(super) fn is_good(&self) -> bool {
        match self.state {
            State::Ok | State::Unsigned => true,
            State::Missing | State::Differs | State::Unknown => false,
        }
    }
}

/// What a look-up came to.
struct Finding {
    state: State,
    found: Vec<String>,
    note: Option<String>,
}

impl Finding {
    fn new(is_there: bool, found: Vec<String>) -> Self {
        Self { state: if is_there { State::Ok } else { State::Differs }, found, note: None }
    }

    fn noted(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }
}

impl From<LookupError> for Finding {
    fn from(error: LookupError) -> Self {
        let state = if error.is_absent() { State::Missing } else { State::Unknown };
        Self { state, found: Vec::new(), note: (!error.is_absent()).then(|| error.to_string()) }
    }
}

/// Looks every record up, several at once; the order is kept.
pub(super) async fn all(resolver: &Resolver, records: &[Record]) -> Vec<Checked> {
    let asked = records.iter().map(|record| async move {
        let Finding { state, found, note } = one(resolver, record).await;
        Checked { record: record.clone(), state, found, note }
    });
    stream::iter(asked).buffered(AT_ONCE_MAX).collect().await
}

async fn one(resolver: &Resolver, record: &Record) -> Finding {
    let Ok(name) = record.name.parse::<Name>() else {
        return Finding { state: State::Unknown, found: Vec::new(), note: Some("not a name for DNS".to_owned()) };
    };
    let found = match &record.value {
        Value::Mx { preference, host } => mx(resolver, &name, *preference, host).await,
        Value::Tags(text) => tags(resolver, &name, text).await,
        Value::Spf(text) => spf(resolver, &name, text).await,
        Value::Tlsa(digest) => tlsa(resolver, &name, digest).await,
        Value::Srv { port, host } => srv(resolver, &name, *port, host).await,
        Value::Cname(host) => same_host(resolver, &name, host).await,
        Value::Addresses => addresses(resolver, &name).await,
    };
    found.unwrap_or_else(Finding::from)
}

type Found = Result<Finding, LookupError>;

async fn mx(resolver: &Resolver, name: &Name, preference: usize, host: &str) -> Found {
    let records = resolver.mx(name).await?.records;
    let text = |mx: &dns::Mx| format!("{} {}.", mx.preference, mx.exchange.as_ref().map_or("", Name::as_str));
    let found: Vec<String> = records.iter().map(text).collect();
    let there = records.iter().find(|mx| mx.exchange.as_ref().is_some_and(|exchange| exchange.as_str() == host));
    let finding = Finding::new(there.is_some(), found);
    // The preference is the operator's own business as long as the host is there.
    Ok(match there {
        Some(mx) if usize::from(mx.preference) != preference => finding.noted("with another preference, which is fine"),
        Some(_) | None => finding,
    })
}

/// Texts of a TXT record set that begin with this tag.
async fn texts(resolver: &Resolver, name: &Name, begins: &str) -> Result<Vec<String>, LookupError> {
    let records = resolver.txt(name).await?.records;
    let texts = records.iter().map(|text| String::from_utf8_lossy(text).into_owned());
    let ours: Vec<String> = texts.filter(|text| begins_with(text, begins)).collect();
    // Other texts of a name are none of ours.
    if ours.is_empty() { Err(LookupError::NoRecords) } else { Ok(ours) }
}

fn begins_with(text: &str, tag: &str) -> bool {
    let rest = text.get(..tag.len()).filter(|start| start.eq_ignore_ascii_case(tag)).and(text.get(tag.len()..));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([';', ' ', '\t']))
}

async fn tags(resolver: &Resolver, name: &Name, wanted: &str) -> Found {
    let version = wanted.split(';').next().unwrap_or_default().trim();
    let found = texts(resolver, name, version).await?;
    let wanted = tag_list(wanted);
    let is_there = |text: &String| {
        let there = tag_list(text);
        wanted.iter().all(|(tag, value)| there.get(tag) == Some(value))
    };
    // RFC 7489 §6.6.3, RFC 8461 §3.1, RFC 8460 §3: two records are none.
    if found.len() > 1 {
        return Ok(Finding::new(false, found).noted("there may be one such record only"));
    }
    Ok(Finding::new(found.iter().any(is_there), found))
}

/// The tags of a record with their values, without blanks (RFC 6376 §3.2).
fn tag_list(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
    let without = |text: &str| text.split_whitespace().collect::<String>();
    pairs.map(|(tag, value)| (without(tag).to_ascii_lowercase(), without(value))).collect()
}

async fn spf(resolver: &Resolver, name: &Name, wanted: &str) -> Found {
    let found = texts(resolver, name, "v=spf1").await?;
    if found.len() > 1 {
        // RFC 7208 §4.5.
        return Ok(
            Finding::new(false, found).noted("there may be one SPF record only: with two, every check is an error")
        );
    }
    let terms = |text: &str| text.split_whitespace().map(str::to_ascii_lowercase).collect::<BTreeSet<_>>();
    let is_there = |text: &String| terms(wanted).is_subset(&terms(text));
    Ok(Finding::new(found.iter().any(is_there), found))
}

async fn tlsa(resolver: &Resolver, name: &Name, digest: &str) -> Found {
    let answer = resolver.tlsa(name).await?;
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let text = |tlsa: &dns::Tlsa| format!("{} {} {} {}", tlsa.usage, tlsa.selector, tlsa.matching, hex(&tlsa.data));
    let found: Vec<String> = answer.records.iter().map(text).collect();
    let finding = Finding::new(found.contains(&format!("3 1 1 {digest}")), found);
    Ok(match finding.state {
        State::Ok if !answer.secure => Finding { state: State::Unsigned, ..finding }
            .noted("the zone is not signed with DNSSEC, so nobody looks at it"),
        State::Differs => finding.noted("hosts that mind DANE deliver no mail while it differs from the certificate"),
        State::Ok | State::Missing | State::Unsigned | State::Unknown => finding,
    })
}

async fn srv(resolver: &Resolver, name: &Name, port: u16, host: &str) -> Found {
    let records = resolver.srv(name).await?.records;
    let target = |srv: &dns::Srv| srv.target.as_ref().map_or_else(String::new, |target| target.as_str().to_owned());
    let text = |srv: &dns::Srv| format!("{} {} {} {}.", srv.priority, srv.weight, srv.port, target(srv));
    let found = records.iter().map(text).collect();
    Ok(Finding::new(records.iter().any(|srv| srv.port == port && target(srv) == host), found))
}

/// A CNAME or addresses of its own are the same to those that connect.
async fn same_host(resolver: &Resolver, name: &Name, host: &str) -> Found {
    let answer = resolver.addresses(name).await?;
    let found = answer.records.iter().map(IpAddr::to_string).collect();
    if answer.canonical.as_str() == host || name.as_str() == host {
        return Ok(Finding::new(true, found));
    }
    let Ok(host_name) = host.parse::<Name>() else { return Err(LookupError::Failed) };
    let there: BTreeSet<IpAddr> = resolver.addresses(&host_name).await?.records.into_iter().collect();
    Ok(Finding::new(answer.records.iter().all(|address| there.contains(address)), found))
}

/// Others refuse mail from addresses whose names do not lead back (FCrDNS).
async fn addresses(resolver: &Resolver, name: &Name) -> Found {
    let records = resolver.addresses(name).await?.records;
    let mut found = Vec::new();
    let mut wrong = Vec::new();
    for address in records {
        match resolver.reverse(address).await {
            Ok(answer) if answer.records.contains(name) => found.push(format!("{address}, named {name}")),
            Ok(answer) => {
                let names = answer.records.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
                found.push(format!("{address}, named {names}"));
                wrong.push(address.to_string());
            }
            Err(error) => {
                found.push(format!("{address}: {error}"));
                wrong.push(address.to_string());
            }
        }
    }
    let finding = Finding::new(wrong.is_empty(), found);
    Ok(if wrong.is_empty() {
        finding
    } else {
        finding.noted(format!("no PTR of {} leads to {name}", wrong.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_compared_without_blanks_and_order() {
        let tags = tag_list("v=DKIM1; k=rsa; p=AB CD;");
        assert_eq!(tags, tag_list("p=ABCD;k=rsa;V=DKIM1"));
        assert_eq!(tag_list("v=DMARC1").len(), 1);
    }

    #[test]
    fn a_record_is_known_by_its_version() {
        for (text, tag, is) in [
            ("v=spf1 -all", "v=spf1", true),
            ("V=SPF1 -all", "v=spf1", true),
            ("v=spf10 -all", "v=spf1", false),
            ("v=spf1", "v=spf1", true),
            ("v=DMARC1;p=none", "v=DMARC1", true),
            ("google-site-verification=x", "v=spf1", false),
            ("\u{e4}", "v=spf1", false),
        ] {
            assert_eq!(begins_with(text, tag), is, "{text}");
        }
    }
}
