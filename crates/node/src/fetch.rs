//! FETCH: records in frames, against credit, a step at a time.
//!
//! Invariants: no transaction is open between two steps, so a client that stalls holds nothing but a place in `readings`,
//! which its end gives back however it comes. A step reads only when its frame may be sent.

use crate::credit::Credit;
use crate::fault::{Fault, unavailable};
use crate::limits::{FETCH_STEPS_IN_PLACE, SLOW_READ_MICROS, TRANSFER_STALL_MS_MAX};
use crate::resident::{Reading, Use};
use crate::session::Call;
use bytes::Bytes;
use mailbox::{
    FetchCursor, FetchPlan, FetchRecord, FlagEdit, FolderId, Items, Reader, Section, SectionKind, StoreMode,
};
use model::limits::CHUNK_BYTES_MAX;
use model::{Flag, Flags, ModSeq};
use std::sync::Arc;
use std::time::{Duration, Instant};
use wire::convert::{keyword_texts, modseq, section_kind, uid_set};
use wire::session::server_frame::Body;
use wire::session::{self, Fetched, FetchedMessage, FlagColumns, KeywordSet, SectionData, SectionWanted};

/// Octets of the first step's records: the answer begins early, and the next steps are larger.
const FIRST_STEP_BYTES: usize = 64 * 1024;
/// Body sections of one FETCH: clients ask for a handful.
const SECTIONS_MAX: usize = 256;
/// Header fields of one section.
const FIELDS_MAX: usize = 1024;

/// Answers a FETCH.
pub async fn fetch(call: &Call, fetch: session::Fetch, credit: &Credit) -> Result<(), Fault> {
    let mut plan = plan(&fetch)?;
    let usage = call.enter().await?;
    // What is intact of a damaged mailbox is shown, though it cannot be marked.
    let marks = !call.session.view.examines(plan.folder) && usage.resident().damage().is_none();
    if fetch.mark_seen && marks {
        settle_changed(&usage, &mut plan)?;
        let seen = FlagEdit { mode: StoreMode::Add, flags: Flags::NONE.with(Flag::Seen), keywords: Vec::new() };
        let (folder, uids) = (plan.folder, plan.uids.clone());
        // Durable before the body is shown (RFC 9051 §6.4.5: the \Seen flag is implicitly set).
        usage.write(call.origin(false), false, move |tx| tx.store(folder, &uids, &seen, None)).await?;
    }
    let plan = Arc::new(plan);
    let reading = usage.reading();
    drop(usage);
    let read: Read = if fetch.columns && asks_for_flags_alone(&plan) { flags } else { records };
    let mut cursor = FetchCursor::default();
    let mut budget = FIRST_STEP_BYTES;
    for number in 0usize.. {
        let stall = Duration::from_millis(TRANSFER_STALL_MS_MAX);
        tokio::time::timeout(stall, credit.ready()).await.map_err(|_| unavailable("the fetch stalled for too long"))?;
        call.outbox.ready().await;
        let in_place = number < FETCH_STEPS_IN_PLACE;
        let (fetched, done);
        ((fetched, done), cursor) = one_step(&reading, &plan, cursor, (budget, in_place), read).await?;
        budget = budget.saturating_mul(2).min(CHUNK_BYTES_MAX);
        if done || !is_empty(&fetched) {
            let frame = call.address().frame(Body::Fetched(fetched), done);
            metrics::counter!("brevdue_node_fetched_bytes_total").increment(frame.len() as u64);
            credit.take(frame.len());
            call.outbox.put(frame);
        }
        if done {
            break;
        }
    }
    Ok(())
}

/// Which messages changed since the asked MODSEQ is found out before marking them as seen changes the others too: only
/// what is answered is seen (RFC 7162 §3.1.4.1).
fn settle_changed(usage: &Use, plan: &mut FetchPlan) -> Result<(), Fault> {
    let since = std::mem::replace(&mut plan.changed_since, ModSeq::ZERO);
    if since > ModSeq::ZERO {
        let changed = usage.read(|reader| reader.changes_since(plan.folder, since))?.changed;
        plan.uids = plan.uids.intersection(&changed.into_iter().map(|state| state.uid).collect());
    }
    Ok(())
}

/// Reads a step: what is answered, and whether that was the last.
type Read = fn(&mut Reader, &FetchPlan, &mut FetchCursor, usize) -> Result<(Fetched, bool), mailbox::Error>;

async fn one_step(
    reading: &Reading,
    plan: &Arc<FetchPlan>,
    mut cursor: FetchCursor,
    (budget, in_place): (usize, bool),
    read: Read,
) -> Result<((Fetched, bool), FetchCursor), Fault> {
    if !in_place {
        let plan = plan.clone();
        return reading
            .read_in_pool(move |reader| {
                let step = read(reader, &plan, &mut cursor, budget)?;
                Ok((step, cursor))
            })
            .await;
    }
    let started = Instant::now();
    let step = reading.read(|reader| read(reader, plan, &mut cursor, budget))?;
    if started.elapsed().as_micros() > SLOW_READ_MICROS {
        tokio::task::yield_now().await;
    }
    Ok((step, cursor))
}

fn records(
    reader: &mut Reader,
    plan: &FetchPlan,
    cursor: &mut FetchCursor,
    budget: usize,
) -> Result<(Fetched, bool), mailbox::Error> {
    let step = reader.fetch(plan, cursor, budget)?;
    Ok((Fetched { messages: step.records.into_iter().map(message).collect(), columns: None }, step.done))
}

fn flags(
    reader: &mut Reader,
    plan: &FetchPlan,
    cursor: &mut FetchCursor,
    budget: usize,
) -> Result<(Fetched, bool), mailbox::Error> {
    let step = reader.fetch_flags(plan, cursor, budget)?;
    Ok((Fetched { messages: Vec::new(), columns: Some(columns(step.columns)) }, step.done))
}

fn asks_for_flags_alone(plan: &FetchPlan) -> bool {
    plan.sections.is_empty() && Items::FLAGS.with(Items::MODSEQ).has(plan.items)
}

fn is_empty(fetched: &Fetched) -> bool {
    fetched.messages.is_empty() && fetched.columns.as_ref().is_none_or(|columns| columns.uids.is_empty())
}

fn columns(columns: mailbox::FlagColumns) -> FlagColumns {
    let mailbox::FlagColumns { uids, flags, modseqs, mut sets_of, sets } = columns;
    if sets.is_empty() {
        sets_of.clear();
    }
    let sets = sets.iter().map(|set| KeywordSet { keywords: keyword_texts(set) }).collect();
    FlagColumns { uids, flags, modseqs, sets_of, sets }
}

fn message(record: FetchRecord) -> FetchedMessage {
    FetchedMessage {
        uid: record.uid.get(),
        flags: record.flags.bits(),
        keywords: keyword_texts(&record.keywords),
        modseq: record.modseq.get(),
        internal_date_ms: record.internal_date.as_millisecond(),
        size: record.size,
        envelope: record.envelope.into(),
        body: record.body.into(),
        body_structure: record.body_structure.into(),
        sections: record.sections.into_iter().map(section_data).collect(),
        continues: record.continues,
        unfinished: record.unfinished,
        email_id: record.email_id,
        thread_id: record.thread_id,
        save_date_ms: record.save_date.as_millisecond(),
        preview: record.preview,
    }
}

fn section_data(section: mailbox::SectionData) -> SectionData {
    SectionData {
        index: section.index,
        total: section.total.unwrap_or(0),
        data: Bytes::from(section.data),
        missing: section.missing,
        unknown_encoding: section.unknown_encoding,
        holds_nul: section.holds_nul,
    }
}

fn plan(fetch: &session::Fetch) -> Result<FetchPlan, Fault> {
    if fetch.sections.len() > SECTIONS_MAX {
        return Err(crate::fault::limit("sections of one FETCH"));
    }
    Ok(FetchPlan {
        folder: FolderId::new(fetch.folder),
        uids: uid_set(fetch.uids.as_ref())?,
        items: Items::from_bits(fetch.items),
        sections: fetch.sections.iter().map(section).collect::<Result<_, _>>()?,
        changed_since: modseq(fetch.changed_since)?,
    })
}

fn section(wanted: &SectionWanted) -> Result<Section, Fault> {
    if wanted.fields.len() > FIELDS_MAX || wanted.part.len() > model::limits::MIME_DEPTH_MAX {
        return Err(crate::fault::limit("one section's fields or part numbers"));
    }
    let fields = || wanted.fields.clone();
    let kind = match section_kind(wanted.kind)? {
        session::SectionKind::All => SectionKind::All,
        session::SectionKind::Header => SectionKind::Header,
        session::SectionKind::Fields => SectionKind::Fields(fields()),
        session::SectionKind::FieldsNot => SectionKind::FieldsNot(fields()),
        session::SectionKind::Text => SectionKind::Text,
        session::SectionKind::Mime => SectionKind::Mime,
        session::SectionKind::Binary => SectionKind::Binary,
        session::SectionKind::BinarySize => SectionKind::BinarySize,
    };
    let partial = wanted.partial.then_some((wanted.offset, wanted.length));
    Ok(Section { part: wanted.part.clone(), kind, partial })
}
