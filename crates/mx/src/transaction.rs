//! One SMTP transaction: MAIL opens it, each RCPT asks for a recipient, the text goes to nodes and queues, the end is a reply.

use crate::deliver::{Delivery, Findings, Report, Undelivered};
use crate::filter::Filter;
use crate::inspection::Inspection;
use crate::onward::{Front, Onward};
use crate::policy::{self, Client, Facts, For, Judgement};
use crate::recipient::{self, Accepted, Opened};
use crate::success::{self, Delivered};
use crate::trace::{self, Peer};
use crate::verdict::{self, Verdict};
use crate::{Mx, answers, metrics as names};
use authentication::Checked;
use message::text::field_values;
use message::trace::{HopCounter, Prefix};
use model::DeliveryId;
use model::limits::RECEIVED_FIELDS_MAX;
use node_client::queue::EnqueueError;
use smtp::Reply;
use smtp::command::{Mail, Rcpt};
use smtp::session::answers::START_INPUT;

/// An open transaction. Dropping it delivers nothing to anybody.
pub struct Transaction {
    id: DeliveryId,
    mail: Mail,
    facts: Facts,
    accepted: Vec<Accepted>,
    /// `None` once the text has begun, or it was given up.
    delivery: Option<Delivery>,
    /// The text on its way.
    passing: Option<Passing>,
    hops: HopCounter,
    /// Why the text that still comes is not passed on.
    fault: Reply,
}

/// A text on its way.
struct Passing {
    delivery: Delivery,
    onward: Onward,
    filter: Filter,
    inspection: Inspection,
    received: String,
}

impl Transaction {
    /// With an id of its own.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn new(mx: &Mx, mail: Mail, client: Client) -> Result<Self, Reply> {
        let id = vault::random().map(DeliveryId::from_bytes).map_err(|error| {
            tracing::error!(%error, "no randomness for a delivery id");
            answers::INTERNAL
        })?;
        let delivery = Some(Delivery::new(id, mail.size.unwrap_or(0), mx.patience));
        let facts = Facts::new(client, mx.policy_on_loopback);
        Ok(Self {
            id,
            mail,
            facts,
            accepted: Vec::new(),
            delivery,
            passing: None,
            hops: HopCounter::new(),
            fault: answers::for_undelivered(Undelivered::Unavailable),
        })
    }

    /// RCPT.
    pub async fn recipient(&mut self, mx: &Mx, rcpt: Rcpt) -> Reply {
        let Some(delivery) = &mut self.delivery else { return answers::UNAVAILABLE };
        let Self { accepted, facts, mail, .. } = self;
        let opened = Opened { delivery, accepted, facts, sender: &mail.path };
        let reply = Box::pin(recipient::add(mx, opened, rcpt)).await;
        ::metrics::counter!(names::RECIPIENTS, "answer" => reply.code().to_string()).increment(1);
        reply
    }

    /// The text is about to come.
    pub async fn begin(&mut self, mx: &Mx, peer: &Peer<'_>) -> Reply {
        let Some(mut delivery) = self.delivery.take() else { return answers::UNAVAILABLE };
        // With several recipients the field would tell each of the others (RFC 5321 §7.6).
        let only = if let [one] = &self.accepted[..] { Some(&one.path) } else { None };
        let received = trace::received(mx, self.id, peer, self.facts.client_name(), only);
        if let Err(error) = delivery.begin().await {
            tracing::error!(delivery = %self.id, %error, "a delivery could not begin");
            return answers::INTERNAL;
        }
        let onward = match Box::pin(Onward::begin(mx, &self.mail, &self.accepted)).await {
            Ok(onward) => onward,
            Err(error) => return self.not_queued(&error),
        };
        let inspection = Inspection::begin(mx, &self.facts, &self.mail.path, &self.accepted);
        let filter = Filter::new(&mx.session.hostname);
        self.passing = Some(Passing { delivery, onward, filter, inspection, received });
        START_INPUT
    }

    fn not_queued(&self, error: &EnqueueError) -> Reply {
        tracing::warn!(delivery = %self.id, %error, "a copy of a message cannot be queued");
        answers::for_queue(error)
    }

    /// More text. When it cannot be passed on, nodes and queues drop what they have and the rest is ignored.
    pub async fn text(&mut self, mx: &Mx, text: &[u8]) {
        let Some(passing) = &mut self.passing else { return };
        self.hops.push(text);
        if self.hops.hops() > RECEIVED_FIELDS_MAX {
            return self.give_up(answers::LOOP);
        }
        passing.inspection.push(text).await;
        let text = passing.filter.push(text);
        if let Err(reply) = pass(mx, self.id, &mut passing.delivery, &mut passing.onward, &text).await {
            self.give_up(reply);
        }
    }

    fn give_up(&mut self, reply: Reply) {
        self.fault = reply;
        self.passing = None;
    }

    /// The text is whole. A positive reply says that every recipient's copy is on stable storage.
    pub async fn finish(mut self, mx: &Mx) -> Reply {
        let Some(passing) = self.passing.take() else { return self.refused(self.fault.clone()) };
        let Passing { mut delivery, mut onward, filter, inspection, received } = passing;
        if let Err(reply) = pass(mx, self.id, &mut delivery, &mut onward, &filter.finish()).await {
            return self.refused(reply);
        }
        let checked = Box::pin(inspection.finish(mx, &mut self.facts, &self.accepted)).await;
        if self.is_looping(&checked) {
            return self.refused(answers::FORWARD_LOOP);
        }
        let verdict = match verdict::of(&self.judge(mx).await) {
            Ok(verdict) => verdict,
            Err(reply) => return self.refused(reply),
        };
        let found = self.found(mx, &verdict);
        let return_path = message::trace::return_path(self.mail.path.as_str());
        // Received comes last: a text that begins with a folded line goes on with it, and with nothing that was found out.
        let prefix = [&return_path, found.as_str(), &received].concat();
        let findings = match Prefix::new(prefix.into_bytes()) {
            Ok(prefix) => Findings { prefix, junk: self.junk(&verdict) },
            Err(error) => {
                tracing::error!(delivery = %self.id, %error, "the fields in front of a message cannot be used");
                return answers::INTERNAL;
            }
        };
        let report = delivery.finish(&findings).await;
        note(self.id, &report);
        if let Some(why) = report.undelivered {
            return answers::for_undelivered(why);
        }
        let results = self.facts.results.as_ref();
        let front =
            Front { received: &received, findings: &found, return_path: &return_path, results, checked: &checked };
        match Box::pin(onward.commit(mx, &front)).await {
            Ok(()) => {
                let Self { mail, facts, accepted, .. } = &self;
                let delivered = Delivered { mail, facts, accepted, junk: &verdict.junk, header: checked.header() };
                Box::pin(success::tell(mx, &delivered)).await;
                answers::stored(self.id)
            }
            Err(error) => self.not_queued(&error),
        }
    }

    fn refused(&self, reply: Reply) -> Reply {
        let result = if reply.is_permanent() { "refused" } else { "put_off" };
        ::metrics::counter!(names::MESSAGES, "result" => result).increment(1);
        reply
    }

    /// Whether it was forwarded by one of these recipients before.
    fn is_looping(&self, checked: &Checked) -> bool {
        let forwarded = self.accepted.iter().any(Accepted::is_forwarded);
        forwarded
            && field_values(checked.header(), "Delivered-To").iter().any(|before| {
                let has = |one: &Accepted| one.is_forwarded() && one.address.eq_ignore_ascii_case(before.trim());
                self.accepted.iter().any(has)
            })
    }

    /// For each recipient, in their order.
    async fn judge(&self, mx: &Mx) -> Vec<Judgement> {
        let mut judgements = Vec::with_capacity(self.accepted.len());
        for one in &self.accepted {
            judgements.push(match one.policy() {
                Some(policy) => {
                    let whom = For { policy, recipient: &one.address, sender: self.mail.path.as_str() };
                    policy::judge(mx, &self.facts, whom).await
                }
                None => Judgement::default(),
            });
        }
        judgements
    }

    /// Authentication-Results and the score, as fields.
    fn found(&self, mx: &Mx, verdict: &Verdict) -> String {
        let results = self.facts.results.as_ref().map(|results| results.field(&mx.session.hostname));
        let score = (!self.facts.is_exempt()).then(|| verdict.field());
        [results, score].into_iter().flatten().collect()
    }

    /// Mailboxes to whose owners it is junk.
    fn junk(&self, verdict: &Verdict) -> Vec<model::MailboxId> {
        let junk = self.accepted.iter().zip(&verdict.junk).filter(|(_, junk)| **junk);
        junk.flat_map(|(one, _)| one.stores.iter().copied()).collect()
    }
}

/// Passes text on to nodes and queues.
async fn pass(mx: &Mx, id: DeliveryId, delivery: &mut Delivery, onward: &mut Onward, text: &[u8]) -> Result<(), Reply> {
    delivery.push(text).await.map_err(|error| {
        tracing::warn!(delivery = %id, %error, "delivery given up in mid-text");
        answers::for_undelivered(Undelivered::Unavailable)
    })?;
    onward.push(mx, text).await.map_err(|error| {
        tracing::warn!(delivery = %id, %error, "a copy of a message cannot be queued");
        answers::for_queue(&error)
    })
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
