//! `backup catalogue restore`: a catalogue out of a backup, with nothing but a configuration that names the stores and the
//! directory's key file; no directory runs, and none is asked.

use super::super::progress::Progress;
use super::super::scratch::Scratch;
use super::look;
use crate::cli::{Cli, RestoreCatalogueArgs};
use crate::dev::folder::Folder;
use crate::failure::Failure;
use crate::output::Output;
use crate::{admin, terminal};
use daemon::config::Config;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Serialize)]
struct Restored {
    backup: String,
    time: String,
    out: String,
    domains: u64,
    aliases: u64,
    /// The catalogue that was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    aside: Option<String>,
}

/// Restores.
pub fn run(cli: &Cli, args: &RestoreCatalogueArgs, output: Output) -> Result<(), Failure> {
    let (config, default_key) = configuration(cli)?;
    let key = args.key.as_deref().unwrap_or(&default_key);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(Box::pin(restore(&config, key, args, output)))
}

/// The configuration that names the stores, and where the key file is when nobody says.
fn configuration(cli: &Cli) -> Result<(Config, PathBuf), Failure> {
    match admin::place(cli)? {
        admin::Place::Data(data) => {
            let folder = Folder::existing(&data)?;
            Ok((Config::load(&folder.config("admin"))?, folder.directory_key()))
        }
        // What else a role would need may be lost as well.
        admin::Place::Config(file) => {
            let config = Config::load(&file)?;
            let key = config.directory.key.clone();
            Ok((config, key))
        }
    }
}

async fn restore(config: &Config, key: &Path, args: &RestoreCatalogueArgs, output: Output) -> Result<(), Failure> {
    let found = look(&config.backup).await?.choose(args.backup.as_deref(), "backup catalogue list")?;
    let replace = args.out.exists();
    if replace && !args.yes {
        let question = format!(
            "Put the backup of {} in the place of {}? What is there is kept aside.",
            found.manifest.time,
            args.out.display()
        );
        if !terminal::confirm(&question, "give --yes to restore without being asked")? {
            return Err(Failure::refused("not restored"));
        }
    }
    let about = format!("backup {}", found.manifest.id);
    let scratch = Scratch::make()?;
    let file = scratch.file("catalogue.sqlite");
    let fetched = {
        let mut progress = Progress::new("fetching", found.manifest.bytes);
        found.store.fetch(&found.manifest, &file, &mut |octets| progress.at(octets)).await
    };
    fetched.map_err(|error| Failure::refused(error).of(&about))?;
    let restored = directory::restore(&file, key, &args.out, replace).await;
    let restored = restored.map_err(|error| Failure::refused(error).of(&about))?;
    let done = Restored {
        backup: found.manifest.id,
        time: found.manifest.time,
        out: args.out.display().to_string(),
        domains: restored.domains,
        aliases: restored.aliases,
        aside: restored.aside.map(|aside| aside.display().to_string()),
    };
    output.answer(&done, || told(&done))
}

fn told(done: &Restored) -> Vec<String> {
    let Restored { backup, time, out, domains, aliases, aside } = done;
    let mut lines = vec![
        format!("{out} is the catalogue of {time} ({backup}): {domains} domains, {aliases} aliases"),
        "what was changed since is not in it; docs/operations.md, \"After a total loss\", says what to do again"
            .to_owned(),
    ];
    lines.extend(aside.iter().map(|aside| format!("what was there is {aside}; remove it when nobody needs it")));
    lines
}
