//! Names of folders as names of files: safe on the file systems people have, and reversible.
//!
//! What a file system might not take is written `%XX`, octet by octet. A level that is too long is cut, and ends in `%~` and
//! a digest; what it was stands in the manifest.

use super::limits::LEVEL_BYTES_MAX;
use super::manifest::MANIFEST;
use super::piece::hex;

/// Ends that files of an export have: a folder that is called so would meet them.
const ENDS: [&str; 3] = [".mbox", ".eml", ".jsonl"];
/// Names of devices on Windows, with any end.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// One level of a folder's name as the name of a file.
pub fn level(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let end = ENDS.iter().find(|end| lower.ends_with(*end)).map(|end| name.len() - end.len());
    let mut out = String::with_capacity(name.len());
    for (at, c) in name.char_indices() {
        let first = at == 0 && (c == '.' || c == ' ' || is_device(&lower) || name == MANIFEST);
        let last = at + c.len_utf8() == name.len() && (c == '.' || c == ' ');
        if first || last || end == Some(at) || c.is_control() || "%/\\:*?\"<>|".contains(c) {
            let mut octets = [0; 4];
            out.extend(c.encode_utf8(&mut octets).bytes().map(|octet| format!("%{octet:02X}")));
        } else {
            out.push(c);
        }
    }
    fitting(name, out)
}

/// What was made of a name, shortened if it is longer than a file's name may be.
pub fn fitting(name: &str, encoded: String) -> String {
    if encoded.len() > LEVEL_BYTES_MAX { shortened(name, &encoded) } else { encoded }
}

/// A whole name, level by level.
pub fn levels(name: &str) -> impl Iterator<Item = String> {
    name.split(model::folder::SEPARATOR).map(level)
}

fn is_device(lower: &str) -> bool {
    let stem = lower.split('.').next().unwrap_or_default();
    let numbered = |prefix: &str| {
        stem.strip_prefix(prefix).is_some_and(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit())
    };
    DEVICES.contains(&stem) || numbered("com") || numbered("lpt")
}

fn shortened(name: &str, encoded: &str) -> String {
    let digest = hex(vault::digest(name.as_bytes()).get(..8).unwrap_or_default());
    let mut end = LEVEL_BYTES_MAX - digest.len() - 2;
    // Neither a character nor an escape is cut in two.
    while !encoded.is_char_boundary(end) || encoded.get(..end).is_some_and(cuts_escape) {
        end -= 1;
    }
    format!("{}%~{digest}", encoded.get(..end).unwrap_or_default())
}

fn cuts_escape(kept: &str) -> bool {
    kept.ends_with('%') || kept.get(kept.len().saturating_sub(2)..).is_some_and(|end| end.starts_with('%'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(name: &str) -> String {
        let mut out = Vec::new();
        let mut rest = name.as_bytes();
        while let [first, after @ ..] = rest {
            match (first, after) {
                (b'%', [a, b, after @ ..]) => {
                    out.push(u8::from_str_radix(std::str::from_utf8(&[*a, *b]).unwrap(), 16).unwrap());
                    rest = after;
                }
                _ => {
                    out.push(*first);
                    rest = after;
                }
            }
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_are_safe_and_come_back() {
        let names = [
            ("Work", "Work"),
            ("Ærø 東京", "Ærø 東京"),
            (".", "%2E"),
            ("..", "%2E%2E"),
            (".hidden.", "%2Ehidden%2E"),
            (" a ", "%20a%20"),
            ("100%/x", "100%25%2Fx"),
            ("a:b\\c|d", "a%3Ab%5Cc%7Cd"),
            ("con", "%63on"),
            ("COM1.txt", "%43OM1.txt"),
            ("common", "common"),
            ("x.MBOX", "x%2EMBOX"),
            ("1.eml", "1%2Eeml"),
            ("brevdue-export.jsonl", "%62revdue-export%2Ejsonl"),
            ("a\u{85}b", "a%C2%85b"),
        ];
        for (name, file) in names {
            assert_eq!(level(name), file);
            assert_eq!(back(file), name);
        }
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let (one, other) = (level(&"æ".repeat(300)), level(&"æ".repeat(301)));
        assert!(one.len() <= LEVEL_BYTES_MAX && other.len() <= LEVEL_BYTES_MAX);
        assert_ne!(one, other);
        assert!(one.contains("%~"));
        let escapes = level(&":".repeat(300));
        let (kept, _) = escapes.split_once("%~").unwrap();
        assert_eq!(back(kept), ":".repeat(kept.len() / 3));
        assert_eq!(level(&"x".repeat(LEVEL_BYTES_MAX)).len(), LEVEL_BYTES_MAX);
    }
}
