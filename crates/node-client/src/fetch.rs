//! A FETCH under way: takes frames as the caller is ready for them, gives credit back, and goes on after a broken link.

use crate::ClientError;
use crate::attach::{Attached, Core, Miss, Tries};
use crate::connection::InFlight;
use crate::limits::CREDIT_RETURN_BYTES;
use crate::pending::{End, Next};
use crate::resume::Resume;
use model::UidSet;
use std::sync::Arc;
use wire::convert::{uid_runs, uid_set};
use wire::session::client_frame::Body as Ask;
use wire::session::server_frame::Body as Answer;
use wire::session::{Credit, Fetch, Fetched};

/// What a FETCH reads, frame by frame. Dropping it cancels the fetch.
pub struct Stream {
    core: Arc<Core>,
    fetch: Fetch,
    wanted: UidSet,
    under_way: Option<(Arc<Attached>, InFlight)>,
    resume: Resume,
    tries: Tries,
    /// Octets that were taken and not given credit for.
    owed: u64,
    ended: bool,
}

impl Stream {
    pub(crate) async fn start(core: Arc<Core>, fetch: Fetch) -> Result<Self, ClientError> {
        let wanted = uid_set(fetch.uids.as_ref())?;
        let mut stream = Self {
            core,
            fetch,
            wanted,
            under_way: None,
            resume: Resume::default(),
            tries: Tries::new(),
            owed: 0,
            ended: false,
        };
        stream.send().await?;
        Ok(stream)
    }

    async fn send(&mut self) -> Result<(), ClientError> {
        let left = self.resume.left(&self.wanted);
        if left.is_empty() && !self.wanted.is_empty() {
            // Everything came but the end.
            self.ended = true;
            return Ok(());
        }
        let fetch = Fetch { uids: uid_runs(&left), ..self.fetch.clone() };
        self.under_way = Some(self.core.begin(Ask::Fetch(fetch), &mut self.tries).await?);
        self.owed = 0;
        Ok(())
    }

    /// The next records, in UID order; `None` at the end. After an error nothing follows. The data is the frame's own: a
    /// caller that keeps a piece of it keeps the frame, up to 1 MiB.
    pub async fn next(&mut self) -> Option<Result<Fetched, ClientError>> {
        if self.ended {
            return None;
        }
        let next = self.advance().await;
        self.ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }

    async fn advance(&mut self) -> Result<Option<Fetched>, ClientError> {
        loop {
            let Some((attached, flight)) = &self.under_way else {
                self.send().await?;
                if self.ended {
                    return Ok(None);
                }
                continue;
            };
            match flight.pending.next().await {
                Next::Frame(Answer::Fetched(fetched), octets) => {
                    self.owed += octets as u64;
                    give_credit(flight, &mut self.owed);
                    if let Some(fetched) = self.resume.pass(fetched)? {
                        self.tries.went_on();
                        return Ok(Some(fetched));
                    }
                }
                Next::Frame(Answer::Done(_), _) => {}
                Next::Frame(Answer::Failure(failure), _) => match attached.missed(failure) {
                    Miss::NotDone(error) => {
                        self.again();
                        self.tries.again(error).await?;
                    }
                    Miss::Refused(error) => return Err(error),
                    Miss::Lost => return Err(ClientError::Interrupted),
                },
                Next::Frame(_, _) => return Err(ClientError::Protocol("a frame of another verb")),
                // A message that was cut short cannot be completed by an end.
                Next::End(End::Last) if self.resume.is_amid() => return Err(ClientError::Interrupted),
                Next::End(End::Last) => return Ok(None),
                Next::End(End::Lost) => {
                    self.again();
                    self.tries.lost()?;
                }
                Next::End(End::Bad(why)) => return Err(ClientError::Protocol(why)),
            }
        }
    }

    fn again(&mut self) {
        self.under_way = None;
        self.resume.broke();
    }
}

fn give_credit(flight: &InFlight, owed: &mut u64) {
    if *owed >= CREDIT_RETURN_BYTES && !flight.pending.has_ended() {
        flight.pending.returned(*owed);
        flight.put(Ask::Credit(Credit { bytes: *owed }));
        *owed = 0;
    }
}
