//! Whatever is stored, moved and thrown away, by whom and on which node: the account's mailboxes never hold more than its limit,
//! what is refused had no room, and what the directory knows in the end is what is there.

use crate::client::{Client, INBOX, code, copy_to, store_flags};
use crate::fleet::{Fleet, OWNERS, append, message, recount, sign_out, until};
use model::{DeliveryId, Flag, Flags};
use std::time::Duration;
use wire::node::{Outcome, Verdict};
use wire::session::client_frame::Body;
use wire::session::server_frame::Body as Answer;
use wire::session::{Expunge, FailureCode};

/// Numbers from a seed (Knuth's MMIX generator).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

struct Trial {
    fleet: Fleet,
    dice: Dice,
    limit: (u64, u64),
    largest: u64,
    sessions: Vec<Option<Client>>,
    /// What each holds and what waits for it: octets and messages.
    held: Vec<(u64, u64)>,
    waiting: Vec<(u64, u64)>,
    /// Octets that what waits will have in the mailbox.
    plain: Vec<u64>,
    delivered: u64,
    refused: u64,
}

impl Trial {
    async fn new(seed: u64, limit: (u64, u64), largest: u64) -> Self {
        let fleet = Fleet::start(Duration::from_secs(3600)).await;
        fleet.limit(limit.0, limit.1).await;
        Self {
            fleet,
            dice: Dice(seed),
            limit,
            largest,
            sessions: (0..OWNERS).map(|_| None).collect(),
            held: vec![(0, 0); OWNERS],
            waiting: vec![(0, 0); OWNERS],
            plain: vec![0; OWNERS],
            delivered: 0,
            refused: 0,
        }
    }

    async fn step(&mut self) {
        let who = self.dice.roll(OWNERS as u64) as usize;
        match self.dice.roll(16) {
            0..=2 => self.sign_in_or_out(who).await,
            3..=6 => self.append(who).await,
            7..=8 => self.copy_or_move(who).await,
            9..=10 => self.expunge(who).await,
            11..=14 => self.deliver(who).await,
            _ => {
                // A node ends in order, or as if it was killed.
                let (node, told) = (self.dice.roll(2) as usize, self.dice.roll(2) == 0);
                for owner in (0..OWNERS).filter(|owner| owner % 2 == node) {
                    self.sessions[owner] = None;
                }
                self.fleet.restart(node, told).await;
            }
        }
        self.check(who).await;
    }

    async fn sign_in_or_out(&mut self, who: usize) {
        match self.sessions[who].take() {
            Some(client) => {
                sign_out(client).await;
                self.given_back(who).await;
            }
            None => {
                let client = self.fleet.sign_in(who).await;
                self.sessions[who] = Some(client);
                // Drained before the answer.
                let came = (std::mem::take(&mut self.plain[who]), std::mem::take(&mut self.waiting[who]).1);
                self.held[who] = (self.held[who].0 + came.0, self.held[who].1 + came.1);
            }
        }
    }

    async fn given_back(&self, who: usize) {
        let all = (self.held[who].0 + self.waiting[who].0, self.held[who].1 + self.waiting[who].1);
        until("it is given back", async || {
            let stored = &self.fleet.stored().await[who];
            let (used, granted) = (stored.used.unwrap(), stored.granted.unwrap());
            (used.bytes, used.messages) == all && granted == used
        })
        .await;
    }

    async fn append(&mut self, who: usize) {
        let size = self.size();
        let Some(client) = &mut self.sessions[who] else { return };
        let answer = client.append(1, append(), &message(size)).await;
        let stored = matches!(answer, Answer::Appended(_));
        if !stored {
            assert_eq!(code(answer), FailureCode::OverQuota);
        }
        self.settle(who, (size as u64, 1), stored).await;
    }

    async fn copy_or_move(&mut self, who: usize) {
        let moves = self.dice.roll(2) == 0;
        let which = self.dice.roll(1000) as usize;
        let Some(client) = &mut self.sessions[who] else { return };
        let inbox = client.select(1, INBOX).await;
        let Some(uid) = picked(&inbox, which) else { return };
        let size = client.body(1, inbox.folder, uid).await.len() as u64;
        let answer = client.call(1, Body::Copy(copy_to(inbox.folder, &[uid], "Archive", moves))).await;
        let stored = matches!(answer, Answer::Copied(_));
        if !stored {
            assert_eq!(code(answer), FailureCode::OverQuota);
        }
        assert!(stored || !moves, "a move takes no room");
        if !moves {
            self.settle(who, (size, 1), stored).await;
        }
    }

    async fn expunge(&mut self, who: usize) {
        let (name, which) = ([INBOX, "Archive"][self.dice.roll(2) as usize], self.dice.roll(1000) as usize);
        let Some(client) = &mut self.sessions[who] else { return };
        let folder = client.select(1, name).await;
        let Some(uid) = picked(&folder, which) else { return };
        let size = client.body(1, folder.folder, uid).await.len() as u64;
        let flags = Flags::NONE.with(Flag::Deleted).bits();
        client.call(1, Body::Store(store_flags(folder.folder, &[uid], flags))).await;
        client.call(1, Body::Expunge(Expunge { folder: folder.folder, ..Expunge::default() })).await;
        self.held[who] = (self.held[who].0 - size, self.held[who].1 - 1);
    }

    async fn deliver(&mut self, who: usize) {
        let size = self.size();
        self.delivered += 1;
        let mut id = [7; 16];
        id[..8].copy_from_slice(&self.delivered.to_be_bytes());
        let (answer, sealed) = self.fleet.deliver(who, DeliveryId::from_bytes(id), &message(size)).await;
        match answer {
            Ok(Outcome::Stored) => self.settle(who, (size as u64, 1), true).await,
            Ok(Outcome::Waiting) => {
                assert!(self.sessions[who].is_none());
                self.waiting[who] = (self.waiting[who].0 + sealed, self.waiting[who].1 + 1);
                self.plain[who] += size as u64;
            }
            // At the admission for the size that was said; at the end for the true one.
            Err(Verdict::NoRoom) => self.settle(who, (size as u64, 1), false).await,
            Ok(Outcome::NoRoom) => self.settle(who, (sealed.max(size as u64), 1), false).await,
            other => panic!("{other:?}"),
        }
    }

    /// Counts what was stored; what was refused must have had no room beside what is granted to the others, but for what a
    /// killed node took along of its own.
    async fn settle(&mut self, who: usize, more: (u64, u64), stored: bool) {
        if stored {
            self.held[who] = (self.held[who].0 + more.0, self.held[who].1 + more.1);
            return;
        }
        self.refused += 1;
        let all = self.fleet.stored().await;
        let others = (0..OWNERS).filter(|other| *other != who).map(|other| all[other].granted.unwrap());
        let others = others.fold((0, 0), |sum, each| (sum.0 + each.bytes, sum.1 + each.messages));
        let own = self.bound(who, all[who].granted.unwrap());
        let fits = |used: u64, more: u64, limit: u64| limit == 0 || used + more <= limit;
        let had_room = fits(own.0 + others.0, more.0, self.limit.0) && fits(own.1 + others.1, more.1, self.limit.1);
        assert!(!had_room, "{more:?} was refused beside {own:?} and {others:?}");
    }

    /// What a mailbox is known to hold: exactly while it is open, and after the death of its node no more than was granted.
    fn bound(&self, who: usize, granted: wire::directory::Space) -> (u64, u64) {
        match &self.sessions[who] {
            Some(_) => (self.held[who].0 + self.waiting[who].0, self.held[who].1 + self.waiting[who].1),
            None => (granted.bytes, granted.messages),
        }
    }

    async fn check(&mut self, who: usize) {
        if let Some(client) = &mut self.sessions[who] {
            assert_eq!(recount(client).await, self.held[who], "what is there");
        }
        let mut used = (0, 0);
        let all = self.fleet.stored().await;
        for (owner, stored) in all.iter().enumerate() {
            let own = (self.held[owner].0 + self.waiting[owner].0, self.held[owner].1 + self.waiting[owner].1);
            let granted = stored.granted.unwrap();
            assert!(own.0 <= granted.bytes, "{own:?} of {granted:?}");
            assert!(self.limit.1 == 0 || own.1 <= granted.messages, "{own:?} of {granted:?}");
            used = (used.0 + own.0, used.1 + own.1);
        }
        let granted = all.iter().map(|each| each.granted.unwrap().bytes).sum::<u64>();
        assert!(used.0 <= self.limit.0 && granted <= self.limit.0, "{used:?}, {granted}");
        assert!(self.limit.1 == 0 || used.1 <= self.limit.1, "{used:?}");
    }

    async fn end(mut self) -> u64 {
        for who in 0..OWNERS {
            if self.sessions[who].is_none() {
                self.sign_in_or_out(who).await;
            }
            self.check(who).await;
            self.sign_in_or_out(who).await;
        }
        self.refused
    }

    fn size(&mut self) -> usize {
        20 + self.dice.roll(self.largest) as usize
    }
}

fn picked(folder: &wire::session::Selected, which: usize) -> Option<u32> {
    let runs = folder.uids.as_ref().map(|runs| runs.bounds.as_slice()).unwrap_or_default();
    let uids: Vec<u32> = runs.chunks_exact(2).flat_map(|run| run[0]..=run[1]).collect();
    (!uids.is_empty()).then(|| uids[which % uids.len()])
}

async fn trials(seeds: std::ops::Range<u64>, steps: u32, limit: (u64, u64), largest: u64) {
    let mut refused = 0;
    for seed in seeds {
        let mut trial = Trial::new(seed, limit, largest).await;
        for _ in 0..steps {
            trial.step().await;
        }
        refused += trial.end().await;
    }
    assert!(refused > 0, "nothing came to a limit");
}

/// So small that everybody is granted exactly what they need.
#[tokio::test]
async fn a_small_pool() {
    trials(1..4, 80, (20_000, 0), 4_000).await;
}

/// Messages count too.
#[tokio::test]
async fn few_messages() {
    trials(11..13, 80, (1 << 30, 9), 4_000).await;
}

/// So large that what is granted is more than what is needed.
#[tokio::test]
async fn a_large_pool() {
    trials(21..22, 200, (9 << 19, 0), 250_000).await;
}
