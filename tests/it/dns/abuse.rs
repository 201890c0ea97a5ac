//! Attacks through real sockets, while those who mean well ask on: at least 99 of 100 of their questions are answered.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use callbook::config::{Dns, Limits};
use callbook::nameserver::Transport;
use callbook::net::Cut;
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use socket2::{Domain, Socket, Type};

use super::ask::{Dnssec, query};
use super::corpus::{self, Hand};
use super::house::{APEX, House, NUMBERS, enum_name};
use super::streams::authority::{Ca, NAME, address};
use super::streams::{answer, connect_from, framed, quic};
use crate::peers;

/// Questions that each client asks while an attack goes on, at its pace: two seconds' worth.
const QUESTIONS: u32 = 120;
const PACE: Duration = Duration::from_millis(15);
/// Of a hundred questions, at most one may go unanswered.
const FAILED_PERCENT_MAX: u32 = 1;
/// A client's patience with one packet or connection, and how often it tries, as resolvers do.
const PATIENCE: Duration = Duration::from_secs(1);
const TRIES: u32 = 2;
/// Packets of an attack that are sent at once, and how long it rests then: the point is what is shed, not how much there is.
const BURST: usize = 50;
const REST: Duration = Duration::from_millis(4);
/// An attack that its victims do not outlive in this time has won.
const ATTACK_MAX: Duration = Duration::from_secs(60);

/// One attack at a time: two would judge each other.
static TURN: Mutex<()> = Mutex::new(());

/// Limits as an operator has them, for everybody.
fn limits() -> Limits {
    Limits { exempt: Vec::new(), ..Limits::default() }
}

/// Who means well, from 127.0.1.0/24.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Client {
    /// UDP without a cookie; TCP when the answer is truncated.
    Udp,
    /// UDP with a cookie.
    Cookie,
    /// One connection, made again when it is cut.
    Tcp,
    /// A new connection for each question.
    NewTcp,
}

/// Runs an attack until every client has asked all its questions; each must have had its answers.
fn withstand(house: &House, clients: &[Client], attack: impl Fn(&AtomicBool) + Sync) {
    let (over, began) = (AtomicBool::new(false), Instant::now());
    let askers: Vec<Asker> = clients.iter().map(|client| Asker::new(*client, house.address)).collect();
    thread::scope(|scope| {
        let attacking = scope.spawn(|| attack(&over));
        let asking: Vec<_> = askers.into_iter().map(|asker| (asker.client, scope.spawn(|| failures(asker)))).collect();
        let failed: Vec<_> = asking.into_iter().map(|(client, asking)| (client, asking.join())).collect();
        let alive = !attacking.is_finished();
        over.store(true, Relaxed);
        attacking.join().expect("the attack goes on to its end");
        assert!(alive, "the attack ended before its victims did, so it showed nothing");
        for (client, failed) in failed {
            let failed = failed.expect("it asks to its end");
            assert!(failed * 100 <= QUESTIONS * FAILED_PERCENT_MAX, "{client:?}: {failed} of {QUESTIONS} failed");
        }
    });
    assert!(began.elapsed() < ATTACK_MAX);
}

/// Whether an attack goes on.
fn goes_on(over: &AtomicBool) -> bool {
    !over.load(Relaxed)
}

/// Asks for registered numbers at its pace; gives how many questions stayed without a right answer.
fn failures(mut asker: Asker) -> u32 {
    let began = Instant::now();
    let failed = (0..QUESTIONS).filter(|nth| {
        let due = began + PACE * *nth;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let number = NUMBERS[*nth as usize % NUMBERS.len()];
        !(0..TRIES).any(|_| asker.ask(&enum_name(number), *nth as u16).is_some_and(|message| is_whole(&message)))
    });
    failed.count() as u32
}

/// Whether this is the signed answer for a registered number.
fn is_whole(message: &Message) -> bool {
    [RecordType::NAPTR, RecordType::RRSIG].iter().all(|t| message.answers.iter().any(|rr| rr.record_type() == *t))
}

struct Asker {
    client: Client,
    to: SocketAddr,
    udp: UdpSocket,
    tcp: Option<TcpStream>,
    /// The whole cookie, once the server has given its part.
    cookie: Vec<u8>,
}

impl Asker {
    /// One who has asked before: it has its cookie.
    fn new(client: Client, to: SocketAddr) -> Self {
        let udp = bound([127, 0, 1, client as u8 + 1]);
        udp.connect(to).unwrap();
        udp.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut asker = Self { client, to, udp, tcp: None, cookie: vec![7; 8] };
        asker.ask(APEX, 0).expect("an answer before the attack");
        asker
    }

    fn ask(&mut self, name: &str, id: u16) -> Option<Message> {
        let mut packet = query(name, RecordType::NAPTR, Dnssec::Ok);
        packet[..2].copy_from_slice(&id.to_be_bytes());
        match self.client {
            Client::Tcp | Client::NewTcp => self.by_tcp(&packet),
            Client::Udp => match self.by_udp(&packet)? {
                cut if cut.truncation => self.by_tcp(&packet),
                whole => Some(whole),
            },
            Client::Cookie => {
                let told = self.by_udp(&with_cookie(packet, &self.cookie))?;
                self.cookie = cookie_of(&told).unwrap_or_else(|| self.cookie.clone());
                Some(told)
            }
        }
    }

    /// What comes with the same id in time: late answers to questions before are not taken for it.
    fn by_udp(&self, packet: &[u8]) -> Option<Message> {
        self.udp.send(packet).ok()?;
        let (mut room, began) = ([0; 1_500], Instant::now());
        while began.elapsed() < PATIENCE {
            let octets = self.udp.recv(&mut room).ok()?;
            if room[..2] == packet[..2] {
                return Message::from_vec(&room[..octets]).ok();
            }
        }
        None
    }

    fn by_tcp(&mut self, packet: &[u8]) -> Option<Message> {
        let kept = self.tcp.take().filter(|_| self.client == Client::Tcp);
        let mut stream = match kept {
            Some(stream) => stream,
            None => connect(127 << 24 | 1 << 8 | (self.client as u32 + 1), self.to).ok()?,
        };
        stream.write_all(&framed(packet)).ok()?;
        let told = answer(&mut stream).ok()?;
        self.tcp = Some(stream);
        Message::from_vec(&told).ok()
    }
}

/// A connection from this address, which is not waited for longer than a client does.
fn connect(from: u32, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((IpAddr::from(from.to_be_bytes()), 0)).into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// A socket whose packets come from this address.
fn bound(from: [u8; 4]) -> UdpSocket {
    UdpSocket::bind(SocketAddr::from((from, 0))).unwrap()
}

/// The packet with a cookie as OPT's only option; OPT is the last record.
fn with_cookie(mut packet: Vec<u8>, cookie: &[u8]) -> Vec<u8> {
    let octets = cookie.len() as u16;
    packet.truncate(packet.len() - 2);
    packet.extend((octets + 4).to_be_bytes());
    packet.extend([0, 10]);
    packet.extend(octets.to_be_bytes());
    packet.extend(cookie);
    packet
}

fn cookie_of(message: &Message) -> Option<Vec<u8>> {
    use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
    match message.edns.as_ref()?.option(EdnsCode::Cookie)? {
        EdnsOption::Unknown(_, cookie) => Some(cookie.clone()),
        _ => None,
    }
}

/// Sockets whose packets come from so many prefixes, 127.`16..`.x.9: whoever forges addresses looks like that.
fn forged(prefixes: usize) -> Vec<UdpSocket> {
    let bind = |i: usize| {
        let socket = bound([127, 16 + (i >> 8) as u8, i as u8, 9]);
        socket.set_nonblocking(true).unwrap(); // answers are nobody's: they fill the queue and are lost
        socket
    };
    (0..prefixes).map(bind).collect()
}

/// Sends packets, each from another socket, in bursts until it is over.
fn flood(from: &[UdpSocket], to: SocketAddr, over: &AtomicBool, mut packet: impl FnMut(usize) -> Vec<u8>) {
    let mut sent = 0;
    while goes_on(over) {
        for _ in 0..BURST {
            let _ = from[sent % from.len()].send_to(&packet(sent), to); // a full queue loses some, as it does outside
            sent += 1;
        }
        thread::sleep(REST);
    }
    assert!(sent > 10 * BURST, "{sent} packets are no flood");
}

/// What all workers counted of this kind of limit.
fn limited(house: &House, how: &str) -> u64 {
    house
        .counters()
        .iter()
        .flat_map(|worker| worker.limits().collect::<Vec<_>>())
        .filter(|l| l.0 == how)
        .map(|l| l.1)
        .sum()
}

fn numbers(house: &House) -> (u64, u64) {
    house.counters().iter().map(|worker| worker.numbers()).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

fn cuts(house: &House, of: Transport) -> u64 {
    house.running.connections().cuts().filter(|cut| cut.0 == of).map(|cut| cut.2).sum()
}

#[test]
fn random_names_below_the_apex_cost_signatures_and_nobody_an_answer() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let house = House::guarded_with(&Dns::default(), limits());
    let before: u64 = house.counters().iter().map(|worker| worker.signatures()).sum();
    withstand(&house, &[Client::Udp, Client::Cookie, Client::Tcp], |over| {
        let label = |i: usize| format!("{:x}.{APEX}", i as u64 | 1 << 40);
        // Half of them below the apex, half below digits: each a denial of its own.
        let name = |i: usize| if i.is_multiple_of(2) { label(i) } else { format!("x{i}.7.7.4.4.{APEX}") };
        flood(&forged(64), house.address, over, |i| query(&name(i), RecordType::A, Dnssec::Ok));
    });
    let after: u64 = house.counters().iter().map(|worker| worker.signatures()).sum();
    assert!(after > before + 1_000, "denials were signed: {before} {after}");
}

#[test]
fn forged_addresses_are_answered_within_the_pace_and_cost_nobody_else_an_answer() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let house = House::guarded_with(&Dns::default(), Limits { responses_per_s: 100, ..limits() });
    withstand(&house, &[Client::Udp, Client::Cookie, Client::Tcp, Client::NewTcp], |over| {
        let large = query(APEX, RecordType::DNSKEY, Dnssec::Ok);
        flood(&forged(8), house.address, over, |_| large.clone());
    });
    let (dropped, slipped) = (limited(&house, "dropped"), limited(&house, "slipped"));
    assert!(dropped > 100 && slipped > 100, "{dropped} {slipped}");
    assert!(dropped.abs_diff(slipped) <= 1 + dropped / 5, "every second one slips: {dropped} {slipped}");
}

#[test]
fn whose_address_is_forged_is_served_by_cookie_and_tcp() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let house = House::guarded_with(&Dns::default(), limits());
    withstand(&house, &[Client::Cookie, Client::Tcp, Client::NewTcp], |over| {
        let victims: Vec<_> = (100..110).map(|last| bound([127, 0, 1, last])).collect();
        victims.iter().for_each(|socket| socket.set_nonblocking(true).unwrap());
        let number = query(&enum_name(NUMBERS[0]), RecordType::NAPTR, Dnssec::Ok);
        flood(&victims, house.address, over, |_| number.clone());
    });
    assert!(limited(&house, "dropped") > 100, "the victims' prefix was over its pace");
    assert_eq!(limited(&house, "budget_refused"), 0, "and nobody was refused for it");
}

#[test]
fn a_walk_of_a_block_ends_with_the_budget() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let house = House::guarded_with(&Dns::default(), Limits { numbers_per_s: 1, ..limits() });
    let found = Mutex::new(0);
    withstand(&house, &[Client::Udp, Client::Tcp], |over| {
        // 10 000 numbers in which +12025550142 is the 5 143rd, again and again, by all addresses of a /24 in turn.
        let mut block = (45_000..55_000).map(|i| enum_name(&format!("+120255{i}"))).cycle();
        for from in (1..=254).cycle().take_while(|_| goes_on(over)) {
            let mut stream = connect_from(0, from, house.address);
            let walk: Vec<u8> = block
                .by_ref()
                .take(100)
                .flat_map(|name| framed(&query(&name, RecordType::NAPTR, Dnssec::Ok)))
                .collect();
            stream.write_all(&walk).unwrap();
            let told = (0..100).map(|_| Message::from_vec(&answer(&mut stream).unwrap()).unwrap());
            *found.lock().unwrap() += told.filter(is_whole).count();
            thread::sleep(REST);
        }
    });
    let found = found.into_inner().unwrap();
    assert!(found <= 1, "{found} found beyond the budget"); // one a second is let through, perhaps the right one
    assert!(limited(&house, "budget_refused") > 1_000);
    let (_, missed) = numbers(&house);
    assert!(missed < 800, "{missed} were looked up: ten minutes' worth of one a second, and a little");
}

#[test]
fn a_descent_of_the_digits_learns_nothing() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let house = House::guarded_with(&Dns::default(), Limits { numbers_per_s: 100, ..limits() });
    let learnt = Mutex::new(Vec::new());
    withstand(&house, &[Client::Udp, Client::Tcp], |over| {
        let mut stream = connect_from(0, 9, house.address);
        let mut look = |digits: &str| {
            let name: String = digits.chars().rev().map(|digit| format!("{digit}.")).collect();
            stream.write_all(&framed(&query(&format!("{name}{APEX}"), RecordType::A, Dnssec::Ok))).unwrap();
            shape(&Message::from_vec(&answer(&mut stream).unwrap()).unwrap())
        };
        let prefixes: Vec<&str> =
            NUMBERS.iter().flat_map(|number| (2..number.len()).map(|end| &number[1..end])).collect();
        for base in prefixes.iter().cycle().take_while(|_| goes_on(over)) {
            let children: Vec<_> = (0..10).map(|digit| format!("{base}{digit}")).map(|c| (look(&c), c)).collect();
            // Whoever descends goes on where a child differs from most of its siblings.
            let usual = |shape: &Shape| children.iter().filter(|(other, _)| other == shape).count() > 5;
            let odd = children.iter().filter(|(shape, child)| !usual(shape) && child != "46"); // delegated, for all to see
            learnt.lock().unwrap().extend(odd.map(|(_, child)| child.clone()));
            thread::sleep(REST);
        }
    });
    let mut learnt = learnt.into_inner().unwrap();
    learnt.retain(|child| !NUMBERS.iter().any(|number| &number[1..] == child)); // who asks for a whole number may know it
    assert_eq!(learnt, Vec::<String>::new());
}

/// What an answer shows beside its names: code, flags, and the types in each section.
type Shape = (u16, bool, bool, Vec<RecordType>, Vec<RecordType>);

fn shape(message: &Message) -> Shape {
    let types = |records: &[hickory_proto::rr::Record]| records.iter().map(|rr| rr.record_type()).collect();
    let code = message.response_code.into();
    (code, message.authoritative, message.truncation, types(&message.answers), types(&message.authorities))
}

/// Gives this process room for so many descriptors, where the system allows that.
fn descriptors(count: u64) -> bool {
    let mut raise = Command::new("prlimit");
    raise.args([format!("--pid={}", std::process::id()), format!("--nofile={count}:")]);
    let enough = || {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
        line.split_whitespace()
            .next()
            .is_some_and(|soft| soft == "unlimited" || soft.parse().is_ok_and(|soft: u64| soft >= count))
    };
    enough() || (raise.stderr(Stdio::null()).status().is_ok_and(|status| status.success()) && enough())
}

#[test]
fn a_thousand_slow_connections_keep_nobody_out() {
    /// More than the server keeps; 20 addresses of the attacker's hold fifty each, more than one may.
    const CONNECTIONS: usize = 1_000;
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if !descriptors(3_000) {
        return peers::not_here("this process may not open 3 000 files");
    }
    let house = House::guarded_with(
        &Dns { connections_max: 600, tcp_patience_s: 60, tcp_idle_s: 600, ..Dns::default() },
        limits(),
    );
    withstand(&house, &[Client::Udp, Client::Tcp, Client::NewTcp], |over| {
        let question = framed(&query(&enum_name(NUMBERS[0]), RecordType::NAPTR, Dnssec::Ok));
        let open = |i: usize| connect(127 << 24 | (i % 20 + 1) as u32, house.address);
        let mut slow: Vec<(Option<TcpStream>, usize)> = (0..CONNECTIONS).map(|i| (open(i).ok(), 0)).collect();
        // An octet at a time each, but never a whole question; who is cut comes again.
        for i in (0..CONNECTIONS).cycle().take_while(|_| goes_on(over)) {
            let (stream, said) = &mut slow[i];
            let octet = &question[*said % (question.len() - 1)..][..1];
            let went = stream.as_mut().is_some_and(|stream| stream.write_all(octet).is_ok());
            *said = if went && *said + 2 < question.len() { *said + 1 } else { 0 };
            if *said == 0 {
                *stream = open(i).ok();
            }
            if i % BURST == 0 {
                thread::sleep(REST);
            }
        }
    });
    assert!(cuts(&house, Transport::Tcp) > 300, "{}", cuts(&house, Transport::Tcp));
}

#[test]
fn stalled_handshakes_of_tls_and_quic_keep_nobody_out() {
    const STALLED: usize = 200;
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let ca = Ca::new();
    let dns = Dns { connections_max: 128, tcp_patience_s: 60, tcp_idle_s: 600, ..ca.dns() };
    let house = House::guarded_with(&dns, limits());
    let (tls, doq) = (address(&house, Transport::Tls), address(&house, Transport::Quic));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let firsts = runtime.block_on(quic::first_packets(&ca, STALLED));
    let (asked, failed) = (Mutex::new(0), Mutex::new(0));
    withstand(&house, &[Client::Udp, Client::Tcp, Client::NewTcp], |over| {
        // A handshake record of 512 octets, of which only the first come; the first packets of QUIC from many addresses.
        let mut stalled: Vec<TcpStream> = (0..STALLED).map(|n| connect_from(0, n as u8 % 50 + 1, tls)).collect();
        stalled.iter_mut().for_each(|stream| stream.write_all(&[22, 3, 1, 2, 0, 1, 0]).unwrap());
        forged(STALLED).iter().zip(&firsts).for_each(|(socket, first)| drop(socket.send_to(first, doq)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        while goes_on(over) {
            stalled.rotate_left(1);
            stalled[0] = connect_from(0, 60, tls);
            let right = [by_tls(&ca, tls), runtime.block_on(by_quic(&ca, doq))];
            *asked.lock().unwrap() += right.len();
            *failed.lock().unwrap() += right.iter().filter(|right| !**right).count();
        }
    });
    let (asked, failed) = (asked.into_inner().unwrap(), failed.into_inner().unwrap());
    assert!(asked >= 10 && failed * 100 <= asked, "{failed} of {asked} over TLS and QUIC failed");
    assert!(cuts(&house, Transport::Tls) >= (STALLED - 128) as u64);
    assert!(house.running.connections().cuts().all(|(_, cut, count)| cut != Cut::Slow || count == 0));
}

/// Whether a new client of DNS over TLS gets its answer.
fn by_tls(ca: &Ca, to: SocketAddr) -> bool {
    let asked = || -> io::Result<Vec<u8>> {
        let mut stream = ca.connect(to, &["dot"])?;
        stream.write_all(&framed(&query(&enum_name(NUMBERS[0]), RecordType::NAPTR, Dnssec::Ok)))?;
        answer(&mut stream)
    };
    asked().ok().and_then(|told| Message::from_vec(&told).ok()).is_some_and(|message| is_whole(&message))
}

/// The same of DNS over QUIC.
async fn by_quic(ca: &Ca, to: SocketAddr) -> bool {
    let asked = async {
        let connection = quic::client(ca).connect(to, NAME).ok()?.await.ok()?;
        let mut question = query(&enum_name(NUMBERS[0]), RecordType::NAPTR, Dnssec::Ok);
        question[..2].fill(0); // RFC 9250 4.2.1
        let told = quic::exchange(&connection, &framed(&question)).await.ok()?;
        Message::from_vec(told.get(2..)?).ok()
    };
    let told = tokio::time::timeout(2 * PATIENCE, asked).await.ok().flatten();
    told.is_some_and(|message| is_whole(&message))
}

#[test]
fn a_hundred_thousand_broken_packets_stop_nobody() {
    const PACKETS: usize = 100_000;
    let runs = std::env::var("CALLBOOK_FUZZ_RUNS").ok().and_then(|runs| runs.parse::<usize>().ok()).unwrap_or(1);
    /// What fits into a datagram of IPv4.
    const OCTETS_MAX: usize = 65_507;
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let house = House::guarded_with(&Dns::default(), limits());
    // The first octet of each chooses transport and sender in the fuzzer; the packet is what follows.
    let corpus: Vec<Vec<u8>> = corpus::corpus().into_iter().filter(|packet| packet.len() > 1).collect();
    let (mut hand, senders) = (Hand(0x9e37_79b9_7f4a_7c15), forged(200));
    let mut broken = |sent: usize| {
        let mut packet = hand.mutate(&corpus);
        packet.truncate(OCTETS_MAX);
        let _ = senders[sent % senders.len()].send_to(packet.get(1..).unwrap_or_default(), house.address);
    };
    let mut sent = 0;
    let mut asker = Asker::new(Client::Udp, house.address);
    let (mut asked, mut failed) = (0, 0);
    while sent < PACKETS * runs {
        (0..BURST).for_each(|_| {
            broken(sent);
            sent += 1;
        });
        let name = enum_name(NUMBERS[asked % NUMBERS.len()]);
        let right = (0..TRIES).any(|_| asker.ask(&name, asked as u16).is_some_and(|message| is_whole(&message)));
        failed += usize::from(!right);
        asked += 1;
    }
    println!("{sent} broken packets; {failed} of {asked} questions between them failed");
    assert!(failed * 100 <= asked, "{failed} of {asked} failed");
    let formerr = house.counters().iter().flat_map(|worker| worker.answers().collect::<Vec<_>>());
    let formerr: u64 = formerr.filter(|cell| cell.rcode == "FORMERR").map(|cell| cell.count).sum();
    assert!(formerr > 1_000, "{formerr}: the packets came and were broken");
}
