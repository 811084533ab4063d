//! STATUS (RFC 3501 §6.3.10), with HIGHESTMODSEQ (RFC 7162 §3.1.7), SIZE (RFC 8438), DELETED (RFC 9051 §6.3.11),
//! DELETED-STORAGE (RFC 9208 §4.1.4), MAILBOXID (RFC 8474 §4.3) and
//! APPENDLIMIT (RFC 7889 §3).

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::object_id::{self, Object};
use crate::codec::{Name, name, writer};
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
    /// SIZE
    Size,
    /// DELETED
    Deleted,
    /// DELETED-STORAGE
    DeletedStorage,
    /// MAILBOXID
    MailboxId,
    /// APPENDLIMIT
    AppendLimit,
}

impl Item {
    /// Every item.
    pub const ALL: [Self; 11] = [
        Self::Messages,
        Self::Recent,
        Self::UidNext,
        Self::UidValidity,
        Self::Unseen,
        Self::HighestModSeq,
        Self::Size,
        Self::Deleted,
        Self::DeletedStorage,
        Self::MailboxId,
        Self::AppendLimit,
    ];

    /// As IMAP writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Messages => "MESSAGES",
            Self::Recent => "RECENT",
            Self::UidNext => "UIDNEXT",
            Self::UidValidity => "UIDVALIDITY",
            Self::Unseen => "UNSEEN",
            Self::HighestModSeq => "HIGHESTMODSEQ",
            Self::Size => "SIZE",
            Self::Deleted => "DELETED",
            Self::DeletedStorage => "DELETED-STORAGE",
            Self::MailboxId => "MAILBOXID",
            Self::AppendLimit => "APPENDLIMIT",
        }
    }

    fn write_value(self, out: &mut Vec<u8>, status: &FolderStatus, shown: Shown) {
        let number = match self {
            Self::Messages => status.messages.into(),
            Self::Recent => status.recent.into(),
            Self::UidNext => status.uid_next.into(),
            Self::UidValidity => status.uid_validity.into(),
            Self::Unseen => status.unseen.into(),
            Self::HighestModSeq => status.highest_modseq,
            Self::Size => status.size,
            Self::Deleted => status.deleted.into(),
            Self::DeletedStorage => status.deleted_size,
            Self::AppendLimit => shown.append_limit,
            Self::MailboxId => {
                out.push(b'(');
                object_id::write(out, Object::Folder, status.folder);
                return out.push(b')');
            }
        };
        writer::number(out, number);
    }
}

/// What is the same for all folders of a session.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    /// Names are UTF-8.
    pub utf8: bool,
    /// APPENDLIMIT (RFC 7889 §3), octets.
    pub append_limit: u64,
}

impl Shown {
    /// What this session is shown.
    pub fn to(session: &Session) -> Self {
        Self { utf8: session.enabled.utf8_names(), append_limit: session.shared.settings.message_bytes_max }
    }
}

/// The items in their parentheses.
///
/// # Errors
/// There is none, or one is not known.
pub fn items(cursor: &mut Cursor<'_>) -> Parsed<Vec<Item>> {
    let items = cursor.list(Item::ALL.len() * 2, |cursor| {
        let name = cursor.atom()?;
        let item = Item::ALL.into_iter().find(|item| item.name().eq_ignore_ascii_case(name));
        item.ok_or(Malformed("There is no such STATUS item"))
    })?;
    if items.is_empty() { Err(Malformed("Expected at least one STATUS item")) } else { Ok(items) }
}

/// The untagged answer.
pub fn write(out: &mut Vec<u8>, name: &str, items: &[Item], status: &FolderStatus, shown: Shown) {
    out.extend_from_slice(b"* STATUS ");
    name::write(out, name, shown.utf8);
    out.extend_from_slice(b" (");
    let start = out.len();
    for item in items {
        writer::word(out, start, item.name());
        out.push(b' ');
        item.write_value(out, status, shown);
    }
    out.extend_from_slice(b")\r\n");
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
        let items = items(cursor)?;
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
        let shown = Shown::to(session);
        write(&mut session.connection.out, name.as_str(), &self.items, &status, shown);
        Ok(Answer::ok("Done"))
    }
}
