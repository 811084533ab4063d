//! Who is told what, and what the queue hears.

use super::*;
use crate::outcome::Status;
use jiff::SignedDuration;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn hours(count: i64) -> Timestamp {
    NOW.checked_add(SignedDuration::from_hours(count)).unwrap()
}

/// An entry that came when the epoch began, for recipients with these NOTIFY bits.
fn entry(reverse_path: &str, notify: &[u32]) -> Entry {
    let recipients = notify.iter().enumerate().map(|(at, bits)| proto::QueueRecipient {
        address: format!("r{at}@other.test"),
        notify: *bits,
        original: String::new(),
    });
    let envelope = proto::Envelope {
        reverse_path: reverse_path.to_owned(),
        recipients: recipients.collect(),
        ..proto::Envelope::default()
    };
    let states = vec![proto::RecipientState::default(); notify.len()];
    Entry::of(&LeasedEntry { envelope: Some(envelope), states, size: 10, ..LeasedEntry::default() }).unwrap()
}

fn told(entry: &Entry, outcome: &Outcome, now: Timestamp) -> Vec<(Action, usize)> {
    let outcomes = vec![outcome.clone(); entry.recipients.len()];
    let settled = entry.settle(outcomes, Schedule::of_hours(120, 4), now);
    settled.notices.iter().map(|told| (told.action, told.about.len())).collect()
}

#[test]
fn failures_are_told_unless_nobody_wants_to_hear() {
    let failed = Outcome::failed(Status::new(5, 1, 1), "no", "mx");
    // Nothing said, NEVER, SUCCESS, FAILURE, DELAY.
    assert_eq!(told(&entry("a@b.test", &[0, 1, 2, 4, 8]), &failed, NOW), [(Action::Failed, 2)]);
    assert_eq!(told(&entry("", &[0, 4]), &failed, NOW), []);
}

#[test]
fn success_is_told_only_where_it_is_asked_for_and_nobody_else_does() {
    let done = |notifies| Outcome { verdict: Verdict::Delivered { notifies }, ..Outcome::done("250 OK", "mx") };
    assert_eq!(told(&entry("a@b.test", &[0, 2, 4]), &done(false), NOW), [(Action::Relayed, 1)]);
    assert_eq!(told(&entry("a@b.test", &[2]), &done(true), NOW), []);
}

#[test]
fn a_delay_is_told_once_and_ends_as_a_failure() {
    let deferred = Outcome::deferred(Status::new(4, 4, 1), "not now", "mx");
    let mut entry = entry("a@b.test", &[0, 4]);
    assert_eq!(told(&entry, &deferred, hours(3)), []);
    assert_eq!(told(&entry, &deferred, hours(4)), [(Action::Delayed { until: hours(120) }, 1)]);
    let settled = entry.settle(vec![deferred.clone(); 2], Schedule::of_hours(120, 4), hours(4));
    let heard: Vec<_> = settled.settlements.iter().map(|each| (each.result(), each.delay_notified)).collect();
    assert_eq!(heard, [(proto::Result::Deferred, true), (proto::Result::Deferred, false)]);
    assert!(settled.settlements.iter().all(|each| each.next_attempt_ms > hours(4).as_millisecond()));
    entry.recipients[0].delay_notified = true;
    assert_eq!(told(&entry, &deferred, hours(5)), []);
    assert_eq!(told(&entry, &deferred, hours(120)), [(Action::Failed, 2)]);
    let settled = entry.settle(vec![deferred; 2], Schedule::of_hours(120, 4), hours(120));
    assert!(settled.settlements.iter().all(|each| each.result() == proto::Result::Failed && each.next_attempt_ms == 0));
}

#[test]
fn what_makes_no_sense_is_none() {
    let envelope = proto::Envelope { recipients: vec![proto::QueueRecipient::default()], ..proto::Envelope::default() };
    assert!(Entry::of(&LeasedEntry { envelope: Some(envelope), ..LeasedEntry::default() }).is_none());
    assert!(Entry::of(&LeasedEntry::default()).is_none());
}
