//! RFC 5322 and MIME: structure, envelope, sections, trace fields and searchable text; pure.
//!
//! A message is never held here: [`Scanner`] reads it in pieces of any size and keeps octet ranges into it. It is never
//! changed either, but by [`Recoder`] for a client that sends what no client could be sent. What is described of a message is bounded (see [`limits`]); a message that is over a limit is still kept
//! whole by others, only the part over the limit is described as one opaque leaf.

mod address;
mod boundary;
mod date;
mod decode;
mod describe;
mod encoded_word;
mod envelope;
mod field;
mod imap_string;
mod lex;
pub mod limits;
mod parameter;
mod preview;
mod recode;
mod scanned;
mod scanner;
mod stored;
mod structure;
mod subject;
mod summary;
pub mod text;
pub mod trace;

pub use decode::Decoder;
pub use field::select_fields;
pub use preview::{PREVIEW_CHARS_MAX, PREVIEW_SOURCE_BYTES, preview};
pub use recode::Recoder;
pub use scanned::Scanned;
pub use scanner::Scanner;
pub use stored::StoredError;
pub use structure::{Embedded, Encoding, Kind, Leaf, Part, Section, Structure, TextKind};
pub use subject::BaseSubject;
pub use summary::{Sent, Summary};
