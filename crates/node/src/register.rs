//! Tells the directory where this node listens, and which mailboxes were born; tries again until it is heard.

use crate::limits::REGISTER_RETRY_MS;
use directory::client::{DirectoryClient, NodeInfo};
use model::MailboxId;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// Births that the directory did not take are told again at the owner's next sign-in, so that a few tries are enough.
const BIRTH_TRIES_MAX: u32 = 20;

/// Registers the node, with growing pauses between the tries, until it is done or the node stops.
pub async fn register(directory: DirectoryClient, node: NodeInfo, stop: CancellationToken) {
    let registering = async {
        let (mut wait, longest) = REGISTER_RETRY_MS;
        while let Err(error) = directory.register_node(node.clone()).await {
            tracing::warn!("the directory did not register this node, trying again: {error}");
            tokio::time::sleep(Duration::from_millis(wait)).await;
            wait = wait.saturating_mul(2).min(longest);
        }
        tracing::info!(node = node.id, "registered with the directory");
    };
    tokio::select! {
        () = registering => {}
        () = stop.cancelled() => {}
    }
}

/// Tells of births from any thread, on this runtime.
pub fn births(directory: DirectoryClient, runtime: Handle) -> crate::primary::ReportBirth {
    Box::new(move |mailbox: MailboxId| {
        let directory = directory.clone();
        runtime.spawn(async move {
            let (mut wait, longest) = REGISTER_RETRY_MS;
            for _ in 0..BIRTH_TRIES_MAX {
                match directory.mark_born(&mailbox).await {
                    Ok(()) => return,
                    Err(error) => tracing::warn!(%mailbox, "the directory did not take a birth, trying again: {error}"),
                }
                tokio::time::sleep(Duration::from_millis(wait)).await;
                wait = wait.saturating_mul(2).min(longest);
            }
        });
    })
}
