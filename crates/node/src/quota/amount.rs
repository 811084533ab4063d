//! Octets and messages, and the limits on them.

use crate::primary::Settings;
use directory::client::{Allowance, Space};

/// Octets and messages that are stored, or are to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Octets.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

impl Amount {
    /// One message of this size.
    pub const fn message(bytes: u64) -> Self {
        Self { bytes, messages: 1 }
    }

    /// Both.
    pub fn plus(self, other: Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    /// Without the other.
    pub fn less(self, other: Self) -> Self {
        self.with(other, u64::saturating_sub)
    }

    /// The smaller of each.
    pub fn min(self, other: Self) -> Self {
        self.with(other, u64::min)
    }

    /// The larger of each.
    pub fn max(self, other: Self) -> Self {
        self.with(other, u64::max)
    }

    /// Whether each is within the other's.
    pub fn fits(self, room: Self) -> bool {
        self.bytes <= room.bytes && self.messages <= room.messages
    }

    fn with(self, other: Self, each: impl Fn(u64, u64) -> u64) -> Self {
        Self { bytes: each(self.bytes, other.bytes), messages: each(self.messages, other.messages) }
    }
}

impl From<Option<Space>> for Amount {
    fn from(space: Option<Space>) -> Self {
        let Space { bytes, messages } = space.unwrap_or_default();
        Self { bytes, messages }
    }
}

impl From<Amount> for Option<Space> {
    fn from(Amount { bytes, messages }: Amount) -> Self {
        Some(Space { bytes, messages })
    }
}

impl From<mailbox::Usage> for Amount {
    fn from(usage: mailbox::Usage) -> Self {
        Self { bytes: usage.bytes, messages: usage.messages }
    }
}

/// What limits a mailbox; 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// On it alone.
    pub own: Amount,
    /// On its account.
    pub account: Amount,
    /// On its domain.
    pub domain: Amount,
}

impl Limits {
    /// What the node's configuration says of every mailbox.
    pub fn of_node(settings: &Settings) -> Self {
        let mailbox::Quota { bytes_max: bytes, messages_max: messages } = settings.options.quota;
        Self { own: Amount { bytes, messages }, ..Self::default() }
    }

    /// With what the directory says: of an alias that has a limit of its own the node's does not hold.
    pub fn with(self, allowance: &Allowance) -> Self {
        let own = Amount::from(allowance.alias);
        let or = |own, default| if own == 0 { default } else { own };
        Self {
            own: Amount { bytes: or(own.bytes, self.own.bytes), messages: or(own.messages, self.own.messages) },
            account: allowance.account.into(),
            domain: allowance.domain.into(),
        }
    }

    /// Whether there are none.
    pub fn are_none(self) -> bool {
        self == Self::default()
    }

    /// Whether the mailbox shares a limit with others, so that the directory must grant what it comes to hold.
    pub fn are_shared(self) -> bool {
        self.account != Amount::default() || self.domain != Amount::default()
    }

    /// The most that the mailbox may ever hold, were it alone.
    pub fn alone(self) -> Amount {
        let limit = |limit| if limit == 0 { u64::MAX } else { limit };
        let all = [self.own, self.account, self.domain];
        Amount {
            bytes: all.map(|each| limit(each.bytes)).into_iter().fold(u64::MAX, u64::min),
            messages: all.map(|each| limit(each.messages)).into_iter().fold(u64::MAX, u64::min),
        }
    }

    /// The most that it may hold with this grant.
    pub fn ceiling(self, granted: Amount) -> Amount {
        let own = Self { own: self.own, ..Self::default() }.alone();
        let shared = |account, domain, granted| if account == 0 && domain == 0 { u64::MAX } else { granted };
        own.min(Amount {
            bytes: shared(self.account.bytes, self.domain.bytes, granted.bytes),
            messages: shared(self.account.messages, self.domain.messages, granted.messages),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_limit_counts() {
        let amount = |bytes, messages| Amount { bytes, messages };
        let none = Limits::default();
        assert!(none.are_none() && !none.are_shared());
        assert_eq!(
            (none.alone(), none.ceiling(amount(1, 1))),
            (amount(u64::MAX, u64::MAX), amount(u64::MAX, u64::MAX))
        );
        let limits = Limits { own: amount(500, 0), account: amount(400, 9), domain: amount(450, 0) };
        assert!(limits.are_shared());
        assert_eq!(limits.alone(), amount(400, 9));
        assert_eq!(limits.ceiling(amount(300, 2)), amount(300, 2));
        assert_eq!(limits.ceiling(amount(600, 7)), amount(500, 7));
        let octets_only = Limits { domain: amount(450, 0), ..none };
        assert_eq!(octets_only.ceiling(amount(10, 0)), amount(10, u64::MAX));
        assert!(amount(10, 1).fits(amount(10, 1)) && !amount(10, 2).fits(amount(10, 1)));
    }
}
