//! Certificates and configuration files of a `dev`: the certificates are made once, the configuration at every start.

use super::folder::{Folder, write_whole};
use super::plan::{Plan, Process};
use crate::failure::Failure;
use daemon::ca::{self, CaError, Issued};
use daemon::config::Internal;
use jiff::Timestamp;
use model::Role;
use std::fs;
use std::path::Path;
use std::time::Duration;
use toml::{Table, Value};

/// Days after which a certificate is made anew at the next start, long before it is invalid.
const CERTIFICATE_DAYS_MAX: u64 = 365;
/// Names of the public certificate.
const PUBLIC_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// The name of the MX in banners and Received fields.
const MX_NAME: &str = "mx.brevdue.test";
/// The name of outbound in EHLO and in notices.
const OUTBOUND_NAME: &str = "outbound.brevdue.test";
/// The name of submission.
const SUBMISSION_NAME: &str = "smtp.brevdue.test";

/// Makes the certificates that are missing or old.
pub fn certificates(folder: &Folder) -> Result<(), Failure> {
    let (dir, now) = (folder.ca(), Timestamp::now());
    let authority = Issued { cert: dir.join(ca::CERT_FILE), key: dir.join(ca::KEY_FILE) };
    if !is_good(&authority) {
        // What an old authority signed is worth nothing.
        let _ = fs::remove_dir_all(&dir);
        ca::create(&dir, now)?;
    }
    for role in Role::ALL {
        let Internal { cert, key, .. } = folder.certificate(role);
        renew(&Issued { cert, key }, || ca::issue(&dir, role, &[], &dir.join(role.name()), now))?;
    }
    let public = Issued { cert: folder.public_certificate(), key: folder.public_key() };
    renew(&public, || ca::public_self_signed(&PUBLIC_NAMES, &folder.public_stem(), now))
}

fn renew(issued: &Issued, make: impl FnOnce() -> Result<Issued, CaError>) -> Result<(), Failure> {
    if !is_good(issued) {
        // Half a pair, left by a start that was cut short, or an old one.
        let _ = fs::remove_file(&issued.cert);
        let _ = fs::remove_file(&issued.key);
        make()?;
    }
    Ok(())
}

fn is_good(issued: &Issued) -> bool {
    let most = Duration::from_secs(CERTIFICATE_DAYS_MAX * 24 * 60 * 60);
    let young = |file: &Path| {
        fs::metadata(file).and_then(|meta| meta.modified()).is_ok_and(|at| at.elapsed().is_ok_and(|age| age < most))
    };
    young(&issued.cert) && young(&issued.key)
}

/// Writes the configuration of every process, and that of the command line.
pub fn configuration(folder: &Folder, plan: &Plan, settings: &Table) -> Result<(), Failure> {
    let directory = plan.first(Role::Directory, "directory").to_string();
    for process in &plan.processes {
        let mut file = common(folder, process.role, &directory);
        file.insert("metrics".to_owned(), section([("listen", text(&process.address("metrics")))]));
        own_section(&mut file, folder, process)?;
        if process.role == Role::Outbound {
            outbound_section(&mut file, plan);
        }
        file.insert("backup".to_owned(), backup_section(folder)?);
        put_over(&mut file, settings);
        write_whole(&folder.config(&process.name()), &file.to_string())?;
    }
    let mut admin = common(folder, Role::Admin, &directory);
    let mx = [("hostname", text(MX_NAME)), ("cert", path(&folder.public_certificate()))];
    admin.insert("mx".to_owned(), section(mx));
    admin.insert("backup".to_owned(), backup_section(folder)?);
    if let Some(backup) = settings.get("backup") {
        put_over(&mut admin, &Table::from_iter([("backup".to_owned(), backup.clone())]));
    }
    write_whole(&folder.config("admin"), &admin.to_string())
}

fn common(folder: &Folder, role: Role, directory: &str) -> Table {
    let Internal { ca, cert, key } = folder.certificate(role);
    let internal = section([("ca", path(&ca)), ("cert", path(&cert)), ("key", path(&key))]);
    Table::from_iter([
        ("internal".to_owned(), internal),
        ("directory".to_owned(), section([("address", text(directory))])),
        // Nothing of a `dev` depends on the outside world, and no mail gets out by mistake.
        ("dns".to_owned(), section([("enabled", Value::Boolean(false))])),
    ])
}

/// What the role itself needs. Limits on sources are off: on loopback everybody is one source.
fn own_section(file: &mut Table, folder: &Folder, process: &Process) -> Result<(), Failure> {
    let public = || [("cert", path(&folder.public_certificate())), ("key", path(&folder.public_key()))];
    let own = match process.role {
        Role::Directory => {
            let address = text(&process.address("directory"));
            section([
                ("address", address.clone()),
                ("listen", address),
                ("database", path(&folder.catalogue())),
                ("key", path(&folder.directory_key())),
            ])
        }
        Role::Node => {
            let (home, name) = (folder.node(&process.name()), process.name());
            fs::create_dir_all(home.join("volume-1"))?;
            let sessions = process.sessions().iter().map(text).collect();
            section([
                ("id", text(&name)),
                ("listen_sessions", Value::Array(sessions)),
                ("listen_grpc", text(&process.address("node-grpc"))),
                ("volumes", Value::Array(vec![path(&home.join("volume-1"))])),
                ("node_key", path(&home.join("node.key"))),
            ])
        }
        Role::Imap => section(
            [
                ("listen", text(&process.address("imap"))),
                ("listen_tls", text(&process.address("imaps"))),
                ("plaintext_sign_in", text("loopback")),
                ("probe_address", text(super::users::PROBE)),
                ("probe_password_file", path(&folder.probe_password())),
                ("connections_per_source_max", Value::Integer(0)),
            ]
            .into_iter()
            .chain(public()),
        ),
        Role::Pop3 => section(
            [
                ("listen", text(&process.address("pop3"))),
                ("listen_tls", text(&process.address("pop3s"))),
                ("plaintext_sign_in", text("loopback")),
                ("probe_address", text(super::users::PROBE)),
                ("probe_password_file", path(&folder.probe_password())),
                ("connections_per_source_max", Value::Integer(0)),
            ]
            .into_iter()
            .chain(public()),
        ),
        Role::Submission => section(
            [
                ("listen", text(&process.address("submission"))),
                ("listen_tls", text(&process.address("submissions"))),
                ("hostname", text(SUBMISSION_NAME)),
                ("plaintext_sign_in", text("loopback")),
                ("probe_address", text(super::users::PROBE)),
                ("probe_password_file", path(&folder.probe_password())),
                ("connections_per_source_max", Value::Integer(0)),
            ]
            .into_iter()
            .chain(public()),
        ),
        Role::Mx => section(
            [
                ("listen", text(&process.address("mx"))),
                ("hostname", text(MX_NAME)),
                ("connections_per_source_max", Value::Integer(0)),
            ]
            .into_iter()
            .chain(public()),
        ),
        Role::Outbound | Role::Backup | Role::Admin => return Ok(()),
    };
    file.insert(process.role.name().to_owned(), own);
    Ok(())
}

/// Mail for the domains here goes to the MX here.
fn outbound_section(file: &mut Table, plan: &Plan) {
    let mx = text(&plan.first(Role::Mx, "mx"));
    let own = section([("hostname", text(OUTBOUND_NAME)), ("local_mx", Value::Array(vec![mx]))]);
    file.insert(Role::Outbound.name().to_owned(), own);
}

/// Backups go into the folder's own part: to try out, as everything here.
fn backup_section(folder: &Folder) -> Result<Value, Failure> {
    fs::create_dir_all(folder.backup())?;
    let store = section([("kind", text("folder")), ("folder", path(&folder.backup()))]);
    Ok(section([("stores", Value::Array(vec![store]))]))
}

/// Settings of a file that was given, key by key; a process has those of sections that it does not know as well.
fn put_over(file: &mut Table, settings: &Table) {
    for (name, given) in settings {
        match (file.get_mut(name), given) {
            (Some(Value::Table(section)), Value::Table(given)) => {
                section.extend(given.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            _ => _ = file.insert(name.clone(), given.clone()),
        }
    }
}

/// The settings of the file, none without one.
pub fn settings(file: Option<&Path>) -> Result<Table, Failure> {
    let Some(file) = file else { return Ok(Table::new()) };
    let problem = |error: String| Failure::refused(format!("{}: {error}", file.display()));
    fs::read_to_string(file)
        .map_err(|error| problem(error.to_string()))?
        .parse()
        .map_err(|error| problem(format!("{error}")))
}

fn section(keys: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    Value::Table(keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn text(value: &(impl ToString + ?Sized)) -> Value {
    Value::String(value.to_string())
}

fn path(path: &Path) -> Value {
    text(&path.display())
}
