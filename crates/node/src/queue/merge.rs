//! Entries of a backup come into a queue, held, step by step, so that nobody waits long for it.

use super::files::Queues;
use super::writer::After;
use crate::backup::merge::OpenQueueBackup;
use mailbox::queue::{Merged, QueueTx};
use tonic::Status;

impl Queues {
    /// Takes what is not there.
    ///
    /// # Errors
    /// RESOURCE_EXHAUSTED when it does not fit; UNAVAILABLE. What was taken stays, and is not taken twice.
    pub async fn merge(&self, mut open: OpenQueueBackup) -> Result<Merged, Status> {
        let file = self.for_backup(&open.backup.id).ok_or_else(|| Status::unavailable("this node has no queue"))?;
        open.backup.is_same = file.id == open.backup.id;
        let (mut all, mut after) = (Merged::default(), Some(0));
        while let Some(from) = after {
            let step = move |tx: &mut QueueTx<'_>| tx.restore(&open.backup, from).map(|step| (open, step));
            let (merged, next);
            (open, (merged, next)) = file.run(step, After::NOTHING).await?;
            all.taken += merged.taken;
            all.there += merged.there;
            after = next;
        }
        Ok(all)
    }
}
