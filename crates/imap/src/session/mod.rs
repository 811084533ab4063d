//! One IMAP session: reads commands, runs them in order, tells what changed, answers.
//!
//! Invariants: commands run one after the other in the order they came (RFC 3501 §5.5); answers are flushed before the
//! session waits for input; a session that waits holds no buffers.

pub mod answer;
pub mod connection;
pub mod deflate;
mod enabled;
pub mod notify;
mod progress;
pub mod qresync;
mod told;
pub mod transport;
mod updates;
pub mod view;

pub use enabled::Enabled;
pub(crate) use progress::{patiently, promptly, within_limit};
pub(crate) use told::{Told, begin_fetch, write_damage_alert, write_flags, write_known_flags, write_vanished};
pub(crate) use updates::{absorb, expunge_issued};

use crate::codec::{Announced, Cursor, Step};
use crate::command::{self, append};
use crate::limits::{
    BAD_COMMANDS_BEFORE_SIGN_IN_MAX, BAD_COMMANDS_MAX, IDLE_BEFORE_SIGN_IN, LITERAL_BYTES_MAX, READ_STALL, SIGNED_IN,
    STRANGER,
};
use crate::server::Shared;
use answer::{Answer, End, Outcome, Status, Stop};
use bytes::Bytes;
use connection::Connection;
use model::UidSet;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::time::{Instant, timeout, timeout_at};
use view::View;

/// One client's session.
pub struct Session {
    /// The client.
    pub connection: Connection,
    /// What all sessions share.
    pub shared: Arc<Shared>,
    /// Where the client is.
    pub peer: SocketAddr,
    /// Who signed in.
    pub account: Option<Box<Account>>,
    /// What the client has turned on.
    pub enabled: Enabled,
    /// The tag of the command at hand.
    pub tag: String,
    /// Failed sign-ins on this connection.
    pub failed_sign_ins: u32,
    bad_commands: u32,
}

/// A signed-in owner.
pub struct Account {
    /// The session at the mailbox's primary.
    pub node: node_client::Session,
    /// The selected folder.
    pub view: Option<Box<View>>,
    /// What the client wants to be told of all folders; `None` before its first NOTIFY (RFC 5465) or ENABLE METADATA.
    pub notify: Option<Box<notify::Notify>>,
    /// The client was told that the mailbox is damaged.
    pub damage_told: bool,
}

impl Session {
    /// A session that has not greeted.
    pub fn new(connection: Connection, shared: Arc<Shared>, peer: SocketAddr) -> Self {
        Self {
            connection,
            shared,
            peer,
            account: None,
            enabled: Enabled::default(),
            tag: String::new(),
            failed_sign_ins: 0,
            bad_commands: 0,
        }
    }

    /// Greets and serves until the connection ends.
    pub async fn run(mut self) {
        let end = self.serve().await;
        if let Err(End::Bye(code, text)) = &end {
            self.bye(*code, text);
            let _ = self.connection.flush().await;
        }
        match end {
            Err(End::Io(error)) => tracing::debug!(%error, "connection ended"),
            Err(End::Broken) => tracing::warn!("connection closed in the middle of a literal"),
            Err(End::Bye(_, text)) => tracing::debug!(text, "connection closed"),
            Err(End::Logout) | Ok(()) => {}
        }
        let closing = tokio::io::AsyncWriteExt::shutdown(&mut self.connection.transport);
        let _ = timeout(daemon::doors::HANDSHAKE, closing).await;
    }

    async fn serve(&mut self) -> Result<(), End> {
        let capabilities = command::capability::list(self);
        answer::untagged_ok(&mut self.connection.out, &answer::Code::Capability(capabilities), "Brevdue ready");
        loop {
            match self.connection.input.step() {
                Step::More => self.wait_for_input().await?,
                Step::Command(text) => self.command(&text).await?,
                Step::Literal(announced) => self.literal(announced).await?,
                Step::Overlong(start) => {
                    let tag = Cursor::new(&start).tag().ok();
                    let answer = Answer::bad("The command is too long").with(answer::Code::Plain("LIMIT"));
                    self.finish(tag, answer).await?;
                }
                Step::Hopeless => {
                    return Err(End::Bye(Some("TOOBIG"), "That is more than is worth reading to refuse it"));
                }
            }
        }
    }

    /// Waits for more octets, at most as long as the state allows.
    async fn wait_for_input(&mut self) -> Result<(), End> {
        let midway = self.connection.input.is_midway();
        let (patience, text) = match (midway, &self.account) {
            (true, Some(_)) => (READ_STALL, "A command stayed unfinished for too long"),
            (false, Some(_)) => (self.shared.settings.idle, "Autologout: idle for too long"),
            (_, None) => (IDLE_BEFORE_SIGN_IN, "Nobody signed in"),
        };
        let deadline = Instant::now() + patience;
        let shutdown = self.shared.shutdown.clone();
        loop {
            self.connection.flush().await?;
            if !midway {
                self.connection.shrink();
            }
            let Self { connection, account, .. } = self;
            tokio::select! {
                read = timeout_at(deadline, connection.read()) => return read.unwrap_or(Err(End::Bye(None, text))),
                () = shutdown.cancelled(), if !midway => {
                    return Err(End::Bye(Some("UNAVAILABLE"), "The server is shutting down, connect again"));
                }
                () = notified(account.as_deref()), if !midway => {}
            }
            Box::pin(self.tell_between()).await?;
        }
    }

    async fn command(&mut self, text: &Bytes) -> Result<(), End> {
        match append::head(text, false, self.enabled) {
            append::Head::Message(tag, append) => {
                let outcome = Box::pin(append.run(self, None)).await;
                return self.conclude(Some(&tag), outcome).await;
            }
            append::Head::Bad(tag, malformed) => return self.finish(Some(&tag), malformed.into()).await,
            append::Head::Other => {}
        }
        let (tag, parsed) = command::parse(text, self.enabled);
        let outcome = match parsed {
            Ok(command) => {
                self.tag = tag.unwrap_or_default().to_owned();
                command.run(self, tag.unwrap_or_default()).await
            }
            Err(malformed) => Ok(malformed.into()),
        };
        self.conclude(tag, outcome).await
    }

    /// Decides what happens with a literal: the message of an APPEND is streamed, others become part of their command.
    async fn literal(&mut self, announced: Announced) -> Result<(), End> {
        let text = self.connection.input.text();
        let (tag, refusal) = match append::head(text, true, self.enabled) {
            append::Head::Message(tag, append) => {
                let outcome = Box::pin(append.run(self, Some(announced))).await;
                return self.conclude(Some(&tag), outcome).await;
            }
            append::Head::Bad(tag, malformed) => (tag, Some(Answer::from(malformed))),
            append::Head::Other => {
                let tag = Cursor::new(text).tag().unwrap_or("*").to_owned();
                let room = self.connection.input.limits().command_bytes_max.saturating_sub(text.len()) as u64;
                let fits = announced.octets <= LITERAL_BYTES_MAX.min(room);
                let limit =
                    || Answer::bad("The literal is too big for this command").with(answer::Code::Plain("LIMIT"));
                (tag, (!fits).then(limit))
            }
        };
        match refusal {
            Some(answer) => {
                self.connection.input.refuse();
                self.finish(Some(&tag), answer).await
            }
            None => {
                self.connection.input.accept();
                if announced.waits {
                    self.connection.out.extend_from_slice(b"+ OK\r\n");
                }
                Ok(())
            }
        }
    }

    async fn conclude(&mut self, tag: Option<&str>, outcome: Outcome) -> Result<(), End> {
        match outcome {
            Ok(answer) => self.finish(tag, answer).await,
            Err(Stop::Answer(answer)) => self.finish(tag, *answer).await,
            Err(Stop::Answered) => Ok(()),
            Err(Stop::End(end)) => Err(end),
        }
    }

    /// Tells what may be told, then answers.
    async fn finish(&mut self, tag: Option<&str>, mut answer: Answer) -> Result<(), End> {
        match self.tell(answer.updates).await {
            Ok(()) | Err(Stop::Answered) => {}
            Err(Stop::End(end)) => return Err(end),
            // The command's own answer stands; what could not be told now will be with a later one.
            Err(Stop::Answer(failure)) => tracing::warn!(why = %failure.text, "changes could not be told"),
        }
        if answer.status == Status::Bad {
            self.bad_commands += 1;
        }
        if answer.status == Status::Ok && answer.updates == answer::Updates::NoExpunge && self.holds_expunges() {
            // RFC 5530 §3: what a SEARCH did not find may be gone, and a NOOP would tell.
            answer.code.get_or_insert(answer::Code::Plain("EXPUNGEISSUED"));
        }
        answer.write(&mut self.connection.out, tag);
        self.connection.relieve().await?;
        let bad_max = if self.account.is_some() { BAD_COMMANDS_MAX } else { BAD_COMMANDS_BEFORE_SIGN_IN_MAX };
        if self.bad_commands > bad_max {
            return Err(End::Bye(None, "Too many commands that make no sense"));
        }
        Ok(())
    }

    fn holds_expunges(&self) -> bool {
        self.account.as_ref().and_then(|account| account.view.as_ref()).is_some_and(|view| view.holds_expunges())
    }

    fn bye(&mut self, code: Option<&'static str>, text: &str) {
        let out = &mut self.connection.out;
        out.extend_from_slice(b"* BYE ");
        if let Some(code) = code {
            answer::Code::Plain(code).write(out);
        }
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// Whether a password may be taken on this connection.
    pub fn may_sign_in(&self) -> bool {
        self.connection.transport.is_tls() || self.shared.settings.plaintext_sign_in.allows(self.peer.ip())
    }

    /// Whether STARTTLS is possible.
    pub fn can_start_tls(&self) -> bool {
        !self.connection.transport.is_tls() && !self.connection.transport.is_compressed() && self.account.is_none()
    }

    /// Enters the authenticated state.
    pub fn signed_in(&mut self, node: node_client::Session) {
        self.account = Some(Box::new(Account { node, view: None, notify: None, damage_told: false }));
        self.connection.input.set_limits(SIGNED_IN);
        self.bad_commands = 0;
    }

    /// Back to the state before sign-in, with nothing enabled (RFC 8437 §3). TLS stays.
    pub fn signed_out(&mut self) {
        self.account = None;
        self.enabled = Enabled::default();
        self.connection.input.set_limits(STRANGER);
    }

    /// The account, or BAD when nobody has signed in.
    ///
    /// # Errors
    /// [`Stop::Answer`]
    pub fn account(&mut self) -> Result<&mut Account, Stop> {
        self.account.as_deref_mut().ok_or_else(|| Answer::bad("Sign in first").into())
    }

    /// The account and its selected folder, or BAD.
    ///
    /// # Errors
    /// [`Stop::Answer`]
    pub fn selected(&mut self) -> Result<Selected<'_>, Stop> {
        let Self { connection, account, enabled, tag, .. } = self;
        let account = account.as_deref_mut().ok_or_else(|| Answer::bad("Sign in first"))?;
        let view = account.view.as_deref_mut().ok_or_else(|| Answer::bad("Select a folder first"))?;
        Ok(Selected { connection, node: &account.node, view, enabled: *enabled, tag })
    }

    /// The same, for commands that change something: NO in a folder that was opened with EXAMINE.
    ///
    /// # Errors
    /// [`Stop::Answer`]
    pub fn selected_for_change(&mut self) -> Result<Selected<'_>, Stop> {
        let selected = self.selected()?;
        if selected.view.read_only {
            return Err(Answer::refused("READ-ONLY", "The folder was opened with EXAMINE").into());
        }
        Ok(selected)
    }

    /// Turns CONDSTORE on for the rest of the session (RFC 7162 §3.1). A client that does so in a selected folder learns
    /// where it stands in it.
    pub fn enable_condstore(&mut self) {
        if std::mem::replace(&mut self.enabled.condstore, true) {
            return;
        }
        if let Ok(selected) = self.selected() {
            let code = answer::Code::HighestModSeq(selected.view.highest_modseq);
            answer::untagged_ok(&mut selected.connection.out, &code, "Highest");
        }
    }
}

/// Resolves when there is something to tell between commands, which takes a NOTIFY.
async fn notified(account: Option<&Account>) {
    match account.filter(|account| account.watch().is_some()) {
        Some(account) => account.node.changed().await,
        None => std::future::pending().await,
    }
}

/// A message number where UIDONLY is on (RFC 9586 §3.2).
pub(crate) fn uid_required() -> Answer {
    Answer::bad("Messages have no numbers after ENABLE UIDONLY").with(answer::Code::Plain("UIDREQUIRED"))
}

/// A session in the selected state, taken apart.
pub struct Selected<'a> {
    /// The client.
    pub connection: &'a mut Connection,
    /// The mailbox.
    pub node: &'a node_client::Session,
    /// The folder.
    pub view: &'a mut View,
    /// What the client has turned on.
    pub enabled: Enabled,
    /// The tag of the command at hand.
    pub tag: &'a str,
}

impl Selected<'_> {
    /// The UIDs that a command means.
    ///
    /// # Errors
    /// BAD for a message number that the client cannot know of.
    pub fn uids(&self, set: &crate::codec::SequenceSet, by_uid: bool) -> Result<UidSet, Stop> {
        if set.is_saved() {
            return Ok(self.view.searches.saved.intersection(self.view.uids()));
        }
        if by_uid {
            return Ok(set.resolve_uids(self.view.uids()));
        }
        if self.enabled.uid_only {
            return Err(uid_required().into());
        }
        let exists = self.view.exists();
        // RFC 3501 §9 seq-number: a number that is not in use should be answered BAD, and so should `*` in an empty folder.
        if exists == 0 || set.highest_number().is_some_and(|n| n as usize > exists) {
            return Err(Answer::bad(format!("There are only {exists} messages")).into());
        }
        self.uids_in_use(set)
    }

    /// The UIDs that a search key means: numbers that are not in use are found in no message, which is no mistake there.
    ///
    /// # Errors
    /// BAD where messages have no numbers.
    pub fn uids_in_use(&self, set: &crate::codec::SequenceSet) -> Result<UidSet, Stop> {
        if set.is_saved() {
            return self.uids(set, false);
        }
        if self.enabled.uid_only {
            return Err(uid_required().into());
        }
        let star = u32::try_from(self.view.exists()).unwrap_or(u32::MAX);
        Ok(view::uids_at(self.view.uids(), &set.resolve(star)))
    }

    /// A set of UIDs as the command that asked writes it.
    pub fn in_words(&self, uids: &UidSet, by_uid: bool) -> UidSet {
        if by_uid {
            return uids.clone();
        }
        let runs = view::number_runs(self.view.uids(), uids);
        let bounds = runs.into_iter().flat_map(|(first, last)| [first as u32, last as u32]).collect::<Vec<_>>();
        UidSet::from_bounds(&bounds).unwrap_or_default()
    }
}

#[cfg(test)]
pub(crate) mod tests;
