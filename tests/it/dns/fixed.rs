//! Static zones: what a master file may hold, and answers about delegations, wildcards and aliases.

use std::sync::Arc;

use callbook::dnssec::ZoneKeys;
use callbook::nameserver::{Served, View};
use callbook::wire::Name;
use callbook::zone::{MasterError, StaticZone, Ttls};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use ring::rand::SystemRandom;

use super::ask::{Desk, Dnssec, texts};
use super::house::{APEX, ZONE};

const PLAIN: &str = "\
$TTL 3600
@          IN SOA ns1 hostmaster 42 7200 3600 1209600 900
@          IN NS  ns1
@          IN MX  10 mail
ns1        IN A   192.0.2.1
mail       IN A   192.0.2.2
*.wild     IN TXT \"any\"
*.wild     IN A   192.0.2.3
real.wild  IN A   192.0.2.4
alias      IN CNAME target.wild
loop       IN CNAME pool
pool       IN CNAME loop
out        IN CNAME www.example.net.
old        IN DNAME new
x.new      IN A   192.0.2.5
secure     IN NS  ns.secure
secure     IN DS  12345 13 2 0000000000000000000000000000000000000000000000000000000000000001
ns.secure  IN A   192.0.2.6
ns.secure  IN AAAA 2001:db8::6
open       IN NS  ns.secure
a.b.c      IN TXT \"deep\"
";

fn desk() -> Desk {
    let zone = StaticZone::read(PLAIN, &Name::from_text("zone.example.").unwrap()).unwrap();
    let keys = Arc::new(ZoneKeys::in_memory(&SystemRandom::new()).unwrap());
    Desk::over(View::new(vec![Served::fixed(Arc::new(zone), Some(keys))]), 1_800_000_000)
}

fn types(records: &[hickory_proto::rr::Record]) -> Vec<RecordType> {
    records.iter().map(|r| r.record_type()).collect()
}

#[test]
fn referrals_carry_ds_or_its_denial_and_glue() {
    use RecordType as T;
    let mut desk = desk();
    let secure = desk.ask("x.secure.zone.example.", T::A, Dnssec::Ok);
    assert!(!secure.metadata.authoritative && secure.answers.is_empty());
    assert_eq!(types(&secure.authorities), [T::NS, T::DS, T::RRSIG]);
    assert_eq!(types(&secure.additionals), [T::A, T::AAAA]);
    let open = desk.ask("open.zone.example.", T::A, Dnssec::Ok);
    assert_eq!(types(&open.authorities), [T::NS, T::NSEC, T::RRSIG]);
    let nsec = &texts(&open.authorities)[1];
    assert!(nsec.starts_with("open.zone.example.") && nsec.ends_with("out.zone.example. NS RRSIG NSEC"), "{nsec}");
    assert_eq!(types(&desk.ask("open.zone.example.", T::A, Dnssec::No).authorities), [T::NS]);
    let ds = desk.ask("secure.zone.example.", T::DS, Dnssec::Ok);
    assert!(ds.metadata.authoritative && types(&ds.answers) == [T::DS, T::RRSIG]);
    let no_ds = desk.ask("open.zone.example.", T::DS, Dnssec::Ok);
    assert!(no_ds.metadata.authoritative && no_ds.answers.is_empty());
    assert_eq!(types(&no_ds.authorities), [T::SOA, T::RRSIG, T::NSEC, T::RRSIG]);
    assert!(!desk.ask("x.secure.zone.example.", T::DS, Dnssec::Ok).metadata.authoritative);
    let apex = desk.ask("zone.example.", T::DS, Dnssec::Ok);
    assert!(
        texts(&apex.authorities).iter().any(|r| r.contains("SOA") && r.contains("DNSKEY")),
        "{:?}",
        texts(&apex.authorities)
    );
}

#[test]
fn aliases_and_wildcards_are_followed() {
    use RecordType as T;
    let mut desk = desk();
    let wild = desk.ask("anything.at.all.wild.zone.example.", T::TXT, Dnssec::Ok);
    assert_eq!(types(&wild.answers), [T::TXT, T::RRSIG]);
    assert!(wild.answers.iter().all(|r| r.name.to_string() == "anything.at.all.wild.zone.example."));
    assert!(desk.ask("real.wild.zone.example.", T::TXT, Dnssec::No).answers.is_empty());
    let nodata = desk.ask("x.wild.zone.example.", T::MX, Dnssec::Ok);
    assert_eq!((nodata.response_code, types(&nodata.authorities).len()), (ResponseCode::NoError, 6));
    let alias = desk.ask("alias.zone.example.", T::A, Dnssec::Ok);
    assert_eq!(types(&alias.answers), [T::CNAME, T::RRSIG, T::A, T::RRSIG]);
    assert_eq!(types(&desk.ask("out.zone.example.", T::A, Dnssec::No).answers), [T::CNAME]);
    assert!(desk.ask("loop.zone.example.", T::A, Dnssec::No).answers.len() < 12);
    let dname = desk.ask("x.old.zone.example.", T::A, Dnssec::Ok);
    assert_eq!(types(&dname.answers), [T::DNAME, T::RRSIG, T::CNAME, T::A, T::RRSIG]);
    assert_eq!(desk.ask("b.c.zone.example.", T::A, Dnssec::No).response_code, ResponseCode::NoError);
    assert_eq!(desk.ask("no.c.zone.example.", T::A, Dnssec::No).response_code, ResponseCode::NXDomain);
    let absent = desk.ask("no.zone.example.", T::A, Dnssec::No);
    assert_eq!(absent.authorities[0].ttl, 900);
}

#[test]
fn an_unsigned_zone_has_no_dnssec() {
    use RecordType as T;
    let zone = StaticZone::read(PLAIN, &Name::from_text("zone.example.").unwrap()).unwrap();
    let mut desk = Desk::over(View::new(vec![Served::fixed(Arc::new(zone), None)]), 1_800_000_000);
    assert_eq!(types(&desk.ask("zone.example.", T::MX, Dnssec::Ok).answers), [T::MX]);
    assert!(desk.ask("zone.example.", T::DNSKEY, Dnssec::Ok).answers.is_empty());
    let absent = desk.ask("no.zone.example.", T::NSEC, Dnssec::Ok);
    assert_eq!((absent.response_code, types(&absent.authorities)), (ResponseCode::NXDomain, vec![T::SOA]));
}

#[test]
fn the_zone_that_comes_with_the_sources_is_good() {
    let text = include_str!("../../../zones/e164.example.zone");
    assert!(errors(text).is_empty(), "{:?}", errors(text));
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
        ("$INCLUDE other.zone", "$INCLUDE"),
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
