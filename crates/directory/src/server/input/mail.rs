//! Checks of rules, webhooks, settings and DKIM keys as they come over the wire.

use super::{domain, parse};
use crate::catalogue::{
    AddRule, ChangeRule, ChangeWebhook, RuleKind, RuleMode, RuleName, SetDomain, Target, WebhookRow, check_pattern,
    check_template, rule_local,
};
use http::Uri;
use model::{AccountId, Address, MailboxId, WebhookId};
use regex::Regex;
use tonic::Status;
use vault::signing::Algorithm;
use wire::directory as proto;

/// Targets of one request: more than a rule may have.
const TARGETS_MAX: usize = 64;
/// Octets of the words that a peer is told: with its codes it fits a reply line (RFC 5321 §4.5.3.1.5).
const TEXT_BYTES_MAX: usize = 200;
/// Octets of a webhook's URL: what other software takes.
const URL_BYTES_MAX: usize = 2_048;
/// Octets of a setting's value; its form has the exact limits.
const VALUE_BYTES_MAX: usize = 96 * 1_024;
/// Octets of a DKIM selector: one label of a name.
const SELECTOR_BYTES_MAX: usize = 63;

fn refused(why: impl Into<String>) -> Status {
    Status::invalid_argument(why)
}

/// The name of a rule, and its pattern ready to run.
fn name_and_pattern(name: Option<proto::RuleName>) -> Result<(RuleName, Option<Regex>), Status> {
    let name = name.ok_or_else(|| refused("rule: its name is missing"))?;
    let kind = proto::RuleKind::try_from(name.kind).unwrap_or_default();
    let domain = domain(&name.domain)?;
    match kind {
        proto::RuleKind::Unspecified => Err(refused("rule: of an unknown kind")),
        proto::RuleKind::Exact => {
            let address = parse::<Address>(&format!("{}@{domain}", name.pattern), "address")?;
            Ok((exact(&address), None))
        }
        proto::RuleKind::Pattern => {
            let regex = check_pattern(&name.pattern).map_err(|error| refused(error.to_string()))?;
            Ok((RuleName { domain, kind: RuleKind::Pattern, pattern: name.pattern }, Some(regex)))
        }
        proto::RuleKind::CatchAll => Ok((RuleName { domain, kind: RuleKind::CatchAll, pattern: String::new() }, None)),
    }
}

fn exact(address: &Address) -> RuleName {
    RuleName { domain: address.domain().clone(), kind: RuleKind::Exact, pattern: rule_local(address) }
}

/// The name of a rule.
pub(in crate::server) fn rule_name(name: Option<proto::RuleName>) -> Result<RuleName, Status> {
    Ok(name_and_pattern(name)?.0)
}

/// A new rule.
pub(in crate::server) fn add_rule(request: proto::AddRuleRequest) -> Result<AddRule, Status> {
    let (name, pattern) = name_and_pattern(request.name)?;
    let account = match request.account.as_str() {
        "" => None,
        account => Some(parse::<AccountId>(account, "account")?),
    };
    let targets = targets(request.targets, name.kind, pattern.as_ref())?;
    Ok(AddRule { name, targets, account, position: request.position, queue: new_queue()? })
}

/// The rule that comes with a new alias.
pub(super) fn rule_of_alias(address: &Address, given: Vec<proto::Target>) -> Result<AddRule, Status> {
    let targets = targets(given, RuleKind::Exact, None)?;
    Ok(AddRule { name: exact(address), targets, account: None, position: 0, queue: new_queue()? })
}

/// A change of a rule.
pub(in crate::server) fn change_rule(request: proto::ChangeRuleRequest) -> Result<ChangeRule, Status> {
    let mode = match proto::RuleMode::try_from(request.mode) {
        Ok(proto::RuleMode::Unspecified) => None,
        Ok(proto::RuleMode::Accept) => Some(RuleMode::Accept),
        Ok(proto::RuleMode::Refuse) => Some(RuleMode::Refuse),
        Ok(proto::RuleMode::FailSoftly) => Some(RuleMode::FailSoftly),
        Ok(proto::RuleMode::Swallow) => Some(RuleMode::Swallow),
        Err(_) => return Err(refused("rule: of an unknown mode")),
    };
    let text = text(request.text)?;
    if !text.is_empty() && !matches!(mode, Some(RuleMode::Refuse | RuleMode::FailSoftly)) {
        return Err(refused("text: it is told only where mail is refused or fails softly"));
    }
    let (name, pattern) = name_and_pattern(request.name)?;
    Ok(ChangeRule {
        add: targets(request.add, name.kind, pattern.as_ref())?,
        remove: targets(request.remove, name.kind, pattern.as_ref())?,
        name,
        mode: mode.map(|mode| (mode, text)),
        position: request.position,
        queue: new_queue()?,
    })
}

fn new_queue() -> Result<MailboxId, Status> {
    Ok(MailboxId::from_bytes(random()?))
}

fn random<const N: usize>() -> Result<[u8; N], Status> {
    vault::random().map_err(|error| Status::unavailable(error.to_string()))
}

fn targets(given: Vec<proto::Target>, kind: RuleKind, pattern: Option<&Regex>) -> Result<Vec<Target>, Status> {
    if given.len() > TARGETS_MAX {
        return Err(refused(format!("targets: more than {TARGETS_MAX} at once")));
    }
    given.into_iter().map(|target| self::target(target, kind, pattern)).collect()
}

fn target(given: proto::Target, kind: RuleKind, pattern: Option<&Regex>) -> Result<Target, Status> {
    match given.to {
        Some(proto::target::To::Store(true)) if kind == RuleKind::Exact => Ok(Target::Store),
        Some(proto::target::To::Store(true)) => {
            Err(refused("a mailbox can be a target of its own address only; forward to the address instead"))
        }
        Some(proto::target::To::Forward(to)) => forward(&to, pattern).map(Target::Forward),
        Some(proto::target::To::Webhook(id)) => {
            parse::<WebhookId>(&id, "webhook").map(|id| Target::Webhook(id.to_string()))
        }
        Some(proto::target::To::Store(false)) | None => Err(refused("target: of an unknown kind")),
    }
}

/// The address as it is written but for its domain: another host may mind the case of a local-part.
fn forward(to: &str, pattern: Option<&Regex>) -> Result<String, Status> {
    if let Some(pattern) = pattern {
        return check_template(to, pattern).map_err(|error| refused(error.to_string()));
    }
    let address: Address = parse(to, to)?;
    let local = to.rsplit_once('@').map_or(address.local(), |(local, _)| local);
    Ok(if local.starts_with('"') { address.to_string() } else { format!("{local}@{}", address.domain()) })
}

/// What stands in an SMTP reply (RFC 5321 §4.2): printable ASCII.
fn text(text: String) -> Result<String, Status> {
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.trim() == text;
    if printable && text.len() <= TEXT_BYTES_MAX {
        return Ok(text);
    }
    Err(refused(format!("text: at most {TEXT_BYTES_MAX} printable ASCII characters, no blanks around them")))
}

/// A new webhook; its secret is made by the caller.
pub(in crate::server) fn add_webhook(request: &proto::AddWebhookRequest) -> Result<WebhookRow, Status> {
    if !request.include_parsed && !request.include_raw {
        return Err(refused("webhook: it needs the parsed message, the raw one, or both"));
    }
    let account = match request.account.as_str() {
        "" => String::new(),
        account => parse::<AccountId>(account, "account")?.to_string(),
    };
    Ok(WebhookRow {
        id: WebhookId::from_bytes(random()?).to_string(),
        url: url(&request.url)?,
        include_parsed: request.include_parsed,
        include_raw: request.include_raw,
        account,
        created_ms: 0,
    })
}

/// A change of a webhook, without the new secret.
pub(in crate::server) fn change_webhook(request: &proto::ChangeWebhookRequest) -> Result<ChangeWebhook, Status> {
    Ok(ChangeWebhook {
        id: parse::<WebhookId>(&request.id, "webhook")?.to_string(),
        url: if request.url.is_empty() { None } else { Some(url(&request.url)?) },
        include: (request.include_parsed || request.include_raw)
            .then_some((request.include_parsed, request.include_raw)),
        sealed_secret: None,
    })
}

/// `https` or `http`, with a host, without a user. Where it may lead is for who calls it: names change.
fn url(text: &str) -> Result<String, Status> {
    let bad = || refused(format!("url: of the form https://host/path, at most {URL_BYTES_MAX} octets, without a user"));
    if text.len() > URL_BYTES_MAX || text.contains('#') {
        return Err(bad());
    }
    let uri: Uri = text.parse().map_err(|_| bad())?;
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(bad)?;
    let web = matches!(uri.scheme_str(), Some("https" | "http"));
    if web && !authority.host().is_empty() { Ok(text.to_owned()) } else { Err(bad()) }
}

/// A setting to change; its form is checked where its present value is known.
pub(in crate::server) fn set_domain(request: proto::SetDomainRequest) -> Result<SetDomain, Status> {
    if request.value.len() > VALUE_BYTES_MAX {
        return Err(refused(format!("value: longer than {VALUE_BYTES_MAX} octets")));
    }
    Ok(SetDomain {
        domain: domain(&request.name)?,
        setting: request.setting,
        value: (!request.reset).then_some(request.value),
    })
}

/// What a new key signs with.
pub(in crate::server) fn algorithm(value: i32) -> Result<Algorithm, Status> {
    match proto::KeyAlgorithm::try_from(value) {
        Ok(proto::KeyAlgorithm::Rsa2048) => Ok(Algorithm::Rsa2048),
        Ok(proto::KeyAlgorithm::Ed25519) => Ok(Algorithm::Ed25519),
        Ok(proto::KeyAlgorithm::Unspecified) | Err(_) => Err(refused("algorithm: unknown")),
    }
}

/// A selector (RFC 6376 §3.1): one label here, in lower case.
pub(in crate::server) fn selector(text: &str) -> Result<String, Status> {
    let label = (1..=SELECTOR_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    let form = format!("selector: 1 to {SELECTOR_BYTES_MAX} lower-case letters, digits and hyphens");
    if label { Ok(text.to_owned()) } else { Err(refused(form)) }
}
