//! OPT records put together and taken apart octet by octet, so that what libraries tidy up is seen too.

use std::sync::Arc;

use callbook::config::Limits;
use callbook::nameserver::{Guard, Outcome, Peer, Transport, View, Worker, answer};
use hickory_proto::rr::RecordType;
use ring::rand::SystemRandom;

use crate::dns::ask::{Desk, Dnssec, query};
use crate::dns::house::House;

pub(super) const NOW_S: u64 = 1_800_000_000;
/// The secret of every guard here.
pub(super) const SECRET: [u8; 16] = [7; 16];

/// A server with a guard, a name and a promise to keep connections for ten seconds.
pub(super) struct Server {
    view: View,
    worker: Worker,
}

/// An answer and its OPT.
pub(super) struct Answer {
    pub(super) octets: Vec<u8>,
    pub(super) rcode: u16,
    pub(super) truncated: bool,
    pub(super) answers: u16,
    /// UDP size, version and flags; none without OPT.
    pub(super) opt: Option<(u16, u8, u16)>,
    pub(super) options: Vec<(u16, Vec<u8>)>,
}

impl Server {
    /// Over the numbers of [`House`], with these limits.
    pub(super) fn with(limits: Limits) -> Self {
        let guard = Guard::new(limits, vec![SECRET], &SystemRandom::new()).expect("random numbers");
        let view = Desk::numbers(House::numbers(), NOW_S).view;
        Self { view: view.guarded(Arc::new(guard)).named(b"ns1.test").keeping(10), worker: Worker::default() }
    }

    pub(super) fn new() -> Self {
        Self::with(Limits::none())
    }

    /// One packet from 192.0.2.1.
    pub(super) fn ask(&mut self, transport: Transport, packet: &[u8]) -> Option<Answer> {
        self.ask_from("192.0.2.1", transport, packet)
    }

    pub(super) fn ask_from(&mut self, address: &str, transport: Transport, packet: &[u8]) -> Option<Answer> {
        let peer = Peer { address: address.parse().expect("an address"), transport };
        let mut out = vec![0; 65_535];
        match answer(&self.view, &mut self.worker, peer, packet, NOW_S, &mut out) {
            Outcome::Answer(octets) => Some(Answer::read(&out[..octets])),
            _ => None,
        }
    }
}

impl Answer {
    fn read(octets: &[u8]) -> Self {
        let word = |at: usize| u16::from_be_bytes([octets[at], octets[at + 1]]);
        let mut answer = Self {
            octets: octets.to_vec(),
            rcode: word(2) & 15,
            truncated: octets[2] & 2 != 0,
            answers: word(6),
            opt: None,
            options: Vec::new(),
        };
        let mut at = 12;
        for _ in 0..word(4) {
            at = after_name(octets, at) + 4;
        }
        for _ in 0..word(6) + word(8) + word(10) {
            let fixed = after_name(octets, at);
            let end = fixed + 10 + usize::from(word(fixed + 8));
            if word(fixed) == 41 {
                answer.opt = Some((word(fixed + 2), octets[fixed + 5], word(fixed + 6)));
                answer.rcode |= u16::from(octets[fixed + 4]) << 4;
                let mut rest = &octets[fixed + 10..end];
                while let [c1, c0, l1, l0, value @ ..] = rest {
                    let (value, after) = value.split_at(u16::from_be_bytes([*l1, *l0]).into());
                    answer.options.push((u16::from_be_bytes([*c1, *c0]), value.to_vec()));
                    rest = after;
                }
            }
            at = end;
        }
        assert_eq!(at, octets.len(), "nothing is left over behind the last record");
        answer
    }

    /// The value of an option that stands there at most once.
    pub(super) fn option(&self, code: u16) -> Option<&[u8]> {
        let all: Vec<_> = self.options.iter().filter(|(c, _)| *c == code).collect();
        assert!(all.len() <= 1, "option {code} stands there {} times", all.len());
        all.first().map(|(_, value)| value.as_slice())
    }
}

fn after_name(octets: &[u8], mut at: usize) -> usize {
    loop {
        match octets[at] {
            0 => return at + 1,
            0xc0.. => return at + 2,
            length => at += 1 + usize::from(length),
        }
    }
}

/// A query with an OPT of this version, size, flags and these options.
pub(super) fn with_opt(name: &str, rr_type: RecordType, version: u8, flags: u16, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut packet = query(name, rr_type, Dnssec::No);
    packet[11] = 1;
    packet.extend(opt(version, flags, options));
    packet
}

/// The OPT record alone.
pub(super) fn opt(version: u8, flags: u16, options: &[(u16, &[u8])]) -> Vec<u8> {
    let value: Vec<u8> = options
        .iter()
        .flat_map(|(code, value)| [&code.to_be_bytes()[..], &(value.len() as u16).to_be_bytes(), value].concat())
        .collect();
    let mut record = vec![0, 0, 41, 4, 208, 0, version];
    record.extend(flags.to_be_bytes());
    record.extend((value.len() as u16).to_be_bytes());
    record.extend(value);
    record
}

/// A query with options, version 0, without DO.
pub(super) fn with_options(name: &str, rr_type: RecordType, options: &[(u16, &[u8])]) -> Vec<u8> {
    with_opt(name, rr_type, 0, 0, options)
}
