//! Several stores, of which one fails or hangs: it is said which, and everybody else's backups are made, listed and healthy.

use crate::backup::{backup, done, fill, list, now, password, refused};
use harness::dev::binary;
use harness::s3::S3;
use harness::{Dev, Imap, User, client, until};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A folder that is everybody's, and buckets of owners.
fn settings(buckets: &[(&str, &S3)], folder: &Path) -> String {
    let ours = folder.join("ours");
    fs::create_dir_all(&ours).expect("a folder");
    let mut all = format!("[backup]\n[[backup.stores]]\nname = \"ours\"\nfolder = \"{}\"\n", ours.display());
    for (name, s3) in buckets {
        let named = format!("name = \"{name}\"");
        all += &s3.settings("").replace("[backup]\n", "").replace("name = \"s3\"", &named);
    }
    let file = folder.join("settings.toml");
    fs::write(&file, all).expect("written");
    file.to_str().expect("a path in UTF-8").to_owned()
}

fn goes_to(dev: &Dev, user: &User, store: &str) {
    let mut command = Command::new(binary());
    command.arg("--data").arg(dev.data()).args(["alias", "backup", &user.address, "--store", store]);
    assert!(command.stdout(Stdio::null()).status().expect("it runs").success());
}

/// A user's row of the list of everybody.
fn row<'r>(rows: &'r Value, user: &User) -> &'r Value {
    let rows = rows.as_array().expect("rows");
    rows.iter().find(|row| row["address"] == user.address.as_str()).expect("a row")
}

fn change(dev: &Dev, user: &User) {
    assert!(Imap::sign_in(dev, user).append("INBOX", "", b"Subject: one more\r\n\r\nx\r\n").is_ok());
}

/// `backup now` that goes on by itself.
fn begin(dev: &Dev, user: &User) -> Child {
    let mut command = Command::new(binary());
    command.arg("--data").arg(dev.data()).args(["backup", "now", &user.address, "--password-file"]);
    command.arg(password(dev, user)).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs")
}

fn get(dev: &Dev, path: &str) -> String {
    let url = format!("http://127.0.0.1:{}/{path}", dev.port("metrics"));
    client::stdout(&client::run(Command::new("curl").args(["-sS", &url])))
}

/// Waits until a metric of the worker says this of a store: it is told once a round.
fn until_metric(dev: &Dev, name: &str, store: &str, value: f64) {
    until(name, || metric(dev, name, store).filter(|found| *found == value));
}

fn metric(dev: &Dev, name: &str, store: &str) -> Option<f64> {
    let label = format!("store=\"{store}\"");
    let answer = get(dev, "metrics");
    let line = answer.lines().find(|line| line.starts_with(&format!("{name}{{")) && line.contains(&label))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// What the worker's health check answers: whether it is up, and all of it.
fn health(dev: &Dev) -> (String, Value) {
    let overall: Value = serde_json::from_str(&get(dev, "health")).expect("JSON");
    let worker = overall["processes"].as_array().expect("processes").iter().find(|one| one["process"] == "backup-1");
    let told = worker.expect("a worker")["status"].as_str().expect("text").to_owned();
    let overall = overall["status"].as_str().expect("text").to_owned();
    (overall, serde_json::from_str(&told).unwrap_or(Value::String(told)))
}

#[test]
fn one_that_hangs_keeps_nobody_waiting() {
    let (s3, stops, folder) = (S3::start(), S3::start(), tempfile::tempdir().expect("a temporary folder"));
    let settings = settings(&[("s3", &s3), ("stops", &stops)], folder.path());
    let dev = Dev::start(3, &["--settings", &settings]);
    let (user, owner, stuck) = (dev.user(1), dev.user(2), dev.user(3));
    goes_to(&dev, owner, "s3");
    goes_to(&dev, stuck, "stops");

    // An upload that hangs, and meanwhile everybody else's.
    stops.hold_after(0);
    fill(&dev, stuck);
    let mut hangs = begin(&dev, stuck);
    until("the store has the upload and goes no further", || stops.is_closed().then_some(()));
    until_metric(&dev, "brevdue_backup_uploads", "stops", 1.0);
    for (user, store) in [(user, "ours"), (owner, "s3")] {
        fill(&dev, user);
        assert_eq!(now(&dev, user)["store"], store);
        until("the success is told", || metric(&dev, "brevdue_backup_last_success_seconds", store));
    }
    assert_eq!(metric(&dev, "brevdue_backup_uploads", "stops"), Some(1.0), "it hangs still");
    until_metric(&dev, "brevdue_backup_waiting", "stops", 1.0);
    until_metric(&dev, "brevdue_backup_waiting", "ours", 0.0);
    hangs.kill().expect("it ran");
    hangs.wait().expect("it ends");
    // Its owner chooses another: the next snapshot goes there, whatever becomes of the upload that hangs.
    goes_to(&dev, stuck, "ours");
    change(&dev, stuck);
    assert_eq!(now(&dev, stuck)["store"], "ours");
    assert_eq!(metric(&dev, "brevdue_backup_uploads", "stops"), Some(1.0));
    dev.stop();
}

#[test]
fn commands_say_which_store_cannot_be_read_and_answer_with_the_rest() {
    let (s3, folder) = (S3::start(), tempfile::tempdir().expect("a temporary folder"));
    let dev = Dev::start(4, &["--settings", &settings(&[("s3", &s3)], folder.path())]);
    let (user, owner, nobodys, away) = (dev.user(1), dev.user(2), dev.user(3), dev.user(4));
    goes_to(&dev, owner, "s3");
    goes_to(&dev, nobodys, "none");
    change(&dev, user);
    change(&dev, owner);
    let (first, theirs) = (now(&dev, user), now(&dev, owner));
    // Is everything backed up? Those who are not stand in front, and each is told how it stands.
    let rows = done(&dev, &["list"]);
    let stands = [user, owner, nobodys, away].map(|user| row(&rows, user)["standing"].clone());
    assert_eq!(stands, ["backed_up", "backed_up", "not_kept", "empty"]);
    // Who checks the health of this `dev` has a mailbox, too, which may stand in between.
    let order: Vec<&Value> = rows.as_array().expect("rows").iter().map(|row| &row["address"]).collect();
    let place = |user: &User| order.iter().position(|address| **address == user.address.as_str());
    assert!(place(nobodys) < place(user) && place(user) < place(away), "{rows}");
    assert!(row(&rows, user)["age_seconds"].is_u64() && row(&rows, away)["age_seconds"].is_null());
    change(&dev, user);
    until("it is known to have changed", || {
        let rows = done(&dev, &["list"]);
        let row = row(&rows, user);
        (row["standing"] == "changed" && row["since"] != "").then_some(())
    });
    let works = done(&dev, &["store", "check"]);
    assert_eq!(works[0], json!({"store": "ours", "notes": [], "problem": ""}));
    assert_eq!((&works[1]["store"], &works[1]["problem"]), (&json!("s3"), &json!("")));

    fs::rename(s3.bucket(), folder.path().join("away")).expect("moved");
    let (checked, listed) = (backup(&dev, &["store", "check"]), backup(&dev, &["list"]));
    for answer in [&checked, &listed] {
        assert_eq!(answer.status.code(), Some(1));
    }
    let told: Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    assert_eq!(told[0]["problem"], "");
    assert!(told[1]["problem"].as_str().expect("text").contains("the store is gone"), "{told}");
    let rows: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!(row(&rows, user)["newest"], first["time"], "{rows}");
    assert!(String::from_utf8_lossy(&listed.stderr).contains("store s3 cannot be read"));
    // The newest may be in the one that cannot be read: it is restored only when it is named.
    let secret = password(&dev, user);
    let restore = ["restore", &user.address, "--yes", "--password-file", &secret];
    assert!(refused(&dev, &restore).contains("name one with --backup"));
    let id = first["id"].as_str().expect("an id");
    let named = ["restore", &user.address, "--yes", "--backup", id, "--password-file", &secret];
    assert_eq!(done(&dev, &named)["messages"].as_u64(), Some(1));
    // The owner's bucket is gone: that is said to who asks for a backup, and of nobody else.
    change(&dev, owner);
    let why = refused(&dev, &["now", &owner.address, "--password-file", &password(&dev, owner)]);
    assert!(why.contains("store s3: the store is gone"), "{why}");
    change(&dev, user);
    assert_eq!(now(&dev, user)["store"], "ours");
    let listed = backup(&dev, &["list"]);
    let rows: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    assert_eq!((&rows[0]["address"], &rows[0]["standing"]), (&json!(owner.address), &json!("failing")), "{rows}");
    assert!(rows[0]["why"].as_str().expect("text").contains("store s3: the store is gone"), "{rows}");
    let mut people = Command::new(binary());
    let people = people.arg("--data").arg(dev.data()).args(["backup", "list"]).output().expect("it runs");
    let sum = String::from_utf8_lossy(&people.stdout).lines().last().expect("a sum").to_owned();
    assert!(sum.contains(" mailboxes: 1 FAILING, ") && sum.contains("1 NOT BACKED UP, "), "{sum}");
    assert_eq!(metric(&dev, "brevdue_backup_store_failing", "s3"), Some(1.0));
    until_metric(&dev, "brevdue_backup_failing", "s3", 1.0);
    assert_eq!(metric(&dev, "brevdue_backup_store_failing", "ours"), Some(0.0));
    // Another process may be slow to answer.
    let told = until("this dev is degraded", || {
        let (overall, told) = health(&dev);
        (overall == "degraded").then_some(told)
    });
    assert_eq!(told["status"], "degraded", "{told}");
    let reason = told["reason"].as_str().expect("a reason");
    assert!(reason.contains("store s3: the store is gone") && !reason.contains("ours"), "{reason}");
    assert_eq!(told["stores"]["ours"]["status"], "ok");
    assert_eq!(told["stores"]["s3"]["status"], "failing");
    assert!(told["stores"]["s3"]["last_upload"].is_string(), "{told}");
    fs::rename(folder.path().join("away"), s3.bucket()).expect("moved back");
    // A worker that starts tries it at once; one that goes on would when its rest is over.
    dev.kill_and_wait("backup", 1);
    until("what waited is backed up", || (list(&dev, owner).len() == 2).then_some(()));
    until_metric(&dev, "brevdue_backup_store_failing", "s3", 0.0);
    // Two of one second are in no order.
    assert!(list(&dev, owner).iter().any(|kept| kept["id"] == theirs["id"]));

    // The worker's own: then it fails, because everybody's go there.
    fs::rename(folder.path().join("ours"), folder.path().join("gone")).expect("moved");
    let (_, told) = health(&dev);
    assert_eq!(told["status"], "failing");
    assert!(told["reason"].as_str().expect("a reason").starts_with("store ours: the store is gone"), "{told}");
    assert_eq!(told["stores"]["s3"]["status"], "ok");
    dev.stop();
}
