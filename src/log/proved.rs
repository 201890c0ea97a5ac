//! What a caller knows for certain after all checks of a proof (TRUST.md 3): every one is mandatory, and any failure
//! refuses the whole proof. What only weakens it is a warning.

use crate::log::bytes::Malformed;
use crate::log::checkpoint::Checkpoint;
use crate::log::event::{Door, Event, Kind, Role};
use crate::log::label::Label;
use crate::log::merkle;
use crate::log::note::{Note, VerifierKey};
use crate::log::proof::{Found, Opened, Present, Proof};
use crate::log::record::{self, Record};
use crate::log::state::{State, Status};
use crate::log::trust::TrustList;
use crate::log::{Hash, ZERO};
use crate::number::Number;

/// An epoch older than this is [`Warning::Stale`].
pub const STALE_MS: u64 = 10 * 60 * 1000;
/// An epoch older than this is refused.
pub const TOO_OLD_MS: u64 = 24 * 60 * 60 * 1000;
/// How far an epoch or a cosignature may lie ahead of the caller's clock.
pub const AHEAD_MS_MAX: u64 = 60 * 1000;
/// A cosignature may be older than the epoch by this much: clocks differ.
const COSIGNED_BEFORE_MS_MAX: u64 = 10 * 60 * 1000;

/// Where a number stands at the epoch's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is not in the map: nobody registered it in this era.
    Absent,
    /// It is published.
    Active,
    /// Its registration is over, and nothing is published.
    Lapsed,
    /// It is withheld, by the operator or the holder.
    Suspended,
    /// It was given back.
    Released,
}

impl Standing {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Active => "active",
            Self::Lapsed => "lapsed",
            Self::Suspended => "suspended",
            Self::Released => "released",
        }
    }
}

/// What makes a proof weaker without making it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The epoch is older than ten minutes.
    Stale,
    /// Fewer witnesses than the quorum have seen this checkpoint.
    Unconfirmed,
    /// No auditor of the trust list has cosigned this checkpoint, or one at most a day before it.
    Unaudited,
    /// A recovery or a release of the number is under way.
    Pending,
}

impl Warning {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::Unconfirmed => "unconfirmed",
            Self::Unaudited => "unaudited",
            Self::Pending => "pending",
        }
    }
}

/// A log as it was last seen, and how the one of a proof continues it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: &'a Hash,
    /// The consistency proof from it to the checkpoint of the proof, topmost hash last.
    pub since: &'a [Hash],
}

/// What was proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// Where the number stands.
    pub standing: Standing,
    /// The epoch, which is the newest of this checkpoint.
    pub epoch: u64,
    /// When it was sealed, Unix milliseconds.
    pub epoch_ms: u64,
    /// The checkpoint: to be remembered, so that no older or other log can be shown next time.
    pub checkpoint: Checkpoint,
    /// How many witnesses of the trust list have cosigned it in time.
    pub witnesses: usize,
    /// When an auditor of the trust list cosigned this checkpoint or one before it, Unix seconds; None: none has, as far as
    /// the proof itself shows.
    pub audited_s: Option<u64>,
    /// What weakens it.
    pub warnings: Vec<Warning>,
    /// What is known of the number, if it is in the map.
    pub number: Option<ProvedNumber>,
}

/// A number that is in the map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvedNumber {
    /// Its place.
    pub label: Label,
    /// Its State.
    pub state: State,
    /// The hash of that: what `_keys` shows the beginning of.
    pub hash: Hash,
    /// What is published; None unless the number is active.
    pub record: Option<Record>,
}

impl Proved {
    /// Takes an auditor's word for it that stands beside the proof ([`audited::check`](crate::log::audited::check)).
    pub fn add_audit(&mut self, time_s: u64) {
        self.audited_s = self.audited_s.max(Some(time_s));
        self.warnings.retain(|warning| *warning != Warning::Unaudited);
    }
}

/// What a proof is about.
#[derive(Clone, Copy, Debug)]
enum Subject {
    /// A number, whose place has to be proved.
    Number(Number),
    /// A place that is known.
    Label(Label),
}

/// Checks a proof for `number` at `now_ms` (Unix milliseconds), and that the log continues what was `seen` before.
///
/// # Errors
/// The first check that fails. Then nothing in the proof is to be believed.
pub fn check(
    proof: &Proof,
    number: Number,
    trust: &TrustList,
    now_ms: u64,
    seen: Option<Seen<'_>>,
) -> Result<Proved, Malformed> {
    check_subject(proof, Subject::Number(number), trust, now_ms, seen)
}

/// Like [`check`] for a label that is known to be the right one: its VRF proof and whose record it is are not looked at, and the record
/// need not be opened.
///
/// # Errors
/// As [`check`].
pub fn check_label(
    proof: &Proof,
    label: Label,
    trust: &TrustList,
    now_ms: u64,
    seen: Option<Seen<'_>>,
) -> Result<Proved, Malformed> {
    check_subject(proof, Subject::Label(label), trust, now_ms, seen)
}

fn check_subject(
    proof: &Proof,
    subject: Subject,
    trust: &TrustList,
    now_ms: u64,
    seen: Option<Seen<'_>>,
) -> Result<Proved, Malformed> {
    let keys: Vec<VerifierKey> =
        [&trust.log].into_iter().chain(&trust.witnesses).chain(&trust.auditors).cloned().collect();
    let note = Note::open(&proof.checkpoint, &keys)?;
    let checkpoint = Checkpoint::parse(&note.text)?;
    let signed = checkpoint.origin == trust.origin && note.signed_by(0).is_some();
    Malformed::unless(signed, "checkpoint", "not signed by this log")?;
    if let Some(seen) = seen {
        Malformed::unless(checkpoint.size >= seen.size, "checkpoint", "older than the last one seen")?;
        let continues =
            merkle::check_consistency((seen.size, seen.root), (checkpoint.size, &checkpoint.root), seen.since);
        continues.map_err(|_| Malformed::new("checkpoint", "fork of the last one seen"))?;
    }
    included(proof, &checkpoint)?;
    let leaf = &proof.extra.leaf;
    Malformed::unless(leaf.time_ms <= now_ms.saturating_add(AHEAD_MS_MAX), "epoch", "in the future")?;
    let age_ms = now_ms.saturating_sub(leaf.time_ms);
    Malformed::unless(age_ms <= TOO_OLD_MS, "epoch", "too old")?;

    let in_time = |time_s: u64| {
        let time_ms = time_s.saturating_mul(1000);
        time_ms.saturating_add(COSIGNED_BEFORE_MS_MAX) >= leaf.time_ms && time_ms <= now_ms.saturating_add(AHEAD_MS_MAX)
    };
    let cosigned = |i: &usize| note.signed_by(*i).flatten().is_some_and(in_time);
    let auditors_from = 1 + trust.witnesses.len();
    let witnesses = (1..auditors_from).filter(cosigned).count();
    let audited = (auditors_from..keys.len()).filter(cosigned).filter_map(|i| note.signed_by(i).flatten()).max();

    let number = check_state(proof, subject, trust)?;
    let standing = number.as_ref().map_or(Standing::Absent, |number| standing(&number.state, leaf.time_ms));
    let pending = number.as_ref().is_some_and(|number| number.state.pending != ZERO);
    let warnings = [
        (Warning::Stale, age_ms > STALE_MS),
        (Warning::Unconfirmed, witnesses < trust.quorum),
        (Warning::Unaudited, audited.is_none()),
        (Warning::Pending, pending),
    ];
    let warnings = warnings.into_iter().filter_map(|(warning, on)| on.then_some(warning)).collect();
    let (epoch, epoch_ms) = (leaf.epoch, leaf.time_ms);
    Ok(Proved { standing, epoch, epoch_ms, checkpoint, witnesses, audited_s: audited, warnings, number })
}

/// The State that the log committed to at `label`, with its epoch and when that was sealed (Unix milliseconds), whether or not its holder
/// ever agreed and whatever the time is. Only for evidence: whoever calls somebody uses [`check`].
///
/// # Errors
/// If the log did not sign this, or signed that nothing is there.
pub fn committed(proof: &Proof, label: &Label, trust: &TrustList) -> Result<(State, u64, u64), Malformed> {
    let note = Note::open(&proof.checkpoint, std::slice::from_ref(&trust.log))?;
    let checkpoint = Checkpoint::parse(&note.text)?;
    let signed = checkpoint.origin == trust.origin && note.signed_by(0).is_some();
    Malformed::unless(signed, "checkpoint", "not signed by this log")?;
    included(proof, &checkpoint)?;
    let leaf = &proof.extra.leaf;
    proof.extra.path(label).check(&leaf.map, label)?;
    let Found::Present(present) = &proof.extra.found else { return Err(Malformed::new("map", "nothing is there")) };
    Ok((present.state.clone(), leaf.epoch, leaf.time_ms))
}

/// The epoch is the newest leaf of that checkpoint.
fn included(proof: &Proof, checkpoint: &Checkpoint) -> Result<(), Malformed> {
    let leaf = &proof.extra.leaf;
    Malformed::unless(proof.index.checked_add(1) == Some(checkpoint.size), "proof", "not the newest epoch")?;
    let hash = merkle::leaf_hash(leaf.write().as_bytes());
    merkle::check_inclusion(proof.index, checkpoint.size, &hash, &proof.path, &checkpoint.root)?;
    Malformed::unless(leaf.epoch == proof.index, "epoch", "number")
}

/// Where a number of that State stands at the epoch's time: it lapses without an event.
pub const fn standing(state: &State, epoch_ms: u64) -> Standing {
    match state.status {
        Status::Active if epoch_ms < state.not_after.saturating_mul(1000) => Standing::Active,
        Status::Active => Standing::Lapsed,
        Status::Suspended => Standing::Suspended,
        Status::Released => Standing::Released,
    }
}

/// VRF, way through the map, State, the holder's signature, commitment, and whose record it is.
fn check_state(proof: &Proof, subject: Subject, trust: &TrustList) -> Result<Option<ProvedNumber>, Malformed> {
    let extra = &proof.extra;
    let label = match subject {
        Subject::Number(number) => trust.vrf.verify_label(&trust.origin, number, &extra.pi)?,
        Subject::Label(label) => label,
    };
    if let Found::Other((other, _)) = &extra.found {
        Malformed::unless(*other != label, "map", "this is the number itself")?;
    }
    extra.path(&label).check(&extra.leaf.map, &label)?;
    let Found::Present(present) = &extra.found else { return Ok(None) };
    let Present { state, event, opened } = &**present;
    match (state.status, event) {
        (Status::Released, None) => {}
        (Status::Released, Some(_)) => return Err(Malformed::new("proof", "event of a released number")),
        (_, None) => return Err(Malformed::new("proof", "no event that the holder signed")),
        (_, Some(event)) => check_holder_signed(event, state, &label, trust)?,
    }
    let active = standing(state, extra.leaf.time_ms) == Standing::Active;
    let withheld = matches!(subject, Subject::Label(_)) && opened.is_none();
    Malformed::unless(opened.is_some() == active || withheld, "proof", "discloses too much or too little")?;
    let record = opened.as_ref().map(|opened| open(opened, state, subject)).transpose()?;
    Ok(Some(ProvedNumber { label, hash: state.hash(), state: state.clone(), record }))
}

fn open(opened: &Opened, state: &State, subject: Subject) -> Result<Record, Malformed> {
    let fits = record::commitment(&opened.opening, &opened.record) == state.commitment;
    Malformed::unless(fits, "commitment", "not to this record")?;
    let record = Record::parse(&opened.record)?;
    if let Subject::Number(number) = subject {
        Malformed::unless(record.number == number, "record", "another number")?;
    }
    Ok(record)
}

/// The holder agreed: `event` fixed commitment and control key of `state`, every signature in it is good (so that no bit of
/// a proof can be another), and one of them is by that very control key. Whether the provider was accredited is for auditors.
/// A number that was carried over from an earlier era was signed for there, at another label.
fn check_holder_signed(event: &Event, state: &State, label: &Label, trust: &TrustList) -> Result<(), Malformed> {
    let must = |ok, why| Malformed::unless(ok, "event", why);
    let set = &event.state;
    let fixes = event.kind.sets_record() && (set.control, set.commitment) == (state.control, state.commitment);
    must(fixes, "does not fix this commitment and control key")?;
    must(is_signed_by_the_right_roles(event), "door or signatures")?;
    must(set.since_epoch == 0 && set.key_epoch == 0, "epochs")?;
    must(set.version < state.version || *set == state.as_signed(), "newer than the State")?;
    let holders = event.signatures.iter().filter(|s| matches!(s.role, Role::Control | Role::NewControl));
    let by_holder = holders.into_iter().any(|signature| signature.key.thumbprint() == state.control);
    let here = || event.label == *label && event.signatures_verify(&trust.origin);
    let in_an_earlier_era = || trust.eras.iter().any(|era| event.signatures_verify(era));
    must(by_holder && (here() || in_an_earlier_era()), "not signed by the holder")
}

/// Which roles sign a kind that sets the record, door by door (TRUST.md 2).
fn is_signed_by_the_right_roles(event: &Event) -> bool {
    use Role::{Control, NewControl, Operator, Provider};
    let roles: Vec<Role> = event.signatures.iter().map(|signature| signature.role).collect();
    let allowed: &[&[Role]] = match (event.kind, event.door) {
        (Kind::Create, Door::Main) => &[&[Provider, NewControl]],
        (Kind::Update, Door::Main) => &[&[Control, Provider], &[Control, Provider, NewControl]],
        (Kind::Update, Door::Direct) => &[&[Control]],
        (Kind::Transfer, Door::Main) => &[&[Control, Provider]],
        (Kind::Transfer, Door::Validation) => &[&[Provider, NewControl]],
        (Kind::Complete, Door::Main | Door::Code) => &[&[Provider, NewControl]],
        (Kind::Complete, Door::Validation) => &[&[Provider, NewControl], &[Provider, NewControl, Operator, Operator]],
        _ => &[],
    };
    allowed.contains(&roles.as_slice())
}
