//! What cannot be imported is named, each with a reason, and the rest comes in.

use super::{answer, out};
use harness::{Dev, Imap, mailbox};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

fn problems(said: &serde_json::Value) -> Vec<(String, String)> {
    let list = said["problem_list"].as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let mut found: Vec<_> = list.iter().map(|problem| (text(&problem["what"]), text(&problem["why"]))).collect();
    found.sort();
    found
}

#[test]
fn the_rest_of_a_broken_tree_comes_in() {
    let dev = Dev::start(1, &[]);
    let root = out(&dev, "tree");
    let root = Path::new(&root);
    let latin1 = root.join(OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir_all(&latin1).expect("a folder");
    fs::create_dir_all(root.join("bad*name")).expect("a folder");
    fs::write(root.join("1.eml"), "Subject: at the top\n\nbody\n").expect("written");
    fs::write(root.join("2.eml"), "").expect("written");
    fs::write(root.join("3.EML"), format!("Subject: long\r\n\r\n{}\r\n", "x".repeat(300_000))).expect("written");
    fs::write(latin1.join("1.eml"), "Subject: eight bits\r\n\r\nbody\r\n").expect("written");
    fs::write(root.join("bad*name/1.eml"), "Subject: a star\r\n\r\nbody\r\n").expect("written");
    fs::write(root.join("notes.txt"), "no mail").expect("written");
    let big = fs::File::create(root.join("big.eml")).expect("made");
    big.set_len(64 * 1024 * 1024 + 1).expect("a hole");
    symlink(root, root.join("loop")).expect("a link");
    symlink(root.join("1.eml"), root.join("link.eml")).expect("a link");

    let (code, said, why) = answer(&dev, dev.user(1), &["import", root.to_str().expect("UTF-8")]);
    assert_eq!(
        (code, &said["imported"], &said["problems"], &said["complete"]),
        (1, &4.into(), &4.into(), &true.into()),
        "{why}"
    );
    assert_eq!(why.lines().count(), 1, "{why}");
    let named = problems(&said);
    let ends: Vec<_> = named.iter().map(|(what, _)| what.rsplit('/').next().expect("a name")).collect();
    assert_eq!(ends, ["2.eml", "big.eml", "link.eml", "loop"]);
    assert!(named[0].1.contains("empty") && named[1].1.contains("67108865 octets"), "{named:?}");
    assert!(named[2].1.contains("symbolic link") && named[3].1.contains("symbolic link"), "{named:?}");
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    let found = mailbox::all(&mut imap);
    let octets = |name: &str| found[name].1.iter().map(|message| message.octets.clone()).collect::<Vec<_>>();
    assert_eq!(octets("INBOX")[0], b"Subject: at the top\r\n\r\nbody\r\n", "mail of Unix gets its CRLF");
    assert_eq!(octets("INBOX").len(), 2);
    assert_eq!(octets("caf&AOk-"), [b"Subject: eight bits\r\n\r\nbody\r\n"]);
    assert_eq!(octets("bad_name"), [b"Subject: a star\r\n\r\nbody\r\n"]);
    dev.stop();
}

#[test]
fn an_mbox_of_thunderbird_comes_into_a_folder_of_ones_own() {
    let dev = Dev::start(1, &[]);
    let root = out(&dev, "Mail");
    let root = Path::new(&root);
    fs::create_dir_all(root.join("Archives.sbd")).expect("a folder");
    let message = |n: u32, status: u16| {
        format!(
            "From - Tue Nov 14 22:13:2{n} 2023\nX-Mozilla-Status: {status:04x}\nX-Mozilla-Keys: $label1\nSubject: {n}\n\n>From me\n\n"
        )
    };
    fs::write(root.join("Inbox"), message(0, 1) + &message(1, 2)).expect("written");
    fs::write(root.join("Inbox.msf"), "// an index").expect("written");
    fs::write(root.join("Archives.sbd/2023"), message(3, 4)).expect("written");
    fs::write(root.join("broken"), "no mbox at all\n").expect("written");
    let words = ["import", root.to_str().expect("UTF-8"), "--folder", "Old"];
    let (code, said, why) = answer(&dev, dev.user(1), &words);
    assert_eq!((code, &said["imported"], &said["problems"]), (0, &3.into(), &0.into()), "{why}");
    let found = mailbox::all(&mut Imap::sign_in(&dev, dev.user(1)));
    let inbox = &found["Old"].1;
    assert_eq!(
        inbox.iter().map(|message| message.flags.clone()).collect::<Vec<_>>(),
        [["$label1", "\\Seen"], ["$label1", "\\Answered"]]
    );
    assert_eq!(inbox[0].octets, b"Subject: 0\r\n\r\nFrom me\r\n");
    assert_eq!(inbox[1].date, "14-Nov-2023 22:13:21 +0000");
    assert_eq!(found["Old/Archives/2023"].1.len(), 1);
    // What says that it is an mbox and is none is named.
    let broken = root.join("broken");
    let words = ["import", broken.to_str().expect("UTF-8"), "--format", "mbox"];
    let (code, said, _) = answer(&dev, dev.user(1), &words);
    assert_eq!((code, &said["problems"]), (1, &1.into()));
    assert!(problems(&said)[0].1.contains("does not begin as an mbox"));
    dev.stop();
}

#[test]
fn over_quota_names_what_did_not_fit() {
    let settings = tempfile::NamedTempFile::new().expect("a file");
    fs::write(settings.path(), "[node]\nquota_messages_max = 3\n").expect("written");
    let dev = Dev::start(1, &["--settings", settings.path().to_str().expect("UTF-8")]);
    let root = out(&dev, "tree");
    fs::create_dir_all(&root).expect("a folder");
    for n in 1..=5 {
        fs::write(Path::new(&root).join(format!("{n}.eml")), format!("Subject: {n}\r\n\r\n")).expect("written");
    }
    let (code, said, why) = answer(&dev, dev.user(1), &["import", &root]);
    assert_eq!((code, &said["imported"], &said["problems"]), (1, &3.into(), &2.into()), "{why}");
    // Room is made, and the same command brings in the rest.
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    imap.ok("SELECT INBOX");
    imap.ok("STORE 1:2 +FLAGS (\\Deleted)");
    imap.ok("EXPUNGE");
    let (code, said, why) = answer(&dev, dev.user(1), &["import", &root]);
    assert_eq!((code, &said["imported"], &said["already_there"]), (0, &2.into(), &3.into()), "{why}");
    assert_eq!(mailbox::folder(&mut imap, "INBOX").len(), 3);
    dev.stop();
}
