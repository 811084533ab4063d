//! The server's side of one conversation: bytes in, events and replies out. Who may send what to whom, and where a message
//! goes, is the caller's to answer; this keeps the order of commands, the framing of text, and the limits.

pub mod answers;
mod body;
mod sign_in;

pub use sign_in::{Auth, SignInOffer};

use crate::command::{self, Command, Mail, Rcpt};
use crate::content::Content;
use crate::limits::{
    COMMAND_LINE_BYTES_MAX, ERRORS_MAX, FAILED_SIGN_INS_MAX, IDLE_COMMANDS_MAX, REFUSED_RECIPIENTS_MAX,
    SURPLUS_RECIPIENTS_MAX, TRANSACTIONS_MAX,
};
use crate::line::{LineEnd, LineReader};
use crate::reply::Reply;
use body::{Chunk, Transfer};
use sign_in::Exchange;
use zeroize::Zeroize;

/// What this server is and offers.
#[derive(Debug, Clone)]
pub struct Config {
    /// Our name in the greeting and in EHLO's answer.
    pub hostname: String,
    /// Octets of a message, as announced with SIZE.
    pub size_max: u64,
    /// Recipients of one transaction.
    pub recipients_max: u32,
    /// Whether STARTTLS is on offer while the connection is in the clear.
    pub starttls: bool,
    /// Whether notices of success, failure and delay can be asked for (RFC 3461), and TLS all the way (RFC 8689) inside TLS.
    pub dsn: bool,
    /// Whether people sign in.
    pub sign_in: SignInOffer,
}

/// What the caller is to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'i> {
    /// All input is used up: write the output, then read.
    NeedInput,
    /// A transaction may begin. To be answered.
    Mail(Mail),
    /// A recipient of the open transaction. To be answered.
    Recipient(Rcpt),
    /// Somebody says who they are. To be answered: [`answers::SIGNED_IN`] when they are.
    Auth(Auth),
    /// The text is about to come; there is a recipient. To be answered: [`answers::START_INPUT`] to have it.
    Data,
    /// The next piece of the text, dots removed.
    Body(&'i [u8]),
    /// The text is whole. To be answered: a positive reply takes responsibility for the message.
    Message,
    /// The open transaction is void; nothing of it may be delivered.
    Reset,
    /// Write the output, do the handshake, call [`Session::tls_started`]. An open transaction is void.
    StartTls,
    /// Write the output and close. An open transaction is void.
    Close,
}

/// How the client speaks, for the Received field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol {
    /// It said EHLO.
    pub extended: bool,
    /// TLS is on.
    pub tls: bool,
    /// The transaction was opened with SMTPUTF8.
    pub utf8: bool,
    /// Somebody is signed in.
    pub authenticated: bool,
}

impl Protocol {
    /// The keyword for the field's `with` clause (RFC 3848, RFC 6531 §4.3).
    pub const fn name(self) -> &'static str {
        match (self.utf8, self.extended, self.tls, self.authenticated) {
            (true, _, false, false) => "UTF8SMTP",
            (true, _, true, false) => "UTF8SMTPS",
            (true, _, false, true) => "UTF8SMTPA",
            (true, _, true, true) => "UTF8SMTPSA",
            (false, false, _, _) => "SMTP",
            (false, true, false, false) => "ESMTP",
            (false, true, true, false) => "ESMTPS",
            (false, true, false, true) => "ESMTPA",
            (false, true, true, true) => "ESMTPSA",
        }
    }
}

#[derive(Debug)]
enum State {
    /// Before [`Session::greet`].
    Silent,
    Command,
    /// An event waits for its answer.
    Asked(Question),
    Sasl(Exchange),
    Data(Transfer),
    Chunk(Chunk),
    Handshake,
    Closed,
}

#[derive(Debug)]
enum Question {
    Mail(Transaction),
    Recipient,
    Auth,
    Data,
    FirstChunk(Chunk),
    Message,
}

#[derive(Debug)]
struct Transaction {
    utf8: bool,
    recipients: u32,
    refused: u32,
    content: Content,
    /// BDAT has begun: nothing but BDAT goes on with it (RFC 3030 §2).
    chunked: bool,
}

/// What one connection has used up of its limits.
#[derive(Debug, Default)]
struct Spent {
    errors: u32,
    idle_commands: u32,
    refused: u32,
    surplus: u32,
    transactions: u32,
    failed_sign_ins: u32,
}

/// One conversation. Holds one command line and the replies not yet written, never a message.
#[derive(Debug)]
pub struct Session {
    config: Config,
    state: State,
    reader: LineReader,
    output: Vec<u8>,
    hello: Option<String>,
    extended: bool,
    tls: bool,
    authenticated: bool,
    transaction: Option<Transaction>,
    spent: Spent,
}

impl Session {
    /// A conversation that has not begun; `tls` when the connection is encrypted from its first octet.
    pub fn new(config: Config, tls: bool) -> Self {
        Self {
            config,
            state: State::Silent,
            reader: LineReader::default(),
            output: Vec::new(),
            hello: None,
            extended: false,
            tls,
            authenticated: false,
            transaction: None,
            spent: Spent::default(),
        }
    }

    /// Says 220. A caller that waits a moment before this, and finds that the client has spoken already, may call
    /// [`Session::close`] with [`answers::EARLY_TALKER`] instead: only a program that does not listen does that.
    pub fn greet(&mut self) {
        if matches!(self.state, State::Silent) {
            self.state = State::Command;
            let greeting = answers::greeting(&self.config.hostname);
            self.push(&greeting);
        }
    }

    /// Ends the conversation with a last reply: refused at the door, a timeout, a shutdown.
    pub fn close(&mut self, reply: &Reply) {
        if !matches!(self.state, State::Closed) {
            self.push(reply);
            self.shut();
        }
    }

    /// The handshake that [`Event::StartTls`] asked for is done: the client begins anew (RFC 3207 §4.2).
    pub fn tls_started(&mut self) {
        if matches!(self.state, State::Handshake) {
            self.state = State::Command;
            self.tls = true;
            self.hello = None;
            self.extended = false;
            self.authenticated = false;
            self.transaction = None;
        }
    }

    /// What is to be written to the client; empty afterwards.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Octets that wait to be written.
    pub fn output_bytes(&self) -> usize {
        self.output.len()
    }

    /// The name that the client gave with HELO or EHLO.
    pub fn hello(&self) -> Option<&str> {
        self.hello.as_deref()
    }

    /// How the client speaks.
    pub fn protocol(&self) -> Protocol {
        let utf8 = self.transaction.as_ref().is_some_and(|transaction| transaction.utf8);
        Protocol { extended: self.extended, tls: self.tls, utf8, authenticated: self.authenticated }
    }

    /// Whether text of a message is coming in or waits for its answer: a bad moment to end the conversation.
    pub fn in_message(&self) -> bool {
        matches!(self.state, State::Data(_) | State::Chunk(_) | State::Asked(Question::Message))
    }

    /// Goes on with the conversation: takes from `input` what the returned event stands for. Call it again until it says
    /// [`Event::NeedInput`] or [`Event::Close`]; an event that is to be answered is answered first.
    pub fn step<'i>(&mut self, input: &mut &'i [u8]) -> Event<'i> {
        loop {
            let event = match &self.state {
                State::Closed => {
                    *input = &[];
                    Some(Event::Close)
                }
                State::Silent | State::Asked(_) | State::Handshake => Some(Event::NeedInput),
                State::Command | State::Sasl(_) if input.is_empty() => Some(Event::NeedInput),
                State::Command => self.step_line(input),
                State::Sasl(_) => self.step_sasl(input),
                State::Data(_) => self.step_data(input),
                State::Chunk(_) => self.step_chunk(input),
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    /// The caller's answer to [`Event::Mail`], [`Event::Recipient`], [`Event::Auth`], [`Event::Data`] or [`Event::Message`]. A
    /// 421 or 521 also closes.
    pub fn answer(&mut self, reply: &Reply) {
        let question = match std::mem::replace(&mut self.state, State::Command) {
            State::Asked(question) => question,
            other => {
                self.state = other;
                return;
            }
        };
        if matches!(reply.code(), 421 | 521) {
            return self.close(reply);
        }
        match question {
            Question::Mail(transaction) => {
                self.push(reply);
                self.transaction = reply.is_positive().then_some(transaction);
            }
            Question::Recipient => {
                self.push(reply);
                self.count_recipient(reply);
            }
            Question::Auth => {
                self.push(reply);
                self.count_sign_in(reply);
            }
            Question::Data if reply.is_positive() => {
                self.push(reply);
                self.state = State::Data(Transfer::default());
            }
            Question::FirstChunk(chunk) if reply.is_positive() => self.state = State::Chunk(chunk),
            Question::FirstChunk(chunk) => {
                self.transaction = None;
                self.refuse_chunk(chunk, reply.clone());
            }
            Question::Data | Question::Message => {
                self.push(reply);
                self.transaction = None;
                self.spent.idle_commands = 0;
            }
        }
    }

    fn count_sign_in(&mut self, reply: &Reply) {
        self.authenticated = reply.is_positive();
        // A passing failure is not the client's.
        self.spent.failed_sign_ins += u32::from(reply.is_permanent());
        if self.spent.failed_sign_ins > FAILED_SIGN_INS_MAX {
            self.close(&answers::TOO_MANY_SIGN_INS);
        }
    }

    fn count_recipient(&mut self, reply: &Reply) {
        let Some(transaction) = &mut self.transaction else { return };
        if reply.is_positive() {
            transaction.recipients += 1;
            return;
        }
        transaction.refused += 1;
        self.spent.refused += u32::from(reply.is_permanent());
        if self.spent.refused > REFUSED_RECIPIENTS_MAX {
            self.close(&answers::TOO_MANY_REFUSED);
        }
    }

    fn step_line(&mut self, input: &mut &[u8]) -> Option<Event<'static>> {
        let Some(end) = self.reader.take(input, COMMAND_LINE_BYTES_MAX) else {
            return Some(Event::NeedInput);
        };
        let line = self.reader.line();
        let parsed = match end {
            LineEnd::Crlf => command::parse(&line).map_err(answers::for_error),
            LineEnd::BareLf => Err(answers::BARE_LF),
            LineEnd::TooLong => Err(answers::LINE_TOO_LONG),
            LineEnd::Endless => Err(answers::LINE_ENDLESS),
        };
        self.reuse(line);
        match parsed {
            Ok(command) => self.command(command, input),
            Err(reply) => self.refuse(&reply),
        }
    }

    /// A password may have been in the line.
    fn reuse(&mut self, mut line: Vec<u8>) {
        line.zeroize();
        self.reader.reuse(line);
    }

    fn command(&mut self, command: Command, rest: &[u8]) -> Option<Event<'static>> {
        match command {
            Command::Ehlo(name) => {
                let reply = answers::ehlo(&self.config, &name, self.tls);
                self.begin(name, true, &reply)
            }
            Command::Helo(name) => {
                let reply = answers::helo(&self.config.hostname);
                self.begin(name, false, &reply)
            }
            Command::Mail(mail) => self.mail(mail),
            Command::Rcpt(rcpt) => self.recipient(rcpt),
            Command::Auth(auth) => self.auth(auth),
            Command::Data => self.data(),
            Command::Bdat { size, last } => self.chunk(size, last),
            Command::Rset => {
                self.idle(&answers::OK);
                self.void()
            }
            Command::Noop => self.idle(&answers::OK),
            Command::Vrfy => self.idle(&answers::CANNOT_VERIFY),
            Command::Help => self.idle(&answers::HELP),
            Command::Expn => self.refuse(&answers::NO_EXPN),
            Command::Quit => {
                self.close(&answers::BYE);
                None
            }
            Command::StartTls => self.start_tls(rest),
        }
    }

    /// RFC 5321 §4.1.4: EHLO and HELO in mid-session do what RSET does.
    fn begin(&mut self, name: String, extended: bool, reply: &Reply) -> Option<Event<'static>> {
        (self.hello, self.extended) = (Some(name), extended);
        self.idle(reply);
        self.void()
    }

    fn mail(&mut self, mail: Mail) -> Option<Event<'static>> {
        if self.hello.is_none() {
            return self.refuse(&answers::HELLO_FIRST);
        }
        if self.transaction.is_some() {
            return self.refuse(&answers::NESTED_MAIL);
        }
        if let Some(refusal) = self.config.sign_in.refusal(self.tls, self.authenticated) {
            return self.refuse(&refusal);
        }
        // RFC 5321 §4.1.1.11: parameters belong to EHLO.
        let offered = (self.config.dsn || (mail.ret.is_none() && mail.envelope_id.is_none()))
            && (!mail.require_tls || (self.config.dsn && self.tls))
            && (!mail.auth || self.authenticated);
        if mail.extended && !(self.extended && offered) {
            return self.refuse(&answers::PARAMETER);
        }
        if !mail.path.is_ascii() && !mail.utf8 {
            return self.refuse(&answers::UTF8_NOT_ASKED);
        }
        if mail.size.is_some_and(|size| size > self.config.size_max) {
            return self.refuse(&answers::TOO_BIG);
        }
        self.spent.transactions += 1;
        if self.spent.transactions > TRANSACTIONS_MAX {
            self.close(&answers::TOO_MANY_TRANSACTIONS);
            return None;
        }
        let content = Content::new(self.config.size_max);
        let transaction = Transaction { utf8: mail.utf8, recipients: 0, refused: 0, content, chunked: false };
        self.state = State::Asked(Question::Mail(transaction));
        Some(Event::Mail(mail))
    }

    fn recipient(&mut self, rcpt: Rcpt) -> Option<Event<'static>> {
        let Some(transaction) = self.transaction.as_ref().filter(|transaction| !transaction.chunked) else {
            return self.refuse(&answers::MAIL_FIRST);
        };
        if rcpt.extended && !(self.extended && self.config.dsn) {
            return self.refuse(&answers::PARAMETER);
        }
        // RFC 6533 §3: ORCPT may be in UTF-8 where the address may.
        let ascii = rcpt.path.is_ascii() && rcpt.original.as_deref().is_none_or(str::is_ascii);
        if !ascii && !transaction.utf8 {
            return self.refuse(&answers::UTF8_NOT_ASKED);
        }
        if transaction.recipients >= self.config.recipients_max {
            self.push(&answers::TOO_MANY_RECIPIENTS);
            self.spent.surplus += 1;
            if self.spent.surplus > SURPLUS_RECIPIENTS_MAX {
                self.close(&answers::TOO_MANY_REFUSED);
            }
            return None;
        }
        self.state = State::Asked(Question::Recipient);
        Some(Event::Recipient(rcpt))
    }

    fn data(&mut self) -> Option<Event<'static>> {
        match &self.transaction {
            None => self.refuse(&answers::MAIL_FIRST),
            Some(Transaction { chunked: true, .. }) => self.refuse(&answers::DATA_AFTER_BDAT),
            Some(Transaction { recipients: 0, refused: 0, .. }) => self.refuse(&answers::RECIPIENT_FIRST),
            Some(Transaction { recipients: 0, .. }) => self.refuse(&answers::NO_RECIPIENT),
            Some(_) => {
                self.state = State::Asked(Question::Data);
                Some(Event::Data)
            }
        }
    }

    fn start_tls(&mut self, rest: &[u8]) -> Option<Event<'static>> {
        if self.tls || !self.config.starttls {
            return self.refuse(&answers::NO_STARTTLS);
        }
        // What came in the clear behind STARTTLS was not said by the peer of the handshake that follows; the client had to
        // wait for 220 (RFC 3207 §4.2), so somebody in between wrote it, or its writer does not listen.
        if !rest.is_empty() {
            self.close(&answers::TALKED_ACROSS_STARTTLS);
            return None;
        }
        self.push(&answers::READY_FOR_TLS);
        self.state = State::Handshake;
        self.transaction = None;
        Some(Event::StartTls)
    }

    /// Drops the open transaction.
    fn void(&mut self) -> Option<Event<'static>> {
        self.transaction.take().map(|_| Event::Reset)
    }

    /// Answers a command that brings no message nearer.
    fn idle(&mut self, reply: &Reply) -> Option<Event<'static>> {
        self.push(reply);
        self.spent.idle_commands += 1;
        if self.spent.idle_commands > IDLE_COMMANDS_MAX {
            self.close(&answers::TOO_MANY_COMMANDS);
        }
        None
    }

    /// Answers a command that was wrong.
    fn refuse(&mut self, reply: &Reply) -> Option<Event<'static>> {
        self.push(reply);
        self.spent.errors += 1;
        if matches!(reply.code(), 421 | 521) {
            self.shut();
        } else if self.spent.errors > ERRORS_MAX {
            self.close(&answers::TOO_MANY_ERRORS);
        }
        None
    }

    fn shut(&mut self) {
        self.state = State::Closed;
        self.transaction = None;
    }

    fn push(&mut self, reply: &Reply) {
        reply.write_to(&mut self.output);
    }
}
