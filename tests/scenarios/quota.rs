//! Mailboxes at their quota, one alone and several of an account: what owners and senders are told, how there is room again,
//! and that what is counted is what is there, whatever was killed.

use harness::exchange::brevdue;
use harness::smtp::Smtp;
use harness::{Dev, Imap, User, until};
use std::fs;
use std::path::{Path, PathBuf};

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

/// An account with a mailbox on each of two nodes.
struct Family {
    dev: Dev,
    config: PathBuf,
    members: Vec<User>,
}

impl Family {
    fn start() -> Self {
        let dev = Dev::start(1, &["--nodes", "2"]);
        let config = dev.data().join("config/admin.toml");
        let members = ["node-1", "node-2"].iter().enumerate().map(|(at, node)| {
            let address = format!("member{at}@example.test");
            let (code, made) = brevdue(&config, &["alias", "add", &address, "--account", "family", "--node", node]);
            assert_eq!(code, 0, "{made}");
            User { address, password: made["password"].as_str().expect("a password").to_owned() }
        });
        Self { members: members.collect(), dev, config }
    }

    /// Octets and messages of each, and what is granted to it, as the directory knows.
    fn stored(&self) -> Vec<(u64, u64, u64)> {
        let (code, shown) = brevdue(&self.config, &["account", "show", &self.members[0].address]);
        assert_eq!((code, shown["account"].as_str()), (0, Some("family")), "{shown}");
        let number = |alias: &serde_json::Value, name: &str| alias[name].as_u64().expect("a number");
        let aliases = shown["aliases"].as_array().expect("aliases").iter();
        aliases.map(|each| (number(each, "bytes"), number(each, "messages"), number(each, "granted_bytes"))).collect()
    }

    fn rcpt(&self, member: usize, size: usize) -> String {
        let mut smtp = Smtp::connect(&self.dev);
        smtp.command(&format!("MAIL FROM:<a@sender.example> SIZE={size}"));
        smtp.command(&format!("RCPT TO:<{}>", self.members[member].address))
    }
}

fn set(config: &Path, words: &[&str]) -> serde_json::Value {
    let (code, answer) = brevdue(config, words);
    assert_eq!(code, 0, "{words:?}: {answer}");
    answer
}

fn letter(size: usize) -> Vec<u8> {
    let mut text = b"Subject: x\r\n\r\n".to_vec();
    while text.len() + 2 < size {
        let line = (size - text.len() - 2).min(70);
        text.extend(vec![b'x'; line]);
        text.extend(b"\r\n");
    }
    text
}

#[test]
fn limits_of_accounts_domains_and_aliases_are_set_and_told() {
    let family = Family::start();
    set(&family.config, &["account", "limit", "family", "--bytes", "16K"]);
    let (mut one, mut two) =
        (Imap::sign_in(&family.dev, &family.members[0]), Imap::sign_in(&family.dev, &family.members[1]));
    assert!(one.append("INBOX", "", &letter(8000)).is_ok());
    assert!(two.append("INBOX", "", &letter(8000)).is_ok());
    let refused = two.append("INBOX", "", &letter(500));
    assert!(refused.tagged.starts_with("NO [OVERQUOTA]"), "{}", refused.tagged);
    let told = one.ok("GETQUOTAROOT INBOX").lines();
    let expected = ["QUOTAROOT INBOX \"\" account", "QUOTA \"\" (MAILBOX 6 10000)", "QUOTA account (STORAGE 16 16)"];
    assert_eq!(told, expected);
    assert_eq!(one.ok("GETQUOTA account").lines(), ["QUOTA account (STORAGE 16 16)"]);
    // Not now, and never: a sender who says how large it is knows at once.
    let (now, never) = (family.rcpt(0, 1000), family.rcpt(0, 20_000));
    assert!(now.starts_with("452 4.2.2") && never.starts_with("552 5.2.2"), "{now}, {never}");

    // A domain and an alias have limits too; the tightest counts.
    set(&family.config, &["account", "limit", "family", "--bytes", "0"]);
    set(&family.config, &["domain", "set", "example.test", "quota_bytes", "17K"]);
    until("the domain's limit is heard of", || family.rcpt(0, 2000).starts_with("452 4.2.2").then_some(()));
    set(&family.config, &["domain", "set", "example.test", "quota_bytes", "--default"]);
    let limited = set(&family.config, &["alias", "limit", &family.members[0].address, "--messages", "1"]);
    assert_eq!(limited["messages_max"], 1);
    until("the alias's limit is heard of", || {
        let answer = one.append("INBOX", "", &letter(100));
        answer.tagged.starts_with("NO [OVERQUOTA]").then_some(())
    });
    until("the domain's limit is gone", || two.append("INBOX", "", &letter(20_000)).is_ok().then_some(()));
    family.dev.stop();
}

/// Nodes die between any two of their owners' and strangers' acts.
#[test]
fn a_pool_is_never_overdrawn_and_figures_are_true_though_nodes_are_killed() {
    const LIMIT: usize = 64 * 1024;
    let family = Family::start();
    set(&family.config, &["account", "limit", "family", "--bytes", "64K"]);
    let mut seed = 5u64;
    let mut roll = move |sides: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 33) % sides) as usize
    };
    let mut sessions: Vec<Option<Imap>> = vec![None, None];
    let (mut accepted, mut refused) = ([0u64; 2], 0);
    for step in 0..40 {
        let (who, size) = (roll(2), 2000 + roll(4000));
        match roll(8) {
            0 => sessions[who] = None,
            1 => sessions[who] = Some(Imap::sign_in(&family.dev, &family.members[who])),
            2 => family.dev.kill_and_wait("node", 1 + who),
            3 | 4 => {
                let Some(imap) = &mut sessions[who] else { continue };
                let answer = imap.append("INBOX", "", &letter(size));
                accepted[who] += u64::from(answer.is_ok());
                refused += usize::from(answer.tagged.starts_with("NO [OVERQUOTA]"));
            }
            _ => {
                let to = family.members[who].address.as_str();
                let reply = Smtp::connect(&family.dev).try_send("a@sender.example", &[to], &letter(size));
                let reply = reply.expect("an answer");
                accepted[who] += u64::from(reply.starts_with("250"));
                refused += usize::from(reply.starts_with("452 4.2.2"));
            }
        }
        if step % 4 == 0 {
            let granted: u64 = family.stored().iter().map(|each| each.2).sum();
            assert!(granted <= LIMIT as u64, "{granted}");
        }
    }
    assert!(refused > 0, "nothing came to the limit");
    let mut there = Vec::new();
    for (who, member) in family.members.iter().enumerate() {
        sessions[who] = None;
        let mut imap = Imap::sign_in(&family.dev, member);
        let messages = imap.messages("INBOX");
        assert_eq!(messages.len() as u64, accepted[who], "every message that was accepted, and no other");
        let bytes: usize = messages.iter().map(|(_, text)| text.len()).sum();
        there.push((bytes as u64, messages.len() as u64, bytes as u64));
        imap.ok("LOGOUT");
    }
    assert!(there.iter().map(|each| each.0).sum::<u64>() <= LIMIT as u64);
    until("the directory knows what is there", || (family.stored() == there).then_some(()));
    family.dev.stop();
}
