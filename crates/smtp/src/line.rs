//! Command lines, gathered from whatever pieces they come in; ended by CRLF alone.

use crate::limits::SKIPPED_LINE_BYTES_MAX;

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineEnd {
    /// CRLF: the line is in the buffer, without it.
    Crlf,
    /// LF without CR: refused (RFC 5321 §2.3.8), though it ends the line so that we stay in step.
    BareLf,
    /// Over the limit; skipped to its end.
    TooLong,
    /// Over [`SKIPPED_LINE_BYTES_MAX`] without an end.
    Endless,
}

/// Gathers one line; holds no more than its limit.
#[derive(Debug, Default)]
pub(crate) struct LineReader {
    line: Vec<u8>,
    skipped: usize,
}

impl LineReader {
    /// Takes from `input` up to the end of a line; `None` when more input is needed.
    pub(crate) fn take(&mut self, input: &mut &[u8], bytes_max: usize) -> Option<LineEnd> {
        let end = memchr::memchr(b'\n', input);
        let (head, rest) = input.split_at(end.map_or(input.len(), |at| at + 1));
        *input = rest;
        if self.skipped > 0 || self.line.len() + head.len() > bytes_max {
            self.skipped += self.line.len() + head.len();
            self.line = Vec::new();
        } else {
            self.line.extend_from_slice(head);
        }
        if self.skipped > SKIPPED_LINE_BYTES_MAX {
            return Some(LineEnd::Endless);
        }
        end?;
        if std::mem::take(&mut self.skipped) > 0 {
            return Some(LineEnd::TooLong);
        }
        self.line.pop();
        Some(if self.line.pop_if(|byte| *byte == b'\r').is_some() { LineEnd::Crlf } else { LineEnd::BareLf })
    }

    /// The gathered line, leaving the reader empty.
    pub(crate) fn line(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.line)
    }

    /// Gives a line's memory back for the next one.
    pub(crate) fn reuse(&mut self, mut line: Vec<u8>) {
        line.clear();
        self.line = line;
    }
}
