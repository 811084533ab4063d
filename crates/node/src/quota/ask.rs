//! What a room says to the directory: that it needs more, and what it gives back.
//!
//! Invariant: a request names the version of the grant that it changes, so that one that comes late, or twice, changes
//! nothing. Asking for more never lowers a grant; what is given back is not used any more before it is offered.

use super::{Amount, Limits, Room, Shortage};
use crate::fault::{Fault, unavailable};
use crate::limits::GRANT_VERSIONS_TRIED_MAX;
use directory::client::{DirectoryClient, Error, GrantReply, GrantRequest};

impl Room {
    /// Asks what is granted.
    pub(super) fn look(&self) -> GrantRequest {
        GrantRequest { mailbox_id: self.id.to_string(), ..GrantRequest::default() }
    }

    /// Asks the directory for more; under the turn. Whether it granted `least`.
    pub(super) async fn ask(&self, limits: Limits, least: Amount, wish: Amount) -> Result<bool, Shortage> {
        let Some(pools) = &self.primary.settings.pools else { return Ok(false) };
        for _ in 0..GRANT_VERSIONS_TRIED_MAX {
            let version = match self.version.get() {
                Some(version) => version,
                None => pools.grant(self.look()).await?.version,
            };
            let (held, waiting, promised) = self.parts();
            let request = GrantRequest { least: least.into(), wish: wish.into(), ..self.change(version) };
            let reply = pools.grant(request).await?;
            self.version.set(Some(reply.version));
            if reply.applied {
                let granted = Amount::from(reply.granted);
                self.granted.set(granted);
                self.told(held, waiting);
                return Ok(held.plus(waiting).plus(promised).plus(least).fits(limits.ceiling(granted)));
            }
        }
        Err(too_many_versions().into())
    }

    /// Tells the directory what the mailbox holds, and gives back what is granted beyond that and what is promised.
    ///
    /// # Errors
    /// The directory could not be reached, or what waits not be counted: to be tried again.
    pub async fn settle(&self) -> Result<(), Fault> {
        let Some(pools) = &self.primary.settings.pools else { return Ok(()) };
        let _turn = self.turn.lock().await;
        if self.is_settled() {
            return Ok(());
        }
        self.learn().await.map_err(Fault::from)?;
        match self.give_back(pools).await {
            // The alias is gone, and with it what it was granted.
            Err(Error::NotFound(_)) => {
                self.untold.set(false);
                self.granted.set(Amount::default());
                Ok(())
            }
            Err(error) => Err(unavailable(error.to_string())),
            Ok(true) => Ok(()),
            Ok(false) => Err(too_many_versions()),
        }
    }

    async fn give_back(&self, pools: &DirectoryClient) -> Result<bool, Error> {
        for _ in 0..GRANT_VERSIONS_TRIED_MAX {
            let version = match self.version.get() {
                Some(version) => version,
                None => pools.grant_once(self.look()).await?.version,
            };
            let (held, waiting, promised) = self.parts();
            self.granted.set(held.plus(waiting).plus(promised));
            let GrantReply { applied, version, .. } = pools.grant_once(self.change(version)).await?;
            self.version.set(Some(version));
            if applied {
                self.told(held, waiting);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn change(&self, version: u64) -> GrantRequest {
        let (held, waiting, promised) = self.parts();
        GrantRequest {
            version: Some(version),
            held: held.into(),
            waiting: waiting.into(),
            promised: promised.into(),
            ..self.look()
        }
    }

    /// The directory knows this; more may have come meanwhile.
    fn told(&self, held: Amount, waiting: Amount) {
        let (held_now, waiting_now, _) = self.parts();
        self.untold.set((held, waiting) != (held_now, waiting_now));
    }

    /// What the account's mailboxes use together, and may: as the directory knows of the others, and exactly of this one.
    ///
    /// # Errors
    /// [`Shortage::Failed`] when it cannot be asked.
    pub async fn account(&self) -> Result<Option<(Amount, Amount)>, Shortage> {
        let limit = self.limits().await?.account;
        let Some(pools) = self.primary.settings.pools.as_ref().filter(|_| limit != Amount::default()) else {
            return Ok(None);
        };
        self.learn().await?;
        let others = Amount::from(pools.grant(self.look()).await?.others);
        let (held, waiting, _) = self.parts();
        Ok(Some((others.plus(held).plus(waiting), limit)))
    }
}

fn too_many_versions() -> Fault {
    unavailable("somebody else changes what the mailbox is granted")
}
