//! What mailboxes hold, and whether there is room for more: in the mailbox, its account and its domain.
//!
//! Each mailbox that is written to has a [`Room`] on its shard. It counts what is in the mailbox (told with each commit, from
//! the transaction itself), what waits for its owner, and what is promised to messages on their way. Where limits are shared
//! with other mailboxes, perhaps of other nodes, the directory grants how far these may come to together; a room asks it for
//! more when they would pass it, and gives back what it did not use when the mailbox is closed or has been quiet for a while.
//! Where nothing limits the mailbox nobody is asked, and only told what it holds.

mod amount;
mod ask;
mod room;

pub use amount::{Amount, Limits};
pub use room::{Promise, Room, Shortage};

use crate::limits::{ROOMS_MAX, SETTLING_AT_ONCE};
use crate::primary::Primary;
use crate::waiting::Boxes;
use futures_util::stream::{self, StreamExt};
use model::MailboxId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

/// The rooms of one shard.
pub struct Rooms {
    primary: Arc<Primary>,
    boxes: Weak<Boxes>,
    table: RefCell<HashMap<MailboxId, Rc<Room>>>,
}

impl Rooms {
    /// None yet. `boxes` are where mail waits.
    pub fn new(primary: &Arc<Primary>, boxes: Weak<Boxes>) -> Self {
        Self { primary: primary.clone(), boxes, table: RefCell::default() }
    }

    /// The mailbox's.
    pub fn of(&self, id: &MailboxId) -> Rc<Room> {
        let mut table = self.table.borrow_mut();
        if let Some(room) = table.get(id) {
            return room.clone();
        }
        if table.len() >= ROOMS_MAX {
            // What they were granted and did not use is given back when they are next used.
            table.retain(|_, room| Rc::strong_count(room) > 1);
        }
        let room = Rc::new(Room::new(*id, &self.primary, self.boxes.clone()));
        table.insert(*id, room.clone());
        room
    }

    /// Lets quiet rooms give back what they do not use, for ever.
    pub async fn sweep(&self) {
        let quiet = self.primary.settings.quota_quiet;
        loop {
            tokio::time::sleep(quiet / 2).await;
            self.settle(|room| room.quiet() >= quiet).await;
            let in_use = |room: &Rc<Room>| Rc::strong_count(room) > 1 || !room.is_settled() || room.quiet() < quiet;
            self.table.borrow_mut().retain(|_, room| in_use(room));
        }
    }

    /// Lets all rooms give back what they do not use, as the node ends.
    pub async fn settle_all(&self) {
        self.settle(|_| true).await;
    }

    async fn settle(&self, which: impl Fn(&Room) -> bool) {
        let due = |room: &Rc<Room>| !room.is_settled() && which(room);
        let due: Vec<_> = self.table.borrow().values().filter(|room| due(room)).cloned().collect();
        let mut settling =
            stream::iter(due).map(|room| async move { room.settle().await }).buffer_unordered(SETTLING_AT_ONCE);
        while let Some(settled) = settling.next().await {
            if let Err(error) = settled {
                tracing::debug!("what mailboxes hold will be told to the directory later: {error}");
                return;
            }
        }
    }
}
