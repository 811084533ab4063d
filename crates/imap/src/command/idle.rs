//! IDLE (RFC 2177): changes are told when they happen, until the client says DONE.

use crate::session::Session;
use crate::session::answer::{Answer, End, Outcome, Stop, Updates};
use tokio::time::{Instant, timeout_at};

/// Waits for changes and for DONE.
///
/// # Errors
/// BAD before sign-in, or when something else than DONE comes; the connection's end, at the latest after the autologout time.
pub async fn run(session: &mut Session) -> Outcome {
    session.account()?;
    session.connection.out.extend_from_slice(b"+ idling\r\n");
    let deadline = Instant::now() + session.shared.settings.idle;
    loop {
        if let Some(line) = session.connection.input.raw_line() {
            let done = line.is_ok_and(|line| line.eq_ignore_ascii_case(b"DONE"));
            return Ok(if done { Answer::ok("Done") } else { Answer::bad("Expected DONE") });
        }
        // Expunges may be told too: the client is between commands, but says with IDLE that it listens (RFC 2177 §3).
        match session.tell(Updates::All).await {
            Err(Stop::Answer(failure)) => tracing::warn!(why = %failure.text, "changes could not be told"),
            told => told?,
        }
        session.connection.flush().await?;
        session.connection.shrink();
        wait(session, deadline).await?;
    }
}

async fn wait(session: &mut Session, deadline: Instant) -> Result<(), End> {
    let shutdown = session.shared.shutdown.clone();
    let Session { connection, account, .. } = session;
    let changed = async {
        match account.as_deref() {
            // Without a selected folder there is nothing to tell, and what waits stays where it is.
            Some(account) if account.view.is_some() || account.notify.is_some() => account.node.changed().await,
            Some(_) | None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = changed => Ok(()),
        read = timeout_at(deadline, connection.read()) => {
            read.unwrap_or(Err(End::Bye(None, "Autologout: idle for too long")))
        }
        () = shutdown.cancelled() => Err(End::Bye(Some("UNAVAILABLE"), "The server is shutting down, connect again")),
    }
}
