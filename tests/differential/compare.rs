//! Two answers to the same command, without what servers may choose: what is left must be the same.

use crate::client::Answer;
use crate::script::Step;
use harness::mirror::flags;
use harness::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Something the two servers do not agree in.
#[derive(Debug, Clone)]
pub struct Difference {
    /// What: `status`, `code`, `SEARCH`, `ENVELOPE`, `view` …
    pub what: String,
    /// The message it is about.
    pub uid: Option<u64>,
    /// What Brevdue says.
    pub ours: String,
    /// What Dovecot says.
    pub theirs: String,
}

impl Difference {
    /// Of two texts.
    pub fn new(what: &str, ours: impl Into<String>, theirs: impl Into<String>) -> Self {
        Self { what: what.to_owned(), uid: None, ours: ours.into(), theirs: theirs.into() }
    }
}

/// Everything the two answers differ in.
pub fn compare(step: &Step, ours: &Answer, theirs: &Answer) -> Vec<Difference> {
    let mut out = Vec::new();
    if let Some(breach) = &ours.breach {
        out.push(Difference::new("breach", breach, "nothing"));
    }
    if ours.status != theirs.status {
        let say = |answer: &Answer| format!("{} [{}] {}", answer.status, answer.code, answer.text);
        out.push(Difference::new("status", say(ours), say(theirs)));
        return out;
    }
    let (mine, yours) = (codes(ours), codes(theirs));
    if mine != yours {
        out.push(Difference::new("code", mine.join(", "), yours.join(", ")));
    }
    // RFC 5258 §4: children need not be told where they were not asked for.
    let extended = step.name() == "LIST" && step.text.contains('(');
    let children = !extended || step.text.contains("CHILDREN");
    let (mine, yours) = (data(ours, children), data(theirs, children));
    let kinds: BTreeSet<&String> = mine.keys().chain(yours.keys()).collect();
    for kind in kinds {
        let (mine, yours) = (mine.get(kind), yours.get(kind));
        if mine != yours {
            let say = |lines: Option<&Vec<String>>| lines.map_or("nothing".to_owned(), |lines| lines.join("; "));
            out.push(Difference::new(kind, say(mine), say(yours)));
        }
    }
    out.extend(fetches(step, ours, theirs));
    out
}

/// The response codes that a client acts upon, in one form.
fn codes(answer: &Answer) -> Vec<String> {
    let all = answer.codes.iter().chain([&answer.code]);
    let mut out: Vec<String> = all.filter_map(|code| normal_code(code)).collect();
    out.sort();
    out
}

fn normal_code(code: &str) -> Option<String> {
    let mut words = code.split(' ');
    let name = words.next()?.to_ascii_uppercase();
    match name.as_str() {
        // The first argument is the UIDVALIDITY, which differs.
        "APPENDUID" | "COPYUID" => {
            let sets: Vec<String> = words.skip(1).map(numbers).collect();
            Some(format!("{name} {}", sets.join(" ")))
        }
        "MODIFIED" => Some(format!("{name} {}", numbers(words.next()?))),
        "UIDNEXT" | "UNSEEN" => Some(code.to_ascii_uppercase()),
        "READ-ONLY" | "READ-WRITE" | "TRYCREATE" | "BADCHARSET" | "UIDVALIDITY" | "CLOSED" => Some(name),
        _ => None,
    }
}

/// A set written out, ascending.
fn numbers(set: &str) -> String {
    let mut all = BTreeSet::new();
    for run in set.split(',') {
        let (first, last) = run.split_once(':').unwrap_or((run, run));
        if let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) {
            all.extend(first.min(last)..=first.max(last));
        }
    }
    all.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

/// Untagged data but for what the mirror keeps, by kind, each in one form and order.
fn data(answer: &Answer, children: bool) -> BTreeMap<String, Vec<String>> {
    let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for values in &answer.untagged {
        let Some(word) = values.first().and_then(Value::atom) else { continue };
        let kind = word.to_ascii_uppercase();
        let line = match kind.as_str() {
            "SEARCH" | "ESEARCH" | "SORT" => found(&kind, &values[1..]),
            "THREAD" => values[1..].iter().map(Value::show).collect::<Vec<_>>().join(""),
            "LIST" | "LSUB" => listed(&values[1..], children),
            "STATUS" => status(&values[1..]),
            "ENABLED" | "NAMESPACE" => {
                values[1..].iter().map(|v| v.show().to_ascii_uppercase()).collect::<Vec<_>>().join(" ")
            }
            _ => continue,
        };
        out.entry(kind).or_default().push(line);
    }
    for (kind, lines) in &mut out {
        if kind == "LIST" || kind == "LSUB" || kind == "STATUS" {
            lines.sort();
        }
    }
    out
}

/// Results of a search: MODSEQ and the tag are each server's own; sets are written out.
fn found(kind: &str, values: &[Value]) -> String {
    let mut words = Vec::new();
    let mut rest = values.iter().filter(|value| value.list().is_none());
    while let Some(value) = rest.next() {
        let text = value.show();
        match text.to_ascii_uppercase().as_str() {
            "MODSEQ" => drop(rest.next()),
            "ALL" => words.push(format!("ALL {}", rest.next().and_then(Value::atom).map(numbers).unwrap_or_default())),
            "MIN" | "MAX" | "COUNT" => {
                words.push(format!("{text} {}", rest.next().map(Value::show).unwrap_or_default()))
            }
            _ => words.push(text),
        }
    }
    if kind == "SEARCH" {
        words.sort_by_key(|word| word.parse::<u64>().unwrap_or(0));
    } else if kind == "ESEARCH" {
        words.sort();
    }
    words.join(" ")
}

/// Attributes that both servers give, the separator and the name.
fn listed(values: &[Value], children: bool) -> String {
    let mut attributes: Vec<String> = values
        .first()
        .and_then(Value::list)
        .unwrap_or_default()
        .iter()
        .filter_map(Value::atom)
        .map(str::to_ascii_lowercase)
        // RFC 3501 §7.2.2: servers need not say so; special uses are configured, not made.
        .filter(|it| {
            !["\\marked", "\\unmarked", "\\drafts", "\\sent", "\\junk", "\\trash", "\\archive"].contains(&it.as_str())
        })
        .collect();
    attributes.retain(|it| children || !it.ends_with("children"));
    attributes.sort();
    let rest: Vec<String> = values[1..]
        .iter()
        .map(|value| match value.octets() {
            Some(octets) => String::from_utf8_lossy(octets).into_owned(),
            // The tags of extended items are astrings: quoted or not.
            None => value.show().replace('"', ""),
        })
        .collect();
    format!("({}) {}", attributes.join(" "), rest.join(" "))
}

/// Items of STATUS in one order; what is each server's own only by its name.
fn status(values: &[Value]) -> String {
    let name = String::from_utf8_lossy(values.first().and_then(Value::octets).unwrap_or_default()).into_owned();
    // INBOX has no case (RFC 3501 §5.1).
    let name = if name.eq_ignore_ascii_case("INBOX") { "INBOX".to_owned() } else { name };
    let mut items = BTreeMap::new();
    for pair in values.get(1).and_then(Value::list).unwrap_or_default().chunks(2) {
        let key = pair[0].show().to_ascii_uppercase();
        let value = pair.get(1).map(Value::show).unwrap_or_default();
        let own = matches!(key.as_str(), "UIDVALIDITY" | "HIGHESTMODSEQ" | "RECENT");
        items.insert(key, if own { String::new() } else { value });
    }
    format!("{name} {items:?}")
}

/// What was wanted of each message, and which messages answered.
fn fetches(step: &Step, ours: &Answer, theirs: &Answer) -> Vec<Difference> {
    let mut out = Vec::new();
    if step.wanted.is_empty() {
        return out;
    }
    let uids: BTreeSet<&u64> = ours.fetched.keys().chain(theirs.fetched.keys()).collect();
    for uid in uids {
        for item in &step.wanted {
            let of = |answer: &Answer| {
                let value = answer.fetched.get(uid).and_then(|items| items.get(item));
                value.map_or("nothing".to_owned(), |value| normal_item(item, value))
            };
            let (mine, yours) = (of(ours), of(theirs));
            if mine != yours {
                out.push(Difference { uid: Some(*uid), ..Difference::new(item, mine, yours) });
            }
        }
    }
    out
}

fn normal_item(item: &str, value: &Value) -> String {
    match item {
        "FLAGS" => format!("{:?}", flags(value.list().unwrap_or_default())),
        // The numbers are each server's own.
        "MODSEQ" => "there".to_owned(),
        // Types, parameters and encodings have no case (RFC 2045 §5.1, §6.1).
        "BODY" | "BODYSTRUCTURE" => normal_structure(value).show().to_ascii_lowercase(),
        "ENVELOPE" => value.show(),
        _ => whole(value),
    }
}

/// NIL and strings alike whatever way they were sent.
fn normal_structure(value: &Value) -> Value {
    match value {
        Value::List(list) => Value::List(list.iter().map(normal_structure).collect()),
        Value::Atom(atom) if atom.eq_ignore_ascii_case("NIL") => Value::Atom("NIL".to_owned()),
        Value::Atom(_) | Value::Text(_) => value.clone(),
    }
}

/// The octets in full: a difference may stand anywhere.
fn whole(value: &Value) -> String {
    value.octets().map_or_else(|| value.show(), |octets| octets.escape_ascii().to_string())
}
