//! RFC 9619: a query has one question.

use callbook::nameserver::Transport;
use hickory_proto::rr::RecordType as T;

use super::zone::plain;
use crate::dns::ask::{Dnssec, query};

/// 4: QDCOUNT above 1 in a QUERY is a format error, and so is none, which no query here needs.
#[test]
fn section_4_one_question() {
    let mut desk = plain("");
    let one = query("example.", T::SOA, Dnssec::No);
    let mut two = [&one[..], &one[12..]].concat();
    two[5] = 2;
    let mut none = one[..12].to_vec();
    none[5] = 0;
    for packet in [two, none] {
        let answer = desk.raw(&packet, Transport::Udp).unwrap();
        assert_eq!((answer[3] & 15, &answer[6..12], answer.len()), (1, &[0; 6][..], 12));
    }
    assert_eq!(desk.raw(&one, Transport::Udp).unwrap()[3] & 15, 0);
}
