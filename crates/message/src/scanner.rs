//! The push parser: takes a message in pieces of any size and finds where its parts are.
//!
//! It works by lines and holds, whatever the message's size, one header block up to its limit, the beginning of one
//! line, the boundaries that are open, and what is described of each part. Bodies are only counted. Invariants:
//! - Only whole lines decide anything, so how the message is cut into pieces changes nothing.
//! - `open` holds the parts that are not ended, outermost first; `boundaries` those of them that may still be delimited.
//! - A multipart or a message always gets a part inside it, so IMAP's grammar can always be written.

use crate::boundary::{self, Boundary, Delimiter};
use crate::describe::{Context, Describer};
use crate::envelope::{self, Head};
use crate::limits::{self, DELIMITER_LINE_BYTES_MAX, PART_HEADER_BYTES_MAX};
use crate::scanned::Scanned;
use crate::structure::{Encoding, Kind, Leaf, Part, Structure, TextKind};
use crate::summary::Summary;
use memchr::{memchr, memchr_iter};
use model::limits::{HEADER_BYTES_MAX, MIME_DEPTH_MAX};

/// What the current line can still be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Nothing of it was seen.
    Start,
    /// It may be a delimiter or the empty line: `head` holds what was seen of it.
    Candidate,
    /// It is neither.
    Plain,
}

/// Where in a part the current line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    Body,
}

/// A part that is not ended.
#[derive(Debug, Clone, Copy)]
struct Open {
    part: usize,
    /// Line feeds before its header, or once that ended before its body.
    newlines: u64,
    digest: bool,
    /// It is the top part of a message that is inside another.
    embedded: bool,
}

/// A place in the message between two lines.
#[derive(Debug, Clone, Copy)]
struct Mark {
    offset: u64,
    /// Line feeds before it.
    newlines: u64,
}

/// Where the next octet is, as far as whole lines have decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inside {
    /// The innermost part.
    part: usize,
    /// In that part's header block.
    pub(crate) header: bool,
    /// In that part's body, which is a leaf labelled `binary`.
    pub(crate) binary: bool,
}

/// Reads a message in pieces and describes it.
#[derive(Debug)]
pub struct Scanner {
    /// What was read.
    read: Mark,
    /// The last octet that was read.
    previous: u8,
    line: Line,
    line_start: u64,
    /// Octets of the line end before the current line: 2, 1, or 0 in the first line.
    line_end_bytes: u64,
    /// What was seen of a candidate line.
    head: Vec<u8>,
    place: Place,
    /// The header block that is being read, up to `header_bytes_max`.
    header: Vec<u8>,
    header_bytes_max: usize,
    open: Vec<Open>,
    boundaries: Vec<Boundary>,
    parts: Vec<Part>,
    describer: Describer,
    envelope: Vec<u8>,
    summary: Summary,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    /// At the first octet of a message.
    pub fn new() -> Self {
        let mut scanner = Self {
            read: Mark { offset: 0, newlines: 0 },
            previous: 0,
            line: Line::Start,
            line_start: 0,
            line_end_bytes: 0,
            head: Vec::new(),
            place: Place::Header,
            header: Vec::new(),
            header_bytes_max: HEADER_BYTES_MAX,
            open: Vec::new(),
            boundaries: Vec::new(),
            parts: Vec::new(),
            describer: Describer::default(),
            envelope: Vec::new(),
            summary: Summary::default(),
        };
        scanner.open_part(scanner.read, false);
        scanner
    }

    /// Reads the next piece.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            let used = match self.line {
                Line::Start => {
                    self.line_start = self.read.offset;
                    self.line = if self.decides(*first) { Line::Candidate } else { Line::Plain };
                    0
                }
                Line::Candidate => self.read_candidate(rest),
                Line::Plain => self.read_plain(rest),
            };
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// The message is whole.
    pub fn finish(mut self) -> Scanned {
        let head = std::mem::take(&mut self.head);
        match boundary::find(&self.boundaries, &head).filter(|_| self.line == Line::Candidate) {
            // No line end follows, so no part can.
            Some(delimiter) => self.end_parts(delimiter),
            None => self.keep(&head),
        }
        self.close_above(0, self.read);
        Structure::link_embedded(&mut self.parts);
        let structure = Structure { size: self.read.offset, parts: self.parts };
        Scanned::new(structure, self.describer, self.envelope, self.summary)
    }

    /// Where the next octet is.
    pub(crate) fn inside(&self) -> Inside {
        let part = self.open.last().map_or(0, |open| open.part);
        let header = self.place == Place::Header;
        let kind = self.parts.get(part).map(|part| &part.kind);
        let binary = matches!(kind, Some(Kind::Leaf(leaf)) if leaf.encoding == Encoding::Binary);
        Inside { part, header, binary: binary && !header }
    }

    /// Octets of the current header block that are looked at.
    pub(crate) fn header_bytes_max(&self) -> usize {
        self.header_bytes_max
    }

    /// Whether this line, with or without its line end, is a delimiter here.
    pub(crate) fn is_delimiter(&self, line: &[u8]) -> bool {
        boundary::find(&self.boundaries, line).is_some()
    }

    /// Whether a line that begins so may be more than content.
    pub(crate) fn decides(&self, first: u8) -> bool {
        match first {
            b'-' => !self.boundaries.is_empty(),
            b'\r' | b'\n' => self.place == Place::Header,
            _ => false,
        }
    }

    /// Reads whole lines of content, up to one that may be more.
    fn read_plain(&mut self, bytes: &[u8]) -> usize {
        if self.place == Place::Body && self.boundaries.is_empty() {
            // Nothing can follow but the end of the message.
            self.read.newlines += memchr_iter(b'\n', bytes).count() as u64;
            self.advance(bytes);
            return bytes.len();
        }
        for newline in memchr_iter(b'\n', bytes) {
            self.read.newlines += 1;
            let end = newline + 1;
            if bytes.get(end).is_none_or(|next| self.decides(*next)) {
                let before = newline.checked_sub(1).and_then(|index| bytes.get(index)).unwrap_or(&self.previous);
                self.line_end_bytes = if *before == b'\r' { 2 } else { 1 };
                self.line = Line::Start;
                self.take(bytes.get(..end).unwrap_or_default());
                return end;
            }
        }
        self.take(bytes);
        bytes.len()
    }

    /// Reads more of a line that may be a delimiter or the empty line.
    fn read_candidate(&mut self, bytes: &[u8]) -> usize {
        let newline = memchr(b'\n', bytes);
        let used = newline.map_or(bytes.len(), |index| index + 1);
        let piece = bytes.get(..used).unwrap_or_default();
        let mut head = std::mem::take(&mut self.head);
        if head.len() + used > DELIMITER_LINE_BYTES_MAX {
            self.keep(&head);
            self.line = Line::Plain;
            head.clear();
            self.head = head;
            return 0;
        }
        self.advance(piece);
        if newline.is_none() {
            head.extend_from_slice(piece);
            self.head = head;
            return used;
        }
        if head.is_empty() {
            self.end_line(piece);
        } else {
            head.extend_from_slice(piece);
            self.end_line(&head);
        }
        head.clear();
        self.head = head;
        used
    }

    /// A candidate line is whole: `read` is after it, but for its line feed.
    fn end_line(&mut self, line: &[u8]) {
        self.line = Line::Start;
        if self.place == Place::Header && matches!(line, b"\n" | b"\r\n") {
            self.read.newlines += 1;
            self.end_header(self.read);
        } else if let Some(delimiter) = boundary::find(&self.boundaries, line) {
            self.end_parts(delimiter);
            self.read.newlines += 1;
            // Ending the parts may have used up the room for more: then nothing is delimited any longer.
            if !delimiter.closes && !self.boundaries.is_empty() {
                self.open_part(self.read, false);
            }
        } else {
            self.read.newlines += 1;
            self.keep(line);
        }
        self.line_end_bytes = if line.ends_with(b"\r\n") { 2 } else { 1 };
    }

    fn take(&mut self, bytes: &[u8]) {
        self.keep(bytes);
        self.advance(bytes);
    }

    fn advance(&mut self, bytes: &[u8]) {
        self.read.offset += bytes.len() as u64;
        self.previous = bytes.last().copied().unwrap_or(self.previous);
    }

    /// Keeps what belongs to a header block, up to the limit.
    fn keep(&mut self, bytes: &[u8]) {
        if self.place == Place::Header {
            let room = self.header_bytes_max.saturating_sub(self.header.len());
            self.header.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
    }

    /// A part begins. When there is no room for it, it is all the rest of the message.
    fn open_part(&mut self, at: Mark, embedded: bool) {
        let has_room = self.describer.has_room();
        let part = self.add_part(at, Kind::Leaf(Leaf::default()));
        self.open.push(Open { part, newlines: at.newlines, digest: false, embedded });
        self.header.clear();
        if has_room {
            self.place = Place::Header;
        } else {
            self.describer.add_opaque();
            self.place = Place::Body;
            self.boundaries.clear();
        }
    }

    fn add_part(&mut self, at: Mark, kind: Kind) -> usize {
        let here = at.offset..at.offset;
        self.parts.push(Part { header: here.clone(), body: here, lines: 0, kind, embedded: None, next: 0 });
        self.parts.len() - 1
    }

    /// The header block of the innermost part ends here.
    fn end_header(&mut self, at: Mark) {
        self.place = Place::Body;
        let depth = self.open.len();
        let in_digest = self.open.iter().rev().nth(1).is_some_and(|around| around.digest);
        let Some(open) = self.open.last_mut() else { return };
        let context = Context { embedded: open.embedded, in_digest, deepest: depth >= MIME_DEPTH_MAX };
        let mut header = std::mem::take(&mut self.header);
        if header.len() >= self.header_bytes_max {
            // The last line may be cut: what is half there is not described.
            header.truncate(memchr::memrchr(b'\n', &header).map_or(0, |newline| newline + 1));
        }
        if open.part == 0 {
            let head = Head::new(&header);
            envelope::write(&mut self.envelope, &head, limits::ENVELOPE);
            self.summary = Summary::new(&head);
            self.header_bytes_max = PART_HEADER_BYTES_MAX;
        }
        let found = self.describer.add(&header, context);
        header.clear();
        self.header = header;
        open.newlines = at.newlines;
        open.digest = found.digest;
        let message = found.kind == Kind::Message;
        if let Some(part) = self.parts.get_mut(open.part) {
            part.header.end = at.offset;
            part.body = at.offset..at.offset;
            part.kind = found.kind;
        }
        if let Some(text) = found.boundary {
            self.boundaries.push(Boundary { text, depth });
        }
        if message {
            self.open_part(at, true);
        }
    }

    /// A delimiter line begins at `line_start`: it ends every part inside its multipart.
    fn end_parts(&mut self, delimiter: Delimiter) {
        let Some(boundary) = self.boundaries.get(delimiter.boundary) else { return };
        let depth = boundary.depth;
        // The line end before the delimiter is part of it (RFC 2046 §5.1.1).
        let end = Mark {
            offset: self.line_start - self.line_end_bytes,
            newlines: self.read.newlines - self.line_end_bytes.min(1),
        };
        self.close_above(depth, end);
        self.boundaries.truncate(delimiter.boundary + usize::from(!delimiter.closes));
        self.place = Place::Body;
    }

    /// Ends every open part but the outermost `depth` at `end`, or where its body begins if that is later.
    fn close_above(&mut self, depth: usize, end: Mark) {
        let mut end = end;
        while self.place == Place::Header && self.open.len() > depth {
            end = self.not_before_innermost(end);
            self.end_header(end);
        }
        while self.open.len() > depth {
            end = self.not_before_innermost(end);
            let Some(open) = self.open.pop() else { return };
            self.end_part(open, end);
        }
    }

    /// `end`, but not before the header or body that the innermost part is in began.
    fn not_before_innermost(&self, end: Mark) -> Mark {
        let Some(open) = self.open.last() else { return end };
        let start = self.parts.get(open.part).map_or(0, |part| part.body.start);
        if start > end.offset { Mark { offset: start, newlines: open.newlines } } else { end }
    }

    fn end_part(&mut self, open: Open, end: Mark) {
        let alone = open.part + 1 == self.parts.len();
        let Some(part) = self.parts.get_mut(open.part) else { return };
        let start = part.body.start;
        part.body.end = end.offset;
        part.lines = end.newlines - open.newlines;
        let lines = part.lines;
        if alone && part.kind == Kind::Multipart {
            // Its boundary never came: all there is is one part of plain text without a header.
            let leaf = Leaf { text: Some(TextKind::Plain), ..Leaf::default() };
            let only = self.add_part(Mark { offset: start, newlines: 0 }, Kind::Leaf(leaf));
            let next = self.parts.len() as u32;
            if let Some(only) = self.parts.get_mut(only) {
                only.body.end = end.offset;
                only.lines = lines;
                only.next = next;
            }
            self.describer.add_plain();
        }
        let next = self.parts.len() as u32;
        if let Some(part) = self.parts.get_mut(open.part) {
            part.next = next;
        }
    }
}
