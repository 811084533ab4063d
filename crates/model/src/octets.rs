//! A number of octets as people write it: `5G`, `300M`, `0`.

use std::fmt;
use std::str::FromStr;

/// The units, each 1024 times the one before.
const UNITS: [(char, u32); 4] = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];

/// A number of octets, [`Octets::MAX`] at most. It is written in the largest unit that leaves no rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Octets(u64);

/// Why a text is not a number of octets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a number of octets, such as 5G, 300M or 0, up to {}", Octets::MAX)]
pub struct OctetsError;

impl Octets {
    /// 1024 T: more than any disk holds, and thousands of them still add up in 64 bits.
    pub const MAX: Self = Self(1 << 50);

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for Octets {
    fn from(octets: u64) -> Self {
        Self(octets)
    }
}

impl FromStr for Octets {
    type Err = OctetsError;

    fn from_str(text: &str) -> Result<Self, OctetsError> {
        let text = text.trim();
        let unit = UNITS.iter().find(|(unit, _)| text.ends_with([*unit, unit.to_ascii_lowercase()]));
        let (digits, shift) = match unit {
            Some((_, shift)) => (text.get(..text.len() - 1).unwrap_or_default(), *shift),
            None => (text, 0),
        };
        // `parse` alone would take a sign.
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(OctetsError);
        }
        let number: u64 = digits.parse().map_err(|_| OctetsError)?;
        number.checked_mul(1 << shift).map(Self).filter(|octets| *octets <= Self::MAX).ok_or(OctetsError)
    }
}

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.iter().rev().find(|(_, shift)| self.0 > 0 && self.0.is_multiple_of(1 << shift));
        match whole {
            Some((unit, shift)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        for (text, spelled) in [
            ("0", "0"),
            ("5G", "5G"),
            ("5120m", "5G"),
            (" 1023 ", "1023"),
            ("1024", "1K"),
            ("1024T", "1024T"),
            ("01k", "1K"),
        ] {
            assert_eq!(text.parse::<Octets>().map(|octets| octets.to_string()).as_deref(), Ok(spelled), "{text:?}");
        }
        for text in ["", "G", "-1", "+1", "1.5G", "5GB", "5 G", "1025T", "99999999999999999999", "\u{661}"] {
            assert_eq!(text.parse::<Octets>(), Err(OctetsError), "{text:?}");
        }
    }
}
