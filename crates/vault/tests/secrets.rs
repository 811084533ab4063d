//! Types that hold secrets cannot be printed, cloned or compared by accident: checked by the compiler.

use std::fmt::{Debug, Display};

/// Compiles only when the type does not have the trait: with it, two implementations of `Ambiguous` would fit.
macro_rules! lacks {
    ($type:ty: $($trait:path),+) => {$(
        const _: fn() = || {
            trait Ambiguous<A> { fn proof() {} }
            impl<T: ?Sized> Ambiguous<()> for T {}
            #[allow(dead_code, reason = "only its being there matters")]
            struct Has;
            impl<T: ?Sized + $trait> Ambiguous<Has> for T {}
            let _ = <$type as Ambiguous<_>>::proof;
        };
    )+};
}

lacks!(vault::Secret32: Debug, Display, Clone, PartialEq, AsRef<[u8]>);
lacks!(vault::MailboxKey: Debug, Display, Clone, PartialEq);
lacks!(vault::FileKey: Debug, Display, Clone, PartialEq);
lacks!(vault::NodeKey: Debug, Display, Clone, PartialEq);
lacks!(vault::Password: Debug, Display, Clone, PartialEq, AsRef<str>);
lacks!(vault::sealing::PrivateKey: Debug, Display, Clone, PartialEq);
lacks!(vault::sealing::Sealer: Debug, Display, Clone);
lacks!(vault::sealing::Opener: Debug, Display, Clone);
lacks!(vault::transit::BootKey: Debug, Display, Clone, PartialEq);

#[test]
fn keys_go_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<vault::MailboxKey>();
    check::<vault::NodeKey>();
    check::<vault::Password>();
    check::<vault::transit::BootKey>();
    check::<vault::sealing::PrivateKey>();
    check::<vault::sealing::PublicKey>();
}

#[test]
fn raw_keys_are_hex_and_a_copy_is_the_same_key() {
    let mut bytes = zeroize::Zeroizing::new([0xab; 32]);
    bytes[0] = 0x01;
    let key = vault::MailboxKey::from_bytes(bytes);
    let copy = key.try_clone();
    assert!(key.same(&copy));
    assert!(!key.same(&vault::MailboxKey::generate().unwrap()));
    assert_eq!(key.raw_key().as_str(), format!("01{}", "ab".repeat(31)));
    drop(key);
    assert_eq!(copy.raw_key().as_str(), format!("01{}", "ab".repeat(31)));
}
