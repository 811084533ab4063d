//! `backup list` without an address: is everything backed up? Every mailbox that there is, and every one that the stores have backups
//! of, also where its alias is gone; those in front that somebody should look at. Whose a mailbox was is kept with the backup, for
//! the directory alone to open.

mod standing;

use super::unlock::kept;
use super::{list, look};
use crate::admin::Admin;
use crate::failure::{Failure, warn};
use crate::output::{Output, moment, table};
use backup::manifest::Manifest;
use backup::store::Store;
use backup::{Node, NodeError};
use directory::client::Error;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;
use model::{Address, MailboxId};
use serde::Serialize;
use standing::{Facts, Standing};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use wire::backup::StateReply;
use wire::directory::Alias;

/// Where the folders of mailboxes' backups are.
const MAILBOXES: &str = "mailboxes/";
/// Mailboxes that are asked about at once: a store that is far away is asked twice for each.
const ASKED_AT_ONCE: usize = 16;

#[derive(Serialize)]
struct Row {
    mailbox_id: String,
    /// Empty when nobody knows.
    address: String,
    /// Whether an alias has the mailbox.
    alias: bool,
    /// At most so many: only the newest was looked into.
    backups: usize,
    /// Empty when there is none.
    newest: String,
    age_seconds: Option<i64>,
    bytes: u64,
    messages: u64,
    store: String,
    standing: Standing,
    /// Since when there is something that no store has; empty when nothing is known of.
    since: String,
    /// Why it is in none, where a try failed.
    why: String,
}

/// What is asked, for all mailboxes alike.
struct Asking<'a> {
    admin: &'a Admin,
    stores: BTreeMap<String, Arc<Store>>,
    all_read: bool,
    nodes: HashMap<String, Node>,
    /// Nodes that did not answer: they are not waited for again.
    silent: Mutex<HashSet<String>>,
}

/// Lists.
pub async fn run(admin: &Admin, output: Output) -> Result<(), Failure> {
    let (stores, unread) = look::answering(super::stores(admin)?).await;
    look::tell(&unread);
    let aliases = aliases(admin).await?;
    let mut mailboxes: BTreeSet<String> = aliases.keys().cloned().collect();
    for (name, store) in &stores {
        let found = store.subjects(MAILBOXES).await;
        mailboxes.extend(found.map_err(|error| Failure::refused(error).of(&format!("store {name}")))?);
    }
    let asking =
        Asking { admin, stores, all_read: unread.is_empty(), nodes: nodes(admin).await, silent: Mutex::default() };
    let asked = mailboxes.into_iter().map(|id| asking.row(aliases.get(&id).cloned(), id));
    let rows: Vec<Result<Row, Failure>> = stream::iter(asked).buffered(ASKED_AT_ONCE).collect().await;
    let mut rows = rows.into_iter().collect::<Result<Vec<Row>, Failure>>()?;
    // What to look at first; of what stands alike the oldest.
    rows.sort_by(|a, b| (a.standing, &a.newest, &a.address).cmp(&(b.standing, &b.newest, &b.address)));
    output.answer(&rows, || lines(&rows))?;
    look::everything(&unread)
}

/// Aliases by mailbox; none when there are more than can be listed.
async fn aliases(admin: &Admin) -> Result<HashMap<String, Alias>, Failure> {
    match admin.directory.list_aliases(None).await {
        Ok(aliases) => Ok(aliases.into_iter().map(|alias| (alias.mailbox_id.clone(), alias)).collect()),
        Err(Error::Refused(why)) => {
            warn(&format!("{why}: mailboxes without a backup are not in this list"));
            Ok(HashMap::new())
        }
        Err(error) => Err(error.into()),
    }
}

/// Every node, by its label; none where none can be asked.
async fn nodes(admin: &Admin) -> HashMap<String, Node> {
    let all = match super::nodes(admin) {
        Ok(nodes) if !admin.alone => nodes.all().await.unwrap_or_default(),
        Ok(_) | Err(_) => Vec::new(),
    };
    all.into_iter().map(|node| (node.id().to_owned(), node)).collect()
}

impl Asking<'_> {
    async fn row(&self, alias: Option<Alias>, id: String) -> Result<Row, Failure> {
        let state = match &alias {
            Some(alias) => self.state(alias).await,
            None => None,
        };
        let (newest, backups) = self.newest(&id).await?;
        let manifest = newest.as_ref().map(|(manifest, _)| manifest);
        let (address, alias, state) = match (alias, manifest) {
            (Some(alias), _) => (alias.address.clone(), Some(alias), state),
            (None, Some(manifest)) => self.of_old(manifest).await?,
            (None, None) => (String::new(), None, None),
        };
        let nowhere = match &alias {
            Some(alias) => self.is_nowhere(alias).await?,
            None => false,
        };
        let facts = Facts {
            alias: alias.as_ref(),
            newest: manifest.map(|manifest| (manifest.id.as_str(), manifest.time.as_str())),
            all_read: self.all_read,
            nowhere,
            state: state.as_ref(),
        };
        let standing = facts.standing();
        let (since, why) = unsaved(standing, state);
        let taken = manifest.and_then(Manifest::taken);
        Ok(Row {
            mailbox_id: id,
            address,
            alias: alias.is_some(),
            backups,
            newest: manifest.map(|manifest| manifest.time.clone()).unwrap_or_default(),
            age_seconds: taken.map(|taken| Timestamp::now().as_second().saturating_sub(taken.as_second()).max(0)),
            bytes: manifest.map_or(0, |manifest| manifest.bytes),
            messages: manifest.map_or(0, |manifest| manifest.messages),
            store: newest.as_ref().map(|(_, store)| (*store).clone()).unwrap_or_default(),
            standing,
            since,
            why,
        })
    }

    /// What the mailbox's node says.
    async fn state(&self, alias: &Alias) -> Option<StateReply> {
        let label = &alias.placement.as_ref()?.node_id;
        let (node, mailbox) = (self.nodes.get(label)?, alias.mailbox_id.parse().ok()?);
        let silent = || self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if silent().contains(label) {
            return None;
        }
        match node.state(&mailbox).await {
            Ok(state) => Some(state),
            Err(error) => {
                if matches!(error, NodeError::Unavailable(..)) && silent().insert(label.clone()) {
                    warn(&error.to_string());
                }
                None
            }
        }
    }

    /// The newest backup with the store that has it, and how many there are at most.
    async fn newest(&self, id: &str) -> Result<(Option<(Manifest, &String)>, usize), Failure> {
        let (mut newest, mut backups): (Option<(Manifest, &String)>, usize) = (None, 0);
        for (name, store) in &self.stores {
            let looked = store.newest(look::MAILBOX, id).await;
            let looked = looked.map_err(|error| Failure::refused(error).of(&format!("store {name}")))?;
            let Some((manifest, count)) = looked else { continue };
            backups += count;
            if newest.as_ref().is_none_or(|(other, _)| other.time < manifest.time) {
                newest = Some((manifest, name));
            }
        }
        Ok((newest, backups))
    }

    async fn is_nowhere(&self, alias: &Alias) -> Result<bool, Failure> {
        let Ok(address) = alias.address.parse::<Address>() else { return Ok(false) };
        Ok(list::nowhere(&self.admin.directory.backup_store(&address, None).await?).is_some())
    }

    /// Whose it was, as far as this directory can tell, and the alias if it has the mailbox still.
    async fn of_old(&self, manifest: &Manifest) -> Result<(String, Option<Alias>, Option<StateReply>), Failure> {
        let mailbox: MailboxId = manifest.subject.parse()?;
        // What another directory sealed says nothing here, and keeps nobody from the rest of the list.
        let kept = match kept(self.admin, &mailbox, manifest).await {
            Ok(Some(kept)) => kept,
            Ok(None) | Err(Failure::Usage(_) | Failure::Refused(_)) => return Ok((String::new(), None, None)),
        };
        let Ok(address) = kept.address.parse::<Address>() else { return Ok((kept.address, None, None)) };
        let alias = self.admin.directory.resolve(&address).await?;
        let Some(alias) = alias.filter(|alias| alias.mailbox_id == manifest.subject) else {
            return Ok((kept.address, None, None));
        };
        let state = self.state(&alias).await;
        Ok((kept.address, Some(alias), state))
    }
}

/// Since when something is in no store, and why.
fn unsaved(standing: Standing, state: Option<StateReply>) -> (String, String) {
    let Some(state) = state.filter(|_| standing < Standing::BackedUp && standing != Standing::NotKept) else {
        return (String::new(), String::new());
    };
    let waits = state.newest.as_ref().filter(|_| !state.uploaded).map(|newest| newest.taken_ms);
    let since = [waits, Some(state.due_since_ms).filter(|since| *since > 0)].into_iter().flatten().min();
    (since.map(moment).unwrap_or_default(), state.why)
}

fn lines(rows: &[Row]) -> Vec<String> {
    if rows.is_empty() {
        return vec!["no mailboxes, and no backups".to_owned()];
    }
    let head = ["", "ADDRESS", "AGE", "NEWEST", "BACKUPS", "MESSAGES", "STORE", "MAILBOX", ""];
    let head = head.map(str::to_owned).to_vec();
    let cells = |row: &Row| {
        let address = if row.address.is_empty() { "(unknown)" } else { &row.address };
        let age = row.age_seconds.map(age).unwrap_or_default();
        vec![
            row.standing.text().to_owned(),
            address.to_owned(),
            age,
            row.newest.clone(),
            row.backups.to_string(),
            row.messages.to_string(),
            row.store.clone(),
            row.mailbox_id.clone(),
            note(row),
        ]
    };
    let mut lines = table(&std::iter::once(head).chain(rows.iter().map(cells)).collect::<Vec<_>>());
    lines.push(sum(rows));
    lines
}

fn note(row: &Row) -> String {
    let since = if row.since.is_empty() { String::new() } else { format!("since {}", row.since) };
    match (since.is_empty(), row.why.is_empty()) {
        (_, true) => since,
        (true, false) => row.why.clone(),
        (false, false) => format!("{since}: {}", row.why),
    }
}

/// How many there are of each.
fn sum(rows: &[Row]) -> String {
    let of = |standing: &Standing| rows.iter().filter(|row| row.standing == *standing).count();
    let counted = Standing::ALL.iter().map(|standing| (of(standing), standing.text())).filter(|(count, _)| *count > 0);
    let parts: Vec<String> = counted.map(|(count, text)| format!("{count} {text}")).collect();
    format!("{} mailboxes: {}", rows.len(), parts.join(", "))
}

/// As short as it goes.
fn age(seconds: i64) -> String {
    match seconds {
        ..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let ages = [0, 3_599, 3_600, 172_799, 172_800].map(age);
        assert_eq!(ages, ["0 min", "59 min", "1 h", "47 h", "2 d"]);
    }
}
