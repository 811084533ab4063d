//! What FETCH asks for and answers; mirrors the wire's `Fetch` and `Fetched`.

use crate::types::FolderId;
use jiff::Timestamp;
use model::{Flags, Keyword, ModSeq, Uid, UidSet};

/// Which of a message's properties are wanted, beside sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Items(u32);

impl Items {
    /// Nothing but UIDs.
    pub const NONE: Self = Self(0);
    /// FLAGS.
    pub const FLAGS: Self = Self(1);
    /// MODSEQ.
    pub const MODSEQ: Self = Self(2);
    /// INTERNALDATE.
    pub const INTERNAL_DATE: Self = Self(4);
    /// RFC822.SIZE.
    pub const SIZE: Self = Self(8);
    /// ENVELOPE.
    pub const ENVELOPE: Self = Self(16);
    /// BODY.
    pub const BODY: Self = Self(32);
    /// BODYSTRUCTURE.
    pub const BODY_STRUCTURE: Self = Self(64);
    /// EMAILID (RFC 8474).
    pub const EMAIL_ID: Self = Self(128);
    /// THREADID (RFC 8474).
    pub const THREAD_ID: Self = Self(256);
    /// SAVEDATE (RFC 8514).
    pub const SAVE_DATE: Self = Self(512);
    /// PREVIEW (RFC 8970).
    pub const PREVIEW: Self = Self(1024);
    /// Those that stand in the wide row.
    pub(crate) const WIDE: Self =
        Self(Self::ENVELOPE.0 | Self::BODY.0 | Self::BODY_STRUCTURE.0 | Self::THREAD_ID.0 | Self::PREVIEW.0);

    /// From the wire's bits; unknown ones are dropped.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits & 2047)
    }
    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0
    }
    /// Whether all of these are wanted.
    pub const fn has(self, items: Self) -> bool {
        self.0 & items.0 == items.0
    }
    /// Whether any of these is wanted.
    pub(crate) const fn has_any(self, items: Self) -> bool {
        self.0 & items.0 != 0
    }
    /// Both.
    #[must_use]
    pub const fn with(self, items: Self) -> Self {
        Self(self.0 | items.0)
    }
}

/// What of a part is wanted (RFC 9051 §6.4.5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SectionKind {
    /// `BODY[]` or `BODY[n]`
    All,
    /// `HEADER`
    Header,
    /// `HEADER.FIELDS`
    Fields(Vec<String>),
    /// `HEADER.FIELDS.NOT`
    FieldsNot(Vec<String>),
    /// `TEXT`
    Text,
    /// `MIME`
    Mime,
    /// `BINARY[n]`: the body without its transfer encoding (RFC 3516 §4.2)
    Binary,
    /// `BINARY.SIZE[n]`: the length of that alone, as the total
    BinarySize,
}

/// One body section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Part numbers; empty for the message itself.
    pub part: Vec<u32>,
    /// What of it.
    pub kind: SectionKind,
    /// `<offset.length>`
    pub partial: Option<(u64, u64)>,
}

impl Section {
    /// `BODY[]`
    pub const fn whole() -> Self {
        Self { part: Vec::new(), kind: SectionKind::All, partial: None }
    }
}

/// One FETCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchPlan {
    /// Where.
    pub folder: FolderId,
    /// Which; those that do not exist are left out of the answer.
    pub uids: UidSet,
    /// Properties.
    pub items: Items,
    /// Sections.
    pub sections: Vec<Section>,
    /// Only messages whose MODSEQ is higher; zero for all.
    pub changed_since: ModSeq,
}

/// Octets of a section, or a run of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionData {
    /// Index into [`FetchPlan::sections`].
    pub index: u32,
    /// Octets of the whole section as sent, over all its records; `None` where this record continues it.
    pub total: Option<u64>,
    /// Octets.
    pub data: Vec<u8>,
    /// There is no such part: NIL.
    pub missing: bool,
    /// Nobody knows the part's transfer encoding.
    pub unknown_encoding: bool,
    /// A decoded section that has NUL in it; in the first record of it.
    pub holds_nul: bool,
}

impl SectionData {
    /// Of a section that has begun, nothing yet.
    pub(crate) const fn more(index: u32) -> Self {
        Self { index, total: None, data: Vec::new(), missing: false, unknown_encoding: false, holds_nul: false }
    }
}

/// One message's answer, or a run of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchRecord {
    /// The message.
    pub uid: Uid,
    /// System flags; always filled but where `continues`.
    pub flags: Flags,
    /// Keywords, sorted.
    pub keywords: Vec<Keyword>,
    /// MODSEQ.
    pub modseq: ModSeq,
    /// INTERNALDATE.
    pub internal_date: Timestamp,
    /// Octets of the message.
    pub size: u64,
    /// ENVELOPE as it stands in the answer; empty when not asked for.
    pub envelope: Vec<u8>,
    /// BODY, likewise.
    pub body: Vec<u8>,
    /// BODYSTRUCTURE, likewise.
    pub body_structure: Vec<u8>,
    /// EMAILID; always filled but where `continues`.
    pub email_id: u64,
    /// THREADID; 0 when not asked for.
    pub thread_id: u64,
    /// SAVEDATE.
    pub save_date: Timestamp,
    /// PREVIEW; empty when not asked for.
    pub preview: String,
    /// Sections in the order of the plan.
    pub sections: Vec<SectionData>,
    /// The record goes on with the last section of the record before it, which has the same UID.
    pub continues: bool,
    /// More records follow for this UID.
    pub unfinished: bool,
}

/// One step's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FetchStep {
    /// Records in UID order.
    pub records: Vec<FetchRecord>,
    /// Nothing is left to fetch.
    pub done: bool,
}

/// Flags of messages, in UID order, a column each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlagColumns {
    /// The messages.
    pub uids: Vec<u32>,
    /// System flags of each, as bits.
    pub flags: Vec<u32>,
    /// MODSEQ of each.
    pub modseqs: Vec<u64>,
    /// Keywords of each: 0 for none, n for the set `sets[n - 1]`.
    pub sets_of: Vec<u32>,
    /// Sets of keywords that occur, each sorted.
    pub sets: Vec<Vec<Keyword>>,
}

/// One step's answer of flags alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlagStep {
    /// Flags.
    pub columns: FlagColumns,
    /// Nothing is left to fetch.
    pub done: bool,
}
