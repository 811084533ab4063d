//! SUBSCRIBE and UNSUBSCRIBE (RFC 3501 §6.3.6, §6.3.7).

use crate::codec::cursor::{Cursor, Parsed};
use crate::codec::{Name, name};
use crate::session::Session;
use crate::session::answer::{Answer, Outcome};
use crate::session::notify::Own;

/// SUBSCRIBE or UNSUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    /// The folder.
    pub name: Name,
    /// Whether it is to be subscribed.
    pub subscribed: bool,
}

impl Subscribe {
    /// Reads the name.
    ///
    /// # Errors
    /// It is missing or malformed.
    pub fn parse(cursor: &mut Cursor<'_>, subscribed: bool) -> Parsed<Self> {
        cursor.space()?;
        Ok(Self { name: name::parse(cursor)?, subscribed })
    }

    /// Changes the subscription.
    ///
    /// # Errors
    /// BAD before sign-in; NO of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let account = session.account()?;
        let name = super::folder(self.name)?.as_str().to_owned();
        account.did(Own::Subscription(name.clone(), self.subscribed));
        account.node.subscribe(wire::session::Subscribe { name, subscribed: self.subscribed }).await?;
        Ok(Answer::ok("Done"))
    }
}
