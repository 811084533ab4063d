//! Strings of an IMAP answer: NIL, quoted, or a literal where RFC 3501 §9 allows no quoted string.
//!
//! What is written is legal for IMAP4rev1 and rev2 clients alike: octets over 127 and control characters go into a
//! literal. NUL can stand in neither form, so it becomes `?`.

use crate::lex;
use crate::limits::QUOTED_BYTES_MAX;

/// Writes a string.
pub(crate) fn string(out: &mut Vec<u8>, text: &[u8]) {
    let printable = text.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    if !printable || text.len() > QUOTED_BYTES_MAX {
        return literal(out, text);
    }
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// Writes the value of a field, unfolded and cut at `bytes_max`.
pub(crate) fn value(out: &mut Vec<u8>, value: &[u8], bytes_max: usize) {
    string(out, cut(&lex::unfold(value), bytes_max));
}

/// Writes the value of a field, or NIL where there is no such field.
pub(crate) fn value_or_nil(out: &mut Vec<u8>, field: Option<&[u8]>, bytes_max: usize) {
    match field {
        Some(text) => value(out, text, bytes_max),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Writes a decimal number.
pub(crate) fn number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0_u8; 20];
    let mut rest = number;
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// The first `bytes_max` octets, and no piece of a UTF-8 sequence at their end.
pub(crate) fn cut(text: &[u8], bytes_max: usize) -> &[u8] {
    if text.len() <= bytes_max {
        return text;
    }
    let continues = |at: usize| text.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    // A sequence has at most three octets after its first.
    let end = (0..4).map(|back| bytes_max.saturating_sub(back)).find(|at| !continues(*at)).unwrap_or(bytes_max);
    text.get(..end).unwrap_or_default()
}

fn literal(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'{');
    number(out, text.len() as u64);
    out.extend_from_slice(b"}\r\n");
    out.extend(text.iter().map(|byte| if *byte == 0 { b'?' } else { *byte }));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        string(&mut out, text);
        out
    }

    #[test]
    fn quoted_where_it_may_be_and_literal_elsewhere() {
        assert_eq!(written(b"a\"b\\c\t"), b"\"a\\\"b\\\\c\t\"");
        assert_eq!(written(b""), b"\"\"");
        assert_eq!(written(b"a\xC3\xA4"), b"{3}\r\na\xC3\xA4");
        assert_eq!(written(b"a\r\0b"), b"{4}\r\na\r?b");
        assert_eq!(written(&[b'x'; 1025]).len(), "{1025}\r\n".len() + 1025);
    }

    #[test]
    fn numbers_and_cuts() {
        for n in [0, 9, 10, 65535, u64::MAX] {
            let mut out = Vec::new();
            number(&mut out, n);
            assert_eq!(out, n.to_string().into_bytes());
        }
        assert_eq!(cut("aä€".as_bytes(), 5), "aä".as_bytes());
        assert_eq!(cut(&[0x80; 9], 5).len(), 5);
        assert_eq!(cut(b"abc", 3), b"abc");
    }
}
