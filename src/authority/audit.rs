//! Auditors: whom the operator has admitted, the batches that are open to them, and what they have cosigned.
//!
//! Batches are not public: with them a stolen VRF key would list all numbers (TRUST.md 3). Events hold no personal data, so
//! they stay, and an epoch's batch is the same for ever.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::authority::carry_out::Effect;
use crate::authority::error::{OpenError, Rejection};
use crate::authority::gov::{self, InForce};
use crate::authority::signed::consistency;
use crate::authority::{Authority, Core};
use crate::clock::unix_s;
use crate::ledger::{ActRow, EventRow, Leaves, Ledger, LedgerError, Snapshot};
use crate::log::Hash;
use crate::log::audit::{AGE_MAX_S, ANSWER_BYTES_STOP, ANSWER_EPOCHS_MAX, Credentials, put_batch, request};
use crate::log::batch::Batch;
use crate::log::checkpoint::Checkpoint;
use crate::log::event::{Event, Kind};
use crate::log::note::{LineType, Note, VerifierKey};
use crate::registry::acts::ActKind;
use crate::signer::Log;

/// Auditors at a time: each may be asked for in every proof.
pub const AUDITORS_MAX: usize = 8;
/// Bytes of an auditor's name, which stands in each of its cosignatures.
const NAME_LEN_MAX: usize = 100;
/// How far a cosignature's time may lie ahead of ours, in seconds (TRUST.md 2, notes).
const AHEAD_S_MAX: u64 = 60;

/// What an auditor has cosigned, and how the log goes on from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// The checkpoint with the log's signature and the auditor's cosignature.
    pub checkpoint: String,
    /// The consistency proof from there to the head that it goes with.
    pub consistency: Vec<Hash>,
}

/// The newest checkpoint of each auditor.
#[derive(Default)]
pub(super) struct Audits {
    heads: Mutex<Vec<Head>>,
    /// The proof from one size to the newest that was asked for: the same for all callers of an epoch.
    proofs: Mutex<HashMap<u64, (u64, Vec<Hash>)>>,
}

/// The newest checkpoint of one auditor.
#[derive(Clone)]
struct Head {
    key: VerifierKey,
    size: u64,
    time_s: u64,
    note: String,
}

impl Audits {
    /// What the ledger has of these auditors.
    pub(super) fn load(ledger: &Ledger, auditors: &[VerifierKey], origin: &str) -> Result<Self, OpenError> {
        let mut heads = Vec::new();
        for key in auditors {
            let stored = ledger.read::<_, LedgerError>(|now| now.meta(&stored_as(key)))?;
            let note = stored.and_then(|raw| String::from_utf8(raw).ok());
            heads.extend(note.and_then(|note| head_of(key, note, origin)));
        }
        Ok(Self { heads: Mutex::new(heads), proofs: Mutex::default() })
    }

    fn heads(&self) -> MutexGuard<'_, Vec<Head>> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn proofs(&self) -> MutexGuard<'_, HashMap<u64, (u64, Vec<Hash>)>> {
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stored_as(key: &VerifierKey) -> String {
    format!("audited by {key}")
}

/// A note as a head, if this auditor has cosigned it and it is of this log: in an era before it may have been longer.
fn head_of(key: &VerifierKey, note: String, origin: &str) -> Option<Head> {
    let opened = Note::open(&note, std::slice::from_ref(key)).ok()?;
    let time_s = opened.signed_by(0)??;
    let head = Checkpoint::parse(&opened.text).ok().filter(|head| head.origin == origin)?;
    Some(Head { key: key.clone(), size: head.size, time_s, note })
}

/// What an act about an auditor does.
pub(super) fn effect(law: &InForce, kind: ActKind, key: &VerifierKey, act: &ActRow) -> Result<Effect, Rejection> {
    let no = |why: &str| Err(Rejection::Conflict(why.to_owned()));
    let (ended, known) = (kind == ActKind::AuditorEnd, law.auditors().contains(key));
    if ended && !known {
        return Err(Rejection::NotFound);
    }
    if !ended {
        if key.line_type() != LineType::Cosignature {
            return no(
                "this key makes no cosignatures: a vkey of type 4 is needed, as `callbook auditor init` prints it",
            );
        }
        if key.name().len() > NAME_LEN_MAX || !key.name().bytes().all(|byte| byte.is_ascii_graphic()) {
            return no("an auditor's name has 1 to 100 printable characters and no space");
        }
        if law.auditors().iter().any(|other| other.name() == key.name() || other.key() == key.key()) {
            return no("an auditor of this name or key is admitted already: end that one first");
        }
        if law.auditors().len() >= AUDITORS_MAX {
            return no("there are 8 auditors, which is as many as can be: end one first");
        }
    }
    let leaves = vec![(gov::AUDITOR, gov::auditor_body(key, ended, &act.clause, &act.id))];
    Ok(Effect { leaves, deeds: Vec::new(), until_s: None })
}

impl Authority {
    /// The auditors that are admitted, by the keys of their cosignatures.
    pub fn auditors(&self) -> Vec<VerifierKey> {
        self.core.law().auditors().to_vec()
    }

    /// The map log of an era, if it is served here; of the present one without a number.
    pub fn map_log(&self, era: Option<u64>) -> Option<Leaves> {
        match era {
            Some(era) if era != self.core.settings.era => {
                self.core.past.rows.iter().find(|closed| closed.era == era).map(|closed| Leaves::Past(closed.era))
            }
            _ => Some(Leaves::Map),
        }
    }

    /// Whether an admitted auditor has signed the request for `path`, which is about that log, just now.
    pub fn is_auditor(&self, credentials: &Credentials, log: Leaves, path: &str) -> bool {
        let closed = self.core.past.rows.iter().find(|era| Leaves::Past(era.era) == log);
        let origin = closed.map_or(&self.core.origin, |era| &era.origin);
        let (law, Credentials { name, at_s, signature }) = (self.core.law(), credentials);
        let fresh = unix_s(self.core.now_ms()).abs_diff(*at_s) <= AGE_MAX_S;
        let key = law.auditors().iter().find(|key| key.name() == name).filter(|_| fresh);
        key.is_some_and(|key| key.key().verify(&request(origin, name, *at_s, path), signature))
    }

    /// The batch of a published epoch: its events with their epochs, `lp16(event)*` by ascending label. Blocks.
    pub fn audit_batch(&self, log: Leaves, epoch: u64) -> Result<Vec<u8>, Rejection> {
        if epoch == 0 || epoch > self.last_epoch(log) {
            return Err(Rejection::NotFound);
        }
        Ok(self.core.ledger.read(|now| batch_of(now, log, epoch))?)
    }

    /// The newest epoch of a map log that anybody may see.
    fn last_epoch(&self, log: Leaves) -> u64 {
        let closed = self.core.past.rows.iter().find(|era| Leaves::Past(era.era) == log);
        closed.map_or_else(|| self.published_epoch(), |era| era.size - 1)
    }

    /// The batches of published epochs from `first` on, as [`put_batch`] writes them: as many as one answer holds, none if that
    /// one is not published yet. Blocks.
    pub fn audit_batches(&self, log: Leaves, first: u64) -> Result<Vec<u8>, Rejection> {
        if first == 0 {
            return Err(Rejection::NotFound);
        }
        let (mut out, last) = (Vec::new(), self.last_epoch(log));
        self.core.ledger.read::<_, LedgerError>(|now| {
            for epoch in (first..=last).take(ANSWER_EPOCHS_MAX) {
                put_batch(&mut out, epoch, &batch_of(now, log, epoch)?);
                if out.len() >= ANSWER_BYTES_STOP {
                    break;
                }
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// Whether any auditor has cosigned anything.
    pub fn is_audited(&self) -> bool {
        !self.core.audits.heads().is_empty()
    }

    /// The newest checkpoint that one of these auditors has cosigned (any, if none is named), with the proof from there to
    /// `size` leaves of the map log. Blocks, once an epoch.
    pub fn audited(&self, names: &[String], size: u64) -> Result<Option<Audited>, Rejection> {
        let (law, audits) = (self.core.law(), &self.core.audits);
        let wanted = |head: &&Head| {
            let named = names.is_empty() || names.iter().any(|name| name == head.key.name());
            named && head.size <= size && law.auditors().contains(&head.key)
        };
        let newest = audits.heads().iter().filter(wanted).max_by_key(|head| (head.size, head.time_s)).cloned();
        let Some(Head { size: from, note, .. }) = newest else { return Ok(None) };
        let known = audits.proofs().get(&from).filter(|(to, _)| *to == size).map(|(_, proof)| proof.clone());
        let consistency = match known {
            Some(proof) => proof,
            None => {
                let proof = self.core.ledger.read(|now| consistency(now, Log::Map, from, size))?;
                let mut proofs = audits.proofs();
                proofs.retain(|_, (to, _)| *to >= size);
                proofs.insert(from, (size, proof.clone()));
                proof
            }
        };
        Ok(Some(Audited { checkpoint: note, consistency }))
    }

    /// Takes the checkpoint that an auditor has cosigned: its line is the permission. An older one than he gave before changes
    /// nothing. Gives the size that is kept. Blocks.
    pub fn take_audited(&self, note: &str) -> Result<u64, Rejection> {
        let core = &self.core;
        let law = core.law();
        let bad = |why: &str| Rejection::Conflict(why.to_owned());
        let keys: Vec<VerifierKey> = law.auditors().iter().chain([core.signer.verifier(Log::Map)]).cloned().collect();
        let opened = Note::open(note, &keys).map_err(|why| bad(&format!("this is no signed checkpoint: {why}")))?;
        let by_log = opened.signed_by(law.auditors().len()).is_some();
        let mut by_auditors = law.auditors().iter().enumerate();
        let auditor = by_auditors.find_map(|(i, key)| Some((key, opened.signed_by(i)??)));
        let Some((key, time_s)) = auditor.filter(|_| by_log) else {
            return Err(Rejection::Forbidden(
                "no admitted auditor has cosigned a checkpoint of this log there".to_owned(),
            ));
        };
        if time_s > unix_s(core.now_ms()) + AHEAD_S_MAX {
            return Err(bad("the cosignature's time is ahead of this directory's clock: set the clocks (NTP)"));
        }
        let head = Checkpoint::parse(&opened.text).map_err(|why| bad(&why.to_string()))?;
        if head.size == 0 || head.size > self.published_epoch() + 1 || !core.is_ours(&head)? {
            return Err(bad("this is not a checkpoint that this log has published"));
        }
        // Only what was looked at is kept: the text, the log's line, the auditor's.
        let line = |key: &VerifierKey| note.lines().rev().find(|line| line.starts_with(&format!("— {} ", key.name())));
        let kept = [core.signer.verifier(Log::Map), key].map(|key| line(key).unwrap_or_default());
        let note = format!("{}\n{}\n{}\n", opened.text, kept[0], kept[1]);
        core.keep_audited(Head { key: key.clone(), size: head.size, time_s, note })
    }
}

impl Core {
    fn is_ours(&self, head: &Checkpoint) -> Result<bool, LedgerError> {
        let written = head.write();
        let epoch = self.ledger.read::<_, LedgerError>(|now| now.epoch(head.size - 1))?;
        Ok(epoch.and_then(|epoch| epoch.note).is_some_and(|note| note.starts_with(&format!("{written}\n"))))
    }

    fn keep_audited(&self, head: Head) -> Result<u64, Rejection> {
        let known = self.audits.heads().iter().find(|known| known.key == head.key).cloned();
        if let Some(known) = known.filter(|known| (known.size, known.time_s) >= (head.size, head.time_s)) {
            return Ok(known.size);
        }
        let (name, note) = (stored_as(&head.key), head.note.clone());
        let stored = self.ledger.write::<_, LedgerError, _>(move |tx| tx.set_meta(&name, note.as_bytes()));
        stored.wait_blocking()?;
        let (mut heads, size) = (self.audits.heads(), head.size);
        heads.retain(|known| known.key != head.key);
        heads.push(head);
        Ok(size)
    }
}

/// The events of an epoch as its leaf commits to them.
fn batch_of(now: &Snapshot<'_>, log: Leaves, n: u64) -> Result<Vec<u8>, LedgerError> {
    let missing = LedgerError::Damaged("a published epoch is missing");
    let [before, epoch] = [n - 1, n].map(|n| match log {
        Leaves::Past(era) => now.past_epoch_position(era, n),
        Leaves::Gov | Leaves::Map => now.epoch_position(n),
    });
    let (Some(before), Some(epoch)) = (before?, epoch?) else { return Err(missing) };
    let count = usize::try_from(epoch.last_seq - before.last_seq).unwrap_or(usize::MAX);
    if count == 0 {
        return Ok(Vec::new());
    }
    let rows = now.events_after(before.last_seq, count)?;
    let events = rows.into_iter().map(|row| sealed(now, row, n)).collect::<Result<Vec<_>, _>>()?;
    let batch = Batch::new(events).map_err(|_| LedgerError::Damaged("two events of one label in an epoch"))?;
    Ok(batch.write())
}

/// An event with its epochs as the sequencer filled them in. That of the last change of the control key is the one of the
/// newest event up to this one that changed it.
fn sealed(now: &Snapshot<'_>, row: EventRow, n: u64) -> Result<Event, LedgerError> {
    let mut event = row.event;
    event.state.since_epoch = n;
    event.state.key_epoch = n;
    let (mut kind, mut seq, mut before) = (event.kind, row.seq, row.before_seq);
    loop {
        if kind == Kind::Carry {
            event.state.key_epoch = 0;
            break;
        }
        let older = before.map(|seq| now.event_by_seq(seq)).transpose()?.flatten();
        match older {
            Some(older) if older.event.state.control == event.state.control => {
                (kind, seq, before) = (older.event.kind, older.seq, older.before_seq);
            }
            _ => {
                if seq != row.seq {
                    let epoch = now.epoch_of(seq)?.ok_or(LedgerError::Damaged("an event without its epoch"))?;
                    event.state.key_epoch = epoch.n;
                }
                break;
            }
        }
    }
    Ok(event)
}
