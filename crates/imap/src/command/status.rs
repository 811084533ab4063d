//! STATUS (RFC 3501 §6.3.10), with HIGHESTMODSEQ (RFC 7162 §3.1.7).

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::{Name, mutf7, name, writer};
use crate::session::Session;
use crate::session::answer::{Answer, Outcome};
use wire::session::FolderStatus;

/// One thing to know of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// MESSAGES
    Messages,
    /// RECENT
    Recent,
    /// UIDNEXT
    UidNext,
    /// UIDVALIDITY
    UidValidity,
    /// UNSEEN
    Unseen,
    /// HIGHESTMODSEQ
    HighestModSeq,
}

impl Item {
    /// Every item.
    pub const ALL: [Self; 6] =
        [Self::Messages, Self::Recent, Self::UidNext, Self::UidValidity, Self::Unseen, Self::HighestModSeq];

    /// As IMAP writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Messages => "MESSAGES",
            Self::Recent => "RECENT",
            Self::UidNext => "UIDNEXT",
            Self::UidValidity => "UIDVALIDITY",
            Self::Unseen => "UNSEEN",
            Self::HighestModSeq => "HIGHESTMODSEQ",
        }
    }

    fn value(self, status: &FolderStatus) -> u64 {
        match self {
            Self::Messages => status.messages.into(),
            Self::Recent => status.recent.into(),
            Self::UidNext => status.uid_next.into(),
            Self::UidValidity => status.uid_validity.into(),
            Self::Unseen => status.unseen.into(),
            Self::HighestModSeq => status.highest_modseq,
        }
    }
}

/// STATUS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The folder.
    pub name: Name,
    /// What is asked, in order.
    pub items: Vec<Item>,
}

impl Status {
    /// Reads the name and the items.
    ///
    /// # Errors
    /// One is malformed or not known.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        cursor.space()?;
        let name = name::parse(cursor)?;
        cursor.space()?;
        let items = cursor.list(Item::ALL.len() * 2, |cursor| {
            let name = cursor.atom()?;
            let item = Item::ALL.into_iter().find(|item| item.name().eq_ignore_ascii_case(name));
            item.ok_or(Malformed("There is no such STATUS item"))
        })?;
        if items.is_empty() {
            return Err(Malformed("Expected at least one STATUS item"));
        }
        Ok(Self { name, items })
    }

    /// Answers it. The selected folder is no exception.
    ///
    /// # Errors
    /// BAD before sign-in; NO of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let account = session.account()?;
        let name = super::folder(self.name)?;
        let status = account.node.status(wire::session::Status { name: name.as_str().to_owned() }).await?;
        // RFC 7162 §3.1: asking for HIGHESTMODSEQ enables CONDSTORE.
        if self.items.contains(&Item::HighestModSeq) {
            session.enable_condstore();
        }
        let out = &mut session.connection.out;
        out.extend_from_slice(b"* STATUS ");
        writer::astring(out, mutf7::encode(name.as_str()).as_bytes());
        out.extend_from_slice(b" (");
        let start = out.len();
        for item in self.items {
            writer::word(out, start, item.name());
            out.push(b' ');
            writer::number(out, item.value(&status));
        }
        out.extend_from_slice(b")\r\n");
        Ok(Answer::ok("Done"))
    }
}
