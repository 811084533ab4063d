//! One command of a script as it is generated, before each server's own numbers are put in.

use std::collections::BTreeSet;

/// A command of one connection.
#[derive(Debug, Clone)]
pub struct Step {
    /// Which connection sends it.
    pub connection: usize,
    /// The text, in which `⟦n⟧` stands for literal n, `⟦m:n⟧` for the HIGHESTMODSEQ of mark n,
    /// `⟦n:n⟧` for the next one, `⟦v:n⟧` for the mark's UIDVALIDITY.
    pub text: String,
    /// The literals.
    pub literals: Vec<Literal>,
    /// FETCH items that must be answered, as they are named in the answer.
    pub wanted: BTreeSet<String>,
    /// What else is to be done around it.
    pub effect: Effect,
}

/// A literal of a command.
#[derive(Debug, Clone)]
pub struct Literal {
    /// Its octets.
    pub octets: Vec<u8>,
    /// Sent only after the server's `+`.
    pub waits: bool,
}

/// What a step is besides its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It only asks.
    Asks,
    /// It changes flags without telling them.
    Silent,
    /// It changes what others may see.
    Changes,
    /// It selects this folder.
    Selects(String, bool),
    /// It leaves the folder; with CLOSE its deleted messages go.
    Leaves,
    /// It cannot be read.
    Malformed,
}

impl Step {
    /// A command that only asks.
    pub fn asks(connection: usize, text: impl Into<String>) -> Self {
        Self { connection, text: text.into(), literals: Vec::new(), wanted: BTreeSet::new(), effect: Effect::Asks }
    }
    /// The same with another effect.
    pub fn with(self, effect: Effect) -> Self {
        Self { effect, ..self }
    }
    /// Adds a literal and returns what stands for it.
    pub fn literal(&mut self, octets: &[u8], waits: bool) -> String {
        self.literals.push(Literal { octets: octets.to_vec(), waits });
        format!("⟦{}⟧", self.literals.len() - 1)
    }
    /// The command's name, with UID.
    pub fn name(&self) -> String {
        let mut words = self.text.split(' ').map(str::to_ascii_uppercase);
        let first = words.next().unwrap_or_default();
        if first == "UID" { format!("UID {}", words.next().unwrap_or_default()) } else { first }
    }
    /// One line for people.
    pub fn show(&self) -> String {
        let mut text = self.text.clone();
        for (n, literal) in self.literals.iter().enumerate() {
            let octets = &literal.octets;
            let shown = octets[..octets.len().min(80)].escape_ascii();
            text = text.replace(&format!("⟦{n}⟧"), &format!("{{{} {shown}}}", octets.len()));
        }
        format!("{}: {text}", self.connection + 1)
    }
}

/// A moment of a folder, in each server's numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mark {
    /// HIGHESTMODSEQ
    pub modseq: u64,
    /// UIDVALIDITY
    pub validity: u64,
}

/// A piece of a command as one server gets it: octets, and whether to wait for `+` before the next.
pub fn pieces(step: &Step, marks: &[Mark]) -> Vec<(Vec<u8>, bool)> {
    let mut out = vec![(Vec::new(), false)];
    let mut rest = step.text.as_str();
    while let Some((before, after)) = rest.split_once('⟦') {
        let (name, after) = after.split_once('⟧').expect("what is opened is closed");
        push(&mut out, before.as_bytes());
        match name.split_once(':') {
            Some((kind, n)) => {
                let mark = marks[n.parse::<usize>().expect("a mark's number")];
                let number = match kind {
                    "m" => mark.modseq,
                    "n" => mark.modseq + 1,
                    _ => mark.validity,
                };
                push(&mut out, number.to_string().as_bytes());
            }
            None => {
                let literal = &step.literals[name.parse::<usize>().expect("a literal's number")];
                let plus = if literal.waits { "" } else { "+" };
                push(&mut out, format!("{{{}{plus}}}\r\n", literal.octets.len()).as_bytes());
                if literal.waits {
                    out.last_mut().expect("never empty").1 = true;
                    out.push((Vec::new(), false));
                }
                push(&mut out, &literal.octets);
            }
        }
        rest = after;
    }
    push(&mut out, rest.as_bytes());
    push(&mut out, b"\r\n");
    out
}

fn push(out: &mut [(Vec<u8>, bool)], octets: &[u8]) {
    out.last_mut().expect("never empty").0.extend_from_slice(octets);
}
