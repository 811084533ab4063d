//! LIST (RFC 3501 §6.3.8, RFC 9051 §6.3.9) with LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC 5819),
//! LIST-METADATA (RFC 9590), and the attributes of CHILDREN (RFC 3348) and SPECIAL-USE (RFC 6154).

pub mod options;
pub mod pattern;
mod rows;

use super::metadata;
use super::status::{self, Item};
use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::name;
use crate::session::Session;
use crate::session::answer::{Answer, Outcome, Stop};
use options::{Returns, Selection};
use pattern::Pattern;
use rows::Row;
pub(crate) use rows::above;
use std::collections::HashMap;
use wire::session::{Annotation, Folder, GetMetadata};

/// Patterns of one LIST: each is matched with every name.
const PATTERNS_MAX: usize = 64;

/// LIST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// What stands before every pattern.
    pub reference: Vec<u8>,
    /// One or more patterns, of which a name must match one.
    pub patterns: Vec<Vec<u8>>,
    /// Which names are told.
    pub selection: Selection,
    /// What is told of them.
    pub returns: Returns,
    /// It has selection options, return options or a list of patterns, if only empty ones (RFC 5258 §3).
    pub extended: bool,
}

impl List {
    /// Reads options, reference and patterns.
    ///
    /// # Errors
    /// One is missing, malformed or not known.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        cursor.space()?;
        let mut extended = cursor.peek() == Some(b'(');
        let mut selection = Selection::default();
        if extended {
            selection = Selection::parse(cursor)?;
            cursor.space()?;
        }
        let reference = cursor.astring()?.into_owned();
        cursor.space()?;
        let pattern = |cursor: &mut Cursor<'_>| Ok(cursor.list_mailbox()?.into_owned());
        let patterns = if cursor.peek() == Some(b'(') {
            extended = true;
            cursor.list(PATTERNS_MAX, pattern)?
        } else {
            vec![pattern(cursor)?]
        };
        if patterns.is_empty() {
            return Err(Malformed("Expected a pattern"));
        }
        let mut returns = Returns::default();
        if cursor.take(b' ') {
            extended = true;
            if !cursor.word("RETURN ") {
                return Err(Malformed("Only RETURN and its options may follow the pattern"));
            }
            returns = Returns::parse(cursor)?;
        }
        Ok(Self { reference, patterns, selection, returns, extended })
    }

    /// Lists the folders that match, in one request to the node, or two when annotations are asked for too.
    ///
    /// # Errors
    /// BAD before sign-in; NO of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let account = session.account()?;
        if !self.extended && self.patterns.iter().all(Vec::is_empty) {
            // RFC 3501 §6.3.8: asks for the separator and the root of the reference.
            session.connection.out.extend_from_slice(b"* LIST (\\Noselect) \"/\" \"\"\r\n");
            return Ok(Answer::ok("Done"));
        }
        let items = &self.returns.status;
        let ask = wire::session::List { status: !items.is_empty(), recent: items.contains(&Item::Recent) };
        let folders = account.node.list_with(ask).await?;
        let annotations = match self.returns.metadata.as_slice() {
            [] => Annotations::default(),
            entries => annotations(&account.node, entries).await?,
        };
        // RFC 7162 §3.1: asking for HIGHESTMODSEQ enables CONDSTORE.
        if items.contains(&Item::HighestModSeq) {
            session.enable_condstore();
        }
        let shown = status::Shown::to(session);
        let utf8 = shown.utf8;
        let patterns = self.patterns.iter().filter_map(|pattern| Pattern::new(&self.reference, pattern, utf8));
        for row in rows::rows(&folders, &patterns.collect::<Vec<_>>(), self.selection) {
            self.write(&mut session.connection.out, &row, shown)?;
            self.write_metadata(&mut session.connection.out, &row, &annotations, utf8);
            session.connection.relieve().await?;
        }
        Ok(Answer::ok("Done"))
    }

    /// One name with all that is to be told of it.
    fn write(&self, out: &mut Vec<u8>, row: &Row<'_>, shown: status::Shown) -> Result<(), Stop> {
        out.extend_from_slice(b"* LIST (");
        write_attributes(out, row.folder, row.has_children)?;
        // RFC 5258 §3.1: the option to select them implies the one to tell.
        if row.subscribed && (self.returns.subscribed || self.selection.subscribed) {
            out.extend_from_slice(b" \\Subscribed");
        }
        write_name(out, row.name, shown.utf8);
        if row.above_selected {
            out.extend_from_slice(match (self.selection.subscribed, self.selection.special_use) {
                (true, true) => b" (\"CHILDINFO\" (\"SUBSCRIBED\" \"SPECIAL-USE\"))",
                (false, true) => b" (\"CHILDINFO\" (\"SPECIAL-USE\"))",
                (_, false) => b" (\"CHILDINFO\" (\"SUBSCRIBED\"))",
            });
        }
        out.extend_from_slice(b"\r\n");
        // RFC 5819 §2: not of names that cannot be selected, nor of those that are only above what was asked for.
        if let Some(counts) = row.folder.and_then(|folder| folder.status.as_ref()).filter(|_| row.selected)
            && !self.returns.status.is_empty()
        {
            status::write(out, row.name, &self.returns.status, counts, shown);
        }
        Ok(())
    }

    /// RFC 9590 §3: like STATUS, not of names that cannot be selected.
    fn write_metadata(&self, out: &mut Vec<u8>, row: &Row<'_>, annotations: &Annotations, utf8: bool) {
        let Some(folder) = row.folder.filter(|folder| row.selected && !folder.no_select) else { return };
        if !self.returns.metadata.is_empty() {
            let found = annotations.get(&folder.id).map_or(&[][..], Vec::as_slice);
            metadata::write(out, row.name, &metadata::values(&self.returns.metadata, found), utf8);
        }
    }
}

/// Annotations by folder.
type Annotations = HashMap<u64, Vec<Annotation>>;

async fn annotations(node: &node_client::Session, entries: &[String]) -> Result<Annotations, Stop> {
    let (every_folder, entries) = (true, entries.to_vec());
    let ask = GetMetadata { every_folder, entries, ..GetMetadata::default() };
    let mut by_folder = Annotations::new();
    for annotation in node.metadata(ask).await?.annotations {
        by_folder.entry(annotation.folder).or_default().push(annotation);
    }
    Ok(by_folder)
}

/// The reference and pattern of LSUB.
pub(super) fn arguments(cursor: &mut Cursor<'_>) -> Parsed<(Vec<u8>, Vec<u8>)> {
    cursor.space()?;
    let reference = cursor.astring()?.into_owned();
    cursor.space()?;
    Ok((reference, cursor.list_mailbox()?.into_owned()))
}

/// Writes what is always told of a name: whether folders are below it, whether it is one itself, its special use.
///
/// # Errors
/// The node's special use is none that is known here.
pub(crate) fn write_attributes(out: &mut Vec<u8>, folder: Option<&Folder>, has_children: bool) -> Result<(), Stop> {
    out.extend_from_slice(if has_children { b"\\HasChildren" } else { b"\\HasNoChildren" });
    let Some(folder) = folder else {
        // RFC 5258 §3.4: it implies \Noselect.
        out.extend_from_slice(b" \\NonExistent");
        return Ok(());
    };
    if folder.no_select {
        out.extend_from_slice(b" \\Noselect");
    }
    if let Some(special_use) = wire::convert::special_use(folder.special_use)? {
        out.push(b' ');
        out.extend_from_slice(special_use.name().as_bytes());
    }
    Ok(())
}

/// Ends the attributes, and writes separator and name.
pub(crate) fn write_name(out: &mut Vec<u8>, name: &str, utf8: bool) {
    out.extend_from_slice(b") \"/\" ");
    name::write(out, name, utf8);
}
