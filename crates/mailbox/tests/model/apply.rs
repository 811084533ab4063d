//! Random operations, and what each does to the plain mailbox and to the real one.

use super::common::*;
use super::plain::{Answer, Folder, Mailbox, Message};
use mailbox::*;
use model::{Flag, Flags, FolderName, Keyword, ModSeq, SpecialUse, UidSet};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

pub const NAMES: [&str; 9] = ["INBOX", "Sent", "Trash", "a", "a/b", "a/b/c", "b", "b/a", "INBOX/x"];
pub const KEYWORDS: [&str; 4] = ["$Junk", "$Forwarded", "one", "Two"];

#[derive(Debug, Clone)]
pub enum Op {
    Append { folder: usize, body: usize, flags: u32, keywords: u8 },
    Store { folder: usize, uids: u16, mode: u8, flags: u32, keywords: u8, since: Option<u8> },
    Copy { folder: usize, uids: u16, to: usize, move_: bool },
    Expunge { folder: usize, uids: Option<u16> },
    Create { name: usize, usage: Option<usize> },
    Delete { name: usize },
    Rename { from: usize, to: usize },
    Subscribe { name: usize, on: bool },
    Claim { folder: usize },
}

pub fn op(bodies: usize) -> impl Strategy<Value = Op> {
    // INBOX more often than the rest, so that folders fill.
    let folder = || prop_oneof![3 => Just(0usize), 4 => 0..NAMES.len()];
    let (flags, keywords) = (|| 0u32..32, || 0u8..16);
    let append = (folder(), 0..bodies, flags(), keywords()).prop_map(|(folder, body, flags, keywords)| Op::Append {
        folder,
        body,
        flags,
        keywords,
    });
    let store = (folder(), any::<u16>(), 0u8..3, flags(), keywords(), proptest::option::of(0u8..100)).prop_map(
        |(folder, uids, mode, flags, keywords, since)| Op::Store { folder, uids, mode, flags, keywords, since },
    );
    prop_oneof![
        8 => append,
        6 => store,
        4 => (folder(), any::<u16>(), folder(), any::<bool>())
            .prop_map(|(folder, uids, to, move_)| Op::Copy { folder, uids, to, move_ }),
        3 => (folder(), proptest::option::of(any::<u16>())).prop_map(|(folder, uids)| Op::Expunge { folder, uids }),
        3 => (0..NAMES.len(), proptest::option::weighted(0.2, 0..7usize))
            .prop_map(|(name, usage)| Op::Create { name, usage }),
        1 => (0..NAMES.len()).prop_map(|name| Op::Delete { name }),
        2 => (0..NAMES.len(), 0..NAMES.len()).prop_map(|(from, to)| Op::Rename { from, to }),
        1 => (0..NAMES.len(), any::<bool>()).prop_map(|(name, on)| Op::Subscribe { name, on }),
        1 => folder().prop_map(|folder| Op::Claim { folder }),
    ]
}

/// UIDs 1 to 16 by bits, so that some exist and some do not.
fn uid_set(bits: u16) -> UidSet {
    (0..16).filter(|bit| bits >> bit & 1 == 1).map(|bit| uid(bit + 1)).collect()
}

fn keyword_list(bits: u8) -> Vec<Keyword> {
    let chosen = KEYWORDS.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
    chosen.map(|(_, keyword)| Keyword::parse(keyword).unwrap()).collect()
}

fn keyword_set(bits: u8) -> BTreeSet<String> {
    keyword_list(bits).iter().map(|keyword| keyword.as_str().to_ascii_lowercase()).collect()
}

/// The plain name of a refusal.
pub fn refusal(error: &Error) -> &'static str {
    match error {
        Error::NoSuchFolder => "NoSuchFolder",
        Error::FolderExists => "FolderExists",
        Error::HasChildren => "HasChildren",
        Error::CannotInbox => "CannotInbox",
        Error::BelowItself => "BelowItself",
        Error::SpecialUseTaken => "SpecialUseTaken",
        other => panic!("unexpected: {other}"),
    }
}

/// What an operation works with.
pub struct World<'a> {
    pub plain: &'a mut Mailbox,
    pub contents: &'a [Content],
}

impl World<'_> {
    /// Does the operation to both and compares what they answer; a refusal is undone by the batch, and changed nothing here.
    pub fn apply(&mut self, op: &Op, batch: &mut Batch<'_>) {
        let mut expected = None;
        let real = batch.run(|tx| {
            self.both(op, tx).map_err(|(reason, error)| {
                expected = Some(reason);
                error
            })
        });
        assert_eq!(real.err().as_ref().map(refusal), expected, "{op:?}");
    }

    /// Reads a folder's marks and its messages' MODSEQs with operations that change nothing.
    fn look(&mut self, tx: &mut Tx<'_>, name: &FolderName) {
        let plain = self.plain.folders.get_mut(name.as_str()).unwrap();
        let id = FolderId::new(plain.id);
        let marks = tx.copy(id, &UidSet::new(), name, clock(), None).unwrap();
        let nothing = FlagEdit { mode: StoreMode::Add, flags: Flags::NONE, keywords: Vec::new() };
        let all = UidSet::range(uid(1), uid(u32::MAX));
        let stored = tx.store(id, &all, &nothing, None).unwrap();
        assert_eq!(stored.messages.len(), plain.messages.len());
        plain.validity = marks.uid_validity.get();
        plain.highest = marks.highest_modseq.get();
        for message in stored.messages {
            plain.messages.get_mut(&message.uid.get()).unwrap().modseq = message.modseq.get();
        }
    }

    fn both(&mut self, op: &Op, tx: &mut Tx<'_>) -> Result<(), (&'static str, Error)> {
        match *op {
            Op::Append { folder, body, flags, keywords } => self.append(tx, NAMES[folder], body, flags, keywords),
            Op::Store { folder, uids, mode, flags, keywords, since } => {
                let mode = [StoreMode::Replace, StoreMode::Add, StoreMode::Remove][usize::from(mode)];
                let edit = FlagEdit { mode, flags: Flags::from_bits(flags), keywords: keyword_list(keywords) };
                self.store(tx, NAMES[folder], &uid_set(uids), &edit, since)
            }
            Op::Copy { folder, uids, to, move_ } => self.copy(tx, NAMES[folder], &uid_set(uids), NAMES[to], move_),
            Op::Expunge { folder, uids } => self.expunge(tx, NAMES[folder], uids.map(uid_set).as_ref()),
            Op::Create { name, usage } => self.create(tx, &FolderName::parse(NAMES[name]).unwrap(), usage),
            Op::Delete { name } => {
                let name = FolderName::parse(NAMES[name]).unwrap();
                agree(self.plain.can_delete(&name), tx.delete_folder(&name))?;
                self.plain.delete(&name);
                Ok(())
            }
            Op::Rename { from, to } => self.rename(tx, NAMES[from], NAMES[to]),
            Op::Subscribe { name, on } => {
                tx.set_subscribed(&FolderName::parse(NAMES[name]).unwrap(), on).unwrap();
                let name = NAMES[name].to_owned();
                if on {
                    self.plain.subscribed.insert(name)
                } else {
                    self.plain.subscribed.remove(&name)
                };
                Ok(())
            }
            Op::Claim { folder } => {
                let Ok(plain) = self.plain.selectable(NAMES[folder]) else { return Ok(()) };
                let claimed = tx.claim_recent(FolderId::new(plain.id)).unwrap();
                let expected = plain.messages.keys().filter(|at| **at >= plain.recent_from).map(|at| uid(*at));
                assert_eq!(claimed, expected.collect());
                plain.recent_from = plain.next;
                Ok(())
            }
        }
    }

    fn append(&mut self, tx: &mut Tx<'_>, folder: &str, body: usize, flags: u32, keywords: u8) -> Refusable {
        let date_ms = 1_500_000_000_000 + body as i64;
        let target = FolderName::parse(folder).unwrap();
        let list = keyword_list(keywords);
        let append = Append {
            folder: (&target).into(),
            flags: Flags::from_bits(flags),
            keywords: &list,
            internal_date: jiff::Timestamp::from_millisecond(date_ms).unwrap(),
            content: self.contents[body].clone(),
            delivery: None,
            token: None,
        };
        let found = self.plain.selectable(folder).map(drop);
        let answer = agree(found, tx.append(append))?;
        let modseq = self.plain.take_modseq(answer.modseq.get());
        let plain = self.plain.selectable(folder).unwrap();
        assert_eq!((answer.uid.get(), answer.uid_validity.get()), (plain.next, plain.validity));
        let flags = Flags::from_bits(flags);
        plain.messages.insert(plain.next, Message { flags, keywords: keyword_set(keywords), modseq, date_ms, body });
        plain.next += 1;
        plain.highest = modseq;
        Ok(())
    }

    fn store(&mut self, tx: &mut Tx<'_>, folder: &str, uids: &UidSet, edit: &FlagEdit, since: Option<u8>) -> Refusable {
        let id = self.plain.selectable(folder).map(|plain| plain.id);
        let since = since.map(|percent| ModSeq::new(self.plain.modseq * u64::from(percent) / 100).unwrap());
        let answer = tx.store(FolderId::new(id.unwrap_or(u64::MAX)), uids, edit, since);
        let answer = agree(id.map(drop), answer)?;
        let plain = self.plain.selectable(folder).unwrap();
        let keywords: BTreeSet<String> = edit.keywords.iter().map(|each| each.as_str().to_ascii_lowercase()).collect();
        let (mut expected, mut modified, mut changed) = (Vec::new(), UidSet::new(), false);
        for (at, message) in plain.messages.iter_mut().filter(|(at, _)| uids.contains(uid(**at))) {
            if since.is_some_and(|since| message.modseq > since.get()) {
                modified.insert(uid(*at));
                continue;
            }
            let before = (message.flags, message.keywords.clone());
            match edit.mode {
                StoreMode::Replace => (message.flags, message.keywords) = (edit.flags, keywords.clone()),
                StoreMode::Add => {
                    message.flags = message.flags.union(edit.flags);
                    message.keywords.extend(keywords.iter().cloned());
                }
                StoreMode::Remove => {
                    message.flags = message.flags.minus(edit.flags);
                    message.keywords.retain(|keyword| !keywords.contains(keyword));
                }
            }
            if before != (message.flags, message.keywords.clone()) {
                message.modseq = answer.highest_modseq.get();
                changed = true;
            }
            expected.push((*at, message.clone()));
        }
        if changed {
            plain.highest = answer.highest_modseq.get();
            self.plain.take_modseq(answer.highest_modseq.get());
        } else {
            assert_eq!(plain.highest, answer.highest_modseq.get());
        }
        assert_eq!(answer.modified, modified);
        let answered: Vec<_> = answer.messages.iter().map(state).collect();
        let expected: Vec<_> = expected.into_iter().map(|(at, m)| (at, m.flags, m.keywords, m.modseq)).collect();
        assert_eq!(answered, expected);
        Ok(())
    }

    fn copy(&mut self, tx: &mut Tx<'_>, folder: &str, uids: &UidSet, to: &str, move_: bool) -> Refusable {
        let id = self.plain.selectable(folder).map(|plain| plain.id);
        let found = id.and_then(|_| self.plain.selectable(to).map(drop));
        let (source, target) = (FolderId::new(id.unwrap_or(u64::MAX)), FolderName::parse(to).unwrap());
        let answer = match move_ {
            true => tx.move_(source, uids, &target, clock(), None),
            false => tx.copy(source, uids, &target, clock(), None),
        };
        let answer = agree(found, answer)?;
        let plain = self.plain.selectable(folder).unwrap();
        let chosen: BTreeMap<u32, Message> =
            plain.messages.iter().filter(|(at, _)| uids.contains(uid(**at))).map(|(at, m)| (*at, m.clone())).collect();
        assert_eq!(
            answer.from.iter().map(|at| at.get()).collect::<Vec<_>>(),
            chosen.keys().copied().collect::<Vec<_>>()
        );
        let target = self.plain.selectable(to).unwrap();
        assert_eq!(answer.uid_validity.get(), target.validity);
        let new: Vec<u32> = (target.next..).take(chosen.len()).collect();
        assert_eq!(answer.to.iter().map(|at| at.get()).collect::<Vec<_>>(), new);
        if chosen.is_empty() {
            return Ok(());
        }
        for (at, message) in new.iter().zip(chosen.values()) {
            target.messages.insert(*at, Message { modseq: PENDING, ..message.clone() });
            target.next += 1;
        }
        if move_ {
            let modseq = answer.highest_modseq.get();
            let plain = self.plain.selectable(folder).unwrap();
            for at in chosen.keys() {
                plain.messages.remove(at);
                plain.vanished.push((*at, modseq));
            }
        }
        self.look(tx, &FolderName::parse(to).unwrap());
        let copied = self.plain.folders[to].messages[&new[0]].modseq;
        assert!(new.iter().all(|at| self.plain.folders[to].messages[at].modseq == copied));
        self.plain.take_modseq(copied);
        if move_ {
            self.look(tx, &FolderName::parse(folder).unwrap());
            self.plain.take_modseq(answer.highest_modseq.get());
        }
        Ok(())
    }

    fn expunge(&mut self, tx: &mut Tx<'_>, folder: &str, uids: Option<&UidSet>) -> Refusable {
        let id = self.plain.selectable(folder).map(|plain| plain.id);
        let answer = tx.expunge(FolderId::new(id.unwrap_or(u64::MAX)), uids, clock());
        let answer = agree(id.map(drop), answer)?;
        let plain = self.plain.selectable(folder).unwrap();
        let goes = |at: u32, message: &Message| {
            message.flags.has(Flag::Deleted) && uids.is_none_or(|uids| uids.contains(uid(at)))
        };
        let gone: Vec<u32> = plain.messages.iter().filter(|(at, m)| goes(**at, m)).map(|(at, _)| *at).collect();
        assert_eq!(answer.uids, gone.iter().map(|at| uid(*at)).collect());
        let modseq = answer.highest_modseq.get();
        if gone.is_empty() {
            assert_eq!(modseq, plain.highest);
            return Ok(());
        }
        for at in gone {
            plain.messages.remove(&at);
            plain.vanished.push((at, modseq));
        }
        plain.highest = modseq;
        self.plain.take_modseq(modseq);
        Ok(())
    }

    fn create(&mut self, tx: &mut Tx<'_>, name: &FolderName, usage: Option<usize>) -> Refusable {
        let usage = usage.map(|at| SpecialUse::ALL[at]);
        let id = agree(self.plain.can_create(name, usage), tx.create_folder(name, usage))?;
        self.made(name, id.get(), true, usage);
        self.made_above(name);
        self.look(tx, name);
        let made = &self.plain.folders[name.as_str()];
        let (validity, highest) = (made.validity, made.highest);
        assert!(self.plain.validities.insert(validity), "UIDVALIDITY {validity} was there before");
        self.plain.take_modseq(highest);
        Ok(())
    }

    fn rename(&mut self, tx: &mut Tx<'_>, from: &str, to: &str) -> Refusable {
        let (from, to) = (FolderName::parse(from).unwrap(), FolderName::parse(to).unwrap());
        agree(self.plain.can_rename(&from, &to), tx.rename_folder(&from, &to))?;
        if from.is_inbox() {
            // As a CREATE and a MOVE of everything; marks are taken when the folders are compared.
            self.made(&to, PENDING, true, None);
            self.made_above(&to);
            let inbox = self.plain.folders.get_mut("INBOX").unwrap();
            let messages: Vec<_> = std::mem::take(&mut inbox.messages).into_iter().collect();
            for (at, _) in &messages {
                inbox.vanished.push((*at, PENDING));
                inbox.highest = PENDING;
            }
            let target = self.plain.folders.get_mut(to.as_str()).unwrap();
            for (_, message) in messages {
                target.messages.insert(target.next, Message { modseq: PENDING, ..message });
                target.next += 1;
            }
            return Ok(());
        }
        self.made_above(&to);
        self.plain.rename(&from, &to);
        Ok(())
    }

    fn made(&mut self, name: &FolderName, id: u64, selectable: bool, usage: Option<SpecialUse>) {
        let folder = Folder {
            id,
            selectable,
            usage,
            validity: 0,
            next: 1,
            highest: PENDING,
            recent_from: 1,
            messages: BTreeMap::new(),
            vanished: Vec::new(),
        };
        self.plain.folders.insert(name.to_string(), folder);
    }

    fn made_above(&mut self, name: &FolderName) {
        let mut above = name.parent();
        while let Some(parent) = above {
            above = parent.parent();
            if !self.plain.folders.contains_key(parent.as_str()) {
                self.made(&parent, PENDING, false, None);
            }
        }
    }
}

/// A mark that the real mailbox chose and that is read from it at the next comparison.
pub const PENDING: u64 = u64::MAX;

type Refusable = Result<(), (&'static str, Error)>;

/// Both refuse for the same reason, or neither does.
fn agree<T>(expected: Answer<()>, real: Result<T, Error>) -> Result<T, (&'static str, Error)> {
    match (expected, real) {
        (Ok(()), Ok(value)) => Ok(value),
        (Err(expected), Err(error)) => Err((expected, error)),
        (Ok(()), Err(error)) => panic!("refused: {error}"),
        (Err(expected), Ok(_)) => panic!("not refused: {expected}"),
    }
}

pub fn state(state: &FlagState) -> (u32, Flags, BTreeSet<String>, u64) {
    let keywords = state.keywords.iter().map(|keyword| keyword.as_str().to_ascii_lowercase()).collect();
    (state.uid.get(), state.flags, keywords, state.modseq.get())
}
