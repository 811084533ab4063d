//! DKIM: what is signed here passes at dkimpy, and what dkimpy signs passes here; and what must not pass.

use crate::python::{lines, vouch};
use crate::support::{Keys, block_on, resolver, went_by};
use authentication::{Envelope, Peer, Results, SignError, Verdict, envelope, verify};
use base64::Engine;
use dns::Resolver;
use harness::zone::Zone;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use vault::signing::Algorithm;

pub const MESSAGE: &[u8] =
    b"Received: from x by y; Mon, 24 Nov 2025 05:07:09 +0000\r\nFrom: Ann\r\n\t<ann@example.com>\r\n\
    To: Bob <bob@example.org>\r\nSUBJECT:   Folded \r\n  and   spaced\t\r\nDate: Mon, 24 Nov 2025 05:07:09 +0000\r\n\
    Message-ID: <1@example.com>\r\n\r\nA  line \r\n\r\n.dotted\r\n\t tab\r\nlast line\r\n\r\n\r\n";

pub async fn sender(resolver: &Resolver) -> Envelope {
    let peer = Peer { ip: "192.0.2.1".parse().unwrap(), helo: "x", mail_from: "ann@example.com", host: "mx.test" };
    envelope(resolver, &peer).await
}

pub async fn results(resolver: &Resolver, message: &[u8]) -> Results {
    verify(resolver, sender(resolver).await, &went_by(message)).await
}

/// The private key as dkimpy reads it.
pub fn key_file(folder: &Path, key: &vault::signing::PrivateKey) -> PathBuf {
    let encode = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let (name, text) = match key.algorithm() {
        Algorithm::Rsa2048 => {
            ("rsa", format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", encode(key.pkcs8())))
        }
        // RFC 8410 §7: the 32 octets of the key are inside two octet strings.
        Algorithm::Ed25519 => ("ed25519", encode(&key.pkcs8()[16..48])),
    };
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn what_is_signed_here_passes_there() {
    let keys = Keys::of("example.com");
    let zone = Zone::start(&keys.records());
    let port = zone.port().to_string();
    let signer = keys.signer();
    let header = &MESSAGE[..MESSAGE.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4];
    let bodies: [&[u8]; 6] =
        [b"", b"\r\n", b"one line", "gr\u{fc}\u{df}e\r\n".as_bytes(), b"  \r\n\t\r\n\r\n", &[b'x'; 70_000]];
    let mut messages: Vec<Vec<u8>> = bodies.iter().map(|body| [header, body].concat()).collect();
    messages.push(MESSAGE.to_vec());
    messages.push(header[..header.len() - 2].to_vec());
    block_on(async {
        let resolver = resolver(&zone);
        for message in messages {
            let prefix = b"Reply-To: late@example.com\r\n";
            let fields = signer.sign(prefix, &went_by(&message), Timestamp::now()).unwrap();
            assert!(fields.lines().all(|line| line.len() <= 78), "{fields}");
            let signed = [fields.as_bytes(), prefix, &message].concat();
            assert_eq!(
                lines(&["dkim-verify", &port], &signed),
                ["pass", "pass"],
                "{}",
                String::from_utf8_lossy(&signed)
            );
            let found = results(&resolver, &signed).await;
            let read: Vec<_> =
                found.dkim.iter().map(|one| (one.result, one.selector.as_str(), one.algorithm)).collect();
            assert_eq!(read, [(Verdict::Pass, "r1", "rsa-sha256"), (Verdict::Pass, "e1", "ed25519-sha256")]);
            // A second Subject in front, or a changed body, undoes both.
            if !message.windows(4).any(|end| end == b"\r\n\r\n") {
                continue;
            }
            for changed in
                [[b"Subject: another\r\n", signed.as_slice()].concat(), [&signed, b"more".as_slice()].concat()]
            {
                assert_eq!(lines(&["dkim-verify", &port], &changed).iter().filter(|one| *one == "pass").count(), 0);
                assert!(results(&resolver, &changed).await.dkim.iter().all(|one| one.result == Verdict::Fail));
            }
        }
    });
}

#[test]
fn what_is_not_signed() {
    let signer = Keys::of("example.com").signer();
    let sign = |message: &[u8]| signer.sign(b"", &went_by(message), Timestamp::now());
    assert_eq!(sign(b"To: x@y\r\n\r\n"), Err(SignError::Header));
    assert_eq!(sign(b""), Err(SignError::Header));
    assert_eq!(
        sign(&[b"From: a@b\r\n".as_slice(), &b"To: c@d\r\n".repeat(100), b"\r\n"].concat()),
        Err(SignError::Header)
    );
    let large = [b"From: a@b\r\nX: ".as_slice(), &vec![b'x'; 300_000], b"\r\n\r\nbody\r\n"].concat();
    assert!(went_by(&large).header_too_large());
    assert_eq!(sign(&large), Err(SignError::Header));
}

#[test]
fn what_is_signed_there_passes_here() {
    let keys = Keys::of("example.com");
    let zone = Zone::start(&keys.records());
    let folder = tempfile::tempdir().unwrap();
    let files = [
        (key_file(folder.path(), &keys.rsa), "r1", "rsa-sha256"),
        (key_file(folder.path(), &keys.ed25519), "e1", "ed25519-sha256"),
    ];
    block_on(async {
        let resolver = resolver(&zone);
        for (file, selector, algorithm) in files {
            let file = file.to_str().unwrap();
            for forms in ["simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"] {
                let sign =
                    |length| vouch(&["dkim-sign", "example.com", selector, algorithm, file, forms, length], MESSAGE);
                let signed = [sign("whole"), MESSAGE.to_vec()].concat();
                let found = results(&resolver, &signed).await;
                let one = &found.dkim[0];
                assert_eq!((found.dkim.len(), one.result, one.reason), (1, Verdict::Pass, None), "{algorithm} {forms}");
                assert_eq!(
                    (one.domain.as_str(), one.selector.as_str(), one.algorithm),
                    ("example.com", selector, algorithm)
                );
                // A length leaves room for what nobody signed.
                let partial = [sign("length"), MESSAGE.to_vec(), b"more\r\n".to_vec()].concat();
                let found = results(&resolver, &partial).await;
                assert_eq!(
                    (found.dkim.len(), found.dkim[0].result),
                    (1, Verdict::Policy),
                    "{algorithm} {forms} with l="
                );
            }
        }
    });
}

#[test]
fn what_does_not_pass() {
    let keys = Keys::of("example.com");
    let ours = keys.records();
    let weak = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ";
    let records = format!(
        "{ours}gone._domainkey.example.com. 60 TXT \"v=DKIM1; p=\"\nodd._domainkey.example.com. 60 TXT \"{weak}\"\nforged._domainkey.bogus. 60 TXT \"v=DKIM1; p=x\"\n"
    );
    let zone = Zone::start(&records);
    let fields = keys.signer().sign(b"", &went_by(MESSAGE), Timestamp::now()).unwrap();
    let rsa = &fields[..fields.find("DKIM-Signature: v=1; a=ed").unwrap()];
    let change = |from: &str, to: &str| [rsa.replacen(from, to, 1).as_bytes(), MESSAGE].concat();
    block_on(async {
        let resolver = resolver(&zone);
        for (message, result, reason) in [
            (change("s=r1;", "s=none;"), Verdict::PermError, "no key"),
            (change("s=r1;", "s=gone;"), Verdict::PermError, "the key was withdrawn"),
            (change("s=r1;", "s=odd;"), Verdict::PermError, "the key's record is none"),
            (
                change("d=example.com; s=r1;", "d=bogus; s=forged;"),
                Verdict::TempError,
                "the key cannot be looked up now",
            ),
            (change("s=r1;", "s=e1;"), Verdict::Neutral, "not of a kind that is known here"),
            (change("a=rsa-sha256", "a=rsa-sha1"), Verdict::Policy, "rsa-sha1 is not accepted"),
            (change("a=rsa-sha256", "a=rsa-md5"), Verdict::Neutral, "not of a kind that is known here"),
            (change("v=1;", "v=2;"), Verdict::Neutral, "not of a kind that is known here"),
            (change("bh=", "zz="), Verdict::Neutral, "the field cannot be read"),
            (change("t=", "x=1; t="), Verdict::Fail, "the signature has expired"),
            (change("t=", "l=3; t="), Verdict::Policy, "l= leaves a part of the body unsigned"),
            (change("t=", "i=ann@elsewhere.example; t="), Verdict::PermError, "i= is not of the domain d="),
            (
                [rsa.replace("h=from: ", "h=").replace(" from:", "").as_bytes(), MESSAGE].concat(),
                Verdict::PermError,
                "From is not signed",
            ),
        ] {
            let found = results(&resolver, &message).await;
            assert_eq!(found.dkim.len(), 1, "{reason}");
            assert_eq!((found.dkim[0].result, found.dkim[0].reason), (result, Some(reason)));
            assert!(!found.is_signed());
        }
        // Of many signatures only the first few are looked at.
        let flood = [rsa.repeat(100).as_bytes(), MESSAGE].concat();
        let found = results(&resolver, &flood).await;
        assert_eq!(found.dkim.len(), authentication::limits::SIGNATURES_MAX);
        // And none behind a header that is too large.
        let large = [rsa.as_bytes(), b"X: ", &vec![b'x'; 300_000], b"\r\n", MESSAGE].concat();
        let found = results(&resolver, &large).await;
        assert_eq!(
            (found.dkim.len(), found.arc.result, found.dmarc.result),
            (0, Verdict::PermError, Verdict::PermError)
        );
        // Nor in what is no message.
        for nothing in [b"".as_slice(), b"\r\n", b"\r\nbody\r\n", b"no field\r\n\r\n", b"\0\0\0"] {
            assert_eq!(results(&resolver, nothing).await.dkim.len(), 0);
        }
    });
}
