//! The greeting, what the server can do, and the sign-in: XOAUTH2, PLAIN or LOGIN.

use super::Proof;
use super::wire::{End, Wire, end_of, is_bye};
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

/// Signs in.
pub async fn sign_in(mut wire: Wire, user: &str, proof: &Proof) -> Result<(Wire, Capabilities), Failure> {
    let greeting = wire.response().await?;
    if is_bye(&greeting) || !greeting.starts_with(b"* ") {
        return Err(Failure::refused(format!("it does not want to: {}", String::from_utf8_lossy(&greeting))));
    }
    if !greeting.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"* PREAUTH ")) {
        let before = capabilities(&mut wire).await?;
        match authenticate(&mut wire, &before, user, proof).await? {
            End::Ok => {}
            End::Refused(why) => return Err(Failure::refused(format!("it does not let {user} in: {why}"))),
        }
    }
    let capabilities = capabilities(&mut wire).await?;
    Ok((wire, capabilities))
}

async fn capabilities(wire: &mut Wire) -> Result<Capabilities, Failure> {
    let mut found = Capabilities::default();
    wire.done("CAPABILITY", |response| {
        let text = String::from_utf8_lossy(response).to_ascii_uppercase();
        if let Some(names) = text.strip_prefix("CAPABILITY ") {
            found.0.extend(names.split_ascii_whitespace().map(str::to_owned));
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

async fn authenticate(wire: &mut Wire, can: &Capabilities, user: &str, proof: &Proof) -> Result<End, Failure> {
    match proof {
        Proof::Token(token) => {
            let said = Zeroizing::new(format!("user={user}\x01auth=Bearer {}\x01\x01", token.expose()));
            sasl(wire, can, "XOAUTH2", &said).await
        }
        Proof::Password(password) if can.has("AUTH=PLAIN") => {
            let said = Zeroizing::new(format!("\0{user}\0{}", password.expose()));
            sasl(wire, can, "PLAIN", &said).await
        }
        Proof::Password(_) if can.has("LOGINDISABLED") => {
            Err(Failure::refused("it takes no password; give a token with --xoauth2-token-file FILE"))
        }
        Proof::Password(password) => login(wire, user, password.expose()).await,
    }
}

/// AUTHENTICATE, with the first answer at once where the server takes it (RFC 4959).
async fn sasl(wire: &mut Wire, can: &Capabilities, mechanism: &str, said: &str) -> Result<End, Failure> {
    let encoded = Zeroizing::new(STANDARD.encode(said));
    let mut asked = can.has("SASL-IR");
    let command =
        if asked { format!("AUTHENTICATE {mechanism} {}", *encoded) } else { format!("AUTHENTICATE {mechanism}") };
    let tag = wire.send(&Zeroizing::new(command)).await?;
    loop {
        let response = wire.response().await?;
        if let Some(end) = end_of(&tag, &response)? {
            return Ok(end);
        }
        if response.starts_with(b"+") {
            // A second one is XOAUTH2's account of why not, which an empty answer acknowledges.
            let answer = if asked { String::new() } else { encoded.to_string() };
            asked = true;
            wire.send_raw(Zeroizing::new(format!("{answer}\r\n")).as_bytes()).await?;
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
