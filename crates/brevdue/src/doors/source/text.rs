//! The octets of a message in a file, and what becomes of its line ends: mail has CRLF, and programs that store it on Unix
//! make LF of that.

use super::About;
use crate::doors::limits::READ_BYTES;
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use vault::Digest;

/// Where octets go.
pub type Each<'a> = dyn FnMut(&[u8]) -> Result<(), ReadError> + 'a;

/// Why a message was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The file says that there is more of it.
    #[error("it is cut off")]
    CutOff,
    /// Nobody takes it any more.
    #[error("nobody reads it")]
    Stopped,
}

/// A message that can be read more than once.
pub trait Text {
    /// Reads all of it.
    fn read(&mut self, each: &mut Each<'_>) -> Result<(), ReadError>;
    /// What is said of it, once it was read.
    fn about(&self) -> About;
}

/// What a message is.
pub struct Measured {
    /// Octets.
    pub size: u64,
    /// Of them.
    pub sha256: [u8; 32],
}

/// Reads a message to know it.
pub fn measure(text: &mut dyn Text) -> Result<Measured, ReadError> {
    let (mut size, mut digest) = (0, Digest::new());
    text.read(&mut |data| {
        size += data.len() as u64;
        digest.update(data);
        Ok(())
    })?;
    Ok(Measured { size, sha256: digest.finish() })
}

/// Gives a message its CRLF back, if its first line ends in a bare LF; any other is left as it is, octet by octet.
#[derive(Debug, Default)]
pub struct LineEnds {
    /// Decided at the first line end.
    convert: Option<bool>,
    last: u8,
}

impl LineEnds {
    /// Hands on the next octets.
    pub fn pass(&mut self, data: &[u8], each: &mut Each<'_>) -> Result<(), ReadError> {
        let mut from = 0;
        for at in memchr::memchr_iter(b'\n', data) {
            let before = if at == 0 { self.last } else { data.get(at - 1).copied().unwrap_or_default() };
            let convert = *self.convert.get_or_insert(before != b'\r');
            if !convert {
                break;
            }
            if before != b'\r' {
                each(data.get(from..at).unwrap_or_default())?;
                each(b"\r\n")?;
                from = at + 1;
            }
        }
        self.last = data.last().copied().unwrap_or(self.last);
        match data.get(from..) {
            Some(rest) if !rest.is_empty() => each(rest),
            Some(_) | None => Ok(()),
        }
    }
}

/// A file that is one message.
pub struct FileText<'a> {
    path: &'a Path,
    about: About,
    /// Its octets are the message's, whatever its line ends are.
    exact: bool,
}

impl<'a> FileText<'a> {
    /// With what is said of it elsewhere.
    pub fn new(path: &'a Path, about: About, exact: bool) -> Self {
        Self { path, about, exact }
    }
}

impl Text for FileText<'_> {
    fn read(&mut self, each: &mut Each<'_>) -> Result<(), ReadError> {
        let mut file = open(self.path)?;
        let mut ends = LineEnds::default();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(()),
                n => {
                    let data = buffer.get(..n).unwrap_or_default();
                    if self.exact { each(data)? } else { ends.pass(data, each)? }
                }
            }
        }
    }

    fn about(&self) -> About {
        self.about.clone()
    }
}

/// Opens a regular file; not a link to one, nor anything that could make the reader wait.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(file)
}

/// When the file was last changed.
pub fn time_of(path: &Path) -> Option<i64> {
    let time = std::fs::symlink_metadata(path).ok()?.modified().ok()?;
    jiff::Timestamp::try_from(time).ok().map(jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(text: &[u8], size: usize) -> Vec<u8> {
        let (mut ends, mut out) = (LineEnds::default(), Vec::new());
        for piece in text.chunks(size) {
            ends.pass(piece, &mut |data| {
                out.extend_from_slice(data);
                Ok(())
            })
            .unwrap();
        }
        out
    }

    #[test]
    fn lf_becomes_crlf_in_mail_of_unix_alone() {
        let cases: [(&[u8], &[u8]); 6] = [
            (b"a\nb\n\nc", b"a\r\nb\r\n\r\nc"),
            (b"a\nb\r\nc\n", b"a\r\nb\r\nc\r\n"),
            (b"a\r\nb\nc\n", b"a\r\nb\nc\n"),
            (b"no end", b"no end"),
            (b"a\rb\nc", b"a\rb\r\nc"),
            (b"", b""),
        ];
        for (text, expected) in cases {
            for size in 1..=text.len().max(1) {
                assert_eq!(passed(text, size), expected, "{text:?} in pieces of {size}");
            }
        }
    }
}
