//! RFC 5001: the server's identifier.

use callbook::nameserver::Transport;
use hickory_proto::rr::RecordType;

use super::opt::{Server, with_options};
use crate::dns::house::APEX;

/// 2.1, 2.2: told to who asks for it, and to nobody else.
#[test]
fn section_2_2_only_who_asks_is_told() {
    let mut server = Server::new();
    let asked = server.ask(Transport::Udp, &with_options(APEX, RecordType::SOA, &[(3, b"")])).unwrap();
    assert_eq!(asked.option(3), Some(&b"ns1.test"[..]));
    let not_asked = server.ask(Transport::Udp, &with_options(APEX, RecordType::SOA, &[])).unwrap();
    assert_eq!(not_asked.option(3), None);
}

/// 2.2: also beside an error.
#[test]
fn section_2_2_also_in_refusals() {
    let refused =
        Server::new().ask(Transport::Udp, &with_options("elsewhere.example.", RecordType::A, &[(3, b"")])).unwrap();
    assert_eq!((refused.rcode, refused.option(3)), (5, Some(&b"ns1.test"[..])));
}
