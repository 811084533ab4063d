//! One SMTP connection as its client: the greeting, EHLO, TLS, signing in, and replies one after the other. What is sent over
//! it is [`crate::transaction`]'s.

mod auth;
mod open;

pub use auth::Login;
pub use open::{Opening, open};

use crate::fault::{Fault, Stage};
use crate::limits::READ_BYTES;
use crate::patience::Patience;
use crate::transport::Transport;
use smtp::client::Offers;
use smtp::{Reply, ReplyParser};
use std::io;
use std::time::{Duration, Instant};

/// What protects a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Security {
    /// Nothing.
    Clear,
    /// TLS with a server that did not have to say who it is.
    Encrypted,
    /// TLS with the server that was meant.
    Verified,
}

/// A connection that is ready for a transaction, or broken.
pub struct Connection {
    transport: Transport,
    parser: ReplyParser,
    /// What was read and not yet looked at.
    input: Vec<u8>,
    offers: Offers,
    /// What the server calls itself.
    greeted_as: String,
    security: Security,
    /// `mx.example.com [192.0.2.1]`
    remote: String,
    patience: Patience,
    /// Messages so far.
    messages: u32,
    /// The last transaction did not end with its message taken: RSET comes first.
    unclean: bool,
    used: Instant,
}

impl Connection {
    fn new(transport: Transport, remote: String, patience: Patience) -> Self {
        Self {
            transport,
            parser: ReplyParser::default(),
            input: Vec::new(),
            offers: Offers::default(),
            greeted_as: String::new(),
            security: Security::Clear,
            remote,
            patience,
            messages: 0,
            unclean: false,
            used: Instant::now(),
        }
    }

    /// What the server offers.
    pub fn offers(&self) -> &Offers {
        &self.offers
    }
    /// What the server calls itself in its answer to EHLO or HELO.
    pub fn greeted_as(&self) -> &str {
        &self.greeted_as
    }
    /// What protects it.
    pub fn security(&self) -> Security {
        self.security
    }
    /// The server, by name and address.
    pub fn remote(&self) -> &str {
        &self.remote
    }
    /// Whether it goes without TLS.
    pub fn is_clear(&self) -> bool {
        self.security == Security::Clear
    }
    /// How often it was begun with.
    pub fn messages(&self) -> u32 {
        self.messages
    }
    /// How long nothing was sent over it.
    pub fn idle(&self) -> Duration {
        self.used.elapsed()
    }
    pub(crate) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Before a transaction: the last one's remains are taken away.
    pub(crate) async fn prepare(&mut self) -> Result<(), Fault> {
        self.messages += 1;
        if std::mem::take(&mut self.unclean) {
            let reply = self.ask("RSET\r\n", Stage::Reset, self.patience.hello).await?;
            if !reply.is_positive() {
                return Err(Fault::Refused { stage: Stage::Reset, reply });
            }
        }
        Ok(())
    }

    /// The transaction that goes on now will have to be taken away.
    pub(crate) fn leave_unclean(&mut self, unclean: bool) {
        self.unclean = unclean;
    }

    /// Sends a command and reads its reply.
    pub(crate) async fn ask(&mut self, line: &str, stage: Stage, limit: Duration) -> Result<Reply, Fault> {
        self.write(line.as_bytes(), stage, limit).await?;
        self.reply(stage, limit).await
    }

    /// Sends octets.
    pub(crate) async fn write(&mut self, bytes: &[u8], stage: Stage, limit: Duration) -> Result<(), Fault> {
        self.used = Instant::now();
        self.transport.write_all(bytes, limit).await.map_err(|problem| Fault::Io { stage, problem })
    }

    /// The next reply, whole within the limit. 421 and 521 are faults: the server closes.
    pub(crate) async fn reply(&mut self, stage: Stage, limit: Duration) -> Result<Reply, Fault> {
        let reading = self.read_reply(stage, limit);
        let reply = match tokio::time::timeout(limit, reading).await {
            Ok(read) => read?,
            Err(_) => return Err(Fault::Io { stage, problem: io::ErrorKind::TimedOut.into() }),
        };
        if matches!(reply.code(), 421 | 521) { Err(Fault::Refused { stage, reply }) } else { Ok(reply) }
    }

    async fn read_reply(&mut self, stage: Stage, limit: Duration) -> Result<Reply, Fault> {
        loop {
            let mut unread = self.input.as_slice();
            let parsed = self.parser.push(&mut unread);
            let left = unread.len();
            self.input.drain(..self.input.len() - left);
            if let Some(reply) = parsed.map_err(|problem| Fault::Garbage { stage, problem })? {
                return Ok(reply);
            }
            let mut buffer = [0; READ_BYTES];
            match self.transport.read(&mut buffer, limit).await.map_err(|problem| Fault::Io { stage, problem })? {
                0 => return Err(Fault::Closed(stage)),
                octets => self.input.extend_from_slice(buffer.get(..octets).unwrap_or_default()),
            }
        }
    }

    /// Why the server broke off, if it said so: `fault` otherwise.
    pub(crate) async fn last_word(&mut self, fault: Fault) -> Fault {
        match self.reply(fault.stage(), self.patience.last_word).await {
            Ok(reply) if !reply.is_positive() => Fault::Refused { stage: fault.stage(), reply },
            Err(refused @ Fault::Refused { .. }) => refused,
            Ok(_) | Err(_) => fault,
        }
    }

    /// Says QUIT and goes.
    pub async fn quit(mut self) {
        let limit = self.patience.quit;
        let asked = async {
            self.transport.write_all(b"QUIT\r\n", limit).await?;
            self.transport.read(&mut [0; 512], limit).await
        };
        let _ = tokio::time::timeout(limit, asked).await;
        self.transport.shut(limit).await;
    }
}
