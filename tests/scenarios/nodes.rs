//! Two primaries, mailboxes on each: one message to owners on both, and each is read.

use harness::{Dev, Imap, Smtp};
use std::fs;
use std::path::Path;

fn files_below(folder: &Path) -> usize {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).fold(0, |count, path| {
        count
            + if path.is_dir() {
                files_below(&path)
            } else {
                usize::from(path.extension().is_some_and(|end| end == "db"))
            }
    })
}

#[test]
fn mailboxes_live_on_both_and_mail_reaches_each() {
    let dev = Dev::start(8, &["--nodes", "2", "--imap", "2"]);
    let everyone: Vec<&str> = (1..=8).map(|n| dev.user(n).address.as_str()).collect();
    let mut smtp = Smtp::connect(&dev);
    smtp.send("ann@elsewhere.test", &everyone, b"Subject: to all\r\n\r\nwaits\r\n");
    let mut sessions: Vec<Imap> = (1..=8).map(|n| Imap::sign_in_at(dev.imap_port(1 + n % 2), dev.user(n))).collect();
    smtp.send("ann@elsewhere.test", &everyone, b"Subject: to all again\r\n\r\nat once\r\n");
    for (n, imap) in sessions.iter_mut().enumerate() {
        let messages = imap.messages("INBOX");
        assert_eq!(messages.len(), 2, "user {}", n + 1);
        assert!(messages[0].1.ends_with(b"waits\r\n") && messages[1].1.ends_with(b"at once\r\n"));
    }
    for node in ["node-1", "node-2"] {
        assert!(files_below(&dev.data().join("nodes").join(node)) >= 2, "{node} holds mailboxes");
    }
    // One node down: only its mailboxes wait.
    dev.kill_and_wait("node", 2);
    for imap in &mut sessions {
        assert_eq!(imap.messages("INBOX").len(), 2);
    }
    dev.stop();
}
