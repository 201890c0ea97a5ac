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

/// 5.1 and what became usual since (RFC 2308 4, RFC 1034 3.6.1): times with units, lines made of one, octets beyond ASCII.
#[test]
fn section_5_1_what_people_write() {
    let mut desk = plain(
        "$TTL 1h30m\na A 192.0.2.1\nb 1W TXT \"é\"\n$GENERATE 1-3/2 h${0,2,d} A 192.0.2.$\n\
         u URI 10 1 \"https://example.org/\"\nl LOC 51 30 12.748 N 0 7 39.611 W 0.00m\n",
    );
    let ttl_s = |desk: &mut crate::dns::ask::Desk, name: &str, qtype| {
        let message = desk.ask(&format!("{name}.example."), qtype, Dnssec::No);
        message.answers.iter().map(|rr| rr.ttl).collect::<Vec<_>>()
    };
    assert_eq!(ttl_s(&mut desk, "a", T::A), [5_400]);
    assert_eq!(ttl_s(&mut desk, "b", T::TXT), [604_800]);
    assert_eq!(ask(&mut desk, "h03.example.", T::A).answer, ["h03.example. A 192.0.2.3"]);
    assert!(ask(&mut desk, "h02.example.", T::A).answer.is_empty());
    let holds = |desk: &mut crate::dns::ask::Desk, name: &str, qtype: u16, rdata: &[u8]| {
        let raw = desk.raw(&query(&format!("{name}.example."), T::Unknown(qtype), Dnssec::No), Transport::Udp).unwrap();
        raw.ends_with(rdata)
    };
    assert!(holds(&mut desk, "b", 16, b"\x00\x03\x02\xc3\xa9"));
    assert!(holds(&mut desk, "u", 256, b"\x00\x18\x00\x0a\x00\x01https://example.org/"));
    // RFC 1876 2: the origin is 2^31, the altitude counts from 100 km below.
    assert!(holds(&mut desk, "l", 29, b"\x00\x10\x00\x12\x16\x13\x8b\x0d\x2c\x8c\x7f\xf8\xfc\xa5\x00\x98\x96\x80"));
}
