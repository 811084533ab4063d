//! One session: a front-end's hold on a mailbox, and the requests that it makes.
//! Which request is which verb is `verb`; the link that carries the frames is `link`.

use crate::answer::Address;
use crate::fault::Fault;
use crate::outbox::Outbox;
use crate::resident::{Hold, Use};
use crate::view::View;
use crate::writer::Origin;
use mailbox::ledger::Entry;
use std::cell::Cell;
use std::rc::Rc;
use tokio::sync::OwnedSemaphorePermit;
use wire::session::server_frame::Body;

/// An open session. While it lives the mailbox's key does.
pub struct Session {
    _place: OwnedSemaphorePermit,
    hold: Hold,
    /// How it is told of changes.
    pub view: Rc<View>,
    /// Requests under way.
    pub requests: Cell<usize>,
}

impl Session {
    /// Attaches to the mailbox.
    pub fn new(place: OwnedSemaphorePermit, hold: Hold, view: Rc<View>) -> Rc<Self> {
        hold.views.borrow_mut().push(view.clone());
        metrics::gauge!("brevdue_node_sessions").increment(1);
        Rc::new(Self { _place: place, hold, view, requests: Cell::new(0) })
    }

    /// A snapshot for the mailbox's owner; whether it was taken now.
    ///
    /// # Errors
    /// DISK_FULL, DAMAGED and others.
    pub async fn snapshot(&self) -> Result<(Entry, bool), Fault> {
        crate::resident::asked(&self.hold).await
    }

    /// The mailbox.
    pub fn mailbox(&self) -> model::MailboxId {
        self.hold.id
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.hold.views.borrow_mut().retain(|view| view.key != self.view.key);
        metrics::gauge!("brevdue_node_sessions").decrement(1);
    }
}

/// One request of a session: where its answers go.
pub struct Call {
    /// Whose it is.
    pub session: Rc<Session>,
    /// The link.
    pub outbox: Rc<Outbox>,
    /// The request.
    pub request: u64,
}

impl Call {
    /// Opens the mailbox's files if they are not.
    pub async fn enter(&self) -> Result<Use, Fault> {
        self.session.hold.enter().await
    }

    /// Where its frames go.
    pub fn address(&self) -> Address {
        Address { request: self.request, session: self.session.view.session }
    }

    /// Whose write it is.
    pub fn origin(&self, silent: bool) -> Origin {
        Origin { session: self.session.view.key, request: self.request, silent }
    }

    /// Sends one frame of the answer.
    pub fn send(&self, body: Body, last: bool) {
        self.outbox.put(self.address().frame(body, last));
    }

    /// Sends the whole answer: at once when it is one frame, else as the link takes it.
    pub async fn answer(&self, bodies: Vec<Body>) {
        let count = bodies.len();
        for (at, body) in bodies.into_iter().enumerate() {
            if at > 0 {
                self.outbox.ready().await;
            }
            self.send(body, at + 1 == count);
        }
    }
}
