//! What is taken from whom: one stage after the other, each a file or a few lines, each with a setting of the recipient's
//! domain and an answer of its own. What the stages look at is gathered by `facts`; nothing here waits.

mod facts;
mod greylist;
mod lists;
mod rates;

pub use facts::{Client, Facts};

use crate::Mx;
use crate::answers::policy as answers;
use authentication::{Policy as Wanted, Verdict};
use directory::client::{Enforcement, Policy};
use smtp::Reply;
use std::borrow::Cow;

/// What counts towards a message's score, and how much.
pub type Reason = (Cow<'static, str>, f64);

/// A stage's word on a message for one recipient.
#[derive(Debug, Clone, PartialEq)]
pub enum Word {
    /// Nothing against it.
    Pass,
    /// Something against it.
    Counts(Vec<Reason>),
    /// It is junk, whatever its score.
    Junk,
    /// Not, or not now.
    Refused(Reply),
}

/// The stages, in the order in which they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fcrdns,
    Deny,
    Dnsbl,
    Rates,
    Greylist,
    Spf,
    Dkim,
    Dmarc,
    Content,
}

/// Asked at RCPT.
const AT_RECIPIENT: [Stage; 5] = [Stage::Fcrdns, Stage::Deny, Stage::Dnsbl, Stage::Rates, Stage::Spf];
/// Asked at the end of the text. Greylisting is asked here, because a message that is signed well is not kept waiting; what
/// was asked before is asked again for what it counts.
const AT_END: [Stage; 7] =
    [Stage::Fcrdns, Stage::Dnsbl, Stage::Greylist, Stage::Spf, Stage::Dkim, Stage::Dmarc, Stage::Content];

/// What the reverse name counts when it does not lead back.
const FCRDNS_SCORE: f64 = 2.0;
/// What each block list that has the client counts.
const DNSBL_SCORE: f64 = 4.0;
/// What SPF counts: fail, and softfail.
const SPF_SCORES: [f64; 2] = [3.0, 1.0];
/// What signatures count of which none is good.
const DKIM_SCORE: f64 = 1.5;
/// What a message counts that nobody signed: much good mail is so.
const DKIM_NONE_SCORE: f64 = 0.5;
/// What DMARC counts: with a policy of reject, of quarantine, of none.
const DMARC_SCORES: [f64; 3] = [5.0, 3.5, 0.5];

/// One recipient, as far as a policy asks.
#[derive(Clone, Copy)]
pub struct For<'a> {
    /// Of the recipient's domain.
    pub policy: &'a Policy,
    /// Whom limits count for: the mailbox, or the address of one without.
    pub recipient: &'a str,
    /// The reverse-path.
    pub sender: &'a str,
}

/// What becomes of a message for one recipient.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    /// Why it is not taken.
    pub refused: Option<Reply>,
    /// Goes to Junk.
    pub junk: bool,
    /// The sum of the reasons.
    pub score: f64,
    /// What counts.
    pub reasons: Vec<Reason>,
}

/// At RCPT.
///
/// # Errors
/// The reply of the first stage that refuses.
pub async fn admit(mx: &Mx, facts: &Facts, whom: For<'_>) -> Result<(), Reply> {
    if facts.is_exempt() || lists::is_allowed(whom.policy, facts, whom.sender) {
        return Ok(());
    }
    for stage in AT_RECIPIENT {
        if let Word::Refused(reply) = stage.word(mx, facts, whom).await {
            ::metrics::counter!(crate::metrics::REFUSED, "stage" => stage.name()).increment(1);
            return Err(reply);
        }
    }
    Ok(())
}

/// At the end of the text.
pub async fn judge(mx: &Mx, facts: &Facts, whom: For<'_>) -> Judgement {
    let mut judgement = Judgement::default();
    if facts.is_exempt() || lists::is_allowed(whom.policy, facts, whom.sender) {
        // A virus is refused from whomever it comes.
        judgement.refused = facts.virus.as_ref().map(|_| answers::VIRUS);
        return judgement;
    }
    for stage in AT_END {
        match stage.word(mx, facts, whom).await {
            Word::Pass => {}
            Word::Counts(reasons) => judgement.reasons.extend(reasons),
            Word::Junk => judgement.junk = true,
            Word::Refused(reply) => {
                ::metrics::counter!(crate::metrics::REFUSED, "stage" => stage.name()).increment(1);
                judgement.refused = Some(reply);
                return judgement;
            }
        }
    }
    judgement.score = judgement.reasons.iter().map(|(_, points)| points).sum();
    weigh(&mut judgement, whom.policy);
    judgement
}

/// The score against the domain's thresholds; 0 is none.
fn weigh(judgement: &mut Judgement, policy: &Policy) {
    let reaches = |threshold: f64| threshold > 0.0 && judgement.score >= threshold;
    if reaches(policy.refuse_score) {
        judgement.refused = Some(answers::SPAM);
    }
    judgement.junk |= reaches(policy.junk_score);
}

impl Stage {
    const fn name(self) -> &'static str {
        match self {
            Self::Fcrdns => "fcrdns",
            Self::Deny => "deny",
            Self::Dnsbl => "dnsbl",
            Self::Rates => "rates",
            Self::Greylist => "greylist",
            Self::Spf => "spf",
            Self::Dkim => "dkim",
            Self::Dmarc => "dmarc",
            Self::Content => "content",
        }
    }

    async fn word(self, mx: &Mx, facts: &Facts, whom: For<'_>) -> Word {
        match self {
            Self::Fcrdns => fcrdns(whom.policy, facts),
            Self::Deny => lists::deny(whom.policy, facts, whom.sender),
            Self::Dnsbl => dnsbl(whom.policy, facts),
            Self::Rates => rates::word(mx, facts, whom).await,
            Self::Greylist => greylist::word(mx, facts, whom).await,
            Self::Spf => spf(whom.policy, facts),
            Self::Dkim => dkim(whom.policy, facts),
            Self::Dmarc => dmarc(whom.policy, facts),
            Self::Content => content(whom.policy, facts),
        }
    }
}

/// What a setting makes of a failure.
fn failure(setting: Enforcement, name: impl Into<Cow<'static, str>>, points: f64, reply: Reply) -> Word {
    match setting {
        Enforcement::Unspecified | Enforcement::Off => Word::Pass,
        Enforcement::Score => Word::Counts(vec![(name.into(), points)]),
        Enforcement::Refuse => Word::Refused(reply),
    }
}

fn fcrdns(policy: &Policy, facts: &Facts) -> Word {
    match facts.envelope.as_ref().map(|envelope| envelope.iprev.result) {
        Some(Verdict::Fail | Verdict::PermError) => {
            failure(policy.fcrdns(), "fcrdns-fail", FCRDNS_SCORE, answers::FCRDNS)
        }
        // What cannot be found out now is held against nobody.
        _ => Word::Pass,
    }
}

fn dnsbl(policy: &Policy, facts: &Facts) -> Word {
    let mut reasons = Vec::new();
    for zone in policy.dnsbl_zones.iter().filter(|zone| facts.is_listed(zone)) {
        match failure(policy.dnsbl(), format!("dnsbl:{zone}"), DNSBL_SCORE, answers::dnsbl(zone)) {
            Word::Counts(found) => reasons.extend(found),
            other => return other,
        }
    }
    if reasons.is_empty() { Word::Pass } else { Word::Counts(reasons) }
}

fn spf(policy: &Policy, facts: &Facts) -> Word {
    match facts.envelope.as_ref().map(|envelope| envelope.spf.result) {
        Some(Verdict::Fail) => failure(policy.spf(), "spf-fail", SPF_SCORES[0], answers::SPF),
        Some(Verdict::SoftFail) if policy.spf() != Enforcement::Off => {
            Word::Counts(vec![("spf-softfail".into(), SPF_SCORES[1])])
        }
        _ => Word::Pass,
    }
}

fn dkim(policy: &Policy, facts: &Facts) -> Word {
    let Some(results) = &facts.results else { return Word::Pass };
    if results.dkim.is_empty() {
        return failure(policy.dkim(), "dkim-none", DKIM_NONE_SCORE, answers::DKIM);
    }
    // RFC 6376 §6.1: a signature that cannot be checked now is not a bad one.
    let undecided = results.dkim.iter().any(|one| matches!(one.result, Verdict::Pass | Verdict::TempError));
    if undecided {
        return Word::Pass;
    }
    failure(policy.dkim(), "dkim-fail", DKIM_SCORE, answers::DKIM)
}

fn dmarc(policy: &Policy, facts: &Facts) -> Word {
    let Some(dmarc) = facts.results.as_ref().map(|results| &results.dmarc) else { return Word::Pass };
    if dmarc.result != Verdict::Fail {
        return Word::Pass;
    }
    let points = match dmarc.policy {
        Wanted::Reject => DMARC_SCORES[0],
        Wanted::Quarantine => DMARC_SCORES[1],
        Wanted::None => DMARC_SCORES[2],
    };
    match (policy.dmarc(), dmarc.policy) {
        (Enforcement::Unspecified | Enforcement::Off, _) => Word::Pass,
        (Enforcement::Refuse, Wanted::Reject) => Word::Refused(answers::DMARC),
        (Enforcement::Refuse, Wanted::Quarantine) => Word::Junk,
        (Enforcement::Refuse, Wanted::None) | (Enforcement::Score, _) => {
            Word::Counts(vec![(format!("dmarc-fail-{}", dmarc.policy.as_str()).into(), points)])
        }
    }
}

fn content(policy: &Policy, facts: &Facts) -> Word {
    if facts.virus.is_some() {
        return Word::Refused(answers::VIRUS);
    }
    if !policy.content {
        return Word::Pass;
    }
    let listed = policy.uribl_zones.iter().filter(|zone| facts.is_named_in(zone));
    let mut reasons: Vec<Reason> =
        listed.map(|zone| (format!("uribl:{zone}").into(), crate::content::URIBL_SCORE)).collect();
    reasons.extend(facts.signs.iter().cloned());
    if reasons.is_empty() { Word::Pass } else { Word::Counts(reasons) }
}

#[cfg(test)]
mod tests;
