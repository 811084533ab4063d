//! Trace fields (RFC 5321 §4.4): Return-Path and Received as text, and the count of Received fields against loops.

mod prefix;

pub use prefix::{Prefix, PrefixError};

use jiff::Timestamp;
use memchr::memchr;
use std::fmt::Write as _;
use std::net::IpAddr;

/// The protocol a message came in by, as RFC 3848 and RFC 6531 §4.3 register it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    /// HELO
    Smtp,
    /// EHLO
    Esmtp,
    /// EHLO, and the transaction used SMTPUTF8.
    Utf8Smtp,
    /// LHLO
    Lmtp,
}

/// What TLS came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tls<'a> {
    /// `TLSv1.3`
    pub version: &'a str,
    /// `TLS_AES_256_GCM_SHA384`
    pub cipher: &'a str,
}

/// What a Received field says.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    /// The argument of HELO, EHLO or LHLO.
    pub greeted_as: &'a str,
    /// The address the client connected from.
    pub client: IpAddr,
    /// The client's name by reverse look-up, when it was verified.
    pub client_name: Option<&'a str>,
    /// This host's name.
    pub by: &'a str,
    /// How the session began.
    pub greeting: Greeting,
    /// Set on a session under TLS.
    pub tls: Option<Tls<'a>>,
    /// Whether the client signed in.
    pub authenticated: bool,
    /// What the logs know this message by.
    pub id: &'a str,
    /// The recipients of the transaction. With more than one none is named: a Bcc must not show (RFC 5321 §7.6).
    pub recipients: &'a [&'a str],
    /// When the message was received.
    pub at: Timestamp,
}

/// `Return-Path: <reverse-path>` and CRLF; the null reverse-path is the empty string.
pub fn return_path(reverse_path: &str) -> String {
    format!("Return-Path: <{}>\r\n", clean(reverse_path))
}

/// The whole field, folded, with its last CRLF.
pub fn received(received: &Received<'_>) -> String {
    let mut out = format!("Received: from {} (", clean(received.greeted_as));
    if let Some(name) = received.client_name {
        out.push_str(&clean(name));
        out.push(' ');
    }
    // RFC 5321 §4.1.3: an IPv6 literal has a tag.
    match received.client.to_canonical() {
        IpAddr::V4(address) => _ = write!(out, "[{address}])"),
        IpAddr::V6(address) => _ = write!(out, "[IPv6:{address}])"),
    }
    if let Some(tls) = received.tls {
        _ = write!(out, "\r\n\t(using {} with cipher {})", clean(tls.version), clean(tls.cipher));
    }
    let (by, id) = (clean(received.by), clean(received.id));
    _ = write!(out, "\r\n\tby {by} with {} id {id}", protocol(received));
    if let [recipient] = received.recipients {
        _ = write!(out, "\r\n\tfor <{}>", clean(recipient));
    }
    _ = write!(out, ";\r\n\t{}\r\n", received.at.strftime("%a, %-d %b %Y %H:%M:%S +0000"));
    out
}

/// RFC 3848: the suffix S is for TLS, A for a client that signed in.
fn protocol(received: &Received<'_>) -> String {
    let (tls, authenticated) = (received.tls.is_some(), received.authenticated);
    let name = match received.greeting {
        // There is no SMTPS in the registry: HELO under TLS can only be told as ESMTPS.
        Greeting::Smtp if tls || authenticated => "ESMTP",
        Greeting::Smtp => "SMTP",
        Greeting::Esmtp => "ESMTP",
        Greeting::Utf8Smtp => "UTF8SMTP",
        Greeting::Lmtp => "LMTP",
    };
    format!("{name}{}{}", if tls { "S" } else { "" }, if authenticated { "A" } else { "" })
}

/// Without what could end the line, a comment or the path.
fn clean(text: &str) -> String {
    let unsafe_char = |c: char| c.is_control() || matches!(c, '(' | ')' | '<' | '>' | '\\' | '\u{2028}' | '\u{2029}');
    text.chars().map(|c| if unsafe_char(c) { '?' } else { c }).collect()
}

/// Counts the Received fields of a message's top header as the message streams by.
#[derive(Debug)]
pub struct HopCounter {
    hops: usize,
    line: LineStart,
    ended: bool,
}

/// What the current line began with.
#[derive(Debug, Clone, Copy)]
enum LineStart {
    /// So many octets of the field name, or nothing yet.
    Name(usize),
    /// White space after the name (obsolete, RFC 5322 §4.5).
    Space,
    /// A lone CR.
    Return,
    /// Anything else.
    Other,
}

const NAME: &[u8] = b"received";

impl Default for HopCounter {
    fn default() -> Self {
        Self::new()
    }
}

impl HopCounter {
    /// At the first octet of a message.
    pub fn new() -> Self {
        Self { hops: 0, line: LineStart::Name(0), ended: false }
    }

    /// Reads the next piece.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(first) = rest.first().filter(|_| !self.ended) {
            if matches!(self.line, LineStart::Other) {
                let Some(newline) = memchr(b'\n', rest) else { return };
                self.line = LineStart::Name(0);
                rest = rest.get(newline + 1..).unwrap_or_default();
                continue;
            }
            self.step(*first);
            rest = rest.get(1..).unwrap_or_default();
        }
    }

    /// Received fields so far.
    pub fn hops(&self) -> usize {
        self.hops
    }

    fn step(&mut self, byte: u8) {
        self.line = match (self.line, byte) {
            (LineStart::Name(0) | LineStart::Return, b'\n') => {
                self.ended = true;
                LineStart::Other
            }
            (_, b'\n') => LineStart::Name(0),
            (LineStart::Name(0), b'\r') => LineStart::Return,
            (LineStart::Name(matched), byte) if NAME.get(matched) == Some(&byte.to_ascii_lowercase()) => {
                LineStart::Name(matched + 1)
            }
            (LineStart::Name(8) | LineStart::Space, b':') => {
                self.hops += 1;
                LineStart::Other
            }
            (LineStart::Name(8) | LineStart::Space, b' ' | b'\t') => LineStart::Space,
            _ => LineStart::Other,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example<'a>(recipients: &'a [&'a str]) -> Received<'a> {
        Received {
            greeted_as: "mail.example.org",
            client: "192.0.2.7".parse().unwrap(),
            client_name: Some("out.example.org"),
            by: "mx.example.com",
            greeting: Greeting::Esmtp,
            tls: Some(Tls { version: "TLSv1.3", cipher: "TLS_AES_256_GCM_SHA384" }),
            authenticated: false,
            id: "0192f",
            recipients,
            at: "2025-11-24T05:07:09Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_received_field() {
        assert_eq!(
            received(&example(&["ann@example.com"])),
            "Received: from mail.example.org (out.example.org [192.0.2.7])\r\n\
             \t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n\
             \tby mx.example.com with ESMTPS id 0192f\r\n\
             \tfor <ann@example.com>;\r\n\
             \tMon, 24 Nov 2025 05:07:09 +0000\r\n"
        );
    }

    #[test]
    fn several_recipients_are_not_named() {
        let bare = Received {
            client: "2001:db8::1".parse().unwrap(),
            client_name: None,
            tls: None,
            greeted_as: "x)\r\nEvil: (y",
            ..example(&["a@b", "c@d"])
        };
        assert_eq!(
            received(&bare),
            "Received: from x???Evil: ?y ([IPv6:2001:db8::1])\r\n\
             \tby mx.example.com with ESMTP id 0192f;\r\n\
             \tMon, 24 Nov 2025 05:07:09 +0000\r\n"
        );
    }

    #[test]
    fn protocols_of_rfc_3848() {
        let name = |greeting, tls: bool, authenticated| {
            let plain = example(&[]);
            protocol(&Received { greeting, tls: plain.tls.filter(|_| tls), authenticated, ..plain })
        };
        assert_eq!(name(Greeting::Smtp, false, false), "SMTP");
        assert_eq!(name(Greeting::Smtp, true, false), "ESMTPS");
        assert_eq!(name(Greeting::Esmtp, false, true), "ESMTPA");
        assert_eq!(name(Greeting::Esmtp, true, true), "ESMTPSA");
        assert_eq!(name(Greeting::Utf8Smtp, true, false), "UTF8SMTPS");
        assert_eq!(name(Greeting::Lmtp, false, false), "LMTP");
    }

    #[test]
    fn the_null_reverse_path() {
        assert_eq!(return_path(""), "Return-Path: <>\r\n");
        assert_eq!(return_path("a@b\r\nX: y"), "Return-Path: <a@b??X: y>\r\n");
    }

    #[test]
    fn hops_are_counted_in_the_top_header_only() {
        let message =
            b"Received: a\r\n received: folded\r\nRECEIVED \t: b\nReceived-SPF: c\r\nX-Received: d\r\nReceive\r\n\
            \rReceived: e\r\nReceived\r\n\r\nReceived: body\r\n";
        for size in 1..message.len() {
            let mut counter = HopCounter::new();
            message.chunks(size).for_each(|piece| counter.push(piece));
            assert_eq!(counter.hops(), 2, "pieces of {size}");
        }
    }
}
