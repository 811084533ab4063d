//! Two front-ends of one mailbox see each other's flags, copies and expunges.

use harness::{Dev, Imap, until};

/// NOOP until the untagged lines seen so far satisfy the test: pushes cross between processes.
fn hear(imap: &mut Imap, what: &str) {
    until(&format!("the other front-end hears {what:?}"), || {
        imap.ok("NOOP").lines().iter().any(|line| line.contains(what)).then_some(())
    });
}

#[test]
fn flags_copies_and_expunges_cross() {
    let dev = Dev::start(1, &["--imap", "2"]);
    assert_ne!(dev.imap_port(1), dev.imap_port(2));
    let mut one = Imap::sign_in_at(dev.imap_port(1), dev.user(1));
    let mut two = Imap::sign_in_at(dev.imap_port(2), dev.user(1));
    for n in 1..=3 {
        one.append("INBOX", "", format!("Subject: {n}\r\n\r\nx\r\n").as_bytes());
    }
    one.ok("SELECT INBOX");
    assert_eq!(two.ok("SELECT INBOX").number("EXISTS"), Some(3));

    one.ok("STORE 2 +FLAGS (\\Answered $Later)");
    hear(&mut two, "2 FETCH (FLAGS (");
    let flags = two.ok("FETCH 2 FLAGS").lines().join("\n");
    assert!(flags.contains("\\Answered") && flags.contains("$Later"), "{flags}");

    two.ok("COPY 1 INBOX");
    hear(&mut one, "4 EXISTS");

    one.ok("UID STORE 1 +FLAGS.SILENT (\\Deleted)");
    let vanished = one.ok("EXPUNGE").lines();
    assert!(vanished.contains(&"1 EXPUNGE".to_owned()), "{vanished:?}");
    hear(&mut two, "1 EXPUNGE");
    assert_eq!(two.ok("UID SEARCH ALL").lines(), ["SEARCH 2 3 4"]);
    assert_eq!(one.ok("UID SEARCH ALL").lines(), ["SEARCH 2 3 4"]);

    // Folders too.
    one.ok("CREATE Shared");
    two.ok("MOVE 1 Shared");
    let status = one.ok("STATUS Shared (MESSAGES)").lines();
    assert!(status.contains(&"STATUS Shared (MESSAGES 1)".to_owned()), "{status:?}");
    dev.stop();
}
