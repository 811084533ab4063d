//! Makes up commands from a seed and from what a client can know. The same seed and the same answers make the same script.

mod folders;
mod letters;
mod malformed;
mod messages;
mod search;

pub use letters::Letters;

use crate::script::{Effect, Step};
use harness::corpus::Seeded;
use std::collections::{BTreeMap, BTreeSet};

/// What a client can know, the same for both servers.
#[derive(Debug, Default)]
pub struct World {
    /// The connections.
    pub places: Vec<Place>,
    /// Folders that exist, as they are sent.
    pub folders: BTreeSet<String>,
    /// Marks that were taken of a folder; they fall when it is deleted.
    pub marks: BTreeMap<String, Vec<usize>>,
    /// Capabilities that both servers have.
    pub both: BTreeSet<String>,
}

/// One connection.
#[derive(Debug, Default)]
pub struct Place {
    /// The selected folder and whether it is read-only.
    pub selected: Option<(String, bool)>,
    /// UIDs of its messages.
    pub uids: Vec<u32>,
    /// QRESYNC was enabled.
    pub qresync: bool,
}

impl World {
    fn has(&self, capability: &str) -> bool {
        self.both.contains(capability)
    }
    /// Whether another connection than this one has the folder selected, or one below it.
    fn is_in_use(&self, folder: &str) -> bool {
        let below = format!("{folder}/");
        let selected = self.places.iter().filter_map(|place| place.selected.as_ref());
        selected.map(|(name, _)| name).any(|name| name.eq_ignore_ascii_case(folder) || name.starts_with(&below))
    }
}

/// Makes up commands.
pub struct Generator {
    seeded: Seeded,
    letters: Letters,
}

impl Generator {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self { seeded: Seeded::new(seed), letters: Letters::new(seed) }
    }

    /// The messages that are appended, by name.
    pub fn letters(&self) -> &Letters {
        &self.letters
    }

    /// The next command.
    pub fn step(&mut self, world: &World) -> Step {
        let connection = self.seeded.below(world.places.len() as u64) as usize;
        let place = &world.places[connection];
        let Some((folder, read_only)) = place.selected.clone() else {
            return match self.seeded.below(20) {
                0..10 => self.select(world, connection),
                10..13 => self.append(world, connection),
                13..18 => self.folders(world, connection),
                18 => self.malformed(world, connection),
                _ => self.in_a_folder(world, connection, "INBOX", true),
            };
        };
        match self.seeded.below(40) {
            0 | 1 => self.select(world, connection),
            2..6 => self.append(world, connection),
            6..9 => self.folders(world, connection),
            9..11 => self.malformed(world, connection),
            11 => self.leave(connection, read_only),
            12 => Step::asks(connection, *self.seeded.pick(&["NOOP", "CHECK", "CAPABILITY", "ID NIL", "NAMESPACE"])),
            _ => self.in_a_folder(world, connection, &folder, read_only),
        }
    }

    fn in_a_folder(&mut self, world: &World, connection: usize, folder: &str, read_only: bool) -> Step {
        match self.seeded.below(30) {
            0..10 => self.fetch(world, connection, folder),
            10..15 => self.store(world, connection, folder),
            15..18 => self.copy(world, connection, read_only),
            18 | 19 => self.expunge(world, connection),
            20..27 => self.search(world, connection, folder),
            27 if !read_only => self.store(world, connection, folder),
            _ => self.sort_or_thread(world, connection, folder),
        }
    }

    fn leave(&mut self, connection: usize, read_only: bool) -> Step {
        if self.seeded.below(3) == 0 {
            return Step::asks(connection, "UNSELECT").with(Effect::Leaves);
        }
        // CLOSE takes the deleted messages with it, which others see.
        let _ = read_only;
        Step::asks(connection, "CLOSE").with(Effect::Leaves)
    }

    fn select(&mut self, world: &World, connection: usize) -> Step {
        let read_only = self.seeded.below(4) == 0;
        let folder = self.folder(world);
        let sent = quoted(&folder);
        let verb = if read_only { "EXAMINE" } else { "SELECT" };
        let mut text = format!("{verb} {sent}");
        let marks = world.marks.get(&folder).cloned().unwrap_or_default();
        if world.has("QRESYNC") && world.places[connection].qresync && !marks.is_empty() && self.seeded.below(2) == 0 {
            let mark = self.seeded.pick(&marks);
            text += &format!(" (QRESYNC (⟦v:{mark}⟧ ⟦m:{mark}⟧))");
        } else if world.has("CONDSTORE") && self.seeded.below(8) == 0 {
            text += " (CONDSTORE)";
        }
        Step::asks(connection, text).with(Effect::Selects(folder, read_only))
    }

    /// A folder that exists, most of the time.
    fn folder(&mut self, world: &World) -> String {
        if self.seeded.below(12) == 0 {
            return self.seeded.pick(&["Nowhere", "Work/Nowhere", "inbox", "No/Such/Thing"]).to_string();
        }
        if self.seeded.below(3) == 0 {
            return "INBOX".to_owned();
        }
        let folders: Vec<&String> = world.folders.iter().collect();
        (*self.seeded.pick(&folders)).clone()
    }

    /// A set of message numbers or UIDs, mostly of messages that are there.
    fn set(&mut self, place: &Place, by_uid: bool) -> String {
        if place.uids.is_empty() && !by_uid {
            // No number is in use; what is then answered is asked now and then only.
            return if self.seeded.below(10) == 0 { "1".to_owned() } else { "*".to_owned() };
        }
        let (least, most) = if by_uid {
            (place.uids.first().copied().unwrap_or(1), place.uids.last().copied().unwrap_or(1))
        } else {
            (1, place.uids.len().max(1) as u32)
        };
        if self.seeded.below(60) == 0 {
            return self.seeded.pick(&["4294967295", "999999:*", "999999", "1:999999", "1,999999"]).to_string();
        }
        let one = |seeded: &mut Seeded| (u64::from(least) + seeded.below(u64::from(most - least) + 1)).to_string();
        match self.seeded.below(10) {
            0..3 => one(&mut self.seeded),
            3 | 4 => format!("{}:{}", one(&mut self.seeded), one(&mut self.seeded)),
            5 | 6 => "1:*".to_owned(),
            7 => "*".to_owned(),
            8 => format!("{},{}:*", one(&mut self.seeded), one(&mut self.seeded)),
            _ => format!("{},{},{}", one(&mut self.seeded), one(&mut self.seeded), one(&mut self.seeded)),
        }
    }
}

/// A folder's name as an astring.
pub fn quoted(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/&-.,+_".contains(&byte));
    if bare { name.to_owned() } else { format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")) }
}
