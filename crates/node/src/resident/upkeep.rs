//! A resident's upkeep: checkpoints, the collection of garbage, and closing the files.

use super::{Delivery, Resident};
use crate::backup::limits::{RESTORE_CLOSE_LOOK_MS, RESTORE_CLOSE_MS_MAX};
use crate::fault::{Fault, unavailable};
use crate::limits::{GARBAGE_CALLS_MAX, GARBAGE_MS_MIN};
use mailbox::Writer;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use wire::session::FailureCode;

impl Resident {
    /// Whether content that no message refers to should be collected now.
    pub(super) fn garbage_is_due(&self) -> bool {
        let waited = self.collected.get().elapsed() >= Duration::from_millis(GARBAGE_MS_MIN);
        self.garbage.get() && waited && self.readings.get() == 0
    }

    /// Checkpoints, and collects garbage when nobody reads: on a writer thread, with the writing connection.
    pub(super) async fn tidy(&self, closing: bool) {
        let Some(mut writer) = self.files.borrow_mut().as_mut().and_then(|files| files.writer.take()) else { return };
        let collect = self.garbage.get() && self.readings.get() == 0 && (closing || self.garbage_is_due());
        let checkpoint = if closing { self.log.is_any() } else { self.log.is_due() };
        self.committing.set(true);
        let calls = if closing { GARBAGE_CALLS_MAX } else { 1 };
        let tidied = self.primary.writers.run(move || {
            let left = if collect { self::collect(&mut writer, calls) } else { Ok(false) };
            let moved = if checkpoint { writer.checkpoint().map(|_| ()) } else { Ok(()) };
            let log_bytes = writer.log_bytes();
            (writer, left, moved, log_bytes)
        });
        let tidied = tidied.await;
        self.committing.set(false);
        if !self.queue.borrow().is_empty() {
            self.awake.notify_one();
        }
        match tidied {
            Ok((writer, left, moved, log_bytes)) => {
                if checkpoint && moved.is_ok() {
                    self.log.checkpointed(log_bytes);
                }
                self.garbage.set(self.garbage.get() && !(collect && matches!(left, Ok(false))));
                let failed = match (left, moved) {
                    (Ok(true), Ok(())) => {
                        self.awake.notify_one();
                        None
                    }
                    (Ok(false), Ok(())) => {
                        if collect {
                            self.collected.set(Instant::now());
                        }
                        None
                    }
                    (Err(error), _) | (_, Err(error)) => Some(error),
                };
                if let Some(error) = failed {
                    self.report(&error);
                    if error.is_damage() {
                        drop(writer);
                        return self.found_damage(&error.to_string());
                    }
                    if !error.is_harmless() {
                        // A sync of the file that failed is not tried again here: the log has all of it, is read anew, and
                        // moved from its beginning.
                        drop(writer);
                        self.give_up();
                        return;
                    }
                }
                if let Some(files) = self.files.borrow_mut().as_mut() {
                    files.writer = Some(writer);
                }
            }
            Err(error) => {
                tracing::error!(mailbox = %self.id, "a checkpoint did not run: {error}");
                self.give_up();
            }
        }
    }

    /// Moves the log into the file for those who are about to copy it; one that fails keeps nobody from the copy, which reads
    /// the log too.
    pub(super) async fn checkpoint_for(&self, waits: Vec<oneshot::Sender<()>>) {
        let writer = self.files.borrow_mut().as_mut().and_then(|files| files.writer.take());
        if let Some(mut writer) = writer {
            self.committing.set(true);
            let moved = self.primary.writers.run(move || {
                let moved = writer.checkpoint_passive();
                (writer, moved)
            });
            let moved = moved.await;
            self.committing.set(false);
            if !self.queue.borrow().is_empty() {
                self.awake.notify_one();
            }
            match moved {
                Ok((writer, Ok(_))) => {
                    if let Some(files) = self.files.borrow_mut().as_mut() {
                        files.writer = Some(writer);
                    }
                }
                Ok((writer, Err(error))) if error.is_damage() => {
                    drop(writer);
                    self.found_damage(&error.to_string());
                }
                Ok((writer, Err(error))) => {
                    self.report(&error);
                    // As after any sync that failed: what the file holds is learned by opening it anew.
                    drop(writer);
                    self.give_up();
                }
                Err(error) => {
                    tracing::error!(mailbox = %self.id, "a checkpoint did not run: {error}");
                    self.give_up();
                }
            }
        }
        waits.into_iter().for_each(|wait| _ = wait.send(()));
    }

    /// Closes the files for good, whoever has the mailbox open: their requests are told that there is no such session, so that
    /// front-ends open theirs anew.
    ///
    /// # Errors
    /// UNAVAILABLE when what is under way does not end in time; then nothing has changed.
    pub async fn retire(self: &Rc<Self>) -> Result<(), Fault> {
        let _turn = self.turning.lock().await;
        let deadline = Instant::now() + Duration::from_millis(RESTORE_CLOSE_MS_MAX);
        while self.committing.get() || self.away.get() > 0 || !self.queue.borrow().is_empty() {
            if Instant::now() >= deadline {
                return Err(unavailable("the mailbox is busy: try again"));
            }
            tokio::time::sleep(Duration::from_millis(RESTORE_CLOSE_LOOK_MS)).await;
        }
        *self.dead.borrow_mut() = Some(Fault::new(FailureCode::NoSession, "the mailbox was restored from a backup"));
        let files = self.files.borrow_mut().take();
        if let Some(residents) = self.residents.upgrade() {
            if files.is_some() {
                residents.closed();
            }
            residents.forget(self);
        }
        self.delivery.send_replace(Delivery::Draining);
        self.mail_waits.notify_one();
        self.awake.notify_one();
        if let Some(files) = files
            && let Ok(Err(error)) = self.primary.writers.run(move || files.close()).await
        {
            self.report(&error);
        }
        Ok(())
    }

    /// Closes the files if nobody uses them; the last thing they hear is a checkpoint.
    pub async fn close(&self) {
        let _turn = self.turning.lock().await;
        if !self.is_idle() {
            return;
        }
        if self.log.is_any() || self.garbage.get() {
            self.tidy(true).await;
        }
        if !self.is_idle() {
            return;
        }
        let files = self.files.borrow_mut().take();
        if let Some(files) = files {
            // Closing the last connection in order moves the log into the file and removes it, which is disk work.
            let closed = self.primary.writers.run(move || files.close());
            if let Some(residents) = self.residents.upgrade() {
                residents.closed();
            }
            if let Ok(Err(error)) = closed.await {
                self.report(&error);
            }
        }
    }
}

/// Collects garbage in so many bounded steps; whether something is left.
fn collect(writer: &mut Writer, calls: u32) -> Result<bool, mailbox::Error> {
    for _ in 0..calls {
        if writer.collect_garbage()? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
