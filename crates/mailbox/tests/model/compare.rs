//! Everything that can be seen of the real mailbox, compared with the plain one.

use super::apply::{PENDING, state};
use super::common::*;
use super::plain::{Folder, Mailbox};
use mailbox::*;
use model::{Flag, Flags, FolderName, ModSeq, UidSet};
use std::collections::{BTreeMap, BTreeSet};

type Seen = BTreeMap<u32, (Flags, BTreeSet<String>, u64)>;

/// What a front-end knows that follows the changes of every commit and never asks again.
#[derive(Default)]
pub struct View {
    folders: BTreeMap<u64, (Option<FolderName>, Seen)>,
}

impl View {
    pub fn begin(plain: &Mailbox) -> Self {
        let known =
            |(name, folder): (&String, &Folder)| (folder.id, (Some(FolderName::parse(name).unwrap()), Seen::default()));
        Self { folders: plain.folders.iter().map(known).collect() }
    }

    pub fn follow(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Appended { folder, messages, modseq } => {
                    let seen = &mut self.folders.entry(folder.get()).or_default().1;
                    for message in &messages {
                        let (uid, flags, keywords, at) = state(message);
                        assert!(seen.last_key_value().is_none_or(|(last, _)| *last < uid));
                        assert!(at <= modseq.get());
                        seen.insert(uid, (flags, keywords, at));
                    }
                }
                Change::Flags { folder, messages, modseq } => {
                    let seen = &mut self.folders.get_mut(&folder.get()).unwrap().1;
                    for message in &messages {
                        let (uid, flags, keywords, at) = state(message);
                        let before = seen.insert(uid, (flags, keywords, at)).unwrap();
                        assert!(before.2 < at && at <= modseq.get());
                    }
                }
                Change::Vanished { folder, uids, .. } => {
                    let seen = &mut self.folders.get_mut(&folder.get()).unwrap().1;
                    for uid in uids.iter() {
                        assert!(seen.remove(&uid.get()).is_some());
                    }
                }
                Change::FolderCreated { folder, name } => {
                    self.folders.insert(folder.get(), (Some(name), Seen::default()));
                }
                Change::FolderDeleted { folder } => drop(self.folders.remove(&folder.get())),
                Change::FolderRenamed { folder, name } => self.folders.entry(folder.get()).or_default().0 = Some(name),
            }
        }
    }

    fn compare(&self, plain: &Mailbox) {
        for (name, folder) in plain.folders.iter().filter(|(_, folder)| folder.selectable) {
            let (known, seen) = &self.folders[&folder.id];
            assert_eq!(known.as_ref().map(FolderName::as_str), Some(name.as_str()));
            assert_eq!(*seen, seen_of(folder), "{name}");
        }
    }
}

fn seen_of(folder: &Folder) -> Seen {
    folder.messages.iter().map(|(at, m)| (*at, (m.flags, m.keywords.clone(), m.modseq))).collect()
}

/// Earlier states of folders, by id and UIDVALIDITY: what a QRESYNC client comes back with.
#[derive(Default)]
pub struct History(BTreeMap<(u64, u32), Vec<(u64, Seen)>>);

/// Earlier states that are kept of each folder.
const STATES_KEPT: usize = 12;

pub struct Compare<'a> {
    pub reader: &'a Reader,
    pub bodies: &'a [Vec<u8>],
}

impl Compare<'_> {
    pub fn all(&self, plain: &mut Mailbox, view: &View, history: &mut History) {
        self.folders(plain);
        let names: Vec<String> = plain.folders.keys().cloned().collect();
        for name in &names {
            if !plain.folders[name].selectable {
                assert!(matches!(self.reader.select(&FolderName::parse(name).unwrap()), Err(Error::NoSuchFolder)));
                continue;
            }
            self.settle(plain, name);
            self.folder(name, &plain.folders[name]);
            self.since(&plain.folders[name], history);
        }
        view.compare(plain);
    }

    fn folders(&self, plain: &mut Mailbox) {
        let found = self.reader.folders().unwrap();
        let subscribed_only: Vec<_> = found.subscribed_only.iter().map(ToString::to_string).collect();
        let expected: Vec<_> =
            plain.subscribed.iter().filter(|name| !plain.folders.contains_key(*name)).cloned().collect();
        assert_eq!(subscribed_only, expected);
        let names: Vec<_> = found.folders.iter().map(|row| row.name.to_string()).collect();
        assert_eq!(names, plain.folders.keys().cloned().collect::<Vec<_>>());
        for row in found.folders {
            let folder = plain.folders.get_mut(row.name.as_str()).unwrap();
            if folder.id == PENDING {
                folder.id = row.id.get();
            }
            let seen = (row.id.get(), row.no_select, row.special_use, row.subscribed);
            let subscribed = plain.subscribed.contains(row.name.as_str());
            assert_eq!(seen, (folder.id, !folder.selectable, folder.usage, subscribed));
        }
    }

    /// Takes marks from the real mailbox where the plain one could not know them, and checks the rules about them.
    fn settle(&self, plain: &mut Mailbox, name: &str) {
        let status = self.reader.status(&FolderName::parse(name).unwrap()).unwrap();
        let folder = plain.folders.get_mut(name).unwrap();
        if folder.validity == 0 {
            folder.validity = status.uid_validity.get();
            assert!(plain.validities.insert(folder.validity));
        }
        if folder.highest != PENDING {
            return;
        }
        folder.highest = status.highest_modseq.get();
        assert!(folder.highest > plain.modseq);
        folder.messages.values_mut().filter(|m| m.modseq == PENDING).for_each(|m| m.modseq = folder.highest);
        folder.vanished.iter_mut().filter(|(_, at)| *at == PENDING).for_each(|(_, at)| *at = folder.highest);
        plain.settled.push(folder.highest);
    }

    fn folder(&self, name: &str, plain: &Folder) {
        let name = FolderName::parse(name).unwrap();
        let (status, select) = (self.reader.status(&name).unwrap(), self.reader.select(&name).unwrap());
        let count = |holds: &dyn Fn(u32, Flags) -> bool| {
            plain.messages.iter().filter(|(at, m)| holds(**at, m.flags)).count() as u32
        };
        let expected = FolderStatus {
            folder: FolderId::new(plain.id),
            messages: plain.messages.len() as u32,
            recent: count(&|at, _| at >= plain.recent_from),
            unseen: count(&|_, flags| !flags.has(Flag::Seen)),
            deleted: count(&|_, flags| flags.has(Flag::Deleted)),
            size: plain.messages.values().map(|m| self.bodies[m.body].len() as u64).sum(),
            deleted_size: (plain.messages.values().filter(|m| m.flags.has(Flag::Deleted)))
                .map(|m| self.bodies[m.body].len() as u64)
                .sum(),
            uid_validity: model::UidValidity::new(plain.validity).unwrap(),
            uid_next: uid(plain.next),
            highest_modseq: ModSeq::new(plain.highest).unwrap(),
        };
        assert_eq!(status, expected, "{name}");
        let uids: UidSet = plain.messages.keys().map(|at| uid(*at)).collect();
        let unseen = plain.messages.iter().find(|(_, m)| !m.flags.has(Flag::Seen)).map(|(at, _)| uid(*at));
        assert_eq!((select.folder, &select.uids, select.first_unseen), (status.folder, &uids, unseen));
        assert_eq!((select.uid_validity, select.uid_next), (status.uid_validity, status.uid_next));
        assert_eq!((select.highest_modseq, select.recent_from), (status.highest_modseq, uid(plain.recent_from)));
        self.properties(plain, &uids);
        self.searches(plain);
    }

    fn properties(&self, plain: &Folder, uids: &UidSet) {
        let items = Items::FLAGS.with(Items::MODSEQ).with(Items::INTERNAL_DATE).with(Items::SIZE);
        let wanted = if uids.is_empty() { UidSet::range(uid(1), uid(50)) } else { uids.clone() };
        let plan = FetchPlan {
            folder: FolderId::new(plain.id),
            uids: wanted,
            items,
            sections: vec![],
            changed_since: ModSeq::ZERO,
        };
        let records = fetch(self.reader, &plan, 200);
        assert_eq!(records.len(), plain.messages.len());
        for (record, (at, message)) in records.iter().zip(&plain.messages) {
            let keywords: BTreeSet<_> = record.keywords.iter().map(|each| each.as_str().to_ascii_lowercase()).collect();
            assert_eq!((record.uid.get(), record.flags, &keywords), (*at, message.flags, &message.keywords));
            let size = self.bodies[message.body].len() as u64;
            let seen = (record.modseq.get(), record.internal_date.as_millisecond(), record.size);
            assert_eq!(seen, (message.modseq, message.date_ms, size));
        }
    }

    fn searches(&self, plain: &Folder) {
        let find = |key: &SearchKey| {
            let (mut cursor, mut found) = (SearchCursor::new(), UidSet::new());
            loop {
                let step = self.reader.search(FolderId::new(plain.id), key, &mut cursor, 3).unwrap();
                found = found.union(&step.found);
                if step.done {
                    return found;
                }
            }
        };
        let junk = SearchKey::KeywordSet(model::Keyword::parse("$JUNK").unwrap());
        let seen = SearchKey::FlagSet(Flag::Seen);
        let key = SearchKey::AnyOf(vec![junk, SearchKey::Not(Box::new(seen))]);
        let expected = plain.messages.iter().filter(|(_, m)| m.keywords.contains("$junk") || !m.flags.has(Flag::Seen));
        assert_eq!(find(&key), expected.map(|(at, _)| uid(*at)).collect());
        let key = SearchKey::Header { name: "Subject".to_owned(), value: "ODD".to_owned() };
        let expected = plain.messages.iter().filter(|(_, m)| m.body % 2 == 1);
        assert_eq!(find(&key), expected.map(|(at, _)| uid(*at)).collect());
    }

    /// A client that comes back with an earlier state and applies what it is told has the state of now.
    fn since(&self, plain: &Folder, history: &mut History) {
        let states = history.0.entry((plain.id, plain.validity)).or_default();
        for (modseq, before) in states.iter() {
            let since = self.reader.changes_since(FolderId::new(plain.id), ModSeq::new(*modseq).unwrap()).unwrap();
            let gone = plain.vanished.iter().filter(|(_, at)| at > modseq).map(|(at, _)| uid(*at));
            assert_eq!(since.vanished, gone.collect());
            let mut now = before.clone();
            now.retain(|at, _| !since.vanished.contains(uid(*at)));
            for message in &since.changed {
                let (at, flags, keywords, modseq) = state(message);
                now.insert(at, (flags, keywords, modseq));
            }
            assert_eq!(now, seen_of(plain));
            let newer = plain.messages.values().filter(|message| message.modseq > *modseq).count();
            assert_eq!(since.changed.len(), newer);
        }
        if states.last().is_none_or(|(modseq, _)| *modseq < plain.highest) {
            states.push((plain.highest, seen_of(plain)));
        }
        if states.len() > STATES_KEPT {
            states.remove(states.len() / 2);
        }
    }

    /// Every octet of every message, and the file's own check.
    pub fn octets(&self, plain: &Mailbox) {
        for folder in plain.folders.values() {
            for (at, message) in &folder.messages {
                let found = body(self.reader, FolderId::new(folder.id), uid(*at));
                assert!(found == self.bodies[message.body], "body {} differs", message.body);
            }
        }
        self.reader.check().unwrap();
    }
}
