//! How long links, challenges and sessions are good, by a clock that stands still until it is moved; and looks at numbers.

use callbook::authority::{Actor, Made, Registrar, Rejection, SessionTimes, SignedIn, Site};
use callbook::log::bytes::to_base64url;
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::sha256;
use callbook::registry::refusal;

use crate::ledger::desk::number;
use crate::ledger::eras::in_the_next_era;
use crate::ledger::staff::{House, refused};

const MINUTE_MS: u64 = 60_000;
const TIMES: SessionTimes = SessionTimes { idle_ms: 30 * MINUTE_MS, whole_ms: 12 * 60 * MINUTE_MS };

fn site() -> Site {
    Site { origin: "https://desk.example".into(), rp_id: "desk.example".into() }
}

/// What a browser hands over for a new passkey of that seed.
fn made(challenge: &[u8; 32], seed: u8) -> Made {
    let client = format!(
        r#"{{"type":"webauthn.create","challenge":"{}","origin":"https://desk.example"}}"#,
        to_base64url(challenge)
    );
    let id = vec![seed; 16];
    let head = [&sha256(&[b"desk.example"])[..], &[0x45, 0, 0, 0, 0], &[0; 16], &[0, 16]].concat();
    let key = SigningKey::from_bytes(Algorithm::Ed25519, &[seed; 32]).unwrap().public().to_spki();
    Made { authenticator: [head, id.clone()].concat(), credential: id, client: client.into_bytes(), key }
}

/// Registers a passkey by that link; gives the secret of the session.
fn registered(house: &House, link: &str, seed: u8) -> Result<String, Rejection> {
    let authority = &house.desk.authority;
    let person = authority.link_person(link)?;
    let challenge = authority.challenge(Some(person)).unwrap();
    let by = Registrar::Link(link.to_owned());
    let begun = authority.register_passkey(&by, &site(), TIMES, "test", &made(&challenge, seed))?;
    Ok(begun.expect("a link signs in").secret)
}

fn who(house: &House, secret: &str) -> Option<SignedIn> {
    house.desk.authority.signed_in(secret, TIMES)
}

#[test]
fn a_link_is_good_for_a_quarter_of_an_hour_and_the_newest_counts() {
    let house = House::new();
    let authority = &house.desk.authority;
    let (first, _) = authority.sign_in_link(&house.ada).unwrap();
    let (second, expires_ms) = authority.sign_in_link(&house.ada).unwrap();
    assert_eq!(expires_ms, house.desk.now_s() * 1000 + 15 * MINUTE_MS);
    refused(authority.link_person(&first), &refusal::SIGN_IN);
    house.desk.clock.advance(15 * MINUTE_MS - 1);
    assert_eq!(authority.link_person(&second).unwrap(), "admin");
    house.desk.clock.advance(1);
    refused(authority.link_person(&second), &refusal::SIGN_IN);
    refused(authority.sign_in_link(&Actor::operator()).map(drop), &refusal::ACT_PERSON);
}

#[test]
fn a_challenge_is_for_one_person_one_answer_and_five_minutes() {
    let house = House::new();
    let authority = &house.desk.authority;
    let (link, _) = authority.sign_in_link(&house.ada).unwrap();
    let register = |challenge: &[u8; 32]| {
        let by = Registrar::Link(link.clone());
        authority.register_passkey(&by, &site(), TIMES, "test", &made(challenge, 1)).map(drop)
    };
    refused(register(&authority.challenge(Some("ben".into())).unwrap()), &refusal::SIGN_IN);
    refused(register(&authority.challenge(None).unwrap()), &refusal::SIGN_IN);
    let late = authority.challenge(Some("admin".into())).unwrap();
    house.desk.clock.advance(5 * MINUTE_MS);
    refused(register(&late), &refusal::SIGN_IN);
    let good = authority.challenge(Some("admin".into())).unwrap();
    register(&good).unwrap();
    refused(register(&good), &refusal::SIGN_IN);
}

#[test]
fn a_session_ends_when_nobody_uses_it_and_after_half_a_day() {
    let house = House::new();
    let secret = registered(&house, &house.desk.authority.sign_in_link(&house.ada).unwrap().0, 1).unwrap();
    let signed_in = who(&house, &secret).expect("signed in");
    assert_eq!((&*signed_in.person.id, signed_in.actor.test), ("admin", false));
    assert!(who(&house, &format!("{secret}x")).is_none());
    // Used every 29 minutes it lasts, but not for ever.
    for _ in 0..24 {
        house.desk.clock.advance(29 * MINUTE_MS);
        assert!(who(&house, &secret).is_some());
    }
    house.desk.clock.advance(25 * MINUTE_MS);
    assert!(who(&house, &secret).is_none(), "twelve hours are over");
    let secret = registered(&house, &house.desk.authority.sign_in_link(&house.ada).unwrap().0, 2).unwrap();
    house.desk.clock.advance(30 * MINUTE_MS);
    assert!(who(&house, &secret).is_none(), "nobody used it for half an hour");
}

#[test]
fn a_look_at_a_number_is_booked_first_and_needs_a_reason() {
    let house = House::new();
    let authority = &house.desk.authority;
    let number = number(1);
    for reason in ["", "x", "two\nlines of it", &"x".repeat(301)] {
        assert!(matches!(authority.look_up(&house.ada, number, reason), Err(Rejection::Conflict(_))), "{reason:?}");
    }
    assert!(authority.desk(&house.ada, 0, 10).unwrap().is_empty());
    let found = authority.look_up(&house.ben, number, "case 17").unwrap();
    assert_eq!((found.registration, found.history.len()), (None, 0));
    let book = authority.desk(&house.ada, 0, 10).unwrap();
    let line = book.first().expect("a line");
    assert_eq!((&*line.person, &*line.what, &*line.reason), ("ben", "looked-up", "case 17"));
    assert_eq!(line.number, None, "a number that nobody has is not kept");
    refused(authority.look_up(&Actor::operator(), number, "case 17").map(drop), &refusal::ACT_PERSON);
}

#[test]
fn the_book_goes_over_into_the_next_era_without_numbers_that_nobody_had() {
    let House { desk, ada, dir, .. } = House::new();
    desk.register(1);
    desk.authority.turn().unwrap();
    for n in [1, 2] {
        desk.authority.look_up(&ada, number(n), "case 17").unwrap();
    }
    let (desk, _) = in_the_next_era(desk, dir.path());
    let book = desk.authority.desk(&ada, 0, 10).unwrap();
    assert_eq!(book.iter().map(|line| line.number).collect::<Vec<_>>(), [None, Some(number(1))]);
}
