//! Names of the metrics, and what they count.

/// Snapshots by `store` and `result`: `uploaded`, `unwanted`, `erased`, `superseded`, `failed`.
pub(crate) const SNAPSHOTS: &str = "brevdue_backup_snapshots_total";
/// Octets of snapshots that were put into stores.
pub(crate) const OCTETS: &str = "brevdue_backup_octets_total";
/// Uploads under way.
pub(crate) const UNDER_WAY: &str = "brevdue_backup_uploads";
/// Snapshots that wait and have failed at least once.
pub(crate) const FAILING: &str = "brevdue_backup_failing";
/// Backups that retention removed.
pub(crate) const REMOVED: &str = "brevdue_backup_removed_total";
/// Uploads that nobody went on with and that were aborted.
pub(crate) const ABORTED: &str = "brevdue_backup_aborted_total";
