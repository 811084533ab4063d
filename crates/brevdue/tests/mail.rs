//! The commands for where mail goes, what domains ask, and what DNS is to say of them, on a running `dev`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "tests")]

mod support;

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{brevdue, refused};

/// Seconds that a start may take.
const PATIENCE_SECONDS: u64 = 120;

/// A `dev` with one user.
struct Dev(Child);

impl Dev {
    fn start(folder: &Path) -> Self {
        let ready = folder.join("ready.json");
        let log = fs::File::create(folder.join("dev.log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_brevdue"))
            .args(["dev", "--ports", "auto", "--user", "ann@x.test:secret", "--data"])
            .arg(folder.join("data"))
            .arg("--ready")
            .arg(&ready)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut dev = Self(child);
        let deadline = Instant::now() + Duration::from_secs(PATIENCE_SECONDS);
        while !ready.exists() {
            let log = || fs::read_to_string(folder.join("dev.log")).unwrap();
            assert!(dev.0.try_wait().unwrap().is_none() && Instant::now() < deadline, "{}", log());
            std::thread::park_timeout(Duration::from_millis(10));
        }
        dev
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // Its processes end when it does.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The commands on one folder.
struct On(String);

impl On {
    fn words<'a>(&'a self, words: &[&'a str]) -> Vec<&'a str> {
        [&["--data", self.0.as_str()], words].concat()
    }

    fn says(&self, words: &[&str]) -> String {
        let ended = brevdue(self.words(words));
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{words:?}");
        ended.out
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.says(&[words, &["--json"]].concat())).unwrap()
    }

    fn refuses(&self, words: &[&str]) -> String {
        refused(self.words(words))
    }
}

#[test]
fn where_mail_goes_is_told_and_changed() {
    let folder = tempfile::tempdir().unwrap();
    let _dev = Dev::start(folder.path());
    let on = On(folder.path().join("data").display().to_string());
    addresses(&on);
    patterns(&on);
    webhooks(&on);
    settings(&on);
    keys(&on);
    records(&on, folder.path());
    assert!(on.says(&["srs", "rotate"]).starts_with("A new secret signs"));
}

fn addresses(on: &On) {
    let said = on.says(&["alias", "add", "Info@X.test", "--forward", "ann@x.test", "--forward", "Bob@Away.test"]);
    assert_eq!(said, "info@x.test: goes to Bob@away.test, ann@x.test\n");
    assert_eq!(on.says(&["alias", "add", "*@x.test", "--forward", "ann@x.test"]), "*@x.test: goes to ann@x.test\n");
    assert_eq!(on.says(&["alias", "route", "ann@x.test"]), "ann@x.test: goes to its mailbox\n");
    let said = on.says(&["alias", "route", "ann@x.test", "--forward", "ann@away.test"]);
    assert_eq!(said, "ann@x.test: goes to its mailbox, ann@away.test\n");
    let said = on.says(&["alias", "route", "ann@x.test", "--no-store"]);
    assert_eq!(said, "ann@x.test: goes to ann@away.test\n");
    let why = on.refuses(&["alias", "route", "ann@x.test", "--no-forward", "ann@away.test"]);
    assert_eq!(why, "ann@x.test: a rule that takes mail needs a target: a mailbox, an address or a webhook");
    let said = on.says(&["alias", "route", "ann@x.test", "--no-forward", "ann@away.test", "--store"]);
    assert_eq!(said, "ann@x.test: goes to its mailbox\n");
    let said = on.says(&["alias", "disable", "info@x.test", "--text", "Gone"]);
    assert_eq!(said, "info@x.test: refused with \"Gone\"\n");
    assert_eq!(on.says(&["alias", "disable", "info@x.test", "--mode", "soft"]), "info@x.test: refused for now\n");
    assert_eq!(on.says(&["alias", "enable", "info@x.test"]), "info@x.test: goes to Bob@away.test, ann@x.test\n");
    let rules = on.json(&["alias", "rules", "x.test"]);
    let shown: Vec<_> = rules.as_array().unwrap().iter().map(|rule| rule["address"].as_str().unwrap()).collect();
    assert_eq!(shown, ["ann@x.test", "info@x.test", "*@x.test"]);
    let why = on.refuses(&["alias", "remove", "ann@x.test", "--yes"]);
    assert_eq!(why, "ann@x.test: it has a mailbox; `brevdue alias disable` takes no more mail for it");
    assert_eq!(on.says(&["alias", "remove", "*@x.test", "--yes"]), "*@x.test: taken away\n");
    let why = on.refuses(&["alias", "route", "nobody@x.test"]);
    assert_eq!(why, "nobody@x.test: there is no such address");
    let why = on.refuses(&["alias", "add", "a@y.test", "--forward", "ann@x.test"]);
    assert_eq!(why, "y.test: unknown domain; make it first with `brevdue domain add y.test`");
    let made = on.json(&["alias", "add", "eve@x.test", "--store", "--forward", "eve@away.test"]);
    assert!(made["recovery_key"].is_string() && made["password"].is_string(), "{made}");
    assert_eq!(on.says(&["alias", "route", "eve@x.test"]), "eve@x.test: goes to its mailbox, eve@away.test\n");
}

fn patterns(on: &On) {
    let add = ["alias", "pattern", "add", "x.test", "sales-(.*)", "--forward", "$1@sales.test"];
    assert_eq!(on.says(&add), "/sales-(.*)/@x.test: goes to $1@sales.test\n");
    let why = on.refuses(&["alias", "pattern", "add", "x.test", "(", "--forward", "ann@x.test"]);
    assert!(why.starts_with("/(/@x.test: the pattern is not usable: regex parse error:"), "{why}");
    let why = on.refuses(&["alias", "pattern", "add", "x.test", "a(.)", "--forward", "a@$1.test"]);
    assert_eq!(why, "/a(.)/@x.test: a@$1.test: what matched may stand before the @ only");
    on.says(&["alias", "pattern", "add", "x.test", "s.*", "--forward", "ann@x.test", "--position", "1"]);
    let listed = on.json(&["alias", "pattern", "list", "x.test"]);
    let order: Vec<_> = listed.as_array().unwrap().iter().map(|rule| rule["address"].as_str().unwrap()).collect();
    assert_eq!(order, ["/s.*/@x.test", "/sales-(.*)/@x.test"]);
    let said = on.says(&["alias", "pattern", "change", "x.test", "s.*", "--disable", "swallow"]);
    assert_eq!(said, "/s.*/@x.test: taken and thrown away\n");
    assert_eq!(on.says(&["alias", "pattern", "remove", "x.test", "s.*"]), "/s.*/@x.test: taken away\n");
}

fn webhooks(on: &On) {
    let made = on.json(&["alias", "add", "hook@x.test", "--webhook", "https://hooks.test/in", "--payload", "both"]);
    let webhook = &made["made"][0];
    let id = webhook["id"].as_str().unwrap();
    assert!(webhook["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!((&made["webhooks"], &made["store"]), (&json!([id]), &json!(false)));
    let listed = on.json(&["webhook", "list"]);
    assert_eq!((&listed[0]["payload"], listed.as_array().unwrap().len()), (&json!("both"), 1));
    assert!(listed[0].get("secret").is_none());
    let why = on.refuses(&["webhook", "remove", id, "--yes"]);
    assert_eq!(why, format!("webhook {id}: rules call this webhook; take it out of them first"));
    // What a refused command made is taken away again.
    on.refuses(&["alias", "add", "hook@x.test", "--webhook", "https://hooks.test/other"]);
    assert_eq!(on.json(&["webhook", "list"]).as_array().unwrap().len(), 1);
    let said = on.says(&["webhook", "change", id, "--payload", "raw"]);
    assert_eq!(said, format!("webhook {id}: raw is sent to https://hooks.test/in\n"));
    on.says(&["alias", "remove", "hook@x.test", "--yes"]);
    assert_eq!(on.says(&["webhook", "remove", id, "--yes"]), format!("webhook {id}: taken away\n"));
}

fn settings(on: &On) {
    assert_eq!(on.says(&["domain", "set", "x.test", "junk_score", "6.5"]), "x.test: junk_score = 6.5\n");
    let said = on.says(&["domain", "set", "x.test", "deny", "bad.test,192.0.2.1/24"]);
    assert_eq!(said, "x.test: deny = 192.0.2.0/24,bad.test\n");
    let said = on.says(&["domain", "set", "x.test", "deny", "-bad.test"]);
    assert_eq!(said, "x.test: deny = 192.0.2.0/24\n");
    let said = on.says(&["domain", "set", "x.test", "deny", "--default"]);
    assert_eq!(said, "x.test: deny = (none)  (default)\n");
    let why = on.refuses(&["domain", "set", "x.test", "greylist", "maybe"]);
    assert_eq!(why, "x.test: greylist: not a value for it; it takes on or off");
    assert!(on.refuses(&["domain", "set", "x.test", "colour", "blue"]).starts_with("x.test: colour: there is no such"));
    let shown = on.json(&["domain", "show", "x.test"]);
    let junk = shown["settings"].as_array().unwrap().iter().find(|each| each["name"] == "junk_score").unwrap();
    assert_eq!(junk, &json!({"name": "junk_score", "value": "6.5", "default": "5"}));
    assert_eq!(shown["dkim"].as_array().unwrap().len(), 2);
}

fn keys(on: &On) {
    let listed = on.json(&["domain", "dkim", "list", "x.test"]);
    assert_eq!((&listed[0]["state"], &listed[1]["algorithm"]), (&json!("active"), &json!("ed25519")));
    let added = on.json(&["domain", "dkim", "add", "x.test"]);
    assert_eq!(added.as_array().unwrap().len(), 2);
    // Without DNS nobody can look whether their records are there.
    let rotated = brevdue(on.words(&["domain", "dkim", "rotate", "x.test", "--json"]));
    let warning =
        "brevdue: DNS is off in this configuration: nobody looked whether the records of the new keys are there\n";
    assert_eq!((rotated.code, rotated.err.as_str()), (0, warning));
    let rotated: Value = serde_json::from_str(&rotated.out).unwrap();
    let states: Vec<_> = rotated.as_array().unwrap().iter().map(|key| key["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["active", "active", "retired", "retired"]);
    let gone = rotated[2]["selector"].as_str().unwrap();
    assert_eq!(on.says(&["domain", "dkim", "remove", "x.test", gone, "--yes"]), format!("{gone}: forgotten\n"));
    let why = on.refuses(&["domain", "dkim", "rotate", "x.test"]);
    assert!(why.starts_with("x.test: the domain has no next DKIM key"), "{why}");
}

fn records(on: &On, folder: &Path) {
    let zone = on.says(&["dns", "x.test"]);
    assert!(zone.starts_with("; Mail comes to this host.\nx.test. MX 10 mx.brevdue.test.\n"), "{zone}");
    let told = on.json(&["dns", "x.test"]);
    let of = |kind: &str| -> Vec<String> {
        let records = told["records"].as_array().unwrap().iter().filter(|record| record["type"] == kind);
        records.map(|record| record["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of("MX"), ["x.test"]);
    assert_eq!(of("TLSA"), ["_25._tcp.mx.brevdue.test"]);
    assert_eq!(of("SRV"), ["_imaps._tcp.x.test", "_submissions._tcp.x.test", "_pop3s._tcp.x.test"]);
    assert_eq!(of("CNAME"), ["mta-sts.x.test", "autoconfig.x.test", "autodiscover.x.test"]);
    assert_eq!(of("TXT").len(), 7);
    let policy = told["mta_sts_policy"].as_str().unwrap();
    assert_eq!(policy, "version: STSv1\r\nmode: testing\r\nmx: mx.brevdue.test\r\nmax_age: 604800\r\n");
    let nothing = folder.join("dev.log").display().to_string();
    let why = on.refuses(&["dns", "x.test", "--certificate", &nothing]);
    assert!(why.starts_with(&format!("{nothing}: no certificate: ")), "{why}");
    assert!(on.refuses(&["dns", "x.test", "--check"]).starts_with("DNS is off in this configuration"));
    assert!(on.refuses(&["dns", "y.test"]).starts_with("y.test: unknown domain"));
}
