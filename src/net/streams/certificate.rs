//! The certificate of the encrypted transports: read from PEM files, and again when they change, without a restart.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// How often the files are looked at: two calls of the system, so that nobody needs a signal or a restart to renew.
const LOOK: Duration = Duration::from_secs(1);
/// The longest file that is read: a chain has a few certificates of some kilobytes.
const FILE_OCTETS_MAX: u64 = 1 << 20;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}; set dns.tls_cert and dns.tls_key to PEM files that this user can read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others could copy the key.
    #[error(
        "{path} can be read by others (mode {mode:04o}): run chmod 600 {path}, and replace the key if anyone may have copied it"
    )]
    Permissions {
        /// The key's file.
        path: PathBuf,
        /// Its mode bits.
        mode: u32,
    },
    /// No PEM of the right sort is in the file.
    #[error("{path} holds no {what} in PEM: it must begin with a line -----BEGIN …-----")]
    Empty {
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        what: &'static str,
    },
    /// The parts are there and do not fit.
    #[error(
        "{cert} and {key} cannot be used: {why}; the chain needs the server's own certificate first and the key that belongs to it"
    )]
    Unusable {
        /// The chain's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        why: rustls::Error,
    },
}

/// A chain and its key, as they are in their files.
#[derive(Debug)]
pub struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    current: ArcSwap<CertifiedKey>,
}

/// What tells whether a file is still the same.
#[derive(PartialEq, Eq)]
struct Stamp([Option<(i64, i64, u64, u64)>; 2]);

impl Certificate {
    /// Reads a chain (the server's own certificate first) and its key (PKCS#8, SEC1 or PKCS#1), both in PEM.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, CertificateError> {
        let current = ArcSwap::from_pointee(read(cert, key)?);
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), current })
    }

    /// Reads the files again whenever they change. New handshakes get what is new; connections go on with what they have.
    /// What cannot be used changes nothing and is logged once.
    pub async fn keep_fresh(self: Arc<Self>) {
        let mut seen = self.stamp();
        // They may have changed between being read and being looked at for the first time.
        self.refresh();
        loop {
            tokio::time::sleep(LOOK).await;
            let stamp = self.stamp();
            if stamp != seen {
                seen = stamp;
                self.refresh();
            }
        }
    }

    fn refresh(&self) {
        match read(&self.cert, &self.key) {
            Ok(new) if new.cert == self.current.load().cert => {}
            Ok(new) => {
                self.current.store(Arc::new(new));
                tracing::info!("the new TLS certificate is in use");
            }
            Err(error) => tracing::error!(%error, "the new TLS certificate cannot be used; the one from before stays"),
        }
    }

    fn stamp(&self) -> Stamp {
        Stamp([&self.cert, &self.key].map(|path| {
            let file = fs::metadata(path).ok()?;
            Some((file.mtime(), file.mtime_nsec(), file.ino(), file.len()))
        }))
    }
}

impl ResolvesServerCert for Certificate {
    /// The same for every name: a name server answers for itself.
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// The cryptography of every encrypted transport.
pub(in crate::net) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn read(cert: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let empty = |path: &Path, what| CertificateError::Empty { path: path.to_owned(), what };
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&contents(cert)?)
        .collect::<Result<_, _>>()
        .map_err(|_| empty(cert, "certificate"))?;
    if chain.is_empty() {
        return Err(empty(cert, "certificate"));
    }
    let unreadable = |source| CertificateError::Unreadable { path: key.to_owned(), source };
    let mode = fs::metadata(key).map_err(unreadable)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(CertificateError::Permissions { path: key.to_owned(), mode });
    }
    let private = zeroize::Zeroizing::new(contents(key)?);
    let private = PrivateKeyDer::from_pem_slice(&private).map_err(|_| empty(key, "private key"))?;
    CertifiedKey::from_der(chain, private, &provider()).map_err(|why| CertificateError::Unusable {
        cert: cert.to_owned(),
        key: key.to_owned(),
        why,
    })
}

fn contents(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let unreadable = |source| CertificateError::Unreadable { path: path.to_owned(), source };
    let octets = fs::metadata(path).map_err(unreadable)?.len();
    if octets > FILE_OCTETS_MAX {
        return Err(unreadable(io::Error::other(format!("{octets} octets are too many for a PEM file"))));
    }
    fs::read(path).map_err(unreadable)
}
