//! Lives of numbers through both stages and sealing: what is accepted, and what each wrong step is refused for.

use callbook::log::ZERO;
use callbook::log::event::{Door, Kind, Role};
use callbook::log::record::{Prefix, Revoked};
use callbook::log::state::{Flags, Status};
use callbook::registry::decide::{Facts, prepare};
use callbook::registry::examine::Entrance;

use super::directory::*;

const LINE: &str = "+447700900123";

fn registered() -> (Directory, Phone) {
    let (mut directory, phone) = (Directory::new(), Phone::new(10));
    let create = create(&mut directory, "acme", number(LINE), &phone);
    directory.accept(&create);
    (directory, phone)
}

#[test]
fn register_update_renew_suspend_resume_release() {
    let (mut directory, phone) = registered();
    let line = number(LINE);
    assert!(directory.shows(line));
    directory.accept(&update(&directory, "acme", line, &phone, "bob"));
    directory.now_ms += 360 * DAY_MS;
    let renewal = renew(&mut directory, "acme", line, &phone, 365);
    directory.accept(&renewal);
    directory.accept(&holder(&directory, line, &phone, Kind::Suspend));
    assert!(!directory.shows(line));
    assert_eq!(directory.codes(&update(&directory, "acme", line, &phone, "eve")), ["suspended"]);
    directory.accept(&holder(&directory, line, &phone, Kind::Resume));
    assert!(directory.shows(line));
    directory.accept(&holder(&directory, line, &phone, Kind::Release));
    assert!(!directory.shows(line) && directory.rows[&line].record.is_none());
    let entry = directory.entry(line).unwrap();
    assert_eq!((entry.state.status, entry.state.version), (Status::Released, 6));
    // Quarantine, then again with two methods only, for somebody held it within the last 90 days.
    let again = create(&mut directory, "bell", line, &Phone::new(40));
    assert_eq!(directory.codes(&again), ["quarantine"]);
    directory.now_ms += 31 * DAY_MS;
    let again = create(&mut directory, "bell", line, &Phone::new(40));
    assert_eq!(directory.codes(&again), ["two_methods"]);
    directory.now_ms += 60 * DAY_MS;
    let again = create(&mut directory, "bell", line, &Phone::new(40));
    directory.accept(&again);
    assert!(directory.shows(line));
    assert_eq!(directory.entry(line).unwrap().provider, "bell");
}

#[test]
fn a_lapsed_number_is_hidden_then_renewed_or_released() {
    let (mut directory, phone) = registered();
    let line = number(LINE);
    directory.now_ms += 365 * DAY_MS;
    assert!(!directory.shows(line));
    assert_eq!(directory.codes(&update(&directory, "acme", line, &phone, "bob")), ["lapsed"]);
    let renewal = renew(&mut directory, "acme", line, &phone, 90);
    directory.accept(&renewal);
    assert!(directory.shows(line));
    directory.now_ms += (90 + 30) * DAY_MS;
    let late = renew(&mut directory, "acme", line, &phone, 90);
    assert_eq!(directory.codes(&late), ["grace_over"]);
    directory.seal();
    assert_eq!(directory.entry(line).unwrap().state.status, Status::Released);
    assert!(directory.rows[&line].record.is_none());
}

#[test]
fn a_renewal_inside_the_window_loses_no_day() {
    let (mut directory, phone) = registered();
    let line = number(LINE);
    let end_s = directory.entry(line).unwrap().state.not_after;
    let at = |directory: &mut Directory, not_after: u64| {
        let token = directory.token("acme", line, &phone.control, 90);
        let draft = Draft::new(directory, line, Kind::Renew, Some("acme"));
        draft.state(|state| state.not_after = not_after).tokens(vec![token]).sign(&[]).done()
    };
    directory.now_ms += 340 * DAY_MS; // 25 days before the end: from the validation
    let late_s = directory.now_s() + 90 * 86_400 + 1;
    let early = at(&mut directory, late_s);
    assert_eq!(directory.codes(&early), ["not_after"]);
    let same = at(&mut directory, end_s);
    assert_eq!(directory.codes(&same), ["not_raised"]);
    directory.now_ms += 15 * DAY_MS; // 10 days before: from the old end
    let more = at(&mut directory, end_s + 90 * 86_400 + 1);
    assert_eq!(directory.codes(&more), ["not_after"]);
    let whole = at(&mut directory, end_s + 90 * 86_400);
    directory.accept(&whole);
}

#[test]
fn a_provider_releases_after_a_notice_that_the_holder_can_stop() {
    let (mut directory, phone) = registered();
    let line = number(LINE);
    assert_eq!(directory.codes(&provider_release(&directory, "acme", line)), ["notice_missing"]);
    assert_eq!(directory.codes(&holder(&directory, line, &phone, Kind::Veto)), ["nothing_pending"]);
    directory.accept(&notice(&directory, "acme", line));
    assert_eq!(directory.codes(&notice(&directory, "acme", line)), ["request_pending"]);
    assert_eq!(directory.codes(&provider_release(&directory, "acme", line)), ["notice_running"]);
    directory.accept(&holder(&directory, line, &phone, Kind::Veto));
    directory.now_ms += 8 * DAY_MS;
    assert_eq!(directory.codes(&provider_release(&directory, "acme", line)), ["notice_missing"]);
    directory.accept(&notice(&directory, "acme", line));
    directory.now_ms += 7 * DAY_MS;
    directory.accept(&provider_release(&directory, "acme", line));
    assert_eq!(directory.entry(line).unwrap().state.status, Status::Released);
}

#[test]
fn one_change_at_a_time_on_the_present_state() {
    let (mut directory, phone) = registered();
    let line = number(LINE);
    let (first, second) =
        (update(&directory, "acme", line, &phone, "bob"), update(&directory, "acme", line, &phone, "eve"));
    directory.submit(&first).unwrap();
    assert_eq!(directory.codes(&second), ["event_pending"]);
    directory.seal();
    assert_eq!(directory.codes(&second), ["state_stale"]);
}

#[test]
fn strangers_learn_nothing_about_a_registration() {
    let (mut directory, phone) = registered();
    let line = number(LINE);
    for submission in [
        update(&directory, "bell", line, &phone, "bob"),
        renew(&mut directory, "bell", line, &phone, 400),
        notice(&directory, "bell", line),
        provider_release(&directory, "bell", line),
        holder(&directory, line, &Phone::new(50), Kind::Suspend),
        holder(&directory, line, &Phone::new(50), Kind::Release),
        holder(&directory, line, &Phone::new(50), Kind::Veto),
    ] {
        let examined = directory.examine(&submission).unwrap();
        let told = directory.decide(&directory.facts(&examined), &examined).unwrap_err();
        assert_eq!(told.code, "not_found");
        assert_eq!(told, directory.decide(&Facts::default(), &examined).unwrap_err());
    }
    // Who proves by a fresh token that the line is his customer's may know that it is registered; a used token proves nothing.
    let fresh = create(&mut directory, "bell", line, &Phone::new(50));
    assert_eq!(directory.codes(&fresh), ["exists"]);
}

#[test]
fn a_token_is_used_once_and_by_its_provider() {
    let (mut directory, phone) = (Directory::new(), Phone::new(10));
    let line = number(LINE);
    let mine = create(&mut directory, "acme", line, &phone);
    directory.accept(&mine);
    let mut second = create(&mut directory, "acme", line, &phone);
    assert_eq!(directory.codes(&mine), ["token_replayed"]);
    second.entrance = Entrance::Provider("bell".into());
    let codes = directory.codes(&second);
    for code in ["event_provider", "token_provider", "token_nonce", "record_provider"] {
        assert!(codes.contains(&code), "{codes:?}");
    }
}

#[test]
fn a_key_belongs_to_one_holder() {
    let (mut directory, phone) = registered();
    let thief = Phone { control: ed25519(60), identity: ed25519(11), device: phone.device };
    let other = number("+447700900124");
    let second = create(&mut directory, "bell", other, &thief);
    assert_eq!(directory.codes(&second), ["duplicate_key"]);
    // Without the private half nobody learns that it is published.
    let mut blind = create(&mut directory, "bell", other, &thief);
    blind.possession[0].proof[0] ^= 1;
    assert_eq!(directory.codes(&blind), ["possession_invalid"]);
}

#[test]
fn new_keys_are_proved_and_revoked_keys_stay_listed() {
    let (mut directory, phone) = registered();
    let line = number(LINE);
    let newer = Phone { control: ed25519(10), identity: ed25519(70), device: [12; 32] };
    assert_eq!(directory.codes(&update(&directory, "acme", line, &newer, "bob")), ["possession_missing"]);
    let mut record = newer.record("acme", line, "bob");
    record.revoked.push(Revoked { thumbprint: phone.identity.public().thumbprint(), at_s: directory.now_s() });
    let draft = Draft::new(&directory, line, Kind::Update, Some("acme")).record(&record);
    let draft = draft.sign(&[(Role::Control, &phone.control)]);
    let proofs = newer.proofs(&draft.event, &[9; 32]).into_iter().take(1).collect();
    directory.accept(&draft.proofs(proofs).done());
    assert_eq!(directory.codes(&update(&directory, "acme", line, &newer, "eve")), ["revoked"]);
    directory.now_ms += 30 * DAY_MS;
    directory.accept(&update(&directory, "acme", line, &newer, "eve"));
}

#[test]
fn the_holder_removes_a_key_without_any_provider() {
    let (mut directory, phone) = registered();
    let line = number(LINE);
    let mut record = phone.record("acme", line, "alice");
    record.rr.retain(|rr| rr.prefix != Prefix::E2e);
    let alone = |record: &callbook::log::record::Record| {
        let draft = Draft::new(&directory, line, Kind::Update, None).record(record);
        draft.sign(&[(Role::Control, &phone.control)]).done()
    };
    let good = alone(&record);
    record.provider = "bell".into();
    let other = alone(&record);
    assert_eq!(directory.codes(&other), ["record_provider"]);
    directory.accept(&good);
    assert_eq!(directory.rows[&line].key_hashes.len(), 1);
}

#[test]
fn a_new_device_key_takes_the_ephemeral_of_prepare() {
    let (mut directory, phone) = registered();
    let line = number(LINE);
    let newer = Phone { control: ed25519(10), identity: ed25519(11), device: [77; 32] };
    let nonce = directory.nonce_key.make("acme", &label(line), directory.now_s() + 900);
    let draft = Draft::new(&directory, line, Kind::Update, Some("acme")).record(&newer.record("acme", line, "bob"));
    let draft = draft.sign(&[(Role::Control, &phone.control)]);
    let proofs = newer.proofs(&draft.event, &directory.nonce_key.ephemeral(&nonce));
    let mut submission = draft.proofs(proofs).done();
    assert_eq!(directory.codes(&submission), ["possession_nonce"]);
    submission.nonce = Some(nonce);
    directory.accept(&submission);
}

#[test]
fn a_provider_held_number_has_no_user_keys_and_no_veto() {
    let (mut directory, phone) = (Directory::new(), Phone::new(10));
    let line = number(LINE);
    let record = phone.record("acme", line, "alice");
    let with_keys = held_with(&mut directory, "acme", line, &phone, &record);
    let codes = directory.codes(&with_keys);
    assert_eq!(codes, ["provider_held_keys", "possession_missing", "possession_missing"]);
    let good = held(&mut directory, "acme", line, &phone);
    directory.policy.provider_held_allowed = false;
    assert_eq!(directory.codes(&good), ["provider_held"]);
    directory.policy.provider_held_allowed = true;
    directory.accept(&good);
    directory.accept(&notice(&directory, "acme", line));
    assert_eq!(directory.codes(&holder(&directory, line, &phone, Kind::Veto)), ["provider_held"]);
}

/// The holder gets a device: at once with the provider's signature, and never back.
#[test]
fn a_provider_held_number_becomes_its_holders() {
    let (mut directory, phone, own) = (Directory::new(), Phone::new(10), Phone::new(40));
    let line = number(LINE);
    let mut record = phone.record("acme", line, "alice");
    record.rr.truncate(1);
    let kept = held_with(&mut directory, "acme", line, &phone, &record);
    directory.accept(&kept);
    let to = |directory: &Directory, from: &Phone, key: &Phone, flags: Flags| {
        let draft = Draft::new(directory, line, Kind::Update, Some("acme")).state(|state| {
            (state.control, state.flags) = (key.control.public().thumbprint(), flags);
        });
        draft.record(&record).sign(&[(Role::Control, &from.control), (Role::NewControl, &key.control)]).done()
    };
    let unsigned = Draft::new(&directory, line, Kind::Update, Some("acme"))
        .state(|state| (state.control, state.flags) = (own.control.public().thumbprint(), Flags::NONE))
        .record(&record)
        .sign(&[(Role::Control, &phone.control)]);
    assert_eq!(directory.codes(&unsigned.done()), ["event_signers"], "the holder's new key signs");
    directory.accept(&to(&directory, &phone, &own, Flags::NONE));
    let state = &directory.entry(line).unwrap().state;
    assert_eq!((state.control, state.flags), (own.control.public().thumbprint(), Flags::NONE));
    assert_eq!(directory.codes(&to(&directory, &own, &phone, Flags::PROVIDER_HELD)), ["flags"]);
}

#[test]
fn each_wrong_field_of_a_registration_has_its_code() {
    let mut directory = Directory::new();
    let (line, phone) = (number(LINE), Phone::new(10));
    let create_event = |directory: &mut Directory, change: &dyn Fn(&mut callbook::log::event::Event)| {
        let mut submission = create(directory, "acme", line, &phone);
        let mut event = callbook::log::event::Event::parse(&submission.event).unwrap();
        change(&mut event);
        event.signatures.clear();
        event.sign(ORIGIN, Role::NewControl, &phone.control);
        event.sign(ORIGIN, Role::Provider, &statement_key("acme"));
        let nonce = directory.nonce_key.make("acme", &label(line), directory.now_s() + 900);
        submission.possession = phone.proofs(&event, &directory.nonce_key.ephemeral(&nonce));
        submission.event = event.write();
        submission
    };
    let now_s = directory.now_s();
    type Change = Box<dyn Fn(&mut callbook::log::event::Event)>;
    let cases: Vec<(Change, &[&str])> = vec![
        (Box::new(|_| {}), &[]),
        (Box::new(|e| e.label.0[0] ^= 1), &["label"]),
        (Box::new(|e| e.evidence = [1; 32]), &["evidence"]),
        (Box::new(|e| e.state.commitment = [1; 32]), &["commitment"]),
        (Box::new(|e| e.state.since_epoch = 7), &["event_malformed"]),
        (Box::new(|e| e.state.flags = Flags::LOCK), &[]),
        (Box::new(|e| e.state.recovery = statement_key("bell").public().thumbprint()), &["control_key_shared"]),
        (Box::new(|e| e.state.recovery = ed25519(11).public().thumbprint()), &["control_key_shared"]),
        (Box::new(move |e| e.valid_until = now_s + 60), &["valid_until"]),
        (Box::new(move |e| e.valid_until = now_s + 90_000), &["valid_until"]),
        (Box::new(move |e| e.state.not_after = now_s + 60), &["not_after"]),
        (Box::new(|e| e.state.not_after += 1), &["not_after"]),
        (Box::new(|e| e.state.control = [9; 32]), &["new_control_key", "token_binding"]),
        (Box::new(|e| e.kind = Kind::Carry), &["not_offered"]),
        (Box::new(|e| e.kind = Kind::Complete), &[]),
        (Box::new(|e| e.door = Door::Direct), &["event_signers"]),
    ];
    for (i, (change, expected)) in cases.iter().enumerate() {
        let submission = create_event(&mut directory, change);
        let codes: Vec<_> = directory.examine(&submission).err().unwrap_or_default().iter().map(|r| r.code).collect();
        assert_eq!(codes, *expected, "case {i}");
    }
}

#[test]
fn each_wrong_part_of_a_submission_has_its_code() {
    let mut directory = Directory::new();
    let (line, phone) = (number(LINE), Phone::new(10));
    type Change = fn(&mut callbook::registry::examine::Submission);
    let cases: [(Change, &[&str]); 11] = [
        (|s| s.event.truncate(100), &["event_malformed"]),
        (|s| *s.event.last_mut().unwrap() ^= 1, &["signature"]),
        (|s| s.record = None, &["record_missing", "possession_unexpected", "possession_unexpected"]),
        (
            |s| s.record = Some(b"hello".to_vec()),
            &["record_malformed", "possession_unexpected", "possession_unexpected"],
        ),
        (|s| s.opening = Some([3; 32]), &["commitment"]),
        (|s| s.possession.truncate(1), &["possession_missing"]),
        (|s| s.possession.swap(0, 1), &[]),
        (|s| s.validation.clear(), &["possession_nonce", "validation_missing"]),
        (|s| s.validation[0].push('A'), &["token_signature", "evidence"]),
        (|s| s.entrance = Entrance::Provider("nobody".into()), &["provider_unknown"]),
        (|s| s.entrance = Entrance::Holder, &["event_door"]),
    ];
    for (i, (change, expected)) in cases.iter().enumerate() {
        let mut submission = create(&mut directory, "acme", line, &phone);
        change(&mut submission);
        let codes: Vec<_> = directory.examine(&submission).err().unwrap_or_default().iter().map(|r| r.code).collect();
        assert!(
            expected.iter().all(|code| codes.contains(code)) && codes.is_empty() == expected.is_empty(),
            "case {i}: {codes:?}"
        );
    }
    for (text, expected) in
        [("+34600111222", "number_not_served"), ("+19005550123", "number_excluded"), ("+44770090012", "number_length")]
    {
        let submission = create(&mut directory, "acme", number(text), &phone);
        assert_eq!(directory.codes(&submission), [expected]);
    }
    let suspended = create(&mut directory, "gone", line, &phone);
    assert_eq!(directory.codes(&suspended), ["provider_suspended"]);
}

#[test]
fn quotas_hold() {
    let mut directory = Directory::new();
    directory.policy = callbook::charter::Policy::parse(&include_str!("../../../charter/policy.toml").replace(
        "creates_per_day_max = { article = \"7.4\", value = 2000000 }",
        "creates_per_day_max = { article = \"7.4\", value = 3 }",
    ))
    .unwrap();
    directory.counters.creates_today = 3;
    let one = create(&mut directory, "acme", number(LINE), &Phone::new(10));
    assert_eq!(directory.codes(&one), ["quota_creates"]);
    directory.counters.creates_today = 2;
    directory.counters.numbers = directory.policy.numbers_max;
    assert_eq!(directory.codes(&one), ["quota_numbers"]);
    let accredited = directory.register.clone();
    directory.register = accredited.clone().on_probation(["acme"]);
    directory.counters.numbers = 500;
    assert_eq!(directory.codes(&one), ["quota_probation"]);
    directory.register = accredited;
    directory.counters.prepares_today = directory.policy.prepares_per_day_max;
    assert_eq!(prepare(&directory.counters, &directory.policy).unwrap_err().code, "quota_prepares");
    directory.counters = Default::default();
    assert!(prepare(&directory.counters, &directory.policy).is_ok());
    directory.accept(&one);
    assert_ne!(directory.entry(number(LINE)).unwrap().state.commitment, ZERO);
}

/// To the millisecond: for how long a number counts as somebody else's, and to the second where the window of a renewal begins.
#[test]
fn the_look_back_and_the_window_are_exact() {
    let (mut directory, phone, line) = (Directory::new(), Phone::new(10), number(LINE));
    let first = create(&mut directory, "acme", line, &phone);
    directory.accept(&first);
    let end_s = directory.entry(line).unwrap().state.not_after;
    for (now_s, expected) in [(end_s - 14 * 86_400 - 1, &["not_after"][..]), (end_s - 14 * 86_400, &[][..])] {
        directory.now_ms = now_s * 1000;
        let token = directory.token("acme", line, &phone.control, 365);
        let draft = Draft::new(&directory, line, Kind::Renew, Some("acme"));
        let draft = draft.state(|state| state.not_after = end_s + 365 * 86_400);
        let renewed = draft.tokens(vec![token]).sign(&[]).done();
        assert_eq!(directory.codes(&renewed), expected, "{now_s}");
    }
    directory.seal();
    directory.accept(&holder(&directory, line, &phone, Kind::Release));
    let released_ms = directory.entry(line).unwrap().time_ms;
    for (now_ms, expected) in
        [(released_ms + 90 * DAY_MS - 1, &["two_methods"][..]), (released_ms + 90 * DAY_MS, &[][..])]
    {
        directory.now_ms = now_ms;
        let again = create(&mut directory, "acme", line, &phone);
        assert_eq!(directory.codes(&again), expected, "{now_ms}");
    }
}

/// A key that was revoked is listed for as long as the charter says, and not for longer.
#[test]
fn what_was_revoked_long_ago_is_not_listed() {
    let (mut directory, phone, line) = (Directory::new(), Phone::new(10), number(LINE));
    let now_s = directory.now_s();
    for (at_s, expected) in [(now_s - 30 * 86_400 - 1, &["revoked"][..]), (now_s - 30 * 86_400, &[][..])] {
        let mut record = phone.record("acme", line, "alice");
        record.revoked.push(callbook::log::record::Revoked { thumbprint: [7; 32], at_s });
        let registered = create_with(&mut directory, "acme", line, &phone, &record);
        assert_eq!(directory.codes(&registered), expected, "{at_s}");
    }
}

#[test]
fn a_lapsed_number_is_renewed_until_its_last_moment() {
    let (mut directory, phone, line) = (Directory::new(), Phone::new(10), number(LINE));
    let first = create(&mut directory, "acme", line, &phone);
    directory.accept(&first);
    let over_ms = directory.entry(line).unwrap().state.not_after * 1000 + 30 * DAY_MS;
    for (now_ms, expected) in [(over_ms, &["grace_over"][..]), (over_ms - 1, &[][..])] {
        directory.now_ms = now_ms;
        let renewed = renew(&mut directory, "acme", line, &phone, 300);
        assert_eq!(directory.codes(&renewed), expected, "{now_ms}");
    }
}

/// A control key that everybody knows, and one that is its own way back in.
#[test]
fn a_control_key_is_secret_and_not_its_own_recovery_key() {
    let (mut directory, line) = (Directory::new(), number(LINE));
    let mut one = [0; 32];
    one[31] = 1;
    let control = callbook::log::key::SigningKey::from_bytes(callbook::log::key::Algorithm::Es256, &one).unwrap();
    let known = Phone { control, ..Phone::new(10) };
    let registered = create(&mut directory, "acme", line, &known);
    assert_eq!(directory.codes(&registered), ["key_known"]);
    let phone = Phone::new(10);
    let mut registered = create(&mut directory, "acme", line, &phone);
    let mut event = callbook::log::event::Event::parse(&registered.event).unwrap();
    event.state.recovery = event.state.control;
    event.signatures.clear();
    event.sign(ORIGIN, Role::NewControl, &phone.control);
    event.sign(ORIGIN, Role::Provider, &statement_key("acme"));
    registered.event = event.write();
    assert!(directory.codes(&registered).contains(&"control_key_shared"));
}
