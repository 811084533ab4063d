//! SIGKILL in mid-work: what was acknowledged is there once, whatever was killed.

use harness::{Dev, Imap, Smtp, User, until};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

const DELIVERIES: usize = 150;
const APPENDS: usize = 150;

/// What the clients know: acknowledged, or sent without an answer.
#[derive(Default)]
struct Ledger {
    acknowledged: Vec<String>,
    unanswered: Vec<String>,
}

fn message(name: &str) -> Vec<u8> {
    format!("From: a@elsewhere.test\r\nSubject: {name}\r\n\r\n{}\r\n", name.repeat(40)).into_bytes()
}

fn deliver(dev: &Dev, user: &User, ledger: &Mutex<Ledger>, progress: &AtomicUsize) {
    let mut smtp = None;
    for n in 0..DELIVERIES {
        let name = format!("delivery-{n}-");
        // A message is tried until it is acknowledged; one without an answer may be there or not, once.
        until("a delivery is acknowledged", || {
            let connection = match smtp.take() {
                Some(connection) => connection,
                None => Smtp::try_connect(dev)?,
            };
            let mut connection: Smtp = connection;
            let reply = connection.try_send("a@elsewhere.test", &[&user.address], &message(&name));
            let mut ledger = ledger.lock().expect("no panic under the lock");
            match reply {
                Some(reply) if reply.starts_with("250") => ledger.acknowledged.push(name.clone()),
                Some(_) => return None,
                None => {
                    // The connection died: SMTP cannot tell; the name is not used again.
                    ledger.unanswered.push(name.clone());
                    return Some(());
                }
            }
            smtp = Some(connection);
            Some(())
        });
        progress.fetch_add(1, Ordering::Relaxed);
    }
}

fn append(dev: &Dev, user: &User, ledger: &Mutex<Ledger>, progress: &AtomicUsize) {
    let mut imap: Option<Imap> = None;
    for n in 0..APPENDS {
        let name = format!("append-{n}-");
        until("an APPEND is answered", || {
            let mut connection = match imap.take() {
                Some(connection) => connection,
                None => {
                    let mut fresh = Imap::try_connect(dev.port("imap"))?;
                    let answer = fresh.try_command(&format!("LOGIN {} {}", user.address, user.password))?;
                    answer.is_ok().then_some(fresh)?
                }
            };
            let answer = connection.try_append("INBOX", "", &message(&name));
            let mut ledger = ledger.lock().expect("no panic under the lock");
            match answer {
                Some(answer) if answer.is_ok() => ledger.acknowledged.push(name.clone()),
                // NO says that nothing was stored: the same message may be tried again.
                Some(_) => {
                    imap = Some(connection);
                    return None;
                }
                None => {
                    ledger.unanswered.push(name.clone());
                    return Some(());
                }
            }
            imap = Some(connection);
            Some(())
        });
        progress.fetch_add(1, Ordering::Relaxed);
    }
}

/// Delivers and appends while processes of these roles are killed in turn, then compares the mailbox with the ledger.
fn survives(roles: &[&str]) {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    let ledger = Mutex::new(Ledger::default());
    let (progress, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let work = [
            scope.spawn(|| deliver(&dev, user, &ledger, &progress)),
            scope.spawn(|| append(&dev, user, &ledger, &progress)),
        ];
        scope.spawn(|| {
            // A kill after every twentieth acknowledged operation, so that it falls in mid-work on a machine of any speed.
            for (kills, role) in (1..).zip(roles.iter().cycle()) {
                until("work goes on", || {
                    (done.load(Ordering::Relaxed) || progress.load(Ordering::Relaxed) >= kills * 20).then_some(())
                });
                if done.load(Ordering::Relaxed) {
                    break;
                }
                dev.kill_and_wait(role, 1);
            }
        });
        for each in work {
            each.join().expect("a worker ends well");
        }
        done.store(true, Ordering::Relaxed);
    });

    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let mut imap = until("sign-in works again", || {
        let mut imap = Imap::try_connect(dev.port("imap"))?;
        imap.try_command(&format!("LOGIN {} {}", user.address, user.password))?.is_ok().then_some(imap)
    });
    dev.drained();
    for (_, bytes) in imap.messages("INBOX") {
        let text = String::from_utf8(bytes).expect("as it was sent");
        let name = text.lines().find_map(|line| line.strip_prefix("Subject: ")).expect("a subject").to_owned();
        assert!(text.ends_with(&format!("\r\n\r\n{}\r\n", name.repeat(40))), "{name} is not whole");
        *found.entry(name).or_default() += 1;
    }
    let ledger = ledger.into_inner().expect("no panic under the lock");
    for name in &ledger.acknowledged {
        assert_eq!(found.remove(name), Some(1), "{name} was acknowledged");
    }
    for name in &ledger.unanswered {
        assert!(found.remove(name).is_none_or(|count| count == 1), "{name} is there twice");
    }
    assert!(found.is_empty(), "never sent, or sent once more: {found:?}");
    dev.stop();
}

#[test]
fn the_node_is_killed() {
    survives(&["node"]);
}

#[test]
fn the_mx_and_the_imap_front_end_are_killed() {
    survives(&["mx", "imap"]);
}

#[test]
fn every_role_is_killed_in_turn() {
    survives(&["node", "imap", "directory", "mx"]);
}

#[test]
fn a_session_outlives_its_node() {
    let dev = Dev::start(1, &[]);
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    imap.append("INBOX", "", &message("before"));
    imap.ok("SELECT INBOX");
    dev.kill_and_wait("node", 1);
    // Not more than a pause: the same connection, the same selected folder.
    assert_eq!(imap.ok("UID SEARCH ALL").lines(), ["SEARCH 1"]);
    assert!(imap.append("INBOX", "", &message("after")).is_ok());
    until("the new message is seen", || (imap.ok("UID SEARCH ALL").lines() == ["SEARCH 1 2"]).then_some(()));
    dev.stop();
}
