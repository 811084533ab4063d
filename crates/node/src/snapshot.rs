//! The verb Snapshot: the owner wants a backup now.

use crate::fault::Fault;
use crate::session::Call;
use wire::session::Snapshotted;
use wire::session::server_frame::Body;

/// Takes a snapshot, unless the newest has everything; answered when it waits for the worker, durably.
pub async fn snapshot(call: &Call) -> Result<(), Fault> {
    let (entry, taken) = call.session.snapshot().await?;
    let answer = Snapshotted {
        id: entry.id.to_string(),
        sha256: entry.snapshot.sha256.to_vec().into(),
        bytes: entry.snapshot.bytes,
        messages: entry.snapshot.messages,
        changes: entry.snapshot.changes,
        taken_ms: entry.taken_ms,
        unchanged: !taken,
    };
    call.send(Body::Snapshotted(answer), true);
    Ok(())
}
