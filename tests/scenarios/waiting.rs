//! Mail for an owner who is away waits sealed; mail for one who is signed in arrives at once.

use harness::{Dev, Imap, Smtp, until};

fn message(n: usize) -> Vec<u8> {
    format!("From: ann@elsewhere.test\r\nSubject: number {n}\r\n\r\nbody {n}\r\n").into_bytes()
}

fn subjects(imap: &mut Imap) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let line = |message: String| message.lines().find_map(|l| l.strip_prefix("Subject: ").map(str::to_owned));
    imap.messages("INBOX").iter().filter_map(|(_, bytes)| line(text(bytes))).collect()
}

#[test]
fn mail_waits_sealed_and_sign_in_drains_it_in_order() {
    let dev = Dev::start(2, &[]);
    let mut smtp = Smtp::connect(&dev);
    for n in 0..25 {
        smtp.send("ann@elsewhere.test", &[&dev.user(1).address, &dev.user(2).address], &message(n));
    }
    let waiting = dev.waiting_files();
    assert!(!waiting.is_empty(), "nothing waits under {}", dev.data().display());

    let mut imap = Imap::sign_in(&dev, dev.user(1));
    let wanted: Vec<String> = (0..25).map(|n| format!("number {n}")).collect();
    assert_eq!(subjects(&mut imap), wanted);
    let left = until("the drained file is deleted", || {
        let left = dev.waiting_files();
        (left.len() < waiting.len()).then_some(left)
    });
    assert!(!left.is_empty(), "the other owner's mail still waits");

    // A second sign-in drains nothing twice.
    drop(imap);
    assert_eq!(subjects(&mut Imap::sign_in(&dev, dev.user(1))), wanted);
    assert_eq!(subjects(&mut Imap::sign_in(&dev, dev.user(2))), wanted);
    dev.drained();
    dev.stop();
}

#[test]
fn mail_for_an_open_mailbox_reaches_idle_on_another_front_end() {
    let dev = Dev::start(1, &["--imap", "2"]);
    let user = dev.user(1);
    let mut first = Imap::sign_in_at(dev.imap_port(1), user);
    first.ok("SELECT INBOX");
    let mut second = Imap::sign_in_at(dev.imap_port(2), user);
    second.ok("SELECT INBOX");
    let tag = second.send("IDLE").expect("sent");
    assert!(second.response().starts_with(b"+"));

    Smtp::connect(&dev).send("bob@elsewhere.test", &[&user.address], &message(7));
    assert!(dev.waiting_files().is_empty(), "the mailbox is open, so nothing waits");
    until("IDLE hears of the message", || (second.response() == b"* 1 EXISTS").then_some(()));
    second.raw(b"DONE\r\n").expect("sent");
    assert!(second.finish(&tag).expect("an answer").is_ok());
    assert_eq!(subjects(&mut second), ["number 7"]);
    dev.stop();
}

#[test]
fn what_waits_outlives_a_restart_of_everything() {
    let mut dev = Dev::start(1, &[]);
    let user = dev.user(1).clone();
    Smtp::connect(&dev).send("", &[&user.address], &message(1));
    dev.restart();
    Smtp::connect(&dev).send("", &[&user.address], &message(2));
    let mut imap = Imap::sign_in(&dev, &user);
    assert_eq!(subjects(&mut imap), ["number 1", "number 2"]);
    dev.restart();
    assert_eq!(subjects(&mut Imap::sign_in(&dev, &user)), ["number 1", "number 2"]);
    dev.stop();
}
