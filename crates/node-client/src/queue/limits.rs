//! Every limit of the way to the queues: name, unit, reason.

use std::time::Duration;

/// Octets of a message that are kept until it is taken, so that a node that was lost can be sent them again. Most messages
/// are smaller; of a larger one only the node's word is asked for.
pub const REPLAY_BYTES_MAX: usize = 128 * 1024;
/// Octets of text in one frame; smaller pieces are put together.
pub(super) const FRAME_BYTES: usize = 64 * 1024;
/// Frames that wait to be sent: the transport has a window of its own.
pub(super) const FRAMES_QUEUED_MAX: usize = 4;
/// How long a node may take no octet of a message: it writes them to a disk that others use.
pub(super) const STALL_MAX: Duration = Duration::from_secs(60);
/// How long a node may take to commit.
pub(super) const COMMIT_MAX: Duration = Duration::from_secs(60);
/// How long it is tried to find out what became of a message whose answer was lost: a node's restart takes less. With
/// [`COMMIT_MAX`] it stays well under the ten minutes that a client waits (RFC 5321 §4.5.3.2.6).
pub(super) const SETTLE_MAX: Duration = Duration::from_secs(120);
/// How long a node's word that it has not taken a message is doubted when the text is gone: the stream that broke may be
/// committed still.
pub(super) const DOUBT_MAX: Duration = Duration::from_secs(5);
/// How long a worker's question may take beyond what it asked to wait.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(60);
/// How often a question is asked again over a connection that broke.
pub(super) const REPEATS_MAX: u32 = 4;
/// Endpoints of nodes that connections are kept to.
pub(super) const ENDPOINTS_MAX: usize = 1_024;
