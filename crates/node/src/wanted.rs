//! Asks the connected front-ends for the key of a mailbox that one of them may have open though this node does not: just
//! after a start, or after a link broke. Never asks for others, so that a delivery to somebody who is away does not wait.

use crate::limits::{KEY_MEMORY_MAX, KEY_WANTED_MS};
use crate::link::{Link, Links};
use model::MailboxId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use wire::session::server_frame::Body;
use wire::session::{KeyOffer, KeyWanted};

use crate::answer::Address;

/// What is asked, and of whom it is worth asking.
pub struct Wanted {
    started: Instant,
    /// Mailboxes whose link broke.
    lost: RefCell<HashMap<MailboxId, Instant>>,
    /// Mailboxes that nobody had the key of.
    nobody: RefCell<HashMap<MailboxId, Instant>>,
    asking: RefCell<HashMap<MailboxId, Vec<oneshot::Sender<KeyOffer>>>>,
    links: Links,
}

impl Wanted {
    /// Nothing asked yet.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            lost: RefCell::default(),
            nobody: RefCell::default(),
            asking: RefCell::default(),
            links: Links::default(),
        }
    }

    /// A link that can be asked.
    pub fn add(&self, serial: u64, link: &Rc<Link>) {
        self.links.borrow_mut().insert(serial, Rc::downgrade(link));
    }

    /// The link is gone.
    pub fn remove(&self, serial: u64) {
        self.links.borrow_mut().remove(&serial);
    }

    /// A session's link broke: its front-end may come back with it.
    pub fn lost(&self, id: MailboxId) {
        remember(&mut self.lost.borrow_mut(), id);
        self.nobody.borrow_mut().remove(&id);
    }

    fn is_worth_asking(&self, id: &MailboxId) -> bool {
        let window = Duration::from_millis(KEY_WANTED_MS);
        let recent = |at: &Instant| at.elapsed() < window;
        let may_be_open = recent(&self.started) || self.lost.borrow().get(id).is_some_and(recent);
        may_be_open && !self.nobody.borrow().get(id).is_some_and(recent) && !self.links.borrow().is_empty()
    }

    /// Asks, when that is worth it, and waits at most so long for an offer.
    pub async fn ask(&self, id: &MailboxId, wait: Duration) -> Option<KeyOffer> {
        if !self.is_worth_asking(id) {
            return None;
        }
        let (answer, offered) = oneshot::channel();
        let first = {
            let mut asking = self.asking.borrow_mut();
            let waiting = asking.entry(*id).or_default();
            waiting.retain(|each| !each.is_closed());
            waiting.push(answer);
            waiting.len() == 1
        };
        if first {
            let wanted = KeyWanted { mailbox_id: id.to_string() };
            let frame = Address { request: 0, session: 0 }.frame(Body::KeyWanted(wanted), false);
            for link in self.links.borrow().values().filter_map(Weak::upgrade).filter(|link| link.is_greeted()) {
                link.outbox.put(frame.clone());
            }
        }
        let offer = tokio::time::timeout(wait, offered).await.ok().and_then(Result::ok);
        if offer.is_none() {
            self.asking.borrow_mut().remove(id);
            remember(&mut self.nobody.borrow_mut(), *id);
        }
        offer
    }

    /// A front-end's answer; one that nobody waits for is dropped.
    pub fn offer(&self, offer: &KeyOffer) {
        let id = offer.mailbox_id.parse::<MailboxId>().ok();
        let waiting = id.and_then(|id| self.asking.borrow_mut().remove(&id));
        for each in waiting.into_iter().flatten() {
            let _ = each.send(offer.clone());
        }
    }
}

/// Remembers the time; when the memory is full everything that is older than half of the window goes.
fn remember(memory: &mut HashMap<MailboxId, Instant>, id: MailboxId) {
    if memory.len() >= KEY_MEMORY_MAX {
        memory.retain(|_, at| at.elapsed() < Duration::from_millis(KEY_WANTED_MS / 2));
    }
    if memory.len() < KEY_MEMORY_MAX {
        memory.insert(id, Instant::now());
    }
}
