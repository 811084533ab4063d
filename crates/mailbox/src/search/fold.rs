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
