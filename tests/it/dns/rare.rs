//! The slow path: that rare packets come to it, and what it says.

use std::net::{IpAddr, Ipv4Addr};

use callbook::nameserver::rare::Rare;
use callbook::nameserver::{Outcome, Peer, Served, Transport, View, Worker, answer};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode as Code};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{DNSClass, Name, RecordType as T};

use super::house::{APEX, House};

const NOW_S: u64 = 1_800_000_000;
/// Extended errors (RFC 8914 4).
const PROHIBITED: u16 = 18;
const NOT_AUTHORITATIVE: u16 = 20;
const NOT_SUPPORTED: u16 = 21;

fn packet(opcode: OpCode, name: &str, qtype: T, class: DNSClass, edns: bool) -> Vec<u8> {
    let mut message = Message::new(4711, MessageType::Query, opcode);
    message.metadata.recursion_desired = true;
    message.metadata.checking_disabled = true;
    let mut question = Query::query(Name::from_ascii(name).unwrap(), qtype);
    question.set_query_class(class);
    message.add_query(question);
    if edns {
        let mut opt = Edns::new();
        opt.set_max_payload(1232).set_dnssec_ok(true);
        message.edns = Some(opt);
    }
    message.to_vec().unwrap()
}

struct Both {
    view: View,
    worker: Worker,
}

impl Both {
    fn new() -> Self {
        let view = View::new(vec![Served::numbers(House::numbers(), None)]).named(b"here");
        Self { view, worker: Worker::default() }
    }

    fn sent(&mut self, packet: &[u8], transport: Transport) -> Vec<u8> {
        let mut out = vec![0; 65_535];
        match answer(&self.view, &mut self.worker, peer(transport), packet, NOW_S, &mut out) {
            Outcome::Answer(octets) => out[..octets].to_vec(),
            Outcome::Drop | Outcome::Later | Outcome::Rare => panic!("no answer"),
        }
    }

    fn rare(&self, rare: &Rare, packet: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let mut out = vec![0; 65_535];
        let octets = rare.answer(&self.view, peer(transport), packet, NOW_S, &mut out)?;
        Some(out[..octets].to_vec())
    }
}

fn peer(transport: Transport) -> Peer {
    Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST), transport }
}

fn ede(message: &Message) -> Option<u16> {
    match message.edns.as_ref()?.option(EdnsCode::from(15)) {
        Some(EdnsOption::Unknown(_, value)) => Some(u16::from_be_bytes([value[0], value[1]])),
        _ => None,
    }
}

#[test]
fn what_the_sockets_send_comes_from_here() {
    let (mut both, rare) = (Both::new(), Rare::default());
    for transport in [Transport::Udp, Transport::Tcp] {
        for edns in [false, true] {
            for (name, qtype, class) in [
                (APEX, T::AXFR, DNSClass::IN),
                ("E164.exAMPLE.", T::IXFR, DNSClass::IN),
                ("nothing.example.", T::A, DNSClass::HS),
                ("authors.bind.", T::TXT, DNSClass::CH),
            ] {
                let asked = packet(OpCode::Query, name, qtype, class, edns);
                let (sent, rare) = (both.sent(&asked, transport), both.rare(&rare, &asked, transport).unwrap());
                assert!(sent == rare, "{name} {qtype} {class}\n{sent:02x?}\n{rare:02x?}");
            }
        }
    }
}

#[test]
fn who_may_not_is_told_why() {
    let (both, rare) = (Both::new(), Rare::new(b"callbook 1", b"node-7"));
    let number = format!("3.2.1.{APEX}");
    for (opcode, name, qtype, class, code, why) in [
        (OpCode::Query, APEX, T::AXFR, DNSClass::IN, Code::Refused, PROHIBITED),
        (OpCode::Query, &number, T::AXFR, DNSClass::IN, Code::NotAuth, NOT_AUTHORITATIVE),
        (OpCode::Notify, APEX, T::SOA, DNSClass::IN, Code::Refused, PROHIBITED),
        (OpCode::Notify, "other.example.", T::SOA, DNSClass::IN, Code::NotAuth, NOT_AUTHORITATIVE),
        (OpCode::Update, APEX, T::SOA, DNSClass::IN, Code::Refused, PROHIBITED),
        (OpCode::Update, "other.example.", T::SOA, DNSClass::IN, Code::NotAuth, NOT_AUTHORITATIVE),
        (OpCode::Status, APEX, T::SOA, DNSClass::IN, Code::NotImp, NOT_SUPPORTED),
        (OpCode::Unknown(1), APEX, T::SOA, DNSClass::IN, Code::NotImp, NOT_SUPPORTED),
        (OpCode::Query, "version.bind.", T::A, DNSClass::CH, Code::Refused, PROHIBITED),
    ] {
        for transport in Transport::ALL {
            let asked = packet(opcode, name, qtype, class, true);
            let answer = Message::from_vec(&both.rare(&rare, &asked, transport).unwrap()).unwrap();
            assert_eq!((answer.metadata.response_code, ede(&answer)), (code, Some(why)), "{opcode} {name} {qtype}");
            assert_eq!(answer.metadata.op_code, opcode);
            let copied = (answer.metadata.recursion_desired, answer.metadata.checking_disabled);
            assert_eq!(copied, (opcode == OpCode::Query, opcode == OpCode::Query), "{opcode}: they are QUERY's");
            assert!(answer.answers.is_empty() && answer.authorities.is_empty() && answer.additionals.is_empty());
        }
    }
}

#[test]
fn the_server_says_what_its_operator_lets_it() {
    let (both, mute, open) = (Both::new(), Rare::default(), Rare::new(b"callbook 1", b"node-7"));
    for (name, said) in [
        ("version.bind.", "callbook 1"),
        ("VERSION.server.", "callbook 1"),
        ("hostname.bind.", "node-7"),
        ("id.server.", "node-7"),
    ] {
        let asked = packet(OpCode::Query, name, T::TXT, DNSClass::CH, true);
        let answer = Message::from_vec(&both.rare(&open, &asked, Transport::Udp).unwrap()).unwrap();
        assert_eq!(answer.answers[0].data.to_string(), said);
        let refused = Message::from_vec(&both.rare(&mute, &asked, Transport::Udp).unwrap()).unwrap();
        assert_eq!((refused.metadata.response_code, refused.answers.len()), (Code::Refused, 0));
    }
    let ordinary = packet(OpCode::Query, APEX, T::SOA, DNSClass::IN, true);
    assert!(both.rare(&open, &ordinary, Transport::Udp).is_none(), "that is the fast path's");
}

#[test]
fn what_does_not_fit_keeps_opt_and_loses_the_records() {
    let (both, rare) = (Both::new(), Rare::new(&[b'v'; 255], b""));
    let mut asked = Message::from_vec(&packet(OpCode::Query, "version.bind.", T::TXT, DNSClass::CH, true)).unwrap();
    asked.edns.as_mut().unwrap().set_max_payload(512);
    let answer = Message::from_vec(&both.rare(&rare, &asked.to_vec().unwrap(), Transport::Udp).unwrap()).unwrap();
    assert!(answer.answers.len() == 1 && !answer.metadata.truncation, "255 octets fit");
    let both = Both { view: both.view.clone().named(&[b'n'; 255]), worker: Worker::default() };
    asked.edns.as_mut().unwrap().options_mut().insert(EdnsOption::Unknown(3, Vec::new()));
    let asked = asked.to_vec().unwrap();
    let cut = both.rare(&rare, &asked, Transport::Udp).unwrap();
    let answer = Message::from_vec(&cut).unwrap();
    assert!(cut.len() <= 512 && answer.metadata.truncation && answer.answers.is_empty() && answer.edns.is_some());
    let whole = Message::from_vec(&both.rare(&rare, &asked, Transport::Tcp).unwrap()).unwrap();
    assert!(whole.answers.len() == 1 && !whole.metadata.truncation);
    let nsid = whole.edns.as_ref().and_then(|edns| edns.option(EdnsCode::NSID).cloned());
    assert!(matches!(nsid, Some(EdnsOption::NSID(id)) if id.as_ref() == [b'n'; 255]));
}

/// RFC 8945 5.2.1: where no key is shared with anybody, a signed question of any sort is told BADKEY, unsigned.
#[test]
fn a_signature_by_nobodys_key_is_told_so() {
    use callbook::nameserver::tsig::{Chain, TsigAlgorithm, TsigError, TsigKey, split};
    let key = TsigKey::new(callbook::wire::Name::from_text("stranger.").unwrap(), TsigAlgorithm::Sha256, &[7; 32]);
    let (key, mut both) = (std::sync::Arc::new(key), Both::new());
    for transport in [Transport::Udp, Transport::Tcp] {
        for (opcode, qtype) in
            [(OpCode::Query, T::SOA), (OpCode::Query, T::AXFR), (OpCode::Notify, T::SOA), (OpCode::Update, T::SOA)]
        {
            let mut asked = packet(opcode, APEX, qtype, DNSClass::IN, true);
            Chain::asking(&key).sign(&mut asked, NOW_S);
            let told = both.sent(&asked, transport);
            let tsig = split(&told).expect("a TSIG");
            assert_eq!((told[3] & 15, tsig.error), (9, TsigError::BadKey as u16), "{opcode:?} {qtype}");
            assert!(tsig.mac.is_empty() && told[6..10] == [0; 4]);
        }
    }
    let mut plain = packet(OpCode::Query, APEX, T::SOA, DNSClass::IN, true);
    assert_eq!(both.sent(&plain, Transport::Udp)[3] & 15, 0);
    Chain::asking(&key).sign(&mut plain, NOW_S);
    let cut = plain.len() - 1;
    assert_eq!(both.sent(&plain[..cut], Transport::Udp)[3] & 15, 1, "half a TSIG is a format error");
}
