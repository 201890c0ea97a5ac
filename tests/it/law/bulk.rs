//! The bulk door of a provider that is gone: one method, no pause, and nobody's number runs out behind it (clause 6.9).

use callbook::log::event::{Door, Kind, Role};
use callbook::number::Number;
use callbook::registry::bulk::BulkDoor;

use super::directory::*;

const LINE: &str = "+447700900123";
const OTHER: &str = "+447700900124";

/// A number of acme and one of bell; then acme is gone, and two persons have opened its door.
fn opened() -> (Directory, Phone, Phone, Number) {
    let (mut directory, old, new, line) = (Directory::new(), Phone::new(10), Phone::new(40), number(LINE));
    let first = create(&mut directory, "acme", line, &old);
    directory.accept(&first);
    let second = create(&mut directory, "bell", number(OTHER), &Phone::new(20));
    directory.accept(&second);
    open(&mut directory, 90);
    (directory, old, new, line)
}

fn open(directory: &mut Directory, days: u64) {
    let door = BulkDoor { opened_ms: directory.now_ms, until_ms: directory.now_ms + days * DAY_MS };
    directory.register = register_without("acme", ["core"]).with_bulk_doors([("acme".to_owned(), door)]);
}

fn holds(directory: &Directory, line: Number, phone: &Phone) -> bool {
    directory.entry(line).is_some_and(|entry| entry.state.control == phone.control.public().thumbprint())
}

#[test]
fn one_method_is_enough_while_the_door_is_open_and_for_its_numbers_alone() {
    let (mut directory, _, new, line) = opened();
    let others = claim_once(&mut directory, "core", number(OTHER), &new);
    assert_eq!(directory.codes(&others), ["two_methods"]);
    let nobodys = claim_once(&mut directory, "core", number("+447700900199"), &new);
    assert_eq!(directory.codes(&nobodys), ["not_found"]);
    let own = claim_once(&mut directory, "acme", line, &new);
    assert_eq!(directory.codes(&own), ["provider_suspended"]);

    let claim = claim_once(&mut directory, "bell", line, &new);
    directory.accept(&claim);
    assert!(directory.shows(line), "what is published stays");
    let early = complete(&mut directory, "bell", line, &new, Door::Validation);
    assert_eq!(directory.codes(&early), ["claim_wait"], "never an instant swap");
    directory.now_ms += 7 * DAY_MS;
    let done = complete(&mut directory, "bell", line, &new, Door::Validation);
    directory.accept(&done);
    assert!(holds(&directory, line, &new) && directory.shows(line));
    assert_eq!(directory.entry(line).unwrap().provider, "bell");
    let again = claim_once(&mut directory, "core", line, &Phone::new(50));
    assert_eq!(directory.codes(&again), ["two_methods"], "it is out");
}

#[test]
fn the_door_closes_by_time_and_when_the_provider_works_again() {
    let (mut directory, _, new, line) = opened();
    directory.now_ms += 90 * DAY_MS - 1;
    let last = claim_once(&mut directory, "bell", line, &new);
    assert!(directory.codes(&last).is_empty());
    let (mut directory, _, new, line) = opened();
    directory.now_ms += 90 * DAY_MS;
    let late = claim_once(&mut directory, "bell", line, &new);
    assert_eq!(directory.codes(&late), ["two_methods"]);
    let (mut directory, _, new, line) = opened();
    directory.register = register(["core"]);
    let back = claim_once(&mut directory, "bell", line, &new);
    assert_eq!(directory.codes(&back), ["two_methods"]);
}

#[test]
fn the_holder_may_object_and_his_key_still_moves_the_number_at_once() {
    let (mut directory, old, new, line) = opened();
    let moved = transfer(&mut directory, "core", line, &old);
    directory.accept(&moved);
    assert!(holds(&directory, line, &old) && directory.entry(line).unwrap().provider == "core");
    let (mut directory, old, new2, line) = opened();
    let claim = claim_once(&mut directory, "bell", line, &new);
    directory.accept(&claim);
    let objection = holder(&directory, line, &old, Kind::Object);
    directory.accept(&objection);
    directory.now_ms += 8 * DAY_MS;
    let done = complete(&mut directory, "bell", line, &new, Door::Validation);
    assert_eq!(directory.codes(&done), ["second_round"]);
    assert!(!holds(&directory, line, &new2));
}

/// It came by a claim to the provider that then died: that pause would keep its holder where nobody is.
#[test]
fn no_pause_keeps_a_number_behind() {
    let (mut directory, new, line) = (Directory::new(), Phone::new(40), number(LINE));
    let first = create(&mut directory, "bell", line, &Phone::new(10));
    directory.accept(&first);
    let claim = request(&mut directory, "acme", line, &new, Door::Validation, None);
    directory.accept(&claim);
    directory.now_ms += 7 * DAY_MS;
    let done = complete(&mut directory, "acme", line, &new, Door::Validation);
    directory.accept(&done);
    let next = Phone::new(50);
    let paused = request(&mut directory, "bell", line, &next, Door::Validation, None);
    assert_eq!(directory.codes(&paused), ["claim_pause"]);
    open(&mut directory, 90);
    let out = claim_once(&mut directory, "bell", line, &next);
    directory.accept(&out);
}

/// Who cannot be renewed by anybody is not released before the door closes, and leaves by either key or claim.
#[test]
fn what_lapses_behind_an_open_door_waits_for_its_holder() {
    let (mut directory, old, new, line) = opened();
    let end_ms = directory.entry(line).unwrap().state.not_after * 1000;
    let days = (end_ms - directory.now_ms) / DAY_MS + 60;
    open(&mut directory, days);
    directory.now_ms = end_ms + 29 * DAY_MS;
    directory.seal();
    assert!(!directory.shows(line) && holds(&directory, line, &old), "validity is not longer than its proof");
    let own = update(&directory, "bell", number(OTHER), &Phone::new(20), "bob");
    assert_eq!(directory.codes(&own), ["lapsed"]);
    let mut by_key = transfer(&mut directory, "core", line, &old);
    assert!(directory.examine(&by_key).is_ok());
    directory.now_ms = end_ms + 31 * DAY_MS;
    directory.seal();
    assert!(holds(&directory, line, &old), "past its grace, behind the open door");
    by_key = transfer(&mut directory, "core", line, &old);
    assert_eq!(directory.codes(&by_key), ["lapsed"], "nobody could renew it any more");
    let claim = claim_once(&mut directory, "bell", line, &new);
    directory.accept(&claim);
    directory.now_ms += 7 * DAY_MS;
    let done = complete(&mut directory, "bell", line, &new, Door::Validation);
    directory.accept(&done);
    assert!(directory.shows(line) && holds(&directory, line, &new));
}

#[test]
fn within_its_grace_the_key_moves_a_lapsed_number_and_the_new_provider_renews() {
    let (mut directory, old, _, line) = opened();
    let end_ms = directory.entry(line).unwrap().state.not_after * 1000;
    let days = (end_ms - directory.now_ms) / DAY_MS + 60;
    open(&mut directory, days);
    directory.now_ms = end_ms + 10 * DAY_MS;
    let moved = transfer(&mut directory, "core", line, &old);
    directory.accept(&moved);
    let renewed = renew(&mut directory, "core", line, &old, 365);
    directory.accept(&renewed);
    assert!(directory.shows(line) && holds(&directory, line, &old));
}

#[test]
fn what_is_still_there_when_the_door_closes_is_released_and_not_before() {
    let (mut directory, old, new, line) = opened();
    let end_ms = directory.entry(line).unwrap().state.not_after * 1000;
    let days = (end_ms - directory.now_ms) / DAY_MS + 60;
    open(&mut directory, days);
    let closes_ms = directory.register.bulk_door("acme").unwrap().until_ms;
    directory.now_ms = closes_ms - 3 * DAY_MS;
    directory.seal();
    let late = claim_once(&mut directory, "bell", line, &new);
    assert_eq!(directory.codes(&late), ["request_too_late"], "it would open after the release");
    directory.now_ms = closes_ms - 2000;
    directory.seal();
    assert!(holds(&directory, line, &old));
    directory.now_ms = closes_ms - 1000;
    directory.seal();
    assert!(!holds(&directory, line, &old) && directory.rows[&line].record.is_none());
    let draft = Draft::new(&directory, line, Kind::Release, None).sign(&[(Role::Control, &old.control)]).done();
    assert!(!directory.codes(&draft).is_empty());
}
