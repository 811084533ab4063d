//! `backup drill`: a backup that nobody has restored is a hope. Takes some at random, fetches them to a scratch place, and says what
//! they are worth.

use super::look::{self, Found, Looked};
use super::scratch::Scratch;
use super::{Row, alias, restore};
use crate::admin::Admin;
use crate::failure::Failure;
use crate::output::Output;
use crate::owner::{self, Owner};
use model::MailboxId;
use serde::Serialize;
use std::path::Path;
use vault::MailboxKey;

#[derive(Serialize)]
struct Drilled {
    #[serde(flatten)]
    row: Row,
    /// `fetched`: it is what was put there. `opened`: its owner's key opens it, and every page is sound.
    result: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    problem: String,
}

/// Drills; fails when any backup is not what it should be.
pub async fn run(
    admin: &Admin,
    address: Option<&str>,
    password_file: Option<&Path>,
    sample: usize,
    output: Output,
) -> Result<(), Failure> {
    let (looked, opened) = match address {
        Some(address) => {
            let address = owner::address(address)?;
            let (_, mailbox) = alias(admin, &address).await?;
            let password = owner::password(&address, password_file)?;
            let key = Owner::prove(admin, &address, &password).await?.into_key();
            (look::of_mailbox(admin, &mailbox).await?, Some((key, mailbox)))
        }
        None => (everybodys(admin).await?, None),
    };
    let Looked { whole: mut all, lost, unread } = looked;
    look::tell(&unread);
    // What counts for nothing is tried too, and fails.
    all.extend(lost);
    if all.is_empty() {
        return Err(Failure::refused("there is no backup to try"));
    }
    let mut done = Vec::new();
    for _ in 0..sample.min(all.len()) {
        let at = usize::try_from(random()? % all.len() as u64).unwrap_or_default();
        done.push(one(admin, &all.swap_remove(at), opened.as_ref()).await?);
    }
    let bad = done.iter().filter(|each| !each.problem.is_empty()).count();
    output.answer(&done, || {
        done.iter()
            .map(|each| {
                let what = if each.problem.is_empty() { each.result } else { &each.problem };
                format!("{} of {}: {} messages, {what}", each.row.id, each.row.time, each.row.messages)
            })
            .collect()
    })?;
    if bad > 0 {
        return Err(Failure::refused(format!("{bad} of {} backups cannot be restored", done.len())));
    }
    look::everything(&unread)
}

async fn one(admin: &Admin, found: &Found, opened: Option<&(MailboxKey, MailboxId)>) -> Result<Drilled, Failure> {
    let scratch = Scratch::make()?;
    let fetched = restore::fetch(found, &scratch).await;
    let tried = fetched.and_then(|file| match opened {
        Some((key, mailbox)) => restore::check(&file, key, mailbox, found, &super::options(admin)).map(|()| "opened"),
        None => Ok("fetched"),
    });
    let (result, problem) = match tried {
        Ok(result) => (result, String::new()),
        Err(Failure::Usage(why) | Failure::Refused(why)) => ("failed", why),
    };
    Ok(Drilled { row: Row::new(&found.name, &found.manifest), result, problem })
}

/// Every backup of every mailbox.
async fn everybodys(admin: &Admin) -> Result<Looked, Failure> {
    let (stores, unread) = look::answering(super::stores(admin)?).await;
    let mut all = Looked { unread, ..Looked::default() };
    for alias in admin.directory.list_aliases(None).await? {
        let Looked { whole, lost, unread } = look::within(&stores, look::MAILBOX, &alias.mailbox_id).await;
        all.whole.extend(whole);
        all.lost.extend(lost);
        all.unread.extend(unread);
    }
    Ok(all)
}

fn random() -> Result<u64, Failure> {
    let octets: [u8; 8] = vault::random().map_err(Failure::refused)?;
    Ok(u64::from_be_bytes(octets))
}
