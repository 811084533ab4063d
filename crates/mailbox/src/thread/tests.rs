//! Threads of made-up messages, written as RFC 5256 writes them.

use super::*;
use std::fmt::Write;

/// `(uid, id, references, subject)`; it was sent at the UID, and received at its last digit.
fn forest(messages: &[(u32, &str, &str, &str)]) -> Forest {
    let mut forest = Forest::default();
    for &(uid, id, references, subject) in messages {
        let base = BaseSubject::of(subject);
        let found = Found {
            uid: Uid::new(uid).unwrap(),
            sent_ms: i64::from(uid),
            received_ms: i64::from(uid) % 10,
            subject: forest.subject(&base.text),
            no_subject: base.text.is_empty(),
            is_reply: base.is_reply,
        };
        forest.add(found, id, &chain(references, ""));
    }
    forest
}

fn shown(nodes: &[ThreadNode]) -> String {
    let mut out = String::new();
    for node in nodes {
        let uid = node.uid.map_or(0, Uid::get);
        write!(out, "{}{uid} ", "-".repeat(node.depth as usize)).unwrap();
    }
    out.trim_end().to_owned()
}

fn references(messages: &[(u32, &str, &str, &str)]) -> String {
    shown(&forest(messages).references())
}

#[test]
fn a_chain_and_a_branch() {
    let messages = [
        (1, "a", "", "x"),
        (2, "b", "a", "Re: x"),
        (3, "c", "a b", "Re: x"),
        (4, "d", "a", "Re: x"),
        (5, "e", "", "y"),
    ];
    assert_eq!(references(&messages), "1 -2 --3 -4 5");
    // The order in which they come makes no difference.
    let reversed: Vec<_> = messages.into_iter().rev().collect();
    assert_eq!(references(&reversed), "1 -2 --3 -4 5");
}

#[test]
fn what_is_not_there() {
    // One child takes its place, two stay together under a dummy.
    assert_eq!(references(&[(2, "b", "a", "x")]), "2");
    assert_eq!(references(&[(2, "b", "a", "x"), (3, "c", "a", "y")]), "0 -2 -3");
    // In the middle of a thread its children go to the one above.
    assert_eq!(references(&[(1, "a", "", "x"), (3, "c", "a b", "x"), (4, "d", "a b", "x")]), "1 -3 -4");
    assert_eq!(references(&[(3, "c", "z a b", "x"), (4, "d", "z a", "y")]), "0 -3 -4");
}

#[test]
fn loops_and_twins() {
    assert_eq!(references(&[(1, "a", "b", "x"), (2, "b", "a", "y")]), "2 -1");
    assert_eq!(references(&[(1, "a", "a", "x")]), "1");
    // A second message of the same id stands for itself.
    assert_eq!(references(&[(1, "a", "", "x"), (2, "a", "", "y"), (3, "b", "a", "z")]), "1 -3 2");
    // A cut References field does not outlive the message's own.
    assert_eq!(references(&[(1, "a", "", "x"), (3, "c", "a b", "x"), (2, "b", "", "y")]), "1 2 -3");
}

#[test]
fn subjects_bring_threads_together() {
    // A reply without references goes under the first message.
    assert_eq!(references(&[(1, "a", "", "x"), (2, "b", "", "Re: x")]), "1 -2");
    assert_eq!(references(&[(1, "a", "", "Re: x"), (2, "b", "", "x")]), "2 -1");
    // Two that are alike are siblings under a dummy, and a third joins them.
    assert_eq!(references(&[(1, "a", "", "x"), (2, "b", "", "x"), (3, "c", "", "Re: x")]), "0 -1 -2 -3");
    // Two dummies become one; a dummy takes in a message.
    let dummies = [(1, "b", "a", "x"), (2, "c", "a", "x"), (3, "e", "d", "x"), (4, "f", "d", "x"), (5, "g", "", "x")];
    assert_eq!(references(&dummies), "0 -1 -2 -3 -4 -5");
    // No subject is none in common.
    assert_eq!(references(&[(1, "a", "", ""), (2, "b", "", "Re:")]), "1 2");
    assert_eq!(shown(&forest(&[(1, "a", "", "x"), (2, "b", "", "Re: x")]).refs()), "1 2");
}

#[test]
fn refs_has_the_newest_thread_last() {
    let messages = [(1, "a", "", "x"), (2, "b", "", "y"), (3, "c", "a", "x"), (4, "d", "b", "y"), (5, "e", "a", "x")];
    assert_eq!(references(&messages), "1 -3 -5 2 -4");
    assert_eq!(shown(&forest(&messages).refs()), "2 -4 1 -3 -5");
    // Threads are in the order of arrival, messages in a thread in that of their dates.
    let messages = [(19, "a", "", "x"), (24, "b", "a", "x"), (33, "c", "a", "x"), (5, "d", "", "y")];
    assert_eq!(shown(&forest(&messages).refs()), "5 19 -24 -33");
    assert_eq!(references(&messages), "5 19 -24 -33");
    let messages = [(11, "a", "", "x"), (28, "b", "a", "x"), (36, "c", "a", "x"), (49, "d", "", "y")];
    assert_eq!(shown(&forest(&messages).refs()), "11 -28 -36 49");
    let messages = [(15, "a", "", "x"), (23, "b", "", "y")];
    assert_eq!(shown(&forest(&messages).refs()), "23 15");
}

#[test]
fn ordered_subject_is_flat() {
    let messages = [(1, "", "", "x"), (2, "", "", "y"), (3, "", "", "Re: x"), (4, "", "", "Fw: x")];
    assert_eq!(shown(&subjects::ordered_subject(forest(&messages).into_messages())), "1 -3 -4 2");
}

#[test]
fn a_long_chain_is_no_deep_recursion() {
    let ids: Vec<String> = (0..=20_000).map(|id| id.to_string()).collect();
    let chained: Vec<_> = (1..=20_000).map(|at| (at as u32, ids[at].as_str(), ids[at - 1].as_str(), "")).collect();
    let nodes = forest(&chained).references();
    assert_eq!(nodes.len(), 20_000);
    assert_eq!(nodes.last(), Some(&ThreadNode { uid: Uid::new(20_000), depth: 19_999 }));
    let mut reversed = chained;
    reversed.reverse();
    assert_eq!(forest(&reversed).references(), nodes);
}
