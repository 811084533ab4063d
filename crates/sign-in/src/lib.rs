//! Signing in, for every front-end that people sign in at: a name and a password become a session at the mailbox's primary.
//! Opening the wrapped mailbox key is the password check; the password goes no further than this process. Knows no protocol.
//!
//! Invariants: an unknown name costs what a wrong password costs, and hears the same; at most so many key derivations run at
//! once, and at most so many wait; what is remembered of sources is bounded.

pub mod limits;
pub mod plain;
mod throttle;

use directory::DirectoryClient;
use limits::SIGN_INS_WAITING_MAX;
use model::{Address, CredentialId, MailboxId};
use node_client::{ClientError, NodeClient, Opening, Session};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use throttle::{Throttle, Verdict};
use tokio::sync::Semaphore;
use vault::{MailboxKey, Password, VaultError, credential};
use wire::directory::{Alias, CredentialsReply};
use zeroize::Zeroizing;

/// Counter: sign-ins, by how they ended; `mailbox` counts those that were right, and whose mailbox could not be opened then.
pub const SIGN_INS: &str = "brevdue_sign_ins_total";

/// Who somebody says to be, with what proves it.
pub struct Claim {
    /// `None` when it is no address.
    address: Option<Address>,
    password: Password,
}

impl Claim {
    /// From the octets of a command. What is no UTF-8 can be nobody's name or password, and fails as such.
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
    /// The mailbox cannot be opened.
    Mailbox(ClientError),
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

    /// Signs somebody in who comes from this source, and opens their mailbox. A failure is answered only after the delay that
    /// the source has earned.
    ///
    /// # Errors
    /// [`Denied`]
    pub async fn sign_in(&self, claim: Claim, source: IpAddr) -> Result<Session, Denied> {
        let proven = self.prove(claim, source).await?;
        self.open(proven).await.inspect_err(|denied| count(Some(denied)))
    }

    /// Checks who somebody is, without opening anything. A failure is answered as late as by [`SignIn::sign_in`].
    ///
    /// # Errors
    /// [`Denied`], but for [`Denied::Mailbox`].
    pub async fn prove(&self, claim: Claim, source: IpAddr) -> Result<Proven, Denied> {
        if self.throttle.verdict(source, Instant::now()) == Verdict::Blocked {
            count(Some(&Denied::Blocked));
            return Err(Denied::Blocked);
        }
        let denied = match self.unlock(claim).await {
            Ok(proven) => {
                self.throttle.succeeded(source);
                count(None);
                return Ok(proven);
            }
            Err(denied) => denied,
        };
        if matches!(denied, Denied::Wrong) {
            let delay = self.throttle.failed(source, Instant::now());
            tokio::time::sleep(delay).await;
        }
        count(Some(&denied));
        Err(denied)
    }

    /// Opens the mailbox of somebody who has proven to own it.
    ///
    /// # Errors
    /// [`Denied::Mailbox`]
    pub async fn open(&self, proven: Proven) -> Result<Session, Denied> {
        let Proven { mailbox, key, alias, wrapped_sealing_key, .. } = proven;
        let opening = Opening {
            mailbox,
            placement: alias.placement.unwrap_or_default(),
            key,
            wrapped_sealing_key,
            birth: !alias.born,
        };
        self.nodes.open(opening).await.map_err(|error| {
            tracing::warn!(%mailbox, %error, "the mailbox cannot be opened");
            Denied::Mailbox(error)
        })
    }

    async fn unlock(&self, claim: Claim) -> Result<Proven, Denied> {
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
        let Known { mailbox, wrapped, alias, wrapped_sealing_key } = known;
        let unlocked = self.derive(move || credential::unlock(&password, &mailbox, &wrapped)).await?;
        match unlocked {
            Ok((credential, key)) => {
                tracing::debug!(%mailbox, %credential, "signed in");
                if alias.disabled {
                    return Err(Denied::Disabled);
                }
                Ok(Proven { mailbox, credential, key, alias, wrapped_sealing_key })
            }
            Err(VaultError::WrongPassword) => Err(Denied::Wrong),
            Err(error) => {
                tracing::error!(%mailbox, %error, "the credentials cannot be read");
                Err(Denied::Unavailable)
            }
        }
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

/// Somebody who has proven who they are.
pub struct Proven {
    /// Their mailbox.
    pub mailbox: MailboxId,
    /// With which of their credentials.
    pub credential: CredentialId,
    /// The alias as the directory has it.
    pub alias: Alias,
    key: MailboxKey,
    wrapped_sealing_key: Vec<u8>,
}

impl Proven {
    /// What opens the mailbox's file, and every copy of it.
    pub fn into_key(self) -> MailboxKey {
        self.key
    }
}

/// An alias as it is needed here.
struct Known {
    mailbox: MailboxId,
    wrapped: Vec<(CredentialId, Vec<u8>)>,
    alias: Alias,
    wrapped_sealing_key: Vec<u8>,
}

impl Known {
    fn new(reply: CredentialsReply) -> Option<Self> {
        let alias = reply.alias?;
        let mailbox = alias.mailbox_id.parse().ok()?;
        let credentials = reply.credentials.iter();
        let wrapped = credentials.filter_map(|row| Some((row.id.parse().ok()?, row.wrapped_key.to_vec()))).collect();
        Some(Self { mailbox, wrapped, alias, wrapped_sealing_key: reply.wrapped_sealing_key.to_vec() })
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

fn count(denied: Option<&Denied>) {
    let result = match denied {
        None => "ok",
        Some(Denied::Wrong) => "wrong",
        Some(Denied::Blocked) => "blocked",
        Some(Denied::Disabled) => "disabled",
        Some(Denied::Busy) => "busy",
        Some(Denied::Unavailable) => "unavailable",
        Some(Denied::Mailbox(_)) => "mailbox",
    };
    metrics::counter!(SIGN_INS, "result" => result).increment(1);
}
