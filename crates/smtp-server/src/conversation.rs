//! The conversation: reads within the waits, steps through the session, and has the role answer.

use crate::connection::Connection;
use crate::limits::{OUTPUT_BYTES_HIGH, READ_BYTES};
use daemon::stream::Stream;
use smtp::command::{Mail, Rcpt};
use smtp::session::answers::{EARLY_TALKER, SHUTTING_DOWN, TIMED_OUT, TOO_SLOW};
use smtp::{Auth, Config, Event, Protocol, Reply, Session};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroize;

/// How long a client is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// For its next command.
    pub command: Duration,
    /// For more of its text.
    pub text: Duration,
    /// For a whole message.
    pub message: Duration,
    /// For a TLS handshake.
    pub handshake: Duration,
    /// For it to take what is written.
    pub write: Duration,
}

/// How a client speaks.
#[derive(Debug, Clone)]
pub struct Manner {
    /// The name that it gave.
    pub hello: String,
    /// What it uses.
    pub protocol: Protocol,
    /// TLS's version and cipher suite.
    pub tls: Option<(&'static str, String)>,
}

/// Who answers. Of a transaction, the calls come in the order of SMTP: `mail`, each `recipient`, `data`, each `text`, `message`;
/// `reset` voids it at any point.
pub trait Role: Send {
    /// As things stand now.
    fn waits(&self) -> Waits;
    /// Somebody says who they are. Roles that do not offer it are not asked.
    fn auth(&mut self, auth: Auth) -> impl Future<Output = Reply> + Send;
    /// A transaction may begin.
    fn mail(&mut self, mail: Mail, manner: Manner) -> impl Future<Output = Reply> + Send;
    /// A recipient of it.
    fn recipient(&mut self, rcpt: Rcpt) -> impl Future<Output = Reply> + Send;
    /// The text is about to come.
    fn data(&mut self, manner: Manner) -> impl Future<Output = Reply> + Send;
    /// More of it.
    fn text(&mut self, text: &[u8]) -> impl Future<Output = ()> + Send;
    /// It is whole; a positive reply takes responsibility for it.
    fn message(&mut self, manner: Manner) -> impl Future<Output = Reply> + Send;
    /// The open transaction, if there is one, is void.
    fn reset(&mut self);
    /// TLS begins: nobody is signed in any more (RFC 3207 §4.2).
    fn tls_started(&mut self);
}

/// What all conversations of a listener share.
#[derive(Debug, Clone)]
pub struct Door {
    /// What STARTTLS begins.
    pub tls: Arc<ServerConfig>,
    /// Cancelled when the process is to end: a message that is coming in is finished first.
    pub shutdown: CancellationToken,
    /// Whether this client may speak before the greeting.
    pub may_speak_first: bool,
}

/// How a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By the session: QUIT, or a limit.
    Closed,
    /// The client hung up.
    Gone,
    /// The client was waited for too long.
    Timeout,
    /// A handshake failed.
    TlsFailed,
}

impl End {
    /// For metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Gone => "gone",
            Self::Timeout => "timeout",
            Self::TlsFailed => "tls_failed",
        }
    }
}

/// A conversation under way.
pub struct Conversation<R> {
    session: Session,
    connection: Connection,
    door: Door,
    role: R,
}

/// What reading from the client came to.
enum Heard {
    Octets(usize),
    End,
    TooLate,
    Shutdown,
}

impl<R: Role> Conversation<R> {
    /// On a fresh connection.
    pub fn new(config: Config, stream: Stream, door: Door, role: R) -> Self {
        let session = Session::new(config, stream.is_tls());
        Self { session, connection: Connection::new(stream), door, role }
    }

    /// Serves the client to its end.
    pub async fn run(mut self) -> End {
        match self.converse().await {
            Ok(end) => end,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => End::Timeout,
            Err(error) => {
                tracing::debug!(%error, "a connection broke");
                End::Gone
            }
        }
    }

    async fn converse(&mut self) -> io::Result<End> {
        if !self.door.may_speak_first && self.connection.has_input() {
            self.session.close(&EARLY_TALKER);
        }
        self.session.greet();
        self.write().await?;
        let mut buffer = vec![0; READ_BYTES];
        let mut message_end = None;
        loop {
            let octets = match self.read(&mut buffer, message_end).await? {
                Heard::Octets(octets) => octets,
                Heard::End => return Ok(End::Gone),
                Heard::TooLate => {
                    let late = message_end.is_some_and(|end| Instant::now() >= end);
                    self.hang_up(if late { TOO_SLOW } else { TIMED_OUT }).await?;
                    return Ok(End::Timeout);
                }
                Heard::Shutdown => {
                    self.hang_up(SHUTTING_DOWN).await?;
                    return Ok(End::Closed);
                }
            };
            let end = self.take(buffer.get(..octets).unwrap_or_default()).await?;
            // A password may have been in it.
            if let Some(read) = buffer.get_mut(..octets)
                && !self.session.in_message()
            {
                read.zeroize();
            }
            if let Some(end) = end {
                return Ok(end);
            }
            message_end = match (self.session.in_message(), message_end) {
                (false, _) => None,
                (true, None) => Some(Instant::now() + self.role.waits().message),
                (true, set) => set,
            };
        }
    }

    async fn read(&mut self, buffer: &mut [u8], message_end: Option<Instant>) -> io::Result<Heard> {
        let (in_message, waits) = (self.session.in_message(), self.role.waits());
        let silence_end = Instant::now() + if in_message { waits.text } else { waits.command };
        let end = message_end.map_or(silence_end, |end| end.min(silence_end));
        tokio::select! {
            // A client that never stops talking is sent away too, between two messages.
            biased;
            () = self.door.shutdown.cancelled(), if !in_message => Ok(Heard::Shutdown),
            octets = self.connection.read(buffer) => Ok(match octets? { 0 => Heard::End, octets => Heard::Octets(octets) }),
            () = tokio::time::sleep_until(end) => Ok(Heard::TooLate),
        }
    }

    /// Goes through what was read; the end, if it came.
    async fn take(&mut self, mut input: &[u8]) -> io::Result<Option<End>> {
        loop {
            let reply = match self.session.step(&mut input) {
                Event::NeedInput => {
                    self.write().await?;
                    return Ok(None);
                }
                Event::Auth(auth) => {
                    // What came before is answered before a password is checked, which takes a while.
                    self.write().await?;
                    Some(self.role.auth(auth).await)
                }
                Event::Mail(mail) => Some(self.role.mail(mail, self.manner()).await),
                Event::Recipient(rcpt) => Some(self.role.recipient(rcpt).await),
                Event::Data => Some(self.role.data(self.manner()).await),
                Event::Body(text) => {
                    self.role.text(text).await;
                    None
                }
                Event::Message => Some(self.role.message(self.manner()).await),
                Event::Reset => {
                    self.role.reset();
                    None
                }
                Event::StartTls => {
                    if !self.start_tls().await? {
                        return Ok(Some(End::TlsFailed));
                    }
                    None
                }
                Event::Close => {
                    self.role.reset();
                    self.write().await?;
                    self.connection.close().await;
                    return Ok(Some(End::Closed));
                }
            };
            if let Some(reply) = reply {
                self.session.answer(&reply);
            }
            if self.session.output_bytes() > OUTPUT_BYTES_HIGH {
                self.write().await?;
            }
        }
    }

    fn manner(&self) -> Manner {
        let hello = self.session.hello().unwrap_or_default().to_owned();
        Manner { hello, protocol: self.session.protocol(), tls: self.connection.tls() }
    }

    /// Whether the handshake was done.
    async fn start_tls(&mut self) -> io::Result<bool> {
        self.role.reset();
        self.role.tls_started();
        self.write().await?;
        match self.connection.start_tls(&self.door.tls, self.role.waits().handshake).await {
            Ok(()) => {
                self.session.tls_started();
                Ok(true)
            }
            Err(error) => {
                tracing::debug!(%error, "a handshake failed");
                Ok(false)
            }
        }
    }

    async fn hang_up(&mut self, reply: Reply) -> io::Result<()> {
        self.role.reset();
        self.session.close(&reply);
        self.write().await?;
        self.connection.close().await;
        Ok(())
    }

    async fn write(&mut self) -> io::Result<()> {
        let output = self.session.take_output();
        if output.is_empty() {
            return Ok(());
        }
        self.connection.write(&output, self.role.waits().write).await
    }
}
