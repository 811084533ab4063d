//! What the checks found, in types of our own: nothing of the library's, nothing borrowed from the message.

use dns::Name;
use std::net::IpAddr;

/// How a check ended, in the words of RFC 8601 §2.7. Not every check has every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Vouched for.
    Pass,
    /// Decidedly not.
    Fail,
    /// Probably not (SPF).
    SoftFail,
    /// Nothing is said, or what is said cannot be read.
    Neutral,
    /// It may be right, but is not acceptable here.
    Policy,
    /// It could not be found out now.
    TempError,
    /// It cannot be found out.
    PermError,
    /// There is nothing to check.
    None,
}

impl Verdict {
    /// The word in the field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::Policy => "policy",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
            Self::None => "none",
        }
    }

    /// Whether it is a pass.
    pub fn is_pass(self) -> bool {
        self == Self::Pass
    }
}

/// What can be said before the text comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The client's name.
    pub iprev: Iprev,
    /// Of the reverse-path, or of the HELO name for the null reverse-path: what DMARC takes.
    pub spf: Spf,
    /// Of the HELO name.
    pub helo: Spf,
}

/// Whether the client's name leads back to its address (RFC 8601 §3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iprev {
    /// Pass, fail, temperror, permerror (it has no name), none (not looked up).
    pub result: Verdict,
    /// The client's address.
    pub address: IpAddr,
    /// Its name, when it passes.
    pub name: Option<Name>,
}

/// What SPF is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Identity {
    /// MAIL FROM.
    MailFrom,
    /// HELO or EHLO.
    Helo,
}

/// SPF (RFC 7208).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spf {
    /// Pass, fail, softfail, neutral, temperror, permerror or none.
    pub result: Verdict,
    /// What was checked.
    pub identity: Identity,
    /// The domain that was asked; empty when it is none.
    pub domain: String,
    /// What the domain says to one whom it refuses, in printable ASCII. It is the domain's word, not ours.
    pub explanation: Option<String>,
}

/// One DKIM signature (RFC 6376).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dkim {
    /// Pass, fail, neutral, policy, temperror or permerror.
    pub result: Verdict,
    /// Why it is no pass.
    pub reason: Option<&'static str>,
    /// `d=`, lower case.
    pub domain: String,
    /// `s=`
    pub selector: String,
    /// `a=`
    pub algorithm: &'static str,
    /// The first characters of `b=`, which tell signatures of one domain apart (RFC 6008).
    pub signature: String,
}

/// The chain of those who handled the message on its way (RFC 8617).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arc {
    /// Pass, fail, temperror or none (no chain).
    pub result: Verdict,
    /// Why it is no pass.
    pub reason: Option<&'static str>,
    /// The sets, oldest first; empty when the fields make no chain.
    pub sets: Vec<ArcSet>,
}

/// What one of them said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArcSet {
    /// Who sealed.
    pub domain: String,
    /// With which key.
    pub selector: String,
    /// What its ARC-Authentication-Results says, unfolded. Worth as much as the sealer.
    pub results: String,
}

/// What a domain wants done with mail that fails DMARC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// Nothing.
    None,
    /// Treat with suspicion.
    Quarantine,
    /// Refuse.
    Reject,
}

impl Policy {
    /// The word in a record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }
}

/// DMARC (RFC 9989, and RFC 7489 before it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dmarc {
    /// Pass, fail, temperror, permerror or none (no policy, or no domain to ask).
    pub result: Verdict,
    /// What is to be done when it fails.
    pub policy: Policy,
    /// The domain in From; of several, the one with the worst result. Empty when there is none.
    pub domain: String,
    /// Whether SPF passed for a domain that is aligned.
    pub spf_aligned: bool,
    /// Whether a DKIM signature passed for one.
    pub dkim_aligned: bool,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Results {
    /// Before the text.
    pub envelope: Envelope,
    /// From the top of the header.
    pub dkim: Vec<Dkim>,
    /// The chain.
    pub arc: Arc,
    /// What follows from SPF and DKIM.
    pub dmarc: Dmarc,
}

impl Results {
    /// Whether one of the message's signatures is good.
    pub fn is_signed(&self) -> bool {
        self.dkim.iter().any(|signature| signature.result.is_pass())
    }
}
