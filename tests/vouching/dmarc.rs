//! DMARC: whose policy counts, and what is aligned with it.

use crate::support::{Keys, block_on, resolver, went_by};
use authentication::{Dmarc, Peer, Policy, Verdict, envelope, verify};
use dns::Resolver;
use harness::zone::Zone;
use jiff::Timestamp;

const RECORDS: &str = "
    example.com. 60 TXT \"v=spf1 ip4:192.0.2.1 -all\"
    example.com. 60 A 192.0.2.80
    sub.example.com. 60 TXT \"v=spf1 ip4:192.0.2.1 -all\"
    other.example. 60 TXT \"v=spf1 ip4:192.0.2.1 -all\"
    _dmarc.example.com. 60 TXT \"v=DMARC1; p=reject; sp=quarantine; np=reject\"
    _dmarc.strict.example. 60 TXT \"v=DMARC1; p=quarantine; aspf=s; adkim=s\"
    strict.example. 60 TXT \"v=spf1 ip4:192.0.2.1 -all\"
    sub.strict.example. 60 TXT \"v=spf1 ip4:192.0.2.1 -all\"
    _dmarc.testing.example. 60 TXT \"v=DMARC1; p=reject; t=y\"
    _dmarc.two.example. 60 TXT \"v=DMARC1; p=reject\"
    _dmarc.two.example. 60 TXT \"v=DMARC1; p=none\"
    _dmarc.noise.example. 60 TXT \"v=spf1 -all\"
    _dmarc.noise.example. 60 TXT \"v=DMARC1; p=reject\"
    _dmarc.www.bogus. 60 TXT \"v=DMARC1; p=none\"";

/// Reverse-path, From, who signed; the result, the policy, and whether SPF and DKIM are aligned.
type Case<'a> = (&'a str, &'a str, Option<&'a Keys>, Verdict, Policy, (bool, bool));

async fn judge(resolver: &Resolver, sender: &str, from: &str, signed_by: Option<&Keys>) -> Dmarc {
    let peer = Peer { ip: "192.0.2.1".parse().unwrap(), helo: "x", mail_from: sender, host: "mx.test" };
    let message = format!("From: {from}\r\nSubject: x\r\n\r\nbody\r\n");
    let signature =
        signed_by.map(|keys| keys.signer().sign(b"", &went_by(message.as_bytes()), Timestamp::now()).unwrap());
    let whole = [signature.unwrap_or_default(), message].concat();
    verify(resolver, envelope(resolver, &peer).await, &went_by(whole.as_bytes())).await.dmarc
}

#[test]
fn policies_and_alignment() {
    let (ours, others) = (Keys::of("sub.example.com"), Keys::of("other.example"));
    let zone = Zone::start(&[RECORDS.to_owned(), ours.records(), others.records()].join("\n"));
    block_on(async {
        let resolver = resolver(&zone);
        let cases: [Case<'_>; 17] = [
            ("a@example.com", "a@example.com", None, Verdict::Pass, Policy::Reject, (true, false)),
            ("a@sub.example.com", "a@EXAMPLE.com", None, Verdict::Pass, Policy::Reject, (true, false)),
            ("a@other.example", "a@example.com", None, Verdict::Fail, Policy::Reject, (false, false)),
            ("a@other.example", "a@sub.example.com", None, Verdict::Fail, Policy::Quarantine, (false, false)),
            ("a@other.example", "a@no.such.example.com", None, Verdict::Fail, Policy::Reject, (false, false)),
            ("a@other.example", "a@example.com", Some(&ours), Verdict::Pass, Policy::Reject, (false, true)),
            ("a@other.example", "a@example.com", Some(&others), Verdict::Fail, Policy::Reject, (false, false)),
            ("", "a@example.com", None, Verdict::Fail, Policy::Reject, (false, false)),
            ("a@strict.example", "a@strict.example", None, Verdict::Pass, Policy::Quarantine, (true, false)),
            ("a@sub.strict.example", "a@strict.example", None, Verdict::Fail, Policy::Quarantine, (false, false)),
            ("a@other.example", "a@testing.example", None, Verdict::Fail, Policy::Quarantine, (false, false)),
            ("a@other.example", "a@two.example", None, Verdict::None, Policy::None, (false, false)),
            ("a@other.example", "a@noise.example", None, Verdict::Fail, Policy::Reject, (false, false)),
            ("a@other.example", "a@other.example", None, Verdict::None, Policy::None, (false, false)),
            ("a@example.com", "a@www.bogus", None, Verdict::TempError, Policy::None, (false, false)),
            ("a@other.example", "Ann", None, Verdict::None, Policy::None, (false, false)),
            // The worst of several counts.
            ("a@example.com", "a@example.com, b@noise.example", None, Verdict::Fail, Policy::Reject, (false, false)),
        ];
        for (sender, from, signed_by, result, policy, aligned) in cases {
            let found = judge(&resolver, sender, from, signed_by).await;
            assert_eq!((found.result, found.policy), (result, policy), "{sender} as {from}");
            assert_eq!((found.spf_aligned, found.dkim_aligned), aligned, "{sender} as {from}");
        }
        let crowd = (0..5).map(|at| format!("a@d{at}.example")).collect::<Vec<_>>().join(", ");
        assert_eq!(judge(&resolver, "a@example.com", &crowd, None).await.result, Verdict::PermError);
    });
}
