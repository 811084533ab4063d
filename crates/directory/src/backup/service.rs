//! The Backup service of the directory (`proto/backup.proto`): the worker fetches the snapshot that waits and says what became of
//! it; the operator asks for one, and how things stand.

use super::keeper::{KeepError, Keeper, now_ms};
use super::limits::{PIECE_BYTES, STAGED_WAIT_MS_MAX, TRANSFERS_MAX};
use crate::catalogue::{Error, SnapshotRow};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use model::SnapshotId;
use std::io::SeekFrom;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncSeekExt;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_util::io::ReaderStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use wire::backup as proto;
use wire::backup::backup_server::Backup;

/// The service over one keeper.
pub(crate) struct Service {
    keeper: Arc<Keeper>,
    stop: CancellationToken,
    transfers: Arc<Semaphore>,
}

impl Service {
    /// Until `stop`.
    pub(crate) fn new(keeper: Arc<Keeper>, stop: CancellationToken) -> Self {
        Self { keeper, stop, transfers: Arc::new(Semaphore::new(TRANSFERS_MAX)) }
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Backup for Service {
    type ReadStream = BoxStream<'static, Result<proto::ReadReply, Status>>;

    async fn staged(&self, request: Request<proto::StagedRequest>) -> Answer<proto::StagedReply> {
        let proto::StagedRequest { wait_ms, at_most, after } = request.into_inner();
        if after.is_some() {
            // One waits at most: there is nothing behind it.
            return Ok(Response::new(proto::StagedReply::default()));
        }
        let deadline = Instant::now() + Duration::from_millis(wait_ms.min(STAGED_WAIT_MS_MAX).into());
        let mut changes = self.keeper.changes();
        loop {
            changes.mark_unchanged();
            let waiting = self.keeper.waiting().await.map_err(|error| status(&error))?.filter(|_| at_most > 0);
            if waiting.is_some() || Instant::now() >= deadline || self.stop.is_cancelled() {
                let snapshots = waiting.iter().map(described).collect();
                return Ok(Response::new(proto::StagedReply { snapshots }));
            }
            tokio::select! {
                _ = timeout_at(deadline, changes.changed()) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    async fn read(&self, request: Request<proto::ReadRequest>) -> Answer<Self::ReadStream> {
        let proto::ReadRequest { id, offset } = request.into_inner();
        let place = self.transfers.clone().try_acquire_owned();
        let place = place.map_err(|_| Status::unavailable("too many snapshots are under way: try again"))?;
        let id = snapshot_id(&id)?;
        let waiting = self.keeper.waiting().await.map_err(|error| status(&error))?;
        waiting.filter(|row| row.id == id).ok_or_else(gone)?;
        let open = async {
            let mut file = tokio::fs::File::open(self.keeper.path(&id)).await?;
            file.seek(SeekFrom::Start(offset)).await?;
            Ok(file)
        };
        let file = open.await.map_err(|error| cannot_be_read(&error))?;
        // A slow worker holds its place, and one piece.
        let pieces = ReaderStream::with_capacity(file, PIECE_BYTES).map(move |piece| {
            let _place = &place;
            piece.map(|data| proto::ReadReply { data }).map_err(|error| cannot_be_read(&error))
        });
        Ok(Response::new(pieces.boxed()))
    }

    async fn uploaded(&self, request: Request<proto::UploadedRequest>) -> Answer<proto::UploadedReply> {
        let id = snapshot_id(&request.get_ref().id)?;
        self.keeper.uploaded(id).await.map_err(|error| status(&error))?;
        Ok(Response::new(proto::UploadedReply {}))
    }

    async fn failed(&self, request: Request<proto::FailedRequest>) -> Answer<proto::FailedReply> {
        let proto::FailedRequest { id, why, differs } = request.into_inner();
        self.keeper.failed(snapshot_id(&id)?, why, differs).await.map_err(|error| status(&error))?;
        Ok(Response::new(proto::FailedReply {}))
    }

    async fn state(&self, request: Request<proto::StateRequest>) -> Answer<proto::StateReply> {
        if !request.get_ref().mailbox_id.is_empty() {
            return Err(Status::invalid_argument("the directory has no mailboxes: ask the mailbox's node"));
        }
        let known = self.keeper.known().await.map_err(|error| status(&error))?;
        let newest = known.newest.as_ref();
        Ok(Response::new(proto::StateReply {
            newest: newest.map(described),
            uploaded: newest.is_some_and(|row| row.uploaded),
            why: newest.map(|row| row.why.clone()).unwrap_or_default(),
            due_since_ms: known.since_ms,
            late: self.keeper.is_late(&known, now_ms()),
            boot_key: Default::default(),
        }))
    }

    async fn restore(&self, _: Request<Streaming<proto::RestoreRequest>>) -> Answer<proto::RestoreReply> {
        let why = "a catalogue is restored while no directory runs: `brevdue backup catalogue restore`";
        Err(Status::failed_precondition(why))
    }

    async fn take(&self, _: Request<proto::TakeRequest>) -> Answer<proto::TakeReply> {
        let taken = self.keeper.take().await.map_err(|error| match error {
            KeepError::Catalogue(error) => status(&error),
            KeepError::Copy(error) => Status::unavailable(error.to_string()),
        });
        let (row, unchanged) = taken?;
        Ok(Response::new(proto::TakeReply { snapshot: Some(described(&row)), unchanged }))
    }
}

fn described(row: &SnapshotRow) -> proto::Snapshot {
    proto::Snapshot {
        id: row.id.to_string(),
        kind: proto::Kind::Catalogue.into(),
        subject: String::new(),
        taken_ms: row.taken_ms,
        bytes: row.bytes,
        sha256: row.sha256.to_vec().into(),
        changes: row.changes,
        schema: row.schema,
        ..proto::Snapshot::default()
    }
}

fn gone() -> Status {
    Status::not_found("the snapshot does not wait here")
}

fn cannot_be_read(error: &std::io::Error) -> Status {
    match error.kind() {
        std::io::ErrorKind::NotFound => gone(),
        _ => Status::unavailable(format!("the snapshot cannot be read: {error}")),
    }
}

fn snapshot_id(text: &str) -> Result<SnapshotId, Status> {
    text.parse().map_err(|_| Status::invalid_argument("not the id of a snapshot"))
}

fn status(error: &Error) -> Status {
    Status::unavailable(error.to_string())
}
