//! What searches, sorting and threads ask of a message: decoded fields, message ids, the date it says it was sent.

use crate::address::{self, Item};
use crate::encoded_word;
use crate::envelope::Head;
use crate::limits::{MESSAGE_ID_BYTES_MAX, MESSAGE_IDS_MAX};
use crate::{date, lex, subject};

/// Addresses of one field that are looked at for another form: people have a handful, and each costs a look through the field.
const ADDRESSES_LOOKED_AT_MAX: usize = 64;

/// The Date field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Days since 1970-01-01 of the date as it was written: SENTBEFORE, SENTON and SENTSINCE disregard time and zone
    /// (RFC 9051 §6.4.4).
    pub day: i32,
    /// The instant, in milliseconds since 1970-01-01 UTC.
    pub ms: i64,
}

/// The fields of the top header that have columns of their own. Text is unfolded, encoded words are decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// With its angle brackets.
    pub message_id: Option<String>,
    /// With their angle brackets.
    pub in_reply_to: Vec<String>,
    /// With their angle brackets, oldest first.
    pub references: Vec<String>,
    /// `None` without a valid Date field.
    pub sent: Option<Sent>,
    /// As it is shown.
    pub subject: String,
    /// As RFC 5256 §2.1 has it, for SORT and THREAD; compare it without case.
    pub base_subject: String,
    /// Every From field.
    pub from: String,
    /// Every To field.
    pub to: String,
    /// Every Cc field.
    pub cc: String,
    /// Every Bcc field.
    pub bcc: String,
}

impl Summary {
    pub(crate) fn new(head: &Head<'_>) -> Self {
        let subject = encoded_word::decode(head.subject.unwrap_or_default());
        Self {
            message_id: message_ids(head.message_id).pop(),
            in_reply_to: message_ids(head.in_reply_to),
            references: message_ids(head.references),
            sent: head.date.and_then(date::parse),
            base_subject: subject::base(&subject),
            subject,
            from: addresses(&head.from),
            to: addresses(&head.to),
            cc: addresses(&head.cc),
            bcc: addresses(&head.bcc),
        }
    }
}

/// The fields as they are shown, and behind them what the envelope makes of an address that is not written so: FROM and its
/// kin ask for the envelope's field (RFC 9051 §6.4.4).
fn addresses(values: &[&[u8]]) -> String {
    let mut text = joined(values);
    let mut left = ADDRESSES_LOOKED_AT_MAX;
    for value in values {
        address::each(value, &mut |item| {
            if let Item::Mailbox(mailbox) = item
                && !mailbox.domain.is_empty()
            {
                let plain = [mailbox.local, b"@", mailbox.domain].concat();
                if memchr::memmem::find(value, &plain).is_none() {
                    text.push_str(" <");
                    text.push_str(&String::from_utf8_lossy(&plain));
                    text.push('>');
                }
            }
            left -= 1;
            left > 0
        });
        if left == 0 {
            break;
        }
    }
    text
}

fn joined(values: &[&[u8]]) -> String {
    match values {
        [] => String::new(),
        [value] => encoded_word::decode(value),
        values => values.iter().map(|value| encoded_word::decode(value)).collect::<Vec<_>>().join(", "),
    }
}

/// What stands between angle brackets, with them; the last [`MESSAGE_IDS_MAX`] of them.
fn message_ids(value: Option<&[u8]>) -> Vec<String> {
    let mut ids = Vec::new();
    let mut rest = value.unwrap_or_default();
    while let Some(start) = memchr::memchr(b'<', rest) {
        let (_, from) = lex::split(rest, start);
        let Some(end) = memchr::memchr(b'>', from) else { break };
        let (id, after) = lex::split(from, end + 1);
        rest = after;
        // White space inside is left over from folding or against RFC 5322 §3.6.4.
        let id: Vec<u8> = id.iter().copied().filter(|byte| !lex::is_space(*byte)).collect();
        if (3..=MESSAGE_ID_BYTES_MAX).contains(&id.len()) {
            ids.push(String::from_utf8_lossy(&id).into_owned());
        }
    }
    let surplus = ids.len().saturating_sub(MESSAGE_IDS_MAX);
    ids.drain(..surplus);
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded() {
        let header = b"From: =?utf-8?q?J=C3=B8rn?= <j@x>\r\nTo: a@b\r\nTO: c@d\r\nSubject: Re: =?utf-8?b?w6Y=?=\r\n\
            Date: Fri, 21 Nov 1997 09:55:06 -0600\r\nMessage-ID: <1@x> junk\r\nReferences: <a\r\n @b><c@d> <e@f\r\n\r\n";
        let summary = Summary::new(&Head::new(header));
        let expected = Summary {
            message_id: Some("<1@x>".to_owned()),
            in_reply_to: vec![],
            references: vec!["<a@b>".to_owned(), "<c@d>".to_owned()],
            sent: Some(Sent { day: 10_186, ms: 880_127_706_000 }),
            subject: "Re: æ".to_owned(),
            base_subject: "æ".to_owned(),
            from: "Jørn <j@x>".to_owned(),
            to: "a@b, c@d".to_owned(),
            cc: String::new(),
            bcc: String::new(),
        };
        assert_eq!(summary, expected);
    }

    #[test]
    fn addresses_stand_there_as_the_envelope_has_them_too() {
        let head = |header: &'static [u8]| Summary::new(&Head::new(header));
        assert_eq!(head(b"From: <a (b)@ (c) d.org>\r\n\r\n").from, "<a (b)@ (c) d.org> <a@d.org>");
        assert_eq!(head(b"To: G: a@b, \"c\"@d;, e\r\n\r\n").to, "G: a@b, \"c\"@d;, e <c@d>");
        let many = Summary::new(&Head::new(&[b"Cc: ", "a @b,".repeat(99).as_bytes(), b"\r\n\r\n"].concat()));
        assert_eq!(many.cc.matches("<a@b>").count(), ADDRESSES_LOOKED_AT_MAX);
    }

    #[test]
    fn the_newest_ids_are_kept() {
        let ids: String = (0..1001).map(|id| format!("<{id}@x> ")).collect();
        let kept = message_ids(Some(ids.as_bytes()));
        assert_eq!((kept.len(), kept[0].as_str(), kept[999].as_str()), (1000, "<1@x>", "<1000@x>"));
    }
}
