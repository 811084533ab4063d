//! LOGIN (RFC 3501 §6.2.3).

use crate::codec::cursor::{Cursor, Parsed};
use crate::session::Session;
use crate::session::answer::Outcome;
use sign_in::Claim;

/// LOGIN.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Who.
    pub name: Vec<u8>,
    /// The password.
    pub password: Vec<u8>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(..)")
    }
}

impl Login {
    /// Reads name and password.
    ///
    /// # Errors
    /// One is missing or malformed.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        cursor.space()?;
        let name = cursor.astring()?.into_owned();
        cursor.space()?;
        Ok(Self { name, password: cursor.astring()?.into_owned() })
    }

    /// Signs in.
    ///
    /// # Errors
    /// BAD in the wrong state; NO when it may not or does not succeed.
    pub async fn run(self, session: &mut Session) -> Outcome {
        super::authenticate::allowed(session)?;
        super::authenticate::sign_in(session, Claim::new(&self.name, self.password)).await
    }
}
