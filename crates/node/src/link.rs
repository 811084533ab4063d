//! One link: a front-end's WebSocket to this shard, over mutual TLS, with its sessions and their requests.
//! What a request does is `verb`'s business.
//!
//! Invariants: sessions, requests and what waits to be written have a bound each. A request that is under way is in
//! `requests`; whoever takes it out (its end, Cancel, Close, the link's end) is the only one to do so. When the link ends,
//! its requests are dropped where they stand and its sessions with them.

use crate::answer::Address;
use crate::credit::Credit;
use crate::fault::{Fault, limit, malformed};
use crate::limits::{REQUESTS_PER_LINK_MAX, REQUESTS_PER_SESSION_MAX, SESSIONS_PER_LINK_MAX, UPLOAD_FRAMES_MAX};
use crate::open;
use crate::outbox::Outbox;
use crate::session::{Call, Session};
use crate::shard::Shard;
use crate::upload::Arrived;
use crate::verb::{self, Verb};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::{Rc, Weak};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use wire::frame::{self, Frame, FrameError, PROTOCOL};
use wire::session::client_frame::Body;
use wire::session::server_frame;
use wire::session::{ClientFrame, Done, FailureCode, Hello, Welcome};

/// What a request takes while it is under way.
enum Feed {
    Nothing,
    Credit(Rc<Credit>),
    Upload(mpsc::Sender<Arrived>, Rc<Credit>),
}

struct Running {
    session: u64,
    feed: Feed,
    task: AbortHandle,
}

/// A session, or that it is being opened.
enum Slot {
    Opening,
    Open(Rc<Session>),
}

/// The link.
pub struct Link {
    shard: Rc<Shard>,
    /// What waits to be written.
    pub outbox: Rc<Outbox>,
    greeted: Cell<bool>,
    sessions: RefCell<HashMap<u64, Slot>>,
    requests: RefCell<HashMap<u64, Running>>,
}

impl Link {
    /// A link that has not said hello.
    pub fn new(shard: Rc<Shard>) -> Rc<Self> {
        Rc::new(Self {
            shard,
            outbox: Rc::default(),
            greeted: Cell::new(false),
            sessions: RefCell::default(),
            requests: RefCell::default(),
        })
    }

    /// Whether Hello has come.
    pub fn is_greeted(&self) -> bool {
        self.greeted.get()
    }

    /// Takes one frame; `false` when the link is to be closed.
    pub fn take(self: &Rc<Self>, bytes: Bytes) -> bool {
        let octets = bytes.len() as u64;
        match frame::decode::<ClientFrame>(bytes) {
            Ok(frame) => self.take_frame(frame, octets),
            Err(error) => self.refuse(&error),
        }
    }

    /// A frame that cannot be read ends its request, if it says which; else nothing on the link can be trusted.
    fn refuse(&self, error: &FrameError) -> bool {
        metrics::counter!("brevdue_node_bad_frames_total").increment(1);
        let id = error.id();
        let address =
            id.map_or(Address { request: 0, session: 0 }, |id| Address { request: id.request, session: id.session });
        if let Some(running) = id.and_then(|id| self.requests.borrow_mut().remove(&id.request)) {
            self.end(&running);
        }
        self.outbox.put(address.frame(server_frame::Body::Failure(error.failure()), true));
        id.is_some() && self.greeted.get()
    }

    fn take_frame(self: &Rc<Self>, frame: ClientFrame, octets: u64) -> bool {
        let id = frame.id();
        let address = Address { request: id.request, session: id.session };
        // `decode` has checked that there is one.
        let Some(body) = frame.body else { return false };
        if let Body::Hello(hello) = body {
            return self.greet(address, &hello);
        }
        if !self.greeted.get() {
            self.fail(address, Fault::new(FailureCode::Forbidden, "a link begins with Hello"));
            return false;
        }
        let taken = match body {
            Body::Credit(credit) => self.credit(address, credit.bytes),
            Body::Upload(upload) => self.upload(address, Arrived { upload, octets }),
            Body::Cancel(_) => {
                self.cancel(address.request);
                Ok(())
            }
            Body::Close(_) => {
                self.close(address);
                Ok(())
            }
            Body::KeyOffer(offer) => {
                self.shard.wanted.offer(&offer);
                Ok(())
            }
            Body::Open(open) => self.open(address, open),
            Body::Fetch(fetch) => {
                let credit = Rc::new(Credit::new());
                self.start(address, Feed::Credit(credit.clone()), Verb::Fetch(fetch, credit))
            }
            Body::Append(append) => {
                let (feed, body) = mpsc::channel(UPLOAD_FRAMES_MAX);
                let credit = Rc::new(Credit::new());
                self.start(address, Feed::Upload(feed, credit.clone()), Verb::Append(append, body, credit))
            }
            other => self.start(address, Feed::Nothing, Verb::Plain(other)),
        };
        if let Err(fault) = taken {
            self.fail(address, fault);
        }
        true
    }

    fn greet(&self, address: Address, hello: &Hello) -> bool {
        if self.greeted.replace(true) || hello.protocol != PROTOCOL {
            self.fail(address, malformed(format!("one Hello with protocol {PROTOCOL} is expected")));
            return false;
        }
        let primary = &self.shard.primary;
        let welcome = Welcome {
            protocol: PROTOCOL,
            node_id: primary.node.to_string(),
            boot_key: Bytes::copy_from_slice(primary.boot.public_bytes()),
            shard: u32::try_from(self.shard.index).unwrap_or(u32::MAX),
            shards: u32::try_from(primary.shards).unwrap_or(u32::MAX),
        };
        self.outbox.put(address.frame(server_frame::Body::Welcome(welcome), true));
        true
    }

    fn fail(&self, address: Address, fault: Fault) {
        self.outbox.put(address.frame(server_frame::Body::Failure(fault.failure()), true));
    }

    fn credit(&self, address: Address, octets: u64) -> Result<(), Fault> {
        let mut requests = self.requests.borrow_mut();
        // Credit for a request that has just ended is no mistake.
        let Some(running) = requests.get(&address.request) else { return Ok(()) };
        let given = match &running.feed {
            Feed::Credit(credit) => credit.give(octets).map_err(|_| malformed("more credit than was taken")),
            Feed::Nothing | Feed::Upload(..) => Err(malformed("the request takes no credit")),
        };
        if given.is_err()
            && let Some(running) = requests.remove(&address.request)
        {
            drop(requests);
            self.end(&running);
        }
        given
    }

    fn upload(&self, address: Address, arrived: Arrived) -> Result<(), Fault> {
        let mut requests = self.requests.borrow_mut();
        // An upload may be refused while its frames are still coming.
        let Some(running) = requests.get(&address.request) else { return Ok(()) };
        let taken = match &running.feed {
            Feed::Upload(_, credit) if credit.is_spent() => {
                Err(malformed("more of an upload than there is credit for"))
            }
            Feed::Upload(feed, credit) => {
                credit.take(usize::try_from(arrived.octets).unwrap_or(usize::MAX));
                feed.try_send(arrived).map_err(|_| malformed("more of an upload than there is credit for"))
            }
            Feed::Nothing | Feed::Credit(_) => Err(malformed("the request takes no upload")),
        };
        if taken.is_err()
            && let Some(running) = requests.remove(&address.request)
        {
            drop(requests);
            self.end(&running);
        }
        taken
    }

    fn cancel(&self, request: u64) {
        let running = self.requests.borrow_mut().remove(&request);
        if let Some(running) = running {
            self.end(&running);
        }
    }

    /// Drops a request that is no longer in the table.
    fn end(&self, running: &Running) {
        running.task.abort();
        self.count_out(running.session);
        // A session whose opening is given up is no session.
        let mut sessions = self.sessions.borrow_mut();
        if let Entry::Occupied(slot) = sessions.entry(running.session)
            && matches!(slot.get(), Slot::Opening)
        {
            slot.remove();
        }
    }

    fn count_out(&self, session: u64) {
        if let Some(Slot::Open(session)) = self.sessions.borrow().get(&session) {
            session.requests.set(session.requests.get().saturating_sub(1));
        }
    }

    /// Closes a session: its requests are dropped, and it is answered though it was not there.
    fn close(&self, address: Address) {
        let mut ended = Vec::new();
        self.requests.borrow_mut().retain(|_, running| {
            let ends = running.session == address.session;
            if ends {
                ended.push(running.task.clone());
            }
            !ends
        });
        for task in ended {
            task.abort();
        }
        let closed = self.sessions.borrow_mut().remove(&address.session);
        drop(closed);
        // A session that is closed with request 0 wants no answer.
        if address.request != 0 {
            self.outbox.put(address.frame(server_frame::Body::Done(Done {}), true));
        }
    }

    fn admit(&self, address: Address) -> Result<(), Fault> {
        if address.request == 0 || address.session == 0 {
            return Err(malformed("a request and its session have numbers from 1 on"));
        }
        let requests = self.requests.borrow();
        if requests.contains_key(&address.request) {
            return Err(malformed("the request's number is in use"));
        }
        if requests.len() >= REQUESTS_PER_LINK_MAX {
            return Err(limit("requests of one link"));
        }
        Ok(())
    }

    fn open(self: &Rc<Self>, address: Address, open: wire::session::Open) -> Result<(), Fault> {
        self.admit(address)?;
        let mut sessions = self.sessions.borrow_mut();
        if sessions.len() >= SESSIONS_PER_LINK_MAX {
            return Err(limit("sessions of one link"));
        }
        match sessions.entry(address.session) {
            Entry::Occupied(_) => return Err(malformed("the session's number is in use")),
            Entry::Vacant(slot) => slot.insert(Slot::Opening),
        };
        drop(sessions);
        let link = self.clone();
        self.spawn(address, Feed::Nothing, async move {
            let session = open::open(&link.shard, &link.outbox, address.session, open).await?;
            // Told before anything is pushed; only now can a request find it.
            link.sessions.borrow_mut().insert(address.session, Slot::Open(session));
            link.outbox.put(address.frame(server_frame::Body::Opened(wire::session::Opened {}), true));
            Ok(())
        });
        Ok(())
    }

    fn start(self: &Rc<Self>, address: Address, feed: Feed, verb: Verb) -> Result<(), Fault> {
        self.admit(address)?;
        let session = match self.sessions.borrow().get(&address.session) {
            Some(Slot::Open(session)) => session.clone(),
            Some(Slot::Opening) | None => return Err(Fault::new(FailureCode::NoSession, "there is no such session")),
        };
        if session.requests.get() >= REQUESTS_PER_SESSION_MAX {
            return Err(limit("requests of one session"));
        }
        session.requests.set(session.requests.get() + 1);
        let call = Call { session, outbox: self.outbox.clone(), request: address.request };
        self.spawn(address, feed, async move {
            verb::run(&call, verb).await.inspect_err(|fault| fault.report(&call.session.mailbox()))
        });
        Ok(())
    }

    /// Runs a request as a task of its own, which answers its failure and takes itself out of the table.
    fn spawn(
        self: &Rc<Self>,
        address: Address,
        feed: Feed,
        request: impl Future<Output = Result<(), Fault>> + 'static,
    ) {
        let link = self.clone();
        let task = tokio::task::spawn_local(async move {
            let result = request.await;
            let running = link.requests.borrow_mut().remove(&address.request);
            if let Err(fault) = result {
                link.fail(address, fault);
                // An opening that failed leaves its slot.
                if let Some(running) = running {
                    link.end(&running);
                }
            } else if let Some(running) = running {
                link.count_out(running.session);
            }
        });
        let running = Running { session: address.session, feed, task: task.abort_handle() };
        self.requests.borrow_mut().insert(address.request, running);
    }

    /// The link is gone: so is all that came over it. The mailboxes of its sessions may be asked for again soon.
    pub fn lost(&self) {
        self.outbox.close();
        for (_, running) in self.requests.borrow_mut().drain() {
            running.task.abort();
        }
        let sessions = std::mem::take(&mut *self.sessions.borrow_mut());
        for slot in sessions.values() {
            if let Slot::Open(session) = slot {
                self.shard.wanted.lost(session.mailbox());
            }
        }
    }
}

/// The links of a shard that can be asked for keys.
pub type Links = RefCell<HashMap<u64, Weak<Link>>>;
