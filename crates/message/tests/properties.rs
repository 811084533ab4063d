//! Properties that hold for any octets: pieces make no difference, parts nest and cover, answers are IMAP.

mod support;

use message::Structure;
use proptest::prelude::*;
use support::rules;

/// Lines that a scanner can trip over, in any order and number.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "Content-Type: multipart/mixed; boundary=a",
        "Content-Type: multipart/digest; boundary=\"a b\"",
        "Content-Type: multipart/alternative; boundary=ab",
        "Content-Type: multipart/related",
        "Content-Type: message/rfc822",
        "Content-Type: text/html; charset=\"x\"; name*0=y",
        "Content-Type: a/b;",
        "Content-Transfer-Encoding: base64",
        "Content-Transfer-Encoding: binary",
        "Content-Transfer-Encoding: (\r\n) BINARY (",
        "Content-Disposition: attachment; filename=\"\\\"",
        "Content-Language: da, en",
        " folded",
        "Subject: =?utf-8?q?=C3?= =?utf-8?b?pg==?=",
        "From: A Group: \"x\" <@a,@b:c@d>, e (f;",
        "To: \u{e6}@\u{f8}, <",
        "Date: Fri, 21 Nov 1997 09:55:06 -0600",
        "In-Reply-To: <a@b> <c",
        "",
        "\r",
        "--a",
        "--a--",
        "--a  ",
        "--a b",
        "--a b--",
        "--ab",
        "--ab--",
        "--ab--x",
        "--",
        "-",
        "text",
    ]);
    let end = prop::sample::select(vec!["\r\n", "\r\n", "\r\n", "\n", "\r", ""]);
    let line = prop_oneof![9 => known.prop_map(|line| line.as_bytes().to_vec()), 1 => prop::collection::vec(any::<u8>(), 0..20)];
    (line, end).prop_map(|(line, end)| [&line, end.as_bytes()].concat())
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(line(), 0..60).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_message_obeys_the_rules(message in message(), cuts in prop::collection::vec(1_usize..40, 1..8)) {
        rules::check(&message, &cuts);
        rules::check(&message, &[1]);
    }

    #[test]
    fn every_octet_string_is_a_message(message in prop::collection::vec(any::<u8>(), 0..400)) {
        rules::check(&message, &[7]);
    }

    #[test]
    fn stored_octets_are_read_or_refused(stored in prop::collection::vec(any::<u8>(), 0..80)) {
        let stored = [vec![1], stored].concat();
        if let Ok(structure) = Structure::decode(&stored) {
            prop_assert_eq!(Structure::decode(&structure.encode()), Ok(structure));
        }
    }

    #[test]
    fn damage_to_stored_octets_is_read_or_refused(message in message(), at in any::<prop::sample::Index>(), octet: u8) {
        let mut stored = support::scan(&message).structure().encode();
        let at = at.index(stored.len());
        stored[at] = octet;
        if let Ok(structure) = Structure::decode(&stored) {
            prop_assert_eq!(Structure::decode(&structure.encode()), Ok(structure));
        }
        stored.truncate(at);
        prop_assert!(Structure::decode(&stored).is_err());
    }

    #[test]
    fn text_of_anything(raw in prop::collection::vec(any::<u8>(), 0..200), header in message()) {
        message::text::decoded_header(&header);
        for kind in ["plain", "html"] {
            for encoding in ["7bit", "base64", "quoted-printable"] {
                for charset in ["utf-8", "us-ascii", "iso-2022-jp", "utf-7", "utf-16", "gb18030", "koi8-r", "x"] {
                    let header =
                        format!("Content-Type: text/{kind}; charset={charset}\nContent-Transfer-Encoding: {encoding}\n\n");
                    let scanned = support::scan(header.as_bytes());
                    message::text::body_text(&raw, scanned.structure().section(&[1]).unwrap());
                }
            }
        }
    }
}
