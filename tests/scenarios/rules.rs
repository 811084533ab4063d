//! Several connections at once, through two front-ends: rules that hold in whatever order things happen.
//!
//! Every connection keeps its own picture of its folder from the answers alone (`harness::mirror`), and checks each answer
//! against it: message numbers do not move under a FETCH, STORE or SEARCH (RFC 3501 §7.4.1), EXISTS shrinks by EXPUNGE alone,
//! a number keeps its UID, UIDs ascend and name one message for good (§2.3.1.1), and a message's flags change only with a
//! higher MODSEQ (RFC 7162 §3.1). In the end every picture is what the folder is.

use harness::corpus::Seeded;
use harness::mirror::{Fetched, Mirror};
use harness::value::{self, Value};
use harness::{Dev, Imap, User, until};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;

/// Connections; every third speaks QRESYNC.
const CONNECTIONS: usize = 7;
/// Commands of each.
const COMMANDS: usize = 250;
const FOLDERS: [&str; 2] = ["INBOX", "Other"];

/// What all connections know together: which message a UID of a folder is, by the token in its subject.
#[derive(Default)]
struct Shared {
    tokens: Mutex<BTreeMap<(String, u32), String>>,
}

impl Shared {
    /// A UID is this message, now and for good.
    fn is(&self, folder: &str, uid: u32, token: &str) {
        let mut tokens = self.tokens.lock().expect("no panic");
        let known = tokens.entry((folder.to_owned(), uid)).or_insert_with(|| token.to_owned());
        assert_eq!(known, token, "UID {uid} of {folder} is another message");
    }
}

/// A message as it was told last.
#[derive(Default, Clone)]
struct Told {
    modseq: u64,
    flags: BTreeSet<String>,
}

struct Checker<'a> {
    imap: Imap,
    shared: &'a Shared,
    seeded: Seeded,
    folder: &'static str,
    mirror: Mirror,
    told: BTreeMap<u32, Told>,
    number: usize,
    appended: usize,
    /// What was said last, for whoever must find out why.
    story: VecDeque<String>,
}

/// Lines of the story that are kept.
const STORY_LINES: usize = 40;

#[test]
fn no_rule_is_broken_at_once() {
    let dev = Dev::start(1, &["--imap", "2"]);
    Imap::sign_in(&dev, dev.user(1)).ok("CREATE Other");
    let shared = Shared::default();
    let mut checkers: Vec<Checker<'_>> = (0..CONNECTIONS)
        .map(|number| Checker::new(dev.imap_port(1 + number % 2), dev.user(1), &shared, number))
        .collect();
    std::thread::scope(|scope| {
        for checker in &mut checkers {
            scope.spawn(|| (0..COMMANDS).for_each(|_| checker.step()));
        }
    });
    for folder in FOLDERS {
        let mut imap = Imap::sign_in(&dev, dev.user(1));
        let truth = truth(&mut imap, folder);
        for checker in checkers.iter_mut().filter(|checker| checker.folder == folder) {
            until("every connection has heard of everything", || {
                checker.run("NOOP");
                checker.learn();
                // Without asking for what it was told already: whoever was told wrong stays so.
                (checker.mirror.messages == truth.messages).then_some(())
            });
        }
    }
    dev.stop();
}

/// What the folder is.
fn truth(imap: &mut Imap, folder: &str) -> Mirror {
    let (mut mirror, mut fetched) = (Mirror::default(), Fetched::new());
    let told = [imap.ok(&format!("EXAMINE {folder}")), imap.ok("UID FETCH 1:* (UID FLAGS)")];
    for line in told.iter().flat_map(|answer| &answer.untagged) {
        if line.ends_with(b" EXISTS") || line.windows(8).any(|part| part == b" FETCH (") {
            let values = value::parse(line).expect("a response");
            mirror.take(&values, &mut fetched).expect("by the rules");
        }
    }
    mirror
}

impl<'a> Checker<'a> {
    fn new(port: u16, user: &User, shared: &'a Shared, number: usize) -> Self {
        let mut imap = Imap::sign_in_at(port, user);
        imap.ok(if number.is_multiple_of(3) { "ENABLE QRESYNC" } else { "ENABLE CONDSTORE" });
        let seeded = Seeded::new(number as u64);
        let (mirror, told) = (Mirror::default(), BTreeMap::new());
        let mut checker = Self {
            imap,
            shared,
            seeded,
            folder: FOLDERS[0],
            mirror,
            told,
            number,
            appended: 0,
            story: VecDeque::new(),
        };
        checker.select(FOLDERS[number % 2]);
        checker
    }

    fn select(&mut self, folder: &'static str) {
        self.folder = folder;
        self.mirror = Mirror::default();
        self.told.clear();
        self.run(&format!("SELECT {folder}"));
        self.learn();
    }

    /// UIDs, flags and tokens of messages that are not known yet.
    fn learn(&mut self) {
        if let Some(from) = self.mirror.first_unknown() {
            self.run(&format!("FETCH {from}:* (UID FLAGS MODSEQ BODY.PEEK[HEADER.FIELDS (SUBJECT)])"));
        }
    }

    fn step(&mut self) {
        let set = self.set();
        match self.seeded.below(16) {
            0..3 => self.append(),
            3 => self.run_if(&set, "STORE", "+FLAGS (\\Flagged)"),
            4 => self.run_if(&set, "STORE", "-FLAGS (\\Flagged \\Seen)"),
            5 => {
                self.run_if(&set, "STORE", "+FLAGS.SILENT (\\Deleted)");
                self.mirror.forget_flags();
            }
            6 => self.run_if(&set, "STORE", &format!("FLAGS (by{})", self.number)),
            7 | 8 => self.run_if(&set, "FETCH", "(UID FLAGS MODSEQ BODY[TEXT])"),
            9 => self.run("SEARCH SEEN"),
            10 => self.run_if(&set, "COPY", FOLDERS[0]),
            11 => self.run_if(&set, "MOVE", FOLDERS[1]),
            12 => self.run("EXPUNGE"),
            13 => {
                let folder = *self.seeded.pick(&FOLDERS);
                self.select(folder);
            }
            _ => self.run("NOOP"),
        }
        self.learn();
    }

    fn set(&mut self) -> String {
        let count = self.mirror.messages.len() as u64;
        if count == 0 {
            return String::new();
        }
        let (first, last) = (1 + self.seeded.below(count), 1 + self.seeded.below(count));
        // Not too many at once, or all folders are empty all the time.
        format!("{first}:{}", last.clamp(first.saturating_sub(3).max(1), first + 3).min(count))
    }

    /// A command about these messages, where there are some.
    fn run_if(&mut self, set: &str, verb: &str, rest: &str) {
        if !set.is_empty() {
            self.run(&format!("{verb} {set} {rest}"));
        }
    }

    fn append(&mut self) {
        self.appended += 1;
        let token = format!("token-{}-{}", self.number, self.appended);
        let message = format!("Subject: {token}\r\n\r\nbody\r\n");
        let folder = *self.seeded.pick(&FOLDERS);
        let tag = self.imap.send(&format!("APPEND {folder} {{{}+}}\r\n{message}", message.len())).expect("sent");
        let tagged = self.finish("APPEND", &tag);
        let uid = tagged.split(['[', ']', ' ']).nth(4).and_then(|uid| uid.parse().ok());
        self.shared.is(folder, uid.unwrap_or_else(|| panic!("APPENDUID in {tagged:?}")), &token);
    }

    fn run(&mut self, command: &str) {
        let tag = self.imap.send(command).expect("sent");
        let tagged = self.finish(command, &tag);
        assert!(tagged.starts_with("OK"), "{command:?} was answered {tagged:?}");
    }

    /// Reads to the tagged answer and checks everything before it.
    fn finish(&mut self, command: &str, tag: &str) -> String {
        let answer = self.imap.finish(tag).expect("the connection holds");
        self.remember(format!("C: {command}"));
        let by_number = ["FETCH", "STORE", "SEARCH"].iter().any(|verb| command.starts_with(verb));
        for line in &answer.untagged {
            self.remember(format!("S: {}", line.escape_ascii()));
            if ["OK", "NO", "BYE", "CAPABILITY"].iter().any(|word| line.starts_with(word.as_bytes())) {
                continue;
            }
            let values = value::parse(line).unwrap_or_else(|why| panic!("{why}: {}", line.escape_ascii()));
            self.check(command, by_number, &values);
        }
        answer.tagged
    }

    fn remember(&mut self, line: String) {
        if self.story.len() == STORY_LINES {
            self.story.pop_front();
        }
        self.story.push_back(line.chars().take(200).collect());
    }

    fn check(&mut self, command: &str, by_number: bool, values: &[Value]) {
        let show = || values.iter().map(Value::show).collect::<Vec<_>>().join(" ");
        let moves = values.iter().take(2).any(|value| value.is("EXPUNGE") || value.is("VANISHED"));
        assert!(!(by_number && moves), "numbers move under {command:?}: {}", show());
        let mut fetched = Fetched::new();
        if let Err(why) = self.mirror.take(values, &mut fetched) {
            let story = self.story.iter().cloned().collect::<Vec<_>>().join("\n");
            panic!("{why}, told with {command:?}: {}\n{story}\n{}", show(), self.mirror.show());
        }
        let uids = self.mirror.uids();
        assert!(uids.is_sorted() && uids.windows(2).all(|pair| pair[0] != pair[1]), "UIDs do not ascend: {uids:?}");
        let number = values.first().and_then(Value::number).unwrap_or(0) as usize;
        for items in fetched.values() {
            if let Some(uid) = self.mirror.messages.get(number - 1).and_then(|message| message.uid) {
                self.check_fetched(command, uid, items);
            }
        }
    }

    fn check_fetched(&mut self, command: &str, uid: u32, items: &BTreeMap<String, Value>) {
        let modseq = items.get("MODSEQ").and_then(Value::list).and_then(|list| list.first()?.number());
        let flags = items.get("FLAGS").and_then(Value::list).map(harness::mirror::flags);
        if let Some(modseq) = modseq {
            let told = self.told.entry(uid).or_default();
            assert!(
                modseq >= told.modseq,
                "MODSEQ of UID {uid} fell to {modseq} from {} with {command:?}",
                told.modseq
            );
            if let Some(flags) = flags {
                let same = modseq > told.modseq || flags == told.flags || told.modseq == 0;
                assert!(same, "flags of UID {uid} changed at MODSEQ {modseq} from {:?} to {flags:?}", told.flags);
                *told = Told { modseq, flags };
            }
        }
        let subject = items.iter().find(|(name, _)| name.starts_with("BODY[HEADER.FIELDS")).map(|(_, value)| value);
        if let Some(subject) = subject.and_then(Value::octets) {
            let text = String::from_utf8_lossy(subject);
            self.shared.is(self.folder, uid, text.trim().trim_start_matches("Subject: "));
        }
    }
}
