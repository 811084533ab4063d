//! A session's hold on a link: opens it, notices the break, opens and selects again, and lends the hold to requests. Waiting
//! for a node that is away has a limit; opening again has none while the session lives.

use crate::ClientError;
use crate::backoff::Backoff;
use crate::client::{NodeClient, Opening};
use crate::connection::{Connection, InFlight};
use crate::limits::{RELOCATE_MS, REPEATS_MAX, WAIT_MS_MAX};
use crate::pending::{End, Next};
use crate::track::{SelectFor, Tracker};
use model::NodeId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use wire::session::client_frame::Body as Ask;
use wire::session::server_frame::Body as Answer;
use wire::session::{FailureCode, KeyOffer, Open};

/// A session on one connection. Dropped, it is closed at the node.
pub(crate) struct Attached {
    connection: Arc<Connection>,
    session: u64,
    tracker: Arc<Tracker>,
    /// The connection broke, or the node no longer knows the session.
    lost: CancellationToken,
    /// The node refused to open it, so it need not be told that it is closed.
    refused: AtomicBool,
}

impl Attached {
    fn new(connection: Arc<Connection>, session: u64, tracker: Arc<Tracker>) -> Self {
        connection.attach(session, Arc::clone(&tracker));
        let lost = connection.broken().child_token();
        Self { connection, session, tracker, lost, refused: AtomicBool::new(false) }
    }

    /// Sends a request on this hold; `None`, and nothing is sent, when its connection has ended.
    pub(crate) async fn request(&self, body: Ask, select: Option<SelectFor>) -> Option<InFlight> {
        let select = select.map(|select| (Arc::clone(&self.tracker), select));
        Arc::clone(&self.connection).request(self.session, body, select).await
    }

    /// Sends a request and collects its answer.
    async fn ask(&self, body: Ask, select: Option<SelectFor>) -> Result<Vec<Answer>, Miss> {
        let flight = self.request(body, select).await.ok_or(Miss::NotDone(ClientError::Unavailable))?;
        self.answer(&flight).await
    }

    /// Collects the answer of a request.
    pub(crate) async fn answer(&self, flight: &InFlight) -> Result<Vec<Answer>, Miss> {
        let mut frames = Vec::new();
        loop {
            match flight.pending.next().await {
                Next::Frame(Answer::Failure(failure), _) => return Err(self.missed(failure)),
                Next::Frame(body, _) => frames.push(body),
                Next::End(End::Last) => return Ok(frames),
                Next::End(End::Lost) => return Err(Miss::Lost),
                Next::End(End::Bad(why)) => return Err(Miss::Refused(ClientError::Protocol(why))),
            }
        }
    }

    /// What a failure means for the hold and the request.
    pub(crate) fn missed(&self, failure: wire::session::Failure) -> Miss {
        match failure.code() {
            FailureCode::NoSession => {
                self.lost.cancel();
                Miss::NotDone(ClientError::Unavailable)
            }
            code @ FailureCode::Unavailable => Miss::NotDone(ClientError::Failure(code, failure.text)),
            code => Miss::Refused(ClientError::Failure(code, failure.text)),
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.connection.detach(self.session, !self.refused.load(Ordering::Relaxed));
    }
}

/// Why one try brought no answer.
#[derive(Debug)]
pub(crate) enum Miss {
    /// Refused for good.
    Refused(ClientError),
    /// Nothing was done, and trying again may help.
    NotDone(ClientError),
    /// The link broke after it was sent.
    Lost,
}

enum Hold {
    Opening,
    Open(Arc<Attached>),
    Dead(ClientError),
}

/// What all handles of one session share.
pub(crate) struct Core {
    client: NodeClient,
    opening: Opening,
    node: NodeId,
    hold: watch::Sender<Hold>,
    pub(crate) tracker: Arc<Tracker>,
}

/// Opens a session for the first time.
pub(crate) async fn open(client: NodeClient, opening: Opening) -> Result<Arc<Core>, ClientError> {
    let node = opening.placement.node_id.parse().map_err(|_| ClientError::Protocol("bad node id"))?;
    let core =
        Arc::new(Core { client, opening, node, hold: watch::Sender::new(Hold::Opening), tracker: Arc::default() });
    let deadline = wait();
    let mut backoff = Backoff::new();
    loop {
        let tried = timeout_at(deadline, core.try_open(core.opening.birth)).await;
        let error = match tried.unwrap_or(Err(Miss::NotDone(ClientError::Unavailable))) {
            Ok(attached) => {
                core.hold.send_replace(Hold::Open(attached));
                core.client.shared().register(core.opening.mailbox, &core);
                return Ok(core);
            }
            Err(Miss::Refused(error)) => return Err(error),
            Err(Miss::NotDone(error)) => error,
            Err(Miss::Lost) => ClientError::Unavailable,
        };
        let pause = backoff.pause();
        if Instant::now() + pause >= deadline {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
    }
}

pub(crate) fn wait() -> Instant {
    Instant::now() + Duration::from_millis(WAIT_MS_MAX)
}

impl Core {
    pub(crate) fn node(&self) -> &NodeId {
        &self.node
    }

    pub(crate) fn key_offer(&self, boot_key: &[u8]) -> Option<KeyOffer> {
        let sealed_key = self.sealed_key(boot_key)?;
        let wrapped_sealing_key = self.opening.wrapped_sealing_key.clone().into();
        Some(KeyOffer {
            mailbox_id: self.opening.mailbox.to_string(),
            sealed_key: sealed_key.into(),
            wrapped_sealing_key,
        })
    }

    fn sealed_key(&self, boot_key: &[u8]) -> Option<Vec<u8>> {
        let Opening { key, mailbox, .. } = &self.opening;
        vault::transit::seal(boot_key, key, mailbox, &self.node)
            .inspect_err(|error| tracing::error!(node = %self.node, "cannot seal a key to the node: {error}"))
            .ok()
    }

    /// One try to open the session on whatever link leads there now.
    async fn try_open(&self, birth: bool) -> Result<Arc<Attached>, Miss> {
        let connection = self.connection().await?;
        self.open_on(connection, birth).await
    }

    async fn open_on(&self, connection: Arc<Connection>, birth: bool) -> Result<Arc<Attached>, Miss> {
        let sealed_key = self.sealed_key(&connection.welcome.boot_key);
        let open = Open {
            mailbox_id: self.opening.mailbox.to_string(),
            sealed_key: sealed_key.ok_or(Miss::Refused(ClientError::Protocol("bad boot key")))?.into(),
            wrapped_sealing_key: self.opening.wrapped_sealing_key.clone().into(),
            birth,
            epoch: self.opening.placement.epoch,
        };
        let session = self.client.shared().new_session();
        let attached = Arc::new(Attached::new(connection, session, Arc::clone(&self.tracker)));
        match attached.ask(Ask::Open(open), None).await {
            Ok(frames) if matches!(frames.as_slice(), [Answer::Opened(_)]) => Ok(attached),
            Ok(_) => Err(Miss::Refused(ClientError::Protocol("no Opened"))),
            Err(miss) => {
                attached.refused.store(!matches!(miss, Miss::Lost), Ordering::Relaxed);
                Err(miss)
            }
        }
    }

    async fn connection(&self) -> Result<Arc<Connection>, Miss> {
        const AWAY: Miss = Miss::NotDone(ClientError::Unavailable);
        let mailbox = &self.opening.mailbox;
        let link = self.client.link(mailbox, &self.node).await.map_err(|error| {
            tracing::debug!(node = %self.node, "the node cannot be found: {error}");
            AWAY
        })?;
        // The node may have come back with other shards: the directory is asked again now and then.
        let patience = Instant::now() + Duration::from_millis(RELOCATE_MS);
        let connection = timeout_at(patience, link.connection()).await.map_err(|_| AWAY)?;
        let serves = wire::shard_of(mailbox, connection.welcome.shards as usize);
        if serves == connection.welcome.shard as usize { Ok(connection) } else { Err(AWAY) }
    }

    /// The hold on a link, as soon as there is one.
    pub(crate) async fn attached(&self, deadline: Instant) -> Result<Arc<Attached>, ClientError> {
        // Nothing is woken or allocated where the session is open already.
        if let Some(there) = usable(&self.hold.borrow()) {
            return there;
        }
        let mut hold = self.hold.subscribe();
        let waiting = hold.wait_for(|hold| usable(hold).is_some());
        match timeout_at(deadline, waiting).await {
            Ok(Ok(hold)) => usable(&hold).unwrap_or(Err(ClientError::Unavailable)),
            Ok(Err(_)) | Err(_) => Err(ClientError::Unavailable),
        }
    }

    /// Sends a request and collects its answer; again over a new link, if it is `repeatable`.
    pub(crate) async fn call(&self, body: Ask, repeatable: bool) -> Result<Vec<Answer>, ClientError> {
        self.call_select(body, repeatable, None).await
    }

    /// Sends a request that has more than one answer.
    pub(crate) async fn begin(&self, body: Ask, tries: &mut Tries) -> Result<(Arc<Attached>, InFlight), ClientError> {
        loop {
            let attached = self.attached(tries.deadline).await?;
            match attached.request(body.clone(), None).await {
                Some(flight) => return Ok((attached, flight)),
                None => tries.again(ClientError::Unavailable).await?,
            }
        }
    }

    pub(crate) async fn call_select(
        &self,
        body: Ask,
        repeatable: bool,
        select: Option<SelectFor>,
    ) -> Result<Vec<Answer>, ClientError> {
        let mut tries = Tries::new();
        loop {
            let attached = self.attached(tries.deadline).await?;
            match attached.ask(body.clone(), select.clone()).await {
                Ok(frames) => return Ok(frames),
                // Which of the tries made the folder or deleted it, nobody can tell and nobody need know.
                Err(Miss::Refused(ClientError::Failure(code, _))) if tries.lost > 0 && done_before(&body, code) => {
                    return Ok(vec![Answer::Done(wire::session::Done {})]);
                }
                Err(Miss::Refused(error)) => return Err(error),
                Err(Miss::NotDone(error)) => tries.again(error).await?,
                Err(Miss::Lost) if repeatable => tries.lost()?,
                Err(Miss::Lost) => return Err(ClientError::Interrupted),
            }
        }
    }

    /// Opens the session again after each break, until it is aborted or the node refuses for good.
    pub(crate) async fn keep_open(self: Arc<Self>) {
        loop {
            let lost = match &*self.hold.borrow() {
                Hold::Open(attached) => Some(attached.lost.clone()),
                Hold::Opening => None,
                Hold::Dead(_) => return,
            };
            if let Some(lost) = lost {
                lost.cancelled().await;
                self.hold.send_replace(Hold::Opening);
            }
            match Box::pin(self.reopen()).await {
                Ok(attached) => drop(self.hold.send_replace(Hold::Open(attached))),
                Err(error) => {
                    tracing::warn!(node = %self.node, mailbox = %self.opening.mailbox, "a session is lost: {error}");
                    self.hold.send_replace(Hold::Dead(error));
                    self.tracker.gone();
                }
            }
        }
    }

    async fn reopen(&self) -> Result<Arc<Attached>, ClientError> {
        let mut backoff = Backoff::new();
        loop {
            match self.try_reopen().await {
                Ok(attached) => return Ok(attached),
                Err(Miss::Refused(error)) if for_good(&error) => return Err(error),
                Err(_) => tokio::time::sleep(backoff.pause()).await,
            }
        }
    }

    async fn try_reopen(&self) -> Result<Arc<Attached>, Miss> {
        let connection = self.connection().await?;
        // Taken only now: who waits for a node that is away takes nobody's turn.
        let _turn = self.client.shared().reopening.acquire().await;
        // The file was made when the session was first opened: if it is missing now, it is missing.
        let attached = self.open_on(connection, false).await?;
        let watches = self.tracker.events().is_on();
        if watches {
            attached.ask(Ask::Watch(wire::session::Watch { on: true }), None).await?;
            self.tracker.events().lose();
            self.tracker.wake();
        }
        // What was missed since becomes changes, in the tracker.
        let Some(select) = self.tracker.resume() else { return Ok(attached) };
        match attached.ask(Ask::Select(select), Some(SelectFor::Resume)).await {
            Ok(_) => Ok(attached),
            Err(Miss::Refused(ClientError::Failure(FailureCode::NoSuchFolder, _))) => {
                self.tracker.gone();
                Ok(attached)
            }
            Err(miss) => Err(miss),
        }
    }

    /// The last handle is gone: closes the session at the node.
    pub(crate) fn close(&self) {
        self.client.shared().unregister(&self.opening.mailbox, self);
        self.hold.send_replace(Hold::Dead(ClientError::Unavailable));
    }
}

fn usable(hold: &Hold) -> Option<Result<Arc<Attached>, ClientError>> {
    match hold {
        Hold::Open(attached) if !attached.lost.is_cancelled() => Some(Ok(Arc::clone(attached))),
        Hold::Open(_) | Hold::Opening => None,
        Hold::Dead(error) => Some(Err(error.clone())),
    }
}

/// Whether a failure of a second try says that the first one did it.
fn done_before(body: &Ask, code: FailureCode) -> bool {
    match body {
        Ask::Delete(_) => code == FailureCode::NoSuchFolder,
        Ask::Create(_) => code == FailureCode::FolderExists,
        _ => false,
    }
}

/// Failures of Open that no waiting cures.
fn for_good(error: &ClientError) -> bool {
    match error {
        ClientError::Protocol(_) => true,
        ClientError::Unavailable | ClientError::Interrupted => false,
        ClientError::Failure(code, _) => match code {
            FailureCode::Forbidden
            | FailureCode::UnknownVerb
            | FailureCode::Malformed
            | FailureCode::WrongKey
            | FailureCode::Damaged
            | FailureCode::Missing
            | FailureCode::NewerSchema
            | FailureCode::WrongNode => true,
            FailureCode::Internal
            | FailureCode::Unavailable
            | FailureCode::NoSession
            | FailureCode::NoSuchFolder
            | FailureCode::NoSuchMessage
            | FailureCode::FolderExists
            | FailureCode::BadName
            | FailureCode::HasChildren
            | FailureCode::Cannot
            | FailureCode::OverQuota
            | FailureCode::TooBig
            | FailureCode::Limit
            | FailureCode::DiskFull => false,
        },
    }
}

/// The tries of one request, and how long it still waits.
pub(crate) struct Tries {
    pub(crate) deadline: Instant,
    pub(crate) lost: u32,
    backoff: Backoff,
}

impl Tries {
    pub(crate) fn new() -> Self {
        Self { deadline: wait(), lost: 0, backoff: Backoff::new() }
    }

    /// Nothing was done: waits a little, or gives up with the error.
    pub(crate) async fn again(&mut self, error: ClientError) -> Result<(), ClientError> {
        let pause = self.backoff.pause();
        if Instant::now() + pause >= self.deadline {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// The link broke: the wait begins anew, but not for ever.
    pub(crate) fn lost(&mut self) -> Result<(), ClientError> {
        self.lost += 1;
        self.deadline = wait();
        if self.lost > REPEATS_MAX { Err(ClientError::Interrupted) } else { Ok(()) }
    }

    /// The request went on after a break.
    pub(crate) fn went_on(&mut self) {
        *self = Self::new();
    }
}
