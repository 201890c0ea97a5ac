//! The machine with its record and its keys: one turn of it, and what a command may change beside it.
//!
//! Whatever is served was recorded before. A turn that is cut off has served nothing new, and a key that was made for it
//! and not recorded is of no use to anybody.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::rand::SystemRandom;

use super::facts::{Life, State};
use super::policy::{Policy, Structure};
use super::publication::Publication;
use super::record::{Locked, RecordFile};
use super::sighting::Sighting;
use super::step::{Change, ClockTrust};
use crate::config::Dnssec;
use crate::dnssec::keys::{self, Key, KeyError, KeyFiles, KeySource, Protection, ZoneKeys};
use crate::dnssec::offline::{OfflineError, Schedule, ScheduleFile};
use crate::dnssec::{Algorithm, KeyId, KeyRole};
use crate::wire::Name;

/// Keys made in one turn: a roll of the algorithm needs two.
const MADE_MAX: usize = 4;

/// One zone's keys and their record.
pub struct Keeping {
    dir: PathBuf,
    pub(super) apex: Name,
    pub(super) policy: Policy,
    pub(super) record: RecordFile,
    pub(super) schedules: ScheduleFile,
    pub(super) source: Box<dyn KeySource>,
    opened: Vec<Key>,
    served: Option<(Publication, Days)>,
}

/// The days of a set of keys that was signed elsewhere; without, what is served holds until it changes.
type Days = Option<(u64, u64)>;

/// What came of a turn.
pub struct Turned {
    /// The facts as they are recorded now.
    pub life: Life,
    /// What happened.
    pub changes: Vec<Change>,
    /// The keys to serve from now on, if they are others than after the turn before.
    pub keys: Option<ZoneKeys>,
    /// Files that could not be put aside or deleted: they are in nobody's way, and the next start tries again.
    pub leftovers: Vec<KeyError>,
}

impl Keeping {
    /// The keys of `apex` in `dir`, as files.
    pub fn files(dir: &Path, apex: &Name, policy: Policy) -> Self {
        let source = KeyFiles::new(dir, apex, Box::new(SystemRandom::new()));
        Self::new(dir, apex, policy, Box::new(source))
    }

    /// The same, where the configuration says that keys are: sealed if there is a passphrase, in a token if there is one.
    pub fn configured(dir: &Path, apex: &Name, policy: Policy, dnssec: &Dnssec) -> Self {
        Self::new(dir, apex, policy, keys::configured(dir, apex, dnssec))
    }

    /// The keys of `apex` from elsewhere, with their record in `dir`.
    pub fn new(dir: &Path, apex: &Name, policy: Policy, source: Box<dyn KeySource>) -> Self {
        let (record, schedules) = (RecordFile::new(dir, apex), ScheduleFile::new(dir, apex));
        Self { dir: dir.to_owned(), apex: *apex, policy, record, schedules, source, opened: Vec::new(), served: None }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// From the next turn on the highest TTL in the zone is this, in seconds.
    pub fn zone_has_ttl(&mut self, ttl_s: u32) {
        self.policy.data_ttl_s = ttl_s;
    }

    /// Makes the first keys of a new zone and records them. There must be none.
    pub fn begin(&mut self, algorithm: Algorithm, now_s: u64) -> Result<ZoneKeys, KeyError> {
        let held = self.begin_new()?;
        let roles: &[KeyRole] = match self.policy.structure {
            Structure::KskZsk => &[KeyRole::Ksk, KeyRole::Zsk],
            Structure::Csk => &[KeyRole::Csk],
        };
        let mut ids: Vec<KeyId> = Vec::new();
        for role in roles {
            let so_far = Life::begin(ids.clone(), now_s);
            ids.push(self.source.make(*role, algorithm, &|tags| so_far.tag_is_free(tags))?);
        }
        let life = Life::begin(ids, now_s);
        self.record.write(&life, &held)?;
        self.build(&life.publication())
    }

    /// The right to make the first keys of a zone.
    pub(super) fn begin_new(&self) -> Result<Locked, KeyError> {
        fs::create_dir_all(&self.dir).map_err(|source| KeyError::Io { path: self.dir.clone(), source })?;
        let held = self.record.lock()?;
        if !self.source.list()?.is_empty() || self.record.read()?.is_some() {
            return Err(KeyError::Exists { dir: self.dir.clone(), apex: self.apex.to_text() });
        }
        Ok(held)
    }

    /// Reads facts and keys, and changes nothing.
    pub fn load(&mut self, now_s: u64) -> Result<(Life, ZoneKeys), KeyError> {
        let (life, schedule) = self.standing(now_s)?;
        let keys = match (&schedule, life.offline) {
            (Some(schedule), _) => self.build_due(schedule, now_s)?,
            (None, Some(_)) => return Err(OfflineError::NothingSigned.into()),
            (None, None) => self.build(&life.publication())?,
        };
        Ok((life, keys))
    }

    /// Reads the facts, and changes nothing. Without a record they follow from the schedule or the keys that are there.
    pub fn life(&self, now_s: u64) -> Result<Life, KeyError> {
        self.standing(now_s).map(|(life, _)| life)
    }

    /// The facts, and the schedule if the KSK is offline and has signed one.
    pub(super) fn standing(&self, now_s: u64) -> Result<(Life, Option<Arc<Schedule>>), KeyError> {
        let (life, schedule) = self.found(now_s)?;
        match life.offline.is_some_and(|offline| offline.signed_until_s.is_some()) && schedule.is_none() {
            true => Err(OfflineError::NoSchedule { path: self.schedules.path().to_owned() }.into()),
            false => Ok((life, schedule)),
        }
    }

    /// The same, also where the schedule is missing that should be there.
    pub(super) fn found(&self, now_s: u64) -> Result<(Life, Option<Arc<Schedule>>), KeyError> {
        let recorded = self.record.read()?;
        if let Some(life) = recorded.as_ref().filter(|life| life.offline.is_none()) {
            return Ok((life.clone(), None));
        }
        let schedule = self.schedules.read()?;
        match (recorded, schedule) {
            (Some(life), schedule) => Ok((life, schedule)),
            (None, Some(schedule)) => {
                let due = schedule.at(now_s)?;
                let mut life = Life::offline(due.signer.algorithm);
                life.follow(&due, &self.policy, None, now_s, ClockTrust::Steady);
                Ok((life, Some(schedule)))
            }
            (None, None) => self.adopted(now_s).map(|life| (life, None)),
        }
    }

    /// The facts that follow from the keys that are there.
    fn adopted(&self, now_s: u64) -> Result<Life, KeyError> {
        let (dir, apex) = (self.dir.clone(), self.apex.to_text());
        let files = self.source.list()?;
        if files.is_empty() {
            return Err(KeyError::None { dir, apex });
        }
        let lacks = |is: fn(KeyRole) -> bool| !files.iter().any(|(id, _)| is(id.role));
        for (is, what) in [(KeyRole::is_entry as fn(_) -> _, "keys"), (KeyRole::signs_data, "data")] {
            if lacks(is) {
                return Err(KeyError::Half { dir, apex, what });
            }
        }
        let record = self.record.path().to_owned();
        Life::adopt(&files, now_s).map_err(|_| KeyError::TwoAlgorithms { record, dir })
    }

    /// One turn: the facts are read, stepped, and recorded, then the keys are handed out.
    pub fn turn(&mut self, sighting: Option<&Sighting>, now_s: u64, clock: ClockTrust) -> Result<Turned, KeyError> {
        let held = self.record.lock()?;
        let recorded = self.record.read()?;
        let (mut life, schedule) = self.standing(now_s)?;
        if let Some(schedule) = schedule {
            return self.turn_by(&schedule, life, recorded.as_ref(), sighting, now_s, clock, &held);
        }
        let mut step = life.step(&self.policy, sighting, now_s, clock);
        let mut changes = std::mem::take(&mut step.changes);
        let publication = life.publication();
        if step.wanted.is_some() || self.served.as_ref().is_none_or(|(served, _)| *served != publication) {
            self.look_whether_all_sign(&life.publication())?;
        }
        for _ in 0..MADE_MAX {
            let Some((role, algorithm)) = step.wanted else { break };
            let id = self.source.make(role, algorithm, &|tags| life.tag_is_free(tags))?;
            life.add(id, now_s);
            step = life.step(&self.policy, None, now_s, ClockTrust::Steady);
            changes.append(&mut step.changes);
        }
        let publication = life.publication();
        let is_new = self.served.as_ref().is_none_or(|(served, days)| days.is_some() || *served != publication);
        let keys = if is_new { Some(self.build(&publication)?) } else { None };
        if recorded.as_ref() != Some(&life) {
            self.record.write(&life, &held)?;
        }
        let leftovers = if is_new || !changes.is_empty() { self.tidy(&life, &changes) } else { Vec::new() };
        self.served = Some((publication, None));
        Ok(Turned { life, changes, keys, leftovers })
    }

    /// The same where the KSK is offline: the schedule says what is served, and only the parent's DS is news.
    #[allow(clippy::too_many_arguments)] // those of a turn, and what it has read
    fn turn_by(
        &mut self,
        schedule: &Schedule,
        mut life: Life,
        recorded: Option<&Life>,
        sighting: Option<&Sighting>,
        now_s: u64,
        clock: ClockTrust,
        held: &Locked,
    ) -> Result<Turned, KeyError> {
        let due = schedule.at(now_s)?;
        let changes = life.follow(&due, &self.policy, sighting, now_s, clock);
        // The same keys for other days have other signatures.
        let publication = (due.set.publication(Some(due.signer)), Some((due.set.from_s, due.set.until_s)));
        let is_new = self.served.as_ref() != Some(&publication);
        let keys = if is_new { Some(self.build_due(schedule, now_s)?) } else { None };
        if recorded != Some(&life) {
            self.record.write(&life, held)?;
        }
        let leftovers = if is_new || !changes.is_empty() { self.tidy(&life, &changes) } else { Vec::new() };
        self.served = Some(publication);
        Ok(Turned { life, changes, keys, leftovers })
    }

    /// What a schedule has served now.
    pub(super) fn build_due(&mut self, schedule: &Schedule, now_s: u64) -> Result<ZoneKeys, KeyError> {
        let due = schedule.at(now_s)?;
        let (opened, source) = (&mut self.opened, &self.source);
        due.set.to_serve(&self.apex, schedule.dnskey_ttl_s, due.signer, &mut |id| open(opened, &**source, id))
    }

    /// Changes facts beside a running service, which takes them up with its next turn; `change` may make keys.
    pub fn change<T>(
        &mut self,
        now_s: u64,
        change: impl FnOnce(&mut Life, &dyn KeySource) -> Result<T, KeyError>,
    ) -> Result<T, KeyError> {
        let held = self.record.lock()?;
        let mut life = self.life(now_s)?;
        let done = change(&mut life, &*self.source)?;
        self.record.write(&life, &held)?;
        Ok(done)
    }

    /// What protects a key where it lies.
    pub fn protection(&self, id: KeyId) -> Result<Protection, KeyError> {
        self.source.protection(id)
    }

    /// The keys that are there and that the record does not know: nobody uses them.
    pub fn strangers(&self, life: &Life) -> Result<Vec<KeyId>, KeyError> {
        let files = self.source.list()?.into_iter().map(|(id, _)| id);
        Ok(files.filter(|id| life.keys.iter().all(|key| key.id() != *id)).collect())
    }

    fn build(&mut self, publication: &Publication) -> Result<ZoneKeys, KeyError> {
        let (opened, source) = (&mut self.opened, &self.source);
        ZoneKeys::build(&self.apex, publication, self.policy.dnskey_ttl_s, |id| open(opened, &**source, id))
    }

    /// Other keys need other signatures over them: whoever cannot make one now, a token that is away, keeps everything as it
    /// is, for what was signed before would go with it. Keys that are not open yet show it when they are opened.
    fn look_whether_all_sign(&self, publication: &Publication) -> Result<(), KeyError> {
        let random = SystemRandom::new();
        let Publication { key_signers, cds_signers, data_signers, .. } = publication;
        let needed = |key: &Key| [key_signers, cds_signers, data_signers].iter().any(|ids| ids.contains(&key.id()));
        match self.opened.iter().find(|key| needed(key) && !key.signs(&random)) {
            Some(key) => Err(KeyError::Silent { key: key.id() }),
            None => Ok(()),
        }
    }

    /// What left the zone is put aside, and after a while deleted.
    fn tidy(&mut self, life: &Life, changes: &[Change]) -> Vec<KeyError> {
        let removed: Vec<KeyId> =
            life.keys.iter().filter(|key| key.state == State::Removed).map(|key| key.id()).collect();
        let forgotten = changes.iter().filter_map(|change| match change {
            Change::Forgotten(id) => Some(*id),
            Change::Entered(..) => None,
        });
        let aside = removed.iter().map(|id| self.source.set_aside(*id));
        let deleted = forgotten.map(|id| self.source.forget(id));
        let leftovers = aside.chain(deleted).filter_map(Result::err).collect();
        self.opened.retain(|key| !removed.contains(&key.id()));
        leftovers
    }
}

/// A key that was opened before, or is now.
fn open(opened: &mut Vec<Key>, source: &dyn KeySource, id: KeyId) -> Result<Key, KeyError> {
    if let Some(key) = opened.iter().find(|key| key.id() == id) {
        return Ok(key.clone());
    }
    let key = source.open(id)?;
    opened.push(key.clone());
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::super::{DsSet, ParentNews, Pinned, Roll, ServerSaid, Urgency};
    use super::*;
    use crate::wire::RrType;
    use std::fs;

    const NOW_S: u64 = 1_800_000_000;
    const DAY_S: u64 = 86_400;

    fn policy() -> Policy {
        Policy {
            structure: Structure::KskZsk,
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

    fn keeping(dir: &Path) -> Keeping {
        Keeping::files(dir, &Name::from_text("e164.example.").unwrap(), policy())
    }

    fn why<T>(result: Result<T, KeyError>) -> String {
        result.err().map(|e| e.to_string()).unwrap_or_default()
    }

    fn turn(keeping: &mut Keeping, now_s: u64) -> Turned {
        keeping.turn(None, now_s, ClockTrust::Steady).unwrap()
    }

    #[test]
    fn the_first_keys_are_made_once_and_served() {
        let dir = tempfile::tempdir().unwrap();
        assert!(why(keeping(dir.path()).load(NOW_S)).contains("holds no keys of e164.example."));
        let made = keeping(dir.path()).begin(Algorithm::Ed25519, NOW_S).unwrap();
        assert!(why(keeping(dir.path()).begin(Algorithm::Ed25519, NOW_S)).contains("already holds keys"));
        let (life, loaded) = keeping(dir.path()).load(NOW_S).unwrap();
        assert_eq!(made.dnskeys(), loaded.dnskeys());
        assert_eq!(life.submitted().map(|key| key.role), Some(KeyRole::Ksk));
        let mut keeping = keeping(dir.path());
        assert!(turn(&mut keeping, NOW_S + 9).keys.is_some() && turn(&mut keeping, NOW_S + 9).keys.is_none());
    }

    #[test]
    fn an_installation_without_a_record_goes_on_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let made = keeping(dir.path()).begin(Algorithm::default(), NOW_S).unwrap();
        fs::remove_file(keeping(dir.path()).record.path()).unwrap();
        let turned = turn(&mut keeping(dir.path()), NOW_S + DAY_S);
        assert_eq!(turned.keys.unwrap().dnskeys(), made.dnskeys());
        assert!(turned.life.keys.iter().all(|key| key.state == State::Active));
        assert_eq!(turned.life.keys.len(), 2, "no key is made in place of a record");
    }

    #[test]
    fn a_roll_of_the_zsk_takes_the_waits_of_rfc_7583() {
        let dir = tempfile::tempdir().unwrap();
        let mut keeping = keeping(dir.path());
        keeping.begin(Algorithm::default(), NOW_S).unwrap();
        let wait_s = 3_600 + 300 + 3_600;
        let start_s = NOW_S + 30 * DAY_S - wait_s;
        assert!(turn(&mut keeping, start_s - 1).changes.is_empty());
        let published = turn(&mut keeping, start_s);
        let next = published.life.keys[2].id();
        assert_eq!(published.changes, [Change::Entered(next, State::Published)]);
        assert!(turn(&mut keeping, start_s + wait_s - 1).changes.is_empty());
        let old = published.life.keys[1].id();
        let switched = turn(&mut keeping, start_s + wait_s);
        let entered = |id, state| Change::Entered(id, state);
        assert_eq!(
            switched.changes,
            [entered(next, State::Ready), entered(next, State::Active), entered(old, State::Retired)]
        );
        assert_eq!(switched.keys.unwrap().signers(RrType::NAPTR)[0].tag, next.tag);
        assert!(turn(&mut keeping, start_s + 2 * wait_s - 1).changes.is_empty());
        assert_eq!(turn(&mut keeping, start_s + 2 * wait_s).changes, [entered(old, State::Removed)]);
        assert!(why(keeping.source.open(old)).contains("missing"));
        let end_s = start_s + 2 * wait_s + 30 * DAY_S;
        assert!(turn(&mut keeping, end_s).changes.contains(&Change::Forgotten(old)));
    }

    #[test]
    fn a_ksk_waits_for_ever_for_a_parent_that_does_not_act_and_leaves_when_all_servers_show_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut keeping = keeping(dir.path());
        keeping.begin(Algorithm::default(), NOW_S).unwrap();
        let mut now_s = NOW_S;
        let mut look = |keeping: &mut Keeping, tags: [u16; 2], after_s: u64| {
            now_s += after_s;
            let server = |tag: u16| ServerSaid {
                server: "192.0.2.1:53".to_owned(),
                said: Ok(DsSet { keys: vec![(Algorithm::default(), tag)], strangers: Vec::new(), ttl_s: 7_200 }),
            };
            let sighting = Sighting { at_s: now_s, servers: tags.map(server).into() };
            keeping.turn(Some(&sighting), now_s, ClockTrust::Steady).unwrap().life
        };
        let old = keeping.life(NOW_S).unwrap().keys[0].tag;
        look(&mut keeping, [old; 2], 0);
        assert_eq!(look(&mut keeping, [old; 2], DAY_S).keys[0].state, State::Active);
        keeping.change(NOW_S, |life, _| Ok(life.ask(Roll::Ksk, Urgency::Ordinary, NOW_S)?)).unwrap();
        look(&mut keeping, [old; 2], 0);
        let life = look(&mut keeping, [old; 2], DAY_S);
        let new = life.submitted().unwrap().tag;
        assert_eq!(look(&mut keeping, [old; 2], 1_000 * DAY_S).submitted().map(|key| key.tag), Some(new));
        assert_eq!(look(&mut keeping, [new, old], DAY_S).submitted().map(|key| key.tag), Some(new));
        look(&mut keeping, [new; 2], 60);
        look(&mut keeping, [old, new], 60); // one goes back: the wait begins anew
        look(&mut keeping, [new; 2], 60);
        // The parent's own TTL counts where it is higher than the one of the configuration.
        let wait_s = 7_200 + 300 + 3_600;
        assert!(look(&mut keeping, [new; 2], wait_s - 1).submitted().is_some());
        let life = look(&mut keeping, [new; 2], 1);
        assert_eq!(life.key(Algorithm::default(), old).map(|key| key.state), Some(State::Removed));
    }

    #[test]
    fn a_missing_or_foreign_key_file_stops_the_turn_and_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = keeping(dir.path());
        first.begin(Algorithm::default(), NOW_S).unwrap();
        let record = fs::read(first.record.path()).unwrap();
        let ksk = first.life(NOW_S).unwrap().keys[0].id();
        first.source.set_aside(ksk).unwrap();
        let mut second = keeping(dir.path());
        assert!(why(second.turn(None, NOW_S + 60 * DAY_S, ClockTrust::Steady)).contains("No other key is made"));
        assert_eq!(fs::read(second.record.path()).unwrap(), record);
        assert_eq!(second.strangers(&second.life(NOW_S).unwrap()).unwrap().len(), 1, "the ZSK that was made in vain");
    }

    #[test]
    fn what_is_lost_in_the_middle_of_an_algorithm_roll_is_not_guessed() {
        let dir = tempfile::tempdir().unwrap();
        let mut keeping = keeping(dir.path());
        keeping.begin(Algorithm::default(), NOW_S).unwrap();
        keeping.source.make(KeyRole::Zsk, Algorithm::Ed25519, &|_| true).unwrap();
        assert!(turn(&mut keeping, NOW_S).changes.is_empty());
        fs::remove_file(keeping.record.path()).unwrap();
        assert!(why(keeping.life(NOW_S)).contains("keys of two algorithms"));
    }
}
