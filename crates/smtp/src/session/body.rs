//! The text of a message on its way in: DATA until its final dot, BDAT chunk by chunk; and what is refused in mid-way.

use super::{Event, Question, Session, State, Transaction, answers};
use crate::content::ContentFault;
use crate::limits::DISCARDED_BYTES_MAX;
use crate::reply::Reply;
use crate::transfer::{Unstuffed, Unstuffer};

/// One DATA transfer.
#[derive(Debug, Default)]
pub(super) struct Transfer {
    unstuffer: Unstuffer,
    /// The text was refused: what still comes is thrown away, up to its real end.
    fault: Option<ContentFault>,
    discarded: u64,
}

/// One chunk of BDAT.
#[derive(Debug)]
pub(super) struct Chunk {
    size: u64,
    left: u64,
    last: bool,
    /// The reply when the chunk has passed, if it is thrown away (RFC 3030 §2: its octets come in any case).
    refusal: Option<Reply>,
}

impl Session {
    pub(super) fn step_data<'i>(&mut self, input: &mut &'i [u8]) -> Option<Event<'i>> {
        let State::Data(transfer) = &mut self.state else { return None };
        match transfer.unstuffer.next(input) {
            Unstuffed::NeedInput => Some(Event::NeedInput),
            Unstuffed::Text(text) => match transfer.fault {
                None => self.take_text(text),
                Some(fault) => {
                    transfer.discarded = transfer.discarded.saturating_add(text.len() as u64);
                    if transfer.discarded > DISCARDED_BYTES_MAX {
                        self.close(&answers::for_fault(fault));
                    }
                    None
                }
            },
            Unstuffed::End => match transfer.fault {
                None => self.whole(),
                Some(fault) => {
                    self.end_faulty(fault);
                    None
                }
            },
        }
    }

    /// After a bare CR or LF the two sides may not agree on where the message ended, and so on what is a command.
    fn end_faulty(&mut self, fault: ContentFault) {
        self.state = State::Command;
        match fault {
            ContentFault::BareCr | ContentFault::BareLf => self.close(&answers::for_fault(fault)),
            ContentFault::Nul | ContentFault::LineTooLong | ContentFault::TooBig => {
                self.refuse(&answers::for_fault(fault));
            }
        }
    }

    fn take_text<'i>(&mut self, text: &'i [u8]) -> Option<Event<'i>> {
        let checked = self.transaction.as_mut().map(|transaction| transaction.content.push(text));
        let Some(Err(fault)) = checked else { return Some(Event::Body(text)) };
        match &mut self.state {
            State::Data(transfer) => transfer.fault = Some(fault),
            State::Chunk(chunk) => chunk.refusal = Some(answers::for_fault(fault)),
            State::Silent | State::Command | State::Asked(_) | State::Sasl(_) | State::Handshake | State::Closed => {}
        }
        self.void()
    }

    fn whole(&mut self) -> Option<Event<'static>> {
        if let Some(Err(fault)) = self.transaction.as_ref().map(|transaction| transaction.content.finish()) {
            self.state = State::Command;
            self.refuse(&answers::for_fault(fault));
            return self.void();
        }
        self.state = State::Asked(Question::Message);
        Some(Event::Message)
    }

    pub(super) fn chunk(&mut self, size: u64, last: bool) -> Option<Event<'static>> {
        let mut chunk = Chunk { size, left: size, last, refusal: None };
        let size_max = self.config.size_max;
        match &mut self.transaction {
            None => self.refuse_chunk(chunk, answers::MAIL_FIRST),
            Some(Transaction { recipients: 0, refused: 0, .. }) => self.refuse_chunk(chunk, answers::RECIPIENT_FIRST),
            Some(Transaction { recipients: 0, .. }) => self.refuse_chunk(chunk, answers::NO_RECIPIENT),
            Some(transaction) if size > size_max.saturating_sub(transaction.content.size()) => {
                chunk.refusal = Some(answers::TOO_BIG);
                self.refuse_chunk(chunk, answers::TOO_BIG);
                return self.void();
            }
            Some(transaction) => {
                if std::mem::replace(&mut transaction.chunked, true) {
                    self.state = State::Chunk(chunk);
                    return None;
                }
                self.state = State::Asked(Question::FirstChunk(chunk));
                return Some(Event::Data);
            }
        }
        None
    }

    /// The chunk is thrown away as it comes, then `reply` is given; a chunk too big for that ends the conversation.
    pub(super) fn refuse_chunk(&mut self, mut chunk: Chunk, reply: Reply) {
        if chunk.size > DISCARDED_BYTES_MAX {
            self.close(&reply);
            return;
        }
        chunk.refusal = Some(reply);
        self.state = State::Chunk(chunk);
    }

    pub(super) fn step_chunk<'i>(&mut self, input: &mut &'i [u8]) -> Option<Event<'i>> {
        let State::Chunk(chunk) = &mut self.state else { return None };
        if chunk.left == 0 {
            return self.end_chunk();
        }
        if input.is_empty() {
            return Some(Event::NeedInput);
        }
        let count = usize::try_from(chunk.left).map_or(input.len(), |left| left.min(input.len()));
        let (text, rest) = input.split_at(count);
        *input = rest;
        chunk.left -= count as u64;
        if chunk.refusal.is_some() { None } else { self.take_text(text) }
    }

    fn end_chunk(&mut self) -> Option<Event<'static>> {
        let State::Chunk(chunk) = std::mem::replace(&mut self.state, State::Command) else { return None };
        if let Some(reply) = chunk.refusal {
            return self.refuse(&reply);
        }
        if chunk.last {
            return self.whole();
        }
        let reply = answers::chunk_taken(chunk.size);
        // Chunks without text could go on for ever.
        if chunk.size == 0 {
            return self.idle(&reply);
        }
        self.push(&reply);
        None
    }
}
