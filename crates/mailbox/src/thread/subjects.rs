//! Threads by subject: ORDEREDSUBJECT, and the merging of REFERENCES (RFC 5256 §3).

use super::forest::Root;
use super::{Found, ThreadNode};
use std::collections::HashMap;

/// ORDEREDSUBJECT: the first message of a subject starts the thread, all others are its children.
pub(super) fn ordered_subject(mut messages: Vec<Found>) -> Vec<ThreadNode> {
    messages.sort_by_key(|found| (found.sent_ms, found.uid));
    let mut threads: Vec<Vec<Found>> = Vec::new();
    let mut of_subject: HashMap<u32, usize> = HashMap::new();
    for found in messages {
        let thread = *of_subject.entry(found.subject).or_insert(threads.len());
        match threads.get_mut(thread) {
            Some(thread) => thread.push(found),
            None => threads.push(vec![found]),
        }
    }
    let node = |at: usize, found: Found| ThreadNode { uid: Some(found.uid), depth: u32::from(at > 0) };
    threads.into_iter().flat_map(|thread| thread.into_iter().enumerate().map(|(at, found)| node(at, found))).collect()
}

/// Step 5 of REFERENCES: threads with the same base subject become one. `roots` are in order of date; so is the result but
/// for what moved.
pub(super) fn merge(roots: Vec<Root>) -> Vec<Root> {
    let mut table: HashMap<u32, usize> = HashMap::new();
    for (at, root) in roots.iter().enumerate().filter(|(_, root)| !root.no_subject) {
        let known = *table.entry(root.subject).or_insert(at);
        let Some(other) = roots.get(known) else { continue };
        // Step 5.B: a dummy is preferred, then a message that is no reply.
        if !other.is_dummy() && (root.is_dummy() || (other.is_reply && !root.is_reply)) {
            table.insert(root.subject, at);
        }
    }
    let mut slots: Vec<Option<Root>> = roots.into_iter().map(Some).collect();
    for at in 0..slots.len() {
        let Some(subject) =
            slots.get(at).and_then(Option::as_ref).filter(|root| !root.no_subject).map(|root| root.subject)
        else {
            continue;
        };
        let Some(&into) = table.get(&subject).filter(|&&into| into != at) else { continue };
        let (Some(root), Some(other)) = (slots.get_mut(at).and_then(Option::take), slots.get_mut(into)) else {
            continue;
        };
        *other = other.take().map(|other| join(other, root));
    }
    slots.into_iter().flatten().collect()
}

/// Step 5.C: `other` is the table's, `root` joins it.
fn join(mut other: Root, root: Root) -> Root {
    match (other.message, root.message) {
        (None, None) => other.children.extend(root.children),
        (None, Some(message)) => other.children.push(message),
        (Some(_), Some(message)) if root.is_reply && !other.is_reply => other.under.push(message),
        (Some(message), Some(second)) => {
            let children = vec![message, second];
            other = Root { message: None, children, ..other };
        }
        // The table would hold the dummy.
        (Some(_), None) => other.under.extend(root.children),
    }
    other
}
