//! Answers of any length as frames that are not too long, and from the mailbox's types to the wire's.

use crate::limits::{ENTRIES_PER_FRAME, ENTRY_BYTES, NAME_BYTES_PER_FRAME};
use bytes::Bytes;
use mailbox::{Annotation, Copied, Expunged, FlagState, Folders, SelectState, Since, Stored, ThreadNode};
use model::{Uid, UidSet};
use wire::convert::{keyword_texts, special_use_field, uid_runs};
use wire::frame;
use wire::session::server_frame::Body;
use wire::session::{self, Failure, FailureCode, FlagChange, ServerFrame, UidRuns};

/// Octets of a keyword in a frame beside its text.
const KEYWORD_BYTES: usize = 2;

/// Whom a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The request, 0 for a push.
    pub request: u64,
    /// The session on its link.
    pub session: u64,
}

impl Address {
    /// The frame's bytes. A frame that would be too long is an answer that nobody can read: it becomes a failure.
    pub fn frame(self, body: Body, last: bool) -> Bytes {
        let Self { request, session } = self;
        let made = frame::encode(&ServerFrame { request, session, last, body: Some(body) });
        made.unwrap_or_else(|error| {
            tracing::error!(session, request, "an answer cannot be sent: {error}");
            let failure = Failure { code: FailureCode::TooBig.into(), text: "the answer does not fit a frame".into() };
            let body = Some(Body::Failure(failure));
            frame::encode(&ServerFrame { request, session, last: true, body }).unwrap_or_default()
        })
    }
}

/// A message's flags for the wire.
pub fn flag_change(state: &FlagState) -> FlagChange {
    FlagChange {
        uid: state.uid.get(),
        flags: state.flags.bits(),
        keywords: keyword_texts(&state.keywords),
        modseq: state.modseq.get(),
    }
}

/// Flag changes, as many as fit one frame at a time; one empty list when there are none.
pub fn flag_changes(states: &[FlagState]) -> impl Iterator<Item = Vec<FlagChange>> + '_ {
    let (mut left, mut is_first) = (states.iter().map(flag_change).peekable(), true);
    std::iter::from_fn(move || {
        let (mut some, mut taken) = (Vec::new(), 0);
        while let Some(change) = left.next_if(|next| some.is_empty() || taken + weight(next) <= ENTRIES_PER_FRAME) {
            taken += weight(&change);
            some.push(change);
        }
        (std::mem::take(&mut is_first) || !some.is_empty()).then_some(some)
    })
}

/// As how many entries of a frame a flag change counts: keywords can be many and long.
fn weight(change: &FlagChange) -> usize {
    1 + change.keywords.iter().map(|keyword| keyword.len() + KEYWORD_BYTES).sum::<usize>() / ENTRY_BYTES
}

/// A set, as many runs as fit one frame at a time; nothing for the empty set.
pub fn runs(set: &UidSet) -> Vec<UidRuns> {
    let runs = set.runs().chunks(ENTRIES_PER_FRAME * 8);
    runs.map(|some| UidRuns { bounds: some.iter().flat_map(|&(first, last)| [first, last]).collect() }).collect()
}

/// Pads the list so that there is one at least.
fn at_least_one<T>(mut list: Vec<T>, one: impl FnOnce() -> T) -> Vec<T> {
    if list.is_empty() {
        list.push(one());
    }
    list
}

/// Octets of a folder in a list beside its name, counts and all, at most.
const FOLDER_BYTES: usize = 112;

/// LIST.
pub fn folders(all: &Folders) -> Vec<Body> {
    let mut frames = vec![session::Folders::default()];
    let mut octets = 0;
    let mut place = |frames: &mut Vec<session::Folders>, name: &str| {
        octets += name.len() + FOLDER_BYTES;
        if octets > NAME_BYTES_PER_FRAME {
            octets = name.len();
            frames.push(session::Folders::default());
        }
    };
    for row in &all.folders {
        place(&mut frames, row.name.as_str());
        if let Some(frame) = frames.last_mut() {
            frame.folders.push(session::Folder {
                id: row.id.get(),
                name: row.name.as_str().to_owned(),
                special_use: special_use_field(row.special_use),
                subscribed: row.subscribed,
                no_select: row.no_select,
                status: row.status.as_ref().map(folder_status),
            });
        }
    }
    for name in &all.subscribed_only {
        place(&mut frames, name.as_str());
        if let Some(frame) = frames.last_mut() {
            frame.subscribed_only.push(name.as_str().to_owned());
        }
    }
    frames.into_iter().map(Body::Folders).collect()
}

/// SELECT.
pub fn selected(state: &SelectState, recent: &UidSet, since: Option<&Since>, damaged: bool) -> Vec<Body> {
    let head = || session::Selected {
        folder: state.folder.get(),
        uid_validity: state.uid_validity.get(),
        uid_next: state.uid_next.get(),
        highest_modseq: state.highest_modseq.get(),
        first_unseen: state.first_unseen.map_or(0, Uid::get),
        damaged,
        ..session::Selected::default()
    };
    let mut frames = vec![session::Selected { keywords: keyword_texts(&state.keywords), ..head() }];
    frames.extend(runs(&state.uids).into_iter().map(|runs| session::Selected { uids: Some(runs), ..head() }));
    frames.extend(runs(recent).into_iter().map(|runs| session::Selected { recent: Some(runs), ..head() }));
    if let Some(since) = since {
        let changed = flag_changes(&since.changed).filter(|some| !some.is_empty());
        frames.extend(changed.map(|changed| session::Selected { changed, ..head() }));
        let vanished = runs(&since.vanished).into_iter();
        frames.extend(vanished.map(|runs| session::Selected { vanished: Some(runs), ..head() }));
    }
    merge_first(frames).into_iter().map(Body::Selected).collect()
}

/// Short answers in one frame: what fits beside the keywords goes with them.
fn merge_first(frames: Vec<session::Selected>) -> Vec<session::Selected> {
    let mut out: Vec<session::Selected> = Vec::with_capacity(frames.len());
    for frame in frames {
        match out.last_mut() {
            Some(last) if entries(last) + entries(&frame) <= ENTRIES_PER_FRAME => {
                last.uids = last.uids.take().or(frame.uids);
                last.recent = last.recent.take().or(frame.recent);
                last.vanished = last.vanished.take().or(frame.vanished);
                last.changed.extend(frame.changed);
                last.keywords.extend(frame.keywords);
            }
            _ => out.push(frame),
        }
    }
    out
}

fn entries(frame: &session::Selected) -> usize {
    let runs = [&frame.uids, &frame.recent, &frame.vanished].into_iter().flatten().map(|runs| runs.bounds.len() / 8);
    runs.sum::<usize>() + frame.changed.iter().map(weight).sum::<usize>()
}

/// STORE.
pub fn stored(stored: &Stored) -> Vec<Body> {
    let highest_modseq = stored.highest_modseq.get();
    let head = |messages| session::Stored { messages, modified: None, highest_modseq };
    let mut frames: Vec<_> = flag_changes(&stored.messages).map(head).collect();
    let mut modified = runs(&stored.modified).into_iter();
    if let Some(last) = frames.last_mut() {
        last.modified = modified.next();
    }
    frames.extend(modified.map(|runs| session::Stored { messages: Vec::new(), modified: Some(runs), highest_modseq }));
    frames.into_iter().map(Body::Stored).collect()
}

/// COPY and MOVE.
pub fn copied(copied: &Copied) -> Vec<Body> {
    let numbers = |uids: &[Uid]| uids.iter().map(|uid| uid.get()).collect::<Vec<_>>();
    let frame = |from: &[Uid], to: &[Uid]| session::Copied {
        uid_validity: copied.uid_validity.get(),
        from: numbers(from),
        to: numbers(to),
        highest_modseq: copied.highest_modseq.get(),
    };
    let (from, to) = (copied.from.chunks(ENTRIES_PER_FRAME * 8), copied.to.chunks(ENTRIES_PER_FRAME * 8));
    let frames = from.zip(to).map(|(from, to)| frame(from, to)).collect();
    at_least_one(frames, || frame(&[], &[])).into_iter().map(Body::Copied).collect()
}

/// EXPUNGE.
pub fn expunged(expunged: &Expunged) -> Vec<Body> {
    let highest_modseq = expunged.highest_modseq.get();
    let frames = runs(&expunged.uids).into_iter();
    let frames = frames.map(|uids| session::Expunged { uids: Some(uids), highest_modseq }).collect();
    at_least_one(frames, || session::Expunged { uids: None, highest_modseq }).into_iter().map(Body::Expunged).collect()
}

/// What vanished.
pub fn vanished(uids: &UidSet) -> Vec<Body> {
    let frames = runs(uids).into_iter().map(|uids| session::Vanished { uids: Some(uids) }).collect();
    at_least_one(frames, || session::Vanished { uids: None }).into_iter().map(Body::Vanished).collect()
}

/// STATUS.
pub fn status(status: &mailbox::FolderStatus) -> Body {
    Body::FolderStatus(folder_status(status))
}

fn folder_status(status: &mailbox::FolderStatus) -> session::FolderStatus {
    session::FolderStatus {
        messages: status.messages,
        recent: status.recent,
        unseen: status.unseen,
        deleted: status.deleted,
        size: status.size,
        uid_validity: status.uid_validity.get(),
        uid_next: status.uid_next.get(),
        highest_modseq: status.highest_modseq.get(),
        folder: status.folder.get(),
        deleted_size: status.deleted_size,
    }
}

/// GETMETADATA.
pub fn annotations(found: &[Annotation]) -> Vec<Body> {
    let mut frames = vec![session::Metadata::default()];
    let mut octets = 0;
    for annotation in found {
        octets += annotation.value.len() + annotation.entry.len() + 32;
        if octets > NAME_BYTES_PER_FRAME {
            octets = 0;
            frames.push(session::Metadata::default());
        }
        if let Some(frame) = frames.last_mut() {
            frame.annotations.push(session::Annotation {
                folder: annotation.folder.map_or(0, mailbox::FolderId::get),
                entry: annotation.entry.clone(),
                value: Bytes::copy_from_slice(&annotation.value),
                none: false,
            });
        }
    }
    frames.into_iter().map(Body::Metadata).collect()
}

/// APPEND.
pub fn appended(appended: &mailbox::Appended) -> Body {
    Body::Appended(session::Appended {
        uid_validity: appended.uid_validity.get(),
        uid: appended.uid.get(),
        count: appended.count,
    })
}

/// SEARCH: what one step found; nothing when that is nothing.
pub fn found(found: &UidSet, highest_modseq: u64) -> Vec<Body> {
    runs(found).into_iter().map(|uids| Body::Found(session::Found { uids: Some(uids), highest_modseq })).collect()
}

/// SORT: the next UIDs, as many as fit one frame at a time.
pub fn sorted(uids: &[Uid], highest_modseq: u64) -> impl Iterator<Item = Body> + '_ {
    uids.chunks(ENTRIES_PER_FRAME * 8).map(move |some| {
        let uids = some.iter().map(|uid| uid.get()).collect();
        Body::Sorted(session::Sorted { uids, highest_modseq })
    })
}

/// The end of a SORT.
pub fn sorted_all(highest_modseq: u64) -> Body {
    Body::Sorted(session::Sorted { uids: Vec::new(), highest_modseq })
}

/// THREAD.
pub fn threaded(nodes: &[ThreadNode], highest_modseq: u64) -> Vec<Body> {
    let frame = |some: &[ThreadNode]| session::Threaded {
        uids: some.iter().map(|node| node.uid.map_or(0, Uid::get)).collect(),
        depths: some.iter().map(|node| node.depth).collect(),
        highest_modseq,
    };
    let frames = nodes.chunks(ENTRIES_PER_FRAME * 8).map(frame).collect();
    at_least_one(frames, || frame(&[])).into_iter().map(Body::Threaded).collect()
}

/// The end of a SEARCH.
pub fn found_all(highest_modseq: u64) -> Body {
    Body::Found(session::Found { uids: uid_runs(&UidSet::new()), highest_modseq })
}
