//! The limits of signing in: name, unit, reason.

use std::time::Duration;

/// Sign-ins that may wait for their turn; beyond it people are asked to try again.
pub const SIGN_INS_WAITING_MAX: usize = 1024;
/// Sources whose failed sign-ins are remembered.
pub const SOURCES_REMEMBERED_MAX: usize = 16 * 1024;
/// How long a failed sign-in counts against its source.
pub const FAILURES_COUNT_FOR: Duration = Duration::from_secs(10 * 60);
/// Failed sign-ins of one source that are answered without a growing delay: a person mistypes.
pub const FAILURES_FREE: u32 = 3;
/// The longest delay of a failed sign-in's answer.
pub const FAILURE_DELAY_MAX: Duration = Duration::from_secs(15);
/// Failed sign-ins of one source within [`FAILURES_COUNT_FOR`] after which passwords are not even tried.
pub const FAILURES_MAX: u32 = 100;
