//! Health by real work: the directory resolves an address, and every node answers for a delivery.

use crate::Mx;
use crate::limits::HEALTH_SECONDS_MAX;
use bytes::Bytes;
use model::DeliveryId;
use std::time::Duration;
use wire::node::DeliveryStatusRequest;

/// What is wrong, in one line, if anything is.
pub async fn check(mx: &Mx) -> Result<(), String> {
    let limit = Duration::from_secs(HEALTH_SECONDS_MAX);
    tokio::time::timeout(limit, Box::pin(work(mx))).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
}

async fn work(mx: &Mx) -> Result<(), String> {
    // Whether it exists does not matter; that the directory says so does.
    let probe = format!("postmaster@{}", mx.session.hostname).parse();
    let probe = probe.map_err(|error| format!("the host name has no postmaster: {error}"))?;
    mx.directory.resolve(&probe).await.map_err(|error| error.to_string())?;
    let nodes = mx.nodes.all().await.map_err(|error| error.to_string())?;
    if nodes.is_empty() {
        return Err("no node has registered with the directory".to_owned());
    }
    let nobody: [u8; DeliveryId::LEN] = vault::random().map_err(|error| error.to_string())?;
    for (name, mut rpc) in nodes {
        let delivery_id = Bytes::copy_from_slice(&nobody);
        let asked = rpc.delivery_status(DeliveryStatusRequest { delivery_id, mailbox_ids: Vec::new() }).await;
        asked.map_err(|status| format!("node {name}: {}", status.message()))?;
    }
    Ok(())
}
