//! The IMAP ENVELOPE of a header block (RFC 3501 §7.4.2, RFC 9051 §7.5.2).

use crate::address::{self, Item, Mailbox};
use crate::field::Fields;
use crate::imap_string as imap;
use crate::limits::{ADDRESS_STRING_BYTES_MAX, EnvelopeLimits};

/// The envelope of a message of which nothing is known.
pub(crate) const EMPTY: &[u8] = b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)";

/// The raw values that the envelope and the search columns are made of.
#[derive(Default)]
pub(crate) struct Head<'a> {
    pub(crate) date: Option<&'a [u8]>,
    pub(crate) subject: Option<&'a [u8]>,
    pub(crate) in_reply_to: Option<&'a [u8]>,
    pub(crate) message_id: Option<&'a [u8]>,
    pub(crate) references: Option<&'a [u8]>,
    // A repeated address field adds to the first (RFC 5322 §4.5.3).
    pub(crate) from: Vec<&'a [u8]>,
    pub(crate) sender: Vec<&'a [u8]>,
    pub(crate) reply_to: Vec<&'a [u8]>,
    pub(crate) to: Vec<&'a [u8]>,
    pub(crate) cc: Vec<&'a [u8]>,
    pub(crate) bcc: Vec<&'a [u8]>,
}

impl<'a> Head<'a> {
    /// Of a header block.
    pub(crate) fn new(header: &'a [u8]) -> Self {
        let mut head = Self::default();
        for field in Fields::new(header) {
            if let Some(list) = head.addresses(field.name) {
                list.push(field.value);
            } else if let Some(slot) = head.text(field.name) {
                // Of a text field that is repeated against RFC 5322 §3.6 the first counts.
                slot.get_or_insert(field.value);
            }
        }
        head
    }

    fn addresses(&mut self, name: &[u8]) -> Option<&mut Vec<&'a [u8]>> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match name.len() {
            2 if is("to") => Some(&mut self.to),
            2 if is("cc") => Some(&mut self.cc),
            3 if is("bcc") => Some(&mut self.bcc),
            4 if is("from") => Some(&mut self.from),
            6 if is("sender") => Some(&mut self.sender),
            8 if is("reply-to") => Some(&mut self.reply_to),
            _ => None,
        }
    }

    fn text(&mut self, name: &[u8]) -> Option<&mut Option<&'a [u8]>> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match name.len() {
            4 if is("date") => Some(&mut self.date),
            7 if is("subject") => Some(&mut self.subject),
            10 if is("message-id") => Some(&mut self.message_id),
            10 if is("references") => Some(&mut self.references),
            11 if is("in-reply-to") => Some(&mut self.in_reply_to),
            _ => None,
        }
    }
}

/// Whether the envelope or a search column is made of fields of this name.
pub(crate) fn names(name: &[u8]) -> bool {
    let mut head = Head::default();
    head.addresses(name).is_some() || head.text(name).is_some()
}

/// Writes the envelope. Absent fields are NIL, empty ones of text are empty strings, and sender and reply-to are from
/// where they are absent or empty.
pub(crate) fn write(out: &mut Vec<u8>, head: &Head<'_>, limits: EnvelopeLimits) {
    let start = out.len();
    out.push(b'(');
    imap::value_or_nil(out, head.date, limits.string);
    out.push(b' ');
    imap::value_or_nil(out, head.subject, limits.string);
    out.push(b' ');
    let mut from = Vec::new();
    write_list(&mut from, &head.from, limits.senders);
    out.extend_from_slice(or_nil(&from));
    for list in [&head.sender, &head.reply_to] {
        out.push(b' ');
        let before = out.len();
        write_list(out, list, before + limits.senders);
        if out.len() == before {
            out.extend_from_slice(or_nil(&from));
        }
    }
    for list in [&head.to, &head.cc, &head.bcc] {
        out.push(b' ');
        let before = out.len();
        write_list(out, list, start + limits.addresses);
        if out.len() == before {
            out.extend_from_slice(b"NIL");
        }
    }
    out.push(b' ');
    imap::value_or_nil(out, head.in_reply_to, limits.string);
    out.push(b' ');
    imap::value_or_nil(out, head.message_id, limits.string);
    out.push(b')');
}

fn or_nil(list: &[u8]) -> &[u8] {
    if list.is_empty() { b"NIL" } else { list }
}

/// Writes the addresses of every occurrence in one pair of parentheses, and nothing when there is none. No further
/// address is begun once `out` has `length_max` octets; a group that was begun is ended.
fn write_list(out: &mut Vec<u8>, values: &[&[u8]], length_max: usize) {
    let start = out.len();
    out.push(b'(');
    for value in values {
        let mut in_group = false;
        address::each(value, &mut |item| {
            let room = out.len() < length_max;
            match item {
                Item::Mailbox(mailbox) if room => write_mailbox(out, &mailbox),
                Item::GroupStart(name) if room => {
                    in_group = true;
                    write_group_start(out, name);
                }
                Item::GroupEnd => {
                    in_group = false;
                    out.extend_from_slice(b"(NIL NIL NIL NIL)");
                }
                Item::Mailbox(_) | Item::GroupStart(_) => {}
            }
            room
        });
        if in_group {
            out.extend_from_slice(b"(NIL NIL NIL NIL)");
        }
    }
    if out.len() == start + 1 {
        out.truncate(start);
    } else {
        out.push(b')');
    }
}

fn write_mailbox(out: &mut Vec<u8>, mailbox: &Mailbox<'_>) {
    out.push(b'(');
    for part in [mailbox.name, mailbox.route, Some(mailbox.local)] {
        match part {
            Some(text) => imap::string(out, imap::cut(text, ADDRESS_STRING_BYTES_MAX)),
            None => out.extend_from_slice(b"NIL"),
        }
        out.push(b' ');
    }
    // A domain of NIL would say "group", so a missing one is the empty string.
    imap::string(out, imap::cut(mailbox.domain, ADDRESS_STRING_BYTES_MAX));
    out.push(b')');
}

fn write_group_start(out: &mut Vec<u8>, name: &[u8]) {
    out.extend_from_slice(b"(NIL NIL ");
    imap::string(out, imap::cut(name, ADDRESS_STRING_BYTES_MAX));
    out.extend_from_slice(b" NIL)");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    fn envelope(header: &str) -> String {
        let mut out = Vec::new();
        write(&mut out, &Head::new(header.as_bytes()), limits::ENVELOPE);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn the_example_of_rfc_3501() {
        let header = "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\n\
            Subject: IMAP4rev1 WG mtg summary and minutes\r\nTo: imap@cac.washington.edu\r\n\
            cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n\
            Message-Id: <B27397-0100000@cac.washington.edu>\r\n\r\n";
        let gray = r#"(("Terry Gray" NIL "gray" "cac.washington.edu"))"#;
        assert_eq!(
            envelope(header),
            [
                r#"("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes" "#,
                &format!("{gray} {gray} {gray} "),
                r#"((NIL NIL "imap" "cac.washington.edu")) "#,
                r#"((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) "#,
                r#"NIL NIL "<B27397-0100000@cac.washington.edu>")"#,
            ]
            .concat()
        );
    }

    #[test]
    fn absent_is_nil_and_empty_is_empty() {
        assert_eq!(envelope("").as_bytes(), EMPTY);
        assert_eq!(envelope("Subject:\r\nDate: \r\nTo: \r\nSender:\r\n"), r#"("" "" NIL NIL NIL NIL NIL NIL NIL NIL)"#);
    }

    #[test]
    fn groups_and_repeated_fields() {
        assert_eq!(
            envelope("To: Pals: a@b;\r\nTo: c@d\r\nSubject: one\r\nSubject: two\r\n"),
            r#"(NIL "one" NIL NIL NIL ((NIL NIL "Pals" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL)(NIL NIL "c" "d")) NIL NIL NIL NIL)"#
        );
    }

    #[test]
    fn eight_bit_and_controls_are_literals() {
        assert_eq!(
            envelope("Subject: \u{e5}\r\nMessage-ID: a\rb\r\n"),
            "(NIL {2}\r\n\u{e5} NIL NIL NIL NIL NIL NIL NIL {3}\r\na\rb)"
        );
    }

    #[test]
    fn it_stays_under_its_limit() {
        let many = "x@y,".repeat(200_000);
        let subject = "\u{e5}".repeat(500_000);
        let out =
            envelope(&format!("From: g:{many}\r\nTo: {many}\r\nCc: {many}\r\nBcc: h:{many}\r\nSubject: {subject}\r\n"));
        assert!(out.len() < 256 * 1024, "{}", out.len());
        assert!(out.len() > 192 * 1024, "{}", out.len());
    }
}
