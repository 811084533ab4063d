//! Events of folders that are not selected: what the node pushes while the front-end watches, put together by folder until it
//! is taken. What became of the folders is asked by whoever takes them.

use crate::limits::{WATCHED_ENTRIES_MAX, WATCHED_FOLDERS_MAX};
use std::collections::{BTreeMap, BTreeSet};
use wire::session::{FolderChanged, FolderEvent};

/// What happened to a folder.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Happened {
    /// Sum of [`FolderEvent`] bits.
    pub events: u32,
    /// Annotations that were set or removed.
    pub entries: BTreeSet<String>,
}

impl Happened {
    /// Whether this was among it.
    pub fn has(&self, event: FolderEvent) -> bool {
        self.events & event as u32 != 0
    }
}

/// The watch of one session.
#[derive(Debug, Default)]
pub(crate) struct Events {
    on: bool,
    /// By folder; 0 is no folder.
    folders: BTreeMap<u64, Happened>,
    /// Annotations in all of it, those that were pushed twice twice.
    entries: usize,
}

impl Events {
    /// Begins or ends the watch; what waits is dropped.
    pub(crate) fn watch(&mut self, on: bool) {
        *self = Self { on, ..Self::default() };
    }

    /// Whether the front-end watches.
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// The node pushed an event.
    pub(crate) fn push(&mut self, changed: FolderChanged) {
        if !self.on {
            return;
        }
        let folder = self.folders.entry(changed.folder).or_default();
        folder.events |= changed.events;
        self.entries += changed.entries.len();
        folder.entries.extend(changed.entries);
        if self.folders.len() > WATCHED_FOLDERS_MAX || self.entries > WATCHED_ENTRIES_MAX {
            self.lose();
        }
    }

    /// Events may have been missed: only that is kept.
    pub(crate) fn lose(&mut self) {
        if self.on {
            let lost = Happened { events: FolderEvent::Lost as u32, ..Happened::default() };
            *self = Self { on: true, folders: BTreeMap::from([(0, lost)]), entries: 0 };
        }
    }

    /// Whether something waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// Takes what waits.
    pub(crate) fn take(&mut self) -> BTreeMap<u64, Happened> {
        self.entries = 0;
        std::mem::take(&mut self.folders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(folder: u64, event: FolderEvent) -> FolderChanged {
        FolderChanged { folder, events: event as u32, ..FolderChanged::default() }
    }

    fn annotated(entries: &[&str]) -> FolderChanged {
        let entries = entries.iter().map(|&entry| entry.to_owned()).collect();
        FolderChanged { entries, ..event(1, FolderEvent::Annotations) }
    }

    fn lost() -> BTreeMap<u64, Happened> {
        BTreeMap::from([(0, Happened { events: FolderEvent::Lost as u32, ..Happened::default() })])
    }

    #[test]
    fn events_add_up_while_somebody_watches() {
        let mut events = Events::default();
        events.push(event(1, FolderEvent::Came));
        events.lose();
        assert!(events.is_empty());
        events.watch(true);
        events.push(event(1, FolderEvent::Came));
        events.push(event(1, FolderEvent::Flags));
        events.push(event(0, FolderEvent::Names));
        events.push(annotated(&["/private/b", "/private/a"]));
        events.push(annotated(&["/private/a"]));
        let entries = BTreeSet::from(["/private/a".to_owned(), "/private/b".to_owned()]);
        let expected =
            [(0, Happened { events: 8, ..Happened::default() }), (1, Happened { events: 1 | 4 | 64, entries })];
        assert_eq!(events.take(), BTreeMap::from(expected));
        assert!(events.is_empty() && events.is_on());
        events.push(event(1, FolderEvent::Came));
        events.watch(false);
        assert!(events.take().is_empty());
    }

    #[test]
    fn too_much_is_one_loss() {
        let mut events = Events::default();
        events.watch(true);
        (0..=WATCHED_FOLDERS_MAX as u64).for_each(|folder| events.push(event(folder, FolderEvent::Came)));
        assert_eq!(events.take(), lost());
        (0..=WATCHED_ENTRIES_MAX).for_each(|at| events.push(annotated(&[&format!("/private/{at}")])));
        assert_eq!(events.take(), lost());
    }
}
