//! What a path holds: which of the formats, and whether it is one file or a folder of them.

use super::{maildir, mbox, tree};
use crate::cli::ImportFormat;
use crate::doors::limits::DEPTH_MAX;
use crate::doors::manifest::{Entry, ManifestReader};
use crate::failure::Failure;
use std::fs;
use std::path::{Path, PathBuf};

/// Entries that are looked at before it is said that nothing is known: a format shows in the first few.
const LOOKED_AT_MAX: usize = 10_000;

/// What is there.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// One mbox file.
    Mbox(PathBuf),
    /// One message.
    Eml(PathBuf),
    /// A folder of mbox files.
    MboxTree(PathBuf),
    /// A folder of messages.
    EmlTree(PathBuf),
    /// A Maildir.
    Maildir(PathBuf),
}

impl Found {
    /// Whether it has one folder only.
    pub fn is_single(&self) -> bool {
        match self {
            Self::Mbox(_) | Self::Eml(_) => true,
            Self::MboxTree(_) | Self::EmlTree(_) | Self::Maildir(_) => false,
        }
    }
}

/// Looks at the path.
pub fn detect(path: &Path, format: ImportFormat) -> Result<Found, Failure> {
    let subject = path.display().to_string();
    // The path itself may be a link: it was named.
    let path = fs::canonicalize(path).map_err(|error| Failure::refused(error).of(&subject))?;
    let is_folder = fs::metadata(&path).map_err(|error| Failure::refused(error).of(&subject))?.is_dir();
    let format = if format == ImportFormat::Auto { guess(&path, is_folder) } else { Some(format) };
    match (format, is_folder) {
        (Some(ImportFormat::Mbox), false) => Ok(Found::Mbox(path)),
        (Some(ImportFormat::Eml), false) => Ok(Found::Eml(path)),
        (Some(ImportFormat::Mbox), true) => Ok(Found::MboxTree(path)),
        (Some(ImportFormat::Eml), true) => Ok(Found::EmlTree(path)),
        (Some(ImportFormat::Maildir), true) => Ok(Found::Maildir(path)),
        (Some(ImportFormat::Maildir), false) => Err(Failure::refused("a Maildir is a folder").of(&subject)),
        (Some(ImportFormat::Auto) | None, _) => {
            Err(Failure::refused("holds no mail that is recognised; say what it is with --format").of(&subject))
        }
    }
}

fn guess(path: &Path, is_folder: bool) -> Option<ImportFormat> {
    if !is_folder {
        let eml = tree::has_end(path, "eml").then_some(ImportFormat::Eml);
        return if mbox::looks_like_one(path) { Some(ImportFormat::Mbox) } else { eml };
    }
    if let Ok(Some(mut manifest)) = ManifestReader::open(path)
        && let Some(Ok(Entry::Head(head))) = manifest.next()
    {
        return match head.format.as_str() {
            "mbox" => Some(ImportFormat::Mbox),
            "eml" => Some(ImportFormat::Eml),
            "maildir" => Some(ImportFormat::Maildir),
            _ => None,
        };
    }
    look(path, 0, &mut LOOKED_AT_MAX.clone())
}

fn look(folder: &Path, depth: usize, left: &mut usize) -> Option<ImportFormat> {
    if maildir::looks_like_one(folder) {
        return Some(ImportFormat::Maildir);
    }
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).ok()?.flatten() {
        *left = left.checked_sub(1)?;
        let kind = entry.file_type().ok()?;
        let path = entry.path();
        if kind.is_dir() {
            folders.push(path);
        } else if kind.is_file() && tree::has_end(&path, "eml") {
            return Some(ImportFormat::Eml);
        } else if kind.is_file() && mbox::looks_like_one(&path) {
            return Some(ImportFormat::Mbox);
        }
    }
    folders.sort();
    folders.iter().filter(|_| depth < DEPTH_MAX).find_map(|folder| look(folder, depth + 1, left))
}
