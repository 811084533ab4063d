//! Postfix as the receiving side: with and without TLS, DSN, 8 bits, SMTPUTF8 and 20 MB.

use crate::support::{
    SMALL, Text, connect, connect_with, deferred, delivered, failed, letter, patience, recipients, small, tls, verdicts,
};
use harness::postfix::{Postfix, certificate};
use outbound::connection::Security;
use outbound::fault::Fault;
use outbound::letter::Letter;
use outbound::tls::Demand;
use outbound::transaction::send;
use smtp::client::{Notify, ReturnText};

/// A message as it lies in a maildir: LF for CRLF, and fields of Postfix's own around those that were sent.
fn arrived_as(sent: &[u8], stored: &[u8]) -> bool {
    let lf: Vec<u8> = sent.iter().copied().filter(|byte| *byte != b'\r').collect();
    let halves = |text: &[u8]| {
        let end = text.windows(2).position(|pair| pair == b"\n\n").unwrap();
        (text[..end].split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>(), text[end..].to_vec())
    };
    let ((fields, body), (kept, arrived)) = (halves(&lf), halves(stored));
    body == arrived && fields.iter().all(|field| kept.contains(field))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_recipient_has_its_own_outcome_and_the_connection_goes_on() {
    let Some(postfix) = Postfix::start(&[]) else { return };
    let mut connection = connect(postfix.port).await.unwrap();
    assert_eq!(connection.security(), Security::Clear);
    let text = small();
    let to =
        recipients(&["good1@postfix.test", "bad@postfix.test", "later@postfix.test", "not an address", "good2@x.test"]);
    let sent = send(&mut connection, &letter(&text), &to, &text).await;
    assert!(sent.fault.is_none(), "{:?}", sent.fault);
    let expected =
        [delivered(true, "2.0.0"), failed("5.1.1"), deferred("4.2.1"), failed("5.1.3"), delivered(true, "2.0.0")];
    assert_eq!(verdicts(&sent), expected);
    // All refused, then one more message over the same connection.
    let none = send(&mut connection, &letter(&text), &recipients(&["bad@postfix.test"]), &text).await;
    assert!(none.fault.is_none());
    assert_eq!(verdicts(&none), [failed("5.1.1")]);
    let again = send(&mut connection, &letter(&text), &recipients(&["good3@postfix.test"]), &text).await;
    assert_eq!(verdicts(&again), [delivered(true, "2.0.0")]);
    connection.quit().await;
    for stored in postfix.wait_for(3) {
        assert!(arrived_as(SMALL.as_bytes(), &stored), "{}", String::from_utf8_lossy(&stored));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_pipelining_it_is_the_same() {
    let Some(postfix) = Postfix::start(&["smtpd_discard_ehlo_keywords = pipelining, dsn, enhancedstatuscodes"]) else {
        return;
    };
    let mut connection = connect(postfix.port).await.unwrap();
    assert!(!connection.offers().pipelining && !connection.offers().dsn);
    let text = small();
    let to = recipients(&["bad@postfix.test", "good@postfix.test"]);
    let sent = send(&mut connection, &letter(&text), &to, &text).await;
    assert_eq!(verdicts(&sent), [failed("5.1.1"), delivered(false, "2.0.0")]);
    assert_eq!(postfix.wait_for(1).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_megabytes_arrive_whole() {
    let Some(postfix) = Postfix::start(&[]) else { return };
    let mut connection = connect(postfix.port).await.unwrap();
    let mut whole = b"Subject: big\r\n\r\n".to_vec();
    for line in 0.. {
        if whole.len() > 20_000_000 {
            break;
        }
        whole.extend_from_slice(format!(".{line:070}\r\n").as_bytes());
    }
    let text = Text(whole);
    let sent = send(&mut connection, &letter(&text), &recipients(&["good@postfix.test"]), &text).await;
    assert_eq!(verdicts(&sent), [delivered(true, "2.0.0")]);
    let stored = postfix.wait_for(1);
    assert!(arrived_as(&text.0, &stored[0]));
    // What is over the announced size is not sent at all.
    let over = Letter { size: 60_000_000, ..letter(&text) };
    let sent = send(&mut connection, &over, &recipients(&["good@postfix.test"]), &text).await;
    assert_eq!(verdicts(&sent), [failed("5.3.4")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_bits_and_utf8() {
    let Some(postfix) = Postfix::start(&["smtputf8_enable = yes", "smtputf8_autodetect_classes = all"]) else { return };
    let mut connection = connect(postfix.port).await.unwrap();
    let text = Text("Subject: gr\u{fc}n\r\n\r\n\u{1f54a}\r\n".as_bytes().to_vec());
    let utf8 = Letter { utf8: true, eight_bit: true, ..letter(&text) };
    let sent = send(&mut connection, &utf8, &recipients(&["good-j\u{f8}rn@postfix.test"]), &text).await;
    assert_eq!(verdicts(&sent), [delivered(true, "2.0.0")]);
    assert!(arrived_as(&text.0, &postfix.wait_for(1)[0]));

    let Some(old) = Postfix::start(&["smtpd_discard_ehlo_keywords = 8bitmime, smtputf8"]) else { return };
    let mut connection = connect(old.port).await.unwrap();
    let to = recipients(&["good@postfix.test"]);
    let eight = Letter { eight_bit: true, ..letter(&text) };
    assert_eq!(verdicts(&send(&mut connection, &eight, &to, &text).await), [failed("5.6.3")]);
    let utf8 = Letter { utf8: true, ..letter(&text) };
    assert_eq!(verdicts(&send(&mut connection, &utf8, &to, &text).await), [failed("5.6.7")]);
    let required = Letter { require_tls: true, ..letter(&text) };
    assert_eq!(verdicts(&send(&mut connection, &required, &to, &text).await), [failed("5.7.30")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_notices_are_passed_on() {
    let Some(postfix) = Postfix::start(&[]) else { return };
    let mut connection = connect(postfix.port).await.unwrap();
    let text = small();
    let asked = Letter { ret: Some(ReturnText::Headers), envelope_id: "QQ+2B1".to_owned(), ..letter(&text) };
    let mut to = recipients(&["good@postfix.test"]);
    to[0].notify = Notify::from_bits(2);
    to[0].original = "rfc822;first+2Bx@postfix.test".to_owned();
    let sent = send(&mut connection, &asked, &to, &text).await;
    assert_eq!(verdicts(&sent), [delivered(true, "2.0.0")]);
    let stored = String::from_utf8(postfix.wait_for(1).remove(0)).unwrap();
    assert!(stored.contains("X-Original-To: first+x@postfix.test") || stored.contains("good@postfix.test"), "{stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_as_it_is_demanded() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(folder.path(), "mx.postfix.test");
    std::process::Command::new("chmod").arg("755").arg(folder.path()).status().unwrap();
    let settings = Postfix::tls(&cert, &key);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let Some(postfix) = Postfix::start(&settings) else { return };
    let (strangers, friends) = (tls(None), tls(Some(&cert)));
    let text = small();
    for (demand, trust, security) in [
        (Demand::Opportunistic, &strangers, Security::Encrypted),
        (Demand::Encrypted, &strangers, Security::Encrypted),
        (Demand::Authority, &friends, Security::Verified),
        (Demand::Never, &strangers, Security::Clear),
    ] {
        let mut connection = connect_with(postfix.port, &demand, trust, patience()).await.unwrap();
        assert_eq!(connection.security(), security);
        let sent = send(&mut connection, &letter(&text), &recipients(&["good@postfix.test"]), &text).await;
        assert_eq!(verdicts(&sent), [delivered(true, "2.0.0")]);
        connection.quit().await;
    }
    let refused = connect_with(postfix.port, &Demand::Authority, &strangers, patience()).await;
    assert!(matches!(refused, Err(Fault::Handshake(_))));
    let Some(clear) = Postfix::start(&[]) else { return };
    let refused = connect_with(clear.port, &Demand::Encrypted, &strangers, patience()).await;
    assert!(matches!(refused, Err(Fault::NoTls)));
}
