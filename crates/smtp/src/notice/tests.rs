//! Notices as Python's email reads them, and word for word.

use super::*;
use std::io::Write;
use std::process::{Command, Stdio};

const LETTER: Letter<'_> =
    Letter { reverse_path: "anna@sender.test", envelope_id: "QQ+2B314", utf8: false, arrived: Timestamp::UNIX_EPOCH };

fn refusal() -> String {
    format!("550 5.1.1 No such mailbox {}", "here or there ".repeat(12).trim_end())
}

fn write(action: Action, address: &str, original: &Original) -> Written {
    let told = Told {
        address,
        original: "rfc822;first+2Blast@other.test",
        status: (1, 1),
        text: &refusal(),
        is_reply: true,
        remote: "mx.other.test [192.0.2.1]",
    };
    written(action, told, original)
}

fn written(action: Action, told: Told<'_>, original: &Original) -> Written {
    let notice = Notice {
        letter: LETTER,
        action,
        told: &[told],
        original,
        host: "mail.sender.test",
        from: "postmaster@sender.test",
        at: Timestamp::from_second(86_400).unwrap(),
        id: "0123abcd",
    };
    notice.write()
}

/// What Python's email makes of it: defects, report type, the types of the parts, and the fields of the two blocks.
const READ: &str = "
import email, email.policy, json, sys
message = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
parts = list(message.iter_parts())
blocks = [dict(block.items()) for block in parts[1].get_payload()] if isinstance(parts[1].get_payload(), list) else []
defects = [str(d) for part in message.walk() for d in part.defects]
print(json.dumps([defects, message['content-type'].params.get('report-type'), [p.get_content_type() for p in parts], blocks,
    message['to'], message['auto-submitted']]))
";

fn read(message: &[u8]) -> serde_json::Value {
    let mut python =
        Command::new("python3").args(["-c", READ]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(message).unwrap();
    serde_json::from_slice(&python.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn a_failure_in_full() {
    let original = Original { text: b"Subject: x\r\n\r\nHello\r\n".to_vec(), whole: true };
    let written = write(Action::Failed, "bo@other.test", &original);
    assert!(!written.eight_bit && !written.utf8);
    let text = String::from_utf8(written.message.clone()).unwrap();
    assert!(text.lines().all(|line| line.len() <= 78), "{text}");
    let code = format!("smtp; {}", refusal());
    assert_eq!(
        read(&written.message),
        serde_json::json!([
            [],
            "delivery-status",
            ["text/plain", "message/delivery-status", "message/rfc822"],
            [
                {
                    "Original-Envelope-Id": "QQ+314",
                    "Reporting-MTA": "dns; mail.sender.test",
                    "Arrival-Date": "Thu, 1 Jan 1970 00:00:00 +0000"
                },
                {
                    "Original-Recipient": "rfc822; first+last@other.test",
                    "Final-Recipient": "rfc822; bo@other.test",
                    "Action": "failed",
                    "Status": "5.1.1",
                    "Remote-MTA": "dns; mx.other.test",
                    "Diagnostic-Code": code,
                    "Last-Attempt-Date": "Fri, 2 Jan 1970 00:00:00 +0000"
                }
            ],
            "anna@sender.test",
            "auto-replied"
        ])
    );
}

#[test]
fn a_delay_says_until_when() {
    let original = Original { text: b"Subject: x\r\n".to_vec(), whole: false };
    let action = Action::Delayed { until: Timestamp::from_second(5 * 86_400).unwrap() };
    let read = read(&write(action, "bo@other.test", &original).message);
    assert_eq!(read[2][2], "text/rfc822-headers");
    assert_eq!(read[3][1]["Action"], "delayed");
    assert_eq!(read[3][1]["Status"], "4.1.1");
    assert_eq!(read[3][1]["Will-Retry-Until"], "Tue, 6 Jan 1970 00:00:00 +0000");
}

#[test]
fn addresses_in_utf8_have_types_of_their_own() {
    let original = Original { text: "Subject: gr\u{fc}n\r\n".as_bytes().to_vec(), whole: false };
    let written = write(Action::Relayed, "j\u{f8}rn@other.test", &original);
    assert!(written.eight_bit && written.utf8);
    let text = String::from_utf8(written.message).unwrap();
    for part in
        ["message/global-delivery-status", "message/global-headers", "Final-Recipient: utf-8; j\u{f8}rn@other.test"]
    {
        assert!(text.contains(part), "{part}");
    }
    assert!(text.contains("Action: relayed\r\nStatus: 2.1.1\r\n"));
}

#[test]
fn a_delivery_has_no_more_to_say_than_that() {
    let original = Original::header_of(b"Subject: x\r\nTo: y\r\n\r\nHello\r\n");
    assert_eq!(original.text, b"Subject: x\r\nTo: y\r\n");
    let told = Told {
        address: "bo@other.test",
        original: "utf-8;b\u{f8}@other.test",
        status: (0, 0),
        text: "",
        is_reply: false,
        remote: "",
    };
    let written = written(Action::Delivered, told, &original);
    assert!(!written.eight_bit && !written.utf8);
    assert_eq!(
        read(&written.message)[3][1],
        serde_json::json!({
            "Original-Recipient": "utf-8; b\\x{F8}@other.test",
            "Final-Recipient": "rfc822; bo@other.test",
            "Action": "delivered",
            "Status": "2.0.0",
            "Last-Attempt-Date": "Fri, 2 Jan 1970 00:00:00 +0000"
        })
    );
}

#[test]
fn a_header_comes_back_in_whole_lines() {
    let long = [b"A: b\r\nC: ".as_slice(), &vec![b'x'; HEADER_BYTES_MAX]].concat();
    assert_eq!(Original::header_of(&long).text, b"A: b\r\n");
    assert_eq!(Original::header_of(b"\r\nbody\r\n\r\n").text, b"");
    assert_eq!(Original::header_of(b"A: b").text, b"");
}

/// Xtext may stand for any octets, whatever the type before it says.
#[test]
fn what_the_envelope_said_stays_ascii_where_the_report_is() {
    let original = Original { text: b"Subject: x\r\n".to_vec(), whole: false };
    let told = Told {
        address: "first@other.test",
        original: "rfc822;j+C3+B8rn@other.test",
        status: (1, 1),
        text: "550 No",
        is_reply: true,
        remote: "",
    };
    let letter = Letter { envelope_id: "gr+C3+BCn", ..LETTER };
    let at = Timestamp::UNIX_EPOCH;
    let notice = Notice {
        letter,
        action: Action::Failed,
        told: &[told],
        original: &original,
        host: "mail.sender.test",
        from: "postmaster@sender.test",
        at,
        id: "0123abcd",
    };
    let written = notice.write();
    assert!(!written.eight_bit && !written.utf8);
    let text = String::from_utf8(written.message).unwrap();
    assert!(text.contains("Original-Envelope-Id: gr\\x{FC}n\r\n"), "{text}");
    assert!(text.contains("Original-Recipient: rfc822; j\\x{F8}rn@other.test\r\n"), "{text}");
}
