//! Stage 2 of the law: an examined submission against what is stored. One refusal at most, in a fixed order.
//!
//! The order: is the submitter a party (else `not_found`, and nothing more is told, clause 1.4); were the tokens used; is a change
//! pending; does the event follow the present state; does the state allow it; two methods; the record against the one before;
//! keys published elsewhere; quotas; and last the rules of events, which auditors replay.

use crate::charter::Policy;
use crate::clock::rfc3339;
use crate::log::event::{Door, Event, Kind, Role};
use crate::log::key::Thumbprint;
use crate::log::record::{Prefix, Record};
use crate::log::state::{State, Status};
use crate::log::{Hash, ZERO};
use crate::number::Number;
use crate::registry::examine::{Entrance, Examined, ExaminedRecord};
use crate::registry::keys;
use crate::registry::past::{Happened, Past};
use crate::registry::refusal::{self, Reason, Refusal};
use crate::registry::rules::{self, Broken, Entry, Law};
use crate::registry::terms::{DAY_MS, DAY_S};
use crate::registry::token::{Basis, UsedToken, Validation};

/// What is stored that matters to one submission, read in the transaction that will store the decision.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The label's entry after the last sealed event.
    pub entry: Option<Entry>,
    /// The record that the entry's state commits to, while there is one.
    pub record: Option<Record>,
    /// The accepted event of this label that is not sealed yet.
    pub waiting: Option<Waiting>,
    /// Is any of the submission's tokens ([`UsedToken::hash`]) used already?
    pub token_used: bool,
    /// Those of the submission's keys ([`ExaminedRecord::keys`], `spki_hash`) that a label under another control key publishes.
    pub published_elsewhere: Vec<Hash>,
    /// What the provider has done today and has in all.
    pub counters: Counters,
    /// What became of earlier requests for this number.
    pub past: Vec<Past>,
    /// The hash of the transfer code that is in force for this number.
    pub code: Option<Hash>,
    /// When the number was released in an era before this one, Unix milliseconds; the map of this one does not know of it.
    pub released_before_ms: Option<u64>,
}

impl Facts {
    /// The time of the label's newest State, Unix milliseconds, whichever era it was in.
    fn newest_ms(&self) -> Option<u64> {
        self.entry.as_ref().map(|entry| entry.time_ms).or(self.released_before_ms)
    }
}

/// An accepted event that is not sealed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The provider of the registration after it.
    pub provider: String,
    /// The control key after it.
    pub control: Thumbprint,
}

/// A provider's counters; the ledger keeps them by UTC day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Registrations accepted today.
    pub creates_today: u64,
    /// Preparations answered today.
    pub prepares_today: u64,
    /// Numbers that it is the provider of.
    pub numbers: u64,
    /// Wrong transfer codes that it sent today.
    pub wrong_codes_today: u64,
}

/// Everything that is stored, in one transaction, for an accepted submission.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Decision {
    /// The number.
    pub number: Number,
    /// The event as submitted, epochs 0; the sequencer seals it with [`rules::seal`].
    pub event: Event,
    /// [`Event::hash`]: the name of the receipt.
    pub event_hash: Hash,
    /// The provider of the registration after this event; of a release the last one.
    pub provider: String,
    /// What becomes of the personal data.
    pub record: RecordChange,
    /// The provider from which the number goes away, if it goes to another.
    pub leaves: Option<String>,
    /// The tokens to mark as used.
    pub consumed: Vec<UsedToken>,
    /// What the registration rests on from now on; empty if the event brings no validation.
    pub rests_on: Vec<Basis>,
    /// What is remembered of it, at the time of acceptance.
    pub happened: Option<Happened>,
    /// What becomes of the number's transfer code.
    pub code: CodeChange,
}

/// What becomes of a number's transfer code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeChange {
    /// It stays in force.
    Keep,
    /// It is used up, or the number has changed hands.
    Void,
}

/// What becomes of a number's record, opening and index of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordChange {
    /// They stay.
    Keep,
    /// They are replaced.
    Set {
        /// R, the bytes that are committed to.
        bytes: Vec<u8>,
        /// The opening of the commitment.
        opening: [u8; 32],
        /// Every key that R publishes and that counts, by SHA-256 of its SubjectPublicKeyInfo.
        key_hashes: Vec<Hash>,
    },
    /// They are erased at once (clause 8.2).
    Erase,
}

/// Decides on an examined submission.
pub fn decide(
    facts: &Facts,
    examined: &Examined,
    policy: &Policy,
    law: &Law<'_>,
    now_ms: u64,
) -> Result<Decision, Refusal> {
    let bench = Bench { facts, examined, event: &examined.event, policy, law, now_ms };
    bench.party()?;
    bench.waits_for_nothing()?;
    bench.chain()?;
    match bench.event.kind {
        Kind::Create => bench.create()?,
        Kind::Update => bench.update()?,
        Kind::Renew => bench.renew()?,
        Kind::Request if bench.event.door == Door::Direct => bench.notice()?,
        Kind::Request => bench.request()?,
        Kind::Transfer => bench.transfer()?,
        Kind::Complete => bench.complete()?,
        Kind::Object => bench.object()?,
        Kind::Release => bench.release()?,
        _ => {}
    }
    bench.keys()?;
    bench.rules()?;
    Ok(bench.decision())
}

/// Whether a provider may prepare once more today (clause 7.4).
pub fn prepare(counters: &Counters, policy: &Policy) -> Result<(), Refusal> {
    let full = counters.prepares_today >= policy.prepares_per_day_max;
    if full { Err(refusal::QUOTA_PREPARES.at("", "the day's preparations are used up")) } else { Ok(()) }
}

/// One submission before the law; the doors of article 6 stand in a file of their own.
pub(super) struct Bench<'a> {
    pub(super) facts: &'a Facts,
    pub(super) examined: &'a Examined,
    pub(super) event: &'a Event,
    pub(super) policy: &'a Policy,
    pub(super) law: &'a Law<'a>,
    pub(super) now_ms: u64,
}

pub(super) fn refuse(reason: &'static Reason, pointer: &str, detail: &str) -> Result<(), Refusal> {
    Err(reason.at(pointer, detail))
}

impl Bench<'_> {
    pub(super) fn old(&self) -> Option<&State> {
        self.facts.entry.as_ref().map(|entry| &entry.state)
    }

    pub(super) fn lapsed(&self) -> bool {
        self.old().is_some_and(|old| self.now_ms >= old.not_after.saturating_mul(1000))
    }

    /// Who registers or claims proves with a fresh token that he may know; everybody else must be the provider, or hold the
    /// control key, the code, or what is pending.
    fn party(&self) -> Result<(), Refusal> {
        let used = || refuse(&refusal::TOKEN_REPLAYED, "/validation", "a token was used before");
        let claim = self.event.kind == Kind::Request && self.event.door == Door::Validation;
        if self.event.kind == Kind::Create || claim && self.facts.token_used {
            return if self.facts.token_used { used() } else { Ok(()) };
        }
        self.codes_left()?;
        let party = match &self.examined.entrance {
            Entrance::Provider(_) if claim => self.live(),
            Entrance::Provider(id) => self.sponsors(id) || self.gains(id),
            Entrance::Holder => self.controls(),
            // Two of the operator's staff name the number in an order; whether it is registered is no secret to them.
            Entrance::Operator => self.facts.entry.is_some() || self.facts.waiting.is_some(),
        };
        match party {
            false => refuse(&refusal::NOT_FOUND, "", "there is no such registration of yours"),
            true if self.facts.token_used => used(),
            true => Ok(()),
        }
    }

    fn sponsors(&self, id: &str) -> bool {
        let now = self.facts.entry.as_ref().map(|entry| entry.provider.as_str());
        let soon = self.facts.waiting.as_ref().map(|waiting| waiting.provider.as_str());
        now == Some(id) || now.is_none() && soon == Some(id)
    }

    /// Whether the control key's signature is that of the registration.
    pub(super) fn controls(&self) -> bool {
        let signer = self.event.signature(Role::Control).map(|signature| signature.key.thumbprint());
        let now = self.old().map(|old| old.control);
        let soon = self.facts.waiting.as_ref().map(|waiting| waiting.control);
        signer.is_some() && (now == signer || now.is_none() && soon == signer)
    }

    /// One unpublished event a label at most (clause 2.4).
    fn waits_for_nothing(&self) -> Result<(), Refusal> {
        let live = self.old().is_some_and(|old| old.status != Status::Released);
        if self.event.kind == Kind::Create && live {
            return refuse(&refusal::EXISTS, "", "the number is registered");
        }
        match self.facts.waiting {
            Some(_) => refuse(&refusal::EVENT_PENDING, "", "another change of this number is not published yet"),
            None => Ok(()),
        }
    }

    /// The present status, and that the event follows the present state.
    fn chain(&self) -> Result<(), Refusal> {
        if self.event.kind != Kind::Create && self.old().is_some_and(|old| old.status == Status::Released) {
            return refuse(&refusal::RELEASED, "", "the number was released");
        }
        if self.event.kind == Kind::Create {
            self.quarantine()?;
        }
        let (version, prev) = self.old().map_or((1, ZERO), |old| (old.version.saturating_add(1), old.hash()));
        if self.event.state.version != version || self.event.prev != prev || self.event.state.prev != prev {
            let detail = format!("the event follows another state; the next version is {version}");
            return refuse(&refusal::STATE_STALE, "/event", &detail);
        }
        Ok(())
    }

    /// Clause 5.4.
    fn quarantine(&self) -> Result<(), Refusal> {
        let over_ms = self.facts.newest_ms().map(|time_ms| time_ms.saturating_add(self.law.terms.quarantine_ms));
        match over_ms.filter(|over_ms| self.now_ms < *over_ms) {
            Some(over_ms) => {
                let detail = format!("the number rests until {}", rfc3339(over_ms.div_ceil(1000)));
                refuse(&refusal::QUARANTINE, "", &detail)
            }
            None => Ok(()),
        }
    }

    /// Two methods for a number that was registered lately (clause 3.4), and the provider's quotas (clause 7.4).
    fn create(&self) -> Result<(), Refusal> {
        let lookback_ms = self.policy.recycle_lookback_d * DAY_MS;
        let recent = |time_ms: u64| self.now_ms < time_ms.saturating_add(lookback_ms);
        let two = self.examined.validation.as_ref().is_some_and(|validation| validation.two_methods);
        if self.facts.newest_ms().is_some_and(recent) && !two {
            return refuse(&refusal::TWO_METHODS, "/validation", "the number was registered lately");
        }
        let counters = &self.facts.counters;
        if counters.creates_today >= self.policy.creates_per_day_max {
            return refuse(&refusal::QUOTA_CREATES, "", "the day's registrations are used up");
        }
        self.room_for_one_more()
    }

    /// Clauses 7.4 and 7.6, for whoever gets a number.
    pub(super) fn room_for_one_more(&self) -> Result<(), Refusal> {
        let numbers = self.facts.counters.numbers;
        let probation = self.law.register.is_on_probation(&self.event.provider);
        if probation && numbers >= self.policy.probation_numbers_max {
            return refuse(&refusal::QUOTA_PROBATION, "", "the provider has as many numbers as a probation allows");
        }
        if numbers >= self.policy.numbers_max {
            return refuse(&refusal::QUOTA_NUMBERS, "", "the provider has as many numbers as it may have");
        }
        Ok(())
    }

    fn update(&self) -> Result<(), Refusal> {
        let Some(entry) = &self.facts.entry else { return Ok(()) };
        if entry.state.status == Status::Suspended {
            return refuse(&refusal::SUSPENDED, "", "the number is suspended");
        }
        self.contest_lets_change()?;
        // The holder alone may remove a key whenever he likes (clause 2.5); a provider renews first.
        if self.lapsed() && self.examined.entrance != Entrance::Holder {
            return refuse(&refusal::LAPSED, "", "the registration has lapsed");
        }
        match &self.examined.record {
            None if self.event.state.commitment != entry.state.commitment => {
                refuse(&refusal::RECORD_MISSING, "/record", "the event commits to a record that was not sent")
            }
            None => Ok(()),
            Some(examined) => self.follows(examined, &entry.provider),
        }
    }

    /// The new record against the present one: provider, keys without proof, revoked keys (clauses 4.3, 4.6, 4.7).
    pub(super) fn follows(&self, examined: &ExaminedRecord, provider: &str) -> Result<(), Refusal> {
        if examined.record.provider != provider {
            return refuse(&refusal::RECORD_PROVIDER, "/record", "the record names another provider");
        }
        let before = self.facts.record.as_ref();
        let published = before.map_or_else(Vec::new, keys::published);
        let already = |name: &(Prefix, Hash)| published.iter().any(|key| (key.prefix, key.spki_hash) == *name);
        if let Some((prefix, _)) = examined.unproved.iter().find(|name| !already(name)) {
            let detail = format!("{}: a new key without a proof", prefix.as_str());
            return refuse(&refusal::POSSESSION_MISSING, "/possession", &detail);
        }
        let keep_s = self.policy.revoked_keep_d * DAY_S;
        let kept = |at_s: u64| at_s.saturating_add(keep_s) > self.now_ms / 1000;
        let due = before.map_or(&[][..], |record| &record.revoked).iter().filter(|revoked| kept(revoked.at_s));
        if due.into_iter().any(|revoked| !examined.record.revoked.contains(revoked)) {
            return refuse(&refusal::REVOKED, "/record", "a key that was revoked lately is no longer listed");
        }
        Ok(())
    }

    /// Clauses 5.2 and 5.3.
    fn renew(&self) -> Result<(), Refusal> {
        let (Some(old), Some(validation)) = (self.old(), &self.examined.validation) else { return Ok(()) };
        let grace_over_ms = old.not_after.saturating_mul(1000).saturating_add(self.law.terms.grace_ms);
        if self.now_ms >= grace_over_ms {
            return refuse(&refusal::GRACE_OVER, "", "the time for renewal is over");
        }
        if self.event.state.not_after <= old.not_after {
            return refuse(&refusal::NOT_RAISED, "/event", "not_after does not rise");
        }
        let latest_s = renewal_end_s(old.not_after, validation, self.policy, self.now_ms / 1000);
        if self.event.state.not_after > latest_s {
            let detail = format!("not_after is at most {} ({latest_s}) with this validation", rfc3339(latest_s));
            return refuse(&refusal::NOT_AFTER, "/event", &detail);
        }
        Ok(())
    }

    /// The notice of a provider's release (clause 5.5).
    fn notice(&self) -> Result<(), Refusal> {
        let Some(entry) = &self.facts.entry else { return Ok(()) };
        if entry.state.status == Status::Suspended {
            return refuse(&refusal::SUSPENDED, "", "the number is suspended");
        }
        match entry.request {
            Some(_) if !self.is_void(entry) => refuse(&refusal::REQUEST_PENDING, "", "a request is pending"),
            _ => Ok(()),
        }
    }

    fn release(&self) -> Result<(), Refusal> {
        let by_provider = matches!(self.examined.entrance, Entrance::Provider(_));
        let entry = self.facts.entry.as_ref().filter(|_| by_provider);
        let Some(entry) = entry else { return Ok(()) };
        let Some(request) = entry.request.as_ref().filter(|request| request.door == self.event.door) else {
            return refuse(&refusal::NOTICE_MISSING, "", "no notice of release is pending");
        };
        if self.facts.entry.as_ref().is_some_and(|entry| self.is_void(entry)) {
            return refuse(&refusal::REQUEST_VOID, "", "the notice is void by now");
        }
        let over_ms = request.time_ms.saturating_add(self.law.terms.notice_ms);
        if self.now_ms < over_ms {
            let detail = format!("the notice ends at {}", rfc3339(over_ms.div_ceil(1000)));
            return refuse(&refusal::NOTICE_RUNNING, "", &detail);
        }
        Ok(())
    }

    /// Clause 4.4. Possession was proved before, or the key does not count: nobody learns where a key of another is published.
    fn keys(&self) -> Result<(), Refusal> {
        let keys = self.examined.record.as_ref().map_or(&[][..], |record| &record.keys);
        match keys.iter().find(|key| key.counts() && self.facts.published_elsewhere.contains(&key.spki_hash)) {
            Some(key) => {
                refuse(&refusal::DUPLICATE_KEY, "/record", &format!("{}: another holder's key", key.prefix.as_str()))
            }
            None => Ok(()),
        }
    }

    /// The rules that auditors replay, as if the next epoch were sealed now. What is lawful now stays so until
    /// `valid_until`: waits end, and what is void stays void.
    fn rules(&self) -> Result<(), Refusal> {
        let epoch = self.old().map_or(1, |old| old.since_epoch.saturating_add(1));
        let sealed = rules::seal(self.event, epoch, self.now_ms, self.facts.entry.as_ref(), self.law);
        sealed.map(|_| ()).map_err(|broken| reason(broken).at("/event", broken.to_string()))
    }

    fn decision(&self) -> Decision {
        let record = match (&self.examined.record, self.event.kind) {
            (_, Kind::Release) => RecordChange::Erase,
            (Some(record), _) => RecordChange::Set {
                bytes: record.bytes.clone(),
                opening: record.opening,
                key_hashes: record.keys.iter().filter(|key| key.counts()).map(|key| key.spki_hash).collect(),
            },
            (None, _) => RecordChange::Keep,
        };
        let takes_over = matches!(self.event.kind, Kind::Create | Kind::Transfer | Kind::Complete);
        let sponsor = self.facts.entry.as_ref().map(|entry| &entry.provider);
        let provider = sponsor.filter(|_| !takes_over).unwrap_or(&self.event.provider);
        let leaves = sponsor.filter(|sponsor| self.event.kind != Kind::Create && *sponsor != provider);
        let rotates = self.old().is_some_and(|old| old.control != self.event.state.control);
        let code_used = self.event.kind == Kind::Request && self.event.door == Door::Code;
        Decision {
            number: self.examined.number,
            event: self.event.clone(),
            event_hash: self.event.hash(),
            provider: provider.clone(),
            record,
            leaves: leaves.cloned(),
            consumed: self.examined.validation.as_ref().map_or_else(Vec::new, |validation| validation.used.clone()),
            happened: self.happened(),
            code: if takes_over || rotates || code_used { CodeChange::Void } else { CodeChange::Keep },
            rests_on: self.examined.validation.as_ref().map_or_else(Vec::new, |validation| validation.rests_on.clone()),
        }
    }
}

/// The latest end of a renewal, Unix seconds: what the validation reaches, or inside the window its whole period from the old end.
pub fn renewal_end_s(not_after: u64, validation: &Validation, policy: &Policy, now_s: u64) -> u64 {
    let window_s = policy.renew_window_d * DAY_S;
    let inside = now_s < not_after && now_s.saturating_add(window_s) >= not_after;
    if inside { not_after.saturating_add(validation.period_s) } else { validation.until_s }
}

/// The reason behind a broken rule, where the checks before did not find a better one.
const fn reason(broken: Broken) -> &'static Reason {
    match broken {
        Broken::BadSignature => &refusal::SIGNATURE,
        Broken::NotProviderKey => &refusal::PROVIDER_KEY,
        Broken::NotNewControlKey => &refusal::NEW_CONTROL_KEY,
        Broken::Signers
        | Broken::NotControlKey
        | Broken::NotRecoveryKey
        | Broken::NotOperator
        | Broken::NotSequencer => &refusal::EVENT_SIGNERS,
        Broken::Version | Broken::Prev => &refusal::STATE_STALE,
        Broken::ValidUntil => &refusal::VALID_UNTIL,
        Broken::NotAfterOver => &refusal::NOT_AFTER,
        Broken::NotAfterFalls => &refusal::NOT_RAISED,
        Broken::Evidence => &refusal::EVIDENCE,
        Broken::Flags => &refusal::FLAGS,
        Broken::Quarantine => &refusal::QUARANTINE,
        Broken::RequestPending => &refusal::REQUEST_PENDING,
        Broken::NothingToVeto => &refusal::NOTHING_PENDING,
        Broken::NothingToTakeBack => &refusal::UNDO_MISSING,
        Broken::ProviderHeld => &refusal::PROVIDER_HELD,
        Broken::StatusBefore | Broken::WhoSuspended => &refusal::NOT_SUSPENDED,
        Broken::PendingDoesNotOpen => &refusal::NOTICE_MISSING,
        Broken::CoolDown => &refusal::NOTICE_RUNNING,
        Broken::ProviderMayNot => &refusal::EVENT_PROVIDER,
        _ => &refusal::STATE_RULE,
    }
}
