//! RFC 6672: DNAME.

use hickory_proto::op::ResponseCode as Code;
use hickory_proto::rr::RecordType as T;

use super::zone::{ask, ask_do, plain, signed};
use crate::dns::ask::Dnssec;

const ZONE: &str = "\
d          IN DNAME to
d          IN TXT   \"beside\"
x.to       IN A     192.0.2.2
zero    0  IN DNAME to
out        IN DNAME elsewhere.invalid.
first      IN DNAME second
second     IN DNAME to
";

/// 2.2: the suffix is replaced, however many labels stand before it.
#[test]
fn section_2_2_the_suffix_is_replaced() {
    let mut desk = plain(ZONE);
    assert_eq!(
        ask(&mut desk, "x.d.example.", T::A).answer,
        ["d.example. DNAME to.example.", "x.d.example. CNAME x.to.example.", "x.to.example. A 192.0.2.2"]
    );
    let deep = ask(&mut desk, "a.b.out.example.", T::A);
    assert_eq!(deep.answer[1..], ["a.b.out.example. CNAME a.b.elsewhere.invalid."]);
    assert_eq!((deep.code, deep.authority.len()), (Code::NoError, 0));
    assert_eq!(ask(&mut desk, "y.d.example.", T::A).code, Code::NXDomain, "what the target lacks");
    assert_eq!(ask(&mut desk, "x.first.example.", T::A).answer.len(), 5, "two DNAMEs, two CNAMEs, the address");
}

/// 2.2: a result that is too long for a name is YXDOMAIN, with the DNAME as the reason.
#[test]
fn section_2_2_too_long_is_yxdomain() {
    let target = ["a".repeat(63), "b".repeat(63), "c".repeat(60)].join(".");
    let mut desk = plain(&format!("d IN DNAME {target}\n"));
    let long = ask(&mut desk, &format!("{}.d.example.", "x".repeat(63)), T::A);
    assert_eq!((long.code, long.aa, long.answer.len(), long.authority.len()), (Code::YXDomain, true, 1, 0));
    assert_eq!(ask(&mut desk, "x.d.example.", T::A).answer.len(), 2);
}

/// 2.3: the owner itself is not renamed.
#[test]
fn section_2_3_the_owner_keeps_its_own_data() {
    let mut desk = plain(ZONE);
    assert_eq!(ask(&mut desk, "d.example.", T::TXT).answer, ["d.example. TXT beside"]);
    assert_eq!(ask(&mut desk, "d.example.", T::DNAME).answer, ["d.example. DNAME to.example."]);
    assert_eq!(ask(&mut desk, "d.example.", T::A).answer.len(), 0);
}

/// 2.4: data below the owner is not answered.
#[test]
fn section_2_4_what_lies_below_is_hidden() {
    let mut desk = plain("d IN DNAME to\nx.d IN A 192.0.2.9\nx.to IN A 192.0.2.2\n");
    assert!(ask(&mut desk, "x.d.example.", T::A).answer.contains(&"x.to.example. A 192.0.2.2".to_owned()));
}

/// 3.1: the CNAME has the TTL of the DNAME, also 0.
#[test]
fn section_3_1_ttl_of_the_cname() {
    let mut desk = plain(ZONE);
    for (name, ttl_s) in [("x.zero.example.", 0), ("x.d.example.", 3_600)] {
        let message = desk.ask(name, T::A, Dnssec::No);
        assert_eq!(message.answers[1].ttl, ttl_s, "{name}");
    }
}

/// 3.1: a question for CNAME is answered by the one that was made.
#[test]
fn section_3_1_a_question_for_cname() {
    let said = ask(&mut plain(ZONE), "x.d.example.", T::CNAME);
    assert_eq!(said.answer, ["d.example. DNAME to.example.", "x.d.example. CNAME x.to.example."]);
}

/// 5.3.1: the DNAME is signed, the CNAME made from it is not.
#[test]
fn section_5_3_1_the_cname_is_not_signed() {
    assert_eq!(
        ask_do(&mut signed(ZONE), "x.d.example.", T::A).answer,
        [
            "d.example. DNAME to.example.",
            "d.example. RRSIG DNAME",
            "x.d.example. CNAME x.to.example.",
            "x.to.example. A 192.0.2.2",
            "x.to.example. RRSIG A"
        ]
    );
}
