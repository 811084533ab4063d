//! Fields that are put in front of a message late change its description by their length only.

mod support;

use message::trace::Prefix;
use proptest::prelude::*;
use support::{everything, scan};

fn line() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        "Content-Type: multipart/mixed; boundary=a",
        "Content-Type: message/rfc822",
        "Content-Type: text/html",
        "Content-Transfer-Encoding: base64",
        " folded",
        "Subject: x",
        "From: a@b",
        "Received: by c",
        "",
        "\r",
        "--a",
        "--a--",
        "-",
        "text",
    ]);
    let end = prop::sample::select(vec!["\r\n", "\r\n", "\n", ""]);
    (known, end).prop_map(|(line, end)| [line.as_bytes(), end.as_bytes()].concat())
}

fn field() -> impl Strategy<Value = &'static [u8]> {
    prop::sample::select(vec![
        b"Return-Path: <a@b>\r\n".as_slice(),
        b"Received: from a\r\n\tby b;\r\n\tMon, 24 Nov 2025 05:07:09 +0000\r\n",
        b"Authentication-Results: mx; none\r\n",
        b"X-Brevdue-Spam : no\r\n",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_structure_behind_a_prefix_is_that_of_the_whole(
        fields in prop::collection::vec(field(), 0..5),
        lines in prop::collection::vec(line(), 0..40),
    ) {
        let (prefix, text) = (Prefix::new(fields.concat()).unwrap(), lines.concat());
        let whole = scan(&[prefix.as_bytes(), &text].concat());
        let bare = scan(&text);
        let (structure, summary, answers) = everything(&bare);
        let (whole_structure, whole_summary, whole_answers) = everything(&whole);
        prop_assert_eq!(structure.behind(prefix.len()), whole_structure);
        prop_assert_eq!(summary, whole_summary);
        // A message that is a leaf has its size without the header in BODY: nothing there counts the prefix.
        prop_assert_eq!(answers, whole_answers);
    }
}
