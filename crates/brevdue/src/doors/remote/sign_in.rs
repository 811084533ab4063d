//! What the server can do, and the sign-in: XOAUTH2, OAUTHBEARER, PLAIN or LOGIN.

use super::Proof;
use super::greeting::Greeting;
use super::wire::{End, Wire, end_of};
use crate::doors::limits::REMOTE_CAPABILITIES_MAX;
use crate::failure::Failure;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use zeroize::Zeroizing;

/// What the server can do, in upper case.
#[derive(Debug, Clone, Default)]
pub struct Capabilities(BTreeSet<String>);

impl Capabilities {
    /// Whether it can do this.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

/// Signs in, where the server does not know who it is already.
pub async fn sign_in(
    mut wire: Wire,
    greeting: Greeting,
    user: &str,
    proof: &Proof,
) -> Result<(Wire, Capabilities), Failure> {
    if greeting == Greeting::Hello {
        let before = capabilities(&mut wire).await?;
        match authenticate(&mut wire, &before, user, proof).await? {
            End::Ok => {}
            End::Refused(why) => return Err(Failure::refused(format!("it does not let {user} in: {why}"))),
        }
    }
    let capabilities = capabilities(&mut wire).await?;
    Ok((wire, capabilities))
}

/// Asks what it can do.
pub async fn capabilities(wire: &mut Wire) -> Result<Capabilities, Failure> {
    let mut found = Capabilities::default();
    wire.done("CAPABILITY", |response| {
        let text = String::from_utf8_lossy(response).to_ascii_uppercase();
        if let Some(names) = text.strip_prefix("CAPABILITY ") {
            found.0.extend(names.split_ascii_whitespace().map(str::to_owned));
            if found.0.len() > REMOTE_CAPABILITIES_MAX {
                return Err(Failure::refused(format!("it has more than {REMOTE_CAPABILITIES_MAX} capabilities")));
            }
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

async fn authenticate(wire: &mut Wire, can: &Capabilities, user: &str, proof: &Proof) -> Result<End, Failure> {
    match proof {
        Proof::Token(token) if can.has("AUTH=XOAUTH2") => {
            let said = Zeroizing::new(format!("user={user}\x01auth=Bearer {}\x01\x01", token.expose()));
            // Its account of why not is acknowledged with nothing.
            sasl(wire, can, "XOAUTH2", (&said, "")).await
        }
        Proof::Token(token) if can.has("AUTH=OAUTHBEARER") => {
            // RFC 7628 §3.1; in a name of its header (RFC 5801 §4) these two stand for themselves nowhere.
            let name = user.replace('=', "=3D").replace(',', "=2C");
            let said = Zeroizing::new(format!("n,a={name},\x01auth=Bearer {}\x01\x01", token.expose()));
            // RFC 7628 §3.2.3
            sasl(wire, can, "OAUTHBEARER", (&said, "\x01")).await
        }
        Proof::Token(_) => Err(Failure::refused(
            "it takes no token (XOAUTH2, OAUTHBEARER); give a password with --imap-password-file FILE",
        )),
        Proof::Password(password) if can.has("AUTH=PLAIN") => {
            let said = Zeroizing::new(format!("\0{user}\0{}", password.expose()));
            sasl(wire, can, "PLAIN", (&said, "")).await
        }
        Proof::Password(_) if can.has("LOGINDISABLED") => {
            Err(Failure::refused("it takes no password; give a token with --xoauth2-token-file FILE"))
        }
        Proof::Password(password) => login(wire, user, password.expose()).await,
    }
}

/// AUTHENTICATE, with the first answer at once where the server takes it (RFC 4959). `further` is the answer to whatever it asks
/// after that.
async fn sasl(
    wire: &mut Wire,
    can: &Capabilities,
    mechanism: &str,
    (said, further): (&str, &str),
) -> Result<End, Failure> {
    let encoded = Zeroizing::new(STANDARD.encode(said));
    let mut asked = can.has("SASL-IR");
    let command = if asked {
        Zeroizing::new(format!("AUTHENTICATE {mechanism} {}", *encoded))
    } else {
        Zeroizing::new(format!("AUTHENTICATE {mechanism}"))
    };
    let tag = wire.send(&command).await?;
    loop {
        let response = wire.response().await?;
        if let Some(end) = end_of(&tag, &response)? {
            return Ok(end);
        }
        if response.starts_with(b"+") {
            let answer = if asked { Zeroizing::new(STANDARD.encode(further)) } else { encoded.clone() };
            asked = true;
            wire.send_raw(Zeroizing::new(format!("{}\r\n", *answer)).as_bytes()).await?;
        }
    }
}

/// LOGIN, with both words as literals: they may hold anything.
async fn login(wire: &mut Wire, user: &str, password: &str) -> Result<End, Failure> {
    let tag = wire.send(&format!("LOGIN {{{}}}", user.len())).await?;
    let rest = [format!("{user} {{{}}}\r\n", password.len()), format!("{password}\r\n")].map(Zeroizing::new);
    let mut rest = rest.iter();
    loop {
        let response = wire.response().await?;
        if let Some(end) = end_of(&tag, &response)? {
            return Ok(end);
        }
        if response.starts_with(b"+")
            && let Some(next) = rest.next()
        {
            wire.send_raw(next.as_bytes()).await?;
        }
    }
}
