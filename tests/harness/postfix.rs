//! Debian's Postfix as the receiving side: an instance with its own folders on loopback, which keeps what comes in files.

use crate::port::Port;
use crate::wait::until;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running Postfix; dropping it stops it.
///
/// It takes mail for any address whose local-part begins with `good`, or was rewritten by others (`SRS0`), says 550 to those that begin with `bad`, and 450 to those that begin with `later`.
pub struct Postfix {
    child: Child,
    folder: tempfile::TempDir,
    _kept: Port,
    /// SMTP port, on 127.0.0.1.
    pub port: u16,
}

impl Postfix {
    /// Starts with these further lines of `main.cf`; `None` where Postfix is not installed.
    pub fn start(settings: &[&str]) -> Option<Self> {
        Self::start_at(Port::free(), settings)
    }

    /// The same at a port that others were told of before: a server that it sends to is started first then.
    pub fn start_at(kept: Port, settings: &[&str]) -> Option<Self> {
        Command::new("postconf").arg("-d").arg("mail_version").output().ok()?;
        let folder = tempfile::Builder::new().prefix("postfix-").tempdir().expect("a temporary folder");
        let port = kept.number();
        let root = folder.path().display().to_string();
        for below in ["config", "queue", "data", "mail"] {
            fs::create_dir_all(folder.path().join(below)).expect("a folder");
        }
        fs::write(folder.path().join("users"), "/^(good|later|srs0)/ inbox/\n").expect("written");
        fs::write(folder.path().join("access"), "/^later/ 450 4.2.1 Come back later\n").expect("written");
        fs::write(folder.path().join("config/main.cf"), main_cf(&root, settings)).expect("written");
        fs::write(folder.path().join("config/master.cf"), master_cf(port)).expect("written");
        let run = |program: &str, arguments: &[&str]| {
            Command::new(program).args(arguments).status().is_ok_and(|status| status.success())
        };
        let below = |name: &str| format!("{root}/{name}");
        if !run("chown", &["-R", "postfix", &below("data"), &below("mail")]) || !run("chmod", &["755", &root]) {
            return None;
        }
        // Makes the folders of the queue; what it says of the rights of a temporary folder does not matter.
        let _ = Command::new("postfix").args(["-c", &below("config"), "check"]).output();
        let log = fs::File::create(folder.path().join("master.log")).expect("a log");
        let child = Command::new("/usr/lib/postfix/sbin/master")
            .args(["-d", "-c", &below("config")])
            .env("MAIL_CONFIG", below("config"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .ok()?;
        let peer = Self { child, folder, _kept: kept, port };
        until("Postfix listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        Some(peer)
    }

    /// The folder, for files that settings name before the start: see [`Postfix::certificate`].
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its processes descend from this one.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Every message that was delivered, whole, as files; in no order.
    pub fn messages(&self) -> Vec<Vec<u8>> {
        let entries = fs::read_dir(self.folder.path().join("mail/inbox/new")).into_iter().flatten().flatten();
        entries.filter_map(|entry| fs::read(entry.path()).ok()).collect()
    }

    /// Waits until this many are there.
    pub fn wait_for(&self, count: usize) -> Vec<Vec<u8>> {
        until("Postfix delivers", || Some(self.messages()).filter(|messages| messages.len() >= count))
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The settings for STARTTLS with this certificate.
    pub fn tls(cert: &Path, key: &Path) -> Vec<String> {
        vec![
            "smtpd_tls_security_level = may".to_owned(),
            format!("smtpd_tls_cert_file = {}", cert.display()),
            format!("smtpd_tls_key_file = {}", key.display()),
        ]
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- postfix\n{}", self.log());
        }
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        drop(self.child.wait());
    }
}

fn main_cf(root: &str, settings: &[&str]) -> String {
    let mut text = format!(
        "compatibility_level = 3.6\nqueue_directory = {root}/queue\ndata_directory = {root}/data\n\
         mail_owner = postfix\nsetgid_group = postdrop\nmaillog_file = {root}/log\nmaillog_file_prefixes = /tmp, {root}\n\
         myhostname = mx.postfix.test\nmydestination =\nmynetworks = 127.0.0.1/32\ninet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\nvirtual_mailbox_domains = static:ALL\nvirtual_mailbox_base = {root}/mail\n\
         virtual_mailbox_maps = regexp:{root}/users\nvirtual_uid_maps = static:{uid}\nvirtual_gid_maps = static:{uid}\n\
         virtual_minimum_uid = 1\nvirtual_transport = virtual\nvirtual_mailbox_limit = 0\nmessage_size_limit = 50000000\n\
         smtpd_recipient_restrictions = check_recipient_access regexp:{root}/access, permit_mynetworks, reject\n\
         smtpd_client_connection_rate_limit = 0\nsmtpd_client_connection_count_limit = 0\n\
         alias_maps =\nalias_database =\nsmtpd_tls_session_cache_database =\n",
        uid = postfix_uid(),
    );
    for line in settings {
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn master_cf(port: u16) -> String {
    let rows = [
        format!("127.0.0.1:{port} inet n - n - - smtpd"),
        "cleanup unix n - n - 0 cleanup".to_owned(),
        "qmgr unix n - n 300 1 qmgr".to_owned(),
        "tlsmgr unix - - n 1000? 1 tlsmgr".to_owned(),
        "rewrite unix - - n - - trivial-rewrite".to_owned(),
        "bounce unix - - n - 0 bounce".to_owned(),
        "defer unix - - n - 0 bounce".to_owned(),
        "trace unix - - n - 0 bounce".to_owned(),
        "verify unix - - n - 1 verify".to_owned(),
        "proxymap unix - - n - - proxymap".to_owned(),
        "anvil unix - - n - 1 anvil".to_owned(),
        "error unix - - n - - error".to_owned(),
        "retry unix - - n - - error".to_owned(),
        "discard unix - - n - - discard".to_owned(),
        "smtp unix - - n - - smtp".to_owned(),
        "virtual unix - n n - - virtual".to_owned(),
        "postlog unix-dgram n - n - 1 postlogd".to_owned(),
    ];
    rows.join("\n") + "\n"
}

fn postfix_uid() -> String {
    let answer = Command::new("id").args(["-u", "postfix"]).output().expect("id");
    String::from_utf8_lossy(&answer.stdout).trim().to_owned()
}

/// A certificate for a name that vouches for itself, made with OpenSSL's command line: certificate and key.
pub fn certificate(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let file = |end: &str| folder.join(format!("{name}.{end}"));
    let (cert, key, config) = (file("crt"), file("key"), file("cnf"));
    let text = format!(
        "[req]\ndistinguished_name = dn\nx509_extensions = v3\n[dn]\n[v3]\nbasicConstraints = critical, CA:FALSE\n\
         subjectAltName = DNS:{name}\n"
    );
    fs::write(&config, text).expect("written");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj"])
        .arg(format!("/CN={name}"))
        .arg("-config")
        .arg(&config)
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output();
    assert!(made.is_ok_and(|made| made.status.success()), "openssl makes a certificate");
    (cert, key)
}
