//! Whose results a field claims to be, and that nothing else is changed in passing.

use super::*;
use proptest::prelude::*;

#[test]
fn whom_a_field_names() {
    let forged = |value: &str| is_forged(format!("Authentication-Results:{value}\r\n").as_bytes(), "mx.example");
    for ours in [
        " mx.example; none",
        "MX.Example;",
        "\r\n\tmx.example 1; spf=pass",
        " (a (nested) \\) one) mx.example",
        "\"mx.example\";",
        "\"mx.\\example\" ; x=y",
        " mx.example",
        "; spf=pass",
        " (c); dkim=pass",
    ] {
        assert!(forged(ours), "{ours:?}");
    }
    for other in [
        " other.example; none",
        " mx.example.org; none",
        "x mx.example;",
        " (mx.example) other;",
        "",
        " ;",
        " (unclosed mx.example",
    ] {
        assert!(!forged(other), "{other:?}");
    }
    assert!(is_forged(b"AUTHENTICATION-results \t: mx.example; none\r\n", "mx.example"));
    assert!(!is_forged(b"ARC-Authentication-Results: i=1; mx.example; none\r\n", "mx.example"));
    assert!(!is_forged(b"X-Authentication-Results: mx.example; none\r\n", "mx.example"));
}

/// A megabyte of it took minutes once: every blank behind the name was looked at again with each that came after it.
#[test]
fn blanks_behind_the_name_take_one_look_each() {
    let line = format!("Authentication-Results{}\r\n", " ".repeat(FIELD_BYTES_MAX - 100));
    let message = line.repeat(16).into_bytes();
    assert_eq!(filtered(&message, 1_000), (message, 0));
    let long = format!("Authentication-Results{}: mx.example; none\r\n\r\n", " ".repeat(FIELD_BYTES_MAX));
    assert_eq!(filtered(long.as_bytes(), 1_000), (long.clone().into_bytes(), 0), "so long a name is none");
    let short = format!("Authentication-Results{}: mx.example; none\r\n\r\n", " ".repeat(1_000));
    assert_eq!(filtered(short.as_bytes(), 7), (b"\r\n".to_vec(), 1));
    assert_eq!(filtered(b"\ruthentication-results: mx.example; none\r\n\r\n", 1).1, 0);
}

fn filtered(message: &[u8], size: usize) -> (Vec<u8>, usize) {
    let (mut filter, mut out) = (ForgedFilter::new("mx.example"), Vec::new());
    message.chunks(size).for_each(|piece| filter.push(piece, &mut out));
    filter.finish(&mut out);
    (out, filter.removed())
}

#[test]
fn forged_ones_are_taken_out_and_nothing_else() {
    let message = b"Authentication-Results: mx.example;\r\n spf=pass\r\nFrom: a@b\r\nauthentication-results: other;\r\n\tmx.example\r\n\
        Authentication-Resultsx: mx.example\r\nAuthentication-Result: mx.example\r\nX: y\r\n authentication-results: mx.example\r\n\
        Authentication-Results\t : mx.example; none\r\n\r\nAuthentication-Results: mx.example; body\r\n";
    let kept = b"From: a@b\r\nauthentication-results: other;\r\n\tmx.example\r\n\
        Authentication-Resultsx: mx.example\r\nAuthentication-Result: mx.example\r\nX: y\r\n authentication-results: mx.example\r\n\
        \r\nAuthentication-Results: mx.example; body\r\n";
    for size in 1..message.len() {
        assert_eq!(filtered(message, size), (kept.to_vec(), 2), "pieces of {size}");
    }
    assert_eq!(filtered(b"Authentication-Results: mx.example", 7), (vec![], 1));
    assert_eq!(filtered(b"Authentication-Results", 7), (b"Authentication-Results".to_vec(), 0));
    assert_eq!(filtered(b"\r\nAuthentication-Results: mx.example\r\n", 3).1, 0);
    let long =
        [b"Authentication-Results: other;".as_slice(), &vec![b'x'; FIELD_BYTES_MAX], b"\r\nFrom: a@b\r\n\r\n"].concat();
    assert_eq!(filtered(&long, 4096), (b"From: a@b\r\n\r\n".to_vec(), 1));
}

proptest! {
    #[test]
    fn what_names_nobody_of_ours_passes_whole(message in "([aA]uthentication-[rR]esults|[A-Z]| |:|\r|\n|\r\n|\t|x){0,40}", size in 1usize..9) {
        let (out, removed) = filtered(message.as_bytes(), size);
        prop_assert_eq!(removed, 0);
        prop_assert_eq!(out, message.into_bytes());
    }
}
