//! Health by real work: the directory names the nodes, they and it answer, and each store can be listed and took what was last put
//! into it.
//!
//! The worker fails when its first store does, because what belongs to everybody goes there, and every mailbox that nobody chose
//! another store for. Any other store is its owner's: when that fails the worker is degraded, and says which it is.

use crate::destination::{Destinations, Lanes};
use crate::lane::{Known, Lane};
use crate::limits::{HEALTH_PART_SECONDS_MAX, STORES_NAMED_MAX};
use crate::node::Nodes;
use daemon::telemetry::{Report, Standing};
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;

/// How long each part is waited for.
const PATIENCE: Duration = Duration::from_secs(HEALTH_PART_SECONDS_MAX);

/// What is wrong with a store, if anything is, and what is known of it.
type Found = (Option<String>, Known);

/// How the worker stands, and each store.
pub(crate) async fn check(nodes: &Nodes, destinations: &Destinations) -> Report {
    let answering = async {
        let silent = |_| Err("a node or the directory does not answer in time".to_owned());
        timeout(PATIENCE, sources(nodes)).await.unwrap_or_else(silent)
    };
    let (sources, stores) = tokio::join!(answering, stores(&destinations.lanes));
    let standing = match sources {
        Err(why) => Standing::Failing(why),
        Ok(()) => standing(&stores, &destinations.default),
    };
    let told = stores.iter().map(|(name, found)| (name.clone(), told(found))).collect();
    let detail = serde_json::Map::from_iter([("stores".to_owned(), serde_json::Value::Object(told))]);
    Report { standing, detail }
}

async fn sources(nodes: &Nodes) -> Result<(), String> {
    let all = nodes.all().await.map_err(|error| error.to_string())?;
    if all.is_empty() {
        return Err("no node has registered with the directory".to_owned());
    }
    for node in all.into_iter().chain([nodes.directory()]) {
        node.staged(0, 1, None).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

async fn stores(lanes: &Lanes) -> BTreeMap<String, Found> {
    join_all(lanes.values().map(|lane| store(lane))).await.into_iter().collect()
}

async fn store(lane: &Lane) -> (String, Found) {
    let checked = lane.check(PATIENCE).await;
    let known = lane.known();
    let wrong = match checked {
        Err(error) => Some(error.to_string()),
        // It can be listed, and yet nothing be put there.
        Ok(()) if !known.why.is_empty() => Some(format!("the last upload failed: {}", known.why)),
        Ok(()) => None,
    };
    (lane.name.clone(), (wrong, known))
}

fn standing(stores: &BTreeMap<String, Found>, default: &str) -> Standing {
    let mut failing: Vec<(&String, &String)> =
        stores.iter().filter_map(|(name, (wrong, _))| Some((name, wrong.as_ref()?))).collect();
    if failing.is_empty() {
        return Standing::Well;
    }
    // The worker's own is told first.
    failing.sort_by_key(|(name, _)| *name != default);
    let more = failing.len().saturating_sub(STORES_NAMED_MAX);
    let mut reasons: Vec<String> =
        failing.iter().take(STORES_NAMED_MAX).map(|(name, wrong)| format!("store {name}: {wrong}")).collect();
    if more > 0 {
        reasons.push(format!("and {more} more stores"));
    }
    let reason = reasons.join("; ");
    match failing.first().is_some_and(|(name, _)| *name == default) {
        true => Standing::Failing(reason),
        false => Standing::Degraded(reason),
    }
}

fn told((wrong, known): &Found) -> serde_json::Value {
    let mut told = serde_json::Map::new();
    told.insert("status".to_owned(), if wrong.is_some() { "failing" } else { "ok" }.into());
    if let Some(wrong) = wrong {
        told.insert("reason".to_owned(), wrong.as_str().into());
    }
    if let Some(at) = known.succeeded {
        told.insert("last_upload".to_owned(), at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into());
    }
    serde_json::Value::Object(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stores(broken: &[&str]) -> BTreeMap<String, Found> {
        let names = ["a", "b", "first", "z"].into_iter().map(str::to_owned).chain((0..6).map(|n| format!("of-{n}")));
        let wrong = |name: &str| broken.contains(&name).then(|| "full".to_owned());
        names.map(|name| (name.clone(), (wrong(&name), Known::default()))).collect()
    }

    #[test]
    fn another_s_store_degrades_and_the_first_fails() {
        assert_eq!(standing(&stores(&[]), "first"), Standing::Well);
        let one = "store b: full".to_owned();
        assert_eq!(standing(&stores(&["b"]), "first"), Standing::Degraded(one));
        let both = "store first: full; store a: full".to_owned();
        assert_eq!(standing(&stores(&["a", "first"]), "first"), Standing::Failing(both));
        let Standing::Degraded(many) = standing(&stores(&["a", "b", "z", "of-1", "of-2", "of-3", "of-4"]), "first")
        else {
            panic!("it is degraded")
        };
        assert!(many.ends_with("; and 2 more stores"), "{many}");
    }
}
