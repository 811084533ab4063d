//! `brevdue alias add|route|disable|enable|remove|rules`: where the mail of an address goes.

use crate::admin::Admin;
use crate::admin::webhook::{self, Made};
use crate::cli::{Mode, Targets, Without};
use crate::failure::Failure;
use crate::output::{Output, table};
use crate::terminal;
use directory::client::Error;
use model::{Address, Domain, WebhookId};
use serde::Serialize;
use wire::directory::target::To;
use wire::directory::{AddRuleRequest, ChangeRuleRequest, Rule, RuleKind, RuleMode, RuleName, Target};

/// What `alias route` and `alias pattern change` do to a rule.
pub(super) struct Edit<'a> {
    pub(super) targets: &'a Targets,
    pub(super) without: &'a Without,
    pub(super) store: bool,
    pub(super) no_store: bool,
}

impl Edit<'_> {
    pub(super) fn is_any(&self) -> bool {
        let without = self.without;
        self.store
            || self.no_store
            || self.targets.are_any()
            || !(without.forwards.is_empty() && without.webhooks.is_empty())
    }
}

/// Into the address's own mailbox.
pub(super) fn stored() -> Target {
    Target { to: Some(To::Store(true)) }
}

fn forwarded(to: &str) -> Target {
    Target { to: Some(To::Forward(to.to_owned())) }
}

fn called(id: &str) -> Target {
    Target { to: Some(To::Webhook(id.to_owned())) }
}

/// The name of the rule for an address, or for `*@domain`.
pub(super) fn name(text: &str) -> Result<RuleName, Failure> {
    let bad = |error: model::AddressError| Failure::refused(format!("{text}: {error}"));
    if let Some(domain) = text.strip_prefix("*@") {
        let domain: Domain = domain.parse().map_err(bad)?;
        return Ok(RuleName { domain: domain.to_string(), kind: RuleKind::CatchAll.into(), pattern: String::new() });
    }
    let address: Address = text.parse().map_err(bad)?;
    let (domain, pattern) = (address.domain().to_string(), address.whole_local().to_lowercase());
    Ok(RuleName { domain, kind: RuleKind::Exact.into(), pattern })
}

/// How people write a rule's name.
pub(super) fn written(name: &RuleName) -> String {
    match name.kind() {
        RuleKind::CatchAll => format!("*@{}", name.domain),
        RuleKind::Pattern => format!("/{}/@{}", name.pattern, name.domain),
        RuleKind::Exact | RuleKind::Unspecified => format!("{}@{}", name.pattern, name.domain),
    }
}

/// The webhooks that a command calls: those that were there, and those that it made.
pub(super) struct Calls {
    ids: Vec<String>,
    made: Vec<Made>,
}

impl Calls {
    /// Makes a webhook for each URL.
    pub(super) async fn make(admin: &Admin, targets: &Targets, account: &str) -> Result<Self, Failure> {
        let mut calls = Self { ids: Vec::new(), made: Vec::new() };
        for given in &targets.webhooks {
            if given.parse::<WebhookId>().is_ok() {
                calls.ids.push(given.clone());
                continue;
            }
            let made = webhook::make(admin, given, targets.payload, account).await;
            let made = calls.keep_if(admin, made).await?;
            calls.ids.push(made.id.clone());
            calls.made.push(made);
        }
        Ok(calls)
    }

    /// Everything that was asked for.
    pub(super) fn targets(&self, targets: &Targets) -> Vec<Target> {
        let forwards = targets.forwards.iter().map(|to| forwarded(to));
        forwards.chain(self.ids.iter().map(|id| called(id))).collect()
    }

    /// What came of it; webhooks that were made for what was then refused are taken away again.
    pub(super) async fn keep_if<T>(&self, admin: &Admin, done: Result<T, Failure>) -> Result<T, Failure> {
        if done.is_err() {
            for made in &self.made {
                // The refusal is what the operator must hear of.
                let _ = admin.directory.remove_webhook(&made.id).await;
            }
        }
        done
    }

    /// What is to be shown once.
    pub(super) fn made(self) -> Vec<Made> {
        self.made
    }
}

/// A rule of its own, for addresses without a mailbox; its targets are those of the command.
pub(super) async fn add(
    admin: &Admin,
    request: AddRuleRequest,
    targets: &Targets,
    output: Output,
) -> Result<(), Failure> {
    let name = request.name.clone().unwrap_or_default();
    let calls = Calls::make(admin, targets, &request.account).await?;
    let request = AddRuleRequest { targets: calls.targets(targets), ..request };
    let made = admin.directory.add_rule(request).await.map_err(|error| why_not(&name, error));
    let rule = calls.keep_if(admin, made).await?;
    tell(rule, calls.made(), output)
}

/// Changes where mail goes, or shows it.
pub(super) async fn change(admin: &Admin, name: &RuleName, edit: &Edit<'_>, output: Output) -> Result<(), Failure> {
    if !edit.is_any() {
        return show(admin, name, output).await;
    }
    edited(admin, ChangeRuleRequest { name: Some(name.clone()), ..ChangeRuleRequest::default() }, edit, output).await
}

/// The change with what the edit says.
pub(super) async fn edited(
    admin: &Admin,
    mut request: ChangeRuleRequest,
    edit: &Edit<'_>,
    output: Output,
) -> Result<(), Failure> {
    let name = request.name.clone().unwrap_or_default();
    let calls = Calls::make(admin, edit.targets, "").await?;
    request.add = calls.targets(edit.targets);
    request.add.extend(edit.store.then(stored));
    request.remove = edit.without.forwards.iter().map(|to| forwarded(to)).collect();
    request.remove.extend(edit.without.webhooks.iter().map(|id| called(id)));
    request.remove.extend(edit.no_store.then(stored));
    let changed = admin.directory.change_rule(request).await.map_err(|error| why_not(&name, error));
    let rule = calls.keep_if(admin, changed).await?;
    tell(rule, calls.made(), output)
}

async fn show(admin: &Admin, name: &RuleName, output: Output) -> Result<(), Failure> {
    let domain: Domain = name.domain.parse()?;
    let rules = admin.directory.list_rules(Some(&domain)).await.map_err(|error| why_not(name, error))?;
    if let Some(rule) = rules.into_iter().find(|rule| rule.name.as_ref() == Some(name)) {
        return tell(rule, Vec::new(), output);
    }
    let aliases = admin.directory.list_aliases(Some(&domain)).await?;
    if aliases.iter().all(|alias| alias.address != written(name)) {
        return Err(why_not(name, Error::NotFound("there is no such address".to_owned())));
    }
    let mode = RuleMode::Accept.into();
    tell(Rule { name: Some(name.clone()), targets: vec![stored()], mode, ..Rule::default() }, Vec::new(), output)
}

/// Takes no mail for it.
pub(super) async fn disable(
    admin: &Admin,
    name: &RuleName,
    mode: Mode,
    text: Option<&str>,
    output: Output,
) -> Result<(), Failure> {
    set_mode(admin, name, rule_mode(mode), text, output).await
}

/// Takes mail for it again.
pub(super) async fn enable(admin: &Admin, name: &RuleName, output: Output) -> Result<(), Failure> {
    set_mode(admin, name, RuleMode::Accept, None, output).await
}

async fn set_mode(
    admin: &Admin,
    name: &RuleName,
    mode: RuleMode,
    text: Option<&str>,
    output: Output,
) -> Result<(), Failure> {
    let request = ChangeRuleRequest {
        name: Some(name.clone()),
        mode: mode.into(),
        text: text.unwrap_or_default().to_owned(),
        ..ChangeRuleRequest::default()
    };
    let rule = admin.directory.change_rule(request).await.map_err(|error| why_not(name, error))?;
    tell(rule, Vec::new(), output)
}

/// The mode as the directory has it.
pub(super) fn rule_mode(mode: Mode) -> RuleMode {
    match mode {
        Mode::Refuse => RuleMode::Refuse,
        Mode::Soft => RuleMode::FailSoftly,
        Mode::Swallow => RuleMode::Swallow,
    }
}

/// Takes an address away that has no mailbox.
pub(super) async fn remove(admin: &Admin, name: &RuleName, yes: bool, output: Output) -> Result<(), Failure> {
    let what = written(name);
    let domain: Domain = name.domain.parse()?;
    let aliases = admin.directory.list_aliases(Some(&domain)).await.map_err(|error| why_not(name, error))?;
    if aliases.iter().any(|alias| alias.address == what) {
        let why = "it has a mailbox; `brevdue alias disable` takes no more mail for it";
        return Err(Failure::refused(format!("{what}: {why}")));
    }
    forget(admin, name, yes, output).await
}

/// Takes a rule away.
pub(super) async fn forget(admin: &Admin, name: &RuleName, yes: bool, output: Output) -> Result<(), Failure> {
    let what = written(name);
    if !yes && !terminal::confirm(&format!("Take {what} away?"), "give --yes to do so without being asked")? {
        return Err(Failure::refused("not taken away"));
    }
    admin.directory.remove_rule(name.clone()).await.map_err(|error| why_not(name, error))?;
    let removed = Removed { address: what };
    output.answer(&removed, || vec![format!("{}: taken away", removed.address)])
}

#[derive(Serialize)]
struct Removed {
    address: String,
}

/// Every rule.
pub(super) async fn list(admin: &Admin, domain: Option<&str>, output: Output) -> Result<(), Failure> {
    let domain =
        domain.map(|name| name.parse::<Domain>().map_err(|error| Failure::refused(format!("{name}: {error}"))));
    let rules = admin.directory.list_rules(domain.transpose()?.as_ref()).await?;
    tell_all(rules, output)
}

/// The rules as rows.
pub(super) fn tell_all(rules: Vec<Rule>, output: Output) -> Result<(), Failure> {
    let rows: Vec<RuleRow> = rules.into_iter().map(RuleRow::from).collect();
    let cells = |row: &RuleRow| vec![row.address.clone(), row.mode.to_owned(), row.goes()];
    output.answer(&rows, || table(&rows.iter().map(cells).collect::<Vec<_>>()))
}

/// The rule, and webhooks that were made for it.
fn tell(rule: Rule, webhooks: Vec<Made>, output: Output) -> Result<(), Failure> {
    let told = Told { row: RuleRow::from(rule), made: webhooks };
    output.answer(&told, || {
        let mut lines = vec![told.row.line()];
        lines.extend(told.made.iter().flat_map(Made::lines));
        lines
    })
}

#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    row: RuleRow,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    made: Vec<Made>,
}

/// A rule as it is told.
#[derive(Serialize)]
struct RuleRow {
    address: String,
    mode: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    store: bool,
    forwards: Vec<String>,
    webhooks: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    account: String,
    #[serde(skip_serializing_if = "is_none")]
    position: u32,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_none(position: &u32) -> bool {
    *position == 0
}

impl RuleRow {
    /// Where it goes, for people.
    fn goes(&self) -> String {
        let store = self.store.then(|| "its mailbox".to_owned());
        let webhooks = self.webhooks.iter().map(|id| format!("webhook {id}"));
        store.into_iter().chain(self.forwards.iter().cloned()).chain(webhooks).collect::<Vec<_>>().join(", ")
    }

    fn line(&self) -> String {
        let text = if self.text.is_empty() { String::new() } else { format!(" with \"{}\"", self.text) };
        match self.mode {
            "accept" => format!("{}: goes to {}", self.address, self.goes()),
            "swallow" => format!("{}: taken and thrown away", self.address),
            "soft" => format!("{}: refused for now{text}", self.address),
            _ => format!("{}: refused{text}", self.address),
        }
    }
}

impl From<Rule> for RuleRow {
    fn from(rule: Rule) -> Self {
        let mode = match rule.mode() {
            RuleMode::Accept | RuleMode::Unspecified => "accept",
            RuleMode::Refuse => "refuse",
            RuleMode::FailSoftly => "soft",
            RuleMode::Swallow => "swallow",
        };
        let mut row = Self {
            address: written(&rule.name.unwrap_or_default()),
            mode,
            text: rule.text,
            store: false,
            forwards: Vec::new(),
            webhooks: Vec::new(),
            account: rule.account,
            position: rule.position,
        };
        for target in rule.targets {
            match target.to {
                Some(To::Store(store)) => row.store = store,
                Some(To::Forward(to)) => row.forwards.push(to),
                Some(To::Webhook(id)) => row.webhooks.push(id),
                None => {}
            }
        }
        row
    }
}

/// A refusal with what it is about in front.
pub(super) fn why_not(name: &RuleName, error: Error) -> Failure {
    match error {
        Error::NotFound(why) if why == "unknown domain" => {
            let domain = &name.domain;
            Failure::refused(format!("{domain}: unknown domain; make it first with `brevdue domain add {domain}`"))
        }
        Error::NotFound(why) | Error::AlreadyExists(why) | Error::Refused(why) => {
            Failure::refused(format!("{}: {why}", written(name)))
        }
        error => Failure::refused(error),
    }
}
