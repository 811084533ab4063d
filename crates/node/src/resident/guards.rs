//! What keeps a resident as it is: its key, its open files, its content. How it is read and written through them.

use super::Resident;
use crate::fault::{Fault, unavailable};
use crate::quota::Promise;
use crate::writer::{self, Origin, Queued, work};
use mailbox::{Reader, Tx};
use std::rc::Rc;

/// Keeps the mailbox's key.
pub struct Hold(Rc<Resident>);

/// Keeps the mailbox's files open.
pub struct Use(Rc<Resident>);

/// Keeps the mailbox's content, for a read in several steps.
pub struct Reading {
    usage: Use,
}

impl Hold {
    pub(super) fn new(resident: &Rc<Resident>) -> Self {
        resident.holders.set(resident.holders.get() + 1);
        Self(resident.clone())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let left = self.0.holders.get().saturating_sub(1);
        self.0.holders.set(left);
        if left == 0 {
            self.0.awake.notify_one();
        }
    }
}

impl std::ops::Deref for Hold {
    type Target = Rc<Resident>;
    fn deref(&self) -> &Rc<Resident> {
        &self.0
    }
}

impl Use {
    pub(super) fn new(resident: &Rc<Resident>) -> Self {
        resident.uses.set(resident.uses.get() + 1);
        Self(resident.clone())
    }

    /// Another one.
    pub fn again(&self) -> Self {
        Self::new(&self.0)
    }

    /// Where the mailbox's file is.
    ///
    /// # Errors
    /// It was closed for good.
    pub fn path(&self) -> Result<std::path::PathBuf, Fault> {
        let files = self.0.files.borrow();
        Ok(files.as_ref().ok_or_else(|| unavailable("the mailbox was closed"))?.path.clone())
    }

    /// The mailbox.
    pub fn resident(&self) -> &Rc<Resident> {
        &self.0
    }

    /// Runs a short read on this thread.
    pub fn read<T>(&self, read: impl FnOnce(&mut Reader) -> Result<T, mailbox::Error>) -> Result<T, Fault> {
        self.0.read(read)
    }

    /// Queues a write at once; the future waits for its commit. `brings`: it may bring new messages.
    pub fn write<T, F>(&self, origin: Origin, brings: bool, op: F) -> impl Future<Output = Result<T, Fault>> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, mailbox::Error> + Send + 'static,
    {
        self.queue(origin, brings, None, op)
    }

    /// [`Use::write`] of what may bring new messages, with the room that was promised for them, if there was any.
    pub fn write_for<T, F>(
        &self,
        promise: Option<Promise>,
        origin: Origin,
        op: F,
    ) -> impl Future<Output = Result<T, Fault>> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, mailbox::Error> + Send + 'static,
    {
        self.queue(origin, true, promise, op)
    }

    fn queue<T, F>(
        &self,
        origin: Origin,
        brings: bool,
        promise: Option<Promise>,
        op: F,
    ) -> impl Future<Output = Result<T, Fault>> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, mailbox::Error> + Send + 'static,
    {
        let (work, answered) = work(op);
        let promised = promise.as_ref().map(Promise::amount).unwrap_or_default();
        let queued = self.0.queue(Queued { origin, brings, promised, work });
        if let (Ok(()), Some(promise)) = (&queued, promise) {
            promise.hand_over();
        }
        let keep = self.again();
        async move {
            queued?;
            let result = keep.resident().noticed(writer::answer(answered).await);
            drop(keep);
            result
        }
    }

    /// Content will be read in steps.
    pub fn reading(&self) -> Reading {
        self.0.readings.set(self.0.readings.get() + 1);
        Reading { usage: self.again() }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let left = self.0.uses.get().saturating_sub(1);
        self.0.uses.set(left);
        if left == 0 && !self.0.is_held() {
            self.0.awake.notify_one();
        }
    }
}

impl std::ops::Deref for Reading {
    type Target = Use;
    fn deref(&self) -> &Use {
        &self.usage
    }
}

impl Reading {
    /// Runs a long read on the pool, with a reading connection of its own.
    pub async fn read_in_pool<T, F>(&self, read: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce(&mut Reader) -> Result<T, mailbox::Error> + Send + 'static,
    {
        let resident = self.usage.resident();
        let (reader, path) = {
            let mut files = resident.files.borrow_mut();
            let files = files.as_mut().ok_or_else(|| unavailable("the mailbox was closed"))?;
            (files.spares.pop(), files.path.clone())
        };
        let (primary, id) = (resident.primary.clone(), resident.id);
        let key = reader.is_none().then(|| resident.key.try_clone());
        let away = Away::new(resident);
        let done = resident.primary.readers.run(move || {
            let mut reader = match (reader, key) {
                (Some(reader), _) => reader,
                (None, Some(key)) => Reader::open(&path, &key, &id, &primary.settings.options)?,
                (None, None) => return Err(mailbox::Error::Busy),
            };
            let result = read(&mut reader)?;
            Ok((reader, result))
        });
        let done = done.await;
        drop(away);
        let (reader, result) =
            resident.noticed(done.map_err(Fault::from).and_then(|done| done.map_err(Fault::from)))?;
        // The next long read of this mailbox, whosever it is, finds it open: a read keeps nothing of its connection
        // between two steps.
        if let Some(files) = resident.files.borrow_mut().as_mut()
            && files.spares.len() < resident.primary.readers.threads()
        {
            files.spares.push(reader);
        }
        Ok(result)
    }
}

/// A reading connection is with the pool.
struct Away(Rc<Resident>);

impl Away {
    fn new(resident: &Rc<Resident>) -> Self {
        resident.away.set(resident.away.get() + 1);
        Self(resident.clone())
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        self.0.away.set(self.0.away.get().saturating_sub(1));
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let resident = self.usage.resident();
        let left = resident.readings.get().saturating_sub(1);
        resident.readings.set(left);
        if left == 0 && resident.garbage_is_due() {
            resident.awake.notify_one();
        }
    }
}
