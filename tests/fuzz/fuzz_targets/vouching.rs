//! A message of any octets, once whole and once in pieces: the same verdicts, and a field that no word of a stranger's leaves;
//! forged results are taken out of it the same way; and any local-part as a rewritten one, any text as a record of SPF, DKIM, DMARC.
#![no_main]

use authentication::srs::Keys;
use authentication::zone;
use authentication::{BodyStream, ForgedFilter, Peer, Results, Signer, envelope, is_forged, seal_arc, verify};
use dns::Resolver;
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use vault::Secret32;

fn judge(message: &[u8], size: usize) -> (Results, Vec<u8>) {
    let (mut stream, mut filter, mut kept) = (BodyStream::new(), ForgedFilter::new("mx.example"), Vec::new());
    for piece in message.chunks(size) {
        stream.push(piece);
        filter.push(piece, &mut kept);
    }
    filter.finish(&mut kept);
    let checked = stream.finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let results = runtime.block_on(async {
        let resolver = Resolver::disabled();
        let peer = Peer { ip: [192, 0, 2, 1].into(), helo: "h", mail_from: "a@b.example", host: "mx.example" };
        verify(&resolver, envelope(&resolver, &peer).await, &checked).await
    });
    let sealed = seal_arc(&Signer::new(Vec::new()), "mx.example", &results, &checked, Timestamp::UNIX_EPOCH);
    assert!(sealed.is_err() || sealed == Ok(None), "nothing is sealed without a key");
    (results, kept)
}

/// The same octets as a record of a stranger's zone.
fn record(octets: &[u8]) {
    let _ = (zone::is_explanation(octets), zone::is_policy(octets));
    assert!(zone::key_bits(octets).is_none_or(|bits| bits <= 8 * octets.len()));
    if !octets.is_ascii() || octets.len() > 1_000 || !octets.starts_with(b"v=spf1 ") || !zone::is_spf(octets) {
        return;
    }
    // Each term is good by itself, and spaces between them make no difference.
    let mut spaced = b"v=spf1".to_vec();
    for term in octets[7..].split(|octet| *octet == b' ').filter(|term| !term.is_empty()) {
        assert!(zone::is_spf(&[b"v=spf1 ", term].concat()));
        spaced.extend_from_slice(b"  ");
        spaced.extend_from_slice(term);
    }
    assert!(zone::is_spf(&spaced));
}

fuzz_target!(|input: &[u8]| {
    let Some((first, message)) = input.split_first() else { return };
    let (results, kept) = judge(message, message.len().max(1));
    assert_eq!(judge(message, usize::from(*first).max(1)), (results.clone(), kept.clone()));
    assert!(kept.len() <= message.len());
    let field = results.field("mx.example");
    assert!(field.is_ascii() && field.lines().all(|line| line.len() <= 998 && !line.is_empty()));
    assert!(is_forged(field.as_bytes(), "mx.example"));
    record(message);
    let text = String::from_utf8_lossy(message);
    let secrets = [Secret32::generate().unwrap()];
    let keys = Keys::new(&secrets).unwrap();
    assert!(keys.reverse(&text, Timestamp::UNIX_EPOCH).is_err(), "nobody guesses a secret that is a moment old");
    if let Ok(forwarded) = keys.forward(&text, "fwd.example", Timestamp::UNIX_EPOCH)
        && let Some((local, _)) = forwarded.rsplit_once('@')
    {
        keys.reverse(local, Timestamp::UNIX_EPOCH).unwrap();
    }
});
