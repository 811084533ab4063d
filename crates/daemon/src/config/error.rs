//! What is wrong with a configuration file: in which file, at which key, why, and what to do.

use super::FILE_BYTES_MAX;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A file that cannot be used. One line that an operator can act on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read ({problem}); check the path and that this user may read it", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        problem: String,
    },
    /// A value or a key is wrong.
    #[error("{}{}: {key}: {problem}; {remedy}", file.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// The line, from 1, where it is known.
        line: Option<usize>,
        /// The key with its section, `imap.listen`.
        key: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
}

/// A wrong value, before the file is named.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) key: &'static str,
    pub(super) problem: String,
    pub(super) remedy: &'static str,
}

impl Wrong {
    pub(super) fn in_file(self, file: &Path) -> ConfigError {
        let Self { key, problem, remedy } = self;
        ConfigError::Invalid { file: file.into(), line: None, key: key.into(), problem, remedy: remedy.into() }
    }
}

impl ConfigError {
    /// From the parser's error, which knows where in the text it stands.
    pub(super) fn syntax(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        let (line, key) = locate(text, at);
        // The parser's message may have several lines; an operator gets one.
        let problem = error.message().lines().map(str::trim).collect::<Vec<_>>().join(", ");
        let remedy = "`brevdue config reference` shows every key and what it may be".to_owned();
        Self::Invalid { file: file.into(), line: Some(line), key, problem, remedy }
    }
}

/// The text of the file, bounded.
pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |problem: String| ConfigError::Unreadable { file: path.into(), problem };
    let file = std::fs::File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(format!("it is over {FILE_BYTES_MAX} bytes, which is no configuration")));
    }
    Ok(text)
}

/// The line, from 1, and the key with its section at a byte offset.
fn locate(text: &str, at: usize) -> (usize, String) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let (mut section, mut key) = (None, None);
    for each in text.lines().take(line).map(str::trim) {
        if let Some(header) = each.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            // A line of an array of arrays also begins so, but no section's name has a quote or a comma.
            if !header.contains(['"', ',']) {
                (section, key) = (Some(header.trim()), None);
            }
        } else if let Some((name, _)) = each.split_once('=').filter(|_| !each.starts_with('#')) {
            key = Some(name.trim());
        } else if each.starts_with(|c: char| c.is_ascii_alphabetic()) {
            // A key whose value was forgotten; what goes on from the line before begins otherwise.
            key = Some(each);
        }
    }
    match (section, key) {
        (Some(section), Some(key)) => (line, format!("{section}.{key}")),
        (Some(only), None) | (None, Some(only)) => (line, only.to_owned()),
        (None, None) => (line, "the file".to_owned()),
    }
}
