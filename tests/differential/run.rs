//! Plays one round: the same script on both servers in lock-step, each with a fresh mailbox.
//!
//! After a command that others may see, every connection sends NOOP until both servers have told it the same; so the next
//! command finds both in the same state, however fast each passes its news on.

use crate::client::{Answer, Client};
use crate::compare::{Difference, compare};
use crate::generate::{Generator, Place, World};
use crate::known::{Case, Known, RARE, is_forgotten, known};
use crate::script::{Effect, Mark, Step};
use harness::User;
use harness::corpus::Seeded;
use harness::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Commands of one round. Short rounds are quick to play again.
pub const STEPS: usize = 250;
/// Dovecot closes after twenty malformed commands, Brevdue after fifty.
const MALFORMED_MAX: u32 = 12;
/// How long the servers may take to tell a connection the same.
const SETTLE: Duration = Duration::from_secs(20);
/// Commands that are shown before one that differs.
const SHOWN: usize = 14;

/// Where the two servers are.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Brevdue's front-ends; connections take turns.
    pub ours: [u16; 2],
    /// Dovecot.
    pub theirs: u16,
}

/// What came of a round.
#[derive(Default)]
pub struct Outcome {
    /// Commands that were compared.
    pub commands: usize,
    /// How often each command was compared.
    pub by_name: BTreeMap<String, usize>,
    /// How often each known difference was met.
    pub known: BTreeMap<(&'static str, &'static str), usize>,
    /// What is not known: what differs in one line, and the whole story.
    pub unlisted: Option<(String, String)>,
}

/// Dovecot's process ended, which says nothing about Brevdue.
const CRASHED: &str = "crashed";

struct Round<'a> {
    ports: Ports,
    user: &'a User,
    ours: Vec<Client>,
    theirs: Vec<Client>,
    marks: [Vec<Mark>; 2],
    world: World,
    malformed: Vec<u32>,
    generator: Generator,
    seeded: Seeded,
    story: Vec<String>,
    outcome: Outcome,
}

/// Plays the round of this seed.
pub fn round(ports: Ports, user: &User, seed: u64) -> Outcome {
    let mut seeded = Seeded::new(!seed);
    let connections = 1 + seeded.below(3) as usize;
    let ours: Vec<Client> = (0..connections).map(|n| Client::sign_in(ports.ours[n % 2], user)).collect();
    let theirs: Vec<Client> = (0..connections).map(|_| Client::sign_in(ports.theirs, user)).collect();
    let mut round = Round {
        ports,
        user,
        ours,
        theirs,
        marks: [Vec::new(), Vec::new()],
        world: World::default(),
        malformed: vec![0; connections],
        generator: Generator::new(seed),
        seeded,
        story: Vec::new(),
        outcome: Outcome::default(),
    };
    round.world.places = (0..connections).map(|_| Place::default()).collect();
    if let Err((line, story)) = round.play() {
        if line == CRASHED {
            *round.outcome.known.entry((RARE, "Dovecot's process ended; the round with it")).or_default() += 1;
            return round.outcome;
        }
        round.outcome.unlisted = Some((line, story));
    }
    round.outcome
}

/// Why a round ends early: one line, and the story.
type Early = (String, String);

impl Round<'_> {
    fn play(&mut self) -> Result<(), Early> {
        self.begin();
        for n in 0..STEPS {
            let step = self.generator.step(&self.world);
            self.step(&step)?;
            if n % 12 == 5 {
                self.mark();
            }
            if n % 10 == 9 {
                self.verify()?;
            }
        }
        Ok(())
    }

    /// Brings both to the same start: Brevdue's mailboxes are born with folders.
    fn begin(&mut self) {
        for folder in ["INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"] {
            self.theirs[0].run(&Step::asks(0, format!("CREATE {folder}")), &[]);
            let subscribe = Step::asks(0, format!("SUBSCRIBE {folder}"));
            self.theirs[0].run(&subscribe, &[]);
            self.ours[0].run(&subscribe, &[]);
        }
        let capability = Step::asks(0, "CAPABILITY");
        let of = |answer: Answer| -> BTreeSet<String> {
            let words = answer.untagged.into_iter().flatten();
            words.filter_map(|value| value.atom().map(str::to_ascii_uppercase)).collect()
        };
        let (ours, theirs) = (self.ours[0].run(&capability, &[]), self.theirs[0].run(&capability, &[]));
        self.world.both = of(ours).intersection(&of(theirs)).cloned().collect();
        for connection in 0..self.ours.len() {
            self.enable(connection);
        }
        self.learn_folders();
    }

    /// A third of the connections know QRESYNC, a third CONDSTORE.
    fn enable(&mut self, connection: usize) {
        let chosen = self.seeded.below(3);
        let qresync = chosen == 0 && self.world.both.contains("QRESYNC");
        if qresync || chosen == 1 {
            let step = Step::asks(connection, if qresync { "ENABLE QRESYNC" } else { "ENABLE CONDSTORE" });
            self.ours[connection].run(&step, &[]);
            self.theirs[connection].run(&step, &[]);
        }
        self.world.places[connection].qresync = qresync;
    }

    fn step(&mut self, step: &Step) -> Result<(), Early> {
        let at = step.connection;
        self.story.push(step.show());
        self.outcome.commands += 1;
        *self.outcome.by_name.entry(step.name()).or_default() += 1;
        if matches!(step.effect, Effect::Selects(..)) {
            self.ours[at].mirror = Default::default();
            self.theirs[at].mirror = Default::default();
        }
        let read_only = self.world.places[at].selected.as_ref().is_some_and(|(_, read_only)| *read_only);
        let theirs = self.theirs[at].run(step, &self.marks[1]);
        let ours = self.ours[at].run(step, &self.marks[0]);
        for difference in compare(step, &ours, &theirs) {
            self.judge(step, read_only, &difference, &ours, &theirs)?;
        }
        self.follow(step, &ours, &theirs)?;
        if step.effect != Effect::Asks && step.effect != Effect::Malformed {
            self.settle(step)?;
        }
        Ok(())
    }

    /// Counts a known difference, ends the round at another.
    fn judge(
        &mut self,
        step: &Step,
        read_only: bool,
        difference: &Difference,
        ours: &Answer,
        theirs: &Answer,
    ) -> Result<(), Early> {
        if theirs.status == "BYE" && ours.status != "BYE" {
            return Err((CRASHED.to_owned(), String::new()));
        }
        let letters = self.letters(step, difference);
        let case = Case { step, name: step.name(), read_only, letters, difference };
        if let Some(Known { rfc, why, .. }) = known(&case) {
            *self.outcome.known.entry((rfc, why)).or_default() += 1;
            return Ok(());
        }
        if difference.what == "LIST" && self.is_late(step, ours) {
            let why = "another connection's new folder is missing in LIST for a while";
            *self.outcome.known.entry((RARE, why)).or_default() += 1;
            return Ok(());
        }
        if is_forgotten(difference) {
            let why = "another connection's new folder stays away from LIST, although CREATE was OK";
            *self.outcome.known.entry((RARE, why)).or_default() += 1;
            return Ok(());
        }
        let (line, mut story) = self.early(&case.name, difference);
        story += &format!(
            "\nmessages: {:?}\n\nBrevdue answered:\n{}\n\nDovecot answered:\n{}",
            case.letters,
            ours.show(),
            theirs.show()
        );
        Err((line, story))
    }

    /// Whether Dovecot comes to answer what Brevdue answered at once.
    fn is_late(&mut self, step: &Step, ours: &Answer) -> bool {
        let deadline = Instant::now() + SETTLE;
        while Instant::now() < deadline {
            let theirs = self.theirs[step.connection].run(step, &self.marks[1]);
            let is_known = |difference: &Difference| {
                known(&Case { step, name: step.name(), read_only: false, letters: Vec::new(), difference }).is_some()
            };
            if compare(step, ours, &theirs).iter().all(is_known) {
                return true;
            }
        }
        false
    }

    fn early(&self, name: &str, difference: &Difference) -> Early {
        let line = format!("{name}: {}", difference.what);
        // A round that is played again is told whole.
        let shown = if std::env::var_os("ROUND").is_some() { self.story.len() } else { SHOWN };
        let from = self.story.len().saturating_sub(shown);
        let story = format!(
            "{}\n\n{line}{}\nBrevdue: {}\nDovecot: {}",
            self.story[from..].join("\n"),
            difference.uid.map_or(String::new(), |uid| format!(" of UID {uid}")),
            difference.ours,
            difference.theirs
        );
        (line, story)
    }

    /// The names of the messages that a difference is about.
    fn letters(&mut self, step: &Step, difference: &Difference) -> Vec<String> {
        let uids: BTreeSet<u64> = match difference.uid {
            Some(uid) => BTreeSet::from([uid]),
            None if matches!(difference.what.as_str(), "SEARCH" | "ESEARCH" | "SORT" | "THREAD") => {
                let only = self.found_by_one(step);
                return if only.is_empty() { self.names_answered(step, difference) } else { self.names(step, only) };
            }
            None => BTreeSet::new(),
        };
        self.names(step, uids)
    }

    /// The names of the messages that only one of two answers has; of all, in Brevdue's order, where only the order differs.
    fn names_answered(&mut self, step: &Step, difference: &Difference) -> Vec<String> {
        let numbers = |text: &str| -> Vec<usize> {
            text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
        };
        let (ours, theirs) = (numbers(&difference.ours), numbers(&difference.theirs));
        let only: Vec<usize> = ours.iter().filter(|one| !theirs.contains(one)).copied().collect();
        let only = only.into_iter().chain(theirs.into_iter().filter(|one| !ours.contains(one))).collect::<Vec<_>>();
        self.names_of(step, if only.is_empty() { ours } else { only })
    }

    /// The names of the messages with these numbers, or UIDs.
    fn names_of(&mut self, step: &Step, numbers: Vec<usize>) -> Vec<String> {
        let known = &self.ours[step.connection].mirror.messages;
        let by_uid = step.name().starts_with("UID");
        let uid = |number: usize| {
            if by_uid { Some(number as u64) } else { known.get(number.checked_sub(1)?)?.uid.map(u64::from) }
        };
        let uids: Vec<u64> = numbers.into_iter().filter_map(uid).collect();
        self.names(step, uids)
    }

    fn names(&mut self, step: &Step, uids: impl IntoIterator<Item = u64>) -> Vec<String> {
        let mut names = Vec::new();
        for uid in uids {
            let fetch = Step::asks(step.connection, format!("UID FETCH {uid} BODY.PEEK[]"));
            let answer = self.ours[step.connection].run(&fetch, &[]);
            let found = answer.fetched.get(&uid).and_then(|items| items.get("BODY[]"));
            let octets = found.and_then(Value::octets).unwrap_or_default();
            names.push(self.generator.letters().name(octets).to_owned());
        }
        names
    }

    /// UIDs that only one server finds by the keys of this search.
    fn found_by_one(&mut self, step: &Step) -> BTreeSet<u64> {
        let text = step.text.trim_start_matches("UID ");
        let keys = match text.split_once(" UTF-8 ") {
            Some((before, keys)) if before.starts_with("SORT") || before.starts_with("THREAD") => keys,
            _ => text
                .trim_start_matches("SEARCH ")
                .rsplit_once("RETURN (")
                .map_or(text, |(_, rest)| rest.split_once(") ").map_or("ALL", |(_, keys)| keys)),
        };
        let keys = keys.trim_start_matches("SEARCH ");
        let charset = if keys.starts_with("CHARSET") || step.literals.is_empty() { "" } else { "CHARSET UTF-8 " };
        let plain = Step { text: format!("UID SEARCH {charset}{keys}"), ..step.clone() };
        let of = |answer: &Answer| -> BTreeSet<u64> {
            let found = answer.untagged.iter().filter(|values| values[0].is("SEARCH"));
            found.flat_map(|values| values[1..].iter().filter_map(Value::number)).collect()
        };
        let ours = of(&self.ours[step.connection].run(&plain, &self.marks[0]));
        let theirs = of(&self.theirs[step.connection].run(&plain, &self.marks[1]));
        ours.symmetric_difference(&theirs).copied().collect()
    }

    /// What the command did to the state of its connection.
    fn follow(&mut self, step: &Step, ours: &Answer, theirs: &Answer) -> Result<(), Early> {
        let at = step.connection;
        let done = ours.status == "OK" && theirs.status == "OK";
        match &step.effect {
            Effect::Selects(folder, read_only) => {
                self.world.places[at].selected = done.then(|| (folder.clone(), *read_only));
            }
            Effect::Leaves if done => self.world.places[at].selected = None,
            Effect::Silent => {
                self.ours[at].mirror.forget_flags();
                self.theirs[at].mirror.forget_flags();
            }
            Effect::Leaves | Effect::Asks | Effect::Changes | Effect::Malformed => {}
        }
        if self.world.places[at].selected.is_none() {
            self.ours[at].mirror = Default::default();
            self.theirs[at].mirror = Default::default();
            self.world.places[at].uids.clear();
        }
        if ours.status == "BAD" || theirs.status == "BAD" {
            self.malformed[at] += 1;
        }
        if self.malformed[at] >= MALFORMED_MAX {
            self.malformed[at] = 0;
            self.ours[at].replace(self.ports.ours[at % 2], self.user);
            self.theirs[at].replace(self.ports.theirs, self.user);
            self.world.places[at] = Place::default();
            self.enable(at);
        }
        let folders = ["CREATE", "DELETE", "RENAME"].contains(&step.name().as_str());
        if folders {
            self.world.marks.clear();
            self.learn_folders();
        }
        Ok(())
    }

    fn learn_folders(&mut self) {
        let list = Step::asks(0, "LIST \"\" \"*\"");
        let answer = self.theirs[0].run(&list, &[]);
        self.ours[0].run(&list, &[]);
        let name = |values: &Vec<Value>| {
            let selectable = !values.get(1)?.list()?.iter().any(|it| it.is("\\Noselect") || it.is("\\NonExistent"));
            let name = String::from_utf8_lossy(values.get(3)?.octets()?).into_owned();
            selectable.then_some(name)
        };
        self.world.folders = answer.untagged.iter().filter(|values| values[0].is("LIST")).filter_map(name).collect();
    }

    /// Both servers' HIGHESTMODSEQ of the first connection's folder, for commands to come.
    fn mark(&mut self) {
        let Some((folder, _)) = self.world.places[0].selected.clone() else { return };
        let step = Step::asks(0, format!("STATUS {} (HIGHESTMODSEQ UIDVALIDITY)", crate::generate::quoted(&folder)));
        let of = |answer: &Answer| {
            let values = answer.untagged.iter().find(|values| values[0].is("STATUS"))?;
            let items = values.get(2)?.list()?;
            let item = |name: &str| items.iter().skip_while(|value| !value.is(name)).nth(1)?.number();
            Some(Mark { modseq: item("HIGHESTMODSEQ")?, validity: item("UIDVALIDITY")? })
        };
        let (ours, theirs) = (self.ours[0].run(&step, &[]), self.theirs[0].run(&step, &[]));
        if let (Some(ours), Some(theirs)) = (of(&ours), of(&theirs)) {
            self.world.marks.entry(folder).or_default().push(self.marks[0].len());
            self.marks[0].push(ours);
            self.marks[1].push(theirs);
        }
    }

    /// Every connection hears of everything, and knows the same of its folder on both servers.
    fn settle(&mut self, step: &Step) -> Result<(), Early> {
        for at in 0..self.ours.len() {
            if self.world.places[at].selected.is_none() {
                continue;
            }
            catch_up(&mut self.theirs[at], at);
            let deadline = Instant::now() + SETTLE;
            loop {
                if let Some(breach) = catch_up(&mut self.ours[at], at) {
                    return Err(self.early("NOOP", &Difference::new("breach", breach, "nothing")));
                }
                if agree(&self.ours[at], &self.theirs[at]) {
                    break;
                }
                if Instant::now() > deadline {
                    let (ours, theirs) = (self.ours[at].mirror.show(), self.theirs[at].mirror.show());
                    let difference = Difference::new("view", ours, theirs);
                    let (line, story) = self.early(&step.name(), &difference);
                    return Err((line, format!("{story}\nas connection {} sees it", at + 1)));
                }
                // Dovecot may be the one that was late.
                catch_up(&mut self.theirs[at], at);
            }
            self.world.places[at].uids = self.ours[at].mirror.uids();
        }
        Ok(())
    }

    /// What each connection was told of flags is what they are.
    fn verify(&mut self) -> Result<(), Early> {
        for at in 0..self.ours.len() {
            if self.world.places[at].selected.is_none() || self.world.places[at].uids.is_empty() {
                continue;
            }
            let mut step = Step::asks(at, "FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE)");
            step.wanted = ["UID", "FLAGS", "RFC822.SIZE", "INTERNALDATE"].map(str::to_owned).into();
            let told = self.ours[at].mirror.show();
            self.step(&step)?;
            let found = self.ours[at].mirror.show();
            if told != found {
                return Err(self.early("FETCH", &Difference::new("untold", told, found)));
            }
        }
        Ok(())
    }
}

/// NOOP, then asks for what is not known yet. Returns a breach of the protocol.
fn catch_up(client: &mut Client, connection: usize) -> Option<String> {
    let noop = client.run(&Step::asks(connection, "NOOP"), &[]);
    let from = client.mirror.first_unknown()?;
    let fetch = client.run(&Step::asks(connection, format!("FETCH {from}:* (UID FLAGS)")), &[]);
    noop.breach.or(fetch.breach)
}

fn agree(ours: &Client, theirs: &Client) -> bool {
    ours.mirror.messages == theirs.mirror.messages
}
