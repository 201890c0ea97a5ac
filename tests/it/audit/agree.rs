//! Random histories, lawful and not, and random mutations of lawful ones: the two auditors agree, rule by rule.

use callbook::log::bytes::put_lp16;
use callbook::log::event::{Door, Event, Kind, Role};
use callbook::log::merkle::{leaf_hash, root};
use callbook::log::state::Flags;
use callbook::log::{Hash, ZERO};
use serde_json::{Value, json};

use super::town::{ACME, BELL, DAY_MS, HOUR_MS, SEQUENCER, Town, key, name_of, second_opinion, signed};

/// Histories; the other auditor needs some seconds for all of them.
const HISTORIES: u64 = 12;
const STEPS: usize = 14;
const MUTATIONS: usize = 4;

/// Numbers that repeat themselves (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len())]
    }
}

/// Anything that somebody might hand in, lawful or not.
fn anything(town: &mut Town, dice: &mut Dice) -> Event {
    let (n, new) = (dice.of(&[1u8, 3, 4]), dice.of(&[1u8, 3, 4, 5, 6]));
    let (provider, door) =
        (dice.of(&["acme", "bell"]), dice.of(&[Door::Main, Door::Code, Door::Validation, Door::Direct]));
    let statement = if provider == "acme" { ACME } else { BELL };
    let order = (dice.roll(2) == 0).then(|| town.decide("order", json!({})));
    let mine = if order.is_some() { Flags::SUSP_OP } else { Flags::SUSP_HOLDER };
    match dice.roll(13) {
        12 => town.take_back(n, provider, new),
        0 | 1 => town.create(n),
        2 => town.update(n),
        3 | 4 => town.request(n, door, provider, new),
        5 | 6 => town.complete(n, door, provider, new),
        7 => town.flags(n, Kind::Suspend, |flags| flags.with(mine), order),
        8 => town.flags(n, Kind::Resume, |flags| flags.without(mine), order),
        9 => match dice.roll(3) {
            0 => town.release(n, Door::Direct, "", &[(Role::Control, n)]),
            1 => town.release(n, Door::Direct, provider, &[(Role::Provider, statement)]),
            _ => town.release(n, Door::Main, "", &[(Role::Sequencer, SEQUENCER)]),
        },
        10 => {
            let mut event = town.draft(n, Kind::Update, Door::Main, provider);
            event.state.control = name_of(&key(new));
            event.state.pending = dice.of(&[ZERO, event.state.pending]);
            event.state.flags = dice.of(&[event.state.flags, event.state.flags.changed(Flags::LOCK)]);
            let by = [(Role::Control, n), (Role::Provider, statement), (Role::NewControl, new)];
            signed(event, &by[..2 + dice.roll(2)])
        }
        _ => match dice.roll(3) {
            0 => town.flags(n, Kind::Object, |flags| flags.with(Flags::OBJECTED), None),
            1 => {
                let mut event = town.draft(n, Kind::Veto, Door::Direct, "");
                event.state.pending = ZERO;
                signed(event, &[(Role::Control, n)])
            }
            _ => {
                let mut event = town.draft(n, Kind::Renew, Door::Main, provider);
                event.state.not_after += 86_400;
                signed(event, &[(Role::Provider, statement)])
            }
        },
    }
}

/// Flips bits somewhere, and makes the roots fit again where there is something to fit.
fn mutated(mut town: Town, dice: &mut Dice) -> Town {
    let bit = 1u8 << dice.roll(8);
    let flip = |bytes: &mut Vec<u8>, dice: &mut Dice| {
        let at = dice.roll(bytes.len());
        bytes[at] ^= bit;
    };
    match dice.roll(6) {
        0 => {
            let which = dice.roll(town.leaves.len());
            flip(&mut town.leaves[which], dice);
        }
        1 => {
            let which = dice.roll(town.gov.len());
            flip(&mut town.gov[which], dice);
        }
        _ => {
            // An event of the last epoch: whoever forges it makes leaf and map anew.
            let Some(raw) = town.batches.pop().filter(|batch| !batch.is_empty()) else { return town };
            town.leaves.pop();
            let (mut event, mut batch) = (raw[2..].to_vec(), Vec::new());
            flip(&mut event, dice);
            put_lp16(&mut batch, &event);
            if let Ok(event) = Event::parse(&event) {
                town.states.insert(event.label, event.state);
            }
            town.now_ms -= HOUR_MS;
            let hash: Hash = leaf_hash(&event);
            town.publish_bytes(batch, root(&[hash]), |_| {});
        }
    }
    town
}

#[test]
fn random_histories_and_mutations_get_one_judgement() {
    let (mut logs, mut ours): (Vec<Value>, Vec<Option<String>>) = (Vec::new(), Vec::new());
    let judge = |town: &Town, logs: &mut Vec<Value>, ours: &mut Vec<Option<String>>| {
        let rule = town.replayed().map(|fault| fault.rule.to_string());
        logs.push(town.dump());
        ours.push(rule.clone());
        rule
    };
    for seed in 1..=HISTORIES {
        let (mut town, mut dice) = (Town::new(), Dice(seed * 0x9e37_79b9));
        let mut lawful = 0;
        for _ in 0..STEPS * 4 {
            town.now_ms += dice.of(&[0, DAY_MS, 6 * DAY_MS, 8 * DAY_MS, 31 * DAY_MS]);
            let mut next = town.clone();
            let event = anything(&mut next, &mut dice);
            next.epoch(&[event]);
            match next.replayed() {
                None => {
                    town = next;
                    lawful += 1;
                }
                Some(_) if dice.roll(4) == 0 => drop(judge(&next, &mut logs, &mut ours)),
                Some(_) => {}
            }
            if lawful == STEPS {
                break;
            }
        }
        assert!(lawful >= 3, "seed {seed}: {lawful} lawful changes");
        assert_eq!(judge(&town, &mut logs, &mut ours), None);
        for _ in 0..MUTATIONS {
            judge(&mutated(town.clone(), &mut dice), &mut logs, &mut ours);
        }
    }
    let refused: std::collections::BTreeSet<_> = ours.iter().flatten().collect();
    assert!(refused.len() >= 8, "a good mixture: {refused:?}");
    let Some(theirs) = second_opinion(&logs) else { return };
    for (i, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(ours, theirs, "log {i}: {}", logs[i]);
    }
}
