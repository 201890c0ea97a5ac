//! The same zones in us, Knot, NSD and BIND, the same questions to all: whoever stands alone is looked at.

mod differences;
mod odd;
pub(crate) mod packet;
pub(crate) mod questions;
mod random;
pub(crate) mod servers;
mod signed;
mod types;
pub(crate) mod zones;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use arc_swap::ArcSwap;
use callbook::clock::SystemClock;
use callbook::config::Dns;
use callbook::dnssec::ZoneKeys;
use callbook::nameserver::{Served, View};
use callbook::net::{DnsService, RunningDns};
use callbook::wire::{Name, RrType};
use callbook::zone::{Denial, StaticZone};
use ring::rand::SystemRandom;

use differences::{Case, explains};
use packet::{CD, Question, Reply, TC};
use questions::{Random, questions};
use servers::{KINDS, Kind, Peer, ask_all, ask_tcp};
use zones::Zone;

/// Questions a zone, CALLBOOK_ORACLE_RUNS times as many if it is set; the first of them ask for every name.
const QUESTIONS: usize = 3_000;
/// Ids tell the answers of one round apart; some room for questions that are added.
const QUESTIONS_MAX: usize = 60_000;
/// Owners of NSEC3 that are asked for, where there are any.
const HASHES: u32 = 8;
/// The seed of every run, unless CALLBOOK_SEED says another.
const SEED: u64 = 20_260_401;
/// Octets that an answer with EDNS keeps free for an extended error (RFC 8914).
const ERROR_ROOM: usize = 6;

/// Questions about each zone that nobody thought out, and how many of those there are.
const RANDOM_QUESTIONS: usize = 500;
const RANDOM_ZONES: usize = 8;

/// The zones of this run.
fn random_zones() -> Vec<Zone> {
    random::zones(RANDOM_ZONES, &mut Random(from_env("CALLBOOK_SEED").unwrap_or(SEED)))
}

#[test]
fn zones_that_nobody_thought_out_are_answered_as_others_answer_them() {
    compare(&random_zones(), None, Denial::Nsec, RANDOM_QUESTIONS);
}

#[test]
fn signed_zones_that_nobody_thought_out_are_answered_as_others_answer_them() {
    for denial in [Denial::Nsec, Denial::Nsec3] {
        signed_alike(random_zones(), denial, RANDOM_QUESTIONS);
    }
}

#[test]
fn separate_zones_are_answered_as_others_answer_them() {
    compare(&zones::separate(), None, Denial::Nsec, QUESTIONS);
}

#[test]
fn nested_zones_are_answered_as_others_answer_them() {
    compare(&zones::nested(), None, Denial::Nsec, QUESTIONS);
}

#[test]
fn signed_zones_are_answered_as_others_answer_them() {
    signed_alike(zones::separate(), Denial::Nsec, QUESTIONS);
}

#[test]
fn zones_of_hashed_names_are_answered_as_others_answer_them() {
    signed_alike(zones::separate(), Denial::Nsec3, QUESTIONS);
}

fn signed_alike(zones: Vec<Zone>, denial: Denial, count: usize) {
    let dir = tempfile::tempdir().expect("a folder");
    if let Some(signed) = signed::by_ldns(&zones, denial, dir.path()) {
        compare(&zones, Some(&signed), denial, count);
    }
}

/// Serves zones here, unsigned or signed by ourselves.
fn serve(zones: &[Arc<StaticZone>], keys: Option<&Arc<ZoneKeys>>) -> RunningDns {
    let view = View::new(zones.iter().map(|zone| Served::fixed(zone.clone(), keys.cloned())).collect());
    let dns = Dns { listen: vec!["127.0.0.1:0".parse().expect("an address")], ..Dns::default() };
    DnsService::start(Arc::new(ArcSwap::from_pointee(view)), &dns, Arc::new(SystemClock)).expect("ours")
}

/// Asks everybody; the peers serve `signed` where that is given, we sign ourselves.
fn compare(zones: &[Zone], signed: Option<&[Zone]>, denial: Denial, count: usize) {
    let dir = tempfile::tempdir().expect("a folder");
    let start = |kind| Peer::start(kind, signed.unwrap_or(zones), dir.path());
    let peers: Vec<Peer> = KINDS.into_iter().filter_map(start).collect();
    if peers.len() < KINDS.len() {
        return;
    }
    let data: Vec<Arc<StaticZone>> = zones.iter().map(|zone| zone.read(denial)).collect();
    let keys = signed.map(|_| Arc::new(ZoneKeys::in_memory(&SystemRandom::new()).expect("keys")));
    let ours = serve(&data, keys.as_ref());
    let addresses: Vec<SocketAddr> =
        std::iter::once(ours.addresses()[0]).chain(peers.iter().map(|p| p.address)).collect();
    compare_answers(&data, &addresses, count);
}

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|s| s.parse().ok())
}

/// Asks us, Knot, NSD and BIND, in this order, so many questions about each zone.
pub(crate) fn compare_answers(data: &[Arc<StaticZone>], addresses: &[SocketAddr], count: usize) {
    let seed = from_env("CALLBOOK_SEED").unwrap_or(SEED);
    let count = (count * from_env("CALLBOOK_ORACLE_RUNS").unwrap_or(1) as usize).min(QUESTIONS_MAX);
    println!("CALLBOOK_SEED={seed}");
    let mut random = Random(seed);
    let mut wrong = BTreeMap::new();
    for zone in data {
        let names: Vec<_> = zone.in_order().map(|(name, _)| name).collect();
        let mut asked = questions(zone.apex(), &names, count, &mut random);
        // Owners of NSEC3 are no names (RFC 5155 7.2.8). Nor is what is below them, but NSD takes that for absent even where
        // there is a wildcard.
        let hashes = (0..HASHES).filter_map(|place| zone.nsec3(place)).map(|nsec3| nsec3.owner());
        asked.extend(questions(zone.apex(), &hashes.collect::<Vec<_>>(), 0, &mut random));
        let answers: Vec<Vec<Vec<u8>>> = thread::scope(|scope| {
            let asking: Vec<_> = addresses.iter().map(|address| scope.spawn(|| ask_all(*address, &asked))).collect();
            asking.into_iter().map(|thread| thread.join().expect("every question is answered")).collect()
        });
        for (i, question) in asked.iter().enumerate() {
            let read =
                |answers: &Vec<Vec<u8>>| Reply::read(&answers[i]).unwrap_or_else(|| panic!("{question}: not read"));
            let mut replies = whole(answers.iter().map(read).collect(), addresses, question);
            replies.iter_mut().for_each(Reply::forget_keys);
            if let Some((sort, text)) = difference(zone.apex(), question, &replies) {
                wrong.entry(sort).or_insert((0, text)).0 += 1;
            }
        }
    }
    let shown: Vec<String> = wrong.values().map(|(times, text)| format!("{times} times like this:\n{text}")).collect();
    assert!(shown.is_empty(), "{} sorts of differences\n{}", shown.len(), shown.join("\n"));
}

/// Where somebody truncates, or leaves addresses out of a referral because they do not fit, all are asked again over TCP;
/// where we truncated, or did not, it must have been right.
fn whole(replies: Vec<Reply>, addresses: &[SocketAddr], question: &Question) -> Vec<Reply> {
    let truncated = replies.iter().any(Reply::is_truncated);
    let shortened = is_referral(&replies[0]) && replies.iter().any(|r| r.additional != replies[0].additional);
    if !truncated && !shortened {
        return replies;
    }
    let again = |address: &SocketAddr| Reply::read(&ask_tcp(*address, question)).expect("well-formed over TCP");
    let all: Vec<Reply> = addresses.iter().map(again).collect();
    let (octets, limit) = (all[0].octets, question.limit());
    let right = match replies[0].is_truncated() {
        true => octets + ERROR_ROOM > limit,
        false => octets <= limit || !truncated || lacks_what_may_stay_away(&replies[0], &all[0]),
    };
    assert!(right, "{question}: TC exactly when it does not fit {limit}\n{}", replies[0]);
    all
}

/// Whether all that a referral lacks may stay away: signatures over addresses (RFC 4035 3.1.1), and addresses of servers that
/// are not below the delegation, for which others can be asked (RFC 9471 3.1).
fn lacks_what_may_stay_away(short: &Reply, whole: &Reply) -> bool {
    let name = |owner: &str| Name::from_text(owner).expect("a name");
    let cuts: Vec<Name> =
        whole.authority.iter().filter(|rr| RrType(rr.rr_type) == RrType::NS).map(|rr| name(&rr.owner)).collect();
    let is_glue = |owner: &str| cuts.iter().any(|cut| name(owner).offset_of(cut).is_some());
    let mut missing = whole.additional.difference(&short.additional);
    is_referral(whole)
        && (short.answer.len(), short.authority.len()) == (whole.answer.len(), whole.authority.len())
        && short.additional.is_subset(&whole.additional)
        && missing.all(|rr| RrType(rr.rr_type) == RrType::RRSIG || !is_glue(&rr.owner))
}

/// A delegation, perhaps one that an alias leads to: then AA is set for the alias.
fn is_referral(reply: &Reply) -> bool {
    let has = |rr_type: RrType| reply.authority.iter().any(|rr| RrType(rr.rr_type) == rr_type);
    has(RrType::NS) && !has(RrType::SOA)
}

/// What is wrong with our answer, the first: unless two peers say the same, or docs/STANDARDS.md explains it.
fn difference(apex: &Name, question: &Question, replies: &[Reply]) -> Option<(String, String)> {
    let (ours, peers) = replies.split_first().expect("we are first");
    let peers: Vec<(Kind, Reply)> = KINDS.into_iter().zip(peers.iter().cloned()).collect();
    let asked = question.packet(0);
    assert_eq!(asked[12..12 + ours.question.len()], ours.question, "{question}: the question as it came");
    // RFC 4035 3; Knot and NSD clear it, as 3.1.6 would rather have it.
    assert_eq!(ours.flags & CD != 0, question.cd, "{question}: CD is copied");
    assert!(!ours.doubled, "{question}: a record stands twice\n{ours}");
    let like = peers.iter().filter(|(_, peer)| same(question, ours, peer)).count();
    if like > 1 || explains(&Case { apex, question, ours, peers: &peers }) {
        return None;
    }
    let told: String = peers.iter().map(|(kind, reply)| format!("  {kind:?}: {reply}")).collect();
    let sort = format!("{like} {} {} {}", ours.rcode, ours.answer.len(), ours.authority.len());
    Some((sort, format!("{question}\n  ours: {ours}{told}")))
}

/// Whether two servers say the same.
fn same(question: &Question, a: &Reply, b: &Reply) -> bool {
    let head = |r: &Reply| (r.rcode, r.flags & !TC & !CD, r.edns);
    if question.edns.is_some_and(|edns| edns.version > 0) {
        return (a.rcode, a.edns) == (b.rcode, b.edns); // BADVERS says nothing about the name
    }
    if matches!(question.qtype, RrType::ANY | RrType::RRSIG) {
        // One RRset is enough (RFC 8482 4.1, 7); which one is the server's choice.
        return head(a) == head(b) && a.answer.is_empty() == b.answer.is_empty();
    }
    head(a) == head(b) && a.answer == b.answer && a.authority == b.authority && a.additional == b.additional
}
