//! `brevdue dns --check` against a signed zone on a real DNS server: with everything in it, and with slips of an operator.

use harness::Dev;
use harness::exchange::{brevdue, configuration, zone_lines};
use harness::https::Https;
use harness::postfix::certificate;
use harness::zone::Zone;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// What was asked for as lines of a zone file, and the hosts' addresses.
fn lines(told: &Value) -> Vec<String> {
    let hosts = ["mx.brevdue.test. 60 A 127.0.0.1", "1.0.0.127.in-addr.arpa. 60 PTR mx.brevdue.test."];
    zone_lines(told).into_iter().chain(hosts.map(str::to_owned)).collect()
}

/// Each record that is not `ok`, with its state.
fn wrong(checked: &Value) -> Vec<String> {
    let records = checked["records"].as_array().expect("records").iter().filter(|record| record["state"] != "ok");
    let text = |record: &Value, key: &str| record[key].as_str().unwrap_or_default().to_owned();
    records.map(|each| format!("{} {} {}", text(each, "state"), text(each, "name"), text(each, "type"))).collect()
}

/// The operator's configuration, with DNS from the zone and policies at a port of this machine.
fn configured(dev: &Dev, zone: &Zone, port: u16, ca: &Path) -> PathBuf {
    let file = configuration(dev, zone);
    let more = format!("\n[outbound]\nallow_private = true\nhttps_port = {port}\nca = \"{}\"\n", ca.display());
    fs::write(&file, fs::read_to_string(&file).expect("written") + &more).expect("written");
    file
}

#[test]
fn records_are_compared_with_what_dns_says() {
    let dev = Dev::start(1, &[]);
    let zone = Zone::start("");
    let site = certificate(&dev.scratch(), "mta-sts.example.test");
    let policy = "version: STSv1\r\nmode: testing\r\nmx: mx.brevdue.test\r\nmax_age: 604800\r\n";
    let served = Https::start(&site, policy, "text/plain; charset=us-ascii");
    let config = configured(&dev, &zone, served.port, &site.0);
    let (code, told) = brevdue(&config, &["dns", "example.test"]);
    assert_eq!(code, 0);
    let good = lines(&told);

    let (code, nothing) = brevdue(&config, &["dns", "example.test", "--check"]);
    assert_eq!((code, &nothing["ok"]), (1, &Value::Bool(false)));
    assert!(wrong(&nothing).iter().all(|line| line.starts_with("missing ")), "{nothing}");
    assert_eq!(wrong(&nothing).len(), told["records"].as_array().expect("records").len());

    let zone = Zone::start(&good.join("\n"));
    let config = configured(&dev, &zone, served.port, &site.0);
    let (code, checked) = brevdue(&config, &["dns", "example.test", "--check"]);
    assert_eq!((code, wrong(&checked)), (0, Vec::new()), "{checked}");
    let url = "https://mta-sts.example.test/.well-known/mta-sts.txt";
    assert_eq!(told["mta_sts_policy"], policy);
    assert_eq!(checked["mta_sts_policy"], json!({ "url": url, "state": "ok", "found": policy }));

    // The records alone are not enough: another policy, another host's certificate, no server at all.
    let other = Https::start(&site, &policy.replace("mx.brevdue", "mx.other"), "text/plain");
    let stranger = certificate(&dev.scratch(), "stranger.test");
    for (port, ca, state) in
        [(other.port, &site.0, "differs"), (served.port, &stranger.0, "unknown"), (1, &site.0, "unknown")]
    {
        let (code, checked) = brevdue(&configured(&dev, &zone, port, ca), &["dns", "example.test", "--check"]);
        assert_eq!((code, wrong(&checked)), (1, Vec::new()), "{checked}");
        assert_eq!((&checked["ok"], &checked["mta_sts_policy"]["state"]), (&json!(false), &json!(state)), "{checked}");
    }

    let slips = good.iter().filter_map(|line| match line.as_str() {
        line if line.contains("v=DMARC1") => Some("_dmarc.example.test. 60 TXT \"v=DMARC1; p=none\"".to_owned()),
        line if line.contains("v=spf1") => Some(format!("{line}\nexample.test. 60 TXT \"v=spf1 -all\"")),
        line if line.contains(" TLSA ") => Some(format!("_25._tcp.mx.brevdue.test. 60 TLSA 3 1 1 {}", "ab".repeat(32))),
        line if line.contains(" PTR ") => Some("1.0.0.127.in-addr.arpa. 60 PTR host.provider.test.".to_owned()),
        line if line.contains("_pop3s.") => None,
        line => Some(line.to_owned()),
    });
    let zone = Zone::start(&slips.collect::<Vec<_>>().join("\n"));
    let config = configured(&dev, &zone, served.port, &site.0);
    let (code, checked) = brevdue(&config, &["dns", "example.test", "--check"]);
    let expected = [
        "differs mx.brevdue.test A/AAAA",
        "differs example.test TXT",
        "differs _dmarc.example.test TXT",
        "differs _25._tcp.mx.brevdue.test TLSA",
        "missing _pop3s._tcp.example.test SRV",
    ];
    assert_eq!(checked["mta_sts_policy"]["state"], "ok");
    assert_eq!((code, wrong(&checked)), (1, expected.map(str::to_owned).to_vec()), "{checked}");
}
