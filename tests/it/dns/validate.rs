//! Stock validators, with nothing but our anchor, call every sort of answer secure.

use super::house::{APEX, House, NUMBERS, enum_name, have};

#[test]
fn delv_fully_validates_answers_and_denials() {
    if !have(&["delv"]) {
        return;
    }
    let house = House::open();
    let (number, keys) = (enum_name(NUMBERS[0]), format!("_keys.{}", enum_name(NUMBERS[0])));
    let id = format!("_id.{}", enum_name(NUMBERS[2]));
    for (name, qtype, expect) in [
        (number.as_str(), "NAPTR", "acme.example!"),
        (&keys, "TXT", "v=cb1; n=2; s="),
        (&id, "TLSA", "3 1 0 302A3005"),
        (APEX, "SOA", "hostmaster"),
        (APEX, "NS", "ns1.e164.example."),
        (APEX, "DNSKEY", "257 3 13"),
        (APEX, "TXT", "a directory"),
        ("www.e164.example.", "A", "127.0.0.1"),
    ] {
        let said = house.delv(house.address, &[name, qtype]);
        assert!(said.contains("; fully validated") && said.contains(expect), "{name} {qtype}\n{said}");
    }
    let absent = enum_name("+447700900999");
    let prefixes: Vec<String> = number.match_indices('.').map(|(at, _)| number[at + 1..].to_owned()).collect();
    let prefixes = prefixes.iter().filter(|name| name.ends_with(APEX) && *name != APEX);
    let mut denials =
        vec![(number.clone(), "TLSA"), (id.clone(), "TXT"), (absent, "NAPTR"), (APEX.to_owned(), "NAPTR")];
    denials.extend(prefixes.flat_map(|name| [(name.clone(), "NAPTR"), (name.clone(), "DS"), (name.clone(), "A")]));
    denials.extend([("er.e164.example.".to_owned(), "A"), ("nothing.e164.example.".to_owned(), "A")]);
    denials.extend(["*.5.5", "a.*.5", "*.*"].map(|name| (format!("{name}.{APEX}"), "A")));
    for (name, qtype) in denials {
        let said = house.delv(house.address, &[&name, qtype]);
        assert!(said.contains("; negative response, fully validated"), "{name} {qtype}\n{said}");
    }
}
