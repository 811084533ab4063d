//! Commands that cannot be read, or not in this state: both servers must refuse them alike.

use super::{Generator, World};
use crate::script::{Effect, Step};

/// Each is BAD by the grammar of RFC 3501 §9 or of the extension. Not here: what Dovecot takes and does, such as STORE without
/// flags, or an argument to EXPUNGE.
const BROKEN: &[&str] = &[
    "NONSENSE",
    "UID",
    "UID NOOP",
    "UID NONSENSE 1",
    "FETCH",
    "FETCH 1",
    "FETCH 0 FLAGS",
    "FETCH 1:0 FLAGS",
    "FETCH a FLAGS",
    "FETCH 1 NONSENSE",
    "FETCH 1 (FLAGS",
    "FETCH 1 BODY[",
    "FETCH 1 BODY[NONSENSE]",
    "FETCH 1 BODY[MIME]",
    "FETCH 1 BODY[1.]",
    "FETCH 1 BODY.PEEK[TEXT]<1>",
    "FETCH 1 BODY.PEEK[TEXT]<a.b>",
    "FETCH 1 BODY[HEADER.FIELDS]",
    "FETCH 1 BODY[HEADER.FIELDS ()]",
    "FETCH 4294967296 FLAGS",
    "STORE",
    "STORE 1 NONSENSE (\\Seen)",
    "STORE 1 +FLAGS (\\Seen",
    "STORE 1 +FLAGS (\\Nonsense)",
    "STORE a +FLAGS (\\Seen)",
    "SEARCH",
    "SEARCH NONSENSE",
    "SEARCH NOT",
    "SEARCH OR ALL",
    "SEARCH (ALL",
    "SEARCH ALL)",
    "SEARCH ()",
    "SEARCH SUBJECT",
    "SEARCH BEFORE nonsense",
    "SEARCH BEFORE 99-Jan-2000",
    "SEARCH LARGER x",
    "SEARCH HEADER Subject",
    "SEARCH CHARSET KLINGON ALL",
    "COPY 1",
    "COPY a INBOX",
    "SELECT",
    "SELECT \"INBOX",
    "CREATE",
    "DELETE",
    "RENAME INBOX",
    "LIST",
    "LIST \"\"",
    "STATUS INBOX",
    "STATUS INBOX MESSAGES",
    "STATUS INBOX (NONSENSE)",
    "STATUS INBOX ()",
    "SUBSCRIBE",
    "APPEND",
    "APPEND INBOX",
    "NOOP extra",
    "LOGIN a b",
    "AUTHENTICATE PLAIN",
    "ENABLE",
    "UID EXPUNGE",
    "UID EXPUNGE a",
];

impl Generator {
    pub(super) fn malformed(&mut self, world: &World, connection: usize) -> Step {
        let text = *self.seeded.pick(BROKEN);
        // What one connection may not change for itself: a SELECT that fails leaves no folder selected (RFC 3501 §6.3.1).
        let selects = text.starts_with("SELECT") && world.places[connection].selected.is_some();
        let text = if selects { "NONSENSE" } else { text };
        Step::asks(connection, text).with(Effect::Malformed)
    }
}
