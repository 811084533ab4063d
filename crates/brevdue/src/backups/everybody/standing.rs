//! How a mailbox's backups stand, in a word: what there is in the stores, beside what its node says of what is not.

use serde::Serialize;
use wire::backup::StateReply;
use wire::directory::Alias;

/// From what is to be looked at first to what is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It has changed since two intervals.
    Late,
    /// Its node counts on a backup that no store has.
    Missing,
    /// A snapshot waits, because its store failed.
    Failing,
    /// There is a mailbox, and no backup of it.
    Never,
    /// Its node, or a store, cannot be asked.
    Unknown,
    /// Its store is none.
    NotKept,
    /// A snapshot is on its way.
    Waiting,
    /// It has changed since, and its turn comes.
    Changed,
    /// All of it is in a store.
    BackedUp,
    /// Nobody has ever signed in: there is nothing to back up.
    Empty,
    /// Its alias is gone.
    Gone,
}

impl Standing {
    /// Every one, in order.
    pub const ALL: [Self; 11] = [
        Self::Late,
        Self::Missing,
        Self::Failing,
        Self::Never,
        Self::Unknown,
        Self::NotKept,
        Self::Waiting,
        Self::Changed,
        Self::BackedUp,
        Self::Empty,
        Self::Gone,
    ];

    /// As people read it; in capitals what somebody should look at.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Late => "LATE",
            Self::Missing => "MISSING",
            Self::Failing => "FAILING",
            Self::Never => "NEVER backed up",
            Self::Unknown => "cannot be told",
            Self::NotKept => "NOT BACKED UP",
            Self::Waiting => "on its way",
            Self::Changed => "changed since",
            Self::BackedUp => "backed up",
            Self::Empty => "never signed in",
            Self::Gone => "alias gone",
        }
    }
}

/// What is known of a mailbox.
pub struct Facts<'a> {
    /// Who has it.
    pub alias: Option<&'a Alias>,
    /// Id and time of the newest backup in a store.
    pub newest: Option<(&'a str, &'a str)>,
    /// Whether every store could be looked into.
    pub all_read: bool,
    /// Whether its store is none.
    pub nowhere: bool,
    /// What its node said, before the stores were looked into.
    pub state: Option<&'a StateReply>,
}

impl Facts<'_> {
    /// How it stands.
    pub fn standing(&self) -> Standing {
        let Some(alias) = self.alias else { return Standing::Gone };
        if self.nowhere {
            return Standing::NotKept;
        }
        let Some(state) = self.state else { return Standing::Unknown };
        let waits = state.newest.is_some() && !state.uploaded;
        if state.late {
            Standing::Late
        } else if waits && !state.why.is_empty() {
            Standing::Failing
        } else if self.is_missing(state) {
            if self.all_read { Standing::Missing } else { Standing::Unknown }
        } else if waits {
            Standing::Waiting
        } else if state.due_since_ms > 0 {
            Standing::Changed
        } else if self.newest.is_some() {
            Standing::BackedUp
        } else if !self.all_read {
            Standing::Unknown
        } else if alias.born {
            Standing::Never
        } else {
            Standing::Empty
        }
    }

    /// Whether a store should have the backup that its node counts on, or one that is newer, and none has.
    fn is_missing(&self, state: &StateReply) -> bool {
        let kept = state.newest.as_ref().filter(|_| state.uploaded && state.why.is_empty());
        kept.is_some_and(|kept| {
            let taken = crate::output::moment(kept.taken_ms);
            // Two of one second are in no order.
            self.newest.is_none_or(|(id, time)| id != kept.id && time < taken.as_str())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::backup::Snapshot;

    /// One that was taken at 22:13:20 on 2023-11-14.
    fn state(uploaded: bool, why: &str) -> StateReply {
        let newest = Some(Snapshot { id: "a".to_owned(), taken_ms: 1_700_000_000_000, ..Snapshot::default() });
        StateReply { newest, uploaded, why: why.to_owned(), ..StateReply::default() }
    }

    #[test]
    fn what_is_in_no_store_is_told_from_what_is() {
        let alias = Alias { born: true, ..Alias::default() };
        let stored = Some(("a", "2023-11-14T22:13:20Z"));
        let of = |state: Option<StateReply>, newest, all_read| {
            Facts { alias: Some(&alias), newest, all_read, nowhere: false, state: state.as_ref() }.standing()
        };
        let changed = StateReply { due_since_ms: 1_700_000_100_000, ..state(true, "") };
        let late = StateReply { late: true, ..changed.clone() };
        let older = Some(("b", "2023-11-13T22:13:20Z"));
        let newer = Some(("c", "2023-11-15T22:13:20Z"));
        for (state, newest, all_read, expected) in [
            (Some(state(true, "")), stored, true, Standing::BackedUp),
            (Some(state(true, "")), newer, true, Standing::BackedUp),
            (Some(state(true, "")), older, true, Standing::Missing),
            (Some(state(true, "")), None, true, Standing::Missing),
            (Some(state(true, "")), older, false, Standing::Unknown),
            (Some(changed), stored, true, Standing::Changed),
            (Some(late), stored, true, Standing::Late),
            (Some(state(false, "")), older, true, Standing::Waiting),
            (Some(state(false, "full")), older, true, Standing::Failing),
            (Some(StateReply::default()), None, true, Standing::Never),
            (None, stored, true, Standing::Unknown),
        ] {
            assert_eq!(of(state.clone(), newest, all_read), expected, "{state:?} {newest:?}");
        }
        let unborn = Alias::default();
        let never = StateReply::default();
        let facts = |alias, nowhere| Facts { alias, newest: None, all_read: true, nowhere, state: Some(&never) };
        assert_eq!(facts(Some(&unborn), false).standing(), Standing::Empty);
        assert_eq!(facts(Some(&alias), true).standing(), Standing::NotKept);
        assert_eq!(facts(None, false).standing(), Standing::Gone);
        assert!(Standing::ALL.is_sorted());
    }
}
