//! UIDBATCHES (RFC 10022): ranges of UIDs that cut the folder into batches of messages, the newest first.

use crate::codec::cursor::{Cursor, Parsed};
use crate::codec::writer;
use crate::session::Session;
use crate::session::answer::{Answer, Code, Outcome};
use model::UidSet;

/// Messages in a batch at least (RFC 10022 §3.1.3.2): smaller ones would be message numbers by another name.
const BATCH_MESSAGES_MIN: u32 = 500;
/// Messages that one request with a range of batches may span (RFC 10022 §3.1.5).
const SPANNED_MESSAGES_MAX: u64 = 100_000;

/// UIDBATCHES.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UidBatches {
    /// Messages in a batch.
    pub messages: u32,
    /// First and last batch that are asked for, counted from 1; all without.
    pub range: Option<(u32, u32)>,
}

impl UidBatches {
    /// Reads the size, and the range if there is one.
    ///
    /// # Errors
    /// One is malformed.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        cursor.space()?;
        let messages = cursor.nz_number()?;
        let mut range = None;
        if cursor.take(b' ') && !cursor.rest().is_empty() {
            let first = cursor.nz_number()?;
            cursor.expect(b':', "A range of batches is written as 1:10")?;
            range = Some((first, cursor.nz_number()?));
        }
        Ok(Self { messages, range })
    }

    /// Answers the ranges. The saved result of a SEARCH stays as it is (RFC 10022 §3.4).
    ///
    /// # Errors
    /// BAD without a selected folder.
    pub fn run(self, session: &mut Session, tag: &str) -> Outcome {
        let selected = session.selected()?;
        if self.messages < BATCH_MESSAGES_MIN {
            return Ok(Answer::refused("TOOFEW", format!("A batch has {BATCH_MESSAGES_MIN} messages at least")));
        }
        if let Some((first, last)) = self.range {
            if first > last {
                return Ok(Answer::bad("The range of batches is backwards").with(Code::Plain("CLIENTBUG")));
            }
            if u64::from(last - first + 1) * u64::from(self.messages) > SPANNED_MESSAGES_MAX {
                return Ok(Answer::refused("TOOMANY", "Ask for 100000 messages at most at a time"));
            }
        }
        let (first, last) = self.range.unwrap_or((1, u32::MAX));
        let out = &mut selected.connection.out;
        out.extend_from_slice(b"* UIDBATCHES (TAG ");
        writer::string(out, tag.as_bytes());
        out.push(b')');
        for (at, (high, low)) in batches(selected.view.uids(), self.messages, first, last).into_iter().enumerate() {
            out.push(if at == 0 { b' ' } else { b',' });
            // A batch of one message is a range as well: what is parsed as one should look like one.
            out.extend_from_slice(format!("{high}:{low}").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        Ok(Answer::ok("Done"))
    }
}

/// Highest and lowest UID of the batches from `first` to `last`, the newest first. They leave no gap, and the last one of all
/// reaches down to 1 (RFC 10022 §3.1.4). Linear in the runs of the set.
fn batches(uids: &UidSet, messages: u32, first: u32, last: u32) -> Vec<(u32, u32)> {
    let size = messages as usize;
    let count = uids.len().div_ceil(size);
    let (from, to) = (first as usize, (last as usize).min(count));
    let mut batches = Vec::with_capacity(to.saturating_sub(from.saturating_sub(1)));
    // Positions from the end of the folder at which batches end, walked over the runs from the highest.
    let mut runs = uids.runs().iter().rev();
    let (mut run, mut passed) = (runs.next(), 0usize);
    let mut uid_from_end = |position: usize| -> Option<u32> {
        loop {
            let &(low, high) = run?;
            let len = (high - low) as usize + 1;
            if position < passed + len {
                return Some(high - (position - passed) as u32);
            }
            passed += len;
            run = runs.next();
        }
    };
    for batch in from..=to {
        let Some(high) = uid_from_end((batch - 1) * size) else { break };
        // Down to just above the next batch.
        let low = if batch == count { 1 } else { uid_from_end(batch * size).map_or(1, |next| next + 1) };
        batches.push((high, low));
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_leave_no_gap() {
        let set = |bounds: &[u32]| UidSet::from_bounds(bounds).unwrap();
        assert_eq!(batches(&set(&[]), 500, 1, u32::MAX), []);
        assert_eq!(batches(&set(&[5, 5]), 500, 1, u32::MAX), [(5, 1)]);
        // 302 to 1301 and 2000 to 2499: 1,500 messages.
        let some = set(&[302, 1301, 2000, 2499]);
        assert_eq!(batches(&some, 500, 1, u32::MAX), [(2499, 1302), (1301, 802), (801, 1)]);
        assert_eq!(batches(&some, 1000, 1, u32::MAX), [(2499, 802), (801, 1)]);
        assert_eq!(batches(&some, 1500, 1, u32::MAX), [(2499, 1)]);
        assert_eq!(batches(&some, 500, 2, 2), [(1301, 802)]);
        assert_eq!(batches(&some, 500, 3, 9), [(801, 1)]);
        assert_eq!(batches(&some, 500, 4, 9), []);
        assert_eq!(batches(&set(&[1, 7]), 2, 1, u32::MAX), [(7, 6), (5, 4), (3, 2), (1, 1)]);
    }
}
