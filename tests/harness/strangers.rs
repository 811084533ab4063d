//! Mail servers of other people, half of which misbehave, each at an address of its own on loopback; and the ledger of every
//! message that one of them took.
//!
//! What goes wrong is drawn from the seed, the recipient and how often it was tried, so that every message gets through in the
//! end. The manner of a server is the first label of its domain, `good-3.test`.

use crate::corpus::Seeded;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// First labels of the domains, in the order of their addresses: as many behave as do not.
const DOMAINS: [&str; 14] = [
    "good-1", "good-2", "good-3", "good-4", "good-5", "good-6", "good-7", "later", "refuses", "garbage", "cuts",
    "mute", "hangs", "rude",
];
/// How often one message is treated badly, at most.
const BAD_ATTEMPTS_MAX: u64 = 3;
/// Connections of a hundred that are treated badly before their first command.
const BAD_GREETINGS_PERCENT: u64 = 20;
/// How often, at most: such a destination is paused, and has one message at a time from then on.
const BAD_GREETINGS_MAX: usize = 60;
/// Seconds that a server hangs, before it goes: long against a kill, short against every patience.
const HANG_SECONDS: Duration = Duration::from_secs(2);

/// One message that a server has.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Envelope recipient.
    pub recipient: String,
    /// Of its header.
    pub subject: String,
    /// Of its header.
    pub id: String,
    /// Kills of outbound that were over when its text was asked for, so that it came from a worker after them.
    pub after_kills: usize,
    /// Kills that had begun when it was taken, so that it came from a worker before any other.
    pub before_kills: usize,
    /// The client was told, as far as the server knows.
    pub answered: bool,
    /// [`digest`] of the lines behind the header.
    pub body: u64,
    /// Of a notice, which has the null reverse-path: whom it is about.
    pub about: Option<String>,
}

/// What all servers know.
#[derive(Default)]
pub struct Ledger {
    /// Everything that was taken, in order.
    pub taken: Vec<Taken>,
    /// What the servers did wrong, how often.
    pub wrongs: BTreeMap<&'static str, usize>,
    tried: BTreeMap<String, u64>,
}

/// The servers; they serve until the process ends.
pub struct Strangers {
    /// The port of all.
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    seed: u64,
    ledger: Mutex<Ledger>,
    connections: AtomicUsize,
    kills_begun: AtomicUsize,
    kills_over: AtomicUsize,
}

impl Strangers {
    /// How many domains there are.
    pub const COUNT: usize = DOMAINS.len();

    /// Starts them all.
    pub fn start(seed: u64) -> Self {
        let shared = Arc::new(Shared {
            seed,
            ledger: Mutex::default(),
            connections: AtomicUsize::new(0),
            kills_begun: AtomicUsize::new(0),
            kills_over: AtomicUsize::new(0),
        });
        let (port, listeners) = crate::until("a port that is free at every address", || listeners().ok());
        for (label, listener) in DOMAINS.iter().zip(listeners) {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || attend(&shared, label, stream));
                }
            });
        }
        Self { port, shared }
    }

    /// The records of their domains.
    pub fn records() -> String {
        let one = |(at, label): (usize, &&str)| {
            format!("{label}.test. 60 MX 10 mx.{label}.test.\nmx.{label}.test. 60 A {}\n", address(at))
        };
        DOMAINS.iter().enumerate().map(one).collect()
    }

    /// Their domains, in turn.
    pub fn domain(n: usize) -> String {
        format!("{}.test", DOMAINS[n % DOMAINS.len()])
    }

    /// Has outbound killed: what comes behind it comes from another worker.
    pub fn kill_outbound(&self, kill: impl FnOnce()) {
        self.shared.kills_begun.fetch_add(1, Ordering::SeqCst);
        kill();
        self.shared.kills_over.fetch_add(1, Ordering::SeqCst);
    }

    /// What they know.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.shared.ledger()
    }
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn wrong(&self, what: &'static str) {
        *self.ledger().wrongs.entry(what).or_default() += 1;
    }

    /// A number that depends on the seed and this text alone.
    fn drawn(&self, text: &str) -> Seeded {
        Seeded::new(text.bytes().fold(self.seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
    }
}

fn address(at: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, 1 + at as u8)
}

fn listeners() -> std::io::Result<(u16, Vec<TcpListener>)> {
    let first = TcpListener::bind((address(0), 0))?;
    let port = first.local_addr()?.port();
    let others = (1..DOMAINS.len()).map(|at| TcpListener::bind((address(at), port)));
    Ok((port, std::iter::once(Ok(first)).chain(others).collect::<std::io::Result<_>>()?))
}

/// Where a server goes wrong with one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Nowhere,
    Recipient,
    Data,
    End,
}

struct Talk<'a> {
    shared: &'a Shared,
    manner: &'a str,
    reader: BufReader<TcpStream>,
    number: usize,
    sender: String,
    recipients: Vec<(String, Stage)>,
}

/// The connection is over, one way or the other.
struct Gone;

impl From<std::io::Error> for Gone {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

fn attend(shared: &Shared, label: &str, stream: TcpStream) {
    let number = shared.connections.fetch_add(1, Ordering::SeqCst);
    let manner = label.split('-').next().unwrap_or_default();
    let reader = BufReader::new(stream);
    let mut talk = Talk { shared, manner, reader, number, sender: String::new(), recipients: Vec::new() };
    // How it ended does not matter: what was taken stands in the ledger.
    let _ = talk.serve();
}

impl Talk<'_> {
    fn say(&mut self, text: &str) -> Result<(), Gone> {
        Ok(self.reader.get_mut().write_all(format!("{text}\r\n").as_bytes())?)
    }

    fn line(&mut self) -> Result<String, Gone> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 { Err(Gone) } else { Ok(line.trim_end().to_owned()) }
    }

    /// Reads and says nothing, until the client goes or patience ends.
    fn hang(&mut self) -> Gone {
        self.shared.wrong("hung");
        let end = std::time::Instant::now() + HANG_SECONDS;
        while let Some(left) = end.checked_duration_since(std::time::Instant::now()).filter(|left| !left.is_zero()) {
            let _ = self.reader.get_ref().set_read_timeout(Some(left));
            match self.reader.fill_buf() {
                Ok([]) => break,
                Ok(octets) => {
                    let octets = octets.len();
                    self.reader.consume(octets);
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
                Err(_) => break,
            }
        }
        Gone
    }

    fn garbage(&mut self) -> Gone {
        self.shared.wrong("said what is no reply");
        let _ = self.say("SSH-2.0-OpenSSH_9.2 \u{1}\u{fe}");
        Gone
    }

    fn greet(&mut self) -> Result<(), Gone> {
        let mut bad = self.shared.drawn(&self.number.to_string()).below(100) < BAD_GREETINGS_PERCENT;
        bad &= *self.shared.ledger().wrongs.get("did so at once").unwrap_or(&0) < BAD_GREETINGS_MAX;
        if bad && matches!(self.manner, "garbage" | "hangs" | "later") {
            self.shared.wrong("did so at once");
        }
        match self.manner {
            "garbage" if bad => return Err(self.garbage()),
            "hangs" if bad => return Err(self.hang()),
            "later" if bad => {
                self.shared.wrong("said 4xx");
                self.say("421 4.3.2 Not today")?;
                return Err(Gone);
            }
            _ => {}
        }
        self.say("220 somebody.test ESMTP")
    }

    fn serve(&mut self) -> Result<(), Gone> {
        self.greet()?;
        loop {
            let line = self.line()?;
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => self.say("250-somebody.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES")?,
                "MAIL" => {
                    self.recipients.clear();
                    self.sender = between(&line).to_owned();
                    self.say("250 2.1.0 OK")?;
                }
                "RCPT" => self.recipient(between(&line))?,
                "DATA" => self.data()?,
                "RSET" => self.say("250 2.0.0 OK")?,
                "QUIT" => return self.say("221 2.0.0 Bye"),
                _ => self.say("502 5.5.2 What?")?,
            }
        }
    }

    /// Where this attempt goes wrong.
    fn stage(&self, recipient: &str) -> Stage {
        let mut drawn = self.shared.drawn(recipient);
        let bad_attempts = drawn.below(BAD_ATTEMPTS_MAX + 1);
        let mut ledger = self.shared.ledger();
        let tried = ledger.tried.entry(recipient.to_owned()).or_default();
        *tried += 1;
        if *tried > bad_attempts {
            return Stage::Nowhere;
        }
        *self.shared.drawn(&format!("{recipient} {tried}")).pick(&[Stage::Recipient, Stage::Data, Stage::End])
    }

    fn recipient(&mut self, recipient: &str) -> Result<(), Gone> {
        let stage = if self.manner == "good" { Stage::Nowhere } else { self.stage(recipient) };
        match (self.manner, stage) {
            ("later", Stage::Recipient) => {
                self.shared.wrong("said 4xx");
                self.say("450 4.2.1 Later")
            }
            ("refuses", _) if recipient.starts_with("bad") => {
                self.shared.wrong("said 5xx");
                self.say("550 5.1.1 Nobody")
            }
            ("garbage", Stage::Recipient) => Err(self.garbage()),
            ("hangs", Stage::Recipient) => Err(self.hang()),
            ("rude", Stage::Recipient) => {
                self.shared.wrong("closed before the text");
                Err(Gone)
            }
            _ => {
                self.recipients.push((recipient.to_owned(), stage));
                self.say("250 2.1.5 OK")
            }
        }
    }

    fn data(&mut self) -> Result<(), Gone> {
        if self.recipients.is_empty() {
            return self.say("503 5.5.1 For whom?");
        }
        // Every message here has one recipient at a server.
        let stage = self.recipients[0].1;
        match (self.manner, stage) {
            ("later", Stage::Data) => {
                self.shared.wrong("said 4xx");
                return self.say("451 4.3.0 Later");
            }
            ("hangs", Stage::Data) => return Err(self.hang()),
            ("rude", Stage::Data) => {
                self.shared.wrong("closed before the text");
                return Err(Gone);
            }
            _ => {}
        }
        // The text may be read long after whoever sent it has died.
        let after_kills = self.shared.kills_over.load(Ordering::SeqCst);
        self.say("354 Go on")?;
        let text = self.text(self.manner == "cuts" && stage != Stage::Nowhere)?;
        match (self.manner, stage) {
            ("later", Stage::End) => {
                self.shared.wrong("said 4xx");
                self.say("452 4.3.1 Full")
            }
            ("garbage", Stage::Data | Stage::End) => {
                self.take(&text, after_kills, false);
                Err(self.garbage())
            }
            ("mute", Stage::Recipient | Stage::Data | Stage::End) => {
                self.shared.wrong("closed after the final dot");
                self.take(&text, after_kills, false);
                Err(Gone)
            }
            ("hangs", Stage::End) => {
                self.take(&text, after_kills, false);
                Err(self.hang())
            }
            ("rude", Stage::End) => {
                self.shared.wrong("said 421 to the text and closed");
                self.say("421 4.3.2 Going down")?;
                Err(Gone)
            }
            _ => {
                self.take(&text, after_kills, true);
                self.say("250 2.0.0 Taken")
            }
        }
    }

    /// The text to its end, or a part of it.
    fn text(&mut self, cut: bool) -> Result<Vec<String>, Gone> {
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            if line == "." {
                return Ok(lines);
            }
            lines.push(line);
            if cut && lines.len() > 12 {
                self.shared.wrong("closed in mid-DATA");
                return Err(Gone);
            }
        }
    }

    fn take(&mut self, text: &[String], after_kills: usize, answered: bool) {
        let field = |name: &str| {
            let line = text.iter().take_while(|line| !line.is_empty()).find(|line| line.starts_with(name));
            line.map(|line| line[name.len()..].trim().to_owned()).unwrap_or_default()
        };
        let before_kills = self.shared.kills_begun.load(Ordering::SeqCst);
        let of = |(recipient, _): (String, Stage)| Taken {
            recipient,
            subject: subject(text),
            id: field("Message-ID:"),
            after_kills,
            before_kills,
            answered,
            body: digest(text.iter().skip_while(|line| !line.is_empty()).skip(1).map(String::as_str)),
            about: self.sender.is_empty().then(|| about(text)),
        };
        let taken: Vec<_> = std::mem::take(&mut self.recipients).into_iter().map(of).collect();
        self.shared.ledger().taken.extend(taken);
    }
}

/// A number for these lines, to compare texts by.
pub fn digest<'a>(lines: impl Iterator<Item = &'a str>) -> u64 {
    let octets = lines.flat_map(|line| line.bytes().chain([b'\n']));
    octets.fold(0xcbf2_9ce4_8422_2325, |hash, octet| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3))
}

/// The name of a message, `name-…`, or of the one that a notice is about.
pub fn subject<T: AsRef<str>>(text: &[T]) -> String {
    let subjects = text.iter().filter_map(|line| line.as_ref().strip_prefix("Subject: "));
    subjects.filter(|line| line.starts_with("name-")).last().unwrap_or_default().to_owned()
}

/// The recipient that a notice is about.
pub fn about<T: AsRef<str>>(text: &[T]) -> String {
    let recipient = text.iter().find_map(|line| line.as_ref().strip_prefix("Final-Recipient: rfc822; "));
    recipient.unwrap_or_default().to_owned()
}

fn between(line: &str) -> &str {
    line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(inside, _)| inside).unwrap_or_default()
}
