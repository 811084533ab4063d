//! When a mailbox is due: a pure function of times. Mailboxes have their turns spread over the interval, each always at the same
//! time of it, so that not all are copied at midnight.

use super::limits::{LATE_INTERVALS, SIGN_OUT_AGE_MS_MIN};
use model::MailboxId;

/// Why a snapshot may be wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Its turn may have come.
    Turn,
    /// The last session ended, and with it the key goes.
    SignOut,
    /// The owner asks.
    Asked,
}

/// What is known of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// There is something that no snapshot has.
    pub changed: bool,
    /// When the newest snapshot was taken.
    pub newest_ms: Option<i64>,
    /// Since when it has changed without one.
    pub since_ms: i64,
}

/// Whether to take one now.
pub fn is_due(wish: Wish, known: Known, id: &MailboxId, interval_ms: i64, now_ms: i64) -> bool {
    // What was never copied waits for its first turn like everything else: it is as old as its first change.
    let last = known.newest_ms.unwrap_or(known.since_ms);
    known.changed
        && match wish {
            Wish::Asked => true,
            Wish::SignOut => now_ms - last >= SIGN_OUT_AGE_MS_MIN.min(interval_ms),
            Wish::Turn => now_ms >= turn_after(last, id, interval_ms),
        }
}

/// The mailbox's first turn after a moment.
fn turn_after(after_ms: i64, id: &MailboxId, interval_ms: i64) -> i64 {
    let interval = interval_ms.max(1);
    // Ids are random.
    let random = id.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let offset = (random % interval.unsigned_abs()).cast_signed();
    (after_ms.saturating_sub(offset).div_euclid(interval) + 1).saturating_mul(interval).saturating_add(offset)
}

/// Whatever changed before this moment and is not in a store is late.
pub fn late_before_ms(now_ms: i64, interval_ms: i64) -> i64 {
    now_ms.saturating_sub(interval_ms.saturating_mul(LATE_INTERVALS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;
    const HOUR: i64 = 3_600_000;

    fn id(first: u8) -> MailboxId {
        MailboxId::from_bytes([first, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    }

    #[test]
    fn a_turn_comes_once_an_interval_at_the_mailbox_s_own_time() {
        let first = turn_after(1_700_000_000_000, &id(1), DAY);
        assert!(first > 1_700_000_000_000 && first <= 1_700_000_000_000 + DAY);
        assert_eq!(turn_after(first - 1, &id(1), DAY), first);
        assert_eq!(turn_after(first, &id(1), DAY), first + DAY);
        let others: std::collections::HashSet<_> = (0..50).map(|n| turn_after(0, &id(n * 5), DAY)).collect();
        assert!(others.len() > 40);
    }

    #[test]
    fn who_was_not_there_at_the_turn_is_due_at_once() {
        let known = Known { changed: true, newest_ms: Some(0), since_ms: 5 * DAY };
        assert!(is_due(Wish::Turn, known, &id(9), DAY, 9 * DAY));
        assert!(!is_due(Wish::Turn, Known { newest_ms: Some(9 * DAY), ..known }, &id(9), DAY, 9 * DAY));
    }

    #[test]
    fn what_has_not_changed_is_never_due() {
        let known = Known { changed: false, newest_ms: Some(0), since_ms: 0 };
        for wish in [Wish::Turn, Wish::SignOut, Wish::Asked] {
            assert!(!is_due(wish, known, &id(1), DAY, 100 * DAY));
        }
    }

    #[test]
    fn a_sign_out_makes_one_an_hour_at_most() {
        let known = Known { changed: true, newest_ms: Some(DAY), since_ms: DAY };
        assert!(!is_due(Wish::SignOut, known, &id(1), DAY, DAY + HOUR - 1));
        assert!(is_due(Wish::SignOut, known, &id(1), DAY, DAY + HOUR));
        assert!(is_due(Wish::Asked, known, &id(1), DAY, DAY));
        // One that was made just now and never copied.
        let new = Known { changed: true, newest_ms: None, since_ms: DAY };
        assert!(!is_due(Wish::SignOut, new, &id(1), DAY, DAY + 1));
    }
}
