//! The `From ` line in front of each message of an mbox: what is one, and when it says that the message came.

use jiff::civil;
use jiff::tz::Offset;

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A line that begins a message.
#[derive(Debug, PartialEq, Eq)]
pub struct FromLine {
    /// Milliseconds since 1970-01-01 UTC; without a zone the line is taken to be in UTC.
    pub ms: Option<i64>,
}

/// Reads the line; `None` when it is a sentence that begins with `From`.
pub fn parse(line: &[u8]) -> Option<FromLine> {
    let text = std::str::from_utf8(line.strip_prefix(b"From ")?).ok()?.trim();
    // Thunderbird writes nothing or a hyphen where others have a sender and a date.
    if matches!(text, "" | "-") {
        return Some(FromLine { ms: None });
    }
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let at = words.windows(2).position(|pair| WEEKDAYS.contains(&pair[0]) && MONTHS.contains(&pair[1]))?;
    Some(FromLine { ms: Some(date(words.get(at + 1..)?)?) })
}

/// `Nov 14 22:13:20 2023`, with or without seconds, a zone before or behind the year.
fn date(words: &[&str]) -> Option<i64> {
    let [month, day, time, rest @ ..] = words else { return None };
    let month = MONTHS.iter().position(|each| each == month)? + 1;
    let mut parts = time.split(':').map(|part| part.parse::<i8>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(Some(0))?;
    let at = rest.iter().position(|word| word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit()))?;
    let year = rest.get(at)?.parse().ok()?;
    let zone = rest.iter().find_map(|word| offset(word)).unwrap_or(Offset::UTC);
    let date = civil::date(1, 1, 1).with().year(year).month(i8::try_from(month).ok()?).day(day.parse().ok()?);
    let time = civil::Time::new(hour, minute, second.min(59), 0).ok()?;
    let when = zone.to_timestamp(date.build().ok()?.to_datetime(time)).ok()?;
    Some(when.as_millisecond())
}

fn offset(word: &str) -> Option<Offset> {
    let (sign, digits) = match word.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        (_, _) => return None,
    };
    if digits.len() != 4 {
        return None;
    }
    let number: i32 = digits.parse().ok()?;
    Offset::from_seconds(sign * (number / 100 * 3600 + number % 100 * 60)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_begin_a_message() {
        let ms = |line: &str| parse(line.as_bytes()).map(|line| line.ms);
        let at = Some(Some(1_700_000_000_000));
        assert_eq!(ms("From MAILER-DAEMON Tue Nov 14 22:13:20 2023\n"), at);
        assert_eq!(ms("From a@b  Tue Nov 14 23:13:20 2023 +0100\r\n"), at);
        assert_eq!(ms("From a@b Tue Nov 14 23:13:20 +0100 2023"), at);
        assert_eq!(ms("From - Tue Nov 14 22:13:20 2023"), at);
        assert_eq!(ms("From \"a b\"@c Tue Nov 14 22:13 2023"), Some(Some(1_699_999_980_000)));
        assert_eq!(ms("From \r\n"), Some(None));
        assert_eq!(ms("From -\n"), Some(None));
        for sentence in
            ["From here on at 12:30", "From Tue to Nov", "From x Tue Nov 99 22:13:20 2023", ">From \n", "From"]
        {
            assert_eq!(parse(sentence.as_bytes()), None, "{sentence}");
        }
    }
}
