//! A copy of what was sent, in the sender's own Sent folder, for domains that ask for it.
//!
//! The message goes out whatever becomes of its copy: a mailbox that cannot be opened costs the copy, not the message.

use crate::limits::SENT_COPY_WAIT;
use bytes::Bytes;
use model::Flag;
use node_client::{ClientError, Session, Upload};
use tokio::time::timeout;
use wire::session::{Append, SpecialUse};

/// A copy on its way.
pub struct SentCopy(Option<Upload>);

impl SentCopy {
    /// Into the folder for sent mail; no copy when there is none.
    pub async fn begin(session: &Session) -> Self {
        let begun = async {
            let folders = session.list().await?.folders;
            let Some(sent) = folders.into_iter().find(|folder| folder.special_use() == SpecialUse::Sent) else {
                return Ok(None);
            };
            let append = Append { folder: sent.name, flags: Flag::Seen as u32, ..Append::default() };
            session.append(append).await.map(Some)
        };
        Self(kept(begun.await).flatten())
    }

    /// More of the message.
    pub async fn push(&mut self, text: &[u8]) {
        if let Some(upload) = &mut self.0 {
            let sent = timeout(SENT_COPY_WAIT, upload.send(Bytes::copy_from_slice(text))).await;
            if sent.map_or(None, kept).is_none() {
                self.0 = None;
            }
        }
    }

    /// The message is whole, and on its way.
    pub async fn finish(self) {
        if let Some(upload) = self.0
            && timeout(SENT_COPY_WAIT, upload.finish()).await.map_or(None, kept).is_none()
        {
            tracing::warn!("a message went out, but its copy is not in Sent");
        }
    }
}

fn kept<T>(result: Result<T, ClientError>) -> Option<T> {
    result.inspect_err(|error| tracing::warn!(%error, "no copy of a message in Sent")).ok()
}
