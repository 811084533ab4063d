//! `backup store …`: a store is tried out before anybody counts on it, and its bucket set up.

use crate::admin::Admin;
use crate::cli::StoreCommand;
use crate::failure::Failure;
use crate::output::Output;
use backup::store::{Prepared, Store};
use futures_util::future::join_all;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Serialize)]
struct Checked<'a> {
    store: &'a str,
    /// What keeps no backup from being made, and is to be known.
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Ready<'a> {
    store: &'a str,
    rule: String,
    days: u16,
    other_rules: usize,
}

/// Does what was asked.
pub async fn run(admin: &Admin, command: &StoreCommand, output: Output) -> Result<(), Failure> {
    match command {
        StoreCommand::Check { name: Some(name) } => check(name, find(admin, name)?.as_ref(), output).await,
        StoreCommand::Check { name: None } => check_all(&super::stores(admin)?, output).await,
        StoreCommand::Prepare { name, days } => prepare(name, find(admin, name)?.as_ref(), *days, output).await,
    }
}

fn find(admin: &Admin, name: &str) -> Result<Arc<Store>, Failure> {
    let mut stores = super::stores(admin)?;
    let names = stores.keys().cloned().collect::<Vec<_>>().join(", ");
    stores.remove(name).ok_or_else(|| Failure::refused(format!("there is no store {name}; there are {names}")))
}

async fn check(name: &str, store: &Store, output: Output) -> Result<(), Failure> {
    let tried = store.try_out().await;
    let notes = tried.map_err(|broken| Failure::refused(broken).of(&format!("store {name}")))?;
    let checked = Checked { store: name, notes };
    output.answer(&checked, || {
        let works = format!("{name} works: an object was put, read, listed and removed");
        std::iter::once(works).chain(checked.notes.iter().map(|note| format!("but {note}"))).collect()
    })
}

/// Of several, what does not work is in the answer.
#[derive(Serialize)]
struct Each<'a> {
    #[serde(flatten)]
    checked: Checked<'a>,
    /// Empty when it works.
    problem: String,
}

async fn check_all(stores: &BTreeMap<String, Arc<Store>>, output: Output) -> Result<(), Failure> {
    let tried = stores.iter().map(|(name, store)| async move { (name, store.try_out().await) });
    let each = join_all(tried).await.into_iter().map(|(name, tried)| {
        let (notes, problem) = match tried {
            Ok(notes) => (notes, String::new()),
            Err(broken) => (Vec::new(), broken.to_string()),
        };
        Each { checked: Checked { store: name, notes }, problem }
    });
    let each: Vec<Each<'_>> = each.collect();
    let broken: Vec<&str> =
        each.iter().filter(|each| !each.problem.is_empty()).map(|each| each.checked.store).collect();
    output.answer(&each, || each.iter().flat_map(lines).collect())?;
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(format!("{} of {} stores do not work: {}", broken.len(), each.len(), broken.join(", "))))
}

fn lines(each: &Each<'_>) -> Vec<String> {
    let name = each.checked.store;
    if !each.problem.is_empty() {
        return vec![format!("{name} FAILS: {}", each.problem)];
    }
    let notes = each.checked.notes.iter().map(|note| format!("{name}: but {note}"));
    std::iter::once(format!("{name} works")).chain(notes).collect()
}

async fn prepare(name: &str, store: &Store, days: u16, output: Output) -> Result<(), Failure> {
    let prepared = store.prepare(days).await;
    let prepared = prepared.map_err(|error| Failure::refused(error).of(&format!("store {name}")))?;
    let Prepared { rule, others: other_rules } = prepared;
    let ready = Ready { store: name, rule, days, other_rules };
    output.answer(&ready, || {
        vec![
            format!("{name}: uploads that nobody goes on with end after {days} days (rule {})", ready.rule),
            format!("{other_rules} other rules are as they were"),
        ]
    })
}
