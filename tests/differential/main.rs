//! Two servers, one script: Debian's Dovecot and Brevdue get the same random, seeded commands over the same number of
//! connections, and must answer the same. What they may differ in is in `compare.rs`, what they do differ in in `known.rs`.
//!
//! `COMMANDS` and `SEED` in the environment make another run, `ROUND` plays one round of it.

mod client;
mod compare;
mod generate;
mod known;
mod run;
mod script;

use harness::Dev;
use harness::dovecot::Dovecot;
use known::RARE;
use run::{Outcome, Ports, STEPS, round};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Commands where the environment does not say: about half a minute.
const COMMANDS: usize = 4_000;
const SEED: u64 = 1;
/// Commands to one difference that is listed as rare.
const RARE_ONCE_IN: usize = 4_000;
/// Rounds at once: a round waits for one server most of the time.
const AT_ONCE: usize = 4;
/// Unlisted differences after which a run ends.
const UNLISTED_MAX: usize = 25;

#[test]
fn answers_what_dovecot_answers() {
    let commands: usize = environment("COMMANDS").unwrap_or(COMMANDS);
    let seed: u64 = environment("SEED").unwrap_or(SEED);
    let only: Option<usize> = environment("ROUND");
    let rounds = commands.div_ceil(STEPS);
    let dev = Dev::start(rounds, &["--imap", "2"]);
    let users: Vec<_> = (1..=rounds).map(|n| dev.user(n).clone()).collect();
    let dovecot = Dovecot::start(&users).expect("Dovecot is installed; run scripts/setup");
    let ports = Ports { ours: [dev.imap_port(1), dev.imap_port(2)], theirs: dovecot.imap };
    let next = AtomicUsize::new(0);
    let whole = Mutex::new(Whole::default());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= rounds || whole.lock().expect("no panic").unlisted.len() >= UNLISTED_MAX {
                        return;
                    }
                    if only.is_none_or(|only| only == n) {
                        let outcome = round(ports, &users[n], seed.wrapping_mul(1_000_003).wrapping_add(n as u64));
                        whole.lock().expect("no panic").add(n, outcome);
                    }
                }
            });
        }
    });
    let whole = whole.into_inner().expect("no panic");
    whole.tell(seed);
    for ((rfc, why), count) in &whole.known {
        let most = 2 + whole.commands / RARE_ONCE_IN;
        assert!(*rfc != RARE || *count <= most, "{count} times in {} commands: {why}", whole.commands);
    }
    assert!(whole.unlisted.is_empty(), "{} kinds of unlisted differences", whole.unlisted.len());
    dev.stop();
}

fn environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// What came of all rounds.
#[derive(Default)]
struct Whole {
    commands: usize,
    by_name: BTreeMap<String, usize>,
    known: BTreeMap<(&'static str, &'static str), usize>,
    /// By what differs: how often, the first round, the story.
    unlisted: BTreeMap<String, (usize, usize, String)>,
}

impl Whole {
    fn add(&mut self, round: usize, outcome: Outcome) {
        self.commands += outcome.commands;
        for (name, count) in outcome.by_name {
            *self.by_name.entry(name).or_default() += count;
        }
        for (why, count) in outcome.known {
            *self.known.entry(why).or_default() += count;
        }
        if let Some((line, story)) = outcome.unlisted {
            self.unlisted.entry(line).or_insert((0, round, story)).0 += 1;
        }
    }

    fn tell(&self, seed: u64) {
        println!("{} commands with seed {seed}: {:?}", self.commands, self.by_name);
        for ((rfc, why), count) in &self.known {
            println!("{count:6} times known (RFC {rfc}): {why}");
        }
        for (line, (count, round, story)) in &self.unlisted {
            println!("\n==== {count} times unlisted, first in SEED={seed} ROUND={round}: {line}\n{story}");
        }
    }
}
