//! Results that the client gets as the node finds them: the untagged SEARCH, and the ALL of an ESEARCH.
//!
//! Invariant: what is found is written down to the socket before the next is waited for. Within the line nothing else is told.

use super::end_line;
use super::results::{Correlator, Results, Words};
use super::returns::Returns;
use crate::codec::writer;
use crate::session::answer::Stop;
use crate::session::view::NumberCursor;
use crate::session::{Selected, patiently, promptly};
use model::UidSet;
use node_client::SearchStream;
use wire::convert::uid_set;
use wire::session::SearchKey;

/// A search under way.
struct Finding {
    stream: SearchStream,
    by_uid: bool,
    numbers: NumberCursor,
    /// The line has been begun.
    begun: bool,
    /// Highest MODSEQ of what was found.
    highest: u64,
}

impl Finding {
    async fn start(selected: &Selected<'_>, key: SearchKey, by_uid: bool) -> Result<Self, Stop> {
        let request = wire::session::Search { folder: selected.view.folder, key: Some(key) };
        let stream = selected.node.search(request).await?;
        Ok(Self { stream, by_uid, numbers: NumberCursor::default(), begun: false, highest: 0 })
    }

    /// What is found next.
    async fn next(&mut self, selected: &mut Selected<'_>) -> Result<Option<UidSet>, Stop> {
        let next = if self.begun {
            promptly(selected.connection, self.stream.next()).await?
        } else {
            patiently(selected.connection, selected.tag, self.stream.next()).await?
        };
        let Some(found) = next.transpose()? else { return Ok(None) };
        self.highest = self.highest.max(found.highest_modseq);
        // The client cannot make sense of a message that it has not been told of.
        Ok(Some(uid_set(found.uids.as_ref())?.intersection(selected.view.uids())))
    }

    /// The next found messages as runs of what the client calls them. A run of UIDs in the view is one of numbers.
    fn runs(&mut self, selected: &Selected<'_>, uids: &UidSet) -> Vec<(u64, u64)> {
        let words = if self.by_uid { Words::Uids } else { Words::Numbers(selected.view) };
        let named = uids.runs().iter().filter_map(|&(first, last)| {
            let number = words.number(&mut self.numbers, model::Uid::new(first)?)?;
            Some((number, number + u64::from(last - first)))
        });
        named.collect()
    }
}

/// Writes an untagged SEARCH. `by_modseq`: with the highest MODSEQ.
///
/// # Errors
/// NO of the node, after what was begun has been ended; the connection's end.
pub(super) async fn plain(
    selected: &mut Selected<'_>,
    key: SearchKey,
    by_uid: bool,
    by_modseq: bool,
) -> Result<(), Stop> {
    let mut finding = Finding::start(selected, key, by_uid).await?;
    let written = write_plain(&mut finding, selected).await;
    let out = &mut selected.connection.out;
    if written.is_ok() && !finding.begun {
        out.extend_from_slice(b"* SEARCH");
    }
    if written.is_ok() {
        end_line(out, by_modseq.then_some(finding.highest));
    } else if finding.begun {
        // What was begun is ended, and a NO says that it is not whole.
        out.extend_from_slice(b"\r\n");
    }
    written
}

async fn write_plain(finding: &mut Finding, selected: &mut Selected<'_>) -> Result<(), Stop> {
    while let Some(uids) = finding.next(selected).await? {
        if !uids.is_empty() && !std::mem::replace(&mut finding.begun, true) {
            selected.connection.out.extend_from_slice(b"* SEARCH");
        }
        for (first, last) in finding.runs(selected, &uids) {
            for number in first..=last {
                selected.connection.out.push(b' ');
                writer::number(&mut selected.connection.out, number);
                selected.connection.relieve().await?;
            }
        }
    }
    Ok(())
}

/// Whether [`all`] writes the answer: ALL comes first in it, and needs nothing else to be known.
pub(super) const fn is_for(returns: &Returns) -> bool {
    returns.all && !returns.min && !returns.max && !returns.relevancy
}

/// Writes an ESEARCH with ALL, and COUNT if it is asked for; answers everything that was found, and the highest MODSEQ of it.
///
/// # Errors
/// NO of the node, after what was begun has been ended; the connection's end.
pub(super) async fn all(
    selected: &mut Selected<'_>,
    key: SearchKey,
    correlator: &Correlator<'_>,
    returns: &Returns,
    by_modseq: bool,
) -> Result<(Results, u64), Stop> {
    let mut finding = Finding::start(selected, key, correlator.uid).await?;
    let mut found = UidSet::new();
    let written = write_all(&mut finding, selected, correlator, &mut found).await;
    let out = &mut selected.connection.out;
    if written.is_ok() {
        if !finding.begun {
            correlator.begin(out);
        }
        if returns.count {
            out.extend_from_slice(format!(" COUNT {}", found.len()).as_bytes());
        }
        if by_modseq && finding.highest > 0 {
            out.extend_from_slice(format!(" MODSEQ {}", finding.highest).as_bytes());
        }
    }
    if written.is_ok() || finding.begun {
        out.extend_from_slice(b"\r\n");
    }
    written.map(|()| (Results::Mailbox(found), finding.highest))
}

async fn write_all(
    finding: &mut Finding,
    selected: &mut Selected<'_>,
    correlator: &Correlator<'_>,
    found: &mut UidSet,
) -> Result<(), Stop> {
    // A run is begun where it begins and ended where it ends, so that what goes on in the next results is one.
    let mut open: Option<(u64, u64)> = None;
    while let Some(uids) = finding.next(selected).await? {
        found.append(&uids);
        for (first, last) in finding.runs(selected, &uids) {
            let out = &mut selected.connection.out;
            match &mut open {
                Some(run) if run.1 + 1 == first => run.1 = last,
                Some(run) => {
                    end_run(out, *run);
                    out.push(b',');
                    writer::number(out, first);
                    *run = (first, last);
                }
                None => {
                    correlator.begin(out);
                    out.extend_from_slice(b" ALL ");
                    writer::number(out, first);
                    finding.begun = true;
                    open = Some((first, last));
                }
            }
            selected.connection.relieve().await?;
        }
    }
    if let Some(run) = open {
        end_run(&mut selected.connection.out, run);
    }
    Ok(())
}

fn end_run(out: &mut Vec<u8>, (first, last): (u64, u64)) {
    if last > first {
        out.push(b':');
        writer::number(out, last);
    }
}
