//! A ledger that is older than what was signed, brought up to it from copies (TRUST.md 4): leaves of both logs from a mirror,
//! events from the batches that an auditor kept.
//!
//! ```text
//! stopped, frozen --> mirror: both checkpoints ours, its leaves go on from ours and from what the signer remembers
//!                 --> epoch by epoch: gov leaves, events by the rules, map root = leaf's, one transaction --> start: they agree
//! ```
//! Nothing is signed here. What no copy has is records and openings: a number whose record was lost is not served until its
//! provider submits the same event again, which its holder signed once and for all (`restore`, below).

use std::collections::HashMap;
use std::sync::Arc;

use crate::authority::changes;
use crate::authority::error::{OpenError, Rejection};
use crate::authority::found::{Found, agree};
use crate::authority::gov::InForce;
use crate::authority::image;
use crate::authority::keys::Keys;
use crate::authority::sequencer::{GENERATION, Head, Plan, Sealed, Stored, dropped_keys, keys_of};
use crate::authority::shown::{Shown, ShownEpoch, path_of_next};
use crate::authority::submit::Submission;
use crate::authority::{Core, Settings, publish};
use crate::charter::Policy;
use crate::ledger::{Accepted, Disclosed, EpochRow, EventRow, Ledger, LedgerError, Snapshot, Standing, Transaction};
use crate::log::batch::Batch;
use crate::log::checkpoint::Checkpoint;
use crate::log::cosigner::Seen;
use crate::log::epoch::EpochLeaf;
use crate::log::event::Event;
use crate::log::label::Label;
use crate::log::merkle::{self, Frontier};
use crate::log::note::Note;
use crate::log::record::{self, Record};
use crate::log::state::Status;
use crate::log::{Hash, sha256};
use crate::registry::rules;
use crate::signer::{Log, LogSigner};

/// Copies of what was published, kept by others. Nothing in them is believed.
pub trait Copies {
    /// The newest signed checkpoint of a log.
    fn note(&self, log: Log) -> Result<String, String>;
    /// Leaf `n` of a log of which `size` leaves were copied.
    fn leaf(&self, log: Log, n: u64, size: u64) -> Result<Vec<u8>, String>;
    /// The batch of an epoch.
    fn batch(&self, epoch: u64) -> Result<Vec<u8>, String>;
}

/// What was brought back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refilled {
    /// Leaves of the gov log.
    pub decisions: u64,
    /// Leaves of the map log.
    pub epochs: u64,
    /// Events.
    pub events: u64,
    /// Numbers that are not served until their providers submit their newest record again.
    pub without_record: u64,
    /// Accepted changes that were in no epoch and no longer fit what is there: their providers must ask anew.
    pub forgotten: u64,
}

const OTHER_COPY: &str = "Take a copy that has everything which was signed, from another mirror";
const ASK_AUDITOR: &str = "Auditors may have kept it (`callbook auditor run --keep`)";
const WRONG_COPY: &str = "That copy is of another directory, or damaged: take another one";

/// Brings the ledger of an installation that does not run up to what copies have.
///
/// # Errors
/// When a copy does not go on from what is there, or something is missing from it. What was brought back until then stays, and
/// the same call goes on from there.
pub fn refill(settings: &Settings, policy: Policy, copies: &dyn Copies) -> Result<Refilled, OpenError> {
    let ledger = Ledger::open(&settings.data)?;
    let keys = Keys::open(&settings.keys, &settings.lock, settings.era)?;
    let signer = LogSigner::open(&settings.signer, &settings.keys, &settings.lock, &settings.origins(), None)?;
    let policy = Arc::new(policy);
    let found =
        ledger.read(|now| Found::read(now, settings, &policy, &keys.ours(), signer.verifier(Log::Gov), &mut |_| {}))?;
    let seen = signer.all_seen()?;
    let law = found.laws.last().ok_or(LedgerError::Damaged("the gov log has no leaf"))?;
    let map = target(copies, &signer, Log::Map, settings.origins().of(Log::Map), &found.head.log, &seen[0])?;
    let gov = target(copies, &signer, Log::Gov, settings.origins().of(Log::Gov), law.tree(), &seen[1])?;
    image::discard_image(&settings.data).map_err(|e| LedgerError::Unavailable(format!("the image: {e}")))?;
    let Found { head, map: top, laws } = found;
    let mut refill = Refill {
        ledger: &ledger,
        signer: &signer,
        copies,
        origin: settings.map_origin(),
        gov_size: gov.0.size,
        shown: Shown::new(top, None),
        head,
        laws,
        done: Refilled::default(),
    };
    while refill.head.log.size() < map.0.size {
        refill.epoch(&map)?;
    }
    refill.end()
}

/// A checkpoint that the copy has reached, with its note.
type Target = (Checkpoint, String);

/// What the copy of a log comes to; it must be signed by us, and go on from our own leaves and from what was signed last.
fn target(
    copies: &dyn Copies,
    signer: &LogSigner,
    log: Log,
    origin: &str,
    ours: &Frontier,
    seen: &Seen,
) -> Result<Target, OpenError> {
    let said = |why: String| OpenError::Disagree {
        what: format!("the copy of the {}: {why}", log.name()),
        remedy: WRONG_COPY,
    };
    let note = copies.note(log).map_err(said)?;
    let opened = Note::open(&note, std::slice::from_ref(signer.verifier(log))).ok();
    let head = opened.filter(|note| !note.signed.is_empty()).and_then(|note| Checkpoint::parse(&note.text).ok());
    let head = head
        .filter(|head| head.origin == origin)
        .ok_or_else(|| said("its checkpoint is not signed by us".to_owned()))?;
    agree(head.size >= seen.size && head.size >= ours.size(), || {
        let (has, needs) = (head.size, seen.size.max(ours.size()));
        (format!("the copy of the {} has {has} leaves, and {needs} were signed", log.name()), OTHER_COPY)
    })?;
    let mut tree = ours.clone();
    let mut goes_on = tree.size() != seen.size || tree.root() == seen.root;
    for n in ours.size()..head.size {
        tree.append(merkle::leaf_hash(&copies.leaf(log, n, head.size).map_err(said)?));
        goes_on &= tree.size() != seen.size || tree.root() == seen.root;
    }
    agree(tree.root() == head.root && goes_on, || {
        (format!("the copy of the {} does not go on from the ledger, or from what was signed", log.name()), WRONG_COPY)
    })?;
    Ok((head, note))
}

/// The work, epoch by epoch.
struct Refill<'r> {
    ledger: &'r Ledger,
    signer: &'r LogSigner,
    copies: &'r dyn Copies,
    origin: String,
    gov_size: u64,
    shown: Shown,
    head: Head,
    laws: Vec<Arc<InForce>>,
    done: Refilled,
}

/// An epoch as the copies tell it, by the rules.
struct Replayed {
    rows: Vec<EventRow>,
    /// Labels whose record no copy has.
    lost: Vec<Label>,
    /// Accepted events that are not in this epoch.
    rest: Vec<EventRow>,
}

impl Refill<'_> {
    fn said(n: u64, why: impl std::fmt::Display, remedy: &'static str) -> OpenError {
        OpenError::Disagree { what: format!("epoch {n}: {why}"), remedy }
    }

    fn epoch(&mut self, target: &Target) -> Result<(), OpenError> {
        let n = self.head.log.size();
        let raw = self.copies.leaf(Log::Map, n, target.0.size).map_err(|why| Self::said(n, why, WRONG_COPY))?;
        let leaf = std::str::from_utf8(&raw).ok().and_then(|text| EpochLeaf::parse(text).ok());
        let leaf = leaf.ok_or_else(|| Self::said(n, "its leaf has no sound form", WRONG_COPY))?;
        let decisions = self.decisions(leaf.gov_size)?;
        let law = self.laws.iter().find(|law| law.size() == leaf.gov_size && law.root() == leaf.gov_root).cloned();
        let law = law.ok_or_else(|| Self::said(n, "it rests on a gov log that the copy does not have", WRONG_COPY))?;
        let batch = self.batch(n, &leaf)?;
        let waiting =
            self.ledger.read::<_, LedgerError>(|now| now.events_after(self.head.epoch.last_seq, usize::MAX >> 1))?;
        let (replayed, sealed) = self.ledger.read(|now| self.replay(now, &batch, &leaf, &law, waiting))?;
        let (labels, map) = self.ledger.read(|now| self.head.advance_map(now, &self.shown, &sealed))?;
        agree(map == leaf.map, || {
            (format!("epoch {n}: its events do not lead to the map that was signed"), WRONG_COPY)
        })?;
        let (before, mut log) = (self.head.log.clone(), self.head.log.clone());
        let path = path_of_next(&before);
        log.append(merkle::leaf_hash(&raw));
        let last_seq = self.head.epoch.last_seq + replayed.rows.len() as u64;
        let note = (n + 1 == target.0.size).then(|| target.1.clone());
        let (time_ms, gov_size) = (leaf.time_ms, leaf.gov_size);
        let epoch = EpochRow { n, time_ms, leaf: raw, last_seq, gov_size, note: None };
        let generation = self.head.generation + u64::from(!sealed.is_empty());
        self.done.epochs += 1;
        self.done.events += replayed.rows.len() as u64;
        let plan = Arc::new(Plan { epoch, before, log, path, generation, sealed, labels });
        let job = plan.clone();
        let stored = self.ledger.write::<_, LedgerError, _>(move |tx| {
            decisions.iter().try_for_each(|(idx, leaf)| tx.add_gov_leaf(*idx, leaf.as_bytes()))?;
            replayed.put_events(tx)?;
            job.write(tx)?;
            replayed.drop_records(tx)?;
            note.iter().try_for_each(|note| tx.sign(n, note))
        });
        stored.wait_blocking()?;
        self.head.advance(&Stored(plan));
        if let Some(epoch) = ShownEpoch::of(&self.head.epoch, Vec::new())? {
            self.shown.publish(epoch);
        }
        self.laws.retain(|law| law.size() >= gov_size);
        Ok(())
    }

    /// The leaves of the gov log up to `size` that are not there yet, by their index; the law learns them.
    fn decisions(&mut self, size: u64) -> Result<Vec<(u64, String)>, OpenError> {
        let mut added = Vec::new();
        loop {
            let law = self.laws.last().ok_or(LedgerError::Damaged("the gov log has no leaf"))?;
            let idx = law.size();
            if idx >= size {
                return Ok(added);
            }
            let said = |why: String| OpenError::Disagree {
                what: format!("leaf {idx} of the gov log: {why}"),
                remedy: WRONG_COPY,
            };
            let raw = self.copies.leaf(Log::Gov, idx, self.gov_size).map_err(said)?;
            let text = String::from_utf8(raw).map_err(|_| said("it is not text".to_owned()))?;
            let mut next = InForce::clone(law);
            let sound = next.append([text.as_str()], self.signer.verifier(Log::Gov));
            sound.map_err(|why| said(why.to_string()))?;
            self.laws.push(Arc::new(next));
            added.push((idx, text));
            self.done.decisions += 1;
        }
    }

    fn batch(&self, n: u64, leaf: &EpochLeaf) -> Result<Batch, OpenError> {
        if leaf.batch == merkle::root(&[]) {
            return Ok(Batch::default());
        }
        let raw = self.copies.batch(n).map_err(|why| Self::said(n, why, ASK_AUDITOR))?;
        let batch = Batch::parse(&raw).map_err(|why| Self::said(n, why, WRONG_COPY))?;
        agree(batch.root() == leaf.batch, || (format!("epoch {n}: that is not its batch"), WRONG_COPY))?;
        Ok(batch)
    }

    fn replay(
        &self,
        now: &Snapshot<'_>,
        batch: &Batch,
        leaf: &EpochLeaf,
        law: &InForce,
        waiting: Vec<EventRow>,
    ) -> Result<(Replayed, Vec<Sealed>), OpenError> {
        let mut waiting: HashMap<Hash, EventRow> = waiting.into_iter().map(|row| (row.hash, row)).collect();
        let mut replayed = Replayed { rows: Vec::new(), lost: Vec::new(), rest: Vec::new() };
        let mut sealed = Vec::with_capacity(batch.events().len());
        for (seq, event) in (self.head.epoch.last_seq + 1..).zip(batch.events()) {
            let before = now.standing(&event.label)?;
            let entry = before.as_ref().map(|standing| &standing.entry);
            let after = rules::check(event, &self.origin, leaf.epoch, leaf.time_ms, entry, &law.law_at(leaf.time_ms));
            let after = after.map_err(|rule| Self::said(leaf.epoch, rule, WRONG_COPY))?;
            let submitted = as_submitted(event);
            let hash = sha256(&[&submitted.write()]);
            let known = waiting.remove(&hash);
            let before_seq = before.as_ref().map(|standing| standing.event_seq);
            let received_ms = known.as_ref().map_or(leaf.time_ms, |row| row.received_ms);
            let (gov_size, promised) = (leaf.gov_size, leaf.epoch);
            let row = EventRow { seq, hash, event: submitted, received_ms, gov_size, promised, before_seq };
            if event.kind.sets_record() && known.is_none() {
                replayed.lost.push(event.label);
            }
            let personal = now.personal(&event.label)?;
            let keys_seq =
                before.as_ref().filter(|_| !event.kind.sets_record()).map_or(seq, |standing| standing.keys_seq);
            let told = changes::told(&row, entry, &after, leaf.epoch);
            let dropped_keys = personal.as_ref().map_or_else(Vec::new, |personal| dropped_keys(event.kind, personal));
            let standing = Standing { entry: after, event_seq: seq, keys_seq };
            sealed.push(Sealed { event: event.clone(), standing, personal, dropped_keys, told, before });
            replayed.rows.push(row);
        }
        replayed.rest = waiting.into_values().collect();
        replayed.rest.sort_unstable_by_key(|row| row.seq);
        Ok((replayed, sealed))
    }

    /// The rest of the gov log, then what waits: an accepted event that no longer follows what is there can never be sealed.
    fn end(mut self) -> Result<Refilled, OpenError> {
        let decisions = self.decisions(self.gov_size)?;
        let last_seq = self.head.epoch.last_seq;
        let forgotten = self.ledger.write::<_, LedgerError, _>(move |tx| {
            decisions.iter().try_for_each(|(idx, leaf)| tx.add_gov_leaf(*idx, leaf.as_bytes()))?;
            let waiting = tx.events_after(last_seq, usize::MAX >> 1)?;
            let follows = |row: &EventRow| {
                let standing = tx.standing(&row.event.label)?;
                Ok::<_, LedgerError>(standing.map_or(crate::log::ZERO, |s| s.entry.state.hash()) == row.event.prev)
            };
            let mut stale = 0;
            for row in &waiting {
                stale += u64::from(!follows(row)?);
            }
            if stale > 0 {
                for label in tx.forget_waiting(last_seq)? {
                    let record = tx.personal(&label)?.map(|personal| personal.disclosed.record).unwrap_or_default();
                    keys_of(&record).iter().try_for_each(|key| tx.add_published_key(key, &label))?;
                }
                return Ok(waiting.len() as u64);
            }
            tx.count_holdings()?;
            Ok(0)
        });
        self.done.forgotten = forgotten.wait_blocking()?;
        self.done.without_record = self.ledger.read::<_, LedgerError>(|now| now.count_without_record())?;
        Ok(self.done)
    }
}

/// An event of a batch as it was submitted: both epochs 0.
fn as_submitted(event: &Event) -> Event {
    let mut submitted = event.clone();
    (submitted.state.since_epoch, submitted.state.key_epoch) = (0, 0);
    submitted
}

impl Replayed {
    /// The events of the epoch behind those that are sealed, and behind them what still waits.
    fn put_events(&self, tx: &Transaction<'_>) -> Result<(), LedgerError> {
        let Some(first) = self.rows.first() else { return Ok(()) };
        tx.take_waiting(first.seq)?;
        for row in self.rows.iter().chain(&self.rest) {
            let bytes = row.event.write();
            let seq = tx.accept(&Accepted {
                label: &row.event.label,
                hash: &row.hash,
                event: &bytes,
                received_ms: row.received_ms,
                gov_size: row.gov_size,
                promised: row.promised,
                before_seq: row.before_seq,
            })?;
            if self.rows.iter().any(|sealed| sealed.hash == row.hash && sealed.seq != seq) {
                return Err(LedgerError::Damaged("the order of events"));
            }
        }
        Ok(())
    }

    /// What was disclosed before is not what the new State commits to.
    fn drop_records(&self, tx: &Transaction<'_>) -> Result<(), LedgerError> {
        for label in &self.lost {
            tx.erase_personal(label)?;
            tx.forget_published_keys(label)?;
        }
        Ok(())
    }
}

impl Core {
    /// Takes the record of an event that is known already, if it was lost with the ledger: the holder's signature fixed it.
    pub(super) fn restore(&self, submission: &Submission, hash: &Hash) -> Result<(), Rejection> {
        let (Some(record), Some(opening)) = (&submission.record, &submission.opening) else { return Ok(()) };
        let number = submission.number;
        if self.ledger.read::<_, LedgerError>(|now| now.label_of(number))?.is_some() {
            return Ok(());
        }
        let (label, proof) = self.labels.of(&self.keys.vrf, &self.origin, number);
        let lost = self.ledger.read::<_, LedgerError>(|now| {
            let (standing, row) = (now.standing(&label)?, now.event_by_hash(hash)?);
            Ok(standing.zip(row).filter(|(standing, row)| standing.keys_seq == row.seq))
        })?;
        let is_live = |standing: &Standing| standing.entry.state.status != Status::Released;
        let Some((standing, _)) = lost.filter(|(standing, _)| is_live(standing)) else { return Ok(()) };
        let state = standing.entry.state;
        let read = Record::parse(record).ok().filter(|read| read.number == number);
        if read.is_none() || record::commitment(opening, record) != state.commitment {
            return Ok(()); // not what was lost; the receipt alone is the answer
        }
        let mut line = self.line();
        let Some(head) = &mut line.head else { return Ok(()) };
        let generation = head.generation + 1;
        let disclosed = Disclosed { opening: *opening, record: record.clone() };
        let (sponsor, keys) = (standing.entry.provider, keys_of(record));
        let stored = self.ledger.write::<_, LedgerError, _>(move |tx| {
            tx.add_personal(&label, number, &proof, &disclosed, &sponsor)?;
            keys.iter().try_for_each(|key| tx.add_published_key(key, &label))?;
            tx.set_meta(GENERATION, &generation.to_be_bytes())
        });
        stored.wait_blocking()?;
        head.generation = generation;
        let change = publish::change(number, &state, record)?;
        if let Some(view) = self.view.get()
            && let Err(error) = view.apply(&[change], publish::serial(generation))
        {
            tracing::error!(%error, "the zone does not take a record that was brought back");
        }
        Ok(())
    }
}
