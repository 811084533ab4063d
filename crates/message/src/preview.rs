//! The first words of a message, as a list of messages shows them (RFC 8970): made once, when a message is stored.

use crate::structure::{Kind, Part, Structure, TextKind};
use crate::text::body_text;

/// Characters of a preview. RFC 8970 §3.1: 200 where possible, never more than 256.
pub const PREVIEW_CHARS_MAX: usize = 200;
/// Octets from the start of a message that are enough to make its preview; text that begins behind them has none.
pub const PREVIEW_SOURCE_BYTES: usize = 64 * 1024;
/// Octets of plain text that are looked at: 200 characters of four octets, each written with three, and quoted lines.
const PLAIN_BYTES_MAX: usize = 8 * 1024;
/// Octets of HTML that are looked at: style sheets come first.
const HTML_BYTES_MAX: usize = 32 * 1024;
/// Text parts that are tried for one with words in it.
const PARTS_TRIED_MAX: usize = 3;

/// The preview of a message of which `start` are the first octets, [`PREVIEW_SOURCE_BYTES`] of them if there are so many.
/// Empty when the message has no text.
pub fn preview(start: &[u8], structure: &Structure) -> String {
    let texts = structure.parts().iter().filter_map(|part| Some((part, kind(part)?))).take(PARTS_TRIED_MAX);
    let mut found = texts.map(|(part, kind)| of_part(start, part, kind));
    found.find(|words| !words.is_empty()).unwrap_or_default()
}

/// Plain text and HTML; other text types are calendars and the like.
fn kind(part: &Part) -> Option<TextKind> {
    match &part.kind {
        Kind::Leaf(leaf) => leaf.text.filter(|kind| *kind != TextKind::Other),
        Kind::Multipart | Kind::Message => None,
    }
}

fn of_part(start: &[u8], part: &Part, kind: TextKind) -> String {
    let most = if kind == TextKind::Html { HTML_BYTES_MAX } else { PLAIN_BYTES_MAX } as u64;
    let end = part.body.end.min(part.body.start.saturating_add(most)).min(start.len() as u64);
    let cut = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    let Some(raw) = start.get(cut(part.body.start)..cut(end)) else { return String::new() };
    let text = body_text(raw, part);
    if kind == TextKind::Html { words(text.split_whitespace()) } else { words(unquoted(&text)) }
}

/// The words of all lines but those that quote another message, and no signature.
fn unquoted(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().take_while(|line| line.trim_end() != "--");
    lines.filter(|line| !line.starts_with('>')).flat_map(str::split_whitespace)
}

/// Words with one space between them, as many characters as there is room for; nothing that is not to be seen.
fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::new();
    let mut room = PREVIEW_CHARS_MAX;
    for word in words {
        let mut shown = word.chars().filter(|character| !is_hidden(*character)).peekable();
        if shown.peek().is_none() {
            continue;
        }
        if !out.is_empty() {
            if room < 2 {
                break;
            }
            out.push(' ');
            room -= 1;
        }
        for character in shown {
            if room == 0 {
                return out;
            }
            out.push(character);
            room -= 1;
        }
    }
    out
}

/// Controls, and what newsletters fill their previews with.
const fn is_hidden(character: char) -> bool {
    matches!(character, '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}')
        || matches!(character, '\u{2060}'..='\u{2064}' | '\u{fe0f}' | '\u{feff}' | '\u{fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scanner;

    fn of(message: &str) -> String {
        let mut scanner = Scanner::new();
        scanner.push(message.as_bytes());
        let start = &message.as_bytes()[..message.len().min(PREVIEW_SOURCE_BYTES)];
        preview(start, scanner.finish().structure())
    }

    #[test]
    fn words_of_plain_text() {
        assert_eq!(
            of("Subject: x\r\n\r\nHello,\r\n  \tsee \x07below.\r\n> you wrote\r\n-- \r\nAnn\r\n"),
            "Hello, see below."
        );
        assert_eq!(of("Subject: x\r\n\r\n"), "");
        assert_eq!(of(""), "");
        let long = of(&format!("\r\n{}", "\u{e6}".repeat(500)));
        assert_eq!(long, "\u{e6}".repeat(PREVIEW_CHARS_MAX));
        assert_eq!(of(&format!("\r\n{}", "ab ".repeat(500))).chars().count(), 200);
        assert_eq!(of("\r\na \u{200b}\u{34f} b"), "a b");
    }

    #[test]
    fn encodings_and_charsets() {
        let text = "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nJ=F8r=\r\nn";
        assert_eq!(of(text), "J\u{f8}rn");
    }

    #[test]
    fn html_and_the_first_text_with_words() {
        let html = "Content-Type: text/html\r\n\r\n<style>p {}</style><p>Big&nbsp;<b>news</b></p>";
        assert_eq!(of(html), "Big news");
        let mixed = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: image/png\r\n\r\nPNG\r\n--b\r\n\r\n \r\n\
                     --b\r\nContent-Type: text/html\r\n\r\n<i>here</i>\r\n--b--\r\n";
        assert_eq!(of(mixed), "here");
        assert_eq!(of("Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR"), "");
    }

    #[test]
    fn text_that_begins_too_late_has_none() {
        let late = format!("X: {}\r\n\r\nhello", "y".repeat(PREVIEW_SOURCE_BYTES));
        assert_eq!(of(&late), "");
    }
}
