//! Attachments that run when they are opened, by their names, and by the names inside an archive.

use crate::limits::ARCHIVE_NAMES_MAX;
use crate::policy::Reason;
use memchr::memmem;
use message::{Encoding, Leaf};

/// What an attachment counts that runs.
const RUNS_SCORE: f64 = 6.0;
/// What an archive counts that only its reader can look into.
const LOCKED_SCORE: f64 = 1.5;
/// Extensions of what common systems run, mount or script without asking much.
const RUNS: [&str; 36] = [
    "ade", "bat", "chm", "cmd", "com", "cpl", "dll", "exe", "hta", "img", "ins", "iso", "isp", "jar", "js", "jse",
    "lnk", "mde", "msc", "msi", "msp", "mst", "pif", "ps1", "reg", "scr", "sct", "shb", "sys", "vb", "vbe", "vbs",
    "vhd", "vxd", "wsf", "wsh",
];

/// Of one part.
pub fn signs(header: &[u8], body: &[u8], leaf: &Leaf) -> Vec<Reason> {
    let mut signs = Vec::new();
    if names(header).iter().any(|name| runs(name)) {
        signs.push(("attachment-runs".into(), RUNS_SCORE));
    }
    if leaf.text.is_none() {
        let decoded = match leaf.encoding {
            Encoding::Base64 => base64(body),
            Encoding::SevenBit | Encoding::EightBit | Encoding::Binary => body.to_vec(),
            Encoding::QuotedPrintable | Encoding::Other => Vec::new(),
        };
        signs.extend(archive(&decoded));
    }
    signs
}

/// Every value of `name` and `filename` in a part's header, also in pieces and with a charset (RFC 2231).
fn names(header: &[u8]) -> Vec<String> {
    let text = message::text::decoded_header(header);
    let mut names = Vec::new();
    let mut whole = String::new();
    for parameter in text.split(['\n', ';']) {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        let name = name.trim().to_ascii_lowercase();
        if !(name.starts_with("name") || name.starts_with("filename")) {
            continue;
        }
        let value = value.trim().trim_matches('"');
        // charset'language'value
        let value = if name.ends_with('*') { value.rsplit('\'').next().unwrap_or(value) } else { value };
        whole.push_str(value);
        names.push(value.to_owned());
    }
    names.push(whole);
    names
}

/// Whether a file of this name runs.
fn runs(name: &str) -> bool {
    let name = name.trim_end_matches(['.', ' ', '\0']).to_ascii_lowercase();
    name.rsplit_once('.').is_some_and(|(_, extension)| RUNS.binary_search(&extension).is_ok())
}

/// Of a ZIP archive, by the headers in front of its files: as far as it is here.
fn archive(bytes: &[u8]) -> Vec<Reason> {
    const LOCAL: &[u8] = b"PK\x03\x04";
    if !bytes.starts_with(LOCAL) {
        return Vec::new();
    }
    let mut signs: Vec<Reason> = Vec::new();
    for at in memmem::find_iter(bytes, LOCAL).take(ARCHIVE_NAMES_MAX) {
        let Some(header) = bytes.get(at..at + 30) else { break };
        let number = |at: usize| header.get(at..at + 2).map_or(0, |pair| u16::from_le_bytes([pair[0], pair[1]]));
        let (flags, length) = (number(6), usize::from(number(26)));
        let name = String::from_utf8_lossy(bytes.get(at + 30..at + 30 + length).unwrap_or_default());
        let found = if runs(&name) {
            ("archive-runs", RUNS_SCORE)
        } else if flags & 1 == 1 {
            ("archive-locked", LOCKED_SCORE)
        } else {
            continue;
        };
        if !signs.iter().any(|(known, _)| known == found.0) {
            signs.push((found.0.into(), found.1));
        }
    }
    signs
}

/// The octets of base64, as far as they are any.
fn base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => break,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 1;
        if count == 4 {
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, count) = (0, 0);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_order() {
        assert!(RUNS.is_sorted());
    }

    #[test]
    fn names_in_every_form() {
        let runs_in = |header: &str| names(header.as_bytes()).iter().any(|name| runs(name));
        assert!(runs_in("Content-Disposition: attachment; filename=\"Invoice.PDF.exe\"\r\n\r\n"));
        assert!(runs_in("Content-Type: a/b; name=x.scr.\r\n\r\n"));
        assert!(runs_in("Content-Disposition: attachment; filename*=utf-8''x.js\r\n\r\n"));
        assert!(runs_in("Content-Disposition: attachment;\r\n filename*0=\"x.e\";\r\n filename*1=\"xe\"\r\n\r\n"));
        assert!(!runs_in("Content-Disposition: attachment; filename=exe\r\n\r\n"));
        assert!(!runs_in("Content-Disposition: attachment; filename=x.pdf\r\n\r\n"));
    }

    #[test]
    fn names_within_an_archive() {
        let file = |name: &str, flags: u8| {
            let mut header = b"PK\x03\x04\x14\0".to_vec();
            header.extend([flags, 0]);
            header.extend([0; 18]);
            header.extend((name.len() as u16).to_le_bytes());
            header.extend([0, 0]);
            header.extend(name.as_bytes());
            header
        };
        let of = |bytes: &[u8]| archive(bytes).into_iter().map(|(name, _)| name.into_owned()).collect::<Vec<_>>();
        assert_eq!(of(&[file("a.txt", 0), file("b/c.exe", 0), file("d.exe", 0)].concat()), ["archive-runs"]);
        assert_eq!(of(&file("a.txt", 1)), ["archive-locked"]);
        assert_eq!(of(b"PK\x03\x04\x14"), Vec::<String>::new());
        assert_eq!(of(b"no archive"), Vec::<String>::new());
        assert_eq!(base64(b"UEsD\r\nBA=="), b"PK\x03");
    }
}
