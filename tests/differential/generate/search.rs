//! SEARCH of every key, nested, with RETURN where both servers have it; SORT and THREAD.

use super::{Generator, World};
use crate::script::Step;
use harness::corpus::CANARY;

const PLAIN: &[&str] = &[
    "ALL",
    "ANSWERED",
    "DELETED",
    "DRAFT",
    "FLAGGED",
    "SEEN",
    "UNANSWERED",
    "UNDELETED",
    "UNDRAFT",
    "UNFLAGGED",
    "UNSEEN",
    "KEYWORD $Junk",
    "UNKEYWORD label1",
    "KEYWORD LABEL1",
    "KEYWORD never-set",
];
/// Words that stand in some of the messages, in whole or as a piece, or in none.
const WORDS: &[&str] =
    &["harbour", "HARBOUR", "ante", "body", "x", "inner", CANARY, "Saying Hello", "one", "text/html", "nowhere", ""];
const FIELDS: &[&str] = &["Subject", "From", "Message-ID", "Content-Type", "X-Folded", "X-Nothing", "Date", "TO"];
const DATES: &[&str] = &["1-Jan-2000", "15-Jun-2010", "\"21-Nov-1997\"", "05-Nov-2026", "22-Nov-2026", "31-Dec-2020"];

impl Generator {
    pub(super) fn search(&mut self, world: &World, connection: usize, folder: &str) -> Step {
        let mut step = Step::asks(connection, "");
        let uid = if self.seeded.below(2) == 0 { "UID " } else { "" };
        let returns = if world.has("ESEARCH") && self.seeded.below(3) == 0 { self.returns(world) } else { "" };
        let keys = self.keys(world, &mut step, folder);
        let charset = if step.text == "utf-8" { "CHARSET UTF-8 " } else { "" };
        step.text = format!("{uid}SEARCH {returns}{charset}{keys}");
        step
    }

    fn returns(&mut self, world: &World) -> &'static str {
        let mut choices =
            vec!["RETURN () ", "RETURN (ALL) ", "RETURN (MIN MAX) ", "RETURN (COUNT) ", "RETURN (MIN COUNT ALL) "];
        if world.has("SEARCHRES") {
            choices.extend(["RETURN (SAVE) ", "RETURN (SAVE ALL) "]);
        }
        self.seeded.pick::<&str>(&choices)
    }

    fn keys(&mut self, world: &World, step: &mut Step, folder: &str) -> String {
        let count = 1 + self.seeded.below(3);
        (0..count).map(|_| self.key(world, step, folder, 0)).collect::<Vec<_>>().join(" ")
    }

    fn key(&mut self, world: &World, step: &mut Step, folder: &str, depth: u32) -> String {
        let nested = if depth < 3 { 24 } else { 19 };
        match self.seeded.below(nested) {
            0..5 => self.seeded.pick(PLAIN).to_string(),
            5 => self.set(&world.places[step.connection], false),
            6 => format!("UID {}", self.set(&world.places[step.connection], true)),
            7..10 => {
                let key = *self.seeded.pick(&["SUBJECT", "FROM", "TO", "CC", "BCC", "BODY", "BODY", "TEXT", "TEXT"]);
                format!("{key} {}", self.word(step))
            }
            10 | 11 => format!("HEADER {} {}", self.seeded.pick(FIELDS), self.word(step)),
            12 | 13 => {
                let key = *self.seeded.pick(&["BEFORE", "ON", "SINCE"]);
                format!("{key} {}", self.seeded.pick(DATES))
            }
            14 | 15 => {
                let key = *self.seeded.pick(&["SENTBEFORE", "SENTON", "SENTSINCE"]);
                format!("{key} {}", self.seeded.pick(DATES))
            }
            16 | 17 => {
                let key = *self.seeded.pick(&["LARGER", "SMALLER"]);
                format!("{key} {}", self.seeded.pick(&["0", "100", "500", "1000", "4294967295"]))
            }
            18 => self.of_an_extension(world, folder),
            19 | 20 => format!("NOT {}", self.key(world, step, folder, depth + 1)),
            21 | 22 => {
                let either = self.key(world, step, folder, depth + 1);
                format!("OR {either} {}", self.key(world, step, folder, depth + 1))
            }
            _ => {
                let either = self.key(world, step, folder, depth + 1);
                format!("({either} {})", self.key(world, step, folder, depth + 1))
            }
        }
    }

    fn of_an_extension(&mut self, world: &World, folder: &str) -> String {
        let marks = world.marks.get(folder).cloned().unwrap_or_default();
        if world.has("CONDSTORE") && !marks.is_empty() && self.seeded.below(2) == 0 {
            // Higher than the mark: what changed since. Which changes share one number is each server's own.
            return format!("MODSEQ ⟦n:{}⟧", self.seeded.pick(&marks));
        }
        if world.has("WITHIN") && self.seeded.below(2) == 0 {
            return self.seeded.pick(&["OLDER 86400", "YOUNGER 86400", "OLDER 1"]).to_string();
        }
        if world.has("SEARCHRES") { "$".to_owned() } else { "ALL".to_owned() }
    }

    /// A word as an atom, a quoted string or a literal.
    fn word(&mut self, step: &mut Step) -> String {
        if self.seeded.below(8) == 0 {
            step.text = "utf-8".to_owned();
            let word = *self.seeded.pick(&["æble", "SMØRREBRØD", "東京", "blåbær", "naïve"]);
            return step.literal(word.as_bytes(), false);
        }
        let word = *self.seeded.pick(WORDS);
        match self.seeded.below(3) {
            0 if !word.is_empty() && !word.contains([' ', '/']) => word.to_owned(),
            1 => step.literal(word.as_bytes(), false),
            _ => format!("\"{word}\""),
        }
    }

    pub(super) fn sort_or_thread(&mut self, world: &World, connection: usize, folder: &str) -> Step {
        if world.places[connection].uids.is_empty() {
            // Dovecot's process ends in some threadings of an empty folder.
            return self.search(world, connection, folder);
        }
        let algorithms: Vec<&str> =
            world.both.iter().filter_map(|capability| capability.strip_prefix("THREAD=")).collect();
        let mut step = Step::asks(connection, "");
        let uid = if self.seeded.below(2) == 0 { "UID " } else { "" };
        if world.has("SORT") && (algorithms.is_empty() || self.seeded.below(2) == 0) {
            let mut keys =
                vec!["ARRIVAL", "CC", "DATE", "FROM", "REVERSE SIZE", "SIZE", "SUBJECT", "REVERSE DATE", "TO"];
            if world.has("SORT=DISPLAY") {
                keys.extend(["DISPLAYFROM", "DISPLAYTO"]);
            }
            let count = 1 + self.seeded.below(2);
            let chosen = (0..count).map(|_| *self.seeded.pick(&keys)).collect::<Vec<_>>().join(" ");
            let returns = if world.has("ESORT") && self.seeded.below(3) == 0 { self.returns(world) } else { "" };
            step.text = format!("{uid}SORT {returns}({chosen}) UTF-8 {}", self.keys(world, &mut step, folder));
            return step;
        }
        if !algorithms.is_empty() {
            let algorithm = *self.seeded.pick(&algorithms);
            step.text = format!("{uid}THREAD {algorithm} UTF-8 {}", self.keys(world, &mut step, folder));
            return step;
        }
        self.search(world, connection, folder)
    }
}
