//! A queue that grows to 100,000 messages because nobody takes them: what node and outbound hold in memory meanwhile, and
//! that the operator is answered.

use crate::{CONNECTIONS, setting};
use harness::meter::resident_bytes;
use harness::zone::Zone;
use harness::{Dev, Smtp};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// Domains that they go to.
const DOMAINS: usize = 500;
/// Octets in a MiB.
const MIB: f64 = 1_048_576.0;

pub fn run() {
    let domain = |n: usize| format!("d{n}.test. 300 MX 10 mx.test.\n");
    let zone = Zone::start(&((0..DOMAINS).map(domain).collect::<String>() + "mx.test. 300 A 127.0.0.1\n"));
    // A port at which nobody listens, held so that nobody else does.
    let nobody = TcpListener::bind(("127.0.0.2", 0)).expect("a port");
    let port = nobody.local_addr().expect("bound").port();
    let settings = format!("[outbound]\nport = {port}\nallow_private = true\nmta_sts = false\ntls_reports = false\n");
    let (dev, _folder) = crate::start(&zone, CONNECTIONS, &settings);
    let crowd = setting("CROWD", 100_000);
    println!(
        "\n{:>10}{:>12}{:>14}{:>18}{:>12}{:>10}",
        "queued", "node MiB", "outbound MiB", "submission MiB", "list ms", "a second"
    );
    let mut steps = vec![crowd / 100, crowd / 10, crowd / 4, crowd / 2, crowd];
    steps.insert(0, 0);
    for pair in steps.windows(2) {
        let (before, begun) = (pair[0], Instant::now());
        submit(&dev, before..pair[1]);
        let rate = (pair[1] - before) as f64 / begun.elapsed().as_secs_f64();
        look(&dev, rate);
    }
    dev.stop();
}

fn look(dev: &Dev, rate: f64) {
    let begun = Instant::now();
    let total = crate::operate(dev, &["queue", "list", "--limit", "100"])["total"].as_u64().unwrap_or(0);
    let listed = begun.elapsed().as_secs_f64() * 1e3;
    let mib = |role: &str| resident_bytes(dev.pid(role, 1).expect("it runs")) as f64 / MIB;
    let (node, outbound, submission) = (mib("node"), mib("outbound"), mib("submission"));
    println!("{total:>10}{node:>12.1}{outbound:>14.1}{submission:>18.1}{listed:>12.0}{rate:>10.0}");
}

fn submit(dev: &Dev, numbers: std::ops::Range<usize>) {
    let (next, end) = (AtomicUsize::new(numbers.start), numbers.end);
    thread::scope(|scope| {
        for thread in 0..CONNECTIONS {
            let next = &next;
            scope.spawn(move || {
                let user = dev.user(thread + 1);
                let connect = || Smtp::try_submission(dev, user).expect("submission takes the account");
                let mut smtp = connect();
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= end {
                        break;
                    }
                    let to = format!("x{n}@d{}.test", n % DOMAINS);
                    let message =
                        format!("From: {}\r\nTo: {to}\r\nSubject: {n}\r\n\r\n{}", user.address, "text\r\n".repeat(400));
                    let reply = smtp.try_send(&user.address, &[&to], message.as_bytes());
                    if reply.as_ref().is_none_or(|reply| reply.starts_with("421")) {
                        smtp = connect();
                        smtp.send(&user.address, &[&to], message.as_bytes());
                    } else {
                        assert!(reply.as_ref().is_some_and(|reply| reply.starts_with("250")), "{reply:?}");
                    }
                }
            });
        }
    });
}
