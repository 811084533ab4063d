//! Names of entries (RFC 5464 §3.2): `/private` or `/shared`, and levels below it.

use super::ENTRIES_MAX;
use crate::codec::cursor::{Cursor, Malformed, Parsed};
use model::limits::ANNOTATION_ENTRY_BYTES_MAX;

/// One entry or a list of them.
pub fn entries(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    if cursor.peek() != Some(b'(') {
        return Ok(vec![entry(cursor)?]);
    }
    let entries = cursor.list(ENTRIES_MAX, entry)?;
    if entries.is_empty() { Err(Malformed("Expected an entry")) } else { Ok(entries) }
}

/// One entry, in the case in which it was written; case makes no difference.
pub fn entry(cursor: &mut Cursor<'_>) -> Parsed<String> {
    let name = cursor.astring()?;
    if name.len() > ANNOTATION_ENTRY_BYTES_MAX {
        return Err(Malformed("The entry's name is too long"));
    }
    let allowed = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'*' | b'%');
    let name = std::str::from_utf8(&name).ok().filter(|name| name.bytes().all(|byte| allowed(&byte)));
    let name = name.ok_or(Malformed("An entry's name is printable ASCII without * and %"))?;
    let mut levels = name.split('/');
    let rooted = levels.next() == Some("");
    let drawer = levels.next().is_some_and(|level| ["private", "shared"].iter().any(|d| d.eq_ignore_ascii_case(level)));
    if !rooted || !drawer {
        return Err(Malformed("An entry's name begins with /private or /shared"));
    }
    if levels.any(str::is_empty) {
        return Err(Malformed("An entry's name has no empty levels"));
    }
    Ok(name.to_owned())
}

/// Whether the entry is below `/private` or `/shared`, and in a vendor's namespace below that (RFC 5464 §3.2): these
/// themselves have no value.
pub fn can_have_a_value(entry: &str) -> bool {
    let mut levels = entry.split('/').skip(2);
    match levels.next() {
        Some(level) if level.eq_ignore_ascii_case("vendor") => levels.count() >= 2,
        level => level.is_some(),
    }
}

/// Whether a list of options stands here, and not one of entries: those begin with a slash, bare, quoted or in a literal.
pub fn are_options(cursor: &Cursor<'_>) -> bool {
    cursor.rest().starts_with(b"(") && cursor.rest().get(1).is_some_and(u8::is_ascii_alphabetic)
}
