//! Commands about folders: LIST, LSUB, STATUS, CREATE, DELETE, RENAME, SUBSCRIBE.

use super::{Generator, World, quoted};
use crate::script::{Effect, Step};

/// Names to make: levels, spaces, modified UTF-7.
const NAMES: &[&str] = &[
    "Work",
    "Work/2024",
    "Work/2024/Q1",
    "Other",
    "Other/One",
    "With space",
    "Entw&APw-rfe",
    "&ZeVnLIqe-",
    "Deep/er/still",
];
const PATTERNS: &[&str] = &["*", "%", "Work*", "Work/%", "%/%", "INBOX", "inbox", "I*", "*One", "", "Nowhere%", "W%k"];

impl Generator {
    pub(super) fn folders(&mut self, world: &World, connection: usize) -> Step {
        match self.seeded.below(16) {
            0..4 => self.list(world, connection),
            4 => {
                let pattern = self.seeded.pick(PATTERNS);
                Step::asks(connection, format!("LSUB \"\" \"{pattern}\""))
            }
            5..8 => self.status(world, connection),
            8 | 9 => {
                let name = self.seeded.pick(NAMES);
                Step::asks(connection, format!("CREATE {}", quoted(name))).with(Effect::Changes)
            }
            10 => {
                let folder = self.free_folder(world);
                Step::asks(connection, format!("DELETE {}", quoted(&folder))).with(Effect::Changes)
            }
            11 => {
                let folder = self.free_folder(world);
                // Not to a name that may have others below it: Dovecot then has it as taken.
                let leaves: Vec<&&str> =
                    NAMES.iter().filter(|name| !["Work", "Work/2024", "Other"].contains(name)).collect();
                let to = **self.seeded.pick(&leaves);
                Step::asks(connection, format!("RENAME {} {}", quoted(&folder), quoted(to))).with(Effect::Changes)
            }
            _ => {
                let verb = *self.seeded.pick(&["SUBSCRIBE", "SUBSCRIBE", "UNSUBSCRIBE"]);
                // RFC 3501 §6.3.6: a server may check that a name exists, so only those that do are subscribed to.
                let folders: Vec<&String> = world.folders.iter().collect();
                let folder = (*self.seeded.pick(&folders)).clone();
                Step::asks(connection, format!("{verb} {}", quoted(&folder))).with(Effect::Changes)
            }
        }
    }

    /// A folder that nobody has selected: what becomes of a view on a folder that goes is each server's own affair.
    fn free_folder(&mut self, world: &World) -> String {
        for _ in 0..5 {
            let folder = self.folder(world);
            if !world.is_in_use(&folder) && !folder.eq_ignore_ascii_case("INBOX") {
                return folder;
            }
        }
        "Nowhere".to_owned()
    }

    fn list(&mut self, world: &World, connection: usize) -> Step {
        let pattern = *self.seeded.pick(PATTERNS);
        let reference = *self.seeded.pick(&["\"\"", "\"\"", "\"\"", "Work/"]);
        if !world.has("LIST-EXTENDED") || self.seeded.below(2) == 0 {
            return Step::asks(connection, format!("LIST {reference} \"{pattern}\""));
        }
        let select = *self.seeded.pick(&["", "(SUBSCRIBED) ", "(SUBSCRIBED RECURSIVEMATCH) ", "() "]);
        let patterns =
            if self.seeded.below(3) == 0 { format!("(\"{pattern}\" INBOX)") } else { format!("\"{pattern}\"") };
        let mut returns =
            vec!["", " RETURN (CHILDREN)", " RETURN (SUBSCRIBED)", " RETURN (SUBSCRIBED CHILDREN)", " RETURN ()"];
        if world.has("LIST-STATUS") {
            returns.push(" RETURN (STATUS (MESSAGES UIDNEXT UNSEEN))");
        }
        let returns = *self.seeded.pick(&returns);
        Step::asks(connection, format!("LIST {select}{reference} {patterns}{returns}"))
    }

    fn status(&mut self, world: &World, connection: usize) -> Step {
        let mut items = vec!["MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "RECENT"];
        if world.has("CONDSTORE") {
            items.push("HIGHESTMODSEQ");
        }
        if world.has("STATUS=SIZE") {
            items.push("SIZE");
        }
        let count = 1 + self.seeded.below(3);
        let chosen = (0..count).map(|_| *self.seeded.pick(&items)).collect::<Vec<_>>().join(" ");
        Step::asks(connection, format!("STATUS {} ({chosen})", quoted(&self.folder(world))))
    }
}
