//! DNS over connections: every thread accepts, converses and answers by itself, with a worker of its own.
//!
//! ```text
//! listener --accept--> place (limits) --> conversation (framed) --> responder --> nameserver::respond
//! ```
//! All threads accept from the same listening sockets, so one that is busy with signatures or handshakes leaves new
//! connections to the others; a connection stays with the thread that took it, and nothing is shared for a query.

mod framed;
pub(super) mod limits;
mod responder;
mod tcp;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::timeout;

use crate::clock::Clock;
use crate::config;
use crate::nameserver::{Transport, View, Worker};
use limits::Limits;
use responder::Responder;

/// How long conversations under way may take to end when the server stops.
const DRAIN: Duration = Duration::from_secs(2);

/// What every thread is given.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) view: Arc<ArcSwap<View>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: Arc<Limits>,
    pub(super) stop: watch::Receiver<bool>,
    /// Without a query for so long, a connection is closed.
    pub(super) idle: Duration,
    /// A message begun is whole, an answer taken, a handshake done within this time, or the connection is cut.
    pub(super) patience: Duration,
}

impl Setup {
    /// With the limits and times of the configuration.
    pub(super) fn new(
        dns: &config::Dns,
        view: Arc<ArcSwap<View>>,
        clock: Arc<dyn Clock>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            view,
            clock,
            limits: Limits::new(dns.connections_max, dns.connections_per_prefix_max),
            stop,
            idle: Duration::from_secs(dns.tcp_idle_s),
            patience: Duration::from_secs(dns.tcp_patience_s),
        }
    }
}

/// One thread's share of the sockets: each thread has a descriptor of its own for the same queues.
pub(super) struct Sockets {
    /// Listening sockets, not blocking, with what is spoken on them.
    pub(super) listeners: Vec<(Transport, std::net::TcpListener)>,
}

/// The sockets for each of so many threads.
pub(super) fn share(listeners: &[(Transport, std::net::TcpListener)], threads: usize) -> io::Result<Vec<Sockets>> {
    let one = |(transport, listener): &(Transport, std::net::TcpListener)| Ok((*transport, listener.try_clone()?));
    (0..threads).map(|_| Ok(Sockets { listeners: listeners.iter().map(one).collect::<io::Result<_>>()? })).collect()
}

/// What the connections of one thread share.
struct Shared {
    responder: Responder,
    limits: Arc<Limits>,
    stop: watch::Receiver<bool>,
    idle: Duration,
    patience: Duration,
}

/// Serves until told to stop, then lets conversations under way end. Runs the thread it is called on.
pub(super) fn run(setup: Setup, sockets: Sockets, worker: Worker) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let shared = Rc::new(Shared {
        responder: Responder::new(setup.view, setup.clock, worker),
        limits: setup.limits,
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
        stopped(&shared.stop).await;
        let _ = timeout(DRAIN, async { while all.join_next().await.is_some() {} }).await; // what is left is dropped
        Ok(())
    })
}

/// Returns when the server is told to stop, or nobody is left to tell it.
async fn stopped(stop: &watch::Receiver<bool>) {
    let _ = stop.clone().wait_for(|on| *on).await;
}
