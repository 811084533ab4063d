//! `backup now`: a snapshot for the owner, and the wait until it is in its store.

use super::{Row, alias, list, look, node_of};
use crate::admin::Admin;
use crate::failure::Failure;
use crate::output::Output;
use crate::owner::{self, Owner};
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};

/// Between two looks at what became of the snapshot.
const LOOK: Duration = Duration::from_millis(200);
/// How long the store may take, for each gigabyte once more. The worker goes on after that; only nobody waits for it here.
const WAIT: Duration = Duration::from_secs(120);
/// Octets of a gigabyte.
const GIGABYTE: u64 = 1 << 30;

#[derive(Serialize)]
struct Done {
    #[serde(flatten)]
    row: Row,
    /// Nothing had changed since the newest backup, which this is.
    unchanged: bool,
}

/// Backs up.
pub async fn run(admin: &Admin, address: &str, password_file: Option<&Path>, output: Output) -> Result<(), Failure> {
    let address = owner::address(address)?;
    super::stores(admin)?;
    let (alias, mailbox) = alias(admin, &address).await?;
    let store = admin.directory.backup_store(&address, None).await?;
    if let Some(whose) = list::nowhere(&store) {
        let why = format!(
            "it is not backed up: the backup store of {whose} is none; choose one with `brevdue alias backup ADDRESS --store STORE`"
        );
        return Err(Failure::refused(why).of(&address.alias()));
    }
    let password = owner::password(&address, password_file)?;
    let owner = Owner::sign_in(admin, &address, &password).await?;
    let taken = owner.session.snapshot().await.map_err(|error| Failure::refused(error).of(&address.alias()))?;
    drop(owner.session);
    let node = node_of(admin, &alias).await?;
    let deadline = Instant::now() + WAIT + WAIT * u32::try_from(taken.bytes / GIGABYTE).unwrap_or(u32::MAX);
    let id = loop {
        let state = node.state(&mailbox).await?;
        if state.uploaded && !state.why.is_empty() {
            return Err(Failure::refused(state.why).of(&address.alias()));
        }
        // A newer one has everything that this one has.
        if state.uploaded {
            break state.newest.map(|newest| newest.id).unwrap_or_default();
        }
        if !state.why.is_empty() {
            let why = format!("the snapshot waits on its node, because the backup worker failed: {}", state.why);
            return Err(Failure::refused(why).of(&address.alias()));
        }
        if Instant::now() >= deadline {
            let why = "the snapshot waits on its node; is the backup worker running? `brevdue backup list` tells when it is kept";
            return Err(Failure::refused(why).of(&address.alias()));
        }
        tokio::time::sleep(LOOK).await;
    };
    // Not the first of them: two of one second are in no order.
    let newest = look::find(admin, &mailbox, &id).await?.ok_or_else(|| {
        let why = "the worker says that it is kept, but the stores of this configuration do not have it; does it name the worker's?";
        Failure::refused(why).of(&address.alias())
    })?;
    let done = Done { row: Row::new(&newest.name, &newest.manifest), unchanged: taken.unchanged };
    output.answer(&done, || {
        let row = &done.row;
        let as_it_is = if done.unchanged { "nothing has changed since" } else { "backed up as" };
        vec![format!("{as_it_is} {} of {}: {} messages, {} octets", row.id, row.time, row.messages, row.bytes)]
    })
}
