//! QRESYNC (RFC 7162 §3.2.5): what a client that knew a folder has missed, in the answer to its SELECT.

use super::Selected;
use super::answer::Stop;
use super::told::{Told, write_vanished};
use crate::codec::SequenceSet;
use crate::codec::cursor::{Cursor, Malformed, Parsed};
use model::{Uid, UidSet};
use wire::session::VanishedSince;

/// Pairs of message numbers and UIDs that are looked at; RFC 7162 §3.2.5.2 has a client send a few, exponentially spaced.
const MATCHES_MAX: usize = 1024;

/// What a client knows of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// UIDVALIDITY
    pub uid_validity: u32,
    /// The highest MODSEQ of which it has heard everything.
    pub modseq: u64,
    /// The UIDs that it has; all of them when it does not say.
    pub uids: Option<SequenceSet>,
    /// Some message numbers, and the UIDs that it has there.
    pub matches: Option<(SequenceSet, SequenceSet)>,
}

impl Known {
    /// Reads `(uidvalidity modseq [known-uids] [(numbers uids)])`.
    ///
    /// # Errors
    /// One of them is malformed; a `*`, which means nothing here.
    pub fn parse(cursor: &mut Cursor<'_>) -> Parsed<Self> {
        cursor.expect(b'(', "Expected what is known in parentheses")?;
        let uid_validity = cursor.nz_number()?;
        cursor.space()?;
        let modseq = cursor.number64()?;
        if modseq == 0 {
            return Err(Malformed("A mod-sequence is not 0"));
        }
        let mut known = Self { uid_validity, modseq, uids: None, matches: None };
        let mut more = cursor.take(b' ');
        if more && SequenceSet::starts(cursor) {
            known.uids = Some(known_set(cursor)?);
            more = cursor.take(b' ');
        }
        if more {
            cursor.expect(b'(', "Expected message numbers and their UIDs")?;
            let numbers = known_set(cursor)?;
            cursor.space()?;
            let uids = known_set(cursor)?;
            cursor.expect(b')', "Expected the closing parenthesis")?;
            // RFC 7162 §3.2.5.2: both have the same number of elements.
            if numbers.resolve(u32::MAX).len() != uids.resolve(u32::MAX).len() {
                return Err(Malformed("There are not as many UIDs as message numbers"));
            }
            known.matches = Some((numbers, uids));
        }
        cursor.expect(b')', "Expected the closing parenthesis")?;
        Ok(known)
    }

    fn known_uids(&self) -> Option<UidSet> {
        self.uids.as_ref().map(|uids| uids.resolve(u32::MAX))
    }

    /// Up to this UID nothing is gone: the client has the message there under the number that it has now.
    fn whole_up_to(&self, now: &UidSet) -> Option<Uid> {
        let (numbers, uids) = self.matches.as_ref()?;
        let (numbers, uids) = (numbers.resolve(u32::MAX), uids.resolve(u32::MAX));
        let pairs = numbers.iter().zip(uids.iter()).take(MATCHES_MAX);
        let same =
            pairs.filter(|(number, uid)| now.position(*uid).is_some_and(|at| at as u64 + 1 == u64::from(number.get())));
        same.map(|(_, uid)| uid).last()
    }
}

fn known_set(cursor: &mut Cursor<'_>) -> Parsed<SequenceSet> {
    let set = SequenceSet::parse(cursor)?;
    if set.has_star() || set.is_saved() {
        Err(Malformed("* and $ mean nothing in a set of what is known"))
    } else {
        Ok(set)
    }
}

impl Selected<'_> {
    /// Tells what left the folder since, and then the flags of what changed or came (RFC 7162 §3.2.5.1).
    ///
    /// # Errors
    /// NO of the node; the connection's end.
    pub(crate) async fn tell_missed(&mut self, known: &Known) -> Result<(), Stop> {
        if known.modseq >= self.view.highest_modseq {
            return Ok(());
        }
        let mut vanished = self.vanished_earlier(known.modseq).await?;
        let mut uids = self.view.uids().clone();
        if let Some(known) = known.known_uids() {
            vanished = vanished.intersection(&known);
            uids = uids.intersection(&known);
        }
        if let Some(last) = known.whole_up_to(self.view.uids()) {
            vanished = vanished.difference(&UidSet::range(Uid::MIN, last));
        }
        write_vanished(self.connection, &vanished, true).await?;
        if uids.is_empty() {
            return Ok(());
        }
        let told = Told { uid: !self.enabled.uid_only, ..Told::unasked(self.enabled) };
        self.tell_flags(&uids, known.modseq, told).await
    }

    /// What left the folder after a MODSEQ. Not what the client still counts here: that is told in its turn.
    ///
    /// # Errors
    /// NO of the node.
    pub(crate) async fn vanished_earlier(&self, since: u64) -> Result<UidSet, Stop> {
        let asked = VanishedSince { folder: self.view.folder, modseq: since };
        Ok(self.node.vanished_since(asked).await?.difference(self.view.uids()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(text: &str) -> Parsed<Known> {
        let mut cursor = Cursor::new(text.as_bytes());
        let known = Known::parse(&mut cursor)?;
        cursor.end()?;
        Ok(known)
    }

    #[test]
    fn what_is_known() {
        let full = known("(67890007 20050715194045000 41,43:211 (1,3,5 41,44,46))").unwrap();
        assert_eq!((full.uid_validity, full.modseq), (67_890_007, 20_050_715_194_045_000));
        assert_eq!(full.uids.as_ref().unwrap().to_string(), "41,43:211");
        assert!(full.matches.is_some());
        assert!(known("(1 1)").unwrap().uids.is_none());
        assert!(known("(1 1 (1 2))").unwrap().uids.is_none());
        for bad in [
            "()",
            "(1)",
            "(0 1)",
            "(1 0)",
            "(1 1 )",
            "(1 1 *)",
            "(1 1 1:*)",
            "(1 1 2 ())",
            "(1 1 2 (1:2 3))",
            "(1 1 2 (1 3) 4)",
            "(1 1 2 3)",
            "1 1",
            "(1 1 2 (* 3))",
            "(1 9223372036854775808)",
        ] {
            assert!(known(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_that_still_match() {
        let now = UidSet::from_bounds(&[41, 42, 44, 44, 46, 46]).unwrap();
        let whole = |text: &str| known(text).unwrap().whole_up_to(&now).map(Uid::get);
        assert_eq!(whole("(1 1 (1:3 41,42,44))"), Some(44));
        assert_eq!(whole("(1 1 (1,4,5 41,44,46))"), Some(41));
        assert_eq!(whole("(1 1 (1,2 40,41))"), None);
        assert_eq!(whole("(1 1 (1:4294967295 1:4294967295))"), None);
    }
}
