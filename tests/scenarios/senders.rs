//! Mail programs send through submission: msmtp, swaks, and Thunderbird's settings, over STARTTLS and TLS.

use harness::client::{run, script, stdout};
use harness::{Dev, Imap, until};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// INBOX of the first user, once it has so many messages.
fn inbox(dev: &Dev, count: usize) -> Vec<String> {
    until("the messages arrive", || {
        let messages = Imap::sign_in(dev, dev.user(1)).messages("INBOX");
        let text = |(_, bytes): &(u32, Vec<u8>)| String::from_utf8_lossy(bytes).into_owned();
        (messages.len() >= count).then(|| messages.iter().map(text).collect())
    })
}

/// msmtp with a configuration for these ports, as people have one.
fn msmtp(dev: &Dev) -> PathBuf {
    let user = dev.user(1);
    let file = dev.scratch().join("msmtprc");
    let text = format!(
        "defaults\nhost localhost\ntls on\ntls_trust_file {ca}\nauth plain\nfrom {address}\nuser {address}\n\
         password {password}\nset_date_header off\n\
         account starttls\nport {starttls}\ntls_starttls on\n\
         account tls\nport {tls}\ntls_starttls off\n\
         account login\nport {tls}\ntls_starttls off\nauth login\n\
         account wrong\nport {tls}\ntls_starttls off\npassword wrong\n",
        ca = dev.ca().display(),
        address = user.address,
        password = user.password,
        starttls = dev.port("submission"),
        tls = dev.port("submissions"),
    );
    fs::write(&file, text).unwrap();
    Command::new("chmod").arg("600").arg(&file).status().unwrap();
    file
}

#[test]
fn msmtp_sends() {
    let dev = Dev::start(1, &[]);
    let (config, message) = (msmtp(&dev), dev.scratch().join("message"));
    let send = |account: &str, words: &[&str]| {
        let text = format!("From: u1@example.test\nTo: u1@example.test\nSubject: by {account}\n\nHello\n.\n..\nBye\n");
        fs::write(&message, text).unwrap();
        let mut command = Command::new("msmtp");
        command.arg("-C").arg(&config).args(["-a", account]).args(words).arg("u1@example.test");
        command.stdin(fs::File::open(&message).unwrap());
        command
    };
    run(&mut send("starttls", &["--dsn-notify=failure,delay", "--dsn-return=headers"]));
    run(&mut send("tls", &[]));
    run(&mut send("login", &[]));
    let messages = inbox(&dev, 3);
    for account in ["starttls", "tls", "login"] {
        let of = messages.iter().find(|text| text.contains(&format!("Subject: by {account}\r\n"))).unwrap();
        assert!(of.ends_with("\r\n\r\nHello\r\n.\r\n..\r\nBye\r\n"), "{of}");
        // What msmtp was told to leave out.
        assert!(of.contains("\r\nDate: ") && of.contains("\r\nMessage-ID: <"), "{of}");
        assert!(of.contains(" with ESMTPSA "), "{of}");
    }
    let wrong = send("wrong", &[]).output().unwrap();
    let why = String::from_utf8_lossy(&wrong.stderr).into_owned();
    // EX_NOPERM of sysexits.h.
    assert!(wrong.status.code() == Some(77) && why.contains("535 5.7.8"), "{:?} {why}", wrong.status);
    let other = send("tls", &["-f", "somebody@example.test"]).output().unwrap();
    let why = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && why.contains("550 5.7.1"), "{why}");
    dev.stop();
}

#[test]
fn swaks_sends() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    let swaks = |port: &str, words: &[&str]| {
        let mut command = Command::new("swaks");
        command.args(["--server", &format!("127.0.0.1:{}", dev.port(port)), "--to", &user.address]);
        command.args(["--from", &user.address, "--auth-user", &user.address, "--auth-password", &user.password]);
        command.args(words);
        command
    };
    for (port, tls, mechanism) in [
        ("submission", "--tls", "PLAIN"),
        ("submission", "--tls", "LOGIN"),
        ("submissions", "--tls-on-connect", "PLAIN"),
        ("submissions", "--tls-on-connect", "LOGIN"),
    ] {
        let sent = run(&mut swaks(port, &[tls, "--auth", mechanism, "--body", &format!("{port} {mechanism}")]));
        assert!(stdout(&sent).contains("~> RCPT TO:<u1@example.test>"), "{}", stdout(&sent));
    }
    let messages = inbox(&dev, 4);
    for body in ["submission PLAIN", "submission LOGIN", "submissions PLAIN", "submissions LOGIN"] {
        let of = messages.iter().filter(|text| text.contains(&format!("\r\n\r\n{body}\r\n"))).count();
        assert_eq!(of, 1, "{body}");
    }
    // Nobody sends who has not signed in.
    let refused = Command::new("swaks")
        .args(["--server", &format!("127.0.0.1:{}", dev.port("submission")), "--tls"])
        .args(["--to", &user.address, "--from", &user.address])
        .output()
        .unwrap();
    assert!(!refused.status.success() && stdout(&refused).contains("530 5.7.0"), "{}", stdout(&refused));
    dev.stop();
}

#[test]
fn thunderbirds_settings_send() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    for (way, port) in [("starttls", "submission"), ("tls", "submissions")] {
        let mut command = Command::new("python3");
        command.arg(script("thunderbird_settings.py")).args([way, &dev.port(port).to_string()]).arg(dev.ca());
        let sent = run(command.args([&user.address, &user.password, &user.address]));
        assert_eq!(stdout(&sent), "sent\n");
    }
    // Both messages, octet for octet, and both notices of success that were asked for.
    let messages = inbox(&dev, 4);
    let whole = "\r\n\r\nViele Gr\u{fc}\u{df}e \r\naus K\u{f6}ln\r\n.\r\n";
    assert_eq!(messages.iter().filter(|text| text.ends_with(whole)).count(), 2, "{messages:?}");
    let told =
        |text: &&String| text.contains("Action: delivered\r\n") && text.contains("Original-Envelope-Id: 4a1d8e5c-");
    assert_eq!(messages.iter().filter(told).count(), 2, "{messages:?}");
    dev.stop();
}
