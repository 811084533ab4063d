//! Text as searches compare it: without case and without regard to how characters are composed.

use unicode_normalization::UnicodeNormalization;

/// Close to `i;unicode-casemap` (RFC 5051): compatibility decomposition, then lower case character by character. Both the
/// stored columns and what is searched for pass through here.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // The final sigma is a matter of position: a substring cannot know it.
    text.nfkd().flat_map(char::to_lowercase).map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

/// `i;unicode-casemap` (RFC 5051 §2): title case where that is one character, then compatibility decomposition. What SORT
/// orders by; for equality it agrees with [`fold`].
pub(crate) fn casemap(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_uppercase();
    }
    text.chars().map(upper).nfkd().collect()
}

/// The one character that stands for this one in upper case, or itself.
fn upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_composition_do_not_matter() {
        assert_eq!(fold("Re: ÆBLE"), fold("re: æble"));
        assert_eq!(fold("Cafe\u{301}"), fold("CAFÉ"));
        assert_eq!(fold("ΟΔΟΣ"), fold("οδος"));
        assert_eq!(fold("ＡＢＣ"), "abc");
    }
}
