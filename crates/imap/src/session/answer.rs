//! What a command ends with: its tagged answer, or the end of the connection. The place where a node's failures are put into
//! IMAP's words.

use crate::codec::{Malformed, writer};
use model::UidSet;
use node_client::ClientError;
use std::borrow::Cow;
use std::io;
use wire::session::FailureCode;

/// Octets of a URL that a BADURL repeats: what is longer would be no line.
const BAD_URL_BYTES_MAX: usize = 900;

/// OK, NO or BAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok,
    /// Understood and not done.
    No,
    /// Not understood, or not possible in this state.
    Bad,
}

/// A response code with its arguments (RFC 3501 §7.1, RFC 4315, RFC 5530, RFC 6154, RFC 7162, RFC 9051 §7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// A code without arguments, such as `TRYCREATE`.
    Plain(&'static str),
    /// `CAPABILITY`: what the connection can do now.
    Capability(String),
    /// `APPENDUID uidvalidity uids`
    AppendUid(u32, UidSet),
    /// `BADURL "url"` (RFC 4469 §5)
    BadUrl(Box<[u8]>),
    /// `COPYUID uidvalidity from to`
    CopyUid(u32, String, String),
    /// `MODIFIED set`
    Modified(UidSet),
    /// `HIGHESTMODSEQ n`
    HighestModSeq(u64),
    /// `METADATA LONGENTRIES n` (RFC 5464): the longest value that was left out.
    LongEntries(usize),
    /// `METADATA MAXSIZE n` (RFC 5464): values may have so many octets.
    MetadataMaxSize(usize),
    /// `MAILBOXID (id)` (RFC 8474)
    MailboxId(String),
    /// `BADCHARSET (…)`
    BadCharset,
    /// `NOUPDATE "tag"` (RFC 5267 §4.3.1)
    NoUpdate(String),
    /// `MESSAGELIMIT limit [lowest-uid]` (RFC 9738 §4)
    MessageLimit(usize, Option<u32>),
    /// `BADEVENT (…)`: the events that NOTIFY takes (RFC 5465 §3.1)
    BadEvent,
}

impl Code {
    /// Writes the code with its brackets and a space after it.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        match self {
            Self::Plain(name) => out.extend_from_slice(name.as_bytes()),
            Self::Capability(list) => out.extend_from_slice(format!("CAPABILITY {list}").as_bytes()),
            Self::AppendUid(validity, uids) => out.extend_from_slice(format!("APPENDUID {validity} {uids}").as_bytes()),
            Self::BadUrl(url) => {
                // One line of ASCII, as all answers are.
                let shown: Vec<u8> =
                    url.iter().map(|byte| if matches!(byte, b' '..=b'~') { *byte } else { b'?' }).collect();
                out.extend_from_slice(b"BADURL ");
                writer::string(out, shown.get(..BAD_URL_BYTES_MAX).unwrap_or(&shown));
            }
            Self::CopyUid(validity, from, to) => {
                out.extend_from_slice(format!("COPYUID {validity} {from} {to}").as_bytes());
            }
            Self::Modified(set) => out.extend_from_slice(format!("MODIFIED {set}").as_bytes()),
            Self::HighestModSeq(modseq) => out.extend_from_slice(format!("HIGHESTMODSEQ {modseq}").as_bytes()),
            Self::LongEntries(octets) => out.extend_from_slice(format!("METADATA LONGENTRIES {octets}").as_bytes()),
            Self::MetadataMaxSize(octets) => out.extend_from_slice(format!("METADATA MAXSIZE {octets}").as_bytes()),
            Self::MailboxId(id) => out.extend_from_slice(format!("MAILBOXID ({id})").as_bytes()),
            Self::MessageLimit(max, None) => out.extend_from_slice(format!("MESSAGELIMIT {max}").as_bytes()),
            Self::MessageLimit(max, Some(lowest)) => {
                out.extend_from_slice(format!("MESSAGELIMIT {max} {lowest}").as_bytes());
            }
            Self::BadEvent => {
                out.extend_from_slice(
                    b"BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange \
                      MailboxMetadataChange ServerMetadataChange)",
                );
            }
            Self::BadCharset => {
                let known = crate::command::search::CHARSETS_LISTED;
                out.extend_from_slice(format!("BADCHARSET ({known})").as_bytes());
            }
            Self::NoUpdate(tag) => {
                out.extend_from_slice(b"NOUPDATE ");
                writer::string(out, tag.as_bytes());
            }
        }
        out.extend_from_slice(b"] ");
    }
}

/// Which changes of the selected folder may be told before the tagged answer (RFC 3501 §7.4.1, §5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Updates {
    /// None, because no folder is selected or the command ends the selection.
    Nothing,
    /// All but expunges, which would shift the numbers that the client used: FETCH, STORE, SEARCH by message number.
    NoExpunge,
    /// All.
    All,
}

/// A tagged answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// OK, NO or BAD.
    pub status: Status,
    /// The response code.
    pub code: Option<Code>,
    /// Text for people; one line of ASCII.
    pub text: Cow<'static, str>,
    /// What is told before it.
    pub updates: Updates,
}

impl Answer {
    fn new(status: Status, text: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code: None, text: text.into(), updates: Updates::All }
    }
    /// OK
    pub fn ok(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Ok, text)
    }
    /// NO
    pub fn no(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::No, text)
    }
    /// NO with a code without arguments.
    pub fn refused(code: &'static str, text: impl Into<Cow<'static, str>>) -> Self {
        Self::no(text).with(Code::Plain(code))
    }
    /// BAD
    pub fn bad(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Status::Bad, text)
    }
    /// Whether it is OK.
    pub fn is_ok(&self) -> bool {
        self.status == Status::Ok
    }
    /// With a response code.
    #[must_use]
    pub fn with(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }
    /// With no more than these updates before it.
    #[must_use]
    pub fn telling(mut self, updates: Updates) -> Self {
        self.updates = self.updates.min(updates);
        self
    }

    /// Writes the line; without a tag that could be read, `*` stands for it (RFC 3501 §7.1.3).
    pub fn write(&self, out: &mut Vec<u8>, tag: Option<&str>) {
        out.extend_from_slice(tag.unwrap_or("*").as_bytes());
        out.extend_from_slice(match self.status {
            Status::Ok => b" OK ",
            Status::No => b" NO ",
            Status::Bad => b" BAD ",
        });
        if let Some(code) = &self.code {
            code.write(out);
        }
        // A node's words are not ours: nothing in them may end the line.
        out.extend(self.text.bytes().map(|byte| if matches!(byte, b' '..=b'~') { byte } else { b'?' }));
        out.extend_from_slice(b"\r\n");
    }
}

/// Why a command did not come to its end.
#[derive(Debug)]
pub enum Stop {
    /// With this answer.
    Answer(Box<Answer>),
    /// It has been answered already.
    Answered,
    /// The connection ends.
    End(End),
}

/// Why a connection ends.
#[derive(Debug)]
pub enum End {
    /// The client went, or the network did.
    Io(io::Error),
    /// The client said LOGOUT, and has its answer.
    Logout,
    /// We end it, with an untagged BYE that says why.
    Bye(Option<&'static str>, &'static str),
    /// An answer broke off in a literal: nothing that could be sent would be understood.
    Broken,
}

/// What a command gives.
pub type Outcome = Result<Answer, Stop>;

/// The outcome with no more than these updates before its answer.
pub fn limited(outcome: Outcome, updates: Updates) -> Outcome {
    match outcome {
        Ok(answer) => Ok(answer.telling(updates)),
        Err(Stop::Answer(answer)) => Err(answer.telling(updates).into()),
        Err(stop @ (Stop::Answered | Stop::End(_))) => Err(stop),
    }
}

impl From<Answer> for Stop {
    fn from(answer: Answer) -> Self {
        Self::Answer(Box::new(answer))
    }
}
impl From<End> for Stop {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}
impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::End(End::Io(error))
    }
}
impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
impl From<Malformed> for Answer {
    fn from(malformed: Malformed) -> Self {
        // It may have been a FETCH, STORE or SEARCH by number.
        Self::bad(malformed.0).telling(Updates::NoExpunge)
    }
}
impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        failure(&error).into()
    }
}
impl From<wire::convert::ConvertError> for Stop {
    fn from(error: wire::convert::ConvertError) -> Self {
        tracing::error!(%error, "a node's answer is not what it must be");
        Answer::refused("SERVERBUG", "The storage node gave an answer that makes no sense").into()
    }
}

/// A node's failure in IMAP's words.
pub fn failure(error: &ClientError) -> Answer {
    let (code, text) = match error {
        ClientError::Failure(code, text) => (code, text),
        ClientError::Interrupted => {
            return Answer::refused("UNAVAILABLE", "The link to the mailbox broke, whether it was done is not known");
        }
        ClientError::Unavailable | ClientError::Protocol(_) => {
            return Answer::refused("UNAVAILABLE", "The mailbox cannot be reached at the moment, try again");
        }
    };
    let name = match code {
        FailureCode::Unavailable | FailureCode::NoSession | FailureCode::WrongNode => "UNAVAILABLE",
        FailureCode::Internal | FailureCode::UnknownVerb | FailureCode::Malformed | FailureCode::Forbidden => {
            "SERVERBUG"
        }
        FailureCode::NoSuchFolder | FailureCode::NoSuchMessage => "NONEXISTENT",
        FailureCode::FolderExists => "ALREADYEXISTS",
        FailureCode::BadName | FailureCode::Cannot => "CANNOT",
        FailureCode::HasChildren => "HASCHILDREN",
        FailureCode::OverQuota => "OVERQUOTA",
        FailureCode::TooBig => "TOOBIG",
        FailureCode::Limit => "LIMIT",
        FailureCode::DiskFull => "UNAVAILABLE",
        FailureCode::WrongKey | FailureCode::Damaged | FailureCode::Missing => "CORRUPTION",
        FailureCode::NewerSchema => "CONTACTADMIN",
    };
    Answer::refused(name, text.clone())
}

/// A failure of a command that names the folder its messages go to: the client may make it (RFC 3501 §7.1 TRYCREATE).
pub fn failure_of_target(error: &ClientError) -> Answer {
    match error {
        ClientError::Failure(FailureCode::NoSuchFolder, _) => Answer::refused("TRYCREATE", "There is no such folder"),
        _ => failure(error),
    }
}

/// Writes an untagged OK with a code.
pub fn untagged_ok(out: &mut Vec<u8>, code: &Code, text: &str) {
    out.extend_from_slice(b"* OK ");
    code.write(out);
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes an untagged NO with a code.
pub fn untagged_no(out: &mut Vec<u8>, code: &Code, text: &str) {
    out.extend_from_slice(b"* NO ");
    code.write(out);
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes `* n NAME`.
pub fn untagged_number(out: &mut Vec<u8>, n: u64, name: &str) {
    out.extend_from_slice(b"* ");
    writer::number(out, n);
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\r\n");
}
