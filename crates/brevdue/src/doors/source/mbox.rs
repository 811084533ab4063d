//! mbox files: one, or a tree of them, ours (`export::mbox`) and those of others (mboxrd and mboxo; Thunderbird's and Apple
//! Mail's folders). A file is read as it lies there, in lines and pieces of lines, whatever their length.

use super::from_line;
use super::listed;
use super::text::{Each, LineEnds, ReadError, Text, open};
use super::tree::{self, Kind};
use super::{About, Out, Stopped};
use crate::doors::limits::{READ_BYTES, STATUS_LINE_BYTES_MAX};
use crate::doors::quote::{Line, unquote};
use model::{Flag, Keyword};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// Every message of the file, into the folder of `out`.
pub fn file(path: &Path, out: &mut Out) -> Result<(), Stopped> {
    let mut mbox = match Mbox::open(path) {
        Ok(mbox) => mbox,
        Err(error) => return out.problem(path, format!("cannot be read: {error}")),
    };
    let mut next = match mbox.first() {
        Ok(next) => next,
        Err(error) => return out.problem(path, error),
    };
    while let Some(at) = next {
        let origin = format!("{} at octet {at}", path.display());
        let mut text = MboxText { mbox: &mut mbox, at, next: None, about: About::default() };
        out.message(&origin, &mut text)?;
        next = match text.next {
            Some(next) => next,
            // Its end was not found: the file cannot be read on.
            None => return Ok(()),
        };
    }
    Ok(())
}

/// Every mbox of a tree.
pub fn tree(root: &Path, out: &mut Out) -> Result<(), Stopped> {
    if listed::mboxes(root, out)? {
        return Ok(());
    }
    below(root, "", 0, out)
}

fn below(folder: &Path, name: &str, depth: usize, out: &mut Out) -> Result<(), Stopped> {
    for entry in tree::entries(folder, depth, out)? {
        let level = level(&entry.name);
        match entry.kind {
            // Apple Mail: a folder that ends in .mbox, with a file called mbox in it.
            Kind::File if entry.name == "mbox" && !name.is_empty() => {
                out.plain_folder(name.to_owned())?;
                file(&entry.path, out)?;
            }
            Kind::File if looks_like_one(&entry.path) => {
                out.plain_folder(tree::join(name, &level))?;
                file(&entry.path, out)?;
            }
            Kind::File => {}
            Kind::Folder => below(&entry.path, &tree::join(name, &level), depth + 1, out)?,
        }
    }
    Ok(())
}

fn level(name: &str) -> String {
    let stem = [".mbox", ".sbd", ".mbx"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    tree::folder_level(stem)
}

/// Whether a file begins as an mbox does.
pub fn looks_like_one(path: &Path) -> bool {
    let Ok(file) = open(path) else { return false };
    let mut start = Vec::new();
    let read = file.take(1024).read_to_end(&mut start);
    let line = start.split(|&octet| octet == b'\n').next().unwrap_or_default();
    read.is_ok()
        && (from_line::parse(line).is_some() || (start.is_empty() && path.extension().is_some_and(|end| end == "mbox")))
}

/// A file that is read in lines and pieces of them.
struct Mbox {
    reader: BufReader<File>,
    at: u64,
    piece: Vec<u8>,
    /// The piece begins a line.
    starts: bool,
}

impl Mbox {
    fn open(path: &Path) -> io::Result<Self> {
        let reader = BufReader::with_capacity(READ_BYTES, open(path)?);
        Ok(Self { reader, at: 0, piece: Vec::new(), starts: true })
    }

    /// Where the first message begins.
    fn first(&mut self) -> io::Result<Option<u64>> {
        if !self.next()? {
            return Ok(None);
        }
        match from_line::parse(&self.piece) {
            Some(_) => Ok(Some(0)),
            None => Err(io::Error::other("it does not begin as an mbox does, with a line `From `")),
        }
    }

    fn seek(&mut self, at: u64) -> io::Result<()> {
        self.reader.seek(SeekFrom::Start(at))?;
        (self.at, self.starts) = (at, true);
        self.piece.clear();
        Ok(())
    }

    /// The next piece of a line; `false` at the end.
    fn next(&mut self) -> io::Result<bool> {
        self.starts = self.piece.is_empty() || self.piece.ends_with(b"\n");
        self.at += self.piece.len() as u64;
        self.piece.clear();
        (&mut self.reader).take(READ_BYTES as u64).read_until(b'\n', &mut self.piece)?;
        Ok(!self.piece.is_empty())
    }
}

/// A message of the file.
struct MboxText<'a> {
    mbox: &'a mut Mbox,
    at: u64,
    /// Where the next one begins, if there is one; known when this one was read.
    next: Option<Option<u64>>,
    about: About,
}

impl Text for MboxText<'_> {
    fn read(&mut self, each: &mut Each<'_>) -> Result<(), ReadError> {
        self.mbox.seek(self.at)?;
        self.mbox.next()?;
        let came = from_line::parse(&self.mbox.piece).and_then(|line| line.ms);
        let mut walk = Walk { came, ..Walk::default() };
        let next = loop {
            if !self.mbox.next()? {
                break None;
            }
            let piece = &self.mbox.piece;
            if self.mbox.starts && walk.blank.is_some() && from_line::parse(piece).is_some() {
                break Some(self.mbox.at);
            }
            walk.piece(piece, self.mbox.starts, each)?;
        };
        self.next = Some(next);
        walk.end(each)?;
        self.about = walk.about();
        Ok(())
    }

    fn about(&self) -> About {
        self.about.clone()
    }
}

/// Where in a message the reader is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Behind its `From ` line.
    #[default]
    Begin,
    /// So many lines of the block that an export put in front of it.
    Block(usize),
    /// In its header, of which some fields are the mbox's.
    Header,
    /// In one of those fields.
    Status,
    /// In what is the message's alone.
    Body,
}

/// One message that goes by.
#[derive(Default)]
struct Walk {
    stage: Stage,
    /// An empty line that may be what stands in front of the next message.
    blank: Option<&'static [u8]>,
    ends: LineEnds,
    /// `>` that began a line, when a whole piece was nothing else.
    quotes: u64,
    /// An export said how many octets it has.
    size: Option<u64>,
    passed: u64,
    about: About,
    came: Option<i64>,
    /// What its Date field says.
    sent: Option<i64>,
}

impl Walk {
    fn piece(&mut self, piece: &[u8], starts: bool, each: &mut Each<'_>) -> Result<(), ReadError> {
        if let Some(blank) = self.blank.take() {
            self.pass(blank, each)?;
        }
        if self.is_mboxs(piece, starts) {
            return Ok(());
        }
        if starts && let Some(blank) = blank(piece) {
            self.blank = Some(blank);
            if self.stage == Stage::Header {
                self.stage = Stage::Body;
            }
            return Ok(());
        }
        self.line(piece, starts, each)
    }

    /// Takes the lines that are the mbox's and not the message's.
    fn is_mboxs(&mut self, piece: &[u8], starts: bool) -> bool {
        if self.stage == Stage::Begin {
            self.stage = match own(piece) {
                Some((fields, size, date)) => {
                    (self.size, self.came) = (Some(size), Some(date));
                    if fields == 0 { Stage::Body } else { Stage::Block(fields) }
                }
                None => Stage::Header,
            };
            if self.size.is_some() {
                return true;
            }
        }
        match self.stage {
            Stage::Block(left) => {
                self.status(piece);
                if piece.ends_with(b"\n") {
                    self.stage = if left == 1 { Stage::Body } else { Stage::Block(left - 1) };
                }
                true
            }
            Stage::Status if !starts || piece.first().is_some_and(|&octet| octet == b' ' || octet == b'\t') => true,
            Stage::Status | Stage::Header => {
                let status = starts && self.status(piece);
                self.stage = if status { Stage::Status } else { Stage::Header };
                status
            }
            Stage::Begin | Stage::Body => false,
        }
    }

    fn line(&mut self, piece: &[u8], starts: bool, each: &mut Each<'_>) -> Result<(), ReadError> {
        let only_quotes = piece.iter().all(|&octet| octet == b'>');
        if only_quotes && (starts || self.quotes > 0) {
            self.quotes += piece.len() as u64;
            return Ok(());
        }
        let quotes = std::mem::take(&mut self.quotes);
        if quotes == 0 {
            return match unquote(piece) {
                Line::Text(text) if starts => self.pass(text, each),
                Line::Text(_) | Line::From => self.pass(piece, each),
            };
        }
        let quoted = match unquote(piece) {
            Line::From => true,
            Line::Text(text) => text.len() < piece.len(),
        };
        for _ in u64::from(quoted)..quotes {
            self.pass(b">", each)?;
        }
        self.pass(piece, each)
    }

    fn pass(&mut self, data: &[u8], each: &mut Each<'_>) -> Result<(), ReadError> {
        let Some(size) = self.size else { return self.ends.pass(data, each) };
        let room = usize::try_from(size - self.passed).unwrap_or(usize::MAX);
        let data = data.get(..room.min(data.len())).unwrap_or_default();
        self.passed += data.len() as u64;
        if data.is_empty() { Ok(()) } else { each(data) }
    }

    fn end(&mut self, each: &mut Each<'_>) -> Result<(), ReadError> {
        for _ in 0..std::mem::take(&mut self.quotes) {
            self.pass(b">", each)?;
        }
        let Some(size) = self.size else { return Ok(()) };
        if let Some(blank) = self.blank.take() {
            self.pass(blank, each)?;
        }
        if self.passed < size { Err(ReadError::CutOff) } else { Ok(()) }
    }

    fn about(self) -> About {
        About { internal_date_ms: self.came.or(self.sent), ..self.about }
    }

    /// Reads a field that says something of the message; whether it is the mbox's.
    fn status(&mut self, line: &[u8]) -> bool {
        let line = line.get(..line.len().min(STATUS_LINE_BYTES_MAX)).unwrap_or_default();
        let Some(colon) = memchr::memchr(b':', line) else { return false };
        let (name, value) = line.split_at(colon);
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let value = String::from_utf8_lossy(value.get(1..).unwrap_or_default());
        let flags = &mut self.about.flags;
        match name.as_str() {
            "status" if value.contains('R') => *flags = flags.with(Flag::Seen),
            "status" | "x-mozilla-status2" => {}
            "x-status" => {
                let letters = [('A', Flag::Answered), ('F', Flag::Flagged), ('D', Flag::Deleted), ('T', Flag::Draft)];
                let has = letters.iter().filter(|(letter, _)| value.contains(*letter));
                *flags = has.fold(*flags, |flags, (_, flag)| flags.with(*flag));
            }
            "x-keywords" | "x-mozilla-keys" => self.keywords(value.split_ascii_whitespace()),
            "x-mozilla-status" => self.mozilla(u16::from_str_radix(value.trim(), 16).unwrap_or(0)),
            "date" => {
                self.sent = jiff::fmt::rfc2822::DateTimeParser::new()
                    .relaxed_weekday(true)
                    .parse_timestamp(value.trim())
                    .ok()
                    .map(jiff::Timestamp::as_millisecond);
                return false;
            }
            _ => return false,
        }
        true
    }

    fn keywords<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        for keyword in words.filter_map(Keyword::parse) {
            if !self.about.keywords.contains(&keyword) {
                self.about.keywords.push(keyword);
            }
        }
    }

    /// Bits of Thunderbird: read, replied, marked, expunged, forwarded.
    fn mozilla(&mut self, bits: u16) {
        let known = [(1, Flag::Seen), (2, Flag::Answered), (4, Flag::Flagged), (8, Flag::Deleted)];
        for (_, flag) in known.iter().filter(|(bit, _)| bits & bit != 0) {
            self.about.flags = self.about.flags.with(*flag);
        }
        if bits & 0x1000 != 0 {
            self.keywords(["$Forwarded"].into_iter());
        }
    }
}

fn blank(line: &[u8]) -> Option<&'static [u8]> {
    match line {
        b"\n" => Some(b"\n"),
        b"\r\n" => Some(b"\r\n"),
        _ => None,
    }
}

/// The first line of the block that an export puts in front of a message: further lines of it, octets, INTERNALDATE.
fn own(line: &[u8]) -> Option<(usize, u64, i64)> {
    let text = std::str::from_utf8(line).ok()?.strip_prefix("X-Brevdue-Mbox: ")?.trim_end();
    let mut words = text.split(' ');
    let fields = words.next()?.strip_prefix("fields=")?.parse().ok()?;
    let size = words.next()?.strip_prefix("size=")?.parse().ok()?;
    let date = words.next()?.strip_prefix("date=")?.parse().ok()?;
    words.next().is_none().then_some((fields, size, date))
}

#[cfg(test)]
mod tests;
