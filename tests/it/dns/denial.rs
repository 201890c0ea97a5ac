//! Uniform denial: nobody can tell a free number from the prefix of a registered one or from an impossible one.

use std::sync::Arc;

use callbook::nameserver::Transport;
use callbook::number::Number;
use callbook::wire::Name;
use callbook::zone::{Loader, NumberZone, StaticZone, Ttls};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use proptest::prelude::*;

use super::ask::{Desk, Dnssec, query, texts};
use super::house::{APEX, NUMBERS, ZONE, data, enum_name};

const NOW_S: u64 = 1_800_000_000;
const TYPES: [RecordType; 7] = [
    RecordType::NAPTR,
    RecordType::TLSA,
    RecordType::A,
    RecordType::DS,
    RecordType::NSEC,
    RecordType::ANY,
    RecordType::Unknown(65_280),
];

fn zone() -> Arc<NumberZone> {
    let fixed = StaticZone::read_number_zone(ZONE, &Name::from_text(APEX).unwrap(), Ttls::default()).unwrap();
    let mut loader = Loader::default();
    for number in NUMBERS {
        loader.push(&callbook::zone::NumberData { not_after_s: NOW_S + 86_400 * 90, ..data(number) });
    }
    Arc::new(loader.finish(fixed, Ttls::default(), 7).unwrap())
}

/// The answer with everything that is the name's own taken out: the question's labels, the NSEC's names, signatures.
fn shape(desk: &mut Desk, name: &str, qtype: RecordType, dnssec: Dnssec) -> (Vec<u8>, Vec<String>) {
    let raw = desk.raw(&query(name, qtype, dnssec), Transport::Tcp).expect("an answer");
    let message = hickory_proto::op::Message::from_vec(&raw).unwrap();
    let mut lines = Vec::new();
    for section in [&message.answers, &message.authorities, &message.additionals] {
        for record in section {
            let own = record.name.to_string().eq_ignore_ascii_case(name);
            let (line, name) = (record.to_string().to_ascii_lowercase(), name.to_ascii_lowercase());
            let token = |token: &str| match token.strip_prefix("\\000.").unwrap_or(token) == name {
                true => token.replace(&name, "QNAME"),
                false => token.to_owned(),
            };
            let mut text = line.split(' ').map(token).collect::<Vec<_>>().join(" ");
            if record.record_type() == RecordType::RRSIG {
                // Keep type, algorithm, TTL and times; labels and the signature belong to the name.
                let fields: Vec<&str> = text.split(' ').collect();
                text = [&fields[..6], &fields[7..10]].concat().join(" ");
            }
            lines.push(format!("{own} {text}"));
        }
        lines.push("--".to_owned());
    }
    // Header without the id: flags and counts.
    (raw[2..12].to_vec(), lines)
}

/// Names at which nothing is registered, of every kind that must look alike.
fn nothing() -> impl Strategy<Value = String> {
    let prefix = (0..NUMBERS.len(), 1usize..11).prop_map(|(i, keep)| {
        let digits = &NUMBERS[i][1..];
        reversed(&digits[..keep.min(digits.len() - 1)])
    });
    // Not starting with 7, which the file delegates, nor with 46.
    let free = "[12359][0-9]{0,20}".prop_map(|digits| reversed(&digits));
    let longer =
        (0..NUMBERS.len(), "[0-9]{1,9}").prop_map(|(i, more)| reversed(&format!("{}{more}", &NUMBERS[i][1..])));
    let below = (0..NUMBERS.len(), "(_e2e|_mls|x|_id\\._id|a\\._keys|\\*|[0-9]{2,3})")
        .prop_map(|(i, label)| format!("{label}.{}", enum_name(["+447700900123", "+12025550142"][i % 2])));
    let zero = "0[0-9]{6,12}".prop_map(|digits| reversed(&digits));
    prop_oneof![prefix, free, longer, below, zero]
}

fn reversed(digits: &str) -> String {
    digits.chars().rev().map(|d| format!("{d}.")).collect::<String>() + APEX
}

fn is_registered(name: &str) -> bool {
    Number::from_enum_name(name, APEX).is_ok_and(|n| NUMBERS.contains(&n.to_string().as_str()))
}

proptest! {
    #[test]
    fn every_absence_looks_the_same(name in nothing(), which in 0..TYPES.len()) {
        prop_assume!(!is_registered(&name));
        let mut desk = Desk::numbers(zone(), NOW_S);
        for dnssec in [Dnssec::No, Dnssec::Ok, Dnssec::CompactOk] {
            let model = shape(&mut desk, "9.9.9.9.9.9.5.5.9.1.e164.example.", TYPES[which], dnssec);
            prop_assert_eq!(shape(&mut desk, &name, TYPES[which], dnssec), model, "{}", name);
        }
    }

    #[test]
    fn hash_names_look_the_same_too(hash in "[0-9a-f]{56}|[0-9a-f]{1,30}|x\\.[0-9a-f]{56}|", tree in "_openpgpkey|_smimecert") {
        let mut desk = Desk::numbers(zone(), NOW_S);
        let name = if hash.is_empty() { format!("{tree}.{APEX}") } else { format!("{hash}.{tree}.{APEX}") };
        for qtype in [RecordType::OPENPGPKEY, RecordType::SMIMEA, RecordType::A, RecordType::NSEC] {
            let model = shape(&mut desk, "1.e164.example.", qtype, Dnssec::Ok);
            prop_assert_eq!(shape(&mut desk, &name, qtype, Dnssec::Ok), model, "{}", name);
        }
    }
}

#[test]
fn a_denial_is_noerror_with_soa_and_one_nsec() {
    let mut desk = Desk::numbers(zone(), NOW_S);
    let answer = desk.ask("5.5.5.e164.example.", RecordType::NAPTR, Dnssec::CompactOk);
    assert_eq!(answer.response_code, ResponseCode::NoError);
    assert!(answer.answers.is_empty() && answer.metadata.authoritative);
    let authority = texts(&answer.authorities);
    let types: Vec<RecordType> = answer.authorities.iter().map(|r| r.record_type()).collect();
    assert_eq!(types, [RecordType::SOA, RecordType::RRSIG, RecordType::NSEC, RecordType::RRSIG]);
    assert!(authority[2].ends_with("\\000.5.5.5.e164.example. RRSIG NSEC"), "{authority:?}");
    assert!(answer.authorities.iter().all(|r| r.ttl == 60));
    let plain = desk.ask("5.5.5.e164.example.", RecordType::NAPTR, Dnssec::No);
    assert_eq!((plain.response_code, plain.authorities.len()), (ResponseCode::NoError, 1));
}

#[test]
fn bitmaps_at_names_with_data_say_exactly_what_is_there() {
    let mut desk = Desk::numbers(zone(), NOW_S);
    let number = enum_name(NUMBERS[2]);
    for (name, types) in [
        (number.clone(), "NAPTR RRSIG NSEC"),
        (format!("_id.{number}"), "RRSIG NSEC TLSA"),
        (format!("_keys.{number}"), "TXT RRSIG NSEC"),
        (APEX.to_owned(), "NS SOA TXT RRSIG NSEC DNSKEY"),
        (format!("er.{APEX}"), "RRSIG NSEC"),
        (format!("nothing.{APEX}"), "RRSIG NSEC Unknown"),
    ] {
        let answer = desk.ask(&name, RecordType::NSEC, Dnssec::Ok);
        let line = answer.answers.first().map(ToString::to_string).unwrap_or_default();
        let said: Vec<&str> = line.rsplit("example. ").next().unwrap().split(' ').collect();
        let (mut said, mut wanted) = (said, types.split(' ').collect::<Vec<_>>());
        said.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(said, wanted, "{name}: {line}");
        assert_eq!(answer.answers.len(), 2, "{name}");
    }
}

#[test]
fn rrsig_and_any_have_one_answer() {
    let mut desk = Desk::numbers(zone(), NOW_S);
    let number = enum_name(NUMBERS[0]);
    for name in [number.clone(), "5.5.e164.example.".to_owned()] {
        let answer = desk.ask(&name, RecordType::RRSIG, Dnssec::Ok);
        assert_eq!(answer.answers.len(), 1, "{name}");
        assert!(answer.answers[0].to_string().contains(" RRSIG NSEC "), "{name}");
    }
    let any = desk.ask(&number, RecordType::ANY, Dnssec::No);
    assert_eq!(any.answers.iter().map(|r| r.record_type()).collect::<Vec<_>>(), [RecordType::NAPTR]);
    assert!(desk.ask("5.5.e164.example.", RecordType::ANY, Dnssec::No).answers.is_empty());
}

#[test]
fn absent_names_elsewhere_are_denied_as_rfc_9824_says() {
    let mut desk = Desk::numbers(zone(), NOW_S);
    for (dnssec, code) in [
        (Dnssec::No, ResponseCode::NXDomain),
        (Dnssec::Ok, ResponseCode::NoError),
        (Dnssec::CompactOk, ResponseCode::NXDomain),
    ] {
        assert_eq!(desk.ask("nothing.e164.example.", RecordType::A, dnssec).response_code, code);
        assert_eq!(desk.ask("er.e164.example.", RecordType::A, dnssec).response_code, ResponseCode::NoError);
        assert_eq!(desk.ask("10.e164.example.", RecordType::A, dnssec).response_code, code);
    }
}

#[test]
fn a_name_too_long_for_a_label_in_front_is_denied_too() {
    let mut desk = Desk::numbers(zone(), NOW_S);
    let labels = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(46)].join(".");
    let longest = format!("{labels}.5.{APEX}");
    let answer = desk.ask(&longest, RecordType::NAPTR, Dnssec::Ok);
    let nsec = answer.authorities.iter().find(|r| r.record_type() == RecordType::NSEC).unwrap().to_string();
    assert!(!nsec.contains("\\000."), "{nsec}");
    assert_eq!(answer.response_code, ResponseCode::NoError);
}

#[test]
fn a_number_past_its_end_is_not_there() {
    let mut desk = Desk::numbers(zone(), NOW_S);
    let name = enum_name(NUMBERS[0]);
    assert_eq!(desk.ask(&name, RecordType::NAPTR, Dnssec::No).answers.len(), 1);
    desk.now_s += 90 * 86_400 - 1;
    let last = desk.ask(&name, RecordType::NAPTR, Dnssec::Ok);
    let expiry = format!(" {} ", NOW_S + 90 * 86_400);
    assert!(
        texts(&last.answers).iter().any(|r| r.contains("RRSIG") && r.contains(&expiry)),
        "{:?}",
        texts(&last.answers)
    );
    desk.now_s += 1;
    assert!(desk.ask(&name, RecordType::NAPTR, Dnssec::No).answers.is_empty());
    assert_eq!(
        shape(&mut desk, &name, RecordType::TXT, Dnssec::Ok),
        shape(&mut desk, "5.e164.example.", RecordType::TXT, Dnssec::Ok)
    );
}
