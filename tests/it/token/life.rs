//! A zone's keys live in a token as they do in files: rolls, restarts, lost records, and what is left in the token.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use callbook::config::TokenHolds;
use callbook::dnssec::keys::Protection;
use callbook::dnssec::life::{
    ClockTrust, DsSet, Keeping, ParentNews, Pinned, Policy, Roll, ServerSaid, Sighting, State, Structure, Turned,
    Urgency,
};
use callbook::dnssec::{Algorithm, KeyId, KeyRole};
use callbook::wire::{Name, RrType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use ring::rand::SystemRandom;

use super::{Inside, PIN, own_process};

const NOW_S: u64 = 1_800_000_000;
const DAY_S: u64 = 86_400;
const APEX: &str = "e164.example.";

fn policy(structure: Structure) -> Policy {
    Policy {
        structure,
        zsk_life_s: 30 * DAY_S,
        ksk_life_s: 0,
        dnskey_ttl_s: 3_600,
        data_ttl_s: 3_600,
        ds_ttl_s: 3_600,
        propagation_s: 300,
        safety_s: 3_600,
        parent: ParentNews::Asked,
        pinned: Pinned::No,
        removed_keep_s: 30 * DAY_S,
    }
}

/// Keys in a folder and in the token.
struct World<'i> {
    inside: &'i Inside,
    holds: TokenHolds,
    structure: Structure,
    keys: PathBuf,
    now_s: u64,
}

impl World<'_> {
    /// As after a restart.
    fn keeping(&self) -> Keeping {
        let apex = Name::from_text(APEX).unwrap();
        Keeping::configured(&self.keys, &apex, policy(self.structure), &self.inside.dnssec(self.holds))
    }

    /// A turn after some time; the parent shows the DS of this key.
    fn turn(&mut self, keeping: &mut Keeping, after_s: u64, ds: KeyId) -> Turned {
        self.now_s += after_s;
        let set = DsSet { keys: vec![(ds.algorithm, ds.tag)], strangers: Vec::new(), ttl_s: 3_600 };
        let sighting = Sighting {
            at_s: self.now_s,
            servers: vec![ServerSaid { server: "192.0.2.1:53".to_owned(), said: Ok(set) }],
        };
        let turned = keeping.turn(Some(&sighting), self.now_s, ClockTrust::Steady).unwrap();
        assert!(turned.leftovers.is_empty(), "{:?}", turned.leftovers);
        if let Some(keys) = &turned.keys {
            for key in [RrType::DNSKEY, RrType::NAPTR].iter().flat_map(|of| keys.signers(*of)) {
                key.signer.sign(&SystemRandom::new(), b"what is served").unwrap();
            }
        }
        turned
    }

    /// The names of this zone's key files, and the labels of private keys in the token.
    fn places(&self) -> (Vec<String>, Vec<String>) {
        (self.key_files(), self.inside.private_labels())
    }

    fn key_files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.keys).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".p8")).collect()
    }
}

impl Inside {
    fn private_labels(&self) -> Vec<String> {
        let session = self.session(PIN);
        let all = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)]).unwrap();
        let mut labels: Vec<String> = all
            .into_iter()
            .flat_map(|key| session.get_attributes(key, &[AttributeType::Label]).unwrap())
            .map(|attribute| match attribute {
                Attribute::Label(octets) => String::from_utf8(octets).unwrap(),
                other => panic!("{other:?}"),
            })
            .collect();
        labels.sort();
        labels
    }
}

/// From the first keys over a roll of the ZSK and one of the KSK until the old keys are deleted, with restarts in between.
fn live(inside: &Inside, holds: TokenHolds, algorithm: Algorithm) {
    let keys = inside.home.join(format!("keys {} {algorithm}", holds.as_str()));
    let mut world = World { inside, holds, structure: Structure::KskZsk, keys, now_s: NOW_S };
    let made = world.keeping().begin(algorithm, NOW_S).unwrap();
    let (life, loaded) = world.keeping().load(NOW_S).unwrap();
    assert_eq!(made.dnskeys(), loaded.dnskeys());
    let [ksk, zsk] = [life.keys[0].id(), life.keys[1].id()];
    let in_token = if holds == TokenHolds::All { 2 } else { 1 };
    assert_eq!((world.places().0.len(), world.places().1.len()), (2 - in_token, in_token));
    let keeping = world.keeping();
    assert_eq!(keeping.protection(ksk).unwrap(), Protection::Token);
    assert!(keeping.strangers(&life).unwrap().is_empty());
    assert!(world.keeping().begin(algorithm, NOW_S).err().unwrap().to_string().contains("already holds keys"));

    // The ZSK rolls by itself; each turn is that of another process.
    for _ in 0..40 {
        let mut keeping = world.keeping();
        world.turn(&mut keeping, DAY_S, ksk);
    }
    let life = world.keeping().life(world.now_s).unwrap();
    assert_eq!(life.key(algorithm, zsk.tag).map(|key| key.state), Some(State::Removed));
    assert!(life.keys.iter().any(|key| key.role == KeyRole::Zsk && key.state == State::Active));

    // The KSK rolls when asked; the parent takes its time.
    world.keeping().change(world.now_s, |life, _| Ok(life.ask(Roll::Ksk, Urgency::Ordinary, world.now_s)?)).unwrap();
    let mut keeping = world.keeping();
    world.turn(&mut keeping, 0, ksk);
    let life = world.turn(&mut keeping, DAY_S, ksk).life;
    let new = life.submitted().unwrap().id();
    assert_eq!(keeping.protection(new).unwrap(), Protection::Token);
    assert_eq!(world.turn(&mut keeping, 9 * DAY_S, ksk).life.submitted().map(|key| key.tag), Some(new.tag));
    world.turn(&mut keeping, 60, new);
    let turned = world.turn(&mut keeping, DAY_S, new);
    assert_eq!(turned.life.key(algorithm, ksk.tag).map(|key| key.state), Some(State::Removed));
    let aside = |labels: &[String]| labels.iter().filter(|label| label.starts_with("removed ")).count();
    assert!(aside(&world.places().1) >= 1 && keeping.protection(ksk).unwrap() == Protection::Token);

    // A lost record makes no key; then what was put aside is deleted.
    let before = world.places();
    let record = world.keys.join("Ke164.example.state");
    let kept = fs::read(&record).unwrap();
    fs::remove_file(&record).unwrap();
    assert!(world.keeping().life(world.now_s).unwrap().keys.iter().any(|key| key.id() == new));
    assert_eq!(world.places(), before);
    fs::write(&record, kept).unwrap();
    for _ in 0..40 {
        world.turn(&mut keeping, DAY_S, new);
    }
    assert_eq!(keeping.protection(ksk).unwrap(), Protection::Gone);
    assert!(world.places().1.iter().all(|label| !label.contains(&format!("+{:05}.ksk", ksk.tag))));
    inside.empty();
}

impl Inside {
    /// Another zone begins with a token that has nothing in it.
    fn empty(&self) {
        let session = self.session(PIN);
        for object in session.find_objects(&[Attribute::Token(true)]).unwrap() {
            session.destroy_object(object).unwrap();
        }
    }
}

#[test]
fn the_ksk_lives_in_the_token_and_the_zsk_in_files() {
    let Some(inside) = own_process("life::the_ksk_lives_in_the_token_and_the_zsk_in_files") else { return };
    Algorithm::ALL.into_iter().for_each(|algorithm| live(&inside, TokenHolds::Ksk, algorithm));
}

#[test]
fn all_keys_live_in_the_token() {
    let Some(inside) = own_process("life::all_keys_live_in_the_token") else { return };
    Algorithm::ALL.into_iter().for_each(|algorithm| live(&inside, TokenHolds::All, algorithm));
}

#[test]
fn a_key_in_the_token_cannot_be_read_and_says_whose_it_is() {
    let Some(inside) = own_process("life::a_key_in_the_token_cannot_be_read_and_says_whose_it_is") else { return };
    let keys = inside.home.join("keys");
    let world = World { inside: &inside, holds: TokenHolds::Ksk, structure: Structure::Csk, keys, now_s: NOW_S };
    world.keeping().begin(Algorithm::default(), NOW_S).unwrap();
    let id = world.keeping().life(NOW_S).unwrap().keys[0].id();
    let label = format!("Ke164.example+013+{:05}.csk", id.tag);
    assert_eq!(world.places(), (Vec::new(), vec![label.clone()]));
    let session = inside.session(PIN);
    for (class, count) in [(ObjectClass::PRIVATE_KEY, 1), (ObjectClass::PUBLIC_KEY, 1)] {
        let wanted = [Attribute::Class(class), Attribute::Id(label.clone().into_bytes())];
        assert_eq!(session.find_objects(&wanted).unwrap().len(), count);
    }
    let key = session.find_objects(&[Attribute::Class(ObjectClass::PRIVATE_KEY)]).unwrap()[0];
    let asked = [
        AttributeType::Sensitive,
        AttributeType::AlwaysSensitive,
        AttributeType::Extractable,
        AttributeType::NeverExtractable,
        AttributeType::Local,
    ];
    let said = session.get_attributes(key, &asked).unwrap();
    for wanted in [
        Attribute::Sensitive(true),
        Attribute::AlwaysSensitive(true),
        Attribute::Extractable(false),
        Attribute::NeverExtractable(true),
        Attribute::Local(true),
    ] {
        assert!(said.contains(&wanted), "{wanted:?}");
    }
    assert!(session.get_attributes(key, &[AttributeType::Value]).unwrap().is_empty(), "the secret");
}

#[test]
fn while_the_token_is_away_no_roll_takes_a_step() {
    let Some(inside) = own_process("life::while_the_token_is_away_no_roll_takes_a_step") else { return };
    let keys = inside.home.join("keys");
    let mut world = World { inside: &inside, holds: TokenHolds::Ksk, structure: Structure::KskZsk, keys, now_s: NOW_S };
    let mut keeping = world.keeping();
    keeping.begin(Algorithm::default(), NOW_S).unwrap();
    let ksk = keeping.life(NOW_S).unwrap().keys[0].id();
    world.turn(&mut keeping, 0, ksk);
    let (tokens, elsewhere) = (inside.home.join("tokens"), inside.home.join("elsewhere"));
    inside.library().finalize().unwrap();
    fs::rename(&tokens, &elsewhere).unwrap();
    fs::create_dir(&tokens).unwrap();
    for _ in 0..3 {
        world.now_s += 40 * DAY_S;
        let why = keeping.turn(None, world.now_s, ClockTrust::Steady).err().unwrap().to_string();
        assert!(why.contains("does not sign now"), "{why}");
        assert_eq!(world.key_files().len(), 1, "a ZSK was made in vain");
    }
    inside.library().finalize().unwrap();
    fs::remove_dir(&tokens).unwrap();
    fs::rename(&elsewhere, &tokens).unwrap();
    let began = Instant::now();
    while keeping.turn(None, world.now_s, ClockTrust::Steady).is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "the token is there again");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(world.key_files().len(), 2, "the next ZSK");
}

#[test]
fn keys_move_into_the_token_and_out_of_it_by_rolls() {
    let Some(inside) = own_process("life::keys_move_into_the_token_and_out_of_it_by_rolls") else { return };
    let keys = inside.home.join("keys");
    let mut world =
        World { inside: &inside, holds: TokenHolds::None, structure: Structure::KskZsk, keys, now_s: NOW_S };
    world.keeping().begin(Algorithm::default(), NOW_S).unwrap();
    assert_eq!((world.places().0.len(), world.places().1.len()), (2, 0));
    let mut keeping = world.keeping();
    let mut old = keeping.life(NOW_S).unwrap().keys[0].id();
    world.turn(&mut keeping, 0, old);
    world.turn(&mut keeping, DAY_S, old);
    for (holds, place) in [(TokenHolds::Ksk, Protection::Token), (TokenHolds::None, Protection::Plain)] {
        world.holds = holds;
        let (mut keeping, now_s) = (world.keeping(), world.now_s);
        keeping.change(now_s, |life, _| Ok(life.ask(Roll::Ksk, Urgency::Ordinary, now_s)?)).unwrap();
        world.turn(&mut keeping, 0, old);
        let life = world.turn(&mut keeping, DAY_S, old).life;
        let new = life.submitted().unwrap().id();
        world.turn(&mut keeping, 60, new);
        let life = world.turn(&mut keeping, DAY_S, new).life;
        assert_eq!(life.key(new.algorithm, new.tag).map(|key| key.state), Some(State::Active));
        assert_eq!(keeping.protection(new).unwrap(), place);
        old = new;
    }
}
