//! The slow path: what is rare (other opcodes, class CH, transfers), by the request handler of hickory-server (DNS.md 8).
//!
//! Of that crate only the interface is used: request, handler, response. Its listeners, stores and access lists are not
//! ours. A packet comes here after it was counted and limited like any other; what it costs is bounded by its own length.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use hickory_proto::op::{Edns, Header as ProtoHeader, HeaderCounts, Metadata, OpCode, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{DNSClass, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinEncoder;
use hickory_server::net::NetError;
use hickory_server::net::runtime::{Time, TokioTime};
use hickory_server::net::xfer::Protocol;
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::{MessageResponse, MessageResponseBuilder};

use super::respond::Peer;
use super::view::View;
use crate::wire::answer::{Answer, Limit, Options, TCP_OCTETS_MAX, UDP_OCTETS_MAX};
use crate::wire::query::{HEADER_OCTETS, Header, option};
use crate::wire::rr::Ede;
use crate::wire::{self, Name, Rcode, cookie};

/// Octets of the shortest question and of the shortest record: what a header announces must fit into its packet.
const QUESTION_OCTETS_MIN: usize = 5;
const RECORD_OCTETS_MIN: usize = 11;
/// An answer over UDP to whoever sent no OPT (RFC 1035 4.2.1).
const PLAIN_UDP_OCTETS: u16 = 512;
/// Encrypted answers are padded to multiples of this (RFC 8467 4.2).
const PADDING_BLOCK_OCTETS: usize = 468;
/// One character string (RFC 1035 3.3).
const TEXT_OCTETS_MAX: usize = 255;

/// What answers the rare packets.
#[derive(Clone, Default)]
pub struct Rare {
    version: Arc<[u8]>,
    identity: Arc<[u8]>,
}

impl Rare {
    /// What `version.bind` and `id.server` say (RFC 4892); empty: they are refused. At most 255 octets each are told.
    pub fn new(version: &[u8], identity: &[u8]) -> Self {
        let cut = |text: &[u8]| text.get(..text.len().min(TEXT_OCTETS_MAX)).unwrap_or_default().into();
        Self { version: cut(version), identity: cut(identity) }
    }

    /// Answers a rare packet into `out`: how many octets of it are to be sent.
    ///
    /// `None`: nothing is to be sent (no header, or itself a response), or the packet is not rare but an ordinary question.
    pub fn answer(&self, view: &View, peer: Peer, packet: &[u8], now_s: u64, out: &mut [u8]) -> Option<usize> {
        let (header, counts, body) = read_header(packet)?;
        let opcode = OpCode::from_u8(header.opcode);
        let bare = |out: &mut [u8], rcode| Some(bare(out, header, rcode));
        let unreadable = match opcode {
            OpCode::Query | OpCode::Notify | OpCode::Update => Rcode::FormErr,
            _ => Rcode::NotImp,
        };
        let [questions, records @ ..] = counts.map(usize::from);
        let announced = questions * QUESTION_OCTETS_MIN + records.iter().sum::<usize>() * RECORD_OCTETS_MIN;
        // RFC 9619, RFC 1996 3.7, RFC 2136 2.3: one question, which nothing before it can be pointed to.
        let Some((name, _)) = Name::scan(body).filter(|_| questions == 1 && announced <= body.len()) else {
            return bare(out, unreadable);
        };
        let protocol = if peer.transport.is_datagram() { Protocol::Udp } else { Protocol::Tcp };
        let Ok(request) = Request::from_bytes(packet.to_vec(), SocketAddr::new(peer.address, 0), protocol) else {
            return bare(out, unreadable);
        };
        let question = request.queries.queries().first()?;
        let is_transfer = matches!(question.query_type(), RecordType::AXFR | RecordType::IXFR);
        if opcode == OpCode::Query && question.query_class() == DNSClass::IN && !is_transfer {
            return None;
        }
        let Ok(edns) = request.edns.as_ref().map(|asked| answered(asked, view, peer, now_s)).transpose() else {
            return bare(out, Rcode::FormErr);
        };
        let padded = peer.transport.is_encrypted()
            && request.edns.as_ref().is_some_and(|asked| asked.option(EdnsCode::Padding).is_some());
        let is_apex = view.zones().iter().any(|zone| *zone.apex() == name);
        let mut handler = Handler { rare: self.clone(), name, is_apex, edns, padding: None };
        let mut bytes = handler.run(&request, octets_max(&request, out))?;
        if padded {
            let taken = bytes.len() + 4; // with the option's own head
            handler.padding = Some(taken.next_multiple_of(PADDING_BLOCK_OCTETS) - taken);
            bytes = handler.run(&request, octets_max(&request, out))?;
        }
        out.get_mut(..bytes.len())?.copy_from_slice(&bytes);
        Some(bytes.len())
    }
}

/// The fields that an answer repeats, the four counts, and what follows; `None` for what is not to be answered.
fn read_header(packet: &[u8]) -> Option<(Header, [u16; 4], &[u8])> {
    let ([i1, i0, high, low, counts @ ..], body) = packet.split_first_chunk::<HEADER_OCTETS>()?;
    let opcode = high >> 3 & 15;
    let (rd, cd) = (opcode == 0 && high & 1 != 0, opcode == 0 && low & 0x10 != 0);
    let header = Header { id: u16::from_be_bytes([*i1, *i0]), opcode, rd, cd };
    let [a, b, c, d, e, f, g, h] = *counts;
    (high & 0x80 == 0).then_some((header, [[a, b], [c, d], [e, f], [g, h]].map(u16::from_be_bytes), body))
}

/// A header alone: for what cannot be read.
fn bare(out: &mut [u8], header: Header, rcode: Rcode) -> usize {
    let mut answer = Answer::new(out, Limit::Stream(TCP_OCTETS_MAX), header, None, None, Options::default());
    answer.rcode(rcode);
    answer.finish()
}

/// The OPT of the answer to this OPT; an error if a cookie in it is none (RFC 7873 5.2.2).
fn answered(asked: &Edns, view: &View, peer: Peer, now_s: u64) -> Result<Edns, ()> {
    let value = |code| match asked.option(EdnsCode::from(code)) {
        Some(EdnsOption::Unknown(_, value)) => Some(value.as_slice()),
        _ => None,
    };
    let has = |code| asked.option(EdnsCode::from(code)).is_some();
    let cookie = value(option::COOKIE).map(|value| cookie::read(value).ok_or(())).transpose()?;
    let said = wire::Edns {
        udp_octets: asked.max_payload(),
        version: asked.version(),
        dnssec_ok: asked.flags().dnssec_ok,
        compact_ok: false,
        cookie,
        nsid: has(option::NSID),
        keepalive: has(option::KEEPALIVE),
        keepalive_time: value(option::KEEPALIVE).is_some_and(|value| !value.is_empty()),
        expire: has(option::EXPIRE),
        padding: has(option::PADDING),
        malformed: false,
    };
    let caller = view.guard().map(|guard| guard.meet(peer, said.cookie, now_s));
    let options = view.options(&said, peer.transport, caller.as_ref());
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_OCTETS_MAX as u16).set_version(0).set_dnssec_ok(said.dnssec_ok);
    let mut put = |code, value: &[u8]| edns.options_mut().insert(EdnsOption::Unknown(code, value.to_vec()));
    if let Some(nsid) = options.nsid {
        put(option::NSID, nsid);
    }
    if let Some((client, server)) = &options.cookie {
        put(option::COOKIE, &[&client[..], server].concat());
    }
    if let Some(time) = options.keepalive_100ms {
        put(option::KEEPALIVE, &time.to_be_bytes());
    }
    Ok(edns)
}

fn octets_max(request: &Request, out: &[u8]) -> u16 {
    let limit = match (request.protocol(), &request.edns) {
        (Protocol::Udp, None) => PLAIN_UDP_OCTETS,
        (Protocol::Udp, Some(_)) => request.max_payload().min(UDP_OCTETS_MAX as u16),
        _ => u16::MAX,
    };
    limit.min(u16::try_from(out.len()).unwrap_or(u16::MAX))
}

/// What is answered, before it is written.
struct Verdict {
    code: ResponseCode,
    ede: Option<Ede>,
    records: Vec<Record>,
}

impl Verdict {
    fn of(code: ResponseCode, ede: Ede) -> Self {
        Self { code, ede: Some(ede), records: Vec::new() }
    }
}

/// One rare packet's handler, with what it may know of the view.
struct Handler {
    rare: Rare,
    name: Name,
    is_apex: bool,
    edns: Option<Edns>,
    /// Octets that the answer is filled up by.
    padding: Option<usize>,
}

impl Handler {
    /// The whole answer in at most so many octets.
    fn run(&self, request: &Request, octets_max: u16) -> Option<Vec<u8>> {
        let sink = Sink { octets_max, bytes: Arc::default() };
        let handled = self.handle_request::<_, TokioTime>(request, sink.clone());
        // It waits for nothing, so the first look finds it done.
        let Poll::Ready(_) = pin!(handled).poll(&mut Context::from_waker(Waker::noop())) else { return None };
        let bytes = std::mem::take(&mut *sink.bytes.lock().unwrap_or_else(PoisonError::into_inner));
        Some(bytes).filter(|bytes| bytes.len() >= HEADER_OCTETS)
    }

    fn decide(&self, request: &Request) -> Verdict {
        let Some(question) = request.queries.queries().first() else {
            return Verdict { code: ResponseCode::FormErr, ede: None, records: Vec::new() };
        };
        if request.version() != 0 {
            return Verdict { code: ResponseCode::BADVERS, ede: None, records: Vec::new() }; // RFC 6891 6.1.3
        }
        match (request.metadata.op_code, question.query_class()) {
            (OpCode::Query, DNSClass::CH) => self.chaos(question.query_type()),
            (OpCode::Query, DNSClass::IN) | (OpCode::Notify | OpCode::Update, _) => match self.is_apex {
                // Transfers in and out, and changes from outside, are nobody's right yet.
                true => Verdict::of(ResponseCode::Refused, Ede::Prohibited),
                // RFC 5936 2.2.1, RFC 2136 3.1.1.
                false => Verdict::of(ResponseCode::NotAuth, Ede::NotAuthoritative),
            },
            (OpCode::Query, _) => Verdict::of(ResponseCode::Refused, Ede::NotSupported),
            _ => Verdict::of(ResponseCode::NotImp, Ede::NotSupported),
        }
    }

    /// What this server is, if its operator lets it say so (RFC 4892).
    fn chaos(&self, qtype: RecordType) -> Verdict {
        let text = match self.name.as_wire() {
            b"\x07version\x04bind\x00" | b"\x07version\x06server\x00" => &self.rare.version,
            b"\x08hostname\x04bind\x00" | b"\x02id\x06server\x00" => &self.rare.identity,
            _ => return Verdict::of(ResponseCode::Refused, Ede::NotSupported),
        };
        if text.is_empty() || !matches!(qtype, RecordType::TXT | RecordType::ANY) {
            return Verdict::of(ResponseCode::Refused, Ede::Prohibited);
        }
        let Ok(owner) = hickory_proto::rr::Name::from_labels(self.name.labels()) else {
            return Verdict::of(ResponseCode::ServFail, Ede::Other);
        };
        let mut record = Record::from_rdata(owner, 0, RData::TXT(TXT::from_bytes(vec![&**text])));
        record.dns_class = DNSClass::CH;
        Verdict { code: ResponseCode::NoError, ede: None, records: vec![record] }
    }

    /// OPT with the reason, and filled up.
    fn opt(&self, ede: Option<Ede>) -> Option<Edns> {
        let mut edns = self.edns.clone()?;
        if let Some(ede) = ede {
            edns.options_mut().insert(EdnsOption::Unknown(option::EDE, (ede as u16).to_be_bytes().to_vec()));
        }
        if let Some(octets) = self.padding {
            edns.options_mut().insert(EdnsOption::Unknown(option::PADDING, vec![0; octets]));
        }
        Some(edns)
    }
}

#[async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(&self, request: &Request, mut to: R) -> ResponseInfo {
        let verdict = self.decide(request);
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = verdict.code;
        metadata.authoritative = !verdict.records.is_empty();
        let query = metadata.op_code == OpCode::Query; // the two mean nothing else
        metadata.recursion_desired &= query;
        metadata.checking_disabled &= query;
        let mut edns = self.opt(verdict.ede);
        let sent = to.send_response(message(request, metadata, edns.as_ref(), &verdict.records)).await;
        let sent = match sent {
            // hickory drops OPT where records leave no room for it (RFC 6891 7): rather no records, and no NSID.
            Ok(info) if info.truncation => {
                metadata.truncation = !verdict.records.is_empty();
                if let Some(edns) = &mut edns {
                    edns.options_mut().remove(EdnsCode::NSID);
                }
                to.send_response(message(request, metadata, edns.as_ref(), &[])).await
            }
            sent => sent,
        };
        sent.unwrap_or_else(|_| ResponseInfo::from(ProtoHeader { metadata, counts: HeaderCounts::default() }))
    }
}

fn message<'a>(
    request: &'a Request,
    metadata: Metadata,
    edns: Option<&'a Edns>,
    answers: &'a [Record],
) -> MessageResponse<
    'a,
    'a,
    impl Iterator<Item = &'a Record> + Send + 'a,
    impl Iterator<Item = &'a Record> + Send + 'a,
    impl Iterator<Item = &'a Record> + Send + 'a,
    impl Iterator<Item = &'a Record> + Send + 'a,
> {
    let mut builder = MessageResponseBuilder::from_message_request(request);
    if let Some(edns) = edns {
        builder.edns(edns);
    }
    builder.build(metadata, answers, [], [], [])
}

/// Takes the answer: the last one that was sent counts.
#[derive(Clone)]
struct Sink {
    octets_max: u16,
    bytes: Arc<Mutex<Vec<u8>>>,
}

#[async_trait]
impl ResponseHandler for Sink {
    async fn send_response<'a>(
        &mut self,
        response: MessageResponse<
            '_,
            'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
            impl Iterator<Item = &'a Record> + Send + 'a,
        >,
    ) -> Result<ResponseInfo, NetError> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.clear();
        let mut encoder = BinEncoder::new(&mut bytes);
        encoder.set_max_size(self.octets_max);
        Ok(response.destructive_emit(&mut encoder)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nameserver::Transport;
    use hickory_proto::op::Message;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    const NOW_S: u64 = 1_800_000_000;
    const OPT: &[u8] = b"\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00";

    fn packet(opcode: u8, question: &[u8], opt: &[u8]) -> Vec<u8> {
        let counts = [0, 1, 0, 0, 0, 0, 0, u8::from(!opt.is_empty())];
        [&[0xab, 0xcd, opcode << 3 | 1, 0x10][..], &counts, question, opt].concat()
    }

    fn ask(packet: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let peer = Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST), transport };
        let mut out = vec![0; TCP_OCTETS_MAX];
        let rare = Rare::new(b"callbook", b"");
        let octets = rare.answer(&View::default(), peer, packet, NOW_S, &mut out)?;
        out.truncate(octets);
        Some(out)
    }

    const VERSION: &[u8] = b"\x07VerSion\x04bINd\x00\x00\x10\x00\x03";

    #[test]
    fn the_version_is_told_under_the_name_as_it_was_asked() {
        let bytes = ask(&packet(0, VERSION, OPT), Transport::Udp).unwrap();
        assert_eq!(bytes[..4], [0xab, 0xcd, 0x85, 0x10], "QR, AA, RD and CD copied");
        assert_eq!(bytes[12..12 + VERSION.len()], *VERSION, "0x20");
        let message = Message::from_vec(&bytes).unwrap();
        assert_eq!(message.answers[0].data.to_string(), "callbook");
        assert_eq!((message.answers[0].dns_class, message.answers[0].ttl), (DNSClass::CH, 0));
        let edns = message.edns.unwrap();
        assert!(edns.flags().dnssec_ok && edns.max_payload() == 1232 && edns.version() == 0);
        let plain = Message::from_vec(&ask(&packet(0, VERSION, b""), Transport::Udp).unwrap()).unwrap();
        assert!(plain.edns.is_none() && plain.answers.len() == 1);
    }

    #[test]
    fn each_opcode_has_its_code() {
        let zone = b"\x04e164\x07example\x00\x00\x06\x00\x01";
        for (opcode, code) in [(1, 4), (2, 4), (3, 4), (4, 9), (5, 9), (6, 4), (15, 4)] {
            for opt in [&b""[..], OPT] {
                let bytes = ask(&packet(opcode, zone, opt), Transport::Udp).unwrap();
                assert_eq!((bytes[2] >> 3 & 15, bytes[3] & 15), (opcode, code));
                assert_eq!(Message::from_vec(&bytes).unwrap().edns.is_some(), !opt.is_empty());
            }
            // A header alone, and one that announces what is not there.
            for counts in [[0u8; 8], [0xff; 8]] {
                let bytes = ask(&[&[1, 2, opcode << 3, 0][..], &counts].concat(), Transport::Tcp).unwrap();
                let unreadable = if matches!(opcode, 4 | 5) { 1 } else { 4 };
                assert_eq!((bytes.len(), bytes[3] & 15), (HEADER_OCTETS, unreadable));
            }
        }
    }

    #[test]
    fn an_encrypted_answer_is_padded_if_the_question_was() {
        let padded = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x06\x00\x0c\x00\x02\x00\x00";
        let octets = |transport| ask(&packet(0, VERSION, padded), transport).unwrap().len();
        assert_eq!(octets(Transport::Tls), PADDING_BLOCK_OCTETS);
        assert!(octets(Transport::Tcp) < 100);
    }

    #[test]
    fn another_version_of_edns_and_a_broken_cookie_are_refused() {
        let bytes = ask(&packet(0, VERSION, b"\x00\x00\x29\x04\xd0\x00\x01\x00\x00\x00\x00"), Transport::Udp).unwrap();
        let code = Message::from_vec(&bytes).unwrap().metadata.response_code;
        assert_eq!(u16::from(code), 16, "BADVERS; hickory reads it back as BADSIG, which has the same number");
        let cookie = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x07\x00\x0a\x00\x03abc";
        assert_eq!(ask(&packet(0, VERSION, cookie), Transport::Udp).unwrap()[3] & 15, 1);
    }

    #[test]
    fn ordinary_questions_and_responses_are_not_rare() {
        assert!(ask(&packet(0, b"\x04e164\x00\x00\x01\x00\x01", OPT), Transport::Udp).is_none());
        let mut response = packet(4, VERSION, b"");
        response[2] |= 0x80;
        assert!(ask(&response, Transport::Udp).is_none() && ask(&response[..11], Transport::Udp).is_none());
    }

    proptest! {
        #[test]
        fn no_packet_makes_it_panic_or_grow(
            opcode in 0u8..16,
            class in 0u8..5,
            changes in prop::collection::vec((0usize..60, any::<u8>()), 0..6),
            tail in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut bytes = packet(opcode, &[b"\x02ID\x06server\x00\x00\x10\x00", &[class][..]].concat(), OPT);
            bytes.extend(tail);
            for (at, octet) in changes {
                if let Some(place) = bytes.get_mut(at) {
                    *place = octet;
                }
            }
            for transport in Transport::ALL {
                let Some(answer) = ask(&bytes, transport) else { continue };
                prop_assert!(answer[..2] == bytes[..2] && answer[2] & 0x80 != 0 && answer.len() <= 512);
                prop_assert_eq!(answer[2] >> 3 & 15, bytes[2] >> 3 & 15);
                prop_assert!(Message::from_vec(&answer).is_ok());
            }
        }
    }
}
