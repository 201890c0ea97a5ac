//! RFC 8482: minimal answers to ANY.

use hickory_proto::op::ResponseCode as Code;
use hickory_proto::rr::RecordType as T;

use super::zone::{ask, ask_do, plain, signed};

const ZONE: &str = "x IN A 192.0.2.2\nx IN TXT \"a\"\nx IN MX 10 ns\nalias IN CNAME x\n";

/// 4.1: one RRset of those that are there, of any transport.
#[test]
fn section_4_1_one_rrset() {
    let mut desk = plain(ZONE);
    assert_eq!(ask(&mut desk, "x.example.", T::ANY).answer, ["x.example. A 192.0.2.2"]);
    assert_eq!(ask(&mut desk, "alias.example.", T::ANY).answer, ["alias.example. CNAME x.example."]);
    assert_eq!(ask(&mut desk, "example.", T::ANY).answer, ["example. NS ns.example."]);
}

/// 4.1: it is signed where that is wanted, and what is not there is denied as ever.
#[test]
fn section_4_1_signed_and_denied() {
    let mut desk = signed(ZONE);
    assert_eq!(ask_do(&mut desk, "x.example.", T::ANY).answer, ["x.example. A 192.0.2.2", "x.example. RRSIG A"]);
    assert_eq!(ask(&mut desk, "no.example.", T::ANY).code, Code::NXDomain);
}
