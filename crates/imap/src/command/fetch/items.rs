//! The data items of a FETCH (RFC 3501 §9 fetch-att).

use super::section::Section;
use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::limits::FETCH_ITEMS_MAX;
use wire::session::FetchItem;

/// Modifiers of one PREVIEW: there is one to name.
const PREVIEW_MODIFIERS_MAX: usize = 4;

/// What is wanted of each message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Items {
    /// UID
    pub uid: bool,
    /// Sum of the wire's [`FetchItem`] bits.
    bits: u32,
    /// BODY[…] and its kin, in the order asked.
    pub sections: Vec<Section>,
}

impl Items {
    /// Reads a macro, one item, or a list of items.
    ///
    /// # Errors
    /// An item is malformed or not known, or there are too many.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        let mut items = Self::default();
        if cursor.peek() == Some(b'(') {
            let count = cursor.list(FETCH_ITEMS_MAX, |cursor| items.item(cursor))?.len();
            return if count == 0 { Err(Malformed("Expected at least one FETCH item")) } else { Ok(items) };
        }
        let mut ahead = cursor.clone();
        let word = ahead.while_(|byte| byte.is_ascii_alphabetic()).to_ascii_uppercase();
        let fast = [FetchItem::Flags, FetchItem::InternalDate, FetchItem::Size];
        let all = [FetchItem::Envelope];
        let full = [FetchItem::Body];
        // Macros stand alone (RFC 3501 §6.4.5).
        let parts: &[&[FetchItem]] = match word.as_slice() {
            b"FAST" => &[&fast],
            b"ALL" => &[&fast, &all],
            b"FULL" => &[&fast, &all, &full],
            _ => {
                items.item(cursor)?;
                return Ok(items);
            }
        };
        *cursor = ahead;
        parts.iter().flat_map(|part| part.iter()).for_each(|item| items.want(*item));
        Ok(items)
    }

    /// Adds a simple item.
    pub fn want(&mut self, item: FetchItem) {
        self.bits |= item as u32;
    }
    /// Whether a simple item is wanted.
    pub fn has(&self, item: FetchItem) -> bool {
        self.bits & item as u32 != 0
    }
    /// Sum of the simple items' bits.
    pub fn bits(&self) -> u32 {
        self.bits
    }
    /// Whether fetching these sets \Seen.
    pub fn marks_seen(&self) -> bool {
        self.sections.iter().any(Section::marks_seen)
    }

    fn item(&mut self, cursor: &mut Cursor<'_>) -> Parsed<()> {
        let name = cursor.while_(|byte| byte.is_ascii_alphanumeric() || byte == b'.').to_ascii_uppercase();
        if let Some(section) = Section::parse(&name, cursor)? {
            self.sections.push(section);
            return Ok(());
        }
        let item = match name.as_slice() {
            b"UID" => {
                self.uid = true;
                return Ok(());
            }
            b"FLAGS" => FetchItem::Flags,
            b"MODSEQ" => FetchItem::Modseq,
            b"INTERNALDATE" => FetchItem::InternalDate,
            b"RFC822.SIZE" => FetchItem::Size,
            b"ENVELOPE" => FetchItem::Envelope,
            b"BODY" => FetchItem::Body,
            b"BODYSTRUCTURE" => FetchItem::BodyStructure,
            b"EMAILID" => FetchItem::EmailId,
            b"THREADID" => FetchItem::ThreadId,
            b"SAVEDATE" => FetchItem::SaveDate,
            b"PREVIEW" => {
                lazy(cursor)?;
                FetchItem::Preview
            }
            _ => return Err(Malformed("There is no such FETCH item")),
        };
        self.want(item);
        Ok(())
    }
}

/// The modifiers of PREVIEW (RFC 8970 §4). Previews are made when a message is stored, so that LAZY asks for no less.
fn lazy(cursor: &mut Cursor<'_>) -> Parsed<()> {
    let mut ahead = cursor.clone();
    if !ahead.take(b' ') || ahead.peek() != Some(b'(') {
        return Ok(());
    }
    let modifiers = ahead.list(PREVIEW_MODIFIERS_MAX, Cursor::atom)?;
    if modifiers.is_empty() || modifiers.iter().any(|modifier| !modifier.eq_ignore_ascii_case("LAZY")) {
        return Err(Malformed("The only modifier of PREVIEW is LAZY"));
    }
    *cursor = ahead;
    Ok(())
}
