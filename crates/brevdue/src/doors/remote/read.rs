//! The messages of the other server: which there are, what is known of them, and their octets.

use super::folders::{self, Remote};
use super::sign_in::Capabilities;
use super::value::{self, Value};
use super::wire::{End, Step, Wire, end_of};
use crate::doors::limits::{REMOTE_BATCH_MESSAGES, REMOTE_MESSAGES_MAX};
use crate::doors::piece::parse_flags;
use crate::doors::source::{Item, Key, Known, Offer, key};
use crate::failure::Failure;
use bytes::Bytes;
use imap::codec::{Cursor, date};
use model::limits::MESSAGE_BYTES_MAX;
use model::{Flags, Keyword, Uid, UidSet};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Octets in which `* n FETCH (` stands.
const FETCH_BYTES: usize = 32;

/// Who has signed in.
pub struct SignedIn {
    wire: Wire,
    can: Capabilities,
    without: Vec<String>,
    /// Which server, for reports.
    server: String,
    /// It names a message behind its octets: each has to be asked for by itself.
    one_by_one: bool,
}

/// What is known of a message before its octets.
#[derive(Debug, Clone, PartialEq, Eq)]
struct About {
    uid: u32,
    flags: Flags,
    keywords: Vec<Keyword>,
    internal_date_ms: Option<i64>,
    size: u64,
}

/// Why reading ends.
enum Stop {
    /// Nobody takes what is read.
    Unwanted,
    /// The server.
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl SignedIn {
    /// On this connection.
    pub fn new(wire: Wire, can: Capabilities, without: Vec<String>, server: String) -> Self {
        Self { wire, can, without, server, one_by_one: false }
    }

    /// Reads everything.
    pub async fn read(mut self, items: mpsc::Sender<Item>, known: Arc<impl Known>) -> Result<(), Failure> {
        match self.folders(&items, known.as_ref()).await {
            Ok(()) => Ok(()),
            // Then the other side says why.
            Err(Stop::Unwanted) => Ok(()),
            Err(Stop::Failed(failure)) => Err(failure.of(&self.server)),
        }
    }

    async fn folders(&mut self, items: &mpsc::Sender<Item>, known: &impl Known) -> Result<(), Stop> {
        for remote in folders::list(&mut self.wire, &self.can, &self.without).await? {
            self.folder(&remote, items, known).await?;
        }
        put(items, Item::Whole).await?;
        // It may have hung up already; everything is read.
        let _ = self.wire.send("LOGOUT").await;
        Ok(())
    }

    async fn folder(&mut self, remote: &Remote, items: &mpsc::Sender<Item>, known: &impl Known) -> Result<(), Stop> {
        put(items, Item::Folder(remote.folder.clone())).await?;
        let Some((uid_validity, uids)) = self.examine(remote, items).await? else { return Ok(()) };
        put(items, Item::Expect(uids.len() as u64)).await?;
        let key_of = |uid: u32| key(&[b"imap", &remote.name, &uid_validity.to_be_bytes(), &uid.to_be_bytes()]);
        let (done, new): (Vec<u32>, Vec<u32>) = uids.iter().partition(|&&uid| known.is_known(&key_of(uid)));
        // First, so that what earlier runs have appended stands for these and for no others.
        for uid in done {
            put(items, Item::Known(key_of(uid))).await?;
        }
        for batch in new.chunks(REMOTE_BATCH_MESSAGES) {
            let messages = self.describe(batch).await?;
            self.messages(&remote.folder.name, messages, key_of, items).await?;
        }
        Ok(())
    }

    /// Opens the folder for reading alone; its UIDVALIDITY and UIDs, or nothing where it cannot be opened.
    async fn examine(&mut self, remote: &Remote, items: &mpsc::Sender<Item>) -> Result<Option<(u32, Vec<u32>)>, Stop> {
        let Some(name) = quoted(&remote.name) else {
            put(items, Item::Problem(remote.folder.name.clone(), "no command can have its name".to_owned())).await?;
            return Ok(None);
        };
        let mut uid_validity = None;
        let command = format!("EXAMINE {name}");
        let examined = self.wire.command(&command, |response| {
            uid_validity = uid_validity.or(validity_of(response));
            Ok(())
        });
        if let End::Refused(why) = examined.await? {
            put(items, Item::Problem(remote.folder.name.clone(), why)).await?;
            return Ok(None);
        }
        let uid_validity = uid_validity.ok_or_else(|| Failure::refused("it has no UIDVALIDITY"))?;
        let mut uids = Vec::new();
        self.wire
            .done("UID SEARCH ALL", |response| {
                // One more than the bound shows that there are too many.
                let room = (REMOTE_MESSAGES_MAX + 1).saturating_sub(uids.len());
                uids.extend(searched(response).into_iter().flatten().take(room));
                if uids.len() > REMOTE_MESSAGES_MAX {
                    return Err(Failure::refused(format!("a folder has more than {REMOTE_MESSAGES_MAX} messages")));
                }
                Ok(())
            })
            .await?;
        uids.sort_unstable();
        uids.dedup();
        Ok(Some((uid_validity, uids)))
    }

    /// What is known of these messages, those that are still there.
    async fn describe(&mut self, uids: &[u32]) -> Result<Vec<About>, Failure> {
        let set: UidSet = uids.iter().filter_map(|&uid| Uid::new(uid)).collect();
        let mut found = BTreeMap::new();
        let command = format!("UID FETCH {} (UID FLAGS INTERNALDATE RFC822.SIZE)", sequence(&set));
        self.wire
            .done(&command, |response| {
                if let Some(about) = value::parse(response).and_then(|values| about(&values))
                    && Uid::new(about.uid).is_some_and(|uid| set.contains(uid))
                {
                    found.insert(about.uid, about);
                }
                Ok(())
            })
            .await?;
        Ok(found.into_values().collect())
    }

    /// Hands on the messages, in whatever order they come. What has gone meanwhile does not.
    async fn messages(
        &mut self,
        folder: &str,
        messages: Vec<About>,
        key_of: impl Fn(u32) -> Key,
        items: &mpsc::Sender<Item>,
    ) -> Result<(), Stop> {
        let server = self.server.clone();
        let offer = |about: About| Offer {
            key: key_of(about.uid),
            origin: format!("{folder}, UID {} at {server}", about.uid),
            flags: about.flags,
            keywords: about.keywords,
            internal_date_ms: about.internal_date_ms,
            size: about.size,
            sha256: None,
        };
        let mut left: BTreeMap<u32, Offer> = messages.into_iter().map(|about| (about.uid, offer(about))).collect();
        if !self.one_by_one && !left.is_empty() {
            let set = left.keys().filter_map(|&uid| Uid::new(uid)).collect();
            self.fetch(&sequence(&set), None, &mut left, items).await?;
        }
        if self.one_by_one {
            for uid in left.keys().copied().collect::<Vec<_>>() {
                self.fetch(&uid.to_string(), Some(uid), &mut left, items).await?;
            }
        }
        Ok(())
    }

    /// Asks for the octets of messages, and hands them on as they come. `only`: there is no other that they could be of.
    async fn fetch(
        &mut self,
        set: &str,
        only: Option<u32>,
        left: &mut BTreeMap<u32, Offer>,
        items: &mpsc::Sender<Item>,
    ) -> Result<(), Stop> {
        let tag = self.wire.send(&format!("UID FETCH {set} (UID BODY.PEEK[])")).await?;
        loop {
            let (mut response, mut has_come) = (Vec::new(), false);
            while let Step::Literal(size) = self.wire.step(&mut response).await? {
                if !is_body(&response) {
                    self.wire.inline(size, &mut response).await?;
                    continue;
                }
                // One response is of one message (RFC 9051 §7.5.2): it is looked for once in what came before its octets.
                if std::mem::replace(&mut has_come, true) {
                    self.drain(size).await?;
                    continue;
                }
                let uid = only.or_else(|| uid_before(&response));
                self.one_by_one |= uid.is_none();
                match uid.and_then(|uid| left.remove(&uid)) {
                    Some(offer) => self.body(size, offer, items).await?,
                    None => self.drain(size).await?,
                }
            }
            match end_of(&tag, &response)? {
                None => {
                    let values = value::parse(response.strip_prefix(b"* ").unwrap_or_default());
                    if let Some((uid, text)) = values.as_deref().and_then(short_body)
                        && let Some(offer) = left.remove(&uid)
                    {
                        self.short(text, offer, items).await?;
                    }
                }
                Some(End::Ok) => return Ok(()),
                Some(End::Refused(why)) => {
                    for (_, offer) in std::mem::take(left) {
                        put(items, Item::Problem(offer.origin, why.clone())).await?;
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Throws octets away that nobody wants.
    async fn drain(&mut self, mut left: u64) -> Result<(), Stop> {
        while left > 0 {
            self.wire.data(&mut left).await?;
        }
        Ok(())
    }

    async fn body(&mut self, size: u64, offer: Offer, items: &mpsc::Sender<Item>) -> Result<(), Stop> {
        let mut left = size;
        if size > MESSAGE_BYTES_MAX || size == 0 {
            let why = if size == 0 {
                "it is empty".to_owned()
            } else {
                format!("it has {size} octets; a message may have {MESSAGE_BYTES_MAX}")
            };
            put(items, Item::Problem(offer.origin, why)).await?;
            return self.drain(size).await;
        }
        put(items, Item::Begin(Offer { size, ..offer })).await?;
        while left > 0 {
            match self.wire.data(&mut left).await {
                Ok(data) => put(items, Item::Data(data)).await?,
                Err(failure) => {
                    put(items, Item::Broken("the server did not send all of it".to_owned())).await?;
                    return Err(failure.into());
                }
            }
        }
        put(items, Item::End).await
    }

    /// A message that came as a quoted string, as a very small one may.
    async fn short(&mut self, text: Vec<u8>, offer: Offer, items: &mpsc::Sender<Item>) -> Result<(), Stop> {
        if text.is_empty() {
            return put(items, Item::Problem(offer.origin, "it is empty".to_owned())).await;
        }
        put(items, Item::Begin(Offer { size: text.len() as u64, ..offer })).await?;
        put(items, Item::Data(Bytes::from(text))).await?;
        put(items, Item::End).await
    }
}

async fn put(items: &mpsc::Sender<Item>, item: Item) -> Result<(), Stop> {
    items.send(item).await.map_err(|_| Stop::Unwanted)
}

/// A name as a command has it; `None` for one that no command can have.
fn quoted(name: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(name).ok().filter(|text| !text.chars().any(char::is_control))?;
    Some(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// `OK [UIDVALIDITY 7] …`
fn validity_of(response: &[u8]) -> Option<u32> {
    let text = String::from_utf8_lossy(response).to_ascii_uppercase();
    let rest = text.strip_prefix("OK [UIDVALIDITY ")?;
    rest.split(']').next()?.parse().ok()
}

/// `SEARCH 1 2 3`; a line of millions is not made into values.
fn searched(response: &[u8]) -> Option<impl Iterator<Item = u32>> {
    let start = response.get(..6)?;
    let rest = response.get(6..)?;
    let words = rest.split(|octet| octet.is_ascii_whitespace());
    let numbers = words.filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok());
    start.eq_ignore_ascii_case(b"SEARCH").then_some(numbers)
}

fn sequence(uids: &UidSet) -> String {
    let bounds = uids.bounds();
    let range = |pair: &[u32]| match pair {
        [first, last] if first == last => first.to_string(),
        [first, last] => format!("{first}:{last}"),
        _ => String::new(),
    };
    bounds.chunks(2).map(range).collect::<Vec<_>>().join(",")
}

/// The members of `n FETCH (…)`, in pairs.
fn fetched(values: &[Value]) -> Option<impl Iterator<Item = (&Value, &Value)>> {
    let [_, word, members] = values else { return None };
    let pairs = members.list()?.chunks_exact(2).filter_map(|pair| Some((pair.first()?, pair.get(1)?)));
    word.is("FETCH").then_some(pairs)
}

fn about(values: &[Value]) -> Option<About> {
    let mut about = About { uid: 0, flags: Flags::NONE, keywords: Vec::new(), internal_date_ms: None, size: 0 };
    for (name, value) in fetched(values)? {
        if name.is("UID") {
            about.uid = value.number()?;
        } else if name.is("RFC822.SIZE") {
            about.size = value.number()?.into();
        } else if name.is("FLAGS") {
            (about.flags, about.keywords) = parse_flags(value.list()?.iter().filter_map(Value::text));
        } else if name.is("INTERNALDATE") {
            about.internal_date_ms = value.text().and_then(internal_date);
        }
    }
    (about.uid != 0).then_some(about)
}

/// The UID and the octets of `n FETCH (… BODY[] "…")`.
fn short_body(values: &[Value]) -> Option<(u32, Vec<u8>)> {
    let (_, body) = fetched(values)?.find(|(name, _)| name.is("BODY[]"))?;
    match body {
        Value::Text(text) => Some((uid_of(values)?, text.clone())),
        Value::Atom(_) | Value::List(_) => None,
    }
}

fn uid_of(values: &[Value]) -> Option<u32> {
    fetched(values)?.find(|(name, _)| name.is("UID"))?.1.number()
}

/// The UID that stands before the octets that a response announces.
fn uid_before(response: &[u8]) -> Option<u32> {
    let open = memchr::memrchr(b'{', response)?;
    let before = response.get(..open)?.strip_prefix(b"* ")?;
    uid_of(&value::parse(&[before, b"NIL)"].concat())?)
}

/// Whether what was read of a response announces the octets of a message.
fn is_body(response: &[u8]) -> bool {
    let line = response.strip_suffix(b"}\r\n").unwrap_or(response);
    let Some(open) = memchr::memrchr(b'{', line) else { return false };
    let before = line.get(..open).unwrap_or_default().trim_ascii_end();
    let start = response.get(..FETCH_BYTES.min(response.len())).unwrap_or_default();
    let start = String::from_utf8_lossy(start).to_ascii_uppercase();
    let name = before.get(before.len().saturating_sub(6)..).unwrap_or_default();
    start.split(' ').nth(2).is_some_and(|word| word == "FETCH") && name.eq_ignore_ascii_case(b"BODY[]")
}

/// `17-Jul-1996 02:44:25 -0700` (RFC 9051 §9, date-time), milliseconds since 1970-01-01 UTC.
fn internal_date(text: &str) -> Option<i64> {
    let quoted = format!("\"{text}\"");
    date::date_time(&mut Cursor::new(quoted.as_bytes())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_of_messages_is_read() {
        let said = b"2 FETCH (UID 7 FLAGS (\\Seen $x \\Recent) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 42)\r\n";
        let found = about(&value::parse(said).unwrap()).unwrap();
        assert_eq!((found.uid, found.size, found.flags.bits()), (7, 42, 1));
        assert_eq!(found.keywords.iter().map(Keyword::as_str).collect::<Vec<_>>(), ["$x"]);
        assert_eq!(found.internal_date_ms, Some(837_596_665_000));
        assert_eq!(about(&value::parse(b"2 FETCH (FLAGS ())").unwrap()), None);
        assert_eq!(about(&value::parse(b"2 EXPUNGE").unwrap()), None);
    }

    #[test]
    fn only_a_messages_octets_are_streamed() {
        assert!(is_body(b"* 2 FETCH (UID 3 BODY[] {5}\r\n"));
        assert!(is_body(b"* 2 fetch (body[] {5}\r\n"));
        for other in
            [&b"* 2 FETCH (BODY[HEADER] {5}\r\n"[..], b"* LIST () \"/\" {5}\r\n", b"* OK BODY[] {5}\r\n", b"{5}\r\n"]
        {
            assert!(!is_body(other));
        }
        let small = value::parse(b"2 FETCH (UID 3 BODY[] \"a\")").unwrap();
        assert_eq!(short_body(&small), Some((3, b"a".to_vec())));
        assert_eq!(uid_before(b"* 2 FETCH (FLAGS (\\Seen) UID 3 BODY[] {5}\r\n"), Some(3));
        assert_eq!(uid_before(b"* 2 FETCH (BODY[] {5}\r\n"), None);
    }

    /// Each was looked for in all that had come before it: a hostile server's megabyte took hours.
    #[tokio::test]
    async fn one_response_brings_one_message() {
        let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
        let mut reader = SignedIn::new(Wire::new(Box::new(ours)), Capabilities::default(), Vec::new(), "s".to_owned());
        let offer = |uid: u32| Offer {
            key: key(&[]),
            origin: uid.to_string(),
            flags: Flags::NONE,
            keywords: Vec::new(),
            internal_date_ms: None,
            size: 1,
            sha256: None,
        };
        let mut left: BTreeMap<u32, Offer> = [(1, offer(1)), (2, offer(2))].into();
        let (items, mut found) = mpsc::channel(100);
        let said = format!(
            "* 1 FETCH (UID 1{})\r\n* 2 FETCH (UID 2 BODY[] {{1}}\r\nb)\r\nb1 OK\r\n",
            " BODY[] {1}\r\na".repeat(100_000)
        );
        let writing = async {
            use tokio::io::AsyncWriteExt;
            theirs.write_all(said.as_bytes()).await.unwrap();
            theirs
        };
        let (read, _theirs) = tokio::join!(reader.fetch("1:2", None, &mut left, &items), writing);
        assert!(read.is_ok() && left.is_empty());
        drop(items);
        let mut octets = Vec::new();
        while let Some(item) = found.recv().await {
            if let Item::Data(data) = item {
                octets.extend_from_slice(&data);
            }
        }
        assert_eq!(octets, b"ab");
    }

    #[test]
    fn answers_are_read() {
        assert_eq!(validity_of(b"OK [UIDVALIDITY 17] x\r\n"), Some(17));
        assert_eq!(validity_of(b"OK [UIDNEXT 17] x\r\n"), None);
        let found: Vec<u32> = searched(b"SEARCH 3 1 2\r\n").unwrap().collect();
        assert_eq!(found, [3, 1, 2]);
        assert_eq!(searched(b"SEARCH\r\n").unwrap().count(), 0);
        assert!(searched(b"3 EXISTS\r\n").is_none());
        let set: UidSet = [1, 2, 3, 7].into_iter().filter_map(Uid::new).collect();
        assert_eq!(sequence(&set), "1:3,7");
        assert_eq!(quoted(b"a\"b\\"), Some("\"a\\\"b\\\\\"".to_owned()));
        assert_eq!(quoted(b"a\r\nb"), None);
    }
}
