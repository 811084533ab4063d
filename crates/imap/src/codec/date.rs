//! IMAP's two forms of dates: `1-Feb-1994` in SEARCH, and `" 1-Feb-1994 21:52:25 -0800"` as INTERNALDATE.

use super::cursor::{Cursor, Malformed, Parsed};
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const NO_DATE: Malformed = Malformed("Expected a date, such as 1-Feb-1994");
const NO_DATE_TIME: Malformed = Malformed("Expected a date and time, such as \" 1-Feb-1994 21:52:25 -0800\"");
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// `date`, quoted or not, as days since 1970-01-01.
pub fn date(cursor: &mut Cursor<'_>) -> Parsed<i32> {
    let quoted = cursor.take(b'"');
    let digits = cursor.while_(|byte| byte.is_ascii_digit());
    let day = number(digits, 1..=2).ok_or(NO_DATE)?;
    let date = month_and_year(cursor, day).ok_or(NO_DATE)?;
    if quoted {
        cursor.expect(b'"', NO_DATE.0)?;
    }
    i32::try_from(days(date)).map_err(|_| NO_DATE)
}

/// `date-time`, as milliseconds since 1970-01-01 UTC.
pub fn date_time(cursor: &mut Cursor<'_>) -> Parsed<i64> {
    parse_date_time(cursor).ok_or(NO_DATE_TIME)
}

fn parse_date_time(cursor: &mut Cursor<'_>) -> Option<i64> {
    // date-day-fixed = (SP DIGIT) / 2DIGIT
    cursor.expect(b'"', "").ok()?;
    let digits = if cursor.take(b' ') { 1..=1 } else { 1..=2 };
    let day = number(cursor.while_(|byte| byte.is_ascii_digit()), digits)?;
    let date = month_and_year(cursor, day)?;
    cursor.space().ok()?;
    let hour = two_digits(cursor, 23)?;
    cursor.expect(b':', "").ok()?;
    let minute = two_digits(cursor, 59)?;
    cursor.expect(b':', "").ok()?;
    // 60 is a leap second, counted as the one after.
    let second = two_digits(cursor, 60)?;
    cursor.space().ok()?;
    let west = cursor.take(b'-');
    if !west {
        cursor.expect(b'+', "").ok()?;
    }
    let zone = cursor.while_(|byte| byte.is_ascii_digit());
    let zone = number(zone, 4..=4).filter(|zone| zone % 100 < 60)?;
    cursor.expect(b'"', "").ok()?;
    let offset = (zone / 100 * 60 + zone % 100) * 60_000;
    let local = days(date) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000;
    Some(if west { local + offset } else { local - offset })
}

fn month_and_year(cursor: &mut Cursor<'_>, day: i64) -> Option<Date> {
    cursor.expect(b'-', "").ok()?;
    let month = MONTHS.iter().position(|month| cursor.word(month))? + 1;
    cursor.expect(b'-', "").ok()?;
    let year = number(cursor.while_(|byte| byte.is_ascii_digit()), 4..=4)?;
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

fn two_digits(cursor: &mut Cursor<'_>, max: i64) -> Option<i64> {
    number(cursor.while_(|byte| byte.is_ascii_digit()), 2..=2).filter(|&n| n <= max)
}

fn number(digits: &[u8], len: std::ops::RangeInclusive<usize>) -> Option<i64> {
    if !len.contains(&digits.len()) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn days(date: Date) -> i64 {
    let epoch = Date::constant(1970, 1, 1);
    i64::from((date - epoch).get_days())
}

/// Writes milliseconds since 1970-01-01 UTC as a quoted `date-time`, in UTC.
pub fn write_date_time(out: &mut Vec<u8>, ms: i64) {
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = TimeZone::UTC.to_datetime(at);
    let month = usize::try_from(at.month() - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or("Jan");
    let (day, year) = (at.day(), at.year().max(0));
    let text = format!("\"{day:02}-{month}-{year:04} {:02}:{:02}:{:02} +0000\"", at.hour(), at.minute(), at.second());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Parsed<i64> {
        let mut cursor = Cursor::new(text.as_bytes());
        let ms = date_time(&mut cursor)?;
        cursor.end()?;
        Ok(ms)
    }

    #[test]
    fn dates() {
        for (text, days) in [
            ("1-Jan-1970", 0),
            ("01-jan-1970", 0),
            ("\"2-Feb-1994\"", 8798),
            ("31-Dec-1969", -1),
            ("29-Feb-2024", 19782),
        ] {
            assert_eq!(date(&mut Cursor::new(text.as_bytes())), Ok(days), "{text}");
        }
        for text in [
            "",
            "1-Jan-70",
            "0-Jan-1970",
            "32-Jan-1970",
            "29-Feb-2023",
            "1-Foo-1970",
            "1 Jan 1970",
            "\"1-Jan-1970",
            "001-Jan-1970",
        ] {
            assert_eq!(date(&mut Cursor::new(text.as_bytes())), Err(NO_DATE), "{text}");
        }
    }

    #[test]
    fn date_times() {
        for (text, ms) in [
            ("\" 1-Jan-1970 00:00:00 +0000\"", 0),
            ("\"01-Jan-1970 00:00:01 +0000\"", 1000),
            ("\"17-Jul-1996 02:44:25 -0700\"", 837_596_665_000),
            ("\" 1-Jan-1970 01:30:00 +0130\"", 0),
            ("\"31-Dec-2016 23:59:60 +0000\"", 1_483_228_800_000),
        ] {
            assert_eq!(read(text), Ok(ms), "{text}");
        }
        for text in [
            "",
            "1-Jan-1970 00:00:00 +0000",
            "\" 1-Jan-1970 24:00:00 +0000\"",
            "\" 1-Jan-1970 00:60:00 +0000\"",
            "\" 1-Jan-1970 00:00:00 0000\"",
            "\" 1-Jan-1970 00:00:00 +000\"",
            "\" 1-Jan-1970 00:00:00 +0060\"",
            "\" 11-Jan-1970 00:00:00 +0000\"",
            "\" 1-Jan-1970 00:00:00 +0000",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_alike(seconds in 0i64..253_402_300_799) {
            let mut out = Vec::new();
            write_date_time(&mut out, seconds * 1000);
            prop_assert_eq!(read(std::str::from_utf8(&out).unwrap()), Ok(seconds * 1000));
        }
    }
}
