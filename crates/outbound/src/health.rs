//! Health by real work: the directory names the nodes, and the queue of each answers.

use node_client::queue::{QueueError, Queues};

/// What is wrong, in one line, if anything is.
pub(crate) async fn check(queues: &Queues) -> Result<(), String> {
    let nodes = queues.all().await.map_err(|error| error.to_string())?;
    if nodes.is_empty() {
        return Err("no node has registered with the directory".to_owned());
    }
    for queue in nodes {
        match queue.renew(Vec::new(), 1).await {
            // That nothing is to be renewed may be called a mistake; it is an answer.
            Ok(_) | Err(QueueError::Refused(_) | QueueError::Lost(_)) => {}
            Err(error) => return Err(format!("node {}: {error}", queue.node())),
        }
    }
    Ok(())
}
