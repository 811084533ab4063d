//! Connections that break at every byte, floods, and clients that do not read: nothing is stored by half, others go on.

use harness::{Dev, Imap, Smtp};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

#[test]
fn a_conversation_broken_at_every_byte_stores_nothing_by_half() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    let script = format!(
        "a LOGIN {} {}\r\nb APPEND INBOX (\\Seen) {{23+}}\r\nSubject: x\r\n\r\nbody 12\r\n\r\nc CREATE Other\r\nd LOGOUT\r\n",
        user.address, user.password
    );
    // Where the APPEND is complete: its literal and the line end after it.
    let whole = script.find("c CREATE").expect("in the script");
    let from = script.find("b APPEND").expect("in the script");
    for end in (1..from).step_by(7).chain(from..=script.len()) {
        let mut stream = TcpStream::connect(("127.0.0.1", dev.port("imap"))).expect("a connection");
        stream.write_all(&script.as_bytes()[..end]).expect("written");
        stream.shutdown(Shutdown::Write).expect("half closed");
        drop(stream.read_to_end(&mut Vec::new()));
    }
    let mut imap = Imap::sign_in(&dev, user);
    let messages = imap.messages("INBOX");
    assert_eq!(messages.len(), script.len() - whole + 1, "only whole APPENDs are stored");
    assert!(messages.iter().all(|(_, bytes)| bytes == b"Subject: x\r\n\r\nbody 12\r\n"));
    dev.stop();
}

#[test]
fn an_smtp_conversation_broken_at_every_byte_stores_nothing_by_half() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    let script = format!(
        "EHLO x.example.test\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<{}>\r\nDATA\r\nSubject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n",
        user.address
    );
    let whole = script.find("QUIT").expect("in the script");
    let mut accepted = 0;
    for end in (1..=script.len()).rev().step_by(3) {
        let mut stream = TcpStream::connect(("127.0.0.1", dev.port("mx"))).expect("a connection");
        // Not pipelined blindly: each line waits for its reply, as a careful client does.
        let mut replies = Vec::new();
        for line in script[..end].split_inclusive('\n') {
            if stream.write_all(line.as_bytes()).is_err() {
                break;
            }
        }
        stream.shutdown(Shutdown::Write).expect("half closed");
        drop(stream.read_to_end(&mut replies));
        let replies = String::from_utf8_lossy(&replies).into_owned();
        let after_data = replies.split("\r\n354").nth(1).unwrap_or_default();
        if after_data.contains("\r\n250 2.") {
            assert!(end >= whole, "accepted before its end at byte {end}: {replies}");
            accepted += 1;
        }
    }
    assert!(accepted > 0);
    assert_eq!(Imap::sign_in(&dev, user).messages("INBOX").len(), accepted);
    dev.stop();
}

#[test]
fn floods_and_silence_harm_nobody_else() {
    let dev = Dev::start(2, &[]);
    let mut imap = Imap::sign_in(&dev, dev.user(1));
    for n in 0..40 {
        imap.append("INBOX", "", &[format!("Subject: {n}\r\n\r\n").into_bytes(), vec![b'x'; 200_000]].concat());
    }
    // Asks for everything, many times over, and reads nothing.
    imap.ok("SELECT INBOX");
    for _ in 0..20 {
        imap.send("FETCH 1:* BODY.PEEK[]").expect("sent");
    }
    // A line without an end, and binary noise.
    let mut endless = TcpStream::connect(("127.0.0.1", dev.port("imap"))).expect("a connection");
    let sent = (0..64).take_while(|_| endless.write_all(&[b'a'; 16 * 1024]).is_ok()).count();
    assert!(sent > 0);
    let mut noise = TcpStream::connect(("127.0.0.1", dev.port("mx"))).expect("a connection");
    let bytes: Vec<u8> = (0..20_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    drop(noise.write_all(&bytes));

    // Others are served meanwhile, and the same owner in another session too.
    let mut other = Imap::sign_in(&dev, dev.user(2));
    other.append("INBOX", "", b"Subject: y\r\n\r\nz\r\n");
    assert_eq!(other.messages("INBOX").len(), 1);
    let mut again = Imap::sign_in(&dev, dev.user(1));
    assert_eq!(again.ok("STATUS INBOX (MESSAGES)").lines(), ["STATUS INBOX (MESSAGES 40)"]);
    Smtp::connect(&dev).send("a@elsewhere.test", &[&dev.user(1).address], b"Subject: q\r\n\r\nq\r\n");
    assert_eq!(again.ok("STATUS INBOX (MESSAGES)").lines(), ["STATUS INBOX (MESSAGES 41)"]);
    drop(imap);
    dev.stop();
}

#[test]
fn a_body_over_the_limit_is_refused_and_nothing_stays() {
    let dev = Dev::start(1, &[]);
    let user = dev.user(1);
    let mut smtp = Smtp::connect(&dev);
    let refused = smtp.command("MAIL FROM:<a@elsewhere.test> SIZE=200000000");
    assert!(refused.starts_with("552 5.3.4"), "{refused}");
    smtp.command("MAIL FROM:<a@elsewhere.test>");
    smtp.command(&format!("RCPT TO:<{}>", user.address));
    smtp.command("DATA");
    let block = [[b'x'; 78].as_slice(), b"\r\n"].concat().repeat(1024);
    for _ in 0..900 {
        if smtp.raw(&block).is_none() {
            break;
        }
    }
    // The server may have closed by now.
    let _ = smtp.raw(b".\r\n");
    let reply = smtp.reply();
    assert!(reply.as_deref().is_none_or(|r| r.starts_with("552 5.3.4")), "{reply:?}");
    let mut imap = Imap::sign_in(&dev, user);
    let answer = imap.append("INBOX", "", &[]).tagged;
    assert!(!answer.starts_with("BAD") || answer.starts_with("NO"), "an empty message is answered {answer}");
    let tag = imap.send("APPEND INBOX {200000000}").expect("sent");
    let line = String::from_utf8_lossy(&imap.response()).into_owned();
    assert!(line.starts_with(&format!("{tag} NO [TOOBIG]")), "{line}");
    assert_eq!(imap.messages("INBOX").len(), usize::from(answer.starts_with("OK")));
    dev.stop();
}
