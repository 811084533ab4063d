//! `brevdue export`: a mailbox in an open format. This reads it through a session; the formats are in the modules below.

mod eml;
mod maildir;
mod mbox;
mod sink;
mod sqlite;

use super::limits::PIECES_MAX;
use super::mailbox_failed;
use super::manifest::Whole;
use super::piece::{Folder, Message, Piece};
use super::place::{Kind, Place};
use super::progress::Progress;
use crate::admin::Admin;
use crate::cli::{ExportArgs, ExportFormat, FileCipher};
use crate::failure::Failure;
use crate::output::Output;
use crate::owner::{self, Owner};
use model::UidSet;
use node_client::Session;
use serde::Serialize;
use sink::Sink;
use std::path::Path;
use tokio::sync::mpsc;
use vault::Password;
use wire::convert;
use wire::session::{Fetch, FetchItem, FetchedMessage, List, SectionKind, SectionWanted, Select};

/// Does it.
pub async fn run(admin: &Admin, args: &ExportArgs, output: Output) -> Result<(), Failure> {
    let address = owner::address(&args.address)?;
    if args.cipher != FileCipher::Chacha20 && args.format != ExportFormat::Sqlite {
        return Err(Failure::Usage("--cipher is for --format sqlite".to_owned()));
    }
    let kind = if args.format == ExportFormat::Sqlite { Kind::File } else { Kind::Folder };
    // Before anybody types a password for nothing.
    let place = Place::take(&args.out, kind, args.yes)?;
    let password = owner::password(&address, args.password_file.as_deref())?;
    let owner = Owner::sign_in(admin, &address, &password).await?;
    let folders = folders(&owner.session).await?;
    let mut progress = Progress::new("export", folders.iter().map(|(_, messages)| u64::from(*messages)).sum());
    let (pieces, inbox) = mpsc::channel(PIECES_MAX);
    let sink = sink(args, place.part(), &address.alias(), &password)?;
    let writing = tokio::task::spawn_blocking(move || write(sink, inbox));
    let read = read(&owner.session, folders, &pieces, &mut progress).await;
    drop(pieces);
    let written = writing.await?;
    drop(progress);
    // Who cannot write stops who reads; so what the writer says comes first.
    let whole = match (written, read) {
        (Err(failure), _) | (Ok(_), Err(failure)) => return Err(failure.of(&args.out.display().to_string())),
        (Ok(None), Ok(())) => return Err(Failure::refused("the export ended too soon; try again")),
        (Ok(Some(whole)), Ok(())) => whole,
    };
    place.settle()?;
    let exported = Exported { address: address.alias(), path: args.out.display().to_string(), whole };
    output.answer(&exported, || exported.lines())
}

#[derive(Serialize)]
struct Exported {
    address: String,
    path: String,
    #[serde(flatten)]
    whole: Whole,
}

impl Exported {
    fn lines(&self) -> Vec<String> {
        let Whole { folders, messages, octets } = self.whole;
        vec![format!("{}: {messages} messages in {folders} folders, {octets} octets, in {}", self.address, self.path)]
    }
}

fn sink(args: &ExportArgs, part: &Path, address: &str, password: &Password) -> Result<Box<dyn Sink>, Failure> {
    let made: Result<Box<dyn Sink>, std::io::Error> = match args.format {
        ExportFormat::Mbox => mbox::Mbox::create(part, address).map(|sink| Box::new(sink) as Box<dyn Sink>),
        ExportFormat::Eml => eml::Eml::create(part, address).map(|sink| Box::new(sink) as Box<dyn Sink>),
        ExportFormat::Maildir => maildir::Maildir::create(part, address).map(|sink| Box::new(sink) as Box<dyn Sink>),
        ExportFormat::Sqlite => {
            let file = sqlite::SqliteFile::create(part, address, password, args.cipher)?;
            return Ok(Box::new(file));
        }
    };
    Ok(made?)
}

/// The folders that can hold messages, by name, and how many each has.
async fn folders(session: &Session) -> Result<Vec<(Folder, u32)>, Failure> {
    let list = session.list_with(List { status: true, recent: false }).await.map_err(|error| mailbox_failed(&error))?;
    let mut folders = Vec::with_capacity(list.folders.len());
    for folder in list.folders.into_iter().filter(|folder| !folder.no_select) {
        let special_use = convert::special_use(folder.special_use)?;
        let messages = folder.status.map_or(0, |status| status.messages);
        folders.push((Folder { name: folder.name, special_use, subscribed: folder.subscribed }, messages));
    }
    folders.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    Ok(folders)
}

/// Hands on everything that is in the folders. `Err` without words of its own when nobody takes it any more.
async fn read(
    session: &Session,
    folders: Vec<(Folder, u32)>,
    pieces: &mpsc::Sender<Piece>,
    progress: &mut Progress,
) -> Result<(), Failure> {
    for (folder, _) in folders {
        let select = Select { name: folder.name.clone(), read_only: true, ..Select::default() };
        let selected = session.select(select).await.map_err(|error| mailbox_failed(&error))?;
        put(pieces, Piece::Folder(folder)).await?;
        let uids = convert::uid_set(selected.uids.as_ref())?;
        if !uids.is_empty() {
            read_folder(session, (selected.folder, selected.uid_validity), &uids, pieces, progress).await?;
        }
        session.unselect().await.map_err(|error| mailbox_failed(&error))?;
    }
    put(pieces, Piece::Whole).await
}

async fn read_folder(
    session: &Session,
    (folder, uid_validity): (u64, u32),
    uids: &UidSet,
    pieces: &mpsc::Sender<Piece>,
    progress: &mut Progress,
) -> Result<(), Failure> {
    let items = FetchItem::Flags as u32 | FetchItem::InternalDate as u32 | FetchItem::Size as u32;
    let whole = SectionWanted { kind: SectionKind::All.into(), ..SectionWanted::default() };
    let fetch = Fetch { folder, uids: convert::uid_runs(uids), items, sections: vec![whole], ..Fetch::default() };
    let mut stream = session.fetch(fetch).await.map_err(|error| mailbox_failed(&error))?;
    while let Some(fetched) = stream.next().await {
        for mut message in fetched.map_err(|error| mailbox_failed(&error))?.messages {
            let sections = std::mem::take(&mut message.sections);
            let unfinished = message.unfinished;
            if !message.continues {
                put(pieces, Piece::Begin(begun(&message, uid_validity)?)).await?;
            }
            for section in sections {
                progress.octets(section.data.len());
                put(pieces, Piece::Data(section.data)).await?;
            }
            if !unfinished {
                progress.message();
                put(pieces, Piece::End).await?;
            }
        }
    }
    Ok(())
}

fn begun(message: &FetchedMessage, uid_validity: u32) -> Result<Message, Failure> {
    Ok(Message {
        uid: message.uid,
        uid_validity,
        flags: convert::flags(message.flags)?,
        keywords: convert::keywords(&message.keywords)?,
        internal_date_ms: message.internal_date_ms,
        size: message.size,
    })
}

async fn put(pieces: &mpsc::Sender<Piece>, piece: Piece) -> Result<(), Failure> {
    pieces.send(piece).await.map_err(|_| Failure::refused("the export cannot be written"))
}

/// On a thread of its own: the disk is waited for.
fn write(mut sink: Box<dyn Sink>, mut inbox: mpsc::Receiver<Piece>) -> Result<Option<Whole>, Failure> {
    let mut announced = (0, 0);
    while let Some(piece) = inbox.blocking_recv() {
        match piece {
            Piece::Folder(folder) => sink.folder(&folder)?,
            Piece::Begin(message) => {
                announced = (message.uid, message.size);
                sink.begin(message)?;
            }
            Piece::Data(data) => {
                announced.1 = announced.1.wrapping_sub(data.len() as u64);
                sink.data(&data)?;
            }
            // Half a message is no message.
            Piece::End if announced.1 != 0 => {
                return Err(Failure::refused(format!("message {} did not come whole; try again", announced.0)));
            }
            Piece::End => sink.end()?,
            Piece::Whole => return Ok(Some(sink.finish()?)),
        }
    }
    Ok(None)
}
