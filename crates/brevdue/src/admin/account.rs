//! `brevdue account …`, and `brevdue alias limit`: what may be stored, and what is.

use super::Admin;
use crate::cli::{AccountCommand, Limits};
use crate::failure::Failure;
use crate::output::{Output, moment, table};
use crate::owner;
use directory::client::{Error, Space};
use model::{AccountId, Address, Octets};
use serde::Serialize;
use wire::directory::{Account, StoredAlias};

/// Does what was asked.
pub async fn run(admin: &Admin, command: &AccountCommand, output: Output) -> Result<(), Failure> {
    let (AccountCommand::Limit { account: name, .. } | AccountCommand::Show { account: name }) = command;
    let account = account(admin, name).await?;
    let shown = match command {
        AccountCommand::Limit { limits, .. } => {
            admin.directory.limit_account(&account, limits.bytes.map(Octets::get), limits.messages).await
        }
        AccountCommand::Show { .. } => admin.directory.show_account(&account).await,
    };
    let shown = AccountRow::from(shown.map_err(|error| why_not(name, error))?);
    output.answer(&shown, || shown.lines())
}

/// `brevdue alias limit`
pub async fn limit_alias(admin: &Admin, address: &Address, limits: Limits, output: Output) -> Result<(), Failure> {
    let limited = admin.directory.limit_alias(address, limits.bytes.map(Octets::get), limits.messages).await;
    let row = StoredRow::from(limited.map_err(|error| why_not(&address.alias(), error))?);
    output.answer(&row, || table(&[row.cells()]))
}

/// The account of this name, or of the alias with this address.
async fn account(admin: &Admin, name: &str) -> Result<AccountId, Failure> {
    let id = if name.contains('@') {
        let address = owner::address(name)?;
        let alias = admin.directory.resolve(&address).await?;
        let alias = alias.ok_or_else(|| {
            Failure::refused(format!("{name}: there is no such alias; `brevdue alias list` shows them"))
        })?;
        alias.account
    } else {
        name.to_owned()
    };
    id.parse().map_err(|error| Failure::refused(format!("{name}: {error}")))
}

fn why_not(name: &str, error: Error) -> Failure {
    match error {
        Error::NotFound(why) | Error::Refused(why) => Failure::refused(format!("{name}: {why}")),
        error => Failure::refused(error),
    }
}

/// A limit of 0 is none.
#[derive(Serialize)]
struct AccountRow {
    account: String,
    bytes: u64,
    bytes_max: u64,
    messages: u64,
    messages_max: u64,
    aliases: Vec<StoredRow>,
}

/// `bytes` and `messages` are what is used, waiting mail and all; `granted_bytes` is what it may come to before its node asks
/// the directory again.
#[derive(Serialize)]
struct StoredRow {
    address: String,
    bytes: u64,
    bytes_max: u64,
    messages: u64,
    messages_max: u64,
    waiting_bytes: u64,
    waiting_messages: u64,
    granted_bytes: u64,
    granted_messages: u64,
    /// Nothing when it was never told.
    #[serde(skip_serializing_if = "Option::is_none")]
    told: Option<String>,
}

impl From<StoredAlias> for StoredRow {
    fn from(alias: StoredAlias) -> Self {
        let space = |space: Option<Space>| space.unwrap_or_default();
        let (limit, used) = (space(alias.limit), space(alias.used));
        let (waiting, granted) = (space(alias.waiting), space(alias.granted));
        Self {
            address: alias.address,
            bytes: used.bytes,
            bytes_max: limit.bytes,
            messages: used.messages,
            messages_max: limit.messages,
            waiting_bytes: waiting.bytes,
            waiting_messages: waiting.messages,
            granted_bytes: granted.bytes,
            granted_messages: granted.messages,
            told: (alias.told_ms > 0).then(|| moment(alias.told_ms)),
        }
    }
}

impl From<Account> for AccountRow {
    fn from(account: Account) -> Self {
        let aliases: Vec<StoredRow> = account.aliases.into_iter().map(StoredRow::from).collect();
        let limit = account.limit.unwrap_or_default();
        Self {
            account: account.id,
            bytes: aliases.iter().map(|alias| alias.bytes).sum(),
            bytes_max: limit.bytes,
            messages: aliases.iter().map(|alias| alias.messages).sum(),
            messages_max: limit.messages,
            aliases,
        }
    }
}

impl AccountRow {
    fn lines(&self) -> Vec<String> {
        let mut rows = vec![cells(&self.account, (self.bytes, self.bytes_max), (self.messages, self.messages_max), "")];
        rows.extend(self.aliases.iter().map(StoredRow::cells));
        table(&rows)
    }
}

impl StoredRow {
    fn cells(&self) -> Vec<String> {
        let told = self.told.as_ref().map_or("not counted yet".to_owned(), |told| format!("as of {told}"));
        cells(&self.address, (self.bytes, self.bytes_max), (self.messages, self.messages_max), &told)
    }
}

fn cells(name: &str, bytes: (u64, u64), messages: (u64, u64), note: &str) -> Vec<String> {
    let of = |used: String, max: u64, limit: String| if max == 0 { used } else { format!("{used} of {limit}") };
    let octets = of(format!("{} octets", bytes.0), bytes.1, Octets::from(bytes.1).to_string());
    let number = of(messages.0.to_string(), messages.1, messages.1.to_string());
    vec![name.to_owned(), octets, format!("{number} messages"), note.to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_read() {
        let row = cells("ann@x.test", (1200, 5 << 30), (7, 0), "");
        assert_eq!(row, ["ann@x.test", "1200 octets of 5G", "7 messages", ""]);
    }
}
