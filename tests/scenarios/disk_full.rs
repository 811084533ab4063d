//! A disk that is full, under everything at once: mail that comes, mail that leaves, and people at their mailboxes. Everybody is
//! told so, reading goes on, and when there is room again everything goes on, with what was acknowledged and nothing else.
//!
//! The data lie on a small file system in memory, which only root may mount, as in Debian's containers and CI.

use harness::{Dev, Imap, Smtp};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Octets of the file system: more than stays free for flags and expunges ([node] disk_free_bytes_min), and some.
const DISK_BYTES: u64 = 320 << 20;
/// Octets that are left where new mail is refused and all else goes on.
const LITTLE_BYTES: u64 = 64 << 20;

/// A file system of its own for a folder.
struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    fn mount(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let options = format!("size={DISK_BYTES},mode=0700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "brevdue-test"]).arg(folder);
        assert!(mount.status().unwrap().success(), "mounting needs root");
        Self { folder: folder.to_owned() }
    }

    fn free(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.folder).unwrap();
        stat.f_bavail * stat.f_frsize
    }

    /// Something else takes all but so many octets.
    fn fill(&self, left: u64) {
        let mut ballast = File::options().append(true).create(true).open(self.ballast()).unwrap();
        let block = vec![1u8; 64 * 1024];
        while self.free() > left {
            let part = (self.free() - left).min(block.len() as u64) as usize;
            if ballast.write(&block[..part]).is_err() {
                // Full.
                break;
            }
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whatever still has a file open there ends with the test.
        let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
    }
}

fn message(number: usize, octets: usize) -> Vec<u8> {
    message_of("ann@elsewhere.test", number, octets)
}

fn message_of(sender: &str, number: usize, octets: usize) -> Vec<u8> {
    let mut text = format!("From: {sender}\r\nSubject: number {number}\r\n\r\n").into_bytes();
    // Base64 of nothing in particular: it does not compress to nothing.
    let mut state = number as u64 + 1;
    while text.len() < octets {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.extend_from_slice(format!("{state:016x}{:016x}\r\n", state.rotate_left(29)).as_bytes());
    }
    text
}

fn numbers(imap: &mut Imap) -> Vec<usize> {
    let number = |text: Vec<u8>| {
        let text = String::from_utf8_lossy(&text).into_owned();
        text.lines().find_map(|line| line.strip_prefix("Subject: number ")).unwrap().parse().unwrap()
    };
    imap.messages("INBOX").into_iter().map(|(_, text)| number(text)).collect()
}

#[test]
fn everybody_is_told_reading_goes_on_and_room_mends_it() {
    let temporary = tempfile::Builder::new().prefix("brevdue-full-").tempdir().unwrap();
    let disk = SmallDisk::mount(&temporary.path().join("data"));
    let addresses: Vec<String> = ["here@example.test", "away@example.test"].map(str::to_owned).to_vec();
    let dev = Dev::start_in(temporary.path(), &addresses);
    let (here, away) = (dev.user(1).clone(), dev.user(2).clone());
    let mut imap = Imap::sign_in(&dev, &here);
    let (mut to_here, mut to_away) = (vec![1], vec![1]);
    let mut smtp = Smtp::connect(&dev);
    smtp.send("ann@elsewhere.test", &[&here.address, &away.address], &message(1, 500));

    // Little room: new mail is put off before its text comes, and whoever is signed in goes on.
    disk.fill(LITTLE_BYTES);
    for recipient in [&here.address, &away.address] {
        let reply = smtp.try_send("ann@elsewhere.test", &[recipient], &message(2, 500)).unwrap();
        assert!(reply.starts_with("452 4.3.1"), "{reply}");
    }
    let mut submission = Smtp::try_submission(&dev, &here).unwrap();
    let reply =
        submission.try_send(&here.address, &["bob@elsewhere.test"], &message_of(&here.address, 3, 500)).unwrap();
    assert!(reply.starts_with("452 4.3.1"), "{reply}");
    imap.ok("SELECT INBOX");
    imap.ok("STORE 1 +FLAGS.SILENT (\\Seen)");
    assert!(imap.append("INBOX", "", &message(4, 2000)).is_ok());
    to_here.push(4);

    // None at all, in the middle of it, several times over.
    for round in 0..3 {
        let first = 10 * (round + 1);
        disk.fill(0);
        // More than a log has room for that was used before.
        let refused = imap.append("INBOX", "", &message(first, 12 << 20));
        assert!(refused.tagged.starts_with("NO [UNAVAILABLE]"), "{}", refused.tagged);
        for recipient in [&here.address, &away.address] {
            let reply = smtp.try_send("ann@elsewhere.test", &[recipient], &message(first + 1, 500)).unwrap();
            assert!(reply.starts_with("452 4.3.1"), "{reply}");
        }
        // Reading goes on, in this session and in a new one.
        assert_eq!(numbers(&mut imap), to_here);
        assert_eq!(numbers(&mut Imap::sign_in(&dev, &here)), to_here);
        assert!(imap.ok("SEARCH SUBJECT number").is_ok());
        disk.make_room();

        // And everything else goes on when there is room.
        assert!(imap.append("INBOX", "", &message(first + 2, 3 << 20)).is_ok());
        to_here.push(first + 2);
        let mut smtp = Smtp::connect(&dev);
        smtp.send("ann@elsewhere.test", &[&here.address, &away.address], &message(first + 3, 100_000));
        to_here.push(first + 3);
        to_away.push(first + 3);
        assert_eq!(numbers(&mut imap), to_here);
    }
    let reply = submission.try_send(&here.address, &[&away.address], &message_of(&here.address, 99, 500)).unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    to_away.push(99);

    // The owner who was away finds what was acknowledged, and nothing else; the other's is the same after a restart.
    let mut imap = Imap::sign_in(&dev, &away);
    harness::until("what was submitted has come", || (numbers(&mut imap).len() == to_away.len()).then_some(()));
    assert_eq!(numbers(&mut imap), to_away);
    let mut dev = dev;
    dev.restart();
    assert_eq!(numbers(&mut Imap::sign_in(&dev, &here)), to_here);
    dev.stop();
    drop(disk);
}
