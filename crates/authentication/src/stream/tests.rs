//! That pieces of any size make no difference, and what is kept.

use super::*;
use proptest::prelude::*;

fn hashes(message: &[u8], size: usize) -> (Vec<u8>, [u8; 32], Option<[u8; 32]>) {
    let mut stream = BodyStream::new();
    message.chunks(size).for_each(|piece| stream.push(piece));
    let checked = stream.finish();
    (checked.header, checked.relaxed, checked.simple)
}

const SIMPLE: &str = "DKIM-Signature: v=1; a=rsa-sha256; d=x; s=y; h=from; bh=AAAA; b=AAAA\r\n";

#[test]
fn the_simple_form_is_hashed_when_it_is_asked_for() {
    let plain = b"From: a@b\r\n\r\nbody\r\n";
    assert_eq!(hashes(plain, 100).2, None);
    let asked = [SIMPLE.as_bytes(), plain].concat();
    assert!(hashes(&asked, 100).2.is_some());
    let relaxed = String::from_utf8(asked).unwrap().replace("v=1;", "v=1; c=relaxed/ relaxed;");
    assert_eq!(hashes(relaxed.as_bytes(), 100).2, None);
}

#[test]
fn limits() {
    let header = |size: usize| [b"From: a@b\r\nX: ".as_slice(), &vec![b'x'; size - 18], b"\r\n\r\n"].concat();
    let checked = |message: &[u8], size: usize| {
        let mut stream = BodyStream::new();
        message.chunks(size).for_each(|piece| stream.push(piece));
        stream.finish()
    };
    for size in [1000, 4096, 1_000_000] {
        let fits = checked(&[header(HEADER_BYTES_MAX), b"body\r\n".to_vec()].concat(), size);
        assert!(!fits.header_too_large() && fits.header().len() == HEADER_BYTES_MAX, "{size}");
        let over = checked(&[header(HEADER_BYTES_MAX + 1), b"body\r\n".to_vec()].concat(), size);
        assert!(over.header_too_large() && over.header().is_empty() && over.from_domains().is_empty(), "{size}");
    }
    assert!(checked(&vec![b'x'; 2 * HEADER_BYTES_MAX], 4096).header_too_large());
    let from = checked(b"From: a@B.example, c@b.EXAMPLE, d@b\xc3\xbccher.example, e\r\n\r\n", 5);
    assert_eq!(from.from_domains(), ["b.example", "xn--bcher-kva.example"]);
}

proptest! {
    #[test]
    fn pieces_make_no_difference(body in "( |\t|x|\r\n|\r\n\r\n|\\.){0,30}", size in 1usize..20) {
        let message = format!("{SIMPLE}From: a@b\r\n\r\n{body}");
        let (header, relaxed, simple) = hashes(message.as_bytes(), size);
        prop_assert_eq!(&header, &message.as_bytes()[..message.len() - body.len()]);
        let whole = |form| {
            let mut hash = BodyHash::new(form);
            hash.push(body.as_bytes());
            hash.finish()
        };
        prop_assert_eq!(relaxed, whole(Form::Relaxed));
        prop_assert_eq!(simple, Some(whole(Form::Simple)));
    }
}
