//! Ports for programs that must be told one before they start.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below what the kernel gives to sockets that ask for any port (from 32768): between our look and the program's own
/// `bind`, another test's socket cannot be given the same one.
const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A loopback address whose port is free for UDP and TCP, there and on 127.0.0.2; never the same twice in a run.
pub(crate) fn free_port() -> SocketAddr {
    // Another run on this machine begins somewhere else.
    let begin = std::process::id().wrapping_mul(997) % u32::from(COUNT);
    let begin = u16::try_from(begin).expect("below the count");
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(step < COUNT, "no free port from {FIRST} on");
        let port = FIRST + u16::try_from((u32::from(begin) + u32::from(step)) % u32::from(COUNT)).expect("below");
        let free = |ip: Ipv4Addr| UdpSocket::bind((ip, port)).is_ok() && TcpListener::bind((ip, port)).is_ok();
        if free(Ipv4Addr::LOCALHOST) && free(Ipv4Addr::new(127, 0, 0, 2)) {
            return SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        }
    }
}

#[test]
fn no_port_is_given_twice_nor_by_the_kernel() {
    let given: std::collections::BTreeSet<u16> = (0..100).map(|_| free_port().port()).collect();
    assert_eq!(given.len(), 100);
    assert!(given.iter().all(|port| (FIRST..32_768).contains(port)), "{given:?}");
}
