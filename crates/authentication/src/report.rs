//! The results as a field (RFC 8601 §2.2): folded, with nothing of a stranger's that could end a word, a comment or the line.

use crate::field::Folded;
use crate::results::{Arc, Dkim, Dmarc, Envelope, Identity, Iprev, Results, Spf, Verdict};

/// Octets of a value that are written: a domain name fits.
const VALUE_BYTES_MAX: usize = 255;

impl Results {
    /// `Authentication-Results: host; …` with its last CRLF.
    pub fn field(&self, host: &str) -> String {
        write("Authentication-Results", host, &statements(self))
    }
}

impl Envelope {
    /// As [`Results::field`], of what is known before the text.
    pub fn field(&self, host: &str) -> String {
        write("Authentication-Results", host, &of_envelope(self))
    }
}

/// The words of one method and what they are about.
pub(crate) type Statement = Vec<String>;

/// All statements: signatures first, then what follows from them.
pub(crate) fn statements(results: &Results) -> Vec<Statement> {
    let mut all: Vec<Statement> = results.dkim.iter().map(of_signature).collect();
    all.extend(of_arc(&results.arc));
    all.extend(of_envelope(&results.envelope));
    all.extend(of_dmarc(&results.dmarc));
    all
}

/// The field: each statement begins a line.
pub(crate) fn write(name: &str, host: &str, statements: &[Statement]) -> String {
    let mut field = Folded::new(name);
    body(&mut field, host, statements);
    field.finish()
}

/// What comes after the name, or after `i=1;` in the field of an ARC set.
pub(crate) fn body(field: &mut Folded, host: &str, statements: &[Statement]) {
    field.word(&value(host));
    if statements.is_empty() {
        field.glue("; none");
    }
    for statement in statements {
        field.glue(";");
        field.line();
        let mut words = statement.iter();
        if let Some(first) = words.next() {
            field.glue(first);
        }
        words.for_each(|word| field.word(word));
    }
}

fn of_envelope(envelope: &Envelope) -> Vec<Statement> {
    let mut all = Vec::new();
    all.extend(of_spf(&envelope.spf));
    if envelope.spf.identity == Identity::MailFrom {
        all.extend(of_spf(&envelope.helo));
    }
    all.extend(of_iprev(&envelope.iprev));
    all
}

fn of_signature(signature: &Dkim) -> Statement {
    let mut words = vec![format!("dkim={}", signature.result.as_str())];
    words.extend(comment(signature.reason));
    if !signature.domain.is_empty() {
        words.push(format!("header.d={}", value(&signature.domain)));
        words.push(format!("header.s={}", value(&signature.selector)));
        words.push(format!("header.a={}", signature.algorithm));
        words.push(format!("header.b={}", value(&signature.signature)));
    }
    words
}

fn of_arc(arc: &Arc) -> Option<Statement> {
    if arc.result == Verdict::None {
        return None;
    }
    let mut words = vec![format!("arc={}", arc.result.as_str())];
    words.extend(comment(arc.reason));
    if let Some(newest) = arc.sets.last() {
        words.push(format!("header.d={}", value(&newest.domain)));
    }
    Some(words)
}

fn of_spf(spf: &Spf) -> Option<Statement> {
    if spf.domain.is_empty() {
        return None;
    }
    let property = match spf.identity {
        Identity::MailFrom => "smtp.mailfrom",
        Identity::Helo => "smtp.helo",
    };
    Some(vec![format!("spf={}", spf.result.as_str()), format!("{property}={}", value(&spf.domain))])
}

fn of_iprev(iprev: &Iprev) -> Option<Statement> {
    if iprev.result == Verdict::None {
        return None;
    }
    let mut words = vec![format!("iprev={}", iprev.result.as_str())];
    if let Some(name) = &iprev.name {
        words.push(format!("({})", clean(name.as_str())));
    }
    words.push(format!("policy.iprev={}", value(&iprev.address.to_string())));
    Some(words)
}

fn of_dmarc(dmarc: &Dmarc) -> Option<Statement> {
    if dmarc.domain.is_empty() {
        return None;
    }
    let mut words = vec![format!("dmarc={}", dmarc.result.as_str())];
    if !matches!(dmarc.result, Verdict::None | Verdict::TempError | Verdict::PermError) {
        words.push(format!("(p={})", dmarc.policy.as_str()));
    }
    words.push(format!("header.from={}", value(&dmarc.domain)));
    Some(words)
}

fn comment(reason: Option<&'static str>) -> Option<String> {
    reason.map(|reason| format!("({reason})"))
}

/// A token as it is, everything else in quotes (RFC 2045 §5.1, RFC 5322 §3.2.4).
fn value(text: &str) -> String {
    let text = clean(text);
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_token) {
        return text;
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Printable ASCII, and not without end.
fn clean(text: &str) -> String {
    let printable = |c: char| if c.is_ascii_graphic() && !matches!(c, '(' | ')') { c } else { '?' };
    text.chars().take(VALUE_BYTES_MAX).map(printable).collect()
}

#[cfg(test)]
mod tests;
