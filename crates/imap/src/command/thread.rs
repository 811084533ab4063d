//! THREAD (RFC 5256 §3, draft-ietf-morg-inthread), by message number and by UID. The node makes the threads.

use super::search::Criteria;
use super::search::results::Words;
use super::search::wanted::{Terms, both, told};
use crate::codec::cursor::{Cursor, Malformed, Parsed};
use crate::codec::writer;
use crate::session::answer::{Answer, Outcome};
use crate::session::view::NumberCursor;
use crate::session::{Session, patiently};
use model::Uid;
use wire::session::{ThreadAlgorithm, Threaded};

/// THREAD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// UID THREAD.
    pub by_uid: bool,
    /// How.
    pub algorithm: ThreadAlgorithm,
    /// What is wanted.
    pub criteria: Criteria,
}

impl Thread {
    /// Reads the algorithm, the charset and the keys.
    ///
    /// # Errors
    /// One is missing, malformed or not known.
    pub fn parse(cursor: &mut Cursor<'_>, by_uid: bool) -> Parsed<Self> {
        cursor.space()?;
        let algorithm = match cursor.atom()?.to_ascii_uppercase().as_str() {
            "ORDEREDSUBJECT" => ThreadAlgorithm::OrderedSubject,
            "REFERENCES" => ThreadAlgorithm::References,
            "REFS" => ThreadAlgorithm::Refs,
            _ => return Err(Malformed("There is no such threading algorithm")),
        };
        cursor.space()?;
        Ok(Self { by_uid, algorithm, criteria: Criteria::parse_after_charset(cursor)? })
    }

    /// Searches and makes threads at the node.
    ///
    /// # Errors
    /// BAD without a selected folder, or for a message number that does not exist; NO of the node.
    pub async fn run(self, session: &mut Session) -> Outcome {
        session.selected()?;
        self.criteria.check(session)?;
        let selected = session.selected()?;
        let key = Terms::new(&selected).all_of(&self.criteria.keys)?;
        let request = wire::session::Thread {
            folder: selected.view.folder,
            key: Some(both(told(selected.view), key)),
            algorithm: self.algorithm.into(),
        };
        let threading = selected.node.thread(request);
        let threaded = patiently(selected.connection, selected.tag, threading).await??;
        let words = if self.by_uid { Words::Uids } else { Words::Numbers(selected.view) };
        let nodes = known(&threaded, words);
        selected.connection.out.extend_from_slice(b"* THREAD");
        if !nodes.is_empty() {
            selected.connection.out.push(b' ');
        }
        let mut threads = nodes.chunk_by(|_, next| next.1 > 0);
        for thread in &mut threads {
            write_thread(&mut selected.connection.out, thread);
            selected.connection.relieve().await?;
        }
        selected.connection.out.extend_from_slice(b"\r\n");
        Ok(Answer::ok("Done"))
    }
}

/// The nodes as the client names them; 0 stays 0. What the client does not know gives its children to the one above it.
fn known(threaded: &Threaded, words: Words<'_>) -> Vec<(u64, u32)> {
    let mut numbers = NumberCursor::default();
    // Depths, as the node counts them, of those above that were left out.
    let mut left_out: Vec<u32> = Vec::new();
    let mut nodes = Vec::with_capacity(threaded.uids.len());
    for (&uid, &depth) in threaded.uids.iter().zip(&threaded.depths) {
        while left_out.last().is_some_and(|&above| above >= depth) {
            left_out.pop();
        }
        let number = match Uid::new(uid) {
            Some(uid) => words.number(&mut numbers, uid),
            None => Some(0),
        };
        match number {
            Some(number) => nodes.push((number, depth - (left_out.len() as u32).min(depth))),
            None => left_out.push(depth),
        }
    }
    nodes
}

/// `thread-list` (RFC 5256 §5). A node with one child goes on in the same list; each of several has a list of its own.
/// Written without recursion: threads may be thousands deep.
fn write_thread(out: &mut Vec<u8>, thread: &[(u64, u32)]) {
    let children = children_of(thread);
    // Depths at which a list was opened.
    let mut open: Vec<u32> = Vec::new();
    let mut alone = false;
    for (&(number, depth), &children) in thread.iter().zip(&children) {
        while open.last().is_some_and(|&opened| opened >= depth) {
            open.pop();
            out.push(b')');
        }
        if alone {
            out.push(b' ');
        } else {
            if depth > 0 && out.last().is_some_and(u8::is_ascii_digit) {
                out.push(b' ');
            }
            out.push(b'(');
            open.push(depth);
        }
        // What is not there has no number.
        if number > 0 {
            writer::number(out, number);
        }
        alone = children == 1 && number > 0;
    }
    out.extend(open.iter().map(|_| b')'));
}

/// How many children each node has.
fn children_of(thread: &[(u64, u32)]) -> Vec<u32> {
    let mut counts = vec![0u32; thread.len()];
    let mut path: Vec<(usize, u32)> = Vec::new();
    for (at, &(_, depth)) in thread.iter().enumerate() {
        while path.last().is_some_and(|&(_, above)| above >= depth) {
            path.pop();
        }
        if let Some(count) = path.last().and_then(|&(parent, _)| counts.get_mut(parent)) {
            *count += 1;
        }
        path.push((at, depth));
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(thread: &[(u64, u32)]) -> String {
        let mut out = Vec::new();
        write_thread(&mut out, thread);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn threads_as_rfc_5256_shows_them() {
        assert_eq!(written(&[(2, 0)]), "(2)");
        assert_eq!(written(&[(3, 0), (6, 1), (4, 2), (23, 3), (44, 2), (7, 3), (96, 4)]), "(3 6 (4 23)(44 7 96))");
        assert_eq!(written(&[(0, 0), (3, 1), (5, 1)]), "((3)(5))");
        assert_eq!(written(&[(1, 0), (2, 1), (3, 1), (4, 2), (5, 1)]), "(1 (2)(3 4)(5))");
        assert_eq!(written(&[(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3), (7, 1)]), "(1 (2 (3)(4 (5)(6)))(7))");
    }

    #[test]
    fn what_the_client_does_not_know_is_left_out() {
        let uids = [1, 2, 3, 4].to_vec();
        let threaded = Threaded { uids, depths: vec![0, 1, 2, 0], highest_modseq: 0 };
        let selected = wire::session::Selected {
            uids: Some(wire::session::UidRuns { bounds: vec![1, 1, 3, 4] }),
            uid_validity: 1,
            ..wire::session::Selected::default()
        };
        let view = crate::session::view::View::new(model::FolderName::inbox(), false, &selected).unwrap();
        assert_eq!(known(&threaded, Words::Numbers(&view)), [(1, 0), (2, 1), (3, 0)]);
        assert_eq!(known(&threaded, Words::Uids), [(1, 0), (2, 1), (3, 2), (4, 0)]);
    }
}
