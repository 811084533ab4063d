//! The owner at the command line: a password that was typed, or stands in a file, becomes a session at the mailbox's primary,
//! as at any front-end. The admin certificate opens nothing without it.

use crate::admin::Admin;
use crate::failure::Failure;
use crate::terminal;
use daemon::tls::Internal;
use model::{Address, MailboxId, Role};
use node_client::{ClientError, NodeClient, Opening, Session};
use sign_in::{Claim, Denied, Proven, SignIn};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use vault::{MailboxKey, Password};

/// Key derivations at once: a command makes one.
const DERIVATIONS_MAX: usize = 1;
/// Failures count by source; who types the password sits here.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An owner who has signed in.
pub struct Owner {
    /// Whose mailbox it is, without a detail.
    pub address: Address,
    /// The mailbox's id.
    pub mailbox: MailboxId,
    /// The open mailbox. It is closed when its last clone is dropped.
    pub session: Session,
}

impl Owner {
    /// Signs in with a password or the recovery key.
    pub async fn sign_in(admin: &Admin, address: &Address, password: &Password) -> Result<Self, Failure> {
        let opened = Self::try_sign_in(admin, address, password).await?;
        opened.map_err(|error| Failure::refused(why(&Denied::Mailbox(error))).of(&address.alias()))
    }

    /// The same, for who has something to do about a mailbox that cannot be opened.
    pub async fn try_sign_in(
        admin: &Admin,
        address: &Address,
        password: &Password,
    ) -> Result<Result<Self, ClientError>, Failure> {
        if admin.alone {
            let why = "its mailbox is with a node, and none runs on this folder; start `brevdue dev` on it";
            return Err(Failure::refused(why).of(&address.alias()));
        }
        let way = Way::new(admin, address)?;
        let proven = way.prove(password).await?;
        let mailbox = proven.mailbox;
        match way.sign_in.open(proven).await {
            Ok(session) => Ok(Ok(Self { address: way.address, mailbox, session })),
            Err(Denied::Mailbox(error)) => Ok(Err(error)),
            Err(denied) => Err(way.refused(&denied)),
        }
    }

    /// Opens the mailbox with its key, for who has shown already that it is theirs.
    pub async fn with_key(admin: &Admin, address: &Address, key: MailboxKey) -> Result<Self, Failure> {
        let named = |failure: Failure| failure.of(&address.alias());
        let known = admin.directory.credentials(address).await?;
        let known = known.ok_or_else(|| named(Failure::refused(why(&Denied::Wrong))))?;
        let alias = known.alias.unwrap_or_default();
        let mailbox = alias.mailbox_id.parse()?;
        let opening = Opening {
            mailbox,
            placement: alias.placement.unwrap_or_default(),
            key,
            wrapped_sealing_key: known.wrapped_sealing_key.to_vec(),
            birth: !alias.born,
        };
        let opened = nodes(admin)?.open(opening).await;
        let session = opened.map_err(|error| named(Failure::refused(why(&Denied::Mailbox(error)))))?;
        Ok(Self { address: address.clone(), mailbox, session })
    }

    /// The same as [`Owner::prove`]; `None` when the alias has no such password.
    pub async fn try_prove(admin: &Admin, address: &Address, password: &Password) -> Result<Option<Proven>, Failure> {
        let way = Way::new(admin, address)?;
        match way.tried(password).await {
            Ok(proven) => Ok(Some(proven)),
            Err(Denied::Wrong) => Ok(None),
            Err(denied) => Err(way.refused(&denied)),
        }
    }

    /// Checks the password without opening the mailbox: with what this gives a copy of the mailbox opens, too.
    pub async fn prove(admin: &Admin, address: &Address, password: &Password) -> Result<Proven, Failure> {
        Way::new(admin, address)?.prove(password).await
    }
}

/// The owner's password: the first line of the file if there is one, else from the terminal.
pub fn password(address: &Address, file: Option<&Path>) -> Result<Password, Failure> {
    match file {
        Some(file) => terminal::password_from_file(file),
        None => terminal::ask_password(
            &format!("A password or the recovery key of {}", address.alias()),
            "give the owner's password with --password-file FILE",
        ),
    }
}

/// The address that the text is.
pub fn address(text: &str) -> Result<Address, Failure> {
    text.parse().map_err(|error| Failure::refused(format!("{text}: {error}")))
}

/// The way in of one command.
struct Way {
    sign_in: SignIn,
    address: Address,
}

impl Way {
    fn new(admin: &Admin, address: &Address) -> Result<Self, Failure> {
        let sign_in = SignIn::new(admin.directory.clone(), nodes(admin)?, DERIVATIONS_MAX);
        Ok(Self { sign_in, address: address.clone() })
    }

    async fn prove(&self, password: &Password) -> Result<Proven, Failure> {
        self.tried(password).await.map_err(|denied| self.refused(&denied))
    }

    async fn tried(&self, password: &Password) -> Result<Proven, Denied> {
        let claim = Claim::new(self.address.alias().as_bytes(), password.expose().as_bytes().to_vec());
        self.sign_in.prove(claim, HERE).await
    }

    fn refused(&self, denied: &Denied) -> Failure {
        Failure::refused(format!("{}: {}", self.address.alias(), why(denied)))
    }
}

fn nodes(admin: &Admin) -> Result<NodeClient, Failure> {
    let tls = Internal::load(&admin.config.internal, Role::Admin)?;
    Ok(NodeClient::new(admin.directory.clone(), tls.client, format!("admin-{}", std::process::id())))
}

/// Why somebody was not signed in, and what to do.
fn why(denied: &Denied) -> String {
    match denied {
        Denied::Wrong => {
            "there is no such alias, or the password is wrong; `brevdue alias list` shows the aliases".into()
        }
        Denied::Disabled => "the alias is disabled".into(),
        Denied::Blocked | Denied::Busy => "too many sign-ins; try again later".into(),
        Denied::Unavailable => "the directory cannot be reached; is it running?".into(),
        Denied::Mailbox(ClientError::Unavailable) => {
            "its node cannot be reached; is it (or `brevdue dev`) running?".into()
        }
        Denied::Mailbox(error) => format!("its mailbox cannot be opened: {error}"),
    }
}
