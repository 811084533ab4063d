//! Commands that take long or mean many messages: the client hears that it is not forgotten (RFC 9585), and one command has
//! its measure (RFC 9738).

use super::answer::{Code, End};
use super::connection::Connection;
use crate::limits::IN_PROGRESS_EVERY;
use model::{Uid, UidSet};
use std::future::poll_fn;
use std::task::Poll;
use tokio::time::timeout;

/// Waits for a node's answer, and says every now and then that it is being worked on: proxies and phones give up silent
/// connections. Only where an untagged answer may stand.
///
/// # Errors
/// The connection ends.
pub(crate) async fn patiently<T>(
    connection: &mut Connection,
    tag: &str,
    work: impl Future<Output = T>,
) -> Result<T, End> {
    tokio::pin!(work);
    loop {
        if let Ok(done) = timeout(IN_PROGRESS_EVERY, &mut work).await {
            return Ok(done);
        }
        // RFC 9585 §4: neither how far it is nor how far it has to go is known. What may stand in a tag may in a quoted string,
        // but a bracket would look like the end of the code.
        let tag = if tag.is_empty() || tag.contains(']') { "NIL".to_owned() } else { format!("\"{tag}\"") };
        let line = format!("* OK [INPROGRESS ({tag} NIL NIL)] Still working on it\r\n");
        connection.out.extend_from_slice(line.as_bytes());
        connection.flush().await?;
    }
}

/// Waits for more of an answer that has begun. What there is of it is written first, unless more is there already.
///
/// # Errors
/// The connection ends.
pub(crate) async fn promptly<T>(connection: &mut Connection, work: impl Future<Output = T>) -> Result<T, End> {
    tokio::pin!(work);
    if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
        return Ok(done);
    }
    connection.flush().await?;
    Ok(work.await)
}

/// The messages that one command is done with: the highest, as RFC 9738 §3.1 has it, and the code that says so when others
/// are left out.
pub(crate) fn within_limit(uids: UidSet, messages_max: usize) -> (UidSet, Option<Code>) {
    let over = uids.len().saturating_sub(messages_max);
    if over == 0 {
        return (uids, None);
    }
    let mut left = over;
    let mut bounds = Vec::new();
    for &(first, last) in uids.runs() {
        let length = (last - first) as usize + 1;
        if left >= length {
            left -= length;
            continue;
        }
        bounds.extend([first + left as u32, last]);
        left = 0;
    }
    let kept = UidSet::from_bounds(&bounds).unwrap_or_default();
    let lowest = kept.first().map(Uid::get);
    (kept, Some(Code::MessageLimit(messages_max, lowest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::pair;
    use crate::session::transport::Transport;
    use daemon::stream::Stream;
    use tokio::io::AsyncReadExt;

    #[test]
    fn the_highest_are_kept() {
        let uids = UidSet::from_bounds(&[2, 4, 8, 8, 10, 12]).unwrap();
        assert_eq!(within_limit(uids.clone(), 7), (uids.clone(), None));
        for (max, kept, lowest) in [(6, "3:4,8,10:12", 3), (4, "8,10:12", 8), (3, "10:12", 10), (1, "12", 12)] {
            let (set, code) = within_limit(uids.clone(), max);
            assert_eq!((set.to_string().as_str(), code), (kept, Some(Code::MessageLimit(max, Some(lowest)))));
        }
    }

    #[tokio::test]
    async fn what_there_is_does_not_wait_for_more() {
        let (near, mut far) = pair().await;
        let mut connection = Connection::new(Transport::Open(Stream::Plain(near)));
        connection.out.extend_from_slice(b"one ");
        assert_eq!(promptly(&mut connection, async { 1 }).await.unwrap(), 1);
        connection.out.extend_from_slice(b"two ");
        let (more, there) = tokio::sync::oneshot::channel();
        let (answer, heard) = tokio::join!(promptly(&mut connection, there), async {
            let mut heard = [0; 8];
            far.read_exact(&mut heard).await.unwrap();
            more.send(2).unwrap();
            heard
        });
        assert_eq!((answer.unwrap(), &heard), (Ok(2), b"one two "));
    }

    #[tokio::test]
    async fn a_long_command_is_told_of() {
        for (tag, told) in [("a1", "\"a1\""), ("a]1", "NIL")] {
            let (near, mut far) = pair().await;
            let mut connection = Connection::new(Transport::Open(Stream::Plain(near)));
            tokio::time::pause();
            let work = tokio::time::sleep(IN_PROGRESS_EVERY * 2 + IN_PROGRESS_EVERY / 2);
            patiently(&mut connection, tag, work).await.unwrap();
            tokio::time::resume();
            drop(connection);
            let mut heard = String::new();
            far.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, format!("* OK [INPROGRESS ({told} NIL NIL)] Still working on it\r\n").repeat(2));
        }
    }
}
