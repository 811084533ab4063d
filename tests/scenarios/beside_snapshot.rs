//! Reading beside a snapshot, through the front-end: what is read is right, the snapshot is, and the node takes little for it.
//! How fast it goes is measured by the bench `beside`.

use crate::memory::{MIB, forget_peak, memory};
use harness::corpus::Seeded;
use harness::dev::binary;
use harness::{Dev, Imap, until};
use serde_json::Value;
use std::fs;
use std::process::{Child, Command, Stdio};

/// Messages of the mailbox, and octets of each.
const MESSAGES: usize = 15;
const MESSAGE_BYTES: usize = 4_000_000;
/// What the node may take more meanwhile than before: less than what it copies, and more than what reading takes.
const MORE_BYTES_MAX: u64 = 40 * MIB;

/// Octets of their own, that compression leaves half of at least.
fn message(number: usize) -> Vec<u8> {
    let mut random = Seeded::new(number as u64);
    let mut message = format!("Subject: {number}\r\nContent-Type: application/octet-stream\r\n\r\n").into_bytes();
    while message.len() < MESSAGE_BYTES {
        // Two octets are not part of a line: the end of it.
        message.extend(
            random
                .draw()
                .to_ne_bytes()
                .map(|octet| if octet == b'\r' || octet == b'\n' || octet == 0 { b'.' } else { octet }),
        );
        if message.len() % 800 < 8 {
            message.extend_from_slice(b"\r\n");
        }
    }
    message
}

#[test]
fn what_is_read_beside_a_snapshot_is_right_and_so_is_the_snapshot() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    let messages: Vec<Vec<u8>> = (0..MESSAGES).map(message).collect();
    let mut imap = Imap::sign_in(&dev, user);
    for message in &messages {
        assert!(imap.append("INBOX", "", message).is_ok());
    }
    imap.ok("SELECT INBOX");
    let password = dev.scratch().join("password");
    fs::write(&password, &user.password).expect("written");
    let backup = |words: &[&str]| {
        let mut command = Command::new(binary());
        command.arg("--data").arg(dev.data()).args(["--json", "backup"]).args(words);
        command.arg(&user.address).arg("--password-file").arg(&password).stdout(Stdio::piped());
        command
    };
    let read = |imap: &mut Imap, n: usize| {
        let octets = imap.ok(&format!("UID FETCH {} BODY.PEEK[]", n + 1)).literals().pop().expect("a literal");
        assert!(octets == messages[n], "message {n} differs");
    };

    let node = dev.pid("node", 1).expect("the node runs");
    forget_peak(node);
    let before = memory(node, "VmRSS");
    let staging = dev.data().join("nodes/node-1/volume-1/staging");
    let is_copying = || {
        let names = fs::read_dir(&staging).expect("a folder").flatten().map(|entry| entry.file_name());
        names.into_iter().any(|name| name.to_string_lossy().ends_with(".part"))
    };
    let mut beside = 0;
    let mut copies = 0;
    // A copy that was over before anything was read is made again, of what has changed.
    let copied = until("messages are read beside a copy", || {
        copies += 1;
        imap.ok(&format!("STORE 1 FLAGS (copy{copies})"));
        let mut copying = backup(&["now"]).spawn().expect("it starts");
        let has_ended = |copying: &mut Child| copying.try_wait().expect("the child can be asked").is_some();
        until("the copy has begun", || (is_copying() || has_ended(&mut copying)).then_some(()));
        for n in (0..MESSAGES).cycle().take_while(|_| is_copying()) {
            read(&mut imap, n);
            beside += usize::from(is_copying());
        }
        let copied = copying.wait_with_output().expect("it ends");
        assert!(copied.status.success());
        (beside > 0).then_some(copied)
    });
    let more = memory(node, "VmHWM").saturating_sub(before);
    println!("{beside} messages of 4 MB were read beside the snapshot; the node took {} MiB more", more / MIB);
    assert!(more < MORE_BYTES_MAX, "{} MiB", more / MIB);
    let made: Value = serde_json::from_slice(&copied.stdout).expect("JSON");
    assert_eq!(made["messages"], MESSAGES);

    // What is restored has nothing of what came after, and everything from before.
    imap.ok("UID STORE 1:* +FLAGS (\\Deleted)");
    imap.ok("EXPUNGE");
    assert!(backup(&["restore", "--yes"]).stdout(Stdio::null()).status().expect("it runs").success());
    let mut imap = Imap::sign_in(&dev, user);
    assert_eq!(imap.ok("SELECT INBOX").number("EXISTS"), Some(MESSAGES as u32));
    (0..MESSAGES).for_each(|n| read(&mut imap, n));
    dev.stop();
}
