//! `brevdue alias …`: one function per command.

mod backup;
mod erase;
mod pattern;
mod route;

use super::Admin;
use crate::cli::{AliasCommand, Targets};
use crate::failure::Failure;
use crate::keys::{self, NewAlias};
use crate::output::{Output, moment, table};
use crate::owner;
use crate::terminal;
use directory::client::{CredentialKind, CredentialsReply, Error};
use model::{Address, Domain};
use serde::Serialize;
use std::path::Path;
use vault::{Password, credential};
use wire::directory::{AddAliasRequest, AddRuleRequest, Alias, Credential};

/// Does what was asked.
pub async fn run(admin: &Admin, command: &AliasCommand, output: Output) -> Result<(), Failure> {
    match command {
        AliasCommand::Add { address, targets, store, account, node, name, password_stdin } => {
            if address.starts_with("*@") || (targets.are_any() && !store) {
                let request = AddRuleRequest {
                    name: Some(route::name(address)?),
                    account: account.clone().unwrap_or_default(),
                    ..AddRuleRequest::default()
                };
                return route::add(admin, request, targets, output).await;
            }
            let alias = owner::address(address)?;
            if alias.subaddress().is_some() {
                let why = "an alias has no +; mail for it with any + comes to it anyway";
                return Err(Failure::refused(format!("{address}: {why}")));
            }
            let wanted = AddAliasRequest {
                account: account.clone().unwrap_or_default(),
                node_id: node.clone().unwrap_or_default(),
                ..AddAliasRequest::default()
            };
            add(admin, &alias, wanted, targets, (name, *password_stdin), output).await
        }
        AliasCommand::Route { address, targets, without, store, no_store } => {
            let edit = route::Edit { targets, without, store: *store, no_store: *no_store };
            route::change(admin, &route::name(address)?, &edit, output).await
        }
        AliasCommand::Disable { address, mode, text } => {
            route::disable(admin, &route::name(address)?, *mode, text.as_deref(), output).await
        }
        AliasCommand::Enable { address } => route::enable(admin, &route::name(address)?, output).await,
        AliasCommand::Remove { address, yes } => route::remove(admin, &route::name(address)?, *yes, output).await,
        AliasCommand::Rules { domain } => route::list(admin, domain.as_deref(), output).await,
        AliasCommand::Pattern(command) => pattern::run(admin, command, output).await,
        AliasCommand::List { domain } => list(admin, domain.as_deref(), output).await,
        AliasCommand::Password { address, name, password_stdin, password_file } => {
            let present = password_file.as_deref();
            add_password(admin, &owner::address(address)?, name.as_deref(), *password_stdin, present, output).await
        }
        AliasCommand::Limit { address, limits } => {
            super::account::limit_alias(admin, &owner::address(address)?, *limits, output).await
        }
        AliasCommand::Backup { address, store } => {
            backup::run(admin, &owner::address(address)?, store.as_deref(), output).await
        }
        AliasCommand::Credentials { address } => credentials(admin, &owner::address(address)?, output).await,
        AliasCommand::Erase { address, yes } => erase::run(admin, &owner::address(address)?, *yes, output).await,
        AliasCommand::Revoke { address, label, yes } => {
            revoke(admin, &owner::address(address)?, label, *yes, output).await
        }
    }
}

async fn add(
    admin: &Admin,
    address: &Address,
    wanted: AddAliasRequest,
    targets: &Targets,
    (label, from_stdin): (&str, bool),
    output: Output,
) -> Result<(), Failure> {
    let (password, generated) = new_password(admin, from_stdin)?;
    let (alias, label) = (address.clone(), label.to_owned());
    let (made, password) = off_the_runtime(move || {
        let made = keys::new_alias(&alias, &password, &label)?;
        Ok((made, password))
    })
    .await?;
    let NewAlias { request, recovery } = made;
    let calls = route::Calls::make(admin, targets, &wanted.account).await?;
    let mut rule = calls.targets(targets);
    if !rule.is_empty() {
        rule.push(route::stored());
    }
    let request = AddAliasRequest { account: wanted.account, node_id: wanted.node_id, targets: rule, ..request };
    let made = admin.directory.add_alias(request).await.map_err(|error| why_not_added(address, error));
    let alias = calls.keep_if(admin, made).await?;
    let added = Added {
        row: AliasRow::from(alias),
        webhooks: calls.made(),
        password: generated.then(|| password.expose()),
        recovery_key: recovery.expose(),
    };
    output.answer(&added, || added.lines())
}

#[derive(Serialize)]
struct Added<'a> {
    #[serde(flatten)]
    row: AliasRow,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    webhooks: Vec<super::webhook::Made>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    recovery_key: &'a str,
}

impl Added<'_> {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{} is made, its mailbox is on {}.", self.row.address, self.row.node)];
        lines.extend(self.password.map(|password| format!("password      {password}")));
        lines.push(format!("recovery key  {}", self.recovery_key));
        let neither = if self.password.is_some() { "Neither is" } else { "It is not" };
        lines.push(format!(
            "{neither} shown again. Keep the recovery key on paper: with every password lost, only it opens the mail."
        ));
        lines.extend(self.webhooks.iter().flat_map(super::webhook::Made::lines));
        lines
    }
}

fn why_not_added(address: &Address, error: Error) -> Failure {
    match error {
        Error::NotFound(why) if why == "unknown domain" => {
            let domain = address.domain();
            Failure::refused(format!("{domain}: unknown domain; make it first with `brevdue domain add {domain}`"))
        }
        Error::AlreadyExists(why) | Error::NotFound(why) => Failure::refused(format!("{}: {why}", address.alias())),
        error => Failure::refused(error),
    }
}

async fn list(admin: &Admin, domain: Option<&str>, output: Output) -> Result<(), Failure> {
    let domain =
        domain.map(|name| name.parse::<Domain>().map_err(|error| Failure::refused(format!("{name}: {error}"))));
    let rows = admin.directory.list_aliases(domain.transpose()?.as_ref()).await?;
    let rows: Vec<AliasRow> = rows.into_iter().map(AliasRow::from).collect();
    output.answer(&rows, || {
        let cells = |row: &AliasRow| vec![row.address.clone(), row.mailbox_id.clone(), row.node.clone()];
        table(&rows.iter().map(cells).collect::<Vec<_>>())
    })
}

#[derive(Serialize)]
struct AliasRow {
    address: String,
    account: String,
    mailbox_id: String,
    node: String,
    disabled: bool,
}

impl From<Alias> for AliasRow {
    fn from(alias: Alias) -> Self {
        Self {
            address: alias.address,
            account: alias.account,
            mailbox_id: alias.mailbox_id,
            node: alias.placement.map(|placement| placement.node_id).unwrap_or_default(),
            disabled: alias.disabled,
        }
    }
}

async fn add_password(
    admin: &Admin,
    address: &Address,
    label: Option<&str>,
    from_stdin: bool,
    present: Option<&Path>,
    output: Output,
) -> Result<(), Failure> {
    let known = known(admin, address).await?;
    let label = label.map_or_else(|| free_label(&known), str::to_owned);
    if known.credentials.iter().any(|credential| credential.label == label) {
        return Err(Failure::refused(format!(
            "{}: there is a password named {label} already; choose another --name, or revoke that one first",
            address.alias()
        )));
    }
    let (password, generated) = new_password(admin, from_stdin)?;
    let present = owner::password(address, present)?;
    let (name, alias) = (label.clone(), address.alias());
    let (made, password) = off_the_runtime(move || {
        let made = keys::new_credential(&known, &present, &password, &name).map_err(|failure| failure.of(&alias))?;
        Ok((made, password))
    })
    .await?;
    admin.directory.add_credential(address, made).await?;
    let added = NewPassword { address: address.alias(), label, password: generated.then(|| password.expose()) };
    output.answer(&added, || match added.password {
        Some(password) => vec![format!("{password}"), "It is not shown again.".to_owned()],
        None => vec![format!("{}: {} opens it from now on", added.address, added.label)],
    })
}

#[derive(Serialize)]
struct NewPassword<'a> {
    address: String,
    label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

async fn credentials(admin: &Admin, address: &Address, output: Output) -> Result<(), Failure> {
    let rows: Vec<_> = known(admin, address).await?.credentials.into_iter().map(CredentialRow::from).collect();
    output.answer(&rows, || {
        let cells = |row: &CredentialRow| vec![row.label.clone(), row.kind.to_owned(), row.created.clone()];
        table(&rows.iter().map(cells).collect::<Vec<_>>())
    })
}

#[derive(Serialize)]
struct CredentialRow {
    label: String,
    kind: &'static str,
    created: String,
    id: String,
}

impl From<Credential> for CredentialRow {
    fn from(credential: Credential) -> Self {
        let kind = match credential.kind() {
            CredentialKind::Generated => "generated",
            CredentialKind::Chosen => "chosen",
            CredentialKind::Recovery => "recovery",
        };
        Self { kind, created: moment(credential.created_ms), label: credential.label, id: credential.id }
    }
}

async fn revoke(admin: &Admin, address: &Address, label: &str, yes: bool, output: Output) -> Result<(), Failure> {
    let alias = address.alias();
    let question = format!("Revoke {label} of {alias}? What it opened, it never opens again.");
    if !yes && !terminal::confirm(&question, "give --yes to revoke without being asked")? {
        return Err(Failure::refused("not revoked"));
    }
    admin.directory.revoke_credential(address, label).await.map_err(|error| match error {
        Error::NotFound(why) | Error::Refused(why) => Failure::refused(format!("{alias}: {label}: {why}")),
        error => Failure::refused(error),
    })?;
    let revoked = Revoked { address: alias, label: label.to_owned() };
    output.answer(&revoked, || vec![format!("{}: {} opens nothing any more", revoked.address, revoked.label)])
}

#[derive(Serialize)]
struct Revoked {
    address: String,
    label: String,
}

/// The password to set, and whether it was generated and is to be shown.
fn new_password(admin: &Admin, from_stdin: bool) -> Result<(Password, bool), Failure> {
    if !from_stdin {
        return Ok((credential::generate_password()?, true));
    }
    let password = terminal::password_from_stdin()?;
    if !admin.any_password {
        keys::check_strength(&password)?;
    }
    Ok((password, false))
}

async fn known(admin: &Admin, address: &Address) -> Result<CredentialsReply, Failure> {
    let found = admin.directory.credentials(address).await?;
    found.ok_or_else(|| {
        Failure::refused(format!("{}: there is no such alias; `brevdue alias list` shows them", address.alias()))
    })
}

/// `password-2`, or the first number after it that is not taken.
fn free_label(known: &CredentialsReply) -> String {
    let taken = |label: &String| known.credentials.iter().any(|credential| credential.label == *label);
    (2..).map(|n| format!("password-{n}")).find(|label| !taken(label)).unwrap_or_default()
}

/// Key derivation takes its time; the connections go on meanwhile.
async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await?
}
