//! Reports on TLS (RFC 8460): what fails on the way to a host is counted, and told to who asked for it when the worker ends, by
//! mail and by POST.

use harness::exchange::{Exchange, as_sent};
use harness::https::Https;
use harness::postfix::{Postfix, certificate};
use harness::until;
use harness::vouch::PYTHON;
use harness::wait::within_a_day;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

/// A message's report, as Python's email and gzip read it.
const READ: &str = "import email, email.policy, gzip, sys\n\
    message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)\n\
    assert message.get_content_type() == 'multipart/report' and message.get_content_type(), message['Content-Type']\n\
    assert message['Content-Type'].params['report-type'] == 'tlsrpt'\n\
    part = next(part for part in message.walk() if part.get_content_type() == 'application/tlsrpt+gzip')\n\
    sys.stdout.buffer.write(gzip.decompress(part.get_content()))\n";

fn read(message: &[u8]) -> Value {
    let mut child =
        Command::new(PYTHON).args(["-c", READ]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(message).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A report's JSON from the body of a POST.
fn unzipped(body: &str) -> Value {
    let octets: Vec<u8> = body.chars().map(|c| u8::try_from(c).unwrap()).collect();
    let mut child = Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&octets).unwrap();
    serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap()
}

/// The queue's name of the message for this address.
fn queued(exchange: &Exchange, address: &str) -> String {
    until("the message is in the queue", || {
        let listed = exchange.command(&["queue", "list"]);
        let is_for = |entry: &&Value| entry["recipients"][0]["address"] == address;
        let found = listed["entries"].as_array()?.iter().find(is_for)?;
        found["id"].as_str().map(str::to_owned)
    })
}

#[test]
fn what_failed_is_told_though_the_report_goes_the_same_way() {
    // A report is of one day, and those of a day that is over are sent in the course of the night.
    within_a_day();
    let folder = tempfile::tempdir().unwrap();
    Command::new("chmod").arg("755").arg(folder.path()).status().unwrap();
    let (cert, key) = certificate(folder.path(), "mx.postfix.test");
    let settings = Postfix::tls(&cert, &key);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let postfix = Postfix::start(&settings).expect("Postfix runs; scripts/setup brings it, and it needs root");
    let port = postfix.port;
    // The site has the policy and takes reports. Nobody vouches for Postfix's certificate.
    let site =
        rcgen::generate_simple_self_signed(vec!["mta-sts.sts.test".to_owned(), "reports.test".to_owned()]).unwrap();
    let files = (folder.path().join("site.crt"), folder.path().join("site.key"));
    fs::write(&files.0, site.cert.pem()).unwrap();
    fs::write(&files.1, site.signing_key.serialize_pem()).unwrap();
    let https =
        Https::start(&files, "version: STSv1\nmode: enforce\nmx: mx.postfix.test\nmax_age: 86400\n", "text/plain");
    let records = format!(
        "mx.postfix.test. 60 A 127.0.0.1\nreports.test. 60 A 127.0.0.1\n\
         dane.test. 60 MX 10 mx.postfix.test.\n_{port}._tcp.mx.dane.test. 60 TLSA 3 1 1 {tlsa}\nmx.dane.test. 60 A 127.0.0.1\n\
         _smtp._tls.dane.test. 60 TXT \"v=TLSRPTv1; rua=mailto:good-reports@dane.test\"\n\
         sts.test. 60 MX 10 mx.postfix.test.\n_mta-sts.sts.test. 60 TXT \"v=STSv1; id=1\"\nmta-sts.sts.test. 60 A 127.0.0.1\n\
         _smtp._tls.sts.test. 60 TXT \"v=TLSRPTv1; rua=https://reports.test:{https}/take,mailto:good-reports@sts.test\"\n\
         plain.test. 60 MX 10 mx.postfix.test.\n\
         _smtp._tls.plain.test. 60 TXT \"v=TLSRPTv1; rua=mailto:good-reports@plain.test\"\n",
        tlsa = "ab".repeat(32),
        https = https.port
    )
    .replacen("dane.test. 60 MX 10 mx.postfix.test.", "dane.test. 60 MX 10 mx.dane.test.", 1);
    let settings = format!("https_port = {}\nca = \"{}\"\n", https.port, files.0.display());
    let exchange = Exchange::start(&records, port, &settings);
    let message = |to: &str| format!("From: u1@example.test\r\nTo: {to}\r\nSubject: not a report\r\n\r\nHello\r\n");
    for to in ["good@dane.test", "good@sts.test"] {
        exchange.submit(&message(to), &[to]);
        exchange.tried(to, 1);
    }
    // A second failure of the one, and a success of the third.
    exchange.command(&["queue", "retry", "--destination", "sts.test"]);
    exchange.tried("good@sts.test", 2);
    exchange.submit(&message("good@plain.test"), &["good@plain.test"]);
    postfix.wait_for(1);

    exchange.dev.terminate_and_wait("outbound", 1);
    // Destinations that failed are left alone for a while, which the operator ends for the reports.
    for to in ["good-reports@dane.test", "good-reports@sts.test"] {
        exchange.command(&["queue", "retry", &queued(&exchange, to)]);
    }
    let arrived = postfix.wait_for(4);
    let mailed = |domain: &str| {
        let to = format!("To: <good-reports@{domain}>\n");
        let found = arrived.iter().find(|message| String::from_utf8_lossy(message).contains(&to));
        let message = found.unwrap_or_else(|| panic!("no report for {domain}"));
        let text = String::from_utf8_lossy(message).into_owned();
        assert!(
            text.contains(&format!("\nTLS-Report-Domain: {domain}\n")) && text.starts_with("Return-Path: <>\n"),
            "{text}"
        );
        read(&as_sent(message))
    };
    let policies = |report: &Value| report["policies"].clone();
    let dane = mailed("dane.test");
    assert_eq!(dane["contact-info"], "postmaster@outbound.brevdue.test");
    assert_eq!(
        policies(&dane),
        json!([{
            "policy": {
                "policy-type": "tlsa",
                "policy-string": [format!("3 1 1 {}", "ab".repeat(32))],
                "policy-domain": "dane.test",
                "mx-host": ["mx.dane.test"],
            },
            "summary": { "total-successful-session-count": 0, "total-failure-session-count": 1 },
            "failure-details": [{
                "result-type": "validation-failure",
                "receiving-mx-hostname": "mx.dane.test",
                "receiving-ip": "127.0.0.1",
                "failed-session-count": 1,
            }],
        }])
    );
    let sts = json!([{
        "policy": {
            "policy-type": "sts",
            "policy-string": ["version: STSv1", "mode: enforce", "mx: mx.postfix.test", "max_age: 86400"],
            "policy-domain": "sts.test",
            "mx-host": ["mx.postfix.test"],
        },
        "summary": { "total-successful-session-count": 0, "total-failure-session-count": 2 },
        "failure-details": [{
            "result-type": "certificate-not-trusted",
            "receiving-mx-hostname": "mx.postfix.test",
            "receiving-ip": "127.0.0.1",
            "failed-session-count": 2,
        }],
    }]);
    assert_eq!(policies(&mailed("sts.test")), sts);
    let plain = policies(&mailed("plain.test"));
    assert_eq!(plain[0]["policy"]["policy-type"], "no-policy-found");
    let good = json!({ "total-successful-session-count": 1, "total-failure-session-count": 0 });
    assert_eq!(plain[0]["summary"], good);

    let posted = until("the report is posted", || {
        https.asked().into_iter().find(|asked| asked["method"] == "POST" && asked["path"] == "/take")
    });
    assert_eq!(posted["headers"]["content-type"], "application/tlsrpt+gzip");
    assert_eq!(policies(&unzipped(posted["body"].as_str().unwrap())), sts);

    // Their own sessions are in no report: the next one has nothing to tell of them.
    exchange.dev.terminate_and_wait("outbound", 1);
    exchange.submit(&message("good@plain.test"), &["good@plain.test"]);
    let arrived = postfix.wait_for(5);
    let told =
        arrived.iter().filter(|message| String::from_utf8_lossy(message).contains("\nTLS-Report-Domain: ")).count();
    assert_eq!(told, 3);
    exchange.dev.stop();
}
