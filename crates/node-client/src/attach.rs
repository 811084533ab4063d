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

    /// Sends a request on this hold.
    pub(crate) async fn request(&self, body: Ask, select: Option<SelectFor>) -> InFlight {
        let select = select.map(|select| (Arc::clone(&self.tracker), select));
        Arc::clone(&self.connection).request(self.session, body, select).await
    }

    /// Sends a request and collects its answer.
    async fn ask(&self, body: Ask, select: Option<SelectFor>) -> Asked {
        let flight = self.request(body, select).await;
        let mut frames = Vec::new();
        loop {
            match flight.pending.next().await {
                Next::Frame(Answer::Failure(failure), _) => return self.failed(failure),
                Next::Frame(body, _) => frames.push(body),
                Next::End(End::Last) => return Asked::Answer(frames),
                Next::End(End::Lost) => return Asked::Lost,
                Next::End(End::Bad(why)) => return Asked::Failed(ClientError::Protocol(why)),
            }
        }
    }

    /// What a failure means for the hold and the request.
    pub(crate) fn failed(&self, failure: wire::session::Failure) -> Asked {
        match failure.code() {
            FailureCode::NoSession => {
                self.lost.cancel();
                Asked::NotDone(ClientError::Unavailable)
            }
            code @ FailureCode::Unavailable => Asked::NotDone(ClientError::Failure(code, failure.text)),
            code => Asked::Failed(ClientError::Failure(code, failure.text)),
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.connection.detach(self.session, !self.refused.load(Ordering::Relaxed));
    }
}

/// What became of one try.
pub(crate) enum Asked {
    Answer(Vec<Answer>),
    /// Refused for good.
    Failed(ClientError),
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
        let (asked, attached) = match timeout_at(deadline, core.try_open(core.opening.birth)).await {
            Ok(tried) => tried,
            Err(_) => return Err(ClientError::Unavailable),
        };
        let error = match asked {
            Asked::Answer(_) => {
                core.hold.send_replace(attached.map_or(Hold::Opening, Hold::Open));
                core.client.shared().register(core.opening.mailbox, &core);
                return Ok(core);
            }
            Asked::Failed(error) => return Err(error),
            Asked::NotDone(error) => error,
            Asked::Lost => ClientError::Unavailable,
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
    async fn try_open(&self, birth: bool) -> (Asked, Option<Arc<Attached>>) {
        let connection = match self.connection().await {
            Ok(connection) => connection,
            Err(asked) => return (asked, None),
        };
        let Some(sealed_key) = self.sealed_key(&connection.welcome.boot_key) else {
            return (Asked::Failed(ClientError::Protocol("bad boot key")), None);
        };
        let open = Open {
            mailbox_id: self.opening.mailbox.to_string(),
            sealed_key: sealed_key.into(),
            wrapped_sealing_key: self.opening.wrapped_sealing_key.clone().into(),
            birth,
            epoch: self.opening.placement.epoch,
        };
        let session = self.client.shared().new_session();
        let attached = Arc::new(Attached::new(connection, session, Arc::clone(&self.tracker)));
        let asked = match attached.ask(Ask::Open(open), None).await {
            Asked::Answer(frames) => match frames.as_slice() {
                [Answer::Opened(_)] => Asked::Answer(frames),
                _ => Asked::Failed(ClientError::Protocol("no Opened")),
            },
            refused => {
                attached.refused.store(!matches!(refused, Asked::Lost), Ordering::Relaxed);
                refused
            }
        };
        (asked, Some(attached))
    }

    async fn connection(&self) -> Result<Arc<Connection>, Asked> {
        let mailbox = &self.opening.mailbox;
        let link = self.client.link(mailbox, &self.node).await.map_err(|error| {
            tracing::debug!(node = %self.node, "the node cannot be found: {error}");
            Asked::NotDone(ClientError::Unavailable)
        })?;
        // The node may have come back with other shards: the directory is asked again now and then.
        let patience = Instant::now() + Duration::from_millis(RELOCATE_MS);
        let connection =
            timeout_at(patience, link.connection()).await.map_err(|_| Asked::NotDone(ClientError::Unavailable))?;
        let shards = connection.welcome.shards as usize;
        if wire::shard_of(mailbox, shards) != connection.welcome.shard as usize {
            return Err(Asked::NotDone(ClientError::Unavailable));
        }
        Ok(connection)
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

    /// Sends a request and collects its answer; again over a new link, if it is `repeatable`. The answer, and whether an
    /// earlier try may have been done already.
    pub(crate) async fn call(&self, body: Ask, repeatable: bool) -> Result<(Vec<Answer>, bool), ClientError> {
        self.call_select(body, repeatable, None).await
    }

    pub(crate) async fn call_select(
        &self,
        body: Ask,
        repeatable: bool,
        select: Option<SelectFor>,
    ) -> Result<(Vec<Answer>, bool), ClientError> {
        let mut tries = Tries::new();
        loop {
            let attached = self.attached(tries.deadline).await?;
            match attached.ask(body.clone(), select.clone()).await {
                Asked::Answer(frames) => return Ok((frames, tries.lost > 0)),
                Asked::Failed(error) => {
                    return Err(match error {
                        // Which of the tries made the folder or deleted it, nobody can tell and nobody need know.
                        ClientError::Failure(code, _) if tries.lost > 0 && done_before(&body, code) => {
                            return Ok((vec![Answer::Done(wire::session::Done {})], true));
                        }
                        error => error,
                    });
                }
                Asked::NotDone(error) => tries.again(error).await?,
                Asked::Lost if repeatable => tries.lost()?,
                Asked::Lost => return Err(ClientError::Interrupted),
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
            let tried = {
                let _turn = self.client.shared().reopening.acquire().await;
                // The file was made when the session was first opened: if it is missing now, it is missing.
                match self.try_open(false).await {
                    (Asked::Answer(_), Some(attached)) => self.reselect(attached).await,
                    (asked, _) => Err(asked),
                }
            };
            match tried {
                Ok(attached) => return Ok(attached),
                Err(Asked::Failed(error)) if for_good(&error) => return Err(error),
                Err(_) => tokio::time::sleep(backoff.pause()).await,
            }
        }
    }

    /// Selects what was selected; the tracker makes changes of what was missed.
    async fn reselect(&self, attached: Arc<Attached>) -> Result<Arc<Attached>, Asked> {
        let Some(select) = self.tracker.resume() else { return Ok(attached) };
        match attached.ask(Ask::Select(select), Some(SelectFor::Resume)).await {
            Asked::Answer(_) => Ok(attached),
            Asked::Failed(ClientError::Failure(FailureCode::NoSuchFolder, _)) => {
                self.tracker.gone();
                Ok(attached)
            }
            other => Err(other),
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
