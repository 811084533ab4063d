//! Notices as Python's email reads them, and word for word.

use super::*;
use crate::outcome::Verdict;
use smtp::client::{Notify, ReturnText};
use std::io::Write;
use std::process::{Command, Stdio};

fn letter() -> Letter {
    Letter {
        reverse_path: "anna@sender.test".to_owned(),
        ret: Some(ReturnText::Full),
        envelope_id: "QQ+2B314".to_owned(),
        utf8: false,
        eight_bit: false,
        require_tls: false,
        size: 100,
        arrived: Timestamp::UNIX_EPOCH,
    }
}

fn recipient(address: &str) -> Recipient {
    Recipient {
        address: address.to_owned(),
        notify: Notify::default(),
        original: "rfc822;first+2Blast@other.test".to_owned(),
        attempts: 3,
        delay_notified: false,
    }
}

fn refused() -> Outcome {
    Outcome {
        verdict: Verdict::Failed,
        status: Status::new(5, 1, 1),
        text: format!("550 5.1.1 No such mailbox {}", "here or there ".repeat(12).trim_end()),
        is_reply: true,
        remote: "mx.other.test [192.0.2.1]".to_owned(),
    }
}

fn write(letter: &Letter, action: Action, address: &str, original: &Original) -> Written {
    let (recipient, outcome) = (recipient(address), refused());
    let notice = Notice {
        letter,
        action,
        told: &[(&recipient, &outcome)],
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
    let written = write(&letter(), Action::Failed, "bo@other.test", &original);
    assert!(!written.eight_bit && !written.utf8);
    let text = String::from_utf8(written.message.clone()).unwrap();
    assert!(text.lines().all(|line| line.len() <= 78), "{text}");
    let code = format!("smtp; 550 5.1.1 No such mailbox {}", "here or there ".repeat(12).trim_end());
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
    let read = read(&write(&letter(), action, "bo@other.test", &original).message);
    assert_eq!(read[2][2], "text/rfc822-headers");
    assert_eq!(read[3][1]["Action"], "delayed");
    assert_eq!(read[3][1]["Status"], "4.1.1");
    assert_eq!(read[3][1]["Will-Retry-Until"], "Tue, 6 Jan 1970 00:00:00 +0000");
}

#[test]
fn addresses_in_utf8_have_types_of_their_own() {
    let original = Original { text: "Subject: gr\u{fc}n\r\n".as_bytes().to_vec(), whole: false };
    let written = write(&letter(), Action::Relayed, "j\u{f8}rn@other.test", &original);
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
fn xtext_is_undone() {
    for (text, plain) in [("a+2Bb", Some("a+b")), ("", None), ("+0A", None), ("+2", None), ("+ZZ", None), ("+FF", None)]
    {
        assert_eq!(decoded(text).as_deref(), plain, "{text}");
    }
}
