//! A SEARCH under way. After a broken link it starts anew, and tells only what comes behind what was told.

use crate::ClientError;
use crate::attach::{Attached, Core, Miss, Tries};
use crate::connection::InFlight;
use crate::pending::{End, Next};
use model::{Uid, UidSet};
use std::sync::Arc;
use wire::convert::{uid_runs, uid_set};
use wire::session::client_frame::Body as Ask;
use wire::session::server_frame::Body as Answer;
use wire::session::{Found, Search};

/// What a SEARCH finds, as it finds it. Dropping it cancels the search.
pub struct SearchStream {
    core: Arc<Core>,
    search: Search,
    under_way: Option<(Arc<Attached>, InFlight)>,
    /// The highest UID that was told.
    told: u32,
    /// The highest UID that came of the request under way: they come in order.
    came: u32,
    tries: Tries,
    ended: bool,
}

impl SearchStream {
    pub(crate) async fn start(core: Arc<Core>, search: Search) -> Result<Self, ClientError> {
        let mut stream = Self { core, search, under_way: None, told: 0, came: 0, tries: Tries::new(), ended: false };
        stream.send().await?;
        Ok(stream)
    }

    async fn send(&mut self) -> Result<(), ClientError> {
        self.came = 0;
        self.under_way = Some(self.core.begin(Ask::Search(self.search.clone()), &mut self.tries).await?);
        Ok(())
    }

    /// The next UIDs that were found, none of them twice; `None` at the end. After an error nothing follows.
    pub async fn next(&mut self) -> Option<Result<Found, ClientError>> {
        if self.ended {
            return None;
        }
        let next = self.advance().await;
        self.ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }

    /// Everything that is found and was not taken yet, in one.
    ///
    /// # Errors
    /// See [`crate::Session`].
    pub async fn all(mut self) -> Result<Found, ClientError> {
        let (mut uids, mut highest_modseq) = (UidSet::new(), 0);
        while let Some(some) = self.next().await {
            let some = some?;
            uids.append(&uid_set(some.uids.as_ref())?);
            highest_modseq = some.highest_modseq.max(highest_modseq);
        }
        Ok(Found { uids: uid_runs(&uids), highest_modseq })
    }

    async fn advance(&mut self) -> Result<Option<Found>, ClientError> {
        loop {
            let Some((attached, flight)) = &self.under_way else {
                self.send().await?;
                continue;
            };
            match flight.pending.next().await {
                Next::Frame(Answer::Found(found), _) => return self.fresh(&found).map(Some),
                Next::Frame(Answer::Done(_), _) => {}
                Next::Frame(Answer::Failure(failure), _) => match attached.missed(failure) {
                    Miss::NotDone(error) => {
                        self.under_way = None;
                        self.tries.again(error).await?;
                    }
                    Miss::Refused(error) => return Err(error),
                    Miss::Lost => return Err(ClientError::Interrupted),
                },
                Next::Frame(_, _) => return Err(ClientError::Protocol("a frame of another verb")),
                Next::End(End::Last) => return Ok(None),
                Next::End(End::Lost) => {
                    self.under_way = None;
                    self.tries.lost()?;
                }
                Next::End(End::Bad(why)) => return Err(ClientError::Protocol(why)),
            }
        }
    }

    /// What of it was not told before a break.
    fn fresh(&mut self, found: &Found) -> Result<Found, ClientError> {
        let mut uids = uid_set(found.uids.as_ref())?;
        if let (Some(first), Some(last)) = (uids.first(), uids.last()) {
            if first.get() <= self.came {
                return Err(ClientError::Protocol("results out of order"));
            }
            self.came = last.get();
            if let Some(next) = Uid::new(self.told.saturating_add(1)).filter(|next| first < *next) {
                uids = uids.intersection(&UidSet::range(next, Uid::MAX));
            }
            self.told = self.told.max(last.get());
        }
        Ok(Found { uids: uid_runs(&uids), highest_modseq: found.highest_modseq })
    }
}
