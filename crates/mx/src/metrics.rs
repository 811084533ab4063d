//! Names of the metrics, and what they count.

/// Messages by `result`: `delivered`, `partial`, `put_off`, `refused`.
pub const MESSAGES: &str = "brevdue_mx_messages_total";
/// Octets of messages delivered.
pub const MESSAGE_BYTES: &str = "brevdue_mx_message_bytes_total";
/// Recipients by `answer`: the reply's code.
pub const RECIPIENTS: &str = "brevdue_mx_recipients_total";
/// Streams to nodes that broke in mid-delivery.
pub const LINKS_LOST: &str = "brevdue_mx_links_lost_total";
/// Messages sent to a node again after that.
pub const REPLAYS: &str = "brevdue_mx_replays_total";
/// Conversations by `end`: `quit`, `gone`, `timeout`, `closed`, `tls_failed`.
pub const CONVERSATIONS: &str = "brevdue_mx_conversations_total";
/// Refusals and junk by `stage` of the policy.
pub const REFUSED: &str = "brevdue_mx_policy_refused_total";
/// Messages by `verdict` of their score: `good`, `junk`.
pub const JUDGED: &str = "brevdue_mx_judged_total";
/// Questions to rspamd and clamd by `engine` and `answer`: `yes`, `no`, `none` (stopped, slow or wrong).
pub const ENGINES: &str = "brevdue_mx_engine_answers_total";
/// Messages put into queues by `kind`: `forward`, `webhook`, `bounce`.
pub const ENQUEUED: &str = "brevdue_mx_enqueued_total";
