//! One client's conversation: moves octets between the connection and the SMTP session, and answers the session's questions.

use crate::answers;
use crate::limits::{COMMAND_WAIT, MESSAGE_WAIT, OUTPUT_BYTES_HIGH, READ_BYTES, STRANGER_WAIT, TEXT_WAIT, WRITE_WAIT};
use crate::server::Shared;
use crate::transaction::{Sender, Transaction};
use daemon::doors::HANDSHAKE;
use daemon::stream::Stream;
use jiff::Timestamp;
use message::trace::{Greeting, Received, Tls, received};
use model::Address;
use sign_in::plain::Plain;
use sign_in::{Claim, Proven};
use smtp::session::answers::{SENDER_OK, SHUTTING_DOWN, SIGNED_IN, TIMED_OUT, WRONG_PASSWORD};
use smtp::{Auth, Event, Reply, Session};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use zeroize::Zeroize;

/// A conversation under way.
pub struct Conversation {
    shared: Arc<Shared>,
    peer: SocketAddr,
    session: Session,
    /// `None` only while a handshake has it.
    stream: Option<Stream>,
    sender: Option<Sender>,
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
    /// On a fresh connection.
    pub fn new(shared: Arc<Shared>, stream: Stream, peer: SocketAddr) -> Self {
        let session = Session::new(shared.settings.session(peer.ip()), stream.is_tls());
        Self { shared, peer, session, stream: Some(stream), sender: None, transaction: None }
    }

    /// Serves the client to its end. When the process is to end, a message that is coming in is finished first.
    pub async fn run(mut self) {
        if let Err(error) = self.converse().await {
            tracing::debug!(%error, "a connection broke");
        }
    }

    async fn converse(&mut self) -> io::Result<()> {
        self.session.greet();
        self.write().await?;
        let mut buffer = vec![0; READ_BYTES];
        let mut message_end = None;
        loop {
            let octets = match self.read(&mut buffer, message_end).await? {
                Heard::Octets(octets) => octets,
                Heard::End => return Ok(()),
                Heard::TooLate => {
                    let late = message_end.is_some_and(|end| Instant::now() >= end);
                    return self.hang_up(&if late { answers::TOO_SLOW } else { TIMED_OUT }).await;
                }
                Heard::Shutdown => return self.hang_up(&SHUTTING_DOWN).await,
            };
            let goes_on = self.take(buffer.get(..octets).unwrap_or_default()).await?;
            // A password may have been in it.
            if let Some(read) = buffer.get_mut(..octets)
                && !self.session.in_message()
            {
                read.zeroize();
            }
            if !goes_on {
                return Ok(());
            }
            message_end = match (self.session.in_message(), message_end) {
                (false, _) => None,
                (true, None) => Some(Instant::now() + MESSAGE_WAIT),
                (true, set) => set,
            };
        }
    }

    async fn read(&mut self, buffer: &mut [u8], message_end: Option<Instant>) -> io::Result<Heard> {
        let in_message = self.session.in_message();
        let patience = match (in_message, self.sender.is_some()) {
            (true, _) => TEXT_WAIT,
            (false, true) => COMMAND_WAIT,
            (false, false) => STRANGER_WAIT,
        };
        let silence_end = Instant::now() + patience;
        let end = message_end.map_or(silence_end, |end| end.min(silence_end));
        let Self { shared, stream, .. } = self;
        let stream = stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        tokio::select! {
            biased;
            () = shared.shutdown.cancelled(), if !in_message => Ok(Heard::Shutdown),
            octets = stream.read(buffer) => Ok(match octets? { 0 => Heard::End, octets => Heard::Octets(octets) }),
            () = tokio::time::sleep_until(end) => Ok(Heard::TooLate),
        }
    }

    /// Goes through what was read. Whether the conversation goes on.
    async fn take(&mut self, mut input: &[u8]) -> io::Result<bool> {
        loop {
            match self.session.step(&mut input) {
                Event::NeedInput => {
                    self.write().await?;
                    return Ok(true);
                }
                Event::Auth(auth) => {
                    // What came before is answered before the derivation.
                    self.write().await?;
                    let reply = Box::pin(self.sign_in(auth)).await;
                    self.session.answer(&reply);
                }
                Event::Mail(mail) => {
                    let reply = Box::pin(self.mail(mail)).await;
                    self.session.answer(&reply);
                }
                Event::Recipient(rcpt) => {
                    let reply = match (&mut self.transaction, &self.sender) {
                        (Some(transaction), Some(sender)) => {
                            Box::pin(transaction.recipient(&self.shared, sender, rcpt)).await
                        }
                        (None, _) | (_, None) => answers::INTERNAL,
                    };
                    self.session.answer(&reply);
                }
                Event::Data => {
                    let reply = self.transaction.as_mut().map_or(answers::INTERNAL, Transaction::begin);
                    self.session.answer(&reply);
                }
                Event::Body(text) => {
                    if let (Some(transaction), Some(sender)) = (&mut self.transaction, &mut self.sender) {
                        Box::pin(transaction.text(&self.shared, sender, text)).await;
                    }
                }
                Event::Message => {
                    let reply = Box::pin(self.finish()).await;
                    self.session.answer(&reply);
                }
                Event::Reset => self.transaction = None,
                Event::StartTls => {
                    if !self.start_tls().await? {
                        return Ok(false);
                    }
                }
                Event::Close => {
                    self.transaction = None;
                    self.close().await?;
                    return Ok(false);
                }
            }
            if self.session.output_bytes() > OUTPUT_BYTES_HIGH {
                self.write().await?;
            }
        }
    }

    async fn sign_in(&mut self, auth: Auth) -> Reply {
        let claim = match auth {
            Auth::Plain(message) => match Plain::parse(&message) {
                Plain::Claim(claim) => claim,
                Plain::OtherIdentity => return answers::OTHER_IDENTITY,
                Plain::Malformed => return answers::NOT_PLAIN,
            },
            Auth::Login(name, password) => Claim::new(&name, password.to_vec()),
        };
        match self.shared.sign_in.prove(claim, self.peer.ip()).await {
            Ok(proven) => self.signed_in(proven),
            Err(denied) => answers::for_denied(&denied),
        }
    }

    fn signed_in(&mut self, proven: Proven) -> Reply {
        let Ok(login) = proven.alias.address.parse::<Address>() else {
            tracing::error!(mailbox = %proven.mailbox, "the directory's answer makes no sense");
            return WRONG_PASSWORD;
        };
        self.sender = Some(Sender::new(login, proven));
        SIGNED_IN
    }

    async fn mail(&mut self, mail: smtp::command::Mail) -> Reply {
        let Some(sender) = &mut self.sender else { return answers::INTERNAL };
        match Transaction::new(&self.shared, sender, mail).await {
            Ok(transaction) => {
                self.transaction = Some(transaction);
                SENDER_OK
            }
            Err(reply) => reply,
        }
    }

    async fn finish(&mut self) -> Reply {
        let Some(transaction) = self.transaction.take() else { return answers::INTERNAL };
        let received = self.received(&transaction);
        match &mut self.sender {
            Some(sender) => transaction.finish(&self.shared, sender, &received).await,
            None => answers::INTERNAL,
        }
    }

    /// RFC 5321 §4.4.
    fn received(&self, transaction: &Transaction) -> String {
        let protocol = self.session.protocol();
        let tls = self.stream.as_ref().and_then(Stream::tls);
        let id = transaction.id().to_string();
        received(&Received {
            greeted_as: self.session.hello().unwrap_or_default(),
            client: self.peer.ip(),
            client_name: None,
            by: &self.shared.settings.hostname,
            greeting: if protocol.utf8 { Greeting::Utf8Smtp } else { Greeting::Esmtp },
            tls: tls.as_ref().map(|(version, cipher)| Tls { version, cipher }),
            authenticated: true,
            id: &id,
            recipients: &[],
            at: Timestamp::now(),
        })
    }

    /// Whether the handshake was done.
    async fn start_tls(&mut self) -> io::Result<bool> {
        (self.transaction, self.sender) = (None, None);
        self.write().await?;
        let stream = self.stream.take().ok_or(io::ErrorKind::NotConnected)?;
        match stream.start_tls(&self.shared.tls, HANDSHAKE).await {
            Ok(stream) => {
                self.stream = Some(stream);
                self.session.tls_started();
                Ok(true)
            }
            Err(error) => {
                tracing::debug!(%error, "a handshake failed");
                Ok(false)
            }
        }
    }

    async fn hang_up(&mut self, reply: &Reply) -> io::Result<()> {
        self.transaction = None;
        self.session.close(reply);
        self.close().await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.write().await?;
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        timeout(WRITE_WAIT, stream.shutdown()).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn write(&mut self) -> io::Result<()> {
        let output = self.session.take_output();
        if output.is_empty() {
            return Ok(());
        }
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let written = async {
            stream.write_all(&output).await?;
            stream.flush().await
        };
        timeout(WRITE_WAIT, written).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}
