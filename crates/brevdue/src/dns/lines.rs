//! Records for people: as lines of a zone file, or beside what DNS says.

use super::check::{Checked, State};
use super::policy::Served;
use super::record::{Needs, Record, Value};
use std::env;
use std::io::{self, IsTerminal};

/// Octets of one string of a TXT record (RFC 1035 §3.3).
const STRING_OCTETS_MAX: usize = 255;

/// Whether lines are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    /// With the escapes of a terminal.
    On,
    /// Plain.
    Off,
}

impl Colours {
    /// What standard output is for; `NO_COLOR` turns them off (no-color.org).
    pub(super) fn of_terminal() -> Self {
        let wanted = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        if wanted && io::stdout().is_terminal() { Self::On } else { Self::Off }
    }
}

/// Lines that can go into a zone file as they are.
pub(super) fn zone(needs: &Needs) -> Vec<String> {
    let mut lines = Vec::new();
    let mut purpose = "";
    for record in needs.records() {
        if purpose != record.purpose {
            purpose = &record.purpose;
            lines.push(format!("; {purpose}"));
        }
        lines.push(zone_line(record));
    }
    if let Some(policy) = needs.policy() {
        lines.push(format!("; The MTA-STS policy, to be served at {}", needs.policy_url()));
        lines.extend(policy.lines().map(|line| format!(";   {line}")));
    }
    lines
}

fn zone_line(record: &Record) -> String {
    let Record { name, text, .. } = record;
    match &record.value {
        Value::Addresses => format!("; {name}. A and AAAA {text}"),
        Value::Tags(text) | Value::Spf(text) => format!("{name}. TXT {}", quoted(text)),
        Value::Mx { .. } | Value::Tlsa(_) | Value::Srv { .. } | Value::Cname(_) => {
            format!("{name}. {} {text}", record.kind)
        }
    }
}

/// ASCII text as the strings of a TXT record.
fn quoted(text: &str) -> String {
    let strings = text.as_bytes().chunks(STRING_OCTETS_MAX);
    strings.map(|part| format!("\"{}\"", String::from_utf8_lossy(part))).collect::<Vec<_>>().join(" ")
}

/// What is needed beside what is there.
pub(super) fn compared(records: &[Checked], served: Option<&Served>, colours: Colours) -> Vec<String> {
    let mut lines = Vec::new();
    for checked in records {
        let Record { name, kind, text, .. } = &checked.record;
        lines.push(format!("{} {name} {kind} {text}", mark(&checked.state, colours)));
        if !matches!(checked.state, State::Ok) {
            lines.extend(checked.found.iter().map(|found| format!("          there is: {found}")));
            lines.extend(checked.note.iter().map(|note| format!("          {note}")));
        }
    }
    if let Some(Served { url, state, found, note }) = served {
        lines.push(format!("{} {url}", mark(state, colours)));
        if !matches!(state, State::Ok) {
            let found = found.iter().flat_map(|text| text.lines());
            lines.extend(found.map(|line| format!("          there is: {line}")));
            lines.extend(note.iter().map(|note| format!("          {note}")));
        }
    }
    lines
}

/// A word of a fixed width, so that it can also be read without colours.
fn mark(state: &State, colours: Colours) -> String {
    let (word, colour) = match state {
        State::Ok => ("ok", "32"),
        State::Missing => ("missing", "31"),
        State::Differs => ("differs", "31"),
        State::Unsigned => ("unsigned", "33"),
        State::Unknown => ("unknown", "33"),
    };
    match colours {
        Colours::On => format!("\u{1b}[{colour}m{word:9}\u{1b}[0m"),
        Colours::Off => format!("{word:9}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_strings_of_255_octets() {
        let text = quoted(&"x".repeat(300));
        assert_eq!(text, format!("\"{}\" \"{}\"", "x".repeat(255), "x".repeat(45)));
    }

    #[test]
    fn marks_read_the_same_without_colours() {
        assert_eq!(mark(&State::Ok, Colours::Off), "ok       ");
        assert_eq!(mark(&State::Missing, Colours::On), "\u{1b}[31mmissing  \u{1b}[0m");
    }
}
