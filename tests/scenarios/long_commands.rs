//! Commands that take long or mean many messages: INPROGRESS (RFC 9585) while the node answers nothing, and MESSAGELIMIT
//! (RFC 9738).

use harness::{Dev, Imap};
use std::fs;

#[test]
fn a_client_hears_that_its_command_is_worked_on() {
    let dev = Dev::start(1, &[]);
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    imap.append("INBOX", "", b"Subject: x\r\n\r\ny\r\n");
    imap.ok("SELECT INBOX");
    for (command, expected) in [
        ("SEARCH ALL", vec!["SEARCH 1"]),
        ("STORE 1 +FLAGS (\\Flagged)", vec!["1 FETCH (FLAGS (\\Flagged \\Recent))"]),
        ("FETCH 1 (RFC822.SIZE)", vec!["1 FETCH (RFC822.SIZE 17)"]),
        ("COPY 1 Sent", vec![]),
    ] {
        dev.freeze("node", 1, true);
        let tag = imap.send(command).expect("sent");
        let line = String::from_utf8_lossy(&imap.response()).into_owned();
        dev.freeze("node", 1, false);
        assert_eq!(line.trim_end(), format!("* OK [INPROGRESS (\"{tag}\" NIL NIL)] Still working on it"), "{command}");
        let answer = imap.finish(&tag).expect("an answer");
        assert!(answer.is_ok(), "{command}: {}", answer.tagged);
        let lines: Vec<_> = answer.lines().into_iter().filter(|line| !line.contains("INPROGRESS")).collect();
        assert_eq!(lines, expected, "{command}");
    }
    dev.stop();
}

/// The front-end reads its configuration when it starts again.
fn set_messages_per_command(dev: &Dev, messages: usize) {
    let file = dev.data().join("config/imap-1.toml");
    let text = fs::read_to_string(&file).expect("the front-end's configuration");
    let limit = format!("[imap]\nmessages_per_command_max = {messages}");
    fs::write(&file, text.replacen("[imap]", &limit, 1)).expect("the configuration can be written");
    dev.kill_and_wait("imap", 1);
}

#[test]
fn one_command_means_so_many_messages() {
    let dev = Dev::start(1, &[]);
    set_messages_per_command(&dev, 1000);
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    let capabilities = imap.ok("CAPABILITY").lines().concat();
    assert!(capabilities.contains(" MESSAGELIMIT=1000 "), "{capabilities}");
    let message = "{14+}\r\nSubject: x\r\n\r\n ";
    let all = format!("m APPEND INBOX {}\r\n", message.repeat(1003).trim_end_matches(' '));
    imap.raw(all.as_bytes()).expect("sent");
    let appended = imap.finish("m").expect("an answer");
    assert!(appended.is_ok(), "{}", appended.tagged);
    imap.ok("SELECT INBOX");

    // The highest are done, and the lowest of them is named.
    let fetched = imap.command("UID FETCH 1:* (UID)");
    assert_eq!(
        (fetched.lines().len(), fetched.lines()[0].as_str()),
        (1003, "1 FETCH (UID 1)"),
        "UIDs alone cost nothing"
    );
    let fetched = imap.command("FETCH 1:* (RFC822.SIZE)");
    assert!(fetched.tagged.starts_with("OK [MESSAGELIMIT 1000 4] "), "{}", fetched.tagged);
    assert_eq!((fetched.lines().len(), fetched.lines()[0].as_str()), (1000, "4 FETCH (RFC822.SIZE 14)"));
    let fetched = imap.command("FETCH 1:3 (RFC822.SIZE)");
    assert!(fetched.is_ok() && !fetched.tagged.contains("MESSAGELIMIT"), "{}", fetched.tagged);
    let stored = imap.command("UID STORE 1:* +FLAGS.SILENT (\\Flagged)");
    assert!(stored.tagged.starts_with("OK [MESSAGELIMIT 1000 4] "), "{}", stored.tagged);
    assert_eq!(imap.ok("SEARCH UNFLAGGED").lines(), ["SEARCH 1 2 3"]);
    // A copy is whole or not at all.
    for refused in ["COPY 1:* Sent", "UID MOVE 1:* Sent"] {
        let answer = imap.command(refused);
        assert!(answer.tagged.starts_with("NO [MESSAGELIMIT 1000] "), "{refused}: {}", answer.tagged);
    }
    assert_eq!(imap.ok("STATUS Sent (MESSAGES)").lines(), ["STATUS Sent (MESSAGES 0)"]);
    assert!(imap.command("COPY 4:* Sent").is_ok());
    assert_eq!(imap.ok("STATUS Sent (MESSAGES)").lines(), ["STATUS Sent (MESSAGES 1000)"]);
    dev.stop();
}
