//! Door 3: a claim by fresh validation, the objection, the second round, and the ruling of two persons.

use callbook::log::event::{Door, Kind, Role};
use callbook::log::state::Flags;
use callbook::number::Number;
use callbook::registry::examine::Submission;

use super::directory::*;

const LINE: &str = "+447700900123";
const RULING: [u8; 32] = [77; 32];

/// A number of one holder, claimed by another through another provider.
fn claimed() -> (Directory, Phone, Phone, Number) {
    let (mut directory, old, new, line) = (Directory::new(), Phone::new(10), Phone::new(40), number(LINE));
    let create = create(&mut directory, "acme", line, &old);
    directory.accept(&create);
    let claim = request(&mut directory, "bell", line, &new, Door::Validation, None);
    directory.accept(&claim);
    (directory, old, new, line)
}

fn won_by(directory: &Directory, line: Number, phone: &Phone) -> bool {
    directory.entry(line).unwrap().state.control == phone.control.public().thumbprint()
}

/// Two validations by class record, `apart_d` days apart, the second now.
fn twice(directory: &mut Directory, provider: &str, line: Number, phone: &Phone, apart_d: u64) -> Vec<String> {
    let first = directory.validated(provider, line, &phone.control, "operator-db", apart_d * 86_400, 180);
    vec![first, directory.token(provider, line, &phone.control, 365)]
}

fn completed(directory: &mut Directory, new: &Phone, tokens: Vec<String>) -> Submission {
    complete_with(directory, "bell", number(LINE), new, Door::Validation, tokens, None)
}

fn ruled(directory: &mut Directory, new: &Phone) -> Submission {
    let token = directory.token("bell", number(LINE), &new.control, 90);
    complete_with(directory, "bell", number(LINE), new, Door::Validation, vec![token], Some(RULING))
}

/// A renewal that is the holder's second round.
fn revalidated(directory: &mut Directory, old: &Phone) -> Submission {
    let tokens = twice(directory, "acme", number(LINE), old, 7);
    let not_after = directory.now_s() + 172 * 86_400;
    let end = directory.entry(number(LINE)).unwrap().state.not_after;
    let draft = Draft::new(directory, number(LINE), Kind::Renew, Some("acme"));
    draft.state(|state| state.not_after = not_after.max(end + 1)).tokens(tokens).sign(&[]).done()
}

#[test]
fn a_claim_that_nobody_objects_to_takes_a_week() {
    let (mut directory, old, new, line) = claimed();
    assert!(directory.shows(line), "what is published stays");
    // Changes wait; the holder alone still removes a key, but does not make the wait longer.
    assert_eq!(directory.codes(&update(&directory, "acme", line, &old, "bob")), ["contested"]);
    let moved = transfer(&mut directory, "bell", line, &old);
    assert_eq!(directory.codes(&moved), ["contested"]);
    let alone = |directory: &Directory, flags| {
        let draft = Draft::new(directory, line, Kind::Update, None).state(|state| state.flags = flags);
        draft.sign(&[(Role::Control, &old.control)]).done()
    };
    assert_eq!(directory.codes(&alone(&directory, Flags::LOCK)), ["contested"]);
    directory.accept(&alone(&directory, Flags::NONE));
    assert_eq!(directory.codes(&holder(&directory, line, &old, Kind::Veto)), ["nothing_pending"], "never a veto");
    directory.now_ms += 6 * DAY_MS;
    let early = complete(&mut directory, "bell", line, &new, Door::Validation);
    assert_eq!(directory.codes(&early), ["claim_wait"]);
    directory.now_ms += DAY_MS;
    assert_eq!(directory.codes(&holder(&directory, line, &old, Kind::Object)), ["objection_over"]);
    let done = complete(&mut directory, "bell", line, &new, Door::Validation);
    directory.accept(&done);
    assert!(won_by(&directory, line, &new) && directory.shows(line));
    assert_eq!(directory.entry(line).unwrap().provider, "bell");
}

#[test]
fn a_claim_takes_two_methods_and_a_registered_number() {
    let (mut directory, old, new, line) = claimed();
    let control = new.control.public().thumbprint();
    let token = directory.token("bell", line, &new.control, 90);
    let one = Draft::new(&directory, line, Kind::Request, Some("bell")).event(|event| event.door = Door::Validation);
    let one = one.state(|state| state.pending = callbook::log::pending::hash(Door::Validation, &control, "bell"));
    let one = one.tokens(vec![token]).sign(&[(Role::NewControl, &new.control)]).done();
    assert_eq!(directory.codes(&one), ["two_methods"]);
    let free = number("+447700900124");
    let nobody = request(&mut directory, "bell", free, &new, Door::Validation, None);
    assert_eq!(directory.codes(&nobody), ["not_found"]);
    let second = request(&mut directory, "acme", line, &Phone::new(50), Door::Validation, None);
    assert_eq!(directory.codes(&second), ["request_pending"]);
    // Released, it is free again later, and not to be claimed.
    directory.accept(&holder(&directory, line, &old, Kind::Release));
    let gone = request(&mut directory, "bell", line, &new, Door::Validation, None);
    assert_eq!(directory.codes(&gone), ["not_found"]);
}

#[test]
fn after_an_objection_who_alone_validates_again_wins() {
    let (mut directory, old, new, line) = claimed();
    directory.now_ms += 2 * DAY_MS;
    directory.accept(&holder(&directory, line, &old, Kind::Object));
    assert_eq!(directory.codes(&holder(&directory, line, &old, Kind::Object)), ["flags"]);
    directory.now_ms += 6 * DAY_MS;
    let tokens = twice(&mut directory, "bell", line, &new, 7);
    let early = completed(&mut directory, &new, tokens);
    assert_eq!(directory.codes(&early), ["second_round"], "seven days after the objection at the earliest");
    directory.now_ms += DAY_MS;
    let one = vec![directory.token("bell", line, &new.control, 365)];
    let one = completed(&mut directory, &new, one);
    assert_eq!(directory.codes(&one), ["second_round"]);
    let before = twice(&mut directory, "bell", line, &new, 10);
    let before = completed(&mut directory, &new, before);
    assert_eq!(directory.codes(&before), ["second_round"], "a validation from before the claim does not count");
    let tokens = twice(&mut directory, "bell", line, &new, 7);
    let done = completed(&mut directory, &new, tokens);
    directory.accept(&done);
    assert!(won_by(&directory, line, &new));
    assert_eq!(directory.entry(line).unwrap().state.flags, Flags::NONE);
}

#[test]
fn when_both_validate_again_two_persons_decide() {
    let (mut directory, old, new, line) = claimed();
    directory.accept(&holder(&directory, line, &old, Kind::Object));
    directory.now_ms += 8 * DAY_MS;
    let end = directory.entry(line).unwrap().state.not_after;
    let again = revalidated(&mut directory, &old);
    assert_eq!(directory.codes(&again), ["not_after"], "a shorter method does not raise the end");
    // The registration runs for a year by document; so does the second round, to be a renewal at all.
    let first = directory.validated("acme", line, &old.control, "document", 7 * 86_400, 365);
    let tokens = vec![first, directory.token("acme", line, &old.control, 365)];
    let draft = Draft::new(&directory, line, Kind::Renew, Some("acme")).state(|state| state.not_after = end + 60);
    directory.accept(&draft.tokens(tokens).sign(&[]).done());
    assert!(directory.entry(line).unwrap().state.flags.contains(Flags::OBJECTED), "the claim is not over");
    // Who has stood the second round changes his number as before.
    let draft = Draft::new(&directory, line, Kind::Update, Some("acme")).record(&old.record("acme", line, "bob"));
    directory.accept(&draft.sign(&[(Role::Control, &old.control)]).done());
    let tokens = twice(&mut directory, "bell", line, &new, 7);
    let even = completed(&mut directory, &new, tokens);
    assert_eq!(directory.codes(&even), ["contest_even"]);
    let baseless = ruled(&mut directory, &new);
    assert_eq!(directory.codes(&baseless), ["evidence"], "no such order in the gov log");
    directory.gov.insert(RULING);
    let ruling = ruled(&mut directory, &new);
    directory.accept(&ruling);
    assert!(won_by(&directory, line, &new));
}

#[test]
fn day_fourteen_is_a_hard_stop_and_the_claim_ends_by_itself() {
    let (mut directory, old, new, line) = claimed();
    directory.now_ms += 6 * DAY_MS;
    directory.accept(&holder(&directory, line, &old, Kind::Object));
    directory.now_ms += 8 * DAY_MS;
    let tokens = twice(&mut directory, "bell", line, &new, 7);
    let late = completed(&mut directory, &new, tokens);
    assert_eq!(directory.codes(&late), ["contest_stop"]);
    // The holder's changes wait no longer; the claim stays visible until it is void.
    let keep = |directory: &Directory| {
        let draft = Draft::new(directory, line, Kind::Update, Some("acme")).record(&old.record("acme", line, "bob"));
        draft.sign(&[(Role::Control, &old.control)]).done()
    };
    directory.accept(&keep(&directory));
    assert!(directory.entry(line).unwrap().request.is_some());
    directory.now_ms += 45 * DAY_MS;
    let next = request(&mut directory, "acme", line, &Phone::new(50), Door::Validation, None);
    assert_eq!(directory.codes(&next), ["request_pending"]);
    directory.now_ms += 2 * DAY_MS;
    directory.gov.insert(RULING);
    let ruling = ruled(&mut directory, &new);
    assert_eq!(directory.codes(&ruling), ["request_void"], "not even by a ruling");
    let next = request(&mut directory, "acme", line, &Phone::new(50), Door::Validation, None);
    directory.accept(&next);
    let entry = directory.entry(line).unwrap();
    assert!(!entry.state.flags.contains(Flags::OBJECTED) && entry.request.as_ref().unwrap().provider == "acme");
}

#[test]
fn a_void_claim_goes_with_the_holders_next_change() {
    let (mut directory, old, _new, line) = claimed();
    directory.accept(&holder(&directory, line, &old, Kind::Object));
    directory.now_ms += 60 * DAY_MS;
    let clears = Draft::new(&directory, line, Kind::Update, Some("acme"))
        .record(&old.record("acme", line, "bob"))
        .state(|state| {
            state.pending = callbook::log::ZERO;
            state.flags = state.flags.without(Flags::OBJECTED);
        })
        .sign(&[(Role::Control, &old.control)])
        .done();
    directory.accept(&clears);
    let entry = directory.entry(line).unwrap();
    assert_eq!((entry.request.as_ref(), entry.state.flags), (None, Flags::NONE));
}

#[test]
fn a_provider_held_number_is_claimed_in_five_days_and_never_moved_by_its_key() {
    let (mut directory, phone, new, line) = (Directory::new(), Phone::new(10), Phone::new(40), number(LINE));
    let kept = held(&mut directory, "acme", line, &phone);
    directory.accept(&kept);
    let moved = transfer(&mut directory, "bell", line, &phone);
    assert!(directory.codes(&moved).contains(&"provider_held_keys"));
    let bare = |directory: &mut Directory| {
        let token = directory.token("bell", line, &phone.control, 90);
        let mut record = phone.record("bell", line, "alice");
        record.rr.truncate(1);
        let draft = Draft::new(directory, line, Kind::Transfer, Some("bell")).tokens(vec![token]).record(&record);
        draft.sign(&[(Role::Control, &phone.control)]).done()
    };
    let moved = bare(&mut directory);
    assert_eq!(directory.codes(&moved), ["held_transfer"]);
    let claim = request(&mut directory, "bell", line, &new, Door::Validation, None);
    directory.accept(&claim);
    assert_eq!(directory.codes(&holder(&directory, line, &phone, Kind::Object)), ["provider_held"]);
    directory.now_ms += 5 * DAY_MS - 5000;
    let early = complete(&mut directory, "bell", line, &new, Door::Validation);
    assert_eq!(directory.codes(&early), ["claim_wait"]);
    directory.now_ms += 5000;
    let done = complete(&mut directory, "bell", line, &new, Door::Validation);
    directory.accept(&done);
    assert!(won_by(&directory, line, &new));
    assert_eq!(directory.entry(line).unwrap().state.flags, Flags::NONE);
}

#[test]
fn a_new_subscriber_takes_a_lapsed_number_by_a_claim() {
    let (mut directory, _old, _new, line) = claimed();
    directory.now_ms += 370 * DAY_MS;
    assert!(!directory.shows(line));
    let late = Phone::new(50);
    let claim = request(&mut directory, "bell", line, &late, Door::Validation, None);
    directory.accept(&claim);
    directory.now_ms += 7 * DAY_MS;
    let done = complete(&mut directory, "bell", line, &late, Door::Validation);
    directory.accept(&done);
    assert!(won_by(&directory, line, &late) && directory.shows(line));
}

/// The ex-owner suspends with his old phone what somebody else has by now, without any provider.
#[test]
fn a_number_that_its_holder_hides_can_be_claimed_and_one_that_the_operator_hides_cannot() {
    let (mut directory, old, new, line) = (Directory::new(), Phone::new(10), Phone::new(40), number(LINE));
    let create = create(&mut directory, "acme", line, &old);
    directory.accept(&create);
    directory.accept(&holder(&directory, line, &old, Kind::Suspend));
    for door in [Door::Main, Door::Code] {
        let asked = request(&mut directory, "acme", line, &new, door, None);
        assert_eq!(directory.codes(&asked), ["suspended"], "{door:?}");
    }
    let claim = request(&mut directory, "bell", line, &new, Door::Validation, None);
    directory.accept(&claim);
    directory.now_ms += 7 * DAY_MS;
    let done = complete(&mut directory, "bell", line, &new, Door::Validation);
    directory.accept(&done);
    assert!(won_by(&directory, line, &new) && !directory.shows(line));
    directory.accept(&holder(&directory, line, &new, Kind::Resume));
    assert!(directory.shows(line));

    let (mut directory, _old, new, line) = claimed();
    let row = directory.rows.get_mut(&line).unwrap();
    let entry = row.entry.as_mut().unwrap();
    (entry.request, entry.state.pending) = (None, callbook::log::ZERO);
    entry.state.flags = Flags::SUSP_OP.with(Flags::SUSP_HOLDER);
    entry.state.status = callbook::log::state::Status::Suspended;
    let claim = request(&mut directory, "bell", line, &new, Door::Validation, None);
    assert_eq!(directory.codes(&claim), ["suspended"]);
}

/// To the millisecond: the last objection, and the last second round.
#[test]
fn the_ends_of_a_contest_are_exact() {
    let (mut directory, old, _new, line) = claimed();
    let asked_ms = directory.entry(line).unwrap().time_ms;
    directory.now_ms = asked_ms + 7 * DAY_MS;
    assert_eq!(directory.codes(&holder(&directory, line, &old, Kind::Object)), ["objection_over"]);
    directory.now_ms -= 1;
    directory.accept(&holder(&directory, line, &old, Kind::Object));

    let (mut directory, old, new, line) = claimed();
    let asked_ms = directory.entry(line).unwrap().time_ms;
    directory.accept(&holder(&directory, line, &old, Kind::Object));
    directory.now_ms = asked_ms + 14 * DAY_MS;
    let tokens = twice(&mut directory, "bell", line, &new, 7);
    let late = completed(&mut directory, &new, tokens);
    assert_eq!(directory.codes(&late), ["contest_stop"]);
    directory.now_ms -= 1;
    let tokens = twice(&mut directory, "bell", line, &new, 7);
    let last = completed(&mut directory, &new, tokens);
    assert_eq!(directory.codes(&last), [""; 0]);
}
