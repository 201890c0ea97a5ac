//! Many clients at the same few numbers, three providers among them: one wins each version, each number is with one
//! provider at a time, nothing is lost, and every loser hears why. Who gives a number back ends it for everybody.

use std::collections::BTreeMap;
use std::sync::{Barrier, Mutex};

use callbook::api::numbers::{NumberView, Transfer};
use callbook::client::holder::{self, Change, RecordDraft, Signed};
use callbook::log::event::{Event, Kind, Role};
use callbook::log::record::Record;
use callbook::log::state::{State, Status};
use callbook::number::Number;
use ring::rand::SystemRandom;

use super::kit::{Kit, Made, WAIT, now_s};
use crate::walk::child::{Answer, Demo};

const CLIENTS: usize = 64;
/// What each of them tries, and waits for when it is accepted.
const TRIES: usize = 6;
const NUMBERS: [&str; 3] = ["+447700900741", "+447700900742", "+447700900743"];
/// What a client may hear that came too late. Everything else is a mistake of the directory's, or of this test. Whoever
/// has lost a number meanwhile is a stranger to it.
const TOO_LATE: [&str; 5] = ["state_stale", "event_pending", "suspended", "not_suspended", "not_found"];
/// How often a client looks for the provider of a number that moves between two looks.
const LOOKS_MAX: usize = 200;

/// Numbers that some of their racers give back, and the racers of each: the same many clients.
const GIVEN: usize = 16;
const RACERS: usize = CLIENTS / GIVEN;

/// What was accepted for a number: version, and the event that made it.
type Won = Mutex<BTreeMap<Number, Vec<(u64, Event)>>>;

#[test]
fn of_many_changes_at_once_each_version_has_one() {
    let demo = Demo::start();
    let kits = [Kit::acme(&demo), Kit::added(&demo, "bell"), Kit::added(&demo, "core")];
    let numbers: Vec<Made> = NUMBERS.iter().map(|number| kits[0].registered(number)).collect();
    let (won, begin) = (Won::default(), Barrier::new(CLIENTS));
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (kits, numbers, won, begin) = (&kits, &numbers, &won, &begin);
            scope.spawn(move || {
                begin.wait();
                for attempt in 0..TRIES {
                    let made = &numbers[(client + attempt) % numbers.len()];
                    race(kits, made, client * TRIES + attempt, won);
                }
            });
        }
    });
    let won = won.into_inner().expect("no client panicked");
    let mut moved = 0;
    for made in &numbers {
        let (owner, end) = seen(&kits, made.number);
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
        moved += one_provider_at_a_time(&kits, made.number, &taken, owner);
    }
    assert!(moved > 0, "nobody ever took a number over");
}

/// In that order each change is by whoever the number was with then, and at the end it is with the last of them alone.
fn one_provider_at_a_time(kits: &[Kit<'_>], number: Number, taken: &[(u64, Event)], owner: usize) -> usize {
    let (mut sponsor, mut moved) = ("acme", 0);
    for (_, event) in taken {
        if event.kind == Kind::Transfer {
            assert_ne!(event.provider, sponsor, "taken over from itself");
            (sponsor, moved) = (&event.provider, moved + 1);
        }
        assert!(event.provider.is_empty() || event.provider == sponsor, "{:?} by another", event.kind);
    }
    assert_eq!(kits[owner].provider, sponsor);
    for kit in kits.iter().filter(|kit| kit.provider != sponsor) {
        let answer = kit.demo.http("GET", &format!("/v1/numbers/{number}"), Some(&kit.token), &[], None);
        answer.expect_problem(404, "not_found");
    }
    moved
}

/// Whose the number is, and its State. It may move between two looks.
fn seen(kits: &[Kit<'_>], number: Number) -> (usize, State) {
    for at in (0..kits.len()).cycle().take(LOOKS_MAX) {
        let kit = &kits[at];
        let answer = kit.demo.http("GET", &format!("/v1/numbers/{number}"), Some(&kit.token), &[], None);
        if answer.status == 200 {
            let view: NumberView = serde_json::from_value(answer.json).expect("a number");
            return (at, State::parse(&view.state.expect("a state").0).expect("a well-formed state"));
        }
        answer.expect_problem(404, "not_found");
    }
    panic!("{number} is with nobody");
}

/// One change of the present state, whatever others do meanwhile.
fn race(kits: &[Kit<'_>], made: &Made, turn: usize, won: &Won) {
    let number = made.number;
    let (owner, before) = seen(kits, number);
    let kit = &kits[owner];
    let label = kit.label(number);
    let control = &[(Role::Control, &made.device.control)];
    let (signed, answer) = match (before.status, turn % 6) {
        (Status::Suspended, _) => {
            let signed = kit.signed(Change::resume(label, &before), control);
            let answer = holder_sends(kit, number, &signed);
            (signed, answer)
        }
        (_, 0) => {
            let signed = kit.signed(Change::suspend(label, &before), control);
            let answer = holder_sends(kit, number, &signed);
            (signed, answer)
        }
        (_, 1..=2) => {
            let record = record(kit, number, turn);
            let opening = holder::opening(&SystemRandom::new()).expect("random bytes");
            let mut signed = kit.signed(Change::update(label, &before, &record, opening), control);
            signed.cosign(&kit.directory, &kit.statement);
            let answer = kit.http("PUT", &format!("/v1/numbers/{number}"), &WAIT, &signed.submission(vec![]));
            (signed, answer)
        }
        (_, other) => take_over(&kits[(owner + 1 + other % 2) % kits.len()], made, &before, turn),
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

/// Door 1 by another provider, with the holder's key.
fn take_over(gaining: &Kit<'_>, made: &Made, before: &State, turn: usize) -> (Signed, Answer) {
    let (signed, body) = moved(gaining, made, before, turn);
    let answer = gaining.http("POST", &format!("/v1/numbers/{}/transfer", made.number), &WAIT, &body);
    (signed, answer)
}

/// The same before it is sent.
fn moved(gaining: &Kit<'_>, made: &Made, before: &State, turn: usize) -> (Signed, Transfer) {
    let number = made.number;
    let prepared = gaining.prepare(number);
    let tokens = vec![gaining.validated(number, before.control, &prepared.nonce)];
    let opening = holder::opening(&SystemRandom::new()).expect("random bytes");
    let label = gaining.directory.label(number, &prepared.vrf_proof.0).expect("a proof");
    let change = Change::transfer(label, before, &record(gaining, number, turn), opening);
    let change = change.evidence(&tokens).expect("short");
    let mut signed = gaining.signed(change, &[(Role::Control, &made.device.control)]);
    signed.cosign(&gaining.directory, &gaining.statement);
    let body = signed.transfer(tokens);
    (signed, body)
}

fn record(kit: &Kit<'_>, number: Number, turn: usize) -> Record {
    let uri = format!("sip:turn-{turn}@{}.example", kit.provider);
    RecordDraft::new(number, &kit.provider).sip(&uri).expect("a URI").build().expect("a record")
}

fn holder_sends(kit: &Kit<'_>, number: Number, signed: &Signed) -> Answer {
    let body = serde_json::to_vec(&signed.holder_act(number)).expect("JSON");
    kit.demo.http("POST", "/v1/holder/events", None, &WAIT, Some(&body))
}

/// A request that waits for its signal, and the event in it.
struct Aimed<'a> {
    event: Event,
    send: Box<dyn Fn() -> Answer + Send + Sync + 'a>,
}

#[test]
fn of_a_release_an_update_and_transfers_at_once_one_happens() {
    let demo = Demo::start();
    let kits = [Kit::acme(&demo), Kit::added(&demo, "bell"), Kit::added(&demo, "core")];
    let numbers: Vec<Made> = (0..GIVEN).map(|i| kits[0].registered(&format!("+4477009008{i:02}"))).collect();
    // Everything is signed for the same State before anybody sends.
    let aimed: Vec<Vec<Aimed<'_>>> =
        (0..).zip(&numbers).map(|(i, made)| (0..RACERS).map(|racer| aim(&kits, made, i, racer)).collect()).collect();
    let begin = Barrier::new(CLIENTS);
    let answers: Vec<Vec<Answer>> = std::thread::scope(|scope| {
        let shoot = |one| {
            let begin = &begin;
            scope.spawn(move || {
                let one: &Aimed<'_> = one;
                begin.wait();
                (one.send)()
            })
        };
        let racers: Vec<Vec<_>> = aimed.iter().map(|of_one| of_one.iter().map(shoot).collect()).collect();
        let ended = |of_one: Vec<std::thread::ScopedJoinHandle<'_, Answer>>| {
            of_one.into_iter().map(|racer| racer.join().expect("no client panics")).collect()
        };
        racers.into_iter().map(ended).collect()
    });
    let mut won = BTreeMap::new();
    for ((made, aimed), answers) in numbers.iter().zip(&aimed).zip(&answers) {
        let winners: Vec<&Event> =
            aimed.iter().zip(answers).filter(|(_, answer)| answer.status == 202).map(|(one, _)| &one.event).collect();
        let [winner] = winners[..] else { panic!("{}: {} won", made.number, winners.len()) };
        for answer in answers.iter().filter(|answer| answer.status != 202) {
            let code = answer.json["code"].as_str().unwrap_or_default();
            assert!(TOO_LATE.contains(&code) || code == "released", "{}: {}", answer.status, answer.json);
        }
        is_as_its_winner_wants(&kits, made.number, winner);
        *won.entry(winner.kind as u8).or_insert(0) += 1;
    }
    assert!(won.len() > 1 && won.contains_key(&(Kind::Release as u8)), "the same kind won everywhere: {won:?}");
}

/// The racers' changes of a fresh registration: every other one gives it back, the rest change it or take it over.
fn aim<'a>(kits: &'a [Kit<'a>; 3], made: &Made, i: usize, racer: usize) -> Aimed<'a> {
    let (number, acme, gaining) = (made.number, &kits[0], &kits[1 + i % 2]);
    let (before, control) = (acme.state(number), [(Role::Control, &made.device.control)]);
    let opening = holder::opening(&SystemRandom::new()).expect("random bytes");
    let path = format!("/v1/numbers/{number}");
    if racer.is_multiple_of(2) {
        // Each its own: who sends what was accepted already gets the same receipt again.
        let change = Change::release(acme.label(number), &before).valid_until(now_s() + 3600 + racer as u64);
        let signed = change.sign(&acme.directory, &control).expect("complete");
        let event = signed.event.clone();
        return Aimed { event, send: Box::new(move || holder_sends(acme, number, &signed)) };
    }
    if racer % 4 == 1 {
        let change = Change::update(acme.label(number), &before, &record(acme, number, racer), opening);
        let mut signed = acme.signed(change, &control);
        signed.cosign(&acme.directory, &acme.statement);
        let (event, body) = (signed.event.clone(), signed.submission(vec![]));
        return Aimed { event, send: Box::new(move || acme.http("PUT", &path, &WAIT, &body)) };
    }
    let (signed, body) = moved(gaining, made, &before, racer);
    let path = format!("{path}/transfer");
    Aimed { event: signed.event, send: Box::new(move || gaining.http("POST", &path, &WAIT, &body)) }
}

/// One version on, with whom and as the winning event says, for providers and in DNS.
fn is_as_its_winner_wants(kits: &[Kit<'_>; 3], number: Number, winner: &Event) {
    let (found, exit) = kits[0].demo.lookup(&number.to_string());
    if winner.kind == Kind::Release {
        assert_eq!((found["found"].as_bool(), exit), (Some(false), 1), "{number} was given back: {found}");
        let told = kits[0].prepare(number);
        let state = State::parse(&told.state.expect("its last provider is told").0).expect("a State");
        return assert_eq!((state.status, state.version), (Status::Released, 2), "{number}");
    }
    let (owner, state) = seen(kits, number);
    let provider = if winner.kind == Kind::Transfer { winner.provider.as_str() } else { "acme" };
    assert_eq!((kits[owner].provider.as_str(), state.version), (provider, 2), "{number}");
    assert_eq!(state.commitment, winner.state.commitment, "{number}");
    assert_eq!(exit, 0, "{number} is published: {found}");
    assert!(found.to_string().contains(&format!("@{provider}.example")), "{found}");
}
