//! One SMTP transaction of somebody who is signed in: who it is from, to whom it goes, and its text.

use crate::answers;
use crate::limits::COUNT_WINDOW;
use crate::outgoing::Outgoing;
use crate::server::Shared;
use directory::client::{Lookup, MaySend};
use model::{Address, EnqueueId};
use node_client::Session;
use sign_in::Proven;
use smtp::command::{Mail, Rcpt};
use smtp::dsn::ReturnText;
use smtp::session::answers::{RECIPIENT_OK, START_INPUT};
use smtp::{Path, Reply};
use std::sync::Arc;
use wire::directory::{Alias, Policy};
use wire::queue::{Envelope, Origin, QueueRecipient, Return};

/// Counter: messages, by what became of them.
const MESSAGES: &str = "brevdue_submission_messages_total";
/// Counter of recipients under the account's limit.
const COUNTED_AS: &str = "submission-recipients";

/// Somebody who is signed in on this connection.
pub struct Sender {
    login: Address,
    alias: Alias,
    /// Until the mailbox is opened for a copy.
    proven: Option<Proven>,
    session: Option<Session>,
    /// Whether this message is to be in Sent too.
    wants_copy: bool,
}

impl Sender {
    /// From the sign-in.
    pub fn new(login: Address, proven: Proven) -> Self {
        Self { login, alias: proven.alias.clone(), proven: Some(proven), session: None, wants_copy: false }
    }

    /// Whose queue it is: the node of the sender's mailbox.
    pub fn node(&self) -> &str {
        self.alias.placement.as_ref().map(|placement| placement.node_id.as_str()).unwrap_or_default()
    }

    /// What the directory says of an address.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn may_send_as(&self, shared: &Shared, address: &Address) -> Result<MaySend, Reply> {
        shared.directory.may_send(&self.login, address).await.map_err(|error| {
            tracing::warn!(%error, "cannot ask who may send");
            answers::UNAVAILABLE
        })
    }

    /// The mailbox, open, when a copy is wanted and it can be opened.
    pub async fn session(&mut self, shared: &Shared) -> Option<&Session> {
        // An unborn mailbox has no Sent folder, and is made by whoever reads it first.
        if !self.wants_copy || !self.alias.born {
            return None;
        }
        if let Some(proven) = self.proven.take() {
            let opened = shared.sign_in.open(proven).await;
            self.session = opened.inspect_err(|error| tracing::warn!(?error, "no copies in Sent")).ok();
        }
        self.session.as_ref()
    }
}

/// An open transaction. Dropped, nothing was sent.
pub struct Transaction {
    id: EnqueueId,
    envelope: Envelope,
    policy: Option<Arc<Policy>>,
    outgoing: Option<Outgoing>,
}

impl Transaction {
    /// MAIL.
    ///
    /// # Errors
    /// The reverse-path is somebody else's, or nobody can be asked.
    pub async fn new(shared: &Shared, sender: &mut Sender, mail: Mail) -> Result<Self, Reply> {
        let id = vault::random().map(EnqueueId::from_bytes).map_err(|error| {
            tracing::error!(%error, "no randomness for a message's id");
            answers::INTERNAL
        })?;
        // The null reverse-path is for notices, which people's programs send too (RFC 8098); its rules are those of From.
        let reverse_path: Address = match &mail.path {
            Path::Mailbox(address) => address.parse().map_err(|_| answers::NOT_YOUR_ADDRESS)?,
            Path::Null => sender.login.clone(),
            Path::Postmaster => return Err(answers::NOT_YOUR_ADDRESS),
        };
        let answer = sender.may_send_as(shared, &reverse_path).await?;
        if !answer.allowed {
            return Err(answers::NOT_YOUR_ADDRESS);
        }
        sender.wants_copy = answer.policy.as_ref().is_some_and(|policy| policy.sent_copy);
        let envelope = Envelope {
            reverse_path: mail.path.as_str().to_owned(),
            ret: match mail.ret {
                None => Return::Unspecified,
                Some(ReturnText::Full) => Return::Full,
                Some(ReturnText::Headers) => Return::Headers,
            }
            .into(),
            envelope_id: mail.envelope_id.unwrap_or_default(),
            smtputf8: mail.utf8,
            eight_bit: mail.eight_bit,
            require_tls: mail.require_tls,
            sender_mailbox: sender.alias.mailbox_id.clone(),
            origin: Origin::Submission.into(),
            ..Envelope::default()
        };
        Ok(Self { id, envelope, policy: answer.policy, outgoing: None })
    }

    /// RCPT.
    pub async fn recipient(&mut self, shared: &Shared, sender: &Sender, rcpt: Rcpt) -> Reply {
        match self.admit(shared, sender, rcpt).await {
            Ok(()) => RECIPIENT_OK,
            Err(reply) => reply,
        }
    }

    async fn admit(&mut self, shared: &Shared, sender: &Sender, rcpt: Rcpt) -> Result<(), Reply> {
        let address = match rcpt.path {
            Path::Mailbox(address) => address,
            Path::Postmaster => format!("postmaster@{}", sender.login.domain()),
            Path::Null => return Err(answers::NOT_AN_ADDRESS),
        };
        // What is ours is refused at once, before a notice would have to say so.
        if let Ok(ours) = address.parse::<Address>() {
            match shared.directory.route(&ours).await {
                Ok(Lookup::UnknownAlias) => return Err(answers::NO_SUCH_MAILBOX),
                Ok(Lookup::Found(_) | Lookup::UnknownDomain) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot look a recipient up");
                    return Err(answers::UNAVAILABLE);
                }
            }
        }
        if self.envelope.recipients.iter().any(|known| known.address == address) {
            return Ok(());
        }
        let limit = self.policy.as_ref().map_or(0, |policy| policy.send_recipients_per_hour);
        if limit > 0 {
            let account = sender.alias.account.as_bytes();
            if shared.counters.count(COUNTED_AS, account, COUNT_WINDOW).await > u64::from(limit) {
                return Err(answers::SENT_ENOUGH);
            }
        }
        let original = rcpt.original.unwrap_or_default();
        self.envelope.recipients.push(QueueRecipient { address, notify: rcpt.notify.bits(), original });
        Ok(())
    }

    /// The text is about to come.
    pub fn begin(&mut self) -> Reply {
        self.outgoing = Some(Outgoing::new(std::mem::take(&mut self.envelope)));
        START_INPUT
    }

    /// More text.
    pub async fn text(&mut self, shared: &Shared, sender: &mut Sender, text: &[u8]) {
        if let Some(outgoing) = &mut self.outgoing {
            outgoing.push(shared, sender, self.id, text).await;
        }
    }

    /// Its id, for the Received field.
    pub const fn id(&self) -> EnqueueId {
        self.id
    }

    /// The text is whole. A positive reply says that the message is on stable storage.
    pub async fn finish(self, shared: &Shared, sender: &mut Sender, received: &str) -> Reply {
        let id = self.id;
        let finished = match self.outgoing {
            Some(outgoing) => outgoing.finish(shared, sender, id, received).await,
            None => Err(answers::INTERNAL),
        };
        let (result, reply) = match finished {
            Ok(()) => ("queued", answers::queued(id)),
            Err(reply) if reply.is_permanent() => ("refused", reply),
            Err(reply) => ("put_off", reply),
        };
        metrics::counter!(MESSAGES, "result" => result).increment(1);
        tracing::info!(message = %id, result, "a message was submitted");
        reply
    }
}
