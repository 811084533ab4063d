//! `backup store …`: a store is tried out before anybody counts on it, and its bucket set up.

use crate::admin::Admin;
use crate::cli::StoreCommand;
use crate::failure::Failure;
use crate::output::Output;
use backup::store::{Prepared, Store};
use serde::Serialize;
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
        StoreCommand::Check { name } => check(name, find(admin, name)?.as_ref(), output).await,
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
