//! A certificate authority for one test, and servers and clients that trust it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use callbook::config::Dns;
use callbook::nameserver::Transport;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use tempfile::TempDir;

use super::connect;
use crate::dns::house::House;

/// What the server's certificate is for.
pub(crate) const NAME: &str = "ns1.e164.example";

/// A TLS client whose stream can be read and written.
pub(crate) type TlsClient = StreamOwned<ClientConnection, TcpStream>;

/// An authority and the folder in which the server's certificate lies.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    pub(crate) dir: TempDir,
}

impl Ca {
    /// With a first certificate for the server.
    pub(crate) fn new() -> Self {
        let (key, mut params) = (KeyPair::generate().unwrap(), CertificateParams::new(Vec::new()).unwrap());
        params.distinguished_name.push(DnType::CommonName, "an authority"); // unlike the server's, or it seems self-signed
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap();
        let ca = Self { root: root.der().clone(), issuer: Issuer::new(params, key), dir: tempfile::tempdir().unwrap() };
        std::fs::write(ca.path("ca.pem"), root.pem()).unwrap();
        ca.issue();
        ca
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Replaces the server's certificate and key, as those who renew do: by a new file each.
    pub(crate) fn issue(&self) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![NAME.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        replace(&self.path("key.pem"), &key.serialize_pem());
        replace(&self.path("chain.pem"), &cert.pem());
        cert.der().clone()
    }

    /// Every encrypted transport on ports that the system chooses.
    pub(crate) fn dns(&self) -> Dns {
        let any: Vec<SocketAddr> = vec!["127.0.0.1:0".parse().unwrap()];
        Dns {
            tls_listen: any.clone(),
            quic_listen: any.clone(),
            https_listen: any,
            tls_cert: self.path("chain.pem"),
            tls_key: self.path("key.pem"),
            ..Dns::default()
        }
    }

    /// What a client needs that trusts this authority.
    pub(crate) fn client(&self, alpn: &[&str]) -> ClientConfig {
        self.client_of(rustls::ALL_VERSIONS, alpn)
    }

    /// The same with these versions of TLS alone.
    pub(crate) fn client_of(&self, versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }

    /// A connection with its handshake done.
    pub(crate) fn connect(&self, to: SocketAddr, alpn: &[&str]) -> std::io::Result<TlsClient> {
        handshake(Arc::new(self.client(alpn)), to)
    }
}

/// The first address for a transport.
pub(crate) fn address(house: &House, transport: Transport) -> SocketAddr {
    house.running.encrypted().iter().find(|(of, _)| *of == transport).unwrap().1
}

pub(crate) fn handshake(config: Arc<ClientConfig>, to: SocketAddr) -> std::io::Result<TlsClient> {
    let client = ClientConnection::new(config, ServerName::try_from(NAME).unwrap()).unwrap();
    let mut stream = StreamOwned::new(client, connect(to));
    stream.conn.complete_io(&mut stream.sock)?;
    Ok(stream)
}

/// Puts a new file, mode 0600, in the place of the old one.
pub(crate) fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    let _ = std::fs::remove_file(&new);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// Changes a file's mode bits.
pub(crate) fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Everything up to the end of a stream.
pub(crate) fn rest(stream: &mut impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    all
}
