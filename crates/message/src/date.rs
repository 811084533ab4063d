//! The date-time of RFC 5322 §3.3 and §4.3: the day as it was written, and the instant.

use crate::lex;
use crate::summary::Sent;
use jiff::civil;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// Octets of a Date field that are read: a date has 31, comments may follow.
const DATE_BYTES_MAX: usize = 256;

/// From a Date field's value; `None` when there is no valid date in it.
pub(crate) fn parse(value: &[u8]) -> Option<Sent> {
    let (value, _) = lex::split(value, DATE_BYTES_MAX);
    let mut words = Words { rest: value };
    let mut word = words.next()?;
    if word.iter().all(u8::is_ascii_alphabetic) {
        // The day of the week says nothing that the date does not.
        word = words.next()?;
    }
    let day = number(word)?;
    let name = words.next()?.get(..3)?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|month| month.as_bytes() == name)? + 1;
    let year = year(words.next()?)?;
    let date = civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let day = days_since_1970(date)?;
    let time = words.next().map_or(Some(0), time_ms)?;
    let zone = words.next().map_or(0, zone_minutes);
    Some(Sent { day, ms: i64::from(day) * DAY_MS + time - zone * MINUTE_MS })
}

/// Words between white space, comments and commas.
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];
    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            self.rest = lex::skip_cfws(self.rest);
            let Some(rest) = self.rest.strip_prefix(b",") else { break };
            self.rest = rest;
        }
        let ends = |byte: &u8| lex::is_space(*byte) || matches!(byte, b'(' | b',');
        let (word, rest) = lex::split(self.rest, self.rest.iter().position(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }
}

fn number(word: &[u8]) -> Option<u16> {
    let digits = word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word).ok().filter(|_| digits).and_then(|text| text.parse().ok())
}

/// RFC 5322 §4.3: two digits are of 1950 to 2049, three count from 1900.
fn year(word: &[u8]) -> Option<i16> {
    let year = i16::try_from(number(word)?).ok()?;
    Some(match (word.len(), year) {
        (..=2, 0..=49) => year + 2000,
        (..=2, _) | (3, _) => year + 1900,
        _ => year,
    })
}

fn days_since_1970(date: civil::Date) -> Option<i32> {
    date.since(civil::Date::constant(1970, 1, 1)).ok().map(|span| span.get_days())
}

/// `hh:mm` or `hh:mm:ss` as milliseconds; second 60 is a leap second.
fn time_ms(word: &[u8]) -> Option<i64> {
    let mut fields = word.split(|byte| *byte == b':').map(number);
    let (hour, minute) = (fields.next()??, fields.next()??);
    let second = fields.next().unwrap_or(Some(0))?;
    let valid = hour < 24 && minute < 60 && second <= 60;
    valid.then(|| (i64::from(hour) * 60 + i64::from(minute)) * MINUTE_MS + i64::from(second) * 1000)
}

/// Minutes east of UTC. Military letters and unknown names are UTC (RFC 5322 §4.3).
fn zone_minutes(word: &[u8]) -> i64 {
    if let [sign @ (b'+' | b'-'), digits @ ..] = word {
        let zone =
            number(digits).filter(|_| digits.len() == 4).map_or(0, |zone| i64::from(zone / 100 * 60 + zone % 100));
        return if *sign == b'-' { -zone } else { zone };
    }
    let hours = match word.to_ascii_uppercase().as_slice() {
        b"EDT" => -4,
        b"EST" | b"CDT" => -5,
        b"CST" | b"MDT" => -6,
        b"MST" | b"PDT" => -7,
        b"PST" => -8,
        _ => 0,
    };
    hours * 60
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(value: &str) -> Option<(i32, i64)> {
        parse(value.as_bytes()).map(|sent| (sent.day, sent.ms))
    }

    #[test]
    fn dates_of_rfc_5322() {
        assert_eq!(sent(" Thu, 1 Jan 1970 00:00:00 +0000\r\n"), Some((0, 0)));
        assert_eq!(sent("Fri, 21 Nov 1997 09:55:06 -0600"), Some((10_186, 880_127_706_000)));
        assert_eq!(
            sent("Thu,\r\n 13\r\n  Feb\r\n 1969\r\n 23:32\r\n -0330 (Newfoundland Time)"),
            Some((-322, -27_723_480_000))
        );
        assert_eq!(sent("21 Nov 97 09:55:06 GMT"), sent("(x) 21 (y)Nov(z) 1997 09:55:06 +0000"));
        assert_eq!(sent("Fri 21 Nov 1997 09:55:06 EST"), sent("21 nov 1997 09:55:06 -0500"));
    }

    #[test]
    fn the_day_is_the_one_written() {
        assert_eq!(
            sent("1 Jan 2000 00:30 +0200").map(|sent| sent.0),
            sent("1 Jan 2000 23:30 -1100").map(|sent| sent.0)
        );
    }

    #[test]
    fn years_of_two_and_three_digits() {
        let day = |text: &str| sent(text).map(|sent| sent.0);
        assert_eq!(day("1 Jan 49"), day("1 Jan 2049"));
        assert_eq!(day("1 Jan 50"), day("1 Jan 1950"));
        assert_eq!(day("1 Jan 101"), day("1 Jan 2001"));
    }

    #[test]
    fn what_is_no_date() {
        for bad in [
            "",
            "yesterday",
            "32 Jan 2000",
            "30 Feb 2000",
            "1 Foo 2000",
            "1 Jan",
            "1 Jan 2000 24:00",
            "1 J 2000",
            "x 1 2",
        ] {
            assert_eq!(sent(bad), None, "{bad:?}");
        }
    }
}
