//! The values of which responses are made: atoms, strings, lists (RFC 9051 §4). Bounded, and never a panic, whatever comes.

/// Lists inside each other: FLAGS, ENVELOPE and NAMESPACE have three.
const DEPTH_MAX: usize = 8;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// An atom, a number, NIL.
    Atom(Vec<u8>),
    /// A quoted string or a literal.
    Text(Vec<u8>),
    /// A list.
    List(Vec<Value>),
}

impl Value {
    /// An atom or a string.
    pub fn octets(&self) -> Option<&[u8]> {
        match self {
            Self::Atom(octets) | Self::Text(octets) => Some(octets),
            Self::List(_) => None,
        }
    }

    /// The same, if it is text.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.octets()?).ok()
    }

    /// A number.
    pub fn number(&self) -> Option<u32> {
        match self {
            Self::Atom(_) => self.text()?.parse().ok(),
            Self::Text(_) | Self::List(_) => None,
        }
    }

    /// The members of a list.
    pub fn list(&self) -> Option<&[Value]> {
        match self {
            Self::List(values) => Some(values),
            Self::Atom(_) | Self::Text(_) => None,
        }
    }

    /// Whether it is this atom, in any case.
    pub fn is(&self, atom: &str) -> bool {
        matches!(self, Self::Atom(octets) if octets.eq_ignore_ascii_case(atom.as_bytes()))
    }
}

/// The values of a response; `None` when it is malformed.
pub fn parse(response: &[u8]) -> Option<Vec<Value>> {
    let mut rest = response.strip_suffix(b"\r\n").unwrap_or(response);
    let values = values(&mut rest, 0)?;
    rest.is_empty().then_some(values)
}

/// Values up to the end, or to a closing parenthesis.
fn values(rest: &mut &[u8], depth: usize) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    loop {
        match rest.first() {
            None | Some(b')') => return Some(values),
            Some(b' ') => *rest = rest.get(1..)?,
            Some(b'(') => {
                if depth >= DEPTH_MAX {
                    return None;
                }
                *rest = rest.get(1..)?;
                let list = self::values(rest, depth + 1)?;
                *rest = rest.strip_prefix(b")")?;
                values.push(Value::List(list));
            }
            Some(b'"') => values.push(Value::Text(quoted(rest)?)),
            Some(b'{') => values.push(Value::Text(literal(rest)?)),
            Some(_) => values.push(Value::Atom(atom(rest)?)),
        }
    }
}

fn quoted(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut at = 1;
    loop {
        match rest.get(at)? {
            b'"' => break,
            b'\\' => {
                text.push(*rest.get(at + 1)?);
                at += 2;
            }
            b'\r' | b'\n' => return None,
            other => {
                text.push(*other);
                at += 1;
            }
        }
    }
    *rest = rest.get(at + 1..)?;
    Some(text)
}

fn literal(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let end = memchr::memmem::find(rest, b"}\r\n")?;
    let size: usize = std::str::from_utf8(rest.get(1..end)?).ok()?.parse().ok()?;
    let from = end + 3;
    let text = rest.get(from..from.checked_add(size)?)?.to_vec();
    *rest = rest.get(from + size..)?;
    Some(text)
}

/// An atom; brackets hold what would end one, as in `BODY[HEADER.FIELDS (X)]` and response codes.
fn atom(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let mut brackets = 0_usize;
    let end = rest.iter().position(|octet| {
        match octet {
            b'[' => brackets += 1,
            b']' => brackets = brackets.saturating_sub(1),
            b' ' | b'(' | b')' | b'"' if brackets == 0 => return true,
            b'\r' | b'\n' => return true,
            _ => {}
        }
        false
    });
    let end = end.unwrap_or(rest.len());
    if end == 0 {
        return None;
    }
    let (atom, after) = rest.split_at(end);
    *rest = after;
    Some(atom.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn atom(text: &str) -> Value {
        Value::Atom(text.as_bytes().to_vec())
    }
    fn text(text: &str) -> Value {
        Value::Text(text.as_bytes().to_vec())
    }

    #[test]
    fn responses_are_read() {
        assert_eq!(
            parse(b"LIST (\\HasNoChildren \\Sent) \"/\" \"a \\\"b\\\\\"\r\n"),
            Some(vec![
                atom("LIST"),
                Value::List(vec![atom("\\HasNoChildren"), atom("\\Sent")]),
                text("/"),
                text("a \"b\\")
            ])
        );
        assert_eq!(
            parse(b"2 FETCH (UID 3 BODY[] {3}\r\n)\r\n FLAGS ())\r\n"),
            Some(vec![
                atom("2"),
                atom("FETCH"),
                Value::List(vec![
                    atom("UID"),
                    atom("3"),
                    atom("BODY[]"),
                    text(")\r\n"),
                    atom("FLAGS"),
                    Value::List(vec![])
                ])
            ])
        );
        assert_eq!(parse(b"OK [X (a b)] c"), Some(vec![atom("OK"), atom("[X (a b)]"), atom("c")]));
        for bad in [&b"("[..], b")", b"\"a", b"{3}\r\nab", b"{x}\r\n", b"\"a\\", b"a\nb"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        assert_eq!(parse("(".repeat(10_000).as_bytes()), None);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            "[A-Za-z0-9\\\\$.]{1,12}".prop_map(|atom| Value::Atom(atom.into_bytes())),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Text),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| proptest::collection::vec(inner, 0..6).prop_map(Value::List))
    }

    fn print(value: &Value, out: &mut Vec<u8>) {
        match value {
            Value::Atom(octets) => out.extend_from_slice(octets),
            Value::Text(octets) => {
                out.extend_from_slice(format!("{{{}}}\r\n", octets.len()).as_bytes());
                out.extend_from_slice(octets);
            }
            Value::List(values) => {
                out.push(b'(');
                for (at, value) in values.iter().enumerate() {
                    if at > 0 {
                        out.push(b' ');
                    }
                    print(value, out);
                }
                out.push(b')');
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(value in any_value()) {
            let mut printed = Vec::new();
            print(&value, &mut printed);
            prop_assert_eq!(parse(&printed), Some(vec![value]));
        }

        #[test]
        fn anything_is_read_or_refused(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&octets);
        }

        #[test]
        fn anything_like_a_response_is_read_or_refused(text in "[()\\[\\]{}\"\\\\ a1\r\n]{0,80}") {
            let _ = parse(text.as_bytes());
        }
    }
}
