//! Calls that are harmless to repeat are repeated while the directory cannot be reached, for a bounded time.

use super::Error;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;
use tonic::{Response, Status};

/// Milliseconds that a look-up waits for the directory before it is unavailable: a restart takes less, and an SMTP or
/// IMAP client waits longer.
pub const READ_WAIT_MS_MAX: u64 = 5_000;
/// Milliseconds that a call waits in which the directory makes an RSA key: a tenth of a second on a machine that is idle, and
/// many times that on one that is not.
const KEY_WAIT_MS_MAX: u64 = 60_000;
/// Milliseconds before the second try; doubled for each further one up to [`PAUSE_MS_MAX`].
const PAUSE_MS_MIN: u64 = 25;
/// Milliseconds between tries at most.
const PAUSE_MS_MAX: u64 = 500;

/// Repeats the call while it says "unavailable", up to [`READ_WAIT_MS_MAX`] in all.
pub(super) async fn retried<T, F>(mut call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    let deadline = Instant::now() + Duration::from_millis(READ_WAIT_MS_MAX);
    let mut pause = Duration::from_millis(PAUSE_MS_MIN);
    loop {
        let error = match once_until(deadline, call()).await {
            Err(Error::Unavailable(why)) => Error::Unavailable(why),
            answer => return answer,
        };
        if Instant::now() + pause >= deadline {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(PAUSE_MS_MAX));
    }
}

/// One try of a call that must not be repeated.
pub(super) async fn once<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Error> {
    once_until(Instant::now() + Duration::from_millis(READ_WAIT_MS_MAX), call).await
}

/// [`once`], for a call in which a key is made.
pub(super) async fn once_with_key<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Error> {
    once_until(Instant::now() + Duration::from_millis(KEY_WAIT_MS_MAX), call).await
}

async fn once_until<T>(deadline: Instant, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Error> {
    match tokio::time::timeout_at(deadline, call).await {
        Ok(answer) => Ok(answer?.into_inner()),
        Err(_) => Err(Error::Unavailable("no answer in time".to_owned())),
    }
}
