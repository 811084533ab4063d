//! What a message's content shows without anybody's help: an odd header, links that lead elsewhere than they say, names that
//! are made to be taken for others, attachments that run. Looks at the first part of a text only, so that memory is bounded.

mod attachments;
mod header;
mod links;
mod names;

use crate::limits::SAMPLE_BYTES_MAX;
use crate::policy::Reason;
use message::text::body_text;
use message::{Kind, Part, Scanner, TextKind};
use std::borrow::Cow;

/// What each list that has a domain of the message's links counts.
pub const URIBL_SCORE: f64 = 4.0;

/// The first octets of a message.
#[derive(Default)]
pub struct Sample(Vec<u8>);

/// What was found.
#[derive(Debug, Default, PartialEq)]
pub struct Found {
    /// What counts.
    pub signs: Vec<Reason>,
    /// Domains of links, each once.
    pub domains: Vec<String>,
}

impl Sample {
    /// Keeps what there is room for.
    pub fn push(&mut self, text: &[u8]) {
        let room = SAMPLE_BYTES_MAX.saturating_sub(self.0.len()).min(text.len());
        self.0.extend_from_slice(text.get(..room).unwrap_or_default());
    }

    /// Looks at it; `ours` are the domains of the recipients, which others like to look like. Some milliseconds of work.
    pub fn inspect(&self, ours: &[String]) -> Found {
        let mut scanner = Scanner::new();
        scanner.push(&self.0);
        let scanned = scanner.finish();
        let structure = scanned.structure();
        let octets =
            |range: std::ops::Range<u64>| self.0.get(range.start as usize..range.end as usize).unwrap_or_default();
        let top = structure.parts().first().map(|part| octets(part.header.clone())).unwrap_or_default();
        let mut found = Found { signs: header::signs(top, scanned.summary(), ours), domains: Vec::new() };
        let mut links = Vec::new();
        for part in structure.parts() {
            let Kind::Leaf(leaf) = &part.kind else { continue };
            let body = octets(part.body.clone());
            for (name, points) in attachments::signs(octets(part.header.clone()), body, leaf) {
                found.note(name, points);
            }
            match leaf.text {
                Some(TextKind::Html) => links.extend(links::of_html(&source_text(body, part))),
                Some(TextKind::Plain) => links.extend(links::of_text(&body_text(body, part))),
                Some(TextKind::Other) | None => {}
            }
        }
        links.truncate(crate::limits::LINKS_MAX);
        found.look_at(&links, ours);
        found
    }
}

/// The decoded text of an HTML part with its tags.
fn source_text(raw: &[u8], part: &Part) -> String {
    let mut plain = part.clone();
    if let Kind::Leaf(leaf) = &mut plain.kind {
        leaf.text = Some(TextKind::Plain);
    }
    body_text(raw, &plain)
}

impl Found {
    fn look_at(&mut self, links: &[links::Link], ours: &[String]) {
        for link in links {
            if link.says_another() {
                self.note("link-elsewhere", links::ELSEWHERE_SCORE);
            }
            if let Some((name, points)) = names::sign(&link.host, ours) {
                self.note(name, points);
            }
            if !self.domains.contains(&link.host) {
                self.domains.push(link.host.clone());
            }
        }
    }

    /// Each sign counts once, however often it is there.
    fn note(&mut self, name: impl Into<Cow<'static, str>>, points: f64) {
        let name = name.into();
        if !self.signs.iter().any(|(known, _)| *known == name) {
            self.signs.push((name, points));
        }
    }
}

#[cfg(test)]
mod tests;
