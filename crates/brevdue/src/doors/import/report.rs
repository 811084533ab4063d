//! What became of an import: for people in lines, for programs as JSON.

use crate::doors::limits::PROBLEMS_NAMED_MAX;
use crate::failure::Failure;
use crate::output::Output;
use serde::Serialize;

/// The report.
#[derive(Serialize)]
pub struct Report {
    address: String,
    imported: u64,
    already_there: u64,
    problems: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problem_list: Vec<Problem>,
    /// The source was read to its end.
    complete: bool,
}

/// Something that was not imported.
#[derive(Serialize)]
struct Problem {
    what: String,
    why: String,
}

impl Report {
    /// Of nothing yet.
    pub fn new(address: String) -> Self {
        Self { address, imported: 0, already_there: 0, problems: 0, problem_list: Vec::new(), complete: false }
    }

    /// A message was appended.
    pub fn imported(&mut self) {
        self.imported += 1;
    }

    /// A message was there already.
    pub fn known(&mut self) {
        self.already_there += 1;
    }

    /// Something was not imported.
    pub fn problem(&mut self, what: String, why: String) {
        self.problems += 1;
        if self.problem_list.len() < PROBLEMS_NAMED_MAX {
            self.problem_list.push(Problem { what, why });
        }
    }

    /// Writes it. A failure when anything was left out, whose line says what to do.
    pub fn answer(mut self, output: Output, stopped: Option<Failure>) -> Result<(), Failure> {
        self.complete = stopped.is_none();
        output.answer(&self, || self.lines())?;
        match stopped {
            Some(failure) => Err(failure.of("stopped; run the same command again, and it goes on from here")),
            None if self.problems > 0 => {
                Err(Failure::refused(format!("{} could not be imported; the report names them", self.problems)))
            }
            None => Ok(()),
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.problem_list.iter().map(|problem| format!("{}: {}", problem.what, problem.why)).collect();
        let more = self.problems - self.problem_list.len() as u64;
        lines.extend((more > 0).then(|| format!("and {more} more")));
        lines.push(format!(
            "{}: {} messages imported, {} were there already, {} not imported",
            self.address, self.imported, self.already_there, self.problems
        ));
        lines
    }
}
