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
/// A line that begins with two hyphens and the boundary is a delimiter, whatever follows (RFC 2046 §5.1.1, note to
/// implementors); a close-delimiter where two more hyphens follow. Of boundaries that begin alike the longest is meant, of
/// those that are the same the innermost.
pub(crate) fn find(boundaries: &[Boundary], line: &[u8]) -> Option<Delimiter> {
    let text = lex::trim_end(line).strip_prefix(b"--")?;
    let fits = boundaries.iter().enumerate().filter(|(_, open)| text.starts_with(&open.text));
    let (boundary, open) = fits.max_by_key(|(index, open)| (open.text.len(), *index))?;
    let closes = text.get(open.text.len()..).is_some_and(|rest| rest.starts_with(b"--"));
    Some(Delimiter { boundary, closes })
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
    fn the_beginning_of_a_line_is_enough() {
        for line in ["--a\r\n", "--a \t\n", "--ab\r\n", "--a-\r\n", "--a b--"] {
            assert_eq!(found(&["a"], line), Some((0, false)), "{line:?}");
        }
        for line in ["--a--  ", "--a--b\r\n", "--a---"] {
            assert_eq!(found(&["a"], line), Some((0, true)), "{line:?}");
        }
        for other in ["-- a\r\n", "a\r\n", "--\r\n", "--A\r\n", " --a\r\n", "-a\r\n"] {
            assert_eq!(found(&["a"], other), None, "{other:?}");
        }
    }

    #[test]
    fn the_longest_that_fits_and_the_innermost() {
        assert_eq!(found(&["a", "ab"], "--ab\r\n"), Some((1, false)));
        assert_eq!(found(&["ab", "a"], "--ab\r\n"), Some((0, false)));
        assert_eq!(found(&["ab", "a"], "--ac\r\n"), Some((1, false)));
        assert_eq!(found(&["a", "a"], "--a--\r\n"), Some((1, true)));
        assert_eq!(found(&["a", "a--"], "--a--\r\n"), Some((1, false)));
    }
}
