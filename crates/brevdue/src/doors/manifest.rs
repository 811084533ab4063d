//! The manifest of an export: what files cannot say of folders and messages. One JSON object on each line
//! (`docs/formats/export.md`).

use super::limits::MANIFEST_LINE_BYTES_MAX;
use super::place::new_file;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

/// Name of the file, at the top of an export.
pub const MANIFEST: &str = "brevdue-export.jsonl";
/// The form that this program writes and reads.
pub const VERSION: u32 = 1;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// The first.
    Head(Head),
    /// A folder; what follows is in it.
    Folder(FolderEntry),
    /// A message.
    Message(MessageEntry),
    /// The last; without it the manifest is not whole.
    Whole(Whole),
}

/// What the export is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`VERSION`].
    pub brevdue_export: u32,
    /// `mbox`, `eml` or `maildir`.
    pub format: String,
    /// Whose mailbox it was.
    pub address: String,
    /// When (RFC 3339).
    pub exported: String,
}

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderEntry {
    /// Its name, levels separated by `/`.
    pub folder: String,
    /// The file or folder that holds it, from the top of the export.
    pub path: String,
    /// As IMAP has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub special_use: Option<String>,
    /// Whether it is subscribed to.
    pub subscribed: bool,
}

/// A message that has a file of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageEntry {
    /// The file, from the top of the export.
    pub file: String,
    /// Flags and keywords.
    pub flags: Vec<String>,
    /// INTERNALDATE, milliseconds since 1970-01-01 UTC.
    pub internal_date_ms: i64,
    /// Octets.
    pub size: u64,
    /// Of the octets, in hexadecimal.
    pub sha256: String,
}

/// What there is in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// Folders.
    pub folders: u64,
    /// Messages.
    pub messages: u64,
    /// Their octets.
    pub octets: u64,
}

/// A manifest that is written.
pub struct ManifestWriter {
    out: BufWriter<File>,
    folders: u64,
    messages: u64,
    octets: u64,
}

impl ManifestWriter {
    /// Begins it at the top of the export.
    pub fn create(root: &Path, format: &str, address: &str) -> io::Result<Self> {
        let out = BufWriter::new(new_file(&root.join(MANIFEST))?);
        let mut manifest = Self { out, folders: 0, messages: 0, octets: 0 };
        manifest.line(&Entry::Head(Head {
            brevdue_export: VERSION,
            format: format.to_owned(),
            address: address.to_owned(),
            exported: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }))?;
        Ok(manifest)
    }

    /// A folder.
    pub fn folder(&mut self, entry: FolderEntry) -> io::Result<()> {
        self.folders += 1;
        self.line(&Entry::Folder(entry))
    }

    /// A message that has a file of its own.
    pub fn message(&mut self, entry: MessageEntry) -> io::Result<()> {
        self.count(entry.size);
        self.line(&Entry::Message(entry))
    }

    /// A message that has none.
    pub fn count(&mut self, octets: u64) {
        self.messages += 1;
        self.octets += octets;
    }

    /// Ends it; what it says in all.
    pub fn finish(mut self) -> io::Result<Whole> {
        let whole = Whole { folders: self.folders, messages: self.messages, octets: self.octets };
        self.line(&Entry::Whole(whole.clone()))?;
        self.out.flush()?;
        Ok(whole)
    }

    fn line(&mut self, entry: &Entry) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, entry)?;
        self.out.write_all(b"\n")
    }
}

/// A manifest that is read.
pub struct ManifestReader(BufReader<File>);

impl ManifestReader {
    /// Opens the manifest of an export; `None` where there is none.
    pub fn open(root: &Path) -> io::Result<Option<Self>> {
        match File::open(root.join(MANIFEST)) {
            Ok(file) => Ok(Some(Self(BufReader::new(file)))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Iterator for ManifestReader {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<io::Result<Entry>> {
        let mut line = Vec::new();
        let read = (&mut self.0).take(MANIFEST_LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut line);
        match read {
            Err(error) => Some(Err(error)),
            Ok(0) => None,
            Ok(_) if !line.ends_with(b"\n") => Some(Err(io::Error::other("a line of the manifest is cut off"))),
            Ok(_) => Some(serde_json::from_slice(&line).map_err(io::Error::from)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let root = tempfile::tempdir().unwrap();
        assert!(ManifestReader::open(root.path()).unwrap().is_none());
        let mut writer = ManifestWriter::create(root.path(), "eml", "a@b").unwrap();
        let folder = FolderEntry {
            folder: "Sent".to_owned(),
            path: "Sent".to_owned(),
            special_use: Some("\\Sent".to_owned()),
            subscribed: true,
        };
        let message = MessageEntry {
            file: "Sent/1.eml".to_owned(),
            flags: vec!["\\Seen".to_owned()],
            internal_date_ms: -1,
            size: 7,
            sha256: "00".to_owned(),
        };
        writer.folder(folder.clone()).unwrap();
        writer.message(message.clone()).unwrap();
        let whole = writer.finish().unwrap();
        let read: Vec<Entry> = ManifestReader::open(root.path()).unwrap().unwrap().map(Result::unwrap).collect();
        assert!(matches!(&read[0], Entry::Head(head) if head.brevdue_export == 1 && head.format == "eml"));
        assert_eq!(read[1..], [Entry::Folder(folder), Entry::Message(message), Entry::Whole(whole)]);
    }
}
