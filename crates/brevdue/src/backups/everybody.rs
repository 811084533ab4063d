//! `backup list` without an address: every mailbox that the stores have backups of, also where its alias is gone. Whose it was is kept
//! with the backup, for the directory alone to open.

use super::look;
use super::unlock::kept;
use crate::admin::Admin;
use crate::failure::Failure;
use crate::output::{Output, table};
use backup::manifest::Manifest;
use directory::client::Error;
use model::{Address, MailboxId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The kind of a mailbox's backups, and where their folders are.
const KIND: &str = "mailbox";
const MAILBOXES: &str = "mailboxes/";

#[derive(Serialize)]
struct Row {
    mailbox_id: String,
    /// Empty when nobody knows.
    address: String,
    /// Whether an alias has the mailbox.
    alias: bool,
    /// At most so many: only the newest was looked into.
    backups: usize,
    newest: String,
    bytes: u64,
    messages: u64,
    store: String,
}

/// Lists.
pub async fn run(admin: &Admin, output: Output) -> Result<(), Failure> {
    let (stores, unread) = look::answering(super::stores(admin)?).await;
    look::tell(&unread);
    let mut mailboxes: BTreeMap<String, BTreeSet<&String>> = BTreeMap::new();
    for (name, store) in &stores {
        let found = store.subjects(MAILBOXES).await;
        for id in found.map_err(|error| Failure::refused(error).of(&format!("store {name}")))? {
            mailboxes.entry(id).or_default().insert(name);
        }
    }
    let known = known(admin).await?;
    let mut rows = Vec::new();
    for (id, names) in mailboxes {
        let (mut newest, mut backups): (Option<(Manifest, &String)>, usize) = (None, 0);
        for name in names {
            let Some(store) = stores.get(name) else { continue };
            let looked = store.newest(KIND, &id).await;
            let looked = looked.map_err(|error| Failure::refused(error).of(&format!("store {name}")))?;
            let Some((manifest, count)) = looked else { continue };
            backups += count;
            if newest.as_ref().is_none_or(|(other, _)| other.time < manifest.time) {
                newest = Some((manifest, name));
            }
        }
        if let Some((manifest, store)) = newest {
            rows.push(row(admin, &known, (&manifest, store), backups).await?);
        }
    }
    output.answer(&rows, || lines(&rows))?;
    look::everything(&unread)
}

/// Addresses by mailbox; none when there are more than can be listed.
async fn known(admin: &Admin) -> Result<HashMap<String, String>, Failure> {
    match admin.directory.list_aliases(None).await {
        Ok(aliases) => Ok(aliases.into_iter().map(|alias| (alias.mailbox_id, alias.address)).collect()),
        Err(Error::Refused(_)) => Ok(HashMap::new()),
        Err(error) => Err(error.into()),
    }
}

async fn row(
    admin: &Admin,
    known: &HashMap<String, String>,
    (manifest, store): (&Manifest, &str),
    backups: usize,
) -> Result<Row, Failure> {
    let (address, alias) = match known.get(&manifest.subject) {
        Some(address) => (address.clone(), true),
        None => gone(admin, manifest).await?,
    };
    Ok(Row {
        mailbox_id: manifest.subject.clone(),
        address,
        alias,
        backups,
        newest: manifest.time.clone(),
        bytes: manifest.bytes,
        messages: manifest.messages,
        store: store.to_owned(),
    })
}

/// Whose it was, as far as this directory can tell, and whether it is that alias's still.
async fn gone(admin: &Admin, manifest: &Manifest) -> Result<(String, bool), Failure> {
    let mailbox: MailboxId = manifest.subject.parse()?;
    // What another directory sealed says nothing here, and keeps nobody from the rest of the list.
    let kept = match kept(admin, &mailbox, manifest).await {
        Ok(Some(kept)) => kept,
        Ok(None) | Err(Failure::Usage(_) | Failure::Refused(_)) => return Ok((String::new(), false)),
    };
    let Ok(address) = kept.address.parse::<Address>() else { return Ok((kept.address, false)) };
    let now = admin.directory.resolve(&address).await?;
    Ok((kept.address, now.is_some_and(|alias| alias.mailbox_id == manifest.subject)))
}

fn lines(rows: &[Row]) -> Vec<String> {
    if rows.is_empty() {
        return vec!["no backups".to_owned()];
    }
    let head = ["MAILBOX", "ADDRESS", "BACKUPS", "NEWEST", "MESSAGES", "STORE", ""].map(str::to_owned).to_vec();
    let cells = |row: &Row| {
        let address = if row.address.is_empty() { "(unknown)" } else { &row.address };
        let gone = if row.alias { "" } else { "its alias is gone" };
        vec![
            row.mailbox_id.clone(),
            address.to_owned(),
            row.backups.to_string(),
            row.newest.clone(),
            row.messages.to_string(),
            row.store.clone(),
            gone.to_owned(),
        ]
    };
    table(&std::iter::once(head).chain(rows.iter().map(cells)).collect::<Vec<_>>())
}
