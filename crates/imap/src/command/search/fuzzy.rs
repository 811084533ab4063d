//! FUZZY (RFC 6203): a string fits when its words do, in any order. docs/fuzzy.md says it to users.

/// Octets of a word that a stem keeps at least.
const STEM_CHARS_MIN: usize = 4;

/// How much of a string must fit, from loose to strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// The start of each word: three quarters of it, four characters at least.
    Stems,
    /// Each word.
    Words,
    /// The string as it was written.
    Whole,
}

/// Score of a message that fits with this strength and no stricter one (RFC 6203 §4: 1 to 100).
pub const fn score(strength: Strength) -> u8 {
    match strength {
        Strength::Stems => 50,
        Strength::Words => 75,
        Strength::Whole => 100,
    }
}

/// The strings that all must be found. Never empty.
pub fn words(text: &str, strength: Strength) -> Vec<String> {
    let words: Vec<String> = match strength {
        Strength::Whole => Vec::new(),
        Strength::Words => text.split_whitespace().map(str::to_owned).collect(),
        Strength::Stems => text.split_whitespace().map(stem).collect(),
    };
    if words.is_empty() { vec![text.to_owned()] } else { words }
}

fn stem(word: &str) -> String {
    let count = word.chars().count();
    let kept = (count * 3).div_ceil(4).max(STEM_CHARS_MIN).min(count);
    word.chars().take(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_their_stems() {
        assert_eq!(words("pigeons  are grey", Strength::Stems), ["pigeon", "are", "grey"]);
        assert_eq!(words("pigeons are", Strength::Words), ["pigeons", "are"]);
        assert_eq!(words("pigeons are", Strength::Whole), ["pigeons are"]);
        assert_eq!(words(" ", Strength::Words), [" "]);
        assert_eq!(words("smørrebrød", Strength::Stems), ["smørrebr"]);
    }
}
