//! What became of one recipient in one attempt, in the words of RFC 3463, for the queue, the operator and the sender's notice.

use crate::limits::REPLY_TEXT_BYTES_MAX;
use smtp::Reply;
use std::fmt;

/// An enhanced status code (RFC 3463).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// 2 success, 4 for now, 5 for good.
    pub class: u16,
    /// What it is about.
    pub subject: u16,
    /// The detail.
    pub detail: u16,
}

impl Status {
    /// From its three numbers.
    pub const fn new(class: u16, subject: u16, detail: u16) -> Self {
        Self { class, subject, detail }
    }

    /// The server's own, or the undefined one of the reply's class.
    pub fn of(reply: &Reply) -> Self {
        let class = reply.code() / 100;
        // 3xx where it is not expected is no success.
        let class = if class == 3 { 5 } else { class };
        reply.status().map_or(Self::new(class, 0, 0), |status| Self::new(class, status.subject, status.detail))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The next host has it. `notifies`: it has taken over telling the sender (RFC 3461 §5.2).
    Delivered {
        /// Whether it offers DSN.
        notifies: bool,
    },
    /// To be tried again.
    Deferred,
    /// Never to be tried again.
    Failed,
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// Why, in a code.
    pub status: Status,
    /// Why, in one line: printable ASCII, bounded.
    pub text: String,
    /// Whether the text is a reply of the remote host (Diagnostic-Code of type smtp), with its code in front.
    pub is_reply: bool,
    /// The host that said so, empty when none did.
    pub remote: String,
}

impl Outcome {
    /// From a host's reply, whatever it says.
    pub fn of_reply(reply: &Reply, remote: &str, notifies: bool) -> Self {
        let verdict = match reply.code() {
            200..=299 => Verdict::Delivered { notifies },
            400..=499 => Verdict::Deferred,
            _ => Verdict::Failed,
        };
        let status = Status::of(reply);
        let enhanced = reply.status().map(|_| format!("{status} ")).unwrap_or_default();
        let text = one_line(&format!("{} {enhanced}{}", reply.code(), reply.text()));
        Self { verdict, status, text, is_reply: true, remote: remote.to_owned() }
    }

    /// For now, for a reason of our own.
    pub fn deferred(status: Status, text: &str, remote: &str) -> Self {
        Self::own(Verdict::Deferred, Status { class: 4, ..status }, text, remote)
    }

    /// For good, for a reason of our own.
    pub fn failed(status: Status, text: &str, remote: &str) -> Self {
        Self::own(Verdict::Failed, Status { class: 5, ..status }, text, remote)
    }

    /// Done, by a host that is not SMTP's.
    pub fn done(text: &str, remote: &str) -> Self {
        Self::own(Verdict::Delivered { notifies: false }, Status::new(2, 0, 0), text, remote)
    }

    fn own(verdict: Verdict, status: Status, text: &str, remote: &str) -> Self {
        Self { verdict, status, text: one_line(text), is_reply: false, remote: remote.to_owned() }
    }
}

/// Printable ASCII in one line, cut to a bound: it goes into a header field of a notice.
fn one_line(text: &str) -> String {
    let printable = |c: char| match c {
        '\n' | '\t' | '\r' => ' ',
        ' '..='~' => c,
        _ => '?',
    };
    text.trim_end().chars().map(printable).take(REPLY_TEXT_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies() {
        let outcome = |reply: &Reply| Outcome::of_reply(reply, "mx.example", true);
        let taken = outcome(&Reply::new(250, 0, 0, "Queued as 1"));
        assert_eq!(
            (taken.verdict, taken.text.as_str()),
            (Verdict::Delivered { notifies: true }, "250 2.0.0 Queued as 1")
        );
        let full = outcome(&Reply::bare(452, "Too\nmany".into()));
        assert_eq!(
            (full.verdict, full.status, full.text.as_str()),
            (Verdict::Deferred, Status::new(4, 0, 0), "452 Too many")
        );
        let unknown = outcome(&Reply::new(550, 1, 1, "No\u{7}\u{e9}"));
        assert_eq!((unknown.verdict, unknown.text.as_str()), (Verdict::Failed, "550 5.1.1 No??"));
        assert_eq!(unknown.status.to_string(), "5.1.1");
        assert_eq!(outcome(&Reply::bare(354, "Go".into())).verdict, Verdict::Failed);
        assert_eq!(outcome(&Reply::bare(500, "x".repeat(5000).into())).text.len(), REPLY_TEXT_BYTES_MAX);
    }
}
