//! Mail on its way out through SIGKILL, to servers of which half misbehave: what was acknowledged is delivered or comes back,
//! and comes twice only where nobody could know whether it had arrived.
//!
//! `MESSAGES` (360) and `SEED` (1) in the environment make it longer and another one.

use harness::corpus::Seeded;
use harness::dev::binary;
use harness::strangers::{Ledger, Strangers, Taken, about, digest, subject};
use harness::zone::Zone;
use harness::{Dev, Imap, Smtp, until};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

/// Clients at submission, and at the MX with mail that is forwarded.
const SUBMITTERS: usize = 3;
const CORRESPONDENTS: usize = 2;
/// Who is killed; outbound twice as often, because most of the work is there.
const ROLES: [&str; 5] = ["mx", "outbound", "submission", "node", "outbound"];
/// Entries that one worker has under way at most: so many can one kill send twice.
const UNDER_WAY_MAX: usize = 40;
/// Between two times that the operator has everything tried again: the queue's own schedule takes minutes and hours.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Who writes from outside.
const CORRESPONDENT: &str = "sender@good-1.test";

/// What became of one sending, as its client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Acknowledged,
    /// The connection died before the answer.
    Unanswered,
    /// It was told that the message was not taken.
    Refused,
}

#[derive(Debug)]
struct Sent {
    name: String,
    recipient: String,
    /// Its server refuses it for good.
    bad: bool,
    /// By somebody who signed in; else it came from outside and is forwarded.
    submitted: bool,
    fate: Fate,
}

struct Run {
    dev: Dev,
    strangers: Strangers,
    count: usize,
    sent: Mutex<Vec<Sent>>,
    acknowledged: AtomicUsize,
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// The lines of the text of a message; every tenth is longer than what is kept to be sent again.
fn lines(name: &str, number: usize) -> impl Iterator<Item = String> {
    let count = if number % 10 == 7 { 2500 } else { 15 };
    (0..count).map(move |at| format!("{at} {name} of the text, which is to come whole and in its order 0123456789"))
}

impl Run {
    fn start(count: usize, seed: u64, zone: &Zone, strangers: Strangers, folder: &std::path::Path) -> Self {
        let file = folder.join("settings.toml");
        let settings = format!(
            "{}enabled = true\n[outbound]\nport = {}\nallow_private = true\nlease_seconds = 10\nconnections_max = \
             {UNDER_WAY_MAX}\nmta_sts = false\ntls_reports = false\n",
            zone.toml(),
            strangers.port
        );
        fs::write(&file, settings).expect("written");
        println!("{count} messages, seed {seed}");
        let dev = Dev::start(1, &["--settings", file.to_str().expect("UTF-8")]);
        let run = Self { dev, strangers, count, sent: Mutex::default(), acknowledged: AtomicUsize::new(0) };
        // One account sends more here in a minute than people do in an hour.
        run.operate(&["domain", "set", "example.test", "send_recipients_per_hour", "0"]).expect("a setting");
        for n in 0..Strangers::COUNT {
            let domain = Strangers::domain(n);
            let (regex, target) = (format!("(.+)\\.at\\.{domain}"), format!("$1@{domain}"));
            run.operate(&["alias", "pattern", "add", "example.test", &regex, "--forward", &target]).expect("a pattern");
        }
        run
    }

    /// Runs one of the operator's commands; `None` where it fails.
    fn operate(&self, arguments: &[&str]) -> Option<serde_json::Value> {
        let mut command = Command::new(binary());
        let asked = command.arg("--data").arg(self.dev.data()).arg("--json").args(arguments).output().expect("it runs");
        asked.status.success().then(|| serde_json::from_slice(&asked.stdout).unwrap_or_default())
    }

    /// What happened so far: kills fall in the middle of it on a machine of any speed.
    fn progress(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed) + self.strangers.ledger().taken.len()
    }

    /// Sends messages until each is acknowledged, a message that was not under another name.
    fn send(&self, numbers: impl Iterator<Item = usize>, submitted: bool) {
        let mut open: Option<Smtp> = None;
        for number in numbers {
            let (domain, mut tries) = (Strangers::domain(number), 0);
            let bad = domain == "refuses.test" && (number / Strangers::COUNT).is_multiple_of(2);
            until("a message is acknowledged", || {
                let user = self.dev.user(1);
                let mut smtp = match open.take() {
                    Some(smtp) => smtp,
                    None if submitted => Smtp::try_submission(&self.dev, user)?,
                    None => Smtp::try_connect(&self.dev)?,
                };
                let local = format!("{}{number}-{tries}", if bad { "bad" } else { "fine" });
                let (name, recipient) = (format!("name-{number}-{tries}-end"), format!("{local}@{domain}"));
                tries += 1;
                let (from, to) = if submitted {
                    (user.address.as_str(), recipient.clone())
                } else {
                    (CORRESPONDENT, format!("{local}.at.{domain}@example.test"))
                };
                let text: String = lines(&name, number).map(|line| line + "\r\n").collect();
                let message = format!("From: {from}\r\nTo: {to}\r\nSubject: {name}\r\n\r\n{text}");
                let fate = match smtp.try_send(from, &[&to], message.as_bytes()) {
                    Some(reply) if reply.starts_with("250") => Fate::Acknowledged,
                    Some(_) => Fate::Refused,
                    None => Fate::Unanswered,
                };
                self.sent.lock().expect("no panic").push(Sent { name, recipient, bad, submitted, fate });
                (fate == Fate::Acknowledged).then(|| open = Some(smtp))
            });
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Kills until so many kills are done, at even distances in the work, whom the seed says.
    fn kill(&self, kills: usize, seeded: &mut Seeded) -> BTreeMap<&'static str, usize> {
        let mut done = BTreeMap::new();
        let gap = self.count * 17 / 10 / (kills + 1);
        for number in 1..=kills {
            until("work goes on", || (self.progress() >= number * gap).then_some(()));
            let role = *seeded.pick(&ROLES);
            let kill = || self.dev.kill_and_wait(role, 1);
            if role == "outbound" {
                self.strangers.kill_outbound(kill)
            } else {
                kill()
            }
            *done.entry(role).or_default() += 1;
        }
        done
    }

    fn total(&self) -> Option<u64> {
        self.operate(&["queue", "list", "--limit", "1"])?["total"].as_u64()
    }

    /// Until nothing is left in the queue.
    fn drain(&self) {
        let mut left = until("the queue answers", || self.total());
        while left > 0 {
            left = until("the queue gets shorter", || self.total().filter(|total| *total < left));
        }
    }
}

#[test]
fn what_was_acknowledged_is_delivered_or_comes_back() {
    let (count, seed) = (setting("MESSAGES", 360), setting("SEED", 1) as u64);
    let strangers = Strangers::start(seed);
    let zone = Zone::start(&Strangers::records());
    let folder = tempfile::tempdir().expect("a folder");
    let run = &Run::start(count, seed, &zone, strangers, folder.path());
    let (over, is_over) = mpsc::sync_channel::<()>(0);
    let kills = thread::scope(|scope| {
        let clients: Vec<_> = (0..SUBMITTERS + CORRESPONDENTS)
            .map(|n| scope.spawn(move || run.send((n..count).step_by(SUBMITTERS + CORRESPONDENTS), n < SUBMITTERS)))
            .collect();
        scope.spawn(move || {
            while is_over.recv_timeout(RETRY_PAUSE) == Err(mpsc::RecvTimeoutError::Timeout) {
                // Where a node is not there, the next time.
                let _ = run.operate(&["queue", "retry", "--all"]);
            }
        });
        let kills = run.kill(10 + count / 50, &mut Seeded::new(seed));
        for client in clients {
            client.join().expect("a client ends well");
        }
        run.drain();
        drop(over);
        kills
    });
    println!("kills: {kills:?}");
    judge(run);
}

/// A notice that came to somebody.
#[derive(Debug)]
struct Notice {
    /// The recipient that it is about.
    about: String,
    /// The name of the message whose header it brings back.
    name: String,
    id: String,
}

/// Those in the mailbox of who submitted.
fn notices_at_home(dev: &Dev) -> Vec<Notice> {
    let mut imap = until("sign-in works", || {
        let user = dev.user(1);
        let mut imap = Imap::try_connect(dev.port("imap"))?;
        imap.try_command(&format!("LOGIN {} {}", user.address, user.password))?.is_ok().then_some(imap)
    });
    dev.drained();
    let notice = |(_, bytes): (u32, Vec<u8>)| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.contains("\r\nAction: failed\r\n"), "no notice of a failure: {text}");
        let lines: Vec<&str> = text.lines().collect();
        let id = lines.iter().find_map(|line| line.strip_prefix("Message-ID:")).unwrap_or_default().trim().to_owned();
        Notice { about: about(&lines), name: subject(&lines), id }
    };
    imap.messages("INBOX").into_iter().map(notice).collect()
}

/// Compares what the servers and the sender have with what the clients know.
fn judge(run: &Run) {
    let ledger = run.strangers.ledger();
    let sent = run.sent.lock().expect("no panic");
    let mut copies: BTreeMap<&str, Vec<&Taken>> = BTreeMap::new();
    let mut notices: BTreeMap<String, Vec<Notice>> = BTreeMap::new();
    let mut notice = |notice: Notice| notices.entry(notice.about.clone()).or_default().push(notice);
    for taken in &ledger.taken {
        if let Some(about) = taken.about.clone() {
            assert_eq!(taken.recipient, CORRESPONDENT, "a notice for somebody else");
            notice(Notice { about, name: taken.subject.clone(), id: taken.id.clone() });
        } else {
            copies.entry(&taken.subject).or_default().push(taken);
        }
    }
    notices_at_home(&run.dev).into_iter().for_each(notice);
    let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
    let mut by_kill: BTreeMap<usize, usize> = BTreeMap::new();
    for one in sent.iter() {
        let copies = copies.remove(one.name.as_str()).unwrap_or_default();
        let notices = notices.remove(&one.recipient).unwrap_or_default();
        check_one(one, &copies, &notices);
        let mut count = |what, number| *tally.entry(what).or_default() += number;
        count(&format!("{:?}", one.fate).leak()[..], 1);
        count(if one.submitted { "sent by submission" } else { "sent to be forwarded" }, 1);
        count("delivered", usize::from(!copies.is_empty()));
        count("came back", usize::from(!notices.is_empty()));
        count("notices that came once more", notices.len().saturating_sub(1));
        count(
            "of those that were not acknowledged, delivered",
            usize::from(one.fate != Fate::Acknowledged && !copies.is_empty()),
        );
        for pair in copies.windows(2) {
            let why = if !pair[0].answered {
                "twice, because its server did not answer the text"
            } else if pair[1].before_kills > pair[0].after_kills {
                *by_kill.entry(pair[0].after_kills).or_default() += 1;
                "twice, because outbound was killed between answer and settlement"
            } else {
                "twice, because a lease was lost"
            };
            count(why, 1);
        }
    }
    println!("{tally:#?}\nthe servers: {:#?}", ledger.wrongs);
    assert!(copies.is_empty() && notices.is_empty(), "never sent: {copies:?} {notices:?}");
    assert!(by_kill.values().all(|count| *count <= UNDER_WAY_MAX), "more than were under way: {by_kill:?}");
    let log = run.dev.log("outbound", 1);
    let told = ["a lease was lost in mid-delivery", "a lease ended before", "what became of an entry was not taken"];
    let lost: usize = told.iter().map(|line| log.matches(line).count()).sum();
    let twice = tally.get("twice, because a lease was lost").copied().unwrap_or_default();
    assert!(twice <= lost, "{twice} came twice without reason; {lost} leases were lost");
    assert_eq!(tally.get("Acknowledged"), Some(&run.count));
    shape(&ledger);
}

/// One message against what became of it.
fn check_one(sent: &Sent, copies: &[&Taken], notices: &[Notice]) {
    let body = digest(lines(&sent.name, number(&sent.name)).collect::<Vec<_>>().iter().map(String::as_str));
    for copy in copies {
        assert_eq!((&copy.recipient, copy.body), (&sent.recipient, body), "another recipient, or not whole: {sent:?}");
    }
    for notice in notices {
        assert_eq!(notice.name, sent.name, "not the header of its message: {notice:?}");
        // Written once, however often it came.
        assert_eq!(notice.id, notices[0].id, "more than one notice: {sent:?} {notices:?}");
    }
    match (sent.fate, sent.bad) {
        (Fate::Acknowledged, true) => assert!(copies.is_empty() && !notices.is_empty(), "lost: {sent:?} {copies:?}"),
        (Fate::Acknowledged, false) => assert!(!copies.is_empty() && notices.is_empty(), "lost: {sent:?} {notices:?}"),
        (Fate::Unanswered, true) => assert!(copies.is_empty(), "{sent:?}"),
        (Fate::Unanswered, false) => assert!(notices.is_empty(), "{sent:?}"),
        (Fate::Refused, _) => {
            assert!(copies.is_empty() && notices.is_empty(), "not taken, and sent: {sent:?} {copies:?}")
        }
    }
}

fn number(name: &str) -> usize {
    name.split('-').nth(1).and_then(|text| text.parse().ok()).expect("a number")
}

/// The servers did what they are there for.
fn shape(ledger: &Ledger) {
    for wrong in
        ["said 4xx", "said 5xx", "said what is no reply", "closed in mid-DATA", "closed after the final dot", "hung"]
    {
        assert!(ledger.wrongs.contains_key(wrong), "no server {wrong}");
    }
}
