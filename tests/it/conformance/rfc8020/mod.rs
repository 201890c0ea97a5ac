//! RFC 8020: NXDOMAIN means that there is nothing below either.

use hickory_proto::op::ResponseCode as Code;
use hickory_proto::rr::RecordType as T;

use super::zone::{ask, plain};

/// 2: a name with something below it is there, with data or without.
#[test]
fn section_2_no_nxdomain_above_what_is_there() {
    let mut desk = plain("a.b.c.d IN TXT \"deep\"\nx.y IN NS ns.elsewhere.invalid.\n");
    for name in ["a.b.c.d.example.", "b.c.d.example.", "c.d.example.", "d.example.", "y.example.", "example."] {
        assert_eq!(ask(&mut desk, name, T::MX).code, Code::NoError, "{name}");
    }
    for name in ["e.example.", "x.c.d.example.", "z.y.example.", "x.a.b.c.d.example."] {
        assert_eq!(ask(&mut desk, name, T::MX).code, Code::NXDomain, "{name}");
    }
}
