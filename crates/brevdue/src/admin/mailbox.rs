//! `brevdue mailbox …`: what an owner has done with the mailbox as a whole, with their password; and what was moved aside.

mod aside;

use super::Admin;
use crate::cli::MailboxCommand;
use crate::failure::Failure;
use crate::output::Output;
use crate::owner::{self, Owner};
use node_client::ClientError;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use wire::session::{Check, CheckFile, CheckFinding, Checked, FailureCode};

/// Does what was asked.
pub async fn run(admin: &Admin, command: &MailboxCommand, output: Output) -> Result<(), Failure> {
    match command {
        MailboxCommand::Check { address, quick, password_file } => {
            check(admin, address, !quick, password_file.as_deref(), output).await
        }
        MailboxCommand::Aside { command } => aside::run(admin, command, output).await,
    }
}

async fn check(
    admin: &Admin,
    address: &str,
    deep: bool,
    password_file: Option<&Path>,
    output: Output,
) -> Result<(), Failure> {
    let address = owner::address(address)?;
    let password = owner::password(&address, password_file)?;
    let owner = match Owner::try_sign_in(admin, &address, &password).await? {
        Ok(owner) => owner,
        // The file does not even open, which is a finding.
        Err(ClientError::Failure(FailureCode::Damaged | FailureCode::WrongKey | FailureCode::Missing, what)) => {
            return answer(&address.alias(), vec![Row { file: "mailbox", what, ..Row::default() }], output);
        }
        Err(error) => return Err(Failure::refused(error).of(&address.alias())),
    };
    let progress = Progress::new();
    let mut stream = owner.session.check(Check { deep }).await?;
    let mut found: Vec<Row> = Vec::new();
    while let Some(step) = stream.next().await {
        let step = step?;
        progress.show(&step)?;
        let file = step.file();
        for row in step.findings.into_iter().map(|finding| Row::new(file, finding)) {
            // Told again over a link that broke.
            if !found.contains(&row) {
                found.push(row);
            }
        }
    }
    progress.end()?;
    answer(&owner.address.alias(), found, output)
}

/// Findings are no success.
fn answer(address: &str, findings: Vec<Row>, output: Output) -> Result<(), Failure> {
    let checked = CheckedMailbox { address: address.to_owned(), sound: findings.is_empty(), findings };
    output.answer(&checked, || checked.lines())?;
    match checked.findings.len() {
        0 => Ok(()),
        count => Err(Failure::refused(format!(
            "{address}: {count} findings; what is intact can be read and exported, and `brevdue backup restore {address}` \
             brings back a backup"
        ))),
    }
}

#[derive(Serialize)]
struct CheckedMailbox {
    address: String,
    sound: bool,
    findings: Vec<Row>,
}

impl CheckedMailbox {
    fn lines(&self) -> Vec<String> {
        if self.sound {
            return vec![format!("{}: nothing is wrong", self.address)];
        }
        self.findings.iter().map(Row::line).collect()
    }
}

/// A finding as it is told.
#[derive(Default, PartialEq, Serialize)]
struct Row {
    file: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    what: String,
}

impl Row {
    fn new(file: CheckFile, finding: CheckFinding) -> Self {
        let (page, frame) = if finding.in_log { (None, finding.page) } else { (finding.page, None) };
        let file = match (file, finding.in_log) {
            (CheckFile::Mailbox, false) => "mailbox",
            (CheckFile::Mailbox, true) => "mailbox log",
            (CheckFile::Waiting, false) => "waiting mail",
            (CheckFile::Waiting, true) => "waiting mail log",
        };
        let CheckFinding { offset, table, row, folder, uid, what, .. } = finding;
        Self { file, page, frame, offset, table, row, folder, uid, what }
    }

    fn line(&self) -> String {
        let mut line = self.file.to_owned();
        let places = [
            self.page.map(|page| format!("page {page}")),
            self.frame.map(|frame| format!("frame {frame}")),
            self.offset.map(|offset| format!("offset {offset}")),
            self.table.as_ref().map(|table| format!("table {table}")),
            self.row.map(|row| format!("row {row}")),
            self.folder.map(|folder| format!("folder {folder}")),
            self.uid.map(|uid| format!("UID {uid}")),
        ];
        for place in places.into_iter().flatten() {
            line = line + ", " + &place;
        }
        format!("{line}: {}", self.what)
    }
}

/// How far it is, on a terminal; a script sees nothing of it.
struct Progress(bool);

impl Progress {
    fn new() -> Self {
        Self(io::stderr().is_terminal())
    }

    fn show(&self, step: &Checked) -> Result<(), Failure> {
        if !self.0 {
            return Ok(());
        }
        let percent = (step.at.min(step.of) * 100).checked_div(step.of).unwrap_or(100);
        write!(io::stderr().lock(), "\r{:<10} {percent:>3} %", step.part)?;
        Ok(())
    }

    fn end(&self) -> Result<(), Failure> {
        if self.0 {
            write!(io::stderr().lock(), "\r{:16}\r", "")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_where_it_is() {
        let finding =
            CheckFinding { page: Some(7), offset: Some(24_576), what: "it is wrong".into(), ..Default::default() };
        assert_eq!(Row::new(CheckFile::Mailbox, finding).line(), "mailbox, page 7, offset 24576: it is wrong");
        let finding = CheckFinding { in_log: true, page: Some(3), what: "it is wrong".into(), ..Default::default() };
        assert_eq!(Row::new(CheckFile::Waiting, finding).line(), "waiting mail log, frame 3: it is wrong");
    }
}
