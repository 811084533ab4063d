//! `brevdue domain …`

mod dkim;

use super::Admin;
use crate::cli::DomainCommand;
use crate::failure::Failure;
use crate::output::{Output, moment, table};
use directory::client::Error;
use model::Domain;
use serde::Serialize;
use wire::directory::{DomainDetails, Setting};

/// Does what was asked.
pub async fn run(admin: &Admin, command: &DomainCommand, output: Output) -> Result<(), Failure> {
    match command {
        DomainCommand::Add { name } => add(admin, &parse(name)?, output).await,
        DomainCommand::List => {
            let rows: Vec<Row> = admin.directory.list_domains().await?.into_iter().map(Row::from).collect();
            output.answer(&rows, || {
                table(&rows.iter().map(|row| vec![row.name.clone(), row.created.clone()]).collect::<Vec<_>>())
            })
        }
        DomainCommand::Show { name } => {
            let domain = parse(name)?;
            let details = admin.directory.show_domain(&domain).await.map_err(|error| why_not(&domain, error))?;
            show(details, output)
        }
        DomainCommand::Set { name, setting, value, default: _ } => {
            let domain = parse(name)?;
            let set = admin.directory.set_domain(&domain, setting, value.as_deref()).await;
            let details = set.map_err(|error| why_not(&domain, error))?;
            let Some(set) = details.settings.into_iter().find(|each| each.name == *setting) else {
                return Err(Failure::refused("the directory's answer has no such setting in it"));
            };
            let row = SettingRow::from(set);
            output.answer(&row, || vec![format!("{domain}: {}", row.line())])
        }
        DomainCommand::Dkim(command) => dkim::run(admin, command, output).await,
    }
}

async fn add(admin: &Admin, domain: &Domain, output: Output) -> Result<(), Failure> {
    let added = admin.directory.add_domain(domain).await.map_err(|error| match error {
        Error::AlreadyExists(why) => Failure::refused(format!("{domain}: {why}; there is nothing to do")),
        error => Failure::refused(error),
    })?;
    let row = Row::from(added);
    output.answer(&row, || {
        let name = &row.name;
        vec![format!("{name}: mail is taken for it from now on"), format!("What it needs in DNS: brevdue dns {name}")]
    })
}

fn show(details: DomainDetails, output: Output) -> Result<(), Failure> {
    let shown = Shown {
        row: Row::from(details.domain.unwrap_or_default()),
        settings: details.settings.into_iter().map(SettingRow::from).collect(),
        dkim: details.dkim_keys.into_iter().map(dkim::Row::from).collect(),
    };
    output.answer(&shown, || {
        let mut lines = vec![format!("{}, since {}", shown.row.name, shown.row.created), String::new()];
        for setting in &shown.settings {
            lines.push(setting.line());
            lines.push(format!("    {} {}.", setting.help, capital(&setting.form)));
        }
        lines.push(String::new());
        lines.extend(dkim::lines(&shown.dkim));
        lines
    })
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    row: Row,
    settings: Vec<SettingRow>,
    dkim: Vec<dkim::Row>,
}

#[derive(Serialize)]
struct SettingRow {
    name: String,
    value: String,
    default: String,
    #[serde(skip)]
    help: String,
    #[serde(skip)]
    form: String,
}

impl SettingRow {
    fn line(&self) -> String {
        let value = if self.value.is_empty() { "(none)" } else { &self.value };
        let note = if self.value == self.default { "  (default)" } else { "" };
        format!("{} = {value}{note}", self.name)
    }
}

impl From<Setting> for SettingRow {
    fn from(setting: Setting) -> Self {
        let Setting { name, value, default_value: default, help, form } = setting;
        Self { name, value, default, help, form }
    }
}

#[derive(Serialize)]
struct Row {
    name: String,
    created: String,
}

impl From<wire::directory::Domain> for Row {
    fn from(domain: wire::directory::Domain) -> Self {
        Self { created: moment(domain.created_ms), name: domain.name }
    }
}

/// A domain as it was typed.
pub fn parse(name: &str) -> Result<Domain, Failure> {
    name.parse().map_err(|error| Failure::refused(format!("{name}: {error}")))
}

/// A refusal with the domain in front.
pub fn why_not(domain: &Domain, error: Error) -> Failure {
    match error {
        Error::NotFound(why) if why == "unknown domain" => {
            Failure::refused(format!("{domain}: {why}; make it first with `brevdue domain add {domain}`"))
        }
        Error::NotFound(why) | Error::AlreadyExists(why) | Error::Refused(why) => {
            Failure::refused(format!("{domain}: {why}"))
        }
        error => Failure::refused(error),
    }
}
