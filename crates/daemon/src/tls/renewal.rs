//! A public certificate that is read again when its files change, so that a renewal needs no restart and drops no client.

use super::{TlsError, load_chain, load_key};
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Seconds between two looks at the files: a look is two stat(2), and a renewal comes weeks before it is needed.
pub(super) const LOOK_SECONDS: u64 = 60;

/// The certificate of two files, as they are now.
pub(super) struct Renewed {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    look: Duration,
    held: Mutex<Held>,
}

struct Held {
    certified: Arc<CertifiedKey>,
    version: Option<Version>,
    looked: Instant,
}

/// What tells one state of the two files from another; symbolic links are followed, as certbot uses them.
type Version = [(u64, i64, i64, u64); 2];

impl Renewed {
    /// Reads both files; they are looked at again every `look`.
    pub(super) fn load(
        cert: &Path,
        key: &Path,
        provider: Arc<CryptoProvider>,
        look: Duration,
    ) -> Result<Self, TlsError> {
        let version = version(cert, key);
        let certified = Arc::new(read(cert, key, &provider)?);
        let held = Mutex::new(Held { certified, version, looked: Instant::now() });
        Ok(Self { cert: cert.into(), key: key.into(), provider, look, held })
    }

    fn current(&self) -> Arc<CertifiedKey> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.looked.elapsed() >= self.look {
            held.looked = Instant::now();
            self.look_again(&mut held);
        }
        Arc::clone(&held.certified)
    }

    fn look_again(&self, held: &mut Held) {
        let version = version(&self.cert, &self.key);
        if version == held.version {
            return;
        }
        match read(&self.cert, &self.key, &self.provider) {
            Ok(certified) => {
                (held.certified, held.version) = (Arc::new(certified), version);
                tracing::info!(cert = %self.cert.display(), "the certificate was renewed");
            }
            // Perhaps one of the two is not written yet: the old pair serves on, and the next look tries again.
            Err(error) => tracing::warn!(%error, "the changed certificate cannot be used; the one before it is kept"),
        }
    }
}

fn read(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let pair = |problem| TlsError::Pair { cert: cert.into(), key: key.into(), problem };
    CertifiedKey::from_der(load_chain(cert)?, load_key(key)?, provider).map_err(pair)
}

fn version(cert: &Path, key: &Path) -> Option<Version> {
    let of = |path: &Path| {
        let meta = fs::metadata(path).ok()?;
        Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.len()))
    };
    Some([of(cert)?, of(key)?])
}

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl fmt::Debug for Renewed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewed").field("cert", &self.cert).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::public_self_signed;
    use jiff::Timestamp;

    #[test]
    fn a_renewed_pair_is_taken_and_a_broken_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let issue = |stem: &str| public_self_signed(&["localhost"], &dir.path().join(stem), Timestamp::now()).unwrap();
        let (live, next) = (issue("live"), issue("next"));
        let provider = Arc::new(super::super::public_provider());
        let renewed = Renewed::load(&live.cert, &live.key, provider, Duration::ZERO).unwrap();
        let chain = |path: &Path| load_chain(path).unwrap();
        let first = chain(&live.cert);
        assert_eq!(renewed.current().cert, first);
        // The certificate is new and the key is not yet: no pair.
        fs::rename(&next.cert, &live.cert).unwrap();
        assert_eq!(renewed.current().cert, first);
        fs::rename(&next.key, &live.key).unwrap();
        let second = chain(&live.cert);
        assert_ne!(second, first);
        assert_eq!(renewed.current().cert, second);
        // Gone, and rubbish: the pair that works is kept.
        fs::write(&live.cert, "rubbish").unwrap();
        assert_eq!(renewed.current().cert, second);
        fs::remove_file(&live.key).unwrap();
        assert_eq!(renewed.current().cert, second);
    }

    #[test]
    fn between_two_looks_the_files_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let live = public_self_signed(&["localhost"], &dir.path().join("live"), Timestamp::now()).unwrap();
        let provider = Arc::new(super::super::public_provider());
        let renewed = Renewed::load(&live.cert, &live.key, provider, Duration::from_secs(LOOK_SECONDS)).unwrap();
        let before = renewed.current();
        fs::remove_file(&live.cert).unwrap();
        assert!(Arc::ptr_eq(&renewed.current(), &before));
    }
}
