//! The records of one domain, word for word.

use super::*;
use directory::settings::Settings;

fn names() -> Names {
    let host = |name: &str| name.to_owned();
    Names {
        mx: vec![host("mx1.example.com"), host("mx2.example.com")],
        send: vec![host("out.example.com")],
        client: host("mail.example.com"),
    }
}

fn key(selector: &str, algorithm: KeyAlgorithm, state: DkimState, retired_ms: i64) -> DkimKey {
    DkimKey {
        selector: selector.to_owned(),
        algorithm: algorithm.into(),
        state: state.into(),
        public_key: vec![7; 32].into(),
        retired_ms,
        ..DkimKey::default()
    }
}

fn told(settings: &[(&str, &str)], keys: &[DkimKey], certificate: Option<&KeyDigest>) -> Vec<String> {
    let settings: Settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let needs = Needs::new(&"x.test".parse().unwrap(), &Publish::from(&settings), &names(), keys, certificate);
    needs.records().iter().map(|record| format!("{} {} {}", record.name, record.kind, record.text)).collect()
}

#[test]
fn every_record_of_a_domain() {
    let p = STANDARD.encode([7; 32]);
    let now = Timestamp::now().as_millisecond();
    let keys = [
        key("a", KeyAlgorithm::Rsa2048, DkimState::Active, 0),
        key("n", KeyAlgorithm::Ed25519, DkimState::Next, 0),
        key("r", KeyAlgorithm::Ed25519, DkimState::Retired, now),
        key("gone", KeyAlgorithm::Ed25519, DkimState::Retired, now - 8 * 24 * 60 * 60 * 1_000),
    ];
    let id =
        told(&[], &[], None).into_iter().find_map(|line| line.strip_prefix("_mta-sts.x.test TXT ").map(str::to_owned));
    let expected = [
        "x.test MX 10 mx1.example.com.".to_owned(),
        "x.test MX 20 mx2.example.com.".to_owned(),
        "mx1.example.com A/AAAA (the addresses of this host)".to_owned(),
        "mx2.example.com A/AAAA (the addresses of this host)".to_owned(),
        "x.test TXT v=spf1 mx a:out.example.com -all".to_owned(),
        format!("a._domainkey.x.test TXT v=DKIM1; k=rsa; p={p}"),
        format!("n._domainkey.x.test TXT v=DKIM1; k=ed25519; p={p}"),
        format!("r._domainkey.x.test TXT v=DKIM1; k=ed25519; p={p}"),
        "_dmarc.x.test TXT v=DMARC1; p=quarantine; rua=mailto:postmaster@x.test".to_owned(),
        "_smtp._tls.x.test TXT v=TLSRPTv1; rua=mailto:postmaster@x.test".to_owned(),
        format!("_mta-sts.x.test TXT {}", id.unwrap()),
        "mta-sts.x.test CNAME mail.example.com.".to_owned(),
        format!("_25._tcp.mx1.example.com TLSA 3 1 1 {}", "ab".repeat(32)),
        format!("_25._tcp.mx2.example.com TLSA 3 1 1 {}", "ab".repeat(32)),
        "_imaps._tcp.x.test SRV 0 1 993 mail.example.com.".to_owned(),
        "_submissions._tcp.x.test SRV 0 1 465 mail.example.com.".to_owned(),
        "_pop3s._tcp.x.test SRV 0 1 995 mail.example.com.".to_owned(),
        "autoconfig.x.test CNAME mail.example.com.".to_owned(),
        "autodiscover.x.test CNAME mail.example.com.".to_owned(),
    ];
    assert_eq!(told(&[], &keys, Some(&KeyDigest([0xab; 32]))), expected);
}

#[test]
fn settings_change_what_is_published() {
    let records = told(
        &[
            ("spf_policy", "softfail"),
            ("spf_include", "news.example.net"),
            ("dmarc_policy", "reject"),
            ("report_address", "dmarc@reports.example"),
            ("mta_sts", "none"),
        ],
        &[],
        None,
    );
    assert!(records.contains(&"x.test TXT v=spf1 mx a:out.example.com include:news.example.net ~all".to_owned()));
    assert!(records.contains(&"_dmarc.x.test TXT v=DMARC1; p=reject; rua=mailto:dmarc@reports.example".to_owned()));
    assert!(records.contains(&"x.test._report._dmarc.reports.example TXT v=DMARC1".to_owned()));
    assert!(records.iter().all(|record| !record.contains("mta-sts")), "{records:?}");
}
