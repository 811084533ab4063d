//! SELECT and EXAMINE (RFC 3501 §6.3.1, §6.3.2), with the CONDSTORE parameter (RFC 7162 §3.1.8).

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::{Name, name};
use crate::session::Session;
use crate::session::answer::{Answer, Code, Outcome, Updates, untagged_number, untagged_ok};
use crate::session::view::View;
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
}

impl Select {
    /// Reads the name and the parameters.
    ///
    /// # Errors
    /// One is malformed or not known.
    pub fn parse(cursor: &mut Cursor<'_>, read_only: bool) -> Parsed<Self> {
        cursor.space()?;
        let mut select = Self { name: name::parse(cursor)?, read_only, condstore: false };
        if cursor.take(b' ') {
            let parameters = cursor.list(PARAMETERS_MAX, Cursor::atom)?;
            for parameter in &parameters {
                if !parameter.eq_ignore_ascii_case("CONDSTORE") {
                    return Err(Malformed("There is no such parameter"));
                }
                select.condstore = true;
            }
            if parameters.is_empty() {
                return Err(Malformed("Expected a parameter"));
            }
        }
        Ok(select)
    }

    /// Leaves the folder that was selected, and selects this one. When that fails none is (RFC 3501 §6.3.1).
    ///
    /// # Errors
    /// BAD before sign-in; NO of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let condstore = self.condstore;
        let account = session.account()?;
        let before = account.view.take();
        let selected = match super::folder(self.name) {
            Ok(name) => account.node.select(wire(&name, self.read_only)).await.map_err(Into::into).map(|ok| (name, ok)),
            Err(stop) => Err(stop),
        };
        let (name, selected) = match selected {
            Ok(selected) => selected,
            Err(stop) => {
                if before.is_some() {
                    account.node.unselect().await?;
                }
                return Err(stop);
            }
        };
        let view = View::new(name, self.read_only, &selected)?;
        write(&mut session.connection.out, &view, &selected);
        session.account()?.view = Some(Box::new(view));
        if condstore {
            session.enable_condstore();
        }
        let code = if self.read_only { "READ-ONLY" } else { "READ-WRITE" };
        Ok(Answer::ok("Done").with(Code::Plain(code)).telling(Updates::Nothing))
    }
}

fn wire(name: &model::FolderName, read_only: bool) -> wire::session::Select {
    wire::session::Select { name: name.as_str().to_owned(), read_only, known_uid_validity: 0, known_modseq: 0 }
}

fn write(out: &mut Vec<u8>, view: &View, selected: &Selected) {
    untagged_number(out, view.exists() as u64, "EXISTS");
    untagged_number(out, view.recent().len() as u64, "RECENT");
    crate::session::write_known_flags(out, view);
    if let Some(number) = Uid::new(selected.first_unseen).and_then(|uid| view.number(uid)) {
        out.extend_from_slice(format!("* OK [UNSEEN {number}] First unseen\r\n").as_bytes());
    }
    out.extend_from_slice(format!("* OK [UIDVALIDITY {}] UIDs are valid\r\n", view.uid_validity).as_bytes());
    out.extend_from_slice(format!("* OK [UIDNEXT {}] Predicted next UID\r\n", selected.uid_next).as_bytes());
    untagged_ok(out, &Code::HighestModSeq(view.highest_modseq), "Highest");
}
