//! DELETE (RFC 3501 §6.3.4).

use crate::codec::cursor::{Cursor, Parsed};
use crate::codec::{Name, name};
use crate::session::Session;
use crate::session::answer::{Answer, Outcome};
use crate::session::notify::Own;

/// DELETE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The folder.
    pub name: Name,
}

impl Delete {
    /// Reads the name.
    ///
    /// # Errors
    /// It is missing or malformed.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        cursor.space()?;
        Ok(Self { name: name::parse(cursor)? })
    }

    /// Deletes the folder. If this session has it selected, it is in the authenticated state afterwards.
    ///
    /// # Errors
    /// BAD before sign-in; NO of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let account = session.account()?;
        let name = super::folder(self.name)?;
        account.did(Own::Gone(name.as_str().to_owned()));
        account.node.delete(wire::session::Delete { name: name.as_str().to_owned() }).await?;
        if account.view.as_ref().is_some_and(|view| view.name == name) {
            account.view = None;
            account.node.unselect().await?;
        }
        Ok(Answer::ok("Done"))
    }
}
