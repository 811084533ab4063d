//! One thread per queue file, with its one writing connection: what waits is committed together, durably, then answered.
//!
//! Invariants: jobs run in the order in which they were queued, each in a savepoint of its own. Nobody is answered before the
//! commit is on stable storage, but for text that is still coming: that is answered when it is written, and is durable with
//! the commit that takes its message. Who is gone when his answer comes has his job followed up: a lease that nobody got is
//! given back, text that nobody will add to is dropped. After an error that says nothing good of the connection it is
//! closed, and the file opened anew by the next job. A file that turns out to be damaged, here or where it is read, is replaced before
//! anything else is done (`place`). The thread ends, and the file is closed, when the [`Writer`] is.

use super::limits::{ENQUEUES_MAX, IDLE_MS, JOBS_PER_COMMIT_MAX, QUEUED_JOBS_MAX};
use super::place::{Found, Place};
use mailbox::Error;
use mailbox::queue::{Incoming, QueueBatch, QueueFile, QueueTx, Totals};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

/// Why a job gave no result.
#[derive(Debug, Clone)]
pub enum Failed {
    /// The file said no, to this job or to the commit.
    File(Arc<Error>),
    /// The writer is closing, or a fault of ours ended the job; whether it was committed is not known.
    Gone,
}

/// A job that is durable when it is answered.
trait Job: Send {
    /// Runs in its savepoint; called once.
    fn run(&mut self, batch: &mut QueueBatch<'_>);
    /// Answers with what `run` gave, or with why the commit failed; called once, after it. Returns what is to be done
    /// because nobody is there to take the answer.
    fn answer(self: Box<Self>, committed: Result<(), Arc<Error>>) -> Option<Work>;
    /// Whether it may have made something due.
    fn wakes(&self) -> bool;
    /// Why it failed, if it did.
    fn error(&self) -> Option<&Error>;
}

/// What follows from an operation's result.
pub struct After<T> {
    /// Whether it may have made something due.
    pub wakes: fn(&T) -> bool,
    /// What is to be done when nobody waits for it any more.
    pub unclaimed: fn(T) -> Option<Work>,
}

impl<T> After<T> {
    /// Nothing.
    pub const NOTHING: Self = Self { wakes: |_| false, unclaimed: |_| None };
    /// Something may be due.
    pub const WAKE: Self = Self { wakes: |_| true, unclaimed: |_| None };
}

struct Durable<T, F> {
    operation: Option<F>,
    result: Option<Result<T, Error>>,
    answer: oneshot::Sender<Result<T, Failed>>,
    after: After<T>,
}

impl<T, F> Job for Durable<T, F>
where
    T: Send,
    F: FnOnce(&mut QueueTx<'_>) -> Result<T, Error> + Send,
{
    fn run(&mut self, batch: &mut QueueBatch<'_>) {
        self.result = self.operation.take().map(|operation| batch.run(operation));
    }

    fn answer(self: Box<Self>, committed: Result<(), Arc<Error>>) -> Option<Work> {
        let result = match (committed, self.result) {
            (Err(error), _) => Err(Failed::File(error)),
            (Ok(()), Some(result)) => result.map_err(|error| Failed::File(Arc::new(error))),
            (Ok(()), None) => Err(Failed::Gone),
        };
        match self.answer.send(result) {
            Err(Ok(unclaimed)) => (self.after.unclaimed)(unclaimed),
            Ok(()) | Err(Err(_)) => None,
        }
    }

    fn wakes(&self) -> bool {
        matches!(&self.result, Some(Ok(result)) if (self.after.wakes)(result))
    }

    fn error(&self) -> Option<&Error> {
        self.result.as_ref()?.as_ref().err()
    }
}

/// Text of a message that is coming, or the end of one that will not.
struct Text {
    incoming: Incoming,
    step: Step,
    result: Option<Result<Incoming, Error>>,
}

enum Step {
    Push(Vec<u8>, oneshot::Sender<Result<Incoming, Failed>>),
    Discard,
}

/// One thing that is to be done, or to be acted upon.
pub struct Work(Kind);

enum Kind {
    Durable(Box<dyn Job>),
    Text(Text),
    Damage(Found),
}

impl Work {
    /// An operation that is on stable storage when it is answered.
    pub fn durable<T, F>(operation: F, after: After<T>) -> (Self, oneshot::Receiver<Result<T, Failed>>)
    where
        T: Send + 'static,
        F: FnOnce(&mut QueueTx<'_>) -> Result<T, Error> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Durable { operation: Some(operation), result: None, answer, after };
        (Self(Kind::Durable(Box::new(job))), answered)
    }

    /// The next chunk of a message's text.
    pub fn push(incoming: Incoming, text: Vec<u8>) -> (Self, oneshot::Receiver<Result<Incoming, Failed>>) {
        let (answer, answered) = oneshot::channel();
        (Self(Kind::Text(Text { incoming, step: Step::Push(text, answer), result: None })), answered)
    }

    /// A message that will not become whole.
    pub fn discard(incoming: Incoming) -> Self {
        Self(Kind::Text(Text { incoming, step: Step::Discard, result: None }))
    }
}

impl Text {
    fn answer(self, committed: Result<(), Arc<Error>>) -> Option<Work> {
        let Step::Push(_, answer) = self.step else { return None };
        let before = self.incoming;
        let result = match (committed, self.result) {
            (Err(error), _) => Err(Failed::File(error)),
            (Ok(()), Some(result)) => result.map_err(|error| Failed::File(Arc::new(error))),
            (Ok(()), None) => Err(Failed::Gone),
        };
        match answer.send(result) {
            Err(Ok(incoming)) => Some(Work::discard(incoming)),
            Err(Err(_)) => Some(Work::discard(before)),
            Ok(()) => None,
        }
    }
}

type Queued = (Work, Option<OwnedSemaphorePermit>);

/// What a writer shows of its file without being asked.
#[derive(Default)]
pub struct Shown {
    entries: AtomicU64,
    octets: AtomicU64,
    recipients: AtomicU64,
}

impl Shown {
    fn show(&self, totals: Totals) {
        self.entries.store(totals.entries, Ordering::Relaxed);
        self.octets.store(totals.octets, Ordering::Relaxed);
        self.recipients.store(totals.recipients, Ordering::Relaxed);
    }

    /// What the file holds, as of the last commit.
    pub fn totals(&self) -> Totals {
        Totals {
            entries: self.entries.load(Ordering::Relaxed),
            octets: self.octets.load(Ordering::Relaxed),
            recipients: self.recipients.load(Ordering::Relaxed),
        }
    }
}

/// The way to a file's writer.
pub struct Writer {
    jobs: Mutex<Option<SyncSender<Queued>>>,
    places: Arc<Semaphore>,
    shown: Arc<Shown>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread and waits until it has tried to open the file; `changed` is told of every commit that may have made
    /// something due.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(name: String, place: Arc<Place>, changed: watch::Sender<()>) -> std::io::Result<Self> {
        let (jobs, queued) = sync_channel(QUEUED_JOBS_MAX + ENQUEUES_MAX);
        let shown = Arc::new(Shown::default());
        let mut thread = Thread { place, file: None, shown: shown.clone(), changed };
        let (tried, first) = sync_channel(1);
        // Readers find the file, and what it holds is shown, from the start; one that does not open is tried again by the
        // first job.
        let spawned = std::thread::Builder::new().name(name).spawn(move || {
            if let Err(error) = thread.file() {
                tracing::error!("{error}");
            }
            let _ = tried.send(());
            thread.serve(&queued);
        })?;
        let _ = first.recv();
        let places = Arc::new(Semaphore::new(QUEUED_JOBS_MAX));
        Ok(Self { jobs: Mutex::new(Some(jobs)), places, shown, thread: Mutex::new(Some(spawned)) })
    }

    /// What the file holds.
    pub fn totals(&self) -> Totals {
        self.shown.totals()
    }

    /// Runs an operation and waits for its commit. Dropped before the answer, it runs all the same.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn run<T, F>(&self, operation: F, after: After<T>) -> Result<T, Failed>
    where
        T: Send + 'static,
        F: FnOnce(&mut QueueTx<'_>) -> Result<T, Error> + Send + 'static,
    {
        let (work, answered) = Work::durable(operation, after);
        self.queue(work).await?;
        answered.await.unwrap_or(Err(Failed::Gone))
    }

    /// Writes a chunk of text.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn push(&self, incoming: Incoming, text: Vec<u8>) -> Result<Incoming, Failed> {
        let (work, answered) = Work::push(incoming, text);
        self.queue(work).await?;
        answered.await.unwrap_or(Err(Failed::Gone))
    }

    /// Drops a message that will not become whole; waits for nothing.
    pub fn discard(&self, incoming: Incoming) {
        if !incoming.is_new() {
            // A writer that is closing, or has far too much to do, leaves it to the next open.
            let _ = self.send((Work::discard(incoming), None));
        }
    }

    /// The file was found to be damaged; waits for nothing. If there is no place for this now, it is found again.
    pub fn found_damage(&self, found: Found) {
        let _ = self.send((Work(Kind::Damage(found)), None));
    }

    /// Takes no more jobs, and waits until those that are queued are done and the file is closed. Not on an async worker.
    pub fn close(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    async fn queue(&self, work: Work) -> Result<(), Failed> {
        let place = self.places.clone().acquire_owned().await.map_err(|_| Failed::Gone)?;
        self.send((work, Some(place)))
    }

    fn send(&self, queued: Queued) -> Result<(), Failed> {
        // Who has a place finds the channel with room for it. No invariant spans a panic.
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref().and_then(|jobs| jobs.try_send(queued).ok()).ok_or(Failed::Gone)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

struct Thread {
    place: Arc<Place>,
    file: Option<QueueFile>,
    shown: Arc<Shown>,
    changed: watch::Sender<()>,
}

impl Thread {
    fn serve(&mut self, jobs: &Receiver<Queued>) {
        let mut follow_ups: Vec<Queued> = Vec::new();
        let mut rests = false;
        loop {
            let mut group = std::mem::take(&mut follow_ups);
            if group.is_empty() {
                // At rest there is nothing to look after until something comes.
                let next = if rests {
                    jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
                } else {
                    jobs.recv_timeout(Duration::from_millis(IDLE_MS))
                };
                match next {
                    Ok(queued) => group.push(queued),
                    Err(RecvTimeoutError::Timeout) => {
                        rests = !self.look_after(true);
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return self.close(),
                }
            }
            rests = false;
            group.extend(jobs.try_iter().take(JOBS_PER_COMMIT_MAX.saturating_sub(group.len())));
            // Places are given back when the group is done.
            let (works, _places): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            // A panic is a fault of ours: it costs this group its answers, and the connection, not the thread.
            match catch_unwind(AssertUnwindSafe(|| self.commit(works))) {
                Ok(more) => follow_ups.extend(more.into_iter().map(|work| (work, None))),
                Err(_) => self.file = None,
            }
            self.look_after(false);
        }
    }

    fn close(&mut self) {
        if let Some(Err(error)) = self.file.take().map(QueueFile::close) {
            tracing::warn!("a queue file was not closed in order, its log is read at the next start: {error}");
        }
    }

    fn file(&mut self) -> Result<&mut QueueFile, Error> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.place.open()?,
        };
        self.shown.show(file.totals());
        Ok(self.file.insert(file))
    }

    /// Commits a group and answers it; what is left to do because somebody was gone.
    fn commit(&mut self, mut works: Vec<Work>) -> Vec<Work> {
        self.act_on_damage(&works);
        let durable = works.iter().any(|work| matches!(work.0, Kind::Durable(_)));
        let outcome =
            self.file().and_then(|file| if durable { together(file, &mut works) } else { behind(file, &mut works) });
        let outcome = outcome.map_err(Arc::new);
        let errors = || outcome.as_ref().err().map(Arc::as_ref).into_iter().chain(works.iter().filter_map(Work::error));
        if let Some(damage) = errors().find(|error| error.is_damage()).map(ToString::to_string) {
            self.replace(&damage);
        } else if errors().any(|error| !error.is_harmless()) {
            self.file = None;
        }
        if let Some(file) = &self.file {
            self.shown.show(file.totals());
        }
        if outcome.is_ok() && works.iter().any(Work::wakes) {
            self.changed.send_replace(());
        }
        works.into_iter().filter_map(|work| work.answer(outcome.clone())).collect()
    }

    /// What was found in the file that is used now; of one that was replaced since nothing is left to do.
    fn act_on_damage(&mut self, works: &[Work]) {
        for work in works {
            if let Kind::Damage(found) = &work.0
                && found.replaced == self.place.replaced()
            {
                self.replace(&found.what);
            }
        }
    }

    /// Another file takes the place of the damaged one; where that fails it is tried again when damage is next met.
    fn replace(&mut self, why: &str) {
        let open = self.file.take();
        match self.place.replace(why, open) {
            Ok(file) => self.shown.show(self.file.insert(file).totals()),
            Err(error) => tracing::error!("{error}"),
        }
    }

    /// Whether there is more to look after.
    fn look_after(&mut self, is_idle: bool) -> bool {
        let Some(file) = &mut self.file else { return false };
        match file.upkeep(is_idle) {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!("a queue file could not be looked after: {error}");
                if error.is_damage() {
                    self.replace(&error.to_string());
                } else if !error.is_harmless() {
                    self.file = None;
                }
                false
            }
        }
    }
}

impl Work {
    fn answer(self, committed: Result<(), Arc<Error>>) -> Option<Self> {
        match self.0 {
            Kind::Durable(job) => job.answer(committed),
            Kind::Text(text) => text.answer(committed),
            Kind::Damage(_) => None,
        }
    }

    fn wakes(&self) -> bool {
        matches!(&self.0, Kind::Durable(job) if job.wakes())
    }

    fn error(&self) -> Option<&Error> {
        match &self.0 {
            Kind::Durable(job) => job.error(),
            Kind::Text(text) => text.result.as_ref()?.as_ref().err(),
            Kind::Damage(_) => None,
        }
    }
}

fn together(file: &mut QueueFile, works: &mut [Work]) -> Result<(), Error> {
    let mut batch = file.batch()?;
    for work in works {
        match &mut work.0 {
            Kind::Durable(job) => job.run(&mut batch),
            Kind::Text(Text { incoming, step, result }) => {
                *result = Some(batch.run(|tx| match step {
                    Step::Push(text, _) => tx.push(*incoming, text),
                    Step::Discard => tx.discard(*incoming).map(|()| Incoming::default()),
                }));
            }
            Kind::Damage(_) => {}
        }
    }
    // Durable on return: synchronous=FULL syncs the write-ahead log before the commit returns.
    batch.commit()
}

/// Nothing but text: who sent it is told only how far it has come, so that it need not be on stable storage.
fn behind(file: &mut QueueFile, works: &mut [Work]) -> Result<(), Error> {
    let mut batch = file.write_behind()?;
    for work in works {
        if let Kind::Text(Text { incoming, step, result }) = &mut work.0 {
            *result = Some(match step {
                Step::Push(text, _) => batch.push(*incoming, text),
                Step::Discard => batch.discard(*incoming).map(|()| Incoming::default()),
            });
        }
    }
    batch.commit()
}
