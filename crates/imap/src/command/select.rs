//! SELECT and EXAMINE (RFC 3501 §6.3.1, §6.3.2), with the parameters CONDSTORE (RFC 7162 §3.1.8) and QRESYNC (§3.2.5).

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::object_id::{self, Object};
use crate::codec::{Name, name};
use crate::limits::VIEW_RUNS_MAX;
use crate::session::answer::{Answer, Code, Outcome, Stop, Updates, untagged_number, untagged_ok};
use crate::session::qresync::Known;
use crate::session::view::View;
use crate::session::write_damage_alert;
use crate::session::{Enabled, Session, uid_required};
use model::Uid;
use wire::session::Selected;

/// Parameters that one SELECT may name.
const PARAMETERS_MAX: usize = 4;

/// SELECT or EXAMINE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// The folder.
    pub name: Name,
    /// EXAMINE.
    pub read_only: bool,
    /// The parameter CONDSTORE was given.
    pub condstore: bool,
    /// The parameter QRESYNC: what the client knows of the folder.
    pub known: Option<Box<Known>>,
}

impl Select {
    /// Reads the name and the parameters.
    ///
    /// # Errors
    /// One is malformed or not known.
    pub fn parse(cursor: &mut Cursor<'_>, read_only: bool) -> Parsed<Self> {
        cursor.space()?;
        let mut select = Self { name: name::parse(cursor)?, read_only, condstore: false, known: None };
        if cursor.take(b' ') && cursor.list(PARAMETERS_MAX, |cursor| select.parameter(cursor))?.is_empty() {
            return Err(Malformed("Expected a parameter"));
        }
        Ok(select)
    }

    fn parameter(&mut self, cursor: &mut Cursor<'_>) -> Parsed<()> {
        if cursor.word("CONDSTORE") {
            self.condstore = true;
        } else if cursor.word("QRESYNC ") {
            self.known = Some(Box::new(Known::parse(cursor)?));
        } else {
            return Err(Malformed("There is no such parameter"));
        }
        Ok(())
    }

    /// Leaves the folder that was selected, and selects this one. When that fails none is (RFC 3501 §6.3.1).
    ///
    /// # Errors
    /// BAD before sign-in; NO of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        self.check(session)?;
        let account = session.account()?;
        let before = account.view.take();
        let selected = match super::folder(self.name.clone()) {
            Ok(name) => account.node.select(wire(&name, self.read_only)).await.map_err(Into::into).map(|ok| (name, ok)),
            Err(stop) => Err(stop),
        };
        let (name, selected) = match selected {
            Ok(selected) => selected,
            Err(stop) => {
                if before.is_some() {
                    closed(&mut session.connection.out);
                    session.account()?.node.unselect().await?;
                }
                return Err(stop);
            }
        };
        if is_scattered(&selected) {
            if before.is_some() {
                closed(&mut session.connection.out);
            }
            session.account()?.node.unselect().await?;
            return Ok(Answer::refused("LIMIT", "The folder has too many gaps between its messages to be opened"));
        }
        let mut view = View::new(name, self.read_only, &selected)?;
        let enabled = session.enabled;
        if !enabled.recent() {
            view.forget_recent();
        }
        if before.is_some() {
            closed(&mut session.connection.out);
        }
        write(&mut session.connection.out, &view, &selected, enabled);
        let account = session.account.as_deref_mut().ok_or_else(|| Answer::bad("Sign in first"))?;
        if view.damaged && !std::mem::replace(&mut account.damage_told, true) {
            write_damage_alert(&mut session.connection.out);
        }
        account.view = Some(Box::new(view));
        if self.condstore {
            session.enabled.condstore = true;
        }
        if let Some(known) = self.known.filter(|known| known.uid_validity == selected.uid_validity)
            && let Err(stop) = session.selected()?.tell_missed(&known).await
        {
            let account = session.account()?;
            account.view = None;
            account.node.unselect().await?;
            return Err(stop);
        }
        let code = if self.read_only || selected.damaged { "READ-ONLY" } else { "READ-WRITE" };
        Ok(Answer::ok("Done").with(Code::Plain(code)).telling(Updates::Nothing))
    }

    /// Whether QRESYNC may be asked for; if not, what is selected stays so.
    fn check(&self, session: &Session) -> Result<(), Stop> {
        let Some(known) = &self.known else { return Ok(()) };
        if !session.enabled.qresync {
            // RFC 7162 §3.2.5
            return Err(Answer::bad("QRESYNC needs ENABLE QRESYNC").into());
        }
        if session.enabled.uid_only && known.matches.is_some() {
            // RFC 9586 §3.4
            return Err(uid_required().into());
        }
        Ok(())
    }
}

fn wire(name: &model::FolderName, read_only: bool) -> wire::session::Select {
    wire::session::Select { name: name.as_str().to_owned(), read_only, ..wire::session::Select::default() }
}

/// Whether the folder's view would be too large.
fn is_scattered(selected: &Selected) -> bool {
    selected.uids.as_ref().is_some_and(|uids| uids.bounds.len() / 2 > VIEW_RUNS_MAX)
}

/// What follows is about the new folder (RFC 7162 §3.2.11, RFC 9051 §7.1).
fn closed(out: &mut Vec<u8>) {
    untagged_ok(out, &Code::Plain("CLOSED"), "The folder before is closed");
}

fn write(out: &mut Vec<u8>, view: &View, selected: &Selected, enabled: Enabled) {
    untagged_number(out, view.exists() as u64, "EXISTS");
    if enabled.recent() {
        untagged_number(out, view.recent().len() as u64, "RECENT");
    }
    crate::session::write_known_flags(out, view);
    // Not in RFC 9051, and RFC 9586 §3.1 forbids a message number.
    let unseen = Uid::new(selected.first_unseen).filter(|_| !enabled.rev2 && !enabled.uid_only);
    if let Some(number) = unseen.and_then(|uid| view.number(uid)) {
        out.extend_from_slice(format!("* OK [UNSEEN {number}] First unseen\r\n").as_bytes());
    }
    out.extend_from_slice(format!("* OK [UIDVALIDITY {}] UIDs are valid\r\n", view.uid_validity).as_bytes());
    out.extend_from_slice(format!("* OK [UIDNEXT {}] Predicted next UID\r\n", selected.uid_next).as_bytes());
    untagged_ok(out, &Code::HighestModSeq(view.highest_modseq), "Highest");
    // RFC 8474 §4.2
    untagged_ok(out, &Code::MailboxId(object_id::text(Object::Folder, view.folder)), "The folder's id");
    if enabled.rev2 {
        // RFC 9051 §6.3.2: LIST is among the required answers.
        out.extend_from_slice(b"* LIST () \"/\" ");
        name::write(out, view.name.as_str(), enabled.utf8_names());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::session::UidRuns;

    #[test]
    fn a_view_has_its_measure() {
        let of = |runs: u32| {
            let bounds = (1..=runs).flat_map(|run| [2 * run, 2 * run]).collect();
            Selected { uids: Some(UidRuns { bounds }), ..Selected::default() }
        };
        assert!(!is_scattered(&Selected::default()));
        assert!(!is_scattered(&of(VIEW_RUNS_MAX as u32)));
        assert!(is_scattered(&of(VIEW_RUNS_MAX as u32 + 1)));
    }
}
