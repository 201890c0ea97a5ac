//! RFC 6891: EDNS(0).

use callbook::nameserver::Transport;
use hickory_proto::rr::RecordType;

use super::opt::{Server, opt, with_opt, with_options};
use crate::dns::ask::{Dnssec, query};
use crate::dns::house::APEX;

const BADVERS: u16 = 16;

/// 6.1.1: an answer to a query without OPT has none, an answer to one with OPT has one.
#[test]
fn section_6_1_1_opt_answers_opt() {
    let mut server = Server::new();
    assert!(server.ask(Transport::Udp, &query(APEX, RecordType::SOA, Dnssec::No)).unwrap().opt.is_none());
    let answer = server.ask(Transport::Udp, &with_options(APEX, RecordType::SOA, &[])).unwrap();
    assert_eq!(answer.opt, Some((1232, 0, 0)));
}

/// 6.1.1: two OPT records, or one that the root does not own, are a format error.
#[test]
fn section_6_1_1_one_opt_owned_by_the_root() {
    let mut server = Server::new();
    let mut two = with_options(APEX, RecordType::SOA, &[]);
    two.extend(opt(0, 0, &[]));
    two[11] = 2;
    assert_eq!(server.ask(Transport::Udp, &two).unwrap().rcode, 1);
    let mut owned = query(APEX, RecordType::SOA, Dnssec::No);
    owned[11] = 1;
    owned.extend(b"\x01a");
    owned.extend(opt(0, 0, &[]));
    assert_eq!(server.ask(Transport::Udp, &owned).unwrap().rcode, 1);
}

/// 6.1.2: unknown options are ignored and not repeated.
#[test]
fn section_6_1_2_unknown_options_are_ignored() {
    let answer = Server::new()
        .ask(Transport::Udp, &with_options(APEX, RecordType::SOA, &[(65_001, b"beef"), (100, b"")]))
        .unwrap();
    assert_eq!((answer.rcode, answer.answers, answer.options), (0, 1, vec![]));
}

/// 6.1.3: another version gets BADVERS with the version that is spoken here, whatever its options look like.
#[test]
fn section_6_1_3_badvers() {
    let mut server = Server::new();
    let mut odd = with_opt(APEX, RecordType::SOA, 1, 0, &[]);
    let length_at = odd.len() - 2;
    odd[length_at..].copy_from_slice(&[0, 3]);
    odd.extend([1, 2, 3]);
    for (packet, flags) in [
        (with_opt(APEX, RecordType::SOA, 1, 0, &[(100, b"x")]), 0),
        (with_opt(APEX, RecordType::SOA, 255, 0x8000, &[]), 0x8000),
        (odd, 0),
    ] {
        let answer = server.ask(Transport::Udp, &packet).unwrap();
        assert_eq!((answer.rcode, answer.answers, answer.opt), (BADVERS, 0, Some((1232, 0, flags))));
    }
}

/// 6.1.4: DO comes back, flags that nobody has defined do not.
#[test]
fn section_6_1_4_flags() {
    let mut server = Server::new();
    for (asked, answered) in [(0x8000, 0x8000), (0x3fff, 0), (0xbfff, 0x8000)] {
        let answer = server.ask(Transport::Udp, &with_opt(APEX, RecordType::SOA, 0, asked, &[])).unwrap();
        assert_eq!(answer.opt.unwrap().2, answered, "{asked:#x}");
    }
}

/// 6.2.3, 6.2.4: sizes below 512 mean 512; the answer is never larger than the asker said, nor than what fits every path.
#[test]
fn section_6_2_3_sizes() {
    let mut server = Server::new();
    for (said, most) in [(0u16, 512), (511, 512), (600, 600), (1232, 1232), (4096, 1232), (65_535, 1232)] {
        let mut packet = with_opt(APEX, RecordType::DNSKEY, 0, 0x8000, &[]);
        let size_at = packet.len() - 8;
        packet[size_at..size_at + 2].copy_from_slice(&said.to_be_bytes());
        let answer = server.ask(Transport::Udp, &packet).unwrap();
        assert!(answer.octets.len() <= most, "{said}: {} octets", answer.octets.len());
        assert!(answer.opt.is_some(), "a truncated answer has its OPT too");
    }
}

/// 7: a format error within EDNS is answered with OPT, so that it can be told from a server without EDNS.
#[test]
fn section_7_broken_options_are_a_format_error_with_opt() {
    let mut longer = with_options(APEX, RecordType::SOA, &[(100, b"abcd")]);
    let length_at = longer.len() - 5;
    longer[length_at] = 5;
    for packet in [longer, with_options(APEX, RecordType::SOA, &[(10, b"abc")])] {
        for transport in [Transport::Udp, Transport::Tcp] {
            let answer = Server::new().ask(transport, &packet).unwrap();
            assert_eq!((answer.rcode, answer.answers, answer.opt), (1, 0, Some((1232, 0, 0))));
            assert!(answer.options.is_empty());
        }
    }
}

/// 7: a packet that ends within OPT is answered too.
#[test]
fn section_7_broken_opt_is_a_format_error() {
    let mut cut = with_options(APEX, RecordType::SOA, &[(100, b"abcd")]);
    cut.truncate(cut.len() - 1);
    assert_eq!(Server::new().ask(Transport::Udp, &cut).unwrap().rcode, 1);
}
