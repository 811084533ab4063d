//! Frames of the session link to bytes and back, within their limits. What a frame asks for is the caller's.

use crate::session::{self, ClientFrame, SearchKey, ServerFrame, client_frame, search_key, server_frame};
use bytes::Bytes;
use model::limits::{CHUNK_BYTES_MAX, FRAME_BYTES_MAX, SEARCH_DEPTH_MAX, SEARCH_KEYS_MAX};
use prost::Message;

/// The version of the link's protocol, as it stands in `Hello` and `Welcome`.
pub const PROTOCOL: u32 = 1;

/// Which request of which session a frame belongs to. 0 is the link itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FrameId {
    /// Chosen by the front-end.
    pub request: u64,
    /// Chosen by the front-end.
    pub session: u64,
}

/// Why bytes are not a frame, or a frame cannot be sent.
///
/// With an [`id`](Self::id) the request is answered with a failure and the link lives on; without, the link is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Over [`FRAME_BYTES_MAX`].
    #[error("a frame of {bytes} bytes is over the limit of {FRAME_BYTES_MAX}")]
    TooBig {
        /// Bytes of the whole frame.
        bytes: usize,
    },
    /// Not protobuf, and not even the identifiers can be read.
    #[error("the frame is malformed")]
    Malformed,
    /// The identifiers can be read, the body cannot.
    #[error("the body of the frame is malformed")]
    MalformedBody {
        /// The request.
        id: FrameId,
    },
    /// A verb of a later version, or none.
    #[error("the frame has no verb that this version knows")]
    UnknownVerb {
        /// The request.
        id: FrameId,
    },
    /// More than [`CHUNK_BYTES_MAX`] of data.
    #[error("the frame carries {bytes} bytes of data, over the limit of {CHUNK_BYTES_MAX}")]
    DataTooBig {
        /// The request.
        id: FrameId,
        /// Bytes of data in the frame.
        bytes: usize,
    },
    /// Over [`SEARCH_DEPTH_MAX`] or [`SEARCH_KEYS_MAX`], or a key that is empty.
    #[error("{problem}")]
    Search {
        /// The request.
        id: FrameId,
        /// What is wrong.
        problem: SearchProblem,
    },
}

impl FrameError {
    /// The request that can be told of it.
    pub fn id(&self) -> Option<FrameId> {
        match self {
            Self::TooBig { .. } | Self::Malformed => None,
            Self::MalformedBody { id }
            | Self::UnknownVerb { id }
            | Self::DataTooBig { id, .. }
            | Self::Search { id, .. } => Some(*id),
        }
    }

    /// The failure to answer with.
    pub fn failure(&self) -> session::Failure {
        let code = match self {
            Self::UnknownVerb { .. } => session::FailureCode::UnknownVerb,
            Self::TooBig { .. } | Self::DataTooBig { .. } | Self::Malformed | Self::MalformedBody { .. } => {
                session::FailureCode::Malformed
            }
            Self::Search { problem: SearchProblem::Empty, .. } => session::FailureCode::Malformed,
            Self::Search { problem: SearchProblem::TooDeep | SearchProblem::TooMany, .. } => {
                session::FailureCode::Limit
            }
        };
        session::Failure { code: code.into(), text: self.to_string() }
    }
}

/// What is wrong with a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SearchProblem {
    /// Nested more than [`SEARCH_DEPTH_MAX`] deep.
    #[error("the search is nested more than {SEARCH_DEPTH_MAX} deep")]
    TooDeep,
    /// More than [`SEARCH_KEYS_MAX`] keys.
    #[error("the search has more than {SEARCH_KEYS_MAX} keys")]
    TooMany,
    /// A key without a condition, or one of a later version.
    #[error("the search has a key that this version does not know")]
    Empty,
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::ClientFrame {}
    impl Sealed for super::ServerFrame {}
}

/// The two kinds of frame.
pub trait Frame: Message + Default + sealed::Sealed {
    /// Whom it belongs to.
    fn id(&self) -> FrameId;
    /// Checks what protobuf does not: that there is a body, and its limits.
    fn check(&self) -> Result<(), FrameError>;
}

impl Frame for ClientFrame {
    fn id(&self) -> FrameId {
        FrameId { request: self.request, session: self.session }
    }

    fn check(&self) -> Result<(), FrameError> {
        use client_frame::Body;
        let id = self.id();
        let Some(body) = &self.body else { return Err(FrameError::UnknownVerb { id }) };
        match body {
            Body::Upload(upload) => check_data(id, upload.data.len()),
            Body::Search(search) => check_key(id, search.key.as_ref()),
            Body::Sort(sort) => check_key(id, sort.key.as_ref()),
            Body::Thread(thread) => check_key(id, thread.key.as_ref()),
            Body::Hello(_)
            | Body::Open(_)
            | Body::Close(_)
            | Body::Credit(_)
            | Body::Cancel(_)
            | Body::KeyOffer(_)
            | Body::List(_)
            | Body::Create(_)
            | Body::Delete(_)
            | Body::Rename(_)
            | Body::Subscribe(_)
            | Body::Status(_)
            | Body::Select(_)
            | Body::Unselect(_)
            | Body::Fetch(_)
            | Body::Store(_)
            | Body::Copy(_)
            | Body::Expunge(_)
            | Body::Append(_)
            | Body::AppendStatus(_)
            | Body::GetMetadata(_)
            | Body::SetMetadata(_)
            | Body::GetQuota(_)
            | Body::Check(_)
            | Body::Snapshot(_)
            | Body::VanishedSince(_)
            | Body::Watch(_) => Ok(()),
        }
    }
}

impl Frame for ServerFrame {
    fn id(&self) -> FrameId {
        FrameId { request: self.request, session: self.session }
    }

    fn check(&self) -> Result<(), FrameError> {
        use server_frame::Body;
        let id = self.id();
        let Some(body) = &self.body else { return Err(FrameError::UnknownVerb { id }) };
        match body {
            Body::Fetched(fetched) => {
                let sections = fetched.messages.iter().flat_map(|message| &message.sections);
                check_data(id, sections.map(|section| section.data.len()).sum())
            }
            Body::Welcome(_)
            | Body::Opened(_)
            | Body::Done(_)
            | Body::Failure(_)
            | Body::Credit(_)
            | Body::Changes(_)
            | Body::FolderChanged(_)
            | Body::Vanished(_)
            | Body::KeyWanted(_)
            | Body::Folders(_)
            | Body::FolderStatus(_)
            | Body::Selected(_)
            | Body::Stored(_)
            | Body::Copied(_)
            | Body::Expunged(_)
            | Body::Found(_)
            | Body::Sorted(_)
            | Body::Threaded(_)
            | Body::Checked(_)
            | Body::Appended(_)
            | Body::Unknown(_)
            | Body::Created(_)
            | Body::Metadata(_)
            | Body::Quota(_)
            | Body::Snapshotted(_) => Ok(()),
        }
    }
}

fn check_key(id: FrameId, key: Option<&SearchKey>) -> Result<(), FrameError> {
    let checked = key.ok_or(SearchProblem::Empty).and_then(check_search);
    checked.map_err(|problem| FrameError::Search { id, problem })
}

fn check_data(id: FrameId, bytes: usize) -> Result<(), FrameError> {
    if bytes > CHUNK_BYTES_MAX { Err(FrameError::DataTooBig { id, bytes }) } else { Ok(()) }
}

/// The bytes of a frame that is within its limits.
pub fn encode<F: Frame>(frame: &F) -> Result<Bytes, FrameError> {
    frame.check()?;
    let bytes = frame.encoded_len();
    if bytes > FRAME_BYTES_MAX {
        return Err(FrameError::TooBig { bytes });
    }
    Ok(frame.encode_to_vec().into())
}

/// A frame from the bytes of one WebSocket message. Data in it points into `bytes`; nothing is copied.
pub fn decode<F: Frame>(bytes: Bytes) -> Result<F, FrameError> {
    if bytes.len() > FRAME_BYTES_MAX {
        return Err(FrameError::TooBig { bytes: bytes.len() });
    }
    let frame = F::decode(bytes.clone()).map_err(|_| match Head::decode(bytes) {
        Ok(head) => FrameError::MalformedBody { id: FrameId { request: head.request, session: head.session } },
        Err(_) => FrameError::Malformed,
    })?;
    frame.check()?;
    Ok(frame)
}

/// The fields that both kinds of frame begin with; the body is skipped unread.
#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(uint64, tag = "1")]
    request: u64,
    #[prost(uint64, tag = "2")]
    session: u64,
}

/// Checks that a search is at most [`SEARCH_DEPTH_MAX`] deep and has at most [`SEARCH_KEYS_MAX`] keys, none of them empty.
pub fn check_search(key: &SearchKey) -> Result<(), SearchProblem> {
    // On a heap-held stack, so that depth costs no stack; protobuf's own limit of 100 levels has passed already.
    let mut todo = vec![(key, 1usize)];
    let mut keys = 0usize;
    while let Some((key, depth)) = todo.pop() {
        keys += 1;
        if depth > SEARCH_DEPTH_MAX {
            return Err(SearchProblem::TooDeep);
        }
        if keys + todo.len() > SEARCH_KEYS_MAX {
            return Err(SearchProblem::TooMany);
        }
        match key.key.as_ref().ok_or(SearchProblem::Empty)? {
            search_key::Key::AllOf(all) => todo.extend(all.keys.iter().map(|key| (key, depth + 1))),
            search_key::Key::AnyOf(any) => todo.extend(any.keys.iter().map(|key| (key, depth + 1))),
            search_key::Key::Not(not) => todo.push((not.as_ref(), depth + 1)),
            search_key::Key::Uids(_)
            | search_key::Key::FlagSet(_)
            | search_key::Key::KeywordSet(_)
            | search_key::Key::Header(_)
            | search_key::Key::Body(_)
            | search_key::Key::Text(_)
            | search_key::Key::InternalDate(_)
            | search_key::Key::SentDate(_)
            | search_key::Key::Larger(_)
            | search_key::Key::Smaller(_)
            | search_key::Key::ModseqAtLeast(_)
            | search_key::Key::All(_)
            | search_key::Key::Recent(_)
            | search_key::Key::ReceivedFromMs(_)
            | search_key::Key::ReceivedUntilMs(_)
            | search_key::Key::SavedDate(_)
            | search_key::Key::Email(_)
            | search_key::Key::Thread(_)
            | search_key::Key::Pattern(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
