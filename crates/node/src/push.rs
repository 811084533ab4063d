//! Pushes: what a commit changed, to every session that has the folder selected. In commit order, because it is called so.
//!
//! Invariant: after a session was told to select again (`resync`) or that its folder is gone, nothing more is pushed to it
//! until it does.

use crate::answer::{Address, flag_changes, runs};
use crate::view::{Selection, View};
use crate::writer::Origin;
use mailbox::{Change, FlagState, FolderId};
use model::{ModSeq, UidSet};
use std::rc::Rc;
use wire::convert::uid_runs;
use wire::session::server_frame::Body;
use wire::session::{Changes, FolderChanged, FolderEvent};

/// Folders that some session has selected for writing.
pub fn watched(views: &[Rc<View>]) -> Vec<FolderId> {
    let mut folders: Vec<FolderId> = views.iter().filter_map(|view| claims(view)).collect();
    folders.sort_unstable();
    folders.dedup();
    folders
}

/// The folder whose new messages are recent to this session.
fn claims(view: &View) -> Option<FolderId> {
    let selection = view.selection.borrow();
    selection.as_ref().filter(|selection| !selection.read_only && !selection.muted).map(|selection| selection.folder)
}

/// Tells every session that looks at it of one change. `recent`: what was claimed in the same commit, by folder; it belongs
/// to the first session that can have it (RFC 3501 §2.3.2).
pub fn tell(views: &[Rc<View>], change: &Change, origin: Origin, recent: &[(FolderId, UidSet)]) {
    tell_watchers(views, change, origin);
    match change {
        Change::Appended { folder, messages, modseq } => {
            let first = views.iter().find(|view| claims(view) == Some(*folder)).map(|view| view.key);
            for view in views {
                let is_first = first == Some(view.key);
                let claimed = if is_first { claimed(*folder, messages, recent) } else { UidSet::new() };
                tell_one(view, *folder, *modseq, origin, |selection| appended(selection, messages, &claimed));
            }
        }
        Change::Flags { folder, messages, modseq } => {
            for view in views {
                if !(origin.silent && origin.session == view.key) {
                    let frames = || flag_changes(messages).map(|changed| Changes { changed, ..Changes::default() });
                    tell_one(view, *folder, *modseq, origin, |_| frames().collect());
                }
            }
        }
        Change::Vanished { folder, uids, modseq } => {
            for view in views {
                let frames =
                    || runs(uids).into_iter().map(|uids| Changes { vanished: Some(uids), ..Changes::default() });
                tell_one(view, *folder, *modseq, origin, |_| frames().collect());
            }
        }
        Change::FolderDeleted { folder } => {
            for view in views {
                tell_one(view, *folder, ModSeq::MAX, origin, |_| vec![Changes { gone: true, ..Changes::default() }]);
                view.selection.borrow_mut().take_if(|selection| selection.folder == *folder);
            }
        }
        Change::FolderCreated { .. } | Change::FolderRenamed { .. } => {}
    }
}

/// Tells every session that watches that something changed, and what kind of thing. What became of messages is not told to
/// the session that did it (RFC 5465 §5); names are, so that its picture of them stays whole.
fn tell_watchers(views: &[Rc<View>], change: &Change, origin: Origin) {
    let (folder, event) = match change {
        Change::Appended { folder, .. } => (folder, FolderEvent::Came),
        Change::Flags { folder, .. } => (folder, FolderEvent::Flags),
        Change::Vanished { folder, .. } => (folder, FolderEvent::Vanished),
        Change::FolderCreated { .. } | Change::FolderDeleted { .. } | Change::FolderRenamed { .. } => {
            return tell_event(views, 0, FolderEvent::Names);
        }
    };
    let changed = FolderChanged { folder: folder.get(), events: event as u32, ..FolderChanged::default() };
    views.iter().filter(|view| view.key != origin.session).for_each(|view| tell_watcher(view, &changed));
}

/// Tells every session that watches of one event.
pub fn tell_event(views: &[Rc<View>], folder: u64, event: FolderEvent) {
    let changed = FolderChanged { folder, events: event as u32, ..FolderChanged::default() };
    views.iter().for_each(|view| tell_watcher(view, &changed));
}

/// Tells every session that watches, but the one that did it, which annotations changed (RFC 5464 §4.4.2).
pub fn tell_annotations(views: &[Rc<View>], folder: Option<FolderId>, entries: Vec<String>, origin: Origin) {
    let folder = folder.map_or(0, FolderId::get);
    let changed = FolderChanged { folder, events: FolderEvent::Annotations as u32, entries };
    views.iter().filter(|view| view.key != origin.session).for_each(|view| tell_watcher(view, &changed));
}

/// Tells every session that has a folder selected that nothing can be changed any more.
pub fn tell_damage(views: &[Rc<View>]) {
    for view in views {
        let folder = view.selection.borrow().as_ref().map(|selection| selection.folder);
        if let Some(folder) = folder {
            let told = || vec![Changes { damaged: true, ..Changes::default() }];
            tell_one(view, folder, ModSeq::MAX, Origin::default(), |_| told());
        }
    }
}

/// One that did not keep up is told so, and no more until it begins anew.
fn tell_watcher(view: &View, changed: &FolderChanged) {
    if !view.watches.get() {
        return;
    }
    let address = Address { request: 0, session: view.session };
    let frame = |changed| address.frame(Body::FolderChanged(changed), false);
    if !view.outbox.push(frame(changed.clone()), &view.meter) {
        view.watches.set(false);
        let lost = FolderChanged { events: FolderEvent::Lost as u32, ..FolderChanged::default() };
        view.outbox.put(frame(lost));
    }
}

fn claimed(folder: FolderId, messages: &[FlagState], recent: &[(FolderId, UidSet)]) -> UidSet {
    let arrived: UidSet = messages.iter().map(|message| message.uid).collect();
    let claims = recent.iter().filter(|(of, _)| *of == folder);
    claims.fold(UidSet::new(), |all, (_, uids)| all.union(&uids.intersection(&arrived)))
}

fn appended(selection: &mut Selection, messages: &[FlagState], claimed: &UidSet) -> Vec<Changes> {
    selection.recent = selection.recent.union(claimed);
    let mut recent = uid_runs(claimed);
    let frames = flag_changes(messages);
    frames.map(|appended| Changes { appended, recent: recent.take(), ..Changes::default() }).collect()
}

fn tell_one(
    view: &View,
    folder: FolderId,
    modseq: ModSeq,
    origin: Origin,
    frames: impl FnOnce(&mut Selection) -> Vec<Changes>,
) {
    let mut selection = view.selection.borrow_mut();
    let Some(selection) = selection.as_mut().filter(|selection| selection.folder == folder) else { return };
    // What SELECT answered already is not told again.
    if selection.muted || modseq <= selection.floor {
        return;
    }
    let by_request = if origin.session == view.key { origin.request } else { 0 };
    let highest_modseq = if modseq == ModSeq::MAX { 0 } else { modseq.get() };
    let address = Address { request: 0, session: view.session };
    for changes in frames(selection) {
        let changes = Changes { folder: folder.get(), highest_modseq, by_request, ..changes };
        if !view.outbox.push(address.frame(Body::Changes(changes), false), &view.meter) {
            selection.muted = true;
            metrics::counter!("brevdue_node_resyncs_total").increment(1);
            let resync = Changes { folder: folder.get(), resync: true, ..Changes::default() };
            view.outbox.put(address.frame(Body::Changes(resync), false));
            return;
        }
    }
}
