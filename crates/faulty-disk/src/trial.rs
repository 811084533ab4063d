//! Cuts the power at every change of a history, in many ways, and looks at what is found. `BREVDUE_CUTS=1` cuts at every change in
//! every way, `BREVDUE_CUTS=100` a hundred times as often; `BREVDUE_CUTS_SEED` gives another seed.

use crate::{Dice, Fate, FaultyDisk, History, Image};
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// Ways in which a history is cut at each change, of those that there are, when nothing else is asked for: ten thousand cuts
/// over all histories.
const WAYS: usize = 5;

/// An empty disk that stands for a folder of this test's own.
pub fn fresh_disk(test: &str) -> &'static FaultyDisk {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    FaultyDisk::new(&PathBuf::from(format!("/faulty/{test}-{}", NUMBER.fetch_add(1, Ordering::Relaxed))))
}

/// What was acknowledged, and how many changes there were by then.
pub struct Acknowledged<S>(Vec<(usize, S)>);

impl<S: Clone + PartialEq + Debug> Acknowledged<S> {
    /// What there is before anything is done.
    pub fn new(first: S) -> Self {
        Self(vec![(0, first)])
    }

    /// From here on this must be found.
    pub fn push(&mut self, disk: &FaultyDisk, state: S) {
        self.push_at(disk.recorded(), state);
    }

    /// From so many changes on this must be found: of a recording that has ended.
    pub fn push_at(&mut self, changes: usize, state: S) {
        self.0.push((changes, state));
    }

    /// What was acknowledged before the cut, or that and what was under way.
    fn allows(&self, ops: usize, found: &S) -> bool {
        let last = self.0.iter().rposition(|(at, _)| *at <= ops).unwrap_or_default();
        self.0[last..].iter().take(2).any(|(_, state)| state == found)
    }

    fn last(&self, ops: usize) -> &S {
        let last = self.0.iter().rposition(|(at, _)| *at <= ops).unwrap_or_default();
        &self.0[last].1
    }
}

/// How a history is looked at.
pub struct Trial<'t, S> {
    /// What a failure says of it.
    pub name: &'t str,
    /// The disk that it was recorded on, for what is found.
    pub disk: &'static FaultyDisk,
    /// The changes.
    pub history: History,
    /// What was acknowledged meanwhile.
    pub acknowledged: Acknowledged<S>,
    /// Opens what is found as a process does that starts, checks it, and says what it holds; panics at anything wrong.
    pub look: &'t dyn Fn(&'static FaultyDisk) -> S,
    /// Goes on working with what is found, and closes it in order; says what it acknowledged.
    pub go_on: &'t dyn Fn(&mut Acknowledged<S>),
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

impl<S: Clone + PartialEq + Debug> Trial<'_, S> {
    /// Every change, in several ways; some of them again while what was found is worked with; and kills.
    pub fn run(self) {
        self.run_in(WAYS);
    }

    /// As [`Self::run`], in so many ways of those that there are, when nothing else is asked for.
    pub fn run_in(self, ways_max: usize) {
        let times = number("BREVDUE_CUTS");
        let mut dice = Dice::new(number("BREVDUE_CUTS_SEED").unwrap_or(1));
        let (mut image, mut cuts) = (self.history.before.clone(), 0u64);
        for at in 0..=self.history.ops.len() {
            let mut ways: Vec<_> = Fate::ALL.iter().copied().map(Some).chain([None]).collect();
            while times.is_none() && ways.len() > ways_max {
                ways.swap_remove(dice.below(ways.len() as u64) as usize);
            }
            for _ in 0..times.unwrap_or(1) {
                for way in &ways {
                    let seed = dice.next();
                    self.guarded(at, *way, seed, || match way {
                        Some(fate) => self.cut(at, &image.cut(*fate, &mut Dice::new(seed)), seed),
                        None => self.kill(at, &image, seed),
                    });
                    cuts += 1;
                }
            }
            if let Some(op) = self.history.ops.get(at) {
                image.apply(op);
            }
        }
        eprintln!("{}: {} changes, {cuts} cuts", self.name, self.history.ops.len());
    }

    fn guarded(&self, at: usize, way: Option<Fate>, seed: u64, run: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(run)) {
            let before = at.saturating_sub(3);
            eprintln!(
                "{}: at change {at} of {}, {way:?} (None: killed), seed {seed}, behind {:?}",
                self.name,
                self.history.ops.len(),
                self.history.ops[before..at].iter().map(|op| format!("{op:?}")).collect::<Vec<_>>()
            );
            std::panic::resume_unwind(panic);
        }
    }

    fn cut(&self, at: usize, after: &Image, seed: u64) {
        self.disk.set_image(after.clone());
        self.disk.record();
        let found = (self.look)(self.disk);
        let looked = self.disk.recorded();
        assert!(
            self.acknowledged.allows(at, &found),
            "found {found:#?}\nacknowledged {:#?}",
            self.acknowledged.last(at)
        );
        // Once in a while what was found is worked with, and the power goes again.
        let mut dice = Dice::new(seed);
        if !dice.once_in(8) {
            return;
        }
        let mut acknowledged = Acknowledged::new(found.clone());
        acknowledged.0.push((looked, found));
        (self.go_on)(&mut acknowledged);
        let history = self.disk.history();
        let second = dice.below(history.ops.len() as u64 + 1) as usize;
        let mut image = history.before.clone();
        history.ops[..second].iter().for_each(|op| image.apply(op));
        let fate = Fate::ALL[dice.below(Fate::ALL.len() as u64) as usize];
        self.disk.set_image(image.cut(fate, &mut dice));
        let again = (self.look)(self.disk);
        assert!(
            acknowledged.allows(second, &again),
            "second cut at {second} of {}, {fate:?}: found {again:#?}\nacknowledged {:#?}",
            history.ops.len(),
            acknowledged.last(second)
        );
    }

    /// The process is killed, another shows what it finds, and then the power goes: what was shown is still there.
    fn kill(&self, at: usize, image: &Image, seed: u64) {
        self.disk.set_image(image.clone());
        let shown = (self.look)(self.disk);
        assert!(self.acknowledged.allows(at, &shown), "killed: found {shown:#?}");
        let mut dice = Dice::new(seed);
        let fate = Fate::ALL[dice.below(Fate::ALL.len() as u64) as usize];
        self.disk.cut(fate, &mut dice);
        let found = (self.look)(self.disk);
        assert!(shown == found, "shown {shown:#?}\nthen {fate:?}: found {found:#?}");
    }
}
