//! The arrows between crates: each may depend on those that DESIGN and docs/architecture.md draw, and on no others.

use crate::tree::Tree;

/// Crate, and the crates of this workspace that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("sqlite-engine", &[]),
    ("model", &[]),
    ("vault", &["model"]),
    ("message", &["model"]),
    ("smtp", &["model"]),
    ("smtp-server", &["smtp", "daemon"]),
    ("wire", &["model"]),
    ("daemon", &["model", "vault"]),
    ("dns", &["model", "daemon"]),
    ("authentication", &["model", "vault", "dns"]),
    ("mailbox", &["model", "message", "vault", "libsqlite3-sys"]),
    // For tests alone: nothing but dev-dependencies leads to it.
    ("faulty-disk", &["mailbox", "libsqlite3-sys"]),
    ("directory", &["model", "vault", "wire", "daemon", "libsqlite3-sys"]),
    ("node", &["model", "vault", "message", "mailbox", "wire", "daemon", "directory"]),
    ("node-client", &["model", "vault", "wire", "daemon", "directory"]),
    ("sign-in", &["model", "vault", "wire", "directory", "node-client"]),
    ("imap", &["model", "vault", "message", "wire", "daemon", "directory", "node-client", "sign-in"]),
    ("pop3", &["model", "wire", "daemon", "directory", "node-client", "sign-in"]),
    (
        "submission",
        &[
            "model",
            "vault",
            "message",
            "smtp",
            "smtp-server",
            "wire",
            "daemon",
            "directory",
            "node-client",
            "sign-in",
            "authentication",
        ],
    ),
    (
        "mx",
        &[
            "model",
            "vault",
            "message",
            "smtp",
            "smtp-server",
            "wire",
            "daemon",
            "directory",
            "node-client",
            "dns",
            "authentication",
        ],
    ),
    (
        "outbound",
        &["model", "vault", "message", "smtp", "wire", "daemon", "directory", "node-client", "dns", "authentication"],
    ),
    ("backup", &["model", "vault", "wire", "daemon", "directory"]),
    (
        "brevdue",
        &[
            "backup",
            "model",
            "vault",
            "mailbox",
            "wire",
            "daemon",
            "directory",
            "dns",
            "node",
            "node-client",
            "sign-in",
            "imap",
            "pop3",
            "submission",
            "mx",
            "outbound",
        ],
    ),
];

/// Crates that one crate alone may use, and that crate's name.
const BORDERS: &[(&str, &[&str])] = &[
    ("rusqlite", &["mailbox"]),
    ("sqlx", &["directory"]),
    ("hpke", &["vault"]),
    ("redis", &["daemon"]),
    ("hickory-resolver", &["dns"]),
    ("mail-auth", &["authentication"]),
    ("argon2", &["vault"]),
    ("aws-lc-rs", &["vault"]),
    ("prost", &["wire"]),
    ("tonic-prost", &["wire"]),
];

/// All findings.
pub fn check(tree: &Tree) -> Vec<String> {
    let mut findings = Vec::new();
    for (name, text) in tree.ending(&["Cargo.toml"]) {
        let Some(krate) = name.strip_prefix("crates/").and_then(|rest| rest.strip_suffix("/Cargo.toml")) else {
            continue;
        };
        let Ok(manifest) = text.parse::<toml::Table>() else {
            findings.push(format!("{name}: is not TOML"));
            continue;
        };
        let Some((_, allowed)) = ARROWS.iter().find(|(each, _)| *each == krate) else {
            findings.push(format!("{name}: the crate stands in no arrow of xtask/src/arrows.rs"));
            continue;
        };
        let dependencies = manifest.get("dependencies").and_then(toml::Value::as_table);
        for dependency in dependencies.into_iter().flat_map(|table| table.keys()) {
            let ours = ARROWS.iter().any(|(each, _)| each == dependency) || dependency == "libsqlite3-sys";
            if ours && !allowed.contains(&dependency.as_str()) {
                findings.push(format!("{name}: depends on {dependency}, against the arrows"));
            }
            if let Some((_, keepers)) = BORDERS.iter().find(|(each, _)| each == dependency)
                && !keepers.contains(&krate)
            {
                findings.push(format!("{name}: uses {dependency}, which only {keepers:?} may"));
            }
        }
    }
    findings
}
