//! A leased entry: what the wire says of it in our terms, and in the wire's terms what became of it.

use crate::letter::{Letter, Recipient};
use crate::outcome::{Outcome, Verdict};
use crate::schedule::{self, Schedule};
use jiff::Timestamp;
use smtp::client::{Notify, ReturnText};
use smtp::notice::{self, Action, Notice, Original};
use wire::queue::{self as proto, LeasedEntry, Origin, Return, Settlement};

/// One leased entry.
pub struct Entry {
    /// The envelope.
    pub letter: Letter,
    /// Its recipients.
    pub recipients: Vec<Recipient>,
    /// When it is given up, where the envelope says so.
    pub expires: Option<Timestamp>,
}

/// What became of one recipient, and what follows.
struct Decision<'a> {
    recipient: &'a Recipient,
    outcome: Outcome,
    next_attempt: Option<Timestamp>,
    /// Whether the sender has to hear, and what.
    told: Option<Action>,
}

/// What becomes of an entry.
pub struct Settled {
    /// One for each recipient.
    pub settlements: Vec<Settlement>,
    /// What senders are told; at most one of each kind.
    pub notices: Vec<Told>,
}

/// A notice that is to be written.
pub struct Told {
    /// What it says.
    pub action: Action,
    /// Of whom.
    pub about: Vec<(Recipient, Outcome)>,
}

impl Entry {
    /// From the wire; `None` when it makes no sense.
    pub fn of(leased: &LeasedEntry) -> Option<Self> {
        let envelope = leased.envelope.as_ref()?;
        let letter = Letter {
            reverse_path: envelope.reverse_path.clone(),
            ret: match envelope.ret() {
                Return::Unspecified => None,
                Return::Full => Some(ReturnText::Full),
                Return::Headers => Some(ReturnText::Headers),
            },
            envelope_id: envelope.envelope_id.clone(),
            utf8: envelope.smtputf8,
            eight_bit: envelope.eight_bit,
            require_tls: envelope.require_tls,
            of_system: envelope.origin() == Origin::System,
            size: leased.size,
            arrived: Timestamp::from_millisecond(leased.arrived_ms).ok()?,
        };
        if envelope.recipients.is_empty() || envelope.recipients.len() != leased.states.len() {
            return None;
        }
        let recipient = |(recipient, state): (&proto::QueueRecipient, &proto::RecipientState)| Recipient {
            address: recipient.address.clone(),
            notify: Notify::from_bits(recipient.notify),
            original: recipient.original.clone(),
            attempts: state.attempts,
            delay_notified: state.delay_notified,
        };
        let expires =
            (envelope.expires_ms > 0).then(|| Timestamp::from_millisecond(envelope.expires_ms).ok()).flatten();
        Some(Self {
            letter,
            recipients: envelope.recipients.iter().zip(&leased.states).map(recipient).collect(),
            expires,
        })
    }

    /// What follows from these outcomes, one for each recipient in order.
    pub fn settle(&self, outcomes: Vec<Outcome>, schedule: Schedule, now: Timestamp) -> Settled {
        let end = schedule.end(self.letter.arrived, self.expires);
        let decisions: Vec<_> = self
            .recipients
            .iter()
            .zip(outcomes)
            .map(|(recipient, outcome)| self.decide(recipient, outcome, schedule, end, now))
            .collect();
        let mut notices: Vec<Told> = Vec::new();
        for decision in &decisions {
            let Some(action) = decision.told else { continue };
            let about = (decision.recipient.clone(), decision.outcome.clone());
            match notices.iter_mut().find(|told| told.action == action) {
                Some(told) => told.about.push(about),
                None => notices.push(Told { action, about: vec![about] }),
            }
        }
        Settled { settlements: decisions.iter().map(settlement).collect(), notices }
    }

    fn decide<'a>(
        &self,
        recipient: &'a Recipient,
        outcome: Outcome,
        schedule: Schedule,
        end: Timestamp,
        now: Timestamp,
    ) -> Decision<'a> {
        // The null reverse-path is told nothing (RFC 5321 §6.1).
        let tell = |action, asked: bool| (asked && !self.letter.reverse_path.is_empty()).then_some(action);
        match outcome.verdict {
            Verdict::Delivered { notifies } => {
                let told = tell(self.success(), recipient.notify.success() && !notifies);
                Decision { recipient, outcome, next_attempt: None, told }
            }
            Verdict::Deferred if now < end => {
                let late = schedule.is_late(self.letter.arrived, now) && !recipient.delay_notified;
                let told = tell(Action::Delayed { until: end }, late && recipient.notify.delay());
                let next_attempt = Some(schedule::next_attempt(recipient.attempts, now, end));
                Decision { recipient, outcome, next_attempt, told }
            }
            Verdict::Deferred | Verdict::Failed => {
                let told = tell(Action::Failed, recipient.notify.failure());
                let outcome = Outcome { verdict: Verdict::Failed, ..outcome };
                Decision { recipient, outcome, next_attempt: None, told }
            }
        }
    }

    /// A host that does not tell took it over, which is no delivery; a program that was called has it.
    fn success(&self) -> Action {
        let program = self.recipients.first().is_some_and(|recipient| !recipient.address.contains('@'));
        if program { Action::Delivered } else { Action::Relayed }
    }

    /// Whether a notice brings back the whole message (RFC 3461 §4.3: only of a failure, and where it was asked for; never of
    /// one that requires TLS, RFC 8689 §5).
    pub fn returns_whole(&self, action: Action) -> bool {
        let asked = self.letter.ret == Some(ReturnText::Full) && !self.letter.require_tls;
        action == Action::Failed && asked && self.letter.size <= notice::WHOLE_BYTES_MAX
    }
}

fn settlement(decision: &Decision<'_>) -> Settlement {
    let Decision { recipient, outcome, next_attempt, told } = decision;
    let result = match outcome.verdict {
        Verdict::Delivered { .. } => proto::Result::Delivered,
        Verdict::Deferred => proto::Result::Deferred,
        Verdict::Failed => proto::Result::Failed,
    };
    Settlement {
        address: recipient.address.clone(),
        result: result.into(),
        next_attempt_ms: next_attempt.map_or(0, Timestamp::as_millisecond),
        status: format!("{} {}", outcome.status, outcome.text),
        remote: outcome.remote.clone(),
        delay_notified: recipient.delay_notified || matches!(told, Some(Action::Delayed { .. })),
    }
}

fn told((recipient, outcome): &(Recipient, Outcome)) -> notice::Told<'_> {
    notice::Told {
        address: &recipient.address,
        original: &recipient.original,
        status: (outcome.status.subject, outcome.status.detail),
        text: &outcome.text,
        is_reply: outcome.is_reply,
        remote: &outcome.remote,
    }
}

impl Told {
    /// The notice as the queue takes it, `sign` having its fields for the front.
    pub async fn write<S: Future<Output = String>>(
        &self,
        letter: &Letter,
        original: &Original,
        us: &crate::worker::Us,
        sign: impl FnOnce(Vec<u8>) -> S,
    ) -> Option<proto::Notice> {
        let random = vault::random::<16>().ok()?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let told: Vec<_> = self.about.iter().map(told).collect();
        let (action, host, from, at) = (self.action, us.host.as_str(), us.from.as_str(), us.clock.now());
        let Letter { reverse_path, envelope_id, utf8, arrived, .. } = letter;
        let about = notice::Letter { reverse_path, envelope_id, utf8: *utf8, arrived: *arrived };
        let written = Notice { letter: about, action, told: &told, original, host, from, at, id: &id }.write();
        let signature = sign(written.message.clone()).await;
        let mut message = signature.into_bytes();
        message.extend(written.message);
        let envelope = node_client::queue::notice_envelope(&letter.reverse_path, written.utf8, written.eight_bit);
        // RFC 8689 §5: what is said of a message is as secret as the message.
        let envelope = proto::Envelope { require_tls: letter.require_tls, ..envelope };
        Some(proto::Notice { envelope: Some(envelope), message: message.into() })
    }
}

#[cfg(test)]
mod tests;
