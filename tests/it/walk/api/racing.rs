//! Many clients at the same few numbers: one wins each version, nothing is lost, and every loser hears why.

use std::collections::BTreeMap;
use std::sync::{Barrier, Mutex};

use callbook::client::holder::{self, Change, RecordDraft};
use callbook::log::event::{Event, Kind, Role};
use callbook::log::state::Status;
use callbook::number::Number;
use ring::rand::SystemRandom;

use super::kit::{Kit, Made, WAIT};
use crate::walk::child::{Answer, Demo};

const CLIENTS: usize = 64;
/// What each of them tries, and waits for when it is accepted.
const TRIES: usize = 6;
const NUMBERS: [&str; 3] = ["+447700900741", "+447700900742", "+447700900743"];
/// What a client may hear that came too late. Everything else is a mistake of the directory's, or of this test.
const TOO_LATE: [&str; 4] = ["state_stale", "event_pending", "suspended", "not_suspended"];

/// What was accepted for a number: version, and the event that made it.
type Won = Mutex<BTreeMap<Number, Vec<(u64, Event)>>>;

#[test]
fn of_many_changes_at_once_each_version_has_one() {
    let demo = Demo::start();
    let acme = Kit::acme(&demo);
    let numbers: Vec<Made> = NUMBERS.iter().map(|number| acme.registered(number)).collect();
    let (won, begin) = (Won::default(), Barrier::new(CLIENTS));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (acme, numbers, won, begin) = (&acme, &numbers, &won, &begin);
            scope.spawn(move || {
                begin.wait();
                for attempt in 0..TRIES {
                    let made = &numbers[(client + attempt) % numbers.len()];
                    race(acme, made, client * TRIES + attempt, won);
                }
            });
        }
    });
    let won = won.into_inner().expect("no client panicked");
    for made in &numbers {
        let end = acme.state(made.number);
        let mut taken = won[&made.number].clone();
        taken.sort_by_key(|(version, _)| *version);
        // Two who sign the same event in the same second send one change; the later one gets the first receipt.
        taken.dedup_by_key(|(_, event)| event.hash());
        let versions: Vec<u64> = taken.iter().map(|(version, _)| *version).collect();
        // Without gaps and without repetition: no update was lost, and none was taken twice.
        assert_eq!(versions, (2..=end.version).collect::<Vec<_>>(), "{}", made.number);
        assert!(versions.len() > 1, "somebody won more than once");
        // Each follows the one before: the outcome is that of some order of the winners alone.
        for pair in taken.windows(2) {
            assert_eq!(pair[1].1.state.version, pair[0].1.state.version + 1);
            assert_ne!(pair[1].1.prev, pair[0].1.prev);
        }
        let last = &taken.last().expect("a winner").1.state;
        assert_eq!((last.status, last.flags, last.commitment), (end.status, end.flags, end.commitment));
    }
}

/// One change of the present state, whatever others do meanwhile.
fn race(acme: &Kit<'_>, made: &Made, turn: usize, won: &Won) {
    let number = made.number;
    let before = acme.state(number);
    let label = acme.label(number);
    let control = &[(Role::Control, &made.device.control)];
    let (signed, answer) = match (before.status, turn % 3) {
        (Status::Suspended, _) => {
            let signed = acme.signed(Change::resume(label, &before), control);
            let answer = holder_sends(acme, number, &signed);
            (signed, answer)
        }
        (_, 0) => {
            let signed = acme.signed(Change::suspend(label, &before), control);
            let answer = holder_sends(acme, number, &signed);
            (signed, answer)
        }
        _ => {
            let uri = format!("sip:turn-{turn}@acme.example");
            let record = RecordDraft::new(number, "acme").sip(&uri).expect("a URI").build().expect("a record");
            let opening = holder::opening(&SystemRandom::new()).expect("random bytes");
            let mut signed = acme.signed(Change::update(label, &before, &record, opening), control);
            signed.cosign(&acme.directory, &acme.statement);
            let answer = acme.http("PUT", &format!("/v1/numbers/{number}"), &WAIT, &signed.submission(vec![]));
            (signed, answer)
        }
    };
    if answer.status == 202 {
        let version = answer.json["version"].as_u64().expect("a version");
        won.lock().expect("no client panicked").entry(number).or_default().push((version, signed.event));
    } else {
        let code = answer.json["code"].as_str().unwrap_or_default().to_owned();
        assert!(TOO_LATE.contains(&code.as_str()), "{} of {:?}: {}", answer.status, signed.event.kind, answer.json);
        assert_ne!(signed.event.kind, Kind::Create);
    }
}

fn holder_sends(acme: &Kit<'_>, number: Number, signed: &holder::Signed) -> Answer {
    let body = serde_json::to_vec(&signed.holder_act(number)).expect("JSON");
    acme.demo.http("POST", "/v1/holder/events", None, &WAIT, Some(&body))
}
