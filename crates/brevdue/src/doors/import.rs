//! `brevdue import`: mail from files or another server into a mailbox, through a session.
//!
//! A second run doubles nothing and goes on where one that was killed stopped, at whatever point that was:
//! - The journal names what was appended. It is written after the answer, so what it names is in the mailbox.
//! - A message that was begun and is not named done was under way when the run ended. The journal named it and its try before
//!   its first octet left, and the same try has the same token, under which the node appends once: if the commit came after
//!   all, the second APPEND is answered with the first one's UID. The node knows a token for a day.
//! - Whatever the journal does not name — a power cut took its end, it was lost, or the day has passed — is looked for in the
//!   folder: a message of the same size, INTERNALDATE and octets that no other message of the source stands for is the one.

mod appending;
mod journal;
mod present;
mod report;

use super::limits::PIECES_MAX;
use super::progress::Progress;
use super::source::{self, Item, Out, Stopped};
use super::{piece::Folder, remote};
use crate::admin::Admin;
use crate::cli::ImportArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::owner::{self, Owner};
use appending::{Appended, Mailbox};
use journal::Journal;
use report::Report;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Does it.
pub async fn run(admin: &Admin, args: &ImportArgs, output: Output) -> Result<(), Failure> {
    let address = owner::address(&args.address)?;
    if let Some(folder) = &args.folder {
        model::FolderName::parse(folder).map_err(|error| Failure::refused(error).of(folder))?;
    }
    let from = From::new(args)?;
    let password = owner::password(&address, args.password_file.as_deref())?;
    let owner = Owner::sign_in(admin, &address, &password).await?;
    let identity = format!("{}\0{}\0{}", owner.mailbox, from.identity(), args.folder.as_deref().unwrap_or_default());
    let journal = Journal::open(args.state.as_deref(), &identity, &owner.mailbox)?;
    let known = journal.known();
    let (items, inbox) = mpsc::channel(PIECES_MAX);
    let single = from.is_single();
    let reading = from.start(items, known).await?;
    let target = Target { under: args.folder.clone(), single };
    let mut mailbox = Mailbox::open(owner.session, journal).await?;
    let mut report = Report::new(address.alias());
    let imported = take(inbox, &mut mailbox, &target, &mut report).await;
    // Who reads stops when nobody takes any more.
    let read = reading.await?;
    mailbox.close()?;
    let stopped = imported.err().or(read.err());
    report.answer(output, stopped)
}

/// Where mail comes from.
enum From {
    Files(source::Found),
    Server(Box<remote::Remote>),
}

/// A source that runs.
type Reading = tokio::task::JoinHandle<Result<(), Failure>>;

impl From {
    fn new(args: &ImportArgs) -> Result<Self, Failure> {
        match &args.path {
            Some(path) => Ok(Self::Files(source::detect(path, args.format)?)),
            None => Ok(Self::Server(Box::new(remote::Remote::new(&args.imap)?))),
        }
    }

    fn identity(&self) -> String {
        match self {
            Self::Files(found) => format!("{found:?}"),
            Self::Server(server) => server.identity(),
        }
    }

    fn is_single(&self) -> bool {
        match self {
            Self::Files(found) => found.is_single(),
            Self::Server(_) => false,
        }
    }

    /// Begins to read, on a thread or a task of its own. Another server that refuses is heard of here.
    async fn start(self, items: mpsc::Sender<Item>, known: Arc<journal::KnownKeys>) -> Result<Reading, Failure> {
        match self {
            Self::Files(found) => Ok(tokio::task::spawn_blocking(move || {
                let mut out = Out::new(items, known);
                // Then the other side says why.
                let _: Result<(), Stopped> = source::run(&found, &mut out);
                Ok(())
            })),
            Self::Server(server) => {
                let signed_in = server.sign_in().await?;
                Ok(tokio::spawn(signed_in.read(items, known)))
            }
        }
    }
}

/// Into which folder of the mailbox each folder of the source goes.
struct Target {
    under: Option<String>,
    /// The source has one folder.
    single: bool,
}

impl Target {
    /// The folder's place; a name that cannot be one is an error in words.
    fn of(&self, folder: &Folder) -> Result<Folder, String> {
        let parse = |name: &str| model::FolderName::parse(name).map_err(|error| error.to_string());
        // INBOX in any case is INBOX.
        let source = parse(&folder.name)?;
        let name = match &self.under {
            None => source.to_string(),
            Some(under) if self.single || source.is_inbox() => parse(under)?.to_string(),
            Some(under) => parse(&format!("{under}/{source}"))?.to_string(),
        };
        let special_use = folder.special_use.filter(|_| self.under.is_none());
        Ok(Folder { name, special_use, subscribed: folder.subscribed })
    }
}

/// Takes what the source finds, to its end.
async fn take(
    mut inbox: mpsc::Receiver<Item>,
    mailbox: &mut Mailbox,
    target: &Target,
    report: &mut Report,
) -> Result<(), Failure> {
    let mut progress = Progress::new("import", 0);
    // A folder that cannot be made: its messages are left out, each counted.
    let mut closed = false;
    while let Some(item) = inbox.recv().await {
        match item {
            Item::Expect(messages) => progress.expect(messages),
            Item::Problem(origin, why) => report.problem(origin, why),
            Item::Folder(folder) => {
                let entered = match target.of(&folder) {
                    Ok(folder) => mailbox.enter(&folder).await?,
                    Err(why) => Err(why),
                };
                closed = entered.is_err();
                if let Err(why) = entered {
                    report.problem(folder.name, format!("the folder cannot be made: {why}"));
                }
            }
            Item::Known(key) => {
                mailbox.claim(&key);
                report.known();
                progress.message();
            }
            Item::Begin(offer) => {
                let origin = offer.origin.clone();
                let appended = if closed {
                    appending::skip(&mut inbox).await;
                    Appended::Refused("its folder cannot be made".to_owned())
                } else {
                    mailbox.append(offer, &mut inbox, &mut progress).await?
                };
                progress.message();
                match appended {
                    Appended::Now => report.imported(),
                    Appended::Already => report.known(),
                    Appended::Refused(why) => report.problem(origin, why),
                }
            }
            // Of a message whose rest nobody wants any more.
            Item::Data(_) | Item::End | Item::Broken(_) => {}
            Item::Whole => return Ok(()),
        }
    }
    Err(Failure::refused("the source ended too soon; run the same command again, and it goes on from here"))
}

/// Where the journal is, when nobody says: with what other programs remember of their runs (XDG base directories).
fn default_state(identity: &str) -> Result<std::path::PathBuf, Failure> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| Path::new(value).is_absolute());
    let folder = match (variable("XDG_STATE_HOME"), variable("HOME")) {
        (Some(state), _) => Path::new(&state).join("brevdue"),
        (None, Some(home)) => Path::new(&home).join(".local/state/brevdue"),
        (None, None) => {
            return Err(Failure::refused("there is no home folder to remember what was imported; give --state FILE"));
        }
    };
    let digest = vault::digest(identity.as_bytes());
    Ok(folder.join(format!("import-{}", super::piece::hex(digest.split_at(12).0))))
}
