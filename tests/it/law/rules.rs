//! The event rules against the reference's vectors: every event of three lives, the variants, and everything it refuses.

use std::collections::HashSet;

use callbook::log::Hash;
use callbook::log::event::{Door, Event, Kind};
use callbook::log::key::{Algorithm, PublicKey, Thumbprint};
use callbook::log::state::State;
use callbook::registry::register::{Provider, ProviderStatus, Register};
use callbook::registry::rules::{self, Broken, Entry, Law, Request};
use callbook::registry::terms::{DAY_MS, Terms};
use data_encoding::HEXLOWER;
use serde_json::Value;

/// The reference's law, owned.
struct Reference {
    vectors: Value,
    register: Register,
    sequencer: Vec<Thumbprint>,
    gov: HashSet<Hash>,
    terms: Terms,
    carry_until: u64,
}

impl Reference {
    fn read() -> Self {
        let text = include_str!("../../vectors/vectors.json");
        let vectors: Value = serde_json::from_str(text).unwrap();
        let law = &vectors["law"];
        let key_of = |thumbprint: &Value| {
            let key =
                vectors["keys"].as_object().unwrap().values().find(|key| key["thumbprint"] == *thumbprint).unwrap();
            let algorithm = Algorithm::from_u8(key["alg"].as_u64().unwrap() as u8).unwrap();
            PublicKey::new(algorithm, &hex(&key["public"])).unwrap()
        };
        let keys = |list: &Value| list.as_array().unwrap().iter().map(key_of).collect::<Vec<_>>();
        let providers = law["providers"].as_object().unwrap().iter().map(|(id, list)| Provider {
            id: id.clone(),
            name: id.clone(),
            status: ProviderStatus::Accredited,
            statement_keys: keys(list),
        });
        let ms = |name: &str| law[name].as_u64().unwrap();
        let cooldown_ms = |door: &str| law["cooldown_ms"][door].as_u64().unwrap();
        Self {
            register: Register::new(providers, [], keys(&law["operators"])),
            sequencer: hashes(&law["sequencer"]),
            gov: hashes(&law["gov"]).into_iter().collect(),
            terms: Terms {
                recovery_ms: cooldown_ms("0"),
                code_ms: cooldown_ms("2"),
                claim_ms: cooldown_ms("3"),
                notice_ms: cooldown_ms("9"),
                fast_ms: ms("fast_ms"),
                locked_ms: ms("locked_ms"),
                held_ms: ms("held_ms"),
                second_ms: ms("second_ms"),
                void_ms: 30 * DAY_MS, // neither of these two is in the vectors
                objected_void_ms: 60 * DAY_MS,
                pause_ms: 30 * DAY_MS, // nor is what is taken back
                quarantine_ms: ms("quarantine_ms"),
                grace_ms: ms("grace_ms"),
            },
            carry_until: ms("carry_until"),
            vectors,
        }
    }

    fn law(&self) -> Law<'_> {
        Law {
            register: &self.register,
            sequencer: &self.sequencer,
            gov: &self.gov,
            terms: &self.terms,
            carry_until: self.carry_until,
        }
    }

    fn origin<'a>(&'a self, step: &'a Value) -> &'a str {
        step["origin"].as_str().unwrap_or(self.vectors["trust"]["origin"].as_str().unwrap())
    }

    fn check(&self, step: &Value) -> Result<Entry, String> {
        let event = Event::parse(&hex(&step["event"])).map_err(|malformed| malformed.to_string())?;
        let (epoch, time_ms) = (step["epoch"].as_u64().unwrap(), step["time_ms"].as_u64().unwrap());
        let before = entry(&step["before"]);
        rules::check(&event, self.origin(step), epoch, time_ms, before.as_ref(), &self.law())
            .map_err(|broken: Broken| broken.to_string())
    }

    fn list(&self, name: &str) -> &[Value] {
        self.vectors[name].as_array().unwrap()
    }
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn hash(value: &Value) -> Hash {
    hex(value).try_into().unwrap()
}

fn hashes(list: &Value) -> Vec<Hash> {
    list.as_array().unwrap().iter().map(hash).collect()
}

fn entry(value: &Value) -> Option<Entry> {
    let request = |value: &Value| Request {
        door: Door::from_u8(value["door"].as_u64().unwrap() as u8).unwrap(),
        control: hash(&value["control"]),
        provider: value["provider"].as_str().unwrap().into(),
        time_ms: value["time_ms"].as_u64().unwrap(),
        fast: value["fast"].as_bool().unwrap(),
        objected_ms: value["objected_ms"].as_u64(),
    };
    (!value.is_null()).then(|| Entry {
        state: State::parse(&hex(&value["state"])).unwrap(),
        provider: value["provider"].as_str().unwrap().into(),
        time_ms: value["time_ms"].as_u64().unwrap(),
        request: Some(&value["request"]).filter(|value| !value.is_null()).map(request),
        taken: None,
    })
}

#[test]
fn three_lives_pass_event_by_event() {
    let reference = Reference::read();
    let mut kinds = HashSet::new();
    for step in reference.list("events") {
        assert_eq!(
            reference.check(step).as_ref(),
            Ok(&entry(&step["after"]).unwrap()),
            "{} at {}",
            step["number"],
            step["epoch"]
        );
        kinds.insert(step["kind"].as_u64().unwrap());
    }
    let carried = &reference.vectors["carried"];
    assert_eq!(reference.check(carried).as_ref(), Ok(&entry(&carried["after"]).unwrap()));
    kinds.insert(carried["kind"].as_u64().unwrap());
    assert!(Kind::ALL.iter().filter(|kind| kinds.contains(&u64::from(**kind as u8))).count() >= 11, "{kinds:?}");
}

#[test]
fn the_variants_pass() {
    let reference = Reference::read();
    for step in reference.list("variants") {
        assert_eq!(reference.check(step).as_ref(), Ok(&entry(&step["after"]).unwrap()), "{}", step["name"]);
    }
}

#[test]
fn what_the_reference_refuses_is_refused_for_its_reason() {
    let reference = Reference::read();
    let mut seen = 0;
    for step in reference.list("refused").iter().filter(|step| step["what"] == "event") {
        let (name, why) = (step["name"].as_str().unwrap(), step["why"].as_str().unwrap());
        let said = reference.check(step).expect_err(name);
        // Bytes that are no event never reach the rules: the log's parser has its own, finer words for them.
        let parsed = Event::parse(&hex(&step["event"])).is_ok();
        assert!(!parsed || said == why, "{name}: {said}, expected {why}");
        seen += usize::from(parsed);
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn sealing_fills_in_just_the_epochs() {
    let reference = Reference::read();
    for step in reference.list("events") {
        let event = Event::parse(&hex(&step["event"])).unwrap();
        let (epoch, time_ms) = (step["epoch"].as_u64().unwrap(), step["time_ms"].as_u64().unwrap());
        let before = entry(&step["before"]);
        let (sealed, after) =
            rules::seal(&event.as_submitted(), epoch, time_ms, before.as_ref(), &reference.law()).unwrap();
        assert_eq!(sealed, event);
        assert_eq!(after, entry(&step["after"]).unwrap());
    }
}
