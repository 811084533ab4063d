//! COMPRESS=DEFLATE with another implementation of deflate at the other end: what comes through, and what it costs.

use crate::memory::{MIB, forget_peak, memory};
use harness::{Dev, client};
use std::fs;
use std::process::Command;

fn deflate(what: &str, port: u16, ca: &str, rest: &[&str]) -> String {
    let mut command = Command::new("python3");
    command.arg(client::script("deflate.py")).args([what, &port.to_string(), ca]).args(rest);
    client::stdout(&client::run(&mut command))
}

#[test]
fn a_message_goes_there_and_back_in_the_clear_and_through_tls() {
    let dev = Dev::start(2, &[]);
    let ca = dev.ca().display().to_string();
    for (n, port, ca) in [(1, dev.port("imap"), "-"), (2, dev.port("imaps"), ca.as_str())] {
        let user = dev.user(n);
        deflate("talk", port, ca, &[&user.address, &user.password]);
    }
    dev.stop();
}

#[test]
fn a_bomb_costs_its_sender_time_and_the_front_end_no_memory() {
    let dev = Dev::start(1, &[]);
    let (user, pid) = (dev.user(1), dev.pid("imap", 1).expect("the front-end runs"));
    deflate("talk", dev.port("imap"), "-", &[&user.address, &user.password]);
    let before = memory(pid, "VmRSS");
    forget_peak(pid);
    deflate("bomb", dev.port("imap"), "-", &[&user.address, &user.password]);
    let added = memory(pid, "VmHWM").saturating_sub(before) / MIB;
    println!("three deflate bombs of 1 GiB: {added} MiB more at the peak");
    assert!(added < 16, "a deflate bomb cost {added} MiB");
    dev.stop();
}

#[test]
fn a_thousand_idle_deflated_sessions_over_tls_are_small() {
    let dev = Dev::start(10, &[]);
    let pid = dev.pid("imap", 1).expect("the front-end runs");
    let users: String = (1..=10).map(|n| format!("{} {}\n", dev.user(n).address, dev.user(n).password)).collect();
    let file = dev.scratch().join("users");
    fs::write(&file, users).expect("written");
    let before = memory(pid, "VmRSS");
    let (file, ca) = (file.display().to_string(), dev.ca().display().to_string());
    let during = deflate("idle", dev.port("imaps"), &ca, &[&file, "1000", &pid.to_string()]);
    let added = (during.trim().parse::<u64>().expect("KiB") * 1024).saturating_sub(before) / MIB;
    println!("1,000 idle deflated sessions over TLS: {added} MiB more than the {} MiB before", before / MIB);
    assert!(added < 72, "1,000 idle deflated sessions cost {added} MiB");
    dev.stop();
}
