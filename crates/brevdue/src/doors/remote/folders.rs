//! The other server's folders: which there are, what they are for, and what they are called here.

use super::sign_in::Capabilities;
use super::value::{self, Value};
use super::wire::Wire;
use crate::doors::limits::REMOTE_FOLDERS_MAX;
use crate::doors::piece::Folder;
use crate::doors::source::folder_level;
use crate::failure::Failure;
use imap::codec::mutf7;
use model::SpecialUse;
use std::collections::HashSet;

/// A folder there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// As the server calls it.
    pub name: Vec<u8>,
    /// As it is called here.
    pub folder: Folder,
}

/// All that can be selected, INBOX first.
pub async fn list(wire: &mut Wire, can: &Capabilities, without: &[String]) -> Result<Vec<Remote>, Failure> {
    let prefix = prefix(wire, can).await?;
    let extended = can.has("LIST-EXTENDED") || can.has("IMAP4REV2");
    let special = if can.has("SPECIAL-USE") || can.has("IMAP4REV2") { "SPECIAL-USE " } else { "" };
    let command =
        if extended { format!("LIST \"\" \"*\" RETURN ({special}SUBSCRIBED)") } else { "LIST \"\" \"*\"".to_owned() };
    let mut listed = lines(wire, &command, "LIST").await?;
    let mut subscribed: HashSet<Vec<u8>> = HashSet::new();
    if !extended {
        subscribed.extend(lines(wire, "LSUB \"\" \"*\"", "LSUB").await?.into_iter().map(|line| line.name));
    }
    listed.retain(|line| !line.has("\\Noselect") && !line.has("\\NonExistent"));
    let mut folders: Vec<Remote> = Vec::with_capacity(listed.len());
    for line in listed {
        let name = here(&line, &prefix);
        if without.iter().any(|each| *each == name || each.as_bytes() == line.name) {
            continue;
        }
        let special_use = line.attributes.iter().find_map(|attribute| SpecialUse::parse(attribute));
        let subscribed = line.has("\\Subscribed") || subscribed.contains(&line.name) || name == model::folder::INBOX;
        // Views of messages that are in other folders too (RFC 6154 §2): what is in them comes with those.
        if special_use == Some(SpecialUse::Flagged) || line.has("\\Important") {
            continue;
        }
        folders.push(Remote { name: line.name, folder: Folder { name, special_use, subscribed } });
    }
    folders.sort_by(|one, other| order(one).cmp(&order(other)));
    Ok(folders)
}

fn order(remote: &Remote) -> (bool, &str) {
    (remote.folder.name != model::folder::INBOX, &remote.folder.name)
}

/// A line of LIST or LSUB.
struct Line {
    attributes: Vec<String>,
    delimiter: Option<char>,
    name: Vec<u8>,
}

impl Line {
    fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|each| each.eq_ignore_ascii_case(attribute))
    }
}

async fn lines(wire: &mut Wire, command: &str, word: &str) -> Result<Vec<Line>, Failure> {
    let mut found = Vec::new();
    wire.done(command, |response| {
        found.extend(value::parse(response).and_then(|values| line(&values, word)));
        if found.len() > REMOTE_FOLDERS_MAX {
            return Err(Failure::refused(format!("it has more than {REMOTE_FOLDERS_MAX} folders")));
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

fn line(values: &[Value], word: &str) -> Option<Line> {
    // Extended data may follow (RFC 9051 §7.3.1).
    let [first, attributes, delimiter, name, ..] = values else { return None };
    if !first.is(word) {
        return None;
    }
    let attributes = attributes.list()?.iter().filter_map(Value::text).map(str::to_owned).collect();
    let delimiter = if delimiter.is("NIL") { None } else { delimiter.text()?.chars().next() };
    Some(Line { attributes, delimiter, name: name.octets()?.to_vec() })
}

/// What stands in front of every folder but INBOX: `INBOX.` where a server keeps all folders below it (RFC 2342).
async fn prefix(wire: &mut Wire, can: &Capabilities) -> Result<Vec<u8>, Failure> {
    let mut prefix = Vec::new();
    if can.has("NAMESPACE") {
        wire.done("NAMESPACE", |response| {
            if prefix.is_empty() {
                prefix = value::parse(response).and_then(|values| personal(&values)).unwrap_or_default();
            }
            Ok(())
        })
        .await?;
    }
    Ok(prefix)
}

fn personal(values: &[Value]) -> Option<Vec<u8>> {
    let [word, personal, ..] = values else { return None };
    let first = personal.list()?.first()?.list()?.first()?.octets()?;
    word.is("NAMESPACE").then(|| first.to_vec())
}

/// The name in this mailbox: levels between `/`, without the prefix.
fn here(line: &Line, prefix: &[u8]) -> String {
    let name = line.name.strip_prefix(prefix).filter(|rest| !rest.is_empty()).unwrap_or(&line.name);
    // A server that was not asked for UTF-8 may send it all the same; what is neither stands as it is.
    let decoded = mutf7::decode(name).unwrap_or_else(|| String::from_utf8_lossy(name).into_owned());
    let levels = decoded.split(|c| Some(c) == line.delimiter).filter(|level| !level.is_empty()).map(folder_level);
    let name = levels.collect::<Vec<_>>().join("/");
    if name.eq_ignore_ascii_case(model::folder::INBOX) { model::folder::INBOX.to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(response: &[u8], prefix: &[u8]) -> String {
        here(&line(&value::parse(response).unwrap(), "LIST").unwrap(), prefix)
    }

    #[test]
    fn names_are_the_mailboxs() {
        assert_eq!(named(b"LIST (\\Sent) \"/\" \"Gesendet/2024\"", b""), "Gesendet/2024");
        assert_eq!(named(b"LIST () \".\" INBOX.Entw&APw-rfe.a/b", b"INBOX."), "Entwürfe/a_b");
        assert_eq!(named(b"LIST () \".\" inbox", b"INBOX."), "INBOX");
        assert_eq!(named(b"LIST () NIL {3}\r\na%b", b""), "a_b");
        assert_eq!(named(b"LIST () \"/\" a//b/", b""), "a/b");
        let values = value::parse(b"NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\r\n").unwrap();
        assert_eq!(personal(&values), Some(b"INBOX.".to_vec()));
    }
}
