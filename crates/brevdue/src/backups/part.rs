//! Adds messages of a backup to an open mailbox: all of them, those of one folder, or one. Each append has a token that comes
//! from the backup, the message and the mailbox, so that a second run within a day adds nothing twice.

use super::progress::Progress;
use crate::failure::Failure;
use crate::owner::Owner;
use backup::manifest::Manifest;
use bytes::Bytes;
use mailbox::{FetchCursor, FetchPlan, Items, Options, Reader, Section, Writer};
use model::{FolderName, MailboxId, ModSeq, Uid, UidSet};
use node_client::{ClientError, Session};
use std::path::Path;
use vault::MailboxKey;
use wire::session::{Append, Create, FailureCode};

/// Where a folder goes that is restored into the mailbox that it is of.
pub const BELOW: &str = "Restored";
/// Octets of a message that are read at once.
const STEP_BYTES: usize = 256 * 1024;

/// What is to be added.
pub struct Wanted<'a> {
    /// Only this folder.
    pub folder: Option<&'a str>,
    /// Only this message of it.
    pub uid: Option<u32>,
    /// Below this folder, and not under its own name.
    pub below: Option<&'a str>,
}

/// A backup whose messages are read.
pub struct Source<'a> {
    reader: Reader,
    manifest: &'a Manifest,
}

impl<'a> Source<'a> {
    /// Opens it.
    pub fn open(
        file: &Path,
        key: &MailboxKey,
        mailbox: &MailboxId,
        options: &Options,
        manifest: &'a Manifest,
    ) -> Result<Self, Failure> {
        // A backup of an earlier version is brought up to date, here in its scratch place.
        Writer::open(file, key, mailbox, options)?.close()?;
        Ok(Self { reader: Reader::open(file, key, mailbox, options)?, manifest })
    }

    /// Adds; how many messages.
    pub async fn add(&self, owner: &Owner, wanted: &Wanted<'_>) -> Result<u64, Failure> {
        let mut folders = self.reader.folders()?.folders;
        if let Some(only) = wanted.folder {
            let only = FolderName::parse(only).map_err(Failure::refused)?;
            folders.retain(|folder| folder.name == only);
            if folders.is_empty() {
                return Err(Failure::refused(format!("the backup has no folder {}", only.as_str())));
            }
        }
        let mut progress = Progress::new("adding", self.manifest.messages);
        let mut added = 0;
        for folder in folders {
            let Ok(selected) = self.reader.select(&folder.name) else { continue };
            let name = match wanted.below {
                Some(below) => format!("{below}/{}", folder.name.as_str()),
                None => folder.name.as_str().to_owned(),
            };
            make(&owner.session, &name).await?;
            for uid in selected.uids.iter().filter(|uid| wanted.uid.is_none_or(|only| uid.get() == only)) {
                let message = Message { reader: &self.reader, folder: selected.folder, uid, name: &name };
                let token = token(self.manifest, folder.name.as_str(), uid, &owner.mailbox, &name);
                message.append(&owner.session, token).await?;
                added += 1;
                progress.at(added);
            }
        }
        match wanted.uid {
            Some(uid) if added == 0 => Err(Failure::refused(format!("the folder has no message with the UID {uid}"))),
            _ => Ok(added),
        }
    }
}

async fn make(session: &Session, name: &str) -> Result<(), Failure> {
    if FolderName::parse(name).is_ok_and(|name| name == FolderName::inbox()) {
        return Ok(());
    }
    match session.create(Create { name: name.to_owned(), ..Create::default() }).await {
        Ok(_) | Err(ClientError::Failure(FailureCode::FolderExists, _)) => Ok(()),
        Err(error) => Err(Failure::refused(error).of(name)),
    }
}

struct Message<'a> {
    reader: &'a Reader,
    folder: mailbox::FolderId,
    uid: Uid,
    name: &'a str,
}

impl Message<'_> {
    async fn append(&self, session: &Session, token: Bytes) -> Result<(), Failure> {
        let plan = FetchPlan {
            folder: self.folder,
            uids: UidSet::range(self.uid, self.uid),
            items: Items::NONE,
            sections: vec![Section::whole()],
            changed_since: ModSeq::ZERO,
        };
        let mut cursor = FetchCursor::new();
        let mut upload = None;
        loop {
            let step = self.reader.fetch(&plan, &mut cursor, STEP_BYTES)?;
            for record in step.records {
                if upload.is_none() {
                    let append = Append {
                        folder: self.name.to_owned(),
                        flags: record.flags.bits(),
                        keywords: record.keywords.iter().map(ToString::to_string).collect(),
                        internal_date_ms: record.internal_date.as_millisecond(),
                        size: record.size,
                        token: token.clone(),
                        ..Append::default()
                    };
                    upload = Some(session.append(append).await?);
                }
                let pieces = record.sections.into_iter().map(|section| Bytes::from(section.data));
                if let Some(upload) = &mut upload {
                    for piece in pieces {
                        upload.send(piece).await?;
                    }
                }
            }
            if step.done {
                break;
            }
        }
        if let Some(upload) = upload {
            upload.finish().await?;
        }
        Ok(())
    }
}

fn token(manifest: &Manifest, folder: &str, uid: Uid, mailbox: &MailboxId, name: &str) -> Bytes {
    let said = format!("brevdue restore 1\0{}\0{folder}\0{}\0{mailbox}\0{name}", manifest.id, uid.get());
    Bytes::copy_from_slice(vault::digest(said.as_bytes()).first_chunk::<{ model::Token::LEN }>().map_or(&[][..], |t| t))
}
