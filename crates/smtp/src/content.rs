//! What the text of a message must be like, whichever way it came (DATA or BDAT); looked at as it streams.

use crate::limits::TEXT_LINE_BYTES_MAX;

/// Why a message is refused for how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentFault {
    /// CR without LF (RFC 5321 §2.3.8).
    #[error("the message has a CR without LF")]
    BareCr,
    /// LF without CR (RFC 5321 §2.3.8).
    #[error("the message has a LF without CR")]
    BareLf,
    /// NUL, which neither 7bit nor 8bit text has (RFC 2045 §2.7, §2.8); BINARYMIME is not on offer.
    #[error("the message has a NUL octet")]
    Nul,
    /// Over [`TEXT_LINE_BYTES_MAX`].
    #[error("the message has a line that is too long")]
    LineTooLong,
    /// More octets than the session takes.
    #[error("the message is too big")]
    TooBig,
}

/// Checks text as it streams past.
#[derive(Debug)]
pub struct Content {
    size: u64,
    size_max: u64,
    line_bytes: u64,
    after_cr: bool,
}

impl Content {
    /// For a message of at most `size_max` octets.
    pub const fn new(size_max: u64) -> Self {
        Self { size: 0, size_max, line_bytes: 0, after_cr: false }
    }

    /// Octets so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Looks at the next piece. After a fault nothing more should be pushed.
    pub fn push(&mut self, text: &[u8]) -> Result<(), ContentFault> {
        // What still fits is looked at first, so that the fault does not depend on how the text was cut.
        let room = usize::try_from(self.size_max.saturating_sub(self.size)).unwrap_or(usize::MAX);
        let (fits, over) = text.split_at(text.len().min(room));
        self.size = self.size.saturating_add(text.len() as u64);
        self.scan(fits)?;
        if over.is_empty() { Ok(()) } else { Err(ContentFault::TooBig) }
    }

    fn scan(&mut self, text: &[u8]) -> Result<(), ContentFault> {
        let mut rest = text;
        if self.after_cr && !rest.is_empty() {
            rest = rest.strip_prefix(b"\n").ok_or(ContentFault::BareCr)?;
            (self.after_cr, self.line_bytes) = (false, 0);
        }
        while let Some(at) = memchr::memchr3(b'\r', b'\n', 0, rest) {
            self.lengthen(at + 2)?;
            let (_, special) = rest.split_at(at);
            rest = match special {
                [b'\r', b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.after_cr = true;
                    return Ok(());
                }
                [b'\r', ..] => return Err(ContentFault::BareCr),
                [b'\n', ..] => return Err(ContentFault::BareLf),
                [..] => return Err(ContentFault::Nul),
            };
            self.line_bytes = 0;
        }
        self.lengthen(rest.len())
    }

    /// The message is whole.
    pub fn finish(&self) -> Result<(), ContentFault> {
        if self.after_cr { Err(ContentFault::BareCr) } else { Ok(()) }
    }

    fn lengthen(&mut self, bytes: usize) -> Result<(), ContentFault> {
        self.line_bytes = self.line_bytes.saturating_add(bytes as u64);
        if self.line_bytes > TEXT_LINE_BYTES_MAX { Err(ContentFault::LineTooLong) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], size: usize) -> Result<(), ContentFault> {
        let mut content = Content::new(3 * TEXT_LINE_BYTES_MAX);
        text.chunks(size).try_for_each(|piece| content.push(piece))?;
        content.finish()
    }

    #[test]
    fn faults_are_found_however_the_text_is_cut() {
        for (text, expected) in [
            (&b""[..], Ok(())),
            (b"a\r\n\r\nb", Ok(())),
            (b"\xff\x01\x7f\r\n", Ok(())),
            (b"a\nb\r\n", Err(ContentFault::BareLf)),
            (b"\n", Err(ContentFault::BareLf)),
            (b"a\r\n\nb", Err(ContentFault::BareLf)),
            (b"a\rb\r\n", Err(ContentFault::BareCr)),
            (b"a\r\r\n", Err(ContentFault::BareCr)),
            (b"a\r", Err(ContentFault::BareCr)),
            (b"a\0\r\n", Err(ContentFault::Nul)),
        ] {
            for size in 1..=text.len().max(1) {
                assert_eq!(check(text, size), expected, "{text:?} by {size}");
            }
        }
    }

    #[test]
    fn limits_to_the_octet() {
        let line = |bytes: u64| [vec![b'a'; usize::try_from(bytes).unwrap() - 2], b"\r\n".to_vec()].concat();
        for size in [1000, 4096, usize::MAX] {
            assert_eq!(check(&line(TEXT_LINE_BYTES_MAX).repeat(2), size), Ok(()));
            assert_eq!(check(&line(TEXT_LINE_BYTES_MAX + 1), size), Err(ContentFault::LineTooLong));
        }
        let mut content = Content::new(4);
        assert_eq!(content.push(b"ab\r\n"), Ok(()));
        assert_eq!(content.push(b"a"), Err(ContentFault::TooBig));
    }
}
