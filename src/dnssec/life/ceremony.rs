//! A node's part of an offline KSK: the request, the response that is taken, and the way back.

use super::facts::{KeyLife, Life, State};
use super::keeping::Keeping;
use super::policy::{Pinned, Structure};
use super::step::ClockTrust;
use crate::dnssec::keys::{KeyError, ZoneKeys};
use crate::dnssec::offline::{
    KeySet, OfflineError, Plan, Planned, PublicKey, Replace, Request, Response, SLOT_S, Schedule, Served, Slots, Waits,
};
use crate::dnssec::{Algorithm, KeyId, KeyRole};

/// What a request is to ask for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What this node is called.
    pub node: &'a str,
    /// For how many days.
    pub days: u64,
    /// In how many days every node has the response: before that nothing changes.
    pub within_days: u64,
    /// Whether the ZSK is replaced out of turn.
    pub replace: Replace,
    /// Keys that were made ahead may be in other hands.
    pub compromised: bool,
    /// Other nodes serve the zone already.
    pub joins: bool,
}

/// What came of a response.
pub struct Accepted {
    /// Until when there are signatures, Unix seconds.
    pub signed_until_s: u64,
    /// When this node may serve for the first time, if that is still to come.
    pub begins_s: Option<u64>,
    /// KSKs whose private halves lie on this machine, where they no longer belong.
    pub still_here: Vec<KeyId>,
    /// The keys that are served, if this node may serve by now.
    pub keys: Option<ZoneKeys>,
}

impl Keeping {
    /// Begins a zone whose KSK is never on this machine. There must be no keys; the first are made with the request.
    pub fn begin_offline(&mut self, algorithm: Algorithm) -> Result<(), KeyError> {
        let held = self.begin_new()?;
        self.record.write(&Life::offline(algorithm), &held)
    }

    /// Makes the ZSKs that are needed, and the request for their signatures.
    pub fn request(&mut self, wanted: &Wanted<'_>, now_s: u64) -> Result<Request, KeyError> {
        let held = self.record.lock()?;
        let (life, schedule) = self.standing(now_s)?;
        self.suits(&life)?;
        let (slots, data_ttl_s) = (Slots::of(&self.apex), life.data_ttl_s.max(self.policy.data_ttl_s));
        let waits = Waits::of(&self.policy, data_ttl_s);
        let from_s = slots.start(now_s);
        let usable_s = slots.up(now_s + wanted.within_days * SLOT_S);
        let until_s = from_s + wanted.days * SLOT_S;
        if usable_s + waits.key_s + SLOT_S >= until_s {
            return Err(OfflineError::NotNow(
                "ask for more days: so few are over before a new key could sign".to_owned(),
            )
            .into());
        }
        let mut discarded = if wanted.compromised { self.spare(&life, None, &[])? } else { Vec::new() };
        discarded.retain(|id| schedule.as_ref().and_then(|schedule| schedule.plan.signer(now_s)) != Some(*id));
        let discarded: Vec<u16> = discarded.into_iter().map(|id| id.tag).collect();
        let mut plan = match &schedule {
            Some(schedule) => schedule.plan.clone(),
            None => self.plan_of(&life, [from_s, usable_s], wanted, &waits, &discarded)?,
        };
        let mut make = |planned: &[Planned]| self.next_zsk(&life, planned, &discarded);
        plan.extend(slots, usable_s..until_s, &waits, wanted.replace, now_s, &mut make)?;
        let ksks = self.ksks(&life, schedule.as_deref(), now_s)?;
        let (ttl_s, days) = (self.policy.dnskey_ttl_s, [from_s, usable_s, until_s]);
        let request = Request::new(&self.apex, wanted.node, now_s, ttl_s, days, waits.entry_s, &plan, ksks)?;
        self.schedules.wait_for(request.clone(), plan, discarded)?;
        drop(held);
        Ok(request)
    }

    /// Takes a response, if it fits the request and what is served. A running service goes on with it by itself.
    pub fn accept(&mut self, response: Response, now_s: u64) -> Result<Accepted, KeyError> {
        response.verify(&self.apex)?;
        let held = self.record.lock()?;
        let (mut life, earlier) = self.found(now_s)?;
        self.suits(&life)?;
        if let Some(due) = earlier.as_ref().and_then(|schedule| schedule.at(now_s).ok()) {
            life.follow(&due, &self.policy, None, now_s, ClockTrust::Steady);
        }
        let pending = self.schedules.pending()?.ok_or(OfflineError::NoRequest)?;
        let restores = earlier.is_none() && life.offline.is_some_and(|offline| offline.signed_until_s.is_some());
        let schedule = Schedule::replacing(earlier.as_deref(), &pending, response, now_s)?;
        if now_s >= pending.request.usable_s && life.has_signed() && !restores {
            return Err(OfflineError::Refused(
                "the response comes too late: keys in it were to be known by now. Make another request".to_owned(),
            )
            .into());
        }
        self.fits(&life, &schedule, now_s)?;
        let mut accepted = Accepted { signed_until_s: 0, begins_s: None, still_here: Vec::new(), keys: None };
        accepted.signed_until_s = schedule.coming(now_s).map(|set| set.until_s).max().unwrap_or_default();
        accepted.begins_s = schedule.plan.begins_s(now_s);
        self.schedules.write(&schedule)?;
        life.asks.clear();
        life.offline = Life::offline(pending.request.zsks[0].key.id().algorithm).offline;
        if let Ok(due) = schedule.at(now_s) {
            life.follow(&due, &self.policy, None, now_s, ClockTrust::Steady);
            accepted.keys = Some(self.build_due(&schedule, now_s)?);
        }
        if let Some(offline) = &mut life.offline {
            offline.signed_until_s = Some(accepted.signed_until_s);
        }
        self.record.write(&life, &held)?;
        for id in
            self.spare(&life, Some(&schedule.plan), &[])?.into_iter().filter(|id| pending.discarded.contains(&id.tag))
        {
            self.source.set_aside(id)?;
        }
        let here = self.source.list()?.into_iter().map(|(id, _)| id);
        accepted.still_here = here.filter(|id| id.role == KeyRole::Ksk).collect();
        Ok(accepted)
    }

    /// Takes the keys of another node out of what is served, or all of them in again.
    pub fn drop_node(&mut self, node: Option<&str>, now_s: u64) -> Result<(), KeyError> {
        let _held = self.record.lock()?;
        let (_, schedule) = self.standing(now_s)?;
        let mut schedule = (*schedule.ok_or_else(|| self.no_schedule())?).clone();
        schedule.drop_node(node)?;
        self.schedules.write(&schedule)
    }

    /// Goes on with KSKs that lie here again. Every KSK that is served must be there.
    pub fn back_online(&mut self, now_s: u64) -> Result<Life, KeyError> {
        let held = self.record.lock()?;
        let (mut life, schedule) = self.standing(now_s)?;
        let schedule = schedule.ok_or_else(|| self.no_schedule())?;
        let due = schedule.at(now_s)?;
        for id in due.shown().into_iter().filter(|id| id.role == KeyRole::Ksk) {
            self.source.open(id)?;
        }
        life.follow(&due, &self.policy, None, now_s, ClockTrust::Steady);
        life.offline = None;
        self.record.write(&life, &held)?;
        self.schedules.retire()?;
        Ok(life)
    }

    fn no_schedule(&self) -> OfflineError {
        OfflineError::NoSchedule { path: self.schedules.path().to_owned() }
    }

    /// Whether the zone's keys are of a sort that an offline KSK can go on with.
    fn suits(&self, life: &Life) -> Result<(), OfflineError> {
        let no = |why: &str| Err(OfflineError::NotNow(why.to_owned()));
        let signing = life.keys.iter().filter(|key| key.signs_data()).count();
        if self.policy.structure == Structure::Csk
            || life.keys.iter().any(|key| key.role == KeyRole::Csk && key.is_out())
        {
            return no(
                "the zone has one key for everything (CSK), and that must be here. Set dnssec.csk = false and roll the KSK first",
            );
        }
        if self.policy.pinned != Pinned::No {
            return no("dnssec.rfc5011 = true wants a leaving KSK to be shown revoked, which responses do not do");
        }
        if life.target.is_some() || !life.asks.is_empty() || signing > 1 {
            return no(
                "a roll was asked for or is under way: wait until `callbook keys status` says that nobody has to act",
            );
        }
        if life.is_unknown_to_parent() {
            return no("it is not known which key the parent has: `callbook keys status` says what to do first");
        }
        if life.keys.iter().any(|key| key.state == State::Revoked) {
            return no("a KSK is shown revoked: wait until it has left");
        }
        Ok(())
    }

    /// The beginning of a plan where there is no schedule: the key that signs now, or the first one of all.
    fn plan_of(
        &self,
        life: &Life,
        [from_s, usable_s]: [u64; 2],
        wanted: &Wanted<'_>,
        waits: &Waits,
        discarded: &[u16],
    ) -> Result<Plan, KeyError> {
        let Some(signs) = life.keys.iter().find(|key| key.signs_data()) else {
            let key = self.next_zsk(life, &[], discarded)?;
            return Ok(match wanted.joins {
                true => Plan::from_first(key, usable_s, usable_s + waits.key_s),
                false => Plan::from_first(key, from_s, from_s),
            });
        };
        let plan = Plan::from_signing(PublicKey::of(&self.source.open(signs.id())?), signs.since_s);
        let retired = life.keys.iter().filter(|key| key.role == KeyRole::Zsk && key.state == State::Retired);
        retired.into_iter().try_fold(plan, |plan, key| {
            let leaves_s = Slots::of(&self.apex).up(key.since_s + waits.data_s).max(usable_s);
            Ok(plan.with_leaving(PublicKey::of(&self.source.open(key.id())?), leaves_s))
        })
    }

    /// A ZSK that was made ahead and is not planned yet, or a new one.
    fn next_zsk(&self, life: &Life, planned: &[Planned], discarded: &[u16]) -> Result<PublicKey, KeyError> {
        let plan = Plan { zsks: planned.to_vec() };
        let id = match self.spare(life, Some(&plan), discarded)?.first() {
            Some(id) => *id,
            None => {
                let algorithm = life.offline.map(|offline| offline.algorithm).or(life.algorithm()).unwrap_or_default();
                let is_free = |tags: [u16; 2]| {
                    life.tag_is_free(tags) && planned.iter().all(|zsk| !tags.contains(&zsk.key.id().tag))
                };
                self.source.make(KeyRole::Zsk, algorithm, &is_free)?
            }
        };
        Ok(PublicKey::of(&self.source.open(id)?))
    }

    /// ZSKs that were made ahead, that nobody has seen, and that may be used.
    fn spare(&self, life: &Life, plan: Option<&Plan>, discarded: &[u16]) -> Result<Vec<KeyId>, KeyError> {
        let algorithm = life.offline.map(|offline| offline.algorithm).or(life.algorithm()).unwrap_or_default();
        let ids = self.source.list()?.into_iter().map(|(id, _)| id);
        let unknown = |id: &KeyId| {
            life.keys.iter().all(|key| key.id() != *id)
                && !discarded.contains(&id.tag)
                && plan.is_none_or(|plan| !plan.has(*id))
        };
        Ok(ids.filter(|id| id.role == KeyRole::Zsk && id.algorithm == algorithm && unknown(id)).collect())
    }

    /// The KSKs that the next response has to go on with.
    fn ksks(&self, life: &Life, schedule: Option<&Schedule>, now_s: u64) -> Result<Vec<Served>, KeyError> {
        let offline = life.offline.is_some();
        let goes_on = |state| match state {
            State::Submitted | State::Active | State::Retired => true,
            // A KSK that a response showed is on its way; one that stands by here has no part in it.
            State::Published | State::Ready => offline,
            _ => false,
        };
        let set = schedule.and_then(|schedule| schedule.set_at(now_s));
        let named = set.and_then(KeySet::named).or(life.parent_should_have());
        let mut ksks = Vec::new();
        for key in life.keys.iter().filter(|key| key.role == KeyRole::Ksk && goes_on(key.state)) {
            let public = match set.and_then(|set| set.keys.iter().find(|public| public.id() == key.id())) {
                Some(public) => public.clone(),
                None => PublicKey::of(&self.source.open(key.id())?),
            };
            let since_s = schedule.and_then(|schedule| schedule.shown_since_s(key.id()));
            ksks.push(Served {
                key: public,
                since_s: since_s.or(key.published_s).unwrap_or(key.since_s),
                named: set.map_or(named == Some(key.id()), |set| set.has_named(key.id())),
                leaves: key.state == State::Retired,
            });
        }
        Ok(ksks)
    }

    /// Whether a schedule goes on from what is in caches now.
    fn fits(&self, life: &Life, schedule: &Schedule, now_s: u64) -> Result<(), OfflineError> {
        let no =
            |why: String| Err(OfflineError::Refused(format!("the response does not go on from what is served: {why}")));
        if !life.has_signed() {
            return Ok(()); // nothing of this node is in any cache
        }
        let Some(set) = schedule.set_at(now_s) else { return no("it begins later".to_owned()) };
        let signer = life.keys.iter().find(|key| key.signs_data()).map(KeyLife::id);
        if schedule.plan.signer(now_s) != signer {
            return no("another ZSK signs by now. Make another request".to_owned());
        }
        let wait_s = self.policy.data_wait_s(life.data_ttl_s);
        let cached = |key: &&KeyLife| match key.state {
            State::Active => key.role == KeyRole::Zsk,
            State::Retired => key.role == KeyRole::Zsk && key.in_state_s(now_s) < wait_s,
            _ => false,
        };
        if let Some(key) = life.keys.iter().filter(cached).find(|key| !set.has(key.id())) {
            return no(format!(
                "{} is missing, whose signatures are in caches. Wait until it has left, then make another request",
                key.id()
            ));
        }
        let known = |key: &&KeyLife| key.role == KeyRole::Ksk && matches!(key.state, State::Active | State::Submitted);
        for set in schedule.coming(now_s) {
            if let Some(key) = life.keys.iter().filter(known).find(|key| !set.has(key.id())) {
                return no(format!("{} leaves, and the parent may still name it. Make another request", key.id()));
            }
        }
        let named = life.parent_should_have();
        if let (Some(named), true) = (named, named != set.named()) {
            return no(format!("CDS names {named} now, and another key in the response"));
        }
        for set in schedule.coming(now_s).filter(|set| set.named() != named) {
            let shown = |id| {
                schedule.shown_since_s(id).map(|since_s| if life.knows(id) { since_s } else { since_s.max(now_s) })
            };
            let since_s = set.named().and_then(shown).unwrap_or(now_s);
            if since_s + self.policy.entry_wait_s() > set.from_s {
                return no("CDS names a KSK before every cache has it. Make another request".to_owned());
            }
        }
        Ok(())
    }
}

impl Life {
    /// Whether anything that this node signed may be in a cache.
    fn has_signed(&self) -> bool {
        self.keys.iter().any(|key| key.signing_s.is_some())
    }

    fn knows(&self, id: KeyId) -> bool {
        self.keys.iter().any(|key| key.id() == id && key.is_out())
    }
}
