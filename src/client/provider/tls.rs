//! TLS of a provider that brings a certificate of its own (RFC 8705), or trusts other roots than the public ones.

use data_encoding::BASE64URL_NOPAD;
use ring::digest::{SHA256, digest};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::ApiError;

/// What to show in a handshake and whom to believe in it.
#[derive(Clone, Default)]
pub struct Tls {
    roots: Option<RootCerts>,
    certificate: Option<ClientCert>,
}

impl Tls {
    /// Believes in the certificates of this PEM text instead of the public roots: for a directory with an authority of its own.
    pub fn believing(mut self, roots_pem: &[u8]) -> Result<Self, ApiError> {
        let roots =
            certificates(roots_pem).ok_or(ApiError::Setting("the file of roots holds no certificate in PEM"))?;
        self.roots = Some(RootCerts::new_with_certs(&roots));
        Ok(self)
    }

    /// Shows this chain, the client's own certificate first, and proves its key (PKCS#8, SEC1 or PKCS#1). All in PEM.
    pub fn showing(mut self, chain_pem: &[u8], key_pem: &[u8]) -> Result<Self, ApiError> {
        let chain =
            certificates(chain_pem).ok_or(ApiError::Setting("the client certificate's file holds none in PEM"))?;
        let key = PrivateKey::from_pem(key_pem)
            .map_err(|_| ApiError::Setting("the file of the client certificate's key holds none in PEM"))?;
        if !belong_together(&chain, &key) {
            return Err(ApiError::Setting("the client certificate and the key do not belong together"));
        }
        self.certificate = Some(ClientCert::new_with_certs(&chain, key));
        Ok(self)
    }

    pub(super) fn config(&self) -> TlsConfig {
        let config = TlsConfig::builder().client_cert(self.certificate.clone());
        match &self.roots {
            Some(roots) => config.root_certs(roots.clone()).build(),
            None => config.build(),
        }
    }
}

/// The `x5t#S256` (RFC 8705 3.1) of the first certificate in a PEM text: what a token is bound to. None if there is none.
pub fn certificate_thumbprint(pem: &[u8]) -> Option<String> {
    let certificates = certificates(pem)?;
    Some(BASE64URL_NOPAD.encode(digest(&SHA256, certificates.first()?.der()).as_ref()))
}

/// Whether the first certificate is of this key. Asked for beforehand: in a handshake it would be too late for an error.
fn belong_together(chain: &[Certificate<'static>], key: &PrivateKey<'static>) -> bool {
    let chain = chain.iter().map(|certificate| CertificateDer::from(certificate.der().to_vec())).collect();
    let provider = rustls::crypto::ring::default_provider();
    PrivateKeyDer::try_from(key.der().to_vec()).is_ok_and(|key| CertifiedKey::from_der(chain, key, &provider).is_ok())
}

/// The certificates of a PEM text; None if there is none, or one is broken.
fn certificates(pem: &[u8]) -> Option<Vec<Certificate<'static>>> {
    let items = parse_pem(pem).collect::<Result<Vec<_>, _>>().ok()?;
    let certificates = items.into_iter().filter_map(|item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    Some(certificates.collect::<Vec<_>>()).filter(|certificates| !certificates.is_empty())
}
