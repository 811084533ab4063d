//! Between the wire's plain fields and the model's checked types; what does not fit is named in the error.

use crate::session;
use model::limits::KEYWORDS_PER_MAILBOX_MAX;
use model::{
    AccountId, Address, CredentialId, DeliveryId, Flag, Flags, FolderName, Keyword, MailboxId, ModSeq, NodeId,
    SpecialUse, Token, Uid, UidSet, UidValidity,
};

/// A field of a message that came over the wire is not what it must be. Holds no value from the message: it may be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// Bounds are odd in number, out of order, overlap or hold 0.
    #[error("the UID runs are not ascending, disjoint pairs")]
    UidRuns,
    /// 0 where a number from 1 on must stand.
    #[error("{0} must not be 0")]
    Zero(&'static str),
    /// A mod-sequence has 63 bits.
    #[error("the mod-sequence is over 63 bits")]
    ModSeq,
    /// A bit that is no system flag.
    #[error("the flags have a bit that is no system flag")]
    Flags,
    /// Not exactly one system flag's bit.
    #[error("not one system flag")]
    Flag,
    /// Not an IMAP atom, or too long.
    #[error("a keyword is not an atom of at most 64 bytes")]
    Keyword,
    /// More keywords than a mailbox can have.
    #[error("more than {KEYWORDS_PER_MAILBOX_MAX} keywords")]
    Keywords,
    /// A number that names nothing in its enum.
    #[error("{0} has a value that this version does not know")]
    Enum(&'static str),
    /// An identifier of the wrong length or with wrong characters.
    #[error(transparent)]
    Id(#[from] model::IdError),
    /// Not a folder name.
    #[error(transparent)]
    FolderName(#[from] model::FolderNameError),
    /// Not an address.
    #[error(transparent)]
    Address(#[from] model::AddressError),
    /// A field that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
}

impl From<&UidSet> for session::UidRuns {
    fn from(set: &UidSet) -> Self {
        Self { bounds: set.bounds() }
    }
}

impl TryFrom<&session::UidRuns> for UidSet {
    type Error = ConvertError;
    fn try_from(runs: &session::UidRuns) -> Result<Self, ConvertError> {
        Self::from_bounds(&runs.bounds).ok_or(ConvertError::UidRuns)
    }
}

/// The set; a field that was left out is the empty set.
pub fn uid_set(runs: Option<&session::UidRuns>) -> Result<UidSet, ConvertError> {
    runs.map_or_else(|| Ok(UidSet::new()), UidSet::try_from)
}

/// The wire's runs; `None` for the empty set, so that it costs nothing.
pub fn uid_runs(set: &UidSet) -> Option<session::UidRuns> {
    (!set.is_empty()).then(|| set.into())
}

/// A UID, not 0.
pub fn uid(value: u32) -> Result<Uid, ConvertError> {
    Uid::new(value).ok_or(ConvertError::Zero("the UID"))
}

/// A UIDVALIDITY, not 0.
pub fn uid_validity(value: u32) -> Result<UidValidity, ConvertError> {
    UidValidity::new(value).ok_or(ConvertError::Zero("the UIDVALIDITY"))
}

/// A mod-sequence of at most 63 bits; 0 is older than every change.
pub fn modseq(value: u64) -> Result<ModSeq, ConvertError> {
    ModSeq::new(value).ok_or(ConvertError::ModSeq)
}

/// A set of system flags from its bits; unknown bits are refused, not dropped.
pub fn flags(bits: u32) -> Result<Flags, ConvertError> {
    (bits & !Flags::MASK == 0).then_some(Flags::from_bits(bits)).ok_or(ConvertError::Flags)
}

/// One system flag from its bit.
pub fn flag(bit: u32) -> Result<Flag, ConvertError> {
    Flag::ALL.into_iter().find(|flag| *flag as u32 == bit).ok_or(ConvertError::Flag)
}

/// One keyword.
pub fn keyword(text: &str) -> Result<Keyword, ConvertError> {
    Keyword::parse(text).ok_or(ConvertError::Keyword)
}

/// Keywords, each checked, in the order given.
pub fn keywords(texts: &[String]) -> Result<Vec<Keyword>, ConvertError> {
    if texts.len() > KEYWORDS_PER_MAILBOX_MAX {
        return Err(ConvertError::Keywords);
    }
    texts.iter().map(|text| keyword(text)).collect()
}

/// Keywords as the wire carries them.
pub fn keyword_texts<'a>(keywords: impl IntoIterator<Item = &'a Keyword>) -> Vec<String> {
    keywords.into_iter().map(|keyword| keyword.as_str().to_owned()).collect()
}

impl From<Option<SpecialUse>> for session::SpecialUse {
    fn from(special_use: Option<SpecialUse>) -> Self {
        match special_use {
            None => Self::None,
            Some(SpecialUse::All) => Self::All,
            Some(SpecialUse::Archive) => Self::Archive,
            Some(SpecialUse::Drafts) => Self::Drafts,
            Some(SpecialUse::Flagged) => Self::Flagged,
            Some(SpecialUse::Junk) => Self::Junk,
            Some(SpecialUse::Sent) => Self::Sent,
            Some(SpecialUse::Trash) => Self::Trash,
        }
    }
}

impl From<session::SpecialUse> for Option<SpecialUse> {
    fn from(special_use: session::SpecialUse) -> Self {
        match special_use {
            session::SpecialUse::None => None,
            session::SpecialUse::All => Some(SpecialUse::All),
            session::SpecialUse::Archive => Some(SpecialUse::Archive),
            session::SpecialUse::Drafts => Some(SpecialUse::Drafts),
            session::SpecialUse::Flagged => Some(SpecialUse::Flagged),
            session::SpecialUse::Junk => Some(SpecialUse::Junk),
            session::SpecialUse::Sent => Some(SpecialUse::Sent),
            session::SpecialUse::Trash => Some(SpecialUse::Trash),
        }
    }
}

/// The special use from a message's field, `None` when it says that there is none.
pub fn special_use(value: i32) -> Result<Option<SpecialUse>, ConvertError> {
    session::SpecialUse::try_from(value).map(Into::into).map_err(|_| ConvertError::Enum("the special use"))
}

/// The special use as a message's field.
pub fn special_use_field(special_use: Option<SpecialUse>) -> i32 {
    session::SpecialUse::from(special_use).into()
}

/// How a STORE changes flags, from a message's field.
pub fn store_mode(value: i32) -> Result<session::StoreMode, ConvertError> {
    session::StoreMode::try_from(value).map_err(|_| ConvertError::Enum("the store mode"))
}

/// What of a part is wanted, from a message's field.
pub fn section_kind(value: i32) -> Result<session::SectionKind, ConvertError> {
    session::SectionKind::try_from(value).map_err(|_| ConvertError::Enum("the section kind"))
}

/// How a date is compared, from a message's field.
pub fn date_relation(value: i32) -> Result<session::DateRelation, ConvertError> {
    session::DateRelation::try_from(value).map_err(|_| ConvertError::Enum("the date relation"))
}

/// A folder's name.
pub fn folder_name(text: &str) -> Result<FolderName, ConvertError> {
    Ok(FolderName::parse(text)?)
}

/// An address.
pub fn address(text: &str) -> Result<Address, ConvertError> {
    Ok(text.parse()?)
}

/// A mailbox's identifier.
pub fn mailbox_id(text: &str) -> Result<MailboxId, ConvertError> {
    Ok(text.parse()?)
}

/// A node's identifier.
pub fn node_id(text: &str) -> Result<NodeId, ConvertError> {
    Ok(text.parse()?)
}

/// An account's identifier.
pub fn account_id(text: &str) -> Result<AccountId, ConvertError> {
    Ok(text.parse()?)
}

/// A credential's identifier.
pub fn credential_id(text: &str) -> Result<CredentialId, ConvertError> {
    Ok(text.parse()?)
}

/// A delivery's identifier: 16 bytes.
pub fn delivery_id(bytes: &[u8]) -> Result<DeliveryId, ConvertError> {
    Ok(bytes.try_into()?)
}

/// A request's token: 16 bytes, or none at all.
pub fn token(bytes: &[u8]) -> Result<Option<Token>, ConvertError> {
    if bytes.is_empty() { Ok(None) } else { Ok(Some(bytes.try_into()?)) }
}

/// The message in a field that must be there.
pub fn required<T>(field: Option<T>, name: &'static str) -> Result<T, ConvertError> {
    field.ok_or(ConvertError::Missing(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn special_uses_round_trip_and_others_are_refused() {
        assert_eq!(special_use(special_use_field(None)), Ok(None));
        for each in SpecialUse::ALL {
            assert_eq!(special_use(special_use_field(Some(each))), Ok(Some(each)));
        }
        for bad in [-1, 8, i32::MAX] {
            assert_eq!(special_use(bad), Err(ConvertError::Enum("the special use")));
        }
    }

    #[test]
    fn flags_are_checked_not_masked() {
        assert_eq!(flags(31).map(Flags::bits), Ok(31));
        assert_eq!(flags(32), Err(ConvertError::Flags));
        assert_eq!(flag(8), Ok(Flag::Deleted));
        for bad in [0, 3, 32] {
            assert_eq!(flag(bad), Err(ConvertError::Flag));
        }
    }

    #[test]
    fn keywords_are_checked_and_counted() {
        let texts = vec!["$Junk".to_owned(), "a".to_owned()];
        assert_eq!(keywords(&texts).map(|checked| keyword_texts(&checked)), Ok(texts));
        assert_eq!(keywords(&["a b".to_owned()]), Err(ConvertError::Keyword));
        let many = vec!["a".to_owned(); KEYWORDS_PER_MAILBOX_MAX + 1];
        assert_eq!(keywords(&many), Err(ConvertError::Keywords));
    }

    #[test]
    fn identifiers_have_their_length() {
        assert_eq!(token(&[]), Ok(None));
        assert_eq!(token(&[7; 16]), Ok(Some(Token::from_bytes([7; 16]))));
        assert_eq!(token(&[7; 15]).unwrap_err().to_string(), "not a valid request token");
        assert_eq!(delivery_id(&[]).unwrap_err().to_string(), "not a valid delivery id");
        assert_eq!(mailbox_id("../etc/passwd").unwrap_err().to_string(), "not a valid mailbox id");
        assert_eq!(node_id("").unwrap_err().to_string(), "not a valid node id");
    }

    #[test]
    fn numbers_are_in_their_range() {
        assert_eq!(uid(0), Err(ConvertError::Zero("the UID")));
        assert_eq!(uid_validity(0), Err(ConvertError::Zero("the UIDVALIDITY")));
        assert_eq!(modseq(1 << 63), Err(ConvertError::ModSeq));
        assert_eq!(modseq(0), Ok(ModSeq::ZERO));
        assert_eq!(store_mode(3), Err(ConvertError::Enum("the store mode")));
        assert_eq!(section_kind(8), Err(ConvertError::Enum("the section kind")));
        assert_eq!(date_relation(-1), Err(ConvertError::Enum("the date relation")));
    }

    #[test]
    fn sets_of_uids() {
        assert_eq!(uid_set(None), Ok(UidSet::new()));
        assert_eq!(uid_runs(&UidSet::new()), None);
        let bad = session::UidRuns { bounds: vec![3, 2] };
        assert_eq!(uid_set(Some(&bad)), Err(ConvertError::UidRuns));
    }

    proptest! {
        #[test]
        fn sets_round_trip(numbers in proptest::collection::vec(1u32.., 0..50)) {
            let set: UidSet = numbers.into_iter().filter_map(Uid::new).collect();
            prop_assert_eq!(uid_set(uid_runs(&set).as_ref()), Ok(set));
        }
    }
}
