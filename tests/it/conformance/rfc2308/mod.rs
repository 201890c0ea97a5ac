//! RFC 2308: negative answers.

use callbook::zone::Denial;
use hickory_proto::op::ResponseCode as Code;
use hickory_proto::rr::RecordType as T;

use super::zone::{ask, desk, plain};
use crate::dns::ask::Dnssec;

/// 2.1: a name error carries the SOA, without NS (its type 2 of answer).
#[test]
fn section_2_1_name_error() {
    let said = ask(&mut plain(""), "absent.example.", T::A);
    assert_eq!(said.parts(), (Code::NXDomain, true, vec![], vec!["example. SOA"], vec![]));
}

/// 2.2: so does a name without the type; NOERROR and nothing else tells it from a referral.
#[test]
fn section_2_2_no_data() {
    let said = ask(&mut plain(""), "ns.example.", T::TXT);
    assert_eq!(said.parts(), (Code::NoError, true, vec![], vec!["example. SOA"], vec![]));
}

/// 3, 5: the SOA of a negative answer has the lower of its TTL and its MINIMUM; asked for, it has its own.
#[test]
fn section_3_ttl_of_negative_answers() {
    for (ttl_s, minimum_s) in [(3_600, 900), (60, 900)] {
        let text =
            format!("@ {ttl_s} IN SOA ns h 1 7200 3600 1209600 {minimum_s}\n@ 60 IN NS ns\nns 60 IN A 192.0.2.1\n");
        let mut desk = desk(&text, None, Denial::Nsec);
        for name in ["absent.example.", "ns.example."] {
            assert_eq!(desk.ask(name, T::TXT, Dnssec::No).authorities[0].ttl, ttl_s.min(minimum_s));
        }
        assert_eq!(desk.ask("example.", T::SOA, Dnssec::No).answers[0].ttl, ttl_s);
    }
}
