//! One IMAP client with folders of its own: it changes them at random, and keeps account of what it was answered.

use super::model::{Doubt, Folder, Letter, World, parts, store, with, without};
use harness::corpus::Seeded;
use harness::{Dev, Imap, User, imap::Answer, until};
use std::collections::{BTreeMap, BTreeSet};

/// Folders that one client keeps at once.
const FOLDERS_MAX: usize = 6;
/// Messages that one command is about, at most.
const TOGETHER_MAX: u64 = 3;
const FLAGS: [&str; 5] = ["\\Seen", "\\Flagged", "\\Answered", "\\Deleted", "$Forwarded"];

pub struct Writer<'a> {
    dev: &'a Dev,
    user: &'a User,
    name: String,
    seeded: Seeded,
    imap: Option<Imap>,
    selected: Option<String>,
    made: usize,
    /// What it is sure of.
    pub folders: BTreeMap<String, Folder>,
    /// Folders that it deleted.
    pub gone: BTreeSet<String>,
    /// What it is not sure of.
    pub doubts: Vec<Doubt>,
    /// Messages that were moved out of INBOX for certain.
    pub fetched: BTreeSet<String>,
    /// Messages that may have been.
    pub maybe_fetched: BTreeSet<String>,
    /// Commands answered OK.
    pub done: BTreeMap<&'static str, usize>,
}

/// Whether a command was carried out.
enum Told {
    Yes(Answer),
    /// NO: nothing has changed.
    No,
    /// The connection died.
    Nothing,
}

impl<'a> Writer<'a> {
    pub fn new(dev: &'a Dev, user: &'a User, name: &str, seed: u64) -> Self {
        Self {
            dev,
            user,
            name: name.to_owned(),
            seeded: Seeded::new(seed),
            imap: None,
            selected: None,
            made: 0,
            folders: BTreeMap::new(),
            gone: BTreeSet::new(),
            doubts: Vec::new(),
            fetched: BTreeSet::new(),
            maybe_fetched: BTreeSet::new(),
            done: BTreeMap::new(),
        }
    }

    /// One command of some kind.
    pub fn step(&mut self) {
        match self.seeded.below(20) {
            0..=1 => self.create(),
            2 => self.delete(),
            3 => self.rename(),
            4..=9 => self.append(),
            10..=13 => self.store(),
            14..=15 => self.copy(),
            16..=17 => self.move_on(),
            18 => self.expunge(),
            _ => self.fetch(),
        }
    }

    fn connection(&mut self) -> &mut Imap {
        if self.imap.is_none() {
            self.selected = None;
            let front_end = 1 + self.seeded.below(2) as usize;
            let (dev, user) = (self.dev, self.user);
            self.imap = Some(until("sign-in works again", || {
                let mut imap = Imap::try_connect(dev.imap_port(front_end))?;
                imap.try_command(&format!("LOGIN {} {}", user.address, user.password))?.is_ok().then_some(imap)
            }));
        }
        self.imap.as_mut().expect("set above")
    }

    fn judge(&mut self, kind: &'static str, answer: Option<Answer>) -> Told {
        match answer {
            Some(answer) if answer.is_ok() => {
                *self.done.entry(kind).or_default() += 1;
                Told::Yes(answer)
            }
            Some(answer) => {
                assert!(answer.tagged.starts_with("NO "), "{kind} was answered {}", answer.tagged);
                // Whatever is down comes back; the next command need not meet it in the same state.
                let back = self.connection().try_command("NOOP").is_some_and(|answer| answer.is_ok());
                if !back {
                    self.imap = None;
                }
                Told::No
            }
            None => {
                self.imap = None;
                Told::Nothing
            }
        }
    }

    fn ask(&mut self, kind: &'static str, command: &str) -> Told {
        let answer = self.connection().try_command(command);
        self.judge(kind, answer)
    }

    /// Another state may be true from now on; these folders are left alone.
    fn doubt(&mut self, command: &str, worlds: Vec<World>) {
        let doubt = Doubt { command: command.to_owned(), worlds };
        for name in doubt.names() {
            self.folders.remove(name);
            self.gone.remove(name);
        }
        self.doubts.push(doubt);
    }

    fn some_folder(&mut self) -> Option<String> {
        let names: Vec<&String> = self.folders.keys().collect();
        if names.is_empty() { None } else { Some((*self.seeded.pick(&names)).clone()) }
    }

    /// A folder with messages, selected, and some of them.
    fn some_messages(&mut self, which: impl Fn(&Letter) -> bool) -> Option<(String, Vec<u32>)> {
        let name = self.some_folder()?;
        let mut uids: Vec<u32> =
            self.folders[&name].iter().filter(|letter| which(letter)).filter_map(|l| l.uid).collect();
        let keep = 1 + self.seeded.below(TOGETHER_MAX) as usize;
        while uids.len() > keep {
            let at = self.seeded.below(uids.len() as u64) as usize;
            uids.remove(at);
        }
        if uids.is_empty() || !self.select(&name) { None } else { Some((name, uids)) }
    }

    fn select(&mut self, name: &str) -> bool {
        self.connection();
        if self.selected.as_deref() != Some(name) {
            self.selected = None;
            match self.ask("SELECT", &format!("SELECT {name}")) {
                Told::Yes(_) => self.selected = Some(name.to_owned()),
                Told::No | Told::Nothing => return false,
            }
        }
        true
    }

    fn leave(&mut self, name: &str) -> bool {
        self.connection();
        if self.selected.as_deref() == Some(name) {
            self.selected = None;
            return matches!(self.ask("UNSELECT", "UNSELECT"), Told::Yes(_));
        }
        true
    }

    fn new_name(&mut self) -> String {
        // Now and then one that was used before.
        if let Some(name) = self.gone.first().filter(|_| self.made.is_multiple_of(3)).cloned() {
            self.made += 1;
            return name;
        }
        self.made += 1;
        format!("{}-{}", self.name, self.made)
    }

    fn create(&mut self) {
        if self.folders.len() >= FOLDERS_MAX {
            return;
        }
        let name = self.new_name();
        let command = format!("CREATE {name}");
        match self.ask("CREATE", &command) {
            Told::Yes(_) => {
                self.gone.remove(&name);
                self.folders.insert(name, Folder::new());
            }
            Told::No => {}
            Told::Nothing => {
                let worlds = [None, Some(Folder::new())].map(|folder| World::from([(name.clone(), folder)]));
                self.doubt(&command, worlds.into());
            }
        }
    }

    fn delete(&mut self) {
        let Some(name) = self.some_folder() else { return };
        if self.folders.len() < 3 || !self.leave(&name) {
            return;
        }
        let command = format!("DELETE {name}");
        match self.ask("DELETE", &command) {
            Told::Yes(_) => {
                self.folders.remove(&name);
                self.gone.insert(name);
            }
            Told::No => {}
            Told::Nothing => {
                let worlds =
                    [None, self.folders.get(&name).cloned()].map(|folder| World::from([(name.clone(), folder)]));
                self.doubt(&command, worlds.into());
            }
        }
    }

    fn rename(&mut self) {
        let Some(name) = self.some_folder() else { return };
        if !self.leave(&name) {
            return;
        }
        let to = self.new_name();
        let command = format!("RENAME {name} {to}");
        match self.ask("RENAME", &command) {
            Told::Yes(_) => {
                let folder = self.folders.remove(&name).expect("it is there");
                self.gone.remove(&to);
                self.folders.insert(to, folder);
                self.gone.insert(name);
            }
            Told::No => {}
            Told::Nothing => {
                let folder = self.folders.get(&name).cloned();
                let before = World::from([(name.clone(), folder.clone()), (to.clone(), None)]);
                self.doubt(&command, vec![before, World::from([(name, None), (to, folder)])]);
            }
        }
    }

    fn append(&mut self) {
        let Some(name) = self.some_folder() else { return self.create() };
        self.made += 1;
        let token = format!("{}-letter-{}-", self.name, self.made);
        let flag = *self.seeded.pick(&FLAGS);
        let answer = {
            let message = super::message(&token, self.made);
            self.connection().try_append(&name, &format!("({flag})"), &message)
        };
        let flags = BTreeSet::from([flag.to_owned()]);
        match self.judge("APPEND", answer) {
            Told::Yes(answer) => {
                let uid = answer.tagged.split([' ', ']']).nth(3).and_then(|text| text.parse().ok());
                assert!(uid.is_some(), "APPENDUID is missing: {}", answer.tagged);
                self.folders.get_mut(&name).expect("it is there").push(Letter { token, flags, uid });
            }
            Told::No => {}
            Told::Nothing => {
                let before = self.folders[&name].clone();
                let mut after = before.clone();
                after.push(Letter { token, flags, uid: None });
                let worlds = [before, after].map(|folder| World::from([(name.clone(), Some(folder))]));
                self.doubt(&format!("APPEND {name}"), worlds.into());
            }
        }
    }

    fn store(&mut self) {
        let Some((name, uids)) = self.some_messages(|_| true) else { return };
        let (sign, flag) = (*self.seeded.pick(&["+", "-", "+", ""]), *self.seeded.pick(&FLAGS));
        let command = format!("UID STORE {} {sign}FLAGS ({flag})", set(&uids));
        let before = self.folders[&name].clone();
        let world = |part: &Vec<u32>| World::from([(name.clone(), Some(store(&before, part, sign, flag)))]);
        match self.ask("STORE", &command) {
            Told::Yes(_) => drop(self.folders.insert(name, store(&before, &uids, sign, flag))),
            Told::No => {}
            Told::Nothing => self.doubt(&command, parts(&uids).iter().map(world).collect()),
        }
    }

    fn expunge(&mut self) {
        let Some((name, uids)) = self.some_messages(|letter| letter.flags.contains("\\Deleted")) else { return };
        let command = format!("UID EXPUNGE {}", set(&uids));
        let before = self.folders[&name].clone();
        let world = |part: &Vec<u32>| World::from([(name.clone(), Some(without(&before, part)))]);
        match self.ask("EXPUNGE", &command) {
            Told::Yes(_) => drop(self.folders.insert(name, without(&before, &uids))),
            Told::No => {}
            Told::Nothing => self.doubt(&command, parts(&uids).iter().map(world).collect()),
        }
    }

    fn copy(&mut self) {
        let Some((name, uids)) = self.some_messages(|_| true) else { return };
        let Some(to) = self.some_folder().filter(|to| *to != name) else { return };
        let command = format!("UID COPY {} {to}", set(&uids));
        let (from, there) = (self.folders[&name].clone(), self.folders[&to].clone());
        match self.ask("COPY", &command) {
            Told::Yes(answer) => {
                let told = copied(&answer, uids.len());
                self.folders.insert(to, with(&there, &from, &uids, Some(&told)));
            }
            Told::No => {}
            // All or none (RFC 3501 §6.4.7).
            Told::Nothing => {
                let worlds = [there.clone(), with(&there, &from, &uids, None)];
                self.doubt(&command, worlds.map(|folder| World::from([(to.clone(), Some(folder))])).into());
            }
        }
    }

    fn move_on(&mut self) {
        let Some((name, uids)) = self.some_messages(|_| true) else { return };
        let Some(to) = self.some_folder().filter(|to| *to != name) else { return };
        let command = format!("UID MOVE {} {to}", set(&uids));
        let (from, there) = (self.folders[&name].clone(), self.folders[&to].clone());
        match self.ask("MOVE", &command) {
            Told::Yes(answer) => {
                let told = copied(&answer, uids.len());
                self.folders.insert(to, with(&there, &from, &uids, Some(&told)));
                self.folders.insert(name, without(&from, &uids));
            }
            Told::No => {}
            // Each message is in one of the two (RFC 6851 §3.3).
            Told::Nothing => {
                let world = |part: &Vec<u32>| {
                    let after = Some(with(&there, &from, part, None));
                    World::from([(name.clone(), Some(without(&from, part))), (to.clone(), after)])
                };
                self.doubt(&command, parts(&uids).iter().map(world).collect());
            }
        }
    }

    /// Moves what came into INBOX to a folder. One client of a mailbox does.
    fn fetch(&mut self) {
        if !self.name.ends_with("-1") {
            return;
        }
        let Some(to) = self.some_folder() else { return };
        if !self.select("INBOX") {
            return;
        }
        let Told::Yes(seen) = self.ask("FETCH", "UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])") else {
            return;
        };
        let letters: Vec<Letter> = seen.untagged.iter().filter_map(|line| super::letter(line)).take(3).collect();
        if letters.is_empty() {
            return;
        }
        let uids: Vec<u32> = letters.iter().filter_map(|letter| letter.uid).collect();
        let command = format!("UID MOVE {} {to}", set(&uids));
        let there = self.folders[&to].clone();
        match self.ask("MOVE from INBOX", &command) {
            Told::Yes(answer) => {
                let told = copied(&answer, uids.len());
                self.folders.insert(to, with(&there, &letters, &uids, Some(&told)));
                self.fetched.extend(letters.into_iter().map(|letter| letter.token));
            }
            Told::No => {}
            Told::Nothing => {
                let world = |part: &Vec<u32>| World::from([(to.clone(), Some(with(&there, &letters, part, None)))]);
                let worlds = parts(&uids).iter().map(world).collect();
                self.maybe_fetched.extend(letters.iter().map(|letter| letter.token.clone()));
                self.doubt(&command, worlds);
            }
        }
    }
}

fn set(uids: &[u32]) -> String {
    uids.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// The new UIDs by the old ones, from COPYUID.
fn copied(answer: &Answer, count: usize) -> BTreeMap<u32, u32> {
    let lines = answer.lines();
    let code = lines.iter().chain([&answer.tagged]).find_map(|line| line.split_once("[COPYUID ")).expect("COPYUID").1;
    let words: Vec<&str> = code.split([' ', ']']).collect();
    let (old, new) = (numbers(words[1]), numbers(words[2]));
    assert_eq!((old.len(), new.len()), (count, count), "{code}");
    old.into_iter().zip(new).collect()
}

/// The numbers of a set, ascending or not, as it says.
fn numbers(set: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (from, to) = part.split_once(':').unwrap_or((part, part));
        let (from, to): (u32, u32) = (from.parse().expect("a number"), to.parse().expect("a number"));
        from..=to
    };
    set.split(',').flat_map(range).collect()
}
