//! Random histories against a model in plain Rust, with crashes in between.

use crate::crash::copy;
use crate::place::*;
use mailbox::queue::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const DESTINATIONS: [&str; 4] = ["a.example", "b.example", "c.example", "d.example"];

#[derive(Debug, Clone)]
enum Step {
    /// Number of the id (small, so that some are used twice), recipients as (local, destination).
    Take(u8, Vec<(u8, u8)>),
    /// Text that comes and is given up.
    Abandon(u8),
    Lease(u8, u8, Option<u8>),
    /// Which of the leases given out so far, and what becomes of each of its recipients.
    Settle(u8, Vec<u8>, bool),
    Renew(u8),
    Pause(u8, u16),
    Change(u8, u8),
    Pass(u16),
    Crash,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u8..40, prop::collection::vec((0u8..4, 0u8..4), 1..5)).prop_map(|(id, to)| Step::Take(id, to)),
        1 => (0u8..3).prop_map(Step::Abandon),
        8 => (1u8..6, 1u8..4, prop::option::of(0u8..4)).prop_map(|(max, per, not)| Step::Lease(max, per, not)),
        8 => (any::<u8>(), prop::collection::vec(0u8..4, 4), any::<bool>()).prop_map(|(at, fates, dsn)| Step::Settle(at, fates, dsn)),
        2 => any::<u8>().prop_map(Step::Renew),
        1 => (0u8..4, any::<u16>()).prop_map(|(at, ms)| Step::Pause(at, ms)),
        3 => (any::<u8>(), 0u8..4).prop_map(|(what, action)| Step::Change(what, action)),
        4 => any::<u16>().prop_map(Step::Pass),
        1 => Just(Step::Crash),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Debug, Clone)]
struct Waiting {
    address: String,
    attempts: u32,
    next_ms: i64,
}

#[derive(Debug, Clone, Default)]
struct Share {
    waiting: Vec<Waiting>,
    held: bool,
    /// Number, beginning, end.
    lease: Option<(i64, i64, i64)>,
}

#[derive(Default)]
struct Model {
    taken: BTreeSet<u8>,
    /// By entry's row and destination.
    shares: BTreeMap<(i64, String), Share>,
    paused: BTreeMap<String, i64>,
    /// Every lease ever given out.
    leases: Vec<(i64, i64)>,
}

impl Share {
    fn due_ms(&self) -> Option<i64> {
        let next = self.waiting.iter().map(|one| one.next_ms).min();
        if self.held { None } else { self.lease.map(|(_, _, ends)| ends).or(next) }
    }

    fn addresses_due(&self, at: i64) -> Vec<String> {
        self.waiting.iter().filter(|one| one.next_ms <= at).map(|one| one.address.clone()).collect()
    }
}

impl Model {
    fn take(&mut self, row: i64, to: &[(u8, u8)]) {
        for (address, destination) in addresses(to) {
            let share = self.shares.entry((row, destination)).or_default();
            if share.waiting.iter().all(|one| one.address != address) {
                share.waiting.push(Waiting { address, attempts: 0, next_ms: now() });
            }
        }
    }

    fn prune(&mut self) {
        self.shares.retain(|_, share| !share.waiting.is_empty());
        let left: BTreeSet<_> = self.shares.keys().map(|(_, name)| name.clone()).collect();
        self.paused.retain(|name, _| left.contains(name));
    }

    /// Shares that may be handed out, by destination.
    fn eligible(&self, not: &BTreeSet<String>) -> BTreeMap<String, BTreeSet<i64>> {
        let mut eligible: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
        for ((row, name), share) in &self.shares {
            let paused = self.paused.get(name).is_some_and(|until| *until > now());
            if share.due_ms().is_some_and(|due| due <= now()) && !paused && !not.contains(name) {
                eligible.entry(name.clone()).or_default().insert(*row);
            }
        }
        eligible
    }

    /// The lease with that number, wherever it is.
    fn under(&mut self, row: i64, lease: i64) -> Option<(&(i64, String), &mut Share)> {
        self.shares.iter_mut().find(|((at, _), share)| *at == row && share.lease.is_some_and(|(it, _, _)| it == lease))
    }

    fn totals(&self) -> (u64, u64) {
        let entries: BTreeSet<_> = self.shares.keys().map(|(row, _)| row).collect();
        (entries.len() as u64, self.shares.values().map(|share| share.waiting.len() as u64).sum())
    }
}

fn addresses(to: &[(u8, u8)]) -> Vec<(String, String)> {
    let destination = |at: u8| DESTINATIONS[usize::from(at) % DESTINATIONS.len()].to_owned();
    to.iter().map(|&(local, at)| (format!("u{local}@{}", destination(at)), destination(at))).collect()
}

struct Run {
    place: Place,
    file: Option<QueueFile>,
    model: Model,
}

impl Run {
    fn file(&mut self) -> &mut QueueFile {
        self.file.as_mut().unwrap()
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Take(number, to) => self.take(*number, to),
            Step::Abandon(chunks) => {
                let mut incoming = Incoming::default();
                for _ in 0..*chunks {
                    let mut behind = self.file().write_behind().unwrap();
                    incoming = behind.push(incoming, b"never whole").unwrap();
                    behind.commit().unwrap();
                }
            }
            Step::Lease(max, per, not) => self.lease(*max, *per, *not),
            Step::Settle(at, fates, dsn) => self.settle(*at, fates, *dsn),
            Step::Renew(at) => self.renew(*at),
            Step::Pause(at, ms) => {
                let (name, until) = (DESTINATIONS[usize::from(*at)], now() + i64::from(*ms));
                one(self.file(), |tx| tx.pause(name, until, "down")).unwrap();
                self.model.paused.insert(name.to_owned(), until);
            }
            Step::Change(what, action) => self.change(*what, *action),
            Step::Pass(ms) => pass(i64::from(*ms)),
            Step::Crash => {
                let crashed = copy(&self.place, "crashed", u64::MAX);
                self.file = None;
                for suffix in ["", "-wal"] {
                    let at = |path: &std::path::Path| format!("{}{suffix}", path.display());
                    std::fs::copy(at(&crashed), at(&self.place.path())).unwrap();
                }
                self.file = Some(self.place.open());
            }
            Step::Reopen => {
                self.file = None;
                self.file = Some(self.place.open());
            }
        }
        self.model.prune();
        self.compare();
    }

    fn take(&mut self, number: u8, to: &[(u8, u8)]) {
        let names: Vec<String> = addresses(to).into_iter().map(|(address, _)| address).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match take(self.file(), number.into(), &names) {
            Taken::New(row) => {
                assert!(self.model.taken.insert(number), "{number} was taken twice");
                self.model.take(row, to);
            }
            Taken::Before => assert!(self.model.taken.contains(&number), "{number} was never taken"),
        }
    }

    fn lease(&mut self, max: u8, per: u8, not: Option<u8>) {
        let not: BTreeSet<String> = not.map(|at| DESTINATIONS[usize::from(at)].to_owned()).into_iter().collect();
        let eligible = self.model.eligible(&not);
        let (max, per) = (usize::from(max), usize::from(per));
        let wanted = Wanted { per_destination_max: per, not: not.iter().cloned().collect(), ..wanted(max) };
        let handed = one(self.file(), |tx| tx.lease(&wanted)).unwrap();
        let possible: usize = eligible.values().map(|rows| rows.len().min(per)).sum();
        // As many destinations have a turn as there are places.
        let turns: usize = {
            let mut sizes: Vec<usize> = eligible.values().map(|rows| rows.len().min(per)).collect();
            sizes.sort_unstable();
            sizes.iter().take(max).sum()
        };
        assert!(handed.leased.len() <= possible.min(max) && handed.leased.len() >= turns.min(max));
        let before = self.model.leases.iter().map(|(_, lease)| *lease).max().unwrap_or_default();
        for leased in &handed.leased {
            let key = (leased.entry, leased.destination.clone());
            assert!(eligible[&leased.destination].contains(&leased.entry), "{key:?} was not due");
            assert!(leased.lease > before, "lease {} was given out before", leased.lease);
            let share = self.model.shares.get_mut(&key).unwrap();
            let addresses: Vec<_> = leased.recipients.iter().map(|state| state.address.clone()).collect();
            assert_eq!(addresses, share.addresses_due(now()));
            assert!(share.lease.is_none_or(|(_, _, ends)| ends <= now()), "{key:?} was leased twice");
            share.lease = Some((leased.lease, now(), now() + wanted.lease_ms));
            self.model.leases.push((leased.entry, leased.lease));
        }
        let next = self.model.shares.iter().filter(|((_, name), _)| !not.contains(name));
        let next = next.filter_map(|((_, name), share)| {
            Some(share.due_ms()?.max(self.model.paused.get(name).copied().unwrap_or_default()))
        });
        // What is due and was just served is due now.
        assert_eq!(handed.next_due_ms.map(|due| due.max(now())), next.min().map(|due| due.max(now())));
    }

    fn settle(&mut self, at: u8, fates: &[u8], dsn: bool) {
        let Some(&(row, lease)) = self.model.leases.get(usize::from(at) % self.model.leases.len().max(1)) else {
            return;
        };
        let Some((_, share)) = self.model.under(row, lease) else {
            let gone = one(self.file(), |tx| tx.settle(row, lease, &[], &[]));
            assert!(matches!(gone, Err(mailbox::Error::NoSuchLease)), "{gone:?}");
            return;
        };
        let leased_ms = share.lease.take().unwrap().1;
        let mut settlements = Vec::new();
        for (address, fate) in share.addresses_due(leased_ms).into_iter().zip(fates.iter().cycle()) {
            let waiting = share.waiting.iter_mut().find(|one| one.address == address).unwrap();
            let outcome = match fate {
                0 => Outcome::Delivered,
                1 => Outcome::Failed,
                2 => {
                    waiting.attempts += 1;
                    waiting.next_ms = now() + 30_000;
                    Outcome::Deferred { next_ms: now() + 30_000 }
                }
                _ => continue,
            };
            if matches!(fate, 0 | 1) {
                share.waiting.retain(|one| one.address != address);
            }
            settlements.push(settled(&address, outcome));
        }
        let left = !share.waiting.is_empty();
        let mut notice = message(0, &["u0@a.example"], b"DSN");
        notice.id = None;
        let notices = if dsn { vec![notice] } else { Vec::new() };
        let more = one(self.file(), |tx| tx.settle(row, lease, &settlements, &notices)).unwrap();
        // Recipients that were not under the lease are known to be there already.
        assert!(
            more || !left
                || settlements.len()
                    == settlements.iter().filter(|one| !matches!(one.outcome, Outcome::Deferred { .. })).count()
        );
        if dsn {
            let (listed, _) = self.place.reader().list(None, 0, 1000).unwrap();
            self.model.take(listed.last().unwrap().entry, &[(0, 0)]);
        }
    }

    fn renew(&mut self, at: u8) {
        let Some(&(row, lease)) = self.model.leases.get(usize::from(at) % self.model.leases.len().max(1)) else {
            return;
        };
        let renewed = one(self.file(), |tx| tx.renew(row, lease, 60_000));
        match self.model.under(row, lease) {
            Some((_, share)) => {
                renewed.unwrap();
                share.lease = share.lease.map(|(it, since, _)| (it, since, now() + 60_000));
            }
            None => assert!(matches!(renewed, Err(mailbox::Error::NoSuchLease))),
        }
    }

    fn change(&mut self, what: u8, action: u8) {
        let rows: Vec<i64> = self.model.shares.keys().map(|(row, _)| *row).collect();
        let selection = match what % 3 {
            0 => Selection::All,
            1 => Selection::Destination(DESTINATIONS[usize::from(what / 3) % DESTINATIONS.len()].to_owned()),
            _ => match rows.get(usize::from(what / 3) % rows.len().max(1)) {
                Some(row) => Selection::Entry(*row),
                None => return,
            },
        };
        let action = [Action::Retry, Action::Hold, Action::Release, Action::Drop][usize::from(action)];
        one(self.file(), |tx| tx.change(&selection, action, None)).unwrap();
        let mut retried = BTreeSet::new();
        for ((row, name), share) in &mut self.model.shares {
            let meant = match &selection {
                Selection::Entry(entry) => entry == row,
                Selection::Destination(destination) => destination == name,
                Selection::All => true,
            };
            if !meant {
                continue;
            }
            let running = share.lease.filter(|(_, _, ends)| *ends > now());
            match action {
                Action::Retry => {
                    retried.insert(name.clone());
                    let after = running.map_or(i64::MIN, |(_, since, _)| since);
                    for one in share.waiting.iter_mut().filter(|one| one.next_ms > after) {
                        one.next_ms = one.next_ms.min(now().max(after.saturating_add(1)));
                    }
                }
                Action::Hold => share.held = true,
                Action::Release => {
                    // A lease that has run out, and that nobody else was handed since, may still be settled.
                    let next = share.waiting.iter().map(|one| one.next_ms).min();
                    if share.held && running.is_none() {
                        share.lease = share.lease.zip(next).map(|((it, since, _), next)| (it, since, next));
                    }
                    share.held = false;
                }
                Action::Drop => share.waiting.clear(),
            }
        }
        self.model.paused.retain(|name, _| !retried.contains(name));
    }

    fn compare(&mut self) {
        let totals = self.file().totals();
        assert_eq!((totals.entries, totals.recipients), self.model.totals());
        let reader = self.place.reader();
        let (listed, count) = reader.list(None, 0, 1000).unwrap();
        assert_eq!(count, totals.entries);
        assert_eq!(listed.iter().map(|one| one.size).sum::<u64>(), totals.octets);
        let mut found = BTreeMap::new();
        for entry in &listed {
            for one in &entry.recipients {
                let state = (one.state.attempts, one.state.next_ms, one.held);
                found.insert((entry.entry, one.state.address.clone()), state);
            }
        }
        let mut expected = BTreeMap::new();
        for ((row, _), share) in &self.model.shares {
            for one in &share.waiting {
                expected.insert((*row, one.address.clone()), (one.attempts, one.next_ms, share.held));
            }
        }
        assert_eq!(found, expected);
        let (destinations, _) = reader.destinations(100).unwrap();
        let found: BTreeMap<_, _> = destinations.iter().map(|one| (one.name.clone(), one.recipients)).collect();
        let mut expected = BTreeMap::new();
        for ((_, name), share) in &self.model.shares {
            *expected.entry(name.clone()).or_default() += share.waiting.len() as u64;
        }
        assert_eq!(found, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn every_history_ends_as_the_model_says(steps in prop::collection::vec(step(), 1..60)) {
        let place = Place::new();
        let file = Some(place.open());
        let mut run = Run { place, file, model: Model::default() };
        for step in &steps {
            run.apply(step);
        }
    }
}
