//! A webhook receiver on this machine: keeps what it is sent, and answers as a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use callbook::api::webhooks::Message;
use callbook::client::webhook::{Headers, NotVerified, PublicKey, TOLERANCE_S, verify};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A delivery as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    /// The head without its first line.
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

/// How a delivery is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// With this status line and these header lines, each with its end.
    Status(u16, &'static str),
    /// Never.
    Stall,
}

type Answering = dyn FnMut(&Got, usize) -> Reply + Send;

struct Shared {
    got: Mutex<Vec<Got>>,
    changed: Condvar,
    answer: Mutex<Box<Answering>>,
    stop: AtomicBool,
}

/// Receives until it is dropped.
pub(crate) struct Receiver {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
}

impl Receiver {
    /// One that takes everything.
    pub(crate) fn start() -> Self {
        Self::with(None)
    }

    /// The same over TLS, with the chain and key in a folder.
    pub(crate) fn over_tls(dir: &Path) -> Self {
        let chain = CertificateDer::pem_file_iter(dir.join("chain.pem")).expect("a chain");
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("certificates");
        let key = PrivateKeyDer::from_pem_file(dir.join("key.pem")).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth();
        Self::with(Some(Arc::new(config.with_single_cert(chain, key).expect("a certificate"))))
    }

    fn with(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared {
            got: Mutex::default(),
            changed: Condvar::new(),
            answer: Mutex::new(Box::new(|_, _| Reply::Status(204, ""))),
            stop: AtomicBool::new(false),
        });
        let (scheme, accepting) = (if tls.is_some() { "https" } else { "http" }, shared.clone());
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if accepting.stop.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, tls) = (accepting.clone(), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(&shared, stream),
                    Some(tls) => {
                        serve(&shared, StreamOwned::new(ServerConnection::new(tls).expect("a configuration"), stream))
                    }
                });
            }
        });
        Self { address, scheme, shared }
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}/hook", self.scheme, self.address)
    }

    /// From now on deliveries are answered like this; the number is the delivery's place, from 0.
    pub(crate) fn answer(&self, by: impl FnMut(&Got, usize) -> Reply + Send + 'static) {
        *self.shared.answer.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(by);
    }

    /// Everything that has come.
    pub(crate) fn got(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The same, once it is enough.
    pub(crate) fn wait_until(&self, enough: impl Fn(&[Got]) -> bool) -> Vec<Got> {
        let got = self.shared.got.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.shared.changed.wait_timeout_while(got, PATIENCE, |got| !enough(got));
        let (got, late) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!late.timed_out(), "this is all that came: {got:#?}");
        got.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.changed.notify_all();
        let _wakes_it = TcpStream::connect(self.address);
    }
}

/// Answers the requests of a connection until its other end closes it.
fn serve(shared: &Shared, stream: impl Read + Write) {
    let mut stream = BufReader::new(stream);
    while let Some(got) = request(&mut stream) {
        let nth = {
            let mut all = shared.got.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(got.clone());
            all.len() - 1
        };
        let reply = (shared.answer.lock().unwrap_or_else(PoisonError::into_inner))(&got, nth);
        shared.changed.notify_all();
        match reply {
            Reply::Status(status, headers) => {
                let answer = format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: 0\r\n\r\n");
                if stream.get_mut().write_all(answer.as_bytes()).and_then(|()| stream.get_mut().flush()).is_err() {
                    return;
                }
            }
            Reply::Stall => {
                let _until_it_is_closed = stream.read(&mut [0]);
                return;
            }
        }
    }
}

fn request(stream: &mut impl BufRead) -> Option<Got> {
    let (mut first, mut headers, mut length) = (String::new(), String::new(), 0);
    if stream.read_line(&mut first).ok()? == 0 {
        return None;
    }
    assert_eq!(first, "POST /hook HTTP/1.1\r\n");
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        headers += &line;
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Got { headers, body })
}

impl Got {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut fields = self.headers.lines().filter_map(|line| line.split_once(':'));
        let field = fields.find(|(known, _)| known.eq_ignore_ascii_case(name));
        field.unwrap_or_else(|| panic!("no {name} in {}", self.headers)).1.trim()
    }

    /// What it says, unverified.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// What it says if it verifies.
    pub(crate) fn verified(&self, keys: &[PublicKey], now_s: u64) -> Result<Message, NotVerified> {
        let headers = Headers {
            id: self.header("webhook-id"),
            timestamp: self.header("webhook-timestamp"),
            signature: self.header("webhook-signature"),
        };
        verify(keys, &headers, &self.body, now_s, TOLERANCE_S)
    }
}
