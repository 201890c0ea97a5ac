//! Look-ups in a zone of many numbers: what one answer costs, and a server that other generators can drive.
//!
//! Builds a signed number zone in memory, says what it weighs and what `respond` costs without a socket, then serves it
//! over UDP: either to a client of its own, or (`--listen`) to anybody until standard input ends. `beside-peers.py`
//! drives the latter beside other servers. `--smoke` is for checks: tiny, and it judges answers, not speed.
//!
//! `cargo bench --bench lookups -- [--smoke] [--n N | --numbers-file FILE] [--algorithm 13|15] [--cold] [--threads N]
//! [--listen ADDR [--secs N] [--updates A_SECOND]]`

#![allow(clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use callbook::clock::{Clock, SystemClock};
use callbook::config::Dns;
use callbook::dnssec::{Algorithm, ZoneKeys};
use callbook::log::record::{Prefix, Rr};
use callbook::log::sha256;
use callbook::nameserver::{Outcome, Peer, Served, Transport, View, Worker, respond};
use callbook::net::{DnsService, RunningDns};
use callbook::number::Number;
use callbook::wire::Name;
use callbook::wire::answer::UDP_OCTETS_MAX;
use callbook::zone::{Change, Denial, Digest, Loader, NumberData, NumberZone, StaticZone, Ttls};
use ring::rand::SystemRandom;

type Done<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const APEX: &str = "e164.test.";
const TTLS: Ttls = Ttls { positive_s: 3_600, negative_s: 300 };
const ZONE: &str = "\
$TTL 3600
@    IN SOA ns1 hostmaster 1 3600 600 1209600 300
@    IN NS  ns1
@    IN NS  ns2
ns1  IN A   127.0.0.1
ns2  IN A   127.0.0.2
";
/// Queries in flight of the client in here: fewer than a socket's default buffer holds, so that loopback drops none.
const WINDOW: usize = 64;
/// Denials that are signed to know what one costs.
const DENIALS: usize = 100_000;

fn main() -> Done<()> {
    let args: Vec<String> = std::env::args().collect();
    let text = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1)).map(String::as_str);
    let has = |name: &str| args.iter().any(|a| a == name);
    let smoke = has("--smoke");
    let count = text("--n").map_or(Ok(if smoke { 1_000 } else { 100_000 }), str::parse)?;
    let numbers = match text("--numbers-file") {
        Some(file) => std::fs::read_to_string(file)?
            .split_ascii_whitespace()
            .map(|digits| Number::from_digits(digits.as_bytes()))
            .collect::<Result<Vec<_>, _>>()?,
        None => scattered(count)?,
    };
    let zone = load(&numbers)?;
    let algorithm = text("--algorithm").map_or(Ok(Algorithm::default()), str::parse)?;
    let keys = Arc::new(ZoneKeys::in_memory_of(algorithm, &SystemRandom::new())?);
    let view = Arc::new(ArcSwap::from_pointee(View::new(vec![Served::numbers(zone.clone(), Some(keys))])));
    if !has("--cold") {
        sign_all(&view, &numbers)?;
    }
    match text("--listen") {
        Some(address) => {
            let threads = text("--threads").map_or(Ok(0), str::parse)?;
            let service = start(view, address.parse()?, threads)?;
            let updates_per_s = text("--updates").map_or(Ok(0), str::parse)?;
            if updates_per_s > 0 {
                thread::spawn(move || update(&zone, &numbers, updates_per_s));
            }
            serve(service, text("--secs").map(str::parse).transpose()?)
        }
        None => {
            let rounds = if smoke { 1 } else { 1_000_000usize.div_ceil(numbers.len()) };
            cost(&view, &numbers, rounds)?;
            denials(&zone, &numbers[..numbers.len().min(DENIALS)])?;
            converse(view, &numbers, rounds)
        }
    }
}

/// Different Spanish mobile numbers without any order: the step and 10^8 have no common factor.
fn scattered(count: u64) -> Done<Vec<Number>> {
    Ok((0..count).map(|i| Number::from_u64(34_600_000_000 + i * 61_803_399 % 100_000_000)).collect::<Result<_, _>>()?)
}

/// What every number of the comparison has: one NAPTR and one identity key.
fn data(number: Number) -> NumberData {
    let regexp = format!("!^.*$!sip:{number}@provider{}.example!", number.as_u64() % 40);
    let naptr =
        [&[0, 100, 0, 10, 1, b'u', 7], &b"E2U+sip"[..], &[regexp.len() as u8], regexp.as_bytes(), &[0]].concat();
    // SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 4); nobody here decompresses the point.
    let spki = [&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..], &sha256(&[regexp.as_bytes()])].concat();
    NumberData {
        number,
        not_after_s: SystemClock.now_s() + 90 * 86_400,
        rrs: vec![
            Rr { prefix: Prefix::Naptr, rdata: naptr },
            Rr { prefix: Prefix::Id, rdata: [&[3, 1, 0][..], &spki].concat() },
        ],
        version: 1,
        state_hash: [0xab; 16],
        provider_held: false,
        revoked: Vec::new(),
    }
}

fn load(numbers: &[Number]) -> Done<Arc<NumberZone>> {
    let began = Instant::now();
    let apex = Name::from_text(APEX).map_err(|_| "the apex is a name")?;
    let fixed = StaticZone::read_number_zone(ZONE, &apex, TTLS).map_err(|m| format!("{} mistakes", m.len()))?;
    let mut loader = Loader::default();
    numbers.iter().for_each(|number| loader.push(&data(*number)));
    let zone = Arc::new(loader.finish(fixed, TTLS, 1)?);
    let (there, octets) = (zone.table().len(), zone.table().heap_octets());
    println!(
        "load                 {there} numbers in {:.2} s, {:.0} octets a number with room for both signatures",
        began.elapsed().as_secs_f64(),
        octets as f64 / there as f64
    );
    Ok(zone)
}

/// Replaces the data of one number after the other, each with a serial of its own, as often as asked, for ever.
fn update(zone: &NumberZone, numbers: &[Number], per_s: u64) {
    let began = Instant::now();
    for (done, number) in (1u64..).zip(numbers.iter().cycle()) {
        let again = NumberData { version: done, ..data(*number) };
        zone.apply(&[Change::Put(again)], done as u32 + 1).expect("no cut is above these numbers");
        if let Some(early) = Duration::from_micros(done * 1_000_000 / per_s).checked_sub(began.elapsed()) {
            thread::sleep(early);
        }
    }
}

/// Asks for every NAPTR once, on all processors: a signature is a cache entry, and the peers come with theirs full.
fn sign_all(view: &ArcSwap<View>, numbers: &[Number]) -> Done<()> {
    let began = Instant::now();
    let threads = thread::available_parallelism()?.get();
    thread::scope(|scope| {
        for part in numbers.chunks(numbers.len().div_ceil(threads)) {
            scope.spawn(move || {
                let mut desk = Desk::new(&view.load());
                for number in part {
                    desk.ask(&query(*number, true));
                }
            });
        }
    });
    let rate = numbers.len() as f64 / began.elapsed().as_secs_f64();
    println!("sign when asked      {rate:.0}/s on {threads} processors");
    Ok(())
}

/// `respond` without a socket.
struct Desk {
    view: View,
    worker: Worker,
    now_s: u64,
    out: Vec<u8>,
}

impl Desk {
    fn new(view: &View) -> Self {
        Self { view: view.clone(), worker: Worker::default(), now_s: SystemClock.now_s(), out: vec![0; UDP_OCTETS_MAX] }
    }

    fn ask(&mut self, query: &[u8]) -> &[u8] {
        let peer = Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST), transport: Transport::Udp };
        match respond(&self.view, &mut self.worker, peer, query, self.now_s, &mut self.out) {
            Outcome::Answer(octets) => &self.out[..octets],
            Outcome::Drop | Outcome::Later | Outcome::Rare => &[],
        }
    }
}

/// What one answer costs a processor, packets already at hand.
fn cost(view: &ArcSwap<View>, numbers: &[Number], rounds: usize) -> Done<()> {
    let mut desk = Desk::new(&view.load());
    let mut time = |name: &str, queries: &[(Vec<u8>, bool)], rounds: usize| -> Done<()> {
        let began = Instant::now();
        for (query, there) in (0..rounds).flat_map(|_| queries) {
            judge(query, desk.ask(query), *there)?;
        }
        let each = began.elapsed().as_secs_f64() / (rounds * queries.len()) as f64;
        println!("{name:<20} {:.2} us an answer, without a socket", each * 1e6);
        Ok(())
    };
    let positive: Vec<_> = numbers.iter().map(|n| (query(*n, true), true)).collect();
    let denials: Vec<_> = numbers.iter().map(|n| (query(*n, false), false)).collect();
    time("positive", &positive, rounds)?;
    time("denial, new names", &denials[..denials.len().min(DENIALS)], 1)
}

/// What a denial costs, packets at hand, by each algorithm and in each sort of zone: for names that nobody asked for before,
/// and for the same names once more, when what a chain of the zone's names needs is signed.
fn denials(numbers: &Arc<NumberZone>, absent: &[Number]) -> Done<()> {
    for algorithm in Algorithm::ALL {
        let keys = || {
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(Some(Arc::new(ZoneKeys::in_memory_of(
                algorithm,
                &SystemRandom::new(),
            )?)))
        };
        let zones = [
            ("compact", Served::numbers(numbers.clone(), keys()?), [0, 4]),
            ("nsec", Served::fixed(named(absent, Denial::Nsec)?, keys()?), [3, 6]),
            ("nsec3", Served::fixed(named(absent, Denial::Nsec3)?, keys()?), [3, 8]),
        ];
        for (chain, zone, [code, authority]) in zones {
            let mut desk = Desk::new(&View::new(vec![zone]));
            let mut time = || -> Done<f64> {
                let began = Instant::now();
                for number in absent {
                    let asked = query(*number, false);
                    let [_, _, flags, rcode, _, _, 0, 0, 0, proofs, ..] = desk.ask(&asked) else {
                        return Err("no denial".into());
                    };
                    if flags & 0x84 != 0x84 || rcode & 15 != code || *proofs > authority || *proofs < 4 {
                        return Err(format!("{chain}: rcode {}, {proofs} in authority", rcode & 15).into());
                    }
                }
                Ok(began.elapsed().as_secs_f64() / absent.len() as f64 * 1e6)
            };
            let (first, again) = (time()?, time()?);
            println!(
                "denial, {chain:<7} {:>2}   {first:.2} us an answer at first, {again:.2} us again",
                algorithm.number()
            );
        }
    }
    Ok(())
}

/// A static zone with a name for each of these numbers, and none below it.
fn named(numbers: &[Number], denial: Denial) -> Done<Arc<StaticZone>> {
    let apex = Name::from_text(APEX).map_err(|_| "the apex is a name")?;
    let lines: String = numbers.iter().map(|number| format!("{} IN TXT \"x\"\n", number.enum_name(APEX))).collect();
    let zone = StaticZone::read_denying(&format!("{ZONE}{lines}"), &apex, Digest::AsInFile, denial);
    Ok(Arc::new(zone.map_err(|mistakes| format!("{} mistakes", mistakes.len()))?))
}

/// The whole way, with a client in this process: a window of queries, each answer judged.
fn converse(view: Arc<ArcSwap<View>>, numbers: &[Number], rounds: usize) -> Done<()> {
    let service = start(view, SocketAddr::from(([127, 0, 0, 1], 0)), 0)?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(service.addresses()[0])?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    for (name, there, rounds) in [("positive, UDP", true, rounds), ("denial, UDP", false, 1)] {
        let began = Instant::now();
        let mut answer = [0u8; UDP_OCTETS_MAX];
        for window in (0..rounds).flat_map(|_| numbers.chunks(WINDOW)) {
            let queries: Vec<_> = window.iter().map(|n| query(*n, there)).collect();
            queries.iter().try_for_each(|query| socket.send(query).map(drop))?;
            for _ in &queries {
                let octets = socket.recv(&mut answer)?;
                judge(queries.last().ok_or("an empty window")?, &answer[..octets], there)?;
            }
        }
        let rate = (rounds * numbers.len()) as f64 / began.elapsed().as_secs_f64();
        println!("{name:<20} {rate:.0}/s, client and server on this machine");
    }
    service.stop();
    Ok(())
}

fn start(view: Arc<ArcSwap<View>>, address: SocketAddr, udp_threads: usize) -> Done<RunningDns> {
    Ok(DnsService::start(view, &Dns { listen: vec![address], udp_threads, ..Dns::default() }, Arc::new(SystemClock))?)
}

fn serve(service: RunningDns, secs: Option<u64>) -> Done<()> {
    println!("serving {APEX} on {}", service.addresses()[0]);
    match secs {
        Some(secs) => thread::sleep(Duration::from_secs(secs)),
        None => drop(std::io::stdin().read_to_end(&mut Vec::new())?),
    }
    service.stop();
    Ok(())
}

/// NAPTR with DO, 1232 octets; where nobody may be `there`, of the number with a digit too many.
fn query(number: Number, there: bool) -> Vec<u8> {
    let name = number.enum_name(APEX);
    let mut packet = vec![0x5a, 0x5a, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    let labels = (!there).then_some("0").into_iter().chain(name.trim_end_matches('.').split('.'));
    for label in labels {
        packet.push(label.len() as u8);
        packet.extend_from_slice(label.as_bytes());
    }
    packet.extend_from_slice(&[0, 0, 35, 0, 1]);
    packet.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0x80, 0, 0, 0]);
    packet
}

/// NOERROR with AA; NAPTR and RRSIG, or SOA and NSEC with theirs.
fn judge(query: &[u8], answer: &[u8], there: bool) -> Done<()> {
    let [a, b, flags, code, _, _, 0, answers, 0, authority, ..] = answer else { return Err("no answer".into()) };
    let right = [*a, *b] == query[..2] && flags & 0x84 == 0x84 && code & 0x0f == 0;
    match (right, answers, authority) {
        (true, 2, 0) if there => Ok(()),
        (true, 0, 4) if !there => Ok(()),
        _ => Err(format!("a wrong answer: rcode {}, {answers} answers, {authority} in authority", code & 0x0f).into()),
    }
}
