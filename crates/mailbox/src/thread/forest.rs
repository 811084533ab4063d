//! Threads by message id: the REFERENCES algorithm of RFC 5256 §3, step by step.
//!
//! Invariant: following `parent` from any node ends; a link that would close a loop is not made.

use super::ids::Ids;
use super::subjects;
use super::{Found, THREAD_IDS_MAX, ThreadNode};
use model::Uid;

const NONE: u32 = u32::MAX;
/// Links that are followed to find a loop; a link that would need more is not made. Bounds the work for mail that was made to
/// be slow.
const LOOP_STEPS_MAX: usize = 10_000;

/// A message, or an id that a message refers to.
#[derive(Debug, Clone, Copy)]
struct Node {
    parent: u32,
    /// Index of the message, [`NONE`] for one that is not there.
    message: u32,
    /// It was made somebody's parent.
    has_children: bool,
}

/// What is known of the messages so far.
#[derive(Debug, Default)]
pub(super) struct Forest {
    messages: Vec<Found>,
    nodes: Vec<Node>,
    ids: Ids,
    subjects: Ids,
}

/// A message under the root, or a dummy that holds several.
#[derive(Debug)]
pub(super) struct Root {
    /// Its message; `None` for a dummy.
    pub(super) message: Option<u32>,
    /// Messages under a dummy.
    pub(super) children: Vec<u32>,
    /// Messages that step 5 puts under this one.
    pub(super) under: Vec<u32>,
    pub(super) subject: u32,
    pub(super) no_subject: bool,
    pub(super) is_reply: bool,
}

impl Root {
    pub(super) fn is_dummy(&self) -> bool {
        self.message.is_none()
    }
}

impl Forest {
    /// Number of a base subject.
    pub(super) fn subject(&mut self, text: &str) -> u32 {
        let next = self.subjects.len() as u32;
        self.subjects.number(text, || Some(next)).unwrap_or(next)
    }

    /// What was added.
    pub(super) fn into_messages(self) -> Vec<Found> {
        self.messages
    }

    /// Step 1: a message with its id and the ids before it, oldest first.
    pub(super) fn add(&mut self, found: Found, id: &str, references: &[&str]) {
        let message = self.messages.len() as u32;
        self.messages.push(found);
        let chain: Vec<u32> = references.iter().filter_map(|id| self.node(id)).collect();
        for pair in chain.windows(2) {
            if let &[parent, child] = pair {
                self.link(parent, child, false);
            }
        }
        // A message without an id, or with one that another has, stands for itself.
        let own = (!id.is_empty()).then(|| self.node(id)).flatten();
        let own = own.filter(|&own| self.nodes.get(own as usize).is_some_and(|node| node.message == NONE));
        let own = own.unwrap_or_else(|| self.new_node());
        if let Some(node) = self.nodes.get_mut(own as usize) {
            node.message = message;
            // Step 1.B: its own References know its parent better than those of others, which may be cut short.
            node.parent = NONE;
        }
        if let Some(&parent) = chain.last() {
            self.link(parent, own, true);
        }
    }

    fn node(&mut self, id: &str) -> Option<u32> {
        let (next, nodes) = (self.nodes.len() as u32, &mut self.nodes);
        let room = self.ids.len() < THREAD_IDS_MAX;
        self.ids.number(id, || {
            room.then(|| {
                nodes.push(Node { parent: NONE, message: NONE, has_children: false });
                next
            })
        })
    }

    fn new_node(&mut self) -> u32 {
        self.nodes.push(Node { parent: NONE, message: NONE, has_children: false });
        self.nodes.len() as u32 - 1
    }

    fn parent(&self, node: u32) -> Option<u32> {
        self.nodes.get(node as usize).map(|node| node.parent).filter(|&parent| parent != NONE)
    }

    /// Step 1.A: a parent that is known stays, unless `anew`.
    fn link(&mut self, parent: u32, child: u32, anew: bool) {
        if parent == child || (!anew && self.parent(child).is_some()) || self.would_loop(parent, child) {
            return;
        }
        if let Some(node) = self.nodes.get_mut(child as usize) {
            node.parent = parent;
        }
        if let Some(node) = self.nodes.get_mut(parent as usize) {
            node.has_children = true;
        }
    }

    /// Whether `child` is above `parent`. Who has no children is above nobody.
    fn would_loop(&self, parent: u32, child: u32) -> bool {
        if !self.nodes.get(child as usize).is_some_and(|node| node.has_children) {
            return false;
        }
        let mut above = parent;
        for _ in 0..LOOP_STEPS_MAX {
            match self.parent(above) {
                Some(next) if next == child => return true,
                Some(next) => above = next,
                None => return false,
            }
        }
        true
    }

    fn is_message(&self, node: u32) -> bool {
        self.nodes.get(node as usize).is_some_and(|node| node.message != NONE)
    }

    /// Steps 2 and 3: each message's children, and what is under the root. A message that is not there gives its children to
    /// the one above it; under the root it stays when it holds more than one.
    fn pruned(&self) -> (Vec<Root>, Vec<Vec<u32>>) {
        let mut children: Vec<Vec<u32>> = vec![Vec::new(); self.messages.len()];
        let mut roots: Vec<Root> = Vec::new();
        let mut dummies: Vec<Vec<u32>> = vec![Vec::new(); self.nodes.len()];
        let mut above: Vec<u32> = vec![NONE; self.nodes.len()];
        for node in 0..self.nodes.len() as u32 {
            let Some(message) = self.nodes.get(node as usize).map(|node| node.message).filter(|&m| m != NONE) else {
                continue;
            };
            match self.parent(node).map(|parent| self.nearest(parent, &mut above)) {
                None => roots.push(self.root_of(message)),
                Some(nearest) if self.is_message(nearest) => {
                    let parent = self.nodes.get(nearest as usize).map_or(NONE, |node| node.message);
                    children.get_mut(parent as usize).into_iter().for_each(|list| list.push(message));
                }
                Some(dummy) => dummies.get_mut(dummy as usize).into_iter().for_each(|list| list.push(message)),
            }
        }
        for mut held in dummies.into_iter().filter(|held| !held.is_empty()) {
            held.sort_by_key(|&message| self.order(message));
            let first = held.first().copied().unwrap_or(NONE);
            let root = self.root_of(first);
            roots.push(if held.len() == 1 { root } else { Root { message: None, children: held, ..root } });
        }
        (roots, children)
    }

    /// The first message from here up, or the highest node when there is none. Each chain is walked once.
    fn nearest(&self, from: u32, above: &mut [u32]) -> u32 {
        let mut at = from;
        while !self.is_message(at) {
            if let Some(&known) = above.get(at as usize).filter(|&&known| known != NONE) {
                at = known;
                break;
            }
            match self.parent(at) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        let (nearest, mut at) = (at, from);
        while at != nearest && !self.is_message(at) {
            if let Some(slot) = above.get_mut(at as usize) {
                *slot = nearest;
            }
            match self.parent(at) {
                Some(parent) => at = parent,
                None => break,
            }
        }
        nearest
    }

    fn root_of(&self, message: u32) -> Root {
        let found = self.messages.get(message as usize);
        Root {
            message: Some(message),
            children: Vec::new(),
            under: Vec::new(),
            subject: found.map_or(NONE, |found| found.subject),
            no_subject: found.is_none_or(|found| found.no_subject),
            is_reply: found.is_some_and(|found| found.is_reply),
        }
    }

    /// RFC 5256 §2.2: equal dates are in the order of the mailbox.
    fn order(&self, message: u32) -> (i64, Option<Uid>) {
        let found = self.messages.get(message as usize);
        (found.map_or(0, |found| found.sent_ms), found.map(|found| found.uid))
    }

    /// A dummy is where its first child is.
    fn root_order(&self, root: &Root) -> (i64, Option<Uid>) {
        let first = root.message.or_else(|| root.children.first().copied());
        first.map_or((0, None), |message| self.order(message))
    }

    /// Steps 2 to 6.
    pub(super) fn references(self) -> Vec<ThreadNode> {
        let (mut roots, mut children) = self.pruned();
        roots.sort_by_key(|root| self.root_order(root));
        let mut roots = subjects::merge(roots);
        for root in &mut roots {
            root.children.sort_by_key(|&message| self.order(message));
            if let Some(list) = root.message.and_then(|message| children.get_mut(message as usize)) {
                list.append(&mut root.under);
            }
        }
        roots.sort_by_key(|root| self.root_order(root));
        self.written(&roots, children)
    }

    /// Steps 2, 3 and 6, and the threads by the INTERNALDATE of the message that came last.
    pub(super) fn refs(self) -> Vec<ThreadNode> {
        let (roots, children) = self.pruned();
        let mut dated: Vec<_> = roots.into_iter().map(|root| (self.newest(&root, &children), root)).collect();
        dated.sort_by_key(|(newest, _)| *newest);
        let roots: Vec<Root> = dated.into_iter().map(|(_, root)| root).collect();
        self.written(&roots, children)
    }

    /// When the last of a thread's messages came.
    fn newest(&self, root: &Root, children: &[Vec<u32>]) -> (i64, Option<Uid>) {
        let mut newest = (i64::MIN, None);
        let mut todo: Vec<u32> = root.message.into_iter().chain(root.children.iter().copied()).collect();
        while let Some(message) = todo.pop() {
            let found = self.messages.get(message as usize);
            newest = newest.max((found.map_or(i64::MIN, |found| found.received_ms), found.map(|found| found.uid)));
            todo.extend(children.get(message as usize).into_iter().flatten());
        }
        newest
    }

    /// Parents before children, siblings by date. The stack is on the heap: threads may be deep.
    fn written(&self, roots: &[Root], mut children: Vec<Vec<u32>>) -> Vec<ThreadNode> {
        for list in &mut children {
            list.sort_by_key(|&message| self.order(message));
        }
        let mut out = Vec::with_capacity(self.messages.len());
        let mut todo: Vec<(u32, u32)> = Vec::new();
        for root in roots {
            match root.message {
                Some(message) => todo.push((message, 0)),
                None => {
                    out.push(ThreadNode { uid: None, depth: 0 });
                    todo.extend(root.children.iter().rev().map(|&message| (message, 1)));
                }
            }
            while let Some((message, depth)) = todo.pop() {
                out.push(ThreadNode { uid: self.messages.get(message as usize).map(|found| found.uid), depth });
                let below = children.get(message as usize).map(Vec::as_slice).unwrap_or_default();
                todo.extend(below.iter().rev().map(|&message| (message, depth + 1)));
            }
        }
        out
    }
}
