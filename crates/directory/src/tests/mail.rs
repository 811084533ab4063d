//! Routes, rules, settings and who may send as whom, over a real gRPC connection.

use super::*;
use crate::client::{Disposition, Routed};
use proto::target::To;

fn name(kind: proto::RuleKind, pattern: &str) -> Option<proto::RuleName> {
    Some(proto::RuleName { domain: "x.test".to_owned(), kind: kind.into(), pattern: pattern.to_owned() })
}

fn targets(forwards: &[&str]) -> Vec<proto::Target> {
    let target = |to: &&str| match *to {
        "store" => proto::Target { to: Some(To::Store(true)) },
        to => proto::Target { to: Some(To::Forward(to.to_owned())) },
    };
    forwards.iter().map(target).collect()
}

fn rule(kind: proto::RuleKind, pattern: &str, forwards: &[&str]) -> proto::AddRuleRequest {
    proto::AddRuleRequest { name: name(kind, pattern), targets: targets(forwards), ..proto::AddRuleRequest::default() }
}

fn mode(pattern: &str, mode: proto::RuleMode, text: &str) -> proto::ChangeRuleRequest {
    proto::ChangeRuleRequest {
        name: name(proto::RuleKind::Exact, pattern),
        mode: mode.into(),
        text: text.to_owned(),
        ..proto::ChangeRuleRequest::default()
    }
}

use proto::RuleKind::{CatchAll, Exact, Pattern};

/// A route in one line: disposition, stores with their subaddress, forwards.
fn line(routed: &Routed) -> String {
    let stores = routed.stores.iter().map(|alias| match alias.subaddress.as_str() {
        "" => alias.address.clone(),
        tag => format!("{}[{tag}]", alias.address),
    });
    let ends = stores.chain(routed.forwards.iter().map(|to| format!("->{to}"))).collect::<Vec<_>>().join(" ");
    match (routed.disposition, routed.text.as_str()) {
        (Disposition::Accept, "") => ends,
        (disposition, text) => format!("{disposition:?} {text}").trim_end().to_owned() + &ends,
    }
}

async fn route(client: &DirectoryClient, address: &str) -> String {
    match client.route(&address.parse().unwrap()).await.unwrap() {
        Lookup::Found(routed) => line(&routed),
        Lookup::UnknownAlias => "unknown alias".to_owned(),
        Lookup::UnknownDomain => "unknown domain".to_owned(),
    }
}

#[tokio::test]
async fn the_nearest_rule_counts() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let client = DirectoryClient::over(running.channel());
    for request in [
        rule(Exact, "ann+Lists", &["store", "Archive@Away.test"]),
        rule(Exact, "info", &["ann@x.test", "info@away.test"]),
        rule(Pattern, "sales-(?<where>[a-z]+)", &["${where}@sales.away.test", "ann@x.test"]),
        rule(Pattern, "sales-.*", &["any@away.test"]),
        rule(CatchAll, "", &["rest@away.test"]),
    ] {
        client.add_rule(request).await.unwrap();
    }
    for (address, expected) in [
        ("Ann@x.test", "ann@x.test"),
        ("ann+Shop@x.test", "ann@x.test[Shop]"),
        ("ann+LISTS@x.test", "ann@x.test[LISTS] ->Archive@away.test"),
        ("info@x.test", "ann@x.test ->info@away.test"),
        ("info+now@x.test", "ann@x.test ->info@away.test"),
        ("Sales-North@x.test", "ann@x.test ->north@sales.away.test"),
        ("sales-1@x.test", "->any@away.test"),
        ("who@x.test", "->rest@away.test"),
        ("ann@y.test", "unknown domain"),
    ] {
        assert_eq!(route(&client, address).await, expected, "{address}");
    }
    let Lookup::Found(routed) = client.route(&"info@x.test".parse().unwrap()).await.unwrap() else { panic!("unknown") };
    assert_eq!((routed.owner.address.as_str(), routed.owner.mailbox_id.len()), ("info@x.test", 24));
    assert_eq!(routed.owner.placement.as_ref().unwrap().node_id, "node-1");
    assert!(routed.owner.sealing_public_key.is_empty());
    client.remove_rule(name(CatchAll, "").unwrap()).await.unwrap();
    let fresh = DirectoryClient::over(running.channel());
    assert_eq!(route(&fresh, "who@x.test").await, "unknown alias");
}

#[tokio::test]
async fn local_forwards_are_followed_and_loops_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let client = DirectoryClient::over(running.channel());
    for request in [
        rule(Exact, "a", &["b@x.test", "ann@x.test"]),
        rule(Exact, "b", &["a@x.test", "away@y.test"]),
        rule(Exact, "self", &["self@x.test"]),
        rule(Exact, "ghost", &["nobody@x.test"]),
        rule(Exact, "half", &["nobody@x.test", "ann@x.test"]),
        // Each step is a new address.
        rule(Pattern, "grow(.*)", &["grow${1}g@x.test"]),
    ] {
        client.add_rule(request).await.unwrap();
    }
    for n in 0..9 {
        client.add_rule(rule(Exact, &format!("hop{n}"), &[&format!("hop{}@x.test", n + 1)])).await.unwrap();
    }
    client.add_rule(rule(Exact, "hop9", &["ann@x.test"])).await.unwrap();
    for n in 0..3 {
        let many: Vec<String> = (0..50).map(|m| format!("m{n}-{m}@away.test")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        client.add_rule(rule(Exact, &format!("many{n}"), &many)).await.unwrap();
    }
    client.add_rule(rule(Exact, "many", &["many0@x.test", "many1@x.test", "many2@x.test"])).await.unwrap();
    for (address, expected) in [
        ("a@x.test", "ann@x.test ->away@y.test"),
        ("self@x.test", "Refuse This address leads to no mailbox"),
        ("ghost@x.test", "Refuse"),
        ("half@x.test", "ann@x.test"),
        ("grow@x.test", "Refuse This address leads to no mailbox"),
        ("hop2@x.test", "ann@x.test"),
        ("hop0@x.test", "Refuse This address leads to no mailbox"),
        ("many@x.test", "FailSoftly This address leads to too many others"),
    ] {
        assert_eq!(route(&client, address).await, expected, "{address}");
    }
}

#[tokio::test]
async fn disabled_addresses_say_what_they_are_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let client = DirectoryClient::over(running.channel());
    client.add_rule(rule(Exact, "list", &["ann@x.test", "away@y.test"])).await.unwrap();
    client.add_rule(rule(Exact, "only", &["ann@x.test"])).await.unwrap();
    for (set, text, own, list, only) in [
        (proto::RuleMode::Refuse, "Ann has left", "Refuse Ann has left", "->away@y.test", "Refuse Ann has left"),
        (proto::RuleMode::FailSoftly, "", "FailSoftly", "FailSoftly", "FailSoftly"),
        (proto::RuleMode::Swallow, "", "Swallow", "->away@y.test", "Swallow"),
        (proto::RuleMode::Accept, "", "ann@x.test", "ann@x.test ->away@y.test", "ann@x.test"),
    ] {
        client.change_rule(mode("ann", set, text)).await.unwrap();
        // A client of its own: what others cached is another test's.
        let fresh = DirectoryClient::over(running.channel());
        assert_eq!(route(&fresh, "ann@x.test").await, own);
        assert_eq!(route(&fresh, "list@x.test").await, list);
        assert_eq!(route(&fresh, "only@x.test").await, only);
    }
    assert!(client.resolve(&ann()).await.unwrap().is_some_and(|alias| !alias.disabled));
}

#[tokio::test]
async fn rules_that_make_no_sense_are_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let mut raw = running.raw();
    let webhook = vec![proto::Target { to: Some(To::Webhook("0".repeat(24))) }];
    let text = mode("ann", proto::RuleMode::Refuse, "two\r\nlines");
    for (request, code) in [
        (rule(Exact, "info", &[]), Code::InvalidArgument),
        (rule(Exact, "info", &["store"]), Code::InvalidArgument),
        (rule(CatchAll, "", &["store"]), Code::InvalidArgument),
        (rule(Exact, "in fo", &["a@y.test"]), Code::InvalidArgument),
        (rule(Exact, "info", &["a b@y.test"]), Code::InvalidArgument),
        (rule(Pattern, "(", &["a@y.test"]), Code::InvalidArgument),
        (rule(Pattern, "a(.)", &["$2@y.test"]), Code::InvalidArgument),
        (rule(Pattern, "a(.)", &["a@$1.test"]), Code::InvalidArgument),
        (proto::AddRuleRequest { targets: webhook, ..rule(Exact, "info", &[]) }, Code::NotFound),
        (proto::AddRuleRequest { name: None, ..rule(Exact, "info", &["a@y.test"]) }, Code::InvalidArgument),
    ] {
        assert_eq!(refused(raw.add_rule(request.clone()).await).0, code, "{request:?}");
    }
    assert_eq!(refused(raw.change_rule(text).await).0, Code::InvalidArgument);
    let unknown = mode("nobody", proto::RuleMode::Refuse, "");
    assert_eq!(refused(raw.change_rule(unknown).await), (Code::NotFound, "there is no such rule".to_owned()));
    let last = proto::ChangeRuleRequest {
        name: name(Exact, "ann"),
        remove: targets(&["store"]),
        ..proto::ChangeRuleRequest::default()
    };
    assert_eq!(refused(raw.change_rule(last).await).0, Code::InvalidArgument);
    assert!(raw.list_rules(proto::ListRulesRequest::default()).await.unwrap().into_inner().rules.is_empty());
}

#[tokio::test]
async fn patterns_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let client = DirectoryClient::over(running.channel());
    for pattern in ["a.*", "b.*", "c.*"] {
        client.add_rule(rule(Pattern, pattern, &["one@y.test"])).await.unwrap();
    }
    client.add_rule(proto::AddRuleRequest { position: 2, ..rule(Pattern, "d.*", &["one@y.test"]) }).await.unwrap();
    let to_front = proto::ChangeRuleRequest { name: name(Pattern, "c.*"), position: 1, ..Default::default() };
    client.change_rule(to_front).await.unwrap();
    client.remove_rule(name(Pattern, "d.*").unwrap()).await.unwrap();
    let order: Vec<_> = client.list_rules(None).await.unwrap();
    let order: Vec<_> = order.into_iter().map(|rule| (rule.position, rule.name.unwrap().pattern)).collect();
    assert_eq!(order, [(1, "c.*".to_owned()), (2, "a.*".to_owned()), (3, "b.*".to_owned())]);
}

#[tokio::test]
async fn an_alias_may_store_and_forward_from_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let client = DirectoryClient::over(running.channel());
    let request = proto::AddAliasRequest { targets: targets(&["store", "bob@y.test"]), ..new_alias("bob@x.test", 2) };
    client.add_alias(request).await.unwrap();
    assert_eq!(route(&client, "bob@x.test").await, "bob@x.test ->bob@y.test");
    let bad = proto::AddAliasRequest { targets: targets(&["nowhere"]), ..new_alias("eve@x.test", 3) };
    assert!(matches!(client.add_alias(bad).await, Err(client::Error::Refused(_))));
    assert_eq!(route(&client, "eve@x.test").await, "unknown alias");
}

#[tokio::test]
async fn settings_are_typed_and_make_the_policy() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let client = DirectoryClient::over(running.channel());
    let domain: Domain = "x.test".parse().unwrap();
    let refusal = |answer: Result<proto::DomainDetails, client::Error>| answer.unwrap_err().to_string();
    let bad = client.set_domain(&domain, "dmarc", Some("reject")).await;
    assert_eq!(refusal(bad), "dmarc: not a value for it; it takes off, score or refuse");
    let unknown = refusal(client.set_domain(&domain, "colour", Some("blue")).await);
    assert!(unknown.starts_with("colour: there is no such setting; there are allow, deny, "), "{unknown}");
    let unknown = client.set_domain(&"y.test".parse().unwrap(), "dmarc", Some("off")).await;
    assert!(matches!(unknown, Err(client::Error::NotFound(_))));

    client.set_domain(&domain, "subaddress", Some("-")).await.unwrap();
    client.set_domain(&domain, "deny", Some("192.0.2.0/24")).await.unwrap();
    let details = client.set_domain(&domain, "deny", Some("+bad.test")).await.unwrap();
    let deny = details.settings.iter().find(|setting| setting.name == "deny").unwrap();
    assert_eq!((deny.value.as_str(), deny.default_value.as_str()), ("192.0.2.0/24,bad.test", ""));
    let fresh = DirectoryClient::over(running.channel());
    assert_eq!(route(&fresh, "ann-Shop@x.test").await, "ann@x.test[shop]");
    assert_eq!(route(&fresh, "ann+Shop@x.test").await, "unknown alias");
    let Lookup::Found(routed) = fresh.route(&ann()).await.unwrap() else { panic!("unknown") };
    assert_eq!(routed.policy.deny, ["192.0.2.0/24", "bad.test"]);
    let details = client.set_domain(&domain, "deny", None).await.unwrap();
    assert_eq!(details.settings.len(), crate::settings::SETTINGS.len());
    assert!(
        details.settings.iter().all(|setting| setting.name == "subaddress" || setting.value == setting.default_value)
    );
}

#[tokio::test]
async fn people_send_as_what_is_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let client = DirectoryClient::over(running.channel());
    let bob = proto::AddAliasRequest { account: "bob".to_owned(), ..new_alias("bob@x.test", 2) };
    client.add_alias(bob).await.unwrap();
    let of_ann = |request: proto::AddRuleRequest| proto::AddRuleRequest { account: "ann".to_owned(), ..request };
    client.add_rule(of_ann(rule(Exact, "info", &["bob@x.test"]))).await.unwrap();
    client.add_rule(of_ann(rule(Pattern, "ann-.*", &["ann@x.test"]))).await.unwrap();
    client.add_rule(rule(Exact, "list", &["ann@x.test"])).await.unwrap();
    client.add_rule(of_ann(rule(Exact, "noreply", &["ann@x.test"]))).await.unwrap();
    client.change_rule(mode("noreply", proto::RuleMode::Swallow, "")).await.unwrap();
    client.add_rule(of_ann(rule(Exact, "old", &["ann@x.test"]))).await.unwrap();
    client.change_rule(mode("old", proto::RuleMode::Refuse, "")).await.unwrap();
    for (sender, allowed, ours) in [
        ("ann@x.test", true, true),
        ("Ann+any@x.test", true, true),
        ("info@x.test", true, true),
        ("ann-shop@x.test", true, true),
        ("noreply@x.test", true, true),
        ("old@x.test", false, true),
        ("bob@x.test", false, true),
        ("list@x.test", false, true),
        ("nobody@x.test", false, true),
        ("ann@y.test", false, false),
    ] {
        let told = client.may_send(&ann(), &sender.parse().unwrap()).await.unwrap();
        assert_eq!((told.allowed, told.sender_domain.is_some()), (allowed, ours), "{sender}");
        assert_eq!((told.policy.is_some(), told.login.address.as_str()), (ours, "ann@x.test"));
    }
    let nobody = client.may_send(&"eve@x.test".parse().unwrap(), &ann()).await;
    assert!(matches!(nobody, Err(client::Error::NotFound(_))), "{nobody:?}");
}

#[tokio::test]
async fn cached_routes_hear_of_what_they_lead_through() {
    let folder = tempfile::tempdir().unwrap();
    let running = peopled(&folder.path().join("catalogue.db")).await;
    let (front, admin) = (DirectoryClient::over(running.channel()), DirectoryClient::over(running.channel()));
    admin.add_rule(rule(Exact, "info", &["ann@x.test", "bob@y.test"])).await.unwrap();
    until("ann@x.test ->bob@y.test".to_owned(), || route(&front, "info+a@x.test")).await;
    assert_eq!(route(&front, "who+is@x.test").await, "unknown alias");
    // The address that it leads to, a domain that was another's, an alias that was none, and a setting.
    admin.change_rule(mode("ann", proto::RuleMode::Refuse, "")).await.unwrap();
    until("->bob@y.test".to_owned(), || route(&front, "info+a@x.test")).await;
    admin.add_domain(&"y.test".parse().unwrap()).await.unwrap();
    until("Refuse".to_owned(), || route(&front, "info+a@x.test")).await;
    admin.add_alias(new_alias("bob@y.test", 2)).await.unwrap();
    until("bob@y.test".to_owned(), || route(&front, "info+a@x.test")).await;
    admin.add_alias(new_alias("who@x.test", 3)).await.unwrap();
    until("who@x.test[is]".to_owned(), || route(&front, "who+is@x.test")).await;
    admin.set_domain(&"x.test".parse().unwrap(), "subaddress", Some("none")).await.unwrap();
    until("unknown alias".to_owned(), || route(&front, "who+is@x.test")).await;
}
