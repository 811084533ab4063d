//! The files of a folder as they stood at a moment, and seeded places to damage them at.

use std::path::{Path, PathBuf};

/// Every file of a folder with its octets.
#[derive(Clone)]
pub struct State(Vec<(PathBuf, Vec<u8>)>);

impl State {
    pub fn of(folder: &Path) -> Self {
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        Self(files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect())
    }

    /// Puts the folder back. Nothing in it may be open.
    pub fn put(&self, folder: &Path) {
        for file in std::fs::read_dir(folder).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        for (path, octets) in &self.0 {
            std::fs::write(path, octets).unwrap();
        }
    }

    pub fn octets(&self, ending: &str) -> &[u8] {
        &self.file(ending).unwrap().1
    }

    pub fn without(mut self, ending: &str) -> Self {
        self.0.retain(|(path, _)| !path.to_str().unwrap().ends_with(ending));
        self
    }

    pub fn with(mut self, ending: &str, octets: Vec<u8>) -> Self {
        let path = self.file(ending).unwrap().0.clone();
        self = self.without(ending);
        self.0.push((path, octets));
        self
    }

    pub fn flipped(self, ending: &str, bit: usize) -> Self {
        let mut octets = self.octets(ending).to_vec();
        octets[bit / 8] ^= 1 << (bit % 8);
        self.with(ending, octets)
    }

    fn file(&self, ending: &str) -> Option<&(PathBuf, Vec<u8>)> {
        self.0.iter().find(|(path, _)| path.to_str().unwrap().ends_with(ending))
    }
}

/// Seeded numbers, always the same.
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % end as u64) as usize
    }
}

/// How many places: as the environment says, for long runs on demand.
pub fn places(usual: usize) -> usize {
    std::env::var("BREVDUE_FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
