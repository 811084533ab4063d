//! The differences that are known, each with the section that says why Brevdue's answer is right, or that both are.

use crate::compare::Difference;
use crate::script::Step;

/// What is known about a difference when it is looked up here.
pub struct Case<'a> {
    /// The command.
    pub step: &'a Step,
    /// Its name, with UID.
    pub name: String,
    /// Whether the folder was opened read-only.
    pub read_only: bool,
    /// The corpus's name of the message it is about, or of every message that is found by one server only.
    pub letters: Vec<String>,
    /// The difference.
    pub difference: &'a Difference,
}

/// A known difference.
pub struct Known {
    /// The RFC and section.
    pub rfc: &'static str,
    /// What Dovecot does, and why Brevdue does not.
    pub why: &'static str,
    applies: fn(&Case<'_>) -> bool,
}

/// All of them.
pub const KNOWN: &[Known] = &[
];

/// The known difference that this is.
pub fn known(case: &Case<'_>) -> Option<&'static Known> {
    KNOWN.iter().find(|known| (known.applies)(case))
}
