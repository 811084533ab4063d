//! Debian's Dovecot as a peer: IMAP and LMTP on free loopback ports, mdbox, in a temporary folder.

use crate::dev::User;
use crate::port::Port;
use crate::wait::until;
use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running Dovecot; dropping it stops it.
pub struct Dovecot {
    child: Child,
    folder: tempfile::TempDir,
    _kept: [Port; 2],
    /// IMAP port.
    pub imap: u16,
    /// LMTP port.
    pub lmtp: u16,
}

impl Dovecot {
    /// Starts with these users; `None` where Dovecot is not installed.
    pub fn start(users: &[User]) -> Option<Self> {
        Self::start_with(users, "")
    }

    /// The same, with further lines of its configuration, which win over those before.
    pub fn start_with(users: &[User], further: &str) -> Option<Self> {
        Command::new("dovecot").arg("--version").output().ok()?;
        let folder = tempfile::Builder::new().prefix("dovecot-").tempdir().expect("a temporary folder");
        let root = folder.path().display();
        let kept = [Port::free(), Port::free()];
        let [imap, lmtp] = kept.each_ref().map(Port::number);
        let passwords: String =
            users.iter().map(|user| format!("{}:{{PLAIN}}{}\n", user.address, user.password)).collect();
        fs::write(folder.path().join("users"), passwords).expect("written");
        let owner = "mail";
        let configuration = format!(
            "base_dir = {root}/run\nstate_dir = {root}/state\nlog_path = {root}/log\nprotocols = imap lmtp\nssl = no\n\
             listen = 127.0.0.1\ndisable_plaintext_auth = no\nmail_location = mdbox:{root}/mail/%u\nmail_uid = {owner}\n\
             mail_gid = {owner}\nfirst_valid_uid = 1\nfirst_valid_gid = 1\nmail_max_userip_connections = 1000\n\
             default_vsz_limit = 0\nauth_mechanisms = plain login\nmail_fsync = optimized\n\
             passdb {{\n driver = passwd-file\n args = {root}/users\n}}\n\
             userdb {{\n driver = static\n args = uid={owner} gid={owner} home={root}/mail/%u allow_all_users=yes\n}}\n\
             service auth {{\n client_limit = 4000\n unix_listener {root}/auth {{\n  mode = 0666\n }}\n}}\n\
             service imap-login {{\n inet_listener imap {{\n port = {imap}\n }}\n inet_listener imaps {{\n port = 0\n }}\n\
             service_count = 0\n process_min_avail = 1\n}}\n\
             service lmtp {{\n inet_listener lmtp {{\n address = 127.0.0.1\n port = {lmtp}\n }}\n}}\n\
             service imap {{\n process_limit = 1000\n service_count = 0\n}}\n\
             namespace inbox {{\n inbox = yes\n separator = /\n}}\n{further}"
        );
        let file = folder.path().join("dovecot.conf");
        fs::write(&file, configuration).expect("written");
        for below in ["mail", "run", "state"] {
            fs::create_dir_all(folder.path().join(below)).expect("a folder");
        }
        let chown = Command::new("chown").args(["-R", owner]).arg(folder.path().join("mail")).status();
        let chmod = Command::new("chmod").arg("755").arg(folder.path()).status();
        if !chown.is_ok_and(|s| s.success()) || !chmod.is_ok_and(|s| s.success()) {
            return None;
        }
        let child = Command::new("dovecot").arg("-F").arg("-c").arg(&file).stdin(Stdio::null()).spawn().ok()?;
        let peer = Self { child, folder, _kept: kept, imap, lmtp };
        until("Dovecot listens", || TcpStream::connect(("127.0.0.1", imap)).ok());
        until("Dovecot's LMTP listens", || TcpStream::connect(("127.0.0.1", lmtp)).ok());
        Some(peer)
    }

    /// Where other servers ask it for passwords: Postfix's `smtpd_sasl_path`.
    pub fn auth(&self) -> PathBuf {
        self.folder.path().join("auth")
    }
    /// Process id of its master.
    pub fn process(&self) -> u32 {
        self.child.id()
    }
    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        drop(self.child.wait());
    }
}
