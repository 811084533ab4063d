//! `brevdue config …`: the reference, and the check of a file.

use crate::cli::ConfigCommand;
use crate::failure::Failure;
use crate::output::Output;
use daemon::config::{self, Config};
use serde::Serialize;
use std::path::Path;

/// Does what was asked.
pub fn run(command: &ConfigCommand, file: Option<&Path>, output: Output) -> Result<(), Failure> {
    match command {
        ConfigCommand::Reference => {
            output.answer(&config::reference(), || vec![config::reference().trim_end().to_owned()])
        }
        ConfigCommand::Check { role } => {
            let file = file.ok_or_else(|| Failure::Usage("`brevdue config check` needs --config FILE".to_owned()))?;
            match role {
                Some(role) => Config::load_for(file, *role)?,
                None => Config::load(file)?,
            };
            let checked = Checked { file: file.display().to_string(), ok: true };
            output.answer(&checked, || vec![format!("{}: ok", checked.file)])
        }
    }
}

#[derive(Serialize)]
struct Checked {
    file: String,
    ok: bool,
}
