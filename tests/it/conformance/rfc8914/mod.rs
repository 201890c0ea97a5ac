//! RFC 8914: extended DNS errors.

use callbook::config::Limits;
use callbook::nameserver::Transport;
use hickory_proto::rr::RecordType;

use super::opt::{Server, with_options};
use crate::dns::ask::{Dnssec, query};
use crate::dns::house::{APEX, NUMBERS, enum_name};

fn ede(code: u16) -> Vec<u8> {
    code.to_be_bytes().to_vec()
}

/// 2, 4: every refusal of a question says why, to who speaks EDNS.
#[test]
fn section_4_refusals_say_why() {
    let mut server = Server::new();
    let mut chaos = with_options("authors.bind.", RecordType::TXT, &[]);
    let class_at = chaos.len() - 12;
    chaos[class_at] = 3;
    for (what, packet, rcode, code) in [
        ("not ours", with_options("elsewhere.example.", RecordType::A, &[]), 5, 20),
        ("transfer", with_options(APEX, RecordType::AXFR, &[]), 5, 18),
        ("a meta type", with_options(APEX, RecordType::Unknown(128), &[]), 1, 30),
        ("another class", chaos, 5, 21),
    ] {
        let answer = server.ask(Transport::Tcp, &packet).unwrap();
        assert_eq!((answer.rcode, answer.option(15)), (rcode, Some(&ede(code)[..])), "{what}");
    }
    let plain = server.ask(Transport::Udp, &query("elsewhere.example.", RecordType::A, Dnssec::No)).unwrap();
    assert_eq!((plain.rcode, plain.opt), (5, None));
    let fine = server.ask(Transport::Udp, &with_options(APEX, RecordType::SOA, &[])).unwrap();
    assert_eq!(fine.option(15), None);
}

/// 4.19: over the budget on numbers.
#[test]
fn section_4_19_over_the_budget() {
    let mut server = Server::with(Limits { numbers_per_s: 1, ..Limits::none() });
    let packet = with_options(&enum_name(NUMBERS[0]), RecordType::NAPTR, &[]);
    let codes: Vec<u16> = (0..601).map(|_| server.ask(Transport::Tcp, &packet).unwrap().rcode).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 600);
    let refused = server.ask(Transport::Tcp, &packet).unwrap();
    assert_eq!((refused.rcode, refused.answers, refused.option(15)), (5, 0, Some(&ede(18)[..])));
}
