//! `brevdue srs …`

use super::Admin;
use crate::cli::SrsCommand;
use crate::failure::Failure;
use crate::output::Output;
use serde::Serialize;

/// Does what was asked.
pub async fn run(admin: &Admin, command: &SrsCommand, output: Output) -> Result<(), Failure> {
    match command {
        SrsCommand::Rotate => {
            admin.directory.rotate_srs().await?;
            output.answer(&Rotated { rotated: true }, || {
                vec![
                    "A new secret signs rewritten senders; bounces under the three before it still come home."
                        .to_owned(),
                ]
            })
        }
    }
}

#[derive(Serialize)]
struct Rotated {
    rotated: bool,
}
