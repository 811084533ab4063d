//! Mail for an alias with a webhook, from the MX to a program of the test's: signed, tried again, and never led inward.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::hook::{Hook, is_signed};
use harness::postfix::certificate;
use harness::{Exchange, Smtp, until};
use serde_json::{Value, json};

const MESSAGE: &str = "From: =?utf-8?q?J=C3=B8rn?= <good@elsewhere.test>\r\nTo: hook@example.test\r\nSubject: called\r\n\
    Date: Tue, 24 Nov 2026 12:00:00 +0000\r\nMessage-ID: <1@elsewhere.test>\r\nMIME-Version: 1.0\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGr\u{fc}n\r\n\
    --b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"a.bin\"\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n";

/// A system whose webhooks may call this machine under one address, and the programs there.
struct World {
    exchange: Exchange,
    hook: Hook,
    _folder: tempfile::TempDir,
}

impl World {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = certificate(folder.path(), "hook.test");
        let hook = Hook::start(&certificate);
        let settings = format!("ca = \"{}\"\nwebhook_networks = [\"127.0.0.1\"]\n", certificate.0.display());
        let exchange = Exchange::start("hook.test. 60 A 127.0.0.1\ninward.test. 60 A 127.0.0.2\n", 25, &settings);
        Self { exchange, hook, _folder: folder }
    }

    /// An alias whose mail is sent to this URL: the webhook's id and secret.
    fn alias(&self, name: &str, url: &str) -> (String, String) {
        let made = self.exchange.command(&["webhook", "add", url, "--payload", "both"]);
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        self.exchange.command(&["alias", "add", &format!("{name}@example.test"), "--webhook", &text("id")]);
        (text("id"), text("secret"))
    }

    fn url(&self, path: &str) -> String {
        format!("https://hook.test:{}{path}", self.hook.port)
    }

    fn send(&self, name: &str) {
        Smtp::connect(&self.exchange.dev).send(
            "good@elsewhere.test",
            &[&format!("{name}@example.test")],
            MESSAGE.as_bytes(),
        );
    }

    /// The calls with this path, once there are so many.
    fn calls(&self, path: &str, count: usize) -> Vec<Value> {
        until("the program is called", || Some(self.hook.calls_of(path)).filter(|calls| calls.len() >= count))
    }
}

fn body(call: &Value) -> Value {
    let octets: Vec<u8> = call["body"].as_str().unwrap().chars().map(|c| u8::try_from(c).unwrap()).collect();
    serde_json::from_slice(&octets).unwrap()
}

#[test]
fn a_program_is_called_with_the_message_until_it_takes_it() {
    let world = World::start();
    let (id, secret) = world.alias("hook", &world.url("/later"));
    world.send("hook");
    let first = world.calls("/later", 1).remove(0);
    let told = world.exchange.tried(&id, 1);
    assert_eq!(told["status"], "4.3.0 the webhook answered 500", "{told}");
    // The schedule has it wait for minutes; the operator does not.
    world.exchange.command(&["queue", "retry", "--all"]);
    let second = world.calls("/later", 2).remove(1);
    until("the queue is empty", || {
        let listed = world.exchange.command(&["queue", "list"]);
        listed["entries"].as_array().unwrap().is_empty().then_some(())
    });
    for call in [&first, &second] {
        assert!(is_signed(call, &secret), "{call}");
        assert_eq!(call["headers"]["content-type"], "application/json");
    }
    let mut forged = first.clone();
    forged["body"] = first["body"].as_str().unwrap().replace("called", "forged").into();
    assert!(!is_signed(&forged, &secret));
    assert!(!is_signed(&first, &format!("whsec_{}", STANDARD.encode([7; 32]))));
    // Both tries are the same call.
    assert_eq!(body(&first), body(&second));
    assert_eq!(first["headers"]["x-brevdue-delivery"], second["headers"]["x-brevdue-delivery"]);
    let called = body(&first);
    assert_eq!(called["delivery"], first["headers"]["x-brevdue-delivery"]);
    assert_eq!(called["webhook"], id.as_str());
    assert_eq!(called["envelope"]["from"], "good@elsewhere.test");
    assert_eq!(called["subject"], "called");
    assert_eq!(called["text"], "Gr\u{fc}n");
    assert_eq!(called["attachments"][0]["content"], "AAEC");
    assert_eq!(called["from"], json!([{ "name": "J\u{f8}rn", "address": "good@elsewhere.test" }]));
    let raw = STANDARD.decode(called["raw"].as_str().unwrap()).unwrap();
    assert!(raw.ends_with(MESSAGE.as_bytes()), "octet for octet: {}", String::from_utf8_lossy(&raw));
    world.exchange.dev.stop();
}

#[test]
fn no_program_of_the_own_network_is_called() {
    let world = World::start();
    let port = world.hook.port;
    let (redirected, _) = world.alias("redirected", &world.url("/inward"));
    let (named, _) = world.alias("named", &format!("https://inward.test:{port}/named"));
    let (literal, _) = world.alias("literal", &format!("https://127.0.0.2:{port}/literal"));
    for name in ["redirected", "named", "literal"] {
        world.send(name);
    }
    for id in [&redirected, &named, &literal] {
        let told = world.exchange.tried(id, 1);
        let expected = "4.7.1 the webhook could not be called: the host has no public address";
        assert_eq!(told["status"], expected, "{told}");
    }
    let hosts: Vec<_> = world.hook.calls().iter().map(|call| call["host"].clone()).collect();
    assert_eq!(hosts, ["127.0.0.1"], "the one that redirects");
    world.exchange.dev.stop();
}

#[test]
fn a_program_that_hangs_is_left() {
    let world = World::start();
    let (id, _) = world.alias("hang", &world.url("/hang"));
    world.alias("quick", &world.url("/quick"));
    world.send("hang");
    world.calls("/hang", 1);
    // It holds up nobody else, and itself for half a minute.
    world.send("quick");
    world.calls("/quick", 1);
    let told = world.exchange.tried(&id, 1);
    assert_eq!(told["status"], "4.4.1 the webhook could not be called: no answer in 30 s", "{told}");
    world.exchange.dev.stop();
}
