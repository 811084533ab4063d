//! One connection to a node's shard, from its handshake to its end: writes what is put in, and hands each frame that comes to
//! the request or session that it is for. What is done about a broken one is the link's and the sessions' affair.

use crate::dial::Io;
use crate::limits::{PING_MS, SILENCE_MS_MAX};
use crate::outbox::{Outbox, Outgoing};
use crate::pending::{End, Pending};
use crate::track::{SelectFor, Tracker};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use model::limits::FRAME_BYTES_MAX;
use model::{MailboxId, NodeId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tokio_util::sync::CancellationToken;
use wire::frame::{self, FrameError};
use wire::session::{self, Changes, ClientFrame, KeyOffer, ServerFrame, Welcome, client_frame, server_frame::Body};

/// Where sessions are served; the host is never looked up.
const SESSION_URI: &str = "ws://node.brevdue.internal/session";

/// Why a connection could not be made, or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("cannot connect: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    WebSocket(#[from] tungstenite::Error),
    #[error("a frame breaks the protocol: {0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Protocol(&'static str),
    #[error("the node closed the link")]
    Closed,
    #[error("the node was silent for {SILENCE_MS_MAX} ms")]
    Silent,
    #[error("no answer in time")]
    Slow,
    #[error("the directory does not know where the node is: {0}")]
    Lost(String),
}

/// Supplies the keys of mailboxes that this front-end holds sessions for.
pub(crate) trait Keys: Send + Sync {
    /// The mailbox's key, sealed to the node's boot key; `None` unless a session of that mailbox belongs to that node.
    fn offer(&self, mailbox: &MailboxId, node: &NodeId, boot_key: &[u8]) -> Option<KeyOffer>;
}

/// Frames that can be put in, and requests and sessions that wait for some.
pub(crate) struct Connection {
    pub(crate) node: NodeId,
    pub(crate) welcome: Welcome,
    outbox: Outbox,
    table: Mutex<Table>,
    next_request: AtomicU64,
    broken: CancellationToken,
}

#[derive(Default)]
struct Table {
    requests: HashMap<u64, Arc<Pending>>,
    sessions: HashMap<u64, Arc<Tracker>>,
    closed: bool,
}

impl Connection {
    fn new(node: NodeId, welcome: Welcome) -> Self {
        Self {
            node,
            welcome,
            outbox: Outbox::default(),
            table: Mutex::default(),
            next_request: AtomicU64::new(1),
            broken: CancellationToken::new(),
        }
    }

    /// Cancelled when the connection has ended.
    pub(crate) fn broken(&self) -> &CancellationToken {
        &self.broken
    }

    /// Pushes for this session go to the tracker from now on.
    pub(crate) fn attach(&self, session: u64, tracker: Arc<Tracker>) {
        self.table().sessions.insert(session, tracker);
    }

    /// The session is done with: no more pushes. `tell` the node unless it knows.
    pub(crate) fn detach(&self, session: u64, tell: bool) {
        self.table().sessions.remove(&session);
        if tell {
            self.put(0, session, client_frame::Body::Close(session::Close {}));
        }
    }

    /// Sends a request as soon as there is room; `None`, and nothing is sent, when the connection has ended.
    pub(crate) async fn request(
        self: Arc<Self>,
        session: u64,
        body: client_frame::Body,
        select: Option<(Arc<Tracker>, SelectFor)>,
    ) -> Option<InFlight> {
        self.outbox.room().await;
        let request = self.next_request.fetch_add(1, Ordering::Relaxed);
        let pending = Arc::new(Pending::new(select));
        let mut table = self.table();
        if table.closed {
            return None;
        }
        table.requests.insert(request, Arc::clone(&pending));
        drop(table);
        let flight = InFlight { connection: self, session, request, pending };
        flight.put(body);
        Some(flight)
    }

    fn put(&self, request: u64, session: u64, body: client_frame::Body) {
        if let Some(bytes) = self.encoded(request, session, body) {
            self.outbox.put(bytes);
        }
    }

    /// The frame's bytes; when it does not fit a frame its request has ended.
    fn encoded(&self, request: u64, session: u64, body: client_frame::Body) -> Option<Bytes> {
        match frame::encode(&ClientFrame { request, session, body: Some(body) }) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                tracing::warn!(session, request, "a request cannot be sent: {error}");
                if let Some(pending) = self.table().requests.remove(&request) {
                    pending.end(End::Bad("the request does not fit a frame"));
                }
                None
            }
        }
    }

    fn close(&self) {
        // First, so that whoever is told below looks for another connection and not for this one.
        self.broken.cancel();
        let mut table = self.table();
        table.closed = true;
        table.sessions.clear();
        let requests = std::mem::take(&mut table.requests);
        drop(table);
        self.outbox.close();
        requests.values().for_each(|pending| pending.end(End::Lost));
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No invariant of the table spans a panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn route(&self, frame: ServerFrame, octets: usize, keys: &dyn Keys) -> Result<(), LinkError> {
        let ServerFrame { request, session, last, body } = frame;
        match body {
            None => Ok(()),
            Some(Body::Changes(changes)) => self.push(session, changes, octets),
            Some(Body::FolderChanged(changed)) => {
                let tracker = self.table().sessions.get(&session).cloned();
                if let Some(tracker) = tracker {
                    tracker.events().push(changed);
                    tracker.wake();
                }
                Ok(())
            }
            Some(Body::KeyWanted(wanted)) => {
                let offer = wanted.mailbox_id.parse().ok();
                let offer = offer.and_then(|mailbox| keys.offer(&mailbox, &self.node, &self.welcome.boot_key));
                if let Some(offer) = offer {
                    self.put(request, 0, client_frame::Body::KeyOffer(offer));
                }
                Ok(())
            }
            Some(Body::Credit(credit)) => {
                let pending = self.table().requests.get(&request).cloned();
                if pending.is_none_or(|pending| pending.credit(credit.bytes)) {
                    Ok(())
                } else {
                    Err(LinkError::Protocol("more credit than was taken"))
                }
            }
            Some(body) => {
                let mut table = self.table();
                let pending =
                    if last { table.requests.remove(&request) } else { table.requests.get(&request).cloned() };
                drop(table);
                // A request that was given up may still be answered.
                if pending.is_none_or(|pending| pending.deliver(body, octets, last)) {
                    Ok(())
                } else {
                    Err(LinkError::Protocol("more data than there was credit for"))
                }
            }
        }
    }

    fn push(&self, session: u64, changes: Changes, octets: usize) -> Result<(), LinkError> {
        let tracker = self.table().sessions.get(&session).cloned();
        tracker.map_or(Ok(()), |tracker| tracker.push(changes, octets)).map_err(|_| LinkError::Protocol("bad changes"))
    }

    fn receive(&self, bytes: Bytes, keys: &dyn Keys) -> Result<(), LinkError> {
        let octets = bytes.len();
        match frame::decode::<ServerFrame>(bytes) {
            Ok(frame) => self.route(frame, octets, keys),
            Err(error) => {
                // A later version's node may know verbs that this one does not: that concerns one request.
                let id = error.id().ok_or(error)?;
                if let Some(pending) = self.table().requests.remove(&id.request) {
                    pending.end(End::Bad("a frame that this version cannot read"));
                }
                Ok(())
            }
        }
    }
}

/// A request under way; dropped before its end it is cancelled.
pub(crate) struct InFlight {
    connection: Arc<Connection>,
    session: u64,
    request: u64,
    pub(crate) pending: Arc<Pending>,
}

impl InFlight {
    /// Sends a frame of this request.
    pub(crate) fn put(&self, body: client_frame::Body) {
        self.connection.put(self.request, self.session, body);
    }

    /// Sends a frame of an upload as soon as there is room. The credit that it takes is taken first: what the node gives back
    /// may come before this returns.
    pub(crate) async fn put_upload(&self, upload: session::Upload) {
        self.connection.outbox.room().await;
        let body = client_frame::Body::Upload(upload);
        if let Some(bytes) = self.connection.encoded(self.request, self.session, body) {
            self.pending.uploaded(bytes.len());
            self.connection.outbox.put(bytes);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        // What the last frame, or the link's end, has not taken out of the table is still under way at the node.
        if self.connection.table().requests.remove(&self.request).is_some() {
            self.put(client_frame::Body::Cancel(session::Cancel {}));
        }
    }
}

type Socket = WebSocketStream<Box<dyn Io>>;

/// Runs a connection.
pub(crate) struct Driver {
    connection: Arc<Connection>,
    sink: SplitSink<Socket, Message>,
    stream: SplitStream<Socket>,
}

/// Shakes hands: WebSocket, Hello, Welcome. The node must be the one that was asked for, and serve this shard.
pub(crate) async fn establish(
    io: Box<dyn Io>,
    front_end: &str,
    node: &NodeId,
    shard: usize,
) -> Result<(Arc<Connection>, Driver), LinkError> {
    let config =
        WebSocketConfig::default().max_message_size(Some(FRAME_BYTES_MAX)).max_frame_size(Some(FRAME_BYTES_MAX));
    let (socket, _) = client_async_with_config(SESSION_URI, io, Some(config)).await?;
    let (mut sink, mut stream) = socket.split();
    let hello = session::Hello { protocol: frame::PROTOCOL, front_end: front_end.to_owned() };
    let hello = ClientFrame { request: 0, session: 0, body: Some(client_frame::Body::Hello(hello)) };
    sink.send(Message::Binary(frame::encode(&hello)?)).await?;
    let welcome = welcome(&mut stream).await?;
    if welcome.protocol != frame::PROTOCOL {
        return Err(LinkError::Protocol("the node speaks another version of the protocol"));
    }
    if welcome.node_id != node.as_str() || welcome.shard as usize != shard {
        return Err(LinkError::Protocol("another node or shard answers there"));
    }
    let connection = Arc::new(Connection::new(node.clone(), welcome));
    Ok((Arc::clone(&connection), Driver { connection, sink, stream }))
}

async fn welcome(stream: &mut SplitStream<Socket>) -> Result<Welcome, LinkError> {
    loop {
        match stream.next().await.ok_or(LinkError::Closed)?? {
            Message::Binary(bytes) => {
                return match frame::decode::<ServerFrame>(bytes)?.body {
                    Some(Body::Welcome(welcome)) => Ok(welcome),
                    Some(_) | None => Err(LinkError::Protocol("no Welcome")),
                };
            }
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return Err(LinkError::Closed),
            Message::Text(_) | Message::Frame(_) => return Err(LinkError::Protocol("not a binary frame")),
        }
    }
}

impl Driver {
    /// Runs until the connection ends, and says why. Everything that waits on it is told.
    pub(crate) async fn run(self, keys: &dyn Keys) -> LinkError {
        let Self { connection, sink, stream } = self;
        let end = CloseOnDrop(connection);
        let heard = AtomicBool::new(true);
        // Dropped half-way, for instance at shutdown, the connection is broken all the same.
        let connection = &end.0;
        tokio::select! {
            why = read(stream, connection, keys, &heard) => why,
            why = write(sink, connection) => why,
            why = watch(connection, &heard) => why,
        }
    }
}

struct CloseOnDrop(Arc<Connection>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

async fn read(
    mut stream: SplitStream<Socket>,
    connection: &Connection,
    keys: &dyn Keys,
    heard: &AtomicBool,
) -> LinkError {
    while let Some(message) = stream.next().await {
        heard.store(true, Ordering::Relaxed);
        let received = match message {
            Ok(Message::Binary(bytes)) => connection.receive(bytes, keys),
            Ok(Message::Ping(_) | Message::Pong(_)) => Ok(()),
            Ok(Message::Close(_)) => Err(LinkError::Closed),
            Ok(Message::Text(_) | Message::Frame(_)) => Err(LinkError::Protocol("not a binary frame")),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = received {
            return error;
        }
    }
    LinkError::Closed
}

/// Writes what has queued up, and flushes once for all of it.
async fn write(mut sink: SplitSink<Socket, Message>, connection: &Connection) -> LinkError {
    loop {
        for outgoing in connection.outbox.take().await {
            let message = match outgoing {
                Outgoing::Frame(bytes) => Message::Binary(bytes),
                Outgoing::Ping => Message::Ping(Bytes::new()),
            };
            if let Err(error) = sink.feed(message).await {
                return error.into();
            }
        }
        if let Err(error) = sink.flush().await {
            return error.into();
        }
    }
}

/// Pings a silent node, and gives it up in the end.
async fn watch(connection: &Connection, heard: &AtomicBool) -> LinkError {
    let mut tick = tokio::time::interval(Duration::from_millis(PING_MS));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tick.tick().await;
    let mut silent_ms = 0;
    loop {
        tick.tick().await;
        if heard.swap(false, Ordering::Relaxed) {
            silent_ms = 0;
            continue;
        }
        silent_ms += PING_MS;
        if silent_ms >= SILENCE_MS_MAX {
            return LinkError::Silent;
        }
        connection.outbox.ping();
    }
}
