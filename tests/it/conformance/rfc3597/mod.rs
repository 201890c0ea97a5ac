//! RFC 3597: types that nobody here knows.

use callbook::nameserver::Transport;
use callbook::wire::RrType;
use hickory_proto::rr::RecordType as T;

use super::zone::{ask, plain};
use crate::dns::ask::{Dnssec, query};

/// 3, 4: RDATA of an unknown type comes back octet for octet; what looks like a name in it is neither compressed nor
/// put into lower case.
#[test]
fn section_3_unknown_rdata_is_not_touched() {
    let mut desk = plain("x IN TYPE65280 \\# 9 0745584D504C4500FF\nx IN TYPE65280 \\# 0\n");
    let answer = desk.raw(&query("x.example.", T::Unknown(65_280), Dnssec::No), Transport::Udp).unwrap();
    let ends = |octets: &[u8]| answer.windows(octets.len()).any(|window| window == octets);
    assert!(ends(b"\xff\x00\x00\x01\x00\x00\x0e\x10\x00\x09\x07EXMPLE\x00\xff"), "{answer:02x?}");
    assert_eq!(answer[6..8], [0, 2]);
}

/// 5: a known type in generic form is the type; a class may be written with its number.
#[test]
fn section_5_text_form() {
    let mut desk = plain("a IN TYPE1 \\# 4 C0000205\nb IN A \\# 4 C0000206\nc CLASS1 A 192.0.2.7\n");
    for (name, data) in [("a", "192.0.2.5"), ("b", "192.0.2.6"), ("c", "192.0.2.7")] {
        assert_eq!(ask(&mut desk, &format!("{name}.example."), T::A).answer, [format!("{name}.example. A {data}")]);
    }
    assert_eq!(RrType(65_280).to_string(), "TYPE65280");
}
