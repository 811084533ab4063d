//! `brevdue domain …`

use super::Admin;
use crate::cli::DomainCommand;
use crate::failure::Failure;
use crate::output::{Output, moment, table};
use directory::client::Error;
use model::Domain;
use serde::Serialize;

/// Does what was asked.
pub async fn run(admin: &Admin, command: &DomainCommand, output: Output) -> Result<(), Failure> {
    match command {
        DomainCommand::Add { name } => {
            let domain: Domain = name.parse().map_err(|error| Failure::refused(format!("{name}: {error}")))?;
            let added = admin.directory.add_domain(&domain).await.map_err(|error| match error {
                Error::AlreadyExists(why) => Failure::refused(format!("{domain}: {why}; there is nothing to do")),
                error => Failure::refused(error),
            })?;
            let row = Row::from(added);
            output.answer(&row, || vec![format!("{}: mail is taken for it from now on", row.name)])
        }
        DomainCommand::List => {
            let rows: Vec<Row> = admin.directory.list_domains().await?.into_iter().map(Row::from).collect();
            output.answer(&rows, || {
                table(&rows.iter().map(|row| vec![row.name.clone(), row.created.clone()]).collect::<Vec<_>>())
            })
        }
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
