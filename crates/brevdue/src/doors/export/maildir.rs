//! Maildir++, as Dovecot reads it: INBOX at the top, other folders `.Level.Level` in modified UTF-7, flags as letters of the
//! file's name, keywords as `a` to `z` by `dovecot-keywords`, INTERNALDATE as the file's time. The manifest has what does
//! not fit into these.

use super::eml::Open;
use super::sink::Sink;
use crate::doors::manifest::{FolderEntry, ManifestWriter, Whole};
use crate::doors::names;
use crate::doors::piece::{Folder, Message};
use crate::doors::place::{new_file, new_folder};
use crate::failure::Failure;
use imap::codec::mutf7;
use model::{Flag, Keyword};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Keywords that have a letter.
const LETTERS: usize = 26;
/// The file that says which keyword a letter is.
pub const KEYWORDS_FILE: &str = "dovecot-keywords";

/// The files.
pub struct Maildir {
    root: PathBuf,
    manifest: ManifestWriter,
    /// Of the folder, from the top; empty for INBOX, else with a `/` behind it.
    path: String,
    /// Of the folder, in the order of their letters.
    keywords: Vec<Keyword>,
    open: Option<Open>,
}

impl Maildir {
    /// Begins in an empty folder.
    pub fn create(root: &Path, address: &str) -> io::Result<Self> {
        let manifest = ManifestWriter::create(root, "maildir", address)?;
        Ok(Self { root: root.to_owned(), manifest, path: String::new(), keywords: Vec::new(), open: None })
    }

    fn close(&mut self) -> io::Result<()> {
        let keywords = std::mem::take(&mut self.keywords);
        if keywords.is_empty() {
            return Ok(());
        }
        let mut file = new_file(&self.root.join(format!("{}{KEYWORDS_FILE}", self.path)))?;
        let lines: String = keywords.iter().enumerate().map(|(at, keyword)| format!("{at} {keyword}\n")).collect();
        file.write_all(lines.as_bytes())
    }

    /// Flags and keywords as the letters of a name, in the order that Maildir asks for.
    fn info(&mut self, message: &Message) -> String {
        let mut letters: Vec<char> = message.flags.iter().map(letter).collect();
        letters.extend(
            message.keywords.iter().any(|keyword| keyword.as_str().eq_ignore_ascii_case("$Forwarded")).then_some('P'),
        );
        letters.sort_unstable();
        for keyword in &message.keywords {
            let at = self.keywords.iter().position(|known| known == keyword);
            if at.is_none() && self.keywords.len() < LETTERS {
                self.keywords.push(keyword.clone());
            }
            let at = at.or_else(|| self.keywords.iter().position(|known| known == keyword));
            letters.extend(at.and_then(|at| u8::try_from(at).ok()).map(|at| char::from(b'a' + at)));
        }
        letters.into_iter().collect()
    }
}

const fn letter(flag: Flag) -> char {
    match flag {
        Flag::Draft => 'D',
        Flag::Flagged => 'F',
        Flag::Answered => 'R',
        Flag::Seen => 'S',
        Flag::Deleted => 'T',
    }
}

/// The folder's own folder: a level's dots are no separators.
fn folder_path(name: &str) -> String {
    if name == model::folder::INBOX {
        return String::new();
    }
    let level = |level: String| mutf7::encode(&level.replace('.', "%2E"));
    names::fitting(name, names::levels(name).map(|each| format!(".{}", level(each))).collect()) + "/"
}

impl Sink for Maildir {
    fn folder(&mut self, folder: &Folder) -> Result<(), Failure> {
        self.close()?;
        self.path = folder_path(&folder.name);
        for below in ["cur", "new", "tmp"] {
            new_folder(&self.root.join(format!("{}{below}", self.path)))?;
        }
        if !self.path.is_empty() {
            new_file(&self.root.join(format!("{}maildirfolder", self.path)))?;
        }
        self.manifest.folder(FolderEntry {
            folder: folder.name.clone(),
            path: self.path.trim_end_matches('/').to_owned(),
            special_use: folder.special_use.map(|special_use| special_use.name().to_owned()),
            subscribed: folder.subscribed,
        })?;
        Ok(())
    }

    fn begin(&mut self, message: Message) -> Result<(), Failure> {
        let Message { uid, uid_validity, size, internal_date_ms, .. } = message;
        let seconds = internal_date_ms.div_euclid(1000).max(0);
        let info = self.info(&message);
        // What comes before the colon is the same in every export of the message. W is its size with CRLF, which it has.
        let named = format!("{}cur/{seconds}.V{uid_validity}U{uid}.brevdue,S={size}:2,{info}", self.path);
        self.open = Some(Open::create(&self.root, named, message)?);
        Ok(())
    }

    fn data(&mut self, data: &[u8]) -> Result<(), Failure> {
        match &mut self.open {
            Some(open) => Ok(open.write(data)?),
            None => Err(Failure::refused("octets of no message")),
        }
    }

    fn end(&mut self) -> Result<(), Failure> {
        if let Some(open) = self.open.take() {
            self.manifest.message(open.finish()?)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Whole, Failure> {
        self.close()?;
        Ok(self.manifest.finish()?)
    }
}

#[cfg(test)]
mod tests {
    use super::folder_path;

    #[test]
    fn folders_have_a_folder_each() {
        assert_eq!(folder_path("INBOX"), "");
        assert_eq!(folder_path("Work/v1.2"), ".Work.v1%2E2/");
        assert_eq!(folder_path("Entwürfe"), ".Entw&APw-rfe/");
    }
}
