//! A message's sort key: octets that compare as the criteria do, with the UID at the end.

use super::criteria::{AddressField, FirstAddress, SortCriterion, SortField, first_address};
use crate::row::{octets, uid};
use crate::search::casemap;
use model::Uid;
use rusqlite::Row;

/// Octets of one text in a key: longer ones that agree so far are left in the order of the next criterion.
const SORT_TEXT_BYTES_MAX: usize = 1024;

/// A sort key. `Ord` is the order of the answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key(Box<[u8]>);

impl Key {
    /// Of a row of `Columns::sql`.
    pub(super) fn of(row: &Row<'_>, criteria: &[SortCriterion]) -> rusqlite::Result<Self> {
        let uid = uid(row, 0)?;
        let mut key = Vec::with_capacity(32);
        for criterion in criteria {
            let start = key.len();
            push(&mut key, &criterion.field, row, uid)?;
            if criterion.reverse {
                key.iter_mut().skip(start).for_each(|byte| *byte = !*byte);
            }
        }
        // RFC 5256 §3: what is equal is in the order of the mailbox, also under REVERSE.
        key.extend_from_slice(&uid.get().to_be_bytes());
        Ok(Self(key.into_boxed_slice()))
    }

    /// Octets.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whose it is.
    pub(super) fn uid(&self) -> Option<Uid> {
        self.0.last_chunk().copied().map(u32::from_be_bytes).and_then(Uid::new)
    }
}

fn push(key: &mut Vec<u8>, field: &SortField, row: &Row<'_>, uid: Uid) -> rusqlite::Result<()> {
    let address = |which, say: fn(&FirstAddress) -> String| -> rusqlite::Result<String> {
        Ok(first_address(octets(row, 5)?, which).as_ref().map(say).unwrap_or_default())
    };
    match field {
        SortField::Arrival => number(key, row.get(1)?),
        // RFC 5256 §2.2: without a valid date, INTERNALDATE stands for it.
        SortField::Date => number(key, row.get::<_, Option<i64>>(3)?.map_or_else(|| row.get(1), Ok)?),
        SortField::Size => number(key, row.get(2)?),
        SortField::Subject => text(key, row.get_ref(4)?.as_str().unwrap_or_default()),
        SortField::From => text(key, &address(AddressField::From, FirstAddress::mailbox)?),
        SortField::To => text(key, &address(AddressField::To, FirstAddress::mailbox)?),
        SortField::Cc => text(key, &address(AddressField::Cc, FirstAddress::mailbox)?),
        SortField::DisplayFrom => text(key, &address(AddressField::From, FirstAddress::display)?),
        SortField::DisplayTo => text(key, &address(AddressField::To, FirstAddress::display)?),
        SortField::Rank(sets) => {
            let rank = sets.iter().position(|set| set.contains(uid)).unwrap_or(sets.len());
            key.push(u8::try_from(rank).unwrap_or(u8::MAX));
        }
    }
    Ok(())
}

/// The sign bit is turned, so that negative numbers come first.
fn number(key: &mut Vec<u8>, number: i64) {
    key.extend_from_slice(&(number as u64 ^ (1 << 63)).to_be_bytes());
}

/// RFC 5051: compared octet by octet after the mapping. NUL is written as two octets and ends as two lower ones, so that no
/// text reaches into what follows it.
fn text(key: &mut Vec<u8>, text: &str) {
    let mapped = casemap(text);
    for byte in mapped.bytes().take(SORT_TEXT_BYTES_MAX) {
        key.push(byte);
        if byte == 0 {
            key.push(0xff);
        }
    }
    key.extend_from_slice(&[0, 0]);
}
