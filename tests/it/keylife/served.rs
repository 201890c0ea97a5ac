//! What is served of the keys: CDS and CDNSKEY at the apex, two signatures while two algorithms stand side by side, answers
//! that fit a datagram.

use std::sync::Arc;

use callbook::dnssec::keys::{KeyFiles, KeySource};
use callbook::dnssec::life::{KeyLife, Life, State};
use callbook::dnssec::{Algorithm, KeyId, KeyRole, ZoneKeys};
use callbook::nameserver::filler::{Cursor, fill, sign_apexes};
use callbook::nameserver::{Served, Transport, View};
use callbook::wire::Name;
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use ring::rand::SystemRandom;

use crate::dns::ask::{Desk, Dnssec, query};
use crate::dns::house::{APEX, House, NUMBERS, enum_name};

const NOW_S: u64 = 1_800_000_000;

/// A desk with the keys of a life that `shape` makes of new keys.
fn desk(roles: &[(KeyRole, Algorithm)], shape: impl FnOnce(&mut Life)) -> (Desk, Vec<KeyId>) {
    let (dir, apex) = (tempfile::tempdir().unwrap(), Name::from_text(APEX).unwrap());
    let files = KeyFiles::new(dir.path(), &apex, Box::new(SystemRandom::new()));
    let ids: Vec<KeyId> =
        roles.iter().map(|(role, algorithm)| files.make(*role, *algorithm, &|_| true).unwrap()).collect();
    let mut life = Life::begin(ids.clone(), NOW_S);
    shape(&mut life);
    let keys = ZoneKeys::build(&apex, &life.publication(), 3_600, |id| files.open(id)).unwrap();
    let view = View::new(vec![Served::numbers(House::numbers(), Some(Arc::new(keys)))]);
    (Desk::over(view, NOW_S), ids)
}

/// In the middle of a roll of the algorithm, with a stand-by of each role beside.
fn rolling() -> (Desk, Vec<KeyId>) {
    let [old, new] = Algorithm::ALL;
    let roles = [
        (KeyRole::Ksk, old),
        (KeyRole::Zsk, old),
        (KeyRole::Ksk, old),
        (KeyRole::Zsk, old),
        (KeyRole::Ksk, new),
        (KeyRole::Zsk, new),
    ];
    desk(&roles, |life| {
        let ready = |key: &mut KeyLife| (key.state, key.signing_s) = (State::Ready, None);
        life.keys[0].state = State::Active;
        life.keys[2..4].iter_mut().for_each(ready);
        life.keys[5].signing_s = Some(NOW_S + 1);
        life.target = Some(new);
    })
}

/// Algorithm and tag of each signature over a type.
fn signatures(message: &Message, of: RecordType) -> Vec<(u8, u16)> {
    let all = message.answers.iter().chain(&message.authorities);
    let rrsigs = all.filter(|record| record.record_type() == RecordType::RRSIG).map(ToString::to_string);
    // Owner, TTL, class, type; then type covered, algorithm, labels, original TTL, two times, tag (RFC 4034 3.2).
    let fields = rrsigs.map(|text| text.split_whitespace().skip(4).map(str::to_owned).collect::<Vec<_>>());
    let covering = fields.filter(|fields| fields[0] == of.to_string());
    covering.map(|fields| (fields[1].parse().unwrap_or(0), fields[6].parse().unwrap())).collect()
}

#[test]
fn cds_and_cdnskey_stand_at_the_apex_and_nowhere_else() {
    let algorithm = Algorithm::Ed25519;
    let (mut desk, ids) = desk(&[(KeyRole::Ksk, algorithm), (KeyRole::Zsk, algorithm)], |_| {});
    for qtype in [RecordType::CDS, RecordType::CDNSKEY, RecordType::DNSKEY] {
        let answer = desk.ask(APEX, qtype, Dnssec::Ok);
        assert!(answer.answers.iter().any(|record| record.record_type() == qtype), "{qtype}");
        let tags: Vec<u16> = signatures(&answer, qtype).iter().map(|(_, tag)| *tag).collect();
        assert_eq!(tags, [ids[0].tag], "RFC 7344 4.1: by the key that the parent knows");
        let elsewhere = desk.ask(&enum_name(NUMBERS[0]), qtype, Dnssec::Ok);
        assert!(elsewhere.answers.is_empty(), "{qtype}");
    }
    let denial = desk.ask(APEX, RecordType::A, Dnssec::Ok);
    let nsec = denial.authorities.iter().find(|record| record.record_type() == RecordType::NSEC).unwrap().to_string();
    assert!(["CDS", "CDNSKEY", "DNSKEY"].iter().all(|rr_type| nsec.contains(rr_type)), "{nsec}");
}

#[test]
fn two_algorithms_sign_everything_and_the_filler_keeps_the_first() {
    let (mut desk, ids) = rolling();
    sign_apexes(&desk.view, &mut desk.worker, NOW_S).unwrap();
    let mut cursor = Cursor::default();
    while !cursor.is_idle() {
        cursor = fill(&desk.view, &mut desk.worker, cursor, NOW_S, 1_000);
    }
    let number = enum_name(NUMBERS[0]);
    for (name, qtype, of) in [
        (number.as_str(), RecordType::NAPTR, RecordType::NAPTR),
        (&number, RecordType::TXT, RecordType::NSEC),
        (APEX, RecordType::SOA, RecordType::SOA),
        ("nobody.e164.example.", RecordType::A, RecordType::NSEC),
    ] {
        let mut tags: Vec<u16> =
            signatures(&desk.ask(name, qtype, Dnssec::Ok), of).iter().map(|(_, tag)| *tag).collect();
        tags.sort_unstable();
        let mut expected = vec![ids[1].tag, ids[5].tag];
        expected.sort_unstable();
        assert_eq!(tags, expected, "{name} {qtype}");
    }
    // The second ask gives the same octets: both signatures were kept.
    let ask = |desk: &mut Desk| desk.raw(&query(&number, RecordType::NAPTR, Dnssec::Ok), Transport::Udp);
    assert_eq!(ask(&mut desk), ask(&mut desk));
    assert_eq!(signatures(&desk.ask(APEX, RecordType::DNSKEY, Dnssec::Ok), RecordType::DNSKEY).len(), 3);
}

#[test]
fn the_largest_ordinary_dnskey_answer_fits_a_datagram() {
    let (mut desk, _) = rolling();
    let answer = desk.raw(&query(APEX, RecordType::DNSKEY, Dnssec::Ok), Transport::Udp).unwrap();
    let read = Message::from_vec(&answer).unwrap();
    let keys = read.answers.iter().filter(|record| record.record_type() == RecordType::DNSKEY).count();
    println!("{} octets with {keys} keys", answer.len());
    assert!(!read.metadata.truncation && keys == 6 && answer.len() <= 1_232, "{}", answer.len());
}
