//! The look-up against the name server of this house: every answer it gives can be judged, and a changed one is not believed.

use std::net::SocketAddr;

use callbook::client::{Anchor, Directory, Exit, LookupError, Purpose, Trust};
use callbook::dnssec::Algorithm;

use crate::dns::house::{House, NUMBERS, enum_name};
use crate::lookup::tampered::flip_through;
use crate::lookup::world::{look_up, now_s};

fn directory(house: &House, server: SocketAddr) -> Directory {
    let anchor = std::fs::read_to_string(house.path("anchor.key")).unwrap();
    Directory::at(server, Anchor::parse(&anchor).unwrap()).with_limits(500, 10_000)
}

#[test]
fn our_answers_are_secure() {
    let house = House::open();
    for number in NUMBERS {
        let lookup = look_up(&directory(&house, house.address), number, now_s()).unwrap();
        assert_eq!(lookup.status, Trust::Secure, "{:#?}", lookup.steps);
        assert_eq!(lookup.endpoints[0].uri, format!("sip:{number}@acme.example"));
        let log = lookup.directory.as_ref().unwrap();
        assert_eq!((log.version, log.state_hash, log.revoked.len()), (2, [0xab; 16], 1));
        let valid_until = lookup.valid_until.unwrap();
        assert!(valid_until > now_s() && valid_until <= log.not_after);
    }
    let lookup = look_up(&directory(&house, house.address), NUMBERS[2], now_s()).unwrap();
    assert_eq!(lookup.endpoints[1].uri, "sips:desk@acme.example");
    let count = |purpose: Purpose| lookup.keys.iter().filter(|key| key.purpose == purpose).count();
    assert_eq!(Purpose::ALL.map(count), [1, 2, 1, 1]);
    assert!(lookup.notes.is_empty(), "{:?}", lookup.notes);
}

#[test]
fn a_zone_of_ed25519_is_secure_too() {
    let house = House::signed_by(Algorithm::Ed25519);
    for (number, found) in [(NUMBERS[0], true), ("+447700900999", false)] {
        let lookup = look_up(&directory(&house, house.address), number, now_s()).unwrap();
        assert_eq!((lookup.status, lookup.found), (Trust::Secure, found), "{:#?}", lookup.steps);
    }
}

#[test]
fn the_form_for_delv_is_an_anchor_too() {
    let house = House::open();
    let anchor = Anchor::parse(&std::fs::read_to_string(house.path("anchor.delv")).unwrap()).unwrap();
    assert_eq!(anchor.zone_text(), "e164.example.");
    let lookup = look_up(&Directory::at(house.address, anchor), NUMBERS[0], now_s()).unwrap();
    assert_eq!(lookup.status, Trust::Secure);
}

#[test]
fn our_denials_are_secure_at_every_prefix_and_beyond() {
    let house = House::open();
    let registered = NUMBERS[2].trim_start_matches('+');
    let prefixes = (7..registered.len()).map(|digits| format!("+{}", &registered[..digits]));
    for number in prefixes.chain(["+999012345678".into(), "+999999999999999".into(), "+1202555".into()]) {
        let lookup = look_up(&directory(&house, house.address), &number, now_s()).unwrap();
        assert_eq!(lookup.status, Trust::Secure, "{number}: {:#?}", lookup.steps);
        assert!(!lookup.found && lookup.directory.is_none(), "{number}");
        assert_eq!(Exit::of(&Ok(lookup)), Exit::None);
    }
}

#[test]
fn our_delegations_say_where_they_end() {
    let house = House::open();
    // Both are delegated to servers that cannot be reached from here; the second has no address in the referral.
    let insecure = directory(&house, house.address).with_limits(20, 400).with_referral_port(1);
    assert!(matches!(
        look_up(&insecure, "+71234567", now_s()),
        Err(LookupError::Silent { .. } | LookupError::Unreachable { .. } | LookupError::TooSlow { .. })
    ));
    let secure = look_up(&directory(&house, house.address), "+461234567", now_s());
    assert!(matches!(secure, Err(LookupError::Delegated { zone }) if zone == "6.4.e164.example."));
}

#[test]
fn no_flipped_bit_in_our_answers_goes_unnoticed() {
    let house = House::open();
    let at = |server| directory(&house, server);
    let number = NUMBERS[0];
    let name = enum_name(number);
    for (name, rr_type, stride) in
        [(name.clone(), 35, 1), (format!("_id.{name}"), 52, 2), (format!("_keys.{name}"), 16, 4)]
    {
        let (bogus, unharmed) = flip_through(house.address, at, number, &name, rr_type, stride);
        assert!(bogus > 4 * unharmed, "type {rr_type}: {bogus} bogus, {unharmed} unharmed");
    }
    let absent = "+447700900124";
    let (bogus, _) = flip_through(house.address, at, absent, &enum_name(absent), 35, 3);
    assert!(bogus > 20, "{bogus} bogus: the proof of absence is two signed records");
}
