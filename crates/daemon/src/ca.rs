//! The internal CA: made once, it signs a certificate for each process, in which the process's role stands.
//!
//! Keys are written for their owner alone (0600), and nothing that exists is ever overwritten: a CA or a key that was lost to
//! a second run of a command would stop a fleet.

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use model::Role;
use model::role::INTERNAL_DOMAIN;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The CA's certificate in its folder.
pub const CERT_FILE: &str = "ca.crt";
/// The CA's key in its folder. It is needed to issue only: keep it off the machines that serve.
pub const KEY_FILE: &str = "ca.key";
/// Days that the CA is valid: its change needs every process, so it is rare.
pub const CA_DAYS: i32 = 3650;
/// Days that a process's certificate is valid.
pub const CERT_DAYS: i32 = 825;
/// Days that a certificate is valid before it was made, for clocks that are behind.
pub const BACKDATED_DAYS: i32 = 1;

/// A file that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The file is there already.
    #[error("{}: exists and is not overwritten; move it away first if it is to be replaced", .0.display())]
    Exists(PathBuf),
    /// A file cannot be read or written.
    #[error("{}: {problem}; check the path and the rights on it", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        problem: io::Error,
    },
    /// The CA's key is no key.
    #[error("{}: not the CA's private key ({problem}); `brevdue ca create --dir DIR` makes one", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: rcgen::Error,
    },
    /// A name cannot stand in a certificate.
    #[error("`{0}` is not a DNS name or an IP address")]
    Name(String),
    /// An extra name would give a second role.
    #[error("`{0}` is under {INTERNAL_DOMAIN}, where names are roles; a certificate has one, and it is there already")]
    RoleName(String),
    /// Signing failed.
    #[error("the certificate cannot be made: {0}")]
    Sign(rcgen::Error),
    /// The clock is outside what certificates can say.
    #[error("the machine's clock shows a time that is out of range; set it right")]
    Clock,
}

/// Makes a CA in `dir`, which is made too: [`CERT_FILE`] and [`KEY_FILE`]. `now` begins its validity of [`CA_DAYS`].
pub fn create(dir: &Path, now: Timestamp) -> Result<Issued, CaError> {
    let issued = Issued { cert: dir.join(CERT_FILE), key: dir.join(KEY_FILE) };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(at(dir))?;
    let key = KeyPair::generate().map_err(CaError::Sign)?;
    let mut params = ca_params();
    validity(&mut params, now, CA_DAYS)?;
    let certificate = params.self_signed(&key).map_err(CaError::Sign)?;
    write(&issued, &key, &certificate.pem())?;
    Ok(issued)
}

/// Issues a certificate of this role from the CA in `dir`: `<stem>.crt` and `<stem>.key`.
///
/// It is good for both ends of a connection, under `<role>.brevdue.internal` and `names` (DNS names or IP addresses).
pub fn issue(dir: &Path, role: Role, names: &[&str], stem: &Path, now: Timestamp) -> Result<Issued, CaError> {
    // A name in the internal domain would be a second role; the role is the one that was asked for.
    let internal = |name: &&&str| name.to_ascii_lowercase().trim_end_matches('.').ends_with(INTERNAL_DOMAIN);
    if let Some(name) = names.iter().find(internal) {
        return Err(CaError::RoleName((*name).to_owned()));
    }
    let file = dir.join(KEY_FILE);
    let pem = fs::read_to_string(&file).map_err(at(&file))?;
    let ca_key = KeyPair::from_pem(&pem).map_err(|problem| CaError::Key { file, problem })?;
    let issuer = Issuer::new(ca_params(), ca_key);
    let own = role.dns_name();
    let (key, mut params) = (KeyPair::generate().map_err(CaError::Sign)?, leaf_params(&own, names)?);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    validity(&mut params, now, CERT_DAYS)?;
    let certificate = params.signed_by(&key, &issuer).map_err(CaError::Sign)?;
    let issued = with_stem(stem);
    write(&issued, &key, &certificate.pem())?;
    Ok(issued)
}

/// A certificate that nobody vouches for, for public servers in development: `<stem>.crt` and `<stem>.key`.
pub fn public_self_signed(names: &[&str], stem: &Path, now: Timestamp) -> Result<Issued, CaError> {
    let (own, rest) = names.split_first().ok_or_else(|| CaError::Name(String::new()))?;
    let (key, mut params) = (KeyPair::generate().map_err(CaError::Sign)?, leaf_params(own, rest)?);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    validity(&mut params, now, CERT_DAYS)?;
    let certificate = params.self_signed(&key).map_err(CaError::Sign)?;
    let issued = with_stem(stem);
    write(&issued, &key, &certificate.pem())?;
    Ok(issued)
}

/// Always the same, so that the issuer can be made again from the key alone.
fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name("Brevdue internal CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(own: &str, names: &[&str]) -> Result<CertificateParams, CaError> {
    let mut params = CertificateParams::default();
    for name in std::iter::once(&own).chain(names) {
        let one = CertificateParams::new(vec![(*name).to_owned()]).map_err(|_| CaError::Name((*name).to_owned()))?;
        let valid = name.parse::<std::net::IpAddr>().is_ok() || name.parse::<model::Domain>().is_ok();
        if !valid {
            return Err(CaError::Name((*name).to_owned()));
        }
        params.subject_alt_names.extend(one.subject_alt_names);
    }
    params.distinguished_name = common_name(own);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.is_ca = IsCa::ExplicitNoCa;
    Ok(params)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn validity(params: &mut CertificateParams, now: Timestamp, days: i32) -> Result<(), CaError> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let day = |date: Date| -> Result<_, CaError> {
        let (month, day) = (u8::try_from(date.month()), u8::try_from(date.day()));
        let (Ok(month), Ok(day)) = (month, day) else { return Err(CaError::Clock) };
        Ok(rcgen::date_time_ymd(date.year().into(), month, day))
    };
    params.not_before = day(today.checked_sub(BACKDATED_DAYS.days()).map_err(|_| CaError::Clock)?)?;
    params.not_after = day(today.checked_add(days.days()).map_err(|_| CaError::Clock)?)?;
    Ok(())
}

fn with_stem(stem: &Path) -> Issued {
    let with = |extension: &str| {
        let mut name = stem.as_os_str().to_owned();
        name.push(extension);
        PathBuf::from(name)
    };
    Issued { cert: with(".crt"), key: with(".key") }
}

/// The key first: a key without its certificate is harmless, and both are claimed before either is written.
fn write(issued: &Issued, key: &KeyPair, certificate: &str) -> Result<(), CaError> {
    if issued.cert.exists() {
        return Err(CaError::Exists(issued.cert.clone()));
    }
    write_new(&issued.key, 0o600, key.serialize_pem().as_bytes())?;
    let written = write_new(&issued.cert, 0o644, certificate.as_bytes());
    if written.is_err() {
        // Half a pair helps nobody, and would be refused as existing the next time.
        let _ = fs::remove_file(&issued.key);
    }
    written
}

fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), CaError> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(at(path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(path))?;
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

fn at(file: &Path) -> impl FnOnce(io::Error) -> CaError + '_ {
    move |problem| match problem.kind() {
        io::ErrorKind::AlreadyExists => CaError::Exists(file.into()),
        _ => CaError::Io { file: file.into(), problem },
    }
}

#[cfg(test)]
mod tests;
