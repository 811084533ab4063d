//! The IMAP grammar without I/O: what arrives is cut into commands, what stands in them is read by a cursor, and answers are
//! written into a byte buffer. Knows nothing of sessions, folders or nodes.

pub mod cursor;
pub mod date;
pub mod decoder;
pub mod flag_list;
pub mod mutf7;
pub mod name;
pub mod object_id;
pub mod sequence;
pub mod writer;

pub use cursor::{Cursor, Malformed};
pub use decoder::{Announced, Decoder, Limits, Step};
pub use flag_list::FlagList;
pub use name::Name;
pub use sequence::SequenceSet;
