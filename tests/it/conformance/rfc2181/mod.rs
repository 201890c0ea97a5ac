//! RFC 2181: RRsets, authority, truncation.

use callbook::nameserver::Transport;
use hickory_proto::rr::RecordType as T;

use super::zone::{ask, plain};
use crate::dns::ask::{Dnssec, query};

/// 5: a set has no doubles.
#[test]
fn section_5_no_doubles() {
    let mut desk = plain("x IN A 192.0.2.2\nx IN A 192.0.2.2\nx IN A 192.0.2.3\n");
    assert_eq!(ask(&mut desk, "x.example.", T::A).answer.len(), 2);
}

/// 5.2: where TTLs of one set differ, the lowest is that of all.
#[test]
fn section_5_2_one_ttl_a_set() {
    let mut desk = plain("x 300 IN A 192.0.2.9\nx 60 IN A 192.0.2.2\nx 600 IN A 192.0.2.3\nx 900 IN TXT \"other\"\n");
    let message = desk.ask("x.example.", T::A, Dnssec::No);
    assert_eq!(message.answers.iter().map(|r| r.ttl).collect::<Vec<_>>(), [60, 60, 60]);
    assert_eq!(desk.ask("x.example.", T::TXT, Dnssec::No).answers[0].ttl, 900);
}

/// 6.1: what lies at and below a cut belongs to another zone: it is never answered with authority.
#[test]
fn section_6_1_authority_ends_at_the_cut() {
    let mut desk = plain("sub IN NS ns.sub\nns.sub IN A 192.0.2.3\n");
    assert!(!ask(&mut desk, "ns.sub.example.", T::A).aa);
    assert!(!ask(&mut desk, "sub.example.", T::NS).aa);
}

/// 9: TC stands for a set that did not fit and was needed; then the asker comes back, so nothing is sent in vain.
#[test]
fn section_9_truncation() {
    let records: String = (0..9).map(|i| format!("x IN TXT \"{i:0100}\"\n")).collect();
    let mut desk = plain(&records);
    let cut = desk.raw(&query("x.example.", T::TXT, Dnssec::No), Transport::Udp).unwrap();
    assert_eq!((cut[2] & 2, &cut[6..8]), (2, &[0, 0][..]));
    let whole = desk.raw(&query("x.example.", T::TXT, Dnssec::Ok), Transport::Udp).unwrap();
    assert_eq!((whole[2] & 2, &whole[6..8]), (0, &[0, 9][..]), "with EDNS it fits 1232 octets");
}

/// 9: additional addresses that do not fit and are not needed are left out, set by set, without TC.
#[test]
fn section_9_what_is_not_needed_is_left_out() {
    let mut records = "sub IN NS ns.other\nother IN NS ns.other\n".to_owned();
    records += &(0..40).map(|i| format!("ns.other IN A 192.0.2.{i}\n")).collect::<String>();
    let referral = plain(&records).raw(&query("x.sub.example.", T::A, Dnssec::No), Transport::Udp).unwrap();
    assert_eq!((referral[2] & 2, &referral[8..12]), (0, &[0, 1, 0, 0][..]));
}

/// 9: TC says that a larger message would have room; where there is none, no set can be had (as Knot and BIND say it).
#[test]
fn section_9_what_fits_no_message_is_a_failure() {
    let records: String = (0..300).map(|i| format!("big IN TXT \"{i:0250}\"\n")).collect();
    let mut desk = plain(&format!("{records}small IN TXT \"{}\"\n", "x".repeat(200)));
    let asked = query("big.example.", T::TXT, Dnssec::No);
    let codes = |desk: &mut crate::dns::ask::Desk, transport| {
        let answer = desk.raw(&asked, transport).unwrap();
        (answer[3] & 15, answer[2] & 2 != 0, answer[7])
    };
    assert_eq!(codes(&mut desk, Transport::Udp), (0, true, 0));
    assert_eq!(codes(&mut desk, Transport::Tcp), (2, false, 0));
    assert_eq!(ask(&mut desk, "small.example.", T::TXT).answer.len(), 1);
}
