//! `backup restore`: a backup becomes the mailbox again, or its messages are added to one.

use super::part;
use super::progress::Progress;
use super::scratch::Scratch;
use super::{Found, alias, backups, node_of};
use crate::admin::Admin;
use crate::cli::RestoreArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::owner::{self, Owner};
use crate::terminal;
use bytes::Bytes;
use futures_util::stream;
use mailbox::snapshot::{Pace, Subject, inspect};
use model::{MailboxId, NodeId};
use serde::Serialize;
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;
use vault::MailboxKey;
use wire::backup::restore_request::Step;
use wire::backup::{RestoreBegin, RestoreRequest};
use wire::directory::Alias;

/// Octets of one piece on its way to the node.
const PIECE_BYTES: usize = 256 * 1024;

#[derive(Serialize)]
struct Restored {
    backup: String,
    time: String,
    to: String,
    messages: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    aside: String,
}

/// Restores.
pub async fn run(admin: &Admin, args: &RestoreArgs, output: Output) -> Result<(), Failure> {
    let address = owner::address(&args.address)?;
    let (alias, mailbox) = alias(admin, &address).await?;
    let found = choose(backups(admin, &mailbox).await?, args.backup.as_deref()).map_err(|f| f.of(&address.alias()))?;
    let whole = args.to.is_none() && args.folder.is_none();
    if whole && !args.yes {
        let question = format!(
            "Replace the mailbox of {} with its backup of {}? What it is now is kept aside on its node.",
            address.alias(),
            found.manifest.time
        );
        if !terminal::confirm(&question, "give --yes to restore without being asked")? {
            return Err(Failure::refused("not restored"));
        }
    }
    let password = owner::password(&address, args.password_file.as_deref())?;
    let key = Owner::prove(admin, &address, &password).await?.into_key();
    let scratch = Scratch::make()?;
    let file = fetch(&found, &scratch).await?;
    let options = super::options(admin);
    check(&file, &key, &mailbox, &found, &options)?;
    let (to, messages, aside) = if whole {
        let reply = replace(admin, &alias, &mailbox, &key, &found, &file).await?;
        (address.alias(), reply.messages, reply.aside)
    } else {
        let (target, to_password) = match &args.to {
            Some(to) => {
                let to = owner::address(to)?;
                let password = owner::password(&to, args.to_password_file.as_deref())?;
                (to, password)
            }
            None => (address.clone(), password),
        };
        let owner = Owner::sign_in(admin, &target, &to_password).await?;
        let wanted = part::Wanted {
            folder: args.folder.as_deref(),
            uid: args.uid,
            below: args.to.is_none().then_some(part::BELOW),
        };
        let source = part::Source::open(&file, &key, &mailbox, &options, &found.manifest)?;
        let added = source.add(&owner, &wanted).await?;
        (target.alias(), added, String::new())
    };
    tell(&Restored { backup: found.manifest.id, time: found.manifest.time, to, messages, aside }, output)
}

fn tell(done: &Restored, output: Output) -> Result<(), Failure> {
    output.answer(done, || {
        let mut lines =
            vec![format!("{} messages of {} ({}) are in {}", done.messages, done.backup, done.time, done.to)];
        if !done.aside.is_empty() {
            lines.push(format!(
                "what the mailbox was is {} on the node's volume; remove it when nobody needs it",
                done.aside
            ));
        }
        lines
    })
}

/// The backup of this id, or the newest.
pub fn choose(all: Vec<Found>, id: Option<&str>) -> Result<Found, Failure> {
    let found = all.into_iter().find(|found| id.is_none_or(|id| found.manifest.id == id));
    found.ok_or_else(|| match id {
        Some(id) => Failure::refused(format!("there is no backup {id}; `brevdue backup list` shows them")),
        None => Failure::refused("there is no backup"),
    })
}

/// Fetches a backup to a scratch file; it is what its manifest says, or this fails.
pub async fn fetch(found: &Found, scratch: &Scratch) -> Result<PathBuf, Failure> {
    let file = scratch.file(&format!("{}.sqlite", found.manifest.id));
    let mut progress = Progress::new("fetching", found.manifest.bytes);
    let fetched = found.store.fetch(&found.manifest, &file, &mut |octets| progress.at(octets)).await;
    fetched.map_err(|error| Failure::refused(error).of(&format!("backup {}", found.manifest.id)))?;
    Ok(file)
}

/// Opens it with the key and looks at every page.
pub fn check(
    file: &Path,
    key: &MailboxKey,
    mailbox: &MailboxId,
    found: &Found,
    options: &mailbox::Options,
) -> Result<(), Failure> {
    // On the command's own thread, which has nothing else to do meanwhile.
    let inspected = inspect(file, &Subject::Mailbox(key, mailbox), options, &Pace::hurried());
    let snapshot = inspected.map_err(|error| Failure::refused(error).of(&format!("backup {}", found.manifest.id)))?;
    if snapshot.messages != found.manifest.messages {
        let why = format!("it has {} messages, and its manifest says {}", snapshot.messages, found.manifest.messages);
        return Err(Failure::refused(why).of(&format!("backup {}", found.manifest.id)));
    }
    Ok(())
}

async fn replace(
    admin: &Admin,
    alias: &Alias,
    mailbox: &MailboxId,
    key: &MailboxKey,
    found: &Found,
    file: &Path,
) -> Result<wire::backup::RestoreReply, Failure> {
    let node = node_of(admin, alias).await?;
    let label: NodeId = node.id().parse().map_err(Failure::refused)?;
    let boot = node.state(mailbox).await?.boot_key;
    let sealed = vault::transit::seal(&boot, key, mailbox, &label).map_err(Failure::refused)?;
    let (manifest, digest) = (&found.manifest, digest(&found.manifest.sha256)?);
    let begin = RestoreBegin {
        mailbox_id: mailbox.to_string(),
        sealed_key: sealed.into(),
        bytes: manifest.bytes,
        sha256: digest.into(),
    };
    let open = tokio::fs::File::open(file).await?;
    let begin = stream::iter([RestoreRequest { step: Some(Step::Begin(begin)) }]);
    let progress = Progress::new("restoring", manifest.bytes);
    let pieces = stream::unfold((open, 0, progress), |(mut file, done, mut progress)| async move {
        let mut piece = vec![0; PIECE_BYTES];
        // One that cannot be read to its end is too short for the node, which says so.
        let count = file.read(&mut piece).await.unwrap_or_default();
        piece.truncate(count);
        let done = done + count as u64;
        progress.at(done);
        let step = RestoreRequest { step: Some(Step::Data(Bytes::from(piece))) };
        (count > 0).then_some((step, (file, done, progress)))
    });
    Ok(node.restore(futures_util::StreamExt::chain(begin, pieces)).await?)
}

fn digest(hex: &str) -> Result<Vec<u8>, Failure> {
    let octets = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2).unwrap_or_default(), 16));
    octets.collect::<Result<_, _>>().map_err(|_| Failure::refused("the manifest's digest is none"))
}
