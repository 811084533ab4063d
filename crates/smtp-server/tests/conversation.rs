//! A role on a real socket: in which order it is asked, and what ends a conversation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use daemon::stream::Stream;
use daemon::{ca, tls};
use smtp::command::{Mail, Rcpt};
use smtp::session::answers::{RECIPIENT_OK, SENDER_OK, START_INPUT};
use smtp::{Auth, Config, Reply, SignInOffer};
use smtp_server::{Conversation, Door, End, Manner, Role, Waits};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_secs(60);
const TAKEN: Reply = Reply::new(250, 0, 0, "Taken");

/// Writes down what it is asked.
struct Clerk {
    asked: Arc<Mutex<Vec<String>>>,
    waits: Waits,
}

impl Clerk {
    fn note(&self, text: String) {
        self.asked.lock().unwrap().push(text);
    }
}

impl Role for Clerk {
    fn waits(&self) -> Waits {
        self.waits
    }
    async fn auth(&mut self, _: Auth) -> Reply {
        panic!("not on offer")
    }
    async fn mail(&mut self, mail: Mail, manner: Manner) -> Reply {
        self.note(format!("mail {} {}", mail.path.as_str(), manner.hello));
        SENDER_OK
    }
    async fn recipient(&mut self, rcpt: Rcpt) -> Reply {
        self.note(format!("recipient {}", rcpt.path.as_str()));
        RECIPIENT_OK
    }
    async fn data(&mut self, manner: Manner) -> Reply {
        self.note(format!("data {}", manner.protocol.name()));
        START_INPUT
    }
    async fn text(&mut self, text: &[u8]) {
        self.note(format!("text {:?}", String::from_utf8_lossy(text)));
    }
    async fn message(&mut self, _: Manner) -> Reply {
        self.note("message".to_owned());
        TAKEN
    }
    fn reset(&mut self) {
        self.note("reset".to_owned());
    }
    fn tls_started(&mut self) {
        self.note("tls".to_owned());
    }
}

/// A client, and the other side.
struct Talk {
    client: TcpStream,
    asked: Arc<Mutex<Vec<String>>>,
    shutdown: CancellationToken,
    served: JoinHandle<End>,
}

impl Talk {
    async fn begin(command: Duration, message: Duration) -> Self {
        tls::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let files = ca::public_self_signed(&["mx.example.com"], &folder.path().join("public"), jiff::Timestamp::now());
        let files = files.unwrap();
        let tls = tls::public_server(&files.cert, &files.key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (asked, shutdown) = (Arc::default(), CancellationToken::new());
        let waits = Waits { command, text: LONG, message, handshake: LONG, write: LONG };
        let clerk = Clerk { asked: Arc::clone(&asked), waits };
        let config = Config {
            hostname: "mx.example.com".to_owned(),
            size_max: 1000,
            recipients_max: 10,
            starttls: true,
            dsn: true,
            sign_in: SignInOffer::No,
        };
        let door = Door { tls, shutdown: shutdown.clone(), may_speak_first: true };
        let served = tokio::spawn(Conversation::new(config, Stream::Plain(stream), door, clerk).run());
        Self { client, asked, shutdown, served }
    }

    /// Says it, and reads until a reply's text has come.
    async fn say(&mut self, text: &str, until: &str) {
        self.client.write_all(text.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains(until) {
            assert!(self.client.read_buf(&mut heard).await.unwrap() > 0, "{}", String::from_utf8_lossy(&heard));
        }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    async fn end(self) -> End {
        drop(self.client);
        self.served.await.unwrap()
    }
}

#[tokio::test]
async fn a_role_is_asked_in_the_order_of_smtp() {
    let mut talk = Talk::begin(LONG, LONG).await;
    let text = "EHLO a.example\r\nMAIL FROM:<x@a.example>\r\nRCPT TO:<y@b.example>\r\nDATA\r\n";
    talk.say(text, "354").await;
    talk.say("Subject: x\r\n\r\n..\r\n.\r\n", "250 2.0.0 Taken").await;
    talk.say("MAIL FROM:<>\r\nRSET\r\nQUIT\r\n", "221 2.0.0").await;
    let expected = [
        "mail x@a.example a.example",
        "recipient y@b.example",
        "data ESMTP",
        "text \"Subject: x\\r\\n\\r\\n\"",
        "text \".\\r\\n\"",
        "message",
        "mail  a.example",
        "reset",
        "reset",
    ];
    assert_eq!(talk.asked(), expected);
    assert_eq!(talk.end().await, End::Closed);
}

#[tokio::test]
async fn silence_a_message_without_end_and_a_shutdown_end_it() {
    let soon = Duration::from_millis(50);
    let mut talk = Talk::begin(soon, LONG).await;
    talk.say("", "421 4.4.2 Timed out, closing\r\n").await;
    assert_eq!(talk.end().await, End::Timeout);

    let mut talk = Talk::begin(LONG, soon).await;
    let text = "EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<y@b.example>\r\nDATA\r\nx\r\n";
    talk.say(text, "421 4.4.2 The message takes too long, closing\r\n").await;
    assert_eq!(talk.asked().last().unwrap(), "reset");
    assert_eq!(talk.end().await, End::Timeout);

    let mut talk = Talk::begin(LONG, LONG).await;
    talk.say("EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<y@b.example>\r\nDATA\r\n", "354").await;
    talk.shutdown.cancel();
    // What is coming in is finished.
    talk.say("x\r\n.\r\n", "250 2.0.0 Taken\r\n421 4.3.2 Shutting down, try again\r\n").await;
    assert_eq!(talk.end().await, End::Closed);
}
