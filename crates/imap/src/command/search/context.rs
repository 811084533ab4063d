//! What searches leave behind in a selected folder: the result for `$` (RFC 5182), and results that the client wants to hear
//! about as they change (RFC 5267 §4.3).
//!
//! Invariant: a context's results are what the client has after all ADDTO and REMOVEFROM so far.

use super::extended::find;
use super::results::{Correlator, Results, Words, write_set};
use super::wanted::{among, both, told};
use crate::command::fetch::{self, Items};
use crate::limits::{CONTEXT_SORTED_MAX, CONTEXTS_MAX};
use crate::session::answer::Stop;
use crate::session::connection::Connection;
use crate::session::view::{NumberCursor, View};
use crate::session::{Selected, Session};
use model::{Uid, UidSet};
use wire::session::{SearchKey, SortCriterion};

/// What searches left behind.
#[derive(Default)]
pub struct Searches {
    /// What `$` means. Messages that are gone are not taken out: who uses it takes what is there.
    pub saved: UidSet,
    contexts: Vec<Context>,
    /// Messages that came or changed since contexts were looked at.
    touched: UidSet,
    /// Those of them that came.
    came: UidSet,
}

/// A result that the client is told changes of.
pub struct Context {
    /// Tag of the command that asked.
    pub tag: String,
    /// Messages are named by UID.
    pub by_uid: bool,
    /// What was searched for.
    pub key: SearchKey,
    /// What the client knows.
    pub results: Results,
    /// What it is sorted by.
    pub sort: Option<Vec<SortCriterion>>,
    /// What is fetched of new messages that come into it (RFC 5465 §7).
    pub fetch: Option<Items>,
}

impl Searches {
    /// Notes that these messages came.
    pub fn came(&mut self, uids: &UidSet) {
        self.touch(uids);
        if self.contexts.iter().any(|context| context.fetch.is_some()) {
            self.came = self.came.union(uids);
        }
    }

    /// Notes that these messages came or changed.
    pub fn touch(&mut self, uids: &UidSet) {
        if !self.contexts.is_empty() {
            self.touched = self.touched.union(uids);
        }
    }

    /// Whether a command with this tag asked for updates.
    pub fn has(&self, tag: &str) -> bool {
        self.contexts.iter().any(|context| context.tag == tag)
    }

    /// Adds a context; false when there are too many, or its results are.
    pub fn add(&mut self, context: Context) -> bool {
        let fits = context.sort.is_none() || context.results.len() <= CONTEXT_SORTED_MAX;
        let add = fits && self.contexts.len() < CONTEXTS_MAX;
        if add {
            self.contexts.push(context);
        }
        add
    }

    /// Ends a context; false when there is none.
    pub fn cancel(&mut self, tag: &str) -> bool {
        let before = self.contexts.len();
        self.contexts.retain(|context| context.tag != tag);
        self.contexts.len() < before
    }
}

/// Before expunges are told: what they take from results (RFC 5267 §4.3.4: while the message numbers are still right).
///
/// # Errors
/// The connection ends.
pub async fn tell_gone(connection: &mut Connection, view: &mut View) -> Result<(), Stop> {
    let mut contexts = std::mem::take(&mut view.searches.contexts);
    for context in &mut contexts {
        let gone = view.vanished_of(&context.results.set());
        if !gone.is_empty() {
            let left = without(&context.results, &gone);
            context.tell(connection, view, left).await?;
        }
    }
    view.searches.contexts = contexts;
    Ok(())
}

/// After changes are told: what they mean for results.
///
/// # Errors
/// The connection ends; NO of the node, which leaves the results to a later time.
pub async fn tell_changed(session: &mut Session) -> Result<(), Stop> {
    let Ok(mut selected) = session.selected() else { return Ok(()) };
    if selected.view.untold_of(&selected.view.searches.touched) == selected.view.searches.touched {
        return Ok(());
    }
    let touched = std::mem::take(&mut selected.view.searches.touched);
    let came = std::mem::take(&mut selected.view.searches.came);
    let mut contexts = std::mem::take(&mut selected.view.searches.contexts);
    let mut outcome = Ok(());
    for context in &mut contexts {
        outcome = context.renew(&mut selected, &touched, &came).await;
        if outcome.is_err() {
            break;
        }
    }
    selected.view.searches.contexts = contexts;
    // What the client does not know of yet, because NOTIFY did not ask for it, is a matter for later.
    let later = if outcome.is_err() { touched } else { selected.view.untold_of(&touched) };
    selected.view.searches.touch(&later);
    selected.view.searches.came(&came.intersection(&later));
    outcome
}

fn without(results: &Results, gone: &UidSet) -> Results {
    match results {
        Results::Mailbox(uids) => Results::Mailbox(uids.difference(gone)),
        Results::Sorted(uids) => Results::Sorted(uids.iter().copied().filter(|uid| !gone.contains(*uid)).collect()),
    }
}

impl Context {
    async fn renew(&mut self, selected: &mut Selected<'_>, touched: &UidSet, came: &UidSet) -> Result<(), Stop> {
        let now = match (&self.results, &self.sort) {
            (Results::Mailbox(uids), _) => {
                let key = both(among(touched), self.key.clone());
                let (found, _) = find(selected.node, selected.view, key).await?;
                Results::Mailbox(uids.difference(touched).union(&found.set()))
            }
            (Results::Sorted(_), criteria) => {
                let request = wire::session::Sort {
                    folder: selected.view.folder,
                    key: Some(both(told(selected.view), self.key.clone())),
                    criteria: criteria.clone().unwrap_or_default(),
                };
                let sorted = selected.node.sort(request).await?.uids;
                let known = selected.view.uids();
                let sorted = sorted.into_iter().filter_map(Uid::new).filter(|uid| known.contains(*uid));
                Results::Sorted(sorted.collect())
            }
        };
        self.tell_new(selected, &now.set().difference(&self.results.set()).intersection(came)).await?;
        self.tell(selected.connection, selected.view, now).await
    }

    /// RFC 5465 §7: before the ADDTO; not of messages that come into the result because they changed.
    async fn tell_new(&self, selected: &mut Selected<'_>, new: &UidSet) -> Result<(), Stop> {
        let Some(items) = self.fetch.as_ref().filter(|_| !new.is_empty()) else { return Ok(()) };
        let Selected { connection, node, view, enabled, tag } = selected;
        let selected = Selected { connection, node, view, enabled: *enabled, tag };
        Box::pin(fetch::tell_new(items.clone(), selected, new)).await
    }

    /// Tells the way from what the client knows to what is now.
    async fn tell(&mut self, connection: &mut Connection, view: &View, now: Results) -> Result<(), Stop> {
        let (before, after) = (self.results.set(), now.set());
        let (removed, added) = (before.difference(&after), after.difference(&before));
        if removed.is_empty() && added.is_empty() {
            return Ok(());
        }
        Correlator { tag: &self.tag, folder: None, uid: self.by_uid }.begin(&mut connection.out);
        // From the end, so that positions stay right while they are used.
        let removals = positions(&self.results, &removed).into_iter().rev().collect();
        self.write(connection, view, "REMOVEFROM", removals).await?;
        self.write(connection, view, "ADDTO", positions(&now, &added)).await?;
        connection.out.extend_from_slice(b"\r\n");
        self.results = now;
        Ok(())
    }

    async fn write(
        &self,
        connection: &mut Connection,
        view: &View,
        name: &str,
        pairs: Vec<(usize, Vec<Uid>)>,
    ) -> Result<(), Stop> {
        if pairs.is_empty() {
            return Ok(());
        }
        let words = if self.by_uid { Words::Uids } else { Words::Numbers(view) };
        let mut cursor = NumberCursor::default();
        connection.out.extend_from_slice(format!(" {name} (").as_bytes());
        for (at, (position, uids)) in pairs.into_iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            connection.out.extend_from_slice(format!("{space}{position} ").as_bytes());
            let mut runs: Vec<(u64, u64)> = Vec::new();
            for number in uids.into_iter().filter_map(|uid| words.number(&mut cursor, uid)) {
                match runs.last_mut() {
                    Some(run) if run.1 + 1 == number => run.1 = number,
                    _ => runs.push((number, number)),
                }
            }
            write_set(connection, &runs).await?;
        }
        connection.out.push(b')');
        Ok(())
    }
}

/// Where these messages stand among the results, neighbours together. In the order of the folder a client finds the place by
/// itself, and the position is 0 (RFC 5267 §4.3.3).
fn positions(results: &Results, wanted: &UidSet) -> Vec<(usize, Vec<Uid>)> {
    let uids = match results {
        Results::Mailbox(_) if wanted.is_empty() => return Vec::new(),
        Results::Mailbox(_) => return vec![(0, wanted.iter().collect())],
        Results::Sorted(uids) => uids,
    };
    let mut pairs: Vec<(usize, Vec<Uid>)> = Vec::new();
    for (at, &uid) in uids.iter().enumerate().filter(|(_, uid)| wanted.contains(**uid)) {
        match pairs.last_mut() {
            Some((first, run)) if *first + run.len() == at + 1 => run.push(uid),
            _ => pairs.push((at + 1, vec![uid])),
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_stand_together() {
        let uids = |numbers: &[u32]| numbers.iter().filter_map(|&n| Uid::new(n)).collect::<Vec<_>>();
        let sorted = Results::Sorted(uids(&[9, 3, 4, 7, 1]));
        let wanted: UidSet = uids(&[3, 4, 1]).into_iter().collect();
        assert_eq!(positions(&sorted, &wanted), [(2, uids(&[3, 4])), (5, uids(&[1]))]);
        assert_eq!(positions(&Results::Mailbox(wanted.clone()), &wanted), [(0, uids(&[1, 3, 4]))]);
        assert_eq!(positions(&sorted, &UidSet::new()), []);
    }
}
