//! The name of a place where backups are kept.

use std::fmt;
use std::str::FromStr;

/// Octets of a name at most: it is for lists and settings.
pub const STORE_NAME_BYTES_MAX: usize = 64;
/// Words that say something else where a name may stand.
const RESERVED: [&str; 2] = ["none", "inherit"];

/// A store's name: ASCII letters, digits, `.`, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreName(String);

/// Why a text is not a store's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a store's name is 1 to {STORE_NAME_BYTES_MAX} letters, digits, dots, dashes and underscores, and not `none` or `inherit`"
)]
pub struct StoreNameError;

impl StoreName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StoreName {
    type Err = StoreNameError;

    fn from_str(text: &str) -> Result<Self, StoreNameError> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        let fits = (1..=STORE_NAME_BYTES_MAX).contains(&text.len()) && plain;
        // In any case: `None` would be read as the word by whoever types it.
        let reserved = RESERVED.iter().any(|word| text.eq_ignore_ascii_case(word));
        if fits && !reserved { Ok(Self(text.to_owned())) } else { Err(StoreNameError) }
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["default", "R2.eu-1", "_"] {
            assert_eq!(good.parse::<StoreName>().unwrap().to_string(), good);
        }
        for bad in ["", "a b", "a/b", "none", "Inherit", "é", &"x".repeat(65)] {
            assert_eq!(bad.parse::<StoreName>(), Err(StoreNameError), "{bad}");
        }
    }
}
