//! Contents: named as often as they say, as long as their chunks, and with the digest that they say.

use super::At;
use super::finding::{Finding, Findings};
use crate::content::{chunk_id, chunk_ids, decode_segments, plain_chunk};
use crate::error::Error;
use crate::reader::Reader;
use crate::row::octets as column;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;
use vault::Digest;

/// Contents that are counted in one walk over all emails: some MiB of memory.
const COUNTED_AT_ONCE: usize = 65_536;
/// Octets of contents of one step.
const OCTETS_PER_STEP: u64 = 4 * 1024 * 1024;
/// Contents of one step: most are small.
const CONTENTS_PER_STEP: u32 = 512;
/// Emails of a damaged content that are looked up, and messages of each that are named.
const NAMED_MAX: usize = 20;

/// What a content says of itself, and what is counted against it.
struct Said {
    refs: i64,
    size: i64,
}

/// The next contents by id, against every email.
pub(super) fn named(connection: &Connection, after: &mut i64, findings: &mut Findings) -> Result<At, Error> {
    let last: i64 = connection.query_row("SELECT coalesce(max(id), 0) FROM content", [], |row| row.get(0))?;
    let mut said = BTreeMap::new();
    let mut statement = connection.prepare_cached(
        "SELECT c.id, c.refs, c.size, coalesce((SELECT sum(k.size) FROM chunk k \
         WHERE k.id BETWEEN c.id << 20 AND ((c.id + 1) << 20) - 1), 0) \
         FROM content c WHERE c.id > ?1 AND c.sha256 IS NOT NULL ORDER BY c.id LIMIT ?2",
    )?;
    let mut rows = statement.query([*after, COUNTED_AT_ONCE as i64])?;
    while let Some(row) = rows.next()? {
        let (id, refs, size, held): (i64, i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        if size != held {
            findings.add(Finding::of_row("content", id, "a content is not as long as its chunks"));
        }
        said.insert(id, Said { refs, size });
    }
    let is_last = said.len() < COUNTED_AT_ONCE;
    let upto = if is_last { i64::MAX } else { said.last_key_value().map_or(i64::MAX, |(id, _)| *id) };
    count_names(connection, (*after, upto), &mut said, findings)?;
    for (id, _) in said.iter().filter(|(_, said)| said.refs != 0) {
        findings.add(Finding::of_row("content", *id, "a content is not named as often as it says"));
    }
    *after = upto;
    let of = u64::try_from(last).unwrap_or(0);
    Ok(if is_last { At::end_of(of) } else { At::on_the_way(u64::try_from(upto).unwrap_or(0), of) })
}

/// Takes one from what each content says for each time that an email names it.
fn count_names(
    connection: &Connection,
    (after, upto): (i64, i64),
    said: &mut BTreeMap<i64, Said>,
    findings: &mut Findings,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached("SELECT id, size, segments FROM email")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (email, size): (i64, i64) = (row.get(0)?, row.get(1)?);
        let segments = match decode_segments(column(row, 2)?) {
            Ok(segments) => segments,
            Err(error) => {
                findings.add(Finding::of_row("email", email, error.to_string()));
                continue;
            }
        };
        if after == 0 && segments.iter().map(|segment| segment.size).sum::<u64>() != size as u64 {
            findings.add(Finding::of_row("email", email, "a message's segments differ from its size"));
        }
        for segment in segments.iter().filter(|segment| segment.content > after && segment.content <= upto) {
            match said.get_mut(&segment.content) {
                Some(said) if said.size as u64 == segment.size => said.refs -= 1,
                Some(_) | None => {
                    let what = "a message names a content that is not there, or of another size";
                    findings.add(Finding::of_row("email", email, what));
                }
            }
        }
    }
    Ok(())
}

/// The octets of the next contents, decompressed and hashed, each in a transaction of its own: a page that fails makes all
/// else fail that is read in the same one.
pub(super) fn octets(reader: &Reader, after: &mut i64, findings: &mut Findings) -> Result<At, Error> {
    let last = "SELECT coalesce(max(id), 0) FROM content";
    let last: i64 = reader.connection.query_row(last, [], |row| row.get(0))?;
    let of = u64::try_from(last).unwrap_or(0);
    let mut read = 0;
    for _ in 0..CONTENTS_PER_STEP {
        let (id, size) = match reader.snapshot(|connection| next_content(connection, *after)) {
            Ok(Next::None) => return Ok(At::end_of(of)),
            Ok(Next::Sound { id, size }) => (id, size),
            Ok(Next::Damaged { id, what }) => {
                name(reader, id, &what, findings)?;
                (id, 0)
            }
            Err(error) => return Err(error),
        };
        *after = id;
        read += size;
        if read >= OCTETS_PER_STEP {
            break;
        }
    }
    Ok(At::on_the_way(u64::try_from(*after).unwrap_or(0), of))
}

enum Next {
    None,
    Sound { id: i64, size: u64 },
    Damaged { id: i64, what: String },
}

fn next_content(connection: &Connection, after: i64) -> Result<Next, Error> {
    let next = "SELECT id, size, sha256 FROM content WHERE id > ?1 AND sha256 IS NOT NULL ORDER BY id LIMIT 1";
    let mut statement = connection.prepare_cached(next)?;
    let found = statement.query_row([after], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?)));
    let Some((id, size, digest)) = found.optional()? else { return Ok(Next::None) };
    match digest_of(connection, id) {
        Ok(found) if found == digest.as_slice() => Ok(Next::Sound { id, size: u64::try_from(size).unwrap_or(0) }),
        Ok(_) => Ok(Next::Damaged { id, what: "a content's octets do not have its digest".to_owned() }),
        Err(Error::Damaged(what)) => Ok(Next::Damaged { id, what: format!("a content cannot be read ({what})") }),
        Err(error) => Err(error),
    }
}

fn digest_of(connection: &Connection, content: i64) -> Result<[u8; 32], Error> {
    let (first, last) = chunk_ids(content);
    let mut statement =
        connection.prepare_cached("SELECT id, size, bytes FROM chunk WHERE id BETWEEN ?1 AND ?2 ORDER BY id")?;
    let mut rows = statement.query([first, last])?;
    let mut digest = Digest::new();
    let mut sequence = 0;
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(0)? != chunk_id(content, sequence) {
            return Err(Error::damaged("a chunk of the content is missing"));
        }
        sequence += 1;
        digest.update(&plain_chunk(column(row, 2)?, row.get::<_, u32>(1)? as usize)?);
    }
    Ok(digest.finish())
}

/// Names the messages that a damaged content is part of.
fn name(reader: &Reader, content: i64, what: &str, findings: &mut Findings) -> Result<(), Error> {
    let before = findings.len();
    match reader.snapshot(|connection| messages_of(connection, content, what, findings)) {
        Err(error) if !error.is_damage() => return Err(error),
        Ok(()) | Err(_) => {}
    }
    if findings.len() == before {
        findings.add(Finding::of_row("content", content, what));
    }
    Ok(())
}

fn messages_of(connection: &Connection, content: i64, what: &str, findings: &mut Findings) -> Result<(), Error> {
    let mut emails = connection.prepare_cached("SELECT id, segments FROM email")?;
    let mut messages = connection.prepare_cached("SELECT folder, uid FROM message WHERE email = ?1 LIMIT 20")?;
    let mut rows = emails.query([])?;
    let mut named = 0;
    while let Some(row) = rows.next()? {
        let segments = decode_segments(column(row, 1)?)?;
        if !segments.iter().any(|segment| segment.content == content) {
            continue;
        }
        let found = messages.query_map([row.get::<_, i64>(0)?], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
        for message in found {
            let (folder, uid) = message?;
            let place = Finding { folder: u64::try_from(folder).ok(), uid: Some(uid), ..Finding::default() };
            findings.add(Finding {
                table: Some("content".to_owned()),
                row: Some(content),
                what: what.to_owned(),
                ..place
            });
        }
        named += 1;
        if named >= NAMED_MAX {
            break;
        }
    }
    Ok(())
}
