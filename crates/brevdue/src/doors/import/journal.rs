//! What an import remembers: a file of lines that grows. `docs/formats/export.md` describes it.
//!
//! Invariants: one process has it open (a lock). A message is named begun before its first octet goes to the mailbox, and done
//! after the mailbox answered. A line that a crash has cut is not read and not written upon.

use super::default_state;
use crate::doors::limits::JOURNAL_RECORDS_PER_SYNC;
use crate::doors::piece::hex;
use crate::doors::source::{Key, Known};
use crate::failure::Failure;
use model::{MailboxId, Token};
use rustix::fs::FlockOperation;
use std::collections::{HashMap, HashSet};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

const HEAD: &str = "brevdue-import 1 ";
/// Octets of a line; the longest that is written has 60.
const LINE_BYTES_MAX: u64 = 256;

/// Where a message was appended: UIDVALIDITY and UID.
pub type At = (u32, u32);

/// What earlier runs have done; for who reads the source.
#[derive(Default)]
pub struct KnownKeys {
    done: HashMap<Key, At>,
}

impl Known for KnownKeys {
    fn is_known(&self, key: &Key) -> bool {
        self.done.contains_key(key)
    }
}

/// The journal.
pub struct Journal {
    file: File,
    salt: [u8; 16],
    known: Arc<KnownKeys>,
    /// The present try of messages that are not done.
    tries: HashMap<Key, u32>,
    failed: HashSet<Key>,
    unsynced: u32,
}

impl Journal {
    /// Opens the journal of this import, or begins it.
    pub fn open(path: Option<&Path>, identity: &str, mailbox: &MailboxId) -> Result<Self, Failure> {
        let path = path.map_or_else(|| default_state(identity), |path| Ok(path.to_owned()))?;
        let subject = path.display().to_string();
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
            made.map_err(|error| Failure::refused(format!("{error}; give --state FILE")).of(&subject))?;
        }
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(|error| Failure::refused(format!("{error}; give --state FILE")).of(&subject))?;
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(Failure::refused("the same import is under way").of(&subject));
        }
        // The name is durable before anything rests on the file.
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(|error| Failure::from(error).of(&subject))?;
        }
        Self::read(file, mailbox).map_err(|failure| failure.of(&subject))
    }

    fn read(file: File, mailbox: &MailboxId) -> Result<Self, Failure> {
        let mut reader = BufReader::new(file);
        let mut line = String::new();
        let mut whole = reader.read_line(&mut line)? as u64;
        let mut known = KnownKeys::default();
        let (mut tries, mut failed) = (HashMap::new(), HashSet::new());
        let salt = match salt(&line, mailbox)? {
            Some(salt) => salt,
            None => {
                let mut file = reader.into_inner();
                let salt = begin(&mut file, mailbox)?;
                return Ok(Self { file, salt, known: Arc::new(known), tries, failed, unsynced: 0 });
            }
        };
        loop {
            let mut line = Vec::new();
            let read = io::Read::take(&mut reader, LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
            if !line.ends_with(b"\n") {
                break;
            }
            whole += read as u64;
            match record(&line) {
                Some(Record::Begun(key, attempt)) => {
                    failed.remove(&key);
                    tries.insert(key, attempt);
                }
                Some(Record::Failed(key)) => {
                    failed.insert(key);
                }
                Some(Record::Done(key, at)) => {
                    tries.remove(&key);
                    known.done.insert(key, at);
                }
                None => {}
            }
        }
        let mut file = reader.into_inner();
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        Ok(Self { file, salt, known: Arc::new(known), tries, failed, unsynced: 0 })
    }

    /// What earlier runs have done.
    pub fn known(&self) -> Arc<KnownKeys> {
        Arc::clone(&self.known)
    }

    /// Where an earlier run has appended it.
    pub fn place(&self, key: &Key) -> Option<At> {
        self.known.done.get(key).copied()
    }

    /// A message is about to be appended; the token to do it under. A try that nobody knows the end of is made again under the
    /// same token; one that ended in a refusal is another one's beginning.
    pub fn begin(&mut self, key: &Key) -> Result<Token, Failure> {
        let failed = self.failed.remove(key);
        let attempt = match self.tries.get(key) {
            Some(&attempt) if failed => attempt.saturating_add(1),
            Some(&attempt) => attempt,
            None => 0,
        };
        self.tries.insert(*key, attempt);
        self.write(&format!("b {} {attempt}\n", hex(key)))?;
        let token = crate::doors::source::key(&[b"token", &self.salt, key, &attempt.to_be_bytes()]);
        Ok(Token::from_bytes(token))
    }

    /// It was appended, or found where it was appended.
    pub fn done(&mut self, key: &Key, (uid_validity, uid): At) -> Result<(), Failure> {
        self.tries.remove(key);
        self.write(&format!("d {} {uid_validity} {uid}\n", hex(key)))
    }

    /// It was refused: nothing was appended.
    pub fn fail(&mut self, key: &Key) -> Result<(), Failure> {
        self.failed.insert(*key);
        self.write(&format!("f {}\n", hex(key)))
    }

    /// That was all for now.
    pub fn sync(&mut self) -> Result<(), Failure> {
        self.unsynced = 0;
        self.file
            .sync_data()
            .map_err(|error| Failure::refused(format!("what was imported cannot be remembered: {error}")))
    }

    fn write(&mut self, line: &str) -> Result<(), Failure> {
        let written = self.file.write_all(line.as_bytes());
        written.map_err(|error| Failure::refused(format!("what was imported cannot be remembered: {error}")))?;
        self.unsynced += 1;
        if self.unsynced >= JOURNAL_RECORDS_PER_SYNC { self.sync() } else { Ok(()) }
    }
}

/// The salt of the head; `None` when the file is new, or a crash left less than a head in it.
fn salt(line: &str, mailbox: &MailboxId) -> Result<Option<[u8; 16]>, Failure> {
    if !line.ends_with('\n') && line.len() < LINE_BYTES_MAX as usize {
        return Ok(None);
    }
    let parts = line.trim_end().strip_prefix(HEAD).and_then(|rest| rest.split_once(' '));
    match parts.and_then(|(salt, whose)| Some((key_of(salt)?, whose))) {
        Some((salt, whose)) if whose == mailbox.to_string() => Ok(Some(salt)),
        Some(_) => Err(Failure::refused("it is of an import into another mailbox")),
        None => Err(Failure::refused("it is no journal of an import")),
    }
}

fn begin(file: &mut File, mailbox: &MailboxId) -> Result<[u8; 16], Failure> {
    let salt = vault::random::<16>()?;
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(format!("{HEAD}{} {mailbox}\n", hex(&salt)).as_bytes())?;
    file.sync_all()?;
    Ok(salt)
}

enum Record {
    Begun(Key, u32),
    Done(Key, At),
    Failed(Key),
}

fn record(line: &[u8]) -> Option<Record> {
    let mut words = std::str::from_utf8(line).ok()?.trim_end().split(' ');
    let (kind, key) = (words.next()?, key_of(words.next()?)?);
    let mut number = || words.next()?.parse().ok();
    match kind {
        "b" => Some(Record::Begun(key, number()?)),
        "d" => Some(Record::Done(key, (number()?, number()?))),
        "f" => Some(Record::Failed(key)),
        _ => None,
    }
}

fn key_of(text: &str) -> Option<Key> {
    let mut key = Key::default();
    if text.len() != key.len() * 2 || !text.is_ascii() {
        return None;
    }
    for (at, octet) in key.iter_mut().enumerate() {
        *octet = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAILBOX: MailboxId = MailboxId::from_bytes([7; 12]);

    fn open(path: &Path) -> Journal {
        Journal::open(Some(path), "x", &MAILBOX).ok().unwrap()
    }

    #[test]
    fn it_remembers_and_goes_on_behind_a_cut_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/journal");
        let (one, two, three) = ([1; 16], [2; 16], [3; 16]);
        let mut journal = open(&path);
        assert!(Journal::open(Some(&path), "x", &MAILBOX).is_err(), "one at a time");
        let token = journal.begin(&one).ok().unwrap();
        journal.done(&one, (5, 6)).ok().unwrap();
        let doubtful = journal.begin(&two).ok().unwrap();
        let refused = journal.begin(&three).ok().unwrap();
        journal.fail(&three).ok().unwrap();
        journal.file.write_all(b"d 0404").unwrap();
        drop(journal);

        let mut journal = open(&path);
        assert_eq!(journal.place(&one), Some((5, 6)));
        assert!(journal.known().is_known(&one) && !journal.known().is_known(&two));
        assert_eq!(journal.begin(&two).ok().unwrap().as_bytes(), doubtful.as_bytes(), "the same try");
        assert_ne!(journal.begin(&three).ok().unwrap().as_bytes(), refused.as_bytes(), "another one");
        assert_ne!(token.as_bytes(), doubtful.as_bytes());
        journal.done(&two, (5, 7)).ok().unwrap();
        drop(journal);
        assert_eq!(open(&path).place(&two), Some((5, 7)));
    }

    #[test]
    fn what_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        std::fs::write(&path, "something else\n").unwrap();
        assert!(Journal::open(Some(&path), "x", &MAILBOX).is_err());
        std::fs::write(&path, "brevdue-im").unwrap();
        drop(open(&path));
        assert!(Journal::open(Some(&path), "x", &MailboxId::from_bytes([8; 12])).is_err(), "another mailbox");
    }
}
