//! What goes with backups, over a real gRPC connection: sealed keys open for their mailbox and their directory alone, outlive the
//! alias, and say where a backup goes.

use super::*;

fn id(number: u8) -> MailboxId {
    MailboxId::from_bytes([number; 12])
}

fn labels(kept: &proto::Kept) -> Vec<&str> {
    kept.credentials.iter().map(|each| each.label.as_str()).collect()
}

#[tokio::test]
async fn keys_of_then_open_after_they_are_revoked_and_after_the_alias_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let (client, mut raw) = (DirectoryClient::over(running.channel()), running.raw());
    let then = client.keeping(&id(1)).await.unwrap();
    assert_eq!((then.store.as_str(), then.none), ("", false));
    // Sealed: neither an address nor a wrapping is to be read in it, and no two are alike.
    for bare in [&b"ann@x.test"[..], &[1; 77], b"phone"] {
        assert!(!then.kept.windows(bare.len()).any(|window| window == bare));
    }
    assert_ne!(client.keeping(&id(1)).await.unwrap().kept, then.kept);

    let address: Address = "ann@x.test".parse().unwrap();
    client.revoke_credential(&address, "phone").await.unwrap();
    let now = client.open_kept(&id(1), client.keeping(&id(1)).await.unwrap().kept.to_vec()).await.unwrap();
    assert_eq!(labels(&now), ["recovery"]);
    client.erase_alias(&address, false).await.unwrap();
    let closed = client.keeping(&id(1)).await.unwrap_err();
    assert!(matches!(&closed, client::Error::Refused(why) if why == "the alias is being erased"), "{closed}");
    client.erase_alias(&address, true).await.unwrap();
    let gone = client.keeping(&id(1)).await.unwrap_err();
    assert!(matches!(gone, client::Error::NotFound(_)), "{gone}");

    let kept = client.open_kept(&id(1), then.kept.to_vec()).await.unwrap();
    assert_eq!((kept.address.as_str(), labels(&kept)), ("ann@x.test", vec!["phone", "recovery"]));
    assert_eq!(kept.credentials[0].wrapped_key, vec![1; 77]);
    assert_eq!((kept.wrapped_sealing_key.len(), kept.sealing_public_key.is_empty()), (90, false));

    // Of another mailbox, of another directory, changed, or too long: nothing.
    let mut changed = then.kept.to_vec();
    changed[40] ^= 1;
    let other = peopled(&folder.path().join("other.db")).await;
    let foreign = DirectoryClient::over(other.channel());
    let tries = [
        client.open_kept(&id(2), then.kept.to_vec()).await,
        client.open_kept(&id(1), changed).await,
        foreign.open_kept(&id(1), then.kept.to_vec()).await,
    ];
    for tried in tries {
        assert!(matches!(&tried, Err(client::Error::Refused(why)) if why.contains("another directory")), "{tried:?}");
    }
    let long = proto::OpenKeptRequest { mailbox_id: id(1).to_string(), kept: vec![0; 64 * 1024].into() };
    assert_eq!(raw.open_kept(long).await.unwrap_err().code(), Code::InvalidArgument);
    other.stop().await;
    running.stop().await;
}

#[tokio::test]
async fn the_fullest_alias_fits_beside_a_backup() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let (client, mut raw) = (DirectoryClient::over(running.channel()), running.raw());
    for number in 2..32 {
        let credential = proto::Credential {
            wrapped_key: vec![number; 1024].into(),
            ..credential(number, &format!("{number:064}"), proto::CredentialKind::Chosen)
        };
        let address = "ann@x.test".to_owned();
        raw.add_credential(proto::AddCredentialRequest { address, credential: Some(credential) }).await.unwrap();
    }
    let kept = client.keeping(&id(1)).await.unwrap().kept;
    // In base64, and some hundred octets beside it, within the 64 KiB of a manifest.
    assert!(kept.len().div_ceil(3) * 4 + 1024 < 64 * 1024, "{}", kept.len());
    assert_eq!(client.open_kept(&id(1), kept.to_vec()).await.unwrap().credentials.len(), 32);
    running.stop().await;
}

#[tokio::test]
async fn the_alias_goes_before_its_domain_and_that_before_the_worker() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let (client, mut raw) = (DirectoryClient::over(running.channel()), running.raw());
    let address: Address = "ann+x@x.test".parse().unwrap();
    let set = |value: &str| proto::SetDomainRequest {
        name: "x.test".to_owned(),
        setting: "backup_store".to_owned(),
        value: value.to_owned(),
        reset: false,
    };
    raw.set_domain(set("r2")).await.unwrap();
    let asks = raw.clone();
    let goes = async || {
        let reply = client.keeping(&id(1)).await.unwrap();
        // Its node is told in passing.
        let request = proto::AllowanceRequest { mailbox_id: id(1).to_string() };
        let allowance = asks.clone().allowance(request).await.unwrap().into_inner();
        assert_eq!(allowance.not_backed_up, reply.none);
        (reply.store, reply.none)
    };
    assert_eq!(goes().await, ("r2".to_owned(), false));
    let own = client.backup_store(&address, Some("own".to_owned())).await.unwrap();
    assert_eq!((own.own.as_str(), own.domain.as_str()), ("own", "r2"));
    assert_eq!(goes().await, ("own".to_owned(), false));
    client.backup_store(&address, Some("None".to_owned())).await.unwrap();
    assert_eq!(goes().await, (String::new(), true));
    client.backup_store(&address, Some(String::new())).await.unwrap();
    raw.set_domain(set("none")).await.unwrap();
    assert_eq!(goes().await, (String::new(), true));
    let shown = client.backup_store(&address, None).await.unwrap();
    assert_eq!((shown.own.as_str(), shown.domain.as_str()), ("", "none"));
    for bad in ["a b", "../x", "inherit", &"x".repeat(65)] {
        let refused = client.backup_store(&address, Some(bad.to_owned())).await.unwrap_err();
        assert!(matches!(refused, client::Error::Refused(_)), "{bad}");
    }
    let nobody = client.backup_store(&"bob@x.test".parse().unwrap(), None).await.unwrap_err();
    assert!(matches!(nobody, client::Error::NotFound(_)), "{nobody}");
    running.stop().await;
}
