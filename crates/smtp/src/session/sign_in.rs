//! AUTH (RFC 4954) with PLAIN (RFC 4616) and LOGIN, which old clients know; who somebody is, is the caller's to find out.

use super::{Event, Question, Session, State, answers};
use crate::command;
use crate::limits::SASL_LINE_BYTES_MAX;
use crate::line::LineEnd;
use crate::reply::Reply;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::fmt;
use zeroize::Zeroizing;

/// Whether people sign in here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInOffer {
    /// Nobody does: mail comes from other hosts.
    No,
    /// They must, inside TLS only.
    InTls,
    /// They must, also in the clear.
    Anywhere,
}

impl SignInOffer {
    /// Whether a password may be sent now.
    pub(super) const fn takes_passwords(self, tls: bool) -> bool {
        match self {
            Self::No => false,
            Self::InTls => tls,
            Self::Anywhere => true,
        }
    }

    /// What keeps a transaction from beginning (RFC 4954 §6, RFC 3207 §4).
    pub(super) const fn refusal(self, tls: bool, authenticated: bool) -> Option<Reply> {
        match (self, tls, authenticated) {
            (Self::No, _, _) | (_, _, true) => None,
            (Self::InTls, false, false) => Some(answers::TLS_FIRST),
            (Self::InTls | Self::Anywhere, _, false) => Some(answers::SIGN_IN_FIRST),
        }
    }
}

/// Who somebody says to be, and what proves it.
#[derive(PartialEq, Eq)]
pub enum Auth {
    /// The message of PLAIN, without its base64.
    Plain(Zeroizing<Vec<u8>>),
    /// Name and password.
    Login(Vec<u8>, Zeroizing<Vec<u8>>),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Auth(..)")
    }
}

/// What is asked for next.
#[derive(Debug)]
pub(super) enum Exchange {
    Plain,
    LoginName,
    LoginPassword(Vec<u8>),
}

impl Exchange {
    /// 334 with the challenge in base64.
    const fn challenge(&self) -> Reply {
        Reply::bare(
            334,
            Cow::Borrowed(match self {
                Self::Plain => "",
                Self::LoginName => "VXNlcm5hbWU6",
                Self::LoginPassword(_) => "UGFzc3dvcmQ6",
            }),
        )
    }
}

impl Session {
    pub(super) fn auth(&mut self, auth: command::Auth) -> Option<Event<'static>> {
        let command::Auth { mechanism, response } = auth;
        if self.config.sign_in == SignInOffer::No {
            return self.refuse(&answers::for_error(command::CommandError::NotImplemented));
        }
        if !self.extended {
            return self.refuse(&answers::HELLO_FIRST);
        }
        if self.authenticated {
            return self.refuse(&answers::SIGNED_IN_ALREADY);
        }
        if self.transaction.is_some() {
            return self.refuse(&answers::AUTH_IN_TRANSACTION);
        }
        if !self.config.sign_in.takes_passwords(self.tls) {
            return self.refuse(&answers::NO_PASSWORD_IN_THE_CLEAR);
        }
        let exchange = match mechanism.as_str() {
            "PLAIN" => Exchange::Plain,
            "LOGIN" => Exchange::LoginName,
            _ => return self.refuse(&answers::NO_SUCH_MECHANISM),
        };
        match response {
            None => self.ask(exchange),
            Some(response) if response.as_str() == "=" => self.response(exchange, b""),
            Some(response) => self.response(exchange, response.as_bytes()),
        }
    }

    fn ask(&mut self, exchange: Exchange) -> Option<Event<'static>> {
        self.push(&exchange.challenge());
        self.state = State::Sasl(exchange);
        None
    }

    pub(super) fn step_sasl(&mut self, input: &mut &[u8]) -> Option<Event<'static>> {
        let Some(end) = self.reader.take(input, SASL_LINE_BYTES_MAX) else {
            return Some(Event::NeedInput);
        };
        let State::Sasl(exchange) = std::mem::replace(&mut self.state, State::Command) else { return None };
        let line = Zeroizing::new(self.reader.line());
        match end {
            LineEnd::Crlf if line.as_slice() == b"*" => self.refuse(&answers::SASL_GIVEN_UP),
            LineEnd::Crlf => self.response(exchange, &line),
            LineEnd::BareLf => self.refuse(&answers::BARE_LF),
            LineEnd::TooLong => self.refuse(&answers::SASL_LINE_TOO_LONG),
            LineEnd::Endless => self.refuse(&answers::LINE_ENDLESS),
        }
    }

    fn response(&mut self, exchange: Exchange, base64: &[u8]) -> Option<Event<'static>> {
        let Ok(response) = STANDARD.decode(base64).map(Zeroizing::new) else {
            return self.refuse(&answers::NOT_BASE64);
        };
        let auth = match exchange {
            Exchange::Plain => Auth::Plain(response),
            Exchange::LoginName => return self.ask(Exchange::LoginPassword(response.to_vec())),
            Exchange::LoginPassword(name) => Auth::Login(name, response),
        };
        self.state = State::Asked(Question::Auth);
        Some(Event::Auth(auth))
    }
}
