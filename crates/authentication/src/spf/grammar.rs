//! The grammar of SPF records (RFC 7208 §12). A record that departs from it anywhere is no record (§4.6).

use std::net::{Ipv4Addr, Ipv6Addr};

/// Why a text is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SyntaxError;

/// A record: its directives in order, and the two modifiers that mean something.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) directives: Vec<Directive>,
    pub(crate) redirect: Option<MacroString>,
    pub(crate) exp: Option<MacroString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Directive {
    pub(crate) qualifier: Qualifier,
    pub(crate) mechanism: Mechanism,
}

/// Where a target may be left out, `None` is the domain itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mechanism {
    All,
    Include(MacroString),
    A(Option<MacroString>, Lengths),
    Mx(Option<MacroString>, Lengths),
    Ptr(Option<MacroString>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(MacroString),
}

/// Bits of an address that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lengths {
    pub(crate) four: u8,
    pub(crate) six: u8,
}

const WHOLE: Lengths = Lengths { four: 32, six: 128 };

/// Text with places to fill.
pub(crate) type MacroString = Vec<Part>;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Literal(String),
    Expand(Expand),
}

/// `%{…}` (RFC 7208 §7.1).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expand {
    pub(crate) letter: Letter,
    /// An upper-case letter: for a URL.
    pub(crate) escaped: bool,
    /// How many parts from the right, all without.
    pub(crate) parts: Option<usize>,
    pub(crate) reversed: bool,
    /// What separates the parts; empty for the dot.
    pub(crate) delimiters: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Letter {
    Sender,
    Local,
    SenderDomain,
    Domain,
    Ip,
    ValidatedName,
    Version,
    Helo,
    ReadableIp,
    Host,
    Time,
}

impl Record {
    /// From the text of a TXT record that begins with the version.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, SyntaxError> {
        let text = str::from_utf8(text).map_err(|_| SyntaxError)?;
        let mut record = Self { directives: Vec::new(), redirect: None, exp: None };
        for term in text.split(' ').skip(1).filter(|term| !term.is_empty()) {
            record.term(term)?;
        }
        Ok(record)
    }

    fn term(&mut self, term: &str) -> Result<(), SyntaxError> {
        let name =
            term.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.')).next().unwrap_or("");
        let Some(value) = term.get(name.len()..).and_then(|rest| rest.strip_prefix('=')) else {
            self.directives.push(directive(term)?);
            return Ok(());
        };
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Err(SyntaxError);
        }
        // RFC 7208 §6: each of these once at most; others are read and passed over.
        let known = match name.to_ascii_lowercase().as_str() {
            "redirect" => &mut self.redirect,
            "exp" => &mut self.exp,
            _ => return macro_string(value, Letters::OfNames).map(|_| ()),
        };
        if known.replace(domain_spec(value)?).is_some() { Err(SyntaxError) } else { Ok(()) }
    }
}

fn directive(term: &str) -> Result<Directive, SyntaxError> {
    let (qualifier, term) = match term.split_at_checked(1) {
        Some(("+", rest)) => (Qualifier::Pass, rest),
        Some(("-", rest)) => (Qualifier::Fail, rest),
        Some(("~", rest)) => (Qualifier::SoftFail, rest),
        Some(("?", rest)) => (Qualifier::Neutral, rest),
        _ => (Qualifier::Pass, term),
    };
    let end = term.find([':', '/']).unwrap_or(term.len());
    let (name, rest) = term.split_at_checked(end).ok_or(SyntaxError)?;
    let required = || rest.strip_prefix(':').ok_or(SyntaxError);
    let mechanism = match name.to_ascii_lowercase().as_str() {
        "all" if rest.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(domain_spec(required()?)?),
        "exists" => Mechanism::Exists(domain_spec(required()?)?),
        "a" => target_and_lengths(rest).map(|(target, lengths)| Mechanism::A(target, lengths))?,
        "mx" => target_and_lengths(rest).map(|(target, lengths)| Mechanism::Mx(target, lengths))?,
        "ptr" if rest.is_empty() => Mechanism::Ptr(None),
        "ptr" => Mechanism::Ptr(Some(domain_spec(required()?)?)),
        "ip4" => {
            let (address, length) = network(required()?, 32)?;
            Mechanism::Ip4(address.parse().map_err(|_| SyntaxError)?, length)
        }
        "ip6" => {
            let (address, length) = network(required()?, 128)?;
            Mechanism::Ip6(address.parse().map_err(|_| SyntaxError)?, length)
        }
        _ => return Err(SyntaxError),
    };
    Ok(Directive { qualifier, mechanism })
}

fn network(text: &str, bits: u8) -> Result<(&str, u8), SyntaxError> {
    match text.split_once('/') {
        Some((address, digits)) => Ok((address, length(digits, bits)?)),
        None => Ok((text, bits)),
    }
}

/// `:target/24//64`, each of the three or none. The lengths are at the end, for a target may have slashes.
fn target_and_lengths(text: &str) -> Result<(Option<MacroString>, Lengths), SyntaxError> {
    let mut lengths = WHOLE;
    let mut rest = text;
    if let Some((before, digits)) = trailing(rest, "//") {
        lengths.six = length(digits, 128)?;
        rest = before;
    }
    if let Some((before, digits)) = trailing(rest, "/") {
        lengths.four = length(digits, 32)?;
        rest = before;
    }
    let target = match rest.strip_prefix(':') {
        Some(target) => Some(domain_spec(target)?),
        None if rest.is_empty() => None,
        None => return Err(SyntaxError),
    };
    Ok((target, lengths))
}

/// The digits at the end behind these slashes.
fn trailing<'a>(text: &'a str, slashes: &str) -> Option<(&'a str, &'a str)> {
    let (before, digits) = text.rsplit_once(slashes)?;
    let counts = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    counts.then_some((before, digits))
}

/// Without leading zeros.
fn length(digits: &str, max: u8) -> Result<u8, SyntaxError> {
    let canonical = digits == "0" || !digits.starts_with('0');
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|bits| canonical && all_digits && *bits <= max).ok_or(SyntaxError)
}

/// A macro-string that ends as a name does: in a label that is not a number, or in a macro.
fn domain_spec(text: &str) -> Result<MacroString, SyntaxError> {
    let parts = macro_string(text, Letters::OfNames)?;
    // `%%` and its like end a name as any macro does.
    let ends_in_macro = text.ends_with('}') && matches!(parts.last(), Some(Part::Expand(_)))
        || text.ends_with("%%")
        || text.ends_with("%_")
        || text.ends_with("%-");
    let ends_in_label = match parts.last() {
        Some(Part::Literal(literal)) => {
            let name = literal.strip_suffix('.').unwrap_or(literal);
            name.rsplit_once('.').is_some_and(|(_, label)| is_toplabel(label))
        }
        Some(Part::Expand(_)) | None => false,
    };
    if ends_in_macro || ends_in_label { Ok(parts) } else { Err(SyntaxError) }
}

fn is_toplabel(label: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = label.as_bytes();
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        && !bytes.iter().all(u8::is_ascii_digit)
}

/// Which letters may stand in a macro.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letters {
    /// In a record.
    OfNames,
    /// In an explanation, where there may also be spaces.
    OfTexts,
}

/// The text of an explanation (RFC 7208 §6.2).
pub(crate) fn explanation(text: &[u8]) -> Result<MacroString, SyntaxError> {
    macro_string(str::from_utf8(text).map_err(|_| SyntaxError)?, Letters::OfTexts)
}

fn macro_string(text: &str, letters: Letters) -> Result<MacroString, SyntaxError> {
    let mut parts: MacroString = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (literal, after) = match first {
            '%' => {
                if let Some(body) = rest.strip_prefix("%{") {
                    let (body, after) = body.split_once('}').ok_or(SyntaxError)?;
                    parts.push(Part::Expand(expand(body, letters)?));
                    rest = after;
                    continue;
                }
                let escaped = match rest.get(1..2) {
                    Some("%") => "%",
                    Some("_") => " ",
                    Some("-") => "%20",
                    _ => return Err(SyntaxError),
                };
                (escaped, rest.get(2..).unwrap_or_default())
            }
            ' ' if letters == Letters::OfTexts => rest.split_at(1),
            '\x21'..='\x7e' => rest.split_at(1),
            _ => return Err(SyntaxError),
        };
        match parts.last_mut() {
            Some(Part::Literal(before)) => before.push_str(literal),
            Some(Part::Expand(_)) | None => parts.push(Part::Literal(literal.to_owned())),
        }
        rest = after;
    }
    Ok(parts)
}

fn expand(body: &str, letters: Letters) -> Result<Expand, SyntaxError> {
    let mut chars = body.chars();
    let first = chars.next().ok_or(SyntaxError)?;
    let letter = match (first.to_ascii_lowercase(), letters) {
        ('s', _) => Letter::Sender,
        ('l', _) => Letter::Local,
        ('o', _) => Letter::SenderDomain,
        ('d', _) => Letter::Domain,
        ('i', _) => Letter::Ip,
        ('p', _) => Letter::ValidatedName,
        ('v', _) => Letter::Version,
        ('h', _) => Letter::Helo,
        ('c', Letters::OfTexts) => Letter::ReadableIp,
        ('r', Letters::OfTexts) => Letter::Host,
        ('t', Letters::OfTexts) => Letter::Time,
        _ => return Err(SyntaxError),
    };
    let rest = chars.as_str();
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, rest) = rest.split_at(digits);
    let parts = match digits {
        "" => None,
        // RFC 7208 §7.1: zero is no number of parts; over the longest name every number is all of them.
        digits => Some(digits.parse().unwrap_or(usize::MAX)).filter(|parts| *parts > 0).map(Some).ok_or(SyntaxError)?,
    };
    let (reversed, delimiters) = match rest.strip_prefix(['r', 'R']) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    if !delimiters.chars().all(|c| matches!(c, '.' | '-' | '+' | ',' | '/' | '_' | '=')) {
        return Err(SyntaxError);
    }
    Ok(Expand { letter, escaped: first.is_ascii_uppercase(), parts, reversed, delimiters: delimiters.to_owned() })
}

#[cfg(test)]
mod tests {
    //! What the public suite has no case for; the suite itself runs with the integration tests.

    use super::*;
    use proptest::prelude::*;

    fn ok(record: &str) -> bool {
        Record::parse(record.as_bytes()).is_ok()
    }

    #[test]
    fn records() {
        for good in [
            "v=spf1",
            "v=spf1  -ALL ",
            "v=spf1 a/24//64 mx//0 a:%{d}/0 ptr:x.y ip6:::/0",
            "v=spf1 other=%{l} x_1.-=",
            "v=spf1 exists:%{l1r+-,/_=}.%{ir}.x",
            "v=spf1 a:x.%% redirect=%{d2}",
        ] {
            assert!(ok(good), "{good}");
        }
        for bad in [
            "v=spf1 all:x",
            "v=spf1 a:",
            "v=spf1 a:x",
            "v=spf1 a:x.1",
            "v=spf1 a/",
            "v=spf1 a//",
            "v=spf1 ptr/24",
            "v=spf1 ip4:1.2.3.4/",
            "v=spf1 ip4:1.2.3.4/+1",
            "v=spf1 exists",
            "v=spf1 %",
            "v=spf1 exists:%{l0}.x",
            "v=spf1 exists:%{c}.x",
            "v=spf1 exists:%{d",
            "v=spf1 --all",
            "v=spf1 redirect=a.b redirect=a.b",
            "v=spf1 \u{e4}",
            "v=spf1 a:%{d}x",
            "v=spf1 1=x",
        ] {
            assert!(!ok(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(text in proptest::collection::vec(any::<u8>(), 0..60), tail in "(a|mx|ip4|:|/|%|\\{|\\}|[0-9]|\\.|x|=| ){0,30}") {
            drop(Record::parse(&text));
            drop(explanation(&text));
            drop(Record::parse(format!("v=spf1 {tail}").as_bytes()));
        }
    }
}
