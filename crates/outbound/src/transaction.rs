//! One SMTP transaction (RFC 5321 §3.3), pipelined where that is offered: an outcome for each recipient that was decided, and
//! the fault that kept the others from it.
//!
//! Invariant: a recipient without an outcome was not taken by the server, or [`Fault::is_uncertain`].

use crate::connection::Connection;
use crate::fault::{Fault, Stage};
use crate::letter::{Letter, Recipient};
use crate::limits::{BLOCK_BYTES, TRANSACTION_RECIPIENTS_MAX};
use crate::outcome::{Outcome, Status};
use crate::text::{Pieces, Source};
use futures_util::StreamExt;
use smtp::client::{self, MailParameters, Offers};
use smtp::dsn::ascii_original;
use smtp::{Reply, Stuffer};
use std::borrow::Cow;

/// What a transaction came to: an outcome for each recipient that was decided, in order.
#[derive(Debug)]
pub struct Sent {
    /// `None`: not decided.
    pub outcomes: Vec<Option<Outcome>>,
    /// The connection is broken; `None`: it can go on.
    pub fault: Option<Fault>,
}

/// Sends one message to these recipients, in as many transactions as the server's limits ask for.
pub async fn send(connection: &mut Connection, letter: &Letter, recipients: &[Recipient], text: &dyn Source) -> Sent {
    let mut outcomes = vec![None; recipients.len()];
    let per_transaction = connection.offers().limits.recipients_max.map_or(usize::MAX, |max| max as usize);
    loop {
        let open: Vec<usize> = outcomes.iter().enumerate().filter(|(_, o)| o.is_none()).map(|(at, _)| at).collect();
        let part = open.get(..open.len().min(per_transaction).min(TRANSACTION_RECIPIENTS_MAX)).unwrap_or_default();
        if part.is_empty() {
            return Sent { outcomes, fault: None };
        }
        let mut transaction =
            Transaction { connection, letter, recipients, outcomes: &mut outcomes, accepted: Vec::new() };
        if let Err(fault) = transaction.run(part, text).await {
            return Sent { outcomes, fault: Some(fault) };
        }
    }
}

struct Transaction<'a> {
    connection: &'a mut Connection,
    letter: &'a Letter,
    recipients: &'a [Recipient],
    outcomes: &'a mut Vec<Option<Outcome>>,
    /// Recipients that the server took at RCPT.
    accepted: Vec<usize>,
}

impl Transaction<'_> {
    /// Decides at least one recipient of `part`, or fails.
    async fn run(&mut self, part: &[usize], text: &dyn Source) -> Result<(), Fault> {
        if let Some(refusal) = refusal(self.connection.offers(), self.letter) {
            self.decide(part, &Outcome { remote: self.connection.remote().to_owned(), ..refusal });
            return Ok(());
        }
        let Some((mail, rcpts)) = self.commands(part) else { return Ok(()) };
        if rcpts.is_empty() {
            return Ok(());
        }
        let pieces = text.open().await.map_err(Fault::Source)?;
        self.connection.prepare().await?;
        self.connection.leave_unclean(true);
        let start = if self.connection.offers().pipelining {
            self.envelope_pipelined(&mail, &rcpts).await?
        } else {
            self.envelope_in_steps(&mail, &rcpts).await?
        };
        self.finish(start, pieces).await
    }

    /// MAIL and the RCPTs; recipients that no command can hold are decided here. `None`: so are all, for the reverse-path.
    fn commands(&mut self, part: &[usize]) -> Option<(String, Vec<(usize, String)>)> {
        let (letter, offers) = (self.letter, self.connection.offers());
        let parameters = MailParameters {
            size: offers.size.map(|_| letter.size),
            eight_bit: letter.eight_bit,
            utf8: letter.utf8,
            require_tls: letter.require_tls,
            ret: letter.ret.filter(|_| offers.dsn),
            envelope_id: if offers.dsn { &letter.envelope_id } else { "" },
        };
        let dsn = offers.dsn;
        let mut mail = String::new();
        if client::mail(&letter.reverse_path, &parameters, &mut mail).is_none() {
            self.decide(part, &Outcome::failed(Status::new(5, 1, 7), "the sender's address cannot stand in MAIL", ""));
            return None;
        }
        let mut rcpts = Vec::with_capacity(part.len());
        for &at in part {
            let Some(recipient) = self.recipients.get(at) else { continue };
            let mut line = String::new();
            // RFC 6533 §3: in UTF-8 only with SMTPUTF8.
            let original =
                if letter.utf8 { Cow::from(&recipient.original) } else { ascii_original(&recipient.original) };
            let with = dsn.then_some((recipient.notify, &*original));
            match client::rcpt(&recipient.address, with, &mut line) {
                Some(()) => rcpts.push((at, line)),
                None => {
                    self.decide(&[at], &Outcome::failed(Status::new(5, 1, 3), "the address cannot stand in RCPT", ""))
                }
            }
        }
        Some((mail, rcpts))
    }

    /// RFC 2920 §3.1: all of it in one go, DATA last; the reply to DATA.
    async fn envelope_pipelined(&mut self, mail: &str, rcpts: &[(usize, String)]) -> Result<Option<Reply>, Fault> {
        let patience = *self.connection.patience();
        let lines: String = rcpts.iter().map(|(_, line)| line.as_str()).collect();
        let all = format!("{mail}{lines}DATA\r\n");
        let written = self.connection.write(all.as_bytes(), Stage::Mail, patience.mail).await;
        if let Err(fault) = written {
            return Err(self.connection.last_word(fault).await);
        }
        let begun = self.connection.reply(Stage::Mail, patience.mail).await?;
        let mut replies = Vec::with_capacity(rcpts.len());
        for (at, _) in rcpts {
            let reply = self.connection.reply(Stage::Rcpt, patience.rcpt).await;
            // What was said of those before stands, though the connection broke.
            match reply {
                Ok(reply) => replies.push((*at, reply)),
                Err(fault) => {
                    self.judge(&begun, &replies);
                    return Err(fault);
                }
            }
        }
        self.judge(&begun, &replies);
        self.connection.reply(Stage::Data, patience.data).await.map(Some)
    }

    /// One command after the other; DATA only where somebody is there for it.
    async fn envelope_in_steps(&mut self, mail: &str, rcpts: &[(usize, String)]) -> Result<Option<Reply>, Fault> {
        let patience = *self.connection.patience();
        let begun = self.connection.ask(mail, Stage::Mail, patience.mail).await?;
        if !begun.is_positive() {
            let all: Vec<usize> = rcpts.iter().map(|(at, _)| *at).collect();
            self.decide(&all, &Outcome::of_reply(&begun, self.connection.remote(), false));
            return Ok(None);
        }
        for (at, line) in rcpts {
            let reply = self.connection.ask(line, Stage::Rcpt, patience.rcpt).await?;
            self.judge(&begun, &[(*at, reply)]);
        }
        if self.accepted.is_empty() {
            return Ok(None);
        }
        self.connection.ask("DATA\r\n", Stage::Data, patience.data).await.map(Some)
    }

    /// What MAIL and RCPT were answered.
    fn judge(&mut self, begun: &Reply, replies: &[(usize, Reply)]) {
        let remote = self.connection.remote().to_owned();
        for (at, reply) in replies {
            let deciding = if begun.is_positive() { reply } else { begun };
            match deciding.code() {
                200..=299 => self.accepted.push(*at),
                // RFC 5321 §4.5.3.1.10: too many for this transaction; the next one is for the rest.
                452 if !self.accepted.is_empty() && is_too_many(deciding) => {}
                _ => self.decide(&[*at], &Outcome::of_reply(deciding, &remote, false)),
            }
        }
    }

    /// The text, and its reply, which is everybody's.
    async fn finish(&mut self, start: Option<Reply>, pieces: Pieces) -> Result<(), Fault> {
        let Some(start) = start else { return Ok(()) };
        let (remote, notifies) = (self.connection.remote().to_owned(), self.connection.offers().dsn);
        let accepted = std::mem::take(&mut self.accepted);
        if start.code() != 354 {
            self.decide(&accepted, &Outcome::of_reply(&start, &remote, false));
            return Ok(());
        }
        let end = if accepted.is_empty() {
            // RFC 2920 §3.1: the server waits for a text, though nobody is there for it.
            self.connection.ask(".\r\n", Stage::End, self.connection.patience().end).await?
        } else {
            self.text(pieces).await?
        };
        self.connection.leave_unclean(!end.is_positive());
        self.decide(&accepted, &Outcome::of_reply(&end, &remote, notifies));
        Ok(())
    }

    /// The text with its dots, and the reply to it. Without its end it is no message: a fault in the middle leaves nothing.
    async fn text(&mut self, mut pieces: Pieces) -> Result<Reply, Fault> {
        let patience = *self.connection.patience();
        let (mut stuffer, mut block) = (Stuffer::default(), Vec::with_capacity(BLOCK_BYTES * 2));
        loop {
            let piece = tokio::time::timeout(patience.text, pieces.next()).await;
            match piece.map_err(|_| Fault::Source("no text came in time".to_owned()))? {
                Some(piece) => stuffer.push(&piece.map_err(Fault::Source)?, &mut block),
                None => break,
            }
            if block.len() >= BLOCK_BYTES {
                self.block(&block).await?;
                block.clear();
            }
        }
        stuffer.finish(&mut block);
        self.block(&block).await?;
        self.connection.reply(Stage::End, patience.end).await
    }

    async fn block(&mut self, block: &[u8]) -> Result<(), Fault> {
        let limit = self.connection.patience().block;
        match self.connection.write(block, Stage::Text, limit).await {
            Ok(()) => Ok(()),
            Err(fault) => Err(self.connection.last_word(fault).await),
        }
    }

    fn decide(&mut self, whom: &[usize], outcome: &Outcome) {
        for &at in whom {
            if let Some(place) = self.outcomes.get_mut(at) {
                *place = Some(outcome.clone());
            }
        }
    }
}

/// 452 of RFC 5321 §4.5.3.1.10, and not a full disk: without a code, or with 4.5.3.
fn is_too_many(reply: &Reply) -> bool {
    reply.status().is_none_or(|status| (status.subject, status.detail) == (5, 3))
}

/// What keeps this server from being sent this message at all.
fn refusal(offers: &Offers, letter: &Letter) -> Option<Outcome> {
    let failed = |subject, detail, text| Some(Outcome::failed(Status::new(5, subject, detail), text, ""));
    if offers.refuses_size(letter.size) {
        // RFC 1870 §6.
        return failed(3, 4, "the message is larger than the server takes");
    }
    if letter.eight_bit && !offers.eight_bit {
        // RFC 6152 §3: converted or returned. Converting breaks signatures; nearly no server is left that needs it.
        return failed(6, 3, "the message has 8-bit text, which the server does not take");
    }
    if letter.utf8 && !offers.utf8 {
        // RFC 6531 §3.5.
        return failed(6, 7, "an address or a header needs SMTPUTF8, which the server does not offer");
    }
    if letter.require_tls && !offers.require_tls {
        // RFC 8689 §4.2.1.
        return failed(7, 30, "the sender requires TLS all the way, and the server does not offer REQUIRETLS");
    }
    None
}
