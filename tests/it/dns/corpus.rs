//! The fuzz corpora, replayed without a fuzzer, and inputs made from them by a seeded hand: packets to the name server, answers
//! to those who ask, master files, OpenPGP keys and certificates, files of evidence.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use callbook::charter::trust::fuzz as trust;
use callbook::client::fuzz::answer;
use callbook::clock::{Clock, SystemClock};
use callbook::log::fuzz::format;
use callbook::log::misbehaviour::read_any;
use callbook::nameserver::Transport;
use callbook::nameserver::fuzz::Target;
use callbook::registry::fuzz::{Verdict, certificate, openpgp};
use callbook::zone::fuzz::master;
use hickory_proto::rr::RecordType;

use super::allocations;
use super::ask::{Desk, Dnssec, query};
use super::house::{APEX, House, NUMBERS, enum_name};
use crate::judges::trust::repository::Repository;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");
/// Inputs in one run of the tests; some ten seconds for all of them.
const PACKETS: u64 = 2_000_000;
const ANSWERS: u64 = 200_000;
const FILES: u64 = 50_000;
const KEYS: u64 = 20_000;
const EVIDENCE: u64 = 10_000;
const FORMATS: u64 = 200_000;
const TRUST: u64 = 10_000;
/// Set to make so many times as many inputs.
const RUNS: &str = "CALLBOOK_FUZZ_RUNS";
/// Set to start the hand elsewhere.
const SEED: &str = "CALLBOOK_SEED";
const USUAL_SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// Set to make the corpora anew from the questions of the tests.
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

/// Packets to the name server.
pub(super) fn corpus() -> Vec<Vec<u8>> {
    inputs("respond")
}

/// What of a corpus a fuzzer came upon: it reaches other code than the rest, and need not be well-formed.
const FOUND: &str = "found-";

/// The corpus of a fuzz target, in the order of its file names, without what a fuzzer came upon.
fn inputs(target: &str) -> Vec<Vec<u8>> {
    files(target, false)
}

/// What a fuzzer came upon.
fn found(target: &str) -> Vec<Vec<u8>> {
    files(target, true)
}

fn files(target: &str, found: bool) -> Vec<Vec<u8>> {
    let folder = std::fs::read_dir(Path::new(FOLDER).join(target)).expect("the corpus");
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.expect("readable").path()).collect();
    files.retain(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(FOUND)) == found);
    files.sort();
    files.iter().map(|file| std::fs::read(file).expect("readable")).collect()
}

/// Puts `usual` mutated inputs, or as many times more as is asked for, to a body; gives how many it found well-formed.
fn mutated(target: &str, usual: u64, mut body: impl FnMut(&[u8]) -> Result<bool, &'static str>) -> (u64, u64) {
    let from_env = |name: &str| env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let (seed, count) = (from_env(SEED).unwrap_or(USUAL_SEED), usual * from_env(RUNS).unwrap_or(1));
    let (corpus, mut hand, mut taken, began) = (inputs(target), Hand(seed.max(1)), 0, Instant::now());
    for i in 0..count {
        let input = hand.mutate(&corpus);
        match catch_unwind(AssertUnwindSafe(|| body(&input))).unwrap_or(Err("it panics")) {
            Ok(well_formed) => taken += u64::from(well_formed),
            Err(broken) => panic!("{target}: {broken}: input {i} from {SEED}={seed}:\n{}", input.escape_ascii()),
        }
    }
    let took = began.elapsed().as_secs_f64();
    println!("{target}: {count} inputs, {taken} well-formed, in {took:.1} s: {:.0} a second", count as f64 / took);
    (count, taken)
}

/// Answers of a number zone, signed, of every sort.
fn answers() -> Vec<Vec<u8>> {
    let mut desk = Desk::numbers(House::numbers(), SystemClock.now_s());
    let names = [enum_name(NUMBERS[2]), enum_name("+447700900999"), APEX.to_owned(), "www.e164.example.".to_owned()];
    let below = ["_id", "_e2e", "_keys"].map(|label| format!("{label}.{}", enum_name(NUMBERS[2])));
    let beside = ["nothing", "4.4", "6.4", "1.7"].map(|name| format!("{name}.{APEX}"));
    let types = [RecordType::NAPTR, RecordType::TLSA, RecordType::TXT, RecordType::DS, RecordType::DNSKEY];
    let asked = names.iter().chain(&below).chain(&beside).flat_map(|name| types.map(|rr_type| (name, rr_type)));
    asked.filter_map(|(name, rr_type)| desk.raw(&query(name, rr_type, Dnssec::Ok), Transport::Tcp)).collect()
}

fn write(target: &str, inputs: &[Vec<u8>], kind: &str) {
    for (i, input) in inputs.iter().enumerate() {
        std::fs::write(Path::new(FOLDER).join(target).join(format!("{kind}-{i:03}")), input).expect("writable");
    }
}

#[test]
fn the_corpora_break_no_rule() {
    if env::var_os(UPDATE).is_some() {
        write("respond", &seeds(), "question");
        write("answer", &answers(), "answer");
    }
    let mut target = Target::new().expect("the zones are right");
    let (packets, answers, files) = (inputs("respond"), inputs("answer"), inputs("master"));
    assert!(packets.len() >= 100 && answers.len() >= 50 && files.len() >= 5, "a corpus is missing");
    for (i, packet) in packets.iter().enumerate() {
        assert_eq!(target.packet(packet), Ok(()), "packet {i}");
    }
    for (i, packet) in answers.iter().enumerate() {
        assert_eq!(answer(packet), Ok(true), "answer {i}");
    }
    for (i, file) in files.iter().enumerate() {
        assert_eq!(master(file), Ok(true), "file {i}");
    }
}

#[test]
fn what_a_fuzzer_came_upon_breaks_no_rule() {
    let mut target = Target::new().expect("the zones are right");
    let unread = |what: &str, body: &mut dyn FnMut(&[u8]) -> Result<(), &'static str>| {
        for (i, input) in found(what).iter().enumerate() {
            assert_eq!(body(input), Ok(()), "{what} {i}: {}", input.escape_ascii());
        }
    };
    unread("respond", &mut |packet| target.packet(packet));
    unread("answer", &mut |packet| answer(packet).map(drop));
    unread("master", &mut |file| master(file).map(drop));
    unread("openpgp", &mut |key| openpgp(key).map(drop));
    unread("certificate", &mut |rdata| certificate(rdata).map(drop));
    unread("evidence", &mut |file| std::str::from_utf8(file).map_or(Ok(false), read_any).map(drop));
    unread("formats", &mut |input| format(input).map(drop));
    unread("trust", &mut |file| trust::metadata(file).map(drop));
}

#[test]
fn keys_and_certificates_of_other_programs_are_taken() {
    let (keys, certificates) = (inputs("openpgp"), inputs("certificate"));
    assert!(keys.len() >= 6 && certificates.len() >= 3, "a corpus is missing");
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(openpgp(key), Ok(Verdict::Accepted), "key {i}");
    }
    for (i, rdata) in certificates.iter().enumerate() {
        assert_eq!(certificate(rdata), Ok(Verdict::Accepted), "certificate {i}");
    }
}

#[test]
fn mutated_keys_and_certificates_break_no_rule() {
    let read = |verdict| verdict != Verdict::Unreadable;
    let (count, taken) = mutated("openpgp", KEYS, |key| openpgp(key).map(read));
    assert!(taken > count / 20, "{taken} keys could be read: what cannot be read breaks no rule");
    let (count, taken) = mutated("certificate", KEYS, |rdata| certificate(rdata).map(read));
    assert!(taken > count / 20, "{taken} certificates could be read: what cannot be read breaks no rule");
}

#[test]
fn mutated_packets_break_no_rule() {
    let mut target = Target::new().expect("the zones are right");
    let (count, _) = mutated("respond", PACKETS, |packet| target.packet(packet).map(|()| true));
    assert!(target.answers() > count / 4, "{} packets were answered: silence breaks no rule", target.answers());
}

#[test]
fn mutated_answers_break_no_rule_of_those_who_ask() {
    let (count, read) = mutated("answer", ANSWERS, answer);
    assert!(read > count / 10, "{read} answers could be read: what cannot be read breaks no rule");
}

#[test]
fn mutated_master_files_break_no_rule() {
    let (count, taken) = mutated("master", FILES, master);
    assert!(taken > count / 10, "{taken} files were taken: what is refused breaks no rule");
}

#[test]
fn mutated_evidence_breaks_no_rule() {
    let body = |file: &[u8]| std::str::from_utf8(file).map_or(Ok(false), read_any);
    let files = inputs("evidence");
    assert!(files.len() >= 3, "a corpus is missing");
    assert!(files.iter().all(|file| body(file) == Ok(true)));
    let (count, read) = mutated("evidence", EVIDENCE, body);
    assert!(read > count / 50, "{read} files could be read: what cannot be read breaks no rule");
}

#[test]
fn mutated_formats_of_the_log_break_no_rule() {
    let files = inputs("formats");
    let read = files.iter().filter(|file| format(file).expect("no rule is broken")).count();
    assert!(read >= 30, "{read} of {} can be read: a corpus is missing", files.len());
    let (count, read) = mutated("formats", FORMATS, format);
    assert!(read > count / 100, "{read} inputs could be read: what cannot be read breaks no rule");
}

#[test]
fn mutated_trust_metadata_breaks_no_rule() {
    if env::var_os(UPDATE).is_some() {
        let files = Repository::first().files().into_iter().filter(|(name, _)| !name.starts_with("targets/"));
        write("trust", &files.map(|(_, bytes)| bytes).collect::<Vec<_>>(), "metadata");
    }
    let body = |file: &[u8]| trust::metadata(file).map(|verdict| matches!(verdict, trust::Verdict::Read(_)));
    let files = inputs("trust");
    assert!(files.len() >= 5, "a corpus is missing");
    assert!(files.iter().all(|file| body(file) == Ok(true)));
    let (count, read) = mutated("trust", TRUST, body);
    assert!(read > count / 50, "{read} files could be read: what cannot be read breaks no rule");
}
