//! Delimiter lines of RFC 2046 §5.1.1: which of the open multiparts a line belongs to.

use crate::lex;

/// A boundary that may still occur.
#[derive(Debug)]
pub(crate) struct Boundary {
    /// The parameter's value without white space at its end.
    pub(crate) text: Vec<u8>,
    /// How many parts stay open when its delimiter comes: the multipart and what is around it.
    pub(crate) depth: usize,
}

/// A delimiter line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delimiter {
    /// Index of the boundary, outermost first.
    pub(crate) boundary: usize,
    /// Whether it is the close-delimiter.
    pub(crate) closes: bool,
}

/// What `line`, with or without its line end, delimits.
///
/// The line must be two hyphens, the boundary, two more hyphens in a close-delimiter, and white space: a boundary that
/// another begins with is not mistaken for it. The innermost multipart is asked first.
pub(crate) fn find(boundaries: &[Boundary], line: &[u8]) -> Option<Delimiter> {
    let text = lex::trim_end(line).strip_prefix(b"--")?;
    boundaries.iter().enumerate().rev().find_map(|(boundary, open)| {
        let closes = match text.strip_prefix(open.text.as_slice())? {
            b"" => false,
            b"--" => true,
            _ => return None,
        };
        Some(Delimiter { boundary, closes })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(boundaries: &[&str], line: &str) -> Option<(usize, bool)> {
        let boundaries: Vec<_> =
            boundaries.iter().map(|text| Boundary { text: text.as_bytes().to_vec(), depth: 0 }).collect();
        find(&boundaries, line.as_bytes()).map(|delimiter| (delimiter.boundary, delimiter.closes))
    }

    #[test]
    fn whole_lines_only() {
        assert_eq!(found(&["a"], "--a\r\n"), Some((0, false)));
        assert_eq!(found(&["a"], "--a \t\n"), Some((0, false)));
        assert_eq!(found(&["a"], "--a--  "), Some((0, true)));
        for other in ["--ab\r\n", "--a-\r\n", "--a--b\r\n", "-- a\r\n", "a\r\n", "--\r\n", "--A\r\n", " --a\r\n"] {
            assert_eq!(found(&["a"], other), None, "{other:?}");
        }
    }

    #[test]
    fn the_innermost_that_fits() {
        assert_eq!(found(&["a", "ab"], "--ab\r\n"), Some((1, false)));
        assert_eq!(found(&["ab", "a"], "--ab\r\n"), Some((0, false)));
        assert_eq!(found(&["a", "a"], "--a--\r\n"), Some((1, true)));
        assert_eq!(found(&["a", "a--"], "--a--\r\n"), Some((1, false)));
    }
}
