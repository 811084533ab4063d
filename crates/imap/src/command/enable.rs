//! ENABLE (RFC 5161): extensions that change what the server sends unasked.

use crate::codec::cursor::{Cursor, Parsed};
use crate::session::Session;
use crate::session::answer::{Answer, Code, Outcome, untagged_ok};

/// What is to be enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enable {
    /// CONDSTORE is named. What is not known is passed over (RFC 5161 §3.1).
    pub condstore: bool,
}

impl Enable {
    /// Reads the names of one or more capabilities.
    ///
    /// # Errors
    /// There is none.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let mut enable = Self { condstore: false };
        cursor.space()?;
        loop {
            enable.condstore |= cursor.atom()?.eq_ignore_ascii_case("CONDSTORE");
            if !cursor.take(b' ') {
                return Ok(enable);
            }
        }
    }

    /// Enables, and says what was.
    ///
    /// # Errors
    /// BAD before sign-in.
    pub fn run(self, session: &mut Session) -> Outcome {
        session.account()?;
        let newly = self.condstore && !session.condstore;
        session.connection.out.extend_from_slice(if newly { b"* ENABLED CONDSTORE\r\n" } else { b"* ENABLED\r\n" });
        if newly {
            session.enable_condstore();
            // RFC 7162 §3.1.2.1: the client learns where it stands in a folder that it selected before.
            if let Ok(selected) = session.selected() {
                let code = Code::HighestModSeq(selected.view.highest_modseq);
                untagged_ok(&mut selected.connection.out, &code, "Highest");
            }
        }
        Ok(Answer::ok("Done"))
    }
}
