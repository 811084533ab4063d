//! A regular expression to search for: read once, with a bound on what it may cost. docs/xregex.md describes it to users.

use regex::{Regex, RegexBuilder};

/// Octets of a pattern: more is a program, not a search.
pub const PATTERN_BYTES_MAX: usize = 1024;
/// Octets of the compiled pattern: `(a{1000}){1000}` is short to write.
const PATTERN_PROGRAM_BYTES_MAX: usize = 1024 * 1024;
/// Octets of the state that a search builds as it goes; when they are used up it starts over, and stays linear.
const PATTERN_STATE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Levels of nesting in a pattern: guards the stack of its parser.
const PATTERN_DEPTH_MAX: u32 = 64;

/// Where a pattern is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In every field of this name.
    Field(String),
    /// In the text parts of the body.
    Body,
    /// In the header and in the body.
    Text,
}

/// Why a pattern cannot be searched for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// It is not a pattern. Holds the reason, and no part of the pattern.
    #[error("the pattern cannot be read: {0}")]
    Malformed(String),
    /// It is one that costs too much.
    #[error("the pattern is too big")]
    TooBig,
}

/// A pattern that can be searched for in time linear in the text.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads a pattern. It matches without case, `^` and `$` at the ends of lines, until it says otherwise.
    ///
    /// # Errors
    /// [`BadPattern`]
    pub fn parse(source: &str) -> Result<Self, BadPattern> {
        if source.len() > PATTERN_BYTES_MAX {
            return Err(BadPattern::TooBig);
        }
        let built = RegexBuilder::new(source)
            .case_insensitive(true)
            .multi_line(true)
            .crlf(true)
            .size_limit(PATTERN_PROGRAM_BYTES_MAX)
            .dfa_size_limit(PATTERN_STATE_BYTES_MAX)
            .nest_limit(PATTERN_DEPTH_MAX)
            .build();
        match built {
            Ok(regex) => Ok(Self(regex)),
            Err(regex::Error::CompiledTooBig(_)) => Err(BadPattern::TooBig),
            Err(error) => Err(BadPattern::Malformed(reason(&error))),
        }
    }

    /// Whether it is found in the text.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

/// The last line of what the parser says; those before it show the pattern.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or("it is malformed").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_without_case_and_by_line() {
        let found = |pattern: &str, text: &str| Pattern::parse(pattern).unwrap().is_in(text);
        assert!(found("^b.*d$", "a\r\nBcD\r\ne"));
        assert!(found("straße", "STRAßE"));
        assert!(!found("(?-i)B", "b"));
        assert!(found(r"\bp[iy]geon\b", "a Pygeon."));
    }

    #[test]
    fn what_cannot_be_searched_for_is_refused_with_a_reason() {
        let reason = |pattern: &str| Pattern::parse(pattern).unwrap_err().to_string();
        assert_eq!(reason("a(b"), "the pattern cannot be read: unclosed group");
        assert_eq!(reason("*"), "the pattern cannot be read: repetition operator missing expression");
        assert_eq!(reason(r"(a)\1"), "the pattern cannot be read: backreferences are not supported");
        assert_eq!(reason("(?:(?:a{100}){100}){100}"), "the pattern is too big");
        assert_eq!(reason(&"a".repeat(1025)), "the pattern is too big");
        assert!(reason(&"(".repeat(300)).starts_with("the pattern cannot be read"));
    }
}
