//! Questions put straight to `respond`, and answers read by hickory: no sockets, any time.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use callbook::dnssec::ZoneKeys;
use callbook::nameserver::{Outcome, Peer, Served, Transport, View, Worker, answer};
use callbook::zone::NumberZone;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{DNSClass, Name, Record, RecordType};
use ring::rand::SystemRandom;

/// A view with one zone and one worker.
pub(crate) struct Desk {
    pub(crate) view: View,
    pub(crate) worker: Worker,
    pub(crate) now_s: u64,
}

/// What the asker says beside the question.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Dnssec {
    No,
    Ok,
    /// DO and CO (RFC 9824 5.1).
    CompactOk,
}

impl Desk {
    pub(crate) fn numbers(zone: Arc<NumberZone>, now_s: u64) -> Self {
        let keys = Arc::new(ZoneKeys::in_memory(&SystemRandom::new()).unwrap());
        Self::over(View::new(vec![Served::numbers(zone, Some(keys))]), now_s)
    }

    pub(crate) fn over(view: View, now_s: u64) -> Self {
        Self { view, worker: Worker::default(), now_s }
    }

    /// The answer over TCP, so that nothing is cut.
    pub(crate) fn ask(&mut self, name: &str, qtype: RecordType, dnssec: Dnssec) -> Message {
        let raw = self.raw(&query(name, qtype, dnssec), Transport::Tcp).expect("an answer");
        Message::from_vec(&raw).unwrap_or_else(|e| panic!("{name} {qtype}: {e}"))
    }

    pub(crate) fn raw(&mut self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let peer = Peer { address: IpAddr::V4(Ipv4Addr::LOCALHOST), transport };
        let mut out = vec![0; 65_535];
        match answer(&self.view, &mut self.worker, peer, query, self.now_s, &mut out) {
            Outcome::Answer(octets) => Some(out[..octets].to_vec()),
            Outcome::Drop | Outcome::Later | Outcome::Rare => None,
        }
    }
}

pub(crate) fn query(name: &str, qtype: RecordType, dnssec: Dnssec) -> Vec<u8> {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    let mut question = Query::query(Name::from_ascii(name).unwrap(), qtype);
    question.set_query_class(DNSClass::IN);
    message.add_query(question);
    if dnssec != Dnssec::No {
        let mut edns = Edns::new();
        edns.set_max_payload(1232);
        edns.set_dnssec_ok(true);
        message.set_edns(edns);
    }
    let mut wire = message.to_vec().unwrap();
    if dnssec == Dnssec::CompactOk {
        // OPT is the last record, without options: its flags are octets 6 and 7 of the last 11.
        let flags = wire.len() - 4;
        wire[flags] |= 0x40;
    }
    wire
}

/// Records as text, in a form that two answers can be compared by.
pub(crate) fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(ToString::to_string).collect()
}
