//! Signing in: a name and a password become a session at the mailbox's primary. Opening the wrapped mailbox key is the
//! password check; the password goes no further than this process.
//!
//! Invariants: an unknown name costs what a wrong password costs, and hears the same; at most so many key derivations run at
//! once, and at most so many wait; what is remembered of sources is bounded.

mod throttle;

use crate::limits::SIGN_INS_WAITING_MAX;
use crate::session::answer::{Answer, failure};
use directory::DirectoryClient;
use model::{Address, CredentialId, MailboxId};
use node_client::{ClientError, NodeClient, Opening};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use throttle::{Throttle, Verdict};
use tokio::sync::Semaphore;
use vault::{MailboxKey, Password, VaultError, credential};
use wire::directory::CredentialsReply;
use zeroize::Zeroizing;

/// Counter: sign-ins, by how they ended.
pub const SIGN_INS: &str = "brevdue_imap_sign_ins_total";

/// Who somebody says to be, with what proves it.
pub struct Claim {
    /// `None` when it is no address.
    address: Option<Address>,
    password: Password,
}

impl Claim {
    /// From the octets of a LOGIN or AUTHENTICATE. What is no UTF-8 can be nobody's name or password, and fails as such.
    pub fn new(name: &[u8], password: Vec<u8>) -> Self {
        let address = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
        let password = Zeroizing::new(password);
        let text = std::str::from_utf8(&password).map(str::to_owned);
        let address = if text.is_ok() { address } else { None };
        Self { address, password: Password::from(text.unwrap_or_default()) }
    }
}

/// Why somebody was not signed in.
#[derive(Debug)]
pub enum Denied {
    /// Wrong name or password.
    Wrong,
    /// Too many failures from this source: the password was not looked at.
    Blocked,
    /// The alias is disabled.
    Disabled,
    /// Too many sign-ins wait.
    Busy,
    /// The directory cannot be reached, or failed.
    Unavailable,
    /// The mailbox cannot be opened; what to answer.
    Mailbox(Box<Answer>),
}

/// The way in.
pub struct SignIn {
    directory: DirectoryClient,
    nodes: NodeClient,
    derivations: Arc<Semaphore>,
    waiting: AtomicUsize,
    throttle: Throttle,
}

impl SignIn {
    /// With at most so many key derivations at once.
    pub fn new(directory: DirectoryClient, nodes: NodeClient, at_once_max: usize) -> Self {
        Self {
            directory,
            nodes,
            derivations: Arc::new(Semaphore::new(at_once_max.clamp(1, Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            throttle: Throttle::default(),
        }
    }

    /// Signs somebody in who comes from this source. A failure is answered only after the delay that the source has earned.
    ///
    /// # Errors
    /// [`Denied`]
    pub async fn sign_in(&self, claim: Claim, source: IpAddr) -> Result<node_client::Session, Denied> {
        if self.throttle.verdict(source, Instant::now()) == Verdict::Blocked {
            return Err(counted(Denied::Blocked));
        }
        let denied = match self.open(claim).await {
            Ok(session) => {
                self.throttle.succeeded(source);
                metrics::counter!(SIGN_INS, "result" => "ok").increment(1);
                return Ok(session);
            }
            Err(denied) => denied,
        };
        if matches!(denied, Denied::Wrong) {
            let delay = self.throttle.failed(source, Instant::now());
            tokio::time::sleep(delay).await;
        }
        Err(counted(denied))
    }

    async fn open(&self, claim: Claim) -> Result<node_client::Session, Denied> {
        let Claim { address, password } = claim;
        let known = match &address {
            Some(address) => self.directory.credentials(address).await.map_err(|error| {
                tracing::warn!(%error, "sign-in is not possible");
                Denied::Unavailable
            })?,
            None => None,
        };
        let known = known.and_then(|reply| {
            Known::new(reply).ok_or(()).inspect_err(|()| tracing::error!("the directory's answer makes no sense")).ok()
        });
        let Some(known) = known else {
            self.derive(move || credential::unlock_nobody(&password)).await?;
            return Err(Denied::Wrong);
        };
        let Known { mailbox, wrapped, reply } = known;
        let unlocked = self.derive(move || credential::unlock(&password, &mailbox, &wrapped)).await?;
        let key = match unlocked {
            Ok((credential, key)) => {
                tracing::debug!(%mailbox, %credential, "signed in");
                key
            }
            Err(VaultError::WrongPassword) => return Err(Denied::Wrong),
            Err(error) => {
                tracing::error!(%mailbox, %error, "the credentials cannot be read");
                return Err(Denied::Unavailable);
            }
        };
        self.attach(mailbox, key, reply).await
    }

    async fn attach(
        &self,
        mailbox: MailboxId,
        key: MailboxKey,
        reply: CredentialsReply,
    ) -> Result<node_client::Session, Denied> {
        let alias = reply.alias.unwrap_or_default();
        if alias.disabled {
            return Err(Denied::Disabled);
        }
        let opening = Opening {
            mailbox,
            placement: alias.placement.unwrap_or_default(),
            key,
            wrapped_sealing_key: reply.wrapped_sealing_key.to_vec(),
            birth: !alias.born,
        };
        let session = self.nodes.open(opening).await.map_err(|error| {
            tracing::warn!(%mailbox, %error, "the mailbox cannot be opened");
            Denied::Mailbox(Box::new(opening_failed(&error)))
        })?;
        Ok(session)
    }

    /// Runs a key derivation on a blocking thread, in its turn.
    async fn derive<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Denied> {
        let _place = Place::take(&self.waiting).ok_or(Denied::Busy)?;
        let permit = Arc::clone(&self.derivations).acquire_owned().await.map_err(|_| Denied::Unavailable)?;
        // The permit goes with the work: it ends when the thread is free, also when the client is gone before.
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        done.await.map_err(|_| Denied::Unavailable)
    }
}

/// An alias as it is needed here.
struct Known {
    mailbox: MailboxId,
    wrapped: Vec<(CredentialId, Vec<u8>)>,
    reply: CredentialsReply,
}

impl Known {
    fn new(reply: CredentialsReply) -> Option<Self> {
        let mailbox = reply.alias.as_ref()?.mailbox_id.parse().ok()?;
        let credentials = reply.credentials.iter();
        let wrapped = credentials.filter_map(|row| Some((row.id.parse().ok()?, row.wrapped_key.to_vec()))).collect();
        Some(Self { mailbox, wrapped, reply })
    }
}

/// One of the places for sign-ins under way.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(taken: &'a AtomicUsize) -> Option<Self> {
        let room = |taken: usize| (taken < SIGN_INS_WAITING_MAX).then_some(taken + 1);
        taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok().map(|_| Self(taken))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn opening_failed(error: &ClientError) -> Answer {
    match error {
        ClientError::Failure(..) => failure(error),
        ClientError::Unavailable | ClientError::Interrupted | ClientError::Protocol(_) => {
            Answer::refused("UNAVAILABLE", "The mailbox cannot be reached at the moment, try again")
        }
    }
}

fn counted(denied: Denied) -> Denied {
    let result = match denied {
        Denied::Wrong => "wrong",
        Denied::Blocked => "blocked",
        Denied::Disabled => "disabled",
        Denied::Busy => "busy",
        Denied::Unavailable => "unavailable",
        Denied::Mailbox(_) => "mailbox",
    };
    metrics::counter!(SIGN_INS, "result" => result).increment(1);
    denied
}
