//! `brevdue domain dkim …`

use super::{parse, why_not};
use crate::admin::Admin;
use crate::cli::{Algorithms, DkimCommand};
use crate::failure::{self, Failure};
use crate::output::{Output, moment, table};
use crate::terminal;
use model::Domain;
use serde::Serialize;
use wire::directory::{DkimKey, DkimState, KeyAlgorithm};

/// Does what was asked.
pub(super) async fn run(admin: &Admin, command: &DkimCommand, output: Output) -> Result<(), Failure> {
    match command {
        DkimCommand::Add { domain, algorithm, selector } => {
            add(admin, &parse(domain)?, *algorithm, selector.as_deref(), output).await
        }
        DkimCommand::List { domain } => {
            let domain = parse(domain)?;
            let details = admin.directory.show_domain(&domain).await.map_err(|error| why_not(&domain, error))?;
            tell(details.dkim_keys, output)
        }
        DkimCommand::Rotate { domain, anyway } => {
            let domain = parse(domain)?;
            if !anyway {
                published(admin, &domain).await?;
            }
            tell(admin.directory.rotate_dkim(&domain).await.map_err(|error| why_not(&domain, error))?, output)
        }
        DkimCommand::Retire { domain, selector, yes } => {
            let domain = parse(domain)?;
            agreed(*yes, &format!("Sign for {domain} with {selector} no more?"))?;
            let retired = admin.directory.retire_dkim_key(&domain, selector).await;
            tell(vec![retired.map_err(|error| why_not(&domain, error))?], output)
        }
        DkimCommand::Remove { domain, selector, yes } => {
            let domain = parse(domain)?;
            agreed(*yes, &format!("Forget {selector} of {domain}?"))?;
            admin.directory.remove_dkim_key(&domain, selector).await.map_err(|error| why_not(&domain, error))?;
            let removed = Removed { selector };
            output.answer(&removed, || vec![format!("{selector}: forgotten")])
        }
    }
}

/// Refuses while DNS has not the records of the next keys: everything that they sign would fail elsewhere.
async fn published(admin: &Admin, domain: &Domain) -> Result<(), Failure> {
    let details = admin.directory.show_domain(domain).await.map_err(|error| why_not(domain, error))?;
    let next: Vec<DkimKey> = details.dkim_keys.into_iter().filter(|key| key.state() == DkimState::Next).collect();
    let missing = match crate::dns::unpublished(admin, domain, &next).await? {
        Some(missing) => missing,
        None if next.is_empty() => return Ok(()),
        None => {
            failure::warn(
                "DNS is off in this configuration: nobody looked whether the records of the new keys are there",
            );
            return Ok(());
        }
    };
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "{domain}: DNS has not, or not as it should be, {}; publish what `brevdue dns {domain}` prints, or give --anyway",
        missing.join(" and ")
    )))
}

fn agreed(yes: bool, question: &str) -> Result<(), Failure> {
    if yes || terminal::confirm(question, "give --yes to do so without being asked")? {
        return Ok(());
    }
    Err(Failure::refused("nothing was done"))
}

async fn add(
    admin: &Admin,
    domain: &Domain,
    algorithms: Algorithms,
    selector: Option<&str>,
    output: Output,
) -> Result<(), Failure> {
    let algorithms: &[KeyAlgorithm] = match algorithms {
        Algorithms::Both => &[KeyAlgorithm::Rsa2048, KeyAlgorithm::Ed25519],
        Algorithms::Rsa => &[KeyAlgorithm::Rsa2048],
        Algorithms::Ed25519 => &[KeyAlgorithm::Ed25519],
    };
    if selector.is_some() && algorithms.len() > 1 {
        return Err(Failure::Usage("one selector names one key; give --algorithm with it".to_owned()));
    }
    let mut keys = Vec::new();
    for algorithm in algorithms {
        let made = admin.directory.add_dkim_key(domain, *algorithm, selector).await;
        keys.push(made.map_err(|error| why_not(domain, error))?);
    }
    tell(keys, output)
}

fn tell(keys: Vec<DkimKey>, output: Output) -> Result<(), Failure> {
    let rows: Vec<Row> = keys.into_iter().map(Row::from).collect();
    output.answer(&rows, || lines(&rows))
}

/// The keys, for people.
pub(super) fn lines(rows: &[Row]) -> Vec<String> {
    let cells =
        |row: &Row| vec![row.selector.clone(), row.algorithm.to_owned(), row.state.to_owned(), row.since().to_owned()];
    table(&rows.iter().map(cells).collect::<Vec<_>>())
}

#[derive(Serialize)]
struct Removed<'a> {
    selector: &'a str,
}

/// A key as it is told.
#[derive(Serialize)]
pub(super) struct Row {
    selector: String,
    algorithm: &'static str,
    state: &'static str,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retired: Option<String>,
}

impl Row {
    fn since(&self) -> &str {
        self.retired.as_deref().unwrap_or(&self.created)
    }
}

impl From<DkimKey> for Row {
    fn from(key: DkimKey) -> Self {
        let algorithm = match key.algorithm() {
            KeyAlgorithm::Rsa2048 => "rsa",
            KeyAlgorithm::Ed25519 => "ed25519",
            KeyAlgorithm::Unspecified => "unknown",
        };
        let state = match key.state() {
            DkimState::Next => "next",
            DkimState::Active => "active",
            DkimState::Retired => "retired",
            DkimState::Unspecified => "unknown",
        };
        let retired = (key.retired_ms > 0).then(|| moment(key.retired_ms));
        Self { algorithm, state, created: moment(key.created_ms), retired, selector: key.selector }
    }
}
