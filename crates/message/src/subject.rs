//! The base subject of RFC 5256 §2.1: what a thread's subjects have in common.

use crate::limits::BASE_SUBJECT_BYTES_MAX;

/// A subject without what replies and forwards add to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseSubject {
    /// What is left.
    pub text: String,
    /// Something was taken away that says "reply" or "forward".
    pub is_reply: bool,
}

impl BaseSubject {
    /// Of a decoded subject.
    pub fn of(subject: &str) -> Self {
        let start = subject.floor_char_boundary(BASE_SUBJECT_BYTES_MAX.min(subject.len()));
        let subject = subject.get(..start).unwrap_or(subject);
        let spaced = subject.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut rest = spaced.as_str();
        let mut is_reply = false;
        loop {
            let before = rest.trim_end();
            rest = without_trailers(rest);
            is_reply |= rest.len() < before.len();
            rest = without_leaders(rest, &mut is_reply);
            // Step 6: "[fwd: …]" around what is left.
            match strip_prefix(rest, "[fwd:").and_then(|inner| inner.strip_suffix(']')) {
                Some(inner) => rest = inner,
                None => return Self { text: rest.trim().to_owned(), is_reply },
            }
            is_reply = true;
        }
    }
}

/// The base subject of a decoded subject.
pub(crate) fn base(subject: &str) -> String {
    BaseSubject::of(subject).text
}

/// Step 2: "(fwd)" and white space at the end.
fn without_trailers(mut subject: &str) -> &str {
    loop {
        subject = subject.trim_end();
        let Some(at) = subject.len().checked_sub("(fwd)".len()) else { return subject };
        match subject.split_at_checked(at) {
            Some((start, end)) if end.eq_ignore_ascii_case("(fwd)") => subject = start,
            _ => return subject,
        }
    }
}

/// Steps 3 to 5: "re:", "fwd:" and "[blob]" at the start, but never all of it.
fn without_leaders<'a>(mut subject: &'a str, is_reply: &mut bool) -> &'a str {
    loop {
        subject = subject.trim_start();
        if let Some(rest) = after_leader(subject) {
            *is_reply = true;
            subject = rest;
            continue;
        }
        match after_blob(subject) {
            Some(rest) if !rest.is_empty() => subject = rest,
            _ => return subject,
        }
    }
}

/// What follows `*subj-blob subj-refwd`.
fn after_leader(subject: &str) -> Option<&str> {
    let mut rest = subject;
    while let Some(after) = after_blob(rest) {
        rest = after;
    }
    let rest = ["re", "fwd", "fw"].into_iter().find_map(|word| strip_prefix(rest, word))?.trim_start();
    after_blob(rest).unwrap_or(rest).strip_prefix(':')
}

/// What follows a "[blob]" and the white space after it.
fn after_blob(subject: &str) -> Option<&str> {
    let (blob, rest) = subject.strip_prefix('[')?.split_once(']')?;
    (!blob.contains('[')).then(|| rest.trim_start())
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaders_trailers_and_wrappings() {
        for (subject, expected) in [
            ("Pigeons", "Pigeons"),
            ("Re: Re[2]: FW:  Pigeons\t are  grey (fwd) (FWD) ", "Pigeons are grey"),
            ("[list] Re: [list] Fwd : Pigeons", "Pigeons"),
            ("[Fwd: [list] Re: Pigeons (fwd)]", "Pigeons"),
            ("[list]", "[list]"),
            ("Re: [list]", "[list]"),
            ("Regarding: x", "Regarding: x"),
            ("re:", ""),
            ("", ""),
            ("[a[b] c", "[a[b] c"),
            ("Re: \u{e9}: x", "\u{e9}: x"),
        ] {
            assert_eq!(base(subject), expected, "{subject:?}");
        }
    }

    #[test]
    fn what_says_reply_or_forward() {
        for (subject, expected) in [
            ("Pigeons", false),
            ("[list] Pigeons", false),
            ("Re: Pigeons", true),
            ("[list] Fw: Pigeons", true),
            ("Pigeons (fwd) ", true),
            ("[Fwd: Pigeons]", true),
        ] {
            assert_eq!(BaseSubject::of(subject), BaseSubject { text: "Pigeons".to_owned(), is_reply: expected });
        }
    }
}
