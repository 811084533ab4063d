//! Events of folders that are not selected: what the node pushes while the front-end watches, put together by folder until it
//! is taken. What became of the folders is asked by whoever takes them.

use crate::limits::WATCHED_FOLDERS_MAX;
use std::collections::BTreeMap;
use wire::session::{FolderChanged, FolderEvent};

/// The watch of one session.
#[derive(Debug, Default)]
pub(crate) struct Events {
    on: bool,
    /// Sums of [`FolderEvent`] bits by folder; 0 is no folder.
    folders: BTreeMap<u64, u32>,
}

impl Events {
    /// Begins or ends the watch; what waits is dropped.
    pub(crate) fn watch(&mut self, on: bool) {
        *self = Self { on, folders: BTreeMap::new() };
    }

    /// Whether the front-end watches.
    pub(crate) fn is_on(&self) -> bool {
        self.on
    }

    /// The node pushed an event.
    pub(crate) fn push(&mut self, changed: &FolderChanged) {
        if !self.on {
            return;
        }
        *self.folders.entry(changed.folder).or_default() |= changed.events;
        if self.folders.len() > WATCHED_FOLDERS_MAX {
            self.lose();
        }
    }

    /// Events may have been missed: only that is kept.
    pub(crate) fn lose(&mut self) {
        if self.on {
            self.folders = BTreeMap::from([(0, FolderEvent::Lost as u32)]);
        }
    }

    /// Whether something waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// Takes what waits.
    pub(crate) fn take(&mut self) -> BTreeMap<u64, u32> {
        std::mem::take(&mut self.folders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(folder: u64, event: FolderEvent) -> FolderChanged {
        FolderChanged { folder, events: event as u32 }
    }

    #[test]
    fn events_add_up_while_somebody_watches() {
        let mut events = Events::default();
        events.push(&event(1, FolderEvent::Came));
        events.lose();
        assert!(events.is_empty());
        events.watch(true);
        events.push(&event(1, FolderEvent::Came));
        events.push(&event(1, FolderEvent::Flags));
        events.push(&event(0, FolderEvent::Names));
        assert_eq!(events.take(), BTreeMap::from([(0, 8), (1, 5)]));
        assert!(events.is_empty() && events.is_on());
        events.push(&event(1, FolderEvent::Came));
        events.watch(false);
        assert!(events.take().is_empty());
    }

    #[test]
    fn too_many_folders_are_one_loss() {
        let mut events = Events::default();
        events.watch(true);
        (0..=WATCHED_FOLDERS_MAX as u64).for_each(|folder| events.push(&event(folder, FolderEvent::Came)));
        assert_eq!(events.take(), BTreeMap::from([(0, FolderEvent::Lost as u32)]));
    }
}
