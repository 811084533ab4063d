//! SPF against the public suite of RFC 7208 and against pyspf, and the client's name.

use crate::python::{SpfZone, lines, spf_cases};
use crate::support::{block_on, resolver};
use authentication::{Identity, Peer, Verdict, envelope};
use daemon::config::Dns;
use daemon::shared::Shared;
use dns::Resolver;
use harness::zone::Zone;

/// Where Debian's python3-spf has the suite, and where scripts/setup puts it when documents are left out there.
const SUITES: [&str; 2] = [
    "/usr/share/doc/python3-spf/rfc7208-tests.yml.gz",
    concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/rfc7208-tests.yml"),
];

#[test]
fn the_public_suite() {
    daemon::tls::install_provider();
    let file =
        SUITES.into_iter().find(|file| std::path::Path::new(file).exists()).expect("scripts/setup brings the suite");
    let cases = spf_cases(file);
    let mut wrong = Vec::new();
    let mut count = 0;
    let mut zone: Option<(u64, SpfZone)> = None;
    for case in cases.as_array().unwrap() {
        let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
        let scenario = case["scenario"].as_u64().unwrap();
        if zone.as_ref().is_none_or(|(served, _)| *served != scenario) {
            zone = Some((scenario, SpfZone::serve(file, scenario)));
        }
        let port = zone.as_ref().unwrap().1.port;
        let section = Dns { servers: vec![format!("udp://127.0.0.1:{port}")], dnssec: false, ..Dns::default() };
        let (helo, from) = (text("helo"), text("from"));
        let found = block_on(async {
            let resolver = Resolver::new(&section, Shared::in_process()).unwrap();
            let peer =
                Peer { ip: text("ip").parse().unwrap(), helo: &helo, mail_from: &from, host: "receiver.example" };
            envelope(&resolver, &peer).await.spf
        });
        count += 1;
        let allowed: Vec<_> = case["results"].as_array().unwrap().iter().filter_map(|result| result.as_str()).collect();
        // "DEFAULT" is the reader's own word where a domain says nothing.
        let expected = case["explanation"].as_str().filter(|said| *said != "DEFAULT");
        let said = expected.is_none() || found.explanation.as_deref() == expected;
        if !allowed.contains(&found.result.as_str()) || !said {
            wrong.push(format!(
                "{}: {:?}, not {allowed:?} {expected:?}",
                text("name"),
                (found.result, found.explanation)
            ));
        }
    }
    assert!(count > 200, "{count} cases");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

const RECORDS: &str = "
    pass.example. 60 TXT \"v=spf1 ip4:192.0.2.0/24 -all\"
    six.example. 60 TXT \"v=spf1 ip6:2001:db8::/32 -all\"
    fail.example. 60 TXT \"v=spf1 ip4:198.51.100.1 -all\"
    soft.example. 60 TXT \"v=spf1 ~all\"
    mx.example. 60 TXT \"v=spf1 mx -all\"
    mx.example. 60 MX 10 out.example.
    out.example. 60 A 192.0.2.1
    include.example. 60 TXT \"v=spf1 include:pass.example -all\"
    redirect.example. 60 TXT \"v=spf1 redirect=include.example\"
    exists.example. 60 TXT \"v=spf1 exists:%{ir}.list.example -all\"
    1.2.0.192.list.example. 60 A 127.0.0.2
    local.example. 60 TXT \"v=spf1 exists:%{l}.users.example -all\"
    ann.users.example. 60 A 127.0.0.2
    two.example. 60 TXT \"v=spf1 +all\"
    two.example. 60 TXT \"v=spf1 -all\"
    broken.example. 60 TXT \"v=spf1 ip4:1.2.3 -all\"
    loop.example. 60 TXT \"v=spf1 include:loop.example -all\"
    long.example. 60 TXT \"v=spf1 include:loop.example redirect=loop.example\"
    ptr.example. 60 TXT \"v=spf1 ptr -all\"
    a.ptr.example. 60 A 192.0.2.1
    unsigned.insecure. 60 TXT \"v=spf1 ip4:192.0.2.1 -all\"
    forged.bogus. 60 TXT \"v=spf1 +all\"
    1.2.0.192.in-addr.arpa. 60 PTR a.ptr.example.
    2.2.0.192.in-addr.arpa. 60 PTR a.ptr.example.";

#[test]
fn the_same_as_pyspf() {
    let zone = Zone::start(RECORDS);
    let port = zone.port().to_string();
    block_on(async {
        let resolver = resolver(&zone);
        for domain in [
            "pass", "six", "fail", "soft", "mx", "include", "redirect", "exists", "local", "two", "broken", "loop",
            "long", "ptr", "none",
        ] {
            for ip in ["192.0.2.1", "192.0.2.2", "2001:db8::1"] {
                let from = format!("ann@{domain}.example");
                let peer = Peer { ip: ip.parse().unwrap(), helo: "helo.example", mail_from: &from, host: "mx.test" };
                let ours = envelope(&resolver, &peer).await.spf.result.as_str();
                let theirs = lines(&["spf", &port, ip, &from, "helo.example"], b"");
                assert_eq!(theirs, [ours], "{domain} from {ip}");
            }
        }
    });
}

#[test]
fn identities_and_the_clients_name() {
    let zone = Zone::start(RECORDS);
    block_on(async {
        let resolver = resolver(&zone);
        let check = async |ip: &str, helo: &str, from: &str| {
            let peer = Peer { ip: ip.parse().unwrap(), helo, mail_from: from, host: "mx.test" };
            envelope(&resolver, &peer).await
        };
        let found = check("::ffff:192.0.2.1", "pass.example", "").await;
        assert_eq!((found.spf.identity, found.spf.result), (Identity::Helo, Verdict::Pass));
        assert_eq!(found.spf.domain, "pass.example");
        assert_eq!((found.iprev.result, found.iprev.name.unwrap().as_str()), (Verdict::Pass, "a.ptr.example"));
        let found = check("192.0.2.2", "[192.0.2.2]", "ann@Fail.Example").await;
        assert_eq!((found.spf.identity, found.spf.result), (Identity::MailFrom, Verdict::Fail));
        assert_eq!((found.helo.result, found.iprev.result, found.iprev.name), (Verdict::None, Verdict::Fail, None));
        let found = check("192.0.2.3", "x", "ann@unsigned.insecure").await;
        assert_eq!((found.spf.result, found.iprev.result), (Verdict::Fail, Verdict::PermError));
        // A record that was forged on the way vouches for nobody.
        assert_eq!(check("192.0.2.1", "x", "ann@forged.bogus").await.spf.result, Verdict::TempError);
        let off = Resolver::disabled();
        let peer = Peer { ip: "192.0.2.1".parse().unwrap(), helo: "pass.example", mail_from: "", host: "mx.test" };
        let found = envelope(&off, &peer).await;
        assert_eq!((found.spf.result, found.iprev.result), (Verdict::None, Verdict::None));
        assert_eq!(found.field("mx.test"), "Authentication-Results: mx.test; none\r\n");
    });
}
