//! What a client waits for in mailboxes of very different sizes: `cargo bench -p integration --bench large`.
//!
//! Environment: `SIZES` ("1000 100000"; 1000000 takes a quarter of an hour to fill), `ROUNDS` (50) of what is quick, `DATA`, a
//! folder that keeps the mailboxes for the next run.

mod client;
mod fill;

use client::{Client, Heard};
use harness::{Dev, User};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Octets of a message; fewer in the largest mailbox, so that it fits a disk.
const MESSAGE_BYTES: usize = 1_500;
const MESSAGE_BYTES_OF_MANY: usize = 700;
const MANY: u64 = 500_000;

fn main() {
    let setting = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let sizes = setting("SIZES", "1000 100000");
    let sizes: Vec<u64> = sizes.split_whitespace().map(|size| size.parse().expect("SIZES are numbers")).collect();
    let rounds: usize = setting("ROUNDS", "50").parse().expect("ROUNDS is a number");
    let names: Vec<String> = sizes.iter().map(|size| format!("m{size}@example.test")).collect();
    let mut dev = match std::env::var_os("DATA") {
        Some(folder) => Dev::start_in(Path::new(&folder), &names),
        None => Dev::start_with(names.iter().map(|name| User::new(name)).collect(), &[]),
    };
    for (at, &size) in sizes.iter().enumerate() {
        prepare(&dev, &dev.user(at + 1).clone(), size);
    }
    for (at, &size) in sizes.iter().enumerate() {
        let user = dev.user(at + 1).clone();
        println!("\n{size} messages");
        cold(&mut dev, &user, size);
        warm(&dev, &user, size, rounds);
        streamed(&dev, &user);
        reconnect(&dev, &user);
        memory(&dev, &user);
    }
    dev.stop();
}

fn prepare(dev: &Dev, user: &User, size: u64) {
    let (begun, before) = (Instant::now(), fill::indexed(dev));
    let mut client = Client::sign_in(dev.port("imap"), user);
    let octets = if size > MANY { MESSAGE_BYTES_OF_MANY } else { MESSAGE_BYTES };
    let added = fill::fill(&mut client, size, octets);
    let filled = begun.elapsed();
    // What is not in the index yet is scanned, whether it came now or before the last end.
    fill::await_index(dev, before, if added > 0 { added } else { u64::MAX - before });
    let each = filled.as_secs_f64() * 1e6 / added.max(1) as f64;
    println!(
        "{size}: {added} appended, {each:.0} µs each; all of it was indexed {:.0} s later",
        (begun.elapsed() - filled).as_secs_f64()
    );
}

const fn newest(size: u64) -> u64 {
    if size > 99 { size - 99 } else { 1 }
}

fn rare() -> String {
    format!("UID SEARCH TEXT {}", fill::RARE)
}

/// The first of each after a start of the server, with nothing of its files in the system's memory.
fn cold(dev: &mut Dev, user: &User, size: u64) {
    let mut first = |command: &str| {
        dev.restart();
        forget(&dev.data());
        let begun = Instant::now();
        let mut client = Client::sign_in(dev.port("imap"), user);
        let login = begun.elapsed();
        let select = client.ask("SELECT INBOX").whole;
        (login, select, client.ask(command).whole)
    };
    let (login, select, flags) = first(&format!("UID FETCH {}:* (FLAGS)", newest(size)));
    let (_, _, body) = first(&format!("UID FETCH {} (BODY.PEEK[])", size / 2));
    let (_, _, search) = first(&rare());
    for (what, time) in [
        ("LOGIN, cold", login),
        ("SELECT, cold", select),
        ("UID FETCH FLAGS of the newest 100, cold", flags),
        ("UID FETCH BODY[] of one, cold", body),
        ("SEARCH TEXT, a rare word, cold", search),
    ] {
        println!("{what:<56}{:>10.2} ms", ms(time));
    }
}

fn warm(dev: &Dev, user: &User, size: u64, rounds: usize) {
    let mut client = Client::sign_in(dev.port("imap"), user);
    let mut select = || {
        let heard = client.ask("SELECT INBOX");
        client.ask("UNSELECT");
        heard
    };
    report("SELECT", rounds, |_| select());
    client.ask("SELECT INBOX");
    let last = client.ask("STATUS INBOX (UIDNEXT)").number_after("UIDNEXT ").expect("a number") - 1;
    let from = newest(last);
    report("UID FETCH FLAGS of the newest 100", rounds, |_| client.ask(&format!("UID FETCH {from}:* (FLAGS)")));
    report("UID FETCH BODY[] of one", 4 * rounds, |round| {
        let uid = 1 + (round as u64).wrapping_mul(0x9e37_79b9) % last;
        client.ask(&format!("UID FETCH {uid} (BODY.PEEK[])"))
    });
    let found = report("SEARCH TEXT, a rare word", rounds, |_| client.ask(&rare()));
    let count =
        found.text.split(|&octet| octet == b'\r').next().map_or(0, |line| line.split(|&o| o == b' ').count() - 2);
    assert_eq!(count as u64, fill::rare_among(size), "{}", String::from_utf8_lossy(&found.text));
    report("SEARCH TEXT, a text that is nowhere", rounds, |_| client.ask("UID SEARCH TEXT quetzalcoatl"));
    let all = report("UID FETCH FLAGS of all", rounds.min(3), |_| client.ask("UID FETCH 1:* (FLAGS)"));
    println!("{:<56}{:>10.1} MB, first octets after {:.2} ms", "", all.text.len() as f64 / 1e6, ms(all.first));
}

/// Runs it so often and prints the median and what 95 in 100 stay under; the last answer.
fn report(what: &str, rounds: usize, mut ask: impl FnMut(usize) -> Heard) -> Heard {
    let mut times = Vec::with_capacity(rounds);
    let mut last = ask(0);
    for round in 0..rounds {
        last = ask(round);
        times.push(last.whole);
    }
    times.sort_unstable();
    let at = |percent: usize| ms(times[(times.len() - 1) * percent / 100]);
    println!("{what:<56}{:>10.2} ms, 95 in 100 within {:.2} ms", at(50), at(95));
    last
}

/// A word in every second message: its results come as they are found.
fn streamed(dev: &Dev, user: &User) {
    let mut client = Client::sign_in(dev.port("imap"), user);
    client.ask("SELECT INBOX");
    for command in ["SEARCH", "UID SEARCH", "UID SEARCH RETURN (ALL)", "UID SEARCH RETURN (COUNT)"] {
        let heard = client.ask(&format!("{command} TEXT {}", fill::COMMON));
        println!(
            "{:<56}{:>10.2} ms to the first octets, {:.0} ms to the last; {} octets in {} pieces, {:.1} ms between two at most",
            format!("{command} TEXT, a common word"),
            ms(heard.first),
            ms(heard.whole),
            heard.text.len(),
            heard.pieces,
            ms(heard.silence)
        );
    }
}

/// A client that was away while ten messages changed.
fn reconnect(dev: &Dev, user: &User) {
    let mut client = Client::sign_in(dev.port("imap"), user);
    client.ask("ENABLE QRESYNC");
    let selected = client.ask("SELECT INBOX");
    let number = |words| selected.number_after(words).expect("SELECT tells it");
    let (validity, modseq, next) = (number("UIDVALIDITY "), number("HIGHESTMODSEQ "), number("UIDNEXT "));
    drop(client);
    let mut other = Client::sign_in(dev.port("imap"), user);
    other.ask("SELECT INBOX");
    for at in 0..5 {
        let uid = 1 + at * (next / 7);
        other.ask(&format!("UID STORE {uid} FLAGS (\\Seen)"));
        other.ask(&format!("UID STORE {uid} FLAGS (\\Answered)"));
    }
    for at in 0..3 {
        let uid = next - 1 - at * (next / 9);
        other.ask(&format!("UID STORE {uid} +FLAGS (\\Deleted)"));
        other.ask(&format!("UID EXPUNGE {uid}"));
    }
    for _ in 0..2 {
        other.ask_octets(b"APPEND INBOX (\\Seen) {22+}\r\nSubject: new\r\n\r\nnew\r\n");
    }
    let mut client = Client::sign_in(dev.port("imap"), user);
    client.ask("ENABLE QRESYNC");
    let heard = client.ask(&format!("SELECT INBOX (QRESYNC ({validity} {modseq}))"));
    assert_eq!((heard.count(" FETCH ("), heard.count("VANISHED")), (7, 1), "{}", String::from_utf8_lossy(&heard.text));
    println!(
        "{:<56}{:>10.2} ms, {} octets in one answer",
        "QRESYNC after ten changes",
        ms(heard.whole),
        heard.text.len()
    );
}

/// What the front-end takes for one session that selects, reads and searches everything: its peak over what it had before.
fn memory(dev: &Dev, user: &User) {
    let process = dev.pid("imap", 1).expect("a front-end");
    let mut idle = Client::sign_in(dev.port("imap"), user);
    idle.ask("NOOP");
    // From here on the peak counts anew.
    fs::write(format!("/proc/{process}/clear_refs"), "5").expect("the kernel forgets the peak");
    let before = memory_of(process, "VmRSS");
    let mut client = Client::sign_in(dev.port("imap"), user);
    let mut peak_after = |command: &str| {
        client.ask(command);
        memory_of(process, "VmHWM").saturating_sub(before) as f64 / 1024.0
    };
    let select = peak_after("SELECT INBOX");
    let fetch = peak_after("UID FETCH 1:* (FLAGS)");
    let search = peak_after(&format!("UID SEARCH TEXT {}", fill::COMMON));
    let esearch = peak_after(&format!("SEARCH RETURN (ALL COUNT) TEXT {}", fill::COMMON));
    println!(
        "{:<56}{select:>10.1} MiB after SELECT, {fetch:.1} after FETCH 1:*, {search:.1} after SEARCH, {esearch:.1} after ESEARCH",
        "memory of the front-end, peak"
    );
}

/// A field of `/proc/PID/status`, in KiB.
fn memory_of(process: i32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with(field)).expect("the field is there");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of kB")
}

/// Has the system drop what it holds of these files.
fn forget(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            forget(&path);
        } else if let Ok(file) = fs::File::open(&path) {
            // What is written already can be dropped; where it cannot, the figure is a warm one.
            let _ = file.sync_all();
            let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        }
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
