//! ENABLE (RFC 5161): extensions that change what the server sends unasked.

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::session::answer::{Answer, Code, Outcome, untagged_ok};
use crate::session::{Enabled, Session};

/// Names of one ENABLE; there are not that many capabilities.
const NAMES_MAX: usize = 64;

/// What can be enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// CONDSTORE (RFC 7162 §3.1)
    CondStore,
    /// QRESYNC (RFC 7162 §3.2)
    QResync,
    /// IMAP4rev2 (RFC 9051)
    Imap4Rev2,
    /// UTF8=ACCEPT (RFC 6855 §3)
    Utf8Accept,
    /// UIDONLY (RFC 9586)
    UidOnly,
    /// METADATA (RFC 5464 §4.1)
    Metadata,
}

impl Extension {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::CondStore, Self::QResync, Self::Imap4Rev2, Self::Utf8Accept, Self::UidOnly, Self::Metadata];

    /// As IMAP writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CondStore => "CONDSTORE",
            Self::QResync => "QRESYNC",
            Self::Imap4Rev2 => "IMAP4rev2",
            Self::Utf8Accept => "UTF8=ACCEPT",
            Self::UidOnly => "UIDONLY",
            Self::Metadata => "METADATA",
        }
    }

    /// Turns it on; false when it was.
    fn turn_on(self, enabled: &mut Enabled) -> bool {
        let before = *enabled;
        match self {
            Self::CondStore => enabled.condstore = true,
            // RFC 7162 §3.2.3: QRESYNC brings CONDSTORE.
            Self::QResync => (enabled.condstore, enabled.qresync) = (true, true),
            Self::Imap4Rev2 => enabled.rev2 = true,
            Self::Utf8Accept => enabled.utf8 = true,
            Self::UidOnly => enabled.uid_only = true,
            Self::Metadata => enabled.annotations = true,
        }
        *enabled != before
    }
}

/// What is to be enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enable {
    /// The names that are known, in their order. What is not known is passed over (RFC 5161 §3.1).
    pub extensions: Vec<Extension>,
}

impl Enable {
    /// Reads the names of one or more capabilities.
    ///
    /// # Errors
    /// There is none, or too many.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let mut extensions = Vec::new();
        cursor.space()?;
        for _ in 0..NAMES_MAX {
            let name = cursor.atom()?;
            extensions.extend(Extension::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name)));
            if !cursor.take(b' ') {
                return Ok(Self { extensions });
            }
        }
        Err(Malformed("There are not that many capabilities"))
    }

    /// Enables, and says what was.
    ///
    /// # Errors
    /// BAD before sign-in; NO of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        session.account()?;
        let before = session.enabled;
        if self.extensions.contains(&Extension::Metadata) && !before.annotations {
            session.watch_annotations().await?;
        }
        session.connection.out.extend_from_slice(b"* ENABLED");
        for extension in self.extensions {
            if extension.turn_on(&mut session.enabled) {
                session.connection.out.push(b' ');
                session.connection.out.extend_from_slice(extension.name().as_bytes());
            }
        }
        session.connection.out.extend_from_slice(b"\r\n");
        let enabled = session.enabled;
        if let Ok(selected) = session.selected() {
            if enabled.condstore && !before.condstore {
                // RFC 7162 §3.1.2.1: the client learns where it stands in a folder that it selected before.
                let code = Code::HighestModSeq(selected.view.highest_modseq);
                untagged_ok(&mut selected.connection.out, &code, "Highest");
            }
            if !enabled.recent() {
                selected.view.forget_recent();
            }
        }
        Ok(Answer::ok("Done"))
    }
}
