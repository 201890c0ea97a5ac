//! RFC 7828: edns-tcp-keepalive.

use callbook::nameserver::Transport;
use hickory_proto::rr::RecordType;

use super::opt::{Server, with_options};
use crate::dns::house::APEX;

/// 3.2.1, 3.3.2: who asks over a connection is told the idle time in units of 100 ms.
#[test]
fn section_3_3_2_told_over_connections() {
    let mut server = Server::new();
    let packet = with_options(APEX, RecordType::SOA, &[(11, b"")]);
    for transport in [Transport::Tcp, Transport::Tls] {
        let answer = server.ask(transport, &packet).unwrap();
        assert_eq!(answer.option(11), Some(&100u16.to_be_bytes()[..]), "{transport:?}");
    }
    let not_asked = server.ask(Transport::Tcp, &with_options(APEX, RecordType::SOA, &[])).unwrap();
    assert_eq!(not_asked.option(11), None);
}

/// 3.2.1: over UDP it is ignored; HTTP has keepalive of its own, QUIC forbids it (RFC 9250 5.5.2).
#[test]
fn section_3_2_1_never_elsewhere() {
    let mut server = Server::new();
    for transport in [Transport::Udp, Transport::Https] {
        let answer = server.ask(transport, &with_options(APEX, RecordType::SOA, &[(11, b"")])).unwrap();
        assert_eq!((answer.rcode, answer.option(11)), (0, None), "{transport:?}");
    }
}

/// 3.2.1: a client names no time; one that does is answered as if it had not asked.
#[test]
fn section_3_2_1_a_client_names_no_time() {
    let answer = Server::new().ask(Transport::Tcp, &with_options(APEX, RecordType::SOA, &[(11, b"\x00\x64")])).unwrap();
    assert_eq!((answer.rcode, answer.option(11)), (0, None));
}
