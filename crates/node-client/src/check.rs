//! A Check under way: what it finds, as it finds it, and how far it is. After a broken link it starts anew.

use crate::ClientError;
use crate::attach::{Attached, Core, Miss, Tries};
use crate::connection::InFlight;
use crate::pending::{End, Next};
use std::sync::Arc;
use wire::session::client_frame::Body as Ask;
use wire::session::server_frame::Body as Answer;
use wire::session::{Check, Checked};

/// What a check finds. Dropping it ends the check.
pub struct CheckStream {
    core: Arc<Core>,
    check: Check,
    under_way: Option<(Arc<Attached>, InFlight)>,
    tries: Tries,
    ended: bool,
}

impl CheckStream {
    pub(crate) async fn start(core: Arc<Core>, check: Check) -> Result<Self, ClientError> {
        let mut stream = Self { core, check, under_way: None, tries: Tries::new(), ended: false };
        stream.send().await?;
        Ok(stream)
    }

    async fn send(&mut self) -> Result<(), ClientError> {
        self.under_way = Some(self.core.begin(Ask::Check(self.check), &mut self.tries).await?);
        Ok(())
    }

    /// The next step; `None` at the end. After an error nothing follows. A finding can come twice when the link broke.
    pub async fn next(&mut self) -> Option<Result<Checked, ClientError>> {
        if self.ended {
            return None;
        }
        let next = self.advance().await;
        self.ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }

    async fn advance(&mut self) -> Result<Option<Checked>, ClientError> {
        loop {
            let Some((attached, flight)) = &self.under_way else {
                self.send().await?;
                continue;
            };
            match flight.pending.next().await {
                Next::Frame(Answer::Checked(checked), _) => {
                    self.tries.went_on();
                    return Ok(Some(checked));
                }
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
}
