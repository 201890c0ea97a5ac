//! RFC 1035: messages and master files.

use callbook::nameserver::Transport;
use hickory_proto::rr::RecordType as T;

use super::zone::{ask, plain};
use crate::dns::ask::{Dnssec, query};

/// 2.3.3: names are compared without case; the question comes back in the case in which it was asked.
#[test]
fn section_2_3_3_case_is_kept_and_means_nothing() {
    let mut desk = plain("www IN A 192.0.2.2\n");
    let mut asked = query("www.example.", T::A, Dnssec::No);
    asked[12..24].copy_from_slice(b"\x03wWw\x07eXaMPLE");
    let answer = desk.raw(&asked, Transport::Udp).unwrap();
    assert_eq!(answer[12..asked.len()], asked[12..]);
    assert_eq!(answer[7], 1);
}

/// 4.1.1: id, opcode and RD come back, QR and AA are set, RA and Z are not.
#[test]
fn section_4_1_1_header() {
    let mut desk = plain("");
    let mut asked = query("example.", T::SOA, Dnssec::No);
    for (flags, expected) in [([0, 0], [0x84, 0]), ([1, 0], [0x85, 0]), ([1, 0x20], [0x85, 0]), ([0, 0xc0], [0x84, 0])]
    {
        asked[2..4].copy_from_slice(&flags);
        let answer = desk.raw(&asked, Transport::Udp).unwrap();
        assert_eq!((&answer[..2], &answer[2..4]), (&asked[..2], &expected[..]));
    }
    asked[2] = 0x10; // STATUS
    assert_eq!(desk.raw(&asked, Transport::Udp).unwrap()[2..4], [0x90, 4]);
}

/// 4.1.2: the question section comes back as it was.
#[test]
fn section_4_1_2_question() {
    let asked = query("no.such.example.", T::MX, Dnssec::No);
    let answer = plain("").raw(&asked, Transport::Udp).unwrap();
    assert_eq!(answer[4..6], [0, 1]);
    assert_eq!(answer[12..asked.len()], asked[12..]);
}

/// 4.1.4: an owner that the question ends in is a pointer to it.
#[test]
fn section_4_1_4_owners_point_into_the_question() {
    let asked = query("www.example.", T::A, Dnssec::No);
    let answer = plain("www IN A 192.0.2.2\n").raw(&asked, Transport::Udp).unwrap();
    assert_eq!(answer[asked.len()..], *b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x0e\x10\x00\x04\xc0\x00\x02\x02");
}

/// 4.2.1: over UDP at most 512 octets, then TC.
#[test]
fn section_4_2_1_udp_has_512_octets() {
    let records: String = (0..40).map(|i| format!("many IN A 192.0.2.{i}\n")).collect();
    let mut desk = plain(&records);
    let asked = query("many.example.", T::A, Dnssec::No);
    let answer = desk.raw(&asked, Transport::Udp).unwrap();
    assert!(answer.len() <= 512 && answer[2] & 2 != 0, "{} octets", answer.len());
    assert_eq!(desk.raw(&asked, Transport::Tcp).unwrap()[6..8], [0, 40]);
}

/// 5.1: relative names, `@`, the last owner, parentheses, comments, escapes.
#[test]
fn section_5_1_master_files() {
    let mut desk = plain(
        "apex IN CNAME @\nx 60 IN TXT ( \"a;b\" ; a comment\n  \"c\" )\n  IN A 192.0.2.5\nabs.example. IN A 192.0.2.6\n\
         dot\\.ted IN A 192.0.2.7\n\\065b IN A 192.0.2.8\n$ORIGIN sub\n@ IN A 192.0.2.9\n  IN MX 10 @\n$ORIGIN example.\n\
         last IN A 192.0.2.10\n",
    );
    for (name, qtype, data) in [
        ("apex.example.", T::CNAME, "CNAME example."),
        ("x.example.", T::A, "A 192.0.2.5"),
        ("abs.example.", T::A, "A 192.0.2.6"),
        ("dot\\.ted.example.", T::A, "A 192.0.2.7"),
        ("ab.example.", T::A, "A 192.0.2.8"),
        ("sub.example.", T::A, "A 192.0.2.9"),
        ("sub.example.", T::MX, "MX 10 sub.example."),
        ("last.example.", T::A, "A 192.0.2.10"),
    ] {
        let said = ask(&mut desk, name, qtype);
        assert_eq!(said.answer.len(), 1, "{name}");
        assert!(said.answer[0].ends_with(data), "{said:?}");
    }
    assert!(ask(&mut desk, "x.example.", T::TXT).answer[0].contains("a;b"));
}
