//! A resident's scrub: once in a while every octet of the files is read and authenticated, slowly, while somebody has the
//! mailbox open anyway.
//!
//! Invariants: one step reads a bounded amount, and the next waits for as long as the rate asks and while somebody works with the
//! mailbox. Few mailboxes of a node are scrubbed at once. The scrub opens no files that nobody has open, and keeps none from being
//! closed between two steps: its connection is closed with them.

use super::{Resident, Use};
use crate::fault::{Fault, unavailable};
use crate::limits::{SCRUB_DELAY_MS, SCRUB_LOOK_MS, SCRUB_QUIET_MS, SCRUB_STEP_BYTES, SCRUB_WAIT_MS_MAX};
use mailbox::{CheckDepth, Checker};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How a step of it ended.
enum Scrubbed {
    /// There is more.
    More,
    /// All of it was read.
    Whole,
    /// Something is wrong.
    Damaged(String),
}

impl Resident {
    /// The mailbox's scrub. Ends when it is aborted, which is when its first task has ended.
    pub(super) async fn keep_scrubbed(self: Rc<Self>) {
        let (every, rate) = (self.primary.settings.scrub_interval, self.primary.settings.scrub_bytes_per_second);
        if every.is_zero() || rate == 0 {
            return;
        }
        let pause = Duration::from_secs_f64(SCRUB_STEP_BYTES as f64 / rate as f64);
        loop {
            tokio::time::sleep(Duration::from_millis(SCRUB_DELAY_MS)).await;
            let Some(residents) = self.residents.upgrade() else { return };
            if !residents.scrub_is_due(&self.id, every) || self.damage().is_some() {
                tokio::time::sleep(Duration::from_millis(SCRUB_LOOK_MS)).await;
                continue;
            }
            drop(residents);
            let Ok(_turn) = self.primary.scrubbing.acquire().await else { return };
            if let Err(fault) = self.scrub(pause).await {
                fault.report(&self.id);
            }
        }
    }

    /// One pass, as far as the files stay open.
    async fn scrub(self: &Rc<Self>, pause: Duration) -> Result<(), Fault> {
        loop {
            let scrubbed = self.scrub_step().await?;
            metrics::counter!("brevdue_node_scrubbed_bytes_total").increment(SCRUB_STEP_BYTES);
            match scrubbed {
                Some(Scrubbed::More) => {}
                Some(Scrubbed::Whole) => {
                    self.scrubbed("sound");
                    return Ok(());
                }
                Some(Scrubbed::Damaged(what)) => {
                    self.scrubbed("damaged");
                    self.found_damage(&what);
                    return Ok(());
                }
                // The files were closed: the next pass begins anew.
                None => return Ok(()),
            }
            tokio::time::sleep(pause).await;
            let begun = Instant::now();
            while self.last_used.get().elapsed() < Duration::from_millis(SCRUB_QUIET_MS)
                && begun.elapsed() < Duration::from_millis(SCRUB_WAIT_MS_MAX)
            {
                tokio::time::sleep(Duration::from_millis(SCRUB_QUIET_MS)).await;
            }
        }
    }

    fn scrubbed(&self, result: &'static str) {
        metrics::counter!("brevdue_node_scrubs_total", "result" => result).increment(1);
        if let Some(residents) = self.residents.upgrade() {
            residents.scrubbed(self.id);
        }
    }

    /// Reads some more; `None` when the files are not open.
    async fn scrub_step(self: &Rc<Self>) -> Result<Option<Scrubbed>, Fault> {
        if !self.is_held() || self.damage().is_some() {
            return Ok(None);
        }
        let (checker, path) = {
            let mut files = self.files.borrow_mut();
            let Some(files) = files.as_mut() else { return Ok(None) };
            (files.scrub.take(), files.path.clone())
        };
        let usage = Use::new(self);
        let (primary, key, id) = (self.primary.clone(), self.key.try_clone(), self.id);
        let stepped = self.primary.readers.run(move || {
            let mut checker = match checker {
                Some(checker) => checker,
                None => Checker::open(&path, &key, &id, &primary.settings.options, CheckDepth::Pages)?,
            };
            let step = checker.step()?;
            Ok::<_, mailbox::Error>((checker, step))
        });
        let (checker, step) = stepped.await.map_err(|_| unavailable("the scrub could not go on"))??;
        drop(usage);
        if let Some(finding) = step.findings.first() {
            return Ok(Some(Scrubbed::Damaged(finding.to_string())));
        }
        if step.done {
            return Ok(Some(Scrubbed::Whole));
        }
        let mut files = self.files.borrow_mut();
        let Some(files) = files.as_mut() else { return Ok(None) };
        files.scrub = Some(checker);
        Ok(Some(Scrubbed::More))
    }
}
