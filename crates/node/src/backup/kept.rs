//! Whether anybody keeps a mailbox's backups. The directory says so where the node asks what limits the mailbox, and its answer is at
//! hand as long as nothing changes. Who it cannot be asked about is copied: a copy too many harms nobody.

use super::limits::KEPT_WAIT_MS_MAX;
use crate::primary::Primary;
use directory::client::Error;
use model::MailboxId;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::timeout;

/// Whether to copy it.
pub async fn is_kept(primary: &Primary, id: &MailboxId) -> bool {
    asked(primary, id).await.unwrap_or(true)
}

/// None when nobody says.
async fn asked(primary: &Primary, id: &MailboxId) -> Option<bool> {
    let Some(pools) = &primary.settings.pools else { return Some(true) };
    match timeout(Duration::from_millis(KEPT_WAIT_MS_MAX), pools.allowance(id)).await {
        Ok(Ok(allowance)) => Some(!allowance.not_backed_up),
        // No alias has it: the worker says what is to become of its backups.
        Ok(Err(Error::NotFound(_))) => Some(true),
        Ok(Err(_)) | Err(_) => None,
    }
}

/// Mailboxes that were found to be kept by nobody, and when: each is asked about once an interval.
#[derive(Debug, Default)]
pub struct Unkept(HashMap<MailboxId, i64>);

impl Unkept {
    /// Those of these mailboxes that nobody keeps.
    pub async fn among(&mut self, primary: &Primary, ids: &HashSet<MailboxId>) -> HashSet<MailboxId> {
        let (now, interval) = (primary.now().as_millisecond(), primary.staging.interval_ms);
        self.0.retain(|id, at| ids.contains(id) && now.saturating_sub(*at) < interval);
        for id in ids {
            if self.0.contains_key(id) {
                continue;
            }
            match asked(primary, id).await {
                Some(true) => {}
                Some(false) => drop(self.0.insert(*id, now)),
                // It does not answer: it is not waited for once more for each of the others.
                None => break,
            }
        }
        self.0.keys().copied().collect()
    }
}
