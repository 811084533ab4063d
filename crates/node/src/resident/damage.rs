//! A resident whose file is damaged: it is read as far as it goes, and not written until a check finds nothing or it is
//! restored.
//!
//! Invariants: from the moment that damage is seen no write is taken, and the files are opened anew without a writing
//! connection, so that nothing moves the log or writes over what could still be read. New mail waits, sealed, as if nobody
//! were there. Nothing of it concerns any other mailbox.

use super::{Delivery, Resident};
use crate::damage;
use crate::fault::Fault;
use crate::push;
use std::path::PathBuf;
use vault::sealing::PrivateKey;
use wire::session::FailureCode;

impl Resident {
    /// Why nothing is written to the mailbox, if it is damaged.
    pub fn damage(&self) -> Option<Fault> {
        self.damage.borrow().clone()
    }

    /// Passes an error on; one that says that the file is damaged is acted upon first.
    pub(super) fn noticed<T>(&self, result: Result<T, Fault>) -> Result<T, Fault> {
        if let Err(fault) = &result
            && fault.code == FailureCode::Damaged
        {
            self.found_damage(&fault.text);
        }
        result
    }

    /// From now on the mailbox is not written. Told to the operator once.
    pub fn found_damage(&self, what: &str) {
        if !self.mark_damaged(what) {
            return;
        }
        let path = self.files.borrow().as_ref().map(|files| files.path.clone());
        self.give_up();
        let Some(path) = path else { return };
        let (id, what) = (self.id, what.to_owned());
        // Accepted work runs, whether or not anybody waits for it. If it cannot be noted, the damage is found again.
        drop(self.primary.writers.run(move || {
            if let Err(error) = damage::note(&path, &what) {
                tracing::error!(mailbox = %id, %error, "the damage cannot be noted beside the mailbox file");
            }
        }));
    }

    /// A check found that the file with the owner's waiting mail is damaged.
    pub async fn found_waiting_damage(&self, what: String) {
        let Some(residents) = self.residents.upgrade() else { return };
        let waiting = residents.waiting(&self.id);
        waiting.found_damage(what).await;
        waiting.rest().await;
        self.mail_waits.notify_one();
    }

    /// A key that opens the owner's sealing key is the mailbox's: if the file does not open with it, the file is damaged.
    pub(super) fn with_proven_key(&self, fault: Fault) -> Fault {
        let wrapped = self.wrapped_sealing_key.borrow();
        if fault.code != FailureCode::WrongKey || PrivateKey::unwrap(&wrapped, &self.key, &self.id).is_err() {
            return fault;
        }
        Fault::new(
            FailureCode::Damaged,
            "the first page of the mailbox file is damaged: restore the mailbox from a backup",
        )
    }

    /// The same for files that were just opened, whose mark is there already.
    pub(super) fn opened_damaged(&self, what: &str) {
        self.mark_damaged(what);
    }

    /// Whether that is news.
    fn mark_damaged(&self, what: &str) -> bool {
        if self.damage.borrow().is_some() {
            return false;
        }
        tracing::error!(
            mailbox = %self.id,
            "the mailbox is damaged ({what}): it can be read as far as it goes and is not written, and its mail waits; \
             look with `brevdue mailbox check`, and restore it with `brevdue backup restore`"
        );
        metrics::counter!("brevdue_node_damage_found_total").increment(1);
        metrics::gauge!("brevdue_node_damaged_mailboxes").increment(1);
        let text = "the mailbox is damaged: what is intact can be read, nothing can be changed until it is restored";
        *self.damage.borrow_mut() = Some(Fault::new(FailureCode::Damaged, text));
        push::tell_damage(&self.views.borrow());
        self.delivery.send_replace(Delivery::Closed);
        true
    }

    /// A check found nothing: the mailbox is opened for writing again. What is wrong all the same shows as it opens.
    pub async fn recover(&self, path: PathBuf) -> Result<(), Fault> {
        if self.damage.borrow().is_none() {
            return Ok(());
        }
        let lifted = self.primary.writers.run(move || damage::lift(&path)).await?;
        lifted.map_err(|error| crate::fault::internal(format!("the mark of damage cannot be removed: {error}")))?;
        tracing::info!(mailbox = %self.id, "the mailbox was checked and is written again");
        self.damage_over();
        self.give_up();
        self.delivery.send_replace(Delivery::Draining);
        self.mail_waits.notify_one();
        Ok(())
    }

    /// The resident goes, or its damage.
    pub(super) fn damage_over(&self) {
        if self.damage.borrow_mut().take().is_some() {
            metrics::gauge!("brevdue_node_damaged_mailboxes").decrement(1);
        }
    }
}
