//! DNS over TCP (RFC 7766): length-framed, pipelined, bounded in connections and in idle time.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::LocalSet;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::nameserver::{Outcome, Peer, Transport, View, Worker, respond};
use crate::wire::answer::TCP_OCTETS_MAX;

/// Connections at once, all addresses together; more wait in the backlog.
const CONNECTIONS_MAX: usize = 1_024;
/// A connection on which no query comes for so long is closed (RFC 7766 6.2.3).
const IDLE: Duration = Duration::from_secs(10);
/// A peer that does not take its answer within this is cut.
const WRITE: Duration = Duration::from_secs(5);

/// What all connections of the thread share: one worker and one out buffer, since one thread answers one query at a time.
struct Shared {
    view: Arc<ArcSwap<View>>,
    clock: Arc<dyn Clock>,
    answering: RefCell<(Worker, Box<[u8]>)>,
    connections: Semaphore,
}

/// Answers on `listeners` until `stop` changes or its sender is gone. Runs the thread it is called on.
pub(super) fn run(
    listeners: Vec<std::net::TcpListener>,
    view: Arc<ArcSwap<View>>,
    worker: Worker,
    clock: Arc<dyn Clock>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let answering = RefCell::new((worker, vec![0; TCP_OCTETS_MAX].into_boxed_slice()));
    let shared = Rc::new(Shared { view, clock, answering, connections: Semaphore::new(CONNECTIONS_MAX) });
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        for listener in listeners {
            tokio::task::spawn_local(accept(TcpListener::from_std(listener)?, shared.clone()));
        }
        let _ = stop.changed().await;
        Ok(())
    })
}

async fn accept(listener: TcpListener, shared: Rc<Shared>) {
    loop {
        let shared = shared.clone();
        let Ok(permit) = shared.connections.acquire().await else { return };
        let Ok((stream, from)) = listener.accept().await else {
            // Out of file descriptors, most likely: let connections end first.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        permit.forget(); // given back when the connection ends
        tokio::task::spawn_local(async move {
            let _ = serve(stream, from.ip(), &shared).await; // the peer went away: nothing to do
            shared.connections.add_permits(1);
        });
    }
}

async fn serve(mut stream: TcpStream, address: IpAddr, shared: &Shared) -> io::Result<()> {
    let _ = stream.set_nodelay(true);
    let mut query = Vec::new();
    loop {
        let octets = timeout(IDLE, stream.read_u16()).await??;
        query.resize(octets.into(), 0);
        timeout(IDLE, stream.read_exact(&mut query)).await??;
        let Some(framed) = answer(&query, address, shared) else { return Ok(()) };
        timeout(WRITE, stream.write_all(&framed)).await??;
    }
}

/// The answer with its length in front; `None` closes the connection: whoever sends responses or broken headers here is no resolver.
fn answer(query: &[u8], address: IpAddr, shared: &Shared) -> Option<Vec<u8>> {
    let mut answering = shared.answering.borrow_mut();
    let (worker, out) = &mut *answering;
    let peer = Peer { address, transport: Transport::Tcp };
    let answered =
        catch_unwind(AssertUnwindSafe(|| respond(&shared.view.load(), worker, peer, query, shared.clock.now_s(), out)));
    match answered {
        Ok(Outcome::Answer(octets)) => {
            let length = u16::try_from(octets).ok()?;
            Some([&length.to_be_bytes()[..], &out[..octets]].concat())
        }
        Ok(Outcome::Drop | Outcome::Later) => None,
        Err(_) => {
            tracing::error!("a query over TCP made the responder panic; its connection was closed");
            None
        }
    }
}
