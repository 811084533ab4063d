//! The selected folder as the client sees it. Changes come in at any time and are held here until they may be told.
//!
//! Invariants: message numbers change only in `take_vanished` and grow only in `take_arrived`, whose results the caller
//! sends at once; what is held is bounded by the folder's size in runs of UIDs, flags by `PENDING_FLAGS_MAX`.

use crate::command::search::Searches;
use crate::limits::PENDING_FLAGS_MAX;
use model::{FolderName, Uid, UidSet};
use std::collections::BTreeMap;
use wire::convert::{ConvertError, uid_set};
use wire::session::{Changes, FlagChange, Selected, UidRuns};

/// What came to a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// How many messages there are now.
    pub exists: usize,
    /// How many of them are \Recent here.
    pub recent: usize,
    /// Those that came.
    pub uids: UidSet,
}

/// What left a view.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vanished {
    /// Runs of message numbers, to be told from the last to the first, so that each number is right when it is told.
    pub numbers: Vec<(usize, usize)>,
    /// The same as UIDs.
    pub uids: UidSet,
}

/// A selected folder.
pub struct View {
    /// The node's number for it.
    pub folder: u64,
    /// Its name when it was selected.
    pub name: FolderName,
    /// EXAMINE: nothing may be changed through this view.
    pub read_only: bool,
    /// The mailbox is damaged: the node changes nothing in it.
    pub damaged: bool,
    /// That is news.
    damage_found: bool,
    /// UIDVALIDITY
    pub uid_validity: u32,
    /// The highest MODSEQ that this view has heard of.
    pub highest_modseq: u64,
    /// Keywords that the client was told of.
    pub keywords: Vec<String>,
    /// HIGHESTMODSEQ of the last push. The same commit may go on in the next.
    pushed_modseq: u64,
    /// Up to here nothing was missed: what a lost push could have said is newer.
    whole_modseq: u64,
    /// Flags up to here came with the last SELECT; pushes of them are late.
    floor_modseq: u64,
    /// What the client knows to exist; message number = position + 1.
    uids: UidSet,
    /// What is \Recent in this session, told or not.
    recent: UidSet,
    /// \Recent exists for this client.
    knows_recent: bool,
    /// Messages that came and are not told.
    arrived: UidSet,
    /// Messages that are gone and not told; all in `uids`.
    vanished: UidSet,
    /// Flag changes of told messages that are not told.
    flags: BTreeMap<Uid, FlagChange>,
    /// Messages whose flags changed, without the flags.
    stale: UidSet,
    /// Keywords came that the client has not been told of.
    keywords_grew: bool,
    /// Messages that this session removed are among those that are gone and not told.
    owes: bool,
    /// Changes were lost on the way.
    resync: bool,
    /// The folder was deleted or made anew.
    gone: bool,
    /// What searches left behind.
    pub searches: Searches,
}

impl View {
    /// The view that a SELECT opens; everything in it counts as told.
    ///
    /// # Errors
    /// The node's runs are malformed.
    pub fn new(name: FolderName, read_only: bool, selected: &Selected) -> Result<Self, ConvertError> {
        Ok(Self {
            folder: selected.folder,
            name,
            read_only,
            damaged: selected.damaged,
            damage_found: false,
            uid_validity: selected.uid_validity,
            highest_modseq: selected.highest_modseq,
            keywords: selected.keywords.clone(),
            pushed_modseq: selected.highest_modseq,
            whole_modseq: selected.highest_modseq,
            floor_modseq: selected.highest_modseq,
            uids: uid_set(selected.uids.as_ref())?,
            recent: uid_set(selected.recent.as_ref())?,
            knows_recent: true,
            arrived: UidSet::new(),
            vanished: UidSet::new(),
            flags: BTreeMap::new(),
            stale: UidSet::new(),
            keywords_grew: false,
            owes: false,
            resync: false,
            gone: false,
            searches: Searches::default(),
        })
    }

    /// What the client knows to exist.
    pub fn uids(&self) -> &UidSet {
        &self.uids
    }
    /// What is \Recent here, of what the client knows.
    pub fn recent(&self) -> UidSet {
        self.recent.intersection(&self.uids)
    }
    /// Whether a message is \Recent here.
    pub fn is_recent(&self, uid: Uid) -> bool {
        self.recent.contains(uid)
    }
    /// How many messages the client knows of.
    pub fn exists(&self) -> usize {
        self.uids.len()
    }
    /// A message's number.
    pub fn number(&self, uid: Uid) -> Option<usize> {
        self.uids.position(uid).map(|at| at + 1)
    }
    /// Of these, what the client knows and is gone.
    pub fn vanished_of(&self, uids: &UidSet) -> UidSet {
        self.vanished.intersection(uids)
    }
    /// Whether messages are gone and not told.
    pub fn holds_expunges(&self) -> bool {
        !self.vanished.is_empty()
    }
    /// Whether changes were lost, so that the folder must be selected again: the MODSEQ since which to ask.
    pub fn needs_resync(&self) -> Option<u64> {
        self.resync.then_some(self.whole_modseq)
    }
    /// Whether changes can be made at all.
    pub fn is_writable(&self) -> bool {
        !self.read_only && !self.damaged
    }
    /// Whether the mailbox was found to be damaged since it was selected; once.
    pub fn take_damage(&mut self) -> bool {
        std::mem::take(&mut self.damage_found)
    }
    fn learn_damage(&mut self, damaged: bool) {
        self.damage_found |= damaged && !self.damaged;
        self.damaged |= damaged;
    }
    /// Whether the folder itself is gone.
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// Takes in what a node pushed.
    ///
    /// # Errors
    /// The node's runs are malformed.
    pub fn absorb(&mut self, changes: Changes) -> Result<(), ConvertError> {
        if changes.folder != self.folder {
            return Ok(()); // Pushed before the node knew of our last SELECT.
        }
        let floor = self.floor_modseq;
        self.gone |= changes.gone;
        self.learn_damage(changes.damaged);
        self.resync |= changes.resync;
        self.highest_modseq = self.highest_modseq.max(changes.highest_modseq);
        if !self.resync && changes.highest_modseq > self.pushed_modseq {
            self.whole_modseq = self.pushed_modseq;
            self.pushed_modseq = changes.highest_modseq;
        }
        let arrived: UidSet = changes.appended.iter().filter_map(|message| Uid::new(message.uid)).collect();
        self.searches.came(&arrived);
        self.claim(changes.recent.as_ref())?;
        self.arrive(&arrived);
        for message in changes.appended.iter().chain(&changes.changed) {
            self.learn_keywords(&message.keywords);
        }
        for message in changes.changed.into_iter().filter(|message| message.modseq > floor) {
            self.change(message);
        }
        self.vanish(&uid_set(changes.vanished.as_ref())?);
        Ok(())
    }

    /// Takes in the folder as it is after changes were lost: what a new SELECT with the known MODSEQ answered. A new
    /// UIDVALIDITY is a new folder.
    ///
    /// # Errors
    /// The node's runs are malformed.
    pub fn reconcile(&mut self, selected: Selected) -> Result<(), ConvertError> {
        self.resync = false;
        if selected.uid_validity != self.uid_validity {
            self.gone = true;
            return Ok(());
        }
        self.learn_damage(selected.damaged);
        let now = uid_set(selected.uids.as_ref())?;
        self.searches.came(&now.difference(&self.uids));
        self.folder = selected.folder;
        self.highest_modseq = self.highest_modseq.max(selected.highest_modseq);
        self.pushed_modseq = selected.highest_modseq;
        self.whole_modseq = selected.highest_modseq;
        self.floor_modseq = selected.highest_modseq;
        self.claim(selected.recent.as_ref())?;
        self.learn_keywords(&selected.keywords);
        self.vanish(&self.uids.union(&self.arrived).difference(&now));
        self.arrive(&now.difference(&self.uids));
        for message in selected.changed {
            self.change(message);
        }
        Ok(())
    }

    fn claim(&mut self, recent: Option<&UidRuns>) -> Result<(), ConvertError> {
        if self.knows_recent {
            self.recent = self.recent.union(&uid_set(recent)?);
        }
        Ok(())
    }

    /// There is no \Recent for this client (RFC 9051 appendix E).
    pub fn forget_recent(&mut self) {
        self.knows_recent = false;
        self.recent = UidSet::new();
    }

    /// Messages that came. UIDs ascend, so a number below what is known is a repeat.
    fn arrive(&mut self, uids: &UidSet) {
        let Some(known) = self.uids.last() else {
            self.arrived = self.arrived.union(uids);
            return;
        };
        let above = Uid::new(known.get().saturating_add(1)).zip(Uid::new(u32::MAX));
        let above = above.map_or_else(UidSet::new, |(first, last)| UidSet::range(first, last));
        self.arrived = self.arrived.union(&uids.intersection(&above));
    }

    /// Flags that the client has not been told of.
    pub fn change(&mut self, message: FlagChange) {
        let Some(uid) = Uid::new(message.uid) else { return };
        self.searches.touch(&UidSet::range(uid, uid));
        // What the client has not heard of it will fetch with its flags.
        if !self.uids.contains(uid) || self.vanished.contains(uid) || self.stale.contains(uid) {
            return;
        }
        if self.flags.get(&uid).is_some_and(|known| known.modseq > message.modseq) {
            return;
        }
        if self.flags.len() >= PENDING_FLAGS_MAX && !self.flags.contains_key(&uid) {
            let _ = self.stale.insert(uid);
        } else {
            self.flags.insert(uid, message);
        }
    }

    /// The flags of these may be other than the client knows: they are to be fetched and told.
    pub fn forget_flags(&mut self, uids: &UidSet) {
        self.flags.retain(|uid, _| !uids.contains(*uid));
        self.stale = self.stale.union(&uids.intersection(&self.uids).difference(&self.vanished));
    }

    fn vanish(&mut self, uids: &UidSet) {
        if uids.is_empty() {
            return;
        }
        self.arrived = self.arrived.difference(uids);
        self.vanished = self.vanished.union(&uids.intersection(&self.uids));
        self.stale = self.stale.difference(uids);
        self.flags.retain(|uid, _| !uids.contains(*uid));
    }

    /// Takes in UIDs that an EXPUNGE or MOVE of this session removed; harmless when the push came first.
    pub fn vanish_own(&mut self, uids: &UidSet, highest_modseq: u64) {
        self.highest_modseq = self.highest_modseq.max(highest_modseq);
        self.owes |= !uids.is_empty();
        self.vanish(uids);
    }

    /// Keywords of a message that is about to be told.
    pub fn learn_keywords(&mut self, keywords: &[String]) {
        for keyword in keywords {
            if !self.keywords.iter().any(|known| known.eq_ignore_ascii_case(keyword)) {
                self.keywords.push(keyword.clone());
                self.keywords_grew = true;
            }
        }
    }

    /// The message is told with flags of this MODSEQ: what is held of it and no newer is told. True when something was.
    pub fn told_flags(&mut self, uid: Uid, modseq: u64) -> bool {
        if self.stale.remove(uid) {
            return true;
        }
        if self.flags.get(&uid).is_some_and(|held| held.modseq <= modseq) {
            return self.flags.remove(&uid).is_some();
        }
        false
    }

    /// If a change of this message is held that is older, it becomes this one.
    pub fn renew_flags(&mut self, change: &FlagChange) {
        let held = Uid::new(change.uid).and_then(|uid| self.flags.get_mut(&uid));
        if let Some(held) = held.filter(|held| held.modseq <= change.modseq) {
            held.clone_from(change);
        }
    }

    /// Whether flag changes of a message are held.
    pub fn has_untold_flags(&self, uid: Uid) -> bool {
        self.stale.contains(uid) || self.flags.contains_key(&uid)
    }

    /// Whether keywords came that the client has not been told of; then they count as told.
    pub fn take_keywords_grew(&mut self) -> bool {
        std::mem::take(&mut self.keywords_grew)
    }

    /// Whether the session is owed the news of what it removed itself; then it is told.
    pub fn take_owes(&mut self) -> bool {
        std::mem::take(&mut self.owes)
    }

    /// What is gone leaves the view.
    pub fn take_vanished(&mut self) -> Vanished {
        let vanished = std::mem::take(&mut self.vanished);
        let numbers = number_runs(&self.uids, &vanished);
        self.uids = self.uids.difference(&vanished);
        self.recent = self.recent.difference(&vanished);
        Vanished { numbers, uids: vanished }
    }

    /// Of these, what came and was not told yet.
    pub fn untold_of(&self, uids: &UidSet) -> UidSet {
        self.arrived.intersection(uids)
    }

    /// What came joins the view; the new EXISTS and RECENT when something did.
    pub fn take_arrived(&mut self) -> Option<Arrived> {
        let arrived = std::mem::take(&mut self.arrived);
        if arrived.is_empty() {
            return None;
        }
        self.uids = self.uids.union(&arrived);
        Some(Arrived { exists: self.uids.len(), recent: self.recent().len(), uids: arrived })
    }

    /// The flag changes that are to be told, in UID order, and the messages whose flags must be fetched first.
    pub fn take_flags(&mut self) -> (BTreeMap<Uid, FlagChange>, UidSet) {
        (std::mem::take(&mut self.flags), std::mem::take(&mut self.stale))
    }
}

/// The message numbers of those UIDs that are in the view, as ascending runs. Linear in the runs of both.
pub fn number_runs(view: &UidSet, uids: &UidSet) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    let mut wanted = uids.runs().iter().peekable();
    let mut before = 0usize;
    for &(first, last) in view.runs() {
        if wanted.peek().is_none() {
            break;
        }
        while let Some(&&(low, high)) = wanted.peek() {
            let (from, to) = (low.max(first), high.min(last));
            if from <= to {
                let start = before + (from - first) as usize + 1;
                let end = before + (to - first) as usize + 1;
                match runs.last_mut() {
                    Some(run) if run.1 + 1 == start => run.1 = end,
                    _ => runs.push((start, end)),
                }
            }
            if high > last {
                break;
            }
            wanted.next();
        }
        before += (last - first) as usize + 1;
    }
    runs
}

/// The UIDs at those message numbers, which are given as a set of numbers. Linear in the runs of both.
pub fn uids_at(view: &UidSet, numbers: &UidSet) -> UidSet {
    let mut bounds: Vec<u32> = Vec::new();
    let mut wanted = numbers.runs().iter().peekable();
    let mut before = 0u64;
    for &(first, last) in view.runs() {
        let (start, end) = (before + 1, before + u64::from(last - first) + 1);
        while let Some(&&(low, high)) = wanted.peek() {
            let (from, to) = (u64::from(low).max(start), u64::from(high).min(end));
            if from <= to {
                bounds.extend([first + (from - start) as u32, first + (to - start) as u32]);
            }
            if u64::from(high) > end {
                break;
            }
            wanted.next();
        }
        before = end;
    }
    UidSet::from_bounds(&bounds).unwrap_or_default()
}

/// Finds message numbers of ascending UIDs without starting over for each.
#[derive(Debug, Default)]
pub struct NumberCursor {
    run: usize,
    before: usize,
    last: u32,
}

impl NumberCursor {
    /// The number of a message. A UID below the one before starts over.
    pub fn number(&mut self, view: &UidSet, uid: Uid) -> Option<usize> {
        if uid.get() < self.last {
            *self = Self::default();
        }
        self.last = uid.get();
        while let Some(&(first, last)) = view.runs().get(self.run) {
            if uid.get() < first {
                return None;
            }
            if uid.get() <= last {
                return Some(self.before + (uid.get() - first) as usize + 1);
            }
            self.before += (last - first) as usize + 1;
            self.run += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests;
