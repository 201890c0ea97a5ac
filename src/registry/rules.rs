//! The rules of one event: which change of a State is lawful, by whom, when. What the directory seals and what auditors replay.
//!
//! ```text
//! (none) --CREATE--> ACTIVE <--SUSPEND/RESUME--> SUSPENDED        UPDATE, TRANSFER, RENEW: ACTIVE stays (RENEW: either)
//! ACTIVE --REQUEST--> + pending --COMPLETE--> new control key     VETO, UPDATE: pending gone; OBJECT: door 3 waits longer
//!                     + pending --too old: void--> the next REQUEST takes its place, or an UPDATE clears it
//! new control key by code or claim --TRANSFER through door 3, in time--> the key before
//! ACTIVE, SUSPENDED --RELEASE--> RELEASED --CREATE after quarantine--> ACTIVE
//! ```

use std::collections::HashSet;

use crate::log::event::{Door, Event, Kind, Role};
use crate::log::key::Thumbprint;
use crate::log::state::{Flags, State, Status};
use crate::log::{Hash, ZERO, pending};
pub use crate::registry::entry::{Entry, Request, Taken};
use crate::registry::register::Register;
use crate::registry::terms::{DAY_MS, Terms};

/// How long an event is good at most after it was signed (clause 5.9).
const EVENT_LIFE_MS: u64 = DAY_MS;

/// What the rules rest on.
#[derive(Clone, Copy, Debug)]
pub struct Law<'a> {
    /// Providers and operators.
    pub register: &'a Register,
    /// The thumbprints of the sequencer's keys.
    pub sequencer: &'a [Thumbprint],
    /// The leaf hashes of the gov log: orders that an event may rest on.
    pub gov: &'a HashSet<Hash>,
    /// The charter's periods.
    pub terms: &'a Terms,
    /// The last epoch of an era in which numbers may still be carried over.
    pub carry_until: u64,
}

/// The rule that an event breaks. The texts are those of the reference vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // each variant's text says it
pub enum Broken {
    #[error("state: not sound by itself")]
    State,
    #[error("event: version")]
    Version,
    #[error("event: prev")]
    Prev,
    #[error("event: since_epoch")]
    SinceEpoch,
    #[error("event: key_epoch")]
    KeyEpoch,
    #[error("event: valid_until")]
    ValidUntil,
    #[error("event: status before")]
    StatusBefore,
    #[error("event: door or signatures")]
    Signers,
    #[error("event: changes more than its kind may")]
    ChangesMore,
    #[error("event: status after")]
    StatusAfter,
    #[error("event: bad signature")]
    BadSignature,
    #[error("event: not the current control key")]
    NotControlKey,
    #[error("event: not a key of the provider")]
    NotProviderKey,
    #[error("event: not the new control key")]
    NotNewControlKey,
    #[error("event: not an operator")]
    NotOperator,
    #[error("event: not the recovery key")]
    NotRecoveryKey,
    #[error("event: not the sequencer")]
    NotSequencer,
    #[error("event: provider may not do this")]
    ProviderMayNot,
    #[error("event: evidence")]
    Evidence,
    #[error("event: pending")]
    Pending,
    #[error("event: flags")]
    Flags,
    #[error("event: quarantine not over")]
    Quarantine,
    #[error("event: another request is pending")]
    RequestPending,
    #[error("event: nothing to veto or object to")]
    NothingToVeto,
    #[error("event: nothing to take back")]
    NothingToTakeBack,
    #[error("event: provider-held")]
    ProviderHeld,
    #[error("event: who suspended must resume")]
    WhoSuspended,
    #[error("event: not_after is over")]
    NotAfterOver,
    #[error("event: not_after does not rise")]
    NotAfterFalls,
    #[error("event: pending does not open")]
    PendingDoesNotOpen,
    #[error("event: cool-down not over")]
    CoolDown,
    #[error("event: objection not decided")]
    Objection,
    #[error("event: not lapsed for long enough")]
    NotLapsed,
    #[error("event: era has begun")]
    EraBegun,
}

/// Checks one sealed event (epochs filled in) of the epoch `epoch` at `time_ms`, signatures included; gives the label's new entry.
pub fn check(
    event: &Event,
    origin: &str,
    epoch: u64,
    time_ms: u64,
    before: Option<&Entry>,
    law: &Law<'_>,
) -> Result<Entry, Broken> {
    let step = Step::new(event, epoch, time_ms, before, law);
    step.form()?;
    unless(event.signatures_verify(origin), Broken::BadSignature)?;
    step.rest()
}

/// Fills in the epochs of a submitted event and checks everything but the mathematics of its signatures, which were
/// verified when it was accepted. Gives the event as the batch holds it, and the label's new entry.
pub fn seal(
    event: &Event,
    epoch: u64,
    time_ms: u64,
    before: Option<&Entry>,
    law: &Law<'_>,
) -> Result<(Event, Entry), Broken> {
    let mut sealed = event.clone();
    sealed.state.since_epoch = epoch;
    sealed.state.key_epoch = key_epoch(event.kind, &event.state, before.map(|entry| &entry.state), epoch);
    let step = Step::new(&sealed, epoch, time_ms, before, law);
    step.form()?;
    let entry = step.rest()?;
    Ok((sealed, entry))
}

/// Statuses before, fields that may change beside version, prev and epochs, and the allowed `door:roles` of a kind.
struct Rule {
    before: &'static [Option<Status>],
    may: &'static [Field],
    signers: &'static [(Door, &'static [Role])],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Status,
    Flags,
    NotAfter,
    Control,
    Recovery,
    Pending,
    Commitment,
}

const ACTIVE: &[Option<Status>] = &[Some(Status::Active)];
const SUSPENDED: &[Option<Status>] = &[Some(Status::Suspended)];
const LIVE: &[Option<Status>] = &[Some(Status::Active), Some(Status::Suspended)];
const FREE: &[Option<Status>] = &[None, Some(Status::Released)];

/// The table of kinds, as in TRUST.md 2: the digits of the roles are 1 control, 2 provider, 3 new control, 4 operator, 5 recovery, 6 sequencer.
const fn rule(kind: Kind, door: Door) -> Rule {
    use Door::{Code, Direct, Main, Validation};
    use Field as F;
    use Role::{Control as R1, NewControl as R3, Operator as R4, Provider as R2, Recovery as R5, Sequencer as R6};
    let (before, may, signers): (_, &'static [Field], &'static [(Door, &'static [Role])]) = match kind {
        Kind::Create => (
            FREE,
            &[F::Status, F::Flags, F::NotAfter, F::Control, F::Recovery, F::Pending, F::Commitment],
            &[(Main, &[R2, R3])],
        ),
        Kind::Update => (
            ACTIVE,
            &[F::Flags, F::Control, F::Recovery, F::Pending, F::Commitment],
            &[(Main, &[R1, R2]), (Main, &[R1, R2, R3]), (Direct, &[R1])],
        ),
        // The key before takes the number back.
        Kind::Transfer if matches!(door, Validation) => (
            LIVE,
            &[F::Flags, F::NotAfter, F::Control, F::Recovery, F::Pending, F::Commitment],
            &[(Validation, &[R2, R3])],
        ),
        Kind::Transfer => (ACTIVE, &[F::Commitment], &[(Main, &[R1, R2])]),
        Kind::Request => (
            // A claim takes also a number that its holder withholds: an old phone does not block it.
            if matches!(door, Validation) { LIVE } else { ACTIVE },
            &[F::Pending],
            &[(Main, &[R2, R3]), (Main, &[R2, R3, R5]), (Code, &[R2, R3]), (Validation, &[R2, R3]), (Direct, &[R2])],
        ),
        Kind::Complete => (
            LIVE,
            &[F::Flags, F::NotAfter, F::Control, F::Recovery, F::Pending, F::Commitment],
            &[(Main, &[R2, R3]), (Code, &[R2, R3]), (Validation, &[R2, R3]), (Validation, &[R2, R3, R4, R4])],
        ),
        // By the operator: the ruling on a claim for the old holder, which also ends an objection.
        Kind::Veto => (LIVE, &[F::Flags, F::Pending], &[(Direct, &[R1]), (Main, &[R4, R4])]),
        Kind::Suspend => (LIVE, &[F::Status, F::Flags], &[(Main, &[R4, R4]), (Direct, &[R1])]),
        Kind::Resume => (SUSPENDED, &[F::Status, F::Flags], &[(Main, &[R4, R4]), (Direct, &[R1])]),
        Kind::Release => (
            LIVE,
            &[F::Status, F::Flags, F::Control, F::Recovery, F::Pending, F::Commitment],
            &[(Direct, &[R1]), (Direct, &[R2]), (Main, &[R6])],
        ),
        Kind::Renew => (LIVE, &[F::NotAfter], &[(Main, &[R2])]),
        Kind::Object => (LIVE, &[F::Flags], &[(Direct, &[R1])]),
        Kind::Carry => (LIVE, &[], &[(Main, &[R6])]),
    };
    Rule { before, may, signers }
}

/// Whether a kind of event may be signed through this door by just these roles. The order of roles is that of the event.
pub fn signers_fit(event: &Event) -> bool {
    let roles: Vec<Role> = event.signatures.iter().map(|signature| signature.role).collect();
    rule(event.kind, event.door).signers.iter().any(|(door, allowed)| *door == event.door && *allowed == roles)
}

/// The epoch of the last change of the control key after this event.
fn key_epoch(kind: Kind, new: &State, old: Option<&State>, epoch: u64) -> u64 {
    match old {
        _ if kind == Kind::Carry => 0,
        Some(old) if old.control == new.control => old.key_epoch,
        _ => epoch,
    }
}

const fn unless(ok: bool, broken: Broken) -> Result<(), Broken> {
    if ok { Ok(()) } else { Err(broken) }
}

/// One event on its way through the rules.
struct Step<'a> {
    event: &'a Event,
    new: &'a State,
    old: Option<&'a State>,
    before: Option<&'a Entry>,
    request: Option<&'a Request>,
    epoch: u64,
    time_ms: u64,
    law: &'a Law<'a>,
    rule: Rule,
}

impl<'a> Step<'a> {
    fn new(event: &'a Event, epoch: u64, time_ms: u64, before: Option<&'a Entry>, law: &'a Law<'a>) -> Self {
        let (old, request) = (before.map(|entry| &entry.state), before.and_then(|entry| entry.request.as_ref()));
        Self { event, new: &event.state, old, before, request, epoch, time_ms, law, rule: rule(event.kind, event.door) }
    }

    /// Everything that comes before the signatures.
    fn form(&self) -> Result<(), Broken> {
        unless(self.new.check().is_ok(), Broken::State)?;
        self.chain()?;
        self.epochs()?;
        self.valid_until()?;
        unless(self.rule.before.contains(&self.old.map(|old| old.status)), Broken::StatusBefore)?;
        self.signers()?;
        unless(self.changes_only_what_it_may(), Broken::ChangesMore)?;
        unless(self.new.status == self.status_after(), Broken::StatusAfter)
    }

    /// Everything that comes after the signatures.
    fn rest(&self) -> Result<Entry, Broken> {
        self.keys()?;
        self.provider()?;
        self.evidence()?;
        self.pending()?;
        self.kind()?;
        self.not_after()?;
        self.waits()?;
        Ok(self.entry())
    }

    fn is(&self, kind: Kind) -> bool {
        self.event.kind == kind
    }

    fn signed(&self, role: Role) -> bool {
        self.event.signature(role).is_some()
    }

    fn was(&self) -> Flags {
        self.old.map_or(Flags::NONE, |old| old.flags)
    }

    /// The flags that this event turns over.
    fn flip(&self) -> Flags {
        self.new.flags.changed(self.was())
    }

    /// An UPDATE that sets another control key.
    fn rotates(&self) -> bool {
        self.is(Kind::Update) && self.old.is_some_and(|old| old.control != self.new.control)
    }

    fn chain(&self) -> Result<(), Broken> {
        let version = self.old.map_or(Some(1), |old| old.version.checked_add(1));
        unless(Some(self.new.version) == version, Broken::Version)?;
        let prev = self.old.map_or(ZERO, State::hash);
        unless(self.new.prev == prev && self.event.prev == prev, Broken::Prev)
    }

    fn epochs(&self) -> Result<(), Broken> {
        let later = self.is(Kind::Carry) || self.old.is_none_or(|old| old.since_epoch < self.epoch);
        unless(self.new.since_epoch == self.epoch && later, Broken::SinceEpoch)?;
        unless(self.new.key_epoch == key_epoch(self.event.kind, self.new, self.old, self.epoch), Broken::KeyEpoch)
    }

    /// Between the epoch's time and 24 h later.
    fn valid_until(&self) -> Result<(), Broken> {
        let until_ms = self.event.valid_until.saturating_mul(1000);
        unless((self.time_ms..=self.time_ms.saturating_add(EVENT_LIFE_MS)).contains(&until_ms), Broken::ValidUntil)
    }

    fn signers(&self) -> Result<(), Broken> {
        unless(signers_fit(self.event), Broken::Signers)?;
        unless(!self.is(Kind::Update) || self.rotates() == self.signed(Role::NewControl), Broken::Signers)
    }

    fn changes_only_what_it_may(&self) -> bool {
        let (Some(old), new) = (self.old, self.new) else { return self.is(Kind::Create) };
        [
            (Field::Status, new.status == old.status),
            (Field::Flags, new.flags == old.flags),
            (Field::NotAfter, new.not_after == old.not_after),
            (Field::Control, new.control == old.control),
            (Field::Recovery, new.recovery == old.recovery),
            (Field::Pending, new.pending == old.pending),
            (Field::Commitment, new.commitment == old.commitment),
        ]
        .iter()
        .all(|(field, same)| *same || self.rule.may.contains(field) || *field == Field::Flags && self.ends_objection())
    }

    /// A REQUEST in the place of a void one that was objected to.
    fn ends_objection(&self) -> bool {
        self.is(Kind::Request) && self.is_void() && self.was().contains(Flags::OBJECTED)
    }

    /// Is what is pending so old that the next event may put it aside?
    fn is_void(&self) -> bool {
        self.before.and_then(|entry| entry.void_ms(self.law.terms)).is_some_and(|void_ms| self.time_ms >= void_ms)
    }

    const fn status_after(&self) -> Status {
        match self.event.kind {
            Kind::Create => Status::Active,
            Kind::Release => Status::Released,
            _ if self.new.flags.intersects(Flags::SUSPENSIONS) => Status::Suspended,
            _ => Status::Active,
        }
    }

    /// Each signer is who it must be.
    fn keys(&self) -> Result<(), Broken> {
        for signature in &self.event.signatures {
            let names = |thumbprint: &Thumbprint| signature.key.thumbprint() == *thumbprint;
            match signature.role {
                Role::Control => unless(self.old.is_some_and(|old| names(&old.control)), Broken::NotControlKey)?,
                Role::Provider => {
                    let known = self.law.register.is_statement_key(&self.event.provider, &signature.key);
                    unless(known, Broken::NotProviderKey)?;
                }
                Role::NewControl => {
                    unless(self.is(Kind::Request) || names(&self.new.control), Broken::NotNewControlKey)?
                }
                Role::Operator => unless(self.law.register.is_operator_key(&signature.key), Broken::NotOperator)?,
                Role::Recovery => unless(self.old.is_some_and(|old| names(&old.recovery)), Broken::NotRecoveryKey)?,
                Role::Sequencer => unless(self.law.sequencer.iter().any(names), Broken::NotSequencer)?,
            }
        }
        unless(self.signed(Role::Provider) || self.event.provider.is_empty(), Broken::NotProviderKey)
    }

    /// The provider is the label's own, but another one in TRANSFER and door 2, and any in CREATE and door 3.
    fn provider(&self) -> Result<(), Broken> {
        let any = !self.signed(Role::Provider) || self.is(Kind::Create) || self.event.door == Door::Validation;
        let other = self.is(Kind::Transfer) || self.event.door == Door::Code;
        let sponsor = self.before.map_or("", |entry| entry.provider.as_str());
        unless(any || (self.event.provider != sponsor) == other, Broken::ProviderMayNot)
    }

    /// Tokens where they are due, the order's gov leaf where the operator signs, any in UPDATE, else nothing.
    fn evidence(&self) -> Result<(), Broken> {
        let token = match self.event.kind {
            Kind::Create | Kind::Transfer | Kind::Complete | Kind::Renew => true,
            Kind::Request => self.event.door != Door::Direct,
            _ => false,
        };
        let good = if self.signed(Role::Operator) {
            self.law.gov.contains(&self.event.evidence)
        } else {
            self.is(Kind::Update) || (self.event.evidence != ZERO) == token
        };
        unless(good, Broken::Evidence)
    }

    /// What `pending` names if this event asks for it, or opens it.
    fn claim(&self) -> Hash {
        pending::hash(self.event.door, &self.asked_control(), &self.event.provider)
    }

    fn asked_control(&self) -> Thumbprint {
        self.event.signature(Role::NewControl).map_or(ZERO, |signature| signature.key.thumbprint())
    }

    fn pending(&self) -> Result<(), Broken> {
        if !self.rule.may.contains(&Field::Pending) {
            return Ok(());
        }
        let claimed = self.request.is_some_and(|request| request.door == Door::Validation);
        let expected = match (self.event.kind, self.old) {
            (Kind::Request, _) => self.claim(),
            (Kind::Update, Some(old)) if claimed && !(self.is_void() && self.new.pending == ZERO) => old.pending,
            _ => ZERO,
        };
        unless(self.new.pending == expected, Broken::Pending)
    }

    /// What is particular to a kind.
    fn kind(&self) -> Result<(), Broken> {
        match self.event.kind {
            Kind::Create => {
                unless(self.new.flags.without(Flags::LOCK.with(Flags::PROVIDER_HELD)) == Flags::NONE, Broken::Flags)?;
                let rested = |entry: &Entry| self.time_ms >= entry.time_ms.saturating_add(self.law.terms.quarantine_ms);
                unless(self.before.is_none_or(rested), Broken::Quarantine)
            }
            Kind::Update => {
                // An objection goes with the claim that it was to.
                let objection = if self.new.pending == ZERO { self.was().only(Flags::OBJECTED) } else { Flags::NONE };
                let rest = self.flip().without(Flags::LOCK).changed(objection);
                let upgrades =
                    self.rotates() && rest == Flags::PROVIDER_HELD && self.was().contains(Flags::PROVIDER_HELD);
                unless(rest == Flags::NONE || upgrades, Broken::Flags)
            }
            Kind::Request => {
                unless(!self.was().contains(Flags::SUSP_OP), Broken::StatusBefore)?;
                unless(self.request.is_none() || self.is_void(), Broken::RequestPending)?;
                unless(self.flip() == self.was().only(Flags::OBJECTED), Broken::Flags)
            }
            Kind::Veto | Kind::Object => self.veto_or_object(),
            Kind::Suspend | Kind::Resume => {
                let mine = if self.signed(Role::Operator) { Flags::SUSP_OP } else { Flags::SUSP_HOLDER };
                let sets = self.new.flags.contains(mine);
                unless(self.flip() == mine && sets == self.is(Kind::Suspend), Broken::WhoSuspended)
            }
            Kind::Carry => unless(self.epoch <= self.law.carry_until, Broken::EraBegun),
            Kind::Transfer if self.event.takes_back() => self.takes_back(),
            Kind::Transfer | Kind::Complete | Kind::Release | Kind::Renew => Ok(()),
        }
    }

    fn veto_or_object(&self) -> Result<(), Broken> {
        let (object, ruling) = (self.is(Kind::Object), self.signed(Role::Operator));
        let fits = self.request.is_some_and(|request| (request.door == Door::Validation) == (object || ruling));
        unless(fits, Broken::NothingToVeto)?;
        if ruling {
            return unless(self.flip().without(Flags::OBJECTED) == Flags::NONE, Broken::Flags);
        }
        unless(!self.was().contains(Flags::PROVIDER_HELD), Broken::ProviderHeld)?;
        let due = if object { Flags::OBJECTED } else { Flags::NONE };
        unless(self.flip() == due && !self.was().intersects(due), Broken::Flags)
    }

    /// By the key before, while it may. An event that was accepted in time may be sealed a day later.
    fn takes_back(&self) -> Result<(), Broken> {
        let until_ms =
            |taken: &Taken| taken.time_ms.saturating_add(self.law.terms.pause_ms).saturating_add(EVENT_LIFE_MS);
        let taken = self.before.and_then(|entry| entry.taken.as_ref());
        let fits = taken.is_some_and(|taken| taken.control == self.new.control && self.time_ms < until_ms(taken));
        unless(fits, Broken::NothingToTakeBack)?;
        let suspensions = Flags(self.was().0 & Flags::SUSPENSIONS.0);
        unless(self.new.flags.without(Flags::LOCK) == suspensions, Broken::Flags)
    }

    fn not_after(&self) -> Result<(), Broken> {
        let ends_ms = self.new.not_after.saturating_mul(1000);
        let opens = matches!(self.event.kind, Kind::Create | Kind::Complete | Kind::Renew) || self.event.takes_back();
        unless(!opens || ends_ms > self.time_ms, Broken::NotAfterOver)?;
        let rises = self.old.is_some_and(|old| self.new.not_after > old.not_after);
        unless(!self.is(Kind::Renew) || rises, Broken::NotAfterFalls)
    }

    /// Cool-downs, notices, objections and the grace of a lapsed number.
    fn waits(&self) -> Result<(), Broken> {
        let Some(old) = self.old else { return Ok(()) };
        let release = self.is(Kind::Release);
        if self.is(Kind::Complete) || release && self.signed(Role::Provider) {
            let request = self.request.filter(|_| old.pending == self.claim()).ok_or(Broken::PendingDoesNotOpen)?;
            let opens_ms = self.before.and_then(|entry| entry.opens_ms(self.law.terms));
            unless(opens_ms.is_some_and(|opens_ms| self.time_ms >= opens_ms), Broken::CoolDown)?;
            if !release {
                let kept = self.new.flags.without(Flags::LOCK.with(Flags::PROVIDER_HELD));
                let suspensions = Flags(self.was().0 & Flags::SUSPENSIONS.0);
                unless(kept == suspensions, Broken::Flags)?;
                unless(self.objection_is_decided(request), Broken::Objection)?;
            }
        }
        if release && self.signed(Role::Sequencer) {
            let lapsed_ms = old.not_after.saturating_mul(1000).saturating_add(self.law.terms.grace_ms);
            unless(self.time_ms >= lapsed_ms, Broken::NotLapsed)?;
        }
        Ok(())
    }

    fn objection_is_decided(&self, request: &Request) -> bool {
        let second_round = |objected_ms: u64| self.time_ms >= objected_ms.saturating_add(self.law.terms.second_ms);
        !self.was().contains(Flags::OBJECTED)
            || self.signed(Role::Operator)
            || request.objected_ms.is_some_and(second_round)
    }

    fn entry(&self) -> Entry {
        let request = match self.event.kind {
            Kind::Request => Some(Request {
                door: self.event.door,
                control: self.asked_control(),
                provider: self.event.provider.clone(),
                time_ms: self.time_ms,
                fast: self.signed(Role::Recovery),
                objected_ms: None,
            }),
            Kind::Object => self.request.map(|request| Request { objected_ms: Some(self.time_ms), ..request.clone() }),
            _ => self.request.cloned(),
        };
        let sets_provider = matches!(self.event.kind, Kind::Create | Kind::Transfer | Kind::Complete);
        let provider =
            if sets_provider { Some(&self.event.provider) } else { self.before.map(|entry| &entry.provider) };
        Entry {
            state: self.new.clone(),
            provider: provider.cloned().unwrap_or_default(),
            time_ms: self.time_ms,
            request: request.filter(|_| self.new.pending != ZERO),
            taken: self.taken(),
        }
    }

    /// What can be taken back after this event.
    fn taken(&self) -> Option<Taken> {
        let before = self.before?;
        match self.event.kind {
            Kind::Create | Kind::Release => None,
            Kind::Transfer if self.event.takes_back() => None,
            Kind::Complete if self.event.door != Door::Main => self.takes(before),
            _ => before.taken.clone(),
        }
    }

    /// Whether the key before could say no and did not. Who objected had his contest, and a provider takes nothing back with a
    /// key that it kept; nor does anybody from the key that came back itself.
    fn takes(&self, before: &Entry) -> Option<Taken> {
        let (old, asked_ms) = (&before.state, before.request.as_ref().map_or(self.time_ms, |request| request.time_ms));
        let returns = before.taken.as_ref().is_some_and(|taken| {
            taken.control == self.new.control && asked_ms < taken.time_ms.saturating_add(self.law.terms.pause_ms)
        });
        let heard = old.flags.contains(Flags::OBJECTED) || self.signed(Role::Operator);
        let silent = !heard && !returns && !old.flags.contains(Flags::PROVIDER_HELD) && old.control != self.new.control;
        silent.then_some(Taken { control: old.control, time_ms: self.time_ms })
    }
}
