//! Static zones: what a master file may hold, and what a large one costs.

use std::fmt::Write;
use std::time::Instant;

use callbook::wire::Name;
use callbook::zone::{Denial, Digest, Found, MasterError, StaticZone, Ttls};

use super::house::{APEX, ZONE};

/// Octets a number may take in a static zone of sparse numbers, most of them empty non-terminals' and signatures'.
const PLAIN_OCTETS_MAX: usize = 320;
const SIGNED_OCTETS_MAX: usize = 540;
/// Here every empty non-terminal has a hash and a signature as well.
const HASHED_OCTETS_MAX: usize = 1_200;

/// A zone of so many numbers, each with a NAPTR and a key of 64 octets, and the name of the last of them.
fn enum_zone(numbers: u64) -> (String, Name) {
    let mut text = "$TTL 3600\n@ IN SOA ns h 1 7200 3600 1209600 60\n@ IN NS ns\nns IN A 192.0.2.1\n".to_owned();
    let mut name = String::new();
    for i in 0..numbers {
        // Spread evenly over 10^8: each number has empty non-terminals of its own.
        let number = format!("346{:08}", i * 61_803_399 % 100_000_000);
        name = number.chars().rev().map(|digit| format!("{digit}.")).collect::<String>();
        let (short, key) = (name.trim_end_matches('.'), "QUJD".repeat(22));
        let naptr = format!("\"!^.*$!sip:+{number}@provider{}.example!\"", i % 40);
        writeln!(text, "{short} IN NAPTR 100 10 \"u\" \"E2U+sip\" {naptr} .\n{short} IN OPENPGPKEY {key}").unwrap();
    }
    (text, Name::from_text(&(name + "e164.test.")).unwrap())
}

/// Reads such a zone; says how many octets a number takes unsigned and signed.
fn octets_a_number(numbers: u64, denial: Denial) -> (usize, usize) {
    let (text, last) = enum_zone(numbers);
    let started = Instant::now();
    let zone =
        StaticZone::read_denying(&text, &Name::from_text("e164.test.").unwrap(), Digest::AsInFile, denial).unwrap();
    let read_ms = started.elapsed().as_millis();
    let plain = zone.heap_octets() / numbers as usize;
    zone.keep_signatures(1);
    let signed = zone.heap_octets() / numbers as usize;
    println!(
        "{numbers} numbers, {} names, {denial}: read in {read_ms} ms, {plain} octets a number, {signed} signed",
        zone.len()
    );
    let Found::Node(node) = zone.find(&last) else { panic!("the last number is not there") };
    assert_eq!(node.rrsets().count(), 2);
    (plain, signed)
}

#[test]
fn many_names_take_little_memory() {
    let (plain, signed) = octets_a_number(4_000, Denial::Nsec);
    assert!(plain <= PLAIN_OCTETS_MAX && signed <= SIGNED_OCTETS_MAX, "{plain} unsigned, {signed} signed");
    let (_, hashed) = octets_a_number(4_000, Denial::Nsec3);
    assert!((signed..HASHED_OCTETS_MAX).contains(&hashed), "{hashed} hashed and signed");
}

#[test]
#[ignore = "a hundred thousand numbers; run by hand and alone: it reports time and memory"]
fn a_hundred_thousand_names() {
    octets_a_number(100_000, Denial::Nsec);
    octets_a_number(100_000, Denial::Nsec3);
}

#[test]
fn the_zone_that_comes_with_the_sources_is_good() {
    let text = include_str!("../../../zones/e164.example.zone");
    assert!(errors(text).is_empty(), "{:?}", errors(text));
}

#[test]
fn a_last_line_needs_no_end() {
    for last in
        ["x IN TXT \"a\" \"\"", "x IN TXT \"a\"", "x IN TXT a", "x IN A 192.0.2.1 ; the end", "x IN TXT ( \"a\" )"]
    {
        let found = errors(&format!("{ZONE}{last}"));
        assert!(found.is_empty(), "{last}: {found:?}");
    }
    for last in ["x IN TXT \"a", "x IN TXT", "x IN", "x"] {
        assert!(!errors(&format!("{ZONE}{last}")).is_empty(), "{last} is no record");
    }
}

fn errors(text: &str) -> Vec<MasterError> {
    let apex = Name::from_text(APEX).unwrap();
    StaticZone::read_number_zone(text, &apex, Ttls::default()).err().unwrap_or_default()
}

#[test]
fn a_number_zones_file_is_refused_by_line() {
    assert!(errors(ZONE).is_empty());
    let first = ZONE.lines().count() + 1;
    for (line, reason) in [
        ("*.x IN A 192.0.2.1", "wildcards"),
        ("x IN DNAME example.net.", "DNAME"),
        ("@ IN NSEC3PARAM 1 0 0 -", "NSEC3PARAM"),
        ("3.2.1.5 IN TXT \"x\"", "TXT at or below a digit name"),
        ("3.2.1.5 IN NAPTR 100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:a@b!\" .", "NAPTR at or below a digit name"),
        ("ns.5 IN A 192.0.2.1", "A at or below a digit name"),
        ("x._openpgpkey IN A 192.0.2.1", "_openpgpkey"),
        ("www.example.net. IN A 192.0.2.1", "not in the zone"),
        ("www IN TXT \"x\"", "CNAME stands alone"),
        ("5 IN DS 1 13 2 00", "DS without NS"),
        ("x.7 IN TXT \"y\"", "7.e164.example. is delegated"),
        ("@ IN DNSKEY 257 3 13 AAAA", "made by the server"),
        ("x IN A 192.0.2.300", "expected IPv4 address"),
        ("x IN A 192.0.2.1 oops", "column"),
        ("x..y IN TXT \"x\"", "the owner has an empty label"),
        ("x IN MX 10 a..b", "a name in them has an empty label"),
        ("x IN TYPE5 \\# 4 01610000", "not the data of a CNAME record"),
        ("$INCLUDE other.zone", "$INCLUDE"),
        ("x IN TXT ( \"a\" \"\"", "a parenthesis is opened that nothing closes"),
    ] {
        let errors = errors(&format!("{ZONE}{line}\n; the end\n"));
        let found = errors.iter().find(|e| e.to_string().contains(reason));
        let found = found.unwrap_or_else(|| panic!("{line}: {errors:?}"));
        let of_alias = reason.starts_with("CNAME");
        assert!(found.line == first || of_alias, "{line}: {found}");
        assert!(!found.remedy.is_empty());
    }
    let all = errors(&format!("{ZONE}*.x IN A 192.0.2.1\n1.2 IN TXT \"x\"\n"));
    assert_eq!(all.iter().map(|e| e.line).collect::<Vec<_>>(), [first, first + 1]);
    let minimum = errors(&ZONE.replace("1209600 60", "1209600 3600"));
    assert!(minimum[0].to_string().starts_with("line 2: SOA MINIMUM is 3600"), "{minimum:?}");
    assert!(errors("$TTL 60\n@ IN NS ns1\n").iter().any(|e| e.reason.contains("no SOA")));
}
