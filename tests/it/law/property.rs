//! No sequence of commands, right or wrong, by whomever, breaks an invariant of the directory.

use callbook::log::event::{Event, Kind};
use callbook::log::record::commitment;
use callbook::log::state::Status;
use callbook::number::Number;
use callbook::registry::decide::Facts;
use callbook::registry::examine::{Entrance, Submission};
use callbook::registry::rules::Entry;
use proptest::prelude::*;

use super::directory::*;

const PROVIDERS: [&str; 3] = ["acme", "bell", "gone"];
const LINES: [&str; 2] = ["+447700900123", "+99912345678"];
/// Whose keys.
const PHONES: [u8; 2] = [10, 40];

#[derive(Clone, Copy, Debug)]
enum Act {
    Create,
    Update,
    Renew,
    Notice,
    ProviderRelease,
    Suspend,
    Resume,
    HolderRelease,
    Veto,
}

/// What is done to a right submission before it is sent.
#[derive(Clone, Copy, Debug)]
enum Twist {
    None,
    FlipEvent(usize),
    FlipRecord(usize),
    OtherEntrance,
    NoToken,
    Again,
}

#[derive(Clone, Debug)]
struct Step {
    act: Act,
    twist: Twist,
    provider: usize,
    line: usize,
    phone: usize,
    wait_d: u64,
    seal: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let act = prop_oneof![
        4 => Just(Act::Create),
        2 => Just(Act::Update),
        2 => Just(Act::Renew),
        1 => Just(Act::Notice),
        1 => Just(Act::ProviderRelease),
        1 => Just(Act::Suspend),
        1 => Just(Act::Resume),
        1 => Just(Act::HolderRelease),
        1 => Just(Act::Veto),
    ];
    let twist = prop_oneof![
        8 => Just(Twist::None),
        1 => any::<usize>().prop_map(Twist::FlipEvent),
        1 => any::<usize>().prop_map(Twist::FlipRecord),
        1 => Just(Twist::OtherEntrance),
        1 => Just(Twist::NoToken),
        1 => Just(Twist::Again),
    ];
    let wait_d = prop_oneof![6 => Just(0u64), 3 => 1u64..20, 2 => 20u64..130, 1 => 300u64..420];
    // The first of each is the usual one, so that lives get somewhere.
    let provider = prop_oneof![6 => Just(0usize), 2 => Just(1), 1 => Just(2)];
    let (line, phone) = (prop_oneof![3 => Just(0usize), 1 => Just(1)], prop_oneof![4 => Just(0usize), 1 => Just(1)]);
    (act, twist, provider, line, phone, wait_d, proptest::bool::weighted(0.8)).prop_map(
        |(act, twist, provider, line, phone, wait_d, seal)| Step { act, twist, provider, line, phone, wait_d, seal },
    )
}

fn submission(directory: &mut Directory, step: &Step) -> Submission {
    let (provider, line, phone) = (PROVIDERS[step.provider], number(LINES[step.line]), Phone::new(PHONES[step.phone]));
    let mut submission = match step.act {
        Act::Create => create(directory, provider, line, &phone),
        Act::Update => update(directory, provider, line, &phone, "bob"),
        Act::Renew => renew(directory, provider, line, &phone, 365),
        Act::Notice => notice(directory, provider, line),
        Act::ProviderRelease => provider_release(directory, provider, line),
        Act::Suspend => holder(directory, line, &phone, Kind::Suspend),
        Act::Resume => holder(directory, line, &phone, Kind::Resume),
        Act::HolderRelease => holder(directory, line, &phone, Kind::Release),
        Act::Veto => holder(directory, line, &phone, Kind::Veto),
    };
    match step.twist {
        Twist::FlipEvent(at) => {
            let length = submission.event.len();
            submission.event[at % length] ^= 1 << (at % 8);
        }
        Twist::FlipRecord(at) => {
            if let Some(record) = &mut submission.record {
                let length = record.len();
                record[at % length] ^= 1;
            }
        }
        Twist::OtherEntrance => {
            submission.entrance = match submission.entrance {
                Entrance::Holder => Entrance::Provider(provider.into()),
                Entrance::Provider(_) => Entrance::Operator,
                Entrance::Operator => Entrance::Holder,
            }
        }
        Twist::NoToken => submission.validation.clear(),
        Twist::None | Twist::Again => {}
    }
    submission
}

/// Whether the submitter is the provider or the holder of the registration, or waits to become it.
fn is_party(directory: &Directory, submission: &Submission, event: &Event) -> bool {
    let Some(row) = directory.rows.get(&submission.number) else { return false };
    let signer = event.signatures.first().map(|signature| signature.key.thumbprint());
    let states = row.entry.iter().map(|entry| (&entry.provider, entry.state.control));
    let waiting = row.waiting.iter().map(|decision| (&decision.provider, decision.event.state.control));
    states.chain(waiting).any(|(provider, control)| match &submission.entrance {
        Entrance::Provider(id) => id == provider,
        Entrance::Holder => signer == Some(control),
        Entrance::Operator => true,
    })
}

fn snapshot(directory: &Directory) -> Vec<(Number, Option<Entry>, bool, usize)> {
    let row =
        |(number, row): (&Number, &Row)| (*number, row.entry.clone(), row.waiting.is_some(), row.key_hashes.len());
    directory.rows.iter().map(row).collect()
}

/// Strangers are told the same as if nothing were stored at all.
fn tells_strangers_nothing(directory: &Directory, submission: &Submission) -> Result<(), TestCaseError> {
    let Ok(examined) = directory.examine(submission) else { return Ok(()) };
    if examined.event.kind == Kind::Create || is_party(directory, submission, &examined.event) {
        return Ok(());
    }
    let told = directory.decide(&directory.facts(&examined), &examined).map(|_| ());
    prop_assert_eq!(&told, &directory.decide(&Facts::default(), &examined).map(|_| ()));
    prop_assert_eq!(told.unwrap_err().code, "not_found");
    Ok(())
}

fn holds(directory: &Directory, before: &[(Number, Option<Entry>, bool, usize)]) -> Result<(), TestCaseError> {
    for (number, row) in &directory.rows {
        let Some(entry) = &row.entry else { continue };
        let (state, old) =
            (&entry.state, before.iter().find(|(n, ..)| n == number).and_then(|(_, old, ..)| old.as_ref()));
        prop_assert!(state.check().is_ok());
        match old {
            Some(old) if old == entry => {}
            Some(old) => {
                prop_assert_eq!(state.version, old.state.version + 1);
                prop_assert_eq!(state.prev, old.state.hash());
                // One owner at a time: another provider or control key only over a released number here.
                let freed = old.state.status == Status::Released || state.status == Status::Released;
                prop_assert!(freed || entry.provider == old.provider && state.control == old.state.control);
            }
            None => prop_assert_eq!(state.version, 1),
        }
        let live = state.status == Status::Active && directory.now_s() < state.not_after;
        prop_assert_eq!(directory.shows(*number), live);
        prop_assert_eq!(row.record.is_some(), state.status != Status::Released);
        if let Some((record, bytes, opening)) = &row.record {
            prop_assert_eq!(commitment(opening, bytes), state.commitment);
            prop_assert_eq!((&record.number, &record.provider), (number, &entry.provider));
        }
        let shared = directory.rows.iter().filter(|(other, _)| *other != number).any(|(_, other)| {
            let control = other.entry.as_ref().map(|entry| entry.state.control);
            control != Some(state.control) && row.key_hashes.iter().any(|hash| other.key_hashes.contains(hash))
        });
        prop_assert!(!shared, "a key is published by two holders");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_commands_breaks_the_law(steps in proptest::collection::vec(step(), 1..40)) {
        let mut directory = Directory::new();
        for step in steps {
            if step.wait_d > 0 {
                directory.seal(); // epochs do not stand still for days
            }
            directory.now_ms += step.wait_d * DAY_MS;
            let submission = submission(&mut directory, &step);
            tells_strangers_nothing(&directory, &submission)?;
            let before = snapshot(&directory);
            let accepted = directory.submit(&submission).is_ok();
            if !accepted {
                prop_assert_eq!(&snapshot(&directory), &before);
            }
            let spoilt = match step.twist {
                Twist::FlipEvent(_) | Twist::OtherEntrance => true,
                Twist::FlipRecord(_) => submission.record.is_some(),
                Twist::NoToken => matches!(step.act, Act::Create | Act::Renew),
                Twist::None | Twist::Again => false,
            };
            prop_assert!(!(accepted && spoilt), "{:?}", step.twist);
            if matches!(step.twist, Twist::Again) {
                prop_assert!(directory.submit(&submission).is_err(), "accepted twice");
            }
            if step.seal {
                directory.seal();
            }
            holds(&directory, &before)?;
        }
    }
}
