//! Folders of the file system, as sources walk through them: sorted, no link followed, bounded.

use super::{Out, Stopped};
use crate::doors::limits::{DEPTH_MAX, ENTRIES_MAX};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What stands in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its name; octets that are no UTF-8 are taken for ISO 8859-1.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
}

/// The entries of a folder, by name. What cannot be read or is neither file nor folder is reported.
pub fn entries(folder: &Path, depth: usize, out: &Out) -> Result<Vec<Entry>, Stopped> {
    if depth > DEPTH_MAX {
        out.problem(folder, format!("folders are looked into {DEPTH_MAX} deep; import this one by itself"))?;
        return Ok(Vec::new());
    }
    let mut entries = Vec::new();
    let read = match fs::read_dir(folder) {
        Ok(read) => read,
        Err(error) => {
            out.problem(folder, format!("cannot be read: {error}"))?;
            return Ok(entries);
        }
    };
    for entry in read {
        match entry.map_err(|error| (folder.to_owned(), error)).and_then(|entry| read_entry(&entry)) {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) => {}
            Err((path, error)) => out.problem(&path, error)?,
        }
        if entries.len() >= ENTRIES_MAX {
            out.problem(folder, format!("it has more than {ENTRIES_MAX} files; the others are left out"))?;
            break;
        }
    }
    entries.sort();
    Ok(entries)
}

fn read_entry(entry: &fs::DirEntry) -> Result<Option<Entry>, (PathBuf, io::Error)> {
    let path = entry.path();
    let kind = match entry.file_type() {
        Ok(kind) if kind.is_file() => Kind::File,
        Ok(kind) if kind.is_dir() => Kind::Folder,
        Ok(kind) if kind.is_symlink() => {
            return Err((
                path,
                io::Error::other("is a symbolic link, which is not followed; import what it leads to by itself"),
            ));
        }
        Ok(_) => return Ok(None),
        Err(error) => return Err((path, error)),
    };
    Ok(Some(Entry { name: text(&entry.file_name()), path, kind }))
}

fn text(name: &OsStr) -> String {
    match name.to_str() {
        Some(name) => name.to_owned(),
        None => name.as_bytes().iter().map(|&octet| char::from(octet)).collect(),
    }
}

/// A name as a level of a folder's name: what cannot stand in one becomes `_`.
pub fn folder_level(name: &str) -> String {
    let bad = |c: char| c.is_control() || matches!(c, '*' | '%' | '/' | '\u{2028}' | '\u{2029}');
    let level: String = name.chars().map(|c| if bad(c) { '_' } else { c }).collect();
    if level.is_empty() { "_".to_owned() } else { level }
}

/// A name one level down.
pub fn join(above: &str, level: &str) -> String {
    if above.is_empty() { level.to_owned() } else { format!("{above}/{level}") }
}

/// Whether a file's name ends so, in any case.
pub fn has_end(path: &Path, end: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(end))
}
