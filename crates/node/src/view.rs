//! What one session looks at, and how it is told: the folder that it has selected and the link that leads to it.

use crate::outbox::{Outbox, PushMeter};
use mailbox::FolderId;
use model::{ModSeq, UidSet};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The folder that a session has selected.
pub struct Selection {
    /// Which.
    pub folder: FolderId,
    /// EXAMINE: claims nothing, changes nothing.
    pub read_only: bool,
    /// The folder's HIGHESTMODSEQ when it was selected: what is not higher was in the answer.
    pub floor: ModSeq,
    /// Messages that are \Recent in this session.
    pub recent: UidSet,
    /// Nothing is pushed any more until the folder is selected again: the session fell behind.
    pub muted: bool,
}

/// A session as changes see it.
pub struct View {
    /// Unique on the shard.
    pub key: u64,
    /// The session's number on its link.
    pub session: u64,
    /// The link.
    pub outbox: Rc<Outbox>,
    /// Pushes that wait for this session.
    pub meter: Rc<PushMeter>,
    /// What it has selected.
    pub selection: RefCell<Option<Selection>>,
    /// It is told of every folder's changes.
    pub watches: Cell<bool>,
}

impl View {
    /// A session that has nothing selected.
    pub fn new(key: u64, session: u64, outbox: Rc<Outbox>) -> Rc<Self> {
        Rc::new(Self {
            key,
            session,
            outbox,
            meter: Rc::default(),
            selection: RefCell::new(None),
            watches: Cell::new(false),
        })
    }

    /// Whether it may not write to the folder because it examines it.
    pub fn examines(&self, folder: FolderId) -> bool {
        self.selection.borrow().as_ref().is_some_and(|selection| selection.folder == folder && selection.read_only)
    }

    /// Messages of the folder that are \Recent in this session; none unless it is selected.
    pub fn recent(&self, folder: FolderId) -> UidSet {
        let selection = self.selection.borrow();
        let selected = selection.as_ref().filter(|selection| selection.folder == folder);
        selected.map_or_else(UidSet::new, |selection| selection.recent.clone())
    }
}
