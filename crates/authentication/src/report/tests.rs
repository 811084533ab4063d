//! The field, word for word, and with the worst that strangers can put into it.

use super::*;
use crate::results::{ArcSet, Policy};

fn spf(result: Verdict, identity: Identity, domain: &str) -> Spf {
    Spf { result, identity, domain: domain.to_owned(), explanation: None }
}

fn example() -> Results {
    let address = "2001:db8::1".parse().unwrap();
    let signature = |result, reason, domain: &str| Dkim {
        result,
        reason,
        domain: domain.to_owned(),
        selector: "s2025".to_owned(),
        algorithm: "rsa-sha256",
        signature: "abc+/1=".to_owned(),
    };
    Results {
        envelope: Envelope {
            iprev: Iprev { result: Verdict::Pass, address, name: Some("out.example.com".parse().unwrap()) },
            spf: spf(Verdict::SoftFail, Identity::MailFrom, "example.com"),
            helo: spf(Verdict::None, Identity::Helo, "out.example.com"),
        },
        dkim: vec![
            signature(Verdict::Pass, None, "example.com"),
            signature(Verdict::Fail, Some("the body was changed"), "list.example"),
        ],
        arc: Arc {
            result: Verdict::Pass,
            reason: None,
            sets: vec![ArcSet { domain: "fwd.example".to_owned(), selector: "x".to_owned(), results: String::new() }],
        },
        dmarc: Dmarc {
            result: Verdict::Pass,
            policy: Policy::Reject,
            domain: "example.com".to_owned(),
            spf_aligned: false,
            dkim_aligned: true,
        },
    }
}

#[test]
fn word_for_word() {
    let expected = "Authentication-Results: mx.example;\r\n\
        \tdkim=pass header.d=example.com header.s=s2025 header.a=rsa-sha256\r\n\
        \theader.b=\"abc+/1=\";\r\n\
        \tdkim=fail (the body was changed) header.d=list.example header.s=s2025\r\n\
        \theader.a=rsa-sha256 header.b=\"abc+/1=\";\r\n\
        \tarc=pass header.d=fwd.example;\r\n\
        \tspf=softfail smtp.mailfrom=example.com;\r\n\
        \tspf=none smtp.helo=out.example.com;\r\n\
        \tiprev=pass (out.example.com) policy.iprev=\"2001:db8::1\";\r\n\
        \tdmarc=pass (p=reject) header.from=example.com\r\n";
    assert_eq!(example().field("mx.example"), expected);
}

#[test]
fn strangers_cannot_leave_their_place() {
    let mut results = example();
    let evil = "a\r\nX: y; spf=pass \"b\\ (c)\u{e4}";
    results.envelope.spf.domain = evil.to_owned();
    results.dkim[0].domain = evil.to_owned();
    results.dkim[0].selector = evil.repeat(100);
    results.dmarc.domain = evil.to_owned();
    let field = results.field("mx.example");
    let safe = "\"a??X:?y;?spf=pass?\\\"b\\\\??c??\"";
    assert_eq!(field.matches(safe).count(), 3, "{field}");
    assert!(
        field.lines().all(|line| line.len() <= 998 && (line.starts_with('\t') || line.starts_with("Authentication-")))
    );
    assert!(field.is_ascii() && field.matches("\r\n").count() == field.lines().count());
}
