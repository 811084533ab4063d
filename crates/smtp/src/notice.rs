//! Delivery status notifications (RFC 3461, 3464, and 6533 where UTF-8 is needed): what a sender is told, as one message.
//! Who is told, and when, is for the roles to decide.

use crate::dsn::{ascii_original, decoded};
use jiff::Timestamp;
use std::fmt::Write as _;

/// Octets of an original message that come back whole; of a larger one, or where the sender asked for it, the header does.
pub const WHOLE_BYTES_MAX: u64 = 256 * 1024;
/// Octets of an original header that come back; what is over it is cut at a line.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Characters of a header line before it is folded (RFC 5322 §2.1.1).
const LINE_CHARS: usize = 76;

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It will not be delivered.
    Failed,
    /// It is late, and tried until then.
    Delayed {
        /// The end.
        until: Timestamp,
    },
    /// It went on to a host that will not tell (RFC 3461 §5.2.2).
    Relayed,
    /// It went on to several addresses, of which none will tell (RFC 3461 §5.2.7.3).
    Expanded,
    /// It was delivered.
    Delivered,
}

impl Action {
    /// The value of the Action field (RFC 3464 §2.3.3).
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed { .. } => "delayed",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
            Self::Delivered => "delivered",
        }
    }

    fn subject(self) -> &'static str {
        match self {
            Self::Failed => "Undelivered Mail Returned to Sender",
            Self::Delayed { .. } => "Delayed Mail (still being retried)",
            Self::Relayed | Self::Expanded | Self::Delivered => "Successful Mail Delivery Report",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Failed => {
                "Your message could not be delivered to the recipients below, and will not be\r\ntried again."
            }
            Self::Delayed { .. } => {
                "Your message has not been delivered to the recipients below yet. It will be\r\n\
                 tried again; you need not send it again."
            }
            Self::Relayed => {
                "Your message was passed on to a host that does not report back. You may hear\r\nnothing more of it."
            }
            Self::Expanded => {
                "Your message was passed on to the addresses that the recipients below stand for.\r\n\
                 You may hear nothing more of it."
            }
            Self::Delivered => "Your message was delivered to the recipients below.",
        }
    }
}

/// What of the original message comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// CRLF lines.
    pub text: Vec<u8>,
    /// Whether it is the whole message.
    pub whole: bool,
}

impl Original {
    /// The header of a message, or of its beginning: whole lines, and no more than [`HEADER_BYTES_MAX`].
    pub fn header_of(message: &[u8]) -> Self {
        // A message that begins with an empty line has no header.
        let message = if message.starts_with(b"\r\n") { b"" } else { message };
        let ends = memchr::memmem::find(message, b"\r\n\r\n").map_or(message.len(), |at| at + 2);
        let lines = message.get(..ends.min(HEADER_BYTES_MAX)).unwrap_or_default();
        let end = memchr::memmem::rfind(lines, b"\r\n").map_or(0, |at| at + 2);
        Self { text: lines.get(..end).unwrap_or_default().to_vec(), whole: false }
    }
}

/// The message that is told of.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// Who is told; never the null reverse-path.
    pub reverse_path: &'a str,
    /// As it stood in ENVID; empty when there was none.
    pub envelope_id: &'a str,
    /// It was asked for with SMTPUTF8.
    pub utf8: bool,
    /// When it came here.
    pub arrived: Timestamp,
}

/// One recipient, and what became of the message there.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The address.
    pub address: &'a str,
    /// As it stood in ORCPT; empty when there was none.
    pub original: &'a str,
    /// Subject and detail of the status (RFC 3463); its class follows from the action.
    pub status: (u16, u16),
    /// Why, in one line of printable ASCII; empty when there is nothing to say.
    pub text: &'a str,
    /// Whether the text is a reply of the remote host, with its code in front.
    pub is_reply: bool,
    /// The host that said so, empty when none did.
    pub remote: &'a str,
}

/// One notice.
pub struct Notice<'a> {
    /// What it is about.
    pub letter: Letter<'a>,
    /// What happened.
    pub action: Action,
    /// To whom: each with what became of it.
    pub told: &'a [Told<'a>],
    /// What comes back.
    pub original: &'a Original,
    /// Our host.
    pub host: &'a str,
    /// Our address.
    pub from: &'a str,
    /// Now.
    pub at: Timestamp,
    /// A text that no other notice has.
    pub id: &'a str,
}

/// A notice, and what its envelope needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The message.
    pub message: Vec<u8>,
    /// It has octets over 127.
    pub eight_bit: bool,
    /// Its header or an address in it needs SMTPUTF8.
    pub utf8: bool,
}

impl Notice<'_> {
    /// The message.
    pub fn write(&self) -> Written {
        let utf8 = !self.letter.reverse_path.is_ascii() || self.told.iter().any(|told| !told.address.is_ascii());
        let boundary = format!("=_{}", self.id);
        let mut out = self.header(&boundary).into_bytes();
        self.explanation(&boundary, &mut out);
        self.status(&boundary, utf8, &mut out);
        self.returned(&boundary, utf8, &mut out);
        out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        Written { eight_bit: !out.is_ascii(), message: out, utf8 }
    }

    fn header(&self, boundary: &str) -> String {
        format!(
            "From: Mail Delivery System <{from}>\r\nTo: <{to}>\r\nSubject: {subject}\r\nDate: {date}\r\n\
             Message-ID: <{id}@{host}>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n\r\n",
            from = self.from,
            to = self.letter.reverse_path,
            subject = self.action.subject(),
            date = date(self.at),
            id = self.id,
            host = self.host,
        )
    }

    fn explanation(&self, boundary: &str, out: &mut Vec<u8>) {
        let mut text = format!("This is the mail system at {}.\r\n\r\n{}\r\n", self.host, self.action.words());
        for told in self.told {
            _ = write!(text, "\r\n<{}>", told.address);
            if self.action != Action::Delivered && !told.text.is_empty() {
                let remote = if told.remote.is_empty() { String::new() } else { format!(" host {} said", told.remote) };
                _ = write!(text, ":{remote}\r\n{}", fold(&format!("    {}", told.text), "    "));
            }
            text.push_str("\r\n");
        }
        part(boundary, "text/plain; charset=utf-8", text.as_bytes(), out);
    }

    /// RFC 3464 §2.
    fn status(&self, boundary: &str, utf8: bool, out: &mut Vec<u8>) {
        let mut text = String::new();
        if let Some(id) = decoded(self.letter.envelope_id) {
            let id = if utf8 { id.into() } else { ascii_original(&id) };
            text.push_str(&fold(&format!("Original-Envelope-Id: {id}"), " "));
            text.push_str("\r\n");
        }
        _ = write!(text, "Reporting-MTA: dns; {}\r\nArrival-Date: {}\r\n", self.host, date(self.letter.arrived));
        for told in self.told {
            text.push_str("\r\n");
            self.recipient(told, utf8, &mut text);
        }
        let kind = if utf8 { "message/global-delivery-status" } else { "message/delivery-status" };
        part(boundary, kind, text.as_bytes(), out);
    }

    fn recipient(&self, told: &Told<'_>, utf8: bool, text: &mut String) {
        // RFC 6533 §4: an address in UTF-8 is written in ASCII where the report is.
        let original = if utf8 { told.original.into() } else { ascii_original(told.original) };
        if let Some((kind, address)) = original.split_once(';')
            && let Some(address) = decoded(address)
        {
            // Xtext may stand for octets that its type has no use for.
            let address = if utf8 { address.into() } else { ascii_original(&address) };
            _ = write!(text, "Original-Recipient: {kind}; {address}\r\n");
        }
        // RFC 6533 §3.
        let kind = if told.address.is_ascii() { "rfc822" } else { "utf-8" };
        let class = match self.action {
            Action::Failed => 5,
            Action::Delayed { .. } => 4,
            Action::Relayed | Action::Expanded | Action::Delivered => 2,
        };
        let (subject, detail) = told.status;
        let action = self.action.name();
        _ = write!(
            text,
            "Final-Recipient: {kind}; {}\r\nAction: {action}\r\nStatus: {class}.{subject}.{detail}\r\n",
            told.address,
        );
        if let Some(remote) = told.remote.split(' ').next().filter(|remote| !remote.is_empty()) {
            _ = write!(text, "Remote-MTA: dns; {remote}\r\n");
        }
        if !told.text.is_empty() {
            let kind = if told.is_reply { "smtp" } else { "X-Brevdue" };
            text.push_str(&fold(&format!("Diagnostic-Code: {kind}; {}", told.text), " "));
            text.push_str("\r\n");
        }
        _ = write!(text, "Last-Attempt-Date: {}\r\n", date(self.at));
        if let Action::Delayed { until } = self.action {
            _ = write!(text, "Will-Retry-Until: {}\r\n", date(until));
        }
    }

    fn returned(&self, boundary: &str, utf8: bool, out: &mut Vec<u8>) {
        let utf8 = utf8 || self.letter.utf8;
        let kind = match (self.original.whole, utf8) {
            (true, false) => "message/rfc822",
            (true, true) => "message/global",
            (false, false) => "text/rfc822-headers",
            (false, true) => "message/global-headers",
        };
        part(boundary, kind, &self.original.text, out);
    }
}

fn part(boundary: &str, kind: &str, body: &[u8], out: &mut Vec<u8>) {
    let encoding = if body.is_ascii() { "7bit" } else { "8bit" };
    let head = format!("--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(body);
    out.extend_from_slice(if body.ends_with(b"\r\n") { b"\r\n" } else { b"\r\n\r\n" });
}

/// RFC 5322 §3.3.
pub fn date(at: Timestamp) -> String {
    at.strftime("%a, %-d %b %Y %H:%M:%S +0000").to_string()
}

/// Folded at spaces into lines of [`LINE_CHARS`], as far as there are spaces; a word that is longer stays whole.
fn fold(text: &str, indent: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut column = 0;
    for (at, word) in text.split(' ').enumerate() {
        if at > 0 && column > 0 && column + 1 + word.len() > LINE_CHARS {
            out.push_str("\r\n");
            out.push_str(indent);
            column = indent.len();
        } else if at > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out
}

#[cfg(test)]
mod tests;
