//! Answering allocates nothing, whatever is asked and by whatever transport: counted by the allocator itself.

use std::net::IpAddr;
use std::sync::Arc;

use allocation_counter::measure;
use callbook::config::Limits;
use callbook::dnssec::ZoneKeys;
use callbook::nameserver::{Guard, Outcome, Peer, Served, Transport, View, Worker, respond};
use callbook::wire::Name;
use callbook::zone::{Denial, Digest, StaticZone, hashes};
use hickory_proto::rr::RecordType;
use ring::rand::SystemRandom;

use super::ask::{Dnssec, query};
use super::house::{APEX, House, NUMBERS, enum_name};

const NOW_S: u64 = 1_800_000_000;
const STATIC: &str = "\
$TTL 3600
@       IN SOA ns1 hostmaster 1 7200 3600 1209600 60
@       IN NS  ns1
ns1     IN A   127.0.0.1
*.wild  IN TXT \"expanded\"
alias   IN CNAME ns1
old     IN DNAME new
x.new   IN TXT \"moved\"
sub     IN NS  ns.sub
ns.sub  IN A   127.0.0.7
odd     IN TYPE65280 \\# 1 00
";

fn view() -> View {
    let keys = || Some(Arc::new(ZoneKeys::in_memory(&SystemRandom::new()).unwrap()));
    let fixed = StaticZone::read(STATIC, &Name::from_text("static.example.").unwrap()).unwrap();
    let limits = Limits { responses_per_s: 3, exempt: vec!["127.0.0.0/8".parse().unwrap()], ..Limits::default() };
    let guard = Arc::new(Guard::new(limits, vec![[5; 16]], &SystemRandom::new()).unwrap());
    let apex = Name::from_text("hashed.example.").unwrap();
    let hashed = StaticZone::read_denying(STATIC, &apex, Digest::AsInFile, Denial::Nsec3).unwrap();
    let fixed = [fixed, hashed].map(|zone| Served::fixed(Arc::new(zone), keys()));
    let zones = [Served::numbers(House::numbers(), keys())].into_iter().chain(fixed).collect();
    View::new(zones).guarded(guard).named(b"ns1").keeping(10)
}

/// Questions of every kind, as packets.
pub(super) fn questions() -> Vec<Vec<u8>> {
    let number = enum_name(NUMBERS[2]);
    let hash = hashes::owner_label(NUMBERS[2].parse().unwrap());
    let free = enum_name("+447700900124");
    let names = [
        (number.clone(), vec![RecordType::NAPTR, RecordType::ANY, RecordType::NSEC, RecordType::RRSIG, RecordType::MX]),
        (format!("_id.{number}"), vec![RecordType::TLSA, RecordType::A]),
        (format!("_keys.{number}"), vec![RecordType::TXT]),
        (format!("{hash}._openpgpkey.{APEX}"), vec![RecordType::OPENPGPKEY]),
        (format!("{}._smimecert.{APEX}", "0".repeat(56)), vec![RecordType::SMIMEA]),
        (free, vec![RecordType::NAPTR, RecordType::RRSIG]),
        (format!("4.{APEX}"), vec![RecordType::NS]),
        (format!("no.such.{APEX}"), vec![RecordType::A, RecordType::NSEC]),
        (format!("below.6.4.{APEX}"), vec![RecordType::A, RecordType::DS]),
        (APEX.to_owned(), vec![RecordType::SOA, RecordType::DNSKEY, RecordType::NS, RecordType::DS, RecordType::ANY]),
        ("x.wild.static.example.".to_owned(), vec![RecordType::TXT, RecordType::A]),
        ("alias.static.example.".to_owned(), vec![RecordType::A, RecordType::CNAME]),
        ("x.old.static.example.".to_owned(), vec![RecordType::TXT]),
        ("odd.static.example.".to_owned(), vec![RecordType::A, RecordType::Unknown(65_280)]),
        ("www.sub.static.example.".to_owned(), vec![RecordType::A]),
        ("absent.static.example.".to_owned(), vec![RecordType::A]),
        ("x.wild.hashed.example.".to_owned(), vec![RecordType::TXT, RecordType::A, RecordType::RRSIG]),
        ("www.sub.hashed.example.".to_owned(), vec![RecordType::A]),
        ("a.b.absent.hashed.example.".to_owned(), vec![RecordType::A, RecordType::NSEC3]),
        ("hashed.example.".to_owned(), vec![RecordType::NSEC3PARAM, RecordType::DS]),
        ("elsewhere.example.".to_owned(), vec![RecordType::A]),
    ];
    let mut packets = vec![vec![0; 11], vec![0; 12], vec![0xff; 40], [&[0u8; 4][..], &[0, 1], &[0xc0; 60]].concat()];
    for (name, types) in &names {
        for rr_type in types {
            packets.extend([Dnssec::No, Dnssec::Ok, Dnssec::CompactOk].map(|dnssec| query(name, *rr_type, dnssec)));
        }
    }
    let mut options = query(&enum_name(NUMBERS[0]), RecordType::NAPTR, Dnssec::Ok);
    // NSID, half a cookie, keepalive, padding.
    let more = b"\x00\x03\x00\x00\x00\x0a\x00\x08cookie..\x00\x0b\x00\x00\x00\x0c\x00\x02\x00\x00";
    let length_at = options.len() - 2;
    options[length_at..].copy_from_slice(&(more.len() as u16).to_be_bytes());
    options.extend(more);
    packets.push(options);
    packets
}

#[test]
fn answering_allocates_nothing() {
    let (view, mut worker, mut out) = (view(), Worker::default(), vec![0; 65_535]);
    let packets = questions();
    let mut answer = |address: &str, transport, packet: &[u8], now_s| {
        let address: IpAddr = address.parse().unwrap();
        respond(&view, &mut worker, Peer { address, transport }, packet, now_s, &mut out)
    };
    // A thread's first look at the view and at the random source may set something up.
    answer("127.0.0.1", Transport::Udp, &query(&enum_name("+447700900125"), RecordType::NAPTR, Dnssec::Ok), NOW_S);
    let mut answered = 0;
    for (round, now_s) in [NOW_S, NOW_S, NOW_S + 5 * 86_400].into_iter().enumerate() {
        for (i, packet) in packets.iter().enumerate() {
            for transport in Transport::ALL {
                // The second address is over its limit after three answers.
                for address in ["127.0.0.1", "192.0.2.1", "2001:db8::1"] {
                    let mut outcome = Outcome::Drop;
                    let counted = measure(|| outcome = answer(address, transport, packet, now_s));
                    let asked = (round, i, transport, address);
                    assert_eq!(counted.count_total, 0, "{asked:?}: round, packet, transport, address");
                    answered += usize::from(outcome != Outcome::Drop);
                }
            }
        }
    }
    assert!(answered > packets.len() * 3 * 10, "{answered} of {} questions were answered", packets.len() * 45);
}

#[test]
fn the_counter_counts() {
    assert!(measure(|| drop(std::hint::black_box(vec![1u8; 100]))).count_total > 0);
}
