//! What is kept with backups and where: keys of then, stores of one's own, and a bucket in which time and others do what they do.

use crate::backup::{backup, contents, done, fill, list, now, password, refused};
use harness::dev::binary;
use harness::moto::Moto;
use harness::{Dev, Imap, Smtp, User, until};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Any other command on this `dev`; JSON, or the line that says why not.
fn command(dev: &Dev, words: &[&str], input: &str) -> Result<Value, String> {
    let mut command = Command::new(binary());
    command.arg("--data").arg(dev.data()).arg("--json").args(words);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    match output.status.code() {
        Some(0) => Ok(serde_json::from_slice(&output.stdout).expect("JSON")),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// What people read.
fn lines(dev: &Dev, words: &[&str]) -> String {
    let mut command = Command::new(binary());
    let output = command.arg("--data").arg(dev.data()).args(words).output().expect("it runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn written(dev: &Dev, name: &str, text: &str) -> String {
    let file = dev.scratch().join(name);
    fs::write(&file, text).expect("written");
    file.to_str().expect("a path in UTF-8").to_owned()
}

/// A change, so that the next backup is another one.
fn change(dev: &Dev, user: &User, subject: &str) {
    let text = format!("Subject: {subject}\r\n\r\nx\r\n");
    assert!(Imap::sign_in(dev, user).append("INBOX", "", text.as_bytes()).is_ok());
}

/// Files below a folder, by their names in it.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(next).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).expect("below").to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for name in files(from) {
        fs::create_dir_all(to.join(&name).parent().expect("a folder")).expect("a folder");
        fs::copy(from.join(&name), to.join(&name)).expect("copied");
    }
}

/// The manifest of a backup in a folder.
fn manifest(folder: &Path, id: &Value) -> PathBuf {
    let end = format!("{}.json", id.as_str().expect("an id"));
    folder.join(files(folder).into_iter().find(|name| name.ends_with(&end)).expect("a manifest"))
}

#[test]
fn a_password_of_then_opens_the_backup_and_so_does_one_made_later() {
    let dev = Dev::start(2, &[]);
    let (user, other) = (dev.user(1), dev.user(2));
    fill(&dev, user);
    let before = contents(&dev, user);
    let made = now(&dev, user);
    let then = password(&dev, user);
    let added = ["alias", "password", &user.address, "--name", "later", "--password-file", &then];
    let added = command(&dev, &added, "").expect("a new password");
    let later = User { password: added["password"].as_str().expect("shown once").to_owned(), ..user.clone() };
    command(&dev, &["alias", "revoke", &user.address, "dev", "--yes"], "").expect("revoked");
    assert!(!Imap::connect(&dev).command(&format!("LOGIN {} {}", user.address, user.password)).is_ok());
    change(&dev, &later, "later");

    // The password of then, although it signs nobody in any more.
    let restore = ["restore", &user.address, "--yes", "--password-file", &then];
    let restored = done(&dev, &restore);
    assert_eq!((&restored["kept_credential"], restored["messages"].as_u64()), (&json!("dev"), Some(11)));
    assert_eq!(contents(&dev, &later), before);
    let part = ["restore", &user.address, "--folder", "INBOX", "--uid", "3", "--password-file", &then];
    assert_eq!(done(&dev, &part)["messages"].as_u64(), Some(1));
    // And one that was made later, as ever; but nobody else's.
    let with_later = written(&dev, "later", &later.password);
    let by_later = done(&dev, &["restore", &user.address, "--yes", "--password-file", &with_later]);
    assert_eq!((&by_later["kept_credential"], by_later["messages"].as_u64()), (&Value::Null, Some(11)));
    let wrong = refused(&dev, &["restore", &user.address, "--yes", "--password-file", &password(&dev, other)]);
    assert!(wrong.contains("nor had it when the backup was made"), "{wrong}");

    // A backup of the first form has no keys with it, and is one all the same.
    let file = manifest(&dev.data().join("backup"), &made["id"]);
    let mut first: Value = serde_json::from_slice(&fs::read(&file).expect("read")).expect("JSON");
    assert_eq!(first["version"], 2);
    first["version"] = json!(1);
    first.as_object_mut().expect("an object").remove("kept").expect("keys are kept");
    fs::write(&file, first.to_string()).expect("written");
    let id = made["id"].as_str().expect("an id");
    let restore =
        |file: &str| ["restore", &user.address, "--yes", "--backup", id, "--password-file", file].map(str::to_owned);
    let words = restore(&then);
    let why = refused(&dev, &words.each_ref().map(String::as_str));
    assert!(why.contains("no keys of then are kept"), "{why}");
    let words = restore(&with_later);
    assert_eq!(done(&dev, &words.each_ref().map(String::as_str))["messages"].as_u64(), Some(11));
    dev.stop();
}

#[test]
fn a_mailbox_whose_alias_is_gone_is_found_and_restored_into_another() {
    let dev = Dev::start(2, &[]);
    let (user, other) = (dev.user(1), dev.user(2));
    fill(&dev, user);
    let before: Vec<Vec<u8>> =
        contents(&dev, user).remove("INBOX").expect("a folder").into_iter().map(|row| row.2).collect();
    now(&dev, user);
    now(&dev, other);
    let (store, copied) = (dev.data().join("backup"), dev.scratch().join("copy"));
    copy(&store, &copied);
    let erased = command(&dev, &["alias", "erase", &user.address, "--yes"], "").expect("erased");
    let id = erased["mailbox_id"].as_str().expect("an id").to_owned();
    assert!(!files(&store).iter().any(|name| name.contains(&id)));
    // As after a directory was lost and an older one put in its place: the bucket has it, and no alias does.
    copy(&copied, &store);

    let everybody = done(&dev, &["list"]);
    let row = |address: &str| everybody.as_array().expect("rows").iter().find(|row| row["address"] == address).cloned();
    let gone = row(&user.address).expect("whose it was is kept");
    assert_eq!((&gone["mailbox_id"], &gone["alias"], gone["messages"].as_u64()), (&json!(id), &json!(false), Some(11)));
    assert_eq!(row(&other.address).expect("a row")["alias"], json!(true));
    let why = refused(&dev, &["restore", &user.address, "--yes", "--password-file", &password(&dev, user)]);
    assert!(why.contains("no such alias") && why.contains("backup list"), "{why}");

    let (then, to) = (password(&dev, user), password(&dev, other));
    let words = |with: &str| {
        ["restore", "--mailbox", &id, "--to", &other.address, "--password-file", with, "--to-password-file", &to]
            .map(str::to_owned)
    };
    let wrong = words(&to);
    let why = refused(&dev, &wrong.each_ref().map(String::as_str));
    assert!(why.contains("did not have it when the backup was made"), "{why}");
    let right = words(&then);
    let restored = done(&dev, &right.each_ref().map(String::as_str));
    assert_eq!((&restored["kept_credential"], restored["messages"].as_u64()), (&json!("dev"), Some(11)));
    let now: Vec<Vec<u8>> =
        contents(&dev, other).remove("INBOX").expect("a folder").into_iter().map(|row| row.2).collect();
    assert_eq!(now, before);
    assert_eq!(backup(&dev, &["restore", "--mailbox", &id]).status.code(), Some(2));
    dev.stop();
}

/// Two folders as stores, of which the first is the worker's own, and retention that keeps one day.
fn two_stores(folder: &Path) -> String {
    let mut settings = "[backup]\nkeep_daily = 1\nkeep_weekly = 0\n".to_owned();
    for name in ["a", "b"] {
        fs::create_dir_all(folder.join(name)).expect("a folder");
        settings += &format!("[[backup.stores]]\nname = \"{name}\"\nfolder = \"{}\"\n", folder.join(name).display());
    }
    fs::write(folder.join("settings.toml"), settings).expect("written");
    folder.join("settings.toml").to_str().expect("a path in UTF-8").to_owned()
}

#[test]
fn an_alias_or_its_domain_has_a_store_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let dev = Dev::start(2, &["--settings", &two_stores(folder.path())]);
    let (user, away) = (dev.user(1), dev.user(2));
    let to = |store: &str| command(&dev, &["alias", "backup", &user.address, "--store", store], "").expect("chosen");
    change(&dev, user, "one");
    let first = now(&dev, user);
    assert_eq!(first["store"], "a");
    command(&dev, &["domain", "set", "example.test", "backup_store", "b"], "").expect("set");
    change(&dev, user, "two");
    assert_eq!(now(&dev, user)["store"], "b");
    assert_eq!(to("a"), json!({"address": user.address, "store": "a", "said_by": "alias"}));
    change(&dev, user, "three");
    assert_eq!(now(&dev, user)["store"], "a");
    // Wherever they are, they are listed, and restored.
    let listed = list(&dev, user);
    assert_eq!(done(&dev, &["store", "check", "b"]), json!({"store": "b", "notes": []}));
    assert!(refused(&dev, &["store", "prepare", "b"]).contains("a folder has nothing to prepare"));
    let mut stores: Vec<&str> = listed.iter().filter_map(|row| row["store"].as_str()).collect();
    stores.sort_unstable();
    assert_eq!(stores, ["a", "a", "b"]);

    let (first, secret) = (first["id"].as_str().expect("an id"), password(&dev, user));
    let restore = ["restore", &user.address, "--yes", "--backup", first, "--password-file", &secret];
    assert_eq!(done(&dev, &restore)["messages"].as_u64(), Some(1));

    // Mail that waits goes where its owner's backups do, with the keys of then beside it; queues go to the worker's first.
    Smtp::connect(&dev).send("a@elsewhere.test", &[&away.address], b"Subject: waits\r\n\r\nx\r\n");
    dev.kill_and_wait("node", 1);
    let waiting =
        |folder: &Path| files(folder).into_iter().find(|name| name.starts_with("waiting/") && name.ends_with(".json"));
    let manifest = until("waiting mail is backed up", || waiting(&b));
    assert!(fs::read_to_string(b.join(manifest)).expect("read").contains("\"kept\""));
    let is_queue = |name: &String| name.starts_with("queues/") && name.ends_with(".json");
    until("queues are backed up", || files(&a).iter().any(is_queue).then_some(()));
    assert_eq!((waiting(&a), files(&b).iter().any(|name| name.starts_with("queues/"))), (None, false));

    // A store that the worker does not have: it waits, and goes to nobody else's.
    let (in_a, in_b) = (files(&a), files(&b));
    to("nowhere");
    change(&dev, user, "four");
    let why = refused(&dev, &["now", &user.address, "--password-file", &secret]);
    assert!(why.contains("the store `nowhere`") && why.contains("[[backup.stores]]"), "{why}");
    let said = lines(&dev, &["backup", "list", &user.address]);
    assert!(said.contains("nowhere, as the alias has it, which this configuration does not have"), "{said}");
    assert!(said.contains("is in no store yet"), "{said}");
    assert_eq!((files(&a), files(&b)), (in_a.clone(), in_b.clone()));
    to("inherit");
    let made = now(&dev, user);
    assert_eq!((&made["store"], made["messages"].as_u64()), (&json!("b"), Some(2)));

    // None at all: said where anybody looks, and the next after that is made although nothing has changed.
    command(&dev, &["domain", "set", "example.test", "backup_store", "none"], "").expect("set");
    change(&dev, user, "five");
    let why = refused(&dev, &["now", &user.address, "--password-file", &secret]);
    assert!(why.contains("it is not backed up"), "{why}");
    let said = lines(&dev, &["backup", "list", &user.address]);
    assert!(said.contains("NOT BACKED UP") && !said.contains("is in no store yet"), "{said}");
    assert_eq!(files(&a), in_a);
    to("a");
    let made = now(&dev, user);
    assert_eq!((&made["store"], made["messages"].as_u64()), (&json!("a"), Some(3)));
    dev.stop();
}

/// A backup as it would have been made on another day.
fn earlier(store: &Path, of: &Value, day: &str, number: u32) -> String {
    let file = manifest(store, &of["id"]);
    let mut manifest: Value = serde_json::from_slice(&fs::read(&file).expect("read")).expect("JSON");
    let id = format!("{number:024x}");
    manifest["id"] = json!(id);
    manifest["time"] = json!(format!("{day}T03:00:00Z"));
    let folder = file.parent().expect("a folder");
    let stem = folder.join(format!("{}T030000Z-{id}", day.replace('-', "")));
    fs::copy(file.with_extension("sqlite"), stem.with_extension("sqlite")).expect("copied");
    fs::write(stem.with_extension("json"), manifest.to_string()).expect("written");
    id
}

#[test]
fn retention_goes_on_where_no_new_backup_comes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let a = folder.path().join("a");
    let dev = Dev::start(2, &["--settings", &two_stores(folder.path())]);
    let (user, still) = (dev.user(1), dev.user(2));
    change(&dev, user, "one");
    change(&dev, still, "one");
    let (old, kept) = (now(&dev, user), now(&dev, still));
    // One that has moved to another store since, and one that has not changed for long.
    let moved: Vec<String> = (1..4).map(|n| earlier(&a, &old, &format!("2024-02-0{n}"), n)).collect();
    let last: Vec<String> = (4..6).map(|n| earlier(&a, &kept, &format!("2024-02-0{n}"), n)).collect();
    let of_now = manifest(&a, &kept["id"]);
    fs::remove_file(&of_now).expect("removed");
    fs::remove_file(of_now.with_extension("sqlite")).expect("removed");
    // What nobody here has put there.
    let foreign =
        [of_now.with_file_name("notes.txt"), a.join("mailboxes/notes.txt"), a.join("mailboxes/other/x.sqlite")];
    fs::create_dir_all(a.join("mailboxes/other")).expect("a folder");
    for file in &foreign {
        fs::write(file, "not ours").expect("written");
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(100 * 86_400);
        fs::File::open(file).expect("opened").set_modified(long_ago).expect("aged");
    }
    command(&dev, &["alias", "backup", &user.address, "--store", "b"], "").expect("chosen");
    change(&dev, user, "two");
    assert_eq!(now(&dev, user)["store"], "b");
    let ids = |user: &User| -> Vec<Value> { list(&dev, user).iter().map(|row| row["id"].clone()).collect() };
    assert_eq!((ids(user).len(), ids(still).len()), (5, 2));
    // A worker begins with a round.
    dev.kill_and_wait("backup", 1);
    until("what is kept too long has gone", || (ids(user).len() == 2 && ids(still).len() == 1).then_some(()));
    assert!(moved.iter().all(|id| !files(&a).iter().any(|name| name.contains(id.as_str()))));
    // The last that there is stays, old as it is.
    assert_eq!(ids(still), [json!(last[1])]);
    assert!(foreign.iter().all(|file| file.exists()));
    dev.stop();
}

/// Rules that somebody else has set: one for their logs, and one that moves what has a tag.
const FOREIGN: &str = r#"[
    {"ID": "logs", "Filter": {"Prefix": "logs/"}, "Status": "Enabled", "Expiration": {"Days": 30},
     "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
    {"ID": "cold", "Filter": {"And": {"Prefix": "", "Tags": [{"Key": "cold", "Value": "yes"}]}}, "Status": "Enabled",
     "Transitions": [{"Days": 5, "StorageClass": "GLACIER"}], "NoncurrentVersionExpiration": {"NoncurrentDays": 9}}
]"#;

/// Two stores in one bucket: one below a prefix, and one with the bucket to itself.
fn with_moto(moto: &Moto) -> Dev {
    let settings = format!("[backup]\n{}{}", moto.store("s3", "of/brevdue"), moto.store("bare", ""));
    fs::write(moto.file("settings.toml"), settings).expect("written");
    Dev::start(1, &["--settings", moto.file("settings.toml").to_str().expect("a path in UTF-8")])
}

fn notes(dev: &Dev, store: &str) -> Vec<String> {
    let checked = done(dev, &["store", "check", store]);
    checked["notes"].as_array().expect("a list").iter().map(|note| note.as_str().expect("text").to_owned()).collect()
}

#[test]
fn a_bucket_is_tried_out_and_prepared_and_others_rules_stay() {
    let moto = Moto::start();
    let dev = with_moto(&moto);
    let set = |rules: &str| moto.ask(&format!("set_rules {}", rules.replace('\n', " ")));
    let foreign = set(FOREIGN);
    let said = notes(&dev, "s3");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("no rule ends uploads"), "{said:?}");
    // A check leaves nothing; the worker has put there what it backs up by itself.
    assert!(!moto.ask("objects").to_string().contains("check/"));
    assert_eq!(moto.ask("uploads"), json!([]));

    let ready = done(&dev, &["store", "prepare", "s3"]);
    assert_eq!((ready["days"].as_u64(), ready["other_rules"].as_u64()), (Some(7), Some(2)));
    let again = done(&dev, &["store", "prepare", "s3", "--days", "3"]);
    assert_eq!((&again["rule"], again["other_rules"].as_u64()), (&ready["rule"], Some(2)));
    let bare = done(&dev, &["store", "prepare", "bare"]);
    assert_ne!(bare["rule"], ready["rule"]);
    let rules = moto.ask("rules");
    let rule = |id: &Value| rules.as_array().expect("rules").iter().find(|rule| rule["ID"] == *id).cloned();
    for theirs in foreign.as_array().expect("rules") {
        assert_eq!(rule(&theirs["ID"]).as_ref(), Some(theirs));
    }
    let ours = rule(&ready["rule"]).expect("ours");
    assert_eq!(ours["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"], 3);
    assert_eq!((&ours["Filter"]["Prefix"], &ours["Status"]), (&json!("of/brevdue/"), &json!("Enabled")));
    assert_eq!((rules.as_array().expect("rules").len(), notes(&dev, "s3"), notes(&dev, "bare")), (4, vec![], vec![]));

    // A rule that would delete backups is named.
    set(r#"[{"ID": "sweeper", "Filter": {"Prefix": "of/"}, "Status": "Enabled", "Expiration": {"Days": 90}}]"#);
    assert!(notes(&dev, "s3").iter().any(|note| note.contains("sweeper") && note.contains("backups too")));

    // A folder has no such thing, nor has a store that there is not; and a wrong secret is told.
    assert!(refused(&dev, &["store", "check", "none"]).contains("there are bare, s3"));
    fs::write(moto.file("credentials"), "test-key\n").expect("written");
    assert!(refused(&dev, &["store", "check", "s3"]).contains("credentials_file"));
    dev.stop();
}

#[test]
fn what_uploads_leave_is_ended_and_what_a_rule_deletes_counts_for_nothing() {
    let moto = Moto::start();
    let dev = with_moto(&moto);
    let user = dev.user(1);
    change(&dev, user, "one");
    let made = now(&dev, user);
    let objects = moto.ask("objects");
    let mut names = objects.as_array().expect("names").iter().filter_map(Value::as_str);
    let data = names.find(|name| name.contains("/mailboxes/") && name.ends_with(".sqlite"));
    let data = data.expect("an object").to_owned();
    let folder = data.rsplit_once('/').expect("a folder").0;

    // Two uploads that nobody goes on with, one of them from just now, and something that is not ours.
    let (left, young) = (
        format!("{folder}/20240101T000000Z-{:024x}.sqlite", 1),
        format!("{folder}/20240102T000000Z-{:024x}.sqlite", 2),
    );
    for name in [&left, &young] {
        moto.ask(&format!("leave {name}"));
    }
    let foreign = format!("{folder}/theirs.sqlite.upload");
    moto.ask(&format!("put {foreign}"));
    for name in [&format!("{left}.upload"), &foreign] {
        moto.ask(&format!("age {name} 100"));
    }
    dev.kill_and_wait("backup", 1);
    until("the old upload has ended", || (moto.ask("uploads") == json!([young])).then_some(()));
    until("its note has gone", || {
        let objects = moto.ask("objects");
        let names: Vec<&str> = objects.as_array().expect("names").iter().filter_map(Value::as_str).collect();
        assert!(names.contains(&foreign.as_str()) && names.contains(&data.as_str()));
        (!names.contains(&format!("{left}.upload").as_str())).then_some(())
    });
    assert_eq!(list(&dev, user).len(), 1);

    // Somebody's rule deletes the data: the manifest alone is no backup, and that is said.
    moto.ask(&format!("expire {data}"));
    let looked = backup(&dev, &["list", &user.address]);
    assert_eq!((looked.status.code(), String::from_utf8_lossy(&looked.stdout).trim()), (Some(0), "[]"));
    let id = made["id"].as_str().expect("an id");
    let told = format!("the backup {id}");
    assert!(String::from_utf8_lossy(&looked.stderr).contains(&told));
    let secret = password(&dev, user);
    let why = refused(&dev, &["restore", &user.address, "--yes", "--password-file", &secret]);
    assert!(why.contains(&told) && why.contains("counts for nothing") && why.contains("there is no backup"), "{why}");
    let drilled = backup(&dev, &["drill"]);
    assert_eq!(drilled.status.code(), Some(1));
    // An erasure ends the other upload, too.
    command(&dev, &["alias", "erase", &user.address, "--yes"], "").expect("erased");
    assert_eq!(moto.ask("uploads"), json!([]));
    dev.stop();
}
