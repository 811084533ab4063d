//! AUTHENTICATE PLAIN (RFC 3501 §6.2.2, RFC 4616), with an initial response (RFC 4959), and what LOGIN shares with it.

use crate::codec::cursor::{Cursor, Parsed};
use crate::limits::{FAILED_SIGN_INS_MAX, IDLE_BEFORE_SIGN_IN};
use crate::session::Session;
use crate::session::answer::{Answer, Code, End, Outcome, Stop, failure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use node_client::ClientError;
use sign_in::plain::Plain;
use sign_in::{Claim, Denied};
use tokio::time::timeout;
use zeroize::Zeroizing;

/// AUTHENTICATE.
#[derive(Clone, PartialEq, Eq)]
pub struct Authenticate {
    /// The mechanism, upper case.
    pub mechanism: String,
    /// The initial response, in base64; `=` stands for an empty one.
    pub response: Option<Vec<u8>>,
}

impl std::fmt::Debug for Authenticate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authenticate({}, ..)", self.mechanism)
    }
}

impl Authenticate {
    /// Reads the mechanism and the initial response.
    ///
    /// # Errors
    /// One is malformed.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        cursor.space()?;
        let mechanism = cursor.atom()?.to_ascii_uppercase();
        let response = cursor.take(b' ').then(|| cursor.while_(|byte| byte != b' ').to_vec());
        Ok(Self { mechanism, response })
    }

    /// Signs in.
    ///
    /// # Errors
    /// BAD in the wrong state or for what is not base64; NO when it may not or does not succeed.
    pub async fn run(self, session: &mut Session) -> Outcome {
        allowed(session)?;
        if self.mechanism != "PLAIN" {
            return Ok(Answer::refused("CANNOT", "The only mechanism is PLAIN"));
        }
        let response = match self.response {
            Some(response) if response == b"=" => Zeroizing::new(Vec::new()),
            Some(response) => Zeroizing::new(response),
            None => Zeroizing::new(ask(session).await?.to_vec()),
        };
        if response.as_slice() == b"*" {
            return Ok(Answer::bad("Given up"));
        }
        let Ok(message) = STANDARD.decode(response.as_slice()).map(Zeroizing::new) else {
            return Ok(Answer::bad("The response is not base64"));
        };
        match Plain::parse(&message) {
            Plain::Claim(claim) => sign_in(session, claim).await,
            Plain::OtherIdentity => Ok(Answer::refused("AUTHORIZATIONFAILED", "Nobody may act for somebody else")),
            Plain::Malformed => Ok(Answer::bad("The response is not that of PLAIN")),
        }
    }
}

/// Asks for the response, and waits for it.
async fn ask(session: &mut Session) -> Result<Bytes, Stop> {
    session.connection.out.extend_from_slice(b"+ \r\n");
    session.connection.flush().await?;
    loop {
        match session.connection.input.raw_line() {
            Some(Ok(line)) => return Ok(line),
            Some(Err(_)) => return Err(Answer::bad("The response is too long").into()),
            None => {
                let read = timeout(IDLE_BEFORE_SIGN_IN, session.connection.read());
                read.await.unwrap_or(Err(End::Bye(None, "Nobody signed in")))?;
            }
        }
    }
}

/// Whether anybody may sign in here and now.
pub(super) fn allowed(session: &Session) -> Result<(), Stop> {
    if session.account.is_some() {
        return Err(Answer::bad("Somebody is signed in already").into());
    }
    if !session.may_sign_in() {
        // RFC 3501 §6.2.3 LOGINDISABLED, RFC 5530 §3.
        return Err(Answer::refused("PRIVACYREQUIRED", "Passwords are taken through TLS only").into());
    }
    Ok(())
}

/// Signs in with name and password, and enters the authenticated state.
pub(super) async fn sign_in(session: &mut Session, claim: Claim) -> Outcome {
    let shared = std::sync::Arc::clone(&session.shared);
    let denied = match shared.sign_in.sign_in(claim, session.peer.ip()).await {
        Ok(node) => {
            session.signed_in(node);
            let capabilities = super::capability::list(session);
            return Ok(Answer::ok("Welcome").with(Code::Capability(capabilities)));
        }
        Err(denied) => denied,
    };
    let answer = match denied {
        // The same words for an unknown name and a wrong password.
        Denied::Wrong => Answer::refused("AUTHENTICATIONFAILED", "Wrong name or password"),
        Denied::Blocked => {
            Answer::refused("AUTHENTICATIONFAILED", "Too many failed sign-ins from there, try again later")
        }
        Denied::Disabled => Answer::refused("CONTACTADMIN", "This account is disabled"),
        Denied::Busy => Answer::refused("UNAVAILABLE", "Too many people are signing in, try again"),
        Denied::Unavailable => Answer::refused("UNAVAILABLE", "Sign-in is not possible at the moment, try again"),
        Denied::Mailbox(error @ ClientError::Failure(..)) => failure(&error),
        Denied::Mailbox(ClientError::Unavailable | ClientError::Interrupted | ClientError::Protocol(_)) => {
            Answer::refused("UNAVAILABLE", "The mailbox cannot be reached at the moment, try again")
        }
    };
    if answer.code == Some(Code::Plain("AUTHENTICATIONFAILED")) {
        session.failed_sign_ins += 1;
        if session.failed_sign_ins > FAILED_SIGN_INS_MAX {
            return Err(End::Bye(None, "Too many failed sign-ins").into());
        }
    }
    Ok(answer)
}
