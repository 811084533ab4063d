//! The files that git tracks or would track, read once.

use std::collections::BTreeMap;
use std::io;
use std::process::Command;

/// Path from the root, with `/`, to the file's text; files that are not UTF-8 are left out.
pub struct Tree {
    /// The files.
    pub files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads the tree that the current folder belongs to.
    pub fn read() -> io::Result<Self> {
        let root = output("git", &["rev-parse", "--show-toplevel"])?;
        std::env::set_current_dir(root.trim())?;
        let names = output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
        let files =
            names.lines().filter_map(|name| Some((name.to_owned(), std::fs::read_to_string(name).ok()?))).collect();
        Ok(Self { files })
    }

    /// Files with one of these endings.
    pub fn ending<'a>(&'a self, endings: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .filter(|(name, _)| endings.iter().any(|end| name.ends_with(end)))
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

fn output(program: &str, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{program} {arguments:?} failed")));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}
