//! The command line without a running system: exit codes, messages, files.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "tests")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use support::{brevdue, refused};

#[test]
fn help_is_done_and_nonsense_is_usage() {
    assert_eq!(brevdue(["--help"]).code, 0);
    assert_eq!(brevdue(["help"]).out, brevdue(["--help"]).out);
    assert_eq!(brevdue(["--version"]).out, format!("brevdue {}\n", env!("CARGO_PKG_VERSION")));
    let nonsense: [&[&str]; 9] = [
        &[],
        &["fly"],
        &["alias"],
        &["alias", "add"],
        &["dev", "--ports", "some"],
        &["dev", "--nodes", "0"],
        &["config", "check"],
        &["imap"],
        &["--data", "a", "--config", "b", "domain", "list"],
    ];
    for words in nonsense {
        let ended = brevdue(words);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{words:?}: {}", ended.err);
    }
    let ended = brevdue(["domain", "list"]);
    assert_eq!((ended.code, ended.err.as_str()), (2, "brevdue: which directory? Give --data DIR or --config FILE\n"));
}

#[test]
fn the_reference_is_a_configuration_that_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("brevdue.toml");
    fs::write(&file, brevdue(["config", "reference"]).out).unwrap();
    let name = file.display().to_string();
    let checked = brevdue(["config", "check", "--config", &name]);
    assert_eq!((checked.code, checked.out), (0, format!("{name}: ok\n")));
    let checked = brevdue(["config", "check", "--config", &name, "--role", "directory", "--json"]);
    assert_eq!((checked.code, checked.out), (0, format!("{{\"file\":\"{name}\",\"ok\":true}}\n")));
    assert!(refused(["config", "check", "--config", &name, "--role", "mx"]).contains("mx.hostname: not set"));

    fs::write(&file, "[imap]\nlisten = 143\n").unwrap();
    let why = refused(["config", "check", "--config", &name]);
    assert!(why.starts_with(&format!("{name}:2: imap.listen: ")), "{why}");
    assert!(refused(["directory", "--config", &name]).starts_with(&name));
    assert!(refused(["config", "check", "--config", "/nowhere"]).starts_with("/nowhere: cannot be read"));
}

#[test]
fn an_authority_is_made_once_and_issues_for_roles() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ca").display().to_string();
    let made = brevdue(["ca", "create", "--dir", &dir]);
    assert_eq!((made.code, made.out), (0, format!("certificate  {dir}/ca.crt\nkey          {dir}/ca.key\n")));
    assert!(refused(["ca", "create", "--dir", &dir]).contains("exists and is not overwritten"));
    let issued = brevdue(["ca", "issue", "--dir", &dir, "imap", "--name", "mail.example.com", "--json"]);
    assert_eq!((issued.code, issued.out), (0, format!("{{\"cert\":\"{dir}/imap.crt\",\"key\":\"{dir}/imap.key\"}}\n")));
    let mode = fs::metadata(format!("{dir}/imap.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(refused(["ca", "issue", "--dir", &dir, "imap"]).contains("exists and is not overwritten"));
    assert!(refused(["ca", "issue", "--dir", &dir, "mx", "--name", "a b"]).contains("`a b`"));
    assert_eq!(brevdue(["ca", "issue", "--dir", &dir, "postman"]).code, 2);
}

#[test]
fn a_folder_that_no_dev_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display().to_string();
    let why = refused(["--data", &at, "domain", "list"]);
    assert_eq!(why, format!("{at}: not the folder of a `brevdue dev`; run `brevdue dev --data {at}` first"));
}

#[test]
fn bad_users_stop_a_dev_before_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let list = folder.path().join("users");
    fs::write(&list, "a@x.test one\nnobody two\n").unwrap();
    let list = list.display().to_string();
    let dev = ["dev", "--data", &data, "--ports", "auto"];
    let why = refused(dev.iter().chain(&["--users", &list]));
    assert_eq!(why, format!("{list}:2: nobody: an address has the form local-part@domain"));
    let why = refused(dev.iter().chain(&["--user", "a@x.test:1", "--user", "A@X.test:2"]));
    assert_eq!(why, "a@x.test: given twice with different passwords; leave one out");
    assert!(refused(dev.iter().chain(&["--users", "/nowhere"])).starts_with("/nowhere: cannot be read"));
    assert!(!fs::exists(format!("{data}/catalogue.db")).unwrap());
}
