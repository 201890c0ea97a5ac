//! A proxy between server and validator: one flipped bit or missing signatures, and the answer is bogus.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;

use super::house::{APEX, House, NUMBERS, enum_name, have};

/// Forwards UDP and changes answers on their way back.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    pub(crate) fn between(server: SocketAddr, change: fn(&mut Vec<u8>)) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), server, change)
    }

    /// The same on an address that askers know.
    pub(crate) fn at(listen: SocketAddr, server: SocketAddr, change: fn(&mut Vec<u8>)) -> Self {
        let socket = UdpSocket::bind(listen).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let (address, stop) = (socket.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((octets, from)) = socket.recv_from(&mut buffer) else { continue };
                let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
                upstream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
                upstream.send_to(&buffer[..octets], server).unwrap();
                let Ok(octets) = upstream.recv(&mut buffer) else { continue };
                let mut answer = buffer[..octets].to_vec();
                change(&mut answer);
                socket.send_to(&answer, from).unwrap();
            }
        });
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[expect(clippy::ptr_arg, reason = "the type of every change")]
/// Flips a bit of the data in answers about numbers; leaves keys alone.
pub(crate) fn flip_a_bit(answer: &mut Vec<u8>) {
    if let Some(at) = answer.windows(4).position(|w| w == b"acme") {
        answer[at] ^= 1;
    }
}

/// Takes signatures out of answers that are not about keys.
pub(crate) fn strip_signatures(answer: &mut Vec<u8>) {
    let Ok(mut message) = Message::from_vec(answer) else { return };
    if message.queries.iter().any(|q| q.query_type() == RecordType::DNSKEY) {
        return;
    }
    message.answers.retain(|r| r.record_type() != RecordType::RRSIG);
    message.authorities.retain(|r| !matches!(r.record_type(), RecordType::RRSIG | RecordType::NSEC));
    *answer = message.to_vec().unwrap();
}

#[test]
fn delv_refuses_what_a_proxy_changed() {
    if !have(&["delv"]) {
        return;
    }
    let house = House::open();
    let untouched = Proxy::between(house.address, |_| {});
    let (flipped, stripped) =
        (Proxy::between(house.address, flip_a_bit), Proxy::between(house.address, strip_signatures));
    let number = enum_name(NUMBERS[0]);
    let good = house.delv(untouched.address, &[&number, "NAPTR"]);
    assert!(good.contains("; fully validated"), "{good}");
    for (proxy, name) in [
        (&flipped, number.as_str()),
        (&stripped, number.as_str()),
        (&stripped, "5.5.5.e164.example."),
        (&stripped, APEX),
    ] {
        let said = house.delv(proxy.address, &[name, if name == APEX { "SOA" } else { "NAPTR" }]);
        assert!(said.contains("resolution failed") && !said.contains("fully validated"), "{name}\n{said}");
    }
}
