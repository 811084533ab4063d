//! What a searching command found, in its order, and the ESEARCH that tells it (RFC 4731 §3.1, RFC 5267 §3, RFC 9394 §3).

use super::returns::Returns;
use crate::codec::writer;
use crate::session::Selected;
use crate::session::answer::Stop;
use crate::session::connection::Connection;
use crate::session::view::{NumberCursor, View, number_runs};
use model::{Uid, UidSet};

/// Results in the order that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Results {
    /// SEARCH: the order of the folder.
    Mailbox(UidSet),
    /// SORT.
    Sorted(Vec<Uid>),
}

impl Results {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Mailbox(uids) => uids.len(),
            Self::Sorted(uids) => uids.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Mailbox(uids) => uids.is_empty(),
            Self::Sorted(uids) => uids.is_empty(),
        }
    }

    /// As a set.
    pub fn set(&self) -> UidSet {
        match self {
            Self::Mailbox(uids) => uids.clone(),
            Self::Sorted(uids) => uids.iter().copied().collect(),
        }
    }

    /// The results at these positions, both included.
    pub fn slice(&self, first: usize, last: usize) -> Self {
        match self {
            Self::Mailbox(uids) => Self::Mailbox(uids.slice(first, last)),
            Self::Sorted(uids) => Self::Sorted(uids.get(first..=last).unwrap_or_default().to_vec()),
        }
    }

    /// The first and the last.
    fn ends(&self) -> Option<(Uid, Uid)> {
        match self {
            Self::Mailbox(uids) => uids.first().zip(uids.last()),
            Self::Sorted(uids) => uids.first().copied().zip(uids.last().copied()),
        }
    }

    /// What of them is told, or kept for `$`: RFC 9051 §6.4.4.1, RFC 9394 §3.2: with MIN, MAX or PARTIAL only what those
    /// name, but with ALL or COUNT, or with none of them, everything.
    pub fn named(&self, returns: &Returns) -> UidSet {
        if returns.all || returns.count || !(returns.min || returns.max || returns.partial.is_some()) {
            return self.set();
        }
        let mut named = UidSet::new();
        if let Some((first, last)) = self.ends() {
            for (_, uid) in [(returns.min, first), (returns.max, last)].into_iter().filter(|(asked, _)| *asked) {
                let _ = named.insert(uid);
            }
        }
        if let Some((first, last)) = returns.partial.and_then(|range| range.positions(self.len())) {
            named = named.union(&self.slice(first, last).set());
        }
        named
    }

    /// Those of them in an order that a client is told of anyway.
    pub fn iter(&self) -> Box<dyn Iterator<Item = Uid> + Send + '_> {
        match self {
            Self::Mailbox(uids) => Box::new(uids.iter()),
            Self::Sorted(uids) => Box::new(uids.iter().copied()),
        }
    }

    /// Runs of numbers in order: what a sequence set is written of. Only ascending runs are joined (RFC 5267 §3.2).
    fn runs(&self, words: Words<'_>) -> Vec<(u64, u64)> {
        match (self, words) {
            (Self::Mailbox(uids), Words::Uids) => {
                uids.runs().iter().map(|&(first, last)| (first.into(), last.into())).collect()
            }
            (Self::Mailbox(uids), Words::Numbers(view)) => {
                let runs = number_runs(view.uids(), uids);
                runs.into_iter().map(|(first, last)| (first as u64, last as u64)).collect()
            }
            (Self::Sorted(uids), words) => {
                let mut runs: Vec<(u64, u64)> = Vec::new();
                let mut numbers = NumberCursor::default();
                for &uid in uids {
                    let Some(number) = words.number(&mut numbers, uid) else { continue };
                    match runs.last_mut() {
                        Some(run) if run.1 + 1 == number => run.1 = number,
                        _ => runs.push((number, number)),
                    }
                }
                runs
            }
        }
    }
}

/// How messages are named to the client.
#[derive(Clone, Copy)]
pub enum Words<'a> {
    /// By UID.
    Uids,
    /// By their numbers in this view.
    Numbers(&'a View),
}

impl Words<'_> {
    /// One message's.
    pub fn number(self, cursor: &mut NumberCursor, uid: Uid) -> Option<u64> {
        match self {
            Self::Uids => Some(uid.get().into()),
            Self::Numbers(view) => cursor.number(view.uids(), uid).map(|number| number as u64),
        }
    }
}

/// How an answer names its command and folder, and what is told beside the messages.
#[derive(Default)]
pub struct Correlator<'a> {
    /// The command's tag.
    pub tag: &'a str,
    /// The folder as it is written, and its UIDVALIDITY: in answers to ESEARCH (RFC 7377 §2.1).
    pub folder: Option<(Vec<u8>, u32)>,
    /// Messages are named by UID.
    pub uid: bool,
}

impl Correlator<'_> {
    /// Begins an ESEARCH.
    pub fn begin(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"* ESEARCH (TAG ");
        writer::string(out, self.tag.as_bytes());
        if let Some((name, uid_validity)) = &self.folder {
            out.extend_from_slice(b" MAILBOX ");
            out.extend_from_slice(name);
            out.extend_from_slice(format!(" UIDVALIDITY {uid_validity}").as_bytes());
        }
        out.push(b')');
        if self.uid {
            out.extend_from_slice(b" UID");
        }
    }
}

/// What is told of the results beside themselves.
#[derive(Default)]
pub struct Extras<'a> {
    /// Highest MODSEQ of what is told, 0 for none.
    pub modseq: u64,
    /// Score of a message.
    pub score: Option<&'a (dyn Fn(Uid) -> u8 + Send + Sync)>,
}

/// Writes the ESEARCH. What has no value is left out: MIN, MAX and ALL of nothing (RFC 4731 §3.1).
///
/// # Errors
/// The connection ends.
pub async fn write(
    connection: &mut Connection,
    view: Option<&View>,
    correlator: &Correlator<'_>,
    returns: &Returns,
    results: &Results,
    extras: &Extras<'_>,
) -> Result<(), Stop> {
    let words = match view {
        Some(view) if !correlator.uid => Words::Numbers(view),
        _ => Words::Uids,
    };
    let mut cursor = NumberCursor::default();
    correlator.begin(&mut connection.out);
    if let Some((first, last)) = results.ends() {
        for (asked, name, uid) in [(returns.min, " MIN ", first), (returns.max, " MAX ", last)] {
            if let Some(number) = words.number(&mut cursor, uid).filter(|_| asked) {
                connection.out.extend_from_slice(name.as_bytes());
                writer::number(&mut connection.out, number);
            }
        }
        if returns.all {
            connection.out.extend_from_slice(b" ALL ");
            write_set(connection, &results.runs(words)).await?;
        }
    }
    if returns.count {
        connection.out.extend_from_slice(format!(" COUNT {}", results.len()).as_bytes());
    }
    let mut scored = None;
    if let Some(range) = returns.partial {
        connection.out.extend_from_slice(format!(" PARTIAL ({} ", range.ascending()).as_bytes());
        match range.positions(results.len()) {
            Some((first, last)) => {
                let part = results.slice(first, last);
                write_set(connection, &part.runs(words)).await?;
                scored = Some(part);
            }
            None => {
                connection.out.extend_from_slice(b"NIL");
                scored = Some(Results::Sorted(Vec::new()));
            }
        }
        connection.out.push(b')');
    }
    if extras.modseq > 0 {
        connection.out.extend_from_slice(format!(" MODSEQ {}", extras.modseq).as_bytes());
    }
    if let Some(score) = extras.score {
        write_scores(connection, scored.as_ref().unwrap_or(results), score).await?;
    }
    connection.out.extend_from_slice(b"\r\n");
    connection.relieve().await?;
    Ok(())
}

/// RFC 6203 §4: the scores, in the order of the results.
async fn write_scores(
    connection: &mut Connection,
    results: &Results,
    score: &(dyn Fn(Uid) -> u8 + Send + Sync),
) -> Result<(), Stop> {
    if results.is_empty() {
        return Ok(());
    }
    connection.out.extend_from_slice(b" RELEVANCY (");
    for (at, uid) in results.iter().enumerate() {
        if at > 0 {
            connection.out.push(b' ');
        }
        writer::number(&mut connection.out, score(uid).into());
        connection.relieve().await?;
    }
    connection.out.push(b')');
    Ok(())
}

/// Writes a sequence set from runs.
///
/// # Errors
/// The connection ends.
pub async fn write_set(connection: &mut Connection, runs: &[(u64, u64)]) -> Result<(), Stop> {
    for (at, &(first, last)) in runs.iter().enumerate() {
        if at > 0 {
            connection.out.push(b',');
        }
        writer::number(&mut connection.out, first);
        if last > first {
            connection.out.push(b':');
            writer::number(&mut connection.out, last);
        }
        connection.relieve().await?;
    }
    Ok(())
}

/// Writes results one by one, each after a space: SEARCH and SORT as RFC 3501 and RFC 5256 have them.
///
/// # Errors
/// The connection ends.
pub async fn write_plain(selected: &mut Selected<'_>, by_uid: bool, results: &Results) -> Result<(), Stop> {
    let runs = results.runs(if by_uid { Words::Uids } else { Words::Numbers(selected.view) });
    // Numbers are written run by run: a million results are never held as text.
    for (first, last) in runs {
        for number in first..=last {
            selected.connection.out.push(b' ');
            writer::number(&mut selected.connection.out, number);
            selected.connection.relieve().await?;
        }
    }
    Ok(())
}
