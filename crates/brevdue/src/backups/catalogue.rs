//! `backup catalogue`: snapshots of the directory's catalogue, made, listed, and made a catalogue again.

mod restore;

pub use restore::run as restore;

use super::look::{self, Found, Looked};
use crate::admin::Admin;
use crate::cli::CatalogueCommand;
use crate::failure::Failure;
use crate::output::{Output, moment, table};
use backup::Node;
use daemon::config;
use serde::Serialize;
use std::time::{Duration, Instant};
use wire::backup::StateReply;

/// Kind and subject of its backups.
const CATALOGUE: &str = "catalogue";
/// Between two looks at what became of the snapshot.
const LOOK: Duration = Duration::from_millis(200);
/// How long the store may take. The worker goes on after that; only nobody waits for it here.
const WAIT: Duration = Duration::from_secs(120);

/// Does what was asked, with the directory.
pub async fn run(admin: &Admin, command: &CatalogueCommand, output: Output) -> Result<(), Failure> {
    match command {
        CatalogueCommand::Now => now(admin, output).await,
        CatalogueCommand::List => list(admin, output).await,
        CatalogueCommand::Restore(_) => {
            Err(Failure::Usage("a catalogue is restored without a directory that runs".to_owned()))
        }
    }
}

/// A backup, as people and programs are told of it.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    time: String,
    bytes: u64,
    sha256: String,
    schema: u32,
    store: String,
}

impl Row {
    fn new(found: &Found) -> Self {
        let manifest = &found.manifest;
        Self {
            id: manifest.id.clone(),
            time: manifest.time.clone(),
            bytes: manifest.bytes,
            sha256: manifest.sha256.clone(),
            schema: manifest.schema,
            store: found.name.clone(),
        }
    }
}

/// Every backup of the catalogue in every store.
async fn look(config: &config::Backup) -> Result<Looked, Failure> {
    look::of(config, CATALOGUE, CATALOGUE).await
}

fn directory(admin: &Admin) -> Result<Node, Failure> {
    if admin.alone {
        return Err(Failure::refused("no directory runs: start it, and the backup worker"));
    }
    Ok(super::nodes(admin)?.directory())
}

#[derive(Serialize)]
struct Done {
    #[serde(flatten)]
    row: Row,
    /// Nothing had changed since the newest backup, which this is.
    unchanged: bool,
}

async fn now(admin: &Admin, output: Output) -> Result<(), Failure> {
    let directory = directory(admin)?;
    let taken = directory.take().await?;
    let deadline = Instant::now() + WAIT;
    loop {
        let state = directory.state_of_catalogue().await?;
        // A newer one has everything that this one has.
        if state.uploaded {
            break;
        }
        if !state.why.is_empty() {
            let why = "the snapshot waits at the directory, because the backup worker failed";
            return Err(Failure::refused(format!("{why}: {}", state.why)));
        }
        if Instant::now() >= deadline {
            let why = "the snapshot waits at the directory; is the backup worker running? `brevdue backup catalogue list` tells when it is kept";
            return Err(Failure::refused(why));
        }
        tokio::time::sleep(LOOK).await;
    }
    let looked = look(&admin.config.backup).await?;
    let newest = looked.whole.into_iter().next().ok_or_else(|| {
        look::tell(&looked.unread);
        let why = "the worker says that it is kept, but the stores of this configuration have no backup; does it name the worker's?";
        Failure::refused(why)
    })?;
    let done = Done { row: Row::new(&newest), unchanged: taken.unchanged };
    output.answer(&done, || {
        let row = &done.row;
        let as_it_is = if done.unchanged { "nothing has changed since" } else { "backed up as" };
        vec![format!("{as_it_is} {} of {}: {} octets in {}", row.id, row.time, row.bytes, row.store)]
    })
}

async fn list(admin: &Admin, output: Output) -> Result<(), Failure> {
    let looked = look(&admin.config.backup).await?;
    looked.tell();
    let rows: Vec<Row> = looked.whole.iter().map(Row::new).collect();
    // A directory that is down keeps nobody from what is in the stores.
    let state = match directory(admin) {
        Ok(directory) => directory.state_of_catalogue().await.ok(),
        Err(_) => None,
    };
    output.answer(&rows, || lines(&rows, state.as_ref()))?;
    look::everything(&looked.unread)
}

fn lines(rows: &[Row], state: Option<&StateReply>) -> Vec<String> {
    let head = ["ID", "TIME", "OCTETS", "STORE"].map(str::to_owned).to_vec();
    let cells = |row: &Row| vec![row.id.clone(), row.time.clone(), row.bytes.to_string(), row.store.clone()];
    let mut lines = table(&std::iter::once(head).chain(rows.iter().map(cells)).collect::<Vec<_>>());
    if rows.is_empty() {
        lines = vec!["no backups".to_owned()];
    }
    lines.extend(state.map_or_else(|| vec!["the directory cannot be asked what waits".to_owned()], said));
    lines
}

/// What is not in a store, and why.
fn said(state: &StateReply) -> Vec<String> {
    let late = if state.late { "LATE: " } else { "" };
    let mut lines = Vec::new();
    if state.due_since_ms > 0 {
        lines.push(format!("{late}changes since {} are in no snapshot yet", moment(state.due_since_ms)));
    }
    if let Some(newest) = state.newest.as_ref().filter(|_| !state.uploaded) {
        let why = if state.why.is_empty() { "it is on its way" } else { &state.why };
        lines.push(format!("{late}the snapshot of {} is in no store yet: {why}", moment(newest.taken_ms)));
    }
    lines
}
