//! A fixed pool of threads for work that must not run on a shard's thread: commits, long scans, compression.
//! Knows nothing of what the jobs do.
//!
//! Invariants: a job that was accepted runs, whether or not anybody still waits for it. The queue has a bound; who
//! finds it full is told so at once.

use crate::limits::POOL_JOBS_MAX;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Why a job gave no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// Too many jobs wait, or the pool is closing.
    #[error("too much work waits")]
    Busy,
    /// The job panicked: a fault of ours, kept to the job.
    #[error("the job failed")]
    Failed,
}

struct Queue {
    jobs: VecDeque<Job>,
    closing: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing under this lock can panic half-way through a change.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closing {
                return None;
            }
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The pool; dropping it runs what is queued and joins the threads.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// A pool of `threads` threads (at least one) that are called `name`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(name: &str, threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue { jobs: VecDeque::new(), closing: false }),
            wake: Condvar::new(),
        });
        let mut pool = Self { shared, threads: Vec::with_capacity(threads) };
        for at in 0..threads.max(1) {
            let shared = pool.shared.clone();
            let thread = std::thread::Builder::new().name(format!("{name}-{at}")).spawn(move || {
                while let Some(job) = shared.next() {
                    job();
                }
            })?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Runs the job on the pool; it is queued when this returns, and runs even if the answer is not waited for.
    pub fn run<T, F>(&self, job: F) -> impl Future<Output = Result<T, PoolError>> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let queued = self.queue(Box::new(move || {
            // A panic is a fault of ours: it costs this job, not the thread.
            if let Ok(done) = catch_unwind(AssertUnwindSafe(job)) {
                let _ = answer.send(done);
            }
        }));
        async move {
            queued?;
            result.await.map_err(|_| PoolError::Failed)
        }
    }

    fn queue(&self, job: Job) -> Result<(), PoolError> {
        let mut queue = self.shared.lock();
        if queue.closing || queue.jobs.len() >= POOL_JOBS_MAX {
            return Err(PoolError::Busy);
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.shared.wake.notify_one();
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // The last owner may be one of the pool's own jobs; a thread cannot join itself.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn runs_jobs_and_outlives_their_panics() {
        let pool = Pool::new("test", 1).unwrap();
        assert_eq!(pool.run(|| 1 + 1).await, Ok(2));
        assert_eq!(pool.run(|| -> u8 { panic!("on purpose") }).await, Err(PoolError::Failed));
        assert_eq!(pool.run(|| 3).await, Ok(3));
    }

    #[test]
    fn an_accepted_job_runs_though_nobody_waits() {
        let done = Arc::new(Mutex::new(false));
        let pool = Pool::new("test", 2).unwrap();
        let seen = done.clone();
        drop(pool.run(move || *seen.lock().unwrap() = true));
        drop(pool);
        assert!(*done.lock().unwrap());
    }

    #[tokio::test]
    async fn a_full_queue_says_so() {
        let pool = Pool::new("test", 1).unwrap();
        let (release, held) = std::sync::mpsc::sync_channel::<()>(0);
        let (started, running) = std::sync::mpsc::sync_channel::<()>(0);
        let first = pool.run(move || {
            started.send(()).unwrap();
            held.recv().unwrap();
        });
        running.recv().unwrap();
        let waiting: Vec<_> = (0..POOL_JOBS_MAX).map(|_| pool.run(|| ())).collect();
        assert_eq!(pool.run(|| ()).await, Err(PoolError::Busy));
        release.send(()).unwrap();
        assert_eq!(first.await, Ok(()));
        drop(waiting);
    }
}
