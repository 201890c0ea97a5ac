//! RFC 7314: for how long a secondary may keep a zone.

use callbook::nameserver::Transport;
use hickory_proto::rr::RecordType;

use super::opt::{Server, with_opt, with_options};
use crate::dns::house::APEX;

/// EXPIRE of the zone's SOA.
const EXPIRE: [u8; 4] = 1_209_600u32.to_be_bytes();

/// 2, 3.1: who asks is told what the SOA says, over every transport, with any question.
#[test]
fn section_3_1_the_primary_says_what_the_soa_says() {
    let mut server = Server::new();
    let packet = with_options(APEX, RecordType::SOA, &[(9, b"")]);
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Quic, Transport::Https] {
        let answer = server.ask(transport, &packet).unwrap();
        assert_eq!((answer.rcode, answer.option(9)), (0, Some(&EXPIRE[..])), "{transport:?}");
    }
    for (name, rr_type) in
        [(APEX, RecordType::NS), ("x.e164.example.", RecordType::SOA), ("1.e164.example.", RecordType::A)]
    {
        let answer = server.ask(Transport::Tcp, &with_options(name, rr_type, &[(9, b"")])).unwrap();
        assert_eq!(answer.option(9), Some(&EXPIRE[..]), "{name} {rr_type}");
    }
    let beside = server.ask(Transport::Udp, &with_options(APEX, RecordType::SOA, &[(3, b""), (9, b"")])).unwrap();
    assert_eq!((beside.option(3), beside.option(9)), (Some(&b"ns1.test"[..]), Some(&EXPIRE[..])));
}

/// 2: nobody else is told, and four octets are no question.
#[test]
fn section_2_only_who_asks_is_told() {
    let mut server = Server::new();
    for options in [&[][..], &[(9, &b"\x00\x00\x00\x01"[..])], &[(3, b"")]] {
        let answer = server.ask(Transport::Tcp, &with_options(APEX, RecordType::SOA, options)).unwrap();
        assert_eq!((answer.rcode, answer.option(9)), (0, None), "{options:?}");
    }
}

/// 3.3: of other zones nothing is said, nor beside an error.
#[test]
fn section_3_3_who_is_not_authoritative_says_nothing() {
    let mut server = Server::new();
    let other = server.ask(Transport::Tcp, &with_options("elsewhere.example.", RecordType::SOA, &[(9, b"")])).unwrap();
    assert_eq!((other.rcode, other.option(9)), (5, None));
    let version = server.ask(Transport::Tcp, &with_opt(APEX, RecordType::SOA, 1, 0, &[(9, b"")])).unwrap();
    assert_eq!((version.rcode, version.option(9)), (16, None));
}
