//! What strangers' servers and zones tell outbound: answers to EHLO, MTA-STS policies and records, TLSRPT records, TLSA data.
//! Nothing panics; a policy's lines are the policy; no host is named by a pattern that is not its own or its parent's.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outbound::dane::Association;
use outbound::mta_sts::{Policy, record_id};
use outbound::tls_report::places;
use smtp::ReplyParser;
use smtp::client::Offers;

fuzz_target!(|data: &[u8]| {
    let (mut parser, mut input) = (ReplyParser::default(), data);
    while let Ok(Some(reply)) = parser.push(&mut input) {
        let offers = Offers::of(&reply);
        assert!(offers.limits.recipients_max != Some(0) && offers.limits.transactions_max != Some(0));
    }
    if let Ok(policy) = Policy::parse(data) {
        assert_eq!(Policy::parse(policy.lines().join("\r\n").as_bytes()).as_ref(), Ok(&policy));
        for pattern in &policy.patterns {
            let host = pattern.replacen('*', "mx", 1);
            assert!(policy.names(&host));
        }
    }
    if let Some(id) = record_id([data]) {
        assert!(id.len() <= 32);
    }
    let _ = places([data]);
    if let [usage, selector, matching, rest @ ..] = data {
        let _ = Association::new(*usage, *selector, *matching, rest);
    }
});
