//! What a session has selected and what was pushed for it: kept in step by the link's reader, taken by the front-end, and put
//! together anew after a break.
//!
//! Invariant: what is tracked is what the front-end knows, or will know when it takes what waits here.

use crate::ClientError;
use crate::limits::PUSH_BYTES_MAX;
use crate::watch::Events;
use model::{Uid, UidSet};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use wire::convert::{uid_runs, uid_set};
use wire::session::{Changes, FlagChange, Select, Selected};

/// What a SELECT is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SelectFor {
    /// The front-end asked: what waits is about the folder before.
    FrontEnd {
        /// As asked for.
        name: String,
        /// EXAMINE.
        read_only: bool,
    },
    /// The session was opened again: what was missed becomes changes.
    Resume,
}

/// The selected folder as the front-end knows it.
#[derive(Debug, Clone)]
struct Selection {
    name: String,
    read_only: bool,
    folder: u64,
    uid_validity: u32,
    highest_modseq: u64,
    uids: UidSet,
}

#[derive(Default)]
struct State {
    selection: Option<Selection>,
    waiting: VecDeque<Changes>,
    octets: usize,
    /// Changes were dropped: nothing more is kept until the front-end selects again.
    muted: bool,
}

/// One session's selection and pushes.
#[derive(Default)]
pub(crate) struct Tracker {
    state: Mutex<State>,
    events: Mutex<Events>,
    wake: Notify,
}

impl Tracker {
    /// The node pushed changes, in a frame of so many octets.
    pub(crate) fn push(&self, changes: Changes, octets: usize) -> Result<(), ClientError> {
        let mut state = self.state();
        let Some(selection) = &mut state.selection else { return Ok(()) };
        if changes.folder != selection.folder {
            return Ok(());
        }
        selection.take_in(&changes)?;
        let (gone, resync, folder) = (changes.gone, changes.resync, changes.folder);
        if gone {
            state.selection = None;
        }
        if resync && !state.muted {
            state.mute(folder);
        } else if !state.muted || gone {
            state.keep(changes, octets, folder);
        }
        drop(state);
        self.wake.notify_waiters();
        Ok(())
    }

    /// A SELECT was answered.
    pub(crate) fn selected(&self, selected: &Selected, select: &SelectFor) -> Result<(), ClientError> {
        let uids = uid_set(selected.uids.as_ref())?;
        let mut state = self.state();
        match select {
            SelectFor::FrontEnd { name, read_only } => {
                *state = State::default();
                state.selection = Some(Selection {
                    name: name.clone(),
                    read_only: *read_only,
                    folder: selected.folder,
                    uid_validity: selected.uid_validity,
                    highest_modseq: selected.highest_modseq,
                    uids,
                });
            }
            SelectFor::Resume => {
                let Some(selection) = &mut state.selection else { return Ok(()) };
                if selection.folder != selected.folder || selection.uid_validity != selected.uid_validity {
                    state.gone();
                } else if let Some(changes) = selection.missed(selected, uids)? {
                    // About what the frame took: flags and keywords of the messages that changed.
                    let octets = (changes.appended.len() + changes.changed.len()) * 32;
                    if !state.muted {
                        state.keep(changes, octets, selected.folder);
                    }
                }
            }
        }
        drop(state);
        self.wake.notify_waiters();
        Ok(())
    }

    /// Nothing is selected any more.
    pub(crate) fn unselected(&self) {
        *self.state() = State::default();
    }

    /// The selected folder, or the whole session, cannot be had again.
    pub(crate) fn gone(&self) {
        self.state().gone();
        self.wake.notify_waiters();
    }

    /// What to ask for when the session is opened again.
    pub(crate) fn resume(&self) -> Option<Select> {
        let state = self.state();
        let selection = state.selection.as_ref()?;
        Some(Select {
            name: selection.name.clone(),
            read_only: selection.read_only,
            known_uid_validity: selection.uid_validity,
            known_modseq: selection.highest_modseq,
        })
    }

    /// Waits until something can be taken. Cancel-safe.
    pub(crate) async fn changed(&self) {
        loop {
            let woken = self.wake.notified();
            tokio::pin!(woken);
            // Enabled before the test, so that no wake-up falls between.
            woken.as_mut().enable();
            if !self.state().waiting.is_empty() || !self.events().is_empty() {
                return;
            }
            woken.await;
        }
    }

    /// Takes what waits.
    pub(crate) fn take(&self) -> Vec<Changes> {
        let mut state = self.state();
        state.octets = 0;
        std::mem::take(&mut state.waiting).into()
    }

    /// The watch on other folders. After what may be waited for, [`Tracker::wake`] is due.
    pub(crate) fn events(&self) -> MutexGuard<'_, Events> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something came for whoever waits in [`Tracker::changed`].
    pub(crate) fn wake(&self) {
        self.wake.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No invariant of the state spans a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep(&mut self, changes: Changes, octets: usize, folder: u64) {
        self.octets += octets;
        if self.octets > PUSH_BYTES_MAX && !changes.gone {
            metrics::counter!("brevdue_node_client_resyncs_total").increment(1);
            self.mute(folder);
        } else {
            self.waiting.push_back(changes);
        }
    }

    fn mute(&mut self, folder: u64) {
        self.muted = true;
        self.octets = 0;
        self.waiting = [Changes { folder, resync: true, ..Changes::default() }].into();
    }

    fn gone(&mut self) {
        if let Some(Selection { folder, .. }) = self.selection.take() {
            self.waiting.push_back(Changes { folder, gone: true, ..Changes::default() });
        }
    }
}

impl Selection {
    fn take_in(&mut self, changes: &Changes) -> Result<(), ClientError> {
        self.highest_modseq = self.highest_modseq.max(changes.highest_modseq);
        if !changes.appended.is_empty() {
            let came = changes.appended.iter().filter_map(|message| Uid::new(message.uid)).collect();
            self.uids = self.uids.union(&came);
        }
        if changes.vanished.is_some() {
            self.uids = self.uids.difference(&uid_set(changes.vanished.as_ref())?);
        }
        Ok(())
    }

    /// What the front-end has not heard of; `None` when that is nothing. Then the selection is as the node says.
    fn missed(&mut self, selected: &Selected, now: UidSet) -> Result<Option<Changes>, ClientError> {
        let came = now.difference(&self.uids);
        let vanished = self.uids.difference(&now);
        let mut flags: HashMap<u32, FlagChange> = HashMap::new();
        let mut changed = Vec::new();
        for message in &selected.changed {
            match Uid::new(message.uid) {
                Some(uid) if came.contains(uid) => drop(flags.insert(message.uid, message.clone())),
                Some(uid) if now.contains(uid) => changed.push(message.clone()),
                Some(_) | None => {}
            }
        }
        let appended: Vec<_> = came
            .iter()
            .map(|uid| flags.remove(&uid.get()).unwrap_or(FlagChange { uid: uid.get(), ..FlagChange::default() }))
            .collect();
        let recent = uid_set(selected.recent.as_ref())?.intersection(&came);
        self.uids = now;
        self.highest_modseq = self.highest_modseq.max(selected.highest_modseq);
        let nothing = appended.is_empty() && changed.is_empty() && vanished.is_empty() && !selected.damaged;
        Ok((!nothing).then(|| Changes {
            folder: self.folder,
            highest_modseq: self.highest_modseq,
            appended,
            recent: uid_runs(&recent),
            changed,
            vanished: uid_runs(&vanished),
            damaged: selected.damaged,
            ..Changes::default()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::session::UidRuns;

    fn runs(bounds: &[u32]) -> Option<UidRuns> {
        Some(UidRuns { bounds: bounds.to_vec() })
    }

    fn flags(uid: u32, modseq: u64) -> FlagChange {
        FlagChange { uid, modseq, ..FlagChange::default() }
    }

    fn inbox(uids: &[u32], modseq: u64) -> Selected {
        Selected { folder: 1, uid_validity: 9, highest_modseq: modseq, uids: runs(uids), ..Selected::default() }
    }

    fn tracker() -> Tracker {
        let tracker = Tracker::default();
        let select = SelectFor::FrontEnd { name: "INBOX".to_owned(), read_only: false };
        tracker.selected(&inbox(&[1, 5], 10), &select).unwrap();
        tracker
    }

    #[test]
    fn a_break_becomes_the_changes_that_were_missed() {
        let tracker = tracker();
        let push = Changes { folder: 1, highest_modseq: 11, appended: vec![flags(6, 11)], ..Changes::default() };
        tracker.push(push.clone(), 10).unwrap();
        let resume = tracker.resume().unwrap();
        assert_eq!((resume.known_uid_validity, resume.known_modseq, resume.name.as_str()), (9, 11, "INBOX"));
        let now = Selected {
            changed: vec![flags(3, 12), flags(8, 13)],
            recent: runs(&[8, 8]),
            ..inbox(&[2, 3, 5, 6, 8, 9], 14)
        };
        tracker.selected(&now, &SelectFor::Resume).unwrap();
        let missed = Changes {
            folder: 1,
            highest_modseq: 14,
            appended: vec![flags(8, 13), flags(9, 0)],
            recent: runs(&[8, 8]),
            changed: vec![flags(3, 12)],
            vanished: runs(&[1, 1, 4, 4]),
            ..Changes::default()
        };
        assert_eq!(tracker.take(), [push, missed]);
        assert_eq!(tracker.take(), []);

        tracker.selected(&inbox(&[2, 3, 5, 6, 8, 9], 14), &SelectFor::Resume).unwrap();
        assert_eq!(tracker.take(), []);
    }

    #[test]
    fn a_folder_that_was_made_anew_is_gone() {
        for now in [Selected { uid_validity: 8, ..inbox(&[1, 5], 10) }, Selected { folder: 2, ..inbox(&[1, 5], 10) }] {
            let tracker = tracker();
            tracker.selected(&now, &SelectFor::Resume).unwrap();
            assert_eq!(tracker.take(), [Changes { folder: 1, gone: true, ..Changes::default() }]);
            assert_eq!(tracker.resume(), None);
            tracker.gone();
            assert_eq!(tracker.take(), []);
        }
    }

    #[test]
    fn a_front_end_that_does_not_take_selects_again() {
        let tracker = tracker();
        let push =
            |uid| Changes { folder: 1, appended: vec![flags(uid, 11)], highest_modseq: 11, ..Changes::default() };
        let resync = Changes { folder: 1, resync: true, ..Changes::default() };
        tracker.push(push(6), PUSH_BYTES_MAX).unwrap();
        tracker.push(push(7), 1).unwrap();
        tracker.push(push(8), 1).unwrap();
        assert_eq!(tracker.take(), std::slice::from_ref(&resync));
        tracker.push(push(9), 1).unwrap();
        assert_eq!(tracker.take(), []);
        let select = SelectFor::FrontEnd { name: "INBOX".to_owned(), read_only: false };
        tracker.selected(&inbox(&[1, 9], 11), &select).unwrap();
        tracker.push(push(10), 1).unwrap();
        assert_eq!(tracker.take(), [push(10)]);
        tracker.push(resync.clone(), 1).unwrap();
        tracker.push(push(11), 1).unwrap();
        assert_eq!(tracker.take(), [resync]);
    }

    #[test]
    fn a_gone_folder_is_told_even_after_changes_were_dropped() {
        let tracker = tracker();
        let gone = Changes { folder: 1, gone: true, ..Changes::default() };
        tracker.push(Changes { folder: 1, resync: true, ..Changes::default() }, 1).unwrap();
        tracker.push(gone.clone(), 1).unwrap();
        assert_eq!(tracker.take().last(), Some(&gone));
        assert_eq!(tracker.resume(), None);
    }

    #[test]
    fn pushes_of_another_folder_are_nothing() {
        let tracker = tracker();
        tracker.push(Changes { folder: 2, gone: true, ..Changes::default() }, 1).unwrap();
        assert_eq!(tracker.take(), []);
        tracker.unselected();
        tracker.push(Changes { folder: 1, gone: true, ..Changes::default() }, 1).unwrap();
        assert_eq!(tracker.take(), []);
        let bad = Changes { folder: 1, vanished: runs(&[2, 1]), ..Changes::default() };
        let tracker = super::tests::tracker();
        assert!(tracker.push(bad, 1).is_err());
    }

    #[tokio::test]
    async fn changed_resolves_while_something_waits() {
        let tracker = tracker();
        let push = Changes { folder: 1, changed: vec![flags(1, 11)], ..Changes::default() };
        let ((), pushed) = tokio::join!(tracker.changed(), async { tracker.push(push, 1) });
        pushed.unwrap();
        tracker.changed().await;
        assert_eq!(tracker.take().len(), 1);
    }
}
