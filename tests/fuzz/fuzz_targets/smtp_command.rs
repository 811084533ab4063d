//! A whole SMTP conversation of any octets, once as it is and once in pieces: the same replies and the same messages, no
//! panic, and no bare line end or NUL in a message that was taken. And the client's side: any octets as replies.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp::session::answers;
use smtp::{Config, Event, Reply, ReplyParser, Session, SignInOffer};

/// Octets of a message: little, so that inputs reach it.
const SIZE_MAX: u64 = 10_000;

struct Player {
    session: Session,
    replies: Vec<u8>,
    body: Vec<u8>,
    messages: Vec<Vec<u8>>,
    closed: bool,
}

impl Player {
    fn new() -> Self {
        let hostname = "mx.example".to_owned();
        let sign_in = SignInOffer::Anywhere;
        let config = Config { hostname, size_max: SIZE_MAX, recipients_max: 3, starttls: false, dsn: true, sign_in };
        let mut session = Session::new(config, false);
        session.greet();
        Self { session, replies: Vec::new(), body: Vec::new(), messages: Vec::new(), closed: false }
    }

    fn feed(&mut self, mut input: &[u8]) {
        while !self.closed {
            match self.session.step(&mut input) {
                Event::NeedInput => break,
                Event::Mail(mail) if mail.path.as_str().len() % 7 == 6 => {
                    self.session.answer(&Reply::new(550, 7, 1, "No"));
                }
                Event::Mail(_) => self.session.answer(&answers::SENDER_OK),
                Event::Recipient(rcpt) if rcpt.path.as_str().len() % 5 == 4 => {
                    self.session.answer(&Reply::new(550, 1, 1, "No"));
                }
                Event::Recipient(_) => self.session.answer(&answers::RECIPIENT_OK),
                Event::Auth(_) => self.session.answer(&answers::SIGNED_IN),
                Event::Data => {
                    self.body.clear();
                    self.session.answer(&answers::START_INPUT);
                }
                Event::Body(text) => self.body.extend_from_slice(text),
                Event::Message => {
                    self.messages.push(std::mem::take(&mut self.body));
                    self.session.answer(&answers::OK);
                }
                Event::Reset => self.body.clear(),
                Event::StartTls => unreachable!("not on offer"),
                Event::Close => self.closed = true,
            }
            self.replies.extend(self.session.take_output());
        }
        self.replies.extend(self.session.take_output());
    }
}

fn check_message(message: &[u8]) {
    assert!(message.len() as u64 <= SIZE_MAX);
    assert!(!message.contains(&0));
    for (at, byte) in message.iter().enumerate() {
        match byte {
            b'\r' => assert_eq!(message.get(at + 1), Some(&b'\n')),
            b'\n' => assert_eq!(at.checked_sub(1).map(|before| message[before]), Some(b'\r')),
            _ => {}
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&cut, conversation)) = data.split_first() else { return };
    let mut whole = Player::new();
    whole.feed(conversation);
    let mut pieces = Player::new();
    for piece in conversation.chunks(usize::from(cut).max(1)) {
        pieces.feed(piece);
    }
    pieces.feed(b"");
    assert_eq!(whole.replies, pieces.replies);
    assert_eq!(whole.messages, pieces.messages);
    assert_eq!(whole.closed, pieces.closed);
    whole.messages.iter().for_each(|message| check_message(message));

    // Every reply that is written can be read.
    let (mut parser, mut written) = (ReplyParser::default(), &whole.replies[..]);
    while let Some(reply) = parser.push(&mut written).expect("our own replies are well formed") {
        assert!((200..600).contains(&reply.code()));
    }
    let (mut parser, mut received) = (ReplyParser::default(), conversation);
    while let Ok(Some(_)) = parser.push(&mut received) {}
});
