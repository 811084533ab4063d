//! CLOSE (RFC 3501 §6.4.2) and UNSELECT (RFC 3691): back to the authenticated state, with and without expunging.

use crate::session::Session;
use crate::session::answer::{Answer, Outcome, Updates};
use wire::session::Expunge;

/// CLOSE or UNSELECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Close {
    /// Messages with \Deleted are removed: CLOSE.
    pub expunge: bool,
}

impl Close {
    /// Leaves the folder. Nothing is told of it any more.
    ///
    /// # Errors
    /// BAD without a selected folder; a NO of the node, and then the folder stays selected.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let selected = session.selected()?;
        if self.expunge && selected.view.is_writable() {
            selected.node.expunge(Expunge { folder: selected.view.folder, by_uid: false, uids: None }).await?;
        }
        let account = session.account()?;
        account.view = None;
        account.node.unselect().await?;
        Ok(Answer::ok("Done").telling(Updates::Nothing))
    }
}
