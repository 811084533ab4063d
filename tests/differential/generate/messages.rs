//! Commands about messages: APPEND, FETCH, STORE, COPY, MOVE, EXPUNGE.

use super::{Generator, World, quoted};
use crate::script::{Effect, Step};

/// Flags and keywords of STORE and APPEND.
const FLAGS: &[&str] = &[
    "\\Seen",
    "\\Answered",
    "\\Flagged",
    "\\Deleted",
    "\\Draft",
    "$Forwarded",
    "$Junk",
    "NonJunk",
    "label1",
    "LABEL1",
];
/// FETCH items without a section.
const ITEMS: &[&str] = &["UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE"];
/// Whole sections of BODY.
const SECTIONS: &[&str] = &[
    "",
    "HEADER",
    "TEXT",
    "1",
    "2",
    "1.1",
    "1.2",
    "2.1",
    "2.2",
    "1.1.1",
    "3",
    "1.MIME",
    "2.MIME",
    "1.1.MIME",
    "2.1.MIME",
    "1.HEADER",
    "2.HEADER",
    "1.TEXT",
    "2.TEXT",
    "1.1.HEADER",
    "HEADER.FIELDS (FROM TO)",
    "HEADER.FIELDS (Subject)",
    "HEADER.FIELDS (X-Nothing)",
    "HEADER.FIELDS.NOT (Received Subject)",
    "HEADER.FIELDS.NOT (X-Nothing)",
    "HEADER.FIELDS (\"Content-Type\" DATE)",
    "2.HEADER.FIELDS (Subject From)",
    "1.HEADER.FIELDS.NOT (Subject)",
];

impl Generator {
    pub(super) fn append(&mut self, world: &World, connection: usize) -> Step {
        let mut step = Step::asks(connection, "").with(Effect::Changes);
        let n = self.seeded.below(self.letters.count() as u64) as usize;
        let octets = self.letters.octets(n).to_vec();
        let waits = self.seeded.below(4) == 0;
        let literal = step.literal(&octets, waits);
        let folder = quoted(&self.folder(world));
        let flags = if self.seeded.below(2) == 0 { format!("({}) ", self.flags(3)) } else { String::new() };
        step.text = format!("APPEND {folder} {flags}{}{literal}", self.date());
        if world.has("MULTIAPPEND") && self.seeded.below(8) == 0 {
            let n = self.seeded.below(self.letters.count() as u64) as usize;
            let octets = self.letters.octets(n).to_vec();
            let literal = step.literal(&octets, waits);
            step.text += &format!(" (\\Flagged) {}{literal}", self.date());
        }
        step
    }

    /// An internal date: always one, so that it can be compared.
    fn date(&mut self) -> String {
        let month = *self.seeded.pick(&["Jan", "Feb", "Jun", "Dec"]);
        let (day, year) = (1 + self.seeded.below(28), 1999 + self.seeded.below(25));
        let zone = *self.seeded.pick(&["+0000", "-0800", "+0530", "+1300", "-0330"]);
        format!("\"{day:2}-{month}-{year} {:02}:{:02}:59 {zone}\" ", self.seeded.below(24), self.seeded.below(60))
    }

    fn flags(&mut self, most: u64) -> String {
        let count = self.seeded.below(most + 1);
        let mut chosen: Vec<&str> = Vec::new();
        for _ in 0..count {
            let flag = *self.seeded.pick(FLAGS);
            // Of a list in which a keyword stands twice, Dovecot drops the keywords behind it.
            if !chosen.iter().any(|known| known.eq_ignore_ascii_case(flag)) {
                chosen.push(flag);
            }
        }
        chosen.join(" ")
    }

    pub(super) fn fetch(&mut self, world: &World, connection: usize, folder: &str) -> Step {
        let place = &world.places[connection];
        let by_uid = self.seeded.below(2) == 0;
        let set = self.set(place, by_uid);
        let verb = if by_uid { "UID FETCH" } else { "FETCH" };
        let mut step = Step::asks(connection, "");
        let mut asked = Vec::new();
        if by_uid {
            step.wanted.insert("UID".to_owned());
        }
        for _ in 0..1 + self.seeded.below(3) {
            let (text, wanted) = self.item(world);
            asked.push(text);
            step.wanted.extend(wanted);
        }
        if asked.iter().any(|item| item.contains("BINARY")) {
            // Dovecot may fail it halfway, with some messages seen and others not.
            asked.retain(|item| item.contains("BINARY") || !(item.contains("BODY[") || item.starts_with("RFC822")));
            step.wanted.retain(|item| !item.starts_with("RFC822") && !item.starts_with("BODY["));
        }
        let marks = world.marks.get(folder).cloned().unwrap_or_default();
        // Dovecot wants the items in parentheses before a modifier.
        let since = world.has("CONDSTORE") && !marks.is_empty() && self.seeded.below(6) == 0;
        // A macro stands alone.
        let alone = asked.iter().find(|item| matches!(item.as_str(), "ALL" | "FAST" | "FULL")).cloned();
        let items = match alone {
            Some(alone) => {
                step.wanted.retain(|item| !item.contains('['));
                step.wanted.clear();
                step.wanted.extend(by_uid.then(|| "UID".to_owned()));
                step.wanted.extend(of_macro(&alone));
                alone
            }
            None if asked.len() == 1 && !since => asked.remove(0),
            None => format!("({})", asked.join(" ")),
        };
        let marks_seen = items.contains("BODY[")
            || items.contains("RFC822 ")
            || items.contains("RFC822)")
            || items.ends_with("RFC822")
            || items.contains("RFC822.TEXT")
            || items.contains("BINARY[");
        if marks_seen {
            step.effect = Effect::Changes;
        }
        step.text = format!("{verb} {set} {items}");
        if since {
            step.text += &format!(" (CHANGEDSINCE ⟦m:{}⟧)", self.seeded.pick(&marks));
        }
        step
    }

    /// A FETCH item as it is asked for, and the names of what answers it.
    fn item(&mut self, world: &World) -> (String, Vec<String>) {
        let itself = |item: &str| (item.to_owned(), vec![item.to_owned()]);
        match self.seeded.below(20) {
            0..8 => itself(self.seeded.pick::<&str>(ITEMS)),
            8 => {
                let name = *self.seeded.pick(&["ALL", "FAST", "FULL"]);
                (name.to_owned(), of_macro(name))
            }
            9 => itself(self.seeded.pick::<&str>(&["RFC822", "RFC822.HEADER", "RFC822.TEXT"])),
            10 if world.has("CONDSTORE") => itself("MODSEQ"),
            11 if world.has("BINARY") => {
                let part = *self.seeded.pick(&["1", "2", "1.1", "1.2", "2.1", "3"]);
                match self.seeded.below(3) {
                    0 => itself(&format!("BINARY.SIZE[{part}]")),
                    1 => (format!("BINARY.PEEK[{part}]"), vec![format!("BINARY[{part}]")]),
                    _ => (format!("BINARY.PEEK[{part}]<3.20>"), vec![format!("BINARY[{part}]<3>")]),
                }
            }
            _ => self.section(),
        }
    }

    fn section(&mut self) -> (String, Vec<String>) {
        let section = *self.seeded.pick(SECTIONS);
        let peek = if self.seeded.below(4) == 0 { "" } else { ".PEEK" };
        let offset = *self.seeded.pick(&[0, 1, 7, 100, 10_000]);
        let length = 1 + self.seeded.below(400);
        let (partial, origin) = match self.seeded.below(4) {
            0 => (format!("<{offset}.{length}>"), format!("<{offset}>")),
            _ => (String::new(), String::new()),
        };
        let name = format!("BODY[{}]{origin}", section.to_ascii_uppercase().replace('"', ""));
        (format!("BODY{peek}[{section}]{partial}"), vec![name])
    }

    pub(super) fn store(&mut self, world: &World, connection: usize, folder: &str) -> Step {
        let place = &world.places[connection];
        let by_uid = self.seeded.below(2) == 0;
        let set = self.set(place, by_uid);
        let verb = if by_uid { "UID STORE" } else { "STORE" };
        let marks = world.marks.get(folder).cloned().unwrap_or_default();
        let unchanged = if world.has("CONDSTORE") && !marks.is_empty() && self.seeded.below(5) == 0 {
            format!("(UNCHANGEDSINCE ⟦m:{}⟧) ", self.seeded.pick(&marks))
        } else {
            String::new()
        };
        let how = *self.seeded.pick(&["FLAGS", "+FLAGS", "+FLAGS", "-FLAGS"]);
        let silent = self.seeded.below(4) == 0;
        let suffix = if silent { ".SILENT" } else { "" };
        // Dovecot does not do it in a folder that was opened with EXAMINE, but searches there as if it had been done.
        let read_only = place.selected.as_ref().is_some_and(|(_, read_only)| *read_only);
        let (how, flags) = if read_only { ("-FLAGS", "never-set".to_owned()) } else { (how, self.flags(3)) };
        let flags = if flags.is_empty() || self.seeded.below(4) > 0 { format!("({flags})") } else { flags };
        let effect = if silent { Effect::Silent } else { Effect::Changes };
        Step::asks(connection, format!("{verb} {set} {unchanged}{how}{suffix} {flags}")).with(effect)
    }

    pub(super) fn copy(&mut self, world: &World, connection: usize, read_only: bool) -> Step {
        let place = &world.places[connection];
        let by_uid = self.seeded.below(2) == 0;
        let mut set = self.set(place, by_uid);
        // Folders stay small, so that FETCH 1:* does.
        if place.uids.len() > 30 && set.contains('*') {
            set = if by_uid { place.uids[0].to_string() } else { "1".to_owned() };
        }
        // Dovecot moves messages out of a folder that was opened with EXAMINE.
        let verb = if read_only || self.seeded.below(2) == 0 { "COPY" } else { "MOVE" };
        let uid = if by_uid { "UID " } else { "" };
        let folder = quoted(&self.folder(world));
        Step::asks(connection, format!("{uid}{verb} {set} {folder}")).with(Effect::Changes)
    }

    pub(super) fn expunge(&mut self, world: &World, connection: usize) -> Step {
        if self.seeded.below(2) == 0 {
            return Step::asks(connection, "EXPUNGE").with(Effect::Changes);
        }
        let set = self.set(&world.places[connection], true);
        Step::asks(connection, format!("UID EXPUNGE {set}")).with(Effect::Changes)
    }
}

/// RFC 3501 §6.4.5.
fn of_macro(name: &str) -> Vec<String> {
    let items: &[&str] = match name {
        "FAST" => &["FLAGS", "INTERNALDATE", "RFC822.SIZE"],
        "ALL" => &["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"],
        _ => &["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"],
    };
    items.iter().map(|&item| item.to_owned()).collect()
}
