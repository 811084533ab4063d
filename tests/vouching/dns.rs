//! The resolver against Knot DNS and dnsdist: every type, every way an answer can be none, and servers that fail.

use crate::support::{block_on, resolver, section};
use daemon::config::Dns;
use daemon::shared::Shared;
use dns::{LookupError, Mx, Name, Resolver, Srv, Tlsa};
use harness::redis::Redis;
use harness::zone::Zone;
use std::net::{IpAddr, UdpSocket};

const RECORDS: &str = "
    example.com. 60 MX 20 mx2.example.com.
    example.com. 60 MX 10 MX1.example.com.
    example.com. 60 TXT \"v=spf1 \" \"-all\"
    example.com. 60 TXT \"other\"
    null.example. 60 MX 0 .
    mx1.example.com. 60 A 192.0.2.1
    mx1.example.com. 60 AAAA 2001:db8::1
    four.example.com. 60 A 192.0.2.4
    _25._tcp.mx1.example.com. 60 TLSA 3 1 1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
    _imaps._tcp.example.com. 60 SRV 1 2 993 imap.example.com.
    _pop3._tcp.example.com. 60 SRV 0 0 0 .
    1.2.0.192.in-addr.arpa. 60 PTR mx1.example.com.
    1.2.0.192.in-addr.arpa. 60 PTR other.example.com.
    2.0.0.127.bl.example. 60 A 127.0.0.2
    alias.example. 60 CNAME mx1.example.com.
    far.example. 60 CNAME alias.example.
    out.example. 60 CNAME plain.insecure.
    broken.example. 60 CNAME www.bogus.
    dangling.example. 60 CNAME nowhere.example.
    loop1.example. 60 CNAME loop2.example.
    loop2.example. 60 CNAME loop1.example.
    *.wild.example. 60 A 192.0.2.9
    below.wild.example. 60 TXT \"in the way\"
    *.wildalias.example. 60 CNAME mx1.example.com.
    plain.insecure. 60 A 192.0.2.7
    plain.insecure. 60 TXT \"unsigned\"
    www.bogus. 60 A 192.0.2.8";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn every_type_in_a_zone_with_nsec() {
    every_type(&Zone::start(RECORDS));
}

#[test]
fn every_type_in_a_zone_with_nsec3() {
    every_type(&Zone::start_with_nsec3(RECORDS));
}

fn every_type(zone: &Zone) {
    block_on(async {
        let dns = resolver(zone);
        let mx = dns.mx(&name("Example.COM")).await.unwrap();
        let exchanger = |preference, host| Mx { preference, exchange: Some(name(host)) };
        assert_eq!(mx.records, [exchanger(10, "mx1.example.com"), exchanger(20, "mx2.example.com")]);
        assert!(mx.secure && mx.ttl.as_secs() <= 60 && mx.canonical == name("example.com"));
        assert_eq!(dns.mx(&name("null.example")).await.unwrap().records, [Mx { preference: 0, exchange: None }]);
        let both = dns.addresses(&name("mx1.example.com")).await.unwrap();
        assert_eq!((both.records, both.secure), (vec![ip("2001:db8::1"), ip("192.0.2.1")], true));
        let four = dns.addresses(&name("four.example.com")).await.unwrap();
        assert_eq!((four.records, four.secure), (vec![ip("192.0.2.4")], true));
        let mut txt = dns.txt(&name("example.com")).await.unwrap().records;
        txt.sort();
        assert_eq!(txt, [b"other".to_vec(), b"v=spf1 -all".to_vec()]);
        let tlsa = dns.tlsa(&name("_25._tcp.mx1.example.com")).await.unwrap();
        let data: Vec<u8> = (0..=255u8).step_by(17).chain((0..=255).step_by(17)).collect();
        assert_eq!((tlsa.records, tlsa.secure), (vec![Tlsa { usage: 3, selector: 1, matching: 1, data }], true));
        let srv = dns.srv(&name("_imaps._tcp.example.com")).await.unwrap().records;
        let target = Some(name("imap.example.com"));
        assert_eq!(srv, [Srv { priority: 1, weight: 2, port: 993, target }]);
        assert_eq!(dns.srv(&name("_pop3._tcp.example.com")).await.unwrap().records[0].target, None);
        let mut names = dns.reverse(ip("::ffff:192.0.2.1")).await.unwrap().records;
        names.sort();
        assert_eq!(names, [name("mx1.example.com"), name("other.example.com")]);
        let listed = Name::reverse_under(ip("127.0.0.2"), &name("bl.example")).unwrap();
        let unlisted = Name::reverse_under(ip("127.0.0.3"), &name("bl.example")).unwrap();
        assert_eq!((dns.exists(&listed).await, dns.exists(&unlisted).await), (Ok(true), Ok(false)));
        for (asked, address) in
            [("any.wild.example", "192.0.2.9"), ("a.b.wild.example", "192.0.2.9"), ("x.wildalias.example", "192.0.2.1")]
        {
            let wild = dns.ipv4(&name(asked)).await.unwrap();
            assert_eq!((wild.records, wild.secure), (vec![ip(address)], true), "{asked}");
        }
        assert_eq!(dns.ipv4(&name("x.below.wild.example")).await.map(|_| ()), Err(LookupError::NoSuchName));
    });
}

#[test]
fn what_is_not_there_with_nsec() {
    what_is_not_there(&Zone::start(RECORDS));
}

#[test]
fn what_is_not_there_with_nsec3() {
    what_is_not_there(&Zone::start_with_nsec3(RECORDS));
}

fn what_is_not_there(zone: &Zone) {
    block_on(async {
        let dns = resolver(zone);
        for (asked, expected) in [
            ("nowhere.example", LookupError::NoSuchName),
            ("example.com", LookupError::NoRecords),
            ("dangling.example", LookupError::NoSuchName),
            ("nowhere.insecure", LookupError::NoSuchName),
            ("www.bogus", LookupError::Bogus),
            ("nowhere.bogus", LookupError::Bogus),
            ("broken.example", LookupError::Bogus),
            ("loop1.example", LookupError::Failed),
        ] {
            assert_eq!(dns.ipv4(&name(asked)).await.map(|answer| answer.records), Err(expected), "{asked}");
            // From the cache the same.
            assert_eq!(dns.ipv4(&name(asked)).await.map(|answer| answer.records), Err(expected), "{asked} again");
        }
        assert_eq!(dns.addresses(&name("www.bogus")).await.map(|_| ()), Err(LookupError::Bogus));
        let off = Resolver::disabled();
        assert!(!off.is_enabled() && dns.is_enabled());
        assert_eq!(off.mx(&name("example.com")).await.map(|_| ()), Err(LookupError::Off));
    });
}

#[test]
fn cnames_and_where_trust_ends() {
    let zone = Zone::start(RECORDS);
    block_on(async {
        let dns = resolver(&zone);
        let far = dns.ipv4(&name("far.example")).await.unwrap();
        assert_eq!((far.records, far.secure, far.canonical), (vec![ip("192.0.2.1")], true, name("mx1.example.com")));
        let out = dns.ipv4(&name("out.example")).await.unwrap();
        assert_eq!((out.records, out.secure, out.canonical), (vec![ip("192.0.2.7")], false, name("plain.insecure")));
        assert!(!dns.txt(&name("plain.insecure")).await.unwrap().secure);
        let trusting = Dns { dnssec: false, ..section(&zone) };
        let trusting = Resolver::new(&trusting, Shared::in_process()).unwrap();
        let forged = trusting.ipv4(&name("www.bogus")).await.unwrap();
        assert_eq!((forged.records, forged.secure), (vec![ip("192.0.2.8")], false));
        assert!(!trusting.ipv4(&name("far.example")).await.unwrap().secure);
        assert_eq!(trusting.ipv4(&name("nowhere.example")).await.map(|_| ()), Err(LookupError::NoSuchName));
    });
}

#[test]
fn thousands_of_records_and_long_chains_have_an_end() {
    let mut records = String::new();
    for at in 0..2000 {
        records += &format!("many.example. 60 A 192.0.{}.{}\n", at / 250, at % 250);
        if at < 1000 {
            records += &format!("many.example. 60 MX {} mx{at}.example.\n", 3000 - at);
        }
    }
    for at in 0..20 {
        records += &format!("c{at}.example. 60 CNAME c{}.example.\n", at + 1);
    }
    records += "c20.example. 60 A 192.0.2.1\n";
    let zone = Zone::start(&records);
    block_on(async {
        let dns = resolver(&zone);
        let many = dns.ipv4(&name("many.example")).await.unwrap();
        assert_eq!((many.records.len(), many.secure), (dns::limits::RECORDS_MAX, true));
        let mx = dns.mx(&name("many.example")).await.unwrap().records;
        assert_eq!((mx.len(), mx[0].preference), (dns::limits::RECORDS_MAX, 2001));
        assert_eq!(dns.ipv4(&name("c12.example")).await.unwrap().records, [ip("192.0.2.1")]);
        assert_eq!(dns.ipv4(&name("c11.example")).await.map(|_| ()), Err(LookupError::Failed));
    });
}

#[test]
fn over_https() {
    let zone = Zone::start(RECORDS).with_doh();
    block_on(async {
        daemon::tls::install_provider();
        let section = Dns { servers: vec![zone.https()], ca: zone.ca(), ..section(&zone) };
        let dns = Resolver::new(&section, Shared::in_process()).unwrap();
        let mx = dns.mx(&name("example.com")).await.unwrap();
        assert_eq!((mx.records.len(), mx.secure), (2, true));
        assert_eq!(dns.ipv4(&name("nowhere.example")).await.map(|_| ()), Err(LookupError::NoSuchName));
        assert_eq!(dns.ipv4(&name("www.bogus")).await.map(|_| ()), Err(LookupError::Bogus));
        // A certificate that nobody vouches for, or of another name, is no server.
        let distrusted = Dns { ca: Default::default(), ..section.clone() };
        let misnamed = Dns { servers: vec![zone.https().replace("doh.test", "other.test")], ..section.clone() };
        for wrong in [distrusted, misnamed] {
            let dns = Resolver::new(&wrong, Shared::in_process()).unwrap();
            assert_eq!(dns.mx(&name("example.com")).await.map(|_| ()), Err(LookupError::Failed));
        }
    });
}

#[test]
fn a_dead_server_is_left_for_another() {
    let zone = Zone::start(RECORDS).with_doh();
    // Takes questions and never answers; and a port where nobody is.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent_server = format!("udp://{}", silent.local_addr().unwrap());
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    block_on(async {
        daemon::tls::install_provider();
        for dead in [silent_server.clone(), format!("tcp://{closed}"), format!("https://{closed}/dns-query")] {
            let servers = vec![dead.clone(), zone.plain()];
            let section = Dns { servers, ca: zone.ca(), ..section(&zone) };
            let dns = Resolver::new(&section, Shared::in_process()).unwrap();
            assert_eq!(dns.ipv4(&name("mx1.example.com")).await.unwrap().records, [ip("192.0.2.1")], "{dead}");
        }
        let section = Dns { servers: vec![silent_server], ..section(&zone) };
        let dns = Resolver::new(&section, Shared::in_process()).unwrap();
        assert_eq!(dns.ipv4(&name("mx1.example.com")).await.map(|_| ()), Err(LookupError::Failed));
    });
}

/// What one process found, another takes over; but not what was validated, for that it cannot see.
#[test]
fn answers_are_shared() {
    let redis = Redis::start(None);
    let zone = Zone::start(RECORDS);
    block_on(async {
        daemon::tls::install_provider();
        let shared_in = daemon::config::Redis { url: redis.url(), wait_ms: 60_000, ..Default::default() };
        let shared = || Shared::connect(&shared_in).unwrap();
        let first = Resolver::new(&section(&zone), shared()).unwrap();
        let unsigned = first.txt(&name("plain.insecure")).await.unwrap();
        assert_eq!(first.txt(&name("nowhere.example")).await.map(|_| ()), Err(LookupError::NoSuchName));
        assert!(first.txt(&name("example.com")).await.unwrap().secure);
        let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let deaf = Dns { servers: vec![format!("tcp://{nobody}")], ..section(&zone) };
        let second = Resolver::new(&deaf, shared()).unwrap();
        assert_eq!(second.txt(&name("plain.insecure")).await.unwrap().records, unsigned.records);
        assert_eq!(second.txt(&name("nowhere.example")).await.map(|_| ()), Err(LookupError::NoSuchName));
        assert_eq!(second.txt(&name("example.com")).await.map(|_| ()), Err(LookupError::Failed));
        // No name stands in Redis.
        let keys = redis.ask(&["keys", "*"]);
        assert_eq!(keys.lines().filter(|key| key.starts_with("brevdue:dns:")).count(), 2, "{keys}");
        assert!(!keys.contains("insecure") && !keys.contains("example"));
    });
}
