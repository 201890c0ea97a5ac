//! Forged logs, one rule each: both auditors refuse, and name the same rule.

use callbook::attest::auditor::Fault;
use callbook::log::bytes::put_lp16;
use callbook::log::event::{Door, Event, Kind, Role};
use callbook::log::merkle::leaf_hash;
use callbook::log::state::{Flags, Status};
use callbook::log::{ZERO, merkle};
use serde_json::json;

use super::town::{
    ACME, ADA, BELL, BEN, DAY_MS, HOUR_MS, SEQUENCER, Town, key, label, name_of, second_opinion, signed,
};

/// A lawful history: three numbers, of which 1 is plain, 3 is locked, 5 has a request pending by door 0 and a recovery key.
fn honest() -> Town {
    let mut town = Town::new();
    let mut locked = town.create(3);
    locked.state.flags = Flags::LOCK;
    let locked = signed(locked, &[(Role::Provider, ACME), (Role::NewControl, 3)]);
    let mut recoverable = town.create(5);
    recoverable.state.recovery = name_of(&key(50));
    let recoverable = signed(recoverable, &[(Role::Provider, ACME), (Role::NewControl, 5)]);
    town.epoch(&[town.create(1), locked, recoverable]);
    town.epoch(&[town.update(1)]);
    town.epoch(&[town.request(5, Door::Main, "acme", 7), town.request(3, Door::Code, "bell", 9)]);
    town
}

/// Number 1 goes from its key, acme's customer, to the key 11 of bell's, by a claim that nobody objects to.
fn taken(town: &mut Town) {
    town.epoch(&[town.request(1, Door::Validation, "bell", 11)]);
    town.now_ms += 7 * DAY_MS;
    town.epoch(&[town.complete(1, Door::Validation, "bell", 11)]);
}

/// Publishes an event that is changed before it is signed.
fn with(town: &mut Town, mut event: Event, by: &[(Role, u8)], change: impl FnOnce(&mut Event)) {
    change(&mut event);
    town.epoch(&[signed(event, by)]);
}

/// Publishes an event that is changed after the epochs are filled in; signatures cover neither.
fn with_sealed(town: &mut Town, event: Event, change: impl FnOnce(&mut Event)) {
    let mut sealed = town.sealed(&event);
    change(&mut sealed);
    town.publish(vec![sealed], |_| {});
}

type Case = (&'static str, fn(&mut Town));

const BY_HOLDER: &[(Role, u8)] = &[(Role::Control, 1), (Role::Provider, ACME)];

const CASES: &[Case] = &[
    // Leaves.
    ("epoch: form", |t| {
        t.epoch(&[]);
        t.leaves.last_mut().unwrap().push(b'\n');
    }),
    ("epoch: number", |t| t.publish(Vec::new(), |leaf| leaf.epoch += 1)),
    ("epoch: time", |t| t.publish(Vec::new(), |leaf| leaf.time_ms -= HOUR_MS)),
    ("epoch: before its gov log", |t| {
        t.publish(Vec::new(), |_| {});
        let now_ms = t.now_ms;
        while t.gov.len() < 12 {
            t.decide("incident", json!({}));
        }
        t.later_gov(now_ms + HOUR_MS);
        t.publish(Vec::new(), |_| {});
    }),
    ("epoch: gov size", |t| t.publish(Vec::new(), |leaf| leaf.gov_size -= 1)),
    ("epoch: gov size", |t| t.publish(Vec::new(), |leaf| leaf.gov_size += 1)),
    ("epoch: gov root", |t| t.publish(Vec::new(), |leaf| leaf.gov_root = ZERO)),
    ("epoch: map root", |t| t.publish(vec![t.sealed(&t.update(1))], |leaf| leaf.map = ZERO)),
    ("epoch: map root", |t| {
        // A State that no event explains: what an operator would do who changes a key unseen.
        t.states.get_mut(&label(1)).unwrap().control = name_of(&key(11));
        t.publish(Vec::new(), |_| {});
    }),
    ("config: form", |t| {
        t.leaves[0] = String::from_utf8(t.leaves[0].clone()).unwrap().replace("map/0", "map/1").into_bytes()
    }),
    ("gov: era", |t| {
        let config = String::from_utf8(t.leaves[0].clone()).unwrap();
        t.leaves[0] = config
            .replace("BAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ=", "BQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU=")
            .into_bytes();
    }),
    ("gov: form", |t| {
        t.decide("incident", json!({}));
        let last = t.gov.last_mut().unwrap();
        *last = String::from_utf8(last.clone()).unwrap().replace("incident", "accident").into_bytes();
        t.publish(Vec::new(), |_| {});
    }),
    ("gov: time", |t| {
        t.later_gov(1_800_000_000_002);
        t.publish(Vec::new(), |_| {});
    }),
    ("gov: charter", |t| {
        t.decide(
            "charter",
            json!({"version": 3, "effective": 1_900_000_000_000u64, "policy": t.policy_digest(), "text": ""}),
        );
        t.publish(Vec::new(), |_| {});
    }),
    ("checkpoint: dated after its cosignature", |t| t.cosigned = vec![t.newest_s() - 601, t.newest_s()]),
    ("checkpoint: backdated", |t| t.cosigned = vec![t.newest_s() + 86_401]),
    // Batches.
    ("batch: form", |t| t.publish_bytes(vec![0, 5, 1], ZERO, |_| {})),
    ("batch: root", |t| t.publish(vec![t.sealed(&t.update(1))], |leaf| leaf.batch = ZERO)),
    ("batch: root", |t| {
        t.epoch(&[t.update(1)]);
        t.batches.last_mut().unwrap().clear(); // an event is withheld
    }),
    ("batch: labels out of order or twice", |t| {
        let twice =
            [t.sealed(&t.update(1)), t.sealed(&t.flags(1, Kind::Suspend, |f| f.with(Flags::SUSP_HOLDER), None))];
        t.publish_unsorted(&twice, |_| {});
    }),
    ("batch: labels out of order or twice", |t| {
        let mut events = vec![t.sealed(&t.create(21)), t.sealed(&t.create(22)), t.sealed(&t.create(23))];
        events.sort_by_key(|event| std::cmp::Reverse(event.label));
        t.publish_unsorted(&events, |_| {});
    }),
    ("event: form", |t| {
        let mut raw = t.sealed(&t.update(1)).write();
        raw.push(0);
        let mut batch = Vec::new();
        put_lp16(&mut batch, &raw);
        t.publish_bytes(batch, merkle::root(&[leaf_hash(&raw)]), |_| {});
    }),
    ("event: form", |t| with_sealed(t, t.update(1), |e| e.state.control = ZERO)),
    // The chain.
    ("event: version", |t| with(t, t.update(1), BY_HOLDER, |e| e.state.version += 1)),
    ("event: prev", |t| with(t, t.update(1), BY_HOLDER, |e| (e.prev, e.state.prev) = ([1; 32], [1; 32]))),
    ("event: prev", |t| with(t, t.update(1), BY_HOLDER, |e| e.prev = [1; 32])),
    ("event: since_epoch", |t| with_sealed(t, t.update(1), |e| e.state.since_epoch += 1)),
    ("event: key_epoch", |t| with_sealed(t, t.update(1), |e| e.state.key_epoch += 1)),
    ("event: valid_until", |t| with(t, t.update(1), BY_HOLDER, |e| e.valid_until -= 3601)),
    ("event: valid_until", |t| with(t, t.update(1), BY_HOLDER, |e| e.valid_until += 86_400)),
    // Who may, and what.
    ("event: status before", |t| {
        t.epoch(&[t.flags(1, Kind::Suspend, |f| f.with(Flags::SUSP_HOLDER), None)]);
        t.epoch(&[t.update(1)]);
    }),
    ("event: status before", |t| t.epoch(&[t.create(1)])),
    ("event: door or signatures", |t| with(t, t.update(1), &[(Role::Provider, ACME)], |_| {})),
    ("event: door or signatures", |t| with(t, t.update(1), &[(Role::Control, 1)], |e| e.provider.clear())),
    ("event: door or signatures", |t| with(t, t.create(31), &[(Role::Provider, ACME)], |_| {})),
    ("event: door or signatures", |t| with(t, t.create(31), &[(Role::NewControl, 31)], |e| e.provider.clear())),
    ("event: door or signatures", |t| {
        let order = t.decide("order", json!({}));
        with(t, t.flags(1, Kind::Suspend, |f| f.with(Flags::SUSP_OP), Some(order)), &[(Role::Operator, ADA)], |_| {});
    }),
    ("event: door or signatures", |t| with(t, t.release(1, Door::Main, "", &[]), &[], |_| {})),
    ("event: door or signatures", |t| {
        // A new control key that has not signed.
        with(t, t.update(1), BY_HOLDER, |e| e.state.control = name_of(&key(11)));
    }),
    ("event: changes more than its kind may", |t| with(t, t.update(1), BY_HOLDER, |e| e.state.not_after += 1)),
    ("event: changes more than its kind may", |t| {
        with(t, t.draft(1, Kind::Renew, Door::Main, "acme"), &[(Role::Provider, ACME)], |e| {
            (e.state.not_after, e.state.commitment) = (e.state.not_after + 1, [8; 32]);
        });
    }),
    ("event: changes more than its kind may", |t| {
        with(t, t.draft(1, Kind::Transfer, Door::Main, "bell"), &[(Role::Control, 1), (Role::Provider, BELL)], |e| {
            e.state.recovery = [8; 32];
        });
    }),
    ("event: status after", |t| {
        with(t, t.create(31), &[(Role::Provider, ACME), (Role::NewControl, 31)], |e| {
            (e.state.status, e.state.flags) = (Status::Suspended, Flags::SUSP_OP);
        });
    }),
    ("event: bad signature", |t| with_sealed(t, t.update(1), |e| e.state.commitment = [8; 32])),
    ("event: bad signature", |t| {
        let mut event = t.update(1);
        event.signatures.clear();
        event.sign("other.example/map/0", Role::Control, &key(1));
        event.sign("other.example/map/0", Role::Provider, &key(ACME));
        t.epoch(&[event]);
    }),
    ("event: not the current control key", |t| {
        with(t, t.update(1), &[(Role::Control, 3), (Role::Provider, ACME)], |_| {})
    }),
    ("event: not a key of the provider", |t| {
        with(t, t.update(1), &[(Role::Control, 1), (Role::Provider, BELL)], |_| {})
    }),
    ("event: not a key of the provider", |t| {
        let mut event = t.flags(1, Kind::Suspend, |f| f.with(Flags::SUSP_HOLDER), None);
        event.provider = "acme".into();
        t.epoch(&[signed(event, &[(Role::Control, 1)])]);
    }),
    ("event: not the new control key", |t| {
        with(t, t.create(31), &[(Role::Provider, ACME), (Role::NewControl, 33)], |_| {});
    }),
    ("event: not an operator", |t| {
        let order = t.decide("order", json!({}));
        let event = t.flags(1, Kind::Suspend, |f| f.with(Flags::SUSP_OP), Some(order));
        with(t, event, &[(Role::Operator, ADA), (Role::Operator, 1)], |_| {});
    }),
    ("event: not an operator", |t| {
        t.staff(BEN, "admin", "ended");
        let order = t.decide("order", json!({}));
        t.epoch(&[t.flags(1, Kind::Suspend, |f| f.with(Flags::SUSP_OP), Some(order))]);
    }),
    ("event: not the recovery key", |t| {
        let event = t.request(1, Door::Main, "acme", 11);
        with(t, event, &[(Role::Provider, ACME), (Role::NewControl, 11), (Role::Recovery, 50)], |_| {});
    }),
    ("event: not the sequencer", |t| {
        t.now_ms += 200 * DAY_MS;
        t.epoch(&[t.release(1, Door::Main, "", &[(Role::Sequencer, ACME)])]);
    }),
    ("event: provider may not do this", |t| {
        with(t, t.update(1), &[(Role::Control, 1), (Role::Provider, BELL)], |e| e.provider = "bell".into())
    }),
    ("event: provider may not do this", |t| {
        with(t, t.draft(1, Kind::Transfer, Door::Main, "acme"), BY_HOLDER, |e| e.state.commitment = [8; 32]);
    }),
    ("event: evidence", |t| {
        with(t, t.create(31), &[(Role::Provider, ACME), (Role::NewControl, 31)], |e| e.evidence = ZERO)
    }),
    ("event: evidence", |t| t.epoch(&[t.flags(1, Kind::Suspend, |f| f.with(Flags::SUSP_OP), Some([7; 32]))])),
    ("event: status of the provider", |t| {
        t.provider("acme", "suspended", ACME);
        t.epoch(&[t.update(1)]);
    }),
    ("event: status of the provider", |t| {
        t.provider("acme", "restricted", ACME);
        t.epoch(&[t.update(1)]);
        t.epoch(&[t.create(31)]);
    }),
    // Pending requests and time.
    ("event: pending", |t| {
        with(t, t.request(1, Door::Main, "acme", 11), &[(Role::Provider, ACME), (Role::NewControl, 13)], |_| {})
    }),
    ("event: pending", |t| {
        with(t, t.create(31), &[(Role::Provider, ACME), (Role::NewControl, 31)], |e| e.state.pending = [1; 32])
    }),
    ("event: flags", |t| with(t, t.update(1), BY_HOLDER, |e| e.state.flags = Flags::PROVIDER_HELD)),
    ("event: quarantine not over", |t| {
        t.epoch(&[t.release(1, Door::Direct, "", &[(Role::Control, 1)])]);
        t.now_ms += 29 * DAY_MS;
        t.epoch(&[t.create(1)]);
    }),
    ("event: another request is pending", |t| t.epoch(&[t.request(5, Door::Main, "acme", 13)])),
    ("event: nothing to veto or object to", |t| {
        with(t, t.draft(1, Kind::Veto, Door::Direct, ""), &[(Role::Control, 1)], |_| {});
    }),
    ("event: nothing to veto or object to", |t| {
        with(t, t.flags(5, Kind::Object, |f| f.with(Flags::OBJECTED), None), &[(Role::Control, 5)], |_| {});
    }),
    ("event: provider-held", |t| {
        let mut held = t.create(41);
        held.state.flags = Flags::PROVIDER_HELD;
        t.epoch(&[signed(held, &[(Role::Provider, ACME), (Role::NewControl, 41)])]);
        t.epoch(&[t.request(41, Door::Main, "acme", 43)]);
        with(t, t.draft(41, Kind::Veto, Door::Direct, ""), &[(Role::Control, 41)], |e| e.state.pending = ZERO);
    }),
    ("event: who suspended must resume", |t| {
        let order = t.decide("order", json!({}));
        t.epoch(&[t.flags(1, Kind::Suspend, |f| f.with(Flags::SUSP_OP), Some(order))]);
        t.epoch(&[t.flags(1, Kind::Resume, |f| f.without(Flags::SUSP_OP), None)]);
    }),
    ("event: not_after is over", |t| {
        let over = t.now_ms / 1000;
        with(t, t.create(31), &[(Role::Provider, ACME), (Role::NewControl, 31)], |e| e.state.not_after = over);
    }),
    ("event: not_after does not rise", |t| {
        with(t, t.draft(1, Kind::Renew, Door::Main, "acme"), &[(Role::Provider, ACME)], |e| e.state.not_after -= 1);
    }),
    ("event: pending does not open", |t| {
        t.now_ms += 8 * DAY_MS;
        t.epoch(&[t.complete(5, Door::Main, "acme", 13)]);
    }),
    ("event: cool-down not over", |t| {
        t.now_ms += 7 * DAY_MS - 2 * HOUR_MS;
        t.epoch(&[t.complete(5, Door::Main, "acme", 7)]);
    }),
    ("event: cool-down not over", |t| {
        // Locked: 30 days, not the 5 of a code.
        t.now_ms += 29 * DAY_MS;
        t.epoch(&[t.complete(3, Door::Code, "bell", 9)]);
    }),
    ("event: cool-down not over", |t| {
        let event = t.request(1, Door::Direct, "acme", 0);
        t.epoch(&[event]);
        t.now_ms += 6 * DAY_MS;
        t.epoch(&[t.release(1, Door::Direct, "acme", &[(Role::Provider, ACME)])]);
    }),
    ("event: objection not decided", |t| {
        t.epoch(&[t.request(1, Door::Validation, "bell", 11)]);
        t.now_ms += 5 * DAY_MS;
        t.epoch(&[t.flags(1, Kind::Object, |f| f.with(Flags::OBJECTED), None)]);
        t.now_ms += 6 * DAY_MS;
        t.epoch(&[t.complete(1, Door::Validation, "bell", 11)]);
    }),
    ("event: nothing to take back", |t| t.epoch(&[t.take_back(1, "bell", 11)])),
    ("event: nothing to take back", |t| {
        taken(t);
        t.epoch(&[t.take_back(1, "bell", 13)]);
    }),
    ("event: nothing to take back", |t| {
        taken(t);
        t.now_ms += 31 * DAY_MS - HOUR_MS;
        t.epoch(&[t.take_back(1, "acme", 1)]);
    }),
    ("event: nothing to take back", |t| {
        // Who objected had his contest.
        t.epoch(&[t.request(1, Door::Validation, "bell", 11)]);
        t.epoch(&[t.flags(1, Kind::Object, |f| f.with(Flags::OBJECTED), None)]);
        t.now_ms += 8 * DAY_MS;
        t.epoch(&[t.complete(1, Door::Validation, "bell", 11)]);
        t.epoch(&[t.take_back(1, "acme", 1)]);
    }),
    ("event: nothing to take back", |t| {
        taken(t);
        t.epoch(&[t.take_back(1, "acme", 1)]);
        t.epoch(&[t.take_back(1, "bell", 11)]);
    }),
    ("event: nothing to take back", |t| {
        // The key before came back by a claim of its own.
        taken(t);
        t.epoch(&[t.request(1, Door::Validation, "acme", 1)]);
        t.now_ms += 7 * DAY_MS;
        t.epoch(&[t.complete(1, Door::Validation, "acme", 1)]);
        t.epoch(&[t.take_back(1, "bell", 11)]);
    }),
    ("event: door or signatures", |t| {
        taken(t);
        let event = t.take_back(1, "acme", 1);
        t.epoch(&[signed(event, &[(Role::NewControl, 1)])]);
    }),
    ("event: not the new control key", |t| {
        taken(t);
        let event = t.take_back(1, "acme", 1);
        t.epoch(&[signed(event, &[(Role::Provider, ACME), (Role::NewControl, 13)])]);
    }),
    ("event: flags", |t| {
        taken(t);
        with(t, t.take_back(1, "acme", 1), &[(Role::Provider, ACME), (Role::NewControl, 1)], |e| {
            e.state.flags = Flags::PROVIDER_HELD;
        });
    }),
    ("event: pending", |t| {
        taken(t);
        with(t, t.take_back(1, "acme", 1), &[(Role::Provider, ACME), (Role::NewControl, 1)], |e| {
            e.state.pending = [9; 32];
        });
    }),
    ("event: evidence", |t| {
        taken(t);
        with(t, t.take_back(1, "acme", 1), &[(Role::Provider, ACME), (Role::NewControl, 1)], |e| e.evidence = ZERO);
    }),
    ("event: status before", |t| {
        let order = t.decide("order", json!({}));
        t.epoch(&[t.flags(1, Kind::Suspend, |f| f.with(Flags::SUSP_OP), Some(order))]);
        t.epoch(&[t.request(1, Door::Validation, "bell", 11)]);
    }),
    ("event: status before", |t| {
        t.epoch(&[t.flags(1, Kind::Suspend, |f| f.with(Flags::SUSP_HOLDER), None)]);
        t.epoch(&[t.request(1, Door::Code, "bell", 11)]);
    }),
    ("event: not lapsed for long enough", |t| {
        t.now_ms += 100 * DAY_MS;
        t.epoch(&[t.release(1, Door::Main, "", &[(Role::Sequencer, SEQUENCER)])]);
    }),
    ("event: era has begun", |t| {
        let carried = signed(t.draft(1, Kind::Carry, Door::Main, ""), &[(Role::Sequencer, SEQUENCER)]);
        with_sealed(t, carried, |e| e.state.key_epoch = 0);
    }),
];

impl Town {
    /// Makes the newest leaf of the gov log anew, of that time.
    fn later_gov(&mut self, time_ms: u64) {
        self.gov.pop();
        self.set_gov_time(time_ms - 1);
        self.decide("incident", json!({}));
    }

    fn newest_s(&self) -> u64 {
        (self.now_ms - HOUR_MS) / 1000
    }

    fn policy_digest(&self) -> String {
        let text = callbook::charter::Policy::embedded();
        callbook::log::bytes::to_base64(&callbook::log::sha256(&[text.source().as_bytes()]))
    }
}

/// Lawful ends of the same histories: what the forgeries are near to.
const LAWFUL: &[fn(&mut Town)] = &[
    |_| {},
    |t| {
        t.now_ms += 7 * DAY_MS;
        t.epoch(&[t.complete(5, Door::Main, "acme", 7)]);
        t.epoch(&[t.update(1)]);
    },
    |t| {
        t.now_ms += 30 * DAY_MS;
        t.epoch(&[t.complete(3, Door::Code, "bell", 9)]);
    },
    |t| {
        t.epoch(&[t.release(1, Door::Direct, "", &[(Role::Control, 1)])]);
        t.now_ms += 30 * DAY_MS;
        t.epoch(&[t.create(1)]);
    },
    |t| {
        t.epoch(&[t.request(1, Door::Validation, "bell", 11)]);
        t.now_ms += 5 * DAY_MS;
        t.epoch(&[t.flags(1, Kind::Object, |f| f.with(Flags::OBJECTED), None)]);
        t.now_ms += 7 * DAY_MS;
        t.epoch(&[t.complete(1, Door::Validation, "bell", 11)]);
    },
    |t| {
        let order = t.decide("order", json!({}));
        t.epoch(&[t.flags(1, Kind::Suspend, |f| f.with(Flags::SUSP_OP), Some(order))]);
        t.epoch(&[t.flags(1, Kind::Suspend, |f| f.with(Flags::SUSP_HOLDER), None)]);
        t.epoch(&[t.flags(1, Kind::Resume, |f| f.without(Flags::SUSP_OP), Some(order))]);
        t.epoch(&[t.flags(1, Kind::Resume, |f| f.without(Flags::SUSP_HOLDER), None)]);
    },
    |t| {
        t.now_ms += 120 * DAY_MS;
        t.epoch(&[t.release(1, Door::Main, "", &[(Role::Sequencer, SEQUENCER)])]);
    },
    |t| {
        // A request that nobody completed is void after 30 days: the next takes its place.
        t.now_ms += 30 * DAY_MS;
        t.epoch(&[t.request(5, Door::Main, "acme", 13)]);
    },
    |t| {
        let event = signed(t.request(5, Door::Main, "acme", 13), &[]);
        t.now_ms += 31 * DAY_MS;
        let event = Event { valid_until: t.now_ms / 1000 + 3600, ..event };
        t.epoch(&[signed(event, &[(Role::Provider, ACME), (Role::NewControl, 13), (Role::Recovery, 50)])]);
        t.now_ms += DAY_MS;
        t.epoch(&[t.complete(5, Door::Main, "acme", 13)]);
    },
    |t| {
        t.epoch(&[t.flags(1, Kind::Suspend, |f| f.with(Flags::SUSP_HOLDER), None)]);
        taken(t);
        t.epoch(&[t.take_back(1, "acme", 1)]);
    },
    |t| {
        taken(t);
        t.now_ms += 29 * DAY_MS;
        t.epoch(&[t.request(1, Door::Main, "bell", 13)]);
        t.epoch(&[t.take_back(1, "acme", 1)]);
        t.epoch(&[t.update(1)]);
    },
    |t| t.cosigned = vec![t.newest_s() - 600, t.newest_s() + 90_000],
];

#[test]
fn both_auditors_refuse_every_forgery_and_name_the_same_rule() {
    let mut logs = Vec::new();
    for (i, end) in LAWFUL.iter().enumerate() {
        let mut town = honest();
        end(&mut town);
        assert_eq!(town.replayed(), None, "lawful {i}");
        logs.push(town.dump());
    }
    for (i, (rule, forge)) in CASES.iter().enumerate() {
        let mut town = honest();
        forge(&mut town);
        let found = town.replayed().map(|fault: Fault| fault.rule.to_string());
        assert_eq!(found.as_deref(), Some(*rule), "case {i}");
        logs.push(town.dump());
    }
    let Some(said) = second_opinion(&logs) else { return };
    let expected = LAWFUL.iter().map(|_| None).chain(CASES.iter().map(|(rule, _)| Some((*rule).to_owned())));
    for (i, (said, expected)) in said.into_iter().zip(expected).enumerate() {
        assert_eq!(said, expected, "log {i}: {:?}", i.checked_sub(LAWFUL.len()).map(|i| CASES[i].0));
    }
}

#[test]
fn every_rule_has_words() {
    for (rule, forge) in CASES {
        let mut town = honest();
        forge(&mut town);
        let fault = town.replayed().unwrap();
        assert!(fault.rule.words().len() > 30, "{rule}");
        assert!(fault.to_string().contains(rule), "{fault}");
    }
}
