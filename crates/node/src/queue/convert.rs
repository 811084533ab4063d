//! Between the wire's fields and the file's types; what does not fit is refused here.

use super::fault::malformed;
use super::files::File;
use super::limits::{ADDRESS_BYTES_MAX, DSN_TEXT_BYTES_MAX, NAME_BYTES_MAX, RECIPIENTS_MAX, STATUS_BYTES_MAX};
use mailbox::queue::{
    Envelope, Leased, Listed, ListedRecipient, Message, Origin, Outcome, Recipient, Ret, Settlement, State,
};
use model::{Domain, WebhookId};
use tonic::Status;
use wire::queue as proto;

/// What the destinations of webhooks begin with: no domain has a colon.
const WEBHOOK_PREFIX: &str = "webhook:";
/// The four bits of RFC 3461 §4.1.
const NOTIFY_BITS: u32 = 15;

/// An envelope and its recipients, checked.
pub fn envelope(envelope: proto::Envelope) -> Result<(Envelope, Vec<Recipient>), Status> {
    let origin = match envelope.origin() {
        proto::Origin::Submission => Origin::Submission,
        proto::Origin::Forward => Origin::Forward,
        proto::Origin::Webhook => Origin::Webhook,
        proto::Origin::System => Origin::System,
        proto::Origin::Unspecified => return Err(malformed("the envelope has no origin")),
    };
    let ret = match envelope.ret() {
        proto::Return::Unspecified => Ret::Unspecified,
        proto::Return::Full => Ret::Full,
        proto::Return::Headers => Ret::Headers,
    };
    if !is_text(&envelope.reverse_path, ADDRESS_BYTES_MAX) {
        return Err(malformed("the reverse-path is none"));
    }
    if !is_text(&envelope.envelope_id, DSN_TEXT_BYTES_MAX) || !is_text(&envelope.sender_mailbox, NAME_BYTES_MAX) {
        return Err(malformed("the envelope id or the mailbox is none"));
    }
    if envelope.recipients.is_empty() || envelope.recipients.len() > RECIPIENTS_MAX {
        return Err(malformed("no recipients, or too many"));
    }
    let recipients = envelope.recipients.into_iter().map(|one| recipient(one, origin)).collect::<Result<_, _>>()?;
    let envelope = Envelope {
        reverse_path: envelope.reverse_path,
        ret,
        envelope_id: envelope.envelope_id,
        smtputf8: envelope.smtputf8,
        eight_bit: envelope.eight_bit,
        require_tls: envelope.require_tls,
        mailbox: envelope.sender_mailbox,
        origin,
        expires_ms: envelope.expires_ms.max(0),
    };
    Ok((envelope, recipients))
}

fn recipient(recipient: proto::QueueRecipient, origin: Origin) -> Result<Recipient, Status> {
    if recipient.notify > NOTIFY_BITS || !is_text(&recipient.original, DSN_TEXT_BYTES_MAX) {
        return Err(malformed("a recipient's NOTIFY or ORCPT is none"));
    }
    let destination = match origin {
        Origin::Webhook => {
            let id: WebhookId = recipient.address.parse().map_err(|_| malformed("a webhook's id is none"))?;
            format!("{WEBHOOK_PREFIX}{id}")
        }
        Origin::Submission | Origin::Forward | Origin::System => destination(&recipient.address)?,
    };
    Ok(Recipient { address: recipient.address, destination, notify: recipient.notify, original: recipient.original })
}

/// The domain in lower-case A-labels, or the address literal (RFC 5321 §4.1.3), by which messages are put together.
fn destination(address: &str) -> Result<String, Status> {
    let bad = || malformed("a recipient's address is none");
    let (local, domain) = address.rsplit_once('@').ok_or_else(bad)?;
    if local.is_empty() || !is_text(address, ADDRESS_BYTES_MAX) {
        return Err(bad());
    }
    if let Some(literal) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let fits =
            !literal.is_empty() && literal.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-".contains(&byte));
        return if fits { Ok(domain.to_ascii_lowercase()) } else { Err(bad()) };
    }
    let domain: Domain = domain.parse().map_err(|_| bad())?;
    Ok(domain.as_str().to_owned())
}

/// Whether it is text of that size without anything that could end a line or a header.
fn is_text(text: &str, bytes_max: usize) -> bool {
    text.len() <= bytes_max && !text.chars().any(char::is_control)
}

/// What was said, for people: without line ends, and cut where it is too long.
pub fn said(text: &str, bytes_max: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let end = (0..=bytes_max.min(clean.len())).rev().find(|&end| clean.is_char_boundary(end)).unwrap_or_default();
    clean.get(..end).unwrap_or_default().to_owned()
}

/// What became of a recipient.
pub fn settlement(settlement: proto::Settlement) -> Result<Settlement, Status> {
    let outcome = match settlement.result() {
        proto::Result::Delivered => Outcome::Delivered,
        proto::Result::Failed => Outcome::Failed,
        proto::Result::Deferred => Outcome::Deferred { next_ms: settlement.next_attempt_ms },
        proto::Result::Unspecified => return Err(malformed("a settlement has no result")),
    };
    Ok(Settlement {
        outcome,
        status: said(&settlement.status, STATUS_BYTES_MAX),
        remote: said(&settlement.remote, NAME_BYTES_MAX),
        delay_notified: settlement.delay_notified,
        address: settlement.address,
    })
}

/// A message that is sent because of a settlement.
pub fn notice(notice: proto::Notice) -> Result<Message, Status> {
    let (envelope, recipients) = envelope(notice.envelope.ok_or_else(|| malformed("a notice has no envelope"))?)?;
    if envelope.origin != Origin::System {
        return Err(malformed("a notice is the system's own"));
    }
    Ok(Message {
        id: None,
        envelope,
        recipients,
        prefix: Vec::new(),
        incoming: mailbox::queue::Incoming::default(),
        rest: notice.message.into(),
    })
}

/// What a worker is handed.
pub fn leased(file: &File, leased: Leased) -> proto::LeasedEntry {
    let states = leased.recipients.iter().map(|state| proto::RecipientState {
        attempts: state.attempts,
        delay_notified: state.delay_notified,
        last_status: state.status.clone(),
    });
    proto::LeasedEntry {
        entry: file.entry_number(leased.entry),
        lease: leased.lease.unsigned_abs(),
        destination: leased.destination,
        states: states.collect(),
        envelope: Some(envelope_field(leased.envelope, leased.recipients)),
        size: leased.size,
        arrived_ms: leased.arrived_ms,
    }
}

/// What an operator is shown.
pub fn listed(file: &File, listed: Listed) -> proto::Entry {
    let (states, recipients) = listed.recipients.into_iter().map(listed_recipient).unzip();
    proto::Entry {
        entry: file.entry_number(listed.entry),
        envelope: Some(envelope_field(listed.envelope, states)),
        size: listed.size,
        arrived_ms: listed.arrived_ms,
        recipients,
    }
}

fn listed_recipient(recipient: ListedRecipient) -> (State, proto::EntryRecipient) {
    let state = recipient.state;
    let shown = proto::EntryRecipient {
        address: state.address.clone(),
        destination: recipient.destination,
        attempts: state.attempts,
        next_attempt_ms: state.next_ms,
        last_status: state.status.clone(),
        last_remote: state.remote.clone(),
        leased_by: recipient.leased_by,
        held: recipient.held,
        held_why: recipient.held_why,
        paused_until_ms: recipient.paused_until_ms,
    };
    (state, shown)
}

fn envelope_field(envelope: Envelope, recipients: Vec<State>) -> proto::Envelope {
    let ret = match envelope.ret {
        Ret::Unspecified => proto::Return::Unspecified,
        Ret::Full => proto::Return::Full,
        Ret::Headers => proto::Return::Headers,
    };
    let origin = match envelope.origin {
        Origin::Submission => proto::Origin::Submission,
        Origin::Forward => proto::Origin::Forward,
        Origin::Webhook => proto::Origin::Webhook,
        Origin::System => proto::Origin::System,
    };
    let recipients = recipients.into_iter().map(|state| proto::QueueRecipient {
        address: state.address,
        notify: state.notify,
        original: state.original,
    });
    proto::Envelope {
        reverse_path: envelope.reverse_path,
        recipients: recipients.collect(),
        ret: ret.into(),
        envelope_id: envelope.envelope_id,
        smtputf8: envelope.smtputf8,
        eight_bit: envelope.eight_bit,
        require_tls: envelope.require_tls,
        sender_mailbox: envelope.mailbox,
        origin: origin.into(),
        expires_ms: envelope.expires_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str, origin: proto::Origin) -> Result<Vec<Recipient>, Status> {
        let recipient = proto::QueueRecipient { address: address.to_owned(), notify: 0, original: String::new() };
        let sent = proto::Envelope { recipients: vec![recipient], origin: origin.into(), ..proto::Envelope::default() };
        envelope(sent).map(|(_, recipients)| recipients)
    }

    #[test]
    fn destinations_are_put_together_however_they_are_written() {
        for (address, expected) in [
            ("a@Example.ORG", "example.org"),
            ("a@example.org.", "example.org"),
            ("\"a@b\"@example.org", "example.org"),
            ("ä@bücher.example", "xn--bcher-kva.example"),
            ("a@[192.0.2.1]", "[192.0.2.1]"),
            ("a@[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]"),
        ] {
            assert_eq!(of(address, proto::Origin::Forward).unwrap()[0].destination, expected, "{address}");
        }
        let id = "00112233445566778899aabb";
        assert_eq!(of(id, proto::Origin::Webhook).unwrap()[0].destination, format!("webhook:{id}"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for address in
            ["", "a", "@b.example", "a@", "a@b c", "a@b\r\nRCPT TO:<c@d>", "a@[]", "a@[1 2]", "a\0@b.example"]
        {
            let code = of(address, proto::Origin::Submission).unwrap_err().code();
            assert_eq!(code, tonic::Code::InvalidArgument, "{address:?}");
        }
        assert!(of("a@b.example", proto::Origin::Webhook).is_err());
        assert!(of("a@b.example", proto::Origin::Unspecified).is_err());
    }

    #[test]
    fn what_was_said_is_one_line_and_bounded() {
        assert_eq!(said("550 no\r\nsuch", 100), "550 no  such");
        assert_eq!(said("ääää", 3), "ä");
        assert_eq!(said("abc", 3), "abc");
    }
}
