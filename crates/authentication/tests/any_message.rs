//! Whatever a message is made of, there is a result, and no panic: fields of signatures and chains put together at random.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use authentication::{BodyStream, ForgedFilter, Peer, Results, Signer, envelope, is_forged, seal_arc, verify};
use dns::Resolver;
use jiff::Timestamp;
use proptest::prelude::*;

fn judge(message: &[u8], size: usize) -> Results {
    let mut stream = BodyStream::new();
    message.chunks(size.max(1)).for_each(|piece| stream.push(piece));
    let checked = stream.finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let results = runtime.block_on(async {
        let resolver = Resolver::disabled();
        let peer = Peer { ip: "192.0.2.1".parse().unwrap(), helo: "h", mail_from: "a@b.example", host: "mx" };
        verify(&resolver, envelope(&resolver, &peer).await, &checked).await
    });
    let field = results.field("mx.example");
    assert!(field.is_ascii() && field.lines().all(|line| line.len() <= 998), "{field}");
    drop(seal_arc(&Signer::new(Vec::new()), "mx", &results, &checked, Timestamp::UNIX_EPOCH));
    results
}

const TAGS: &str = "((v=1|a=rsa-sha256|a=rsa-sha1|a=ed25519-sha256|d=x.example|s=s|b=AAAA|bh=47DEQpj8HBSa|h=from:to|h=|c=simple|c=relaxed/simple|i=[0-9]{1,3}|i=@x|l=[0-9]{0,20}|t=[0-9]{0,20}|x=[0-9]{0,20}|cv=pass|cv=none|cv=fail|q=dns|z=a:b|r=y|atps=x|atpsh=sha1|=|;|=[A-F0-9]{2}|\r\n\t);?){0,14}";

proptest! {
    #[test]
    fn any_fields(
        fields in proptest::collection::vec(("(DKIM-Signature|ARC-Seal|ARC-Message-Signature|ARC-Authentication-Results|From|Authentication-Results|X) ?", TAGS), 0..12),
        body in "(x|\r\n| ){0,9}",
        size in 1usize..50,
    ) {
        let header: String = fields.iter().map(|(name, tags)| format!("{name}: {tags}\r\n")).collect();
        let message = format!("{header}From: a@x.example\r\n\r\n{body}");
        let whole = judge(message.as_bytes(), message.len());
        prop_assert_eq!(judge(message.as_bytes(), size), whole);
    }

    #[test]
    fn any_octets(message in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b':'), any::<u8>()], 0..200), size in 1usize..50) {
        judge(&message, size);
        let (mut filter, mut out) = (ForgedFilter::new("mx"), Vec::new());
        message.chunks(size).for_each(|piece| filter.push(piece, &mut out));
        filter.finish(&mut out);
        is_forged(&message, "mx");
    }
}
