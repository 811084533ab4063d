//! What each stage makes of what is known, with each setting.

use super::*;
use authentication::{Arc, Dkim, Dmarc, Envelope, Identity, Iprev, Results, Spf};

fn facts(spf: Verdict, iprev: Verdict) -> Facts {
    let address = "192.0.2.7".parse().unwrap();
    let mut facts = Facts::new(Client { address, hello: "a.example".to_owned() }, false);
    let spf = Spf { result: spf, identity: Identity::MailFrom, domain: "b.example".to_owned(), explanation: None };
    let name = iprev.is_pass().then(|| "mail.a.example".parse().unwrap());
    facts.envelope = Some(Envelope { iprev: Iprev { result: iprev, address, name }, helo: spf.clone(), spf });
    facts
}

fn with_message(dmarc: Verdict, wanted: Wanted, signatures: &[Verdict]) -> Facts {
    let mut facts = facts(Verdict::None, Verdict::Pass);
    let signature = |result: &Verdict| Dkim {
        result: *result,
        reason: None,
        domain: "b.example".to_owned(),
        selector: "s".to_owned(),
        algorithm: "rsa-sha256",
        signature: "abc".to_owned(),
    };
    facts.results = facts.envelope.clone().map(|envelope| Results {
        envelope,
        dkim: signatures.iter().map(signature).collect(),
        arc: Arc { result: Verdict::None, reason: None, sets: Vec::new() },
        dmarc: Dmarc {
            result: dmarc,
            policy: wanted,
            domain: "b.example".to_owned(),
            spf_aligned: false,
            dkim_aligned: false,
        },
    });
    facts
}

fn policy(setting: Enforcement) -> Policy {
    let setting = setting.into();
    Policy { fcrdns: setting, dnsbl: setting, spf: setting, dkim: setting, dmarc: setting, ..Policy::default() }
}

fn counts(name: &'static str, points: f64) -> Word {
    Word::Counts(vec![(name.into(), points)])
}

#[test]
fn names_that_do_not_lead_back() {
    for (result, word) in [
        (Verdict::Fail, Word::Refused(answers::FCRDNS)),
        (Verdict::PermError, Word::Refused(answers::FCRDNS)),
        (Verdict::TempError, Word::Pass),
        (Verdict::Pass, Word::Pass),
    ] {
        let facts = facts(Verdict::None, result);
        assert_eq!(fcrdns(&policy(Enforcement::Refuse), &facts), word);
        assert_eq!(fcrdns(&policy(Enforcement::Off), &facts), Word::Pass);
    }
    let facts = facts(Verdict::None, Verdict::Fail);
    assert_eq!(fcrdns(&policy(Enforcement::Score), &facts), counts("fcrdns-fail", FCRDNS_SCORE));
}

#[test]
fn spf_by_its_result() {
    let word = |result, setting| spf(&policy(setting), &facts(result, Verdict::Pass));
    assert_eq!(word(Verdict::Fail, Enforcement::Refuse), Word::Refused(answers::SPF));
    assert_eq!(word(Verdict::Fail, Enforcement::Score), counts("spf-fail", SPF_SCORES[0]));
    assert_eq!(word(Verdict::Fail, Enforcement::Off), Word::Pass);
    assert_eq!(word(Verdict::SoftFail, Enforcement::Refuse), counts("spf-softfail", SPF_SCORES[1]));
    assert_eq!(word(Verdict::TempError, Enforcement::Refuse), Word::Pass);
}

#[test]
fn signatures_of_which_none_is_good() {
    let word = |signatures: &[Verdict]| {
        dkim(&policy(Enforcement::Refuse), &with_message(Verdict::None, Wanted::None, signatures))
    };
    assert_eq!(word(&[]), Word::Refused(answers::DKIM));
    assert_eq!(word(&[Verdict::Fail, Verdict::Pass]), Word::Pass);
    assert_eq!(word(&[Verdict::Fail, Verdict::TempError]), Word::Pass);
    assert_eq!(word(&[Verdict::Fail, Verdict::PermError]), Word::Refused(answers::DKIM));
}

#[test]
fn the_policy_of_the_author_is_obeyed() {
    let word = |setting, wanted| dmarc(&policy(setting), &with_message(Verdict::Fail, wanted, &[]));
    assert_eq!(word(Enforcement::Refuse, Wanted::Reject), Word::Refused(answers::DMARC));
    assert_eq!(word(Enforcement::Refuse, Wanted::Quarantine), Word::Junk);
    assert_eq!(word(Enforcement::Refuse, Wanted::None), counts("dmarc-fail-none", DMARC_SCORES[2]));
    assert_eq!(word(Enforcement::Score, Wanted::Reject), counts("dmarc-fail-reject", DMARC_SCORES[0]));
    assert_eq!(word(Enforcement::Off, Wanted::Reject), Word::Pass);
    let passes = with_message(Verdict::Pass, Wanted::Reject, &[]);
    assert_eq!(dmarc(&policy(Enforcement::Refuse), &passes), Word::Pass);
}

#[test]
fn thresholds() {
    let policy = Policy { junk_score: 5.0, refuse_score: 10.0, ..Policy::default() };
    let judged = |score| {
        let mut judgement = Judgement { score, ..Judgement::default() };
        weigh(&mut judgement, &policy);
        (judgement.junk, judgement.refused.is_some())
    };
    assert_eq!([judged(4.9), judged(5.0), judged(10.0)], [(false, false), (true, false), (true, true)]);
    let mut none = Judgement { score: 99.0, ..Judgement::default() };
    weigh(&mut none, &Policy::default());
    assert_eq!((none.junk, none.refused), (false, None));
}

#[test]
fn a_name_is_allowed_only_when_somebody_vouches_for_it() {
    let policy = Policy {
        allow: vec!["a.example".to_owned(), "friend@b.example".to_owned(), "198.51.100.0/24".to_owned()],
        deny: vec!["c.example".to_owned(), "192.0.2.0/24".to_owned()],
        ..Policy::default()
    };
    let allowed = |spf, iprev, sender| lists::is_allowed(&policy, &facts(spf, iprev), sender);
    assert!(allowed(Verdict::None, Verdict::Pass, "x@y.example"));
    assert!(!allowed(Verdict::None, Verdict::Fail, "x@a.example"));
    assert!(allowed(Verdict::Pass, Verdict::Fail, "x@sub.a.example"));
    assert!(allowed(Verdict::Pass, Verdict::Fail, "Friend@b.example"));
    assert!(!allowed(Verdict::SoftFail, Verdict::Fail, "friend@b.example"));
    assert_eq!(
        lists::deny(&policy, &facts(Verdict::None, Verdict::None), "x@y.example"),
        Word::Refused(answers::DENIED)
    );
}

#[test]
fn success_is_told_to_whom_somebody_vouches_for() {
    assert!(facts(Verdict::Pass, Verdict::Fail).may_be_told());
    for result in [Verdict::None, Verdict::Neutral, Verdict::SoftFail, Verdict::Fail, Verdict::TempError] {
        assert!(!facts(result, Verdict::Pass).may_be_told(), "{result:?}");
    }
    // Where nothing is asked of DNS, nothing can be said against anybody.
    let client = Client { address: "192.0.2.7".parse().unwrap(), hello: "a.example".to_owned() };
    assert!(Facts::new(client, false).may_be_told());
}
