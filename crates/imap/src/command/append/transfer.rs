//! Takes the messages of an APPEND or REPLACE from the client, and from where its URLs say, to the node.
//!
//! Invariants: a message is never held here, only a piece of it. The node is told that everything is whole only after the
//! rest of the command has been read and is well formed; until then it stores nothing. No NUL reaches the node: it could not
//! be sent back in a literal (RFC 3501 §9: CHAR8 = %x01-ff).

use super::grammar::{self, Chunk, Ending, Event, Options, Place};
use super::{Append, url};
use crate::codec::cursor::Cursor;
use crate::codec::{Announced, Step};
use crate::limits::{LITERAL_BYTES_MAX, READ_STALL, UPLOAD_PIECE_BYTES};
use crate::session::Session;
use crate::session::answer::{Answer, Code, End, Outcome, Stop, failure_of_target, untagged_ok};
use bytes::Bytes;
use message::Recoder;
use model::limits::APPEND_MESSAGES_MAX;
use model::{FolderName, Uid, UidSet};
use node_client::{ClientError, Upload};
use tokio::time::timeout;
use wire::convert::keyword_texts;
use wire::session::{Appended, FailureCode, Fetch, NextMessage, Status};

/// Takes everything and answers.
pub(super) async fn run(append: Append, session: &mut Session, announced: Option<Announced>) -> Outcome {
    let Append { replaces, to, first } = append;
    session.account()?;
    let replaced = replaces.as_ref().map(|replaces| replaces.resolve(session)).transpose()?;
    let to = crate::command::folder(to)?;
    let mut head = wire::session::Append { folder: to.as_str().to_owned(), ..wire::session::Append::default() };
    if let Some((folder, uid)) = replaced {
        let uid = uid.ok_or_else(|| Answer::refused("NONEXISTENT", "There is no such message"))?;
        (head.replaced_folder, head.replaced_uid) = (folder, uid.get());
    }
    let one = replaces.is_some();
    let bytes_max = session.shared.settings.message_bytes_max;
    let mut transfer = Transfer { head, upload: None, messages: 0, bytes_max, octets: 0, recoder: None };
    let (mut chunk, mut announced) = (first, announced);
    loop {
        for event in chunk.events {
            match event {
                Event::Message(options) => {
                    // RFC 3516 §4.4: parts of a literal8 may get another encoding; any piece of CATENATE can be one.
                    let recodes = !options.whole || chunk.ending == Ending::Octets { binary: true };
                    transfer.begin(session, options, announced, recodes).await?;
                }
                Event::Url(url) => match transfer.url(session, &url).await {
                    // That there is no such folder is the first thing to know (RFC 4469 §3).
                    Err(stop @ Stop::Answer(_)) => return Err(target_first(session, &to, stop).await),
                    other => other?,
                },
            }
        }
        match (chunk.ending, announced) {
            (Ending::Octets { .. }, Some(announced)) => transfer.literal(session, announced).await?,
            (Ending::Command | Ending::Text, _) | (Ending::Octets { .. }, None) => break,
        }
        (chunk, announced) = next_chunk(session, chunk.next, one).await?;
    }
    let appended = transfer.finish().await?;
    Ok(answer(session, &appended, one))
}

/// The refusal of a target that is not there, else the one at hand.
async fn target_first(session: &mut Session, to: &FolderName, stop: Stop) -> Stop {
    let Ok(account) = session.account() else { return stop };
    match account.node.status(Status { name: to.as_str().to_owned() }).await {
        Err(error @ ClientError::Failure(FailureCode::NoSuchFolder, _)) => failure_of_target(&error).into(),
        Ok(_) | Err(_) => stop,
    }
}

struct Transfer {
    /// What the node is told first.
    head: wire::session::Append,
    /// Set when the first message has begun.
    upload: Option<Upload>,
    messages: usize,
    /// Octets that one message may have.
    bytes_max: u64,
    /// Octets of the message at hand.
    octets: u64,
    /// What encodes the message's binary parts anew.
    recoder: Option<Recoder>,
}

impl Transfer {
    /// A message begins.
    async fn begin(
        &mut self,
        session: &mut Session,
        options: Options,
        announced: Option<Announced>,
        recodes: bool,
    ) -> Result<(), Stop> {
        if options.flags.overlong {
            let text = format!("A keyword has {} octets at most", model::limits::KEYWORD_BYTES_MAX);
            return Err(Answer::refused("LIMIT", text).into());
        }
        let octets = announced.filter(|_| options.whole).map(|announced| announced.octets);
        if octets == Some(0) {
            // RFC 3502 §6.3.11: an empty literal is how a client gives up an append.
            return Err(empty().into());
        }
        let message = NextMessage {
            flags: options.flags.flags.bits(),
            keywords: keyword_texts(&options.flags.keywords),
            // On the wire 0 means now, so the epoch itself is off by the least there is.
            internal_date_ms: options.internal_date_ms.map_or(0, |ms| if ms == 0 { 1 } else { ms }),
            size: octets.filter(|_| !recodes).unwrap_or_default(),
        };
        self.messages += 1;
        if self.messages > APPEND_MESSAGES_MAX {
            let text = format!("One APPEND takes {APPEND_MESSAGES_MAX} messages at most");
            return Err(Answer::refused("LIMIT", text).into());
        }
        self.end_message().await?;
        self.octets = 0;
        self.recoder = recodes.then(Recoder::new);
        if let Some(upload) = &mut self.upload {
            return Ok(upload.next(message).await.map_err(|error| failure_of_target(&error))?);
        }
        let NextMessage { flags, keywords, internal_date_ms, size } = message;
        let head = std::mem::take(&mut self.head);
        let append = wire::session::Append { flags, keywords, internal_date_ms, size, ..head };
        let node = &session.account()?.node;
        self.upload = Some(node.append(append).await.map_err(|error| failure_of_target(&error))?);
        Ok(())
    }

    /// The message at hand, if there is one, is whole.
    async fn end_message(&mut self) -> Result<(), Stop> {
        if let Some(recoder) = self.recoder.take() {
            let mut rest = Vec::new();
            recoder.finish(&mut rest);
            self.send(rest.into()).await?;
        }
        if self.upload.is_some() && self.octets == 0 { Err(empty().into()) } else { Ok(()) }
    }

    /// Whether so many more octets fit the message at hand.
    fn make_room(&self, octets: u64) -> Result<(), Stop> {
        if self.octets.saturating_add(octets) <= self.bytes_max {
            return Ok(());
        }
        Err(Answer::refused("TOOBIG", format!("A message has {} octets at most", self.bytes_max)).into())
    }

    /// Takes the next octets of the message at hand.
    async fn take(&mut self, piece: Bytes) -> Result<(), Stop> {
        let Some(recoder) = &mut self.recoder else { return self.send(piece).await };
        let mut out = Vec::with_capacity(piece.len());
        recoder.push(&piece, &mut out);
        self.send(out.into()).await
    }

    async fn send(&mut self, piece: Bytes) -> Result<(), Stop> {
        if memchr::memchr(0, &piece).is_some() {
            // RFC 3516 §4.4 for a literal8; another literal has no NUL (RFC 3501 §9).
            let code = if self.recoder.is_some() { "UNKNOWN-CTE" } else { "CANNOT" };
            return Err(Answer::refused(code, "NUL octets are stored where a part is labelled binary").into());
        }
        self.make_room(piece.len() as u64)?;
        self.octets += piece.len() as u64;
        let Some(upload) = &mut self.upload else { return Err(End::Broken.into()) };
        Ok(upload.send(piece).await.map_err(|error| failure_of_target(&error))?)
    }

    /// Octets that the client sends.
    async fn literal(&mut self, session: &mut Session, announced: Announced) -> Result<(), Stop> {
        self.make_room(announced.octets)?;
        let connection = &mut session.connection;
        connection.input.stream();
        if announced.waits {
            connection.out.extend_from_slice(b"+ Ready for the message\r\n");
        }
        connection.flush().await?;
        while connection.input.literal_left() > 0 {
            let piece = connection.input.literal_piece(UPLOAD_PIECE_BYTES);
            if piece.is_empty() {
                stalled(connection.read_much()).await?;
                continue;
            }
            self.take(piece).await?;
        }
        Ok(())
    }

    /// Octets of another message.
    async fn url(&mut self, session: &mut Session, text: &[u8]) -> Result<(), Stop> {
        let bad = |why: &'static str| Stop::from(Answer::no(why).with(Code::BadUrl(text.into())));
        let url = url::parse(text).ok_or_else(|| bad("That is no URL of a message in this mailbox"))?;
        let account = session.account()?;
        let (folder, uid_validity) = match (&url.folder, &account.view) {
            (Some(name), _) => {
                let status = account.node.status(Status { name: name.as_str().to_owned() }).await;
                let status = status.map_err(|error| match error {
                    ClientError::Failure(FailureCode::NoSuchFolder, _) => bad("There is no such folder"),
                    error => error.into(),
                })?;
                (status.folder, status.uid_validity)
            }
            (None, Some(view)) => (view.folder, view.uid_validity),
            (None, None) => return Err(bad("No folder is selected")),
        };
        if url.uid_validity.is_some_and(|known| known != uid_validity) {
            return Err(bad("The UIDVALIDITY is another one"));
        }
        let fetch = Fetch {
            folder,
            uids: Some((&UidSet::range(url.uid, url.uid)).into()),
            sections: vec![url.section.wire()],
            ..Fetch::default()
        };
        let mut stream = account.node.fetch(fetch).await?;
        let mut found = false;
        while let Some(fetched) = stream.next().await {
            for piece in fetched?.messages.into_iter().flat_map(|message| message.sections) {
                if piece.missing {
                    return Err(bad("The message has no such part"));
                }
                found = true;
                self.make_room(piece.total.max(piece.data.len() as u64))?;
                self.take(piece.data).await?;
            }
        }
        if found { Ok(()) } else { Err(bad("There is no such message")) }
    }

    /// Everything is there.
    async fn finish(mut self) -> Result<Appended, Stop> {
        self.end_message().await?;
        let Some(upload) = self.upload else { return Err(empty().into()) };
        upload.finish().await.map_err(|error| match error {
            // A NO would say that nothing was stored.
            ClientError::Interrupted => {
                End::Bye(Some("UNAVAILABLE"), "Whether the message was stored is not known").into()
            }
            error => failure_of_target(&error).into(),
        })
    }
}

/// Reads the command up to the next octets of a message, or to its end.
async fn next_chunk(session: &mut Session, place: Place, one: bool) -> Result<(Chunk, Option<Announced>), Stop> {
    loop {
        let connection = &mut session.connection;
        let (parsed, announced) = match connection.input.step() {
            Step::More => {
                connection.flush().await?;
                stalled(connection.read()).await?;
                continue;
            }
            Step::Command(rest) => (grammar::chunk(place, &mut Cursor::new(&rest), false, one), None),
            Step::Literal(announced) => {
                let text = connection.input.text();
                (grammar::chunk(place, &mut Cursor::new(text), true, one), Some(announced))
            }
            Step::Overlong(_) => return Err(Answer::bad("The command is too long").with(Code::Plain("LIMIT")).into()),
            Step::Hopeless => return Err(End::Bye(Some("TOOBIG"), "That is more than is worth reading").into()),
        };
        let chunk = parsed.map_err(Answer::from)?;
        let Some(literal) = announced.filter(|_| chunk.ending == Ending::Text) else { return Ok((chunk, announced)) };
        let room = connection.input.limits().command_bytes_max.saturating_sub(connection.input.text().len()) as u64;
        if literal.octets > LITERAL_BYTES_MAX.min(room) {
            return Err(Answer::bad("The literal is too big for this command").with(Code::Plain("LIMIT")).into());
        }
        connection.input.accept();
        if literal.waits {
            connection.out.extend_from_slice(b"+ OK\r\n");
        }
    }
}

async fn stalled(read: impl Future<Output = Result<(), End>>) -> Result<(), End> {
    timeout(READ_STALL, read).await.unwrap_or(Err(End::Bye(None, "The message stayed unfinished for too long")))
}

fn empty() -> Answer {
    Answer::no("An empty message is not stored")
}

fn answer(session: &mut Session, appended: &Appended, replaced: bool) -> Answer {
    let last = appended.uid.saturating_add(appended.count.max(1) - 1);
    let uids = Uid::new(appended.uid).zip(Uid::new(last)).map(|(first, last)| UidSet::range(first, last));
    let code = uids.map(|uids| Code::AppendUid(appended.uid_validity, uids));
    if !replaced {
        let answer = Answer::ok("Stored");
        return if let Some(code) = code { answer.with(code) } else { answer };
    }
    // RFC 8508 §3: APPENDUID stands before the EXPUNGE of what was replaced.
    if let Some(code) = code {
        untagged_ok(&mut session.connection.out, &code, "Stored");
    }
    Answer::ok("Replaced")
}
