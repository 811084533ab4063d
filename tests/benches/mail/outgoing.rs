//! Messages a second through the queue to `smtp-sink`: from submission through a node and outbound, and through Postfix.
//!
//! First while they come in over ten connections, then out of a queue that was filled before.

use crate::{Best, CONNECTIONS, setting};
use harness::postfix::Postfix;
use harness::sink::Sink;
use harness::zone::Zone;
use harness::{Dev, Smtp, until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

const RECORDS: &str = "sink.test. 300 MX 10 mx.sink.test.\nmx.sink.test. 300 A 127.0.0.1\n";

pub fn run() {
    let (Some(ours), Some(theirs)) = (Sink::start(), Sink::start()) else {
        println!("Postfix is not installed");
        return;
    };
    let zone = Zone::start(RECORDS);
    let to_sink =
        format!("[outbound]\nport = {}\nallow_private = true\nmta_sts = false\ntls_reports = false\n", ours.port);
    let (dev, _folder) = crate::start(&zone, CONNECTIONS, &to_sink);
    let transport = format!("transport_maps = static:smtp:[127.0.0.1]:{}", theirs.port);
    // Without the delay with which Postfix slows down those who send faster than it delivers.
    let settings = ["virtual_mailbox_domains =", "in_flow_delay = 0s", &transport];
    let Some(postfix) = Postfix::start(&settings) else { return };
    let (count, rounds) = (setting("QUEUED", 2_000), setting("ROUNDS", 3));
    let [mut through, mut through_theirs, mut out, mut out_theirs] = [Best::NONE; 4];
    for _ in 0..rounds {
        through.round(Some(dev.process()), || timed(count, &ours, || submit(&dev, count)));
        through_theirs.round(Some(crate::master(&postfix)), || timed(count, &theirs, || enqueue(&postfix, count)));

        dev.freeze("outbound", 1, true);
        submit(&dev, count);
        out.round(Some(dev.process()), || timed(count, &ours, || dev.freeze("outbound", 1, false)));

        let manager = manager(&postfix);
        signal(manager, Signal::STOP);
        enqueue(&postfix, count);
        out_theirs.round(Some(crate::master(&postfix)), || timed(count, &theirs, || signal(manager, Signal::CONT)));
    }
    crate::head("to smtp-sink; ratio: ours / it");
    through.row("submission, node and outbound", through);
    through_theirs.row("Postfix", through);
    out.row("out of a full queue: node and outbound", out);
    out_theirs.row("out of a full queue: Postfix", out);
    dev.stop();
}

/// Postfix's queue manager, without which nothing leaves.
fn manager(postfix: &Postfix) -> Pid {
    let of_postfix = |stat: &str| stat.contains("(qmgr)") && stat.contains(&format!(") S {} ", crate::master(postfix)));
    let found = until("Postfix has a queue manager", || {
        let mut processes = fs::read_dir("/proc").ok()?.flatten();
        let found =
            processes.find(|entry| fs::read_to_string(entry.path().join("stat")).is_ok_and(|stat| of_postfix(&stat)));
        found?.file_name().to_str()?.parse().ok()
    });
    Pid::from_raw(found).expect("a process")
}

fn signal(pid: Pid, signal: Signal) {
    kill_process(pid, signal).expect("it runs");
}

/// How long it takes from the start of `begin` until all of it is at the sink.
fn timed(count: usize, sink: &Sink, begin: impl FnOnce()) -> (f64, f64) {
    let (before, begun) = (sink.taken(), Instant::now());
    begin();
    until("everything is at smtp-sink", || (sink.taken() >= before + count as u64).then_some(()));
    (count as f64, begun.elapsed().as_secs_f64())
}

/// Over ten connections, each of an account of its own.
fn submit(dev: &Dev, count: usize) {
    let connect =
        |thread: usize| Smtp::try_submission(dev, dev.user(thread + 1)).expect("submission takes the account");
    all(count, connect, |thread| dev.user(thread + 1).address.clone());
}

fn enqueue(postfix: &Postfix, count: usize) {
    all(count, |_| Smtp::connect_to(postfix.port).expect("Postfix answers EHLO"), |_| "a@sender.test".to_owned());
}

fn all(count: usize, connect: impl Fn(usize) -> Smtp + Sync, sender: impl Fn(usize) -> String + Sync) {
    let begun = AtomicUsize::new(0);
    thread::scope(|scope| {
        for thread in 0..CONNECTIONS {
            let (begun, connect, sender) = (&begun, &connect, &sender);
            scope.spawn(move || {
                let (mut smtp, sender) = (connect(thread), sender(thread));
                loop {
                    let n = begun.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        break;
                    }
                    let message = text(n, &sender);
                    let reply = smtp.try_send(&sender, &["good@sink.test"], &message);
                    if reply.as_ref().is_none_or(|reply| reply.starts_with("421")) {
                        smtp = connect(thread);
                        smtp.send(&sender, &["good@sink.test"], &message);
                    } else {
                        assert!(reply.as_ref().is_some_and(|reply| reply.starts_with("250")), "{reply:?}");
                    }
                }
            });
        }
    });
}

/// A message by this sender.
fn text(n: usize, sender: &str) -> Vec<u8> {
    let message = String::from_utf8(crate::inbound::message(n as u64)).expect("ASCII");
    message.replacen("somebody@sender.test", sender, 1).into_bytes()
}
