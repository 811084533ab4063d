//! The reference against the types, and what an operator is told of each kind of mistake.

use super::*;
use std::io::Write;

/// The fields that serde would take where this text stands, by asking for one that does not exist.
fn fields(text: &str) -> Vec<String> {
    let error = Config::parse(Path::new("x"), text).unwrap_err().to_string();
    let expected = error.split_once("expected").unwrap().1;
    expected.split('`').skip(1).step_by(2).filter(|name| !name.contains(' ')).map(str::to_owned).collect()
}

fn every_key() -> Vec<String> {
    let sections = fields("\"?\" = 1");
    let keys = |section: &String| {
        let keys = fields(&format!("[{section}]\n\"?\" = 1")).into_iter();
        keys.filter(|key| !key.starts_with("brevdue ")).map(|key| format!("{section}.{key}")).collect::<Vec<_>>()
    };
    sections.iter().filter(|section| !section.starts_with("brevdue ")).flat_map(keys).collect()
}

/// Each key of the reference with the comment right above it.
fn documented() -> Vec<(String, String)> {
    let (mut section, mut comment, mut keys) = ("", String::new(), Vec::new());
    for line in reference().lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment += text;
        } else if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            comment.clear();
        } else if let Some((key, _)) = line.split_once(" = ") {
            keys.push((format!("{section}.{key}"), std::mem::take(&mut comment)));
        } else {
            comment.clear();
        }
    }
    keys
}

#[test]
fn the_reference_is_the_defaults() {
    assert_eq!(Config::parse(Path::new("reference.toml"), reference()), Ok(Config::default()));
    assert_eq!(Config::parse(Path::new("empty.toml"), ""), Ok(Config::default()));
    check::values(&Config::default()).unwrap();
}

#[test]
fn every_key_stands_in_the_reference_with_a_comment() {
    let (keys, documented) = (every_key(), documented());
    assert!(keys.contains(&"imap.plaintext_sign_in".to_owned()) && keys.len() > 30, "{keys:?}");
    let names: Vec<_> = documented.iter().map(|(key, _)| key.clone()).collect();
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    assert_eq!(sorted(names), sorted(keys));
    for (key, comment) in documented {
        assert!(comment.trim().len() > 10, "{key} has no comment right above it");
    }
}

fn load(text: &str, role: Role) -> Result<Config, String> {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let name = file.path().display().to_string();
    Config::load_for(file.path(), role).map_err(|error| error.to_string().replace(&name, "FILE"))
}

const SEE_REFERENCE: &str = "`brevdue config reference` shows every key and what it may be";

#[test]
fn a_wrong_key_or_type_names_file_line_and_key() {
    let told = |text: &str| load(text, Role::Directory).unwrap_err();
    assert_eq!(
        told("[log]\nlevel = \"info\"\ncolour = true\n"),
        format!("FILE:3: log.colour: unknown field `colour`, expected `format` or `level`; {SEE_REFERENCE}")
    );
    assert_eq!(
        told("# x\n[imap]\n\nconnections_max = \"many\"\n"),
        format!("FILE:4: imap.connections_max: invalid type: string \"many\", expected usize; {SEE_REFERENCE}")
    );
    assert_eq!(
        told("[imap]\nlisten = \"here\"\n"),
        format!("FILE:2: imap.listen: not an address: give ip:port, or an empty text for none; {SEE_REFERENCE}")
    );
    assert_eq!(
        told("[imap]\nplaintext_sign_in = \"always\"\n"),
        format!(
            "FILE:2: imap.plaintext_sign_in: unknown variant `always`, expected `never` or `loopback`; {SEE_REFERENCE}"
        )
    );
    assert_eq!(
        told("[node]\nid = \"Node 1\"\n"),
        format!(
            "FILE:2: node.id: not a node's name: 1 to 64 lower-case letters, digits, `-`, `.` and `_` make one; {SEE_REFERENCE}"
        )
    );
    assert!(told("[pop4]\n").starts_with("FILE:1: pop4: unknown field `pop4`, expected one of "));
    assert!(told("[node]\nvolumes = [\n  \"/a\",\n  7,\n]\n").starts_with("FILE:4: node.volumes: invalid type"));
    assert!(told("[log\n").starts_with("FILE:1: "));
    assert!(told("[log]\nlevel = \"x\"\nlevel = \"y\"\n").starts_with("FILE:3: log.level: duplicate key"));
}

#[test]
fn values_out_of_range_say_what_to_do() {
    let told = |text: &str| load(text, Role::Directory).unwrap_err();
    let range = "choose a number in that range";
    for (text, expected) in [
        ("[limits]\ndrain_seconds = 0", format!("limits.drain_seconds: 0 is not between 1 and 600; {range}")),
        ("[imap]\nidle_minutes = 29", format!("imap.idle_minutes: 29 is not between 30 and 1440; {range}")),
        ("[mx]\nmessage_bytes_max = 1", format!("mx.message_bytes_max: 1 is not between 65536 and 67108864; {range}")),
        ("[node]\nlisten_sessions = []", format!("node.listen_sessions: 0 is not between 1 and 64; {range}")),
        (
            "[node]\nvolumes = []",
            "node.volumes: no folder, or one twice; name each folder that holds mailbox files once".into(),
        ),
        (
            "[node]\nlisten_sessions = [\"127.0.0.1:7409\"]",
            "node.listen_sessions: an address stands twice here or is also listen_grpc; \
             give every shard and listen_grpc a port of their own"
                .into(),
        ),
        (
            "[node]\nadvertise_sessions = [\"a:1\", \"b:1\"]",
            "node.advertise_sessions: 2 addresses for 1 shards; \
             give one for each of listen_sessions, in the same order, or none"
                .into(),
        ),
        (
            "[directory]\naddress = \"directory\"",
            "directory.address: `directory` is not host:port; write it as node-1.example.com:7409 or [::1]:7409".into(),
        ),
    ] {
        assert_eq!(told(text), format!("FILE: {expected}"));
    }
    for bad in ["", ":1", "a:", "a:0", "a:65536", "::1:7", "http://a:1", "u@a:1"] {
        assert!(
            told(&format!("[node]\nadvertise_grpc = \"{bad}\"\n[directory]\naddress = \"{bad}\""))
                .contains("host:port")
        );
    }
}

#[test]
fn a_role_needs_its_own() {
    assert!(load("", Role::Mx).unwrap_err().starts_with("FILE: mx.hostname: not set; give the name"));
    assert!(load("[mx]\nhostname = \"a b\"", Role::Mx).unwrap_err().starts_with("FILE: mx.hostname: not a host name"));
    assert_eq!(load("[mx]\nhostname = \"mx.example.com\"", Role::Mx).unwrap().mx.hostname, "mx.example.com");
    let nowhere = "[imap]\nlisten = \"\"\nlisten_tls = \"\"\n";
    assert!(load(nowhere, Role::Imap).unwrap_err().starts_with("FILE: imap.listen: neither listen nor listen_tls"));
    assert!(load(nowhere, Role::Node).is_ok());
    let everywhere = "[node]\nlisten_sessions = [\"[::]:1\"]\n";
    assert!(load(everywhere, Role::Node).unwrap_err().starts_with("FILE: node.advertise_sessions: empty, while"));
    assert!(load(everywhere, Role::Imap).is_ok());
}

#[test]
fn what_a_node_registers() {
    let node = load("", Role::Node).unwrap().node;
    assert_eq!(
        (node.session_endpoints(), node.grpc_endpoint()),
        (vec!["127.0.0.1:7410".into()], "127.0.0.1:7409".into())
    );
    let text = "[node]\nlisten_sessions = [\"[::]:1\"]\nadvertise_sessions = [\"n:1\"]\nlisten_grpc = \"[::]:2\"\nadvertise_grpc = \"n:2\"";
    let node = load(text, Role::Node).unwrap().node;
    assert_eq!((node.session_endpoints(), node.grpc_endpoint()), (vec!["n:1".into()], "n:2".into()));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Config::load(Path::new("/nonexistent/brevdue.toml")).unwrap_err().to_string();
    let expected = "/nonexistent/brevdue.toml: cannot be read (No such file or directory (os error 2)); \
                    check the path and that this user may read it";
    assert_eq!(error, expected);
    assert!(load(&"#".repeat(FILE_BYTES_MAX as usize + 1), Role::Imap).unwrap_err().contains("over 1048576 bytes"));
}

#[test]
fn plaintext_sign_in_is_for_this_machine_alone() {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    assert!(!PlaintextSignIn::Never.allows(address("127.0.0.1")));
    for (client, allowed) in [("127.0.0.1", true), ("::1", true), ("::ffff:127.9.9.9", true), ("192.0.2.1", false)] {
        assert_eq!(PlaintextSignIn::Loopback.allows(address(client)), allowed, "{client}");
    }
}
