//! Proves a file sound, a bounded step at a time, beside whoever works with it: the log, every page, the engine's own check,
//! references, counters, UIDs and mod-sequences, contents against their digests, the text index against the texts.
//!
//! Invariants: a check has a reading connection of its own, which has read nothing before, so that every page comes from the
//! file. What is compared with each other is read in one transaction, so that a writer beside the check is no finding. Between
//! two steps nothing is locked. Damage ends a part of the check, never the check.

mod contents;
mod engine;
mod finding;
mod index;
mod pages;
mod rules;
mod sealed;

pub use finding::Finding;

use crate::disk::Disk;
use crate::engine::{Access, Options};
use crate::error::Error;
use crate::log::LogWalk;
use crate::mark::Mark;
use crate::reader::Reader;
use crate::schema::{QUEUE, WAITING};
use finding::Findings;
use model::{MailboxId, QueueId};
use rusqlite::InterruptHandle;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use vault::{FileKey, MailboxKey};

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Log and pages: whether every octet is as it was written.
    Pages,
    /// Also whether rows agree with each other.
    Rows,
    /// Also whether the contents have their digests, and the text index the texts' words: reads and decodes everything.
    Everything,
}

/// What a step looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Frames of the log.
    Log,
    /// Pages of the file.
    Pages,
    /// The engine's own check.
    Engine,
    /// Rows that refer to each other.
    Rows,
    /// Which contents are named how often.
    Contents,
    /// Octets of contents.
    Octets,
    /// The text index.
    Index,
}

impl Part {
    /// A word for people and programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Pages => "pages",
            Self::Engine => "engine",
            Self::Rows => "rows",
            Self::Contents => "contents",
            Self::Octets => "octets",
            Self::Index => "index",
        }
    }
}

/// What a step found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckStep {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What was looked at.
    pub part: Part,
    /// How much of the part is behind.
    pub at: u64,
    /// How much there is of it; it may grow.
    pub of: u64,
    /// Nothing is left.
    pub done: bool,
}

/// A part of the check, and how far it is.
enum Stage {
    Log { walk: Box<LogWalk>, restarts: u8 },
    Pages { next: u64 },
    Engine,
    References,
    Rules { next: usize },
    Folders { after: i64, counted: u64 },
    Contents { after: i64 },
    Octets { after: i64 },
    Index { after: i64 },
    Deliveries { after: i64 },
    Entries { after: i64 },
    Destinations { after: i64 },
}

/// A check under way.
pub struct Checker {
    /// Why there is none: the file does not open.
    reader: Result<Reader, Error>,
    cursor: Cursor,
}

/// What is left to check.
pub(crate) struct Cursor {
    path: PathBuf,
    disk: &'static dyn Disk,
    stages: VecDeque<Stage>,
    findings: Findings,
}

/// Ends a step that is under way, from another thread.
pub struct Interrupter(Option<InterruptHandle>);

impl Interrupter {
    /// The step fails with [`Error::Interrupted`]; without one nothing happens.
    pub fn interrupt(&self) {
        if let Some(handle) = &self.0 {
            handle.interrupt();
        }
    }
}

impl Checker {
    /// Begins to check a file that nobody writes to, or that this process's writer has open. That it is too damaged to be opened
    /// is a finding.
    ///
    /// # Errors
    /// As [`Reader::open`], but for damage: [`Error::WrongKey`] is what a first page says that is damaged, or another's.
    pub fn open(path: &Path, key: &MailboxKey, id: &MailboxId, options: &Options, depth: Depth) -> Result<Self, Error> {
        let open = Reader::open(path, key, id, options);
        Self::begin(open, &key.raw_key(), options, Cursor::new(path, options.disk, depth))
    }

    /// Begins to check a waiting-mail file: log and pages, unless only those are asked for also whether messages have all of their
    /// parts, and with everything trees and references. What is in it is sealed, and opens or does not when its owner comes.
    ///
    /// # Errors
    /// As [`Checker::open`].
    pub fn waiting(
        path: &Path,
        key: &FileKey,
        id: &MailboxId,
        disk: &'static dyn Disk,
        depth: Depth,
    ) -> Result<Self, Error> {
        let options = Options { disk, ..Options::default() };
        let open = crate::engine::open(path, &key.raw_key(), &options, Access::Read).and_then(|connection| {
            // One of an earlier schema is brought up to date when it is next used, and is no finding.
            WAITING.check_any(&connection)?;
            crate::waiting::check_id(&connection, id)?;
            Ok(Reader::of(connection, path, disk))
        });
        let rows = [Stage::Deliveries { after: 0 }];
        Self::begin(open, &key.raw_key(), &options, Cursor::sealed(path, disk, depth, rows))
    }

    /// Begins to check a queue file, as [`Checker::waiting`].
    ///
    /// # Errors
    /// As [`Checker::open`].
    pub fn queue(
        path: &Path,
        key: &FileKey,
        id: &QueueId,
        disk: &'static dyn Disk,
        depth: Depth,
    ) -> Result<Self, Error> {
        let options = Options { disk, ..Options::default() };
        let open = crate::engine::open(path, &key.raw_key(), &options, Access::Read).and_then(|connection| {
            QUEUE.check_any(&connection)?;
            crate::queue::check_id(&connection, id)?;
            Ok(Reader::of(connection, path, disk))
        });
        let rows = [Stage::Entries { after: 0 }, Stage::Destinations { after: 0 }];
        Self::begin(open, &key.raw_key(), &options, Cursor::sealed(path, disk, depth, rows))
    }

    /// What cannot be opened as it is meant to be is at least read page by page, if its first page can be.
    fn begin(open: Result<Reader, Error>, raw_key: &str, options: &Options, mut cursor: Cursor) -> Result<Self, Error> {
        let error = match open {
            Err(error) if error.is_damage() => error,
            Err(error) => return Err(error),
            Ok(reader) => return Ok(Self { reader: Ok(reader), cursor }),
        };
        let reader = match crate::engine::open(&cursor.path, raw_key, options, Access::Pages) {
            Ok(connection) => {
                cursor.findings.add(Finding::new(format!("the file does not open: {error}")));
                cursor.stages.retain(|stage| matches!(stage, Stage::Log { .. } | Stage::Pages { .. }));
                Ok(Reader::of(connection, &cursor.path, options.disk))
            }
            Err(_) => Err(error),
        };
        Ok(Self { reader, cursor })
    }

    /// For a file that nobody writes to: also the end of its log is looked at, and whether the file has all that its mark says.
    ///
    /// # Errors
    /// Of the disk.
    pub fn alone(mut self) -> Result<Self, Error> {
        let Ok(reader) = &self.reader else { return Ok(self) };
        let cursor = &mut self.cursor;
        let bad = crate::log::damage(cursor.disk, &cursor.path).map_err(|error| Error::io("reading the log", error))?;
        bad.into_iter().for_each(|bad| cursor.findings.add(pages::bad_frame(bad)));
        let changes = reader.connection.query_row("SELECT changes FROM mailbox", [], |row| row.get(0));
        let required =
            changes.map_err(Error::from).and_then(|changes| Mark::of(cursor.disk, &cursor.path).require(changes));
        if let Err(error) = required {
            cursor.findings.add(Finding::new(error.to_string()));
        }
        Ok(self)
    }

    /// What ends a step that takes long.
    pub fn interrupter(&self) -> Interrupter {
        Interrupter(self.reader.as_ref().ok().map(|reader| reader.connection.get_interrupt_handle()))
    }

    /// Looks at some more. After the last step there is nothing left, and every further one says so.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Interrupted`] and the like: the step can be tried again.
    pub fn step(&mut self) -> Result<CheckStep, Error> {
        match &self.reader {
            Ok(reader) => self.cursor.step(reader),
            Err(error) => self.cursor.unopened(error),
        }
    }
}

impl Cursor {
    /// Log and pages, which every file has.
    fn octets(path: &Path, disk: &'static dyn Disk) -> Self {
        let log = Stage::Log { walk: Box::new(LogWalk::new(path, None)), restarts: 0 };
        let stages = VecDeque::from([log, Stage::Pages { next: 1 }]);
        Self { path: path.to_owned(), disk, stages, findings: Findings::default() }
    }

    /// A file whose contents say nothing without a key that is elsewhere.
    fn sealed(path: &Path, disk: &'static dyn Disk, depth: Depth, rows: impl IntoIterator<Item = Stage>) -> Self {
        let mut cursor = Self::octets(path, disk);
        if depth != Depth::Pages {
            cursor.stages.extend(rows);
        }
        if depth == Depth::Everything {
            cursor.stages.extend([Stage::References, Stage::Engine]);
        }
        cursor
    }

    fn new(path: &Path, disk: &'static dyn Disk, depth: Depth) -> Self {
        let mut cursor = Self::octets(path, disk);
        let stages = &mut cursor.stages;
        if depth != Depth::Pages {
            stages.extend([Stage::References, Stage::Rules { next: 0 }, Stage::Folders { after: 0, counted: 0 }]);
        }
        if depth == Depth::Everything {
            stages.extend([
                Stage::Engine,
                Stage::Contents { after: 0 },
                Stage::Octets { after: 0 },
                Stage::Index { after: 0 },
            ]);
        }
        cursor
    }

    /// The one step of a file that does not open.
    fn unopened(&mut self, error: &Error) -> Result<CheckStep, Error> {
        if !self.stages.is_empty() {
            self.stages.clear();
            let bad = crate::log::damage(self.disk, &self.path).map_err(|error| Error::io("reading the log", error))?;
            bad.into_iter().for_each(|bad| self.findings.add(pages::bad_frame(bad)));
            self.findings.add(Finding::new(format!("the file does not open: {error}")));
        }
        Ok(CheckStep { findings: self.findings.take(), part: Part::Log, at: 1, of: 1, done: true })
    }

    fn step(&mut self, reader: &Reader) -> Result<CheckStep, Error> {
        let Some(stage) = self.stages.front_mut() else {
            return Ok(CheckStep { findings: Vec::new(), part: Part::Index, at: 0, of: 0, done: true });
        };
        let (connection, findings) = (&reader.connection, &mut self.findings);
        let progress = match stage {
            Stage::Log { walk, restarts } => {
                pages::log(connection, self.disk, &self.path, walk, restarts, findings).map(|at| (Part::Log, at))
            }
            Stage::Pages { next } => pages::pages(connection, next, findings).map(|at| (Part::Pages, at)),
            Stage::Engine => engine::check(connection, findings).map(|at| (Part::Engine, at)),
            Stage::References => engine::references(connection, findings).map(|at| (Part::Rows, at)),
            Stage::Rules { next } => rules::rule(connection, next, findings).map(|at| (Part::Rows, at)),
            Stage::Folders { after, counted } => {
                reader.snapshot(|c| rules::folder(c, after, counted, findings)).map(|at| (Part::Rows, at))
            }
            Stage::Contents { after } => {
                reader.snapshot(|c| contents::named(c, after, findings)).map(|at| (Part::Contents, at))
            }
            Stage::Octets { after } => contents::octets(reader, after, findings).map(|at| (Part::Octets, at)),
            Stage::Index { after } => index::emails(reader, after, findings).map(|at| (Part::Index, at)),
            Stage::Deliveries { after } => {
                reader.snapshot(|c| sealed::deliveries(c, after, findings)).map(|at| (Part::Rows, at))
            }
            Stage::Entries { after } => {
                reader.snapshot(|c| sealed::entries(c, after, findings)).map(|at| (Part::Rows, at))
            }
            Stage::Destinations { after } => {
                reader.snapshot(|c| sealed::destinations(c, after, findings)).map(|at| (Part::Rows, at))
            }
        };
        let part = stage.part();
        let (part, At { at, of, done }) = match progress {
            Ok(progress) => progress,
            Err(error) if error.is_damage() => {
                // The rest of this part is out of reach.
                findings.add(Finding::new(format!("the rest of {} cannot be checked: {error}", part.name())));
                (part, At { at: 0, of: 0, done: true })
            }
            Err(error) => return Err(error),
        };
        if done {
            self.stages.pop_front();
            if part == Part::Pages && self.findings.len() > 0 {
                // It would stop at the first page that fails, and name all behind it.
                self.stages.retain(|stage| !matches!(stage, Stage::Engine));
            }
        }
        if self.findings.is_full() {
            self.stages.clear();
        }
        Ok(CheckStep { findings: self.findings.take(), part, at, of, done: self.stages.is_empty() })
    }
}

impl Stage {
    const fn part(&self) -> Part {
        match self {
            Self::Log { .. } => Part::Log,
            Self::Pages { .. } => Part::Pages,
            Self::Engine => Part::Engine,
            Self::References
            | Self::Rules { .. }
            | Self::Folders { .. }
            | Self::Deliveries { .. }
            | Self::Entries { .. }
            | Self::Destinations { .. } => Part::Rows,
            Self::Contents { .. } => Part::Contents,
            Self::Octets { .. } => Part::Octets,
            Self::Index { .. } => Part::Index,
        }
    }
}

/// How far a part is.
pub(super) struct At {
    at: u64,
    of: u64,
    done: bool,
}

impl At {
    pub(super) const END: Self = Self { at: 1, of: 1, done: true };

    pub(super) const fn on_the_way(at: u64, of: u64) -> Self {
        Self { at, of, done: false }
    }

    pub(super) const fn end_of(of: u64) -> Self {
        Self { at: of, of, done: true }
    }
}

/// Everything at once, with a connection that is there.
///
/// # Errors
/// [`Error::Damaged`] with the first finding.
pub(crate) fn check(reader: &Reader, path: &Path, disk: &'static dyn Disk) -> Result<(), Error> {
    let mut cursor = Cursor::new(path, disk, Depth::Everything);
    loop {
        let step = cursor.step(reader)?;
        if let Some(finding) = step.findings.first() {
            return Err(Error::damaged(finding.to_string()));
        }
        if step.done {
            return Ok(());
        }
    }
}
