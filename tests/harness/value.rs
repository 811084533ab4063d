//! An IMAP response as a tree of atoms, strings and lists, whatever way its strings were sent.

/// One element of a response.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// An atom, a number, a flag, or a section name with its brackets.
    Atom(String),
    /// A quoted string or a literal.
    Text(Vec<u8>),
    /// A list in parentheses.
    List(Vec<Value>),
}

impl Value {
    /// The atom's text.
    pub fn atom(&self) -> Option<&str> {
        if let Self::Atom(atom) = self { Some(atom) } else { None }
    }
    /// The number that the atom is.
    pub fn number(&self) -> Option<u64> {
        self.atom()?.parse().ok()
    }
    /// The list's elements.
    pub fn list(&self) -> Option<&[Value]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }
    /// The octets of an atom or a string.
    pub fn octets(&self) -> Option<&[u8]> {
        match self {
            Self::Atom(atom) => Some(atom.as_bytes()),
            Self::Text(text) => Some(text),
            Self::List(_) => None,
        }
    }
    /// Whether it is this atom, in any case.
    pub fn is(&self, word: &str) -> bool {
        self.atom().is_some_and(|atom| atom.eq_ignore_ascii_case(word))
    }
    /// As text for people.
    pub fn show(&self) -> String {
        match self {
            Self::Atom(atom) => atom.clone(),
            Self::Text(text) if text.len() > 300 => {
                let (head, tail) = (text[..150].escape_ascii(), text[text.len() - 150..].escape_ascii());
                format!("\"{head}…{} octets…{tail}\"", text.len())
            }
            Self::Text(text) => format!("\"{}\"", text.escape_ascii()),
            Self::List(list) => format!("({})", list.iter().map(Self::show).collect::<Vec<_>>().join(" ")),
        }
    }
}

/// Reads a whole response, without its `* `. What is no response is an error that says where.
pub fn parse(response: &[u8]) -> Result<Vec<Value>, String> {
    let mut at = 0;
    let values = elements(response, &mut at)?;
    if at == response.len() { Ok(values) } else { Err(format!("unexpected octet at {at}")) }
}

fn elements(from: &[u8], at: &mut usize) -> Result<Vec<Value>, String> {
    let mut values = Vec::new();
    loop {
        match from.get(*at) {
            None | Some(b')') => return Ok(values),
            Some(b' ') => *at += 1,
            Some(b'(') => {
                *at += 1;
                values.push(Value::List(elements(from, at)?));
                if from.get(*at) != Some(&b')') {
                    return Err(format!("a list does not end at {at}"));
                }
                *at += 1;
            }
            Some(b'"') => values.push(Value::Text(quoted(from, at)?)),
            Some(b'{') => values.push(Value::Text(literal(from, at)?)),
            // literal8 (RFC 3516).
            Some(b'~') if from.get(*at + 1) == Some(&b'{') => *at += 1,
            Some(_) => values.push(Value::Atom(atom(from, at)?)),
        }
    }
}

fn quoted(from: &[u8], at: &mut usize) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    *at += 1;
    loop {
        match from.get(*at) {
            Some(b'"') => {
                *at += 1;
                return Ok(out);
            }
            Some(b'\\') => {
                out.push(*from.get(*at + 1).ok_or("a quoted string ends in a backslash")?);
                *at += 2;
            }
            Some(&octet) => {
                out.push(octet);
                *at += 1;
            }
            None => return Err("a quoted string does not end".to_owned()),
        }
    }
}

fn literal(from: &[u8], at: &mut usize) -> Result<Vec<u8>, String> {
    let rest = &from[*at + 1..];
    let digits = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let length: usize = String::from_utf8_lossy(&rest[..digits]).parse().map_err(|_| "a literal without its length")?;
    if !rest[digits..].starts_with(b"}\r\n") {
        return Err("a literal's length does not end its line".to_owned());
    }
    let start = *at + 1 + digits + 3;
    let octets = from.get(start..start + length).ok_or("a literal is cut off")?;
    *at = start + length;
    Ok(octets.to_vec())
}

/// An atom; a section in brackets belongs to it, with its spaces, parentheses and quotes.
fn atom(from: &[u8], at: &mut usize) -> Result<String, String> {
    let start = *at;
    let mut bracket = false;
    while let Some(&octet) = from.get(*at) {
        match octet {
            b'[' => bracket = true,
            b']' => bracket = false,
            b' ' | b'(' | b')' | b'"' if !bracket => break,
            _ => {}
        }
        *at += 1;
    }
    String::from_utf8(from[start..*at].to_vec()).map_err(|_| format!("an atom at {start} is no text"))
}

#[test]
fn reads_what_servers_send() {
    let response =
        b"3 FETCH (FLAGS (\\Seen $a) BODY[HEADER.FIELDS (\"A\" b)]<0> {3}\r\n)\"( X (NIL(\"a\\\"b\")) ~{1}\r\n\0)";
    let values = parse(response).expect("a response");
    let shown: Vec<String> = values.iter().map(Value::show).collect();
    assert_eq!(
        shown.join(" "),
        r#"3 FETCH (FLAGS (\Seen $a) BODY[HEADER.FIELDS ("A" b)]<0> ")\"(" X (NIL ("a\"b")) "\x00")"#
    );
    assert!(parse(b"1 (").is_err() && parse(b"a)").is_err() && parse(b"{5}\r\nabc").is_err());
}
