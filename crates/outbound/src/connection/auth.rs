//! Signing in at a smart host (RFC 4954), inside TLS only.

use super::{Connection, Security};
use crate::fault::{Fault, Stage};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use smtp::Reply;
use vault::Password;
use zeroize::Zeroizing;

/// Who we are to a smart host.
pub struct Login {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Password,
}

impl Connection {
    /// With PLAIN (RFC 4616), or LOGIN where only that is offered.
    pub(super) async fn sign_in(&mut self, login: &Login) -> Result<(), Fault> {
        if self.security == Security::Clear {
            return Err(Fault::NoTls);
        }
        let offers = |name: &str| self.offers.mechanisms.iter().any(|mechanism| mechanism == name);
        let reply = if offers("PLAIN") {
            self.plain(login).await?
        } else if offers("LOGIN") {
            self.login(login).await?
        } else {
            return Err(Fault::NoMechanism);
        };
        if reply.code() == 235 { Ok(()) } else { Err(Fault::Refused { stage: Stage::Auth, reply }) }
    }

    async fn plain(&mut self, login: &Login) -> Result<Reply, Fault> {
        let response = Zeroizing::new(format!("\0{}\0{}", login.user, login.password.expose()));
        let line = Zeroizing::new(format!("AUTH PLAIN {}\r\n", STANDARD.encode(response.as_bytes())));
        self.ask(&line, Stage::Auth, self.patience.hello).await
    }

    async fn login(&mut self, login: &Login) -> Result<Reply, Fault> {
        let limit = self.patience.hello;
        let mut reply = self.ask("AUTH LOGIN\r\n", Stage::Auth, limit).await?;
        for answer in [login.user.as_str(), login.password.expose()] {
            if reply.code() != 334 {
                return Ok(reply);
            }
            let line = Zeroizing::new(format!("{}\r\n", STANDARD.encode(answer)));
            reply = self.ask(&line, Stage::Auth, limit).await?;
        }
        Ok(reply)
    }
}
