//! There and back, what does not come back, and other implementations' forms.

use super::*;
use proptest::prelude::*;
use zeroize::Zeroizing;

fn secret(byte: u8) -> Secret32 {
    Secret32::from_bytes(Zeroizing::new([byte; 32]))
}

fn day(day: i64) -> Timestamp {
    Timestamp::from_second(day * 86_400 + 5).unwrap()
}

#[test]
fn there_and_back() {
    let secrets = [secret(1)];
    let keys = Keys::new(&secrets).unwrap();
    let forwarded = keys.forward("ann@example.com", "fwd.example", day(20_000)).unwrap();
    let (local, domain) = forwarded.rsplit_once('@').unwrap();
    assert_eq!(domain, "fwd.example");
    assert!(local.starts_with("SRS0=") && local.ends_with("=example.com=ann") && is_rewritten(local));
    for changed in [local.to_owned(), local.to_lowercase(), local.to_uppercase().replace("ANN", "ann")] {
        let home = keys.reverse(&changed, day(20_021)).unwrap();
        assert_eq!(home.to_lowercase(), "ann@example.com");
    }
    assert_eq!(keys.reverse(local, day(20_022)), Err(SrsError::Expired));
    assert_eq!(keys.reverse(local, day(19_999)), Ok("ann@example.com".to_owned()));
    assert_eq!(keys.reverse(local, day(19_998)), Err(SrsError::Expired));
    assert_eq!(keys.reverse(&local.replace("=ann", "=bob"), day(20_000)), Err(SrsError::Hash));
    assert_eq!(keys.forward("", "fwd.example", day(0)), Ok(String::new()));
    assert!(Keys::new(&[]).is_none());
}

#[test]
fn secrets_take_turns() {
    let (old, new) = ([secret(1)], [secret(2), secret(1)]);
    let before = Keys::new(&old).unwrap().forward("ann@example.com", "fwd.example", day(9)).unwrap();
    let (local, _) = before.rsplit_once('@').unwrap();
    assert_eq!(Keys::new(&new).unwrap().reverse(local, day(10)), Ok("ann@example.com".to_owned()));
    assert_eq!(Keys::new(&[secret(3)]).unwrap().reverse(local, day(10)), Err(SrsError::Hash));
}

#[test]
fn a_second_and_a_third_forwarder() {
    let (one, two, three) = ([secret(1)], [secret(2)], [secret(3)]);
    let keys = |secrets| Keys::new(secrets).unwrap();
    let first = keys(&one).forward("ann@example.com", "one.example", day(9)).unwrap();
    let second = keys(&two).forward(&first, "two.example", day(9)).unwrap();
    assert!(second.starts_with("SRS1=") && second.contains("=one.example=="), "{second}");
    let third = keys(&three).forward(&second, "three.example", day(9)).unwrap();
    assert!(third.starts_with("SRS1=") && third.contains("=one.example=="), "{third}");
    let local = |address: &str| address.rsplit_once('@').unwrap().0.to_owned();
    // Both bounce to the first, who alone knows where it came from.
    assert_eq!(keys(&three).reverse(&local(&third), day(10)), Ok(first.clone()));
    assert_eq!(keys(&two).reverse(&local(&second), day(10)), Ok(first.clone()));
    assert_eq!(keys(&one).reverse(&local(&first), day(10)), Ok("ann@example.com".to_owned()));
    assert_eq!(keys(&two).reverse(&local(&third), day(10)), Err(SrsError::Hash));
}

#[test]
fn forms() {
    let secrets = [secret(1)];
    let keys = Keys::new(&secrets).unwrap();
    for bad in ["ann", "@example.com", "ann@", "ann@exa=mple", "a\r\nb@example.com", "a@b\r\nc", "a@b c", "a@b>"] {
        assert_eq!(keys.forward(bad, "fwd.example", day(9)), Err(SrsError::Form), "{bad:?}");
    }
    let long = format!("{}@example.com", "x".repeat(60));
    assert_eq!(keys.forward(&long, "fwd.example", day(9)), Err(SrsError::TooLong));
    for bad in [
        "",
        "ann",
        "SRS0",
        "SRS0=",
        "SRS0=a=b=c",
        "SRS0=a=b==d",
        "SRS0:a=b=c=d",
        "SRS1=a=b",
        "SRS1=a=b=c",
        "\u{e4}\u{e4}x",
    ] {
        assert_eq!(keys.reverse(bad, day(9)), Err(SrsError::Form), "{bad:?}");
        assert!(!is_rewritten(bad));
    }
    assert!(is_rewritten("srs0+abcd=AB=example.com=ann") && is_rewritten("SRS1-abcd=example.com=+x=y=z=a"));
    assert_eq!(keys.reverse("SRS0=AAAAAA=!!=example.com=ann", day(9)), Err(SrsError::Hash));
}

proptest! {
    #[test]
    fn every_address_comes_home(
        local in "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~ \"\\\\.\u{e4}-]{1,20}",
        domain in "[a-z0-9]{1,8}(\\.[a-z]{2,5}){1,2}",
        at in 0i64..40_000,
        later in 0i64..=DAYS_MAX,
    ) {
        let sender = format!("{}@{domain}", quote(&local));
        let secrets = [secret(7)];
        let keys = Keys::new(&secrets).unwrap();
        if let Ok(forwarded) = keys.forward(&sender, "fwd.example", day(at)) {
            let (local, _) = forwarded.rsplit_once('@').unwrap();
            prop_assert!(is_rewritten(local));
            prop_assert_eq!(keys.reverse(local, day(at + later)), Ok(sender));
        }
    }

    #[test]
    fn nothing_else_comes_home(local in "SRS[01]=[A-Z2-7]{6}=\\PC{0,30}") {
        let secrets = [secret(7)];
        prop_assert!(Keys::new(&secrets).unwrap().reverse(&local, day(9)).is_err());
    }
}
