//! One reply for all recipients, and one field that tells the score: what the judgements of their domains come to together.

use crate::limits::REASONS_BYTES_MAX;
use crate::policy::{Judgement, Reason};
use smtp::Reply;
use std::fmt::Write as _;

/// What becomes of a message that is taken.
#[derive(Debug, Default, PartialEq)]
pub struct Verdict {
    /// For each recipient.
    pub junk: Vec<bool>,
    /// The highest score.
    score: f64,
    /// What it is made of.
    reasons: Vec<Reason>,
}

/// The message is refused when no recipient's domain takes it, and put off when one of them puts it off. Where one takes it
/// and another would not, it is junk for the other: one reply speaks for all (RFC 5321 §4.2), and nothing may be lost.
///
/// # Errors
/// The reply that refuses or puts off.
pub fn of(judgements: &[Judgement]) -> Result<Verdict, Reply> {
    let refusals = || judgements.iter().filter_map(|one| one.refused.as_ref());
    if let Some(later) = refusals().find(|reply| !reply.is_permanent()) {
        return Err(later.clone());
    }
    if let Some(first) = refusals().next()
        && judgements.iter().all(|one| one.refused.is_some())
    {
        return Err(first.clone());
    }
    let junk: Vec<bool> = judgements.iter().map(|one| one.junk || one.refused.is_some()).collect();
    let worst = judgements.iter().max_by(|a, b| a.score.total_cmp(&b.score));
    let (score, reasons) = worst.map(|worst| (worst.score, worst.reasons.clone())).unwrap_or_default();
    let name = if junk.contains(&true) { "junk" } else { "good" };
    ::metrics::counter!(crate::metrics::JUDGED, "verdict" => name).increment(1);
    Ok(Verdict { junk, score, reasons })
}

impl Verdict {
    /// `X-Brevdue-Spam: no; score=1.5; spf-softfail(1.0) no-message-id(0.5)`, folded, with its CRLF.
    pub fn field(&self) -> String {
        let junk = if self.junk.contains(&true) { "yes" } else { "no" };
        let mut out = format!("X-Brevdue-Spam: {junk}; score={:.1}", self.score);
        for (name, points) in &self.reasons {
            if out.len() > REASONS_BYTES_MAX {
                break;
            }
            let name: String = name.chars().filter(char::is_ascii_graphic).take(100).collect();
            _ = write!(out, "\r\n\t{name}({points:.1})");
        }
        out.push_str("\r\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Reply = Reply::new(550, 7, 1, "no");
    const LATER: Reply = Reply::new(451, 7, 1, "later");

    fn judged(refused: Option<Reply>, score: f64) -> Judgement {
        Judgement { refused, score, reasons: vec![("x".into(), score)], ..Judgement::default() }
    }

    #[test]
    fn one_reply_for_all() {
        assert_eq!(of(&[judged(Some(REFUSED), 0.0), judged(Some(REFUSED), 0.0)]), Err(REFUSED));
        assert_eq!(of(&[judged(Some(REFUSED), 0.0), judged(Some(LATER), 0.0)]), Err(LATER));
        let mixed = of(&[judged(Some(REFUSED), 9.0), judged(None, 1.0)]).unwrap();
        assert_eq!(mixed.junk, [true, false]);
        assert_eq!(mixed.field(), "X-Brevdue-Spam: yes; score=9.0\r\n\tx(9.0)\r\n");
        assert_eq!(of(&[]).unwrap().field(), "X-Brevdue-Spam: no; score=0.0\r\n");
    }
}
