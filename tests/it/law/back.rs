//! Door 1 undoes doors 2 and 3: the key from which a change took a number takes it back, while its line is still its holder's.

use callbook::log::ZERO;
use callbook::log::event::{Door, Kind, Role};
use callbook::log::state::Flags;
use callbook::number::Number;
use callbook::registry::code::TransferCode;
use callbook::registry::rules;

use super::directory::*;

const LINE: &str = "+447700900123";
const RULING: [u8; 32] = [77; 32];

/// A number of one holder, taken by another through another provider, by that door.
fn taken(door: Door) -> (Directory, Phone, Phone, Number) {
    let (mut directory, old, new, line) = (Directory::new(), Phone::new(10), Phone::new(40), number(LINE));
    directory.register = register(["core"]);
    let create = create(&mut directory, "acme", line, &old);
    directory.accept(&create);
    take(&mut directory, door, line, &new, "bell");
    (directory, old, new, line)
}

/// Asks and completes.
fn take(directory: &mut Directory, door: Door, line: Number, phone: &Phone, provider: &str) {
    if door == Door::Code {
        let code = TransferCode::from_text("cbt_given-by-the-present-provider");
        directory.rows.get_mut(&line).unwrap().code = code.map(|code| (code, u64::MAX));
    }
    let asked = request(directory, provider, line, phone, door, None);
    directory.accept(&asked);
    directory.now_ms += 7 * DAY_MS;
    let done = complete(directory, provider, line, phone, door);
    directory.accept(&done);
    assert!(has(directory, line, phone));
}

fn has(directory: &Directory, line: Number, phone: &Phone) -> bool {
    directory.entry(line).unwrap().state.control == phone.control.public().thumbprint()
}

/// What comes of taking it back through that provider.
fn tried(directory: &mut Directory, provider: &str, line: Number, phone: &Phone) -> Vec<&'static str> {
    let back = take_back(directory, provider, line, phone);
    directory.codes(&back)
}

#[test]
fn the_key_before_takes_the_number_back_at_once() {
    for door in [Door::Code, Door::Validation] {
        for provider in ["acme", "bell", "core"] {
            let (mut directory, old, new, line) = taken(door);
            // Whatever the new key has done to it since.
            directory.accept(&holder(&directory, line, &new, Kind::Suspend));
            directory.now_ms += 29 * DAY_MS;
            let back = take_back(&mut directory, provider, line, &old);
            directory.submit(&back).unwrap();
            let decided = directory.rows[&line].waiting.clone().unwrap();
            assert_eq!(decided.leaves.as_deref(), Some("bell").filter(|_| provider != "bell"));
            directory.seal();
            let entry = directory.entry(line).unwrap();
            assert_eq!((entry.provider.as_str(), entry.state.flags), (provider, Flags::SUSP_HOLDER));
            assert!(has(&directory, line, &old) && entry.taken.is_none());
            directory.accept(&holder(&directory, line, &old, Kind::Resume));
            assert!(directory.shows(line));
            assert_eq!(directory.codes(&holder(&directory, line, &new, Kind::Suspend)), ["not_found"]);
        }
    }
}

#[test]
fn what_waits_against_him_goes_with_it_and_he_is_not_undone() {
    let (mut directory, old, new, line) = taken(Door::Code);
    let lock = Draft::new(&directory, line, Kind::Update, None).state(|state| state.flags = Flags::LOCK);
    directory.accept(&lock.sign(&[(Role::Control, &new.control)]).done());
    let recovery = request(&mut directory, "bell", line, &Phone::new(50), Door::Main, None);
    directory.accept(&recovery);
    let back = take_back(&mut directory, "acme", line, &old);
    directory.accept(&back);
    let entry = directory.entry(line).unwrap();
    assert_eq!((entry.state.pending, entry.request.as_ref(), entry.state.flags), (ZERO, None, Flags::NONE));
    // The key that is gone takes nothing back in its turn, and waits like everybody.
    assert_eq!(tried(&mut directory, "bell", line, &new), ["not_found"]);
    let claim = request(&mut directory, "bell", line, &new, Door::Validation, None);
    assert_eq!(directory.codes(&claim), ["claim_pause"]);
    directory.now_ms += 30 * DAY_MS;
    let claim = request(&mut directory, "bell", line, &new, Door::Validation, None);
    directory.accept(&claim);
}

/// The ex-owner of a number that somebody else has by now keeps his old telephone, and an old bill; the line is not his.
#[test]
fn an_ex_owner_cannot_block_a_recycled_number() {
    let (mut directory, old, new, line) = taken(Door::Validation);
    let before = directory.now_s() - directory.entry(line).unwrap().time_ms / 1000;
    assert!(before < 60, "the change was just now");
    // A message that reached him while the line was still his, and the bill.
    let stale = [("sms", 3600), ("document", 3600 + 86_400)];
    let stale = take_back_with(&mut directory, "acme", line, &old, stale);
    let codes = directory.codes(&stale);
    assert!(codes.contains(&"token_nonce"), "the newest token carries a fresh nonce: {codes:?}");
    // One method is not enough, nor are two of one class.
    for methods in [[("document", 0), ("operator-db", 86_400)], [("sms", 0), ("voice", 86_400)]] {
        let alone = take_back_with(&mut directory, "acme", line, &old, methods);
        assert_eq!(directory.codes(&alone), ["two_methods"]);
    }
    // The bill is new, the message is from before the change.
    directory.now_ms += DAY_MS;
    let early = take_back_with(&mut directory, "acme", line, &old, [("document", 0), ("sms", 86_400 + 60)]);
    assert_eq!(directory.codes(&early), ["undo_line"]);
    let exact = directory.now_s() - directory.entry(line).unwrap().time_ms / 1000;
    let exact = take_back_with(&mut directory, "acme", line, &old, [("document", 0), ("sms", exact)]);
    directory.submit(&exact).unwrap();
    assert!(has(&directory, line, &new));
}

#[test]
fn it_is_possible_for_as_long_as_nobody_else_may_ask() {
    let (mut directory, old, _new, line) = taken(Door::Code);
    let taken_ms = directory.entry(line).unwrap().time_ms;
    directory.now_ms = taken_ms + 30 * DAY_MS;
    let over = take_back(&mut directory, "acme", line, &old);
    assert_eq!(directory.codes(&over), ["undo_over"]);
    directory.now_ms -= 1;
    let back = take_back(&mut directory, "acme", line, &old);
    directory.submit(&back).unwrap();
    // Accepted in time it is lawful for a day, as every event.
    directory.now_ms += 3_000_000;
    directory.seal();
    assert!(has(&directory, line, &old));
}

#[test]
fn only_a_silent_change_is_undone_and_only_by_its_key() {
    // A stranger's key, the present key, a number that nobody took.
    let (mut directory, old, new, line) = taken(Door::Validation);
    assert_eq!(tried(&mut directory, "core", line, &Phone::new(50)), ["not_found"]);
    assert_eq!(tried(&mut directory, "core", line, &new), ["not_found"]);
    assert_eq!(tried(&mut directory, "bell", line, &new), ["undo_missing"]);
    assert_eq!(tried(&mut directory, "gone", line, &old), ["provider_suspended"]);
    directory.counters.numbers = directory.policy.numbers_max;
    assert_eq!(tried(&mut directory, "acme", line, &old), ["quota_numbers"]);
    directory.counters.numbers = 0;

    // Who objected had his contest, whatever its end.
    for ruled in [false, true] {
        let (mut directory, old, new, line) = (Directory::new(), Phone::new(10), Phone::new(40), number(LINE));
        let create = create(&mut directory, "acme", line, &old);
        directory.accept(&create);
        let claim = request(&mut directory, "bell", line, &new, Door::Validation, None);
        directory.accept(&claim);
        directory.accept(&holder(&directory, line, &old, Kind::Object));
        directory.now_ms += 8 * DAY_MS;
        directory.gov.insert(RULING);
        let first = directory.validated("bell", line, &new.control, "operator-db", 7 * 86_400, 180);
        let tokens = vec![first, directory.token("bell", line, &new.control, 365)];
        let gov = Some(RULING).filter(|_| ruled);
        let done = complete_with(&mut directory, "bell", line, &new, Door::Validation, tokens, gov);
        directory.accept(&done);
        assert!(has(&directory, line, &new));
        assert_eq!(tried(&mut directory, "acme", line, &old), ["not_found"]);
    }

    // A recovery is not a change of hands.
    let (mut directory, old, new, line) = (Directory::new(), Phone::new(10), Phone::new(40), number(LINE));
    let create = create(&mut directory, "acme", line, &old);
    directory.accept(&create);
    take(&mut directory, Door::Main, line, &new, "acme");
    assert_eq!(tried(&mut directory, "acme", line, &old), ["undo_missing"]);
}

#[test]
fn whoever_came_back_by_a_claim_is_not_undone_and_a_release_ends_it() {
    let (mut directory, old, new, line) = taken(Door::Code);
    take(&mut directory, Door::Validation, line, &old, "acme"); // the way back without a pause, clause 6.5
    assert_eq!(tried(&mut directory, "bell", line, &new), ["not_found"]);
    assert!(directory.entry(line).unwrap().taken.is_none());

    let (mut directory, old, new, line) = taken(Door::Code);
    directory.accept(&holder(&directory, line, &new, Kind::Release));
    assert_eq!(tried(&mut directory, "acme", line, &old), ["not_found"]);
    assert!(directory.entry(line).unwrap().taken.is_none());
}

/// A provider that kept the key has no way to undo what its customer did.
#[test]
fn a_provider_takes_nothing_back_with_a_key_that_it_kept() {
    let (mut directory, phone, new, line) = (Directory::new(), Phone::new(10), Phone::new(40), number(LINE));
    let kept = held(&mut directory, "acme", line, &phone);
    directory.accept(&kept);
    take(&mut directory, Door::Validation, line, &new, "bell");
    assert_eq!(tried(&mut directory, "acme", line, &phone), ["not_found"]);
}

/// What auditors see: the same without tokens, by the States alone.
#[test]
fn auditors_refuse_what_is_not_there_to_be_taken_back() {
    let (mut directory, old, _new, line) = taken(Door::Code);
    let back = take_back(&mut directory, "acme", line, &old);
    let event = callbook::log::event::Event::parse(&back.event).unwrap();
    let mut entry = directory.entry(line).unwrap().clone();
    let judged = |entry: &rules::Entry, time_ms: u64| {
        let event = callbook::log::event::Event { valid_until: time_ms / 1000 + 60, ..event.clone() };
        rules::seal(&event, entry.state.since_epoch + 1, time_ms, Some(entry), &directory.law()).map(drop)
    };
    let taken_ms = entry.taken.as_ref().unwrap().time_ms;
    let last_ms = taken_ms + 31 * DAY_MS;
    assert_eq!(judged(&entry, last_ms - 1), Ok(()), "a day for the epoch");
    assert_eq!(judged(&entry, last_ms), Err(rules::Broken::NothingToTakeBack));
    entry.taken.as_mut().unwrap().control = [1; 32];
    assert_eq!(judged(&entry, taken_ms + 1), Err(rules::Broken::NothingToTakeBack));
    entry.taken = None;
    assert_eq!(judged(&entry, taken_ms + 1), Err(rules::Broken::NothingToTakeBack));
}

/// In everything else it is judged as what gives a number to a key.
#[test]
fn what_takes_a_number_back_proves_its_keys_and_ends_with_its_tokens() {
    let (mut directory, old, _new, line) = taken(Door::Code);
    let mut bare = take_back(&mut directory, "acme", line, &old);
    bare.possession.clear();
    assert_eq!(directory.codes(&bare), ["possession_missing", "possession_missing"]);
    let altered = |directory: &mut Directory, change: &dyn Fn(&mut callbook::log::state::State)| {
        let mut submission = take_back(directory, "acme", line, &old);
        let mut event = callbook::log::event::Event::parse(&submission.event).unwrap();
        change(&mut event.state);
        event.signatures.clear();
        event.sign(ORIGIN, Role::NewControl, &old.control);
        event.sign(ORIGIN, Role::Provider, &statement_key("acme"));
        submission.event = event.write();
        directory.codes(&submission)
    };
    assert!(altered(&mut directory, &|state| state.not_after += 30 * 86_400).contains(&"not_after"));
    assert!(altered(&mut directory, &|state| state.recovery = state.control).contains(&"control_key_shared"));
    let now_s = directory.now_s();
    assert!(altered(&mut directory, &|state| state.not_after = now_s).contains(&"not_after"));
}
