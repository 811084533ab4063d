//! What a mailbox holds, as its owner sees it over IMAP: to be compared with another one's.

use crate::Imap;
use std::collections::BTreeMap;

/// A message: flags but \Recent, INTERNALDATE, octets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    /// Sorted.
    pub flags: Vec<String>,
    /// As the server writes it.
    pub date: String,
    /// As they came.
    pub octets: Vec<u8>,
}

/// The messages of one folder, in order.
pub fn folder(imap: &mut Imap, name: &str) -> Vec<Stored> {
    imap.ok(&format!("EXAMINE \"{name}\""));
    let answer = imap.ok("UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])");
    let fetched = answer.untagged.iter().filter(|line| line.windows(6).any(|word| word == b"FETCH "));
    fetched.map(|line| stored(line)).collect()
}

fn stored(response: &[u8]) -> Stored {
    let end = response.windows(2).position(|two| two == b"\r\n").expect("a literal");
    let (head, rest) = response.split_at(end);
    let head = String::from_utf8_lossy(head).into_owned();
    let between =
        |from: &str, to: &str| head.split(from).nth(1).and_then(|rest| rest.split(to).next()).unwrap_or("").to_owned();
    let mut flags: Vec<String> = between("FLAGS (", ")").split(' ').map(str::to_owned).collect();
    flags.retain(|flag| !flag.is_empty() && flag != "\\Recent");
    flags.sort();
    let size: usize =
        head.rsplit('{').next().and_then(|size| size.trim_end_matches('}').parse().ok()).expect("a length");
    Stored { flags, date: between("INTERNALDATE \"", "\""), octets: rest[2..2 + size].to_vec() }
}

/// Every folder that can be selected, with its attributes, and its messages.
pub fn all(imap: &mut Imap) -> BTreeMap<String, (String, Vec<Stored>)> {
    let listed = imap.ok("LIST \"\" \"*\" RETURN (SUBSCRIBED SPECIAL-USE)").lines();
    let mut found = BTreeMap::new();
    for line in listed.iter().filter(|line| !line.contains("oselect") && !line.contains("onExistent")) {
        let (attributes, name) = line.split_once(" \"/\" ").expect("a folder");
        let name = name.trim_matches('"');
        found.insert(name.to_owned(), (attributes.to_owned(), folder(imap, name)));
    }
    found
}
