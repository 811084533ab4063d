//! One client's session: AUTHORIZATION until somebody has signed in, TRANSACTION over their maildrop, UPDATE at QUIT
//! (RFC 1939 §3).
//!
//! Commands may be pipelined (RFC 2449 §6.6): answers are in their order and go out together. What ends without QUIT removes
//! nothing.

use crate::command::{Command, Malformed};
use crate::connection::{Connection, Line};
use crate::limits::{BAD_COMMANDS_MAX, FAILED_SIGN_INS_MAX, IDLE_BEFORE_SIGN_IN, LINE_BYTES_MAX, SASL_LINE_BYTES_MAX};
use crate::maildrop::{Maildrop, Message};
use crate::server::Shared;
use crate::text::Text;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use node_client::ClientError;
use sign_in::plain::Plain;
use sign_in::{Claim, Denied};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::timeout;
use wire::session::FailureCode;
use zeroize::Zeroizing;

/// Counter: messages that were read, whole or in part.
const MESSAGES_READ: &str = "brevdue_pop3_messages_read_total";

/// What whoever would remove something is answered (RFC 3206 §4).
const DAMAGED: &str = "[SYS/PERM] The mailbox is damaged: nothing can be removed until it is restored";

/// Why a session ends.
#[derive(Debug)]
pub enum End {
    /// The client said QUIT, or was told why.
    Said,
    /// The client hung up, or the connection broke.
    Gone,
    /// Nobody said anything for too long.
    Silent,
    /// The process ends.
    Shutdown,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        tracing::debug!(%error, "a connection broke");
        Self::Gone
    }
}

/// An answer of one line.
struct Answer {
    positive: bool,
    text: String,
}

fn ok(text: impl Into<String>) -> Answer {
    Answer { positive: true, text: text.into() }
}

fn err(text: impl Into<String>) -> Answer {
    Answer { positive: false, text: text.into() }
}

/// A session.
pub struct Session {
    shared: Arc<Shared>,
    peer: SocketAddr,
    connection: Connection,
    /// From USER, until the command after it.
    user: Option<Vec<u8>>,
    maildrop: Option<Maildrop>,
    bad_commands: u32,
    failed_sign_ins: u32,
}

impl Session {
    /// On a fresh connection.
    pub fn new(shared: Arc<Shared>, connection: Connection, peer: SocketAddr) -> Self {
        Self { shared, peer, connection, user: None, maildrop: None, bad_commands: 0, failed_sign_ins: 0 }
    }

    /// Serves the client to the end.
    pub async fn run(mut self) {
        self.put(&ok("Brevdue ready"));
        let end = loop {
            match self.step().await {
                Ok(()) => {}
                Err(end) => break end,
            }
        };
        match end {
            End::Said => {}
            // RFC 1939 §3: the server closes the connection without a word.
            End::Silent | End::Gone => return,
            End::Shutdown => self.put(&err("[SYS/TEMP] The server is shutting down, connect again")),
        }
        self.connection.close().await;
    }

    /// One command.
    async fn step(&mut self) -> Result<(), End> {
        let Some(line) = self.line(LINE_BYTES_MAX).await? else {
            return self.bad("The line is too long");
        };
        let command = match Command::parse(&line) {
            Ok(command) => command,
            Err(Malformed(why)) => return self.bad(why),
        };
        let user = self.user.take();
        let answer = match command {
            Command::Quit => return self.quit().await,
            Command::Capa => {
                self.capabilities();
                return Ok(());
            }
            Command::Noop => ok(""),
            Command::Utf8 if self.maildrop.is_none() => ok("UTF-8 it is"),
            Command::Utf8 => err("UTF8 comes before sign-in"),
            Command::Stls => return self.start_tls().await,
            Command::User(name) => self.user(name),
            Command::Pass(password) => self.pass(user, &password).await?,
            Command::Auth(None) => {
                self.mechanisms();
                return Ok(());
            }
            Command::Auth(Some((mechanism, response))) => self.auth(&mechanism, response).await?,
            Command::Stat => self.stat(),
            Command::List(number) => return self.list(number, |_, message| message.size.to_string()).await,
            Command::Uidl(number) => return self.list(number, Maildrop::unique_id).await,
            Command::Retr(number) => return self.send(number, Text::whole()).await,
            Command::Top(number, lines) => return self.send(number, Text::top(lines)).await,
            Command::Dele(number) => self.delete(number),
            Command::Rset => self.reset(),
        };
        self.put(&answer);
        Ok(self.connection.relieve().await?)
    }

    /// The next line; `None` for one that is too long.
    async fn line(&mut self, bytes_max: usize) -> Result<Option<Zeroizing<Vec<u8>>>, End> {
        let idle = if self.maildrop.is_some() { self.shared.settings.idle } else { IDLE_BEFORE_SIGN_IN };
        let line = tokio::select! {
            biased;
            () = self.shared.shutdown.cancelled() => return Err(End::Shutdown),
            line = timeout(idle, self.connection.line(bytes_max)) => line.map_err(|_| End::Silent)??,
        };
        match line {
            Line::Whole(line) => Ok(Some(line)),
            Line::TooLong => Ok(None),
            Line::End => Err(End::Gone),
        }
    }

    fn put(&mut self, answer: &Answer) {
        let out = &mut self.connection.out;
        out.extend_from_slice(if answer.positive { b"+OK" } else { b"-ERR" });
        if !answer.text.is_empty() {
            out.push(b' ');
            out.extend_from_slice(answer.text.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    fn bad(&mut self, why: &'static str) -> Result<(), End> {
        self.bad_commands += 1;
        if self.bad_commands > BAD_COMMANDS_MAX {
            self.put(&err("Too many commands that make no sense"));
            return Err(End::Said);
        }
        self.put(&err(why));
        Ok(())
    }

    /// RFC 2449 §5. What a client may do next depends on where it is.
    fn capabilities(&mut self) {
        let mut list =
            String::from("+OK What there is\r\nTOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n");
        list.push_str("UTF8 USER\r\nEXPIRE NEVER\r\n");
        if self.may_sign_in() {
            list.push_str("USER\r\nSASL PLAIN\r\n");
        }
        if self.may_start_tls() {
            list.push_str("STLS\r\n");
        }
        list.push_str("IMPLEMENTATION Brevdue\r\n.\r\n");
        self.connection.out.extend_from_slice(list.as_bytes());
    }

    fn mechanisms(&mut self) {
        let list: &[u8] = if self.may_sign_in() { b"+OK\r\nPLAIN\r\n.\r\n" } else { b"+OK\r\n.\r\n" };
        self.connection.out.extend_from_slice(list);
    }

    fn may_start_tls(&self) -> bool {
        !self.connection.is_tls() && self.maildrop.is_none()
    }

    fn may_sign_in(&self) -> bool {
        self.connection.is_tls() || self.shared.settings.plaintext_sign_in.allows(self.peer.ip())
    }

    /// What keeps anybody from signing in here and now.
    fn no_sign_in(&self) -> Option<Answer> {
        if self.maildrop.is_some() {
            return Some(err("Somebody is signed in already"));
        }
        (!self.may_sign_in()).then(|| err("[AUTH] Passwords are taken through TLS only, say STLS first"))
    }

    async fn start_tls(&mut self) -> Result<(), End> {
        if !self.may_start_tls() {
            self.put(&err("TLS is there already, or too late"));
            return Ok(());
        }
        if self.connection.has_input() {
            // What came in the clear after it would be taken for what came inside.
            self.put(&err("Nothing may follow STLS before its answer"));
            return Err(End::Said);
        }
        self.put(&ok("Begin TLS"));
        self.user = None;
        let tls = Arc::clone(&self.shared.tls);
        Ok(self.connection.start_tls(&tls).await?)
    }

    fn user(&mut self, name: Vec<u8>) -> Answer {
        if let Some(refused) = self.no_sign_in() {
            return refused;
        }
        self.user = Some(name);
        ok("And the password")
    }

    async fn pass(&mut self, user: Option<Vec<u8>>, password: &[u8]) -> Result<Answer, End> {
        if let Some(refused) = self.no_sign_in() {
            return Ok(refused);
        }
        match user {
            Some(user) => self.sign_in(Claim::new(&user, password.to_vec())).await,
            None => Ok(err("USER comes first")),
        }
    }

    /// RFC 5034.
    async fn auth(&mut self, mechanism: &str, initial: Option<Zeroizing<Vec<u8>>>) -> Result<Answer, End> {
        if let Some(refused) = self.no_sign_in() {
            return Ok(refused);
        }
        if mechanism != "PLAIN" {
            return Ok(err("The only mechanism is PLAIN"));
        }
        let response = match initial {
            Some(response) if response.as_slice() == b"=" => Zeroizing::new(Vec::new()),
            Some(response) => response,
            None => {
                self.connection.out.extend_from_slice(b"+ \r\n");
                match self.line(SASL_LINE_BYTES_MAX).await? {
                    Some(line) => line,
                    None => return Ok(err("The response is too long")),
                }
            }
        };
        if response.as_slice() == b"*" {
            return Ok(err("Given up"));
        }
        let Ok(message) = STANDARD.decode(response.as_slice()).map(Zeroizing::new) else {
            return Ok(err("The response is not base64"));
        };
        match Plain::parse(&message) {
            Plain::Claim(claim) => self.sign_in(claim).await,
            Plain::OtherIdentity => Ok(err("[AUTH] Nobody may act for somebody else")),
            Plain::Malformed => Ok(err("The response is not that of PLAIN")),
        }
    }

    async fn sign_in(&mut self, claim: Claim) -> Result<Answer, End> {
        // What came before is answered before the derivation.
        self.connection.flush().await?;
        let shared = Arc::clone(&self.shared);
        let denied = match shared.sign_in.sign_in(claim, self.peer.ip()).await {
            Ok(session) => return Ok(self.open(session).await),
            Err(denied) => denied,
        };
        // RFC 3206: [AUTH] says that the password is to be asked for again, [SYS/…] that it is not.
        let answer = match denied {
            // The same words for an unknown name and a wrong password.
            Denied::Wrong => err("[AUTH] Wrong name or password"),
            Denied::Blocked => err("[AUTH] Too many failed sign-ins from there, try again later"),
            Denied::Disabled => err("[SYS/PERM] This account is disabled"),
            Denied::Busy => err("[SYS/TEMP] Too many people are signing in, try again"),
            Denied::Unavailable => err("[SYS/TEMP] Sign-in is not possible at the moment, try again"),
            Denied::Mailbox(error) => failed(&error),
        };
        if answer.text.starts_with("[AUTH]") {
            self.failed_sign_ins += 1;
            if self.failed_sign_ins > FAILED_SIGN_INS_MAX {
                self.put(&answer);
                return Err(End::Said);
            }
        }
        Ok(answer)
    }

    async fn open(&mut self, session: node_client::Session) -> Answer {
        match Maildrop::open(session).await {
            Ok(maildrop) => {
                let totals = maildrop.totals();
                self.maildrop = Some(maildrop);
                ok(format!("{} messages ({} octets)", totals.messages, totals.octets))
            }
            Err(error) => failed(&error),
        }
    }

    fn stat(&self) -> Answer {
        let Some(maildrop) = &self.maildrop else { return stranger() };
        let totals = maildrop.totals();
        ok(format!("{} {}", totals.messages, totals.octets))
    }

    /// LIST and UIDL: a line for one message or for each.
    async fn list(&mut self, number: Option<u32>, value: fn(&Maildrop, Message) -> String) -> Result<(), End> {
        let Self { maildrop, connection, .. } = self;
        let Some(maildrop) = maildrop else {
            self.put(&stranger());
            return Ok(());
        };
        if let Some(number) = number {
            let answer = match maildrop.get(number) {
                Some(message) => ok(format!("{number} {}", value(maildrop, message))),
                None => none(maildrop),
            };
            self.put(&answer);
            return Ok(());
        }
        let totals = maildrop.totals();
        let head = format!("+OK {} messages ({} octets)\r\n", totals.messages, totals.octets);
        connection.out.extend_from_slice(head.as_bytes());
        for (number, message) in maildrop.iter() {
            connection.out.extend_from_slice(format!("{number} {}\r\n", value(maildrop, message)).as_bytes());
            connection.relieve().await?;
        }
        connection.out.extend_from_slice(b".\r\n");
        Ok(())
    }

    /// RETR and TOP.
    async fn send(&mut self, number: u32, mut text: Text) -> Result<(), End> {
        let Self { maildrop, connection, .. } = self;
        let Some(maildrop) = maildrop else {
            self.put(&stranger());
            return Ok(());
        };
        let Some(message) = maildrop.get(number) else {
            let answer = none(maildrop);
            self.put(&answer);
            return Ok(());
        };
        metrics::counter!(MESSAGES_READ).increment(1);
        let mut stream = match maildrop.fetch(message).await {
            Ok(stream) => stream,
            Err(error) => {
                self.put(&failed(&error));
                return Ok(());
            }
        };
        let mut begun = false;
        while let Some(fetched) = stream.next().await {
            let fetched = match fetched {
                Ok(fetched) => fetched,
                Err(error) if !begun => {
                    self.put(&failed(&error));
                    return Ok(());
                }
                // Half an answer cannot be taken back: only an end without the dot says that it is not whole.
                Err(error) => {
                    tracing::warn!(%error, "a message could not be read to its end");
                    connection.flush().await?;
                    return Err(End::Gone);
                }
            };
            for section in fetched.messages.iter().flat_map(|message| &message.sections) {
                if !begun {
                    let head = format!("+OK {} octets\r\n", message.size);
                    connection.out.extend_from_slice(head.as_bytes());
                    begun = true;
                }
                text.push(&section.data, &mut connection.out);
                connection.relieve().await?;
            }
            if text.is_done() {
                break;
            }
        }
        if !begun {
            self.put(&err("[SYS/PERM] Somebody has removed this message meanwhile"));
            return Ok(());
        }
        let whole = !text.is_done();
        text.finish(&mut connection.out);
        if whole {
            maildrop.was_read(message);
        }
        Ok(connection.relieve().await?)
    }

    fn delete(&mut self, number: u32) -> Answer {
        let Some(maildrop) = &mut self.maildrop else { return stranger() };
        match maildrop.get(number) {
            Some(_) if maildrop.is_damaged() => err(DAMAGED),
            Some(message) => {
                maildrop.delete(message);
                ok("It goes at QUIT")
            }
            None => none(maildrop),
        }
    }

    fn reset(&mut self) -> Answer {
        let Some(maildrop) = &mut self.maildrop else { return stranger() };
        maildrop.reset();
        ok("Nothing goes")
    }

    /// UPDATE (RFC 1939 §6).
    async fn quit(&mut self) -> Result<(), End> {
        let answer = match self.maildrop.take() {
            None => ok("Bye"),
            Some(maildrop) => match maildrop.update().await {
                Ok(()) => ok("Bye"),
                Err(error) => {
                    tracing::warn!(%error, "what was to be removed at QUIT may still be there");
                    not_removed(&error)
                }
            },
        };
        self.put(&answer);
        Err(End::Said)
    }
}

fn stranger() -> Answer {
    err("Sign in first")
}

fn none(maildrop: &Maildrop) -> Answer {
    err(format!("There is no such message, or it goes at QUIT; the last is {}", maildrop.last()))
}

/// What QUIT is answered when not all of what was marked is gone (RFC 1939 §6).
fn not_removed(error: &ClientError) -> Answer {
    match error {
        ClientError::Failure(FailureCode::Damaged | FailureCode::Missing | FailureCode::WrongKey, _) => err(DAMAGED),
        ClientError::Failure(..) | ClientError::Unavailable | ClientError::Interrupted | ClientError::Protocol(_) => {
            err("[SYS/TEMP] Some messages were not removed")
        }
    }
}

/// What a node's failure is to a client (RFC 3206).
fn failed(error: &ClientError) -> Answer {
    match error {
        ClientError::Failure(FailureCode::Damaged | FailureCode::Missing | FailureCode::WrongKey, why) => {
            err(format!("[SYS/PERM] {why}"))
        }
        ClientError::Failure(_, why) => err(format!("[SYS/TEMP] {why}")),
        ClientError::Unavailable | ClientError::Interrupted | ClientError::Protocol(_) => {
            err("[SYS/TEMP] The mailbox cannot be reached at the moment, try again")
        }
    }
}
