//! RFC 4592: wildcards, by the examples of its section 2.2.1.

use hickory_proto::op::ResponseCode as Code;
use hickory_proto::rr::RecordType as T;

use super::zone::{ask, plain};

const ZONE: &str = "\
*                  IN TXT \"this is a wildcard\"
*                  IN MX  10 host1
sub.*              IN TXT \"this is not a wildcard\"
host1              IN A   192.0.2.1
_ssh._tcp.host1    IN SRV 0 0 22 host1
_ssh._tcp.host2    IN SRV 0 0 22 host1
subdel             IN NS  ns.elsewhere.invalid.
";

/// 2.1.1, 2.1.3: `*` is a wildcard as a whole first label only.
#[test]
fn section_2_1_1_only_a_whole_first_label_is_a_wildcard() {
    let mut desk = plain("*a.x IN TXT \"no\"\na.*.y IN TXT \"no\"\n");
    assert_eq!(ask(&mut desk, "ba.x.example.", T::TXT).code, Code::NXDomain);
    assert_eq!(ask(&mut desk, "a.b.y.example.", T::TXT).answer.len(), 0);
}

/// 2.2.1: what is synthesised.
#[test]
fn section_2_2_1_synthesised() {
    let mut desk = plain(ZONE);
    assert_eq!(ask(&mut desk, "host3.example.", T::MX).answer, ["host3.example. MX 10 host1.example."]);
    let none = ask(&mut desk, "host3.example.", T::A);
    assert_eq!(none.parts(), (Code::NoError, true, vec![], vec!["example. SOA"], vec![]));
    assert_eq!(ask(&mut desk, "foo.bar.example.", T::TXT).answer, ["foo.bar.example. TXT this is a wildcard"]);
}

/// 2.2.1: what is not.
#[test]
fn section_2_2_1_not_synthesised() {
    let mut desk = plain(ZONE);
    for (name, qtype, code) in [
        ("host1.example.", T::MX, Code::NoError),
        ("sub.*.example.", T::MX, Code::NoError),
        ("_telnet._tcp.host1.example.", T::SRV, Code::NXDomain),
        ("ghost.*.example.", T::MX, Code::NXDomain),
    ] {
        let said = ask(&mut desk, name, qtype);
        assert_eq!(said.parts(), (code, true, vec![], vec!["example. SOA"], vec![]), "{name}");
    }
    let referral = ask(&mut desk, "host.subdel.example.", T::A);
    assert_eq!((referral.aa, referral.authority.len(), referral.answer.len()), (false, 1, 0));
}

/// 2.2.2, 2.2.3: an empty non-terminal is there, so no wildcard stands in for it.
#[test]
fn section_2_2_2_empty_non_terminals_are_there() {
    let mut desk = plain(ZONE);
    for name in ["host2.example.", "_tcp.host2.example.", "_tcp.host1.example."] {
        let said = ask(&mut desk, name, T::TXT);
        assert_eq!((said.code, said.answer.len()), (Code::NoError, 0), "{name}");
    }
    assert_eq!(ask(&mut desk, "x.host2.example.", T::TXT).code, Code::NXDomain);
}

/// 2.3: `*` may be asked for literally.
#[test]
fn section_2_3_the_wildcard_itself() {
    let mut desk = plain(ZONE);
    assert_eq!(ask(&mut desk, "*.example.", T::MX).answer, ["*.example. MX 10 host1.example."]);
    assert_eq!(ask(&mut desk, "sub.*.example.", T::TXT).answer, ["sub.*.example. TXT this is not a wildcard"]);
}

/// 3.4, 4.3: an alias at a wildcard leads every name to its target.
#[test]
fn section_4_3_cname_at_a_wildcard() {
    let mut desk = plain("*.old IN CNAME ns\n");
    assert_eq!(
        ask(&mut desk, "x.old.example.", T::A).answer,
        ["x.old.example. CNAME ns.example.", "ns.example. A 192.0.2.1"]
    );
}

/// 4.2, 4.4: NS and DNAME at a wildcard, whose meaning is open, are refused in the file.
#[test]
fn section_4_2_ns_and_dname_at_a_wildcard_are_refused() {
    let origin = callbook::wire::Name::from_text("example.").unwrap();
    for line in ["*.x IN NS ns", "*.x IN DNAME y"] {
        let text = format!("$TTL 60\n@ IN SOA ns h 1 2 3 4 5\n@ IN NS ns\n{line}\n");
        let mistakes = callbook::zone::StaticZone::read(&text, &origin).err().unwrap_or_default();
        assert_eq!(mistakes.iter().map(|m| m.line).collect::<Vec<_>>(), [4], "{line}");
    }
}
