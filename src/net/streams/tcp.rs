//! What comes by TCP (RFC 7766) is accepted, given a place, and served as its port promises until it ends.

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
use super::{Shared, https, stopped, tls};
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
    let (place, peer, shared) = (shared.limits.admit(address, transport), Peer { address, transport }, shared.clone());
    let _ = stream.set_nodelay(true); // only speed depends on it
    match (transport, shared.tls.clone()) {
        (Transport::Tls, Some(tls)) => all.spawn_local(tls::serve(stream, peer, place, shared, tls.dot)),
        (Transport::Https, Some(tls)) => all.spawn_local(https::serve(stream, peer, place, shared, tls.doh)),
        _ => all.spawn_local(serve(stream, peer, place, shared)),
    };
}

async fn serve(mut stream: TcpStream, peer: Peer, place: Place, shared: Rc<Shared>) {
    match converse(&mut stream, peer, &place, &shared).await {
        Ok(End::Done) => {
            let _ = timeout(shared.patience, stream.shutdown()).await; // the peer went away: nothing to do
        }
        Ok(End::Cut) => abandon(&stream),
        Ok(End::Slow) => {
            place.slow();
            abandon(&stream);
        }
        Err(_) => {} // the peer went away
    }
}

/// The connection will be reset instead of closed in order: else the kernel would keep answers that nobody takes for long.
pub(super) fn abandon(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO)); // if not, the kernel gives up in its own time
}
