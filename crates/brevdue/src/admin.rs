//! The operator's commands: how they reach the directory, with the admin certificate.
//!
//! With --config the directory of that file is asked, by default `/etc/brevdue/admin.toml`. With --data it is the one of that `dev` if it runs; if not, this
//! process opens the catalogue itself for the one command, under the folder's lock.

pub mod account;
pub mod alias;
pub mod domain;
pub mod mailbox;
pub mod queue;
pub mod srs;
pub mod webhook;

use crate::cli::Cli;
use crate::dev::folder::{Folder, Holder};
use crate::failure::Failure;
use daemon::config::Config;
use daemon::tls::Internal;
use directory::{Catalogue, DirectoryClient};
use model::Role;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A directory that can be asked.
pub struct Admin {
    /// The way to it.
    pub directory: DirectoryClient,
    /// Whether passwords of any length are taken: a `dev` is for trying out.
    pub any_password: bool,
    /// Whether this process serves the directory itself, because no `dev` runs: then no node does.
    pub alone: bool,
    /// The configuration that led to it.
    pub config: Config,
}

/// The operator's configuration file, when none is named.
const CONFIG_FILE: &str = "/etc/brevdue/admin.toml";

/// Where the directory is found.
pub enum Place {
    /// In the folder of a `dev`.
    Data(PathBuf),
    /// Where a configuration file says.
    Config(PathBuf),
}

/// Reaches the directory that the options name, and has `work` done with it.
pub fn run(cli: &Cli, work: impl AsyncFnOnce(&Admin) -> Result<(), Failure>) -> Result<(), Failure> {
    let place = place(cli)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match place {
            Place::Data(data) => with_data(&data, work).await,
            Place::Config(file) => {
                let config = Config::load_for(&file, Role::Admin)?;
                let directory = connect(&config, &config.directory.address)?;
                let admin = Admin { directory, any_password: false, alone: false, config };
                work(&admin).await
            }
        }
    })
}

/// What the options say; without any, a real installation goes before a `dev`.
pub fn place(cli: &Cli) -> Result<Place, Failure> {
    match (&cli.data, &cli.config) {
        (Some(data), _) => Ok(Place::Data(data.clone())),
        (None, Some(file)) => Ok(Place::Config(file.clone())),
        (None, None) if Path::new(CONFIG_FILE).exists() => Ok(Place::Config(CONFIG_FILE.into())),
        (None, None) => match Folder::existing(&Folder::default_path()) {
            Ok(folder) => Ok(Place::Data(folder.path().to_owned())),
            Err(_) => Err(Failure::Usage("which directory? Give --data DIR or --config FILE".to_owned())),
        },
    }
}

async fn with_data(data: &Path, work: impl AsyncFnOnce(&Admin) -> Result<(), Failure>) -> Result<(), Failure> {
    let folder = Folder::existing(data)?;
    let holder = folder.lock_or_find_dev().await?;
    // After the lock: a `dev` that is just starting writes this file anew.
    let config = Config::load_for(&folder.config("admin"), Role::Admin)?;
    match holder {
        Holder::Dev => {
            let directory = connect(&config, &config.directory.address)?;
            let admin = Admin { directory, any_password: true, alone: false, config };
            work(&admin).await
        }
        // The lock is held to the end of the command: a `dev` that starts meanwhile waits for it.
        Holder::Us(_lock) => in_process(&folder, config, work).await,
    }
}

/// The directory's service in this process, for one command.
async fn in_process(
    folder: &Folder,
    config: Config,
    work: impl AsyncFnOnce(&Admin) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // An empty one would be in the way of the one that is brought back.
    if !folder.catalogue().exists() {
        let why = "there is no catalogue; `brevdue dev` makes one, and `brevdue backup catalogue restore` brings back one that was lost";
        return Err(Failure::refused(format!("{}: {why}", folder.catalogue().display())));
    }
    let catalogue = Arc::new(Catalogue::open(&folder.catalogue(), &folder.directory_key()).await?);
    let tls = Internal::load(&folder.certificate(Role::Directory), Role::Directory)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let stop = CancellationToken::new();
    let served = tokio::spawn(directory::server::serve(catalogue, listener, tls.server, stop.clone()));
    let admin = Admin { directory: connect(&config, &address)?, any_password: true, alone: true, config };
    let done = work(&admin).await;
    drop(admin);
    stop.cancel();
    served.await??;
    done
}

fn connect(config: &Config, address: &str) -> Result<DirectoryClient, Failure> {
    let tls = Internal::load(&config.internal, Role::Admin)?;
    Ok(DirectoryClient::connect(address, tls.client)?)
}
