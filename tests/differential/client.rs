//! One connection to one server: sends a step, keeps its mirror, and hands back what was answered.

use crate::script::{Mark, Step, pieces};
use harness::mirror::{Fetched, Mirror};
use harness::value::{self, Value};
use harness::{Imap, User};

/// A connection that is signed in.
pub struct Client {
    imap: Imap,
    tag: u32,
    /// The selected folder as this server told it.
    pub mirror: Mirror,
}

/// What was answered to one command.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// OK, NO or BAD; BYE when the connection ended.
    pub status: String,
    /// The response code's name and arguments, without brackets.
    pub code: String,
    /// The words for people.
    pub text: String,
    /// Untagged responses as they came.
    pub untagged: Vec<Vec<Value>>,
    /// Codes of untagged OKs.
    pub codes: Vec<String>,
    /// What FETCH responses said.
    pub fetched: Fetched,
    /// A breach of the protocol.
    pub breach: Option<String>,
}

impl Answer {
    /// One line for people.
    pub fn show(&self) -> String {
        let mut out = String::new();
        for values in &self.untagged {
            out += &values.iter().map(Value::show).collect::<Vec<_>>().join(" ");
            out.push('\n');
        }
        format!("{out}{} [{}] {}", self.status, self.code, self.text)
    }
}

impl Client {
    /// Connects and signs in.
    pub fn sign_in(port: u16, user: &User) -> Self {
        let imap = Imap::sign_in_at(port, user);
        Self { imap, tag: 0, mirror: Mirror::default() }
    }

    /// Sends a command and reads to its answer.
    pub fn run(&mut self, step: &Step, marks: &[Mark]) -> Answer {
        self.tag += 1;
        let tag = format!("d{}", self.tag);
        let mut answer = Answer::default();
        let mut before = format!("{tag} ").into_bytes();
        for (octets, waits) in pieces(step, marks) {
            before.extend_from_slice(&octets);
            if self.imap.raw(&before).is_none() {
                return ended(answer);
            }
            before.clear();
            if waits && !self.read_until_asked(&tag, &mut answer) {
                return answer;
            }
        }
        self.read_to_the_end(&tag, &mut answer);
        answer
    }

    /// Another connection to the same mailbox takes this one's place; nothing is selected in it.
    pub fn replace(&mut self, port: u16, user: &User) {
        self.imap.command("LOGOUT");
        *self = Self::sign_in(port, user);
    }

    /// Reads to a `+`; false when the tagged answer came instead.
    fn read_until_asked(&mut self, tag: &str, answer: &mut Answer) -> bool {
        loop {
            let Some(line) = self.imap.try_response() else {
                *answer = ended(std::mem::take(answer));
                return false;
            };
            if line.starts_with(b"+") {
                return true;
            }
            if self.take(tag, &line, answer) {
                return false;
            }
        }
    }

    fn read_to_the_end(&mut self, tag: &str, answer: &mut Answer) {
        loop {
            let Some(line) = self.imap.try_response() else {
                *answer = ended(std::mem::take(answer));
                return;
            };
            if self.take(tag, &line, answer) {
                return;
            }
        }
    }

    /// Takes in one response; true when it was the tagged one.
    fn take(&mut self, tag: &str, line: &[u8], answer: &mut Answer) -> bool {
        if let Some(rest) = line.strip_prefix(format!("{tag} ").as_bytes()) {
            (answer.status, answer.code, answer.text) = status(&String::from_utf8_lossy(rest));
            return true;
        }
        let Some(rest) = line.strip_prefix(b"* ") else {
            answer.breach.get_or_insert_with(|| format!("neither untagged nor tagged: {}", line.escape_ascii()));
            return false;
        };
        if ["OK ", "NO ", "BAD ", "BYE ", "PREAUTH "].iter().any(|word| rest.starts_with(word.as_bytes())) {
            let (_, code, _) = status(&String::from_utf8_lossy(rest));
            answer.codes.push(code);
            return false;
        }
        let taken = value::parse(rest).and_then(|values| {
            let taken = self.mirror.take(&values, &mut answer.fetched);
            answer.untagged.push(values);
            taken
        });
        if let Err(why) = taken {
            answer.breach.get_or_insert_with(|| format!("{why} in {}", rest.escape_ascii()));
        }
        false
    }
}

fn ended(mut answer: Answer) -> Answer {
    answer.status = "BYE".to_owned();
    answer
}

/// `OK [CODE …] text` in its three parts.
fn status(text: &str) -> (String, String, String) {
    let (status, rest) = text.split_once(' ').unwrap_or((text, ""));
    match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((code, text)) => (status.to_owned(), code.to_owned(), text.trim_start().to_owned()),
        None => (status.to_owned(), String::new(), rest.to_owned()),
    }
}
