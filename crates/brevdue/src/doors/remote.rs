//! Another IMAP server, as a source: a small client that reads folders, flags, dates and messages (RFC 3501, RFC 9051), and
//! changes nothing there. Messages are streamed; everything else that the server sends is bounded.

mod connect;
mod folders;
mod greeting;
mod read;
mod sign_in;
mod value;
mod wire;

use crate::cli::{ImapArgs, TlsMode};
use crate::failure::Failure;
use crate::terminal;
use read::SignedIn;
use std::path::PathBuf;
use vault::Password;

/// The port of IMAP over TLS (RFC 8314 §3.2).
const PORT_TLS: u16 = 993;
/// The port of IMAP that begins in the clear (RFC 9051 §2.1).
const PORT_PLAIN: u16 = 143;

/// How who signs in is proven to be them.
pub enum Proof {
    /// With a password: PLAIN (RFC 4616) or LOGIN.
    Password(Password),
    /// With an access token: XOAUTH2, as Google and Microsoft have it, or OAUTHBEARER (RFC 7628).
    Token(Password),
}

/// A server, and who to sign in as.
pub struct Remote {
    host: String,
    port: u16,
    user: String,
    proof: Proof,
    ca: Option<PathBuf>,
    tls: TlsMode,
    without: Vec<String>,
}

impl Remote {
    /// What the command line says; asks for a password that it does not say.
    pub fn new(args: &ImapArgs) -> Result<Self, Failure> {
        let missing = || Failure::Usage("give a PATH, or --imap HOST and --imap-user USER".to_owned());
        let (server, user) = (args.imap.as_deref().ok_or_else(missing)?, args.imap_user.clone().ok_or_else(missing)?);
        let usual = match args.tls {
            TlsMode::Implicit => PORT_TLS,
            TlsMode::Starttls | TlsMode::None => PORT_PLAIN,
        };
        let (host, port) = host_and_port(server, usual)?;
        let proof = match (&args.imap_password_file, &args.xoauth2_token_file) {
            (Some(file), _) => Proof::Password(terminal::password_from_file(file)?),
            (None, Some(file)) => Proof::Token(terminal::token_from_file(file)?),
            (None, None) => Proof::Password(terminal::ask_password(
                &format!("The password of {user} at {host}"),
                "give it with --imap-password-file FILE, or a token with --xoauth2-token-file FILE",
            )?),
        };
        let (ca, without) = (args.ca.clone(), args.without.clone());
        Ok(Self { host, port, user, proof, ca, tls: args.tls, without })
    }

    /// What tells this import from others.
    pub fn identity(&self) -> String {
        format!("imap\0{}\0{}", self.host.to_ascii_lowercase(), self.user)
    }

    /// Connects and signs in.
    pub async fn sign_in(self) -> Result<SignedIn, Failure> {
        let subject = format!("{}:{}", self.host, self.port);
        let of = |failure: Failure| failure.of(&subject);
        let connected = connect::connect(&self.host, self.port, self.ca.as_deref(), self.tls).await;
        let (wire, greeting) = connected.map_err(of)?;
        let signed_in = sign_in::sign_in(wire, greeting, &self.user, &self.proof).await;
        let (wire, capabilities) = signed_in.map_err(of)?;
        Ok(SignedIn::new(wire, capabilities, self.without, subject))
    }
}

/// `HOST`, `HOST:PORT`, `[::1]:PORT`, or an IPv6 address.
fn host_and_port(text: &str, usual: u16) -> Result<(String, u16), Failure> {
    let bad = || Failure::Usage(format!("{text}: is no HOST[:PORT]"));
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None if text.matches(':').count() > 1 => (text, None),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(usual), |port| port.parse().map_err(|_| bad()))?;
    if host.is_empty() { Err(bad()) } else { Ok((host.to_owned(), port)) }
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn hosts_may_have_a_port() {
        let read = |text| host_and_port(text, 993).ok();
        assert_eq!(read("mail.test"), Some(("mail.test".to_owned(), 993)));
        assert_eq!(read("mail.test:1993"), Some(("mail.test".to_owned(), 1993)));
        assert_eq!(read("[::1]:143"), Some(("::1".to_owned(), 143)));
        assert_eq!(read("::1"), Some(("::1".to_owned(), 993)));
        assert_eq!(read("mail.test:x"), None);
        assert_eq!(read(":143"), None);
    }
}
