//! Limits of accounts, domains and aliases, and grants under them, over a real gRPC connection.

use super::*;
use proto::Space;

fn space(bytes: u64, messages: u64) -> Option<Space> {
    Some(Space { bytes, messages })
}

fn mailbox(number: u8) -> MailboxId {
    MailboxId::from_bytes([number; 12])
}

/// Asks for `more` octets in one message, or with `None` gives back.
fn ask(number: u8, version: u64, used: u64, more: Option<u64>) -> proto::GrantRequest {
    let more = more.and_then(|bytes| space(bytes, 1));
    proto::GrantRequest {
        mailbox_id: mailbox(number).to_string(),
        version: Some(version),
        held: space(used, 1),
        waiting: None,
        promised: None,
        least: more,
        wish: more,
    }
}

async fn grant(client: &DirectoryClient, request: proto::GrantRequest) -> (bool, u64, u64) {
    let reply = client.grant(request).await.unwrap();
    (reply.applied, reply.version, reply.granted.unwrap().bytes)
}

fn limit(bytes: Option<u64>, messages: Option<u64>) -> proto::LimitAccountRequest {
    proto::LimitAccountRequest { account: "ann".to_owned(), bytes_max: bytes, messages_max: messages }
}

#[tokio::test]
async fn grants_stay_within_the_account_and_late_requests_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let mut raw = running.raw();
    raw.add_alias(new_alias("bob@x.test", 2)).await.unwrap();
    raw.limit_account(limit(Some(1000), None)).await.unwrap();
    let client = DirectoryClient::over(running.channel());
    assert_eq!(grant(&client, ask(1, 0, 100, Some(500))).await, (true, 1, 600));
    // The same once more, as after a lost answer, and one of before.
    assert_eq!(grant(&client, ask(1, 0, 100, Some(500))).await, (false, 1, 600));
    // What is left, exactly, and not an octet more.
    assert_eq!(grant(&client, ask(2, 0, 0, Some(401))).await, (true, 1, 0));
    assert_eq!(grant(&client, ask(2, 1, 0, Some(400))).await, (true, 2, 400));
    assert_eq!(grant(&client, ask(1, 1, 600, Some(1))).await, (true, 2, 600));
    // The least, where the wish is too much.
    assert_eq!(grant(&client, ask(2, 2, 100, None)).await, (true, 3, 100));
    let flexible = proto::GrantRequest { wish: space(5000, 1), ..ask(1, 2, 600, Some(200)) };
    assert_eq!(grant(&client, flexible).await, (true, 3, 800));
    // What was promised stays when the rest is given back.
    let promised = proto::GrantRequest {
        held: space(590, 0),
        waiting: space(10, 1),
        promised: space(50, 1),
        ..ask(1, 3, 0, None)
    };
    assert_eq!(grant(&client, promised).await, (true, 4, 650));
    let look = proto::GrantRequest { version: None, ..ask(1, 0, 0, None) };
    let looked = client.grant(look).await.unwrap();
    assert_eq!((looked.applied, looked.version, looked.granted), (false, 4, space(650, 2)));
    assert_eq!((looked.held, looked.others), (space(590, 0), space(100, 1)));

    let shown = raw.show_account(proto::ShowAccountRequest { account: "ann".to_owned() }).await.unwrap().into_inner();
    let lines: Vec<_> = shown.aliases.iter().map(|each| (each.address.as_str(), each.used, each.granted)).collect();
    let expected = [("ann@x.test", space(600, 1), space(650, 2)), ("bob@x.test", space(100, 1), space(100, 1))];
    assert_eq!((shown.limit, &lines[..]), (space(1000, 0), &expected[..]));
    assert!(shown.aliases.iter().all(|each| each.told_ms > 1_700_000_000_000));
    running.stop().await;
}

#[tokio::test]
async fn a_lowered_limit_takes_nothing_away_and_gives_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let mut raw = running.raw();
    let client = DirectoryClient::over(running.channel());
    // Without a limit just what is told.
    assert_eq!(grant(&client, ask(1, 0, 700, Some(300))).await, (true, 1, 1000));
    raw.limit_account(limit(Some(500), Some(1))).await.unwrap();
    assert_eq!(grant(&client, ask(1, 1, 700, Some(400))).await, (true, 2, 1000));
    assert_eq!(grant(&client, ask(1, 2, 700, None)).await, (true, 3, 700));
    assert_eq!(grant(&client, ask(1, 3, 700, Some(1))).await, (true, 4, 700));
    // Octets alone are not enough: the message must be within its limit too.
    raw.limit_account(limit(Some(0), None)).await.unwrap();
    assert_eq!(grant(&client, ask(1, 4, 700, Some(1))).await, (true, 5, 700));
    let shown = raw.limit_account(limit(None, Some(0))).await.unwrap().into_inner();
    assert_eq!(shown.limit, space(0, 0));
    assert_eq!(grant(&client, ask(1, 5, 700, Some(1))).await, (true, 6, 701));
    let unknown = proto::LimitAccountRequest { account: "nobody".to_owned(), ..limit(Some(1), None) };
    assert_eq!(refused(raw.limit_account(unknown).await).0, Code::NotFound);
    assert_eq!(refused(raw.limit_account(limit(Some(u64::MAX), None)).await).0, Code::InvalidArgument);
    assert_eq!(refused(raw.grant(ask(9, 0, 1, None)).await), (Code::NotFound, "unknown mailbox".to_owned()));
    assert_eq!(refused(raw.grant(ask(1, 6, u64::MAX, None)).await).0, Code::InvalidArgument);
    running.stop().await;
}

#[tokio::test]
async fn a_domain_is_a_pool_too_and_changes_of_limits_are_heard() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let mut raw = running.raw();
    raw.add_domain(proto::AddDomainRequest { name: "y.test".to_owned() }).await.unwrap();
    for (address, number) in [("bob@x.test", 2), ("eve@y.test", 3)] {
        let request = proto::AddAliasRequest { account: address[..3].to_owned(), ..new_alias(address, number) };
        raw.add_alias(request).await.unwrap();
    }
    let client = DirectoryClient::over(running.channel());
    let bytes = |each: Option<Space>| each.unwrap().bytes;
    let limits =
        |allowance: &client::Allowance| [bytes(allowance.alias), bytes(allowance.account), bytes(allowance.domain)];
    let heard = async |number: u8, expected: [u64; 3]| {
        let until = tokio::time::Instant::now() + PATIENCE;
        while limits(&client.allowance(&mailbox(number)).await.unwrap()) != expected {
            assert!(tokio::time::Instant::now() < until, "{expected:?} was not heard of");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    heard(1, [0, 0, 0]).await;
    client.set_domain(&"x.test".parse().unwrap(), "quota_bytes", Some("1K")).await.unwrap();
    heard(1, [0, 0, 1024]).await;
    client.limit_account(&"ann".parse().unwrap(), Some(2000), None).await.unwrap();
    heard(1, [0, 2000, 1024]).await;
    let stored = client.limit_alias(&ann(), Some(900), Some(7)).await.unwrap();
    assert_eq!((stored.address.as_str(), stored.limit, stored.used), ("ann@x.test", space(900, 7), space(0, 0)));
    heard(1, [900, 2000, 1024]).await;
    heard(2, [0, 0, 1024]).await;
    heard(3, [0, 0, 0]).await;

    assert_eq!(grant(&client, ask(1, 0, 0, Some(600))).await, (true, 1, 600));
    assert_eq!(grant(&client, ask(2, 0, 0, Some(425))).await, (true, 1, 0));
    assert_eq!(grant(&client, ask(2, 1, 0, Some(424))).await, (true, 2, 424));
    assert_eq!(grant(&client, ask(3, 0, 0, Some(9999))).await, (true, 1, 9999));
    running.stop().await;
}
