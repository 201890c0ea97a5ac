//! The DNS service: sockets, threads, and how they are stopped.

use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::bind::{BindError, bind};
use super::streams::CertificateError;
use super::streams::limits::Limits;
use super::{alarm, filler, streams, udp};
use crate::clock::Clock;
use crate::config::Dns;
use crate::nameserver::{Counters, Transport, View, Worker};

/// Why DNS service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The certificate of the encrypted transports cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// TLS itself cannot be set up.
    #[error("cannot set TLS up: {0}")]
    Tls(#[from] rustls::Error),
    /// The system gives no more descriptors.
    #[error("cannot share the listening sockets among threads: {0}; raise the limit of open files (ulimit -n)")]
    Descriptors(#[from] io::Error),
}

/// Starts DNS service.
pub struct DnsService;

/// DNS service that runs. Stops when dropped.
pub struct RunningDns {
    addresses: Vec<SocketAddr>,
    encrypted: Vec<(Transport, SocketAddr)>,
    counters: Vec<Arc<Counters>>,
    limits: Arc<Limits>,
    stop: Arc<AtomicBool>,
    stop_streams: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl DnsService {
    /// Listens on every address of the configuration (port 0 takes a free one) and answers from whatever `view` holds at
    /// the moment.
    ///
    /// All addresses are bound before the first query is answered; if one cannot be, nothing runs.
    pub fn start(view: Arc<ArcSwap<View>>, dns: &Dns, clock: Arc<dyn Clock>) -> Result<RunningDns, StartError> {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let threads = if dns.udp_threads == 0 { processors } else { dns.udp_threads };
        let sockets = dns.listen.iter().map(|address| bind(*address, threads)).collect::<Result<Vec<_>, _>>()?;
        let (stop_streams, stopped) = watch::channel(false);
        let setup = streams::Setup::new(dns, view.clone(), clock.clone(), stopped)?;
        let mut connections = streams::Sockets::open(dns, processors)?;
        let mut running = RunningDns {
            addresses: sockets.iter().map(|s| s.address).collect(),
            counters: Vec::new(),
            encrypted: connections.addresses.clone(),
            limits: setup.limits.clone(),
            stop: Arc::default(),
            stop_streams,
            threads: Vec::new(),
        };
        for of_address in sockets {
            connections.listen(Transport::Tcp, of_address.tcp)?;
            for (i, socket) in of_address.udp.into_iter().enumerate() {
                let (view, clock, stop) = (view.clone(), clock.clone(), running.stop.clone());
                let processor = dns.pin_threads.then_some(i);
                running.spawn("dns-udp", move |worker| udp::run(socket, processor, view, worker, clock, stop));
            }
        }
        for sockets in connections.share(processors)? {
            let setup = setup.clone();
            running.spawn("dns-streams", move |worker| {
                if let Err(error) = streams::run(setup, sockets, worker) {
                    tracing::error!(%error, "a thread for DNS over connections has stopped");
                }
            });
        }
        if dns.missed_pct_max < 100 {
            let (answering, clock, stop) = (running.counters.clone(), clock.clone(), running.stop.clone());
            let missed_pct_max = dns.missed_pct_max;
            running.spawn("dns-alarm", move |_| alarm::run(answering, clock, stop, missed_pct_max));
        }
        let (stop, answering, per_s) = (running.stop.clone(), running.counters.clone(), dns.filler_per_s);
        running.spawn("dns-filler", move |worker| filler::run(view, worker, clock, stop, answering, per_s));
        Ok(running)
    }
}

impl RunningDns {
    /// The addresses for UDP and TCP as bound, in the order in which they were asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses of the encrypted transports as bound, each in the order in which they were asked for.
    pub fn encrypted(&self) -> &[(Transport, SocketAddr)] {
        &self.encrypted
    }

    /// The counters of all threads; add them up.
    pub fn counters(&self) -> &[Arc<Counters>] {
        &self.counters
    }

    /// Connections: how many there are, and how many had to go.
    pub fn connections(&self) -> Arc<Limits> {
        self.limits.clone()
    }

    /// Stops answering and waits until every thread has ended.
    pub fn stop(mut self) {
        self.end();
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce(Worker) + Send + 'static) {
        let worker = Worker::default();
        self.counters.push(worker.counters());
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || run(worker));
        // Only a machine out of memory or threads fails here; the others still serve, and the log says so.
        match thread {
            Ok(thread) => self.threads.push(thread),
            Err(error) => tracing::error!(%error, name, "a DNS thread could not be started"),
        }
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.stop_streams.send(true); // fails only when the threads have ended already
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for RunningDns {
    fn drop(&mut self) {
        self.end();
    }
}
