//! What ends a connection before its work is done, and what that means for the recipients that were not decided.

use crate::outcome::{Outcome, Status, Verdict};
use smtp::Reply;
use smtp::reply::ReplyError;
use std::fmt;
use std::io;
use tokio_rustls::rustls;

/// What the server was to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// TCP.
    Connect,
    /// 220.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// STARTTLS and its handshake.
    StartTls,
    /// AUTH.
    Auth,
    /// RSET.
    Reset,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The text.
    Text,
    /// The final dot: the server may have taken the message.
    End,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Greeting => "waiting for the greeting",
            Self::Hello => "saying EHLO",
            Self::StartTls => "starting TLS",
            Self::Auth => "signing in",
            Self::Reset => "saying RSET",
            Self::Mail => "saying MAIL",
            Self::Rcpt => "saying RCPT",
            Self::Data => "saying DATA",
            Self::Text => "sending the message",
            Self::End => "waiting for the answer to the message",
        })
    }
}

/// Why a connection came to nothing, or to an end.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The network, or silence.
    #[error("{problem} while {stage}")]
    Io {
        /// Where it stood.
        stage: Stage,
        /// What happened.
        problem: io::Error,
    },
    /// It closed the connection.
    #[error("the connection was closed while {0}")]
    Closed(Stage),
    /// What it said is no reply.
    #[error("{problem} while {stage}")]
    Garbage {
        /// Where it stood.
        stage: Stage,
        /// What is wrong.
        problem: ReplyError,
    },
    /// It refuses us altogether, or says that it closes.
    #[error("refused while {stage}: {}", reply.code())]
    Refused {
        /// Where it stood.
        stage: Stage,
        /// Its words.
        reply: Reply,
    },
    /// It offers no TLS, and there must be.
    #[error("TLS is required and not offered")]
    NoTls,
    /// It does not pass the requirement on.
    #[error("the sender requires TLS all the way, and the server does not offer REQUIRETLS")]
    NoRequireTls,
    /// The handshake failed, or the certificate is not what it must be.
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
    /// It sent something in the clear behind its answer to STARTTLS.
    #[error("data in the clear followed the answer to STARTTLS")]
    Injected,
    /// Our own side: the text could not be read to its end.
    #[error("the message could not be read: {0}")]
    Source(String),
    /// It does not take what we sign in with.
    #[error("no way to sign in is offered that can be used")]
    NoMechanism,
    /// It is ourselves.
    #[error("mail for the destination loops back to this host")]
    Loop,
    /// The address is one that nobody is to be sent to.
    #[error("the address is private, and private addresses are not allowed")]
    Forbidden,
}

impl Fault {
    /// Where it stood.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Io { stage, .. }
            | Self::Closed(stage)
            | Self::Garbage { stage, .. }
            | Self::Refused { stage, .. } => *stage,
            Self::NoTls | Self::Handshake(_) | Self::Injected => Stage::StartTls,
            Self::NoRequireTls => Stage::Mail,
            Self::NoMechanism => Stage::Auth,
            Self::Source(_) => Stage::Text,
            Self::Forbidden => Stage::Connect,
            Self::Loop => Stage::Hello,
        }
    }

    /// Whether it came after the server may have taken the message: sending it again may make two of it.
    pub fn is_uncertain(&self) -> bool {
        self.stage() == Stage::End
    }

    /// What rustls has against the handshake.
    pub fn tls_error(&self) -> Option<&rustls::Error> {
        match self {
            Self::Handshake(error) => error.get_ref()?.downcast_ref(),
            _ => None,
        }
    }

    /// Whether a connection without TLS, or with any, would have gone on.
    pub fn is_of_tls(&self) -> bool {
        matches!(self, Self::NoTls | Self::Injected | Self::Handshake(_))
    }

    /// For the recipients of a message that requires TLS: a host without it is none for them (RFC 8689 §4.2.1).
    pub fn outcome_under_require_tls(&self, remote: &str) -> Outcome {
        if self.is_of_tls() {
            return Outcome::failed(Status::new(5, 7, 10), &self.to_string(), remote);
        }
        self.outcome(remote)
    }

    /// For recipients that were not decided. A connection that fails is tried again (RFC 5321 §4.5.4.1); only a server that
    /// refuses us for good in its greeting means it.
    pub fn outcome(&self, remote: &str) -> Outcome {
        match self {
            Self::Refused { stage, reply } => {
                let outcome = Outcome::of_reply(reply, remote, false);
                let verdict = match stage {
                    // RFC 5321 §3.1: 554 in place of 220; and a server that cuts the text short for good.
                    Stage::Greeting | Stage::Hello | Stage::Text if reply.is_permanent() => Verdict::Failed,
                    _ => Verdict::Deferred,
                };
                let class = if verdict == Verdict::Failed { 5 } else { 4 };
                Outcome { verdict, status: Status { class, ..outcome.status }, ..outcome }
            }
            Self::Io { stage: Stage::Connect, .. } => {
                Outcome::deferred(Status::new(4, 4, 1), &self.to_string(), remote)
            }
            Self::Io { .. } | Self::Closed(_) => Outcome::deferred(Status::new(4, 4, 2), &self.to_string(), remote),
            Self::Garbage { .. } => Outcome::deferred(Status::new(4, 5, 0), &self.to_string(), remote),
            // For now, since certificates are repaired.
            Self::NoTls | Self::Injected => Outcome::deferred(Status::new(4, 7, 10), &self.to_string(), remote),
            Self::Handshake(_) => Outcome::deferred(Status::new(4, 7, 5), &self.to_string(), remote),
            Self::Source(_) => Outcome::deferred(Status::new(4, 3, 0), &self.to_string(), remote),
            // RFC 8689 §4.2.1.
            Self::NoRequireTls => Outcome::failed(Status::new(5, 7, 30), &self.to_string(), remote),
            Self::NoMechanism => Outcome::deferred(Status::new(4, 7, 0), &self.to_string(), remote),
            // RFC 5321 §5.1.
            Self::Loop => Outcome::failed(Status::new(5, 4, 6), &self.to_string(), remote),
            Self::Forbidden => Outcome::deferred(Status::new(4, 4, 4), &self.to_string(), remote),
        }
    }
}
