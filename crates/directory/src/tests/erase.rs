//! The end of an alias over a real gRPC connection: closed first, then forgotten with all that was its own.

use super::*;

fn erase(address: &str, forget: bool) -> proto::EraseAliasRequest {
    proto::EraseAliasRequest { address: address.to_owned(), forget }
}

#[tokio::test]
async fn an_alias_is_closed_and_then_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let mut raw = running.raw();
    let refused_open = refused(raw.erase_alias(erase("ann@x.test", true)).await);
    assert_eq!(refused_open, (Code::FailedPrecondition, "the alias is not closed".to_owned()));
    let credentials = || proto::CredentialsRequest { address: "ann@x.test".to_owned() };
    assert_eq!(raw.credentials(credentials()).await.unwrap().into_inner().credentials.len(), 2, "nothing was changed");

    // Twice: a crash may come in between.
    for _ in 0..2 {
        let closed = raw.erase_alias(erase("ANN@x.test", false)).await.unwrap().into_inner();
        assert_eq!(closed.mailbox_id, MailboxId::from_bytes([1; 12]).to_string());
    }
    let reply = raw.credentials(credentials()).await.unwrap().into_inner();
    assert!(reply.credentials.is_empty() && reply.alias.unwrap().disabled);
    let route = proto::RouteRequest { address: "ann@x.test".to_owned() };
    assert!(raw.route(route).await.unwrap().into_inner().stores.is_empty());

    raw.erase_alias(erase("ann@x.test", true)).await.unwrap();
    let gone = (Code::NotFound, "unknown alias".to_owned());
    assert_eq!(refused(raw.erase_alias(erase("ann@x.test", true)).await), gone);
    assert_eq!(refused(raw.credentials(credentials()).await), gone);
    // Nothing of it is in the way of another one.
    raw.add_alias(new_alias("ann@x.test", 1)).await.unwrap();
}
