//! Packets that no resolver sends: other opcodes and classes, meta types, OPT where it does not belong, counts that lie, names
//! that are none. Each is put to us, Knot, NSD and BIND; where we are alone, a row of docs/STANDARDS.md says why.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use callbook::zone::Denial;

use super::serve;
use super::servers::{KINDS, Peer};
use super::zones::{self, Zone};
use crate::source;

/// A server that says nothing for so long, three times, has dropped what it got.
const PATIENCE: Duration = Duration::from_millis(300);
const TRIES: usize = 3;

const OPT: &[u8] = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";
const SOA: u16 = 6;
const IN: u16 = 1;
/// `example.`, and a name in it.
const APEX: &[u8] = b"\x07example\x00";
const HOST: &[u8] = b"\x05host1\x07example\x00";

/// Opcode, flags beside it, counts, body.
struct Odd {
    what: String,
    packet: Vec<u8>,
}

/// What is compared of an answer; none: nothing came.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Said {
    rcode: u16,
    opcode: u8,
    authoritative: bool,
    truncated: bool,
    has_answer: bool,
    edns: bool,
}

fn packet(flags: u16, counts: [u16; 4], parts: &[&[u8]]) -> Vec<u8> {
    let head = [&[0, 0][..], &flags.to_be_bytes(), &counts.map(u16::to_be_bytes).concat()].concat();
    [&head, &parts.concat()[..]].concat()
}

fn question(name: &[u8], qtype: u16, class: u16) -> Vec<u8> {
    [name, &qtype.to_be_bytes(), &class.to_be_bytes()].concat()
}

/// An OPT of this version with these octets of options.
fn opt(version: u8, options: &[u8]) -> Vec<u8> {
    [&[0, 0, 41, 4, 208, 0, version, 0, 0][..], &(options.len() as u16).to_be_bytes(), options].concat()
}

fn odd_packets() -> Vec<Odd> {
    let mut all = Vec::new();
    let mut add = |what: String, packet: Vec<u8>| all.push(Odd { what, packet });
    let soa = question(APEX, SOA, IN);
    for opcode in 0..16u16 {
        for (with, opt) in [("", &b""[..]), (" with OPT", OPT)] {
            let counts = [1, 0, 0, u16::from(!opt.is_empty())];
            add(format!("opcode {opcode}{with}"), packet(opcode << 11, counts, &[&soa, opt]));
        }
    }
    for class in [0, 2, 3, 4, 254, 255, 65_535] {
        add(format!("class {class}"), packet(0, [1, 0, 0, 0], &[&question(APEX, SOA, class)]));
        add(format!("class {class} elsewhere"), packet(0, [1, 0, 0, 0], &[&question(b"\x01x\x00", 1, class)]));
    }
    for qtype in [0, 41, 50, 59, 60, 128, 200, 248, 249, 250, 251, 252, 253, 254, 255, 55_555, 65_535] {
        for (name, what) in [(APEX, "apex"), (HOST, "host"), (&b"\x02no\x05host1\x07example\x00"[..], "nobody")] {
            add(format!("type {qtype} {what}"), packet(0, [1, 0, 0, 1], &[&question(name, qtype, IN), OPT]));
        }
    }
    add_edns(&mut add, &soa);
    add_counts(&mut add, &soa);
    add_names(&mut add);
    for (flag, bits) in
        [("QR", 0x8000), ("AA", 0x400), ("TC", 0x200), ("RA", 0x80), ("Z", 0x40), ("AD", 0x20), ("RCODE", 5)]
    {
        add(format!("flag {flag}"), packet(bits, [1, 0, 0, 0], &[&soa]));
    }
    all
}

fn add_edns(add: &mut impl FnMut(String, Vec<u8>), soa: &[u8]) {
    let cookie = b"\x00\x0a\x00\x08\x01\x02\x03\x04\x05\x06\x07\x08";
    for (what, opts) in [
        ("version 1", vec![opt(1, b"")]),
        ("version 1 with options", vec![opt(1, cookie)]),
        ("version 1 with broken options", vec![opt(1, b"\x00\x0a\x00\x08\x01")]),
        ("version 255", vec![opt(255, b"")]),
        ("two OPT", vec![opt(0, b""), opt(0, b"")]),
        ("two OPT of two versions", vec![opt(0, b""), opt(1, b"")]),
        ("an option of nobody", vec![opt(0, b"\xff\x00\x00\x02ab")]),
        ("an option that is cut", vec![opt(0, b"\xff\x00\x00\x09ab")]),
        ("half a head of an option", vec![opt(0, b"\xff\x00\x00")]),
        ("a cookie of seven octets", vec![opt(0, b"\x00\x0a\x00\x07\x01\x02\x03\x04\x05\x06\x07")]),
        ("a cookie of nine octets", vec![opt(0, b"\x00\x0a\x00\x09\x01\x02\x03\x04\x05\x06\x07\x08\x09")]),
        ("a subnet", vec![opt(0, b"\x00\x08\x00\x07\x00\x01\x18\x00\xc0\x00\x02")]),
        ("a subnet of no family", vec![opt(0, b"\x00\x08\x00\x04\x00\x09\x18\x00")]),
        ("padding", vec![opt(0, b"\x00\x0c\x00\x04\x00\x00\x00\x00")]),
        ("keepalive over UDP", vec![opt(0, b"\x00\x0b\x00\x00")]),
        ("chain", vec![opt(0, b"\x00\x0d\x00\x01\x00")]),
        ("no octets of payload", vec![b"\x00\x00\x29\x00\x00\x00\x00\x00\x00\x00\x00".to_vec()]),
        ("all flags", vec![b"\x00\x00\x29\x04\xd0\x00\x00\xff\xff\x00\x00".to_vec()]),
        ("an rcode", vec![b"\x00\x00\x29\x04\xd0\x01\x00\x00\x00\x00\x00".to_vec()]),
        ("an owner", vec![b"\x01x\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00".to_vec()]),
        (
            "a record before",
            vec![b"\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x01\x02\x03\x04".to_vec(), opt(0, b"")],
        ),
        (
            "a record behind",
            vec![opt(0, b""), b"\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x01\x02\x03\x04".to_vec()],
        ),
    ] {
        add(format!("EDNS: {what}"), packet(0, [1, 0, 0, opts.len() as u16], &[soa, &opts.concat()]));
    }
    add("OPT in the answer section".into(), packet(0, [1, 1, 0, 0], &[soa, OPT]));
    add("OPT in the authority section".into(), packet(0, [1, 0, 1, 0], &[soa, OPT]));
    add("OPT in two sections".into(), packet(0, [1, 1, 0, 1], &[soa, OPT, OPT]));
}

fn add_counts(add: &mut impl FnMut(String, Vec<u8>), soa: &[u8]) {
    let record = [APEX, b"\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x01\x02\x03\x04"].concat();
    let host = question(HOST, 1, IN);
    add("no question".into(), packet(0, [0; 4], &[]));
    add("no question with OPT".into(), packet(0, [0, 0, 0, 1], &[OPT]));
    add("no question but octets".into(), packet(0, [0; 4], &[soa]));
    add("the same question twice".into(), packet(0, [2, 0, 0, 0], &[soa, soa]));
    add("two questions".into(), packet(0, [2, 0, 0, 0], &[soa, &host]));
    add("two questions with OPT".into(), packet(0, [2, 0, 0, 1], &[soa, &host, OPT]));
    add("a question that is missing".into(), packet(0, [1, 0, 0, 0], &[]));
    add("two questions of which one is missing".into(), packet(0, [2, 0, 0, 0], &[soa]));
    add("a question without its class".into(), packet(0, [1, 0, 0, 0], &[&soa[..soa.len() - 2]]));
    add("octets behind the question".into(), packet(0, [1, 0, 0, 0], &[soa, b"\x00\x00\x00"]));
    add("an answer in a question".into(), packet(0, [1, 1, 0, 0], &[soa, &record]));
    add("an authority in a question".into(), packet(0, [1, 0, 1, 0], &[soa, &record]));
    add("an additional record".into(), packet(0, [1, 0, 0, 1], &[soa, &record]));
    add("a record that is missing".into(), packet(0, [1, 0, 0, 1], &[soa]));
    add("records without number".into(), packet(0, [1, 65_535, 65_535, 65_535], &[soa]));
    add("a header".into(), packet(0, [1, 0, 0, 0], &[])[..12].to_vec());
    add("eleven octets".into(), packet(0, [1, 0, 0, 0], &[])[..11].to_vec());
    add("a notify with a changed SOA".into(), {
        let answer = [APEX, b"\x00\x06\x00\x01\x00\x00\x00\x00\x00\x16\x00\x00", &[0; 20]].concat();
        packet(0x2400, [1, 1, 0, 0], &[soa, &answer])
    });
    add("an update of nothing".into(), packet(5 << 11, [1, 0, 0, 0], &[soa]));
    add("an update with a record".into(), packet(5 << 11, [1, 0, 1, 0], &[soa, &record]));
}

fn add_names(add: &mut impl FnMut(String, Vec<u8>)) {
    let label = |octets: u8| [&[octets][..], &vec![b'l'; octets.into()]].concat();
    let long = |last: u8| [label(63), label(63), label(63), label(last), APEX.to_vec()].concat();
    for (what, name) in [
        ("a pointer to itself", b"\xc0\x0c".to_vec()),
        ("a pointer to the header", b"\xc0\x00".to_vec()),
        ("a pointer forward", b"\xc0\x12\x00\x00\x00\x00\x00".to_vec()),
        ("a pointer into its own label", b"\x07example\xc0\x0c".to_vec()),
        ("half a pointer", b"\xc0".to_vec()),
        ("a label of type 01", b"\x41example\x00".to_vec()),
        ("a label of type 10", b"\x81example\x00".to_vec()),
        ("a label of 63 octets", [&label(63), APEX].concat()),
        ("a name of 255 octets", long(52)),
        ("a name of 256 octets", long(53)),
        ("a name of 127 labels", [b"\x01a".repeat(122).as_slice(), APEX].concat()),
        ("the root", b"\x00".to_vec()),
        ("an octet of zero", [b"\x01\x00", APEX].concat()),
        ("a dot in a label", [b"\x03a.b", APEX].concat()),
        ("capitals", b"\x05HOST1\x07EXAMPLE\x00".to_vec()),
    ] {
        add(format!("name: {what}"), packet(0, [1, 0, 0, 0], &[&question(&name, 1, IN)]));
        add(format!("name with OPT: {what}"), packet(0, [1, 0, 0, 1], &[&question(&name, 1, IN), OPT]));
    }
}

/// What we say alone: the beginning of what was asked, our code, and the row of "Differences from other servers" about it.
const ALONE: [(&str, u16, &str); 24] = [
    ("opcode 4", 5, CHANGES),
    ("opcode 5", 5, CHANGES),
    ("a notify ", 5, CHANGES),
    ("an update ", 5, CHANGES),
    ("type 251 apex", 5, TRANSFERS),
    ("type 252 apex", 5, TRANSFERS),
    ("type 252 ", 9, TRANSFERS),
    ("class 255", 5, "class ANY"),
    ("type 0 ", 1, META),
    ("type 41 ", 1, META),
    ("type 128 ", 1, META),
    ("type 200 ", 1, META),
    ("type 248 ", 1, META),
    ("type 249 ", 1, META),
    ("type 250 ", 1, META),
    ("EDNS: version 1 with broken options", 16, "options of another version of EDNS"),
    ("EDNS: an option that is cut", 1, "OPT beside a format error"),
    ("EDNS: half a head of an option", 1, "OPT beside a format error"),
    ("EDNS: a cookie of ", 1, "cookies of an impossible length"),
    ("octets behind the question", 1, LOOSE),
    ("an answer in a question", 1, LOOSE),
    ("an authority in a question", 1, LOOSE),
    ("name: a pointer to the header", 1, "a question that points into the header"),
    ("name with OPT: a pointer to the header", 1, "a question that points into the header"),
];
const CHANGES: &str = "NOTIFY and UPDATE from who has no right to them";
const TRANSFERS: &str = "transfers over UDP";
const META: &str = "meta types that are no questions, and type 0";
const LOOSE: &str = "octets, answers or authorities behind a question";

#[test]
fn odd_packets_are_answered_as_others_answer_them() {
    let zones: Vec<Zone> = zones::separate().into_iter().filter(|zone| zone.apex == "example.").collect();
    let dir = tempfile::tempdir().expect("a folder");
    let peers: Vec<Peer> = KINDS.into_iter().filter_map(|kind| Peer::start(kind, &zones, dir.path())).collect();
    if peers.len() < KINDS.len() {
        return;
    }
    let ours = serve(&[zones[0].read(Denial::Nsec)], None);
    let addresses: Vec<SocketAddr> =
        std::iter::once(ours.addresses()[0]).chain(peers.iter().map(|peer| peer.address)).collect();
    let packets = odd_packets();
    let said: Vec<Vec<Option<Said>>> = std::thread::scope(|scope| {
        let asking: Vec<_> = addresses.iter().map(|address| scope.spawn(|| ask_all(*address, &packets))).collect();
        asking.into_iter().map(|thread| thread.join().expect("asked")).collect()
    });
    let mut wrong = String::new();
    for (i, odd) in packets.iter().enumerate() {
        let (ours, theirs) = (said[0][i], [said[1][i], said[2][i], said[3][i]]);
        let like = theirs.iter().filter(|theirs| **theirs == ours).count();
        let rcode = ours.map(|said| said.rcode);
        let explains = |(beginning, code, _): &(&str, u16, _)| odd.what.starts_with(beginning) && rcode == Some(*code);
        if like < 2 && !ALONE.iter().any(explains) {
            let show = |said: Option<Said>| said.map_or("silence".to_owned(), |said| said.to_string());
            let told: Vec<String> =
                KINDS.iter().zip(theirs).map(|(kind, said)| format!("{kind:?} {}", show(said))).collect();
            wrong += &format!("{}: ours {}; {}\n", odd.what, show(ours), told.join("; "));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_we_say_alone_has_its_row() {
    let text = source::read(&source::root().join("docs/STANDARDS.md"));
    for (.., row) in ALONE {
        assert!(text.lines().any(|line| line.starts_with(&format!("| {row} |"))), "docs/STANDARDS.md: no row {row}");
    }
}

fn ask_all(server: SocketAddr, packets: &[Odd]) -> Vec<Option<Said>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.connect(server).expect("loopback");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    packets.iter().enumerate().map(|(i, odd)| (0..TRIES).find_map(|_| ask(&socket, i as u16, odd))).collect()
}

fn ask(socket: &UdpSocket, id: u16, odd: &Odd) -> Option<Said> {
    let mut packet = odd.packet.clone();
    packet[..2].copy_from_slice(&id.to_be_bytes());
    socket.send(&packet).expect("sent");
    let mut answer = [0; 4_096];
    loop {
        let octets = socket.recv(&mut answer).ok()?;
        if octets >= 12 && answer[..2] == id.to_be_bytes() {
            return Said::read(&answer[..octets]);
        }
    }
}

impl Said {
    fn read(answer: &[u8]) -> Option<Self> {
        let reply = super::packet::Reply::read(answer).unwrap_or_else(|| panic!("not well-formed: {answer:02x?}"));
        Some(Self {
            rcode: reply.rcode,
            opcode: answer[2] >> 3 & 15,
            authoritative: answer[2] & 4 != 0,
            truncated: reply.is_truncated(),
            has_answer: !reply.answer.is_empty(),
            edns: reply.edns,
        })
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (aa, tc) = (u8::from(self.authoritative), u8::from(self.truncated));
        let (an, edns) = (u8::from(self.has_answer), u8::from(self.edns));
        write!(f, "{}/op{} aa{aa} tc{tc} an{an} edns{edns}", self.rcode, self.opcode)
    }
}
