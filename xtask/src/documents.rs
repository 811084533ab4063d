//! Documents tell the truth: what they link to exists, symbols they name are in the crate they name, no line numbers.

use crate::tree::Tree;
use regex::Regex;

/// All findings.
pub fn check(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    let patterns = match Patterns::new() {
        Ok(patterns) => patterns,
        Err(error) => return vec![format!("xtask's own pattern: {error}")],
    };
    for (name, text) in tree.ending(&[".md"]) {
        links(tree, name, text, &patterns, &mut findings);
        paths(tree, name, text, &patterns, &mut findings);
        symbols(tree, name, text, &patterns, &mut findings);
        if patterns.line_number.is_match(text) {
            findings.push(format!("{name}: names a line number, which will not stay true"));
        }
    }
    findings
}

struct Patterns {
    /// `[text](target)`
    link: Regex,
    /// A path of the tree in backticks, with a folder and an ending.
    path: Regex,
    /// `krate::module::symbol` in backticks.
    symbol: Regex,
    line_number: Regex,
}

impl Patterns {
    fn new() -> Result<Self, regex::Error> {
        Ok(Self {
            link: Regex::new(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")?,
            path: Regex::new(r"`((?:crates|tests|docs|proto|scripts|deploy|xtask)/[A-Za-z0-9_./-]+\.[a-z]+)`")?,
            symbol: Regex::new(r"`([a-z][a-z_]*)((?:::[A-Za-z_][A-Za-z0-9_]*)+)(?:\(\))?`")?,
            line_number: Regex::new(r"\.rs:[0-9]+")?,
        })
    }
}

fn links(tree: &Tree, name: &str, text: &str, patterns: &Patterns, findings: &mut Vec<String>) {
    let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
    for link in patterns.link.captures_iter(text).map(|found| found[1].to_owned()) {
        if link.contains("://") || link.starts_with("mailto:") {
            continue;
        }
        let target = resolve(folder, &link);
        let exists = tree.files.contains_key(&target) || std::path::Path::new(&target).exists();
        if !exists {
            findings.push(format!("{name}: links to {link}, which does not exist"));
        }
    }
}

fn paths(tree: &Tree, name: &str, text: &str, patterns: &Patterns, findings: &mut Vec<String>) {
    for path in patterns.path.captures_iter(text).map(|found| found[1].to_owned()) {
        if !tree.files.contains_key(&path) {
            findings.push(format!("{name}: names the file {path}, which does not exist"));
        }
    }
}

/// Each segment after the crate's name must occur as a word in that crate's sources.
fn symbols(tree: &Tree, name: &str, text: &str, patterns: &Patterns, findings: &mut Vec<String>) {
    for found in patterns.symbol.captures_iter(text) {
        let folder = format!("crates/{}/src/", found[1].replace('_', "-"));
        let sources: Vec<(&String, &String)> =
            tree.files.iter().filter(|(file, _)| file.starts_with(&folder)).collect();
        if sources.is_empty() {
            continue;
        }
        for segment in found[2].split("::").filter(|segment| !segment.is_empty()) {
            let word = Regex::new(&format!(r"\b{}\b", regex::escape(segment)));
            let known =
                word.is_ok_and(|word| sources.iter().any(|(file, text)| word.is_match(file) || word.is_match(text)));
            if !known {
                findings.push(format!("{name}: names {}{}, but {segment} is not in {folder}", &found[1], &found[2]));
            }
        }
    }
}

fn resolve(folder: &str, link: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
