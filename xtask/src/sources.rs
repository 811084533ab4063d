//! Checks of source files: a sentence for each module, a reason for each limit, a bound on length, nothing of this machine.

use crate::tree::Tree;

/// Lines of a source file: what a reader can still follow as one story.
const SOURCE_LINES_MAX: usize = 700;

/// Files over [`SOURCE_LINES_MAX`], each with the length it may not exceed. Entries only ever shrink or go.
const RATCHET: &[(&str, usize)] = &[];

/// What no committed file may hold: paths of a developer's machine.
const MACHINE_PATHS: &[&str] = &["/wo\u{72}k/", "/roo\u{74}/", "/tmp/bre\u{76}due"];

/// All findings.
pub fn check(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, text) in tree.ending(&[".rs"]) {
        module_sentence(name, text, &mut findings);
        length(name, text, &mut findings);
        if !name.contains("/tests") {
            limits_have_reasons(name, text, &mut findings);
        }
    }
    for (name, text) in tree.files.iter().filter(|(name, _)| *name != "Cargo.lock") {
        for path in MACHINE_PATHS.iter().filter(|path| text.contains(**path)) {
            findings.push(format!("{name}: holds the machine's path {path}"));
        }
    }
    findings
}

fn module_sentence(name: &str, text: &str, findings: &mut Vec<String>) {
    let first = text.lines().find(|line| !line.starts_with("#!")).unwrap_or_default();
    if !first.starts_with("//! ") {
        findings.push(format!("{name}: does not open with a `//!` sentence that says what it is for"));
    }
}

fn length(name: &str, text: &str, findings: &mut Vec<String>) {
    let lines = text.lines().count();
    let allowed = RATCHET.iter().find(|(file, _)| *file == name).map_or(SOURCE_LINES_MAX, |(_, lines)| *lines);
    if lines > allowed {
        findings.push(format!("{name}: {lines} lines, at most {allowed}: find the noun that is missing"));
    }
}

/// A limit is a constant whose name ends like one; its doc comment gives the unit and the reason.
fn limits_have_reasons(name: &str, text: &str, findings: &mut Vec<String>) {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    for (at, line) in lines.iter().enumerate() {
        let Some(rest) = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ").strip_prefix("const ")
        else {
            continue;
        };
        let constant = rest.split(':').next().unwrap_or_default();
        let is_wait = rest.split(['=', ';']).next().is_some_and(|head| head.trim_end().ends_with("Duration"));
        let is_limit = is_wait || ["_MAX", "_MIN", "_LIMIT"].iter().any(|end| constant.ends_with(end));
        let documented = at > 0 && (lines[at - 1].starts_with("///") || lines[at - 1].starts_with("#["));
        if is_limit && !documented {
            findings.push(format!("{name}: the limit {constant} gives no reason"));
        }
    }
}
