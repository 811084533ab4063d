//! What the MX answers in one client's conversation: a transaction after the other.

use crate::policy::Client;
use crate::trace::Peer;
use crate::transaction::Transaction;
use crate::{Mx, answers, metrics as names};
use daemon::stream::Stream;
use smtp::command::{Mail, Rcpt};
use smtp::session::answers::SENDER_OK;
use smtp::{Auth, Reply};
use smtp_server::{Conversation, Door, Manner, Role, Waits};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Serves one client to its end. When `shutdown` is cancelled, a message that is coming in is finished first.
pub async fn serve(mx: Arc<Mx>, stream: TcpStream, client: IpAddr, shutdown: CancellationToken) {
    let may_speak_first = mx.trusts_loopback && client.is_loopback();
    let door = Door { tls: Arc::clone(&mx.tls), shutdown, may_speak_first };
    let session = mx.session.clone();
    let exchanger = Exchanger { mx, client, transaction: None };
    let end = Conversation::new(session, Stream::Plain(stream), door, exchanger).run().await;
    metrics::counter!(names::CONVERSATIONS, "end" => end.name()).increment(1);
}

struct Exchanger {
    mx: Arc<Mx>,
    client: IpAddr,
    transaction: Option<Transaction>,
}

impl Role for Exchanger {
    fn waits(&self) -> Waits {
        let patience = &self.mx.patience;
        Waits {
            command: patience.command,
            text: patience.text,
            message: patience.message,
            handshake: patience.handshake,
            write: patience.write,
        }
    }

    /// Nobody signs in here: it is not on offer.
    async fn auth(&mut self, _: Auth) -> Reply {
        answers::INTERNAL
    }

    async fn mail(&mut self, mail: Mail, manner: Manner) -> Reply {
        let client = Client { address: self.client, hello: manner.hello };
        match Transaction::new(&self.mx, mail, client) {
            Ok(transaction) => {
                self.transaction = Some(transaction);
                SENDER_OK
            }
            Err(reply) => reply,
        }
    }

    async fn recipient(&mut self, rcpt: Rcpt) -> Reply {
        match &mut self.transaction {
            Some(transaction) => Box::pin(transaction.recipient(&self.mx, rcpt)).await,
            None => answers::INTERNAL,
        }
    }

    async fn data(&mut self, manner: Manner) -> Reply {
        let Some(transaction) = &mut self.transaction else { return answers::INTERNAL };
        let Manner { hello, protocol, tls } = manner;
        let peer = Peer { hello: &hello, address: self.client, protocol, tls };
        let reply = Box::pin(transaction.begin(&self.mx, &peer)).await;
        if !reply.is_positive() {
            self.transaction = None;
        }
        reply
    }

    async fn text(&mut self, text: &[u8]) {
        if let Some(transaction) = &mut self.transaction {
            Box::pin(transaction.text(&self.mx, text)).await;
        }
    }

    async fn message(&mut self, _: Manner) -> Reply {
        match self.transaction.take() {
            Some(transaction) => Box::pin(transaction.finish(&self.mx)).await,
            None => answers::INTERNAL,
        }
    }

    fn reset(&mut self) {
        self.transaction = None;
    }

    fn tls_started(&mut self) {}
}
