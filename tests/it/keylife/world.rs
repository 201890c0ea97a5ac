//! A zone, its parent and its operator, for years on end: late and partial parents, restarts, lost steps, lost records,
//! clocks that are set, rolls of every sort.

use callbook::dnssec::life::{
    Change, ClockTrust, DsSet, Life, ParentNews, Pinned, Policy, Roll, ServerSaid, Sighting, State, Structure, Urgency,
};
use callbook::dnssec::{Algorithm, KeyId, KeyRole};

use super::judge::{Caches, History};

const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;
/// Where every world begins: late enough for a clock to be behind.
const BEGIN_S: u64 = 1_800_000_000;
/// How often the parent is looked at while it is waited for.
const LOOK_S: u64 = 900;

/// What must not happen.
pub(super) struct Bogus(pub(super) String);

/// How often what happened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) zsk: u64,
    pub(super) ksk: u64,
    pub(super) algorithm: u64,
    pub(super) emergencies: u64,
    pub(super) restarts: u64,
    pub(super) lost_records: u64,
    pub(super) clock_steps: u64,
}

/// A generator of numbers that repeats a world from its seed (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }
}

/// One server of the parent: what it will show, and when.
struct ParentServer {
    coming: Option<(u64, Vec<KeyId>)>,
}

pub(super) struct World {
    random: Random,
    policy: Policy,
    /// What the world really does, which the policy must not underrate.
    real: Policy,
    life: Life,
    caches: Caches,
    parents: Vec<ParentServer>,
    now_s: u64,
    clock_off_s: i64,
    next_tag: u16,
    looked_s: u64,
    /// Until when the parent does not care.
    parent_sleeps_s: u64,
    pub(super) tally: Tally,
}

impl World {
    /// A world by its seed, with a policy of its own.
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let policy = policy(&mut random);
        Self::with(random, policy.clone(), policy)
    }

    /// A world that is not as its policy believes.
    pub(super) fn deceived(seed: u64, believed: impl FnOnce(&mut Policy)) -> Self {
        let mut random = Random(seed);
        let real = policy(&mut random);
        let mut policy = real.clone();
        believed(&mut policy);
        Self::with(random, policy, real)
    }

    fn with(mut random: Random, policy: Policy, real: Policy) -> Self {
        let algorithm = Algorithm::ALL[random.below(2) as usize];
        let roles: &[KeyRole] = match policy.structure {
            Structure::KskZsk => &[KeyRole::Ksk, KeyRole::Zsk],
            Structure::Csk => &[KeyRole::Csk],
        };
        let keys = roles.iter().zip(1..).map(|(role, tag)| KeyId { role: *role, algorithm, tag });
        let life = Life::begin(keys.collect(), BEGIN_S);
        let served = life.publication();
        let (keys_s, data_s) =
            (u64::from(real.dnskey_ttl_s) + real.propagation_s, u64::from(real.data_ttl_s) + real.propagation_s);
        let ds_s = u64::from(real.ds_ttl_s) + real.propagation_s;
        let servers = 1 + random.below(3) as usize;
        let caches = Caches {
            data: History::begun(served.data_signers.clone(), BEGIN_S, data_s),
            cds: History::begun(served.cds_signers.clone(), BEGIN_S, keys_s),
            dnskey: History::begun(served, BEGIN_S, keys_s),
            ds: (0..servers).map(|_| History::begun(Vec::new(), BEGIN_S, ds_s)).collect(),
        };
        let parents = (0..servers).map(|_| ParentServer { coming: None }).collect();
        Self {
            random,
            policy,
            real,
            life,
            caches,
            parents,
            now_s: BEGIN_S,
            clock_off_s: 0,
            next_tag: 100,
            looked_s: 0,
            parent_sleeps_s: 0,
            tally: Tally::default(),
        }
    }

    /// Lets time go by.
    pub(super) fn live(&mut self, for_s: u64) -> Result<(), Bogus> {
        let end_s = self.now_s + for_s;
        while self.now_s < end_s {
            self.pass_time();
            self.parent_acts()?;
            let clock = self.fate();
            let sighting = self.look();
            self.step(sighting.as_ref(), clock)?;
        }
        Ok(())
    }

    /// The time to the next thing: a deadline of the machine to the second, or some while.
    fn pass_time(&mut self) {
        let waiting = self.life.submitted().is_some();
        let while_s = 1 + self.random.below(if waiting { 2 * LOOK_S } else { 8 * HOUR_S });
        let until_due_s = self.life.next_s(&self.policy).map(|due_s| due_s.saturating_sub(self.clock_s()));
        self.now_s += match until_due_s {
            Some(due_s) if due_s > 0 && due_s < while_s => due_s,
            _ => while_s,
        };
    }

    fn clock_s(&self) -> u64 {
        self.now_s.saturating_add_signed(self.clock_off_s)
    }

    /// Restarts, clocks, losses and wishes.
    fn fate(&mut self) -> ClockTrust {
        let mut clock = ClockTrust::Steady;
        if self.random.chance(200) {
            // The machine is off for a while; what it kept is read again.
            self.tally.restarts += 1;
            let off_s = if self.random.chance(7) { 30 * DAY_S } else { 2 * HOUR_S };
            self.now_s += self.random.below(off_s);
            let kept = serde_json::to_string(&self.life).expect("facts are written");
            self.life = serde_json::from_str(&kept).expect("and read");
        }
        let tolerated = self.clock_off_s.unsigned_abs() <= self.policy.safety_s / 2;
        if tolerated && self.random.chance(60) {
            // Within its tolerance a clock may jump unseen.
            let within = (self.policy.safety_s / 2) as i64;
            self.clock_off_s = self.random.below(2 * within as u64 + 1) as i64 - within;
            self.tally.clock_steps += 1;
        }
        if self.random.chance(400) {
            // Further only where it is noticed, which it is while the service runs.
            let days = 1 + self.random.below(400) as i64;
            self.clock_off_s = if self.random.chance(2) { days } else { -days } * DAY_S as i64;
            clock = ClockTrust::Stepped;
            self.tally.clock_steps += 1;
        } else if !tolerated && self.random.chance(20) {
            self.clock_off_s = 0;
            clock = ClockTrust::Stepped;
        }
        if self.random.chance(3_000) && self.life.target.is_none() {
            self.lose_the_record();
        }
        self.wish();
        clock
    }

    fn lose_the_record(&mut self) {
        let there = |state| state != State::Removed;
        let files: Vec<(KeyId, u64)> =
            self.life.keys.iter().filter(|k| there(k.state)).map(|k| (k.id(), k.created_s)).collect();
        if let Ok(life) = Life::adopt(&files, self.clock_s()) {
            self.life = life;
            self.tally.lost_records += 1;
        }
    }

    /// What an operator asks for, rightly or not.
    fn wish(&mut self) {
        if !self.random.chance(120) {
            return;
        }
        let now_s = self.clock_s();
        let urgency = if self.random.chance(4) { Urgency::Emergency } else { Urgency::Ordinary };
        let roll = match self.random.below(5) {
            0 | 1 => Roll::Zsk,
            2 | 3 => Roll::Ksk,
            _ => Roll::Algorithm(Algorithm::ALL[self.random.below(2) as usize]),
        };
        if self.life.ask(roll, urgency, now_s).is_ok() && urgency == Urgency::Emergency {
            self.tally.emergencies += 1;
        }
        let role = [KeyRole::Zsk, KeyRole::Ksk, KeyRole::Csk][self.random.below(3) as usize];
        if self.random.chance(4) && self.life.may_stand_by(role).is_ok() && self.fits(role) {
            let algorithm = Algorithm::ALL[self.random.below(2) as usize];
            self.make(role, algorithm);
        }
        if self.random.chance(20) {
            self.policy.structure = match self.policy.structure {
                Structure::KskZsk => Structure::Csk,
                Structure::Csk => Structure::KskZsk,
            };
        }
    }

    fn fits(&self, role: KeyRole) -> bool {
        matches!(
            (self.policy.structure, role),
            (Structure::Csk, KeyRole::Csk) | (Structure::KskZsk, KeyRole::Ksk | KeyRole::Zsk)
        )
    }

    fn make(&mut self, role: KeyRole, algorithm: Algorithm) {
        self.next_tag = self.next_tag.wrapping_add(1);
        let now_s = self.clock_s();
        self.life.add(KeyId { role, algorithm, tag: self.next_tag }, now_s);
    }

    /// A look at the parent's servers, some of which may be silent; or the operator's, who looks well.
    fn look(&mut self) -> Option<Sighting> {
        let waiting = self.life.submitted().map(|key| key.id());
        let lost = waiting.is_none() && self.life.is_unknown_to_parent();
        if (waiting.is_none() && !lost) || self.now_s < self.looked_s + LOOK_S / 2 {
            return None;
        }
        self.looked_s = self.now_s;
        let sets: Vec<Vec<KeyId>> = self.caches.ds.iter().map(|server| server.current().clone()).collect();
        if self.policy.parent == ParentNews::Told {
            let tag = sets[0].first().map(|key| key.tag);
            let alone = tag.filter(|tag| sets.iter().all(|set| set.len() == 1 && set[0].tag == *tag));
            let now_s = self.clock_s();
            if let Some(tag) = alone.filter(|tag| lost || waiting.is_some_and(|key| key.tag == *tag))
                && self.random.chance(10)
            {
                let _known = self.life.confirm_ds(tag, now_s);
            }
            return None;
        }
        let servers = sets.iter().enumerate().map(|(i, set)| {
            let keys = set.iter().map(|key| (key.algorithm, key.tag)).collect();
            let said = DsSet { keys, strangers: Vec::new(), ttl_s: self.real.ds_ttl_s };
            let silent = self.random.chance(25);
            ServerSaid { server: i.to_string(), said: if silent { Err("silent".to_owned()) } else { Ok(said) } }
        });
        let servers = servers.collect();
        Some(Sighting { at_s: self.clock_s(), servers })
    }

    /// The parent reads CDS when it likes, and its servers follow when they can. It may go back as long as the old key is
    /// sure to be there still.
    fn parent_acts(&mut self) -> Result<(), Bogus> {
        if self.now_s >= self.parent_sleeps_s {
            let one_in = if self.random.chance(6) { 60 } else { 3 };
            self.parent_sleeps_s = self.now_s + self.random.below(one_in * DAY_S);
            let named = self.caches.dnskey.current().cds.clone();
            let known = self.caches.ds[0].current();
            let signed = known.is_empty() || self.caches.cds.current().iter().any(|key| known.contains(key));
            if !named.is_empty() && signed {
                for server in &mut self.parents {
                    let within_s = if self.random.chance(3) { 2 * DAY_S } else { HOUR_S };
                    server.coming = Some((self.now_s + self.random.below(within_s), named.clone()));
                }
            }
        }
        let mut news = false;
        let may_go_back = self.life.submitted().is_some_and(|key| key.ds_seen_s.is_none());
        if may_go_back && self.random.chance(50) {
            let i = self.random.below(self.parents.len() as u64) as usize;
            let active: Vec<KeyId> = self
                .life
                .keys
                .iter()
                .filter(|key| key.role.is_entry() && key.state == State::Active)
                .map(|key| key.id())
                .collect();
            let back = active.into_iter().find(|key| self.caches.ds.iter().any(|ds| ds.current().contains(key)));
            if let (Some(key), true) = (back, self.clock_off_s == 0) {
                news |= self.caches.ds[i].serve(&vec![key], self.now_s);
            }
        }
        for (server, shown) in self.parents.iter_mut().zip(&mut self.caches.ds) {
            if let Some((at_s, ds)) = server.coming.take_if(|(at_s, _)| *at_s <= self.now_s) {
                // What came to it late may be out of date: it shows what it has been told, if that key is still there.
                let still = self.life.keys.iter().any(|k| ds.contains(&k.id()) && k.signs_keys());
                if at_s <= self.now_s && still {
                    news |= shown.serve(&ds, self.now_s);
                }
            }
        }
        if news { self.judge() } else { Ok(()) }
    }

    fn step(&mut self, sighting: Option<&Sighting>, clock: ClockTrust) -> Result<(), Bogus> {
        let now_s = self.clock_s();
        let before = self.life.clone();
        let rolling = self.life.target;
        let mut changes = Vec::new();
        for round in 0.. {
            assert!(round < 8, "keys are made and made: {:?}", self.life);
            let (clock, sighting) = if round == 0 { (clock, sighting) } else { (ClockTrust::Steady, None) };
            let step = self.life.step(&self.policy, sighting, now_s, clock);
            changes.extend(step.changes);
            match step.wanted {
                Some((role, algorithm)) => self.make(role, algorithm),
                None => break,
            }
        }
        if clock == ClockTrust::Steady && self.random.chance(500) {
            self.life = before; // killed before it was kept: nothing of it was served
            return Ok(());
        }
        for change in changes {
            match change {
                Change::Entered(KeyId { role: KeyRole::Zsk, .. }, State::Active) if rolling.is_none() => {
                    self.tally.zsk += 1
                }
                Change::Entered(key, State::Active) if key.role.is_entry() && rolling.is_none() => self.tally.ksk += 1,
                _ => {}
            }
        }
        self.tally.algorithm += u64::from(rolling.is_some() && self.life.target.is_none());
        let served = self.life.publication();
        let data = self.caches.data.serve(&served.data_signers, self.now_s);
        let cds = self.caches.cds.serve(&served.cds_signers, self.now_s);
        let dnskey = self.caches.dnskey.serve(&served, self.now_s);
        // Lost records and emergencies in a row, while the parent sleeps, are the worst.
        assert!(served.dnskeys.len() <= 16, "{served:?}");
        // Two mixtures become possible only when something new is served.
        if data || cds || dnskey { self.judge() } else { Ok(()) }
    }

    fn judge(&self) -> Result<(), Bogus> {
        match self.caches.bogus(self.now_s) {
            None => Ok(()),
            Some(why) => Err(Bogus(format!("{why}\n{:?}\n{:?}", self.life, self.policy))),
        }
    }
}

/// Any policy that an operator may have, lives shorter than usual so that more happens in a year.
fn policy(random: &mut Random) -> Policy {
    let ttl_s = |random: &mut Random| [60, 300, 3_600, 14_400, 86_400][random.below(5) as usize];
    let pinned = match random.below(4) {
        0 => Pinned::Yes { hold_down_s: 5 * DAY_S, revoked_s: 4 * DAY_S },
        _ => Pinned::No,
    };
    Policy {
        structure: if random.chance(3) { Structure::Csk } else { Structure::KskZsk },
        zsk_life_s: [0, 5, 30][random.below(3) as usize] * DAY_S,
        ksk_life_s: [0, 30, 90][random.below(3) as usize] * DAY_S,
        dnskey_ttl_s: ttl_s(random),
        data_ttl_s: ttl_s(random),
        ds_ttl_s: ttl_s(random),
        propagation_s: random.below(3) * 300,
        safety_s: 3_600,
        parent: if random.chance(3) { ParentNews::Told } else { ParentNews::Asked },
        pinned,
        removed_keep_s: 10 * DAY_S,
    }
}
