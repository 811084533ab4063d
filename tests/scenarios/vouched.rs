//! Mail that people send, in the eyes of those who get it: dkimpy and authheaders at Postfix, with the records that the command
//! line tells, through a change of keys.

use harness::exchange::{Exchange, as_sent, brevdue};
use harness::postfix::Postfix;
use harness::until;
use harness::vouch::lines;
use serde_json::Value;

const RECORDS: &str = "postfix.test. 60 MX 10 mx.postfix.test.\nmx.postfix.test. 60 A 127.0.0.1\n";

fn message(subject: &str) -> String {
    format!(
        "From: u1@example.test\r\nTo: good@postfix.test\r\nBcc: good@postfix.test\r\nSubject: {subject}\r\n\r\nHello  there \r\n"
    )
}

/// What the verifiers say of the message with this subject at Postfix.
fn judged(exchange: &Exchange, postfix: &Postfix, subject: &str) -> Vec<String> {
    exchange.submit(&message(subject), &["good@postfix.test"]);
    let field = format!("Subject: {subject}\n");
    let arrived = until("the message arrives", || {
        postfix.messages().into_iter().find(|message| String::from_utf8_lossy(message).contains(&field))
    });
    let text = String::from_utf8_lossy(&arrived).into_owned();
    // What a mail program need not write is there, and what nobody is to see is not.
    assert!(text.contains("\nDate: ") && text.contains("\nMessage-ID: <") && !text.contains("Bcc:"), "{text}");
    let port = exchange.zone.port().to_string();
    let asked = ["dmarc", &port, "127.0.0.1", "u1@example.test", "outbound.brevdue.test"];
    lines(&asked, &as_sent(&arrived))
}

/// The selectors of the keys in this state.
fn selectors(exchange: &Exchange, state: &str) -> Vec<String> {
    let listed = exchange.command(&["domain", "dkim", "list", "example.test"]);
    let keys = listed.as_array().unwrap().iter().filter(|key| key["state"] == state);
    keys.map(|key| key["selector"].as_str().unwrap().to_owned()).collect()
}

/// Both signatures pass, and so does SPF; each alone is enough for DMARC.
fn assert_passes(judged: &[String], selectors: &[String]) {
    let [rsa, ed25519] = selectors else { panic!("two keys sign: {selectors:?}") };
    let expected = [
        format!("{rsa} example.test rsa-sha256 pass dmarc=pass"),
        format!("{ed25519} example.test ed25519-sha256 pass dmarc=pass"),
        "spf pass dmarc=pass".to_owned(),
    ];
    assert_eq!(judged, expected);
}

#[test]
fn both_keys_and_dmarc_pass_through_a_change_of_keys() {
    let postfix = Postfix::start(&[]).expect("Postfix runs; scripts/setup brings it, and it needs root");
    let mut exchange = Exchange::start(RECORDS, postfix.port, "");
    exchange.publish();
    let first = selectors(&exchange, "active");
    assert_passes(&judged(&exchange, &postfix, "first"), &first);

    exchange.command(&["domain", "dkim", "add", "example.test"]);
    let next = selectors(&exchange, "next");
    assert_eq!(next.len(), 2);
    // Keys whose records nobody can see are not rotated to.
    let output = exchange.run(&["domain", "dkim", "rotate", "example.test"]);
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = format!(
        "brevdue: example.test: DNS has not, or not as it should be, {}._domainkey.example.test and \
         {}._domainkey.example.test; publish what `brevdue dns example.test` prints, or give --anyway\n",
        next[0], next[1]
    );
    assert_eq!((output.status.code(), why), (Some(1), expected));
    assert_passes(&judged(&exchange, &postfix, "not yet"), &first);

    exchange.publish();
    let (code, rotated) = brevdue(&exchange.configuration(), &["domain", "dkim", "rotate", "example.test"]);
    assert_eq!(code, 0, "{rotated}");
    let states: Vec<&Value> = rotated.as_array().unwrap().iter().map(|key| &key["state"]).collect();
    assert_eq!(states, ["active", "active", "retired", "retired"]);
    assert_eq!(selectors(&exchange, "active"), next);
    assert_passes(&judged(&exchange, &postfix, "changed"), &next);
    exchange.dev.stop();
}
