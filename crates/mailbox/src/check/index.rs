//! The text index against the texts: what an email's texts have, the index must find. What it finds beyond that, a search
//! looks into and drops, so that it is no damage.

use super::At;
use super::finding::{Finding, Findings};
use crate::error::Error;
use crate::index::indexed_to;
use crate::reader::Reader;
use rusqlite::{Connection, OptionalExtension, params};

/// Emails of one step.
const EMAILS_PER_STEP: u32 = 16;
/// Words of one email that are asked for, spread over all that it has: each is a look into the index.
const WORDS_ASKED_MAX: usize = 48;

/// The next emails, each in a transaction of its own: a page that fails makes all else fail that is read in the same one.
pub(super) fn emails(reader: &Reader, after: &mut i64, findings: &mut Findings) -> Result<At, Error> {
    let mut of = 0;
    for _ in 0..EMAILS_PER_STEP {
        let mut email = *after;
        let looked = reader.snapshot(|connection| {
            let upto = indexed_to(connection)?;
            of = u64::try_from(upto).unwrap_or(0);
            let next = "SELECT id FROM email WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT 1";
            let mut statement = connection.prepare_cached(next)?;
            let found = statement.query_row(params![*after, upto], |row| row.get::<_, i64>(0)).optional()?;
            let Some(next) = found else { return Ok(None) };
            email = next;
            misses(reader, connection, email).map(Some)
        });
        match looked {
            Ok(None) => return Ok(At::end_of(of)),
            Ok(Some(0)) => {}
            Ok(Some(missing)) => {
                let what = format!("the text index misses {missing} of {WORDS_ASKED_MAX} words that the email has");
                findings.add(Finding::of_row("text_index", email, what));
            }
            Err(error) if error.is_damage() && email > *after => {
                findings.add(Finding::of_row("text_index", email, error.to_string()));
            }
            Err(error) => return Err(error),
        }
        *after = email;
    }
    Ok(At::on_the_way(u64::try_from(*after).unwrap_or(0), of))
}

/// How many of the words that are asked for the index does not have.
fn misses(reader: &Reader, connection: &Connection, email: i64) -> Result<usize, Error> {
    let words = reader.grams(connection, email)?.into_words();
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM text_index WHERE text_index MATCH ?1 AND rowid = ?2")?;
    let mut missing = 0;
    for word in words.iter().step_by(words.len().div_ceil(WORDS_ASKED_MAX).max(1)) {
        // An email that cannot be described is found by every search.
        if !statement.exists(params![format!("\"{word}\" OR \"0\""), email])? {
            missing += 1;
        }
    }
    Ok(missing)
}
