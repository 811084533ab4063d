//! One client's conversation: moves octets between the connection and the session, and answers the session's questions.

use crate::limits::{OUTPUT_BYTES_MAX, READ_BYTES};
use crate::policy::Client;
use crate::trace::Peer;
use crate::transaction::Transaction;
use crate::transport::Transport;
use crate::{Mx, answers, metrics as names};
use smtp::session::answers::{EARLY_TALKER, SENDER_OK, SHUTTING_DOWN, TIMED_OUT};
use smtp::{Event, Reply, Session};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// By the session: QUIT, or a limit.
    Closed,
    /// The client hung up.
    Gone,
    Timeout,
    TlsFailed,
}

impl End {
    const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Gone => "gone",
            Self::Timeout => "timeout",
            Self::TlsFailed => "tls_failed",
        }
    }
}

/// Serves one client to its end. When `shutdown` is cancelled, a message that is coming in is finished first.
pub async fn serve(mx: Arc<Mx>, stream: TcpStream, client: IpAddr, shutdown: CancellationToken) {
    let session = Session::new(mx.session.clone(), false);
    let transport = Transport::Plain(stream);
    let mut conversation = Conversation { mx, client, session, transport: Some(transport), transaction: None };
    let end = match conversation.run(&shutdown).await {
        Ok(end) => end,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => End::Timeout,
        Err(error) => {
            tracing::debug!(%error, "connection broke");
            End::Gone
        }
    };
    metrics::counter!(names::CONVERSATIONS, "end" => end.name()).increment(1);
}

struct Conversation {
    mx: Arc<Mx>,
    client: IpAddr,
    session: Session,
    /// `None` only while a handshake has it.
    transport: Option<Transport>,
    transaction: Option<Transaction>,
}

/// What reading from the client came to.
enum Heard {
    Octets(usize),
    End,
    TooLate,
    Shutdown,
}

impl Conversation {
    async fn run(&mut self, shutdown: &CancellationToken) -> io::Result<End> {
        let trusted = self.mx.trusts_loopback && self.client.is_loopback();
        if !trusted && self.transport()?.has_input() {
            self.session.close(&EARLY_TALKER);
        }
        self.session.greet();
        self.write().await?;
        let mut buffer = vec![0; READ_BYTES];
        let mut message_end = None;
        loop {
            let octets = match self.read(&mut buffer, message_end, shutdown).await? {
                Heard::Octets(octets) => octets,
                Heard::End => return Ok(End::Gone),
                Heard::TooLate => {
                    let late = message_end.is_some_and(|end| Instant::now() >= end);
                    self.hang_up(if late { answers::TOO_SLOW } else { TIMED_OUT }).await?;
                    return Ok(End::Timeout);
                }
                Heard::Shutdown => {
                    self.hang_up(SHUTTING_DOWN).await?;
                    return Ok(End::Closed);
                }
            };
            if let Some(end) = self.take(buffer.get(..octets).unwrap_or_default()).await? {
                return Ok(end);
            }
            message_end = match (self.session.in_message(), message_end) {
                (false, _) => None,
                (true, None) => Some(Instant::now() + self.mx.patience.message),
                (true, set) => set,
            };
        }
    }

    async fn read(
        &mut self,
        buffer: &mut [u8],
        message_end: Option<Instant>,
        shutdown: &CancellationToken,
    ) -> io::Result<Heard> {
        let in_message = self.session.in_message();
        let patience = &self.mx.patience;
        let silence_end = Instant::now() + if in_message { patience.text } else { patience.command };
        let end = message_end.map_or(silence_end, |end| end.min(silence_end));
        tokio::select! {
            // A client that never stops talking is sent away too, between two messages.
            biased;
            () = shutdown.cancelled(), if !in_message => Ok(Heard::Shutdown),
            octets = self.transport()?.read(buffer) => Ok(match octets? { 0 => Heard::End, octets => Heard::Octets(octets) }),
            () = tokio::time::sleep_until(end) => Ok(Heard::TooLate),
        }
    }

    /// Goes through what was read; the end, if it came.
    async fn take(&mut self, mut input: &[u8]) -> io::Result<Option<End>> {
        loop {
            match self.session.step(&mut input) {
                Event::NeedInput => {
                    self.write().await?;
                    return Ok(None);
                }
                Event::Mail(mail) => {
                    let hello = self.session.hello().unwrap_or_default().to_owned();
                    let client = Client { address: self.client, hello };
                    let reply = match Transaction::new(&self.mx, mail, client) {
                        Ok(transaction) => {
                            self.transaction = Some(transaction);
                            SENDER_OK
                        }
                        Err(reply) => reply,
                    };
                    self.session.answer(&reply);
                }
                Event::Recipient(rcpt) => {
                    let reply = match &mut self.transaction {
                        Some(transaction) => Box::pin(transaction.recipient(&self.mx, rcpt)).await,
                        None => answers::INTERNAL,
                    };
                    self.session.answer(&reply);
                }
                // Nobody signs in here: it is not on offer.
                Event::Auth(_) => self.session.answer(&answers::INTERNAL),
                Event::Data => {
                    let reply = self.begin().await;
                    self.session.answer(&reply);
                }
                Event::Body(text) => {
                    if let Some(transaction) = &mut self.transaction {
                        Box::pin(transaction.text(&self.mx, text)).await;
                    }
                }
                Event::Message => {
                    let reply = match self.transaction.take() {
                        Some(transaction) => Box::pin(transaction.finish(&self.mx)).await,
                        None => answers::INTERNAL,
                    };
                    self.session.answer(&reply);
                }
                Event::Reset => self.transaction = None,
                Event::StartTls => {
                    if !self.start_tls().await? {
                        return Ok(Some(End::TlsFailed));
                    }
                }
                Event::Close => {
                    self.transaction = None;
                    self.write().await?;
                    Box::pin(self.transport()?.close()).await;
                    return Ok(Some(End::Closed));
                }
            }
            if self.session.output_bytes() > OUTPUT_BYTES_MAX {
                self.write().await?;
            }
        }
    }

    async fn begin(&mut self) -> Reply {
        let Some(transaction) = &mut self.transaction else { return answers::INTERNAL };
        let hello = self.session.hello().unwrap_or_default();
        let tls = self.transport.as_ref().and_then(Transport::tls);
        let peer = Peer { hello, address: self.client, protocol: self.session.protocol(), tls };
        let reply = Box::pin(transaction.begin(&self.mx, &peer)).await;
        if !reply.is_positive() {
            self.transaction = None;
        }
        reply
    }

    /// Whether the handshake was done.
    async fn start_tls(&mut self) -> io::Result<bool> {
        self.transaction = None;
        self.write().await?;
        let transport = self.transport.take().ok_or(io::ErrorKind::NotConnected)?;
        match Box::pin(transport.start_tls(&self.mx.tls, self.mx.patience.handshake)).await {
            Ok(transport) => {
                self.transport = Some(transport);
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
        self.transaction = None;
        self.session.close(&reply);
        self.write().await?;
        Box::pin(self.transport()?.close()).await;
        Ok(())
    }

    async fn write(&mut self) -> io::Result<()> {
        let output = self.session.take_output();
        if output.is_empty() {
            return Ok(());
        }
        let limit = self.mx.patience.write;
        self.transport()?.write_all(&output, limit).await
    }

    fn transport(&mut self) -> io::Result<&mut Transport> {
        self.transport.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}
