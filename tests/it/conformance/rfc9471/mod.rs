//! RFC 9471: glue in referrals.

use callbook::nameserver::Transport;
use hickory_proto::rr::RecordType as T;

use super::zone::{ask, ask_do, plain, signed};
use crate::dns::ask::{Dnssec, query};

/// 3.1: all glue of servers inside the delegated domain.
#[test]
fn section_3_1_in_domain_glue_is_whole() {
    let mut desk = plain(
        "sub IN NS a.sub\nsub IN NS b.x.sub\na.sub IN A 192.0.2.2\na.sub IN AAAA 2001:db8::2\nb.x.sub IN A 192.0.2.3\n",
    );
    let referral = ask(&mut desk, "www.sub.example.", T::A);
    assert_eq!(
        referral.additional,
        ["a.sub.example. A 192.0.2.2", "a.sub.example. AAAA 2001:db8::2", "b.x.sub.example. A 192.0.2.3"]
    );
}

/// 3.1: where it does not fit, TC is set.
#[test]
fn section_3_1_in_domain_glue_that_does_not_fit_is_tc() {
    let records: String = (0..24).map(|i| format!("sub IN NS n{i}.sub\nn{i}.sub IN A 192.0.2.{i}\n")).collect();
    let mut desk = plain(&records);
    let asked = query("www.sub.example.", T::A, Dnssec::No);
    assert_eq!(desk.raw(&asked, Transport::Udp).unwrap()[2] & 2, 2);
    let whole = desk.raw(&asked, Transport::Tcp).unwrap();
    assert_eq!((whole[2] & 2, &whole[8..12]), (0, &[0, 24, 0, 24][..]));
}

/// 3.2: glue of servers in a sibling domain comes too.
#[test]
fn section_3_2_sibling_glue() {
    let mut desk = plain("sub IN NS ns.other\nother IN NS ns.other\nns.other IN A 192.0.2.4\n");
    assert_eq!(ask(&mut desk, "www.sub.example.", T::A).additional, ["ns.other.example. A 192.0.2.4"]);
}

/// 2.1: glue is not signed; addresses of the zone's own servers are (RFC 4035 3.1.1).
#[test]
fn section_2_glue_is_not_signed() {
    let mut desk = signed("sub IN NS ns.sub\nns.sub IN A 192.0.2.4\nown IN NS ns\n");
    assert_eq!(ask_do(&mut desk, "www.sub.example.", T::A).additional, ["ns.sub.example. A 192.0.2.4"]);
    assert_eq!(ask_do(&mut desk, "www.own.example.", T::A).additional.len(), 4);
}
