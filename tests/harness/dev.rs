//! One `brevdue dev` in a temporary folder, with its users, ports and processes.

use crate::wait::{self, until};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// Someone with a mailbox.
#[derive(Debug, Clone)]
pub struct User {
    /// Full address, which is the sign-in name.
    pub address: String,
    /// A generated password, so that sign-in is quick.
    pub password: String,
}

impl User {
    /// With a password of their own.
    pub fn new(address: &str) -> Self {
        let password = vault::credential::generate_password().expect("randomness").expose().to_owned();
        Self { address: address.to_owned(), password }
    }
}

/// A running system. Dropping it kills every process that is left; [`Dev::stop`] asks it to drain and checks that it does.
pub struct Dev {
    child: Child,
    folder: PathBuf,
    /// Removes the folder, unless it is to be kept.
    _temporary: Option<tempfile::TempDir>,
    ready: Value,
    users: Vec<User>,
    arguments: Vec<String>,
}

/// The binary under test, built once per test run so that it is never an old one; or the one that the environment's BREVDUE
/// names, for long runs beside which the tree changes.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(given) = std::env::var_os("BREVDUE") {
            return PathBuf::from(given);
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests folder has a parent");
        // …/target/debug/deps/scenarios-… → …/target/debug/brevdue
        let me = std::env::current_exe().expect("a test has a path");
        let folder = me.ancestors().nth(2).expect("target/PROFILE/deps").to_owned();
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--package", "brevdue"]).current_dir(root);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the binary does not build");
        folder.join("brevdue")
    })
}

/// Whether every thread of the process is stopped (proc(5): the state stands behind the name in parentheses).
fn stands_still(pid: i32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process is there");
    tasks.flatten().all(|task| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
    })
}

impl Dev {
    /// Starts with `count` users `u1@example.test`…, and these further arguments of `brevdue dev`.
    pub fn start(count: usize, arguments: &[&str]) -> Self {
        let users = (1..=count).map(|n| User::new(&format!("u{n}@example.test"))).collect();
        Self::start_with(users, arguments)
    }

    /// Starts with these users.
    pub fn start_with(users: Vec<User>, arguments: &[&str]) -> Self {
        let temporary = tempfile::Builder::new().prefix("brevdue-test-").tempdir().expect("a temporary folder");
        let folder = temporary.path().to_owned();
        let mut dev = Self::on(folder, users, arguments);
        dev._temporary = Some(temporary);
        dev
    }

    /// Starts on a folder that is kept, with users of these addresses: those who are there already, and new ones.
    pub fn start_in(folder: &Path, addresses: &[String]) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        let known = fs::read_to_string(folder.join("users")).unwrap_or_default();
        let known: Vec<User> = known
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(address, password)| User { address: address.to_owned(), password: password.to_owned() })
            .collect();
        let of = |address: &String| known.iter().find(|user| user.address == *address).cloned();
        let users: Vec<User> =
            addresses.iter().map(|address| of(address).unwrap_or_else(|| User::new(address))).collect();
        let others = known.iter().filter(|user| !addresses.contains(&user.address)).cloned();
        Self::on(folder.to_owned(), users.iter().cloned().chain(others).collect(), &[])
    }

    fn on(folder: PathBuf, users: Vec<User>, arguments: &[&str]) -> Self {
        let list: String = users.iter().map(|user| format!("{} {}\n", user.address, user.password)).collect();
        fs::write(folder.join("users"), list).expect("the list of users");
        let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        let (child, ready) = launch(&folder, &arguments);
        Self { child, folder, _temporary: None, ready, users, arguments }
    }

    /// The nth user, from 1.
    pub fn user(&self, n: usize) -> &User {
        &self.users[n - 1]
    }
    /// The folder with everything that is stored.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
    /// A folder for the test's own files.
    pub fn scratch(&self) -> PathBuf {
        let scratch = self.folder.join("scratch");
        fs::create_dir_all(&scratch).expect("a scratch folder");
        scratch
    }
    /// Process id of `brevdue dev` itself.
    pub fn process(&self) -> u32 {
        self.child.id()
    }
    /// A port of the ready file.
    pub fn port(&self, name: &str) -> u16 {
        port_of(&self.ready["ports"][name], name)
    }
    /// The IMAP port of the nth front-end, from 1.
    pub fn imap_port(&self, n: usize) -> u16 {
        port_of(&self.ready["imap_all"][n - 1]["imap"], "imap_all")
    }
    /// The CA's certificate file.
    pub fn ca(&self) -> PathBuf {
        PathBuf::from(self.ready["ca"].as_str().expect("ca in the ready file"))
    }
    /// The whole ready file.
    pub fn ready(&self) -> &Value {
        &self.ready
    }
    /// Process id of the nth process of a role now, from 1.
    pub fn pid(&self, role: &str, n: usize) -> Option<i32> {
        let file = self.data().join("run").join(format!("{role}-{n}.pid"));
        fs::read_to_string(file).ok()?.trim().parse().ok()
    }

    /// SIGKILL for the nth process of a role; returns once another has taken its place.
    pub fn kill_and_wait(&self, role: &str, n: usize) {
        let before = self.kill(role, n);
        until("the supervisor starts the role again", || self.pid(role, n).filter(|&pid| pid != before));
    }
    /// SIGKILL for the nth process of a role; returns its process id.
    pub fn kill(&self, role: &str, n: usize) -> i32 {
        let pid = until("the role runs", || self.pid(role, n));
        signal(pid, rustix::process::Signal::KILL);
        pid
    }

    /// SIGTERM for the nth process of a role; returns once it has ended and another has taken its place.
    pub fn terminate_and_wait(&self, role: &str, n: usize) {
        let before = until("the role runs", || self.pid(role, n));
        signal(before, rustix::process::Signal::TERM);
        until("the supervisor starts the role again", || self.pid(role, n).filter(|&pid| pid != before));
    }

    /// Stops the nth process of a role where it is (SIGSTOP), or lets it go on: it is there and answers nothing.
    pub fn freeze(&self, role: &str, n: usize, frozen: bool) {
        let pid = self.pid(role, n).unwrap_or_else(|| panic!("no process of {role}-{n}"));
        if !frozen {
            return signal(pid, rustix::process::Signal::CONT);
        }
        signal(pid, rustix::process::Signal::STOP);
        // The signal has been sent, and not yet seen by a thread that runs on another processor.
        until("every thread stands still", || stands_still(pid).then_some(()));
    }

    /// Asks for a drain and checks that the exit is clean.
    pub fn stop(mut self) {
        self.terminate();
    }

    /// Stops cleanly and starts again on the same data.
    pub fn restart(&mut self) {
        self.restart_after(|| {});
    }

    /// Stops cleanly, has something done, and starts again on the same data.
    pub fn restart_after(&mut self, meanwhile: impl FnOnce()) {
        self.terminate();
        meanwhile();
        (self.child, self.ready) = launch(&self.folder, &self.arguments);
    }

    fn terminate(&mut self) {
        signal(self.child.id() as i32, rustix::process::Signal::TERM);
        let status = until("brevdue dev drains and exits", || self.child.try_wait().expect("the child can be asked"));
        assert!(status.success(), "brevdue dev exited with {status}: {}", self.log_tail());
    }

    /// The files of mail that waits for somebody who is away.
    pub fn waiting_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        below(&self.data().join("nodes"), &mut found);
        found.retain(|path| path.ancestors().any(|above| above.file_name().is_some_and(|name| name == "waiting")));
        found
    }

    /// Waits until nobody's mail waits any more: a sign-in goes on after a while, though much of it is still on its way.
    pub fn drained(&self) {
        until("nothing waits", || self.waiting_files().is_empty().then_some(()));
    }

    fn log_tail(&self) -> String {
        tail(&self.folder.join("dev.log"))
    }
    /// What a role's process logged.
    pub fn log(&self, role: &str, n: usize) -> String {
        fs::read_to_string(self.data().join("log").join(format!("{role}-{n}.log"))).unwrap_or_default()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        if std::thread::panicking() {
            eprintln!("---- dev.log\n{}", self.log_tail());
            for entry in fs::read_dir(self.data().join("log")).into_iter().flatten().flatten() {
                eprintln!("---- {}\n{}", entry.path().display(), tail(&entry.path()));
            }
        }
        // The children end when their parent does, but for one that stands still: nobody would wake it.
        let children = fs::read_dir(self.data().join("run")).into_iter().flatten().flatten();
        let pid = |entry: fs::DirEntry| fs::read_to_string(entry.path()).ok()?.trim().parse().ok();
        let children: Vec<i32> = children.filter_map(pid).collect();
        signal(self.child.id() as i32, rustix::process::Signal::KILL);
        drop(self.child.wait());
        children.into_iter().for_each(|pid| signal(pid, rustix::process::Signal::KILL));
    }
}

/// Every file below a folder.
fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// A process that is not ready yet: it ends with whoever gives up waiting for it.
struct Unready(Option<Child>);

impl Drop for Unready {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn launch(folder: &Path, arguments: &[String]) -> (Child, Value) {
    let ready = folder.join("ready.json");
    drop(fs::remove_file(&ready));
    let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("dev.log")).expect("a log");
    let child = Command::new(binary())
        .args(["dev", "--ports", "auto", "--data"])
        .arg(folder.join("data"))
        .arg("--users")
        .arg(folder.join("users"))
        .arg("--ready")
        .arg(&ready)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("brevdue dev starts");
    let mut unready = Unready(Some(child));
    let answer = until("brevdue dev is ready", || {
        let ended = unready.0.as_mut().map(Child::try_wait).transpose().expect("the child can be asked").flatten();
        assert!(ended.is_none(), "brevdue dev exited with {ended:?}: {}", tail(&folder.join("dev.log")));
        serde_json::from_str(&fs::read_to_string(&ready).ok()?).ok()
    });
    (unready.0.take().expect("it was started"), answer)
}

fn signal(pid: i32, signal: rustix::process::Signal) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        // It may have ended by itself meanwhile.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

fn port_of(value: &Value, name: &str) -> u16 {
    value
        .as_u64()
        .and_then(|port| u16::try_from(port).ok())
        .unwrap_or_else(|| panic!("no port {name} in the ready file"))
}

fn tail(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// A socket's time limit: the tests' deadline.
pub(crate) const IO_LIMIT: std::time::Duration = wait::DEADLINE;
