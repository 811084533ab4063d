//! A session on a mailbox: the verbs, each with its rule for being sent again, and the changes of the selected folder.

use crate::ClientError;
use crate::attach::Core;
use crate::check::CheckStream;
use crate::fetch::Stream;
use crate::merge;
use crate::search::SearchStream;
use crate::track::SelectFor;
use crate::upload::Upload;
use crate::watch::Happened;
use bytes::Bytes;
use model::UidSet;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;
use wire::session::client_frame::Body as Ask;
use wire::session::{
    Append, Changes, Copied, Copy, Create, Created, Delete, Expunge, Expunged, Fetch, FolderStatus, Folders, List,
    Rename, Search, Select, Selected, Sort, Sorted, Status, Store, Stored, Subscribe, Thread, Threaded, Unselect,
};
use wire::session::{Check, Snapshot, Snapshotted, VanishedSince, Watch};
use wire::session::{GetMetadata, GetQuota, Metadata, Quota, SetMetadata};

/// An open session. Clones are the same session; dropping the last one closes it at the node.
///
/// Every verb answers with the node's [`ClientError::Failure`], or [`ClientError::Unavailable`] when the node cannot be
/// reached in time. Only a conditional STORE and an EXPUNGE of everything can answer [`ClientError::Interrupted`], as well
/// as a request over which the link broke again and again. Dropping a future cancels its request at the node.
#[derive(Clone)]
pub struct Session(Arc<Handle>);

struct Handle {
    core: Arc<Core>,
    _keeper: AbortOnDropHandle<()>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.close();
    }
}

impl Session {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        let keeper = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&core).keep_open()));
        Self(Arc::new(Handle { core, _keeper: keeper }))
    }

    fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    /// Every folder, and every name that is subscribed to.
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn list(&self) -> Result<Folders, ClientError> {
        self.list_with(List::default()).await
    }

    /// The same, with the folders' counts if the request says so: one request, whatever their number.
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn list_with(&self, list: List) -> Result<Folders, ClientError> {
        let frames = self.core().call(Ask::List(list), true).await?;
        merge::folders(&mut frames.into_iter())
    }

    /// Makes a folder. A token makes the request harmless to repeat; without one, one is drawn.
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn create(&self, mut create: Create) -> Result<Created, ClientError> {
        create.token = token_or_new(create.token)?;
        let frames = self.core().call(Ask::Create(create), true).await?;
        merge::created(&mut frames.into_iter())
    }

    /// Deletes a folder.
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn delete(&self, delete: Delete) -> Result<(), ClientError> {
        self.done(Ask::Delete(delete)).await
    }

    /// Renames a folder. The token is as in [`Session::create`].
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn rename(&self, mut rename: Rename) -> Result<(), ClientError> {
        rename.token = token_or_new(rename.token)?;
        self.done(Ask::Rename(rename)).await
    }

    /// Subscribes to a name or ends that.
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn subscribe(&self, subscribe: Subscribe) -> Result<(), ClientError> {
        self.done(Ask::Subscribe(subscribe)).await
    }

    /// A folder's counts.
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn status(&self, status: Status) -> Result<FolderStatus, ClientError> {
        let frames = self.core().call(Ask::Status(status), true).await?;
        merge::status(&mut frames.into_iter())
    }

    /// Selects a folder: from its answer on, [`Session::take_changes`] tells of it and no other. When it fails nothing is
    /// selected (RFC 9051 §6.3.2).
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn select(&self, select: Select) -> Result<Selected, ClientError> {
        let select_for = SelectFor::FrontEnd { name: select.name.clone(), read_only: select.read_only };
        let answer = self.core().call_select(Ask::Select(select), true, Some(select_for)).await;
        let selected = answer.and_then(|frames| merge::selected(frames.into_iter()));
        if selected.is_err() {
            self.core().tracker.unselected();
        }
        selected
    }

    /// UIDs that left a folder after a MODSEQ (RFC 7162 §3.2.5.1).
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn vanished_since(&self, since: VanishedSince) -> Result<UidSet, ClientError> {
        let frames = self.core().call(Ask::VanishedSince(since), true).await?;
        merge::vanished(&mut frames.into_iter())
    }

    /// Begins or ends the watch on all folders: [`Session::take_folder_events`] tells of them. It is begun anew over a
    /// broken link; what was missed is one [`wire::session::FolderEvent::Lost`].
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn watch(&self, on: bool) -> Result<(), ClientError> {
        self.core().tracker.events().watch(on);
        self.done(Ask::Watch(Watch { on })).await
    }

    /// Takes what happened to folders while they are watched, by folder, 0 for what concerns no single one.
    pub fn take_folder_events(&self) -> BTreeMap<u64, Happened> {
        self.core().tracker.events().take()
    }

    /// Ends the selection.
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn unselect(&self) -> Result<(), ClientError> {
        // First here, so that a link that breaks now does not select it again.
        self.core().tracker.unselected();
        self.done(Ask::Unselect(Unselect {})).await
    }

    /// Reads messages. After a broken link the stream goes on where it stopped, also within a message.
    ///
    /// # Errors
    /// See [`Session`]; what happens later is an item of the stream.
    pub async fn fetch(&self, fetch: Fetch) -> Result<Stream, ClientError> {
        Stream::start(Arc::clone(self.core()), fetch).await
    }

    /// Searches the folder.
    ///
    /// # Errors
    /// See [`Session`]; what happens later is an item of the stream.
    pub async fn search(&self, search: Search) -> Result<SearchStream, ClientError> {
        SearchStream::start(Arc::clone(self.core()), search).await
    }

    /// Searches the folder; the answer is in order.
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn sort(&self, sort: Sort) -> Result<Sorted, ClientError> {
        let frames = self.core().call(Ask::Sort(sort), true).await?;
        merge::sorted(&mut frames.into_iter())
    }

    /// Searches the folder; the answer is in threads.
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn thread(&self, thread: Thread) -> Result<Threaded, ClientError> {
        let frames = self.core().call(Ask::Thread(thread), true).await?;
        merge::threaded(&mut frames.into_iter())
    }

    /// Changes flags. A conditional store is not repeated: its own first try would fail the condition of the second.
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn store(&self, store: Store) -> Result<Stored, ClientError> {
        let repeatable = !store.conditional;
        let frames = self.core().call(Ask::Store(store), repeatable).await?;
        merge::stored(&mut frames.into_iter())
    }

    /// Copies or moves messages. The token is as in [`Session::create`].
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn copy(&self, mut copy: Copy) -> Result<Copied, ClientError> {
        copy.token = token_or_new(copy.token)?;
        let frames = self.core().call(Ask::Copy(copy), true).await?;
        merge::copied(&mut frames.into_iter())
    }

    /// Removes messages. With UIDs it is harmless to repeat; an EXPUNGE of everything could take what came to be deleted since.
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn expunge(&self, expunge: Expunge) -> Result<Expunged, ClientError> {
        let repeatable = expunge.by_uid;
        let frames = self.core().call(Ask::Expunge(expunge), repeatable).await?;
        merge::expunged(&mut frames.into_iter())
    }

    /// Begins an APPEND; its body goes to the [`Upload`]. The token is as in [`Session::create`].
    ///
    /// # Errors
    /// No randomness for the token.
    pub async fn append(&self, mut append: Append) -> Result<Upload, ClientError> {
        append.token = token_or_new(append.token)?;
        Ok(Upload::new(Arc::clone(self.core()), append))
    }

    /// Annotations.
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn metadata(&self, get: GetMetadata) -> Result<Metadata, ClientError> {
        let frames = self.core().call(Ask::GetMetadata(get), true).await?;
        merge::metadata(&mut frames.into_iter())
    }

    /// Sets or removes annotations.
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn set_metadata(&self, set: SetMetadata) -> Result<(), ClientError> {
        self.done(Ask::SetMetadata(set)).await
    }

    /// What the mailbox holds and may hold.
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn quota(&self) -> Result<Quota, ClientError> {
        let frames = self.core().call(Ask::GetQuota(GetQuota {}), true).await?;
        merge::quota(&mut frames.into_iter())
    }

    /// Takes a snapshot for a backup, unless the newest has everything.
    ///
    /// # Errors
    /// See [`Session`].
    pub async fn snapshot(&self) -> Result<Snapshotted, ClientError> {
        let frames = self.core().call(Ask::Snapshot(Snapshot {}), true).await?;
        merge::snapshotted(&mut frames.into_iter())
    }

    /// Has the mailbox's files looked at.
    ///
    /// # Errors
    /// See [`Session`]; what happens later is an item of the stream.
    pub async fn check(&self, check: Check) -> Result<CheckStream, ClientError> {
        CheckStream::start(Arc::clone(self.core()), check).await
    }

    /// Resolves when there are changes to take. Cancel-safe.
    pub async fn changed(&self) {
        self.core().tracker.changed().await;
    }

    /// Takes the changes of the selected folder that wait, in commit order. When too much waited it is one that says `resync`,
    /// and nothing more comes until the folder is selected again.
    pub fn take_changes(&self) -> Vec<Changes> {
        self.core().tracker.take()
    }

    async fn done(&self, body: Ask) -> Result<(), ClientError> {
        let frames = self.core().call(body, true).await?;
        merge::done(&mut frames.into_iter())
    }
}

fn token_or_new(token: Bytes) -> Result<Bytes, ClientError> {
    if !token.is_empty() {
        return Ok(token);
    }
    let token = vault::random::<{ model::Token::LEN }>().map_err(|_| ClientError::Unavailable)?;
    Ok(Bytes::copy_from_slice(&token))
}
