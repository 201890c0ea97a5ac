//! Opens the sockets of an address, UDP for every thread and TCP, on one port, and says which address failed and why.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use super::udp::system;

/// How often another port is tried when the system's choice for UDP is taken for TCP (port 0 only).
const PORT_TRIES: usize = 16;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1_024;
/// Octets that a UDP socket may queue either way: some thousand packets, 10 ms of a full load. The system may allow less.
const QUEUE_OCTETS: usize = 1 << 20;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({protocol}): {}", reason(.source))]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// `UDP`, `TCP`, or what is spoken over them.
    pub protocol: &'static str,
    /// What the system said.
    pub source: io::Error,
}

fn reason(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::AddrInUse => "the port is in use: stop the other server or choose another port".to_owned(),
        io::ErrorKind::PermissionDenied => {
            "not permitted: ports below 1024 need CAP_NET_BIND_SERVICE, or choose a higher port".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => source.to_string(),
    }
}

/// The sockets of one address.
pub struct Sockets {
    /// The address as bound: port 0 is replaced by the real one.
    pub address: SocketAddr,
    /// One a thread, all on the same port.
    pub udp: Vec<UdpSocket>,
    /// Not blocking.
    pub tcp: TcpListener,
}

/// Opens `threads` UDP sockets and one TCP socket on `address`.
pub fn bind(address: SocketAddr, threads: usize) -> Result<Sockets, BindError> {
    let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match try_bind(address, threads) {
            Err(error) if tries > 0 && error.source.kind() == io::ErrorKind::AddrInUse => {}
            done => return done,
        }
    }
}

fn try_bind(address: SocketAddr, threads: usize) -> Result<Sockets, BindError> {
    let failed = |protocol| move |source| BindError { address, protocol, source };
    // With SO_REUSEPORT a second server of the same user would silently share the port: look first without it.
    let probe = udp(address, false).map_err(failed("UDP"))?;
    let bound = probe.local_addr().map_err(failed("UDP"))?;
    let tcp = tcp(bound).map_err(failed("TCP"))?;
    drop(probe);
    let udp = (0..threads.max(1)).map(|_| udp(bound, true)).collect::<io::Result<_>>().map_err(failed("UDP"))?;
    Ok(Sockets { address: bound, udp, tcp })
}

/// Opens a listening socket for what is spoken over TCP.
pub(super) fn listen(address: SocketAddr, protocol: &'static str) -> Result<TcpListener, BindError> {
    tcp(address).map_err(|source| BindError { address, protocol, source })
}

/// Opens a UDP socket for QUIC for each of so many threads, all on one port.
pub(super) fn quic(address: SocketAddr, threads: usize) -> Result<Vec<UdpSocket>, BindError> {
    let open = || {
        let probe = udp(address, false)?;
        let bound = probe.local_addr()?;
        drop(probe);
        let sockets = (0..threads.max(1)).map(|_| udp(bound, true)).collect::<io::Result<Vec<_>>>()?;
        sockets.iter().try_for_each(|socket| socket.set_nonblocking(true))?;
        Ok(sockets)
    };
    open().map_err(|source| BindError { address, protocol: "QUIC", source })
}

fn udp(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    // A kernel that refuses any of these three still serves, with less room or less protection.
    let _ = socket.set_recv_buffer_size(QUEUE_OCTETS);
    let _ = socket.set_send_buffer_size(QUEUE_OCTETS);
    let _ = system::ignore_path_mtu(&socket, address);
    if address.ip().is_unspecified() {
        system::tell_asked_address(&socket, address)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?; // connections of the last run may still be in TIME_WAIT
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_zero_gets_one_port_for_both() {
        let sockets = bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        assert_ne!(sockets.address.port(), 0);
        assert_eq!(sockets.udp.len(), 2);
        assert_eq!(sockets.tcp.local_addr().unwrap(), sockets.address);
        assert!(sockets.udp.iter().all(|s| s.local_addr().unwrap() == sockets.address));
    }

    #[test]
    fn a_port_in_use_is_named() {
        let first = bind("127.0.0.1:0".parse().unwrap(), 1).unwrap();
        let error = bind(first.address, 1).err().unwrap().to_string();
        assert!(error.contains(&first.address.to_string()) && error.contains("in use"), "{error}");
        let error = bind("192.0.2.1:0".parse().unwrap(), 1).err().unwrap().to_string();
        assert!(error.contains("192.0.2.1") && error.contains("no such address"), "{error}");
    }
}
