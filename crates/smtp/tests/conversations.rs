//! Plays the transcripts in `tests/conversations/`, each as it stands and cut into pieces of every size.
//!
//! `C:` is a line from the client, `c:` the same without its CRLF, `C*n:` n times; escapes are Rust's. What follows is what
//! the session does: `S:` a reply line, `E:` an event. A first line that begins with `# submission` has
//! its offers; `# whole` as the first line: what matters is what came together.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use smtp::session::answers;
use smtp::{Auth, Config, Event, Path, Reply, Session, SignInOffer};
use std::fs;

const SIZE_MAX: u64 = 1_000;

/// What an MX offers, or submission.
fn config(submission: bool) -> Config {
    let sign_in = if submission { SignInOffer::InTls } else { SignInOffer::No };
    let hostname = "mx.example".into();
    Config { hostname, size_max: SIZE_MAX, recipients_max: 3, starttls: true, dsn: submission, sign_in }
}

/// A session and what it did, in order.
struct Player {
    session: Session,
    log: Vec<String>,
    body: Vec<u8>,
}

impl Player {
    fn new(config: Config) -> Self {
        let mut session = Session::new(config, false);
        session.greet();
        Self { session, log: Vec::new(), body: Vec::new() }
    }

    fn feed(&mut self, mut input: &[u8]) {
        loop {
            let event = self.session.step(&mut input);
            self.note_replies();
            match event {
                Event::NeedInput => return assert!(input.is_empty(), "input was left"),
                Event::Body(piece) => self.body.extend_from_slice(piece),
                Event::Mail(mail) => self.session.answer(&sender(&mail.path)),
                Event::Auth(auth) => {
                    let reply = self.sign_in(&auth);
                    self.session.answer(&reply);
                }
                Event::Recipient(rcpt) => self.session.answer(&recipient(&rcpt.path)),
                Event::Data => self.session.answer(&answers::START_INPUT),
                Event::Message => {
                    let with = self.session.protocol().name();
                    let body = std::mem::take(&mut self.body);
                    self.log.push(format!("E: message {with} \"{}\"", body.escape_ascii()));
                    self.session.answer(&Reply::new(250, 0, 0, "Stored"));
                }
                Event::Reset => {
                    self.body.clear();
                    self.log.push("E: reset".into());
                }
                Event::StartTls => {
                    self.log.push("E: starttls".into());
                    self.session.tls_started();
                }
                Event::Close => return self.log.push("E: close".into()),
            }
            self.note_replies();
        }
    }

    fn sign_in(&mut self, auth: &Auth) -> Reply {
        let (name, password) = match auth {
            Auth::Plain(message) => ("PLAIN".to_owned(), message),
            Auth::Login(name, password) => (format!("LOGIN {}", name.escape_ascii()), password),
        };
        self.log.push(format!("E: {name} {}", password.escape_ascii()));
        if password.ends_with(b"right") { answers::SIGNED_IN } else { answers::WRONG_PASSWORD }
    }

    fn note_replies(&mut self) {
        let output = String::from_utf8(self.session.take_output()).unwrap();
        self.log.extend(output.split_terminator("\r\n").map(|line| format!("S: {line}")));
    }
}

fn sender(path: &Path) -> Reply {
    if path.as_str().starts_with("banned@") { Reply::new(550, 7, 1, "Banned") } else { answers::SENDER_OK }
}

fn recipient(path: &Path) -> Reply {
    match path.as_str().split('@').next() {
        Some("unknown") => Reply::new(550, 1, 1, "Unknown"),
        Some("full") => Reply::new(452, 2, 2, "Full"),
        Some("gone") => Reply::new(421, 3, 2, "Gone"),
        _ => answers::RECIPIENT_OK,
    }
}

#[derive(Default)]
struct Turn {
    input: Vec<u8>,
    expected: Vec<String>,
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'\\' => match bytes.next().unwrap() {
                b'r' => b'\r',
                b'n' => b'\n',
                b'0' => 0,
                b'x' => {
                    let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            },
            byte => byte,
        });
    }
    out
}

fn turns(transcript: &str) -> Vec<Turn> {
    let mut turns = vec![Turn::default()];
    for line in transcript.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (kind, text) = line.split_once(':').unwrap_or_else(|| panic!("not a transcript line: {line}"));
        let text = text.strip_prefix(' ').unwrap_or(text);
        if kind.starts_with(['C', 'c']) && !turns.last().unwrap().expected.is_empty() {
            turns.push(Turn::default());
        }
        let turn = turns.last_mut().unwrap();
        let mut line_in = unescape(text);
        match kind.split_once('*').map_or((kind, 1), |(kind, times)| (kind, times.parse().unwrap())) {
            ("c", times) => turn.input.extend(line_in.repeat(times)),
            ("C", times) => {
                line_in.extend_from_slice(b"\r\n");
                turn.input.extend(line_in.repeat(times));
            }
            ("S" | "E", times) => turn.expected.extend(std::iter::repeat_n(format!("{}: {text}", &kind[..1]), times)),
            other => panic!("not a transcript line: {other:?}"),
        }
    }
    turns
}

fn play(name: &str, transcript: &str, cut: usize) {
    let mut player = Player::new(config(transcript.starts_with("# submission")));
    for turn in turns(transcript) {
        player.log.clear();
        if turn.input.is_empty() {
            player.feed(b"");
        }
        for piece in turn.input.chunks(cut) {
            player.feed(piece);
            if player.log.last().is_some_and(|line| line == "E: close") {
                break;
            }
        }
        let said = turn.input.escape_ascii().to_string();
        let said = said.get(..300).unwrap_or(&said);
        assert_eq!(player.log, turn.expected, "{name}, cut by {cut}, after: {said}");
    }
}

#[test]
fn transcripts() {
    let mut count = 0;
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conversations")).unwrap() {
        let path = entry.unwrap().path();
        let transcript = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        play(&name, &transcript, usize::MAX);
        if !transcript.starts_with("# whole") {
            (1..40).chain([64, 511, 1500]).for_each(|cut| play(&name, &transcript, cut));
        }
        count += 1;
    }
    assert!(count >= 10, "only {count} transcripts were found");
}

mod random {
    use super::*;
    use proptest::prelude::*;

    /// Commands, text and rubbish that a conversation may be made of.
    fn fragment() -> impl Strategy<Value = Vec<u8>> {
        let fixed = prop::sample::select(vec![
            &b"EHLO a.example\r\n"[..],
            b"HELO a.example\r\n",
            b"MAIL FROM:<a@b> BODY=8BITMIME\r\n",
            b"MAIL FROM:<a@b> SIZE=2000\r\n",
            b"MAIL FROM:<\xc3\xb8@b> SMTPUTF8\r\n",
            b"RCPT TO:<c@d>\r\n",
            b"RCPT TO:<unknown@d>\r\n",
            b"DATA\r\n",
            b"Subject: x\r\n\r\nbody\r\n",
            b"..\r\n",
            b".\r\n",
            b"\r\n.\r\n",
            b"\n.\n",
            b"\r.\r",
            b"AUTH PLAIN\r\n",
            b"AUTH LOGIN YQ==\r\n",
            b"AUTH PLAIN AGEAcmlnaHQ=\r\n",
            b"cmlnaHQ=\r\n",
            b"BDAT 5\r\n",
            b"BDAT 5 LAST\r\nabc\r\n",
            b"BDAT 0 LAST\r\n",
            b"BDAT x\r\n",
            b"RSET\r\n",
            b"NOOP\r\n",
            b"QUIT\r\n",
            b"\0",
        ]);
        prop_oneof![12 => fixed.prop_map(<[u8]>::to_vec), 1 => prop::collection::vec(any::<u8>(), 0..300)]
    }

    proptest! {
        #[test]
        fn how_a_conversation_is_cut_changes_nothing(
            fragments in prop::collection::vec(fragment(), 0..40),
            cuts in prop::collection::vec(1usize..60, 1..20),
            submission in any::<bool>(),
        ) {
            let conversation = [b"EHLO a.example\r\n".to_vec(), fragments.concat()].concat();
            let mut whole = Player::new(Config { sign_in: SignInOffer::Anywhere, ..config(submission) });
            whole.feed(&conversation);
            let mut pieces = Player::new(Config { sign_in: SignInOffer::Anywhere, ..config(submission) });
            let mut rest = &conversation[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() || pieces.log.last().is_some_and(|line| line == "E: close") {
                    break;
                }
                let (head, tail) = rest.split_at(rest.len().min(*cut));
                pieces.feed(head);
                rest = tail;
            }
            prop_assert_eq!(whole.log, pieces.log);
        }
    }
}
