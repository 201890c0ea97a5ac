//! The DNS service: sockets, threads, and how they are stopped.

use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::bind::{BindError, bind};
use super::{tcp, udp};
use crate::clock::Clock;
use crate::config::Dns;
use crate::nameserver::{Counters, View, Worker};

/// Starts DNS service.
pub struct DnsService;

/// DNS service that runs. Stops when dropped.
pub struct RunningDns {
    addresses: Vec<SocketAddr>,
    counters: Vec<Arc<Counters>>,
    stop: Arc<AtomicBool>,
    stop_tcp: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl DnsService {
    /// Listens on every address of the configuration (port 0 takes a free one) and answers from whatever `view` holds at
    /// the moment.
    ///
    /// All addresses are bound before the first query is answered; if one cannot be, nothing runs.
    pub fn start(view: Arc<ArcSwap<View>>, dns: &Dns, clock: Arc<dyn Clock>) -> Result<RunningDns, BindError> {
        let threads = match dns.udp_threads {
            0 => thread::available_parallelism().map_or(1, NonZero::get),
            threads => threads,
        };
        let sockets = dns.listen.iter().map(|address| bind(*address, threads)).collect::<Result<Vec<_>, _>>()?;
        let (stop_tcp, stopped_tcp) = watch::channel(false);
        let mut running = RunningDns {
            addresses: sockets.iter().map(|s| s.address).collect(),
            counters: Vec::new(),
            stop: Arc::default(),
            stop_tcp,
            threads: Vec::new(),
        };
        let mut listeners = Vec::new();
        for of_address in sockets {
            listeners.push(of_address.tcp);
            for (i, socket) in of_address.udp.into_iter().enumerate() {
                let (view, clock, stop) = (view.clone(), clock.clone(), running.stop.clone());
                let processor = dns.pin_threads.then_some(i);
                running.spawn("dns-udp", move |worker| udp::run(socket, processor, view, worker, clock, stop));
            }
        }
        running.spawn("dns-tcp", move |worker| {
            if let Err(error) = tcp::run(listeners, view, worker, clock, stopped_tcp) {
                tracing::error!(%error, "DNS over TCP has stopped");
            }
        });
        Ok(running)
    }
}

impl RunningDns {
    /// The addresses as bound, in the order in which they were asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The counters of all threads; add them up.
    pub fn counters(&self) -> &[Arc<Counters>] {
        &self.counters
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
        let _ = self.stop_tcp.send(true); // fails only when the thread has ended already
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
