//! Which backups are kept: all of the last day, the newest of each of the last days, the newest of each of the last weeks, and always the newest.

use crate::manifest::Manifest;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;

/// Seconds before the newest backup in which every one is kept.
const RECENT_SECONDS: i64 = 24 * 60 * 60;

/// How many are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Days of which the newest is kept.
    pub daily: usize,
    /// Weeks (from Monday, UTC) of which the newest is kept.
    pub weekly: usize,
}

/// Those to be removed, of all backups of one subject. Days and weeks without a backup do not count: what is kept of a mailbox
/// that changes seldom reaches further back, and a worker that stood still for a month removes nothing for it.
pub fn to_remove<T: AsRef<Manifest>>(mut all: Vec<T>, keep: Keep) -> Vec<T> {
    // The time has seconds; of two in one the id decides, the same way each time.
    all.sort_by(|a, b| {
        let (a, b) = (a.as_ref(), b.as_ref());
        b.time.cmp(&a.time).then_with(|| b.id.cmp(&a.id))
    });
    // What somebody backed up before a change of their own is not gone with the day's next backup.
    let newest = all.first().and_then(|newest| newest.as_ref().taken());
    let recent = newest.map(|newest| newest.as_second() - RECENT_SECONDS);
    let (mut days, mut weeks) = (BTreeSet::new(), BTreeSet::new());
    let mut remove = Vec::new();
    for (at, each) in all.into_iter().enumerate() {
        let manifest = each.as_ref();
        let Some(day) = day(manifest) else { continue };
        let daily = days.len() < keep.daily && days.insert(day);
        let weekly = weeks.len() < keep.weekly && weeks.insert(week(day));
        let fresh = manifest.taken().map(|taken| taken.as_second()) > recent;
        if at > 0 && !fresh && !daily && !weekly {
            remove.push(each);
        }
    }
    remove
}

fn day(manifest: &Manifest) -> Option<Date> {
    Some(manifest.taken()?.to_zoned(TimeZone::UTC).date())
}

fn week(day: Date) -> (i16, i8) {
    let week = day.iso_week_date();
    (week.year(), week.week())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Manifest {
        Manifest {
            version: 1,
            id: format!("{:0>24}", time.len()),
            kind: "mailbox".to_owned(),
            subject: String::new(),
            time: time.to_owned(),
            bytes: 0,
            messages: 0,
            sha256: String::new(),
            changes: 0,
            schema: 3,
            kept: String::new(),
        }
    }

    fn kept(times: &[&str], daily: usize, weekly: usize) -> Vec<String> {
        let all: Vec<_> = times.iter().map(|time| at(time)).collect();
        let gone = to_remove(all.clone(), Keep { daily, weekly });
        let mut left: Vec<_> = all.into_iter().filter(|each| !gone.contains(each)).map(|each| each.time).collect();
        left.sort();
        left
    }

    #[test]
    fn the_newest_of_each_day_and_week() {
        // 2026-11-16, 23 and 30 are Mondays.
        let times = [
            "2026-11-10T01:00:00Z",
            "2026-11-17T01:00:00Z",
            "2026-11-22T01:00:00Z",
            "2026-11-23T01:00:00Z",
            "2026-11-24T01:00:00Z",
            "2026-11-24T13:00:00Z",
        ];
        assert_eq!(kept(&times, 2, 0), ["2026-11-23T01:00:00Z", "2026-11-24T01:00:00Z", "2026-11-24T13:00:00Z"]);
        assert_eq!(
            kept(&times, 2, 3),
            [
                "2026-11-10T01:00:00Z",
                "2026-11-22T01:00:00Z",
                "2026-11-23T01:00:00Z",
                "2026-11-24T01:00:00Z",
                "2026-11-24T13:00:00Z"
            ]
        );
    }

    #[test]
    fn the_newest_stays_whatever_is_said() {
        assert_eq!(kept(&["2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"], 0, 0), ["2020-01-02T00:00:00Z"]);
        assert_eq!(kept(&["2020-01-01T00:00:00Z"], 7, 4), ["2020-01-01T00:00:00Z"]);
        assert!(kept(&[], 7, 4).is_empty());
    }

    #[test]
    fn a_year_of_days_leaves_seven_days_and_four_weeks() {
        let first: Date = "2025-06-01".parse().unwrap();
        let days: Vec<String> =
            (0..365).map(|n| format!("{}T03:00:00Z", first.saturating_add(jiff::Span::new().days(n)))).collect();
        let days: Vec<&str> = days.iter().map(String::as_str).collect();
        // The last day is Sunday 2026-05-31: its week's newest is also a day's.
        assert_eq!(kept(&days, 7, 4).len(), 7 + 3);
    }
}
