//! Hostile servers: whatever is changed on the way, a changed answer is never called secure.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use callbook::client::{Anchor, Directory, Endpoint, Lookup, LookupError, PublishedKey, Trust};

use crate::lookup::packet::{self, DNSKEY, DS, NAPTR, NSEC, Packet, RRSIG, Record, asked_name, asked_type};
use crate::lookup::proxy::{Proxy, ask_udp};
use crate::lookup::world::{Children, World, look_up, now_s};

const NUMBER: &str = "+9995550101";
const NAME: &str = "1.0.1.0.5.5.5.9.9.9.e164.example.";
const TLSA: u16 = 52;
/// Octets in which a bit is flipped in one answer: more than any answer here has.
const FLIPS_MAX: usize = 700;

type Data = (Vec<Endpoint>, Vec<PublishedKey>);

fn data(lookup: &Lookup) -> Data {
    (lookup.endpoints.clone(), lookup.keys.clone())
}

/// What a look-up through a proxy that rewrites answers to questions of `rr_type` comes to.
fn through(
    world: &World,
    number: &str,
    rr_type: u16,
    change: impl Fn(&[u8], Packet) -> Packet + Send + Sync + 'static,
) -> Result<Lookup, LookupError> {
    let proxy = Proxy::start(
        world.address,
        Arc::new(move |question: &[u8], answer: Vec<u8>| match asked_type(question) == rr_type {
            true => Some(change(question, Packet::read(&answer)).write()),
            false => Some(answer),
        }),
    );
    look_up(&world.directory_at(proxy.address).with_limits(500, 10_000), number, now_s())
}

fn assert_bogus(what: &str, outcome: Result<Lookup, LookupError>) {
    let lookup = outcome.unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(matches!(lookup.status, Trust::Bogus(_)), "{what}: {}", lookup.status);
    assert!(!lookup.found && lookup.endpoints.is_empty() && lookup.keys.is_empty(), "{what}");
}

/// The honest answer to a question of one's own.
fn honest(server: SocketAddr, name: &str, rr_type: u16) -> Packet {
    Packet::read(&ask_udp(server, &packet::question(name, rr_type)).expect("NSD answers"))
}

/// Flips one bit in every `stride`th octet of one answer in turn: of the answer section, or if it is empty of all of it.
/// Nothing but the honest data may come out as secure. Returns how many look-ups were bogus and how many unharmed.
pub(crate) fn flip_through(
    server: SocketAddr,
    directory_at: impl Fn(SocketAddr) -> Directory,
    number: &str,
    name: &str,
    rr_type: u16,
    stride: usize,
) -> (usize, usize) {
    // The limits are short for what follows: a busy machine may need more than one try.
    let honest = (0..5).find_map(|_| look_up(&directory_at(server), number, now_s()).ok());
    let honest_data = data(&honest.expect("the server answers"));
    let (flip, length) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let proxy = Proxy::start(server, {
        let (flip, length, name) = (Arc::clone(&flip), Arc::clone(&length), packet::wire(name));
        Arc::new(move |question: &[u8], mut answer: Vec<u8>| {
            if asked_type(question) == rr_type && asked_name(question) == name {
                let (start, end) = (packet::question_end(&answer), packet::answer_end(&answer));
                let end = if end == start { answer.len() } else { end };
                length.store(end - start, Ordering::SeqCst);
                let at = flip.load(Ordering::SeqCst);
                if let Some(octet) = answer.get_mut(..end).and_then(|answer| answer.get_mut(start + at)) {
                    *octet ^= 1 << (at % 8);
                }
            }
            Some(answer)
        })
    });
    let directory = directory_at(proxy.address);
    let (mut bogus, mut unharmed) = (0, 0);
    for at in (0..FLIPS_MAX).step_by(stride) {
        flip.store(at, Ordering::SeqCst);
        match look_up(&directory, number, now_s()) {
            Err(_) => {}
            Ok(Lookup { status: Trust::Bogus(_), .. }) => bogus += 1,
            Ok(lookup) => {
                assert_eq!(lookup.status, Trust::Secure, "octet {at} of type {rr_type}");
                assert_eq!(data(&lookup), honest_data, "octet {at} of type {rr_type}");
                unharmed += 1; // a TTL, the case of a letter: nothing that is handed on
            }
        }
        // Unknown as long as no question has come through: on a busy machine the first look-ups may be given up before.
        let length = length.load(Ordering::SeqCst);
        if length > 0 && at + stride >= length {
            return (bogus, unharmed);
        }
    }
    panic!("the answer is longer than {FLIPS_MAX} octets");
}

#[test]
fn no_flipped_bit_goes_unnoticed() {
    let Some(world) = World::start(Children::Same) else { return };
    let at = |server| world.directory_at(server).with_limits(500, 10_000);
    let id = "_id.1.0.1.0.5.5.5.9.9.9.e164.example.";
    for (name, rr_type, stride) in [(NAME, NAPTR, 1), (id, TLSA, 3), ("e164.example.", DNSKEY, 5)] {
        let (bogus, unharmed) = flip_through(world.address, at, NUMBER, name, rr_type, stride);
        assert!(bogus > 4 * unharmed, "type {rr_type}: {bogus} bogus, {unharmed} unharmed");
    }
    let absent = "9.0.1.0.5.5.5.9.9.9.e164.example.";
    let (bogus, _) = flip_through(world.address, at, "+9995550109", absent, NAPTR, 4);
    assert!(bogus > 30, "{bogus} bogus: the proof of absence is two signed records");
}

#[test]
fn taken_away() {
    let Some(world) = World::start(Children::Same) else { return };
    for rr_type in [NAPTR, TLSA, 16, DNSKEY] {
        let outcome = through(&world, NUMBER, rr_type, |_, packet| packet.without(RRSIG));
        assert_bogus("signatures", outcome);
        let nothing = |_: &[u8], mut packet: Packet| {
            packet.answer.clear();
            packet.authority.clear();
            packet
        };
        assert_bogus("everything", through(&world, NUMBER, rr_type, nothing));
    }
    assert_bogus("proof of absence", through(&world, "+9995550109", NAPTR, |_, packet| packet.without(NSEC)));
    let unproved = through(&world, "+777123456", NAPTR, |_, packet| packet.without(NSEC));
    assert_bogus("proof that the wildcard may answer", unproved);
    let one_less = through(&world, NUMBER, NAPTR, |_, mut packet| {
        packet.answer.remove(0);
        packet
    });
    assert_bogus("one of two endpoints", one_less);
}

#[test]
fn put_in() {
    let Some(world) = World::start(Children::Same) else { return };
    let added = through(&world, NUMBER, NAPTR, |_, mut packet| {
        let mut evil = packet.answer.iter().find(|record| record.rr_type == NAPTR).unwrap().clone();
        evil.rdata[1] = 1; // a better order
        packet.answer.push(evil);
        packet
    });
    assert_bogus("an endpoint", added);
    let other = world.address;
    let borrowed = through(&world, "+9995550109", NAPTR, move |question, packet| {
        let mut replay = honest(other, NAME, NAPTR).answering(question);
        replay.answer.iter_mut().for_each(|record| record.owner = asked_name(question).to_vec());
        replay.authority = packet.authority;
        replay
    });
    assert_bogus("another number's endpoint under this name", borrowed);
    let replayed =
        through(&world, "+9995550109", NAPTR, move |question, _| honest(other, NAME, NAPTR).answering(question));
    assert_bogus("another number's answer", replayed);
    let alias = through(&world, "+9995550109", NAPTR, |question, mut packet| {
        let rdata = packet::wire(NAME);
        packet.answer.push(Record { owner: asked_name(question).to_vec(), rr_type: 5, ttl: 9, rdata });
        packet
    });
    assert!(matches!(alias, Err(LookupError::Alias { .. })));
    let shuffled = through(&world, NUMBER, NAPTR, |_, mut packet| {
        packet.answer.reverse();
        packet.answer.push(packet.answer[0].clone());
        packet
    });
    let shuffled = shuffled.unwrap();
    assert_eq!((shuffled.status, shuffled.endpoints.len()), (Trust::Secure, 2), "order and repetition mean nothing");
}

#[test]
fn false_absence() {
    let Some(world) = World::start(Children::Same) else { return };
    let server = world.address;
    // Good signed proofs, each about another name.
    for (about, rr_type) in
        [("e164.example.", NSEC), ("2.0.1.0.5.5.5.9.9.9.e164.example.", NSEC), ("1.e164.example.", DS)]
    {
        let packet = honest(server, about, rr_type);
        let proof = [packet.answer, packet.authority].concat();
        assert!(proof.iter().any(|record| record.rr_type == NSEC), "{about}");
        let outcome = through(&world, NUMBER, NAPTR, move |_, mut packet| {
            packet.answer.clear();
            packet.authority = proof.clone();
            packet
        });
        assert_bogus(about, outcome);
    }
    // The right one, with the bit of the type cleared, or under another name.
    let own = honest(server, NAME, NSEC).answer;
    let outcome = through(&world, NUMBER, NAPTR, move |_, mut packet| {
        packet.answer.clear();
        packet.authority = own.clone();
        let nsec = packet.authority.iter_mut().find(|record| record.rr_type == NSEC).unwrap();
        let byte = nsec.rdata.len() - 2; // the bitmap ends in the octets of NAPTR (35) and of RRSIG and NSEC (46, 47)
        nsec.rdata[byte] &= !0x10;
        packet
    });
    assert_bogus("a cleared bit", outcome);
    let renamed = through(&world, NUMBER, NAPTR, move |question, mut packet| {
        packet.answer.clear();
        packet.authority = honest(server, "5.0.1.0.5.5.5.9.9.9.e164.example.", NSEC).answer;
        packet.authority.iter_mut().for_each(|record| record.owner = asked_name(question).to_vec());
        packet
    });
    assert_bogus("a renamed proof", renamed);
}

#[test]
fn a_secure_delegation_cannot_be_made_insecure() {
    let Some(world) = World::start(Children::Same) else { return };
    let server = world.address;
    let child = "+440123456";
    assert_eq!(look_up(&world.directory(), child, now_s()).unwrap().status, Trust::Secure);
    assert_bogus("the DS", through(&world, child, DS, |_, packet| packet.without(DS).without(RRSIG)));
    let insecure = honest(server, "1.e164.example.", DS).authority;
    assert!(insecure.iter().any(|record| record.rr_type == NSEC));
    let outcome = through(&world, child, DS, move |_, mut packet| {
        packet.answer.clear();
        packet.authority = insecure.clone();
        packet
    });
    assert_bogus("the proof of another delegation", outcome);
    let proxy = Proxy::start(
        server,
        Arc::new(|question: &[u8], answer: Vec<u8>| match asked_type(question) {
            DNSKEY => Some(answer),
            _ => Some(Packet::read(&answer).without(RRSIG).without(DS).write()),
        }),
    );
    assert_bogus("all signatures", look_up(&world.directory_at(proxy.address), child, now_s()));
}

#[test]
fn another_zones_keys_do_not_fit() {
    let (Some(world), Some(other)) = (World::start(Children::Same), World::start(Children::Same)) else { return };
    let wrong = Directory::at(other.address, Anchor::parse(&world.anchor_text()).unwrap());
    assert_bogus("the whole zone signed by somebody else", look_up(&wrong, NUMBER, now_s()));
    let server = other.address;
    let mixed = through(&world, NUMBER, DNSKEY, move |_, mut packet| {
        packet.answer.extend(honest(server, "e164.example.", DNSKEY).answer);
        packet
    });
    assert_bogus("somebody else's keys beside ours", mixed);
    let foreign = through(&world, NUMBER, NAPTR, move |question, _| honest(server, NAME, NAPTR).answering(question));
    assert_bogus("an answer signed by somebody else", foreign);
}

#[test]
fn an_answer_to_another_question_is_no_answer() {
    let Some(world) = World::start(Children::Same) else { return };
    let proxy = Proxy::start(
        world.address,
        Arc::new(|question: &[u8], mut answer: Vec<u8>| {
            if asked_type(question) == NAPTR {
                answer[1] ^= 1; // the id
            }
            Some(answer)
        }),
    );
    let outcome = look_up(&world.directory_at(proxy.address).with_limits(50, 1_000), NUMBER, now_s());
    assert!(matches!(outcome, Err(LookupError::Silent { .. })));
}
