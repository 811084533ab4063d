//! RENAME (RFC 3501 §6.3.5). What becomes of folders below it, and of INBOX, is the mailbox's to do.

use crate::codec::cursor::{Cursor, Parsed};
use crate::codec::{Name, name};
use crate::session::Session;
use crate::session::answer::{Answer, Outcome};
use crate::session::notify::Own;

/// RENAME.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// The folder.
    pub from: Name,
    /// Its new name.
    pub to: Name,
}

impl Rename {
    /// Reads both names.
    ///
    /// # Errors
    /// One is missing or malformed.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        cursor.space()?;
        let from = name::parse(cursor)?;
        cursor.space()?;
        let to = name::parse_new(cursor)?;
        Ok(Self { from, to })
    }

    /// Renames the folder.
    ///
    /// # Errors
    /// BAD before sign-in; NO of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let account = session.account()?;
        let (from, to) = (super::folder(self.from)?, super::folder(self.to)?);
        let rename = wire::session::Rename {
            from: from.as_str().to_owned(),
            to: to.as_str().to_owned(),
            token: bytes::Bytes::new(),
        };
        account.did(Own::Renamed(from.as_str().to_owned(), to.as_str().to_owned()));
        account.node.rename(rename).await?;
        // INBOX stays, and only its messages go; other folders stay selected under their new name.
        if let Some(view) = account.view.as_mut().filter(|view| view.name == from && !from.is_inbox()) {
            view.name = to;
        }
        Ok(Answer::ok("Done"))
    }
}
