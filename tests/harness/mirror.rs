//! What a client knows of its selected folder from the answers alone, as RFC 3501 §5.2 and §7 have it be kept.

use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One message as the client knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Its UID, once it was told.
    pub uid: Option<u32>,
    /// Its flags but \Recent, once they were told.
    pub flags: Option<BTreeSet<String>>,
}

/// The selected folder, by message number.
#[derive(Debug, Clone, Default)]
pub struct Mirror {
    /// The messages; number = place + 1.
    pub messages: Vec<Known>,
}

/// What FETCH responses said, by UID where it is known, else by number above [`UNKNOWN`].
pub type Fetched = BTreeMap<u64, BTreeMap<String, Value>>;
/// Added to the number of a message whose UID is not known.
pub const UNKNOWN: u64 = 1 << 40;

impl Mirror {
    /// Takes in one untagged response; what a FETCH said is added to `fetched`. An error is a breach of the protocol.
    pub fn take(&mut self, values: &[Value], fetched: &mut Fetched) -> Result<(), String> {
        match values {
            [number, word] if word.is("EXISTS") => self.exists(number.number().ok_or("EXISTS without a number")?),
            [number, word] if word.is("EXPUNGE") => self.expunge(number.number().ok_or("EXPUNGE without a number")?),
            [word, rest @ .., uids] if word.is("VANISHED") => {
                let earlier = rest.iter().any(|value| value.list().is_some());
                self.vanished(uids.atom().ok_or("VANISHED without UIDs")?, earlier)
            }
            [number, word, items] if word.is("FETCH") => {
                let number = number.number().ok_or("FETCH without a number")?;
                self.fetch(number, items.list().ok_or("FETCH without a list")?, fetched)
            }
            _ => Ok(()),
        }
    }

    fn exists(&mut self, count: u64) -> Result<(), String> {
        if (count as usize) < self.messages.len() {
            return Err(format!("EXISTS {count} after {} without EXPUNGE", self.messages.len()));
        }
        self.messages.resize(count as usize, Known::default());
        Ok(())
    }

    fn expunge(&mut self, number: u64) -> Result<(), String> {
        if number == 0 || number as usize > self.messages.len() {
            return Err(format!("EXPUNGE {number} of {} messages", self.messages.len()));
        }
        self.messages.remove(number as usize - 1);
        Ok(())
    }

    fn vanished(&mut self, uids: &str, earlier: bool) -> Result<(), String> {
        for run in uids.split(',') {
            let (first, last) = run.split_once(':').unwrap_or((run, run));
            let number = |text: &str| text.parse::<u32>().map_err(|_| format!("VANISHED {uids}"));
            let (first, last) = (number(first)?, number(last)?);
            for uid in first..=last {
                let known = |message: &Known| message.uid.is_some_and(|known| known >= uid);
                let at = self.messages.iter().position(known).unwrap_or(self.messages.len());
                if self.messages.get(at).is_some_and(|message| message.uid == Some(uid)) {
                    self.messages.remove(at);
                } else if at > 0 && self.messages[at - 1].uid.is_none() && !earlier {
                    // Announced, and never told with its UID: one of those between its neighbours.
                    self.messages.remove(at - 1);
                } else if !earlier {
                    return Err(format!("VANISHED {uids} names {uid}, which was not there"));
                }
            }
        }
        Ok(())
    }

    fn fetch(&mut self, number: u64, items: &[Value], fetched: &mut Fetched) -> Result<(), String> {
        let count = self.messages.len();
        let message = number.checked_sub(1).and_then(|at| self.messages.get_mut(at as usize));
        let message = message.ok_or_else(|| format!("FETCH of {number} of {count} messages"))?;
        let (pairs, []) = items.as_chunks::<2>() else { return Err("FETCH with an item without a value".to_owned()) };
        let mut found = BTreeMap::new();
        for [name, value] in pairs {
            let name = name.atom().ok_or("FETCH with an item without a name")?.to_ascii_uppercase();
            // A field's name in a section may stand in quotes or not.
            let name = name.replace('"', "");
            match name.as_str() {
                "UID" => {
                    let uid =
                        value.number().and_then(|uid| u32::try_from(uid).ok()).ok_or("a UID that is no number")?;
                    if message.uid.is_some_and(|known| known != uid) {
                        return Err(format!("message {number} had UID {:?} and now {uid}", message.uid));
                    }
                    message.uid = Some(uid);
                }
                "FLAGS" => message.flags = Some(flags(value.list().ok_or("FLAGS without a list")?)),
                _ => {}
            }
            found.insert(name, value.clone());
        }
        let key = message.uid.map_or(UNKNOWN + number, u64::from);
        fetched.entry(key).or_default().extend(found);
        Ok(())
    }

    /// The number of the first message whose UID or flags are not known.
    pub fn first_unknown(&self) -> Option<usize> {
        let unknown = |message: &Known| message.uid.is_none() || message.flags.is_none();
        self.messages.iter().position(unknown).map(|at| at + 1)
    }

    /// The UIDs, in order.
    pub fn uids(&self) -> Vec<u32> {
        self.messages.iter().filter_map(|message| message.uid).collect()
    }

    /// The flags of these messages will be known when they are told next.
    pub fn forget_flags(&mut self) {
        for message in &mut self.messages {
            message.flags = None;
        }
    }

    /// One line for people.
    pub fn show(&self) -> String {
        let flags = |message: &Known| match &message.flags {
            Some(flags) => flags.iter().cloned().collect::<Vec<_>>().join(" "),
            None => "?".to_owned(),
        };
        let each = self.messages.iter().map(|m| format!("{}({})", m.uid.unwrap_or(0), flags(m)));
        each.collect::<Vec<_>>().join(" ")
    }
}

/// A list of flags as a set, in one case and without \Recent, which belongs to whoever looked first.
pub fn flags(list: &[Value]) -> BTreeSet<String> {
    list.iter().filter_map(Value::atom).map(str::to_ascii_lowercase).filter(|flag| flag != "\\recent").collect()
}

#[test]
fn keeps_numbers_as_a_client_does() {
    let mut mirror = Mirror::default();
    let mut fetched = Fetched::new();
    let mut take = |text: &str| mirror.take(&crate::value::parse(text.as_bytes()).expect("a response"), &mut fetched);
    take("3 EXISTS").expect("grows");
    for (number, uid) in [(1, 4), (2, 6), (3, 9)] {
        take(&format!("{number} FETCH (UID {uid} FLAGS (\\Recent \\Seen))")).expect("told");
    }
    assert!(take("2 EXISTS").is_err(), "shrinks without EXPUNGE");
    assert!(take("2 FETCH (UID 7)").is_err(), "another UID");
    assert!(take("4 FETCH (UID 7)").is_err(), "no such message");
    take("2 EXPUNGE").expect("goes");
    assert!(take("VANISHED 6").is_err(), "gone before");
    take("VANISHED (EARLIER) 1:6").expect("any");
    assert_eq!(mirror.uids(), [9]);
}
