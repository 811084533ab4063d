//! Copies of a message that go on: to other hosts, to programs, and bounces that come home through a rewritten address. Each
//! is put into the queue of a node, in the name of the recipient it came for.
//!
//! Invariants: the body goes on octet for octet, so that signatures hold. The header does too, but for From where the author's
//! domain would have the copy refused. Nothing is in a queue before [`Onward::commit`] says so.

pub mod author;
mod parcel;

pub use parcel::signer;

use crate::Mx;
use crate::limits::FORWARD_HEADER_BYTES_MAX;
use crate::recipient::Accepted;
use authentication::Checked;
use authentication::Results;
use memchr::memmem;
use node_client::queue::EnqueueError;
use parcel::{Kind, Parcel};
use smtp::command::Mail;

/// The copies of one message.
#[derive(Default)]
pub struct Onward {
    parcels: Vec<Parcel>,
    /// The header, until it is whole; `None` behind it.
    held: Option<Vec<u8>>,
}

/// What stands in front of a copy.
pub struct Front<'a> {
    /// Received.
    pub received: &'a str,
    /// Return-Path, and what was found out.
    pub findings: &'a str,
    /// Return-Path, for copies that end here.
    pub return_path: &'a str,
    /// What was found out, for the seal.
    pub results: Option<&'a Results>,
    /// The message as it came.
    pub checked: &'a Checked,
}

impl Onward {
    /// Opens a place in the queues for every copy.
    ///
    /// # Errors
    /// A queue does not take it.
    pub async fn begin(mx: &Mx, mail: &Mail, recipients: &[Accepted]) -> Result<Self, EnqueueError> {
        let mut parcels = Vec::new();
        for recipient in recipients {
            for kind in Kind::of(recipient) {
                parcels.push(Parcel::begin(mx, mail, recipient, kind).await?);
            }
        }
        let held = parcels.iter().any(Parcel::is_forward).then(Vec::new);
        Ok(Self { parcels, held })
    }

    /// More text.
    ///
    /// # Errors
    /// A queue does not take it; the message is to be put off.
    pub async fn push(&mut self, mx: &Mx, text: &[u8]) -> Result<(), EnqueueError> {
        let Some(held) = &mut self.held else { return self.pass(text).await };
        let searched = held.len().saturating_sub(3);
        held.extend_from_slice(text);
        let ends =
            held.starts_with(b"\r\n") || memmem::find(held.get(searched..).unwrap_or_default(), b"\r\n\r\n").is_some();
        if ends || held.len() > FORWARD_HEADER_BYTES_MAX { self.release(mx).await } else { Ok(()) }
    }

    /// The header is whole, or over what is held: it goes on, with another From where that must be.
    async fn release(&mut self, mx: &Mx) -> Result<(), EnqueueError> {
        let Some(held) = self.held.take() else { return Ok(()) };
        let header = author::header_of(&held);
        if header.len() > FORWARD_HEADER_BYTES_MAX || !author::is_broken_by_forwarding(&mx.resolver, header).await {
            return self.pass(&held).await;
        }
        for parcel in &mut self.parcels {
            parcel.push_as_ours(&held).await?;
        }
        Ok(())
    }

    async fn pass(&mut self, text: &[u8]) -> Result<(), EnqueueError> {
        for parcel in &mut self.parcels {
            parcel.push(text).await?;
        }
        Ok(())
    }

    /// The text is whole: every copy is on stable storage when this returns `Ok`.
    ///
    /// # Errors
    /// A queue does not take it. Those before it have; the sender will try again.
    pub async fn commit(mut self, mx: &Mx, front: &Front<'_>) -> Result<(), EnqueueError> {
        self.release(mx).await?;
        for parcel in self.parcels {
            parcel.commit(mx, front).await?;
        }
        Ok(())
    }
}
