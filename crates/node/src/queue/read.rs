//! The message of a leased entry, chunk by chunk, as fast as its worker takes it.

use super::files::Queues;
use super::limits::READ_CHUNKS_MAX;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use wire::queue::{ReadReply, ReadRequest};

/// The answers of one call.
pub type Stream = ReceiverStream<Result<ReadReply, Status>>;

/// Begins to read; the task ends with the message, with its lease, or when nobody takes the chunks any more.
pub async fn read(queues: &Queues, request: ReadRequest, place: OwnedSemaphorePermit) -> Result<Stream, Status> {
    let (file, row) = queues.of_entry(request.entry)?;
    let (file, lease) = (file.clone(), i64::try_from(request.lease).unwrap_or_default());
    // The first one here, so that a lease that is gone is the call's own answer.
    let first = file.read(move |reader| reader.read(row, lease, 0)).await?;
    let (chunks, stream) = mpsc::channel(READ_CHUNKS_MAX);
    tokio::spawn(async move {
        let _place = place;
        let (mut chunk, mut number) = (Ok(first), 0);
        loop {
            let reply = match chunk {
                Ok(None) => return,
                Ok(Some(data)) => Ok(ReadReply { data: data.into() }),
                Err(status) => Err(status),
            };
            let is_last = reply.is_err();
            if chunks.send(reply).await.is_err() || is_last {
                return;
            }
            number += 1;
            chunk = file.read(move |reader| reader.read(row, lease, number)).await;
        }
    });
    Ok(ReceiverStream::new(stream))
}
