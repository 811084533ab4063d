//! GETMETADATA and SETMETADATA (RFC 5464): annotations of folders and, with an empty name, of the mailbox. Everything is the
//! owner's, so /private and /shared are two drawers of one desk.

mod entry;

pub(super) use entry::{entries, entry};

use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::name::{self, NameError};
use crate::codec::{Name, writer};
use crate::session::Session;
use crate::session::answer::{Answer, Code, Outcome, failure};
use bytes::Bytes;
use model::FolderNameError;
use model::limits::ANNOTATION_VALUE_BYTES_MAX;
use node_client::ClientError;
use wire::session::{Annotation, FailureCode, MetadataDepth};

/// Entries that one command may set or ask for.
pub(super) const ENTRIES_MAX: usize = 64;
/// Options of one GETMETADATA; there are two.
const OPTIONS_MAX: usize = 4;

/// GETMETADATA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetMetadata {
    /// The folder, `None` for the mailbox.
    pub name: Option<Name>,
    /// The entries that are asked for.
    pub entries: Vec<String>,
    /// How far below them to look.
    pub depth: MetadataDepth,
    /// Octets of the longest value that is wanted.
    pub max_size: Option<u32>,
}

impl GetMetadata {
    /// Reads options, name and entries. The options stand before the name in the grammar, and after it in the RFC's examples:
    /// both are read.
    ///
    /// # Errors
    /// One of them is malformed.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let mut get = Self { name: None, entries: Vec::new(), depth: MetadataDepth::Zero, max_size: None };
        cursor.space()?;
        if cursor.peek() == Some(b'(') {
            get.options(cursor)?;
            cursor.space()?;
        }
        get.name = target(cursor)?;
        cursor.space()?;
        if entry::are_options(cursor) {
            get.options(cursor)?;
            cursor.space()?;
        }
        get.entries = entries(cursor)?;
        Ok(get)
    }

    fn options(&mut self, cursor: &mut Cursor<'_>) -> Parsed<()> {
        let read = cursor.list(OPTIONS_MAX, |cursor| {
            let option = cursor.atom()?.to_ascii_uppercase();
            cursor.space()?;
            match option.as_str() {
                "MAXSIZE" => self.max_size = Some(cursor.number()?),
                "DEPTH" => {
                    self.depth = match cursor.atom()?.to_ascii_lowercase().as_str() {
                        "0" => MetadataDepth::Zero,
                        "1" => MetadataDepth::One,
                        "infinity" => MetadataDepth::Infinity,
                        _ => return Err(Malformed("DEPTH is 0, 1 or infinity")),
                    }
                }
                _ => return Err(Malformed("The options of GETMETADATA are MAXSIZE and DEPTH")),
            }
            Ok(())
        })?;
        if read.is_empty() { Err(Malformed("Expected MAXSIZE or DEPTH")) } else { Ok(()) }
    }

    /// Answers the entries; those that are too long are left out, and the tagged answer says how long the longest is.
    ///
    /// # Errors
    /// BAD before sign-in; NO of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let account = session.account()?;
        let name = self.name.map(super::folder).transpose()?;
        let folder = name.as_ref().map_or("", |name| name.as_str()).to_owned();
        let ask = wire::session::GetMetadata {
            folder: folder.clone(),
            every_folder: false,
            entries: self.entries.clone(),
            depth: self.depth.into(),
        };
        let found = account.node.metadata(ask).await?.annotations;
        let max_size = self.max_size.map_or(usize::MAX, |octets| octets as usize);
        let longest = found.iter().map(|each| each.value.len()).filter(|octets| *octets > max_size).max();
        let asked = if self.depth == MetadataDepth::Zero { self.entries } else { Vec::new() };
        let told: Vec<_> = values(&asked, &found)
            .into_iter()
            .filter(|(_, value)| value.is_none_or(|value| value.len() <= max_size))
            .collect();
        let utf8 = session.enabled.utf8_names();
        write(&mut session.connection.out, &folder, &told, utf8);
        session.connection.relieve().await?;
        let answer = Answer::ok("Done");
        Ok(match longest {
            // RFC 5464 §4.2.1
            Some(octets) => answer.with(Code::LongEntries(octets)),
            None => answer,
        })
    }
}

/// The entries as they were asked for, with what there is of each; or with none asked for all there is.
pub(super) fn values<'a>(asked: &'a [String], found: &'a [Annotation]) -> Vec<(&'a str, Option<&'a [u8]>)> {
    if asked.is_empty() {
        return found.iter().map(|each| (each.entry.as_str(), Some(&each.value[..]))).collect();
    }
    let value = |entry: &str| {
        let found = found.iter().find(|each| each.entry.eq_ignore_ascii_case(entry));
        found.map(|each| &each.value[..])
    };
    // RFC 5464 §4.4.1: NIL where there is no value.
    asked.iter().map(|entry| (entry.as_str(), value(entry))).collect()
}

/// The untagged answer, if there is anything to tell.
pub(super) fn write(out: &mut Vec<u8>, folder: &str, values: &[(&str, Option<&[u8]>)], utf8: bool) {
    if values.is_empty() {
        return;
    }
    out.extend_from_slice(b"* METADATA ");
    name::write(out, folder, utf8);
    out.extend_from_slice(b" (");
    let start = out.len();
    for (entry, value) in values {
        if out.len() > start {
            out.push(b' ');
        }
        writer::astring(out, entry.as_bytes());
        out.push(b' ');
        match value {
            None => out.extend_from_slice(b"NIL"),
            Some(value) => {
                // literal8: NUL can stand in nothing else.
                if value.contains(&0) {
                    out.push(b'~');
                    writer::literal_head(out, value.len() as u64);
                    out.extend_from_slice(value);
                } else {
                    writer::string(out, value);
                }
            }
        }
    }
    out.extend_from_slice(b")\r\n");
}

/// SETMETADATA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetMetadata {
    /// The folder, `None` for the mailbox.
    pub name: Option<Name>,
    /// Entries with their values, `None` to remove one.
    pub changes: Vec<(String, Option<Vec<u8>>)>,
}

impl SetMetadata {
    /// Reads name, entries and values.
    ///
    /// # Errors
    /// One of them is malformed.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        cursor.space()?;
        let name = target(cursor)?;
        cursor.space()?;
        let changes = cursor.list(ENTRIES_MAX, |cursor| {
            let entry = entry(cursor)?;
            if !entry::can_have_a_value(&entry) {
                return Err(Malformed("An entry has a name below /private or /shared, or below a vendor's there"));
            }
            cursor.space()?;
            Ok((entry, cursor.nstring8()?.map(std::borrow::Cow::into_owned)))
        })?;
        if changes.is_empty() {
            return Err(Malformed("Expected an entry and its value"));
        }
        Ok(Self { name, changes })
    }

    /// Sets or removes them, all or none.
    ///
    /// # Errors
    /// BAD before sign-in; NO of the node, or for a value that is too long.
    pub async fn run(self, session: &mut Session) -> Outcome {
        let account = session.account()?;
        let name = self.name.map(super::folder).transpose()?;
        let too_big = || Answer::no("The value is too long").with(Code::MetadataMaxSize(ANNOTATION_VALUE_BYTES_MAX));
        let octets = |(_, value): &(String, Option<Vec<u8>>)| value.as_ref().map_or(0, Vec::len);
        if self.changes.iter().any(|change| octets(change) > ANNOTATION_VALUE_BYTES_MAX) {
            return Ok(too_big());
        }
        // RFC 5464 §3.2.1.1: how to reach who runs the server is not the client's to say.
        if name.is_none() && self.changes.iter().any(|(entry, _)| entry.eq_ignore_ascii_case("/shared/admin")) {
            return Ok(Answer::refused("NOPERM", "Only the operator sets /shared/admin"));
        }
        let annotation = |(entry, value): (String, Option<Vec<u8>>)| Annotation {
            folder: 0,
            entry,
            none: value.is_none(),
            value: Bytes::from(value.unwrap_or_default()),
        };
        let set = wire::session::SetMetadata {
            folder: name.as_ref().map_or("", |name| name.as_str()).to_owned(),
            annotations: self.changes.into_iter().map(annotation).collect(),
        };
        account.node.set_metadata(set).await.map_err(|error| match &error {
            ClientError::Failure(FailureCode::TooBig, _) => too_big(),
            ClientError::Failure(FailureCode::Limit, text) => Answer::refused("METADATA TOOMANY", text.clone()),
            // Only /private/specialuse is picky about its values (RFC 6154 §4).
            ClientError::Failure(FailureCode::Cannot, text) => Answer::refused("USEATTR", text.clone()),
            _ => failure(&error),
        })?;
        Ok(Answer::ok("Done"))
    }
}

/// A folder, or the mailbox when the name is empty.
fn target(cursor: &mut Cursor<'_>) -> Parsed<Option<Name>> {
    Ok(match name::parse(cursor)? {
        Err(NameError::Name(FolderNameError::Empty)) => None,
        name => Some(name),
    })
}
