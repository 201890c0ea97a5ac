//! DNS over UDP: one thread a socket, one packet in, one packet out.

use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::clock::Clock;
use crate::nameserver::{Outcome, Peer, Transport, View, Worker, respond};
use crate::wire::answer::UDP_OCTETS_MAX;

/// Queries have no reason to be longer; the rest of a longer packet is cut off and it is refused as malformed.
const QUERY_OCTETS_MAX: usize = 4_096;
/// How long a thread waits for a packet before it looks whether it is to stop.
const STOP_LOOK_MS: u64 = 100;

/// Answers on `socket` until `stop` is set.
pub(super) fn run(
    socket: UdpSocket,
    view: Arc<ArcSwap<View>>,
    mut worker: Worker,
    clock: Arc<dyn Clock>,
    stop: Arc<AtomicBool>,
) {
    // Without the timeout a silent socket would never stop; setting it fails only on a socket that is none.
    let _ = socket.set_read_timeout(Some(Duration::from_millis(STOP_LOOK_MS)));
    let mut query = [0u8; QUERY_OCTETS_MAX];
    let mut out = [0u8; UDP_OCTETS_MAX];
    while !stop.load(Ordering::Relaxed) {
        let Ok((octets, from)) = socket.recv_from(&mut query) else { continue }; // timeout, or an ICMP error of an earlier answer
        let peer = Peer { address: from.ip(), transport: Transport::Udp };
        let answered = catch_unwind(AssertUnwindSafe(|| {
            respond(&view.load(), &mut worker, peer, &query[..octets], clock.now_s(), &mut out)
        }));
        match answered {
            Ok(Outcome::Answer(octets)) => {
                let _ = socket.send_to(&out[..octets], from); // a lost answer is asked for again
            }
            Ok(Outcome::Drop | Outcome::Later) => {}
            // One bad packet must not stop DNS; what was in it must not be logged.
            Err(_) => tracing::error!("a query over UDP made the responder panic; it was dropped"),
        }
    }
}
