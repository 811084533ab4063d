//! Commands as a client sends them (RFC 5321 §4.1.1 and the extensions on offer), from one line without its CRLF.

use crate::address::{self, Path, PathError, is_domain, is_literal};
use crate::dsn::{self, Notify, ReturnText};
use crate::limits::HELLO_BYTES_MAX;
use std::collections::BTreeSet;
use std::fmt;
use zeroize::Zeroizing;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// EHLO with the client's name.
    Ehlo(String),
    /// HELO with the client's name.
    Helo(String),
    /// MAIL.
    Mail(Mail),
    /// RCPT.
    Rcpt(Rcpt),
    /// DATA.
    Data,
    /// BDAT (RFC 3030 §2): the octets of the chunk that follows.
    Bdat {
        /// Octets.
        size: u64,
        /// No chunk follows this one.
        last: bool,
    },
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// VRFY.
    Vrfy,
    /// EXPN.
    Expn,
    /// HELP.
    Help,
    /// QUIT.
    Quit,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// AUTH (RFC 4954).
    Auth(Auth),
}

/// AUTH with its mechanism.
#[derive(Clone, PartialEq, Eq)]
pub struct Auth {
    /// In upper case.
    pub mechanism: String,
    /// The initial response, in base64; `=` stands for an empty one.
    pub response: Option<Zeroizing<String>>,
}

/// Not the response: a password is in it.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Auth({}, ..)", self.mechanism)
    }
}

/// RCPT with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rcpt {
    /// The forward-path.
    pub path: Path,
    /// NOTIFY (RFC 3461 §4.1).
    pub notify: Notify,
    /// ORCPT as it came (RFC 3461 §4.2).
    pub original: Option<String>,
    /// Whether there was any parameter.
    pub extended: bool,
}

/// MAIL with its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The reverse-path.
    pub path: Path,
    /// SIZE: octets that the client expects to send (RFC 1870 §6).
    pub size: Option<u64>,
    /// BODY=8BITMIME (RFC 6152) and not 7BIT.
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    /// RET (RFC 3461 §4.3).
    pub ret: Option<ReturnText>,
    /// ENVID as it came (RFC 3461 §4.4).
    pub envelope_id: Option<String>,
    /// REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    /// AUTH, of which nothing is believed (RFC 4954 §5).
    pub auth: bool,
    /// Whether there was any parameter, which only EHLO allows.
    pub extended: bool,
}

/// Why a line is not a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No command has this name, or the line is empty.
    #[error("the command is not known")]
    Unknown,
    /// A command of SMTP or its extensions that is not on offer here.
    #[error("the command is not on offer")]
    NotImplemented,
    /// A request of HTTP: a browser was talked into speaking to us.
    #[error("this is another protocol's request")]
    Foreign,
    /// A CR inside the line (RFC 5321 §2.3.8).
    #[error("the line has a CR without LF")]
    BareCr,
    /// A control character, or octets that are not UTF-8.
    #[error("the line has an octet that is not allowed")]
    Octet,
    /// HELO and EHLO take one domain or address literal.
    #[error("the name is not a domain or an address literal")]
    Name,
    /// An argument is missing or malformed; the text says what is expected.
    #[error("expected {0}")]
    Argument(&'static str),
    /// The chunk size of BDAT is malformed: where the chunk ends is not known.
    #[error("the chunk size is malformed")]
    ChunkSize,
    /// The reverse-path is malformed.
    #[error("reverse-path: {0}")]
    ReversePath(PathError),
    /// The forward-path is malformed.
    #[error("forward-path: {0}")]
    ForwardPath(PathError),
    /// A parameter that is not on offer.
    #[error("the parameter is not on offer")]
    Parameter,
    /// A parameter twice, or with a value that it does not take.
    #[error("the parameter is malformed")]
    ParameterValue,
}

/// Names of methods whose requests a browser can be made to send to any port.
const FOREIGN: [&str; 9] = ["GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "CONNECT", "PATCH", "PRI"];
/// Commands that exist (RFC 821, 2645, 1985) and are not on offer: 502 and not 500 (RFC 5321 §4.2.4).
const NOT_ON_OFFER: [&str; 6] = ["TURN", "ATRN", "ETRN", "SEND", "SOML", "SAML"];

/// Reads one line, without its CRLF.
pub fn parse(line: &[u8]) -> Result<Command, CommandError> {
    if line.contains(&b'\r') {
        return Err(CommandError::BareCr);
    }
    let text = std::str::from_utf8(line).map_err(|_| CommandError::Octet)?;
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(CommandError::Octet);
    }
    // RFC 5321 §4.1.1: white space before the CRLF is tolerated.
    let text = text.trim_end_matches([' ', '\t']);
    let (verb, argument) = text.split_once(' ').unwrap_or((text, ""));
    let verb = verb.to_ascii_uppercase();
    let alone = |command| if argument.is_empty() { Ok(command) } else { Err(CommandError::Argument("no argument")) };
    match verb.as_str() {
        "EHLO" => hello(argument).map(Command::Ehlo),
        "HELO" => hello(argument).map(Command::Helo),
        "MAIL" => mail(argument).map(Command::Mail),
        "RCPT" => recipient(argument).map(Command::Rcpt),
        "DATA" => alone(Command::Data),
        "BDAT" => chunk(argument),
        "RSET" => alone(Command::Rset),
        "QUIT" => alone(Command::Quit),
        "STARTTLS" => alone(Command::StartTls),
        "AUTH" => auth(argument),
        // RFC 5321 §4.1.1.9: the text after NOOP is ignored.
        "NOOP" => Ok(Command::Noop),
        "HELP" => Ok(Command::Help),
        "VRFY" if argument.is_empty() => Err(CommandError::Argument("an address")),
        "VRFY" => Ok(Command::Vrfy),
        "EXPN" => Ok(Command::Expn),
        verb if FOREIGN.contains(&verb) => Err(CommandError::Foreign),
        verb if NOT_ON_OFFER.contains(&verb) => Err(CommandError::NotImplemented),
        _ => Err(CommandError::Unknown),
    }
}

/// RFC 5321 §4.1.1.1. It goes into the Received field, so nothing but names and literals passes.
fn hello(argument: &str) -> Result<String, CommandError> {
    let name = argument.trim_matches(' ');
    let well_formed = name.is_ascii() && name.len() <= HELLO_BYTES_MAX;
    // A final dot is not in the grammar, but in the names that some resolvers hand out.
    if well_formed && (is_domain(name.strip_suffix('.').unwrap_or(name)) || is_literal(name)) {
        Ok(name.to_owned())
    } else {
        Err(CommandError::Name)
    }
}

/// What follows `FROM:` or `TO:`. No space belongs after the colon, and enough clients put one there.
fn after_keyword<'a>(argument: &'a str, keyword: &str) -> Option<&'a str> {
    let head = argument.get(..keyword.len())?;
    let rest = argument.get(keyword.len()..)?;
    head.eq_ignore_ascii_case(keyword).then(|| rest.trim_start_matches(' '))
}

fn mail(argument: &str) -> Result<Mail, CommandError> {
    let path = after_keyword(argument, "FROM:").ok_or(CommandError::Argument("FROM:<reverse-path>"))?;
    let (path, parameters) = address::parse(path).map_err(CommandError::ReversePath)?;
    // `<Postmaster>` stands for this host's own only where mail is taken in.
    if path == Path::Postmaster {
        return Err(CommandError::ReversePath(PathError::Domain));
    }
    let mut mail = Mail::plain(path);
    for (name, value) in self::parameters(parameters)? {
        mail.extended = true;
        match (name.as_str(), value) {
            ("SIZE", Some(digits)) => mail.size = Some(number(digits).ok_or(CommandError::ParameterValue)?),
            ("BODY", Some(body)) if body.eq_ignore_ascii_case("8BITMIME") => mail.eight_bit = true,
            ("BODY", Some(body)) if body.eq_ignore_ascii_case("7BIT") => {}
            ("SMTPUTF8", None) => mail.utf8 = true,
            ("RET", Some(ret)) => mail.ret = Some(ReturnText::parse(ret).ok_or(CommandError::ParameterValue)?),
            ("ENVID", Some(id)) if dsn::is_envelope_id(id) => mail.envelope_id = Some(id.to_owned()),
            ("REQUIRETLS", None) => mail.require_tls = true,
            ("AUTH", Some(_)) => mail.auth = true,
            ("SIZE" | "BODY" | "SMTPUTF8" | "RET" | "ENVID" | "REQUIRETLS" | "AUTH", _) => {
                return Err(CommandError::ParameterValue);
            }
            _ => return Err(CommandError::Parameter),
        }
    }
    Ok(mail)
}

impl Mail {
    /// Without parameters.
    pub const fn plain(path: Path) -> Self {
        Self {
            path,
            size: None,
            eight_bit: false,
            utf8: false,
            ret: None,
            envelope_id: None,
            require_tls: false,
            auth: false,
            extended: false,
        }
    }
}

fn recipient(argument: &str) -> Result<Rcpt, CommandError> {
    let path = after_keyword(argument, "TO:").ok_or(CommandError::Argument("TO:<forward-path>"))?;
    let (path, parameters) = address::parse(path).map_err(CommandError::ForwardPath)?;
    if path == Path::Null {
        return Err(CommandError::ForwardPath(PathError::LocalPart));
    }
    let mut rcpt = Rcpt { path, notify: Notify::default(), original: None, extended: false };
    for (name, value) in self::parameters(parameters)? {
        rcpt.extended = true;
        match (name.as_str(), value) {
            ("NOTIFY", Some(notify)) => rcpt.notify = Notify::parse(notify).ok_or(CommandError::ParameterValue)?,
            ("ORCPT", Some(original)) if dsn::is_original(original) => rcpt.original = Some(original.to_owned()),
            ("NOTIFY" | "ORCPT", _) => return Err(CommandError::ParameterValue),
            _ => return Err(CommandError::Parameter),
        }
    }
    Ok(rcpt)
}

/// RFC 4954 §4: `AUTH mechanism [initial-response]`.
fn auth(argument: &str) -> Result<Command, CommandError> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let mechanism = words.next().ok_or(CommandError::Argument("a mechanism"))?.to_ascii_uppercase();
    let response = words.next().map(|word| Zeroizing::new(word.to_owned()));
    if words.next().is_some() {
        return Err(CommandError::Argument("a mechanism and at most one response"));
    }
    Ok(Command::Auth(Auth { mechanism, response }))
}

/// RFC 5321 §4.1.2, `esmtp-param`s: names in upper case, each once.
fn parameters(text: &str) -> Result<Vec<(String, Option<&str>)>, CommandError> {
    let parameters = each_parameter(text)?;
    let names: BTreeSet<_> = parameters.iter().map(|(name, _)| name).collect();
    if names.len() < parameters.len() { Err(CommandError::ParameterValue) } else { Ok(parameters) }
}

fn each_parameter(text: &str) -> Result<Vec<(String, Option<&str>)>, CommandError> {
    if !text.is_empty() && !text.starts_with(' ') {
        return Err(CommandError::Argument("a space after the path"));
    }
    let words = text.split(' ').filter(|word| !word.is_empty());
    words
        .map(|word| {
            let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            let name_fits = !name.is_empty()
                && !name.starts_with('-')
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            let value_fits = value.is_none_or(|value| !value.is_empty() && !value.contains(['=', '\t']));
            if name_fits && value_fits {
                Ok((name.to_ascii_uppercase(), value))
            } else {
                Err(CommandError::ParameterValue)
            }
        })
        .collect()
}

/// RFC 3030 §2: `BDAT chunk-size [LAST]`.
fn chunk(argument: &str) -> Result<Command, CommandError> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let size = words.next().and_then(number).ok_or(CommandError::ChunkSize)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(CommandError::ChunkSize),
    };
    if words.next().is_some() { Err(CommandError::ChunkSize) } else { Ok(Command::Bdat { size, last }) }
}

/// 1 to 20 digits (RFC 1870 §6, RFC 3030 §2); what is over 64 bits is over every limit too.
fn number(digits: &str) -> Option<u64> {
    let fits = (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mail_from(text: &str) -> Mail {
        Mail::plain(Path::Mailbox(text.into()))
    }

    fn rcpt_to(path: Path) -> Rcpt {
        Rcpt { path, notify: Notify::default(), original: None, extended: false }
    }

    #[test]
    fn commands() {
        let all = |text: &str| Mail { size: Some(5), eight_bit: true, utf8: true, extended: true, ..mail_from(text) };
        let dsn = Mail {
            ret: Some(ReturnText::Headers),
            envelope_id: Some("QQ+2B".into()),
            extended: true,
            ..mail_from("a@b")
        };
        let told = Rcpt {
            notify: Notify::from_bits(10),
            original: Some("rfc822;a+2Bb@c".into()),
            extended: true,
            ..rcpt_to(Path::Mailbox("a@b".into()))
        };
        for (line, command) in [
            ("ehlo mx.example.com", Command::Ehlo("mx.example.com".into())),
            ("EHLO [IPv6:::1] ", Command::Ehlo("[IPv6:::1]".into())),
            ("HELO my_host", Command::Helo("my_host".into())),
            ("MAIL FROM:<a@b>", Command::Mail(mail_from("a@b"))),
            ("mail from: <a@b>", Command::Mail(mail_from("a@b"))),
            ("MAIL FROM:<a@b> size=5 body=8bitmime smtputf8", Command::Mail(all("a@b"))),
            ("RCPT TO:<a@b>", Command::Rcpt(rcpt_to(Path::Mailbox("a@b".into())))),
            ("RCPT TO:<postmaster>", Command::Rcpt(rcpt_to(Path::Postmaster))),
            ("MAIL FROM:<a@b> RET=HDRS ENVID=QQ+2B", Command::Mail(dsn)),
            ("RCPT TO:<a@b> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@c", Command::Rcpt(told)),
            ("AUTH plain =", Command::Auth(Auth { mechanism: "PLAIN".into(), response: Some("=".to_owned().into()) })),
            ("DATA\t", Command::Data),
            ("BDAT 0 LAST", Command::Bdat { size: 0, last: true }),
            ("bdat 99999999999999999999", Command::Bdat { size: u64::MAX, last: false }),
            ("NOOP anything", Command::Noop),
            ("VRFY x", Command::Vrfy),
            ("quit", Command::Quit),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_not_a_command_says_why() {
        for (line, why) in [
            (&b""[..], CommandError::Unknown),
            (b"XYZZY", CommandError::Unknown),
            (b"MAILFROM:<a@b>", CommandError::Unknown),
            (b"GET / HTTP/1.1", CommandError::Foreign),
            (b"ETRN x", CommandError::NotImplemented),
            (b"AUTH", CommandError::Argument("a mechanism")),
            (b"AUTH PLAIN x y", CommandError::Argument("a mechanism and at most one response")),
            (b"NOOP\rQUIT", CommandError::BareCr),
            (b"NOOP \0", CommandError::Octet),
            (b"NOOP \xff", CommandError::Octet),
            (b"EHLO", CommandError::Name),
            (b"EHLO a b", CommandError::Name),
            (b"EHLO (x)", CommandError::Name),
            (b"DATA x", CommandError::Argument("no argument")),
            (b"VRFY", CommandError::Argument("an address")),
            (b"MAIL <a@b>", CommandError::Argument("FROM:<reverse-path>")),
            (b"MAIL FROM:a@b", CommandError::ReversePath(PathError::Brackets)),
            (b"MAIL FROM:<postmaster>", CommandError::ReversePath(PathError::Domain)),
            (b"MAIL FROM:<a@b>SIZE=1", CommandError::Argument("a space after the path")),
            (b"MAIL FROM:<a@b> SIZE=x", CommandError::ParameterValue),
            (b"MAIL FROM:<a@b> SIZE=1 SIZE=1", CommandError::ParameterValue),
            (b"MAIL FROM:<a@b> BODY=BINARYMIME", CommandError::ParameterValue),
            (b"MAIL FROM:<a@b> RET=ALL", CommandError::ParameterValue),
            (b"MAIL FROM:<a@b> ENVID=a=b", CommandError::ParameterValue),
            (b"MAIL FROM:<a@b> MT-PRIORITY=3", CommandError::Parameter),
            (b"RCPT TO:<>", CommandError::ForwardPath(PathError::LocalPart)),
            (b"RCPT TO:<a@b> NOTIFY=NEVER,DELAY", CommandError::ParameterValue),
            (b"RCPT TO:<a@b> ORCPT=x", CommandError::ParameterValue),
            (b"RCPT TO:<a@b> XORCPT=x", CommandError::Parameter),
            (b"BDAT", CommandError::ChunkSize),
            (b"BDAT -1", CommandError::ChunkSize),
            (b"BDAT 1 LAST x", CommandError::ChunkSize),
        ] {
            assert_eq!(parse(line), Err(why), "{}", line.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_no_line_end_passes(line in prop::collection::vec(any::<u8>(), 0..80)) {
            if parse(&line).is_ok() {
                prop_assert!(!line.contains(&b'\r') && !line.contains(&0));
            }
        }
    }
}
