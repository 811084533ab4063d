//! Health by real work: the directory names the nodes, they and it answer, and each store can be listed.

use crate::node::Nodes;
use crate::store::Store;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is wrong, in one line, if anything is.
pub(crate) async fn check(nodes: &Nodes, stores: &BTreeMap<String, Arc<Store>>) -> Result<(), String> {
    let all = nodes.all().await.map_err(|error| error.to_string())?;
    if all.is_empty() {
        return Err("no node has registered with the directory".to_owned());
    }
    for node in all.into_iter().chain([nodes.directory()]) {
        node.staged(0, 1).await.map_err(|error| error.to_string())?;
    }
    for (name, store) in stores {
        store.check().await.map_err(|error| format!("store {name}: {error}"))?;
    }
    Ok(())
}
