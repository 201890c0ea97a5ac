//! What goes wrong with a token: each is told with its remedy, no key is made in place of another, and no PIN is tried twice.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use callbook::config::{Dnssec, TokenHolds};
use callbook::dnssec::keys::{KeySource, configured};
use callbook::dnssec::{Algorithm, KeyId, KeyRole};
use callbook::wire::Name;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::types::AuthPin;
use ring::rand::SystemRandom;

use super::{Inside, LABEL, OFFICER, PIN, own_process};

/// A token is tried to be reached once a second; a machine that is busy may take some more.
const PATIENCE: Duration = Duration::from_secs(30);

fn source(inside: &Inside, dnssec: &Dnssec) -> Box<dyn KeySource> {
    configured(&inside.home, &Name::from_text("e164.example.").unwrap(), dnssec)
}

fn why<T>(result: Result<T, callbook::dnssec::KeyError>) -> String {
    let said = result.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(!said.contains(PIN) && !said.contains(OFFICER), "{said}");
    said
}

fn make(source: &dyn KeySource) -> KeyId {
    source.make(KeyRole::Ksk, Algorithm::default(), &|_| true).unwrap()
}

/// Until it is so.
fn until(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_refused_pin_is_not_tried_again_until_its_file_changes() {
    let Some(inside) = own_process("refused::a_refused_pin_is_not_tried_again_until_its_file_changes") else { return };
    inside.pin("55555\n");
    let keys = source(&inside, &inside.dnssec(TokenHolds::All));
    assert!(why(keys.list()).contains("refuses the PIN"));
    // From now on it would be the right one.
    let session = inside.session(PIN);
    session.set_pin(&AuthPin::new(PIN.into()), &AuthPin::new("55555".into())).unwrap();
    session.logout().unwrap();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        assert!(why(keys.list()).contains("not tried again until the file changes"));
        thread::sleep(Duration::from_millis(100));
    }
    inside.pin("55555\n");
    until("the PIN is tried again", || keys.list().is_ok());
}

#[test]
fn what_is_missing_of_a_key_is_told_and_nothing_takes_its_place() {
    let Some(inside) = own_process("refused::what_is_missing_of_a_key_is_told_and_nothing_takes_its_place") else {
        return;
    };
    let keys = source(&inside, &inside.dnssec(TokenHolds::All));
    let [first, second, third] = [(); 3].map(|()| make(&*keys));
    for id in [first, second, third] {
        assert_eq!(keys.open(id).unwrap().id(), id);
    }
    let session = inside.session(PIN);
    let object = |id: KeyId, class| {
        let label = format!("Ke164.example+013+{:05}.ksk", id.tag);
        session.find_objects(&[Attribute::Class(class), Attribute::Label(label.into_bytes())]).unwrap()[0]
    };
    // The private half of one is gone, of another the public half, and the third has the name of the first.
    session.destroy_object(object(first, ObjectClass::PRIVATE_KEY)).unwrap();
    assert!(why(keys.open(first)).contains("neither the token"));
    session.destroy_object(object(second, ObjectClass::PUBLIC_KEY)).unwrap();
    assert!(why(keys.open(second)).contains("its public half is missing"));
    let name = Attribute::Label(format!("Ke164.example+013+{:05}.ksk", first.tag).into_bytes());
    session.update_attributes(object(third, ObjectClass::PRIVATE_KEY), &[name]).unwrap();
    assert!(why(keys.open(first)).contains("does not sign"), "the private key of another");
    let other = KeyId { algorithm: Algorithm::Ed25519, ..second };
    assert!(why(keys.open(other)).contains("No other key is made"));
    assert_eq!(keys.list().unwrap().len(), 2);
    // A file in the place of a missing one is used, whatever the token has.
    let plain = source(&inside, &Dnssec::default());
    let file = make(&*plain);
    assert_eq!(keys.open(file).unwrap().id(), file);
    // What a run that was cut off has left goes when the next key is made.
    let coming = || Attribute::Label(b"coming Ke164.example+ksk".to_vec());
    session.update_attributes(object(first, ObjectClass::PRIVATE_KEY), &[coming()]).unwrap();
    assert_eq!(session.find_objects(&[coming()]).unwrap().len(), 1);
    make(&*keys);
    assert!(session.find_objects(&[coming()]).unwrap().is_empty());
    // A taken tag makes no key and leaves none behind.
    let before = session.find_objects(&[Attribute::Token(true)]).unwrap().len();
    let tries = AtomicUsize::new(0);
    let third_try = |_: [u16; 2]| tries.fetch_add(1, Ordering::Relaxed) == 2;
    keys.make(KeyRole::Zsk, Algorithm::Ed25519, &third_try).unwrap();
    assert!(keys.make(KeyRole::Zsk, Algorithm::Ed25519, &|_| false).is_err());
    assert_eq!(session.find_objects(&[Attribute::Token(true)]).unwrap().len(), before + 2);
}

#[test]
fn a_session_that_is_lost_is_opened_anew() {
    let Some(inside) = own_process("refused::a_session_that_is_lost_is_opened_anew") else { return };
    let keys = source(&inside, &inside.dnssec(TokenHolds::All));
    let opened = [Algorithm::EcdsaP256Sha256, Algorithm::Ed25519]
        .map(|algorithm| keys.open(keys.make(KeyRole::Zsk, algorithm, &|_| true).unwrap()).unwrap());
    let signs = || opened.iter().all(|key| key.signer.sign(&SystemRandom::new(), b"a message").is_ok());
    assert!(signs());
    // Somebody logs out; the library is ended; both more than once.
    for _ in 0..2 {
        inside.session(PIN).logout().unwrap();
        until("it logs in again", signs);
        inside.library().finalize().unwrap();
        until("it starts the library again", signs);
    }
    // The PIN was changed meanwhile: faults, no panic, and the old PIN is tried once.
    let session = inside.session(PIN);
    session.set_pin(&AuthPin::new(PIN.into()), &AuthPin::new("55555".into())).unwrap();
    session.logout().unwrap();
    until("the old PIN does not do", || !signs());
    thread::sleep(Duration::from_millis(1_100)); // past the pause between two attempts
    assert!(!signs() && why(keys.list()).contains("refuses the PIN"));
    inside.pin("55555");
    until("the new PIN does", signs);
}

#[test]
fn many_threads_sign_with_the_sessions_there_are() {
    let Some(inside) = own_process("refused::many_threads_sign_with_the_sessions_there_are") else { return };
    let keys = source(&inside, &inside.dnssec(TokenHolds::All));
    let key = keys.open(make(&*keys)).unwrap();
    let signed = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                for _ in 0..25 {
                    key.signer.sign(&SystemRandom::new(), b"a message").unwrap();
                    signed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(signed.into_inner(), 1_000);
    let slot = inside.session(PIN).get_session_info().unwrap().slot_id();
    let open = inside.library().get_token_info(slot).unwrap().session_count();
    assert!(open.is_none_or(|sessions| sessions <= 18), "{open:?}");
}

#[test]
fn a_token_that_cannot_be_used_says_why() {
    let Some(inside) = own_process("refused::a_token_that_cannot_be_used_says_why") else { return };
    let good = inside.dnssec(TokenHolds::Ksk);
    let mut other = good.clone();
    other.pkcs11.token = "elsewhere".to_owned();
    let said = why(source(&inside, &other).list());
    assert!(said.contains("no token is called \"elsewhere\"") && said.contains(LABEL), "{said}");
    other.pkcs11.module = inside.home.join("none.so");
    assert!(why(source(&inside, &other).list()).contains("install it, or set dnssec.pkcs11.module"));
    let no_module = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6", "/lib64/libm.so.6"];
    other.pkcs11.module = no_module.into_iter().find(|path| fs::exists(path).unwrap()).unwrap().into();
    assert!(why(source(&inside, &other).list()).contains("cannot load the PKCS#11 module"));
    // A PIN that was never set.
    let library = inside.library();
    let slot = *library.get_slots_with_token().unwrap().last().unwrap();
    library.init_token(slot, &AuthPin::new(OFFICER.into()), "empty").unwrap();
    let mut empty = good.clone();
    empty.pkcs11.token = "empty".to_owned();
    assert!(why(source(&inside, &empty).list()).contains("the PIN of its security officer"));
    // Two of one name.
    let slot = *library.get_slots_with_token().unwrap().last().unwrap();
    library.init_token(slot, &AuthPin::new(OFFICER.into()), LABEL).unwrap();
    assert!(why(source(&inside, &good).list()).contains("several tokens are called"));
}
