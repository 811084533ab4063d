//! How a command fails: one line that says why and what to do, and the exit code.

use std::fmt::Display;
use std::process::ExitCode;

/// A command that was not done.
#[derive(Debug)]
pub enum Failure {
    /// It was asked for in a way that makes no sense; exit code 2.
    Usage(String),
    /// It was refused or failed; exit code 1.
    Refused(String),
}

impl Failure {
    /// A refusal in these words.
    pub fn refused(why: impl Display) -> Self {
        Self::Refused(why.to_string())
    }

    /// The same, with what it is about in front.
    #[must_use]
    pub fn of(self, subject: &str) -> Self {
        match self {
            Self::Usage(why) => Self::Usage(format!("{subject}: {why}")),
            Self::Refused(why) => Self::Refused(format!("{subject}: {why}")),
        }
    }

    /// Prints the line to standard error and gives the exit code.
    pub fn report(&self) -> ExitCode {
        let (Self::Usage(why) | Self::Refused(why)) = self;
        let line: Vec<_> = why.split_whitespace().collect();
        eprintln!("brevdue: {}", line.join(" "));
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Refused(_) => ExitCode::from(1),
        }
    }
}

/// Prints a line that keeps nothing from being done to standard error.
pub fn warn(what: &str) {
    eprintln!("brevdue: {what}");
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::refused(error)
    }
}
