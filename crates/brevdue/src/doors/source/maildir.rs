//! Maildir: its folders (Maildir++ with `.Level.Level` in modified UTF-7, or folders in folders), flags from the names of the
//! files, keywords by `dovecot-keywords`, dates from the files' times.

use super::text::{FileText, time_of};
use super::tree::{self, Kind};
use super::{About, Out, Stopped, listed};
use imap::codec::mutf7;
use model::{Flag, Flags, Keyword};
use std::io::Read;
use std::path::Path;

/// Octets of `dovecot-keywords`: it has 26 lines.
const KEYWORDS_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Whether a folder is a Maildir.
pub fn looks_like_one(folder: &Path) -> bool {
    ["cur", "new"].iter().all(|below| folder.join(below).is_dir())
}

/// The Maildir and those below it.
pub fn tree(root: &Path, out: &mut Out) -> Result<(), Stopped> {
    let listed = listed::files(root, out)?;
    below(root, "", 0, &listed, out)
}

fn below(folder: &Path, name: &str, depth: usize, listed: &listed::Listed, out: &mut Out) -> Result<(), Stopped> {
    if looks_like_one(folder) {
        if !listed.enter(folder, out)? {
            out.plain_folder(if name.is_empty() { model::folder::INBOX.to_owned() } else { name.to_owned() })?;
        }
        messages(folder, depth, listed, out)?;
    }
    for entry in tree::entries(folder, depth, out)? {
        let ours = matches!(entry.name.as_str(), "cur" | "new" | "tmp") && looks_like_one(folder);
        if entry.kind == Kind::Folder && !ours {
            below(&entry.path, &child(name, &entry.name), depth + 1, listed, out)?;
        }
    }
    Ok(())
}

fn child(above: &str, name: &str) -> String {
    let decoded = |level: &str| mutf7::decode(level.as_bytes()).unwrap_or_else(|| level.to_owned());
    let levels = name.trim_start_matches('.').split('.').map(|level| tree::folder_level(&decoded(level)));
    let name =
        if name.starts_with('.') { levels.collect::<Vec<_>>().join("/") } else { tree::folder_level(&decoded(name)) };
    tree::join(above, &name)
}

fn messages(folder: &Path, depth: usize, listed: &listed::Listed, out: &mut Out) -> Result<(), Stopped> {
    let keywords = keywords(folder);
    for below in ["cur", "new"] {
        for entry in tree::entries(&folder.join(below), depth, out)? {
            if entry.kind == Kind::File && !entry.name.starts_with('.') && !listed.contains(&entry.path) {
                let (flags, keywords) = info(&entry.name, &keywords);
                let about = About { flags, keywords, internal_date_ms: time_of(&entry.path) };
                let mut text = FileText::new(&entry.path, about, false);
                out.message(&entry.path.display().to_string(), &mut text)?;
            }
        }
    }
    Ok(())
}

/// The keywords that letters stand for; none where the file is missing or broken.
fn keywords(folder: &Path) -> Vec<(char, Keyword)> {
    let mut text = Vec::new();
    let Ok(file) = super::text::open(&folder.join("dovecot-keywords")) else { return Vec::new() };
    if file.take(KEYWORDS_FILE_BYTES_MAX).read_to_end(&mut text).is_err() {
        return Vec::new();
    }
    let line = |line: &str| {
        let (number, name) = line.split_once(' ')?;
        let at: u8 = number.parse().ok().filter(|at| *at < 26)?;
        Some((char::from(b'a' + at), Keyword::parse(name.trim())?))
    };
    String::from_utf8_lossy(&text).lines().filter_map(line).collect()
}

fn info(name: &str, known: &[(char, Keyword)]) -> (Flags, Vec<Keyword>) {
    let (mut flags, mut keywords) = (Flags::NONE, Vec::new());
    let letters = name.rsplit_once(":2,").map_or("", |(_, letters)| letters);
    for letter in letters.chars() {
        let keyword = known.iter().find(|(each, _)| *each == letter).map(|(_, keyword)| keyword.clone());
        flags = match letter {
            'D' => flags.with(Flag::Draft),
            'F' => flags.with(Flag::Flagged),
            'R' => flags.with(Flag::Answered),
            'S' => flags.with(Flag::Seen),
            'T' => flags.with(Flag::Deleted),
            _ => flags,
        };
        let passed = (letter == 'P').then(|| Keyword::parse("$Forwarded")).flatten();
        for keyword in keyword.into_iter().chain(passed) {
            if !keywords.contains(&keyword) {
                keywords.push(keyword);
            }
        }
    }
    (flags, keywords)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_they_say() {
        let known = [('a', Keyword::parse("work").unwrap())];
        let (flags, keywords) = info("1.M2P3.host,S=4:2,FSPab", &known);
        assert_eq!(flags, Flags::NONE.with(Flag::Flagged).with(Flag::Seen));
        assert_eq!(keywords.iter().map(Keyword::as_str).collect::<Vec<_>>(), ["$Forwarded", "work"]);
        assert_eq!(info("1.M2P3.host", &known), (Flags::NONE, vec![]));
        assert_eq!(child("", ".Work.Entw&APw-rfe"), "Work/Entwürfe");
        assert_eq!(child("Work", "2024"), "Work/2024");
        assert_eq!(child("", ".a%b"), "a_b");
    }
}
