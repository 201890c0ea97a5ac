//! The fuzz corpus, replayed without a fuzzer, and a million packets made from it by a seeded hand.

use std::path::Path;

use callbook::nameserver::fuzz::Target;
use hickory_proto::rr::RecordType;

use super::allocations;
use super::ask::{Dnssec, query};
use super::house::{APEX, enum_name};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/respond");
/// Packets in one run of the tests; some ten seconds.
const MUTATED: u64 = 1_000_000;
/// Set to make the corpus anew from the questions of the tests.
const UPDATE: &str = "CALLBOOK_UPDATE_CORPUS";

/// Questions of every kind, each behind an octet that chooses transport and sender.
fn seeds() -> Vec<Vec<u8>> {
    let mut packets = allocations::questions();
    let static_names = ["x", "a.b.alias", "alias", "loop", "x.old", "x.y.old", "www.sub", "sub", "odd", "*"];
    for name in static_names.map(|name| format!("{name}.static.example.")) {
        packets.extend([RecordType::TXT, RecordType::DS].map(|t| query(&name, t, Dnssec::Ok)));
    }
    packets.push(query(&enum_name("+447700900123"), RecordType::NAPTR, Dnssec::CompactOk));
    packets.push(query(&format!("_id.{}", enum_name("+447700900123")), RecordType::TLSA, Dnssec::Ok));
    packets.push(query(&format!("{}{APEX}", "a.".repeat(110)), RecordType::A, Dnssec::Ok));
    packets.iter().enumerate().map(|(i, packet)| [&[i as u8][..], packet].concat()).collect()
}

/// xorshift64*: a fixed start gives the same packets each time.
pub(super) struct Hand(pub(super) u64);

impl Hand {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// Flips, cuts, doubles, inserts, joins.
    pub(super) fn mutate(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut packet = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(4) {
            let at = self.below(packet.len());
            match self.below(8) {
                0 => packet.truncate(at),
                1 => packet.extend(vec![self.next() as u8; self.below(2_000)]),
                2 => packet.insert(at, self.next() as u8),
                3 => packet.extend_from_within(at..),
                4 => {
                    let other = &corpus[self.below(corpus.len())];
                    packet.truncate(at);
                    packet.extend(&other[at.min(other.len())..]);
                }
                5 => packet.iter_mut().skip(at).take(2).for_each(|octet| *octet = 0xc0),
                _ => packet.iter_mut().skip(at).take(1).for_each(|octet| *octet ^= 1 << (self.0 >> 8 & 7)),
            }
        }
        packet
    }
}

pub(super) fn corpus() -> Vec<Vec<u8>> {
    let mut files: Vec<_> =
        std::fs::read_dir(FOLDER).expect("the corpus").map(|e| e.expect("readable").path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("readable")).collect()
}

#[test]
fn the_corpus_breaks_no_rule() {
    if std::env::var_os(UPDATE).is_some() {
        for (i, seed) in seeds().iter().enumerate() {
            std::fs::write(Path::new(FOLDER).join(format!("question-{i:03}")), seed).expect("writable");
        }
    }
    let mut target = Target::new().expect("the zones are right");
    let corpus = corpus();
    assert!(corpus.len() >= 100, "{} packets", corpus.len());
    for (i, packet) in corpus.iter().enumerate() {
        assert_eq!(target.packet(packet), Ok(()), "packet {i}");
    }
}

#[test]
fn a_million_mutated_packets_break_no_rule() {
    let mut target = Target::new().expect("the zones are right");
    let (corpus, mut hand) = (corpus(), Hand(0x9e37_79b9_7f4a_7c15));
    for i in 0..MUTATED {
        let packet = hand.mutate(&corpus);
        assert_eq!(target.packet(&packet), Ok(()), "mutated packet {i} from the start 0x9e3779b97f4a7c15");
    }
    assert!(target.answers() > MUTATED / 4, "{} packets were answered: silence breaks no rule", target.answers());
}
