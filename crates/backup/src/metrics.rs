//! Names of the metrics, and what they count.

/// Snapshots by `store` and `result`: `uploaded`, `unwanted`, `erased`, `superseded`, `failed`.
pub(crate) const SNAPSHOTS: &str = "brevdue_backup_snapshots_total";
/// Octets of snapshots that were put into a `store`.
pub(crate) const OCTETS: &str = "brevdue_backup_octets_total";
/// Uploads under way to a `store`.
pub(crate) const UNDER_WAY: &str = "brevdue_backup_uploads";
/// When something was last put into a `store`, seconds since 1970.
pub(crate) const LAST_SUCCESS: &str = "brevdue_backup_last_success_seconds";
/// 1 while the last try to put something into a `store` failed.
pub(crate) const FAILED_LAST: &str = "brevdue_backup_store_failing";
/// Snapshots that wait for a `store`.
pub(crate) const WAITING: &str = "brevdue_backup_waiting";
/// Those of them that were taken more than two intervals ago.
pub(crate) const LATE: &str = "brevdue_backup_late";
/// Those of them that have failed at least once.
pub(crate) const FAILING: &str = "brevdue_backup_failing";
/// Backups that retention removed.
pub(crate) const REMOVED: &str = "brevdue_backup_removed_total";
/// Uploads that nobody went on with and that were aborted.
pub(crate) const ABORTED: &str = "brevdue_backup_aborted_total";
