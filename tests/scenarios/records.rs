//! `brevdue dns --check` against a signed zone on a real DNS server: with everything in it, and with slips of an operator.

use harness::Dev;
use harness::exchange::{brevdue, configuration, zone_lines};
use harness::zone::Zone;
use serde_json::Value;

/// What was asked for as lines of a zone file, and the hosts' addresses.
fn lines(told: &Value) -> Vec<String> {
    let hosts = ["mx.brevdue.test. 60 A 192.0.2.25", "25.2.0.192.in-addr.arpa. 60 PTR mx.brevdue.test."];
    zone_lines(told).into_iter().chain(hosts.map(str::to_owned)).collect()
}

/// Each record that is not `ok`, with its state.
fn wrong(checked: &Value) -> Vec<String> {
    let records = checked["records"].as_array().expect("records").iter().filter(|record| record["state"] != "ok");
    let text = |record: &Value, key: &str| record[key].as_str().unwrap_or_default().to_owned();
    records.map(|each| format!("{} {} {}", text(each, "state"), text(each, "name"), text(each, "type"))).collect()
}

#[test]
fn records_are_compared_with_what_dns_says() {
    let dev = Dev::start(1, &[]);
    let zone = Zone::start("");
    let config = configuration(&dev, &zone);
    let (code, told) = brevdue(&config, &["dns", "example.test"]);
    assert_eq!(code, 0);
    let good = lines(&told);

    let (code, nothing) = brevdue(&config, &["dns", "example.test", "--check"]);
    assert_eq!((code, &nothing["ok"]), (1, &Value::Bool(false)));
    assert!(wrong(&nothing).iter().all(|line| line.starts_with("missing ")), "{nothing}");
    assert_eq!(wrong(&nothing).len(), told["records"].as_array().expect("records").len());

    let zone = Zone::start(&good.join("\n"));
    let config = configuration(&dev, &zone);
    let (code, checked) = brevdue(&config, &["dns", "example.test", "--check"]);
    assert_eq!((code, wrong(&checked)), (0, Vec::new()), "{checked}");

    let slips = good.iter().filter_map(|line| match line.as_str() {
        line if line.contains("v=DMARC1") => Some("_dmarc.example.test. 60 TXT \"v=DMARC1; p=none\"".to_owned()),
        line if line.contains("v=spf1") => Some(format!("{line}\nexample.test. 60 TXT \"v=spf1 -all\"")),
        line if line.contains(" TLSA ") => Some(format!("_25._tcp.mx.brevdue.test. 60 TLSA 3 1 1 {}", "ab".repeat(32))),
        line if line.contains(" PTR ") => Some("25.2.0.192.in-addr.arpa. 60 PTR host.provider.test.".to_owned()),
        line if line.contains("_pop3s.") => None,
        line => Some(line.to_owned()),
    });
    let zone = Zone::start(&slips.collect::<Vec<_>>().join("\n"));
    let config = configuration(&dev, &zone);
    let (code, checked) = brevdue(&config, &["dns", "example.test", "--check"]);
    let expected = [
        "differs mx.brevdue.test A/AAAA",
        "differs example.test TXT",
        "differs _dmarc.example.test TXT",
        "differs _25._tcp.mx.brevdue.test TLSA",
        "missing _pop3s._tcp.example.test SRV",
    ];
    assert_eq!((code, wrong(&checked)), (1, expected.map(str::to_owned).to_vec()), "{checked}");
}
