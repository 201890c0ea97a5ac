//! Those who try to list the numbers learn nothing; dnspython reads every answer.

use std::process::Command;

use super::house::{APEX, House, NUMBERS, enum_name, have, run, text};
use crate::peers;

#[test]
fn ldns_walk_lists_no_number() {
    if !have(&["ldns-walk", "timeout"]) {
        return;
    }
    let house = House::open();
    let server = format!("@{}", house.address.ip());
    let port = house.address.port().to_string();
    for start in [None, Some("4.e164.example."), Some("3.2.1.0.0.9.0.0.7.7.4.e164.example.")] {
        let mut command = Command::new("timeout");
        command.args(["5", "ldns-walk", "-p", &port, &server]);
        if let Some(start) = start {
            command.args(["-s", start]);
        }
        let said = text(&run(command.arg(APEX)));
        // The name that it was told to start from is its own knowledge, not ours.
        let learnt = said.lines().filter(|line| start.is_none_or(|s| !line.contains(s.trim_end_matches('.'))));
        let learnt: Vec<&str> = learnt.filter(|line| line.contains("NAPTR") || line.contains("TLSA")).collect();
        assert!(learnt.is_empty(), "{start:?}: {learnt:?}\n{said}");
    }
}

const DESCENT: &str = r#"
import sys, dns.message, dns.query, dns.flags, dns.rcode, dns.rdatatype
apex, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
def ask(name, qtype, dnssec):
    q = dns.message.make_query(name, qtype, want_dnssec=dnssec)
    r = dns.query.udp(q, address, port=port, timeout=5)
    r.to_text()
    sets = tuple(tuple(sorted((s.rdtype, len(s)) for s in section)) for section in (r.answer, r.authority, r.additional))
    bitmap = tuple(str(rd).split(' ', 1)[1] for section in (r.answer, r.authority) for s in section if s.rdtype == dns.rdatatype.NSEC for rd in s)
    return r.rcode(), r.flags, r.ednsflags, sets, bitmap
known = sys.argv[4:]
# Whoever walks the digit tree goes on where a child answers differently from its siblings.
found, asked = set(), 0
for qtype in ('A', 'NS', 'DS', 'NSEC', 'TXT'):
    for dnssec in (False, True):
        for number in known:
            digits = number.lstrip('+')
            for depth in range(1, len(digits)):
                base = digits[:depth]
                children = {d: ask('.'.join(reversed(base + d)) + '.' + apex, qtype, dnssec) for d in '0123456789'}
                asked += 10
                usual = max(children.values(), key=list(children.values()).count)
                found |= {base + d for d, answer in children.items() if answer != usual}
print(asked, sorted(found))
"#;

#[test]
fn descending_the_digit_tree_finds_nothing() {
    let Some(python) = peers::python_with("dns.message") else { return };
    let house = House::open();
    let (address, port) = (house.address.ip().to_string(), house.address.port().to_string());
    let output = run(Command::new(python).args(["-c", DESCENT, APEX, &address, &port]).args(NUMBERS));
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    // The last digit of a whole number does answer differently for NSEC: who asks for a registered number may know it.
    // And +46 is delegated by the zone's file, which is no secret.
    let found: Vec<&str> = said.split(['[', ']']).nth(1).unwrap_or("").split(", ").filter(|f| !f.is_empty()).collect();
    let whole: Vec<String> = NUMBERS.iter().map(|n| format!("'{}'", &n[1..])).chain(["'46'".to_owned()]).collect();
    assert!(found.iter().all(|f| whole.contains(&(*f).to_owned())), "prefixes give themselves away: {said}");
}

const READ_ALL: &str = r#"
import sys, dns.message, dns.query, dns.rdatatype
apex, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
for name in sys.argv[4:]:
    for qtype in (1, 2, 6, 16, 28, 35, 43, 46, 47, 48, 52, 53, 61, 65, 255, 65280):
        q = dns.message.make_query(name, qtype, want_dnssec=True)
        r = dns.query.tcp(q, address, port=port, timeout=5)
        assert q.is_response(r), (name, qtype)
        assert dns.message.from_text(r.to_text()).answer == r.answer, (name, qtype)
print('all read')
"#;

#[test]
fn dnspython_reads_every_answer() {
    let Some(python) = peers::python_with("dns.message") else { return };
    let house = House::open();
    let (address, port) = (house.address.ip().to_string(), house.address.port().to_string());
    let number = enum_name(NUMBERS[2]);
    let hash = callbook::zone::hashes::owner_label(NUMBERS[2].parse().unwrap());
    let names = [
        APEX.to_owned(),
        number.clone(),
        format!("_id.{number}"),
        format!("_keys.{number}"),
        format!("{hash}._openpgpkey.{APEX}"),
        format!("{hash}._smimecert.{APEX}"),
        "x.7.e164.example.".to_owned(),
        "6.4.e164.example.".to_owned(),
        "www.e164.example.".to_owned(),
        "5.5.e164.example.".to_owned(),
        "nothing.e164.example.".to_owned(),
    ];
    let output = run(Command::new(python).args(["-c", READ_ALL, APEX, &address, &port]).args(names));
    assert!(text(&output).contains("all read"), "{}", text(&output));
}
