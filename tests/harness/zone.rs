//! A signed zone of DNS on loopback: Knot DNS from Debian, with dnsdist in front of it for DNS over HTTPS.
//!
//! Knot holds a root of the test's own, signed, so that its keys can be the trust anchor. Names that end in `.insecure` are in a
//! zone without signatures, and those that end in `.bogus` in one whose signatures, which its parent promises, are missing.

use crate::port::Port;
use crate::wait::until;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What the certificate of the DoH server says.
const DOH_NAME: &str = "doh.test";
/// What begins the name of a record in every zone that says how often its file was written.
const SERIAL_NAME: &str = "serial.of.the.files";
/// How often Knot is started where somebody else takes its port for UDP before it does.
const STARTS_MAX: usize = 10;

/// A running server; dropping it stops it.
pub struct Zone {
    folder: tempfile::TempDir,
    knot: Child,
    port: Port,
    dnsdist: Option<(Child, [Port; 2])>,
    serial: u32,
    nsec3: bool,
    records: String,
}

impl Zone {
    /// Serves these records, one a line as in a zone file, with full names: `example.com. 60 MX 10 mx.example.com.`
    /// Panics where Knot is not installed: scripts/setup brings it.
    pub fn start(records: &str) -> Self {
        Self::signed(records, false)
    }

    /// The same, but `com` and `example` are zones of their own with hashed denials (RFC 5155), and trust anchors.
    pub fn start_with_nsec3(records: &str) -> Self {
        Self::signed(records, true)
    }

    fn signed(records: &str, nsec3: bool) -> Self {
        let started = (0..STARTS_MAX).find_map(|_| Self::begin(records, nsec3));
        let zone = started.unwrap_or_else(|| panic!("knotd ends {STARTS_MAX} times"));
        fs::write(zone.trust_anchor(), zone.anchor_text()).expect("written");
        zone
    }

    /// `None` where Knot ends, because its port is somebody else's for UDP.
    fn begin(records: &str, nsec3: bool) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("zone-").tempdir().expect("a temporary folder");
        let port = until("a port that is free for UDP too", || {
            Some(Port::free()).filter(|port| UdpSocket::bind(("127.0.0.1", port.number())).is_ok())
        });
        write_zones(folder.path(), records, 1, nsec3);
        let config = folder.path().join("knot.conf");
        fs::write(&config, knot_configuration(folder.path(), port.number(), nsec3)).expect("written");
        let knot = Command::new("knotd")
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log(folder.path(), "knot.log"))
            .spawn()
            .expect("knotd starts; scripts/setup installs it");
        let mut zone = Self { folder, knot, port, dnsdist: None, serial: 1, nsec3, records: records.to_owned() };
        until("every zone is served", || {
            let ended = zone.knot.try_wait().expect("the child can be asked").is_some();
            (ended || zone.is_served()).then_some(!ended)
        })
        .then_some(zone)
    }

    /// Also serves them over HTTPS.
    pub fn with_doh(mut self) -> Self {
        let issued = rcgen::generate_simple_self_signed(vec![DOH_NAME.to_owned()]).expect("a certificate");
        fs::write(self.ca(), issued.cert.pem()).expect("written");
        let key = self.folder.path().join("doh.key");
        fs::write(&key, issued.signing_key.serialize_pem()).expect("written");
        let ports = [Port::free(), Port::free()];
        let [plain, doh] = ports.each_ref().map(Port::number);
        let config = self.folder.path().join("dnsdist.conf");
        let text = format!(
            "setLocal('127.0.0.1:{plain}')\nnewServer({{address='127.0.0.1:{}'}}):setUp()\n\
             addDOHLocal('127.0.0.1:{doh}', '{}', '{}', '/dns-query')\n",
            self.port(),
            self.ca().display(),
            key.display()
        );
        fs::write(&config, text).expect("written");
        let child = Command::new("dnsdist")
            .args(["--supervised", "--disable-syslog", "-C"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log(self.folder.path(), "dnsdist.log"))
            .spawn()
            .expect("dnsdist starts; scripts/setup installs it");
        self.dnsdist = Some((child, ports));
        until("dnsdist listens", || std::net::TcpStream::connect(("127.0.0.1", doh)).ok());
        self
    }

    /// Serves these records instead. Caches may still hold the old ones.
    pub fn replace(&mut self, records: &str) {
        self.serial += 1;
        self.records = records.to_owned();
        write_zones(self.folder.path(), records, self.serial, self.nsec3);
        self.control("zone-reload");
        until("every zone is reloaded", || self.is_served().then_some(()));
    }

    /// Serves these records besides those that are there.
    pub fn add(&mut self, records: &str) {
        let all = format!("{}\n{records}", self.records);
        self.replace(&all);
    }

    /// `udp://…`, as in `[dns] servers`.
    pub fn plain(&self) -> String {
        format!("udp://127.0.0.1:{}", self.port())
    }

    /// `https://…`, after [`with_doh`](Self::with_doh).
    pub fn https(&self) -> String {
        let port = self.dnsdist.as_ref().map_or(0, |(_, [_, doh])| doh.number());
        format!("https://{DOH_NAME}:{port}/dns-query#127.0.0.1")
    }

    /// The file with the root's keys.
    pub fn trust_anchor(&self) -> PathBuf {
        self.folder.path().join("anchor.key")
    }

    /// The DoH server's certificate, which vouches for itself.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("doh.crt")
    }

    /// The port, UDP and TCP.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The section for a configuration file: validated, over plain DNS.
    pub fn toml(&self) -> String {
        format!("[dns]\nservers = [\"{}\"]\ntrust_anchor = \"{}\"\n", self.plain(), self.trust_anchor().display())
    }

    fn ask(&self, question: &[&str]) -> String {
        let asked = Command::new("kdig")
            .args(["@127.0.0.1", "-p", &self.port().to_string(), "+short", "+timeout=2", "+retry=1"])
            .args(question)
            .output();
        asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    }

    /// Whether the files that were written last are served, each by itself. Signing counts serials on, so a record says which
    /// they are.
    fn is_served(&self) -> bool {
        let serial = format!("\"{}\"", self.serial);
        let zones = self.signed_zones().iter().chain(&["insecure.", "bogus."]);
        zones.map(|zone| serial_name(zone)).all(|name| self.ask(&[&name, "TXT"]) == serial)
    }

    fn signed_zones(&self) -> &'static [&'static str] {
        if self.nsec3 { &[".", "com.", "example."] } else { &["."] }
    }

    fn anchor_text(&self) -> String {
        let keys = |zone: &&str| {
            let keys = || Some(self.ask(&[zone, "DNSKEY"])).filter(|keys| !keys.is_empty());
            let found = until("the zone is signed", keys);
            found.lines().map(|key| format!("{zone} 60 IN DNSKEY {key}\n")).collect::<String>()
        };
        self.signed_zones().iter().map(keys).collect()
    }

    fn control(&self, command: &str) {
        let config = self.folder.path().join("knot.conf");
        let done = Command::new("knotc").arg("-c").arg(config).arg(command).output();
        assert!(done.is_ok_and(|done| done.status.success()), "knotc {command}");
    }
}

impl Drop for Zone {
    fn drop(&mut self) {
        for child in self.dnsdist.iter_mut().map(|(child, _)| child).chain([&mut self.knot]) {
            if let Some(pid) = rustix::process::Pid::from_raw(child.id() as i32) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            drop(child.wait());
        }
    }
}

/// The root delegates the others: `insecure` plainly, `bogus` with a DS that no key fits.
fn write_zones(folder: &Path, records: &str, serial: u32, nsec3: bool) {
    let begin = |zone: &str| {
        let name = serial_name(zone);
        format!(
            "{zone} 60 SOA ns.test. hostmaster.test. {serial} 3600 600 86400 60\n{zone} 60 NS ns.test.\n{name} 60 TXT {serial}\n"
        )
    };
    let mut zones = vec![("insecure", begin("insecure.")), ("bogus", begin("bogus."))];
    if nsec3 {
        zones.extend([("com", begin("com.")), ("example", begin("example."))]);
    }
    let mut root = begin(".") + "ns.test. 60 A 127.0.0.1\n";
    for (zone, _) in &zones {
        root += &format!("{zone}. 60 NS ns.test.\n");
    }
    root += &format!("bogus. 60 DS 4711 13 2 {}\n", "ab".repeat(32));
    zones.push(("root", root));
    let last = zones.len() - 1;
    for line in records.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let owner = line.split_whitespace().next().unwrap_or_default().to_lowercase();
        let top = owner.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
        let at = zones.iter().position(|(zone, _)| *zone == top).unwrap_or(last);
        zones[at].1 += &format!("{line}\n");
    }
    for (name, text) in zones {
        fs::write(folder.join(format!("{name}.zone")), text).expect("written");
    }
}

fn knot_configuration(folder: &Path, port: u16, nsec3: bool) -> String {
    let signed = |zone: &str, policy: &str| {
        format!(
            "\x20\x20- domain: {zone}.\n    file: {zone}.zone\n    dnssec-signing: on\n    dnssec-policy: {policy}\n"
        )
    };
    let hashed = if nsec3 { signed("com", "hashed") + &signed("example", "hashed") } else { String::new() };
    let root = folder.display();
    format!(
        "server:\n  rundir: {root}/run\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
         control:\n  listen: {root}/knot.sock\n\
         log:\n  - target: stderr\n    any: warning\n\
         database:\n  storage: {root}/db\n  journal-db-max-size: 50M\n  kasp-db-max-size: 10M\n  timer-db-max-size: 10M\n\
         policy:\n  - id: test\n    single-type-signing: on\n    algorithm: ecdsap256sha256\n    nsec3: off\n\
         \x20\x20- id: hashed\n    single-type-signing: on\n    algorithm: ecdsap256sha256\n    nsec3: on\n\
         template:\n  - id: default\n    storage: {root}\n    zonefile-sync: -1\n    zonefile-load: difference-no-serial\n    journal-content: all\n\
         zone:\n  - domain: .\n    file: root.zone\n    dnssec-signing: on\n    dnssec-policy: test\n\
         \x20\x20- domain: insecure.\n    file: insecure.zone\n\x20\x20- domain: bogus.\n    file: bogus.zone\n{hashed}"
    )
}

fn log(folder: &Path, name: &str) -> Stdio {
    fs::create_dir_all(folder.join("run")).expect("a folder");
    fs::create_dir_all(folder.join("db")).expect("a folder");
    fs::File::create(folder.join(name)).map(Stdio::from).expect("a file")
}

/// The name of the record of a zone that says how often its file was written.
fn serial_name(zone: &str) -> String {
    format!("{SERIAL_NAME}.{}", zone.trim_start_matches('.'))
}
