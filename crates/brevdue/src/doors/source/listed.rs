//! What the manifest of an export lists: folders with their true names and uses, and messages with what files cannot say.

use super::text::{FileText, measure};
use super::{About, Out, Stopped, mbox};
use crate::doors::manifest::{Entry, FolderEntry, MANIFEST, ManifestReader, MessageEntry, VERSION};
use crate::doors::piece::{Folder, hex, parse_flags};
use model::SpecialUse;
use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

/// What was listed, and so imported or reported.
#[derive(Default)]
pub struct Listed {
    /// Digests of paths: there may be millions.
    files: HashSet<[u8; 16]>,
    folders: HashMap<PathBuf, Folder>,
}

impl Listed {
    /// Whether the manifest has this file.
    pub fn contains(&self, path: &Path) -> bool {
        self.files.contains(&digest(path))
    }

    /// Enters the folder that the manifest says is held by this one; `false` when it says nothing of it.
    pub fn enter(&self, path: &Path, out: &mut Out) -> Result<bool, Stopped> {
        match self.folders.get(path) {
            Some(folder) => out.folder(folder.clone()).map(|()| true),
            None => Ok(false),
        }
    }
}

fn digest(path: &Path) -> [u8; 16] {
    super::key(&[path.as_os_str().as_encoded_bytes()])
}

/// The lines of a manifest that can be trusted to be one of this program.
fn open(root: &Path, out: &Out) -> Result<Option<ManifestReader>, Stopped> {
    let opened = ManifestReader::open(root).and_then(|reader| {
        let Some(mut reader) = reader else { return Ok(None) };
        match reader.next().transpose()? {
            Some(Entry::Head(head)) if head.brevdue_export == VERSION => Ok(Some(reader)),
            Some(_) | None => Err(std::io::Error::other("it is not of this version of brevdue; it is not used")),
        }
    });
    match opened {
        Ok(reader) => Ok(reader),
        Err(error) => out.problem(&root.join(MANIFEST), error).map(|()| None),
    }
}

/// Imports the files that a manifest lists; none where there is no manifest.
pub fn files(root: &Path, out: &mut Out) -> Result<Listed, Stopped> {
    let mut listed = Listed::default();
    let Some(reader) = open(root, out)? else { return Ok(listed) };
    let mut whole = false;
    for entry in reader {
        match entry {
            Ok(Entry::Folder(entry)) => {
                let folder = folder(&entry);
                listed.folders.insert(path(root, &entry.path).unwrap_or_default(), folder.clone());
                out.folder(folder)?;
            }
            Ok(Entry::Message(entry)) => match path(root, &entry.file) {
                // One that was renamed is found by its new name.
                Some(path) if !path.exists() => {}
                Some(path) => {
                    message(&path, &entry, out)?;
                    listed.files.insert(digest(&path));
                }
                None => out.problem(Path::new(&entry.file), "the manifest names a file outside of the export")?,
            },
            Ok(Entry::Whole(_)) => whole = true,
            Ok(Entry::Head(_)) => {}
            Err(error) => {
                out.problem(&root.join(MANIFEST), error)?;
                break;
            }
        }
    }
    if !whole {
        out.problem(&root.join(MANIFEST), "it is cut off; files that it does not list are imported as they are")?;
    }
    Ok(listed)
}

/// Imports the mbox files that a manifest lists; `false` where there is no manifest.
pub fn mboxes(root: &Path, out: &mut Out) -> Result<bool, Stopped> {
    let Some(reader) = open(root, out)? else { return Ok(false) };
    for entry in reader {
        match entry {
            Ok(Entry::Folder(entry)) => match path(root, &entry.path) {
                Some(path) => {
                    out.folder(folder(&entry))?;
                    mbox::file(&path, out)?;
                }
                None => out.problem(Path::new(&entry.path), "the manifest names a file outside of the export")?,
            },
            Ok(Entry::Head(_) | Entry::Message(_) | Entry::Whole(_)) => {}
            Err(error) => out.problem(&root.join(MANIFEST), error)?,
        }
    }
    Ok(true)
}

fn folder(entry: &FolderEntry) -> Folder {
    Folder {
        name: entry.folder.clone(),
        special_use: entry.special_use.as_deref().and_then(SpecialUse::parse),
        subscribed: entry.subscribed,
    }
}

fn message(path: &Path, entry: &MessageEntry, out: &mut Out) -> Result<(), Stopped> {
    let (flags, keywords) = parse_flags(entry.flags.iter().map(String::as_str));
    let about = About { flags, keywords, internal_date_ms: Some(entry.internal_date_ms) };
    // Octets that are still those of the export are the message's, whatever its lines end in.
    let exact = measure(&mut FileText::new(path, about.clone(), true));
    let exact = exact.is_ok_and(|measured| hex(&measured.sha256) == entry.sha256);
    out.message(&path.display().to_string(), &mut FileText::new(path, about, exact))
}

/// A path of the manifest, if it stays within the export.
fn path(root: &Path, named: &str) -> Option<PathBuf> {
    let inside = Path::new(named).components().all(|component| matches!(component, Component::Normal(_)));
    inside.then(|| if named.is_empty() { root.to_owned() } else { root.join(named) })
}
