//! A new era (TRUST.md 5): the map log is closed for ever, another one begins under another VRF key, and every live number is
//! carried over into its first epochs.
//!
//! ```text
//! stopped, everything published --> vrf-N.key --> one transaction: old log put aside, gov leaf `era-open`, labels moved,
//!                                                CARRY of every live number, epochs 0..=k sealed --> epoch k signed --> start
//! ```
//! Before the transaction nothing has changed, after it only the signature is missing: the same command again goes on from
//! either. Nothing of the old log is ever signed again.

use std::path::PathBuf;
use std::sync::Arc;

use crate::authority::Settings;
use crate::authority::changes::{self, Told};
use crate::authority::error::OpenError;
use crate::authority::found::{Found, agree, check_clock, check_origin};
use crate::authority::gov::{self, InForce};
use crate::authority::image;
use crate::authority::initial::era_body;
use crate::authority::keys::{Keys, make_vrf, vrf_of};
use crate::authority::sequencer::{
    EMPTY_MAP, EPOCH_EVENTS_MAX, GENERATION, Head, LOG_FRONTIER, LOG_FRONTIER_BEFORE, bits_for, keys_of, write_frontier,
};
use crate::authority::signed::{self, REMEMBERED};
use crate::charter::Policy;
use crate::ledger::{Accepted, Carried, EpochRow, EraRow, EventRow, Ledger, LedgerError, Standing, Transaction};
use crate::log::Hash;
use crate::log::batch::Batch;
use crate::log::bytes::to_base64;
use crate::log::cosigner::Seen;
use crate::log::epoch::{ConfigLeaf, EpochLeaf, PrevEra};
use crate::log::event::Event;
use crate::log::gov::GovLeaf;
use crate::log::key::SigningKey;
use crate::log::label::Label;
use crate::log::map::MapTop;
use crate::log::merkle::{self, Frontier};
use crate::log::random::Random;
use crate::number::Number;
use crate::registry::{lapse, rules};
use crate::signer::{Log, LogSigner, Memory, Origins, Place, key_file};

/// Bytes of the reason that the gov log gives for a new era.
pub const ERA_REASON_LEN_MAX: usize = 500;

/// What is to be opened.
#[derive(Clone, Debug)]
pub struct EraWish {
    /// Why, in the council's words; it stands in the gov log for ever.
    pub reason: String,
    /// Whether changes that wait for an epoch which will never come are forgotten.
    pub forgets_waiting: bool,
}

/// An era that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedEra {
    /// Which one.
    pub era: u64,
    /// The origin of its map log.
    pub origin: String,
    /// The head of the log that is closed.
    pub prev: PrevEra,
    /// How many numbers were carried over.
    pub carried: u64,
    /// In how many epochs.
    pub epochs: u64,
    /// It was open already: only what was missing was done.
    pub is_old: bool,
}

/// Closes the log of an installation that does not run and opens the era that the settings name, which must be the next one.
///
/// # Errors
/// When parts disagree, changes wait, or something cannot be read or written; then nothing is changed, or the same call again
/// goes on.
pub fn open_era(
    settings: &Settings,
    policy: Policy,
    wish: &EraWish,
    now_ms: u64,
    random: &dyn Random,
) -> Result<OpenedEra, OpenError> {
    let ledger = Ledger::open(&settings.data)?;
    let config = ledger.read::<_, LedgerError>(|now| {
        let leaf = now.epoch(0)?.and_then(|row| ConfigLeaf::parse(std::str::from_utf8(&row.leaf).ok()?).ok());
        leaf.ok_or(LedgerError::Damaged("leaf 0 of the map log"))
    })?;
    let is_old = config.origin == settings.map_origin();
    let opened = if is_old { None } else { Some(close_and_open(&ledger, settings, policy, wish, now_ms, random)?) };
    sign(&ledger, settings)?;
    match opened {
        Some(opened) => Ok(opened),
        None => already(&ledger, settings, config),
    }
}

fn already(ledger: &Ledger, settings: &Settings, config: ConfigLeaf) -> Result<OpenedEra, OpenError> {
    let prev = config.prev_era;
    agree(prev.is_some(), || ("the configuration names the era that is open".to_owned(), NAME_NEXT))?;
    let prev = prev.expect("it was looked at just now");
    let (carried, epochs) = ledger.read::<_, LedgerError>(|now| Ok((now.count_numbers()?, now.log_size(Log::Map)?)))?;
    Ok(OpenedEra { era: settings.era, origin: config.origin, prev, carried, epochs: epochs - 1, is_old: true })
}

const NAME_NEXT: &str = "Set log.era in config.toml to the next number, then try again";
const START_ONCE: &str = "Start the service once, so that they are published, and stop it. If it is frozen, they can never be published: \
     with --forget-waiting they are forgotten, and their providers must ask for them anew";
const RESTORE_GOV: &str = "The gov log goes on through all eras: restore a ledger that has all its leaves";

fn close_and_open(
    ledger: &Ledger,
    settings: &Settings,
    policy: Policy,
    wish: &EraWish,
    now_ms: u64,
    random: &dyn Random,
) -> Result<OpenedEra, OpenError> {
    let before = Settings { era: settings.era.wrapping_sub(1), ..settings.clone() };
    ledger.read(|now| check_origin(now, &before))?;
    make_vrf(&settings.keys, random, &settings.lock, settings.era)?;
    let (old_keys, keys) = (keys_of_era(&before)?, keys_of_era(settings)?);
    let signer = signer(settings)?;
    let policy = Arc::new(policy);
    let found = ledger
        .read(|now| Found::read(now, &before, &policy, &old_keys.ours(), signer.verifier(Log::Gov), &mut |_| {}))?;
    let Found { head, laws, .. } = found;
    check_clock(head.epoch.time_ms, now_ms)?;
    let waiting = ledger.read::<_, LedgerError>(|now| now.count_waiting(head.epoch.last_seq))?;
    agree(waiting == 0 || wish.forgets_waiting, || {
        (format!("{waiting} accepted changes wait for an epoch"), START_ONCE)
    })?;
    let gov_seen = signer.all_seen()?[1];
    let differs = ledger.read(|now| signed::disagreement(now, &[Seen::nothing(), gov_seen], &head))?;
    agree(differs.is_none(), || (differs.unwrap_or_default(), RESTORE_GOV))?;
    let prev = PrevEra { origin: before.map_origin(), size: head.log.size(), root: head.log.root() };
    let carried = places(ledger, settings, &keys)?;
    let epochs = (carried.len() as u64).div_ceil(EPOCH_EVENTS_MAX as u64);
    let law = laws.last().ok_or(LedgerError::Damaged("the gov log has no leaf"))?;
    let leaf = era_leaf(settings, &keys, &signer, &prev, (wish, law, epochs), now_ms);
    let gov_leaf = signed::sign_leaf(&signer, &leaf)?;
    let mut law = InForce::clone(law);
    let sound = law.append([gov_leaf.as_str()], signer.verifier(Log::Gov));
    sound.map_err(|_| LedgerError::Damaged("the leaf that opens the era"))?;
    image::discard_image(&settings.data).map_err(|e| LedgerError::Unavailable(format!("the image: {e}")))?;
    let era = EraRow {
        era: before.era,
        origin: prev.origin.clone(),
        vkey: vkey_before(ledger)?,
        size: prev.size,
        closed_ms: now_ms,
    };
    let config = ConfigLeaf {
        origin: settings.map_origin(),
        vrf: *keys.vrf.public().as_bytes(),
        prev_era: Some(prev.clone()),
        gov: settings.gov_origin(),
    };
    let opened = OpenedEra {
        era: settings.era,
        origin: config.origin.clone(),
        prev,
        carried: carried.len() as u64,
        epochs,
        is_old: false,
    };
    let opening = Opening { era, config, carried, law, gov_leaf, head, now_ms, sequencer: keys.sequencer };
    let generation = opening.head.generation + 1;
    ledger.write(move |tx| opening.write(tx, generation)).wait_blocking()?;
    Ok(opened)
}

fn keys_of_era(settings: &Settings) -> Result<Keys, OpenError> {
    Ok(Keys::open(&settings.keys, &settings.lock, settings.era)?)
}

/// The signer of the new log. One in this process begins with an empty memory of it: nothing of this log was ever signed.
fn signer(settings: &Settings) -> Result<LogSigner, OpenError> {
    let signer = LogSigner::open(&settings.signer, &settings.keys, &settings.lock, &settings.origins(), None)?;
    if let LogSigner::Local(local) = &signer {
        local.adopt(Log::Map, Seen::nothing())?;
    }
    Ok(signer)
}

/// The key of the log that is closed.
fn vkey_before(ledger: &Ledger) -> Result<String, OpenError> {
    let known = ledger.read::<_, LedgerError>(signed::known_keys)?;
    let [map, _] = known.ok_or(LedgerError::Damaged("the stored keys of the logs"))?;
    Ok(map.to_string())
}

/// The label of every live number in the new era, in their order.
fn places(ledger: &Ledger, settings: &Settings, keys: &Keys) -> Result<Vec<Carried>, OpenError> {
    let mut live: Vec<(Label, Number)> = Vec::new();
    ledger.read::<_, LedgerError>(|now| {
        now.each_number(|(label, _), served| {
            live.extend(served.map(|served| (label, served.number)));
            Ok(())
        })
    })?;
    let (origin, vrf) = (settings.map_origin(), &keys.vrf);
    let part = live.len().div_ceil(std::thread::available_parallelism().map_or(1, usize::from)).max(1);
    let place = |(old, number): &(Label, Number)| {
        let (new, proof) = vrf.label(&origin, *number);
        Carried { old: *old, new, proof }
    };
    let mut carried: Vec<Carried> = std::thread::scope(|scope| {
        let parts = live.chunks(part).map(|part| scope.spawn(move || part.iter().map(place).collect::<Vec<_>>()));
        let parts: Vec<_> = parts.collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
    });
    if carried.len() != live.len() {
        return Err(LedgerError::Damaged("a label could not be computed").into());
    }
    carried.sort_unstable_by_key(|one| one.new);
    Ok(carried)
}

/// The leaf by which the gov log closes one map log and opens the next.
fn era_leaf(
    settings: &Settings,
    keys: &Keys,
    signer: &LogSigner,
    prev: &PrevEra,
    (wish, law, epochs): (&EraWish, &Arc<InForce>, u64),
    now_ms: u64,
) -> GovLeaf {
    let mut body = era_body(settings, keys, signer.verifier(Log::Map));
    body["prev"] = serde_json::json!({"map": prev.origin, "size": prev.size, "root": to_base64(&prev.root)});
    body["carry_until"] = epochs.into();
    body["reason"] = wish.reason.as_str().into();
    // What was signed of the old log beyond this is lost, and everybody may know that.
    if let Place::Here(folder) = &settings.signer {
        let origins = Origins::of_era(&settings.host, settings.era.wrapping_sub(1));
        let seen = Memory::peek(&origins.state_file(Log::Map, folder), &origins.map);
        if let Some(seen) = seen.ok().filter(|seen| seen.size > prev.size) {
            body["lost"] = (seen.size - prev.size).into();
        }
    }
    GovLeaf { kind: gov::ERA_OPEN.to_owned(), time_ms: now_ms.max(law.time_ms() + 1), seq: law.size(), body }
}

/// An era that is computed and not stored yet.
struct Opening {
    era: EraRow,
    config: ConfigLeaf,
    carried: Vec<Carried>,
    law: InForce,
    gov_leaf: String,
    /// Of the log that is closed.
    head: Head,
    now_ms: u64,
    sequencer: SigningKey,
}

/// The new log while its first epochs are sealed.
struct Growing {
    log: Frontier,
    before: Frontier,
    map: MapTop,
    /// All leaves of the map so far, by label.
    leaves: Vec<(Label, Hash)>,
    last_seq: u64,
}

impl Opening {
    fn write(&self, tx: &Transaction<'_>, generation: u64) -> Result<(), LedgerError> {
        self.forget_waiting(tx)?;
        tx.close_era(&self.era)?;
        tx.add_gov_leaf(self.law.size() - 1, self.gov_leaf.as_bytes())?;
        tx.carry_labels(&self.carried)?;
        let mut new = Growing {
            log: Frontier::new(),
            before: Frontier::new(),
            map: MapTop::new(bits_for(self.carried.len() as u64)),
            leaves: Vec::with_capacity(self.carried.len()),
            last_seq: self.head.epoch.last_seq,
        };
        self.seal(tx, &mut new, 0, self.config.write().into_bytes())?;
        for (n, part) in (1..).zip(self.carried.chunks(EPOCH_EVENTS_MAX)) {
            let leaf = self.carry(tx, &mut new, n, part)?;
            self.seal(tx, &mut new, n, leaf)?;
        }
        tx.set_meta(LOG_FRONTIER, &write_frontier(&new.log))?;
        tx.set_meta(LOG_FRONTIER_BEFORE, &write_frontier(&new.before))?;
        tx.set_meta(GENERATION, &generation.to_be_bytes())
    }

    /// What waits was signed for the old log, so it cannot come into the new one.
    fn forget_waiting(&self, tx: &Transaction<'_>) -> Result<(), LedgerError> {
        for label in tx.forget_waiting(self.head.epoch.last_seq)? {
            let record = tx.personal(&label)?.map(|personal| personal.disclosed.record).unwrap_or_default();
            keys_of(&record).iter().try_for_each(|key| tx.add_published_key(key, &label))?;
        }
        Ok(())
    }

    fn seal(&self, tx: &Transaction<'_>, new: &mut Growing, n: u64, leaf: Vec<u8>) -> Result<(), LedgerError> {
        new.before = new.log.clone();
        new.log.append(merkle::leaf_hash(&leaf));
        let (time_ms, gov_size) = (self.time_ms(n), self.law.size());
        tx.seal(&EpochRow { n, time_ms, leaf, last_seq: new.last_seq, gov_size, note: None })
    }

    fn time_ms(&self, n: u64) -> u64 {
        self.now_ms.max(self.law.time_ms()).max(self.head.epoch.time_ms) + n
    }

    /// Carries some numbers over; gives the leaf of the epoch in which that happens.
    fn carry(&self, tx: &Transaction<'_>, new: &mut Growing, n: u64, part: &[Carried]) -> Result<Vec<u8>, LedgerError> {
        let (mut events, mut told): (Vec<Event>, Vec<Told>) = Default::default();
        for one in part {
            let (event, all) = self.carry_one(tx, new, n, one.new)?;
            new.leaves.push((one.new, event.state.hash()));
            events.push(event);
            told.push(all);
        }
        tx.add_changes(told.iter().map(|told| (&told.changed, &told.readers[..])))?;
        let batch = Batch::new(events).map_err(|_| LedgerError::Damaged("two places of one number"))?.root();
        let leaf = EpochLeaf {
            epoch: n,
            time_ms: self.time_ms(n),
            map: new.grow(part),
            batch,
            gov_size: self.law.size(),
            gov_root: self.law.root(),
        };
        Ok(leaf.write().into_bytes())
    }

    fn carry_one(
        &self,
        tx: &Transaction<'_>,
        new: &mut Growing,
        n: u64,
        label: Label,
    ) -> Result<(Event, Told), LedgerError> {
        let standing = tx.standing(&label)?.ok_or(LedgerError::Damaged("a number without its State"))?;
        let event = lapse::carry(&standing.entry.state, label, &self.config.origin, self.now_ms, &self.sequencer);
        let (bytes, hash) = (event.write(), event.hash());
        let (received_ms, gov_size) = (self.now_ms, self.law.size());
        let before_seq = Some(standing.event_seq);
        let accepted =
            Accepted { label: &label, hash: &hash, event: &bytes, received_ms, gov_size, promised: n, before_seq };
        new.last_seq = tx.accept(&accepted)?;
        let time_ms = self.time_ms(n);
        let sealed = rules::seal(&event, n, time_ms, Some(&standing.entry), &self.law.law_at(time_ms));
        let (sealed, entry) = sealed.map_err(|_| LedgerError::Damaged("a State that no rule lets into the new era"))?;
        let row = EventRow { seq: new.last_seq, hash, event, received_ms, gov_size, promised: n, before_seq };
        let told = changes::told(&row, Some(&standing.entry), &entry, n);
        tx.set_standing(&label, &Standing { entry, event_seq: new.last_seq, keys_seq: standing.keys_seq })?;
        Ok((sealed, told))
    }
}

impl Growing {
    /// Takes the newest leaves, which are those of `part`, into the map; gives its root.
    fn grow(&mut self, part: &[Carried]) -> Hash {
        let mut buckets: Vec<u32> = part.iter().map(|one| self.map.bucket_of(&one.new)).collect();
        buckets.dedup();
        for bucket in buckets {
            let (first, last) = self.map.bucket_range(bucket);
            let from = self.leaves.partition_point(|(label, _)| *label < first);
            let to = self.leaves.partition_point(|(label, _)| *label <= last);
            self.map.update(bucket, &self.leaves[from..to]);
        }
        self.map.show();
        if self.leaves.is_empty() { EMPTY_MAP } else { self.map.root() }
    }
}

/// Signs the newest epoch, if that was not done.
fn sign(ledger: &Ledger, settings: &Settings) -> Result<(), OpenError> {
    let head = ledger.read::<_, LedgerError>(Head::load)?.ok_or(LedgerError::Damaged("the map log has no leaf"))?;
    if head.epoch.note.is_some() {
        return Ok(());
    }
    let signer = signer(settings)?;
    let note = signed::sign_map(ledger, &signer, &head, &settings.map_origin())?;
    let (n, known) = (head.epoch.n, signed::write_keys(&signer));
    let stored = ledger.write::<_, LedgerError, _>(move |tx| {
        tx.set_meta(REMEMBERED, &known)?;
        tx.sign(n, &note)
    });
    Ok(stored.wait_blocking()?)
}

/// The keys of eras that are closed which are still there, and whether they are needed: while a number rests that was given
/// back in such an era. Also while the service runs.
pub fn past_keys(settings: &Settings) -> Result<Vec<(PathBuf, bool)>, OpenError> {
    let needed = Ledger::peek(&settings.data, |now| Ok::<_, OpenError>(now.anyone_rests()?))?;
    let files = (0..settings.era).map(|era| key_file::file(&settings.keys, &vrf_of(era)));
    Ok(files.filter(|path| path.exists()).map(|path| (path, needed)).collect())
}
