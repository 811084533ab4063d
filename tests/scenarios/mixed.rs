//! Deliveries and every kind of IMAP write at once, while processes of all roles are killed at random: in the end the mailboxes
//! are what the clients were answered, and where an answer did not come, one of what it could have been.
//!
//! `SECONDS` (12) and `SEED` (1) in the environment make it longer and another one.

mod model;
mod writer;

use harness::corpus::Seeded;
use harness::{Dev, Imap, Smtp, User, until};
use model::{Found, Letter, is};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use writer::Writer;

/// Whose processes are killed; node and IMAP more often than others.
const ROLES: [(&str, usize); 11] = [
    ("node", 1),
    ("imap", 1),
    ("mx", 1),
    ("node", 1),
    ("imap", 2),
    ("directory", 1),
    ("node", 1),
    ("mx", 1),
    ("submission", 1),
    ("outbound", 1),
    ("pop3", 1),
];
/// Clients of the two mailboxes that are open. The third is opened at the end: what comes for it waits, sealed.
const WRITERS: [usize; 3] = [3, 1, 0];
/// Acknowledged operations between two kills, at most.
const BETWEEN_KILLS_MAX: u64 = 120;

/// What deliverers know of one mailbox.
#[derive(Default)]
struct Delivered {
    acknowledged: BTreeSet<String>,
    unanswered: BTreeSet<String>,
}

/// A message with its name all over; every eighth is large.
fn message(token: &str, number: usize) -> Vec<u8> {
    let lines = if number.is_multiple_of(8) { 3_000 } else { 3 };
    let text = format!("{}\r\n", token.repeat(4)).repeat(lines);
    format!("From: a@elsewhere.test\r\nSubject: {token}\r\n\r\n{text}").into_bytes()
}

/// A FETCH response with UID, FLAGS and a literal with the subject; `None` for others.
fn letter(line: &[u8]) -> Option<Letter> {
    let text = String::from_utf8_lossy(line);
    text.split_once(" FETCH (")?;
    let token = text.lines().find_map(|line| line.strip_prefix("Subject: "))?.to_owned();
    let flags = text.split_once("FLAGS (")?.1.split_once(')')?.0;
    let flags = flags.split(' ').filter(|flag| !flag.is_empty() && *flag != "\\Recent").map(str::to_owned).collect();
    Some(Letter { token, flags, uid: Some(harness::imap::uid_of(line)).filter(|uid| *uid != 0) })
}

fn deliver(
    dev: &Dev,
    user: &User,
    name: &str,
    delivered: &Mutex<Delivered>,
    over: &AtomicBool,
    progress: &AtomicUsize,
) {
    let mut open: Option<Smtp> = None;
    for number in 1.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let token = format!("{name}-{number}-");
        let mut smtp = match open.take() {
            Some(smtp) => smtp,
            None => until("the MX answers", || Smtp::try_connect(dev)),
        };
        let reply = smtp.try_send("a@elsewhere.test", &[&user.address], &message(&token, number));
        let mut delivered = delivered.lock().expect("no panic");
        match reply {
            Some(reply) if reply.starts_with("250") => {
                delivered.acknowledged.insert(token);
                progress.fetch_add(1, Ordering::Relaxed);
                open = Some(smtp);
            }
            // It was not taken, and will not be sent again.
            Some(reply) => assert!(reply.starts_with('4'), "{reply}"),
            None => drop(delivered.unanswered.insert(token)),
        }
    }
}

fn kill(dev: &Dev, seeded: &mut Seeded, progress: &AtomicUsize, end: Instant) -> BTreeMap<&'static str, usize> {
    let mut kills = BTreeMap::new();
    while Instant::now() < end {
        let next = progress.load(Ordering::Relaxed) + 1 + seeded.below(BETWEEN_KILLS_MAX) as usize;
        until("work goes on", || (progress.load(Ordering::Relaxed) >= next || Instant::now() >= end).then_some(()));
        let (role, index) = *seeded.pick(&ROLES);
        dev.kill_and_wait(role, index);
        *kills.entry(role).or_default() += 1;
    }
    kills
}

/// The mailboxes as clients see them, with all that waited.
fn all_found(dev: &Dev) -> Vec<Found> {
    let sign_in = |at: usize| {
        let user = dev.user(at);
        until("sign-in works", || {
            let mut imap = Imap::try_connect(dev.imap_port(1))?;
            imap.try_command(&format!("LOGIN {} {}", user.address, user.password))?.is_ok().then_some(imap)
        })
    };
    let mut sessions: Vec<Imap> = (1..=WRITERS.len()).map(sign_in).collect();
    dev.drained();
    sessions.iter_mut().map(found).collect()
}

fn found(imap: &mut Imap) -> Found {
    let listed = imap.ok("LIST \"\" *").lines();
    let names = listed.iter().filter_map(|line| line.strip_prefix("LIST ")?.rsplit(' ').next().map(str::to_owned));
    let mut found = Found::new();
    for name in names {
        imap.ok(&format!("EXAMINE {name}"));
        let answer = imap.ok("UID FETCH 1:* (FLAGS BODY.PEEK[])");
        let letters: Vec<Letter> = answer.untagged.iter().filter_map(|line| letter(line)).collect();
        for (letter, bytes) in letters.iter().zip(answer.literals()) {
            let number = letter.token.trim_end_matches('-').rsplit('-').next().and_then(|text| text.parse().ok());
            assert!(
                bytes.ends_with(&message(&letter.token, number.expect("a number"))),
                "{} is not whole",
                letter.token
            );
        }
        found.insert(name.trim_matches('"').to_owned(), letters);
    }
    found
}

#[test]
fn mailboxes_are_what_was_acknowledged() {
    let setting =
        |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (seconds, seed) = (setting("SECONDS", 12), setting("SEED", 1));
    println!("{seconds} seconds, seed {seed}");
    let mut dev = Dev::start(WRITERS.len(), &["--imap", "2"]);
    let delivered: Vec<Mutex<Delivered>> = WRITERS.iter().map(|_| Mutex::default()).collect();
    let (kills, writers) = run(&dev, &delivered, seed, Duration::from_secs(seconds));
    println!("kills: {kills:?}");
    let delivered: Vec<Delivered> = delivered.into_iter().map(|each| each.into_inner().expect("no panic")).collect();
    let before = all_found(&dev);
    for (at, (delivered, now)) in delivered.iter().zip(&before).enumerate() {
        let of_user: Vec<&Kept> = writers.iter().filter(|kept| kept.user == at + 1).collect();
        judge(now, delivered, &of_user);
    }
    // And so it stays.
    dev.restart();
    for (now, before) in all_found(&dev).iter().zip(&before) {
        assert_eq!(now, before, "another mailbox after a restart");
    }
    dev.stop();
}

/// What a writer leaves behind.
struct Kept {
    user: usize,
    folders: BTreeMap<String, model::Folder>,
    gone: BTreeSet<String>,
    doubts: Vec<model::Doubt>,
    fetched: BTreeSet<String>,
    maybe_fetched: BTreeSet<String>,
}

fn run(
    dev: &Dev,
    delivered: &[Mutex<Delivered>],
    seed: u64,
    long: Duration,
) -> (BTreeMap<&'static str, usize>, Vec<Kept>) {
    let (progress, over) = (&AtomicUsize::new(0), &AtomicBool::new(false));
    let end = Instant::now() + long;
    thread::scope(|scope| {
        for (at, delivered) in delivered.iter().enumerate() {
            scope.spawn(move || deliver(dev, dev.user(at + 1), &format!("mail-{}", at + 1), delivered, over, progress));
        }
        let mut writers = Vec::new();
        for (at, count) in WRITERS.iter().enumerate() {
            for number in 1..=*count {
                let name = format!("writer-{}-{number}", at + 1);
                let seed = seed.wrapping_mul(1_000).wrapping_add((at * 10 + number) as u64);
                writers.push(scope.spawn(move || write(dev, at + 1, &name, seed, over, progress)));
            }
        }
        // Whoever panics ends the others.
        let kills = thread::Builder::new()
            .spawn_scoped(scope, move || kill(dev, &mut Seeded::new(seed), progress, end))
            .expect("a thread")
            .join();
        over.store(true, Ordering::Relaxed);
        let kept = writers.into_iter().map(|writer| writer.join().expect("a writer ends well")).collect();
        (kills.expect("the killer ends well"), kept)
    })
}

fn write(dev: &Dev, user: usize, name: &str, seed: u64, over: &AtomicBool, progress: &AtomicUsize) -> Kept {
    let mut writer = Writer::new(dev, dev.user(user), name, seed);
    while !over.load(Ordering::Relaxed) {
        let before: usize = writer.done.values().sum();
        writer.step();
        progress.fetch_add(writer.done.values().sum::<usize>() - before, Ordering::Relaxed);
    }
    println!("{name}: {:?}, {} answers did not come", writer.done, writer.doubts.len());
    let Writer { folders, gone, doubts, fetched, maybe_fetched, .. } = writer;
    Kept { user, folders, gone, doubts, fetched, maybe_fetched }
}

/// One mailbox against everything that its clients know.
fn judge(found: &Found, delivered: &Delivered, writers: &[&Kept]) {
    let inbox = &found["INBOX"];
    let (fetched, maybe): (BTreeSet<&String>, BTreeSet<&String>) = (
        writers.iter().flat_map(|kept| &kept.fetched).collect(),
        writers.iter().flat_map(|kept| &kept.maybe_fetched).collect(),
    );
    let everywhere: BTreeMap<&String, usize> = found.values().flatten().fold(BTreeMap::new(), |mut count, letter| {
        *count.entry(&letter.token).or_default() += 1;
        count
    });
    let mut once = BTreeSet::new();
    for letter in inbox {
        let token = &letter.token;
        assert!(once.insert(token), "{token} is in INBOX twice");
        assert!(!fetched.contains(token), "{token} is in INBOX, and was moved");
        assert!(
            delivered.acknowledged.contains(token) || delivered.unanswered.contains(token),
            "{token} was not taken"
        );
        assert!(!maybe.contains(token) || everywhere[token] == 1, "{token} was moved, and is in INBOX still");
    }
    for token in &delivered.acknowledged {
        let there = once.contains(token)
            || fetched.contains(token)
            || (maybe.contains(token) && everywhere.contains_key(token));
        assert!(there, "{token} was acknowledged, and is not there");
    }
    let mut known = BTreeSet::from(["INBOX"]);
    for kept in writers {
        for (name, folder) in &kept.folders {
            let there = found.get(name).unwrap_or_else(|| panic!("{name} is not there"));
            assert!(is(folder, there), "{name} is to be {folder:#?} and is {there:#?}");
            known.insert(name);
        }
        for name in &kept.gone {
            assert!(!found.contains_key(name), "{name} was deleted, and is there");
        }
        for doubt in &kept.doubts {
            let are: Vec<_> = doubt.names().into_iter().map(|name| (name, found.get(name))).collect();
            assert!(doubt.holds(found), "{:?} left {are:#?}, which is none of {:#?}", doubt.command, doubt.worlds);
            known.extend(doubt.names());
        }
    }
    let unknown: Vec<_> =
        found.iter().filter(|(name, folder)| !known.contains(name.as_str()) && !folder.is_empty()).collect();
    assert!(unknown.is_empty(), "nobody made {unknown:?}");
}
