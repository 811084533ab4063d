//! What the owner takes for junk, learned from what is moved into the Junk folder and out of it, and asked of new mail. All of
//! it is in the mailbox's own encrypted file: nobody else ever sees it, and no other mailbox is affected.
//!
//! Invariants: a message counts once, however often it is moved; moved back, it counts the other way. A move notes lessons and
//! learns a few at once; the others are learned before new mail is judged, a few each time, so that no operation is long.

mod odds;
mod words;

use crate::content::{ChunkCache, decode_segments};
use crate::error::Error;
use crate::folders;
use crate::row::octets;
use crate::types::FolderId;
use crate::writer::Tx;
use message::Structure;
use model::SpecialUse;
use rusqlite::{OptionalExtension, params};

/// Lessons that are learned in one operation: each is some hundred small updates.
const LESSONS_AT_ONCE_MAX: usize = 10;
/// Lessons of one operation that are noted: who moves thousands of messages has taught enough with the first of them.
const LESSONS_NOTED_MAX: usize = 500;
/// Messages of either kind that must have been learned before anything is judged.
const TAUGHT_MIN: i64 = 10;
/// Octets from the start of a message that words are taken from.
const SOURCE_BYTES: u64 = 64 * 1024;
/// Words that are kept: some 6 MB. Over it, those that were in one message only are forgotten.
const WORDS_MAX: i64 = 200_000;

impl Tx<'_> {
    /// Notes what a move or copy says: into Junk, and out of it to where mail is kept. What goes from Junk into Trash is no
    /// less junk.
    pub(crate) fn teach(&mut self, from: FolderId, to: FolderId, emails: &[i64]) -> Result<(), Error> {
        let Some(junk) = self.special(SpecialUse::Junk)? else { return Ok(()) };
        let said = match (from == junk, to == junk) {
            (false, true) => 1,
            (true, false) if self.special(SpecialUse::Trash)? != Some(to) => 0,
            (true, _) | (false, false) => return Ok(()),
        };
        {
            let mut note = self.connection.prepare_cached(
                "INSERT INTO lesson (email, said) VALUES (?1, ?2) ON CONFLICT (email) DO UPDATE SET said = ?2",
            )?;
            for email in emails.iter().take(LESSONS_NOTED_MAX) {
                note.execute(params![email, said])?;
            }
        }
        self.learn()
    }

    /// Whether the owner would take this message for junk; it is in the file, and in no folder yet.
    pub(crate) fn sounds_like_junk(&mut self, email: i64) -> Result<bool, Error> {
        self.learn()?;
        let taught = self.taught()?;
        if taught.good < TAUGHT_MIN || taught.junk < TAUGHT_MIN {
            return Ok(false);
        }
        let mut find = self.connection.prepare_cached("SELECT good, junk FROM word WHERE id = ?1")?;
        let mut known = Vec::new();
        for id in self.words(email)? {
            let counts = find.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            known.extend(counts.map(|(good, junk)| odds::Counts { good, junk }));
        }
        Ok(odds::is_junk(&known, taught))
    }

    /// Learns what was noted, a few at a time.
    fn learn(&mut self) -> Result<(), Error> {
        let due: Vec<(i64, i64, Option<i64>)> = {
            let mut due = self.connection.prepare_cached(
                "SELECT email, said, learned FROM lesson WHERE learned IS NOT said ORDER BY email LIMIT ?1",
            )?;
            let rows =
                due.query_map([LESSONS_AT_ONCE_MAX as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect::<Result<_, _>>()?
        };
        if due.is_empty() {
            return Ok(());
        }
        for (email, said, learned) in due {
            let words = self.words(email)?;
            if let Some(before) = learned {
                self.count(&words, before == 1, -1)?;
            }
            self.count(&words, said == 1, 1)?;
            let mut done = self.connection.prepare_cached("UPDATE lesson SET learned = said WHERE email = ?1")?;
            done.execute([email])?;
        }
        self.forget_rare_words()
    }

    /// Counts a message's words in, or out.
    fn count(&self, words: &[i64], junk: bool, step: i64) -> Result<(), Error> {
        let (good, junk) = if junk { (0, step) } else { (step, 0) };
        self.connection
            .prepare_cached("UPDATE taught SET good = max(good + ?1, 0), junk = max(junk + ?2, 0)")?
            .execute([good, junk])?;
        let mut count = self.connection.prepare_cached(
            "INSERT INTO word (id, good, junk) VALUES (?1, max(?2, 0), max(?3, 0)) \
             ON CONFLICT (id) DO UPDATE SET good = max(good + ?2, 0), junk = max(junk + ?3, 0)",
        )?;
        for id in words {
            count.execute([*id, good, junk])?;
        }
        Ok(())
    }

    fn forget_rare_words(&self) -> Result<(), Error> {
        let count = "SELECT count(*) FROM word";
        let words: i64 = self.connection.prepare_cached(count)?.query_row([], |row| row.get(0))?;
        if words > WORDS_MAX {
            self.connection.execute("DELETE FROM word WHERE good + junk <= 1", [])?;
        }
        Ok(())
    }

    fn taught(&self) -> Result<odds::Counts, Error> {
        let read = "SELECT good, junk FROM taught";
        let counts = |row: &rusqlite::Row<'_>| Ok(odds::Counts { good: row.get(0)?, junk: row.get(1)? });
        Ok(self.connection.prepare_cached(read)?.query_row([], counts)?)
    }

    fn special(&self, usage: SpecialUse) -> Result<Option<FolderId>, Error> {
        let find = "SELECT id FROM folder WHERE special_use = ?1";
        let found = self
            .connection
            .prepare_cached(find)?
            .query_row([folders::special_use_number(usage)], |row| row.get(0))
            .optional()?;
        Ok(found.map(FolderId))
    }

    /// The words of a stored message, each once.
    fn words(&self, email: i64) -> Result<Vec<i64>, Error> {
        let found = self
            .connection
            .prepare_cached("SELECT segments, structure, size FROM email WHERE id = ?1")?
            .query_row([email], |row| Ok((octets(row, 0)?.to_vec(), octets(row, 1)?.to_vec(), row.get::<_, i64>(2)?)))
            .optional()?;
        let Some((segments, structure, size)) = found else { return Ok(Vec::new()) };
        let structure = Structure::decode(&structure).map_err(|error| Error::damaged(error.to_string()))?;
        let mut start = Vec::new();
        let range = 0..SOURCE_BYTES.min(size.unsigned_abs());
        ChunkCache::default().read(self.connection, &decode_segments(&segments)?, range, &mut start)?;
        Ok(words::of(&start, &structure))
    }
}
