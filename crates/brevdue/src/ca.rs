//! `brevdue ca …`: the internal certificate authority's files.

use crate::cli::CaCommand;
use crate::failure::Failure;
use crate::output::Output;
use daemon::ca::{self, Issued};
use serde::Serialize;

/// Does what was asked.
pub fn run(command: &CaCommand, output: Output) -> Result<(), Failure> {
    let now = jiff::Timestamp::now();
    let issued = match command {
        CaCommand::Create { dir } => ca::create(dir, now)?,
        CaCommand::Issue { dir, role, names } => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            ca::issue(dir, *role, &names, &dir.join(role.name()), now)?
        }
    };
    let files = Files::from(issued);
    output.answer(&files, || vec![format!("certificate  {}", files.cert), format!("key          {}", files.key)])
}

#[derive(Serialize)]
struct Files {
    cert: String,
    key: String,
}

impl From<Issued> for Files {
    fn from(issued: Issued) -> Self {
        Self { cert: issued.cert.display().to_string(), key: issued.key.display().to_string() }
    }
}
