//! DNS over connections: every thread accepts, converses and answers by itself, with a worker of its own.
//!
//! ```text
//! listener --accept--> place (limits) --> conversation (framed) --> responder --> nameserver::respond
//! ```
//! All threads accept from the same listening sockets, so one that is busy with signatures or handshakes leaves new
//! connections to the others; a connection stays with the thread that took it, and nothing is shared for a query.

mod certificate;
mod framed;
mod freshness;
mod https;
pub(super) mod limits;
mod quic;
mod responder;
mod room;
mod tcp;
mod tls;

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::timeout;

use super::bind;
use super::service::StartError;
use crate::clock::Clock;
use crate::config::Dns;
use crate::nameserver::{Transport, View, Worker};
pub(super) use certificate::provider;
pub use certificate::{Certificate, CertificateError};
use limits::Limits;
use responder::Responder;

/// How long conversations under way may take to end when the server stops.
const DRAIN: Duration = Duration::from_secs(2);

/// What every thread is given.
#[derive(Clone)]
pub(super) struct Setup {
    view: Arc<ArcSwap<View>>,
    clock: Arc<dyn Clock>,
    pub(super) limits: Arc<Limits>,
    tls: Option<Tls>,
    stop: watch::Receiver<bool>,
    /// Without a query for so long, a connection is closed.
    idle: Duration,
    /// A message begun is whole, an answer taken, a handshake done within this time, or the connection is cut.
    patience: Duration,
}

/// What the encrypted transports need: one certificate, and what each speaks over it.
#[derive(Clone)]
struct Tls {
    certificate: Arc<Certificate>,
    dot: Arc<rustls::ServerConfig>,
    doh: Arc<rustls::ServerConfig>,
    doq: quinn::ServerConfig,
}

impl Setup {
    /// With the limits, times and certificate of the configuration.
    pub(super) fn new(
        dns: &Dns,
        view: Arc<ArcSwap<View>>,
        clock: Arc<dyn Clock>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, StartError> {
        let idle = Duration::from_secs(dns.tcp_idle_s);
        let tls = if dns.is_encrypted() { Some(Tls::new(dns, idle)?) } else { None };
        let limits = Limits::new(dns.connections_max, dns.connections_per_prefix_max);
        Ok(Self { view, clock, limits, tls, stop, idle, patience: Duration::from_secs(dns.tcp_patience_s) })
    }
}

impl Tls {
    fn new(dns: &Dns, idle: Duration) -> Result<Self, StartError> {
        let certificate = Arc::new(Certificate::load(&dns.tls_cert, &dns.tls_key)?);
        let dot = Arc::new(tls::config(&certificate, tls::DOT)?);
        let doh = Arc::new(tls::config(&certificate, https::HTTP)?);
        let doq = quic::config(tls::config(&certificate, quic::DOQ)?, idle)?;
        Ok(Self { certificate, dot, doh, doq })
    }
}

/// Every socket for connections.
#[derive(Default)]
pub(super) struct Sockets {
    listeners: Vec<(Transport, TcpListener)>,
    /// For each address one a thread: a peer's packets always come to the same one.
    quic: Vec<Vec<UdpSocket>>,
    /// The addresses as bound, in the order in which they were asked for.
    pub(super) addresses: Vec<(Transport, SocketAddr)>,
}

/// One thread's share of the sockets: its own descriptors for the same queues of connections, and its own QUIC sockets.
pub(super) struct Share {
    listeners: Vec<(Transport, TcpListener)>,
    quic: Vec<UdpSocket>,
    /// Whether this thread looks after the certificate.
    keeps_certificate: bool,
}

impl Sockets {
    /// Opens the addresses of the encrypted transports, for so many threads.
    pub(super) fn open(dns: &Dns, threads: usize) -> Result<Self, StartError> {
        let mut all = Self::default();
        let listen = [(Transport::Tls, "TLS", &dns.tls_listen), (Transport::Https, "HTTPS", &dns.https_listen)];
        for (transport, protocol, addresses) in listen {
            for address in addresses {
                all.listen(transport, bind::listen(*address, protocol)?)?;
            }
        }
        for address in &dns.quic_listen {
            let sockets = bind::quic(*address, threads)?;
            let bound = sockets.first().map_or(Ok(*address), UdpSocket::local_addr)?;
            all.addresses.push((Transport::Quic, bound));
            all.quic.push(sockets);
        }
        Ok(all)
    }

    /// Adds a listening socket, not blocking.
    pub(super) fn listen(&mut self, transport: Transport, listener: TcpListener) -> io::Result<()> {
        self.addresses.push((transport, listener.local_addr()?));
        self.listeners.push((transport, listener));
        Ok(())
    }

    /// Divides them among so many threads.
    pub(super) fn share(mut self, threads: usize) -> io::Result<Vec<Share>> {
        let again = |(transport, listener): &(Transport, TcpListener)| Ok((*transport, listener.try_clone()?));
        let share = |thread| {
            let listeners = self.listeners.iter().map(again).collect::<io::Result<_>>()?;
            let quic = self.quic.iter_mut().filter_map(Vec::pop).collect();
            Ok(Share { listeners, quic, keeps_certificate: thread == 0 })
        };
        (0..threads).map(share).collect()
    }
}

/// What the connections of one thread share.
struct Shared {
    responder: Responder,
    limits: Arc<Limits>,
    tls: Option<Tls>,
    stop: watch::Receiver<bool>,
    idle: Duration,
    patience: Duration,
}

/// Serves until told to stop, then lets conversations under way end. Runs the thread it is called on.
pub(super) fn run(setup: Setup, sockets: Share, worker: Worker) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let shared = Rc::new(Shared {
        responder: Responder::new(setup.view, setup.clock, worker),
        limits: setup.limits,
        tls: setup.tls,
        stop: setup.stop,
        idle: setup.idle,
        patience: setup.patience,
    });
    LocalSet::new().block_on(&runtime, async move {
        let mut all = JoinSet::new();
        for (transport, listener) in sockets.listeners {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            all.spawn_local(tcp::accept(listener, transport, shared.clone()));
        }
        if let Some(tls) = &shared.tls {
            for socket in sockets.quic {
                let endpoint = quic::endpoint(tls.doq.clone(), socket)?;
                all.spawn_local(quic::accept(endpoint, shared.clone()));
            }
            if sockets.keeps_certificate {
                tokio::task::spawn_local(tls.certificate.clone().keep_fresh());
            }
        }
        stopped(&shared.stop).await;
        let _ = timeout(DRAIN, async { while all.join_next().await.is_some() {} }).await; // what is left is dropped
        Ok(())
    })
}

/// Returns when the server is told to stop, or nobody is left to tell it.
async fn stopped(stop: &watch::Receiver<bool>) {
    let _ = stop.clone().wait_for(|on| *on).await;
}
