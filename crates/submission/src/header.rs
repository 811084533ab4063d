//! A message's header on its way out: what nobody else may see is taken out, what must be there is put in (RFC 6409 §8). The
//! text after it passes as it is.

use crate::limits::HEADER_BYTES_MAX;
use jiff::Timestamp;

/// Fields that are taken out: Bcc tells what it must not (RFC 5322 §3.6.3), Return-Path is for whoever delivers.
const REMOVED: [&str; 3] = ["bcc", "resent-bcc", "return-path"];

/// Why a header is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Over [`HEADER_BYTES_MAX`].
    #[error("the header is too long")]
    TooLong,
}

/// Gathers the header of a message that comes in pieces.
#[derive(Debug, Default)]
pub struct Gatherer {
    held: Vec<u8>,
    /// Octets of it that were looked at.
    scanned: usize,
}

/// A header, whole, and what of the text came with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Gathered {
    /// With the empty line after it, if there is one.
    pub header: Vec<u8>,
    /// What follows.
    pub text: Vec<u8>,
}

impl Gatherer {
    /// Takes a piece; the header when it is whole.
    ///
    /// # Errors
    /// [`HeaderError::TooLong`]
    pub fn push(&mut self, piece: &[u8]) -> Result<Option<Gathered>, HeaderError> {
        self.held.extend_from_slice(piece);
        match end_of_header(&self.held, self.scanned) {
            Some(end) if end <= HEADER_BYTES_MAX => {
                let text = self.held.split_off(end);
                Ok(Some(Gathered { header: std::mem::take(&mut self.held), text }))
            }
            None if self.held.len() <= HEADER_BYTES_MAX => {
                // The empty line may begin with the last octets.
                self.scanned = self.held.len().saturating_sub(3);
                Ok(None)
            }
            Some(_) | None => Err(HeaderError::TooLong),
        }
    }

    /// The message has ended without an empty line: it is a header and nothing else.
    pub fn finish(self) -> Vec<u8> {
        self.held
    }
}

fn end_of_header(held: &[u8], from: usize) -> Option<usize> {
    if held.starts_with(b"\r\n") {
        return Some(2);
    }
    let rest = held.get(from..)?;
    rest.windows(4).position(|four| four == b"\r\n\r\n").map(|at| from + at + 4)
}

/// What is put in when it is missing.
#[derive(Debug, Clone)]
pub struct Missing<'a> {
    /// For Date.
    pub now: Timestamp,
    /// For Message-ID: what stands before the `@`.
    pub unique: &'a str,
    /// And behind it.
    pub host: &'a str,
}

/// A header in its two forms.
#[derive(Debug, PartialEq, Eq)]
pub struct Completed {
    /// For those who get it.
    pub outgoing: Vec<u8>,
    /// For who sent it: with its Bcc.
    pub kept: Vec<u8>,
}

/// Takes out what must not go, and puts in what is missing at the header's end.
pub fn complete(header: &[u8], missing: &Missing<'_>) -> Completed {
    let (mut outgoing, mut kept) = (Vec::with_capacity(header.len() + 128), Vec::with_capacity(header.len() + 128));
    let (mut has_date, mut has_id, mut empty_line) = (false, false, &b""[..]);
    for field in fields(header) {
        if field == b"\r\n" {
            empty_line = field;
            break;
        }
        let name = name(field);
        has_date |= name == "date";
        has_id |= name == "message-id";
        if name != "return-path" {
            kept.extend_from_slice(field);
        }
        if !REMOVED.contains(&name.as_str()) {
            outgoing.extend_from_slice(field);
        }
    }
    let mut added = String::new();
    if !has_date {
        added.push_str(&format!("Date: {}\r\n", missing.now.strftime("%a, %-d %b %Y %H:%M:%S +0000")));
    }
    if !has_id {
        added.push_str(&format!("Message-ID: <{}@{}>\r\n", missing.unique, missing.host));
    }
    for form in [&mut outgoing, &mut kept] {
        if !form.is_empty() && !form.ends_with(b"\r\n") {
            form.extend_from_slice(b"\r\n");
        }
        form.extend_from_slice(added.as_bytes());
        form.extend_from_slice(empty_line);
    }
    Completed { outgoing, kept }
}

/// Every address in the From fields, as written; `None` when there is no From field, or nobody in it.
pub fn authors(header: &[u8]) -> Option<Vec<String>> {
    let parsed = mail_parser::MessageParser::default().parse_headers(header)?;
    let mut authors = Vec::new();
    for field in parsed.headers().iter().filter(|field| field.name() == "From") {
        let addresses = field.value().as_address()?;
        for address in addresses.iter() {
            authors.push(address.address.as_deref()?.to_owned());
        }
    }
    (!authors.is_empty()).then_some(authors)
}

/// Fields with their continuation lines and ends; the empty line comes as one.
fn fields(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = header;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = line_end(rest, 0);
        // White space at the start of a line goes on with the field; the empty line has none.
        while !rest.starts_with(b"\r\n") && matches!(rest.get(end), Some(b' ' | b'\t')) {
            end = line_end(rest, end);
        }
        let (field, after) = rest.split_at(end);
        rest = after;
        Some(field)
    })
}

fn line_end(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| from + at + 1)
}

/// In lower case; empty for a line that is no field.
fn name(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == b':').unwrap_or(0);
    String::from_utf8_lossy(field.get(..end).unwrap_or_default()).trim_end().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn missing() -> Missing<'static> {
        Missing { now: "2026-01-02T03:04:05Z".parse().unwrap(), unique: "u", host: "h.test" }
    }

    fn completed(header: &str) -> (String, String) {
        let Completed { outgoing, kept } = complete(header.as_bytes(), &missing());
        (String::from_utf8(outgoing).unwrap(), String::from_utf8(kept).unwrap())
    }

    #[test]
    fn what_is_taken_out_and_put_in() {
        let all = "Date: x\r\nMessage-Id : <y>\r\nFrom: a@b\r\n\r\n";
        assert_eq!(completed(all), (all.to_owned(), all.to_owned()));
        let (outgoing, kept) = completed("Return-Path: <x>\r\nBCC: c@d,\r\n e@f\r\nTo: g\r\nResent-Bcc: h\r\n\r\n");
        let added = "Date: Fri, 2 Jan 2026 03:04:05 +0000\r\nMessage-ID: <u@h.test>\r\n";
        assert_eq!(outgoing, format!("To: g\r\n{added}\r\n"));
        assert_eq!(kept, format!("BCC: c@d,\r\n e@f\r\nTo: g\r\nResent-Bcc: h\r\n{added}\r\n"));
        // A message of one line that does not end.
        assert_eq!(completed("Subject: x").0, format!("Subject: x\r\n{added}"));
        assert_eq!(completed("\r\n").0, format!("{added}\r\n"));
    }

    #[test]
    fn who_wrote_it() {
        let of = |header: &str| authors(header.as_bytes());
        assert_eq!(of("From: Ann <a@b.test>, c@d.test\r\n\r\n").unwrap(), ["a@b.test", "c@d.test"]);
        assert_eq!(of("From: a@b.test\r\nfrom: c@d.test\r\n\r\n").unwrap(), ["a@b.test", "c@d.test"]);
        assert_eq!(of("From: Team: a@b.test, e@f.test;\r\n\r\n").unwrap(), ["a@b.test", "e@f.test"]);
        for none in ["Subject: x\r\n\r\n", "From:\r\n\r\n", "From: nobody\r\n\r\n", ""] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(message in "([a-b:]{0,3}\r\n){0,4}[a]{0,2}", cut in 0..16_usize) {
            let (one, two) = message.as_bytes().split_at(cut.min(message.len()));
            let mut whole = Gatherer::default();
            let mut pieces = Gatherer::default();
            let expected = whole.push(message.as_bytes()).unwrap();
            let got = match pieces.push(one).unwrap() {
                Some(mut gathered) => {
                    gathered.text.extend_from_slice(two);
                    Some(gathered)
                }
                None => pieces.push(two).unwrap(),
            };
            prop_assert_eq!(&got, &expected);
            if let Some(Gathered { header, text }) = got {
                prop_assert_eq!([header, text].concat(), message.as_bytes());
            }
        }
    }
}
