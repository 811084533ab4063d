//! FETCH, step by step: each step answers as many octets as its budget allows, in UID order, and a long section goes on in
//! the next.

mod decoded;
mod flags;
mod plan;
mod section;

use crate::content::decode_segments;
use crate::error::Error;
use crate::folders::FolderState;
use crate::keywords::KeywordMap;
use crate::reader::Reader;
use crate::row::{modseq, octets, uid};
use jiff::Timestamp;
use message::Structure;
use model::{Flags, ModSeq, Uid, UidSet};
pub use plan::{FetchPlan, FetchRecord, FetchStep, FlagColumns, FlagStep, Items, Section, SectionData, SectionKind};
use rusqlite::{Connection, Row, params};
use section::{Access, Sections, needs_structure};

/// Octets that a step answers at least, so that every step gets on.
const STEP_BYTES_MIN: usize = 4 * 1024;
/// What a record costs beside its octets: numbers, flags, framing.
const RECORD_BYTES: usize = 48;
/// What a keyword costs beside its name.
const NAME_BYTES: usize = 2;

/// Where a FETCH goes on. A new one begins at the first message.
#[derive(Debug, Clone, Default)]
pub struct FetchCursor {
    next: u32,
    /// A message whose sections are not all answered.
    open: Option<(Uid, Sections)>,
    /// With CHANGEDSINCE, the messages that were found to have changed.
    changed: Option<UidSet>,
}

impl FetchCursor {
    /// At the first message.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Reader {
    /// The next records, some `budget` octets of them. A record's properties are as committed when its step began.
    ///
    /// # Errors
    /// [`Error::NoSuchFolder`], [`Error::Damaged`]; [`Error::Gone`] when garbage was collected under a long section.
    pub fn fetch(&self, plan: &FetchPlan, cursor: &mut FetchCursor, budget: usize) -> Result<FetchStep, Error> {
        let mut chunk = self.chunk.borrow_mut();
        self.step(plan, |connection| {
            let access = Access { connection, chunk: &mut chunk };
            let left = budget.max(STEP_BYTES_MIN);
            let mut fetch = Fetch { plan, access, keywords: None, left, records: Vec::new() };
            fetch.go_on(cursor)?;
            let done = if cursor.open.is_some() || fetch.left == 0 { false } else { fetch.scan(cursor)? };
            Ok(FetchStep { records: fetch.records, done })
        })
    }

    /// What a step reads is of one state of the file: messages of a later one may have keywords whose names are not known yet.
    /// One run of UIDs is one statement, which sees one state by itself, and so does what is read while it lasts.
    fn step<T>(&self, plan: &FetchPlan, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let one_statement = plan.uids.runs().len() <= 1 && plan.changed_since == ModSeq::ZERO;
        if one_statement { read(&self.connection) } else { self.snapshot(read) }
    }
}

/// How far one message got.
enum Answered {
    Whole,
    /// Sections are left for the next step.
    Part(Uid, Sections),
    /// It does not fit this step.
    NotYet(Uid),
}

/// One step.
struct Fetch<'a> {
    plan: &'a FetchPlan,
    access: Access<'a>,
    keywords: Option<KeywordMap>,
    left: usize,
    records: Vec<FetchRecord>,
}

impl Fetch<'_> {
    /// Goes on with the message that the step before left open.
    fn go_on(&mut self, cursor: &mut FetchCursor) -> Result<(), Error> {
        let Some((uid, mut sections)) = cursor.open.take() else { return Ok(()) };
        let mut record = FetchRecord { continues: true, ..empty(uid) };
        let done = sections.answer(&self.plan.sections, &mut self.access, &mut self.left, &mut record.sections)?;
        if !done {
            record.unfinished = true;
            cursor.open = Some((uid, sections));
        }
        self.records.push(record);
        Ok(())
    }

    /// Answers whole messages until the budget is used up; true when none is left.
    fn scan(&mut self, cursor: &mut FetchCursor) -> Result<bool, Error> {
        let (connection, plan) = (self.access.connection, self.plan);
        walk(connection, plan, cursor, &sql(plan), |row| self.message(row))
    }

    fn message(&mut self, row: &Row<'_>) -> Result<Answered, Error> {
        let uid = uid(row, 0)?;
        if self.left == 0 {
            return Ok(Answered::NotYet(uid));
        }
        let mut record = self.properties(uid, row)?;
        let used = RECORD_BYTES
            + record.envelope.len()
            + record.body.len()
            + record.body_structure.len()
            + record.preview.len()
            + record.keywords.iter().map(|keyword| keyword.as_str().len() + NAME_BYTES).sum::<usize>();
        // Descriptions come whole, and an enormous one has a step, and so a frame, of its own.
        if used > self.left && !self.records.is_empty() {
            return Ok(Answered::NotYet(uid));
        }
        self.left = self.left.saturating_sub(used);
        let mut answered = Answered::Whole;
        if !self.plan.sections.is_empty() {
            let mut sections = self.sections(row, record.size)?;
            let done = sections.answer(&self.plan.sections, &mut self.access, &mut self.left, &mut record.sections)?;
            if !done {
                record.unfinished = true;
                answered = Answered::Part(uid, sections);
            }
        }
        self.records.push(record);
        Ok(answered)
    }

    fn sections(&self, row: &Row<'_>, size: u64) -> Result<Sections, Error> {
        let segments = decode_segments(octets(row, 9)?)?;
        let structure = match needs_structure(&self.plan.sections) {
            true => Some(Structure::decode(octets(row, 10)?).map_err(|error| Error::damaged(error.to_string()))?),
            false => None,
        };
        Ok(Sections::new(segments, size, structure))
    }

    fn properties(&mut self, uid: Uid, row: &Row<'_>) -> Result<FetchRecord, Error> {
        let ids = octets(row, 2)?;
        let wanted = !ids.is_empty() && self.plan.items.has(Items::FLAGS);
        let keywords = if wanted { self.keywords()?.names(ids)? } else { Vec::new() };
        Ok(FetchRecord {
            flags: Flags::from_bits(row.get(1)?),
            keywords,
            modseq: modseq(row, 3)?,
            internal_date: date(row, 4)?,
            size: row.get::<_, i64>(5)? as u64,
            envelope: octets(row, 6)?.to_vec(),
            body: octets(row, 7)?.to_vec(),
            body_structure: octets(row, 8)?.to_vec(),
            email_id: row.get::<_, i64>(11)? as u64,
            thread_id: row.get::<_, Option<i64>>(12)?.unwrap_or_default() as u64,
            save_date: date(row, 13)?,
            preview: row.get::<_, Option<String>>(14)?.unwrap_or_default(),
            ..empty(uid)
        })
    }

    fn keywords(&mut self) -> Result<&KeywordMap, Error> {
        if self.keywords.is_none() {
            self.keywords = Some(KeywordMap::read(self.access.connection)?);
        }
        Ok(self.keywords.get_or_insert_default())
    }
}

/// Goes through the plan's messages from the cursor on, one row of `sql` each, until one is not answered whole; true when none
/// is left.
fn walk(
    connection: &Connection,
    plan: &FetchPlan,
    cursor: &mut FetchCursor,
    sql: &str,
    mut answer: impl FnMut(&Row<'_>) -> Result<Answered, Error>,
) -> Result<bool, Error> {
    if cursor.next == 0 {
        FolderState::load(connection, plan.folder.into())?;
        cursor.next = 1;
        if plan.changed_since > ModSeq::ZERO {
            cursor.changed = Some(changed(connection, plan)?);
        }
    }
    let mut statement = connection.prepare_cached(sql)?;
    let runs = cursor.changed.as_ref().unwrap_or(&plan.uids).runs();
    let from = runs.partition_point(|run| run.1 < cursor.next);
    for &(first, last) in runs.get(from..).unwrap_or_default() {
        let mut rows = statement.query(params![plan.folder.0, first.max(cursor.next), last])?;
        while let Some(row) = rows.next()? {
            match answer(row)? {
                Answered::Whole => {}
                Answered::Part(uid, sections) => {
                    cursor.next = uid.get().saturating_add(1);
                    cursor.open = Some((uid, sections));
                    return Ok(false);
                }
                Answered::NotYet(uid) => {
                    cursor.next = uid.get();
                    return Ok(false);
                }
            }
        }
    }
    cursor.next = u32::MAX;
    // The highest UID is never given out, so that nothing is missed here.
    Ok(true)
}

fn date(row: &Row<'_>, column: usize) -> Result<Timestamp, Error> {
    Timestamp::from_millisecond(row.get(column)?).map_err(|_| Error::damaged("an impossible date"))
}

fn empty(uid: Uid) -> FetchRecord {
    FetchRecord {
        uid,
        flags: Flags::NONE,
        keywords: Vec::new(),
        modseq: ModSeq::ZERO,
        internal_date: Timestamp::UNIX_EPOCH,
        size: 0,
        envelope: Vec::new(),
        body: Vec::new(),
        body_structure: Vec::new(),
        email_id: 0,
        thread_id: 0,
        save_date: Timestamp::UNIX_EPOCH,
        preview: String::new(),
        sections: Vec::new(),
        continues: false,
        unfinished: false,
    }
}

/// CHANGEDSINCE by the index on MODSEQ, so that little change in a large folder costs little.
fn changed(connection: &Connection, plan: &FetchPlan) -> Result<UidSet, Error> {
    let mut statement = connection.prepare_cached("SELECT uid FROM message WHERE folder = ?1 AND modseq > ?2")?;
    let since = plan.changed_since.get() as i64;
    let found = statement.query_map(params![plan.folder.0, since], |row| uid(row, 0))?;
    Ok(found.collect::<Result<UidSet, _>>()?.intersection(&plan.uids))
}

/// Reads the wide row only where a property of it is wanted, and of it only those: each may fill pages of its own.
fn sql(plan: &FetchPlan) -> String {
    let column = |wanted: bool, name: &'static str| if wanted { name } else { "NULL" };
    let items = plan.items;
    let envelope = column(items.has(Items::ENVELOPE), "e.envelope");
    let body = column(items.has(Items::BODY), "e.body");
    let body_structure = column(items.has(Items::BODY_STRUCTURE), "e.body_structure");
    let segments = column(!plan.sections.is_empty(), "e.segments");
    let structure = column(needs_structure(&plan.sections), "e.structure");
    let thread = column(items.has(Items::THREAD_ID), "e.thread");
    let preview = column(items.has(Items::PREVIEW), "e.preview");
    let join =
        if items.has_any(Items::WIDE) || !plan.sections.is_empty() { "JOIN email e ON e.id = m.email" } else { "" };
    format!(
        "SELECT m.uid, m.flags, m.keywords, m.modseq, m.internal_ms, m.size, {envelope}, {body}, {body_structure}, \
         {segments}, {structure}, m.email, {thread}, m.saved_ms, {preview} FROM message m {join} WHERE m.folder = ?1 AND m.uid BETWEEN ?2 AND ?3 ORDER BY m.uid"
    )
}
