//! Doors 1, 0 and 2: the holder's key, recovery, the transfer code. What is accepted, and what each wrong step is refused for.

use callbook::log::ZERO;
use callbook::log::event::{Door, Kind, Role};
use callbook::log::state::Flags;
use callbook::registry::code::TransferCode;
use callbook::registry::decide::Facts;
use callbook::registry::examine::Submission;

use super::directory::*;

const LINE: &str = "+447700900123";
const HOUR_MS: u64 = 3_600_000;

fn registered() -> (Directory, Phone) {
    let (mut directory, phone) = (Directory::new(), Phone::new(10));
    let create = create(&mut directory, "acme", number(LINE), &phone);
    directory.accept(&create);
    (directory, phone)
}

/// The present State with another field, signed by the holder and the provider.
fn set(directory: &mut Directory, phone: &Phone, change: impl FnOnce(&mut callbook::log::state::State)) {
    let draft = Draft::new(directory, number(LINE), Kind::Update, Some("acme"));
    directory.accept(&draft.state(change).sign(&[(Role::Control, &phone.control)]).done());
}

/// Gives the number a transfer code that is good until then.
fn with_code(directory: &mut Directory, until_ms: u64) {
    let code = TransferCode::from_text("cbt_given-by-the-present-provider");
    directory.rows.get_mut(&number(LINE)).unwrap().code = code.map(|code| (code, until_ms));
}

#[test]
fn the_holders_key_moves_a_number_at_once() {
    let (mut directory, phone) = registered();
    let line = number(LINE);
    let moved = transfer(&mut directory, "bell", line, &phone);
    directory.submit(&moved).unwrap();
    let decided = directory.rows[&line].waiting.clone().unwrap();
    assert_eq!((decided.provider.as_str(), decided.leaves.as_deref()), ("bell", Some("acme")));
    assert!(directory.shows(line));
    let again = transfer(&mut directory, "bell", line, &phone);
    assert_eq!(directory.codes(&again), ["event_pending"]);
    directory.seal();
    let entry = directory.entry(line).unwrap();
    assert_eq!((entry.provider.as_str(), entry.state.version), ("bell", 2));
    assert!(directory.shows(line));
    // From then on the number is the gaining provider's, and the losing one a stranger.
    assert_eq!(directory.codes(&update(&directory, "acme", line, &phone, "bob")), ["not_found"]);
    directory.accept(&update(&directory, "bell", line, &phone, "bob"));
}

#[test]
fn each_wrong_transfer_has_its_code() {
    let (mut directory, phone) = registered();
    let line = number(LINE);
    let mine = transfer(&mut directory, "acme", line, &phone);
    assert_eq!(directory.codes(&mine), ["same_provider"]);
    let thief = Phone { control: ed25519(60), ..Phone::new(10) };
    let stolen = transfer(&mut directory, "bell", line, &thief);
    assert_eq!(directory.codes(&stolen), ["not_found"]);
    let foreign = transfer(&mut directory, "acme", line, &thief);
    assert_eq!(directory.codes(&foreign), ["event_signers"]);
    let mut used = transfer(&mut directory, "bell", line, &phone);
    directory.accept(&used);
    let back = transfer(&mut directory, "acme", line, &phone);
    directory.accept(&back);
    // Every token is used once; without one nothing moves.
    used = Draft::new(&directory, line, Kind::Transfer, Some("bell"))
        .tokens(used.validation)
        .record(&phone.record("bell", line, "alice"))
        .sign(&[(Role::Control, &phone.control)])
        .done();
    assert_eq!(directory.codes(&used), ["token_replayed"]);
    used.validation.clear();
    assert!(directory.codes(&used).contains(&"validation_missing"));
    // A new key is proved, a present one need not be.
    let newer = Phone { identity: ed25519(70), ..Phone::new(10) };
    let unproved = transfer(&mut directory, "bell", line, &newer);
    assert_eq!(directory.codes(&unproved), ["possession_missing"]);
    let suspended = transfer(&mut directory, "gone", line, &phone);
    assert_eq!(directory.codes(&suspended), ["provider_suspended"]);
    directory.counters.numbers = directory.policy.numbers_max;
    let full = transfer(&mut directory, "bell", line, &phone);
    assert_eq!(directory.codes(&full), ["quota_numbers"]);
    directory.counters.numbers = 0;
    directory.accept(&holder(&directory, line, &phone, Kind::Suspend));
    let hidden = transfer(&mut directory, "bell", line, &phone);
    assert_eq!(directory.codes(&hidden), ["suspended"]);
    directory.accept(&holder(&directory, line, &phone, Kind::Resume));
    directory.now_ms += 366 * DAY_MS;
    let lapsed = transfer(&mut directory, "bell", line, &phone);
    assert_eq!(directory.codes(&lapsed), ["lapsed"]);
}

#[test]
fn a_lost_key_is_recovered_after_a_week_in_public() {
    let (mut directory, phone) = registered();
    let (line, new) = (number(LINE), Phone::new(40));
    let asked = request(&mut directory, "acme", line, &new, Door::Main, None);
    directory.accept(&asked);
    let entry = directory.entry(line).unwrap().clone();
    assert_eq!(entry.state.control, phone.control.public().thumbprint(), "nothing changes yet");
    assert_eq!(entry.opens_ms(&directory.terms), Some(entry.time_ms + 7 * DAY_MS));
    assert!(directory.shows(line));
    let again = request(&mut directory, "acme", line, &new, Door::Main, None);
    assert_eq!(directory.codes(&again), ["request_pending"]);
    directory.now_ms += 7 * DAY_MS - 2000;
    let early = complete(&mut directory, "acme", line, &new, Door::Main);
    assert_eq!(directory.codes(&early), ["recovery_wait"]);
    directory.now_ms += 2000;
    let other = complete(&mut directory, "acme", line, &Phone::new(50), Door::Main);
    assert_eq!(directory.codes(&other), ["request_missing"]);
    let stranger = complete(&mut directory, "bell", line, &new, Door::Main);
    assert_eq!(directory.codes(&stranger), ["not_found"]);
    // The first validation does not serve twice: it is used, and a second one is due.
    let stale = complete_with(&mut directory, "acme", line, &new, Door::Main, asked.validation, None);
    let codes = directory.codes(&stale);
    assert!(codes.contains(&"token_stale"), "{codes:?}");
    let done = complete(&mut directory, "acme", line, &new, Door::Main);
    directory.accept(&done);
    let entry = directory.entry(line).unwrap();
    assert_eq!((entry.state.control, entry.state.pending), (new.control.public().thumbprint(), ZERO));
    assert_eq!(directory.codes(&holder(&directory, line, &phone, Kind::Suspend)), ["not_found"]);
    directory.accept(&update(&directory, "acme", line, &new, "bob"));
}

#[test]
fn the_recovery_key_makes_it_a_day_and_the_lock_a_month() {
    let (mut directory, phone) = registered();
    let (line, new, paper) = (number(LINE), Phone::new(40), ed25519(80));
    set(&mut directory, &phone, |state| state.recovery = paper.public().thumbprint());
    let forged = request(&mut directory, "acme", line, &new, Door::Main, Some(&ed25519(81)));
    assert_eq!(directory.codes(&forged), ["event_signers"]);
    let asked = request(&mut directory, "acme", line, &new, Door::Main, Some(&paper));
    directory.accept(&asked);
    directory.now_ms += 24 * HOUR_MS;
    let done = complete(&mut directory, "acme", line, &new, Door::Main);
    directory.accept(&done);

    set(&mut directory, &new, |state| state.flags = Flags::LOCK);
    let newer = Phone::new(50);
    let asked = request(&mut directory, "acme", line, &newer, Door::Main, None);
    directory.accept(&asked);
    directory.now_ms += 29 * DAY_MS;
    let early = complete(&mut directory, "acme", line, &newer, Door::Main);
    assert_eq!(directory.codes(&early), ["recovery_wait"]);
    directory.now_ms += 2 * DAY_MS; // the lock's wait is as long as a request lives: it lives as long again
    let done = complete(&mut directory, "acme", line, &newer, Door::Main);
    directory.accept(&done);
    assert_eq!(directory.entry(line).unwrap().state.flags, Flags::NONE);
}

#[test]
fn the_old_key_vetoes_and_the_provider_waits() {
    let (mut directory, phone) = registered();
    let (line, new) = (number(LINE), Phone::new(40));
    let ask = |directory: &mut Directory| request(directory, "acme", line, &new, Door::Main, None);
    let asked = ask(&mut directory);
    directory.accept(&asked);
    directory.accept(&holder(&directory, line, &phone, Kind::Veto));
    let after = complete(&mut directory, "acme", line, &new, Door::Main);
    assert_eq!(directory.codes(&after), ["request_missing"]);
    let again = ask(&mut directory);
    assert_eq!(directory.codes(&again), ["veto_pause"]);
    // Another provider with a code may ask, and after its veto nobody but the dispute desk.
    let until_ms = directory.now_ms + DAY_MS;
    with_code(&mut directory, until_ms);
    let coded = request(&mut directory, "bell", line, &new, Door::Code, None);
    directory.accept(&coded);
    directory.accept(&holder(&directory, line, &phone, Kind::Veto));
    directory.now_ms += 29 * DAY_MS;
    let again = ask(&mut directory);
    assert_eq!(directory.codes(&again), ["veto_pause"]);
    directory.now_ms += DAY_MS - 3000; // the first veto is just old enough to count no more for its provider
    let asked = ask(&mut directory);
    directory.accept(&asked);
}

#[test]
fn two_vetoes_lead_to_the_dispute_desk_and_a_claim_is_left() {
    let (mut directory, phone) = registered();
    let (line, new) = (number(LINE), Phone::new(40));
    for provider in ["bell", "acme"] {
        let door = if provider == "acme" { Door::Main } else { Door::Code };
        let until_ms = directory.now_ms + DAY_MS;
        with_code(&mut directory, until_ms);
        let asked = request(&mut directory, provider, line, &new, door, None);
        directory.accept(&asked);
        directory.accept(&holder(&directory, line, &phone, Kind::Veto));
    }
    directory.register = register(["core"]);
    let until_ms = directory.now_ms + DAY_MS;
    with_code(&mut directory, until_ms);
    let third = request(&mut directory, "core", line, &new, Door::Code, None);
    assert_eq!(directory.codes(&third), ["dispute_desk"]);
    let vetoed = request(&mut directory, "bell", line, &new, Door::Validation, None);
    assert_eq!(directory.codes(&vetoed), ["veto_pause"]);
    let claim = request(&mut directory, "core", line, &new, Door::Validation, None);
    directory.accept(&claim);
}

#[test]
fn a_code_moves_a_number_after_five_days() {
    let (mut directory, phone) = registered();
    let (line, new) = (number(LINE), Phone::new(40));
    let until_ms = directory.now_ms + 14 * DAY_MS;
    with_code(&mut directory, until_ms);
    let own = request(&mut directory, "acme", line, &new, Door::Code, None);
    assert_eq!(directory.codes(&own), ["same_provider"]);
    let mut asked = request(&mut directory, "bell", line, &new, Door::Code, None);
    let code = asked.code.take();
    assert_eq!(directory.codes(&asked), ["code_missing"]);
    asked.code = code;
    directory.accept(&asked);
    assert!(directory.rows[&line].code.is_none(), "a code is used once");
    let early = complete(&mut directory, "bell", line, &new, Door::Code);
    assert_eq!(directory.codes(&early), ["code_wait"]);
    directory.now_ms += 5 * DAY_MS;
    let mut with = complete(&mut directory, "bell", line, &new, Door::Code);
    with.code = TransferCode::from_text("cbt_again");
    assert_eq!(directory.codes(&with), ["code_unexpected"]);
    with.code = None;
    directory.accept(&with);
    let entry = directory.entry(line).unwrap();
    assert_eq!((entry.provider.as_str(), entry.state.control), ("bell", new.control.public().thumbprint()));
    assert!(directory.shows(line));
    // A month of rest: by code or by claim it does not go on at once, but the key before it may come back by a claim.
    with_code(&mut directory, u64::MAX);
    for door in [Door::Code, Door::Validation] {
        let next = request(&mut directory, "acme", line, &Phone::new(50), door, None);
        assert_eq!(directory.codes(&next), ["claim_pause"]);
    }
    let back = request(&mut directory, "acme", line, &phone, Door::Validation, None);
    directory.accept(&back);
    directory.now_ms += 7 * DAY_MS;
    let back = complete(&mut directory, "acme", line, &phone, Door::Validation);
    directory.accept(&back);
    assert_eq!(directory.entry(line).unwrap().state.control, phone.control.public().thumbprint());
}

#[test]
fn a_wrong_code_tells_nothing_and_runs_out() {
    let (mut directory, _phone) = registered();
    let (line, free) = (number(LINE), number("+447700900124"));
    let until_ms = directory.now_ms + 14 * DAY_MS;
    with_code(&mut directory, until_ms);
    let guess = |directory: &mut Directory, number| {
        let mut guess = request(directory, "bell", number, &Phone::new(40), Door::Code, None);
        guess.code = TransferCode::from_text("cbt_guessed");
        guess
    };
    for number in [line, free] {
        let wrong = guess(&mut directory, number);
        assert_eq!(directory.codes(&wrong), ["not_found"]);
    }
    directory.counters.wrong_codes_today = directory.policy.wrong_codes_per_day_max;
    for number in [line, free] {
        let wrong = guess(&mut directory, number);
        assert_eq!(directory.codes(&wrong), ["quota_codes"], "the same, whatever is registered");
    }
    directory.counters.wrong_codes_today = 0;
    directory.now_ms += 14 * DAY_MS;
    let late = request(&mut directory, "bell", line, &Phone::new(40), Door::Code, None);
    assert_eq!(directory.codes(&late), ["not_found"], "an expired code is a wrong one");
}

#[test]
fn strangers_at_the_doors_learn_nothing() {
    let (mut directory, _phone) = registered();
    let (line, new) = (number(LINE), Phone::new(40));
    let until_ms = directory.now_ms + DAY_MS;
    let sent: Vec<Submission> = vec![
        transfer(&mut directory, "bell", line, &new),
        take_back(&mut directory, "bell", line, &new),
        request(&mut directory, "bell", line, &new, Door::Main, None),
        request(&mut directory, "bell", line, &new, Door::Code, None),
        complete(&mut directory, "bell", line, &new, Door::Main),
        complete(&mut directory, "bell", line, &new, Door::Code),
        complete(&mut directory, "bell", line, &new, Door::Validation),
        holder(&directory, line, &new, Kind::Object),
        holder(&directory, line, &new, Kind::Veto),
    ];
    with_code(&mut directory, until_ms);
    let told = |directory: &Directory, submission: &Submission| {
        let examined = directory.examine(submission).unwrap();
        let told = directory.decide(&directory.facts(&examined), &examined).unwrap_err();
        assert_eq!(told.code, "not_found", "{:?}", examined.event.kind);
        assert_eq!(told, directory.decide(&Facts::default(), &examined).unwrap_err());
    };
    sent.iter().for_each(|submission| told(&directory, submission));
    // While something is pending it is no different.
    let asked = request(&mut directory, "acme", line, &Phone::new(50), Door::Main, None);
    directory.submit(&asked).unwrap();
    sent.iter().for_each(|submission| told(&directory, submission));
    directory.seal();
    sent.iter().for_each(|submission| told(&directory, submission));
}

#[test]
fn a_request_that_nobody_completes_is_void() {
    let (mut directory, phone) = registered();
    let (line, new) = (number(LINE), Phone::new(40));
    let asked = request(&mut directory, "acme", line, &new, Door::Main, None);
    directory.accept(&asked);
    directory.now_ms += 30 * DAY_MS;
    let late = complete(&mut directory, "acme", line, &new, Door::Main);
    assert_eq!(directory.codes(&late), ["request_void"]);
    let next = request(&mut directory, "acme", line, &Phone::new(50), Door::Main, None);
    directory.accept(&next);
    directory.accept(&update(&directory, "acme", line, &phone, "bob"));
    assert_eq!(directory.entry(line).unwrap().request, None, "the holder's change ends it");
}

#[test]
fn a_lapsed_number_is_recovered_in_time_or_not_at_all() {
    let (mut directory, _phone) = registered();
    let (line, new) = (number(LINE), Phone::new(40));
    directory.now_ms += 386 * DAY_MS; // 21 days after its end: nine are left
    let asked = request(&mut directory, "acme", line, &new, Door::Main, None);
    directory.accept(&asked);
    assert!(!directory.shows(line));
    directory.now_ms += 7 * DAY_MS;
    let done = complete(&mut directory, "acme", line, &new, Door::Main);
    directory.accept(&done);
    assert!(directory.shows(line), "it has a new end");
    directory.now_ms += (80 + 24) * DAY_MS;
    let late = request(&mut directory, "acme", line, &Phone::new(50), Door::Main, None);
    assert_eq!(directory.codes(&late), ["request_too_late"]);
}
