//! Patterns of rules and the templates of their targets: regular expressions in linear time, with what they caught put into
//! the local-part of an address. Bounded in size; pure but for a small store of compiled ones.

use super::Error;
use model::{Address, Domain};
use regex::{Captures, Regex, RegexBuilder};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Octets of a pattern as it is written.
pub(crate) const PATTERN_BYTES_MAX: usize = 256;
/// Octets of a compiled pattern, and of what it caches while it runs: `\w{64}` in all scripts fits.
const COMPILED_BYTES_MAX: usize = 256 * 1024;
/// Levels of nesting in a pattern: bounds the recursion of its parser.
const NESTING_MAX: u32 = 32;
/// Compiled patterns that are kept: 64 MiB at the very most, and a few hundred KiB in practice.
const COMPILED_MAX: usize = 128;

/// A pattern ready to run, for whole local-parts in any case.
///
/// # Errors
/// What is wrong with it, in the words of the `regex` crate.
fn compile(pattern: &str) -> Result<Regex, Error> {
    let anchored = format!("^(?:{pattern})$");
    let built = RegexBuilder::new(&anchored)
        .case_insensitive(true)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(COMPILED_BYTES_MAX)
        .nest_limit(NESTING_MAX)
        .build();
    built.map_err(|error| Error::BadRule(format!("the pattern is not usable: {error}")))
}

/// Checks a pattern as an operator gives it: alone, since `^(?:a)(b)$` would hide an unbalanced bracket.
///
/// # Errors
/// As [`compile`], or that it is too long.
pub(crate) fn check(pattern: &str) -> Result<Regex, Error> {
    if pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX {
        return Err(Error::BadRule(format!("a pattern has 1 to {PATTERN_BYTES_MAX} octets")));
    }
    let alone = RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).nest_limit(NESTING_MAX).build();
    alone.map_err(|error| Error::BadRule(format!("the pattern is not usable: {error}")))?;
    compile(pattern)
}

/// Compiled patterns by their text, dropped all at once when there are too many.
#[derive(Default)]
pub(super) struct Compiled(Mutex<HashMap<String, Arc<Regex>>>);

impl Compiled {
    pub(super) fn get(&self, pattern: &str) -> Result<Arc<Regex>, Error> {
        // No invariant of the map spans a panic.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = kept.get(pattern) {
            return Ok(Arc::clone(regex));
        }
        let regex = Arc::new(compile(pattern).map_err(|_| Error::Damaged("a pattern that does not compile"))?);
        if kept.len() >= COMPILED_MAX {
            kept.clear();
        }
        kept.insert(pattern.to_owned(), Arc::clone(&regex));
        Ok(regex)
    }
}

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Number(usize),
    Name(&'a str),
}

/// Checks a target's template against its pattern: every reference is to a group that it has, and none stands in the domain,
/// where whoever sends could choose it and so relay through this host.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_template(template: &str, regex: &Regex) -> Result<String, Error> {
    let bad = |why: &str| Error::BadRule(format!("{template}: {why}"));
    let (local, domain) = template.rsplit_once('@').ok_or_else(|| bad("an address has the form local-part@domain"))?;
    if domain.contains('$') {
        return Err(bad("what matched may stand before the @ only"));
    }
    let domain: Domain = domain.parse().map_err(|error: model::AddressError| bad(&error.to_string()))?;
    let mut sample = String::new();
    for piece in pieces(local).ok_or_else(|| bad("after $ stands a number, {name}, or another $"))? {
        match piece {
            Piece::Text(text) => sample.push_str(text),
            Piece::Number(n) if n < regex.captures_len() => sample.push('x'),
            Piece::Name(name) if regex.capture_names().flatten().any(|each| each == name) => sample.push('x'),
            Piece::Number(_) | Piece::Name(_) => return Err(bad("the pattern has no such group")),
        }
    }
    format!("{sample}@{domain}").parse::<Address>().map_err(|error| bad(&error.to_string()))?;
    Ok(format!("{local}@{domain}"))
}

/// The address that the template comes to. What does not make an address is `None`.
pub(super) fn expand(template: &str, captures: &Captures<'_>) -> Option<String> {
    let (local, domain) = template.rsplit_once('@')?;
    let mut filled = String::new();
    for piece in pieces(local)? {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            // A group that took no part in the match is empty.
            Piece::Number(n) => filled.push_str(captures.get(n).map_or("", |found| found.as_str())),
            Piece::Name(name) => filled.push_str(captures.name(name).map_or("", |found| found.as_str())),
        }
    }
    Some(format!("{filled}@{domain}"))
}

/// Takes a template apart; `None` when a `$` is followed by nothing that it can be followed by.
fn pieces(template: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        let (before, after) = (rest.get(..at)?, rest.get(at + 1..)?);
        pieces.push(Piece::Text(before));
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        rest = if let Some(more) = after.strip_prefix('$') {
            pieces.push(Piece::Text("$"));
            more
        } else if let Some(named) = after.strip_prefix('{') {
            let (name, more) = named.split_once('}')?;
            pieces.push(name.parse().map_or(Piece::Name(name), Piece::Number));
            more
        } else {
            pieces.push(Piece::Number(after.get(..digits)?.parse().ok()?));
            after.get(digits..)?
        };
    }
    pieces.push(Piece::Text(rest));
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(pattern: &str, local: &str, template: &str) -> Option<String> {
        let regex = check(pattern).unwrap();
        let template = check_template(template, &regex).unwrap();
        expand(&template, &regex.captures(local)?)
    }

    #[test]
    fn what_matched_stands_in_the_address() {
        for (pattern, local, template, address) in [
            ("sales-(.*)", "sales-north", "$1@Sales.test", Some("north@sales.test")),
            ("sales-(.*)", "SALES-north", "$1@sales.test", Some("north@sales.test")),
            ("sales-(.*)", "presales-north", "$1@sales.test", None),
            ("sales", "sales2", "all@x.test", None),
            ("a|b", "b", "$0@x.test", Some("b@x.test")),
            ("a|b", "bb", "$0@x.test", None),
            ("(?<who>[a-z]+)[.](\\d+)", "ann.42", "${who}+$2@x.test", Some("ann+42@x.test")),
            ("(.)(.*)", "ann", "${2}1$$@x.test", Some("nn1$@x.test")),
            ("(a)?b", "b", "$1c@x.test", Some("c@x.test")),
        ] {
            assert_eq!(expanded(pattern, local, template).as_deref(), address, "{pattern} {local}");
        }
    }

    #[test]
    fn bad_patterns_and_templates_are_refused() {
        for bad in
            ["", "(", "a)(b", "(?<n>a)(?<n>b)", "a{1000}{1000}", "\\1", "(?=a)", &"(".repeat(40), &"a".repeat(257)]
        {
            assert!(matches!(check(bad), Err(Error::BadRule(_))), "{bad}");
        }
        let regex = check("(?<n>.)(.)").unwrap();
        for bad in ["$3@x.test", "${m}@x.test", "$@x.test", "${1@x.test", "a@$1.test", "a", "$1@", "a b@x.test"] {
            assert!(matches!(check_template(bad, &regex), Err(Error::BadRule(_))), "{bad}");
        }
    }

    #[test]
    fn the_longest_local_part_takes_linear_time() {
        let regex = check("(a*)*(a*)*(a*)*b").unwrap();
        assert!(regex.captures(&"a".repeat(64)).is_none());
    }

    #[test]
    fn compiled_patterns_are_bounded() {
        let compiled = Compiled::default();
        for n in 0..COMPILED_MAX * 2 + 1 {
            assert!(compiled.get(&format!("a{n}")).unwrap().is_match(&format!("A{n}")));
        }
        assert_eq!(compiled.0.lock().unwrap().len(), 1);
        assert!(matches!(compiled.get("("), Err(Error::Damaged(_))));
    }
}
