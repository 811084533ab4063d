//! UIDs, UIDVALIDITY, MODSEQ, and a compact set of UIDs that knows the position of each.

use std::fmt;
use std::num::NonZeroU32;

/// A message's unique identifier in a folder (RFC 9051 §2.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(NonZeroU32);

impl Uid {
    /// The lowest.
    pub const MIN: Self = Self(NonZeroU32::MIN);
    /// The highest.
    pub const MAX: Self = Self(NonZeroU32::MAX);

    /// `None` for 0, which is no UID.
    pub const fn new(value: u32) -> Option<Self> {
        match NonZeroU32::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }
    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A folder's UIDVALIDITY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UidValidity(NonZeroU32);

impl UidValidity {
    /// `None` for 0.
    pub const fn new(value: u32) -> Option<Self> {
        match NonZeroU32::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }
    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// A mod-sequence: 63 bits, 0 is older than every change (RFC 7162 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ModSeq(u64);

impl ModSeq {
    /// Older than every change.
    pub const ZERO: Self = Self(0);
    /// The largest that RFC 7162 allows.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// `None` above 63 bits.
    pub const fn new(value: u64) -> Option<Self> {
        if value <= Self::MAX.0 { Some(Self(value)) } else { None }
    }
    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ModSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of UIDs as ascending, disjoint, non-adjacent inclusive runs: a folder without gaps costs one run, whatever its size.
///
/// Position 0 is the lowest UID; IMAP's sequence number is the position plus one.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct UidSet {
    /// (first, last), ascending and disjoint, with a gap between neighbours.
    runs: Vec<(u32, u32)>,
}

impl UidSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self { runs: Vec::new() }
    }
    /// All UIDs from `first` to `last`, both included; empty when `first > last`.
    pub fn range(first: Uid, last: Uid) -> Self {
        if first > last { Self::new() } else { Self { runs: vec![(first.get(), last.get())] } }
    }
    /// From the wire's bounds (first, last, first, last, …); `None` unless ascending and disjoint without 0.
    pub fn from_bounds(bounds: &[u32]) -> Option<Self> {
        if !bounds.len().is_multiple_of(2) {
            return None;
        }
        let mut set = Self { runs: Vec::with_capacity(bounds.len() / 2) };
        let mut before = 0u32;
        for pair in bounds.chunks_exact(2) {
            let (first, last) = (pair[0], pair[1]);
            if first <= before || last < first {
                return None;
            }
            set.push_run(first, last);
            before = last;
        }
        Some(set)
    }
    /// The wire's bounds.
    pub fn bounds(&self) -> Vec<u32> {
        self.runs.iter().flat_map(|&(first, last)| [first, last]).collect()
    }
    /// The runs, as (first, last) numbers.
    pub fn runs(&self) -> &[(u32, u32)] {
        &self.runs
    }
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }
    /// How many UIDs are in it.
    pub fn len(&self) -> usize {
        self.runs.iter().map(|&(first, last)| (last - first) as usize + 1).sum()
    }
    /// The lowest.
    pub fn first(&self) -> Option<Uid> {
        self.runs.first().and_then(|run| Uid::new(run.0))
    }
    /// The highest.
    pub fn last(&self) -> Option<Uid> {
        self.runs.last().and_then(|run| Uid::new(run.1))
    }
    /// Whether the UID is in it.
    pub fn contains(&self, uid: Uid) -> bool {
        let at = self.runs.partition_point(|run| run.1 < uid.get());
        self.runs.get(at).is_some_and(|run| run.0 <= uid.get())
    }
    /// Adds one; false if it was there.
    pub fn insert(&mut self, uid: Uid) -> bool {
        if self.contains(uid) {
            return false;
        }
        self.insert_run(uid.get(), uid.get());
        true
    }
    /// Adds every UID from `first` to `last`.
    pub fn insert_range(&mut self, first: Uid, last: Uid) {
        if first <= last {
            self.insert_run(first.get(), last.get());
        }
    }
    /// Removes one; false if it was not there.
    pub fn remove(&mut self, uid: Uid) -> bool {
        let n = uid.get();
        let at = self.runs.partition_point(|run| run.1 < n);
        let Some(&(first, last)) = self.runs.get(at) else { return false };
        if first > n {
            return false;
        }
        match (first == n, last == n) {
            (true, true) => drop(self.runs.remove(at)),
            (true, false) => self.runs[at].0 = n + 1,
            (false, true) => self.runs[at].1 = n - 1,
            (false, false) => {
                self.runs[at].1 = n - 1;
                self.runs.insert(at + 1, (n + 1, last));
            }
        }
        true
    }
    /// The position of a UID that is in the set. Linear in the number of runs.
    pub fn position(&self, uid: Uid) -> Option<usize> {
        let mut before = 0usize;
        for &(first, last) in &self.runs {
            if uid.get() < first {
                return None;
            }
            if uid.get() <= last {
                return Some(before + (uid.get() - first) as usize);
            }
            before += (last - first) as usize + 1;
        }
        None
    }
    /// The UID at a position. Linear in the number of runs.
    pub fn at(&self, position: usize) -> Option<Uid> {
        let mut left = position;
        for &(first, last) in &self.runs {
            let len = (last - first) as usize + 1;
            if left < len {
                return Uid::new(first + left as u32);
            }
            left -= len;
        }
        None
    }
    /// The UIDs at the positions `first..=last` that exist.
    pub fn slice(&self, first: usize, last: usize) -> Self {
        let mut out = Self::new();
        let mut before = 0usize;
        for &(low, high) in &self.runs {
            let len = (high - low) as usize + 1;
            let (from, to) = (first.max(before), last.min(before + len - 1));
            if from <= to {
                out.push_run(low + (from - before) as u32, low + (to - before) as u32);
            }
            before += len;
            if before > last {
                break;
            }
        }
        out
    }
    /// What is in both. Linear in the runs where they overlap.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut out = Self::new();
        let start = |set: &Self| set.runs.first().map_or(0, |run| run.0);
        let (from, to) = (start(other), start(self));
        let mut a = self.runs.partition_point(|run| run.1 < from);
        let mut b = other.runs.partition_point(|run| run.1 < to);
        while let (Some(&x), Some(&y)) = (self.runs.get(a), other.runs.get(b)) {
            let (first, last) = (x.0.max(y.0), x.1.min(y.1));
            if first <= last {
                out.push_run(first, last);
            }
            if x.1 < y.1 { a += 1 } else { b += 1 }
        }
        out
    }
    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut runs: Vec<_> = self.runs.iter().chain(&other.runs).copied().collect();
        runs.sort_unstable();
        let mut out = Self { runs: Vec::with_capacity(runs.len()) };
        for (first, last) in runs {
            out.push_run(first, last);
        }
        out
    }
    /// Adds all of another set. Linear in that one's runs where it begins behind this one.
    pub fn append(&mut self, other: &Self) {
        let behind = self.runs.last().zip(other.runs.first()).is_none_or(|(last, first)| last.0 <= first.0);
        if behind {
            other.runs.iter().for_each(|&(first, last)| self.push_run(first, last));
        } else {
            *self = self.union(other);
        }
    }
    /// What is in this set and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut out = Self::new();
        let mut b = 0;
        for &(first, last) in &self.runs {
            let mut from = u64::from(first);
            while other.runs.get(b).is_some_and(|run| u64::from(run.1) < from) {
                b += 1;
            }
            let mut at = b;
            while let Some(&(low, high)) = other.runs.get(at).filter(|run| run.0 <= last) {
                if u64::from(low) > from {
                    out.push_run(from as u32, low - 1);
                }
                from = u64::from(high) + 1;
                at += 1;
            }
            if from <= u64::from(last) {
                out.push_run(from as u32, last);
            }
        }
        out
    }
    /// Every UID, ascending.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Uid> + '_ {
        self.runs.iter().flat_map(|&(first, last)| (first..=last).filter_map(Uid::new))
    }

    /// Appends a run that starts at or after the start of the last one, merging where they touch.
    fn push_run(&mut self, first: u32, last: u32) {
        match self.runs.last_mut() {
            Some(run) if first <= run.1.saturating_add(1) => run.1 = run.1.max(last),
            _ => self.runs.push((first, last)),
        }
    }

    fn insert_run(&mut self, first: u32, last: u32) {
        // Every run that overlaps or touches the new one becomes part of it.
        let from = self.runs.partition_point(|run| run.1.saturating_add(1) < first);
        let to = self.runs.partition_point(|run| run.0 <= last.saturating_add(1));
        if from == to {
            self.runs.insert(from, (first, last));
            return;
        }
        let merged = (self.runs[from].0.min(first), self.runs[to - 1].1.max(last));
        self.runs.splice(from..to, [merged]);
    }
}

impl FromIterator<Uid> for UidSet {
    fn from_iter<T: IntoIterator<Item = Uid>>(uids: T) -> Self {
        let mut runs: Vec<_> = uids.into_iter().map(|uid| (uid.get(), uid.get())).collect();
        runs.sort_unstable();
        let mut out = Self::new();
        for (first, last) in runs {
            out.push_run(first, last);
        }
        out
    }
}

/// The IMAP form: `1:3,5` (RFC 9051 uid-set).
impl fmt::Display for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, &(first, last)) in self.runs.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}:{last}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for UidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UidSet({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn sets() -> impl Strategy<Value = (BTreeSet<u32>, UidSet)> {
        proptest::collection::btree_set(1u32..60, 0..40).prop_map(|plain| {
            let set = plain.iter().filter_map(|&n| Uid::new(n)).collect();
            (plain, set)
        })
    }

    fn plain(set: &UidSet) -> BTreeSet<u32> {
        set.iter().map(Uid::get).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_set((a, x) in sets(), (b, y) in sets(), n in 1u32..62) {
            let uid = Uid::new(n).unwrap();
            prop_assert_eq!(plain(&x.union(&y)), &a | &b);
            prop_assert_eq!(plain(&x.intersection(&y)), &a & &b);
            let (low, high) = (x.slice(0, 5), x.slice(8, 60));
            for (mut to, more) in [(x.clone(), &y), (low.clone(), &high), (high.clone(), &low), (UidSet::new(), &x)] {
                let union = to.union(more);
                to.append(more);
                prop_assert_eq!(to, union);
            }
            prop_assert_eq!(plain(&x.difference(&y)), &a - &b);
            prop_assert_eq!(x.contains(uid), a.contains(&n));
            prop_assert_eq!(x.len(), a.len());
            prop_assert_eq!(x.position(uid), a.iter().position(|&m| m == n));
            let (mut grown, mut plain_grown) = (x.clone(), a.clone());
            prop_assert_eq!(grown.insert(uid), plain_grown.insert(n));
            prop_assert_eq!(plain(&grown), plain_grown);
            let (mut shrunk, mut plain_shrunk) = (x.clone(), a.clone());
            prop_assert_eq!(shrunk.remove(uid), plain_shrunk.remove(&n));
            prop_assert_eq!(plain(&shrunk), plain_shrunk);
            prop_assert_eq!(UidSet::from_bounds(&x.bounds()), Some(x.clone()));
            for (at, &m) in a.iter().enumerate() {
                prop_assert_eq!(x.at(at), Uid::new(m));
            }
            prop_assert_eq!(x.at(a.len()), None);
            let slice: BTreeSet<u32> = a.iter().skip(2).take(4).copied().collect();
            prop_assert_eq!(plain(&x.slice(2, 5)), slice);
            for pair in x.runs().windows(2) {
                prop_assert!(pair[0].1 + 1 < pair[1].0, "runs touch: {:?}", x);
            }
        }
    }

    #[test]
    fn wire_bounds_are_checked() {
        for bad in [&[1][..], &[0, 3], &[3, 2], &[1, 4, 4, 5], &[5, 6, 1, 2]] {
            assert_eq!(UidSet::from_bounds(bad), None, "{bad:?}");
        }
        assert_eq!(UidSet::from_bounds(&[1, 2, 3, u32::MAX]).map(|s| s.to_string()).as_deref(), Some("1:4294967295"));
    }
}
