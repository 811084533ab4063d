//! The files in deploy/ against the configuration's types: what an operator copies from there works.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use daemon::config::{Config, Limits};
use model::Role;
use std::fs;
use std::path::{Path, PathBuf};

const PROCESSES: [Role; 8] =
    [Role::Directory, Role::Node, Role::Imap, Role::Mx, Role::Pop3, Role::Submission, Role::Outbound, Role::Backup];

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)
}

fn unit(role: Role) -> Vec<String> {
    let text = fs::read_to_string(deploy(&format!("systemd/brevdue-{role}.service"))).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn value<'a>(unit: &'a [String], key: &str) -> &'a str {
    let mut values = unit.iter().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let value = values.next().unwrap_or_else(|| panic!("no {key}"));
    assert_eq!(values.next(), None, "{key} stands twice");
    value
}

#[test]
fn the_examples_load_for_their_role() {
    for role in PROCESSES.into_iter().chain([Role::Admin]) {
        Config::load_for(&deploy(&format!("config/{role}.toml")), role).unwrap();
    }
}

#[test]
fn a_unit_runs_its_role_as_its_user_with_its_files() {
    for role in PROCESSES {
        let unit = unit(role);
        assert_eq!(value(&unit, "ExecStart"), format!("/usr/bin/brevdue {role} --config /etc/brevdue/{role}.toml"));
        assert_eq!(value(&unit, "User"), format!("brevdue-{role}"));
        assert_eq!(value(&unit, "LoadCredential"), format!("internal.key:/etc/brevdue/internal/{role}.key"));
        let config = Config::load(&deploy(&format!("config/{role}.toml"))).unwrap();
        let key = format!("/run/credentials/brevdue-{role}.service/internal.key");
        assert_eq!(config.internal.key, Path::new(&key));
        let users = fs::read_to_string(deploy("systemd/sysusers.conf")).unwrap();
        assert!(users.contains(&format!("u brevdue-{role} ")));
    }
}

#[test]
fn systemd_waits_longer_than_the_drain() {
    for role in PROCESSES {
        let stop: u64 = value(&unit(role), "TimeoutStopSec").parse().unwrap();
        assert!(stop > Limits::default().drain().as_secs(), "{role}");
    }
}

#[test]
fn every_unit_is_confined_alike() {
    for role in PROCESSES {
        let unit = unit(role);
        for (key, wanted) in [
            ("NoNewPrivileges", "yes"),
            ("ProtectSystem", "strict"),
            ("ProtectHome", "yes"),
            ("PrivateDevices", "yes"),
            ("MemoryDenyWriteExecute", "yes"),
            ("SystemCallArchitectures", "native"),
            ("LimitCORE", "0"),
            ("MemorySwapMax", "0"),
            ("UMask", "0077"),
        ] {
            assert_eq!(value(&unit, key), wanted, "{role}");
        }
        let ports = if matches!(role, Role::Imap | Role::Pop3 | Role::Submission | Role::Mx) {
            "CAP_NET_BIND_SERVICE"
        } else {
            ""
        };
        assert_eq!(value(&unit, "CapabilityBoundingSet"), ports, "{role}");
    }
}

#[test]
fn metrics_of_roles_on_one_machine_do_not_collide() {
    let mut ports: Vec<_> = PROCESSES
        .map(|role| Config::load(&deploy(&format!("config/{role}.toml"))).unwrap().metrics.listen.unwrap().port())
        .into();
    ports.dedup();
    assert_eq!(ports, [1090, 1091, 1092, 1093, 1094, 1095, 1096, 1097]);
}
