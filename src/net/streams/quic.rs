//! DNS over QUIC (RFC 9250): one query a stream, one task a stream, and errors by their codes.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{
    Connection, Endpoint, EndpointConfig, Incoming, ReadToEndError, RecvStream, SendStream, ServerConfig, TokioRuntime,
    TransportConfig, VarInt,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::framed::LAST_CALL;
use super::limits::Place;
use super::room::{Kept, Room};
use super::{Shared, stopped};
use crate::nameserver::{Peer, Transport};
use crate::wire::answer::TCP_OCTETS_MAX;
use crate::wire::query::has_keepalive;

/// ALPN (RFC 9250 4.1.1).
pub(super) const DOQ: &[&[u8]] = &[b"doq"];

// RFC 9250 4.3.
const NO_ERROR: VarInt = VarInt::from_u32(0);
const INTERNAL_ERROR: VarInt = VarInt::from_u32(1);
const PROTOCOL_ERROR: VarInt = VarInt::from_u32(2);
const REQUEST_CANCELLED: VarInt = VarInt::from_u32(3);
const EXCESSIVE_LOAD: VarInt = VarInt::from_u32(4);

/// Queries at once on a connection; more wait with the peer.
const STREAMS_MAX: u32 = 100;
/// What a connection may hold of queries that are on their way, and of answers that the peer has not acknowledged: one of the
/// largest, or hundreds of usual ones. Answers that wait for that are bounded by their [`Room`].
const WINDOW_OCTETS: u32 = 128 * 1_024;
/// Larger queries do not wait for room: no question is so large, and a hundred that wait would take more than the answers.
const WAITING_QUERY_OCTETS_MAX: usize = 4 * 1_024;
/// Handshakes under way, a thread, with peers that have not proved their addresses; beyond, new ones are asked to (RFC 9000 8.1.2).
const UNPROVED_MAX: usize = 64;
/// Handshakes that wait to be looked at, and what they may hold together.
const WAITING_MAX: usize = 1_024;
const WAITING_OCTETS_MAX: u64 = 4 << 20;

/// How a connection or a stream comes to an end before its time.
enum Fault {
    /// The whole connection, with this code.
    Close(VarInt),
    /// Only this stream.
    Reset(VarInt),
}

/// What became of a stream that did not end its connection.
enum Stream {
    /// The peer has its answer.
    Answered,
    /// It was reset, by one or the other.
    Failed,
}

/// The peer was too slow: its streams dangle (RFC 9250 4.2).
const SLOW: Fault = Fault::Close(EXCESSIVE_LOAD);

/// The server's side: no early data, no datagrams, no streams in one direction (RFC 9250 4.2, 4.5).
///
/// Peers cannot change their addresses: each thread has a socket of its own, and the kernel chooses it by address.
pub(super) fn config(tls: rustls::ServerConfig, idle: Duration) -> Result<ServerConfig, rustls::Error> {
    let crypto = QuicServerConfig::try_from(tls).map_err(|why| rustls::Error::General(why.to_string()))?;
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(WINDOW_OCTETS))
        .receive_window(VarInt::from_u32(WINDOW_OCTETS))
        .send_window(WINDOW_OCTETS.into())
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(idle.try_into().ok());
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config
        .transport_config(Arc::new(transport))
        .migration(false)
        .max_incoming(WAITING_MAX)
        .incoming_buffer_size(u64::from(WINDOW_OCTETS))
        .incoming_buffer_size_total(WAITING_OCTETS_MAX);
    Ok(config)
}

/// An endpoint on a socket that does not block.
pub(super) fn endpoint(config: ServerConfig, socket: UdpSocket) -> io::Result<Endpoint> {
    Endpoint::new(EndpointConfig::default(), Some(config), socket, Arc::new(TokioRuntime))
}

/// Accepts until the server stops, then waits for its connections.
pub(super) async fn accept(endpoint: Endpoint, shared: Rc<Shared>) {
    let (mut connections, unproved) = (JoinSet::new(), Rc::new(Cell::new(0)));
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            () = stopped(&shared.stop) => None,
        };
        let Some(incoming) = incoming else { break };
        while connections.try_join_next().is_some() {}
        let proved = incoming.remote_address_validated();
        if !proved && unproved.get() >= UNPROVED_MAX {
            let _ = incoming.retry(); // fails only for those who have proved themselves
            continue;
        }
        // A handshake has a task of its own: one that stalls holds up nobody.
        connections.spawn_local(serve(incoming, (!proved).then(|| Unproved::one(&unproved)), shared.clone()));
    }
    endpoint.set_server_config(None); // who comes now is told that nobody is here
    while connections.join_next().await.is_some() {}
    endpoint.wait_idle().await;
}

/// One handshake with a peer whose address is not proved.
struct Unproved(Rc<Cell<usize>>);

impl Unproved {
    fn one(all: &Rc<Cell<usize>>) -> Self {
        all.set(all.get() + 1);
        Self(all.clone())
    }
}

impl Drop for Unproved {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

async fn serve(incoming: Incoming, unproved: Option<Unproved>, shared: Rc<Shared>) {
    let address = incoming.remote_address().ip();
    let admit = || shared.limits.admit(address, Transport::Quic);
    // An address that may be forged takes no place: else anybody could take the places of others.
    let place = unproved.is_none().then(admit);
    let Ok(connecting) = incoming.accept() else { return };
    let connected = match &place {
        None => timeout(shared.patience, connecting).await,
        Some(place) => tokio::select! {
            connected = timeout(shared.patience, connecting) => connected,
            () = place.cut() => return,
        },
    };
    drop(unproved);
    let Ok(Ok(connection)) = connected else { return };
    let place = Rc::new(place.unwrap_or_else(admit));
    let code = converse(&connection, address, &place, &shared).await;
    connection.close(code, b"");
}

/// Answers on every stream that the peer opens; returns the code to close with.
async fn converse(connection: &Connection, address: IpAddr, place: &Rc<Place>, shared: &Rc<Shared>) -> VarInt {
    let (mut streams, mut last_call, room) = (JoinSet::new(), None, Rc::new(Room::new()));
    let mut last = Instant::now();
    loop {
        let deadline = last_call.unwrap_or(last + shared.idle);
        tokio::select! {
            biased;
            accepted = connection.accept_bi() => match accepted {
                Ok((send, recv)) => {
                    streams.spawn_local(exchange(send, recv, address, room.clone(), shared.clone()));
                }
                Err(_) => return NO_ERROR, // the peer has closed it, or is gone
            },
            Some(done) = streams.join_next() => {
                last = Instant::now();
                match done {
                    Ok(Ok(Stream::Answered)) => place.active(),
                    Ok(Ok(Stream::Failed)) => {} // streams that are opened and given up keep no place
                    Ok(Err(code)) => {
                        if code == EXCESSIVE_LOAD {
                            place.slow();
                        }
                        return code;
                    }
                    Err(_) => return INTERNAL_ERROR,
                }
            }
            () = place.cut() => return EXCESSIVE_LOAD,
            () = sleep_until(deadline), if streams.is_empty() => return NO_ERROR,
            () = stopped(&shared.stop), if last_call.is_none() => last_call = Some(Instant::now() + LAST_CALL),
        }
    }
}

/// One query and its answer; an error closes the connection with this code.
async fn exchange(
    mut send: SendStream,
    recv: RecvStream,
    address: IpAddr,
    room: Rc<Room>,
    shared: Rc<Shared>,
) -> Result<Stream, VarInt> {
    let done = match answer(recv, address, &room, &shared).await {
        Ok(framed) => deliver(&mut send, framed.as_ref(), &shared).await,
        Err(fault) => Err(fault),
    };
    match done {
        Ok(()) => Ok(Stream::Answered),
        Err(Fault::Reset(code)) => {
            let _ = send.reset(code); // it is closed already
            Ok(Stream::Failed)
        }
        Err(Fault::Close(code)) => Err(code),
    }
}

/// Reads the one query of a stream up to its end, and answers it as soon as there is room.
async fn answer(mut recv: RecvStream, address: IpAddr, room: &Room, shared: &Shared) -> Result<Kept, Fault> {
    let octets = match timeout(shared.patience, recv.read_to_end(2 + TCP_OCTETS_MAX)).await {
        Ok(Ok(octets)) => octets,
        Ok(Err(ReadToEndError::TooLong)) => return Err(Fault::Close(PROTOCOL_ERROR)),
        Ok(Err(ReadToEndError::Read(_))) => return Err(Fault::Reset(REQUEST_CANCELLED)), // RFC 9250 4.3.1
        Err(_) => return Err(SLOW),
    };
    // RFC 9250 4.3.3: an end before the message's, more than one message, an id other than 0.
    let (length, query) = octets.split_first_chunk::<2>().ok_or(Fault::Close(PROTOCOL_ERROR))?;
    if usize::from(u16::from_be_bytes(*length)) != query.len() || !query.starts_with(&[0, 0]) {
        return Err(Fault::Close(PROTOCOL_ERROR));
    }
    // The connection says itself how long it stays (RFC 9250 5.5.2).
    if has_keepalive(query) {
        return Err(Fault::Close(PROTOCOL_ERROR));
    }
    let reserved = match query.len() > WAITING_QUERY_OCTETS_MAX {
        true => room.reserve_now(),
        false => timeout(shared.patience, room.reserve()).await.map_err(|_| SLOW)?,
    };
    let reserved = reserved.ok_or(SLOW)?;
    let peer = Peer { address, transport: Transport::Quic };
    let framed = |answer: &[u8]| [&(answer.len() as u16).to_be_bytes()[..], answer].concat();
    let framed = shared.responder.answer(peer, query, framed).ok_or(Fault::Reset(PROTOCOL_ERROR))?;
    Ok(reserved.keep(framed))
}

/// Sends the answer and waits until the peer has it all, so that neither a stop nor a close cuts it off.
async fn deliver(send: &mut SendStream, framed: &[u8], shared: &Shared) -> Result<(), Fault> {
    let sent = timeout(shared.patience, async {
        send.write_all(framed).await.map_err(|_| ())?;
        send.finish().map_err(|_| ())?;
        match send.stopped().await {
            Ok(None) => Ok(()),
            _ => Err(()),
        }
    });
    match sent.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(())) => Err(Fault::Reset(REQUEST_CANCELLED)), // the peer does not want it any more, or is gone
        Err(_) => Err(SLOW),
    }
}
