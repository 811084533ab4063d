//! A mailbox at its quota: what the owner and senders are told, and how there is room again.

use harness::smtp::Smtp;
use harness::{Dev, Imap};
use std::fs;

/// Gives every mailbox this quota: the node reads its configuration when it starts again.
fn set_quota(dev: &Dev, bytes: u64, messages: u64) {
    let file = dev.data().join("config/node-1.toml");
    let text = fs::read_to_string(&file).expect("the node's configuration");
    let quota = format!("[node]\nquota_bytes_max = {bytes}\nquota_messages_max = {messages}");
    fs::write(&file, text.replacen("[node]", &quota, 1)).expect("the configuration can be written");
    dev.kill_and_wait("node", 1);
}

#[test]
fn over_quota_is_told_and_room_is_found_again() {
    let dev = Dev::start(1, &[]);
    set_quota(&dev, 4096, 3);
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    let message = format!("Subject: small\r\n\r\n{}\r\n", "x".repeat(1003));
    assert_eq!(message.len(), 1023);
    for _ in 0..2 {
        assert!(imap.append("INBOX", "", message.as_bytes()).is_ok());
    }
    let quota = |imap: &mut Imap| imap.ok("GETQUOTAROOT INBOX").lines();
    let expected = ["QUOTAROOT INBOX \"\"", "QUOTA \"\" (STORAGE 2 4 MESSAGE 2 3 MAILBOX 6 10000)"];
    assert_eq!(quota(&mut imap), expected);

    // By octets, by number, and by what a copy would add.
    let refused = |answer: harness::imap::Answer| {
        assert!(answer.tagged.starts_with("NO [OVERQUOTA]"), "{}", answer.tagged);
    };
    let long = format!("Subject: long\r\n\r\n{}\r\n", "x".repeat(2100));
    refused(imap.append("INBOX", "", long.as_bytes()));
    imap.ok("SELECT INBOX");
    refused(imap.command("COPY 1:2 Archive"));
    imap.ok("COPY 1 Archive");
    refused(imap.command("COPY 1 Archive"));
    refused(imap.append("INBOX", "", b"Subject: one more\r\n\r\n"));
    let status = imap.ok("STATUS Archive (MESSAGES SIZE)").lines();
    assert_eq!(status, ["STATUS Archive (MESSAGES 1 SIZE 1023)"]);
    let mail = |dev: &Dev| Smtp::connect(dev).command("MAIL FROM:<a@sender.example>");
    assert!(mail(&dev).starts_with("250"));
    let rcpt = |dev: &Dev| {
        let mut smtp = Smtp::connect(dev);
        smtp.command("MAIL FROM:<a@sender.example>");
        smtp.command(&format!("RCPT TO:<{}>", dev.user(1).address))
    };
    let reply = rcpt(&dev);
    assert!(reply.starts_with("452 4.2.2"), "{reply}");

    // What only changes its place takes no room; what is expunged gives it back.
    imap.ok("MOVE 2 Trash");
    imap.ok("STORE 1 +FLAGS (\\Deleted)");
    let status = imap.ok("STATUS INBOX (DELETED DELETED-STORAGE)").lines();
    assert_eq!(status, ["STATUS INBOX (DELETED 1 DELETED-STORAGE 1023)"]);
    imap.ok("EXPUNGE");
    assert!(imap.append("INBOX", "", message.as_bytes()).is_ok());
    dev.stop();
}
