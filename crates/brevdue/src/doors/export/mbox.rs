//! mboxrd: a file of each folder. Octets stay as they are, with their CRLF; lines that look like the beginning of a message
//! are quoted, and a block of fields in front of each message says what an mbox has no place for (`docs/formats/export.md`).

use super::sink::Sink;
use crate::doors::manifest::{FolderEntry, ManifestWriter, Whole};
use crate::doors::names;
use crate::doors::piece::{Folder, Message};
use crate::doors::place::{new_file, new_folder};
use crate::doors::quote::Quoter;
use crate::failure::Failure;
use model::{Flag, Flags, Keyword};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Octets of keywords on one line: RFC 5322 §2.1.1 lets a line have 998.
const KEYWORDS_LINE_BYTES_MAX: usize = 900;

/// The files.
pub struct Mbox {
    root: PathBuf,
    manifest: ManifestWriter,
    out: Option<BufWriter<File>>,
    quoter: Quoter,
    /// The last octet that was written of the message.
    last: u8,
}

impl Mbox {
    /// Begins in an empty folder.
    pub fn create(root: &Path, address: &str) -> io::Result<Self> {
        let manifest = ManifestWriter::create(root, "mbox", address)?;
        Ok(Self { root: root.to_owned(), manifest, out: None, quoter: Quoter::default(), last: 0 })
    }

    fn out(&mut self) -> io::Result<&mut BufWriter<File>> {
        self.out.as_mut().ok_or_else(|| io::Error::other("a message without a folder"))
    }

    fn close(&mut self) -> io::Result<()> {
        self.out.take().map_or(Ok(()), |mut out| out.flush())
    }
}

impl Sink for Mbox {
    fn folder(&mut self, folder: &Folder) -> Result<(), Failure> {
        self.close()?;
        let path = format!("{}.mbox", names::levels(&folder.name).collect::<Vec<_>>().join("/"));
        let file = self.root.join(&path);
        if let Some(above) = file.parent() {
            new_folder(above)?;
        }
        self.out = Some(BufWriter::new(new_file(&file)?));
        self.manifest.folder(FolderEntry {
            folder: folder.name.clone(),
            path,
            special_use: folder.special_use.map(|special_use| special_use.name().to_owned()),
            subscribed: folder.subscribed,
        })?;
        Ok(())
    }

    fn begin(&mut self, message: Message) -> Result<(), Failure> {
        let block = block(&message);
        self.out()?.write_all(block.as_bytes())?;
        self.manifest.count(message.size);
        self.last = b'\n';
        Ok(())
    }

    fn data(&mut self, data: &[u8]) -> Result<(), Failure> {
        let Some(out) = self.out.as_mut() else { return Err(Failure::refused("a message without a folder")) };
        self.quoter.write(out, data)?;
        self.last = data.last().copied().unwrap_or(self.last);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        let Some(out) = self.out.as_mut() else { return Err(Failure::refused("a message without a folder")) };
        self.quoter.end(out)?;
        // The next `From ` begins a line, behind an empty one.
        out.write_all(if self.last == b'\n' { b"\n" } else { b"\n\n" })?;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Whole, Failure> {
        self.close()?;
        Ok(self.manifest.finish()?)
    }
}

/// What stands in front of a message: its `From ` line (in UTC), and the fields that are not the message's own. The first of
/// them says how many they are.
fn block(message: &Message) -> String {
    let when = jiff::Timestamp::from_millisecond(message.internal_date_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let from = when.strftime("From MAILER-DAEMON %a %b %e %H:%M:%S %Y\n").to_string();
    let mut fields = vec![
        format!("Status: {}O\r\n", if message.flags.has(Flag::Seen) { "R" } else { "" }),
        format!("X-Status: {}\r\n", letters(message.flags)),
    ];
    fields.extend(keyword_lines(&message.keywords));
    format!(
        "{from}X-Brevdue-Mbox: fields={} size={} date={}\r\n{}",
        fields.len(),
        message.size,
        message.internal_date_ms,
        fields.concat()
    )
}

fn letters(flags: Flags) -> String {
    let letter = |flag: Flag| match flag {
        Flag::Answered => Some('A'),
        Flag::Flagged => Some('F'),
        Flag::Deleted => Some('D'),
        Flag::Draft => Some('T'),
        Flag::Seen => None,
    };
    flags.iter().filter_map(letter).collect()
}

fn keyword_lines(keywords: &[Keyword]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for keyword in keywords {
        if !line.is_empty() && line.len() + keyword.as_str().len() > KEYWORDS_LINE_BYTES_MAX {
            lines.push(format!("X-Keywords:{line}\r\n"));
            line.clear();
        }
        line.push(' ');
        line.push_str(keyword.as_str());
    }
    if !line.is_empty() {
        lines.push(format!("X-Keywords:{line}\r\n"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_says_what_it_is() {
        let message = Message {
            uid: 1,
            uid_validity: 1,
            flags: Flags::NONE.with(Flag::Seen).with(Flag::Draft),
            keywords: vec![Keyword::parse("$Forwarded").unwrap(), Keyword::parse("work").unwrap()],
            internal_date_ms: 1_700_000_000_123,
            size: 42,
        };
        assert_eq!(
            block(&message),
            "From MAILER-DAEMON Tue Nov 14 22:13:20 2023\nX-Brevdue-Mbox: fields=3 size=42 date=1700000000123\r\n\
             Status: RO\r\nX-Status: T\r\nX-Keywords: $Forwarded work\r\n"
        );
        let many: Vec<_> = (0..40).map(|n| Keyword::parse(&format!("{n:050}")).unwrap()).collect();
        let lines = keyword_lines(&many);
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.len() < 998));
    }
}
