//! The lexical tokens of RFC 5322 §3.2 over raw field values: folding, comments, quoted strings. Tolerant: an unclosed
//! comment or quoted string ends with the field.

use std::borrow::Cow;

/// Space, tab, or what is left of a folded line's end.
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Without white space on both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_space(*first)
    {
        bytes = rest;
    }
    trim_end(bytes)
}

/// Without white space at the end.
pub(crate) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., last] = bytes
        && is_space(*last)
    {
        bytes = rest;
    }
    bytes
}

/// Splits at `at`, which is taken as the end when it lies beyond.
pub(crate) fn split(bytes: &[u8], at: usize) -> (&[u8], &[u8]) {
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

/// The value without its line ends and without white space around it (RFC 5322 §2.2.3).
pub(crate) fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = trim(value);
    if memchr::memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    for line in value.split(|byte| *byte == b'\n') {
        out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
    }
    Cow::Owned(out)
}

/// What follows white space and comments.
pub(crate) fn skip_cfws(mut bytes: &[u8]) -> &[u8] {
    loop {
        match bytes {
            [b'(', ..] => bytes = comment(bytes, &mut Vec::new()),
            [byte, rest @ ..] if is_space(*byte) => bytes = rest,
            _ => return bytes,
        }
    }
}

/// Reads the comment that `bytes` begin with into `text`, unfolded and unescaped; returns what follows it.
pub(crate) fn comment<'a>(bytes: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    let mut depth = 0_usize;
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'(' => {
                depth += 1;
                if depth > 1 {
                    text.push(b'(');
                }
            }
            b')' if depth <= 1 => return rest,
            b')' => {
                depth -= 1;
                text.push(b')');
            }
            b'\\' => rest = escaped(rest, text),
            b'\r' | b'\n' => {}
            byte => text.push(*byte),
        }
    }
    rest
}

/// Reads the quoted string that `bytes` begin with into `text`, unfolded and unescaped; returns what follows it.
pub(crate) fn quoted<'a>(bytes: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    let mut rest = bytes.get(1..).unwrap_or_default();
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'"' => return rest,
            b'\\' => rest = escaped(rest, text),
            b'\r' | b'\n' => {}
            byte => text.push(*byte),
        }
    }
    rest
}

fn escaped<'a>(bytes: &'a [u8], text: &mut Vec<u8>) -> &'a [u8] {
    match bytes {
        [byte, rest @ ..] => {
            if !matches!(byte, b'\r' | b'\n') {
                text.push(*byte);
            }
            rest
        }
        [] => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfolding_removes_line_ends_only() {
        assert_eq!(&*unfold(b" a\r\n b\n\tc \r\n"), b"a b\tc");
        assert_eq!(&*unfold(b"a\rb"), b"a\rb");
        assert_eq!(&*unfold(b" \r\n "), b"");
    }

    #[test]
    fn comments_nest_and_end_with_the_field() {
        let mut text = Vec::new();
        assert_eq!(comment(b"(a(b)\\)c)d", &mut text), b"d");
        assert_eq!(text, b"a(b))c");
        assert_eq!(comment(b"(never\\", &mut Vec::new()), b"");
        assert_eq!(skip_cfws(b" (x) \r\n (y(z)) w"), b"w");
    }

    #[test]
    fn quoted_strings_are_unescaped_and_unfolded() {
        let mut text = Vec::new();
        assert_eq!(quoted(b"\"a\\\"b\r\n c\" d", &mut text), b" d");
        assert_eq!(text, b"a\"b c");
    }
}
