//! Reads the words of one command (RFC 3501 §9): atoms, strings, numbers. What a command is made of is left to its own file.

use crate::limits::TAG_BYTES_MAX;
use std::borrow::Cow;

/// Why a command cannot be read, in words for the person who debugs the client. Becomes a BAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// What reading gives.
pub type Parsed<T> = Result<T, Malformed>;

/// A place in the text of a command.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    rest: &'a [u8],
    utf8_names: bool,
}

/// `atom-specials` and what is no CHAR at all.
const fn is_atom_char(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// `ASTRING-CHAR`: `]` as well.
const fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}

/// `list-char`: wildcards as well.
const fn is_list_char(byte: u8) -> bool {
    is_astring_char(byte) || matches!(byte, b'%' | b'*')
}

/// Whether a text can be written as an astring without quotes.
pub fn is_bare_astring(text: &[u8]) -> bool {
    // NIL bare would be read as the absence of a string by some.
    !text.is_empty() && text.iter().all(|&byte| is_astring_char(byte)) && !text.eq_ignore_ascii_case(b"NIL")
}

impl<'a> Cursor<'a> {
    /// At the start of a text.
    pub const fn new(text: &'a [u8]) -> Self {
        Self { rest: text, utf8_names: false }
    }

    /// With folder names in UTF-8 instead of modified UTF-7.
    #[must_use]
    pub const fn with_utf8_names(self, utf8_names: bool) -> Self {
        Self { utf8_names, ..self }
    }

    /// Whether folder names are UTF-8.
    pub const fn utf8_names(&self) -> bool {
        self.utf8_names
    }

    /// What has not been read.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next octet, not taken.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Takes the next octet if it is this one.
    pub fn take(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// The next octet must be this one.
    pub fn expect(&mut self, byte: u8, otherwise: &'static str) -> Parsed<()> {
        if self.take(byte) { Ok(()) } else { Err(Malformed(otherwise)) }
    }

    /// Exactly one space.
    pub fn space(&mut self) -> Parsed<()> {
        self.expect(b' ', "Expected a space and another argument")
    }

    /// Nothing may follow, but for spaces that some clients leave at the end.
    pub fn end(&self) -> Parsed<()> {
        if self.rest.iter().all(|&byte| byte == b' ') {
            Ok(())
        } else {
            Err(Malformed("Unexpected text after the command"))
        }
    }

    /// Takes this word if it stands next, in any case. What follows is not looked at.
    pub fn word(&mut self, word: &str) -> bool {
        match self.rest.split_at_checked(word.len()) {
            Some((first, rest)) if first.eq_ignore_ascii_case(word.as_bytes()) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes octets while they fit.
    pub fn while_(&mut self, fits: impl Fn(u8) -> bool) -> &'a [u8] {
        let len = self.rest.iter().take_while(|&&byte| fits(byte)).count();
        let (first, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
        self.rest = rest;
        first
    }

    /// `tag`: astring characters without `+`.
    pub fn tag(&mut self) -> Parsed<&'a str> {
        let tag = self.while_(|byte| is_astring_char(byte) && byte != b'+');
        if tag.len() > TAG_BYTES_MAX {
            return Err(Malformed("The tag is too long"));
        }
        text(tag, "A command starts with a tag and a space")
    }

    /// `atom`
    pub fn atom(&mut self) -> Parsed<&'a str> {
        text(self.while_(is_atom_char), "Expected an atom")
    }

    /// `string`: quoted or literal.
    pub fn string(&mut self) -> Parsed<Cow<'a, [u8]>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal().map(Cow::Borrowed),
            _ => Err(Malformed("Expected a quoted string or a literal")),
        }
    }

    /// `astring`
    pub fn astring(&mut self) -> Parsed<Cow<'a, [u8]>> {
        self.bare_or_string(is_astring_char, "Expected an atom or a string")
    }

    /// `list-mailbox`: an astring in which wildcards need no quotes.
    pub fn list_mailbox(&mut self) -> Parsed<Cow<'a, [u8]>> {
        self.bare_or_string(is_list_char, "Expected a folder name or a pattern")
    }

    /// `nstring`: a string or NIL.
    pub fn nstring(&mut self) -> Parsed<Option<Cow<'a, [u8]>>> {
        if matches!(self.peek(), Some(b'"' | b'{')) {
            return self.string().map(Some);
        }
        match self.atom() {
            Ok(word) if word.eq_ignore_ascii_case("NIL") => Ok(None),
            _ => Err(Malformed("Expected a string or NIL")),
        }
    }

    /// `nstring` or `literal8`, in which NUL may stand (RFC 5464 §5, RFC 3516 §7).
    pub fn nstring8(&mut self) -> Parsed<Option<Cow<'a, [u8]>>> {
        if self.take(b'~') { self.octets().map(|octets| Some(Cow::Borrowed(octets))) } else { self.nstring() }
    }

    /// `number64`, at most 63 bits (RFC 9051 §9).
    pub fn number64(&mut self) -> Parsed<u64> {
        let digits = self.while_(|byte| byte.is_ascii_digit());
        let text = text(digits, "Expected a number")?;
        text.parse().ok().filter(|&n| n <= i64::MAX as u64).ok_or(Malformed("The number is too big"))
    }

    /// `number`: 32 bits.
    pub fn number(&mut self) -> Parsed<u32> {
        u32::try_from(self.number64()?).map_err(|_| Malformed("The number is too big"))
    }

    /// `nz-number`
    pub fn nz_number(&mut self) -> Parsed<u32> {
        match self.number()? {
            0 => Err(Malformed("The number may not be 0")),
            n => Ok(n),
        }
    }

    /// A list in parentheses of at most `max` elements that are separated by one space; may be empty.
    pub fn list<T>(&mut self, max: usize, mut element: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.expect(b'(', "Expected a list in parentheses")?;
        let mut elements = Vec::new();
        if self.take(b')') {
            return Ok(elements);
        }
        loop {
            if elements.len() == max {
                return Err(Malformed("The list has too many elements"));
            }
            elements.push(element(self)?);
            if self.take(b')') {
                return Ok(elements);
            }
            self.expect(b' ', "Expected a space or the closing parenthesis")?;
        }
    }

    fn bare_or_string(&mut self, fits: impl Fn(u8) -> bool, otherwise: &'static str) -> Parsed<Cow<'a, [u8]>> {
        if matches!(self.peek(), Some(b'"' | b'{')) {
            return self.string();
        }
        match self.while_(fits) {
            [] => Err(Malformed(otherwise)),
            bare => Ok(Cow::Borrowed(bare)),
        }
    }

    /// `quoted`. UTF-8 is let through, as RFC 9051 has it: what a rev1 client means by it is not in doubt.
    fn quoted(&mut self) -> Parsed<Cow<'a, [u8]>> {
        const ENDLESS: Malformed = Malformed("A quoted string does not end");
        self.expect(b'"', "Expected a quoted string")?;
        let plain = self.while_(|byte| !matches!(byte, b'"' | b'\\' | b'\0' | b'\r' | b'\n'));
        let mut out = Cow::Borrowed(plain);
        loop {
            if self.take(b'"') {
                break;
            }
            self.expect(b'\\', ENDLESS.0)?;
            let (&escaped, rest) = self.rest.split_first().ok_or(ENDLESS)?;
            if !matches!(escaped, b'"' | b'\\') {
                return Err(Malformed("Only \\ and \" are escaped in a quoted string"));
            }
            self.rest = rest;
            out.to_mut().push(escaped);
            let plain = self.while_(|byte| !matches!(byte, b'"' | b'\\' | b'\0' | b'\r' | b'\n'));
            out.to_mut().extend_from_slice(plain);
        }
        if std::str::from_utf8(&out).is_err() {
            return Err(Malformed("A quoted string holds octets that are not UTF-8; send a literal"));
        }
        Ok(out)
    }

    /// `literal`, as the decoder let it into the text.
    fn literal(&mut self) -> Parsed<&'a [u8]> {
        let literal = self.octets()?;
        // CHAR8 = %x01-ff (RFC 3501 §9).
        if memchr::memchr(0, literal).is_some() {
            return Err(Malformed("A literal may not hold NUL"));
        }
        Ok(literal)
    }

    /// A literal of any octets.
    fn octets(&mut self) -> Parsed<&'a [u8]> {
        const WRONG: Malformed = Malformed("A literal is announced with its size at the end of a line");
        self.expect(b'{', WRONG.0)?;
        let octets = usize::try_from(self.number64()?).map_err(|_| WRONG)?;
        self.take(b'+');
        self.expect(b'}', WRONG.0)?;
        self.take(b'\r');
        self.expect(b'\n', WRONG.0)?;
        let (literal, rest) = self.rest.split_at_checked(octets).ok_or(WRONG)?;
        self.rest = rest;
        Ok(literal)
    }
}

fn text<'a>(bytes: &'a [u8], otherwise: &'static str) -> Parsed<&'a str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() => Ok(text),
        _ => Err(Malformed(otherwise)),
    }
}
