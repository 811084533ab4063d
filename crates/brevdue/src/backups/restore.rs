//! `backup restore`: a backup becomes the mailbox again, or its messages are added to one.

use super::look::{self, Found};
use super::part;
use super::progress::Progress;
use super::scratch::Scratch;
use super::unlock::{Opened, unlock};
use super::{alias, node_of};
use crate::admin::Admin;
use crate::cli::RestoreArgs;
use crate::failure::Failure;
use crate::output::Output;
use crate::owner::{self, Owner};
use crate::terminal;
use backup::Node;
use bytes::Bytes;
use futures_util::stream;
use mailbox::snapshot::{Pace, Subject, inspect};
use model::{Address, MailboxId, NodeId};
use serde::Serialize;
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt;
use vault::{MailboxKey, Password};
use wire::backup::restore_request::Step;
use wire::backup::{Kind, RestoreBegin, RestoreReply, RestoreRequest};
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
    /// The name of the password that opened it, when that is one of then.
    #[serde(skip_serializing_if = "String::is_empty")]
    kept_credential: String,
}

/// Whose backup it is.
pub struct Origin {
    /// The alias and its address, when it is there.
    pub alias: Option<(Address, Alias)>,
    /// The mailbox.
    pub mailbox: MailboxId,
    /// How people call it.
    pub name: String,
}

impl Origin {
    async fn find(admin: &Admin, args: &RestoreArgs) -> Result<Self, Failure> {
        if let Some(id) = &args.mailbox {
            let mailbox = id.parse().map_err(|error| Failure::refused(error).of(id))?;
            return Ok(Self { alias: None, mailbox, name: format!("mailbox {id}") });
        }
        let address = owner::address(args.address.as_deref().unwrap_or_default())?;
        let (alias, mailbox) = alias(admin, &address).await?;
        Ok(Self { name: address.alias(), alias: Some((address, alias)), mailbox })
    }

    fn password(&self, file: Option<&Path>) -> Result<Password, Failure> {
        match (&self.alias, file) {
            (Some((address, _)), file) => owner::password(address, file),
            (None, Some(file)) => terminal::password_from_file(file),
            (None, None) => terminal::ask_password(
                &format!("A password or the recovery key of {}", self.name),
                "give the owner's password with --password-file FILE",
            ),
        }
    }
}

/// Restores.
pub async fn run(admin: &Admin, args: &RestoreArgs, output: Output) -> Result<(), Failure> {
    let origin = Origin::find(admin, args).await?;
    let looked = look::of_mailbox(admin, &origin.mailbox).await?;
    let found = looked.choose(args.backup.as_deref(), "backup list").map_err(|failure| failure.of(&origin.name))?;
    let whole = args.to.is_none() && args.folder.is_none();
    if whole && !args.yes {
        let question = format!(
            "Replace the mailbox of {} with its backup of {}? What it is now is kept aside on its node.",
            origin.name, found.manifest.time
        );
        if !terminal::confirm(&question, "give --yes to restore without being asked")? {
            return Err(Failure::refused("not restored"));
        }
    }
    let password = origin.password(args.password_file.as_deref())?;
    let Opened { key, then } = unlock(admin, &origin, &found.manifest, password).await?;
    // Who is to have it is asked for before anything is fetched, which may take long.
    let target = target(admin, args).await?;
    let scratch = Scratch::make()?;
    let file = fetch(&found, &scratch).await?;
    check(&file, &key, &origin.mailbox, &found, &super::options(admin))?;
    let (to, messages, aside) = match &origin.alias {
        Some((_, alias)) if whole => {
            let reply = replace(admin, alias, &origin.mailbox, &key, &found, &file).await?;
            (origin.name, reply.messages, reply.aside)
        }
        _ => {
            let (to, added) = add(admin, args, &origin, (key, target), (&found, &file)).await?;
            (to, added, String::new())
        }
    };
    let manifest = found.manifest;
    let kept_credential = then.unwrap_or_default();
    tell(&Restored { backup: manifest.id, time: manifest.time, to, messages, aside, kept_credential }, output)
}

/// The owner of the other mailbox that it goes to, signed in.
async fn target(admin: &Admin, args: &RestoreArgs) -> Result<Option<Owner>, Failure> {
    let Some(to) = &args.to else { return Ok(None) };
    let to = owner::address(to)?;
    let password = owner::password(&to, args.to_password_file.as_deref())?;
    Owner::sign_in(admin, &to, &password).await.map(Some)
}

/// Adds messages of the backup to a mailbox; whose, and how many.
async fn add(
    admin: &Admin,
    args: &RestoreArgs,
    origin: &Origin,
    (key, target): (MailboxKey, Option<Owner>),
    (found, file): (&Found, &Path),
) -> Result<(String, u64), Failure> {
    let options = super::options(admin);
    let source = part::Source::open(file, &key, &origin.mailbox, &options, &found.manifest)?;
    let owner = match (target, &origin.alias) {
        (Some(target), _) => target,
        (None, Some((address, _))) => Owner::with_key(admin, address, key).await?,
        (None, None) => return Err(Failure::Usage("where to? Give --to ADDRESS".to_owned())),
    };
    let wanted =
        part::Wanted { folder: args.folder.as_deref(), uid: args.uid, below: args.to.is_none().then_some(part::BELOW) };
    let added = source.add(&owner, &wanted).await?;
    Ok((owner.address.alias(), added))
}

fn tell(done: &Restored, output: Output) -> Result<(), Failure> {
    output.answer(done, || {
        let mut lines =
            vec![format!("{} messages of {} ({}) are in {}", done.messages, done.backup, done.time, done.to)];
        if !done.kept_credential.is_empty() {
            lines.push(format!(
                "opened with the keys of then, which are kept with the backup, by the password named {}",
                done.kept_credential
            ));
        }
        if !done.aside.is_empty() {
            lines.push(format!(
                "what the mailbox was is {} on the node's volume; remove it when nobody needs it",
                done.aside
            ));
        }
        lines
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
) -> Result<RestoreReply, Failure> {
    let node = node_of(admin, alias).await?;
    let label: NodeId = node.id().parse().map_err(Failure::refused)?;
    let boot = node.state(mailbox).await?.boot_key;
    let sealed = vault::transit::seal(&boot, key, mailbox, &label).map_err(Failure::refused)?;
    let begin = RestoreBegin {
        mailbox_id: mailbox.to_string(),
        sealed_key: sealed.into(),
        kind: Kind::Mailbox.into(),
        ..RestoreBegin::default()
    };
    send(&node, begin, found, file).await
}

/// Sends a backup that was fetched to a node; what became of it there.
pub async fn send(node: &Node, begin: RestoreBegin, found: &Found, file: &Path) -> Result<RestoreReply, Failure> {
    let manifest = &found.manifest;
    let sha256 = digest(&manifest.sha256)?.into();
    let begin = RestoreBegin { bytes: manifest.bytes, sha256, time: manifest.time.clone(), ..begin };
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
