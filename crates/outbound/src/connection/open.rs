//! From an address to a connection that is ready: TCP, greeting, EHLO or HELO, TLS as it is demanded, signing in.

use super::{Connection, Login, Security};
use crate::fault::{Fault, Stage};
use crate::patience::Patience;
use crate::tls::{Demand, Tls};
use crate::transport::Transport;
use smtp::Reply;
use smtp::client::Offers;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// What a connection is to be.
pub struct Opening<'a> {
    /// Our name.
    pub hello: &'a str,
    /// The server's name, or its address where it has none.
    pub host: &'a str,
    /// Where it is.
    pub address: SocketAddr,
    /// What TLS it must have.
    pub demand: &'a Demand,
    /// TLS from the first octet (RFC 8314 §3).
    pub implicit_tls: bool,
    /// Who we are, where that is asked.
    pub login: Option<&'a Login>,
    /// How TLS is done.
    pub tls: &'a Tls,
    /// How long to wait.
    pub patience: Patience,
}

/// Opens it.
///
/// # Errors
/// The server cannot be reached, refuses us, or has not the TLS that is demanded.
pub async fn open(opening: &Opening<'_>) -> Result<Connection, Fault> {
    let connecting = tokio::time::timeout(opening.patience.connect, TcpStream::connect(opening.address)).await;
    let stream = connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let failed = |problem| Fault::Io { stage: Stage::Connect, problem };
    let stream = stream.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let remote = format!("{} [{}]", opening.host, opening.address.ip());
    let mut connection = Connection::new(Transport::Plain(stream), remote, opening.patience);
    if opening.implicit_tls {
        connection = connection.encrypt(opening).await?;
    }
    let greeting = connection.reply(Stage::Greeting, opening.patience.greeting).await?;
    if greeting.code() != 220 {
        return Err(Fault::Refused { stage: Stage::Greeting, reply: greeting });
    }
    connection.hello(opening.hello).await?;
    if !opening.implicit_tls {
        connection = connection.start_tls(opening).await?;
    }
    if let Some(login) = opening.login {
        connection.sign_in(login).await?;
    }
    Ok(connection)
}

impl Connection {
    /// EHLO, or HELO for a server that does not know it (RFC 5321 §4.1.1.1).
    async fn hello(&mut self, name: &str) -> Result<(), Fault> {
        let limit = self.patience.hello;
        let reply = self.ask(&format!("EHLO {name}\r\n"), Stage::Hello, limit).await?;
        if reply.code() == 250 {
            self.offers = Offers::of(&reply);
            self.name(&reply);
            return Ok(());
        }
        if !reply.is_permanent() {
            return Err(Fault::Refused { stage: Stage::Hello, reply });
        }
        self.offers = Offers::default();
        let reply = self.ask(&format!("HELO {name}\r\n"), Stage::Hello, limit).await?;
        if reply.code() != 250 {
            return Err(Fault::Refused { stage: Stage::Hello, reply });
        }
        self.name(&reply);
        Ok(())
    }

    fn name(&mut self, reply: &Reply) {
        self.greeted_as = reply.text().split_ascii_whitespace().next().unwrap_or_default().to_owned();
    }

    async fn start_tls(mut self, opening: &Opening<'_>) -> Result<Self, Fault> {
        if matches!(opening.demand, Demand::Never) {
            return Ok(self);
        }
        if !self.offers.starttls {
            return if opening.demand.is_strict() { Err(Fault::NoTls) } else { Ok(self) };
        }
        let reply = self.ask("STARTTLS\r\n", Stage::StartTls, self.patience.hello).await?;
        if reply.code() != 220 {
            return if opening.demand.is_strict() { Err(Fault::NoTls) } else { Ok(self) };
        }
        // What came in the clear behind the 220 was not said by the peer of the handshake (RFC 3207 §6).
        if !self.input.is_empty() {
            return Err(Fault::Injected);
        }
        let mut connection = self.encrypt(opening).await?;
        // RFC 3207 §4.2: what was learned before is forgotten.
        connection.hello(opening.hello).await?;
        Ok(connection)
    }

    async fn encrypt(self, opening: &Opening<'_>) -> Result<Self, Fault> {
        let Self { transport, remote, patience, .. } = self;
        let (config, name) = opening.tls.client(opening.demand, opening.host).map_err(Fault::Handshake)?;
        let transport = transport.start_tls(config, name, patience.handshake).await.map_err(Fault::Handshake)?;
        let security = if opening.demand.is_verified() { Security::Verified } else { Security::Encrypted };
        Ok(Self { security, ..Self::new(transport, remote, patience) })
    }
}
