//! The view against a model: a folder that changes, pushes that get lost, and a client that hears only what is told.

use super::*;
use proptest::prelude::*;
use wire::session::UidRuns;

fn uid(n: u32) -> Uid {
    Uid::new(n).unwrap()
}

fn set(uids: impl IntoIterator<Item = u32>) -> UidSet {
    uids.into_iter().map(uid).collect()
}

fn runs(uids: impl IntoIterator<Item = u32>) -> Option<UidRuns> {
    Some((&set(uids)).into())
}

fn change(uid: u32, modseq: u64) -> FlagChange {
    FlagChange { uid, flags: 0, keywords: Vec::new(), modseq }
}

fn selected(uids: impl IntoIterator<Item = u32>) -> Selected {
    Selected { folder: 1, uid_validity: 7, highest_modseq: 1, uids: runs(uids), ..Selected::default() }
}

fn view(uids: impl IntoIterator<Item = u32>) -> View {
    View::new(FolderName::inbox(), false, &selected(uids)).unwrap()
}

fn changes() -> Changes {
    Changes { folder: 1, ..Changes::default() }
}

#[test]
fn what_comes_and_goes_between_two_tellings_is_never_told() {
    let mut view = view([1, 2, 3]);
    view.absorb(Changes { appended: vec![change(4, 2), change(5, 2)], recent: runs([4, 5]), ..changes() }).unwrap();
    view.absorb(Changes { vanished: runs([2, 4]), ..changes() }).unwrap();
    let arrived = view.take_arrived().unwrap();
    assert_eq!((arrived.exists, arrived.recent, arrived.uids), (4, 1, set([5])));
    assert_eq!(view.uids(), &set([1, 2, 3, 5]));
    assert_eq!(view.vanished_of(&set([1, 2])), set([2]));
    assert_eq!(view.take_vanished().numbers, [(2, 2)]);
    assert_eq!(view.uids(), &set([1, 3, 5]));
    assert_eq!(view.number(uid(5)), Some(3));
}

#[test]
fn a_folder_of_another_name_is_not_mixed_in() {
    let mut view = view([1]);
    view.absorb(Changes { folder: 2, appended: vec![change(2, 2)], vanished: runs([1]), ..changes() }).unwrap();
    assert_eq!((view.take_arrived(), view.take_vanished().numbers), (None, vec![]));
}

#[test]
fn flags_that_were_told_are_not_told_again() {
    let mut view = view([1, 2]);
    view.absorb(Changes { changed: vec![change(1, 5), change(2, 6)], ..changes() }).unwrap();
    assert!(view.told_flags(uid(1), 5));
    assert!(!view.told_flags(uid(2), 4), "what is held is newer");
    let (flags, stale) = view.take_flags();
    assert_eq!((flags.keys().copied().collect::<Vec<_>>(), stale), (vec![uid(2)], UidSet::new()));
}

#[test]
fn many_flag_changes_are_held_without_the_flags() {
    let count = PENDING_FLAGS_MAX as u32 + 10;
    let mut view = view(1..=count);
    view.absorb(Changes { changed: (1..=count).map(|n| change(n, 2)).collect(), ..changes() }).unwrap();
    let (flags, stale) = view.take_flags();
    assert_eq!((flags.len(), stale.len()), (PENDING_FLAGS_MAX, 10));
    view.forget_flags(&stale);
    assert_eq!(view.take_flags(), (BTreeMap::new(), stale));
}

#[test]
fn a_new_uidvalidity_or_a_deleted_folder_is_gone() {
    let mut view = view([1]);
    view.reconcile(Selected { uid_validity: 8, ..selected([1]) }).unwrap();
    assert!(view.is_gone());
    let mut view = self::view([1]);
    view.absorb(Changes { gone: true, ..changes() }).unwrap();
    assert!(view.is_gone());
}

#[test]
fn keywords_are_learnt_once_without_case() {
    let mut view = view([1]);
    view.learn_keywords(&["$Junk".into(), "$junk".into()]);
    assert!(view.take_keywords_grew());
    assert_eq!(view.keywords, ["$Junk"]);
    view.learn_keywords(&["$JUNK".into()]);
    assert!(!view.take_keywords_grew());
}

/// What happens in a folder, or between the session and its client.
#[derive(Debug, Clone)]
enum Event {
    Append(u32),
    Vanish(Vec<u32>),
    Flags(Vec<u32>),
    /// Pushes are lost from here on until the next telling.
    Lose,
    TellSome,
    TellAll,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let some = || proptest::collection::vec(0u32..40, 1..5);
    let event = prop_oneof![
        (1u32..4).prop_map(Event::Append),
        some().prop_map(Event::Vanish),
        some().prop_map(Event::Flags),
        Just(Event::Lose),
        Just(Event::TellSome),
        Just(Event::TellAll),
    ];
    proptest::collection::vec(event, 0..60)
}

/// The folder as it is, the view, and the client that hears only what is told.
struct World {
    /// UID and MODSEQ of its flags.
    folder: BTreeMap<u32, u64>,
    next: u32,
    modseq: u64,
    lost: bool,
    view: View,
    /// What the client believes: by message number, UID and MODSEQ of the flags it knows.
    client: Vec<(u32, u64)>,
}

impl World {
    fn push(&mut self, changes: Changes) {
        let changes = if self.lost { Changes { folder: 1, resync: true, ..Changes::default() } } else { changes };
        self.view.absorb(Changes { highest_modseq: self.modseq, ..changes }).unwrap();
    }

    fn happen(&mut self, event: &Event) {
        self.modseq += 1;
        let modseq = self.modseq;
        match event {
            Event::Append(count) => {
                let appended: Vec<_> = (self.next..self.next + count).map(|n| change(n, modseq)).collect();
                self.next += count;
                self.folder.extend(appended.iter().map(|message| (message.uid, modseq)));
                self.push(Changes { appended, ..changes() });
            }
            Event::Vanish(uids) => {
                let gone: Vec<_> = uids.iter().copied().filter(|uid| self.folder.remove(uid).is_some()).collect();
                self.push(Changes { vanished: runs(gone), ..changes() });
            }
            Event::Flags(uids) => {
                let changed: Vec<_> = uids.iter().copied().filter(|uid| self.folder.contains_key(uid)).collect();
                self.folder.extend(changed.iter().map(|&uid| (uid, modseq)));
                self.push(Changes {
                    changed: changed.into_iter().map(|uid| change(uid, modseq)).collect(),
                    ..changes()
                });
            }
            Event::Lose => self.lost = true,
            Event::TellSome => self.tell(false),
            Event::TellAll => self.tell(true),
        }
    }

    /// As `Session::tell` does it, with a client at the other end.
    fn tell(&mut self, all: bool) {
        if let Some(since) = self.view.needs_resync() {
            let changed = self.folder.iter().filter(|(_, modseq)| **modseq > since);
            let changed = changed.map(|(uid, modseq)| change(*uid, *modseq)).collect();
            let selected = Selected { changed, highest_modseq: self.modseq, ..selected(self.folder.keys().copied()) };
            self.view.reconcile(selected).unwrap();
            self.lost = false;
        }
        let before = self.client.clone();
        if all {
            for (first, last) in self.view.take_vanished().numbers.into_iter().rev() {
                for number in (first..=last).rev() {
                    self.client.remove(number - 1);
                }
            }
        }
        if let Some(Arrived { exists, .. }) = self.view.take_arrived() {
            assert!(exists > self.client.len(), "EXISTS must not shrink");
            let new = self.view.uids().iter().skip(self.client.len()).map(Uid::get);
            // The client fetches what is new to it.
            let new: Vec<_> = new.map(|uid| (uid, self.folder.get(&uid).copied().unwrap_or_default())).collect();
            self.client.extend(new);
            assert_eq!(self.client.len(), exists);
        }
        let (flags, stale) = self.view.take_flags();
        let told = flags.values().map(|change| (change.uid, change.modseq));
        let fetched = stale.iter().filter_map(|uid| Some((uid.get(), *self.folder.get(&uid.get())?)));
        for (uid, modseq) in told.chain(fetched).collect::<Vec<_>>() {
            let number = self.view.number(self::uid(uid)).unwrap();
            assert_eq!(self.client[number - 1].0, uid, "flags of the wrong message");
            self.client[number - 1].1 = modseq;
        }
        if !all {
            let kept: Vec<_> = self.client.iter().take(before.len()).map(|message| message.0).collect();
            assert_eq!(kept, before.iter().map(|message| message.0).collect::<Vec<_>>(), "numbers shifted");
        }
    }
}

proptest! {
    #[test]
    fn the_client_ends_with_the_folder_as_it_is(events in events()) {
        let folder: BTreeMap<u32, u64> = (1..=5).map(|uid| (uid, 1)).collect();
        let mut world = World {
            view: view(1..=5),
            client: folder.iter().map(|(uid, modseq)| (*uid, *modseq)).collect(),
            folder, next: 6, modseq: 1, lost: false,
        };
        for event in &events {
            world.happen(event);
            let known: Vec<_> = world.view.uids().iter().map(Uid::get).collect();
            prop_assert_eq!(known, world.client.iter().map(|message| message.0).collect::<Vec<_>>());
        }
        // A push that says that some were lost always comes at last.
        world.happen(&Event::Flags(vec![]));
        world.tell(true);
        prop_assert_eq!(world.client, world.folder.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn numbers_and_uids_agree(held in proptest::collection::btree_set(1u32..60, 0..40), wanted in proptest::collection::btree_set(1u32..70, 0..40)) {
        let (view, wanted_set) = (set(held.iter().copied()), set(wanted.iter().copied()));
        let expected: Vec<usize> = held.iter().enumerate().filter(|(_, uid)| wanted.contains(uid)).map(|(at, _)| at + 1).collect();
        let numbers: Vec<usize> = number_runs(&view, &wanted_set).into_iter().flat_map(|(first, last)| first..=last).collect();
        prop_assert_eq!(&numbers, &expected);
        let mut cursor = NumberCursor::default();
        let one_by_one: Vec<usize> = wanted.iter().filter_map(|&n| cursor.number(&view, uid(n))).collect();
        prop_assert_eq!(&one_by_one, &expected);
        let there = set(expected.iter().map(|&n| n as u32));
        prop_assert_eq!(uids_at(&view, &there), view.intersection(&wanted_set));
    }
}
