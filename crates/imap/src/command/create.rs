//! CREATE (RFC 3501 §6.3.3), with the USE of CREATE-SPECIAL-USE (RFC 6154 §3).

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::object_id::{self, Object};
use crate::codec::{Name, name};
use crate::session::Session;
use crate::session::answer::{Answer, Code, Outcome, failure};
use crate::session::notify::Own;
use model::SpecialUse;
use node_client::ClientError;
use wire::session::FailureCode;

/// CREATE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// The new folder.
    pub name: Name,
    /// What it is for; an attribute that is not known is an `Err`.
    pub uses: Vec<Result<SpecialUse, ()>>,
}

impl Create {
    /// Reads the name and `(USE (\Attribute …))`.
    ///
    /// # Errors
    /// One of them is malformed.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        cursor.space()?;
        let name = name::parse_new(cursor)?;
        let mut uses = Vec::new();
        if cursor.take(b' ') {
            cursor.expect(b'(', "Expected parameters in parentheses")?;
            if !cursor.word("USE ") {
                return Err(Malformed("The only parameter of CREATE is USE"));
            }
            uses = cursor.list(SpecialUse::ALL.len(), |cursor| {
                cursor.expect(b'\\', "Expected an attribute such as \\Sent")?;
                let name = format!("\\{}", cursor.atom()?);
                Ok(SpecialUse::parse(&name).ok_or(()))
            })?;
            cursor.expect(b')', "Expected the closing parenthesis")?;
        }
        Ok(Self { name, uses })
    }

    /// Makes the folder and those above it.
    ///
    /// # Errors
    /// BAD before sign-in; NO of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let account = session.account()?;
        let name = super::folder(self.name)?;
        let special_use = match self.uses.as_slice() {
            [] => None,
            [Ok(special_use)] => Some(*special_use),
            // RFC 6154 §5.3 USEATTR: not this use, or not these together.
            [Err(())] => return Ok(Answer::refused("USEATTR", "There is no such special use")),
            [_, _, ..] => return Ok(Answer::refused("USEATTR", "A folder has one special use at most")),
        };
        let create = wire::session::Create {
            name: name.as_str().to_owned(),
            special_use: wire::convert::special_use_field(special_use),
            token: bytes::Bytes::new(),
        };
        account.did(Own::Made(name.as_str().to_owned()));
        let created = account.node.create(create).await.map_err(|error| match (&error, special_use) {
            (ClientError::Failure(FailureCode::Cannot, text), Some(_)) => Answer::refused("USEATTR", text.clone()),
            _ => failure(&error),
        })?;
        if created.folder == 0 {
            return Ok(Answer::ok("Done"));
        }
        // RFC 8474 §4.1
        Ok(Answer::ok("Done").with(Code::MailboxId(object_id::text(Object::Folder, created.folder))))
    }
}
