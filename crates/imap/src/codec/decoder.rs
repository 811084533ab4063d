//! Cuts the octets of a connection into commands, in bounded memory. What the commands say is left to the cursor, and what to
//! do with a literal to the caller.
//!
//! Invariants: a line that ends in `{n}` or `{n+}` announces a literal wherever it stands, so that client and server agree on
//! where a command ends even when it is malformed (RFC 7888 §4). At most one command is held, never over the limit given, and
//! the message of an APPEND is never held: it is handed on as it comes.

use crate::limits::TAG_BYTES_MAX;
use bytes::{Bytes, BytesMut};

/// Octets of the longest announcement that is looked at: `{` 20 digits `+}` and the line end.
const ANNOUNCEMENT_BYTES_MAX: usize = 25;

/// What stands next in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing whole yet: more octets are needed.
    More,
    /// A whole command, or what follows a streamed literal, without the line end. Literals stand in it as they were sent.
    Command(Bytes),
    /// The text so far announces a literal: answer with [`Decoder::accept`], [`Decoder::stream`] or [`Decoder::refuse`].
    Literal(Announced),
    /// The command was over the limit and has been dropped; this is its start, for the tag.
    Overlong(Bytes),
    /// More would have to be dropped than is worth it: close the connection.
    Hopeless,
}

/// A literal that the client wants to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// Its size; saturates, so an absurd number is merely too big.
    pub octets: u64,
    /// The client waits for a continuation request (a synchronising literal).
    pub waits: bool,
}

/// A line that is no command was over the limit; it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Looking for the end of a line that starts at or before `scanned`.
    Text,
    /// Inside an accepted literal that ends at this place in the buffer.
    Literal(usize),
    /// [`Step::Literal`] was given and not answered yet.
    Asked(Announced),
    /// A literal of which this much is left goes to the caller.
    Streaming(u64),
    /// A refused literal of which this much is left is dropped; the rest of its command follows it into the void.
    SkipLiteral(u64),
    /// Too much would have to be dropped.
    Hopeless,
    /// The rest of a refused command is dropped. `report` says that [`Step::Overlong`] is still to be given.
    SkipText { report: bool },
}

/// How much one command may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of a command with the literals that become part of it.
    pub command_bytes_max: usize,
    /// Octets of a refused command that are read and dropped to stay in step.
    pub skipped_bytes_max: u64,
}

/// The input side of one connection.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    /// Everything before this has been searched for a line end.
    scanned: usize,
    state: State,
    limits: Limits,
    /// Octets dropped of the command at hand.
    skipped: u64,
    /// The start of an overlong command.
    start: Bytes,
}

impl Decoder {
    /// A decoder for commands within these limits.
    pub fn new(limits: Limits) -> Self {
        Self { buffer: BytesMut::new(), scanned: 0, state: State::Text, limits, skipped: 0, start: Bytes::new() }
    }

    /// The limits of the command at hand.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Changes the limits for the commands that follow.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Where octets from the connection are put.
    pub fn input(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Whether the middle of a command has been reached.
    pub fn is_midway(&self) -> bool {
        !self.buffer.is_empty() || self.state != State::Text
    }

    /// Drops all input that has not been looked at, and the memory it took.
    pub fn clear(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Gives back the memory when nothing is in it.
    pub fn shrink(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > 0 {
            self.buffer = BytesMut::new();
        }
    }

    /// The text of the command at hand, up to and including the announcement of a literal.
    pub fn text(&self) -> &[u8] {
        self.buffer.get(..self.scanned).unwrap_or_default()
    }

    /// Looks for what stands next.
    pub fn step(&mut self) -> Step {
        loop {
            match self.state {
                State::Text => match self.line() {
                    Some(step) => return step,
                    None => continue,
                },
                State::Literal(end) => {
                    if self.buffer.len() < end {
                        return Step::More;
                    }
                    self.scanned = end;
                    self.state = State::Text;
                }
                State::Asked(announced) => return Step::Literal(announced),
                State::Hopeless => return Step::Hopeless,
                State::Streaming(0) => self.state = State::Text,
                State::Streaming(_) => return Step::More,
                State::SkipLiteral(left) => {
                    if self.skip(left) {
                        return Step::More;
                    }
                }
                State::SkipText { report } => {
                    if let Some(step) = self.skip_line(report) {
                        return step;
                    }
                }
            }
        }
    }

    /// Takes one line as it is, for what is no command: a SASL response, DONE. `None` until it is whole.
    pub fn raw_line(&mut self) -> Option<Result<Bytes, TooLong>> {
        self.scanned = 0;
        let Some(end) = memchr::memchr(b'\n', &self.buffer) else {
            return (self.buffer.len() > self.limits.command_bytes_max).then(|| {
                self.state = State::SkipText { report: false };
                Err(TooLong)
            });
        };
        let mut line = self.buffer.split_to(end + 1).freeze();
        line.truncate(text_end(&line, end));
        Some(if end > self.limits.command_bytes_max { Err(TooLong) } else { Ok(line) })
    }

    /// The announced literal becomes part of the command's text.
    pub fn accept(&mut self) {
        if let State::Asked(announced) = self.state {
            let octets = usize::try_from(announced.octets).unwrap_or(usize::MAX);
            self.state = State::Literal(self.scanned.saturating_add(octets));
        }
    }

    /// The announced literal is given out by [`Decoder::literal_piece`]; what stood before it is returned. What follows it
    /// comes as a [`Step::Command`] of its own.
    pub fn stream(&mut self) -> Bytes {
        if let State::Asked(announced) = self.state {
            self.state = State::Streaming(announced.octets);
        }
        let head = self.buffer.split_to(self.scanned).freeze();
        self.scanned = 0;
        head
    }

    /// The command that announced the literal is over. The client drops a literal that it waited with; one that is on its
    /// way is read and dropped with the rest of its command (RFC 7888 §4).
    pub fn refuse(&mut self) {
        let State::Asked(announced) = self.state else { return };
        let _ = self.buffer.split_to(self.scanned);
        self.scanned = 0;
        self.skipped = 0;
        self.state = match announced {
            Announced { waits: true, .. } => State::Text,
            Announced { octets, .. } if octets > self.limits.skipped_bytes_max => State::Hopeless,
            Announced { octets, .. } => State::SkipLiteral(octets),
        };
    }

    /// Gives up a literal that is being streamed, with the rest of its command.
    pub fn abandon(&mut self) {
        if let State::Streaming(left) = self.state {
            self.skipped = 0;
            self.state = State::SkipLiteral(left);
        }
    }

    /// Gives up the command at hand wherever it stands: at a literal that is announced, or in one that is streamed. At the
    /// end of a command nothing is given up.
    pub fn give_up(&mut self) {
        self.refuse();
        self.abandon();
    }

    /// Octets of the streamed literal that have not been taken.
    pub fn literal_left(&self) -> u64 {
        if let State::Streaming(left) = self.state { left } else { 0 }
    }

    /// What has arrived of the streamed literal, at most `bytes_max` octets; empty when more must be read first.
    pub fn literal_piece(&mut self, bytes_max: usize) -> Bytes {
        let State::Streaming(left) = self.state else { return Bytes::new() };
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len()).min(bytes_max);
        self.state = State::Streaming(left - take as u64);
        self.buffer.split_to(take).freeze()
    }

    /// Looks for the end of the line at hand; `None` says that the state changed.
    fn line(&mut self) -> Option<Step> {
        let found = self.buffer.get(self.scanned..).and_then(|rest| memchr::memchr(b'\n', rest));
        let Some(end) = found.map(|at| at + self.scanned) else {
            if self.buffer.len() > self.limits.command_bytes_max {
                self.overflow();
                return None;
            }
            self.scanned = self.buffer.len();
            return Some(Step::More);
        };
        if end > self.limits.command_bytes_max {
            self.overflow();
            return None;
        }
        let text = text_end(&self.buffer, end);
        if let Some(announced) = self.buffer.get(..text).and_then(announcement) {
            self.scanned = end + 1;
            self.state = State::Asked(announced);
            return None;
        }
        let mut command = self.buffer.split_to(end + 1).freeze();
        command.truncate(text);
        self.scanned = 0;
        Some(Step::Command(command))
    }

    fn overflow(&mut self) {
        let start = self.buffer.get(..TAG_BYTES_MAX.min(self.buffer.len())).unwrap_or_default();
        self.start = Bytes::copy_from_slice(start);
        // What was searched holds whole literals, whose line ends are not the command's.
        let _ = self.buffer.split_to(self.scanned);
        self.skipped = self.scanned as u64;
        self.scanned = 0;
        self.state = State::SkipText { report: true };
    }

    /// Drops up to `left` octets; true when more are needed.
    fn skip(&mut self, left: u64) -> bool {
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
        let _ = self.buffer.split_to(take);
        self.skipped = self.skipped.saturating_add(take as u64);
        let left = left - take as u64;
        self.state = if left == 0 { State::SkipText { report: false } } else { State::SkipLiteral(left) };
        left != 0
    }

    /// Drops text up to the end of the command; `None` says that the state changed.
    fn skip_line(&mut self, report: bool) -> Option<Step> {
        if self.skipped > self.limits.skipped_bytes_max {
            return Some(Step::Hopeless);
        }
        let Some(end) = memchr::memchr(b'\n', &self.buffer) else {
            // The end of what is dropped may be the start of an announcement.
            let take = self.buffer.len().saturating_sub(ANNOUNCEMENT_BYTES_MAX);
            let _ = self.buffer.split_to(take);
            self.skipped = self.skipped.saturating_add(take as u64);
            return Some(Step::More);
        };
        let announced = self.buffer.get(..text_end(&self.buffer, end)).and_then(announcement);
        let _ = self.buffer.split_to(end + 1);
        self.skipped = self.skipped.saturating_add(end as u64 + 1);
        match announced.filter(|announced| !announced.waits) {
            Some(announced) if self.skipped.saturating_add(announced.octets) > self.limits.skipped_bytes_max => {
                self.state = State::Hopeless;
                Some(Step::Hopeless)
            }
            // The literal belongs to the same command; the report waits for nothing, so that the client hears it early.
            Some(announced) => {
                self.state = State::SkipLiteral(announced.octets);
                self.report(report)
            }
            None => {
                self.state = State::Text;
                self.scanned = 0;
                self.report(report)
            }
        }
    }

    fn report(&mut self, report: bool) -> Option<Step> {
        report.then(|| Step::Overlong(std::mem::take(&mut self.start)))
    }
}

/// Where the text of a line ends whose LF stands at `line_feed`: a bare LF ends a line as CR LF does, since neither can stand
/// in a line otherwise.
fn text_end(bytes: &[u8], line_feed: usize) -> usize {
    match line_feed.checked_sub(1).and_then(|at| bytes.get(at)) {
        Some(b'\r') => line_feed - 1,
        _ => line_feed,
    }
}

/// The literal that a text announces at its end: `{n}` or `{n+}` (RFC 7888 §3).
fn announcement(text: &[u8]) -> Option<Announced> {
    let inner = text.strip_suffix(b"}")?;
    let (inner, waits) = inner.strip_suffix(b"+").map_or((inner, true), |inner| (inner, false));
    let digits = inner.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (before, number) = inner.split_at_checked(inner.len() - digits)?;
    if digits == 0 || before.last() != Some(&b'{') {
        return None;
    }
    let octets = number.iter().fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(Announced { octets, waits })
}

#[cfg(test)]
mod tests;
