//! RFC 8467 (and RFC 7830): padding.

use callbook::nameserver::Transport;
use hickory_proto::rr::RecordType;

use super::opt::{Server, with_opt, with_options};
use crate::dns::house::{APEX, NUMBERS, enum_name};

/// 4.2: answers over encrypted transports to padded queries are multiples of 468 octets.
#[test]
fn section_4_2_blocks_of_468() {
    let mut server = Server::new();
    for (name, rr_type) in [
        (APEX.to_owned(), RecordType::DNSKEY),
        (enum_name(NUMBERS[2]), RecordType::NAPTR),
        ("no.example.".to_owned(), RecordType::A),
    ] {
        for flags in [0, 0x8000] {
            for transport in [Transport::Tls, Transport::Quic, Transport::Https] {
                let answer = server.ask(transport, &with_opt(&name, rr_type, 0, flags, &[(12, &[0; 30])])).unwrap();
                assert_eq!(answer.octets.len() % 468, 0, "{name} {transport:?}: {} octets", answer.octets.len());
                assert!(answer.option(12).unwrap().iter().all(|octet| *octet == 0), "RFC 7830 3: zeros");
            }
        }
    }
}

/// RFC 7830 6: nothing is padded that others can read, nor when it was not asked for.
#[test]
fn rfc_7830_section_6_only_where_it_hides_something() {
    let mut server = Server::new();
    for transport in [Transport::Udp, Transport::Tcp] {
        assert_eq!(server.ask(transport, &with_options(APEX, RecordType::SOA, &[(12, b"")])).unwrap().option(12), None);
    }
    assert_eq!(server.ask(Transport::Tls, &with_options(APEX, RecordType::SOA, &[])).unwrap().option(12), None);
}

/// Hits, misses and errors of a number look alike on the wire: the same number of octets.
#[test]
fn hit_and_miss_have_the_same_length() {
    let mut server = Server::new();
    let mut octets = |number: &str| {
        let packet = with_opt(&enum_name(number), RecordType::NAPTR, 0, 0x8000, &[(12, b"")]);
        server.ask(Transport::Tls, &packet).unwrap().octets.len()
    };
    assert_eq!(octets(NUMBERS[0]), octets("+447700900124"));
}
