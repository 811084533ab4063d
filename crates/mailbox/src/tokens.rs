//! What makes retries harmless: delivery ids and request tokens, written in the commit that they name.

use crate::error::Error;
use crate::row::{uid, uid_validity};
use crate::types::{Appended, Copied, FolderId, TokenAnswer};
use crate::writer::Tx;
use model::{DeliveryId, ModSeq, Token, Uid, UidSet, UidValidity};
use rusqlite::{Connection, OptionalExtension, params};

/// Milliseconds that a delivery is known for. A sender that lost our answer tries again for five days at most (RFC 5321
/// §4.5.4.1); the rest is for mail that was drained just before a crash.
const DELIVERY_KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1000;
/// Milliseconds that a token is known for: a front-end asks again within minutes of a broken link.
const TOKEN_KEPT_MS: i64 = 24 * 60 * 60 * 1000;
/// Notes between two prunings. Pruning never comes at open: a drain after a long absence must find the deliveries that
/// it committed before a crash, and it meets them first.
const NOTES_PER_PRUNING: u32 = 1024;

/// Was this delivery committed, and as what?
pub(crate) fn delivery(connection: &Connection, id: &DeliveryId) -> Result<Option<Appended>, Error> {
    let found = connection
        .prepare_cached("SELECT folder, uid_validity, uid FROM delivery WHERE id = ?1")?
        .query_row([&id.as_bytes()[..]], |row| {
            Ok(Appended {
                folder: FolderId(row.get(0)?),
                uid_validity: uid_validity(row, 1)?,
                uid: uid(row, 2)?,
                count: 1,
                modseq: ModSeq::ZERO,
                already: true,
            })
        })
        .optional()?;
    Ok(found)
}

/// What was answered to the request with this token?
pub(crate) fn token(connection: &Connection, id: &Token) -> Result<Option<TokenAnswer>, Error> {
    let found: Option<Vec<u8>> = connection
        .prepare_cached("SELECT answer FROM token WHERE id = ?1")?
        .query_row([&id.as_bytes()[..]], |row| row.get(0))
        .optional()?;
    found.map(|bytes| decode(&bytes).ok_or_else(|| Error::damaged("a stored answer cannot be read"))).transpose()
}

impl Tx<'_> {
    /// What was answered to the request with this token, if it was committed.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn token_result(&self, id: &Token) -> Result<Option<TokenAnswer>, Error> {
        token(self.connection, id)
    }

    /// Whether the delivery was committed.
    ///
    /// # Errors
    /// Of the engine.
    pub fn delivery_known(&self, id: &DeliveryId) -> Result<bool, Error> {
        Ok(delivery(self.connection, id)?.is_some())
    }

    /// Notes the answer to a request, for a CREATE or RENAME whose operation takes no token itself.
    ///
    /// # Errors
    /// Of the engine.
    pub fn remember(&mut self, id: &Token, answer: &TokenAnswer) -> Result<(), Error> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO token (id, at_ms, answer) VALUES (?1, ?2, ?3)")?
            .execute(params![&id.as_bytes()[..], (self.clock)().as_millisecond(), encode(answer)])?;
        self.prune()
    }

    /// What was answered to the APPEND with this token, if it was committed; if not, it is refused from now on.
    ///
    /// # Errors
    /// [`Error::Damaged`].
    pub fn give_up(&mut self, id: &Token) -> Result<Option<TokenAnswer>, Error> {
        let known = self.token_result(id)?;
        if known.is_none() {
            self.remember(id, &TokenAnswer::GivenUp)?;
        }
        Ok(known.filter(|answer| *answer != TokenAnswer::GivenUp))
    }

    pub(crate) fn known_token(&self, id: Option<Token>) -> Result<Option<TokenAnswer>, Error> {
        id.map_or(Ok(None), |id| token(self.connection, &id))
    }

    pub(crate) fn remember_delivery(&mut self, id: &DeliveryId, answer: &Appended) -> Result<(), Error> {
        self.connection
            .prepare_cached("INSERT INTO delivery (id, at_ms, folder, uid_validity, uid) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                &id.as_bytes()[..],
                (self.clock)().as_millisecond(),
                answer.folder.0,
                answer.uid_validity.get(),
                answer.uid.get()
            ])?;
        self.prune()
    }

    fn prune(&mut self) -> Result<(), Error> {
        self.counters.noted += 1;
        if self.counters.noted < NOTES_PER_PRUNING {
            return Ok(());
        }
        self.counters.noted = 0;
        let now = (self.clock)().as_millisecond();
        self.connection.prepare_cached("DELETE FROM delivery WHERE at_ms < ?1")?.execute([now - DELIVERY_KEPT_MS])?;
        self.connection.prepare_cached("DELETE FROM token WHERE at_ms < ?1")?.execute([now - TOKEN_KEPT_MS])?;
        Ok(())
    }
}

const APPENDED: u8 = 1;
const COPIED: u8 = 2;
const DONE: u8 = 3;
const GIVEN_UP: u8 = 4;

fn encode(answer: &TokenAnswer) -> Vec<u8> {
    let mut out = Vec::new();
    match answer {
        TokenAnswer::Appended(appended) => {
            out.push(APPENDED);
            out.extend(appended.folder.0.to_le_bytes());
            out.extend(appended.uid_validity.get().to_le_bytes());
            out.extend(appended.uid.get().to_le_bytes());
            out.extend(appended.count.to_le_bytes());
        }
        TokenAnswer::Copied(copied) => {
            out.push(COPIED);
            out.extend(copied.uid_validity.get().to_le_bytes());
            out.extend(copied.highest_modseq.get().to_le_bytes());
            // Both lists ascend, so that sets keep the pairs.
            for side in [&copied.from, &copied.to] {
                let bounds = side.iter().copied().collect::<UidSet>().bounds();
                out.extend((bounds.len() as u32).to_le_bytes());
                bounds.iter().for_each(|bound| out.extend(bound.to_le_bytes()));
            }
        }
        TokenAnswer::Done => out.push(DONE),
        TokenAnswer::GivenUp => out.push(GIVEN_UP),
    }
    out
}

fn decode(mut bytes: &[u8]) -> Option<TokenAnswer> {
    let bytes = &mut bytes;
    let [kind] = take(bytes)?;
    let answer = match kind {
        APPENDED => TokenAnswer::Appended(Appended {
            folder: FolderId(i64::from_le_bytes(take(bytes)?)),
            uid_validity: UidValidity::new(u32::from_le_bytes(take(bytes)?))?,
            uid: Uid::new(u32::from_le_bytes(take(bytes)?))?,
            count: u32::from_le_bytes(take(bytes)?),
            modseq: ModSeq::ZERO,
            already: true,
        }),
        COPIED => TokenAnswer::Copied(Copied {
            uid_validity: UidValidity::new(u32::from_le_bytes(take(bytes)?))?,
            highest_modseq: ModSeq::new(u64::from_le_bytes(take(bytes)?))?,
            from: take_uids(bytes)?,
            to: take_uids(bytes)?,
            already: true,
        }),
        DONE => TokenAnswer::Done,
        GIVEN_UP => TokenAnswer::GivenUp,
        _ => return None,
    };
    bytes.is_empty().then_some(answer)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

fn take_uids(bytes: &mut &[u8]) -> Option<Vec<Uid>> {
    let count = u32::from_le_bytes(take(bytes)?);
    let bounds: Vec<u32> = (0..count).map(|_| take(bytes).map(u32::from_le_bytes)).collect::<Option<_>>()?;
    Some(UidSet::from_bounds(&bounds)?.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(n: u32) -> Uid {
        Uid::new(n).unwrap()
    }

    #[test]
    fn answers_come_back_as_they_were() {
        let validity = UidValidity::new(7).unwrap();
        let appended = Appended {
            folder: FolderId(3),
            uid_validity: validity,
            uid: uid(9),
            count: 3,
            modseq: ModSeq::ZERO,
            already: true,
        };
        let copied = Copied {
            uid_validity: validity,
            from: vec![uid(1), uid(2), uid(9)],
            to: vec![uid(4), uid(5), uid(6)],
            highest_modseq: ModSeq::new(5).unwrap(),
            already: true,
        };
        let answers =
            [TokenAnswer::Appended(appended), TokenAnswer::Copied(copied), TokenAnswer::Done, TokenAnswer::GivenUp];
        for answer in answers {
            let bytes = encode(&answer);
            assert_eq!(decode(&bytes), Some(answer));
            for cut in 0..bytes.len() {
                assert_eq!(decode(&bytes[..cut]), None);
            }
        }
    }
}
