//! A real clamd with a signature of the test's own and a real rspamd change what becomes of a message; stopped or silent, they
//! hold none up beyond the wait that is configured.

use harness::port::Port;
use harness::{Dev, Smtp, client, until};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What the signature finds, in hex: `a-virus-of-the-tests-own`.
const SIGNATURE: &str = "Tests.Own:0:*:612d76697275732d6f662d7468652d74657374732d6f776e\n";
const VIRUS: &str = "a-virus-of-the-tests-own";
/// The text that every rspamd knows as spam.
const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";
/// The wait that is configured where an engine is to answer: on a busy machine that takes a while.
const LONG_MS: u64 = 60_000;
/// Where it does not answer.
const SHORT_MS: u64 = 2000;

/// A daemon of the test's own; it ends with it.
struct Daemon(Child, Port);

impl Daemon {
    fn port(&self) -> u16 {
        self.1.number()
    }

    /// Sends a signal to it and to all that it started.
    fn signal(&self, signal: &str) {
        let me = self.0.id().to_string();
        let children = Command::new("pgrep").args(["-P", &me]).output().expect("pgrep runs");
        let children = String::from_utf8_lossy(&children.stdout).into_owned();
        for pid in children.split_whitespace().chain([me.as_str()]) {
            // One may have ended by itself.
            let _ = Command::new("kill").args([signal, pid]).output();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.signal("-KILL");
        let _ = self.0.wait();
    }
}

fn answers(port: u16) -> Option<()> {
    TcpStream::connect(("127.0.0.1", port)).ok().map(drop)
}

fn clamd(folder: &Path) -> Daemon {
    let kept = Port::free();
    let port = kept.number();
    let database = folder.join("signatures");
    fs::create_dir(&database).expect("a folder");
    fs::write(database.join("own.ndb"), SIGNATURE).expect("written");
    let config = folder.join("clamd.conf");
    let text = format!(
        "Foreground yes\nTCPSocket {port}\nTCPAddr 127.0.0.1\nDatabaseDirectory {}\nTemporaryDirectory {}\nLogFile {}\n",
        database.display(),
        folder.display(),
        folder.join("clamd.log").display()
    );
    fs::write(&config, text).expect("written");
    let mut command = Command::new("clamd");
    command.arg("-c").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let daemon = Daemon(command.spawn().expect("clamd starts; scripts/setup installs it"), kept);
    until("clamd listens", || answers(port));
    daemon
}

fn rspamd(folder: &Path) -> Daemon {
    let kept = Port::free();
    let port = kept.number();
    let config = folder.join("rspamd.conf");
    // Its own pattern is known without rules, and they would ask lists of the world.
    let text = format!(
        "options {{ pidfile = \"{0}/rspamd.pid\"; tempdir = \"{0}\"; filters = \"\"; dns {{ nameserver = \"127.0.0.1:1\"; }} }}\n\
         actions {{ reject = 15; add_header = 6; }}\n\
         logging {{ type = \"file\"; filename = \"{0}/rspamd.log\"; }}\n\
         worker \"normal\" {{ bind_socket = \"127.0.0.1:{port}\"; count = 1; }}\n",
        folder.display()
    );
    fs::write(&config, text).expect("written");
    let mut command = Command::new("rspamd");
    command.arg("-f").arg("-c").arg(&config).arg("-i").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let daemon = Daemon(command.spawn().expect("rspamd starts; scripts/setup installs it"), kept);
    until("rspamd listens", || answers(port));
    daemon
}

fn dev(folder: &Path, wait_ms: u64, mx: &str) -> Dev {
    let file = folder.join("settings.toml");
    let settings = format!("[mx]\npolicy_on_loopback = true\nengine_wait_ms = {wait_ms}\n{mx}\n");
    fs::write(&file, settings).expect("written");
    Dev::start(1, &["--settings", file.to_str().expect("UTF-8")])
}

fn send(dev: &Dev, body: &str) -> String {
    let mut smtp = Smtp::connect(dev);
    smtp.command("MAIL FROM:<a@sender.example>");
    smtp.command(&format!("RCPT TO:<{}>", dev.user(1).address));
    smtp.command("DATA");
    let head = "From: a@sender.example\r\nDate: Mon, 24 Nov 2025 05:07:09 +0000\r\nMessage-ID: <1@sender.example>\r\nSubject: x";
    smtp.command(&format!("{head}\r\n\r\n{body}\r\n."))
}

#[test]
fn clamd_refuses_and_when_it_stops_mail_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let daemon = clamd(folder.path());
    let dev = dev(folder.path(), LONG_MS, &format!("clamd = \"127.0.0.1:{}\"", daemon.port()));
    assert_eq!(send(&dev, VIRUS), "552 5.7.0 The message has a virus in it");
    assert!(send(&dev, "clean").starts_with("250 2.0.0 "));
    drop(daemon);
    assert!(send(&dev, VIRUS).starts_with("250 2.0.0 "));
    dev.stop();
}

/// What the MX counted of answers that did not come.
fn unanswered(dev: &Dev, engine: &str) -> u64 {
    let url = format!("http://127.0.0.1:{}/metrics", dev.port("metrics"));
    let text = until("the MX tells of itself", || {
        let output = client::run(Command::new("curl").args(["-sS", &url]));
        Some(client::stdout(&output)).filter(|text| text.contains("process=\"mx-1\""))
    });
    let of = |line: &&str| {
        line.starts_with("brevdue_mx_engine") && [engine, "\"none\""].iter().all(|part| line.contains(part))
    };
    text.lines().find(of).map_or(0, |line| line.rsplit(' ').next().expect("a value").parse().expect("a number"))
}

#[test]
fn both_frozen_or_stopped_have_no_say_and_hold_nobody_up() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (scanner, filter) = (clamd(folder.path()), rspamd(folder.path()));
    let settings = format!("clamd = \"127.0.0.1:{}\"\nrspamd = \"http://127.0.0.1:{}\"", scanner.port(), filter.port());
    let dev = dev(folder.path(), SHORT_MS, &settings);
    let bad = format!("{VIRUS}\r\n{GTUBE}");
    // The first answer of a daemon that has just begun may come too late.
    until("they have their say", || send(&dev, &bad).starts_with("55").then_some(()));
    let counted = || [unanswered(&dev, "rspamd"), unanswered(&dev, "clamd")];
    let before = counted();
    // There, and silent: the message is taken while they stand still, also one that is larger than what fits on the way to them.
    let large = format!("{bad}\r\n{}", "x\r\n".repeat(2_000_000));
    for daemon in [&scanner, &filter] {
        daemon.signal("-STOP");
    }
    for body in [&bad, &large] {
        assert!(send(&dev, body).starts_with("250 2.0.0 "));
    }
    for daemon in [&scanner, &filter] {
        daemon.signal("-CONT");
    }
    until("each wait is counted", || (counted() == before.map(|count| count + 2)).then_some(()));
    until("they have their say again", || send(&dev, &bad).starts_with("55").then_some(()));
    drop((scanner, filter));
    assert!(send(&dev, &bad).starts_with("250 2.0.0 "));
    dev.stop();
}

#[test]
fn one_that_says_nothing_is_waited_for_no_longer_than_configured() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let dev =
        dev(folder.path(), SHORT_MS, &format!("rspamd = \"http://127.0.0.1:{port}\"\nclamd = \"127.0.0.1:{port}\""));
    assert!(send(&dev, &"x\r\n".repeat(200_000)).starts_with("250 2.0.0 "));
    drop(silent);
    dev.stop();
}

#[test]
fn rspamd_scores() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let daemon = rspamd(folder.path());
    let dev = dev(folder.path(), LONG_MS, &format!("rspamd = \"http://127.0.0.1:{}\"", daemon.port()));
    assert!(send(&dev, "hello").starts_with("250 2.0.0 "));
    assert_eq!(send(&dev, GTUBE), "550 5.7.0 The message looks like spam");
    dev.stop();
}
