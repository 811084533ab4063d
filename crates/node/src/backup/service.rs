//! The gRPC service of snapshots: a worker fetches what waits and says what became of it; the operator asks and restores.

use super::kept;
use super::limits::{
    PIECE_BYTES, PIECES_MAX, RESTORE_SILENCE_MS_MAX, STAGED_PER_ANSWER_MAX, STAGED_WAIT_MS_MAX, TRANSFERS_MAX,
};
use super::merge;
use super::restore::{Arrival, Incoming, Wanted};
use super::schedule::late_before_ms;
use crate::fault::Fault;
use crate::primary::Primary;
use crate::queue::{Queues, said};
use crate::service::Shards;
use crate::{shard, volume};
use bytes::Bytes;
use mailbox::ledger::{Entry, Kind};
use mailbox::queue::Merged;
use model::{MailboxId, QueueId, SnapshotId};
use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use wire::backup as proto;
use wire::backup::backup_server::Backup;
use wire::session::FailureCode;

/// Octets of a moment as people are told it.
const TIME_BYTES_MAX: usize = 64;
/// What is said of a snapshot that was damaged while it waited.
const DAMAGED: &str = "the snapshot was damaged while it waited for its store and is given up: another is taken; look at the volume's disk";

/// The service.
pub struct Service {
    primary: Arc<Primary>,
    shards: Shards,
    queues: Arc<Queues>,
    stop: CancellationToken,
    transfers: Arc<Semaphore>,
}

impl Service {
    /// The service of this node, until `stop`.
    pub fn new(primary: Arc<Primary>, shards: Shards, queues: Arc<Queues>, stop: CancellationToken) -> Self {
        Self { primary, shards, queues, stop, transfers: Arc::new(Semaphore::new(TRANSFERS_MAX)) }
    }

    /// Runs what asks the ledger on a pool.
    async fn on_disk<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Primary) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Status> {
        self.primary.on_disk(run).await.map_err(status)
    }

    /// Looks at a staged file that is said to differ from its digest: one that does is given up, and another is due.
    async fn is_given_up(&self, id: SnapshotId) -> Result<bool, Status> {
        let primary = self.primary.clone();
        let looked = self.primary.staging.copies.run(move || {
            let Some((stage, entry)) = primary.staging.find(&id)?.filter(|(_, entry)| !entry.uploaded) else {
                return Ok(false);
            };
            let damaged = is_damaged(&primary, &stage.path(&id), &entry)?;
            if damaged {
                tracing::error!(snapshot = %id, file = %stage.path(&id).display(), "{DAMAGED}");
                let mut ledger = stage.ledger();
                ledger.mark_due(entry.subject, entry.taken_ms)?;
                ledger.settled(&id, DAMAGED)?;
                stage.remove(&id);
            }
            Ok(damaged)
        });
        looked.await.map_err(Fault::from).and_then(|looked| looked).map_err(status)
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Status> {
        let place = self.transfers.clone().try_acquire_owned();
        place.map_err(|_| Status::unavailable("too many snapshots are under way: try again"))
    }
}

#[tonic::async_trait]
impl Backup for Service {
    type ReadStream = ReceiverStream<Result<proto::ReadReply, Status>>;

    async fn staged(&self, request: Request<proto::StagedRequest>) -> Result<Response<proto::StagedReply>, Status> {
        let proto::StagedRequest { wait_ms, at_most, after } = request.into_inner();
        let after =
            after.map(|last| Ok::<_, Status>((last.erased, last.taken_ms, snapshot_id(&last.id)?))).transpose()?;
        let deadline = Instant::now() + Duration::from_millis(wait_ms.min(STAGED_WAIT_MS_MAX).into());
        let mut changes = self.primary.staging.changes();
        loop {
            changes.mark_unchanged();
            let snapshots =
                self.on_disk(move |primary| staged(primary, at_most.min(STAGED_PER_ANSWER_MAX), after)).await?;
            if !snapshots.is_empty() || Instant::now() >= deadline || self.stop.is_cancelled() {
                return Ok(Response::new(proto::StagedReply { snapshots }));
            }
            tokio::select! {
                _ = timeout_at(deadline, changes.changed()) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    async fn read(&self, request: Request<proto::ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let proto::ReadRequest { id, offset } = request.into_inner();
        let (place, id) = (self.place()?, snapshot_id(&id)?);
        let file = self
            .on_disk(move |primary| {
                let found = primary.staging.find(&id)?.filter(|(_, entry)| !entry.uploaded);
                let Some((stage, _)) = found else { return Ok(None) };
                let io = |source| mailbox::Error::Io { doing: "opening a staged snapshot", source };
                let mut file = std::fs::File::open(stage.path(&id)).map_err(io)?;
                file.seek(SeekFrom::Start(offset)).map_err(io)?;
                Ok(Some(file))
            })
            .await?;
        let file = file.ok_or_else(|| Status::not_found("the snapshot does not wait here"))?;
        Ok(Response::new(pieces(self.primary.clone(), file, place)))
    }

    async fn uploaded(
        &self,
        request: Request<proto::UploadedRequest>,
    ) -> Result<Response<proto::UploadedReply>, Status> {
        let proto::UploadedRequest { id, unwanted } = request.into_inner();
        let id = snapshot_id(&id)?;
        self.on_disk(move |primary| {
            if let Some((stage, _)) = primary.staging.find(&id)? {
                // The row first: a file without one that waits is removed at the next start.
                stage.ledger().settled(&id, &unwanted)?;
                stage.remove(&id);
            } else {
                // An erasure has the mailbox's id; of another one there is nothing to be found.
                for stage in primary.staging.all() {
                    stage.ledger().swept(*id.as_bytes())?;
                }
            }
            Ok(())
        })
        .await?;
        Ok(Response::new(proto::UploadedReply {}))
    }

    async fn failed(&self, request: Request<proto::FailedRequest>) -> Result<Response<proto::FailedReply>, Status> {
        let proto::FailedRequest { id, why, differs } = request.into_inner();
        let id = snapshot_id(&id)?;
        if !(differs && self.is_given_up(id).await?) {
            self.on_disk(move |primary| {
                if let Some((stage, _)) = primary.staging.find(&id)? {
                    stage.ledger().failed(&id, &why)?;
                }
                Ok(())
            })
            .await?;
        }
        Ok(Response::new(proto::FailedReply {}))
    }

    async fn state(&self, request: Request<proto::StateRequest>) -> Result<Response<proto::StateReply>, Status> {
        let id = mailbox_id(&request.get_ref().mailbox_id)?;
        let state = self.on_disk(move |primary| {
            let (newest, since) = primary.staging.newest((Kind::Mailbox, *id.as_bytes()))?;
            let before = late_before_ms(primary.now().as_millisecond(), primary.staging.interval_ms);
            let waits = newest.as_ref().is_some_and(|entry| !entry.uploaded && entry.taken_ms < before);
            Ok(proto::StateReply {
                uploaded: newest.as_ref().is_some_and(|entry| entry.uploaded),
                why: newest.as_ref().map(|entry| entry.why.clone()).unwrap_or_default(),
                newest: newest.as_ref().map(described),
                due_since_ms: since.unwrap_or_default(),
                boot_key: primary.boot.public_bytes().to_vec().into(),
                late: waits || since.is_some_and(|since| since < before),
            })
        });
        let mut state = state.await?;
        // What nobody keeps is not late.
        state.late = state.late && kept::is_kept(&self.primary, &id).await;
        Ok(Response::new(state))
    }

    async fn take(&self, _: Request<proto::TakeRequest>) -> Result<Response<proto::TakeReply>, Status> {
        Err(Status::unimplemented(
            "a node has no catalogue; snapshots of mailboxes are asked for in their owners' sessions",
        ))
    }

    async fn restore(
        &self,
        request: Request<Streaming<proto::RestoreRequest>>,
    ) -> Result<Response<proto::RestoreReply>, Status> {
        let _place = self.place()?;
        let mut steps = request.into_inner();
        let Some(proto::restore_request::Step::Begin(begin)) = next(&mut steps).await? else {
            return Err(Status::invalid_argument("a restore begins with Begin"));
        };
        let sha256 = <[u8; 32]>::try_from(&begin.sha256[..])
            .map_err(|_| Status::invalid_argument("the digest has 32 octets"))?;
        let expected = (begin.bytes, sha256);
        let reply = match begin.kind() {
            proto::Kind::Unspecified | proto::Kind::Mailbox => self.replace(begin, steps, expected).await,
            proto::Kind::Waiting => self.merge_waiting(begin, steps, expected).await,
            proto::Kind::Queue => self.merge_queue(begin, steps, expected).await,
            proto::Kind::Catalogue => Err(Status::invalid_argument("a node has no catalogue")),
        };
        reply.map(Response::new)
    }
}

type Steps = Streaming<proto::RestoreRequest>;
/// Octets of a snapshot and their digest.
type Expected = (u64, [u8; 32]);

impl Service {
    /// Takes a snapshot's octets in, one after the other.
    async fn receive<T: Send + 'static>(
        &self,
        mut steps: Steps,
        begin: impl FnOnce(&Primary) -> Result<T, Fault> + Send + 'static,
        write: fn(T, &Bytes) -> Result<T, Fault>,
    ) -> Result<T, Status> {
        let mut incoming = self.on_disk(begin).await?;
        while let Some(step) = next(&mut steps).await? {
            let proto::restore_request::Step::Data(data) = step else {
                return Err(Status::invalid_argument("after Begin come the octets"));
            };
            incoming = self.on_disk(move |_| write(incoming, &data)).await?;
        }
        Ok(incoming)
    }

    /// Runs what reads a snapshot through on the pool of copies.
    async fn on_copies<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Primary) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Status> {
        let primary = self.primary.clone();
        let done = self.primary.staging.copies.run(move || run(&primary));
        done.await.map_err(Fault::from).and_then(|done| done).map_err(status)
    }

    /// A snapshot becomes the mailbox.
    async fn replace(
        &self,
        begin: proto::RestoreBegin,
        steps: Steps,
        (bytes, sha256): Expected,
    ) -> Result<proto::RestoreReply, Status> {
        let id = mailbox_id(&begin.mailbox_id)?;
        let wanted = Wanted { id, sealed_key: begin.sealed_key.to_vec(), bytes, sha256 };
        let place = move |primary: &Primary| Incoming::begin(primary, wanted);
        let incoming = self.receive(steps, place, Incoming::write).await?;
        let ready = self.on_copies(move |primary| incoming.prepare(primary)).await?;
        let messages = ready.messages;
        let replaced = self.shards.ask(&id, |answer| shard::Request::Replace(Box::new(ready), answer)).await;
        let aside = replaced.ok_or_else(closing)?.map_err(status)?;
        Ok(proto::RestoreReply { messages, aside, there: 0 })
    }

    /// What waited then and does not now waits again.
    async fn merge_waiting(
        &self,
        begin: proto::RestoreBegin,
        steps: Steps,
        expected: Expected,
    ) -> Result<proto::RestoreReply, Status> {
        let id = mailbox_id(&begin.mailbox_id)?;
        let place = move |primary: &Primary| {
            let path = primary.volumes.find(volume::Kind::Waiting, &id)?;
            let path = path.map_or_else(|| primary.volumes.place(volume::Kind::Waiting, &id), Ok)?;
            Arrival::begin(primary, &path, &id, expected)
        };
        let arrival = self.receive(steps, place, Arrival::write).await?;
        let backup = self.on_copies(move |primary| merge::waiting(primary, arrival, id)).await?;
        let merged = self.shards.ask(&id, |answer| shard::Request::Merge(Box::new(backup), answer)).await;
        let Merged { taken, there } = merged.ok_or_else(closing)?.map_err(status)?;
        tracing::info!(mailbox = %id, taken, there, "waiting mail was restored from a backup");
        Ok(proto::RestoreReply { messages: taken, there, aside: String::new() })
    }

    /// What was in the queue then and is not now is held.
    async fn merge_queue(
        &self,
        begin: proto::RestoreBegin,
        steps: Steps,
        expected: Expected,
    ) -> Result<proto::RestoreReply, Status> {
        let id: QueueId = begin.mailbox_id.parse().map_err(|_| Status::invalid_argument("not the id of a queue"))?;
        let at = self.queues.path_for(&id).ok_or_else(|| Status::unavailable("this node has no queue"))?.to_owned();
        let place = move |primary: &Primary| Arrival::begin(primary, &at, &id, expected);
        let arrival = self.receive(steps, place, Arrival::write).await?;
        let time = said(&begin.time, TIME_BYTES_MAX);
        let why = format!("restored from a backup of {time}: it may have been sent since");
        let backup = self.on_copies(move |primary| merge::queue(primary, arrival, id, why)).await?;
        let Merged { taken, there } = self.queues.merge(backup).await?;
        tracing::info!(queue = %id, taken, there, "a queue was restored from a backup; what came is held");
        Ok(proto::RestoreReply { messages: taken, there, aside: String::new() })
    }
}

fn closing() -> Status {
    Status::unavailable("the node is closing")
}

async fn next(steps: &mut Streaming<proto::RestoreRequest>) -> Result<Option<proto::restore_request::Step>, Status> {
    let step = timeout(Duration::from_millis(RESTORE_SILENCE_MS_MAX), steps.message()).await;
    let step = step.map_err(|_| Status::deadline_exceeded("the snapshot does not go on"))??;
    Ok(step.and_then(|step| step.step))
}

/// The last of a page: whether it is an erasure, when it was taken, and its id.
type After = Option<(bool, i64, SnapshotId)>;

/// What a worker is to do: erasures to follow, by their ids, and then snapshots to carry away, the oldest first.
fn staged(primary: &Primary, at_most: u32, after: After) -> Result<Vec<proto::Snapshot>, Fault> {
    let (mut erased, mut waits) = (BTreeSet::new(), Vec::new());
    for stage in primary.staging.all() {
        let ledger = stage.ledger();
        match after {
            None => erased.extend(ledger.unswept_after(&[], at_most)?),
            Some((true, _, id)) => erased.extend(ledger.unswept_after(id.as_bytes(), at_most)?),
            Some((false, ..)) => {}
        }
        waits.extend(match after {
            Some((false, taken_ms, id)) => ledger.staged_after(taken_ms, id.as_bytes(), at_most)?,
            Some((true, ..)) | None => ledger.staged(at_most)?,
        });
    }
    waits.sort_by_key(|entry| (entry.taken_ms, entry.id));
    let erased = erased.into_iter().map(|id| erasure(MailboxId::from_bytes(id)));
    Ok(erased.chain(waits.iter().map(described)).take(at_most as usize).collect())
}

fn pieces(
    primary: Arc<Primary>,
    file: std::fs::File,
    place: OwnedSemaphorePermit,
) -> ReceiverStream<Result<proto::ReadReply, Status>> {
    let (send, stream) = mpsc::channel(PIECES_MAX);
    tokio::spawn(async move {
        let _place = place;
        let mut file = file;
        loop {
            let read = primary.readers.run(move || {
                let mut piece = vec![0; PIECE_BYTES];
                let read = file.read(&mut piece).map(|count| {
                    piece.truncate(count);
                    piece
                });
                (file, read)
            });
            let reply = match read.await {
                Ok((_, Ok(piece))) if piece.is_empty() => return,
                Ok((open, Ok(piece))) => {
                    file = open;
                    Ok(proto::ReadReply { data: piece.into() })
                }
                Ok((_, Err(error))) => {
                    let _ = send.send(Err(Status::unavailable(format!("the snapshot cannot be read: {error}")))).await;
                    return;
                }
                Err(error) => {
                    let _ = send.send(Err(Status::unavailable(error.to_string()))).await;
                    return;
                }
            };
            if send.send(reply).await.is_err() {
                return;
            }
        }
    });
    ReceiverStream::new(stream)
}

/// An erasure in a list of snapshots.
fn erasure(mailbox: MailboxId) -> proto::Snapshot {
    proto::Snapshot {
        id: mailbox.to_string(),
        kind: proto::Kind::Mailbox.into(),
        subject: mailbox.to_string(),
        erased: true,
        ..proto::Snapshot::default()
    }
}

fn described(entry: &Entry) -> proto::Snapshot {
    let kind = match entry.subject.0 {
        Kind::Mailbox => proto::Kind::Mailbox,
        Kind::Waiting => proto::Kind::Waiting,
        Kind::Queue => proto::Kind::Queue,
    };
    proto::Snapshot {
        id: entry.id.to_string(),
        kind: kind.into(),
        subject: MailboxId::from_bytes(entry.subject.1).to_string(),
        taken_ms: entry.taken_ms,
        bytes: entry.snapshot.bytes,
        messages: entry.snapshot.messages,
        sha256: entry.snapshot.sha256.to_vec().into(),
        changes: entry.snapshot.changes,
        schema: entry.snapshot.schema,
        erased: false,
    }
}

fn snapshot_id(text: &str) -> Result<SnapshotId, Status> {
    text.parse().map_err(|_| Status::invalid_argument("not the id of a snapshot"))
}

fn mailbox_id(text: &str) -> Result<MailboxId, Status> {
    text.parse().map_err(|_| Status::invalid_argument("not the id of a mailbox"))
}

/// A fault in gRPC's terms.
fn status(fault: Fault) -> Status {
    match fault.code {
        FailureCode::Unavailable | FailureCode::Internal => Status::unavailable(fault.text),
        FailureCode::DiskFull => Status::resource_exhausted(fault.text),
        _ => Status::failed_precondition(fault.text),
    }
}

/// Whether a staged file is not what its ledger says.
fn is_damaged(primary: &Primary, file: &Path, entry: &Entry) -> Result<bool, Fault> {
    match mailbox::snapshot::digest(primary.settings.options.disk, file, &mut primary.staging.pace()) {
        Ok((bytes, sha256)) => Ok(bytes != entry.snapshot.bytes || sha256 != entry.snapshot.sha256),
        Err(mailbox::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error.into()),
    }
}
