//! What goes through the doors: folders, and messages in pieces.

use bytes::Bytes;
use model::{Flag, Flags, Keyword, SpecialUse};

/// A folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its name in the mailbox.
    pub name: String,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
    /// Whether the owner's programs show it.
    pub subscribed: bool,
}

/// A message without its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its UID.
    pub uid: u32,
    /// The UIDVALIDITY of its folder.
    pub uid_validity: u32,
    /// System flags.
    pub flags: Flags,
    /// Keywords.
    pub keywords: Vec<Keyword>,
    /// INTERNALDATE, milliseconds since 1970-01-01 UTC.
    pub internal_date_ms: i64,
    /// Octets.
    pub size: u64,
}

/// What is read of a mailbox, in order.
#[derive(Debug)]
pub enum Piece {
    /// What follows is of this folder.
    Folder(Folder),
    /// A message begins.
    Begin(Message),
    /// Octets of it.
    Data(Bytes),
    /// It is whole.
    End,
    /// That was all.
    Whole,
}

/// The names of flags and keywords, as IMAP has them.
pub fn flag_names(flags: Flags, keywords: &[Keyword]) -> Vec<String> {
    let system = flags.iter().map(|flag| flag.name().to_owned());
    system.chain(keywords.iter().map(|keyword| keyword.as_str().to_owned())).collect()
}

/// Flags and keywords from their names; what is neither is left out.
pub fn parse_flags<'a>(names: impl IntoIterator<Item = &'a str>) -> (Flags, Vec<Keyword>) {
    let (mut flags, mut keywords) = (Flags::NONE, Vec::new());
    for name in names {
        match (Flag::parse(name), Keyword::parse(name)) {
            (Some(flag), _) => flags = flags.with(flag),
            (None, Some(keyword)) if !keywords.contains(&keyword) => keywords.push(keyword),
            (None, _) => {}
        }
    }
    (flags, keywords)
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_have_names() {
        let (flags, keywords) = parse_flags(["\\seen", "$Forwarded", "\\Recent", "a b", "$forwarded", "\\Draft"]);
        assert_eq!(flag_names(flags, &keywords), ["\\Seen", "\\Draft", "$Forwarded"]);
    }
}
