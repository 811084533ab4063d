//! SPF (RFC 7208 §4): a domain's record evaluated for a client.
//!
//! The library's evaluation is not used: it takes records that the grammar refuses, neither counts look-ups that find nothing
//! nor refuses a domain with two records, and looks names up past our bounds.

mod expand;
pub(crate) mod grammar;

use crate::limits::{CHECK_TIME_MAX, SPF_EXPLANATION_BYTES_MAX, SPF_HOSTS_MAX, SPF_LOOKUPS_MAX, SPF_VOID_LOOKUPS_MAX};
use crate::results::{Identity, Spf, Verdict};
use crate::verify::{Peer, forward};
use dns::name::NAME_BYTES_MAX;
use dns::{Name, Resolver};
use expand::{Values, fill, needs_name};
use grammar::{Lengths, MacroString, Mechanism, Qualifier, Record};
use std::net::IpAddr;

/// Checks one identity. Never fails: what cannot be found out is a result.
pub(crate) async fn check(resolver: &Resolver, peer: &Peer<'_>, identity: Identity) -> Spf {
    let (local, domain) = match identity {
        Identity::MailFrom => peer.mail_from.rsplit_once('@').unwrap_or(("", peer.mail_from)),
        Identity::Helo => ("", peer.helo),
    };
    let none = || Spf { result: Verdict::None, identity, domain: String::new(), explanation: None };
    // RFC 7208 §4.3: not for what is no domain of several labels.
    let Some(name) = domain.parse::<Name>().ok().filter(|name| name.labels() > 1) else { return none() };
    if name.as_str().parse::<IpAddr>().is_ok() {
        return none();
    }
    let local = if local.is_empty() { "postmaster" } else { local };
    let mut check = Check {
        resolver,
        ip: peer.ip,
        sender: format!("{local}@{name}"),
        helo: peer.helo.to_owned(),
        host: peer.host.to_owned(),
        validated: None,
        lookups: 0,
        voids: 0,
    };
    let judged = tokio::time::timeout(CHECK_TIME_MAX, check.domain(name.clone(), true)).await;
    let judged = match judged {
        Ok(Ok(judged)) => judged,
        Ok(Err(result)) => Judged { result, explanation: None },
        Err(_) => Judged { result: Verdict::TempError, explanation: None },
    };
    Spf { result: judged.result, identity, domain: name.as_str().to_owned(), explanation: judged.explanation }
}

struct Judged {
    result: Verdict,
    explanation: Option<String>,
}

/// The state of one evaluation, through includes and redirects.
struct Check<'a> {
    resolver: &'a Resolver,
    ip: IpAddr,
    sender: String,
    helo: String,
    host: String,
    /// The client's validated name for `%{p}`, once it was asked for.
    validated: Option<String>,
    lookups: u32,
    voids: u32,
}

/// The end of the whole evaluation: temperror or permerror.
type Ended = Verdict;

impl Check<'_> {
    /// check_host() (RFC 7208 §4). A redirect is followed in the loop, an include is a call; both count as look-ups, so
    /// that neither has no end.
    async fn domain(&mut self, domain: Name, explain: bool) -> Result<Judged, Ended> {
        let mut domain = domain;
        let mut redirected = false;
        loop {
            let Some(record) = self.record(&domain).await? else {
                // RFC 7208 §6.1: a redirect to nothing is an error.
                let result = if redirected { Verdict::PermError } else { Verdict::None };
                return Ok(Judged { result, explanation: None });
            };
            for directive in &record.directives {
                if self.matches(&directive.mechanism, &domain).await? {
                    let result = verdict(directive.qualifier);
                    let explanation = match &record.exp {
                        Some(exp) if explain && result == Verdict::Fail => self.explanation(exp, &domain).await,
                        _ => None,
                    };
                    return Ok(Judged { result, explanation });
                }
            }
            let Some(target) = &record.redirect else {
                return Ok(Judged { result: Verdict::Neutral, explanation: None });
            };
            self.count()?;
            domain = self.target(target, &domain).await?.ok_or(Verdict::PermError)?;
            redirected = true;
        }
    }

    /// The domain's one record (RFC 7208 §4.5, §4.6).
    async fn record(&self, domain: &Name) -> Result<Option<Record>, Ended> {
        let texts = match self.resolver.txt(domain).await {
            Ok(answer) => answer.records,
            Err(error) if error.is_absent() => return Ok(None),
            Err(_) => return Err(Verdict::TempError),
        };
        let mut records = texts.iter().filter(|text| is_spf(text));
        match (records.next(), records.next()) {
            (None, _) => Ok(None),
            (Some(record), None) => Record::parse(record).map(Some).map_err(|_| Verdict::PermError),
            (Some(_), Some(_)) => Err(Verdict::PermError),
        }
    }

    async fn matches(&mut self, mechanism: &Mechanism, domain: &Name) -> Result<bool, Ended> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(of, bits) => Ok(within(self.ip, IpAddr::V4(*of), Lengths { four: *bits, six: 128 })),
            Mechanism::Ip6(of, bits) => Ok(within(self.ip, IpAddr::V6(*of), Lengths { four: 32, six: *bits })),
            Mechanism::Include(target) => self.included(target, domain).await,
            Mechanism::A(target, lengths) => {
                self.count()?;
                let Some(target) = self.of(target.as_ref(), domain).await? else { return Ok(false) };
                let addresses = self.addresses(&target).await?;
                Ok(addresses.iter().any(|address| within(self.ip, *address, *lengths)))
            }
            Mechanism::Mx(target, lengths) => self.exchanger(target.as_ref(), domain, *lengths).await,
            Mechanism::Ptr(target) => self.named(target.as_ref(), domain).await,
            Mechanism::Exists(target) => {
                self.count()?;
                let Some(target) = self.target(target, domain).await? else { return Ok(false) };
                match self.resolver.exists(&target).await {
                    Ok(true) => Ok(true),
                    Ok(false) => self.void().map(|()| false),
                    Err(_) => Err(Verdict::TempError),
                }
            }
        }
    }

    /// RFC 7208 §5.2: an included record only ever says yes.
    async fn included(&mut self, target: &MacroString, domain: &Name) -> Result<bool, Ended> {
        self.count()?;
        let target = self.target(target, domain).await?.ok_or(Verdict::PermError)?;
        let judged = Box::pin(self.domain(target, false)).await?;
        match judged.result {
            Verdict::Pass => Ok(true),
            Verdict::Fail | Verdict::SoftFail | Verdict::Neutral | Verdict::Policy => Ok(false),
            Verdict::TempError => Err(Verdict::TempError),
            Verdict::PermError | Verdict::None => Err(Verdict::PermError),
        }
    }

    /// RFC 7208 §5.4.
    async fn exchanger(
        &mut self,
        target: Option<&MacroString>,
        domain: &Name,
        lengths: Lengths,
    ) -> Result<bool, Ended> {
        self.count()?;
        let Some(target) = self.of(target, domain).await? else { return Ok(false) };
        let exchangers = match self.resolver.mx(&target).await {
            Ok(answer) => answer.records,
            Err(error) if error.is_absent() => return self.void().map(|()| false),
            Err(_) => return Err(Verdict::TempError),
        };
        if exchangers.len() > SPF_HOSTS_MAX {
            return Err(Verdict::PermError);
        }
        for host in exchangers.into_iter().filter_map(|exchanger| exchanger.exchange) {
            let addresses = self.addresses(&host).await?;
            if addresses.iter().any(|address| within(self.ip, *address, lengths)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// RFC 7208 §5.5. What goes wrong with DNS here is no match.
    async fn named(&mut self, target: Option<&MacroString>, domain: &Name) -> Result<bool, Ended> {
        self.count()?;
        let Some(target) = self.of(target, domain).await? else { return Ok(false) };
        let names = self.validated_names().await?;
        Ok(names.iter().any(|name| name.is_within(&target)))
    }

    /// The client's names that lead back to it.
    async fn validated_names(&mut self) -> Result<Vec<Name>, Ended> {
        let names = match self.resolver.reverse(self.ip).await {
            Ok(answer) => answer.records,
            Err(error) if error.is_absent() => return self.void().map(|()| Vec::new()),
            Err(_) => return Ok(Vec::new()),
        };
        let mut validated = Vec::new();
        for name in names.into_iter().take(SPF_HOSTS_MAX) {
            if forward(self.resolver, &name, self.ip).await.unwrap_or(false) {
                validated.push(name);
            }
        }
        Ok(validated)
    }

    /// Addresses of the client's family.
    async fn addresses(&mut self, name: &Name) -> Result<Vec<IpAddr>, Ended> {
        let found = if self.ip.is_ipv4() { self.resolver.ipv4(name).await } else { self.resolver.ipv6(name).await };
        match found {
            Ok(answer) => Ok(answer.records),
            Err(error) if error.is_absent() => self.void().map(|()| Vec::new()),
            Err(_) => Err(Verdict::TempError),
        }
    }

    /// The name a term is about: its own, or the domain.
    async fn of(&mut self, target: Option<&MacroString>, domain: &Name) -> Result<Option<Name>, Ended> {
        match target {
            Some(target) => self.target(target, domain).await,
            None => Ok(Some(domain.clone())),
        }
    }

    /// The name with its macros filled in. `None` when that is no name.
    async fn target(&mut self, target: &MacroString, domain: &Name) -> Result<Option<Name>, Ended> {
        let filled = self.filled(target, domain).await?;
        Ok(shortened(filled.strip_suffix('.').unwrap_or(&filled)).parse().ok())
    }

    async fn filled(&mut self, text: &MacroString, domain: &Name) -> Result<String, Ended> {
        if needs_name(text) && self.validated.is_none() {
            // RFC 7208 §4.6.4: the macro counts like the mechanism.
            self.count()?;
            self.validated = Some(self.validated_name(domain).await?);
        }
        let values = Values {
            sender: &self.sender,
            domain: domain.as_str(),
            ip: self.ip,
            helo: &self.helo,
            host: &self.host,
            validated: self.validated.as_deref().unwrap_or("unknown"),
            time: jiff::Timestamp::now().as_second(),
        };
        Ok(fill(text, &values))
    }

    /// RFC 7208 §7.3: the domain's own name if it is among them, then one below it, then any.
    async fn validated_name(&mut self, domain: &Name) -> Result<String, Ended> {
        let names = self.validated_names().await?;
        let best = names
            .iter()
            .find(|name| *name == domain)
            .or_else(|| names.iter().find(|name| name.is_within(domain)))
            .or_else(|| names.first());
        Ok(best.map_or_else(|| "unknown".to_owned(), |name| name.as_str().to_owned()))
    }

    /// RFC 7208 §6.2: whatever goes wrong, there is none. Looked up after the result and not counted.
    async fn explanation(&mut self, exp: &MacroString, domain: &Name) -> Option<String> {
        let target = self.target(exp, domain).await.ok()??;
        let answer = self.resolver.txt(&target).await.ok()?;
        let [text] = answer.records.as_slice() else { return None };
        let said = self.filled(&grammar::explanation(text).ok()?, domain).await.ok()?;
        let printable = said.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        (printable && !said.is_empty()).then(|| said.chars().take(SPF_EXPLANATION_BYTES_MAX).collect())
    }

    fn count(&mut self) -> Result<(), Ended> {
        self.lookups += 1;
        if self.lookups > SPF_LOOKUPS_MAX { Err(Verdict::PermError) } else { Ok(()) }
    }

    fn void(&mut self) -> Result<(), Ended> {
        self.voids += 1;
        if self.voids > SPF_VOID_LOOKUPS_MAX { Err(Verdict::PermError) } else { Ok(()) }
    }
}

/// RFC 7208 §4.5: the version is a word of its own.
fn is_spf(text: &[u8]) -> bool {
    text.get(..6).is_some_and(|version| version.eq_ignore_ascii_case(b"v=spf1"))
        && text.get(6).is_none_or(|next| *next == b' ')
}

/// RFC 7208 §7.3: a name that is too long loses labels from the left.
fn shortened(name: &str) -> &str {
    let mut name = name;
    while name.len() > NAME_BYTES_MAX {
        match name.split_once('.') {
            Some((_, rest)) => name = rest,
            None => return name,
        }
    }
    name
}

fn within(ip: IpAddr, of: IpAddr, lengths: Lengths) -> bool {
    match (ip, of) {
        (IpAddr::V4(ip), IpAddr::V4(of)) => {
            let differing = u32::from(ip) ^ u32::from(of);
            differing.leading_zeros() >= lengths.four.into()
        }
        (IpAddr::V6(ip), IpAddr::V6(of)) => {
            let differing = u128::from(ip) ^ u128::from(of);
            differing.leading_zeros() >= lengths.six.into()
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

fn verdict(qualifier: Qualifier) -> Verdict {
    match qualifier {
        Qualifier::Pass => Verdict::Pass,
        Qualifier::Fail => Verdict::Fail,
        Qualifier::SoftFail => Verdict::SoftFail,
        Qualifier::Neutral => Verdict::Neutral,
    }
}
