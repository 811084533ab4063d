//! Address lists of RFC 5322 §3.4 and §4.4, read tolerantly and handed out one by one; nothing is kept.

use crate::lex;

/// What an address list is made of, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// A group begins; its members follow.
    GroupStart(&'a [u8]),
    /// The group ends.
    GroupEnd,
    /// One mailbox.
    Mailbox(Mailbox<'a>),
}

/// One mailbox of a list; encoded words are left as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mailbox<'a> {
    /// The display name, or the comment that stands for one (RFC 5322 §3.4, last paragraph but one).
    pub(crate) name: Option<&'a [u8]>,
    /// The source route (RFC 5322 §4.4 `obs-route`) without its colon.
    pub(crate) route: Option<&'a [u8]>,
    /// The local-part, unquoted.
    pub(crate) local: &'a [u8],
    /// The domain; empty where there is none.
    pub(crate) domain: &'a [u8],
}

/// Hands the items of a list to `take` until it answers `false`.
pub(crate) fn each(list: &[u8], take: &mut dyn FnMut(Item<'_>) -> bool) {
    let mut reader = Reader { rest: list, ..Reader::default() };
    while reader.step(take) {}
}

/// Words of a display name, or the text of a comment.
#[derive(Default)]
struct Text(Vec<u8>);

impl Text {
    fn word(&mut self, word: &[u8], spaced: bool) {
        if spaced && !self.0.is_empty() {
            self.0.push(b' ');
        }
        self.0.extend_from_slice(word);
    }
    fn given(&self) -> Option<&[u8]> {
        let text = lex::trim(&self.0);
        (!text.is_empty()).then_some(text)
    }
}

/// `local@domain` as it grows; white space around dots and the at sign is no part of it (RFC 5322 §4.4).
#[derive(Default)]
struct Path {
    text: Vec<u8>,
    at: Option<usize>,
}

impl Path {
    fn word(&mut self, word: &[u8], spaced: bool) {
        let joins = |byte: Option<&u8>| matches!(byte, Some(b'.' | b'@') | None);
        if spaced && !joins(self.text.last()) && !joins(word.first()) {
            self.text.push(b' ');
        }
        self.text.extend_from_slice(word);
    }
    fn at(&mut self) {
        self.at = Some(self.text.len());
        self.text.push(b'@');
    }
    fn clear(&mut self) {
        self.text.clear();
        self.at = None;
    }
    fn parts(&self) -> (&[u8], &[u8]) {
        let Some(at) = self.at else { return (&self.text, &[]) };
        let (local, domain) = lex::split(&self.text, at);
        (local, domain.get(1..).unwrap_or_default())
    }
}

/// The reader's state between two items.
#[derive(Default)]
struct Reader<'a> {
    rest: &'a [u8],
    phrase: Text,
    path: Path,
    route: Vec<u8>,
    comment: Text,
    word: Vec<u8>,
    spaced: bool,
    angled: bool,
    in_group: bool,
}

impl Reader<'_> {
    /// Reads one token; `false` at the end, or when enough was taken.
    fn step(&mut self, take: &mut dyn FnMut(Item<'_>) -> bool) -> bool {
        let [byte, after @ ..] = self.rest else {
            if self.flush(take) && self.in_group {
                take(Item::GroupEnd);
            }
            return false;
        };
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => {
                self.rest = after;
                self.spaced = true;
            }
            b',' => {
                self.rest = after;
                return self.flush(take);
            }
            b';' => {
                self.rest = after;
                let ends = std::mem::take(&mut self.in_group);
                return self.flush(take) && (!ends || take(Item::GroupEnd));
            }
            b':' if !self.in_group && !self.angled => {
                self.rest = after;
                self.in_group = true;
                let more = take(Item::GroupStart(self.phrase.given().unwrap_or_default()));
                self.forget();
                return more;
            }
            b'<' if !self.angled => {
                self.rest = after;
                self.angle();
            }
            b'(' => self.comment(),
            _ => self.word(),
        }
        true
    }

    fn comment(&mut self) {
        self.comment.0.clear();
        self.rest = lex::comment(self.rest, &mut self.comment.0);
        self.spaced = true;
    }

    /// An atom with its dots, a quoted string, a domain literal, an at sign; what follows `<…>` says nothing.
    fn word(&mut self) {
        let at_sign = self.next_word();
        if self.angled {
            return;
        }
        self.phrase.word(&self.word, self.spaced);
        if at_sign {
            self.path.at();
        } else {
            self.path.word(&self.word, self.spaced);
        }
        self.spaced = false;
    }

    /// Reads the next word into `word`; whether it is an at sign.
    fn next_word(&mut self) -> bool {
        self.word.clear();
        let rest = self.rest;
        let taken = match rest {
            [b'"', ..] => {
                self.rest = lex::quoted(rest, &mut self.word);
                return false;
            }
            [b'[', ..] => rest.iter().position(|byte| *byte == b']').map_or(rest.len(), |end| end + 1),
            _ => {
                let special = |byte: &u8| lex::is_space(*byte) || b",;:<>()@\"[".contains(byte);
                rest.iter().position(special).unwrap_or(rest.len()).max(1)
            }
        };
        let (word, rest) = lex::split(rest, taken);
        self.rest = rest;
        self.word.extend(word.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
        word == b"@"
    }

    /// What stands between `<` and `>`; an unclosed one ends at the next comma.
    fn angle(&mut self) {
        self.angled = true;
        self.path.clear();
        self.spaced = false;
        while let [byte, after @ ..] = self.rest {
            let routed = self.path.text.first() == Some(&b'@') && self.route.is_empty();
            match byte {
                b'>' => {
                    self.rest = after;
                    return;
                }
                b',' if !routed => return,
                b',' => {
                    self.rest = after;
                    self.path.text.push(b',');
                }
                b':' if routed => {
                    self.rest = after;
                    std::mem::swap(&mut self.route, &mut self.path.text);
                    self.path.clear();
                }
                b'(' => self.rest = lex::comment(self.rest, &mut Vec::new()),
                b'<' => self.rest = after,
                byte if lex::is_space(*byte) => self.rest = after,
                _ if self.next_word() => self.path.at(),
                _ => self.path.word(&self.word, false),
            }
        }
    }

    /// Hands out what was read since the last comma, if it is anything.
    fn flush(&mut self, take: &mut dyn FnMut(Item<'_>) -> bool) -> bool {
        let (local, domain) = self.path.parts();
        let name = if self.angled { self.phrase.given().or(self.comment.given()) } else { self.comment.given() };
        let empty = self.path.text.is_empty() && (!self.angled || name.is_none());
        let route = (!self.route.is_empty()).then_some(self.route.as_slice());
        let more = empty || take(Item::Mailbox(Mailbox { name, route, local, domain }));
        self.forget();
        more
    }

    fn forget(&mut self) {
        self.phrase.0.clear();
        self.path.clear();
        self.route.clear();
        self.comment.0.clear();
        self.spaced = false;
        self.angled = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let given = |bytes: Option<&[u8]>| bytes.map_or("-".to_owned(), text);
        let mut out = Vec::new();
        each(list.as_bytes(), &mut |item| {
            out.push(match item {
                Item::GroupStart(name) => format!("{}:", text(name)),
                Item::GroupEnd => ";".to_owned(),
                Item::Mailbox(m) => {
                    format!("{}|{}|{}|{}", given(m.name), given(m.route), text(m.local), text(m.domain))
                }
            });
            true
        });
        out
    }

    #[test]
    fn mailboxes() {
        assert_eq!(read("a@b.example"), ["-|-|a|b.example"]);
        assert_eq!(read("Ann Bo <a@b>, \"Bo, C.\" <c@d>"), ["Ann Bo|-|a|b", "Bo, C.|-|c|d"]);
        assert_eq!(read("John Q. Public <j@x>"), ["John Q. Public|-|j|x"]);
        assert_eq!(read("=?utf-8?q?J=C3=B8rn?= <j@x>"), ["=?utf-8?q?J=C3=B8rn?=|-|j|x"]);
        assert_eq!(read("\"joe smith\"@x.example"), ["-|-|joe smith|x.example"]);
        assert_eq!(read("\"a@b\"@c"), ["-|-|a@b|c"]);
        assert_eq!(read("joe@[192.0.2.1], x@[IPv6:2001:db8::1]"), ["-|-|joe|[192.0.2.1]", "-|-|x|[IPv6:2001:db8::1]"]);
        assert_eq!(read("Jørn <jørn@bücher.example>"), ["Jørn|-|jørn|bücher.example"]);
    }

    #[test]
    fn comments_and_folding() {
        assert_eq!(read("a@b (Ann\r\n Bo)"), ["Ann Bo|-|a|b"]);
        assert_eq!(read("(x)a(y)@(z)b"), ["z|-|a|b"]);
        assert_eq!(read("Ann (the one) Bo <a@b> (no)"), ["Ann Bo|-|a|b"]);
        assert_eq!(read("<a@b> (Ann)"), ["Ann|-|a|b"]);
        assert_eq!(read("\"Ann\r\n Bo\" <a@b>"), ["Ann Bo|-|a|b"]);
    }

    #[test]
    fn groups() {
        assert_eq!(read("undisclosed-recipients:;"), ["undisclosed-recipients:", ";"]);
        assert_eq!(read("A Group: a@b, C <c@d>;, e@f"), ["A Group:", "-|-|a|b", "C|-|c|d", ";", "-|-|e|f"]);
        assert_eq!(read("open: a@b"), ["open:", "-|-|a|b", ";"]);
    }

    #[test]
    fn obsolete_syntax() {
        assert_eq!(read("joe . smith @ example . com"), ["-|-|joe.smith|example.com"]);
        assert_eq!(read("Joe <@a.example,@b.example:joe @ c.example>"), ["Joe|@a.example,@b.example|joe|c.example"]);
        assert_eq!(read(",, a@b ,, ,c@d,"), ["-|-|a|b", "-|-|c|d"]);
    }

    #[test]
    fn broken_ones_end_somewhere() {
        assert_eq!(read(""), [""; 0]);
        assert_eq!(read("<>"), [""; 0]);
        assert_eq!(read("MAILER-DAEMON <>"), ["MAILER-DAEMON|-||"]);
        assert_eq!(read("root"), ["-|-|root|"]);
        assert_eq!(read("Ann <a@b, c@d"), ["Ann|-|a|b", "-|-|c|d"]);
        assert_eq!(read("a@b; c@d"), ["-|-|a|b", "-|-|c|d"]);
        assert_eq!(read("\"open <a@b>"), ["-|-|open <a@b>|"]);
        assert_eq!(read("a@b (open"), ["open|-|a|b"]);
        assert_eq!(read("> a ) b"), ["-|-|> a ) b|"]);
        assert_eq!(read("x <<a@b>>"), ["x|-|a|b"]);
        assert_eq!(read("a@b@c"), ["-|-|a@b|c"]);
    }

    #[test]
    fn it_stops_when_told() {
        let mut seen = 0;
        each(b"g: a@b, c@d;, e@f", &mut |_| {
            seen += 1;
            seen < 2
        });
        assert_eq!(seen, 2);
    }
}
