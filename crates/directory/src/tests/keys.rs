//! DKIM keys, SRS secrets and webhooks: how they come and go, and that they stand in the catalogue sealed.

use super::*;
use crate::catalogue::{Place, SystemDisk};
use proto::{DkimState, KeyAlgorithm};
use std::fs;
use vault::signing::Algorithm;

fn x_test() -> Domain {
    "x.test".parse().unwrap()
}

/// The keys as selector, algorithm and state.
async fn keys(client: &DirectoryClient) -> Vec<(String, KeyAlgorithm, DkimState)> {
    let keys = client.show_domain(&x_test()).await.unwrap().dkim_keys;
    keys.into_iter().map(|key| (key.selector.clone(), key.algorithm(), key.state())).collect()
}

async fn signing(client: &DirectoryClient) -> Vec<String> {
    client.signing_keys(&x_test()).await.unwrap().iter().map(|key| key.selector.clone()).collect()
}

#[tokio::test]
async fn a_domain_signs_from_the_start_and_its_keys_rotate() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let (front, admin) = (DirectoryClient::over(running.channel()), DirectoryClient::over(running.channel()));
    let first = keys(&admin).await;
    assert_eq!(
        first.iter().map(|(_, algorithm, state)| (*algorithm, *state)).collect::<Vec<_>>(),
        [(KeyAlgorithm::Rsa2048, DkimState::Active), (KeyAlgorithm::Ed25519, DkimState::Active)]
    );
    let (rsa, ed) = (first[0].0.clone(), first[1].0.clone());
    assert!(rsa.starts_with("bd20") && rsa.ends_with("-rsa") && ed.ends_with("-ed25519"), "{rsa} {ed}");
    let signs = front.signing_keys(&x_test()).await.unwrap();
    assert_eq!(
        signs.iter().map(|key| key.key.algorithm()).collect::<Vec<_>>(),
        [Algorithm::Rsa2048, Algorithm::Ed25519]
    );
    let public = admin.show_domain(&x_test()).await.unwrap().dkim_keys[0].public_key.clone();
    assert_eq!(signs[0].key.public(), public.as_ref());
    assert!(front.signing_keys(&"y.test".parse().unwrap()).await.unwrap().is_empty());

    assert!(matches!(admin.rotate_dkim(&x_test()).await, Err(client::Error::Refused(_))));
    let next = admin.add_dkim_key(&x_test(), KeyAlgorithm::Ed25519, None).await.unwrap();
    // Named after the day; on the same one it is the second.
    let (of_next, day) = (next.selector.clone(), ed.trim_end_matches("-ed25519"));
    let expected = if of_next.starts_with(day) { format!("{ed}-2") } else { of_next.clone() };
    assert_eq!((of_next.as_str(), next.state()), (expected.as_str(), DkimState::Next));
    assert!(of_next != ed && of_next.contains("-ed25519"), "{of_next}");
    assert_eq!(signing(&front).await, [rsa.clone(), ed.clone()]);
    admin.rotate_dkim(&x_test()).await.unwrap();
    until(vec![rsa.clone(), of_next.clone()], || signing(&front)).await;
    let rotated = keys(&admin).await;
    assert_eq!(rotated[2], (ed.clone(), KeyAlgorithm::Ed25519, DkimState::Retired));

    assert!(matches!(admin.remove_dkim_key(&x_test(), &rsa).await, Err(client::Error::Refused(_))));
    admin.remove_dkim_key(&x_test(), &ed).await.unwrap();
    assert!(matches!(admin.remove_dkim_key(&x_test(), &ed).await, Err(client::Error::NotFound(_))));
    let retired = admin.retire_dkim_key(&x_test(), &rsa).await.unwrap();
    assert_eq!(admin.retire_dkim_key(&x_test(), &rsa).await.unwrap().retired_ms, retired.retired_ms);
    until(vec![of_next], || signing(&front)).await;
    let taken = admin.add_dkim_key(&x_test(), KeyAlgorithm::Ed25519, Some(&rsa)).await;
    assert!(matches!(taken, Err(client::Error::AlreadyExists(_))));
    let bad = admin.add_dkim_key(&x_test(), KeyAlgorithm::Ed25519, Some("A.b")).await;
    assert!(matches!(bad, Err(client::Error::Refused(_))));
}

#[tokio::test]
async fn srs_secrets_are_made_once_and_the_old_ones_stay_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let secrets = async |client: DirectoryClient| -> Vec<[u8; 32]> {
        client.srs_secrets().await.unwrap().iter().map(|secret| *secret.expose()).collect()
    };
    let front = DirectoryClient::over(running.channel());
    let (a, b) = tokio::join!(secrets(front.clone()), secrets(DirectoryClient::over(running.channel())));
    assert_eq!((a.len(), &a), (1, &b));
    for n in 2..=6 {
        front.rotate_srs().await.unwrap();
        until(n.min(4), || async { secrets(front.clone()).await.len() }).await;
    }
    let kept = secrets(DirectoryClient::over(running.channel())).await;
    assert!(!kept.contains(&a[0]) && kept.len() == 4);
}

#[tokio::test]
async fn webhooks_show_their_secret_once() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let client = DirectoryClient::over(running.channel());
    let request = proto::AddWebhookRequest {
        url: "https://hooks.example/in?a=b".to_owned(),
        include_parsed: true,
        ..proto::AddWebhookRequest::default()
    };
    let made = client.add_webhook(request.clone()).await.unwrap();
    let known = client.webhook(&made.id).await.unwrap().unwrap();
    assert_eq!((known.url.as_str(), known.include_parsed, known.include_raw), (request.url.as_str(), true, false));
    assert_eq!(known.secret.expose().as_slice(), made.secret.as_ref());
    assert!(client.list_webhooks().await.unwrap().iter().all(|webhook| webhook.secret.is_empty()));
    for url in
        ["", "hooks.example", "ftp://a.test/", "https://u:p@a.test/", "https:///x", "https://a.test/#x", "https://a b/"]
    {
        let bad = proto::AddWebhookRequest { url: url.to_owned(), ..request.clone() };
        assert!(matches!(client.add_webhook(bad).await, Err(client::Error::Refused(_))), "{url}");
    }
    let rule = proto::RuleName {
        domain: "x.test".to_owned(),
        kind: proto::RuleKind::Exact.into(),
        pattern: "hook".to_owned(),
    };
    let calls = proto::AddRuleRequest {
        name: Some(rule.clone()),
        targets: vec![proto::Target { to: Some(proto::target::To::Webhook(made.id.clone())) }],
        ..proto::AddRuleRequest::default()
    };
    client.add_rule(calls).await.unwrap();
    let Lookup::Found(routed) = client.route(&"hook@x.test".parse().unwrap()).await.unwrap() else { panic!("unknown") };
    assert_eq!((routed.webhooks.as_slice(), routed.stores.len()), ([made.id.clone()].as_slice(), 0));
    assert!(matches!(client.remove_webhook(&made.id).await, Err(client::Error::Refused(_))));
    let change =
        proto::ChangeWebhookRequest { id: made.id.clone(), new_secret: true, include_raw: true, ..Default::default() };
    let changed = client.change_webhook(change).await.unwrap();
    assert_ne!(changed.secret, made.secret);
    until((false, true), || async {
        let webhook = client.webhook(&made.id).await.unwrap().unwrap();
        (webhook.include_parsed, webhook.include_raw)
    })
    .await;
    client.remove_rule(rule).await.unwrap();
    client.remove_webhook(&made.id).await.unwrap();
    until(true, || async { client.webhook(&made.id).await.unwrap().is_none() }).await;
}

#[tokio::test]
async fn secrets_stand_sealed_under_a_key_that_must_be_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalogue.db");
    let running = peopled(&file).await;
    let client = DirectoryClient::over(running.channel());
    let signs = client.signing_keys(&x_test()).await.unwrap();
    let private = signs[1].key.pkcs8().to_vec();
    running.stop().await;
    let mut written = fs::read(&file).unwrap();
    written.extend(fs::read(file.with_extension("db-wal")).unwrap_or_default());
    let holds = |bytes: &[u8]| written.windows(bytes.len()).any(|window| window == bytes);
    // The seed follows 16 octets of form (RFC 8410 §7); the public key ends the PKCS#8 too.
    assert!(holds(signs[1].key.public()) && !holds(&private[16..48]));

    fs::rename(key_of(&file), folder.path().join("kept")).unwrap();
    let lost = Catalogue::open(&file, &key_of(&file)).await.err().unwrap();
    assert!(matches!(lost, Error::KeyLost { .. }), "{lost}");
    vault::NodeKey::generate().unwrap().write_new(&key_of(&file)).unwrap();
    let running = Running::start(&file).await;
    let request = proto::SigningKeysRequest { domain: "x.test".to_owned() };
    assert_eq!(refused(running.raw().signing_keys(request).await).0, Code::Internal);
    running.stop().await;
}

/// A catalogue of the first schema: its domain gets keys that wait for their records, and the feed's numbers go on.
#[tokio::test]
async fn a_catalogue_of_the_first_schema_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalogue.db");
    crate::catalogue::first_schema_for_tests(&Place { disk: &SystemDisk, path: file.clone() }).await;
    let catalogue = Arc::new(Catalogue::open(&file, &key_of(&file)).await.unwrap());
    assert_eq!(catalogue.feed().latest(), 41);
    crate::server::complete_for_tests(&catalogue).await.unwrap();
    crate::server::complete_for_tests(&catalogue).await.unwrap();
    let states: Vec<_> = catalogue.keys(&x_test()).await.unwrap().into_iter().map(|key| key.state).collect();
    assert_eq!(states, [crate::catalogue::KeyState::Next; 2]);
    assert_eq!(catalogue.feed().latest(), 43);
    assert!(catalogue.signing_keys(&x_test()).await.unwrap().is_empty());
}
