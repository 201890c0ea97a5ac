//! DNS over TCP (RFC 7766): connections are accepted, given a place, and served until they end.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::framed::{End, converse};
use super::limits::Place;
use super::{Shared, stopped};
use crate::nameserver::{Peer, Transport};

/// How long accepting rests when the system gives no descriptor: until one that was cut is closed, or others are.
const ROOM_WAIT: Duration = Duration::from_millis(1);
const NO_ROOM_WAIT: Duration = Duration::from_millis(50);
/// Connections taken from the queue when the server stops: a queue's length, lest a flood of new ones hold the stop up.
const LAST_ACCEPTS: usize = 1_024;

/// Accepts until the server stops, takes what still waits in the queue, then waits for its conversations.
pub(super) async fn accept(listener: TcpListener, transport: Transport, shared: Rc<Shared>) {
    let mut conversations = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            () = stopped(&shared.stop) => break,
        };
        while conversations.try_join_next().is_some() {}
        match accepted {
            Ok((stream, from)) => begin(&mut conversations, stream, from.ip(), transport, &shared),
            // The peer is gone already: its own matter.
            Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
            // Out of descriptors, most likely. Who waits in the queue may be one who asks: an idle one makes room.
            Err(_) => tokio::time::sleep(if shared.limits.make_room() { ROOM_WAIT } else { NO_ROOM_WAIT }).await,
        }
    }
    // Who was let in by the kernel before the stop may have asked already. Without the runtime, which may not know them yet.
    if let Ok(listener) = listener.into_std() {
        for _ in 0..LAST_ACCEPTS {
            let Ok((stream, from)) = listener.accept() else { break };
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            let Ok(stream) = stream else { continue };
            begin(&mut conversations, stream, from.ip(), transport, &shared);
        }
    }
    while conversations.join_next().await.is_some() {}
}

fn begin(all: &mut JoinSet<()>, stream: TcpStream, address: IpAddr, transport: Transport, shared: &Rc<Shared>) {
    let place = shared.limits.admit(address, transport);
    all.spawn_local(serve(stream, Peer { address, transport }, place, shared.clone()));
}

async fn serve(mut stream: TcpStream, peer: Peer, place: Place, shared: Rc<Shared>) {
    let _ = stream.set_nodelay(true); // only speed depends on it
    let end = converse(&mut stream, peer, &place, &shared).await;
    finish(&mut stream, end, &place, &shared).await;
}

/// Says goodbye to those who ended well. The others' unsent answers are thrown away, or the kernel would keep them for long.
async fn finish(stream: &mut TcpStream, end: io::Result<End>, place: &Place, shared: &Shared) {
    match end {
        Ok(End::Done) => {
            let _ = timeout(shared.patience, stream.shutdown()).await; // the peer went away: nothing to do
        }
        Ok(End::Cut) => abandon(stream),
        Ok(End::Slow) => {
            place.slow();
            abandon(stream);
        }
        Err(_) => {} // the peer went away
    }
}

/// The connection will be reset instead of closed in order.
fn abandon(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO)); // if not, the kernel gives up in its own time
}
