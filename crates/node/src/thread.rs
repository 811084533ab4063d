//! THREAD: a search, then one pass over what it found, step by step on the pool.

use crate::answer;
use crate::fault::{Fault, malformed};
use crate::limits::SORT_STEP_MESSAGES;
use crate::search;
use crate::session::Call;
use mailbox::{Algorithm, FolderId, ThreadCursor};
use wire::session::{self, ThreadAlgorithm};

/// Answers a THREAD.
pub async fn thread(call: &Call, thread: session::Thread) -> Result<(), Fault> {
    let folder = FolderId::new(thread.folder);
    let algorithm = ThreadAlgorithm::try_from(thread.algorithm).map_err(|_| malformed("the algorithm is unknown"))?;
    let algorithm = match algorithm {
        ThreadAlgorithm::OrderedSubject => Algorithm::OrderedSubject,
        ThreadAlgorithm::References => Algorithm::References,
        ThreadAlgorithm::Refs => Algorithm::Refs,
    };
    let reading = call.enter().await?.reading();
    let (found, highest_modseq) = search::all(call, &reading, folder, thread.key.as_ref()).await?;
    let mut cursor = ThreadCursor::new(found, algorithm)?;
    loop {
        let step;
        (step, cursor) = reading
            .read_in_pool(move |reader| {
                let step = reader.thread(folder, &mut cursor, SORT_STEP_MESSAGES)?;
                Ok((step, cursor))
            })
            .await?;
        if step.done {
            call.answer(answer::threaded(&step.nodes, highest_modseq)).await;
            return Ok(());
        }
    }
}
