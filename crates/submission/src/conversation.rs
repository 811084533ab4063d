//! What submission answers in one client's conversation: who signs in, and what they send.

use crate::answers;
use crate::limits::{COMMAND_WAIT, MESSAGE_WAIT, STRANGER_WAIT, TEXT_WAIT, WRITE_WAIT};
use crate::server::Shared;
use crate::transaction::{Sender, Transaction};
use daemon::doors::HANDSHAKE;
use daemon::stream::Stream;
use jiff::Timestamp;
use message::trace::{Greeting, Received, Tls, received};
use model::Address;
use sign_in::plain::Plain;
use sign_in::{Claim, Proven};
use smtp::command::{Mail, Rcpt};
use smtp::session::answers::{SENDER_OK, SIGNED_IN, WRONG_PASSWORD};
use smtp::{Auth, Reply};
use smtp_server::{Conversation, Door, Manner, Role, Waits};
use std::net::SocketAddr;
use std::sync::Arc;

/// Serves a client to its end. When the process is to end, a message that is coming in is finished first.
pub async fn serve(shared: Arc<Shared>, stream: Stream, peer: SocketAddr) {
    let door = Door { tls: Arc::clone(&shared.tls), shutdown: shared.shutdown.clone(), may_speak_first: true };
    let session = shared.settings.session(peer.ip());
    let submitter = Submitter { shared, peer, sender: None, transaction: None };
    Conversation::new(session, stream, door, submitter).run().await;
}

struct Submitter {
    shared: Arc<Shared>,
    peer: SocketAddr,
    sender: Option<Sender>,
    transaction: Option<Transaction>,
}

impl Role for Submitter {
    fn waits(&self) -> Waits {
        let command = if self.sender.is_some() { COMMAND_WAIT } else { STRANGER_WAIT };
        Waits { command, text: TEXT_WAIT, message: MESSAGE_WAIT, handshake: HANDSHAKE, write: WRITE_WAIT }
    }

    async fn auth(&mut self, auth: Auth) -> Reply {
        Box::pin(self.sign_in(auth)).await
    }

    async fn mail(&mut self, mail: Mail, _: Manner) -> Reply {
        let Some(sender) = &mut self.sender else { return answers::INTERNAL };
        match Box::pin(Transaction::new(&self.shared, sender, mail)).await {
            Ok(transaction) => {
                self.transaction = Some(transaction);
                SENDER_OK
            }
            Err(reply) => reply,
        }
    }

    async fn recipient(&mut self, rcpt: Rcpt) -> Reply {
        match (&mut self.transaction, &self.sender) {
            (Some(transaction), Some(sender)) => Box::pin(transaction.recipient(&self.shared, sender, rcpt)).await,
            (None, _) | (_, None) => answers::INTERNAL,
        }
    }

    async fn data(&mut self, _: Manner) -> Reply {
        self.transaction.as_mut().map_or(answers::INTERNAL, Transaction::begin)
    }

    async fn text(&mut self, text: &[u8]) {
        if let (Some(transaction), Some(sender)) = (&mut self.transaction, &mut self.sender) {
            Box::pin(transaction.text(&self.shared, sender, text)).await;
        }
    }

    async fn message(&mut self, manner: Manner) -> Reply {
        let Some(transaction) = self.transaction.take() else { return answers::INTERNAL };
        let received = self.received(&transaction, &manner);
        match &mut self.sender {
            Some(sender) => Box::pin(transaction.finish(&self.shared, sender, &received)).await,
            None => answers::INTERNAL,
        }
    }

    fn reset(&mut self) {
        self.transaction = None;
    }

    fn tls_started(&mut self) {
        self.sender = None;
    }
}

impl Submitter {
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

    /// RFC 5321 §4.4.
    fn received(&self, transaction: &Transaction, manner: &Manner) -> String {
        let id = transaction.id().to_string();
        received(&Received {
            greeted_as: &manner.hello,
            client: self.peer.ip(),
            client_name: None,
            by: &self.shared.settings.hostname,
            greeting: if manner.protocol.utf8 { Greeting::Utf8Smtp } else { Greeting::Esmtp },
            tls: manner.tls.as_ref().map(|(version, cipher)| Tls { version, cipher }),
            authenticated: true,
            id: &id,
            recipients: &[],
            at: Timestamp::now(),
        })
    }
}
