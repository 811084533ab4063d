//! `brevdue dev` from outside, and the commands on its folder while it runs and while it does not.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "tests")]

mod support;

use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{Ended, brevdue, refused, with_input};

/// Seconds that anything here may take.
const PATIENCE_SECONDS: u64 = 120;

struct Dev {
    child: Child,
    ready: Value,
}

impl Dev {
    fn start(folder: &Path, words: &[&str]) -> Self {
        let ready = folder.join("ready.json");
        // That of the run before would be taken for this one's.
        let _ = fs::remove_file(&ready);
        let log = fs::File::create(folder.join("dev.log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_brevdue"))
            .args(["dev", "--ports", "auto", "--data"])
            .arg(folder.join("data"))
            .arg("--ready")
            .arg(&ready)
            .args(words)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let told = until(|| {
            assert!(child.try_wait().unwrap().is_none(), "{}", fs::read_to_string(folder.join("dev.log")).unwrap());
            serde_json::from_str(&fs::read_to_string(&ready).ok()?).ok()
        });
        Self { child, ready: told }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Asks it to end, and gives its exit code.
    fn stop(mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        until(|| self.child.try_wait().unwrap()).code()
    }

    fn get(&self, path: &str) -> String {
        let port = u16::try_from(self.ready["ports"]["metrics"].as_u64().unwrap()).unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The tagged answer of a sign-in over plaintext IMAP.
    fn sign_in(&self, address: &str, password: &str) -> String {
        let port = u16::try_from(self.ready["ports"]["imap"].as_u64().unwrap()).unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(format!("a LOGIN {address} {password}\r\nb LOGOUT\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let tagged = answer.lines().find(|line| line.starts_with("a ")).unwrap_or_else(|| panic!("{answer}"));
        tagged.split(' ').nth(1).unwrap().to_owned()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // Its processes end when it does.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(PATIENCE_SECONDS);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE_SECONDS} s");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn json(ended: &Ended) -> Value {
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{ended:?}");
    serde_json::from_str(&ended.out).unwrap()
}

fn pids(data: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(data.join("run")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Directory, node, two IMAP front-ends, POP3, MX, submission, outbound, backup.
const PROCESSES: usize = 9;

#[test]
fn a_system_with_its_users_from_start_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let at = |words: &[&str]| {
        [&["--data", data.to_str().unwrap()], words].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let dev = Dev::start(folder.path(), &["--imap", "2", "--user", "Ann@X.test", "--user", "bob@y.test:short"]);

    let users = dev.ready["users"].as_array().unwrap().clone();
    let ann = users[0]["password"].as_str().unwrap().to_owned();
    assert_eq!((users[0]["address"].as_str(), users[1]["password"].as_str()), (Some("ann@x.test"), Some("short")));
    assert_eq!((dev.ready["domain"].as_str(), dev.ready["imap_all"].as_array().unwrap().len()), (Some("x.test"), 2));
    assert_eq!(dev.ready["pid"].as_u64(), Some(dev.child.id().into()));
    assert_eq!(dev.ready["processes"].as_array().unwrap().len(), PROCESSES);
    assert!(Path::new(dev.ready["ca"].as_str().unwrap()).is_file());
    assert_eq!(pids(&data).len(), PROCESSES);
    assert_eq!((dev.sign_in("ann@x.test", &ann), dev.sign_in("bob@y.test", "wrong")), ("OK".into(), "NO".into()));

    let health = dev.get("/health");
    assert!(health.starts_with("HTTP/1.0 200 OK") && health.contains("\"process\":\"imap-2\""), "{health}");
    assert!(dev.get("/metrics").contains("{process=\"mx-1\",role=\"mx\""));
    let why = refused(at(&["dev", "--ports", "auto"]));
    let (canonical, pid) = (fs::canonicalize(&data).unwrap(), dev.child.id());
    let shown = canonical.display();
    assert_eq!(
        why,
        format!("{shown}: another `brevdue dev` (process {pid}) holds this folder; stop it, or give another --data")
    );

    // While it runs, and after it, the same commands work on the same catalogue.
    aliases_and_passwords(&at, &ann, folder.path());
    // Revoked and added just now: the front-end hears of it within a second.
    until(|| (dev.sign_in("carol@z.test", "chosen") == "NO").then_some(()));
    until(|| (dev.sign_in("carol@z.test", "another") == "OK").then_some(()));
    assert_eq!(dev.stop(), Some(0));
    assert_eq!(pids(&data), Vec::<PathBuf>::new());
    assert_eq!(brevdue(at(&["domain", "add", "offline.test"])).code, 0);

    let dev = Dev::start(folder.path(), &[]);
    assert_eq!(dev.ready["users"].as_array().unwrap(), &users);
    assert_eq!(dev.sign_in("ann@x.test", &ann), "OK");
    let domains = json(&brevdue(at(&["domain", "list", "--json"])));
    let names: Vec<_> = domains.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["health.brevdue.internal", "offline.test", "x.test", "y.test", "z.test"]);
    assert_eq!(dev.stop(), Some(0));
}

fn aliases_and_passwords(at: &impl Fn(&[&str]) -> Vec<String>, ann: &str, scratch: &Path) {
    assert!(refused(at(&["alias", "add", "carol@z.test"])).contains("`brevdue domain add z.test`"));
    assert_eq!(
        brevdue(at(&["domain", "add", "Z.test"])).out,
        "z.test: mail is taken for it from now on\nWhat it needs in DNS: brevdue dns z.test\n"
    );
    assert!(refused(at(&["domain", "add", "z.test"])).starts_with("z.test: the domain exists already"));
    let carol = json(&with_input(at(&["alias", "add", "carol@z.test", "--password-stdin", "--json"]), "chosen\n"));
    assert_eq!((carol["address"].as_str(), carol.get("password")), (Some("carol@z.test"), None));
    assert!(carol["recovery_key"].as_str().unwrap().starts_with("BDR-"));
    assert_eq!(refused(at(&["alias", "add", "carol@z.test"])), "carol@z.test: the alias exists already");
    assert!(refused(at(&["alias", "add", "carol+x@z.test"])).contains("an alias has no +"));

    // A password that is there opens the way for another; the recovery key does too.
    let present = scratch.join("present");
    let present_name = present.to_str().unwrap();
    fs::write(&present, "not it").unwrap();
    let why = refused(at(&["alias", "password", "ann@x.test", "--password-file", present_name]));
    assert!(why.starts_with("ann@x.test: the present password is wrong"), "{why}");
    assert!(refused(at(&["alias", "password", "ann@x.test"])).contains("--password-file"));
    fs::write(&present, ann).unwrap();
    let phone = brevdue(at(&["alias", "password", "ann@x.test", "--name", "phone", "--password-file", present_name]));
    assert!(phone.code == 0 && phone.out.starts_with("bd_"), "{phone:?}");
    let again = refused(at(&["alias", "password", "ann@x.test", "--name", "phone", "--password-file", present_name]));
    assert!(again.contains("a password named phone already"), "{again}");
    fs::write(&present, carol["recovery_key"].as_str().unwrap()).unwrap();
    let words =
        at(&["alias", "password", "carol@z.test", "--password-file", present_name, "--password-stdin", "--json"]);
    assert_eq!(
        json(&with_input(words, "another")),
        serde_json::json!({"address": "carol@z.test", "label": "password-2"})
    );

    let rows = json(&brevdue(at(&["alias", "credentials", "carol@z.test", "--json"])));
    let mut labels: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| (row["label"].as_str(), row["kind"].as_str())).collect();
    labels.sort_unstable();
    let expected = [("first", "chosen"), ("password-2", "chosen"), ("recovery", "recovery")];
    assert_eq!(labels, expected.map(|(label, kind)| (Some(label), Some(kind))));
    assert!(refused(at(&["alias", "revoke", "carol@z.test", "first"])).contains("--yes"));
    for label in ["first", "recovery"] {
        assert_eq!(brevdue(at(&["alias", "revoke", "carol@z.test", label, "--yes"])).code, 0);
    }
    assert!(refused(at(&["alias", "revoke", "carol@z.test", "first", "--yes"])).contains("unknown credential"));
    assert!(refused(at(&["alias", "revoke", "carol@z.test", "password-2", "--yes"])).contains("last credential"));
    let listed = json(&brevdue(at(&["alias", "list", "z.test", "--json"])));
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

/// Whether the process is there, and not only waiting to be reaped by whoever inherited it.
fn runs(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn what_the_directory_acknowledged_outlives_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let dev = Dev::start(folder.path(), &[]);
    let name = data.to_str().unwrap();
    let pid_file = data.join("run/directory-1.pid");
    let pid = || fs::read_to_string(&pid_file).ok()?.trim().parse::<i32>().ok();
    for n in 0..5 {
        let domain = format!("d{n}.test");
        assert_eq!(brevdue(["--data", name, "domain", "add", &domain]).code, 0);
        let before = pid().unwrap();
        let killed = rustix::process::Pid::from_raw(before).unwrap();
        rustix::process::kill_process(killed, rustix::process::Signal::KILL).unwrap();
        // Asked at once: the answer waits for the next process.
        let listed = json(&brevdue(["--data", name, "domain", "list", "--json"]));
        assert!(listed.as_array().unwrap().iter().any(|row| row["name"] == domain.as_str()), "{listed}");
        until(|| pid().filter(|&pid| pid != before));
    }
    assert_eq!(dev.stop(), Some(0));
}

#[test]
fn a_process_that_dies_comes_back_and_a_killed_dev_leaves_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let dev = Dev::start(folder.path(), &["--user", "ann@x.test:pw"]);
    let pid_of = |name: &str| fs::read_to_string(data.join("run").join(name)).ok()?.trim().parse::<i32>().ok();
    let before = pid_of("imap-1.pid").unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(before).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
    until(|| pid_of("imap-1.pid").filter(|&pid| pid != before));
    // The port is the same, and a connection that comes before the process waits for it.
    assert_eq!(dev.sign_in("ann@x.test", "pw"), "OK");

    let children: Vec<i32> =
        ["directory-1", "node-1", "imap-1", "mx-1"].iter().filter_map(|name| pid_of(&format!("{name}.pid"))).collect();
    assert_eq!(children.len(), 4);
    drop(dev);
    // The next one waits until those of the last have drained.
    let dev = Dev::start(folder.path(), &[]);
    // What they held is free a moment before they are gone.
    until(|| children.iter().all(|&pid| !runs(pid)).then_some(()));
    assert_eq!(dev.sign_in("ann@x.test", "pw"), "OK");
    assert_eq!(dev.stop(), Some(0));
}
