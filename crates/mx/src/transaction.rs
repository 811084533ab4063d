//! One SMTP transaction: MAIL opens it, each RCPT asks for a recipient, the text goes to the nodes, the end is a reply.

use crate::deliver::{Delivery, Findings, Report, Undelivered};
use crate::trace::{self, Peer};
use crate::{Mx, answers, metrics as names, recipient};
use message::trace::{HopCounter, Prefix};
use model::DeliveryId;
use model::limits::RECEIVED_FIELDS_MAX;
use smtp::session::answers::START_INPUT;
use smtp::{Path, Reply};

/// Why the text that still comes is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Loop,
    NodeLost,
}

impl Fault {
    const fn reply(self) -> Reply {
        match self {
            Self::Loop => answers::LOOP,
            Self::NodeLost => answers::for_undelivered(Undelivered::Unavailable),
        }
    }
}

/// An open transaction. Dropping it delivers nothing to anybody.
pub struct Transaction {
    id: DeliveryId,
    reverse_path: Path,
    /// `None` once it was given up.
    delivery: Option<Delivery>,
    forward_path: Option<Path>,
    /// What goes in front of the text.
    trace: String,
    hops: HopCounter,
    fault: Option<Fault>,
}

impl Transaction {
    /// With an id of its own.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn new(mx: &Mx, reverse_path: Path, size: Option<u64>) -> Result<Self, Reply> {
        let id = vault::random().map(DeliveryId::from_bytes).map_err(|error| {
            tracing::error!(%error, "no randomness for a delivery id");
            answers::INTERNAL
        })?;
        let delivery = Some(Delivery::new(id, size.unwrap_or(0), mx.patience));
        let hops = HopCounter::new();
        Ok(Self { id, reverse_path, delivery, forward_path: None, trace: String::new(), hops, fault: None })
    }

    /// RCPT.
    pub async fn recipient(&mut self, mx: &Mx, path: Path) -> Reply {
        let Some(delivery) = &mut self.delivery else { return answers::UNAVAILABLE };
        let reply = recipient::add(mx, delivery, &path).await;
        ::metrics::counter!(names::RECIPIENTS, "answer" => reply.code().to_string()).increment(1);
        if reply.is_positive() {
            self.forward_path = Some(path);
        }
        reply
    }

    /// The text is about to come. The trace fields are settled now (RFC 5321 §4.4).
    pub async fn begin(&mut self, mx: &Mx, peer: &Peer<'_>) -> Reply {
        let Some(delivery) = &mut self.delivery else { return answers::UNAVAILABLE };
        // With several recipients the field would tell each of the others (RFC 5321 §7.6).
        let only = if delivery.recipients() == 1 { self.forward_path.as_ref() } else { None };
        self.trace = trace::fields(mx, self.id, &self.reverse_path, peer, only);
        match delivery.begin().await {
            Ok(()) => START_INPUT,
            Err(error) => {
                tracing::error!(delivery = %self.id, %error, "a delivery could not begin");
                self.delivery = None;
                answers::INTERNAL
            }
        }
    }

    /// More text. When it cannot be passed on, the nodes drop what they have and the rest is ignored.
    pub async fn text(&mut self, text: &[u8]) {
        let Some(delivery) = &mut self.delivery else { return };
        self.hops.push(text);
        if self.hops.hops() > RECEIVED_FIELDS_MAX {
            self.give_up(Fault::Loop);
        } else if let Err(error) = delivery.push(text).await {
            tracing::warn!(delivery = %self.id, %error, "delivery given up in mid-text");
            self.give_up(Fault::NodeLost);
        }
    }

    fn give_up(&mut self, fault: Fault) {
        self.fault = Some(fault);
        self.delivery = None;
    }

    /// The text is whole. A positive reply says that every recipient's copy is on stable storage.
    pub async fn finish(self) -> Reply {
        let Some(delivery) = self.delivery else {
            let reply = self.fault.unwrap_or(Fault::NodeLost).reply();
            let result = if reply.is_permanent() { "refused" } else { "put_off" };
            ::metrics::counter!(names::MESSAGES, "result" => result).increment(1);
            return reply;
        };
        let findings = match Prefix::new(self.trace.into_bytes()) {
            Ok(prefix) => Findings { prefix, junk: Vec::new() },
            Err(error) => {
                tracing::error!(delivery = %self.id, %error, "the fields in front of a message cannot be used");
                return answers::INTERNAL;
            }
        };
        let report = delivery.finish(&findings).await;
        note(self.id, &report);
        report.undelivered.map_or_else(|| answers::stored(self.id), answers::for_undelivered)
    }
}

fn note(id: DeliveryId, report: &Report) {
    let Report { committed, recipients, size, undelivered } = *report;
    let result = match (undelivered, committed) {
        (None, _) => "delivered",
        (Some(_), 0) => "put_off",
        (Some(_), _) => "partial",
    };
    ::metrics::counter!(names::MESSAGES, "result" => result).increment(1);
    match undelivered {
        None => {
            ::metrics::counter!(names::MESSAGE_BYTES).increment(size);
            tracing::info!(delivery = %id, recipients, size, "delivered");
        }
        // Those who have it will have it twice when the sender tries again: one reply speaks for all recipients.
        Some(why) => tracing::warn!(delivery = %id, recipients, committed, size, ?why, "put off"),
    }
}
