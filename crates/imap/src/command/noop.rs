//! NOOP (RFC 3501 §6.1.2): a chance to tell what changed, which every command's end is.

use crate::session::answer::Answer;

/// Answers it. Changes are pushed by the node, so this asks nobody.
pub fn run() -> Answer {
    Answer::ok("Done")
}
