//! A strict reader of `envelope` and `body` as RFC 3501 §9 has them: what it accepts, an IMAP4rev1 client can read.

/// A value of an IMAP answer.
#[derive(Debug, PartialEq)]
pub enum Value {
    Nil,
    Number(u64),
    Text(Vec<u8>),
    List(Vec<Value>),
}

impl Value {
    fn list(&self) -> Result<&[Value], String> {
        match self {
            Self::List(values) => Ok(values),
            other => Err(format!("a list is wanted: {other:?}")),
        }
    }
    fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }
    fn is_nstring(&self) -> bool {
        self.is_text() || *self == Self::Nil
    }
    fn is(&self, text: &str) -> bool {
        matches!(self, Self::Text(own) if own.eq_ignore_ascii_case(text.as_bytes()))
    }
}

/// Reads one value that is all of `bytes`.
pub fn parse(bytes: &[u8]) -> Result<Value, String> {
    let mut rest = bytes;
    let value = value(&mut rest, 0)?;
    if rest.is_empty() { Ok(value) } else { Err(format!("something follows: {:?}", String::from_utf8_lossy(rest))) }
}

fn value(rest: &mut &[u8], depth: usize) -> Result<Value, String> {
    match rest.first() {
        Some(b'(') if depth < 200 => list(rest, depth),
        Some(b'"') => quoted(rest),
        Some(b'{') => literal(rest),
        Some(b'0'..=b'9') => {
            let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
            let digits = std::str::from_utf8(&rest[..end]).map_err(|error| error.to_string())?;
            *rest = &rest[end..];
            digits.parse().map(Value::Number).map_err(|error| error.to_string())
        }
        _ if rest.starts_with(b"NIL") => {
            *rest = &rest[3..];
            Ok(Value::Nil)
        }
        other => Err(format!("no value begins with {other:?}")),
    }
}

/// One space between values, but none between lists (`1*address`, `1*body`).
fn list(rest: &mut &[u8], depth: usize) -> Result<Value, String> {
    *rest = &rest[1..];
    let mut values = Vec::new();
    loop {
        values.push(value(rest, depth + 1)?);
        match rest.first() {
            Some(b')') => {
                *rest = &rest[1..];
                return Ok(Value::List(values));
            }
            Some(b' ') => *rest = &rest[1..],
            Some(b'(') if matches!(values.last(), Some(Value::List(_))) => {}
            other => return Err(format!("{other:?} in a list")),
        }
    }
}

fn quoted(rest: &mut &[u8]) -> Result<Value, String> {
    let mut text = Vec::new();
    let mut at = 1;
    loop {
        match rest.get(at) {
            Some(b'"') => {
                *rest = &rest[at + 1..];
                return Ok(Value::Text(text));
            }
            Some(b'\\') => {
                at += 1;
                match rest.get(at) {
                    Some(byte @ (b'"' | b'\\')) => text.push(*byte),
                    other => return Err(format!("{other:?} is escaped")),
                }
            }
            Some(byte) if (1..=127).contains(byte) && !b"\r\n".contains(byte) => text.push(*byte),
            other => return Err(format!("{other:?} in a quoted string")),
        }
        at += 1;
    }
}

fn literal(rest: &mut &[u8]) -> Result<Value, String> {
    let end = rest.iter().position(|byte| *byte == b'}').ok_or("a literal without its brace")?;
    let length: usize =
        std::str::from_utf8(&rest[1..end]).ok().and_then(|text| text.parse().ok()).ok_or("no length")?;
    let after = rest[end + 1..].strip_prefix(b"\r\n").ok_or("no CRLF after the brace")?;
    if after.len() < length || after[..length].contains(&0) {
        return Err("a literal is cut short or holds NUL".to_owned());
    }
    *rest = &after[length..];
    Ok(Value::Text(after[..length].to_vec()))
}

/// Checks an envelope.
pub fn envelope(value: &Value) -> Result<(), String> {
    let values = value.list()?;
    if values.len() != 10 {
        return Err(format!("an envelope of {} values", values.len()));
    }
    for index in [0, 1, 8, 9] {
        if !values[index].is_nstring() {
            return Err(format!("value {index} of an envelope: {:?}", values[index]));
        }
    }
    values[2..8].iter().filter(|list| **list != Value::Nil).try_for_each(addresses)
}

fn addresses(value: &Value) -> Result<(), String> {
    let mut in_group = false;
    for address in value.list()? {
        let values = address.list()?;
        if values.len() != 4 || !values.iter().all(Value::is_nstring) {
            return Err(format!("an address: {address:?}"));
        }
        if values[3] == Value::Nil {
            // RFC 3501 §7.4.2: the end of a group has no name, and there must be a group to end.
            let ends = values[2] == Value::Nil;
            if ends != in_group {
                return Err(format!("a group that does not begin or end: {value:?}"));
            }
            in_group = !in_group;
        }
    }
    if in_group { Err(format!("a group without an end: {value:?}")) } else { Ok(()) }
}

/// Checks a body, with `extended` a BODYSTRUCTURE with all its extension data.
pub fn body(value: &Value, extended: bool) -> Result<(), String> {
    let values = value.list()?;
    let children = values.iter().take_while(|value| matches!(value, Value::List(_))).count();
    let rest = &values[children..];
    let extension = if children > 0 {
        values[..children].iter().try_for_each(|child| body(child, extended))?;
        fields(rest, &[Value::is_text])?
    } else {
        single(rest, extended)?
    };
    match (extended, extension) {
        (false, []) => Ok(()),
        (true, [first, disposition, language, location]) => {
            let first_fits = if children > 0 { parameters(first).is_ok() } else { first.is_nstring() };
            let language_fits = language.is_nstring() || language.list()?.iter().all(Value::is_text);
            if !first_fits || !language_fits || !location.is_nstring() {
                return Err(format!("extension data: {extension:?}"));
            }
            check_disposition(disposition)
        }
        _ => Err(format!("extension data: {extension:?}")),
    }
}

/// The basic fields of a part that is no multipart; returns what follows them.
fn single(values: &[Value], extended: bool) -> Result<&[Value], String> {
    let is_number = |value: &Value| matches!(value, Value::Number(_));
    let any = |_: &Value| true;
    let [kind, subtype, ..] = values else { return Err(format!("a body: {values:?}")) };
    let rest = fields(
        values,
        &[Value::is_text, Value::is_text, |value| parameters(value).is_ok(), Value::is_nstring, Value::is_nstring],
    )?;
    let rest = fields(rest, &[Value::is_text, is_number])?;
    if kind.is("text") {
        return fields(rest, &[is_number]);
    }
    if kind.is("message") && subtype.is("rfc822") {
        let after = fields(rest, &[any, any, is_number])?;
        envelope(&rest[0])?;
        body(&rest[1], extended)?;
        return Ok(after);
    }
    Ok(rest)
}

fn fields<'a>(values: &'a [Value], checks: &[fn(&Value) -> bool]) -> Result<&'a [Value], String> {
    let (taken, rest) = values.split_at_checked(checks.len()).ok_or_else(|| format!("too few fields: {values:?}"))?;
    match taken.iter().zip(checks).find(|(value, check)| !check(value)) {
        Some((value, _)) => Err(format!("a field: {value:?}")),
        None => Ok(rest),
    }
}

fn parameters(value: &Value) -> Result<(), String> {
    match value {
        Value::Nil => Ok(()),
        Value::List(values) if values.len() % 2 == 0 && values.iter().all(Value::is_text) => Ok(()),
        other => Err(format!("parameters: {other:?}")),
    }
}

fn check_disposition(value: &Value) -> Result<(), String> {
    match value {
        Value::Nil => Ok(()),
        Value::List(values) => match values.as_slice() {
            [kind, list] if kind.is_text() => parameters(list),
            other => Err(format!("a disposition: {other:?}")),
        },
        other => Err(format!("a disposition: {other:?}")),
    }
}
