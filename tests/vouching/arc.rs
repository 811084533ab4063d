//! ARC: chains that are sealed here and by dkimpy, in turns, verified by both.

use crate::dkim::{MESSAGE, key_file, results};
use crate::python::{lines, vouch};
use crate::support::{Keys, block_on, resolver, went_by};
use authentication::{ForgedFilter, Signer, Verdict, seal_arc};
use dns::Resolver;
use harness::zone::Zone;
use jiff::Timestamp;

async fn seal(resolver: &Resolver, signer: &Signer, message: &[u8]) -> Option<Vec<u8>> {
    let found = results(resolver, message).await;
    let set = seal_arc(signer, "fwd.example", &found, &went_by(message), Timestamp::now()).unwrap()?;
    assert!(set.lines().all(|line| line.len() <= 78), "{set}");
    Some([set.as_bytes(), message].concat())
}

/// What was said at this host before goes when the message comes back to it.
fn without_ours(message: &[u8]) -> Vec<u8> {
    let (mut filter, mut out) = (ForgedFilter::new("fwd.example"), Vec::new());
    filter.push(message, &mut out);
    filter.finish(&mut out);
    out
}

#[test]
fn chains_made_here_and_there() {
    let (author, forwarder) = (Keys::of("example.com"), Keys::of("fwd.example"));
    let zone = Zone::start(&[author.records(), forwarder.records()].concat());
    let port = zone.port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = key_file(folder.path(), &forwarder.rsa);
    let there = |message: &[u8]| {
        let set = vouch(&["arc-sign", "fwd.example", "r1", file.to_str().unwrap(), "fwd.example"], message);
        [set, message.to_vec()].concat()
    };
    let fields = author.signer().sign(b"", &went_by(MESSAGE), Timestamp::now()).unwrap();
    let signed = [fields.as_bytes(), MESSAGE].concat();
    let signer = forwarder.signer();
    block_on(async {
        let resolver = resolver(&zone);
        assert_eq!(results(&resolver, &signed).await.arc.result, Verdict::None);
        let mut chain = signed.clone();
        for hops in 1..=4 {
            // Ours and theirs in turns; theirs wants our results in front, as a forwarder adds them.
            chain = if hops % 2 == 1 {
                seal(&resolver, &signer, &chain).await.unwrap()
            } else {
                let found = results(&resolver, &chain).await.field("fwd.example");
                there(&[found.as_bytes(), &without_ours(&chain)].concat())
            };
            assert_eq!(lines(&["arc-verify", &port], &chain), ["pass"], "{hops} sets");
            let found = results(&resolver, &chain).await;
            assert_eq!((found.arc.result, found.arc.sets.len()), (Verdict::Pass, hops), "{:?}", found.arc.reason);
            assert_eq!(found.arc.sets[0].domain, "fwd.example");
            let said = &found.arc.sets[0].results;
            assert!(said.starts_with("i=1; fwd.example;") && said.contains("dkim=pass header.d=example.com"), "{said}");
            // The author's signatures still hold.
            assert!(found.dkim.iter().all(|one| one.result.is_pass()) && found.dkim.len() == 2);
        }
        broken(&resolver, &signer, &chain, &port).await;
    });
}

async fn broken(resolver: &Resolver, signer: &Signer, chain: &[u8], port: &str) {
    let changed = [chain, b"footer\r\n".as_slice()].concat();
    let found = results(resolver, &changed).await;
    assert_eq!((found.arc.result, found.arc.reason), (Verdict::Fail, Some("the body was changed")));
    // That is said once, and then no more.
    let told = seal(resolver, signer, &changed).await.unwrap();
    assert!(String::from_utf8_lossy(&told).contains("cv=fail"));
    // dkimpy takes a chain that was ended so for none.
    assert_eq!(lines(&["arc-verify", port], &told), ["none"]);
    assert_eq!(results(resolver, &told).await.arc.reason, Some("it had failed before"));
    assert_eq!(seal(resolver, signer, &told).await, None);
    let text = String::from_utf8_lossy(chain).into_owned();
    let without_newest_seal = text.replacen("ARC-Seal:", "X-Seal:", 1).into_bytes();
    assert_eq!(results(resolver, &without_newest_seal).await.arc.result, Verdict::Fail);
    let renumbered = text.replace("i=1;", "i=7;").into_bytes();
    assert_eq!(results(resolver, &renumbered).await.arc.result, Verdict::Fail);
    let only_results = [b"ARC-Authentication-Results: i=1; x; none\r\n".as_slice(), crate::dkim::MESSAGE].concat();
    assert_eq!(results(resolver, &only_results).await.arc.result, Verdict::Fail);
    let many: String = (1..=60).map(|at| format!("ARC-Seal: i={at}; a=rsa-sha256; cv=pass; d=x.example; s=s; b=AAAA\r\nARC-Message-Signature: i={at}; a=rsa-sha256; d=x.example; s=s; h=from; bh=AAAA; b=AAAA\r\nARC-Authentication-Results: i={at}; x; none\r\n")).collect();
    let many = [many.as_bytes(), crate::dkim::MESSAGE].concat();
    assert_eq!(results(resolver, &many).await.arc.result, Verdict::Fail);
    assert_eq!(seal(resolver, signer, &many).await, None);
    assert_eq!(seal_arc(&Signer::new(vec![]), "x", &found, &went_by(chain), Timestamp::now()), Ok(None));
}
