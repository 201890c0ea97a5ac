//! States and events: the whole life of three numbers.

use callbook::log::batch::Batch;
use callbook::log::event::{Event, Role};
use callbook::log::key::Algorithm;
use callbook::log::record::{Record, commitment};
use callbook::log::state::{State, Status};
use callbook::log::{ZERO, sha256};
use proptest::prelude::*;
use serde_json::Value;

use super::{VECTORS, array, bytes, int, list, origin, signing_key, text};

/// Every accepted event of the file: the lives, the variants, the one that is carried over.
fn accepted() -> impl Iterator<Item = (&'static Value, &'static str)> {
    let variants = list(&VECTORS["variants"]).iter().chain([&VECTORS["carried"]]);
    let lives = list(&VECTORS["events"]).iter().map(|case| (case, origin()));
    lives.chain(variants.map(|case| (case, text(&case["origin"]))))
}

#[test]
fn events_of_whole_lives() {
    assert_eq!(accepted().count(), 37);
    for (case, origin) in accepted() {
        let raw = bytes(&case["event"]);
        let event = Event::parse(&raw).unwrap();
        assert_eq!(event.write(), raw);
        assert!(event.signatures_verify(origin));
        assert!(!event.signatures_verify("other.example/map"));
        assert_eq!(event.state.since_epoch, int(&case["epoch"]));
        let after = State::parse(&bytes(&case["after"]["state"])).unwrap();
        assert_eq!(event.state, after);
        let submitted = event.as_submitted();
        assert_eq!(submitted.tbs(origin), event.tbs(origin), "signed with both epochs 0");
        assert_eq!(submitted.hash(), event.hash());
        assert_eq!(sha256(&[&submitted.write()]), event.hash());
        if let Some(tbs) = case.get("tbs") {
            assert_eq!(event.tbs(origin), bytes(tbs));
        }
        if let Some(hash) = case.get("event_hash") {
            assert_eq!(sha256(&[&event.write()]), array(hash), "as it stands in the batch");
        }
        if let Some(signers) = case.get("signers") {
            let roles: Vec<u8> = event.signatures.iter().map(|signature| signature.role as u8).collect();
            let expected: Vec<u8> = text(signers).split(' ').map(|signer| signer.as_bytes()[0] - b'0').collect();
            assert_eq!(roles, expected);
            assert!(resigned(&event, origin, text(signers)).signatures_verify(origin));
        }
    }
}

/// The same event signed anew, by the same keys in the reverse order of signing.
fn resigned(event: &Event, origin: &str, signers: &str) -> Event {
    let mut again = Event { signatures: Vec::new(), ..event.clone() };
    for signer in signers.split(' ').rev() {
        let role = Role::from_u8(signer.as_bytes()[0] - b'0').unwrap();
        again.sign(origin, role, &signing_key(&signer[1..]));
    }
    for (old, new) in event.signatures.iter().zip(&again.signatures) {
        assert_eq!((old.role, &old.key), (new.role, &new.key));
        assert!(old.bytes == new.bytes || new.key.algorithm() == Algorithm::Es256, "Ed25519 repeats itself");
    }
    again
}

#[test]
fn states_of_whole_lives() {
    for case in list(&VECTORS["events"]) {
        let raw = bytes(&case["state"]);
        let state = State::parse(&raw).unwrap();
        assert_eq!(state.write()[..], raw);
        assert_eq!(state.hash(), array(&case["S"]));
        let before = case["before"].get("state").map(|state| State::parse(&bytes(state)).unwrap().hash());
        assert_eq!(state.prev, before.unwrap_or(ZERO));
        if state.status == Status::Released {
            assert_eq!(case["keys_txt"], Value::Null);
            continue;
        }
        let record = text(&case["record"]);
        assert_eq!(commitment(&array(&case["opening"]), record.as_bytes()), state.commitment);
        if let Some(strings) = case["keys_txt"].as_array() {
            let record = Record::parse(record.as_bytes()).unwrap();
            let expected: Vec<&str> = strings.iter().map(text).collect();
            assert_eq!(state.keys_txt(&record), expected);
        }
    }
}

#[test]
fn batches() {
    let mut events =
        list(&VECTORS["events"]).iter().map(|case| Event::parse(&bytes(&case["event"])).unwrap()).peekable();
    for case in list(&VECTORS["batches"]) {
        let file = bytes(&case["file"]);
        let batch = Batch::parse(&file).unwrap();
        assert_eq!(batch.write(), file);
        assert_eq!(batch.root(), array(&case["root"]));
        let mut of_epoch = Vec::new();
        while let Some(event) = events.next_if(|event| event.state.since_epoch == int(&case["epoch"])) {
            of_epoch.push(event);
        }
        assert_eq!(Batch::new(of_epoch), Ok(batch));
    }
    assert_eq!(Batch::parse(b"").unwrap().root(), sha256(&[]));
}

#[test]
fn every_flipped_bit_of_an_event_is_refused() {
    let raw = bytes(&VECTORS["events"][6]["event"]);
    assert!(Event::parse(&raw).unwrap().signatures_verify(origin()));
    // Not signed: both epochs, which the sequencer fills in, and the role byte, which the law checks.
    let (epochs, role) = (112..128, raw.len() - (2 + 2 + 33 + 64));
    for bit in (0..raw.len() * 8).filter(|bit| !epochs.contains(&(bit / 8)) && bit / 8 != role) {
        let mut other = raw.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let accepted = Event::parse(&other).is_ok_and(|event| event.signatures_verify(origin()));
        assert!(!accepted, "bit {bit}");
    }
}

proptest! {
    #[test]
    fn events_never_panic(raw in prop::collection::vec(any::<u8>(), 0..700), case in 0usize..31, cut in any::<prop::sample::Index>(), put in any::<[u8; 3]>()) {
        let _ = (Event::parse(&raw), State::parse(&raw), Batch::parse(&raw));
        let mut event = bytes(&VECTORS["events"][case]["event"]);
        let at = cut.index(event.len() - 3);
        event[at..at + 3].copy_from_slice(&put);
        if let Ok(parsed) = Event::parse(&event) {
            prop_assert_eq!(&parsed.write(), &event, "what is accepted has one spelling");
        }
        let _ = Event::parse(&event[..at]);
    }
}
