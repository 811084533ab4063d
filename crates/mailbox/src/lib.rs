//! The mailbox and waiting-mail files; the only crate that opens them, synchronous.
//!
//! One [`Writer`] and any number of [`Reader`]s on one file in one process. `docs/formats/mailbox-file.md` describes the
//! file. Where files lie, who may open them and when, is the node's matter; this crate takes paths.

mod annotation;
mod append;
mod check;
mod checkpoint;
mod classifier;
mod content;
mod copy;
mod create;
mod disk;
mod engine;
mod error;
mod expunge;
pub mod fetch;
mod folders;
mod gaps;
mod garbage;
mod hierarchy;
mod index;
pub mod ingest;
mod keywords;
pub mod ledger;
mod log;
mod long_read;
mod mark;
pub mod portable;
pub mod queue;
mod quota;
mod reader;
pub mod restore;
mod row;
pub mod salvage;
mod schema;
pub mod search;
mod select;
pub mod snapshot;
pub mod sort;
mod staging;
mod store;
pub mod thread;
mod tokens;
mod types;
pub mod waiting;
mod writer;

pub use annotation::{Annotated, Annotation, Depth};
pub use check::{CheckStep, Checker, Depth as CheckDepth, Finding, Interrupter, Part as CheckPart};
pub use checkpoint::{LOG_BYTES_DUE, LOG_BYTES_MAX};
pub use create::{create, create_with};
pub use disk::{Disk, SYSTEM_DISK, SystemDisk};
pub use engine::{Cipher, Clock, Options};
pub use error::Error;
pub use fetch::{
    FetchCursor, FetchPlan, FetchRecord, FetchStep, FlagColumns, FlagStep, Items, Section, SectionData, SectionKind,
};
pub use index::{IndexBatch, IndexState};
pub use ingest::{Content, Ingest, Piece, STAGE_BYTES_MIN};
pub use message::limits::PREFIX_BYTES_MAX;
pub use message::trace::Prefix;
pub use quota::{Quota, Usage};
pub use reader::Reader;
pub use search::{BadPattern, DateRelation, Pattern, SearchCursor, SearchKey, SearchStep};
pub use sort::{SortCriterion, SortCursor, SortField, SortStep};
pub use thread::{Algorithm, ThreadCursor, ThreadNode, ThreadStep};
pub use types::*;
pub use writer::{Batch, Tx, Writer};
