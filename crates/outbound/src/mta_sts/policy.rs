//! The policy's text (RFC 8461 §3.2) and its record (§3.1).

use crate::limits::{POLICY_BYTES_MAX, POLICY_PATTERNS_MAX, POLICY_SECONDS_MAX};

/// What a failure means (RFC 8461 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No delivery.
    Enforce,
    /// A report.
    Testing,
    /// Nothing.
    None,
}

/// A domain's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What a failure means.
    pub mode: Mode,
    /// Names of hosts, lower case; `*.` in front stands for one label.
    pub patterns: Vec<String>,
    /// Seconds for which it may be kept.
    pub max_age: u64,
}

/// Why a text is no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Over the limits.
    #[error("the policy is too long")]
    TooLong,
    /// Not of this version.
    #[error("the policy is not of version STSv1")]
    Version,
    /// A key is missing or has no value that it may have.
    #[error("the policy has no valid {0}")]
    Key(&'static str),
}

impl Policy {
    /// From its text. Of a key that stands twice the first counts, but for `mx`; unknown keys are passed over (§3.2).
    ///
    /// # Errors
    /// See [`PolicyError`].
    pub fn parse(text: &[u8]) -> Result<Self, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLong);
        }
        let text = std::str::from_utf8(text).map_err(|_| PolicyError::Version)?;
        let pairs =
            || text.lines().filter_map(|line| line.split_once(':')).map(|(key, value)| (key.trim(), value.trim()));
        let first = |wanted: &str| pairs().find(|(key, _)| *key == wanted).map(|(_, value)| value);
        if first("version") != Some("STSv1") {
            return Err(PolicyError::Version);
        }
        let mode = match first("mode") {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            Some(_) | None => return Err(PolicyError::Key("mode")),
        };
        let max_age =
            first("max_age").filter(|text| text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit()));
        let max_age: u64 = max_age.and_then(|text| text.parse().ok()).ok_or(PolicyError::Key("max_age"))?;
        let patterns: Vec<String> =
            pairs().filter(|(key, _)| *key == "mx").map(|(_, value)| value.to_ascii_lowercase()).collect();
        if patterns.len() > POLICY_PATTERNS_MAX {
            return Err(PolicyError::TooLong);
        }
        let is_host = |pattern: &String| smtp::client::is_domain(pattern.strip_prefix("*.").unwrap_or(pattern));
        if !patterns.iter().all(is_host) || (patterns.is_empty() && mode != Mode::None) {
            return Err(PolicyError::Key("mx"));
        }
        Ok(Self { mode, patterns, max_age: max_age.min(POLICY_SECONDS_MAX) })
    }

    /// Whether a host, lower case, is one of the policy's (§4.1).
    pub fn names(&self, host: &str) -> bool {
        self.patterns.iter().any(|pattern| match pattern.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest == parent),
            None => host == pattern,
        })
    }

    /// Its lines, for a report (RFC 8460 §4.4).
    pub fn lines(&self) -> Vec<String> {
        let mode = match self.mode {
            Mode::Enforce => "enforce",
            Mode::Testing => "testing",
            Mode::None => "none",
        };
        let mut lines = vec!["version: STSv1".to_owned(), format!("mode: {mode}")];
        lines.extend(self.patterns.iter().map(|pattern| format!("mx: {pattern}")));
        lines.push(format!("max_age: {}", self.max_age));
        lines
    }
}

/// The id of the only record of this version among a name's TXT records (RFC 8461 §3.1); none when there are several.
pub fn record_id<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Option<String> {
    let mut ours = records.into_iter().filter_map(|record| std::str::from_utf8(record).ok()).filter(|text| {
        let version = text.split(';').next().unwrap_or_default();
        version.trim_end() == "v=STSv1"
    });
    let (only, None) = (ours.next()?, ours.next()) else { return None };
    let value = only.split(';').skip(1).find_map(|field| field.trim().strip_prefix("id="))?;
    let good = (1..=32).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
    good.then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EXAMPLE: &str =
        "version: STSv1\r\nmode: enforce\r\nmx: Mail.example.com\r\nmx: *.example.net\r\nmax_age: 604800\r\n";

    #[test]
    fn the_example_of_the_rfc() {
        let policy = Policy::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!((policy.mode, policy.max_age), (Mode::Enforce, 604_800));
        for (host, named) in [
            ("mail.example.com", true),
            ("example.net", false),
            ("a.example.net", true),
            ("a.b.example.net", false),
            ("aexample.net", false),
            ("other.example.com", false),
        ] {
            assert_eq!(policy.names(host), named, "{host}");
        }
        assert_eq!(Policy::parse((policy.lines().join("\n") + "\n").as_bytes()), Ok(policy));
    }

    #[test]
    fn what_is_no_policy() {
        for (text, error) in [
            ("", PolicyError::Version),
            ("version: STSv2\nmode: none\nmax_age: 1\n", PolicyError::Version),
            ("version: STSv1\nmode: maybe\nmax_age: 1\n", PolicyError::Key("mode")),
            ("version: STSv1\nmode: none\nmax_age: -1\n", PolicyError::Key("max_age")),
            ("version: STSv1\nmode: none\nmax_age: 99999999999\n", PolicyError::Key("max_age")),
            ("version: STSv1\nmode: enforce\nmax_age: 1\n", PolicyError::Key("mx")),
            ("version: STSv1\nmode: enforce\nmx: a b\nmax_age: 1\n", PolicyError::Key("mx")),
            ("version: STSv1\nmode: enforce\nmx: *.*.a\nmax_age: 1\n", PolicyError::Key("mx")),
        ] {
            assert_eq!(Policy::parse(text.as_bytes()), Err(error), "{text}");
        }
        let many = format!("{EXAMPLE}{}", "mx: a.test\n".repeat(POLICY_PATTERNS_MAX));
        assert_eq!(Policy::parse(many.as_bytes()), Err(PolicyError::TooLong));
        assert_eq!(Policy::parse(&vec![b'\n'; POLICY_BYTES_MAX + 1]), Err(PolicyError::TooLong));
        let long = Policy::parse(b"version: STSv1\nmode: none\nmode: enforce\nx: y\nmax_age: 9999999999").unwrap();
        assert_eq!((long.mode, long.max_age), (Mode::None, POLICY_SECONDS_MAX));
    }

    #[test]
    fn records() {
        let id = |records: &[&str]| record_id(records.iter().map(|record| record.as_bytes()));
        assert_eq!(id(&["v=spf1 -all", "v=STSv1; id=20160831085700Z;"]), Some("20160831085700Z".to_owned()));
        assert_eq!(id(&["v=STSv1;id=1", "v=STSv1;id=2"]), None);
        assert_eq!(id(&["v=STSv1; id=a-b;"]), None);
        assert_eq!(id(&["v=STSv12; id=1;"]), None);
        assert_eq!(id(&[]), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Policy::parse(&text);
            let _ = record_id([text.as_slice()]);
        }
    }
}
