//! The grammar of commands: a line to what it asks for (RFC 1939, 2449, 2595, 5034, 6856). Without any state.

use std::fmt;
use zeroize::Zeroizing;

/// A command. Numbers are those of messages, from 1.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// What the server can (RFC 2449).
    Capa,
    /// Begins TLS (RFC 2595).
    Stls,
    /// Who signs in.
    User(Vec<u8>),
    /// With which password.
    Pass(Zeroizing<Vec<u8>>),
    /// SASL: which mechanisms there are, or one in upper case with its initial response (RFC 5034).
    Auth(Option<(String, Option<Zeroizing<Vec<u8>>>)>),
    /// UTF-8 in names, passwords and messages (RFC 6856).
    Utf8,
    /// How many messages and octets.
    Stat,
    /// Sizes, of one or all.
    List(Option<u32>),
    /// Names that do not change, of one or all.
    Uidl(Option<u32>),
    /// A message.
    Retr(u32),
    /// Its header, and so many lines of its body.
    Top(u32, u64),
    /// Marks it, to be removed at the end.
    Dele(u32),
    /// Takes the marks back.
    Rset,
    /// Nothing.
    Noop,
    /// The end.
    Quit,
}

/// Not the whole of it: a password may be in it.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Capa => "Capa",
            Self::Stls => "Stls",
            Self::User(_) => "User(..)",
            Self::Pass(_) => "Pass(..)",
            Self::Auth(_) => "Auth(..)",
            Self::Utf8 => "Utf8",
            Self::Stat => "Stat",
            Self::List(one) => return write!(f, "List({one:?})"),
            Self::Uidl(one) => return write!(f, "Uidl({one:?})"),
            Self::Retr(number) => return write!(f, "Retr({number})"),
            Self::Top(number, lines) => return write!(f, "Top({number}, {lines})"),
            Self::Dele(number) => return write!(f, "Dele({number})"),
            Self::Rset => "Rset",
            Self::Noop => "Noop",
            Self::Quit => "Quit",
        })
    }
}

/// Why a line is no command; what the client hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl Command {
    /// Reads a line, already without its end.
    ///
    /// # Errors
    /// There is no such command, or its arguments are not as they should be.
    pub fn parse(line: &[u8]) -> Result<Self, Malformed> {
        let (word, rest) = split(line);
        let word = word.to_ascii_uppercase();
        let command = match word.as_slice() {
            b"USER" => return name(rest).map(Self::User),
            // RFC 1939 §7: all of it is the password, its spaces too.
            b"PASS" => return rest.map(|rest| Self::Pass(Zeroizing::new(rest.to_vec()))).ok_or(MISSING),
            b"AUTH" => return auth(rest),
            b"LIST" => return optional(rest).map(Self::List),
            b"UIDL" => return optional(rest).map(Self::Uidl),
            b"RETR" => return required(rest).map(Self::Retr),
            b"DELE" => return required(rest).map(Self::Dele),
            b"TOP" => return top(rest),
            b"CAPA" => Self::Capa,
            b"STLS" => Self::Stls,
            b"UTF8" => Self::Utf8,
            b"STAT" => Self::Stat,
            b"RSET" => Self::Rset,
            b"NOOP" => Self::Noop,
            b"QUIT" => Self::Quit,
            _ => return Err(Malformed("There is no such command")),
        };
        // A space too many is no argument.
        if rest.is_some_and(|rest| !rest.trim_ascii().is_empty()) {
            return Err(Malformed("This command takes no argument"));
        }
        Ok(command)
    }
}

const MISSING: Malformed = Malformed("An argument is missing");
const NO_NUMBER: Malformed = Malformed("Expected a number");

fn split(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    match line.iter().position(|byte| *byte == b' ') {
        Some(at) => (line.get(..at).unwrap_or_default(), line.get(at + 1..)),
        None => (line, None),
    }
}

fn name(rest: Option<&[u8]>) -> Result<Vec<u8>, Malformed> {
    let name = rest.unwrap_or_default().trim_ascii();
    if name.is_empty() { Err(MISSING) } else { Ok(name.to_vec()) }
}

fn auth(rest: Option<&[u8]>) -> Result<Command, Malformed> {
    let rest = rest.unwrap_or_default().trim_ascii();
    if rest.is_empty() {
        return Ok(Command::Auth(None));
    }
    let (mechanism, response) = split(rest);
    let mechanism = String::from_utf8(mechanism.to_ascii_uppercase()).map_err(|_| Malformed("Unknown mechanism"))?;
    Ok(Command::Auth(Some((mechanism, response.map(|response| Zeroizing::new(response.to_vec()))))))
}

fn top(rest: Option<&[u8]>) -> Result<Command, Malformed> {
    let (message, lines) = split(rest.unwrap_or_default().trim_ascii());
    let lines = number::<u64>(lines.ok_or(MISSING)?.trim_ascii())?;
    Ok(Command::Top(number(message)?, lines))
}

fn optional(rest: Option<&[u8]>) -> Result<Option<u32>, Malformed> {
    match rest.unwrap_or_default().trim_ascii() {
        [] => Ok(None),
        digits => number(digits).map(Some),
    }
}

fn required(rest: Option<&[u8]>) -> Result<u32, Malformed> {
    optional(rest)?.ok_or(MISSING)
}

fn number<N: std::str::FromStr>(digits: &[u8]) -> Result<N, Malformed> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(NO_NUMBER);
    }
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(NO_NUMBER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secret(text: &[u8]) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(text.to_vec())
    }

    #[test]
    fn commands() {
        for (line, expected) in [
            (&b"capa"[..], Command::Capa),
            (b"NOOP ", Command::Noop),
            (b"USER  anna@b.test ", Command::User(b"anna@b.test".to_vec())),
            (b"PASS  two words ", Command::Pass(secret(b" two words "))),
            (b"AUTH", Command::Auth(None)),
            (b"auth plain", Command::Auth(Some(("PLAIN".to_owned(), None)))),
            (b"AUTH PLAIN =", Command::Auth(Some(("PLAIN".to_owned(), Some(secret(b"=")))))),
            (b"LIST", Command::List(None)),
            (b"list 7", Command::List(Some(7))),
            (b"UIDL 1", Command::Uidl(Some(1))),
            (b"TOP 1 0", Command::Top(1, 0)),
            (b"TOP 12  10", Command::Top(12, 10)),
            (b"RETR 4294967295", Command::Retr(u32::MAX)),
            (b"DELE 2", Command::Dele(2)),
            (b"QUIT", Command::Quit),
        ] {
            assert_eq!(Command::parse(line), Ok(expected));
        }
    }

    #[test]
    fn what_is_none() {
        for (line, why) in [
            (&b""[..], "There is no such command"),
            (b"GET / HTTP/1.1", "There is no such command"),
            (b"STAT 1", "This command takes no argument"),
            (b"USER", "An argument is missing"),
            (b"PASS", "An argument is missing"),
            (b"RETR", "An argument is missing"),
            (b"RETR x", "Expected a number"),
            (b"RETR -1", "Expected a number"),
            (b"RETR +1", "Expected a number"),
            (b"RETR 4294967296", "Expected a number"),
            (b"TOP 1", "An argument is missing"),
            (b"TOP 1 x", "Expected a number"),
        ] {
            assert_eq!(Command::parse(line), Err(Malformed(why)));
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        assert_eq!(format!("{:?}", Command::Pass(secret(b"hush"))), "Pass(..)");
    }

    proptest! {
        #[test]
        fn no_line_is_too_odd(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Command::parse(&line);
        }
    }
}
