//! A client that measures: how many octets an answer has, when its first ones came, and how long it fell silent.

use harness::User;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The most that one answer may take: a search through a million messages on a machine that others use too.
const ANSWER_WAIT: Duration = Duration::from_secs(600);
/// Octets taken from the socket at once: what comes in one piece is heard in one.
const READ_BYTES: usize = 256 * 1024;

/// One connection.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    tag: u32,
}

/// An answer, and how it came.
pub struct Heard {
    /// All of it.
    pub text: Vec<u8>,
    /// When its first octets were here.
    pub first: Duration,
    /// When its last ones were.
    pub whole: Duration,
    /// The longest time without any, from the first on.
    pub silence: Duration,
    /// How often something was read.
    pub pieces: usize,
}

impl Client {
    /// Connects and reads the greeting.
    pub fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the front-end listens");
        stream.set_nodelay(true).expect("a socket option");
        stream.set_read_timeout(Some(ANSWER_WAIT)).expect("a socket option");
        let mut client = Self { stream, buffer: vec![0; READ_BYTES], tag: 0 };
        client.hear(Instant::now(), "* ");
        client
    }

    /// Connects and signs in.
    pub fn sign_in(port: u16, user: &User) -> Self {
        let mut client = Self::connect(port);
        client.ask(&format!("LOGIN {} {}", user.address, user.password));
        client
    }

    /// Sends a command and hears its answer, which must be OK.
    pub fn ask(&mut self, command: &str) -> Heard {
        self.ask_octets(command.as_bytes())
    }

    /// The same of a command with literals that do not wait.
    pub fn ask_octets(&mut self, command: &[u8]) -> Heard {
        self.tag += 1;
        let tag = format!("t{} ", self.tag);
        let sent = [tag.as_bytes(), command, b"\r\n"].concat();
        let begun = Instant::now();
        self.stream.write_all(&sent).expect("the connection stands");
        let heard = self.hear(begun, &tag);
        let start = String::from_utf8_lossy(&command[..command.len().min(80)]);
        let answer = heard.last_line();
        assert!(answer.starts_with(&format!("{tag}OK")), "{start:?} was answered {answer:?}");
        heard
    }

    /// Reads up to the line that begins so.
    fn hear(&mut self, begun: Instant, last: &str) -> Heard {
        let mut heard = Heard {
            text: Vec::new(),
            first: Duration::ZERO,
            whole: begun.elapsed(),
            silence: Duration::ZERO,
            pieces: 0,
        };
        loop {
            let octets = self.stream.read(&mut self.buffer).expect("an answer in time");
            assert!(octets > 0, "the connection ended");
            let now = begun.elapsed();
            if heard.pieces == 0 {
                heard.first = now;
            } else {
                heard.silence = heard.silence.max(now - heard.whole);
            }
            heard.whole = now;
            heard.pieces += 1;
            heard.text.extend_from_slice(&self.buffer[..octets]);
            if heard.text.ends_with(b"\r\n") && heard.last_line().starts_with(last) {
                return heard;
            }
        }
    }
}

impl Heard {
    /// The tagged answer, or the greeting.
    pub fn last_line(&self) -> String {
        let text = self.text.strip_suffix(b"\r\n").unwrap_or(&self.text);
        let start = text.windows(2).rposition(|two| two == b"\r\n").map_or(0, |at| at + 2);
        String::from_utf8_lossy(&text[start..]).into_owned()
    }

    /// The number after these words, wherever they stand.
    pub fn number_after(&self, words: &str) -> Option<u64> {
        let at = self.text.windows(words.len()).position(|some| some == words.as_bytes())? + words.len();
        let digits = self.text[at..].iter().take_while(|octet| octet.is_ascii_digit()).count();
        std::str::from_utf8(&self.text[at..at + digits]).ok()?.parse().ok()
    }

    /// How often these octets stand in it.
    pub fn count(&self, words: &str) -> usize {
        self.text.windows(words.len()).filter(|some| *some == words.as_bytes()).count()
    }
}
