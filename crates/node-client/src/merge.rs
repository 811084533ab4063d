//! Answers that came in several frames, put together. The node cuts long ones so that no frame is over its limit.

use crate::ClientError;
use model::UidSet;
use wire::convert::{uid_runs, uid_set};
use wire::session::server_frame::Body;
use wire::session::{
    Copied, Created, Expunged, FolderStatus, Folders, Metadata, Quota, Selected, Snapshotted, Sorted, Stored, Threaded,
    UidRuns,
};

type Frames<'a> = &'a mut dyn Iterator<Item = Body>;

const UNEXPECTED: ClientError = ClientError::Protocol("a frame of another verb");
const NOTHING: ClientError = ClientError::Protocol("an answer without a frame");

/// Runs of one set over several frames.
#[derive(Default)]
struct Runs(UidSet);

impl Runs {
    fn add(&mut self, runs: Option<&UidRuns>) -> Result<(), ClientError> {
        if runs.is_some() {
            self.0.append(&uid_set(runs)?);
        }
        Ok(())
    }

    fn field(&self) -> Option<UidRuns> {
        uid_runs(&self.0)
    }
}

/// LIST.
pub(crate) fn folders(frames: Frames<'_>) -> Result<Folders, ClientError> {
    let mut all = Folders::default();
    for frame in frames {
        let Body::Folders(some) = frame else { return Err(UNEXPECTED) };
        all.folders.extend(some.folders);
        all.subscribed_only.extend(some.subscribed_only);
    }
    Ok(all)
}

/// SELECT.
pub(crate) fn selected(frames: impl Iterator<Item = Body>) -> Result<Selected, ClientError> {
    let mut all: Option<Selected> = None;
    let (mut uids, mut recent, mut vanished) = (Runs::default(), Runs::default(), Runs::default());
    for frame in frames {
        let Body::Selected(some) = frame else { return Err(UNEXPECTED) };
        uids.add(some.uids.as_ref())?;
        recent.add(some.recent.as_ref())?;
        vanished.add(some.vanished.as_ref())?;
        match &mut all {
            None => all = Some(some),
            Some(all) => {
                all.changed.extend(some.changed);
                all.keywords.extend(some.keywords);
            }
        }
    }
    let all = all.ok_or(NOTHING)?;
    Ok(Selected { uids: uids.field(), recent: recent.field(), vanished: vanished.field(), ..all })
}

/// STORE.
pub(crate) fn stored(frames: Frames<'_>) -> Result<Stored, ClientError> {
    let (mut all, mut modified) = (Stored::default(), Runs::default());
    for frame in frames {
        let Body::Stored(some) = frame else { return Err(UNEXPECTED) };
        modified.add(some.modified.as_ref())?;
        all.messages.extend(some.messages);
        all.highest_modseq = all.highest_modseq.max(some.highest_modseq);
    }
    Ok(Stored { modified: modified.field(), ..all })
}

/// COPY and MOVE.
pub(crate) fn copied(frames: Frames<'_>) -> Result<Copied, ClientError> {
    let mut all: Option<Copied> = None;
    for frame in frames {
        let Body::Copied(some) = frame else { return Err(UNEXPECTED) };
        match &mut all {
            None => all = Some(some),
            Some(all) => {
                all.from.extend(some.from);
                all.to.extend(some.to);
                all.highest_modseq = all.highest_modseq.max(some.highest_modseq);
            }
        }
    }
    all.filter(|all| all.from.len() == all.to.len()).ok_or(NOTHING)
}

/// What vanished.
pub(crate) fn vanished(frames: Frames<'_>) -> Result<UidSet, ClientError> {
    let mut uids = Runs::default();
    for frame in frames {
        let Body::Vanished(some) = frame else { return Err(UNEXPECTED) };
        uids.add(some.uids.as_ref())?;
    }
    Ok(uids.0)
}

/// EXPUNGE.
pub(crate) fn expunged(frames: Frames<'_>) -> Result<Expunged, ClientError> {
    let (mut uids, mut highest_modseq) = (Runs::default(), 0);
    for frame in frames {
        let Body::Expunged(some) = frame else { return Err(UNEXPECTED) };
        uids.add(some.uids.as_ref())?;
        highest_modseq = highest_modseq.max(some.highest_modseq);
    }
    Ok(Expunged { uids: uids.field(), highest_modseq })
}

/// SORT.
pub(crate) fn sorted(frames: Frames<'_>) -> Result<Sorted, ClientError> {
    let mut all = Sorted::default();
    for frame in frames {
        let Body::Sorted(some) = frame else { return Err(UNEXPECTED) };
        all.uids.extend(some.uids);
        all.highest_modseq = all.highest_modseq.max(some.highest_modseq);
    }
    Ok(all)
}

/// THREAD.
pub(crate) fn threaded(frames: Frames<'_>) -> Result<Threaded, ClientError> {
    let mut all = Threaded::default();
    for frame in frames {
        let Body::Threaded(some) = frame else { return Err(UNEXPECTED) };
        all.uids.extend(some.uids);
        all.depths.extend(some.depths);
        all.highest_modseq = all.highest_modseq.max(some.highest_modseq);
    }
    if all.uids.len() == all.depths.len() { Ok(all) } else { Err(ClientError::Protocol("threads of two lengths")) }
}

/// STATUS.
pub(crate) fn status(frames: Frames<'_>) -> Result<FolderStatus, ClientError> {
    match frames.next() {
        Some(Body::FolderStatus(status)) => Ok(status),
        Some(_) => Err(UNEXPECTED),
        None => Err(NOTHING),
    }
}

/// CREATE. A request that turned out to have been done before its second try has no answer of its own.
pub(crate) fn created(frames: Frames<'_>) -> Result<Created, ClientError> {
    match frames.next() {
        Some(Body::Created(created)) => Ok(created),
        Some(Body::Done(_)) => Ok(Created::default()),
        Some(_) => Err(UNEXPECTED),
        None => Err(NOTHING),
    }
}

/// GETMETADATA.
pub(crate) fn metadata(frames: Frames<'_>) -> Result<Metadata, ClientError> {
    let mut all = Metadata::default();
    for frame in frames {
        let Body::Metadata(some) = frame else { return Err(UNEXPECTED) };
        all.annotations.extend(some.annotations);
    }
    Ok(all)
}

/// GETQUOTA.
pub(crate) fn quota(frames: Frames<'_>) -> Result<Quota, ClientError> {
    match frames.next() {
        Some(Body::Quota(quota)) => Ok(quota),
        Some(_) => Err(UNEXPECTED),
        None => Err(NOTHING),
    }
}

/// The snapshot that was taken.
pub(crate) fn snapshotted(frames: Frames<'_>) -> Result<Snapshotted, ClientError> {
    match frames.next() {
        Some(Body::Snapshotted(taken)) => Ok(taken),
        Some(_) => Err(UNEXPECTED),
        None => Err(NOTHING),
    }
}

/// An answer that says only that it is done.
pub(crate) fn done(frames: Frames<'_>) -> Result<(), ClientError> {
    match frames.next() {
        Some(Body::Done(_)) => Ok(()),
        Some(_) => Err(UNEXPECTED),
        None => Err(NOTHING),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::session::{FlagChange, Found};

    fn runs(bounds: &[u32]) -> Option<UidRuns> {
        Some(UidRuns { bounds: bounds.to_vec() })
    }

    #[test]
    fn a_long_select_comes_together() {
        let head = Selected { folder: 3, uid_validity: 4, uid_next: 900, highest_modseq: 50, ..Selected::default() };
        let frames = [
            Selected { uids: runs(&[1, 5]), keywords: vec!["a".to_owned()], ..head.clone() },
            Selected { uids: runs(&[7, 800]), ..head.clone() },
            Selected { recent: runs(&[800, 800]), ..head.clone() },
            Selected { changed: vec![FlagChange { uid: 7, ..FlagChange::default() }], ..head.clone() },
        ];
        let all = selected(frames.into_iter().map(Body::Selected)).unwrap();
        let want = Selected {
            uids: runs(&[1, 5, 7, 800]),
            recent: runs(&[800, 800]),
            keywords: vec!["a".to_owned()],
            changed: vec![FlagChange { uid: 7, ..FlagChange::default() }],
            ..head
        };
        assert_eq!(all, want);
    }

    #[test]
    fn annotations_come_together_and_a_folder_may_have_been_made_before() {
        let annotation = |folder| wire::session::Annotation { folder, ..wire::session::Annotation::default() };
        let frames = [1, 2].map(|folder| Body::Metadata(Metadata { annotations: vec![annotation(folder)] }));
        assert_eq!(metadata(&mut frames.into_iter()).unwrap().annotations, [annotation(1), annotation(2)]);
        let made = Created { folder: 3, uid_validity: 4 };
        assert_eq!(created(&mut [Body::Created(made)].into_iter()), Ok(made));
        assert_eq!(created(&mut [Body::Done(wire::session::Done {})].into_iter()), Ok(Created::default()));
    }

    #[test]
    fn what_does_not_belong_is_refused() {
        let stranger = || [Body::Found(Found::default())].into_iter();
        assert_eq!(selected(stranger()), Err(UNEXPECTED));
        assert_eq!(folders(&mut stranger()), Err(UNEXPECTED));
        assert_eq!(stored(&mut stranger()), Err(UNEXPECTED));
        assert_eq!(copied(&mut stranger()), Err(UNEXPECTED));
        assert_eq!(expunged(&mut stranger()), Err(UNEXPECTED));
        assert_eq!(done(&mut stranger()), Err(UNEXPECTED));
        assert_eq!(status(&mut stranger()), Err(UNEXPECTED));
        assert_eq!(created(&mut stranger()), Err(UNEXPECTED));
        assert_eq!(metadata(&mut stranger()), Err(UNEXPECTED));
        assert_eq!(quota(&mut stranger()), Err(UNEXPECTED));
        assert_eq!(quota(&mut [].into_iter()), Err(NOTHING));
        assert_eq!(selected([].into_iter()), Err(NOTHING));
        let bad = [Body::Selected(Selected { uids: runs(&[3, 2]), ..Selected::default() })];
        assert_eq!(selected(bad.into_iter()), Err(ClientError::Protocol("malformed field")));
    }
}
