//! What must hold for every packet that can arrive: the body of the fuzz target, replayed over its corpus by the tests.
//!
//! The first octet of the input chooses transport and sender, the rest is the packet.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ring::rand::SystemRandom;

use super::{Guard, Outcome, Peer, Served, Transport, View, Worker, answer};
use crate::config::Limits;
use crate::dnssec::ZoneKeys;
use crate::log::record::{Prefix, Rr};
use crate::number::Number;
use crate::wire::answer::{TCP_OCTETS_MAX, UDP_OCTETS_MAX};
use crate::wire::query::{Scan, scan};
use crate::wire::{Name, Rcode};
use crate::zone::{Loader, NumberData, StaticZone, Ttls};

/// Packets in a second of its time: few enough that most pass the limits, so that answers are looked at, not silence.
const PACKETS_PER_S: u64 = 2_000;
/// When it begins, Unix seconds: runs are the same each time.
const NOW_S: u64 = 1_800_000_000;
const NUMBER_ZONE: &str = "\
$TTL 3600
@ IN SOA ns1 hostmaster 1 7200 3600 1209600 60
@ IN NS ns1
ns1 IN A 127.0.0.1
7 IN NS ns.7
ns.7 IN A 127.0.0.7
6.4 IN NS ns.elsewhere.example.
6.4 IN DS 12345 13 2 0000000000000000000000000000000000000000000000000000000000000001
";
const STATIC_ZONE: &str = "\
$TTL 3600
@ IN SOA ns1 hostmaster 1 7200 3600 1209600 60
@ IN NS ns1
ns1 IN A 127.0.0.1
* IN TXT \"expanded\"
alias IN CNAME ns1
loop IN CNAME loop
old IN DNAME new
x.new IN TXT \"moved\"
sub IN NS ns.sub
ns.sub IN A 127.0.0.7
odd IN TYPE65280 \\# 1 00
";

/// A name server that packets are thrown at.
pub struct Target {
    view: View,
    worker: Worker,
    out: Box<[u8]>,
    packets: u64,
}

impl Target {
    /// One number zone, one static zone, limits in force. `None` if the zones above could not be read or made.
    pub fn new() -> Option<Self> {
        let random = SystemRandom::new();
        let keys = || ZoneKeys::in_memory(&random).ok().map(Arc::new);
        let fixed = StaticZone::read_number_zone(NUMBER_ZONE, &Name::from_text("e164.example").ok()?, Ttls::default());
        let mut loader = Loader::default();
        loader.push(&number()?);
        let numbers = loader.finish(fixed.ok()?, Ttls::default(), 7).ok()?;
        let fixed = StaticZone::read(STATIC_ZONE, &Name::from_text("static.example").ok()?).ok()?;
        let limits = Limits { numbers_per_s: 200, exempt: Vec::new(), ..Limits::default() };
        let guard = Guard::new(limits, vec![[1; 16]], &random).ok()?;
        let zones = vec![Served::numbers(Arc::new(numbers), keys()), Served::fixed(Arc::new(fixed), keys())];
        let view = View::new(zones).guarded(Arc::new(guard)).named(b"fuzz").keeping(10);
        Some(Self { view, worker: Worker::default(), out: vec![0; TCP_OCTETS_MAX].into(), packets: 0 })
    }

    /// Packets that were answered so far.
    pub fn answers(&self) -> u64 {
        self.worker.counters.answers().map(|c| c.count).sum()
    }

    /// Answers one packet; says what rule the answer breaks.
    pub fn packet(&mut self, input: &[u8]) -> Result<(), &'static str> {
        let Some((&choice, packet)) = input.split_first() else { return Ok(()) };
        let transport = Transport::ALL.get(usize::from(choice) % Transport::ALL.len()).copied();
        let peer = Peer {
            address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, choice)),
            transport: transport.unwrap_or(Transport::Udp),
        };
        self.packets += 1;
        let now_s = NOW_S + self.packets / PACKETS_PER_S;
        match answer(&self.view, &mut self.worker, peer, packet, now_s, &mut self.out) {
            Outcome::Answer(octets) => {
                let answer = self.out.get(..octets).ok_or("the answer is longer than its buffer")?;
                holds(packet, answer, peer.transport)
            }
            Outcome::Drop => Ok(()),
            Outcome::Later | Outcome::Rare => Err("nobody asked for it to be put off"),
        }
    }
}

/// A number with one record under each of three names.
fn number() -> Option<NumberData> {
    let key = b"\x03\x01\x00\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".iter().copied().chain([1; 32]).collect();
    let naptr = b"\x00\x64\x00\x0a\x01u\x07E2U+sip\x1b!^.*$!sip:alice@a.example!\x00".to_vec();
    Some(NumberData {
        number: Number::parse("+447700900123").ok()?,
        not_after_s: NOW_S + 1_000_000,
        rrs: vec![
            Rr { prefix: Prefix::Naptr, rdata: naptr },
            Rr { prefix: Prefix::Id, rdata: key },
            Rr { prefix: Prefix::OpenPgpKey, rdata: vec![7; 900] },
        ],
        version: 1,
        state_hash: [3; 16],
        provider_held: false,
        revoked: Vec::new(),
    })
}

/// The rules: bounded, of the same id, a response, never recursion or zeros broken, and readable to its last octet.
fn holds(query: &[u8], answer: &[u8], transport: Transport) -> Result<(), &'static str> {
    let ([q1, q0, ..], [a1, a0, flags, low, counts @ ..]) = (query, answer) else { return Err("it has no header") };
    let rule = |holds: bool, broken| if holds { Ok(()) } else { Err(broken) };
    rule(!transport.is_datagram() || answer.len() <= UDP_OCTETS_MAX, "over UDP it is too large")?;
    rule((q1, q0) == (a1, a0), "it has another id")?;
    rule(flags & 0x80 != 0 && low & 0xe0 == 0, "QR is not set, or RA, Z or AD is")?;
    rule(query.get(2).is_some_and(|q| q & 0x80 == 0), "it answers a response")?;
    let records =
        counts.get(2..8).map(|c| c.chunks_exact(2).map(|w| w.iter().fold(0usize, |n, o| n << 8 | usize::from(*o))));
    let questions = counts.get(1).copied().unwrap_or_default();
    rule(questions <= 1, "it has several questions")?;
    if let Scan::Query(query) = scan(query) {
        let same = answer.get(12..).is_some_and(|body| body.starts_with(query.question.raw));
        // The slow path reads more of a packet than the scan does, and may find what the scan passed over malformed.
        let malformed = questions == 0 && low & 15 == Rcode::FormErr as u8;
        rule(questions == 1 && same || malformed, "the question is not the one that was asked")?;
    }
    let mut rest = answer.get(12..).unwrap_or_default();
    if questions == 1 {
        let (_, octets) = Name::scan(rest).ok_or("its question cannot be read")?;
        rest = rest.get(octets + 4..).ok_or("its question is cut")?;
    }
    for _ in 0..records.into_iter().flatten().sum() {
        rest = after_record(rest).ok_or("a record cannot be read")?;
    }
    rule(rest.is_empty(), "octets are left over")
}

fn after_record(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        match usize::from(*rest.first()?) {
            0 => break rest = rest.get(1..)?,
            0xc0.. => break rest = rest.get(2..)?,
            length => rest = rest.get(1 + length..)?,
        }
    }
    let (fixed, rest) = rest.split_first_chunk::<10>()?;
    let [.., l1, l0] = *fixed;
    rest.get(usize::from(u16::from_be_bytes([l1, l0]))..)
}
