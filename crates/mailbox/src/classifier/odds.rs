//! From counts to a verdict: each word's share of junk, drawn towards even while it was seen little, and the odds of those that
//! say most joined as if words came independently of each other (naive Bayes; G. Robinson, "A statistical approach to the
//! spam problem", 2003, for the share).

/// How often, among good messages and among junk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) good: i64,
    pub(super) junk: i64,
}

/// Words that are joined: those that say most.
const TELLING_MAX: usize = 150;
/// How far from even a word must be to say anything.
const TELLING_MIN: f64 = 0.1;
/// How many messages the assumption is worth that a word is even.
const PRIOR: f64 = 1.0;
/// Logarithm of the odds from which on it is junk, 100 to 1: good mail in Junk is worse than junk in INBOX.
const JUNK_MIN: f64 = 4.6;

/// Whether a message with these words is junk to the one who taught so.
pub(super) fn is_junk(words: &[Counts], taught: Counts) -> bool {
    let mut telling: Vec<f64> = words.iter().map(|word| share(*word, taught)).collect();
    telling.retain(|share| (share - 0.5).abs() >= TELLING_MIN);
    telling.sort_by(|a, b| (b - 0.5).abs().total_cmp(&(a - 0.5).abs()));
    // A share is never 0 or 1, so that no word alone decides.
    let odds: f64 = telling.iter().take(TELLING_MAX).map(|share| (share / (1.0 - share)).ln()).sum();
    odds >= JUNK_MIN
}

/// The word's share of junk, as if both kinds had been taught equally often.
fn share(word: Counts, taught: Counts) -> f64 {
    let of = |count: i64, all: i64| count as f64 / (all.max(1)) as f64;
    let (good, junk) = (of(word.good, taught.good), of(word.junk, taught.junk));
    let seen = (word.good + word.junk) as f64;
    let share = if good + junk > 0.0 { junk / (good + junk) } else { 0.5 };
    (PRIOR * 0.5 + seen * share) / (PRIOR + seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAUGHT: Counts = Counts { good: 100, junk: 100 };

    #[test]
    fn words_decide_together() {
        let spammy = vec![Counts { good: 1, junk: 40 }; 10];
        let hammy = vec![Counts { good: 40, junk: 1 }; 10];
        let even = vec![Counts { good: 40, junk: 41 }; 10];
        assert!(is_junk(&spammy, TAUGHT));
        assert!(!is_junk(&spammy[..1], TAUGHT));
        assert!(!is_junk(&hammy, TAUGHT));
        assert!(!is_junk(&even, TAUGHT));
        assert!(!is_junk(&[spammy.clone(), hammy].concat(), TAUGHT));
        assert!(!is_junk(&[], TAUGHT));
        assert!(is_junk(&spammy.repeat(1000), TAUGHT));
    }

    #[test]
    fn a_word_seen_once_says_little() {
        let share = |good, junk| share(Counts { good, junk }, TAUGHT);
        assert!(share(0, 1) < share(0, 20));
        assert!((share(10, 10) - 0.5).abs() < 1e-9);
        assert!((share(0, 0) - 0.5).abs() < 1e-9);
    }
}
