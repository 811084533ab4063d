//! Which rule or alias an address falls to: its own rule, its alias, both once more without the subaddress, the domain's
//! patterns in their order, and the catch-all.

use super::alias::{self, AliasRow};
use super::pattern::{self, Compiled};
use super::rule::{self, RuleKind, RuleMode, RuleName, RuleRow, Target};
use super::{Error, domain, setting};
use crate::settings::Settings;
use model::{Address, Domain};
use sqlx::sqlite::SqliteConnection;

/// What an address falls to.
pub(super) enum Found {
    /// This is done with its mail.
    Hit(Box<Hit>),
    /// The domain is ours, the address is nothing.
    UnknownAlias,
    /// The domain is none of ours.
    UnknownDomain,
}

/// What is done with the mail of an address.
pub(super) struct Hit {
    pub(super) mode: RuleMode,
    pub(super) text: String,
    /// With what matched put in.
    pub(super) targets: Vec<Target>,
    /// The address's own mailbox, or for an address that has none a stand-in: who owns the rule, and where what it forwards
    /// waits.
    pub(super) owner: AliasRow,
    /// Whether the owner has a mailbox.
    pub(super) has_mailbox: bool,
    /// What followed the separator, when it was not looked at.
    pub(super) subaddress: Option<String>,
}

/// An address as rules see it.
pub(super) struct Wanted {
    pub(super) domain: Domain,
    /// The whole local-part, as it was written but for the case of what stands before a `+`.
    whole: String,
}

impl Wanted {
    pub(super) fn new(address: &Address) -> Self {
        Self { domain: address.domain().clone(), whole: address.whole_local() }
    }

    /// The local-part that rules know it by.
    fn lower(&self) -> String {
        self.whole.to_lowercase()
    }
}

/// The local-part of an address as the name of an exact rule has it.
pub(crate) fn rule_local(address: &Address) -> String {
    address.whole_local().to_lowercase()
}

/// What stands before the separator and what after it; `None` without one.
pub(super) fn base(local: &str, separator: Option<char>) -> Option<(&str, &str)> {
    local.split_once(separator?).filter(|(base, _)| !base.is_empty())
}

/// Looks the address up; `looked_at` gets the names whose change may change the answer.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    compiled: &Compiled,
    wanted: &Wanted,
    settings: &Settings,
    looked_at: &mut impl Extend<String>,
) -> Result<Found, Error> {
    let Wanted { domain, .. } = wanted;
    looked_at.extend([domain.to_string()]);
    let lower = wanted.lower();
    let without = base(&lower, settings.separator()).map(|(base, _)| base.to_owned());
    let tag = base(&wanted.whole, settings.separator()).map(|(_, tag)| tag.to_owned());
    let bare = without.clone().unwrap_or_else(|| lower.clone());
    for (local, subaddress) in std::iter::once((lower.clone(), None)).chain(without.map(|base| (base, tag.clone()))) {
        looked_at.extend([format!("{local}@{domain}")]);
        let mailbox = alias::by_address(connection, &format!("{local}@{domain}")).await?;
        let name = RuleName { domain: domain.clone(), kind: RuleKind::Exact, pattern: local.clone() };
        if let Some(rule) = rule::find(connection, &name).await? {
            // A rule for one subaddress stores in the mailbox of the address.
            let (mailbox, subaddress) = match mailbox {
                Some(mailbox) => (Some(mailbox), subaddress),
                None => (alias::by_address(connection, &format!("{bare}@{domain}")).await?, tag.clone()),
            };
            return Ok(Found::Hit(Box::new(Hit::of_rule(rule, &local, mailbox, subaddress))));
        }
        if let Some(mailbox) = mailbox {
            return Ok(Found::Hit(Box::new(Hit::of_alias(mailbox, subaddress))));
        }
    }
    if let Some(hit) = by_pattern(connection, compiled, domain, &lower).await? {
        return Ok(Found::Hit(Box::new(hit)));
    }
    let name = RuleName { domain: domain.clone(), kind: RuleKind::CatchAll, pattern: String::new() };
    if let Some(rule) = rule::find(connection, &name).await? {
        return Ok(Found::Hit(Box::new(Hit::of_rule(rule, &lower, None, None))));
    }
    match domain::is_known(connection, domain).await? {
        true => Ok(Found::UnknownAlias),
        false => Ok(Found::UnknownDomain),
    }
}

async fn by_pattern(
    connection: &mut SqliteConnection,
    compiled: &Compiled,
    domain: &Domain,
    lower: &str,
) -> Result<Option<Hit>, Error> {
    for rule in rule::patterns_of(connection, domain).await? {
        let regex = compiled.get(&rule.pattern)?;
        let Some(captures) = regex.captures(lower) else { continue };
        let mut rule = rule::with_targets(connection, rule).await?;
        for target in &mut rule.targets {
            if let Target::Forward(template) = target {
                // What makes no address is refused where addresses are.
                *template = pattern::expand(template, &captures).unwrap_or_default();
            }
        }
        return Ok(Some(Hit::of_rule(rule, lower, None, None)));
    }
    Ok(None)
}

impl Hit {
    fn of_alias(owner: AliasRow, subaddress: Option<String>) -> Self {
        let (mode, text) = (RuleMode::Accept, String::new());
        Self { mode, text, targets: vec![Target::Store], owner, has_mailbox: true, subaddress }
    }

    fn of_rule(rule: RuleRow, local: &str, mailbox: Option<AliasRow>, subaddress: Option<String>) -> Self {
        let has_mailbox = mailbox.is_some();
        let owner = mailbox.unwrap_or_else(|| AliasRow {
            address: format!("{local}@{}", rule.domain),
            account: rule.account.clone(),
            mailbox_id: rule.queue_id.clone(),
            node_id: rule.node_id.clone(),
            epoch: 1,
            sealing_public_key: Vec::new(),
            disabled: false,
            born: false,
        });
        Self { mode: rule.mode, text: rule.text, targets: rule.targets, owner, has_mailbox, subaddress }
    }
}

/// The settings of the domain that an address is in.
pub(super) async fn settings(connection: &mut SqliteConnection, wanted: &Wanted) -> Result<Settings, Error> {
    setting::of(connection, &wanted.domain).await
}
