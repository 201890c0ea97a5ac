//! Stage 1 of the law: a submission against the charter and the register alone, without any fact about stored numbers or keys.
//!
//! All mistakes are reported together, in this order: number, event, record, standing of the provider, signers and keys,
//! signatures, times and flags, transfer code, commitment, addresses, published keys, possession, tokens, evidence. What passes is [`Examined`],
//! the only thing that [`decide`](crate::registry::decide) takes.

use crate::charter::{NotServed, Policy};
use crate::log::bytes::Malformed;
use crate::log::event::{Door, Event, Kind, Role};
use crate::log::key::Thumbprint;
use crate::log::label::Label;
use crate::log::record::{Prefix, Record, commitment};
use crate::log::state::Flags;
use crate::log::{Hash, ZERO, evidence};
use crate::number::Number;
use crate::registry::code::TransferCode;
use crate::registry::keys::{self, Circumstances, Published};
use crate::registry::naptr;
use crate::registry::nonce::NonceKey;
use crate::registry::possession::{self, Proof};
use crate::registry::refusal::{self, Reason, Refusal};
use crate::registry::register::Register;
use crate::registry::rules::signers_fit;
use crate::registry::terms::DAY_S;
use crate::registry::token::{self, Expected, Validation, Verdict};

/// An accepted event must still be valid when its epoch is sealed: a minute without a witness quorum, a restart, and some air.
pub const SEAL_MARGIN_S: u64 = 120;

/// What arrives at the registry, decoded from its transport but not yet believed.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Through which entrance it came.
    pub entrance: Entrance,
    /// The number that is addressed.
    pub number: Number,
    /// Its label (VRF), computed by the directory.
    pub label: Label,
    /// The event's bytes.
    pub event: Vec<u8>,
    /// Record R, if sent.
    pub record: Option<Vec<u8>>,
    /// The opening of the commitment, if sent.
    pub opening: Option<[u8; 32]>,
    /// Proofs of possession of published keys.
    pub possession: Vec<Proof>,
    /// Validation tokens, compact JWS.
    pub validation: Vec<String>,
    /// The nonce of `prepare`, where no token carries it: an UPDATE that adds an X25519 key.
    pub nonce: Option<String>,
    /// The transfer code, with a REQUEST by door 2.
    pub code: Option<TransferCode>,
}

/// Who knocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// The provider of that id, authenticated by the transport.
    Provider(String),
    /// Anybody with an event that the control key alone has signed (door 9).
    Holder,
    /// Two of the operator's staff, by an order that stands in the gov log (clauses 5.7 and 11.2).
    Operator,
}

/// What stage 1 rests on.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The charter.
    pub policy: &'a Policy,
    /// Who is accredited.
    pub register: &'a Register,
    /// The origin of the map log, to which events are signed.
    pub origin: &'a str,
    /// The apex of the directory.
    pub apex: &'a str,
    /// The key of the nonces of `prepare`.
    pub nonce_key: &'a NonceKey,
    /// Unix milliseconds.
    pub now_ms: u64,
}

/// A submission that passed stage 1. Only [`examine`] makes one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Examined {
    /// The number that it is about.
    pub number: Number,
    /// Who submitted it.
    pub entrance: Entrance,
    /// The event as submitted, every signature verified.
    pub event: Event,
    /// The record and the opening that the event commits to, if sent.
    pub record: Option<ExaminedRecord>,
    /// What the tokens say, if any came.
    pub validation: Option<Validation>,
    /// The hash of the transfer code, if one came.
    pub code: Option<Hash>,
}

/// A record that passed stage 1.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExaminedRecord {
    /// R, read.
    pub record: Record,
    /// R, as sent.
    pub bytes: Vec<u8>,
    /// The opening of the commitment.
    pub opening: [u8; 32],
    /// The keys that it publishes.
    pub keys: Vec<Published>,
    /// Those without a proof of possession: the same registration must publish them already.
    pub unproved: Vec<(Prefix, Hash)>,
}

/// Examines a submission; either it passes, or all that is wrong with it comes back in the order above.
pub fn examine(submission: &Submission, context: &Context<'_>) -> Result<Examined, Vec<Refusal>> {
    let mut desk = Desk { submission, context, now_s: context.now_ms / 1000, refusals: Vec::new() };
    let parsed = Event::parse(&submission.event);
    desk.number(parsed.as_ref().ok());
    let event = desk.event(parsed);
    let record = desk.record(event.as_ref());
    desk.provider(event.as_ref());
    let Some(event) = event else {
        desk.tokens(None);
        return Err(desk.refusals);
    };
    if !is_offered(&event, &submission.entrance) {
        return Err(vec![refusal::NOT_OFFERED.at("/event", "this kind of event is not taken here yet")]);
    }
    desk.signers(&event);
    desk.keys_of(&event);
    let tbs = event.tbs(context.origin);
    desk.signatures(&event, &tbs);
    desk.times(&event);
    desk.flags(&event);
    let code = desk.code(&event);
    let mut record = record.map(|(record, opening)| desk.contents(&event, record, opening));
    let verdict = desk.tokens(Some(&event));
    let unproved = desk.possession(&event, record.as_ref(), &tbs, &verdict);
    if let Some(record) = &mut record {
        record.unproved = unproved;
    }
    desk.refusals.extend(verdict.refusals);
    desk.evidence(&event, verdict.validation.as_ref());
    if !desk.refusals.is_empty() {
        return Err(desk.refusals);
    }
    let (number, entrance) = (submission.number, submission.entrance.clone());
    Ok(Examined { number, entrance, event, record, validation: verdict.validation, code })
}

/// Why a number is not served, if it is not (clauses 1.2 and 1.3).
pub fn number(number: Number, policy: &Policy) -> Option<Refusal> {
    match policy.serves(number).err()? {
        NotServed::Excluded(range) => {
            let detail = format!("+{} is excluded: {}", range.prefix, range.note);
            Some(refusal::NUMBER_EXCLUDED.at("", detail))
        }
        NotServed::Digits(range) => {
            let detail =
                format!("numbers of +{} have {} to {} digits", range.prefix, range.digits_min, range.digits_max);
            Some(refusal::NUMBER_LENGTH.at("", detail))
        }
        NotServed::Range => Some(refusal::NUMBER_NOT_SERVED.at("", "no served range begins this number")),
    }
}

/// Kinds and doors that this directory takes from outside (clause 6.6).
fn is_offered(event: &Event, entrance: &Entrance) -> bool {
    if *entrance == Entrance::Operator {
        return matches!(event.kind, Kind::Suspend | Kind::Resume | Kind::Veto);
    }
    let operator = event.signature(Role::Operator).is_some();
    match event.kind {
        Kind::Create | Kind::Update | Kind::Transfer | Kind::Request | Kind::Complete => true,
        Kind::Renew | Kind::Veto | Kind::Object => true,
        Kind::Release => event.signature(Role::Sequencer).is_none(),
        Kind::Suspend | Kind::Resume => !operator,
        Kind::Carry => false,
    }
}

/// The control key that an event is about: the one that it asks for, or the one after it.
fn control_of(event: &Event) -> Thumbprint {
    let asked = event.signature(Role::NewControl).filter(|_| event.kind == Kind::Request);
    asked.map_or(event.state.control, |signature| signature.key.thumbprint())
}

/// Whether an event of this kind needs tokens, may have them, or has none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Must,
    May,
    Never,
}

fn needs_tokens(event: &Event) -> Need {
    match event.kind {
        Kind::Create | Kind::Transfer | Kind::Complete | Kind::Renew => Need::Must,
        Kind::Request if event.door != Door::Direct => Need::Must,
        Kind::Update => Need::May,
        _ => Need::Never,
    }
}

/// An UPDATE that leaves the commitment alone, such as one that sets LOCK, comes without a record.
const fn needs_record(kind: Kind) -> Need {
    match kind {
        Kind::Create | Kind::Transfer | Kind::Complete => Need::Must,
        Kind::Update => Need::May,
        _ => Need::Never,
    }
}

struct Desk<'a> {
    submission: &'a Submission,
    context: &'a Context<'a>,
    now_s: u64,
    refusals: Vec<Refusal>,
}

impl Desk<'_> {
    fn wrong(&mut self, reason: &'static Reason, pointer: &str, detail: impl Into<String>) {
        self.refusals.push(reason.at(pointer, detail));
    }

    /// Clauses 1.2 and 1.3. A number that the charter serves no more can still be withheld and given back.
    fn number(&mut self, event: Option<&Event>) {
        let gives_back = event.is_some_and(|event| match event.kind {
            Kind::Release | Kind::Veto | Kind::Suspend | Kind::Object => true,
            Kind::Request | Kind::Update => event.door == Door::Direct,
            _ => false,
        });
        if !gives_back {
            self.refusals.extend(number(self.submission.number, self.context.policy));
        }
    }

    fn event(&mut self, parsed: Result<Event, Malformed>) -> Option<Event> {
        match parsed {
            Err(malformed) => {
                self.wrong(&refusal::EVENT_MALFORMED, "/event", malformed.to_string());
                None
            }
            Ok(event) => {
                if event.state.since_epoch != 0 || event.state.key_epoch != 0 {
                    self.wrong(&refusal::EVENT_MALFORMED, "/event", "both epochs are 0 in what is submitted");
                }
                if event.label != self.submission.label {
                    self.wrong(&refusal::LABEL, "/event", "the label is not that of the number");
                }
                Some(event)
            }
        }
    }

    /// Record and opening, if both came and the record can be read.
    fn record(&mut self, event: Option<&Event>) -> Option<(Record, [u8; 32])> {
        let need = event.map_or(Need::May, |event| needs_record(event.kind));
        let (Some(raw), Some(opening)) = (&self.submission.record, self.submission.opening) else {
            let half = self.submission.record.is_some() || self.submission.opening.is_some();
            if half || need == Need::Must {
                self.wrong(&refusal::RECORD_MISSING, "/record", "record and opening belong together");
            }
            return None;
        };
        if need == Need::Never {
            self.wrong(&refusal::RECORD_UNEXPECTED, "/record", "an event of this kind changes no record");
            return None;
        }
        let record = Record::parse(raw);
        if let Err(malformed) = record {
            self.wrong(&refusal::RECORD_MALFORMED, "/record", malformed.to_string());
        }
        record.ok().map(|record| (record, opening))
    }

    /// Clauses 7.1 and 7.2, and what the provider's status allows for this kind of event (7.6, 7.7, 7.10).
    fn provider(&mut self, event: Option<&Event>) {
        let Entrance::Provider(id) = &self.submission.entrance else { return };
        let Some(provider) = self.context.register.provider(id) else {
            return self.wrong(&refusal::PROVIDER_UNKNOWN, "", "the provider is not in the register");
        };
        if let Some(reason) = provider.status.refuses_event(event) {
            self.wrong(reason, "", format!("the provider's status is {}", provider.status.name()));
        }
    }

    /// The right roles at the right entrance, and the provider's own name and key.
    fn signers(&mut self, event: &Event) {
        if !signers_fit(event) {
            self.wrong(&refusal::EVENT_SIGNERS, "/event", "these roles and this door do not make such an event");
        }
        let by_provider = event.signature(Role::Provider);
        match (&self.submission.entrance, by_provider) {
            (Entrance::Holder | Entrance::Operator, None) | (Entrance::Provider(_), Some(_)) => {}
            (Entrance::Holder | Entrance::Operator, Some(_)) => {
                self.wrong(&refusal::EVENT_DOOR, "/event", "a provider signed this event")
            }
            (Entrance::Provider(_), None) => {
                self.wrong(&refusal::EVENT_DOOR, "/event", "no provider signed this event")
            }
        }
        self.staff(event);
        if let Entrance::Provider(id) = &self.submission.entrance
            && event.provider != *id
        {
            self.wrong(&refusal::EVENT_PROVIDER, "/event", "the event names another provider than the submitter");
        }
        match by_provider {
            Some(signature) if !self.context.register.is_statement_key(&event.provider, &signature.key) => {
                self.wrong(&refusal::PROVIDER_KEY, "/event", "the provider's signature is by no statement key of its");
            }
            None if !event.provider.is_empty() => {
                self.wrong(&refusal::EVENT_SIGNERS, "/event", "a provider is named that did not sign");
            }
            _ => {}
        }
    }

    /// At the operator's entrance two keys of the staff sign, and only there they sign alone.
    fn staff(&mut self, event: &Event) {
        let mut signers = event.signatures.iter().filter(|signature| signature.role == Role::Operator).peekable();
        let (operator, entrance) = (signers.peek().is_some(), self.submission.entrance == Entrance::Operator);
        if entrance && !operator || operator && self.submission.entrance == Entrance::Holder {
            self.wrong(&refusal::EVENT_DOOR, "/event", "the operator's signatures and its entrance belong together");
        }
        let register = self.context.register;
        if signers.any(|signature| !register.is_operator_key(&signature.key)) {
            self.wrong(&refusal::EVENT_SIGNERS, "/event", "a signature of role 4 is by no key of the staff");
        }
    }

    /// The keys that the State names (clauses 2.1, 4.2, 4.4).
    fn keys_of(&mut self, event: &Event) {
        if let Some(signature) = event.signature(Role::NewControl) {
            if event.kind != Kind::Request && signature.key.thumbprint() != event.state.control {
                self.wrong(
                    &refusal::NEW_CONTROL_KEY,
                    "/event",
                    "the state names another control key than the one that signs",
                );
            }
            if keys::is_known(&signature.key) {
                self.wrong(&refusal::KEY_KNOWN, "/event", "the private half of the control key is publicly known");
            }
        }
        let (control, recovery) = (&control_of(event), &event.state.recovery);
        let register = self.context.register;
        let sets_keys = matches!(event.kind, Kind::Create | Kind::Update | Kind::Complete)
            || event.takes_back()
            || event.kind == Kind::Request && event.door != Door::Direct;
        if sets_keys && (register.is_any_statement_key(control) || register.is_any_statement_key(recovery)) {
            self.wrong(
                &refusal::CONTROL_KEY_SHARED,
                "/event",
                "a statement key of a provider stands as control or recovery key",
            );
        }
        if sets_keys && control == recovery {
            self.wrong(&refusal::CONTROL_KEY_SHARED, "/event", "control and recovery key are the same");
        }
    }

    fn signatures(&mut self, event: &Event, tbs: &[u8]) {
        for signature in &event.signatures {
            if !signature.key.verify(tbs, &signature.bytes) {
                let detail = format!("the signature of role {} is not good", signature.role as u8);
                self.wrong(&refusal::SIGNATURE, "/event", detail);
            }
        }
    }

    /// Clauses 5.1 and 5.9. The upper bound of `not_after` waits for the tokens, that of a renewal for the old end.
    fn times(&mut self, event: &Event) {
        let earliest_s = self.now_s + SEAL_MARGIN_S;
        if !(earliest_s..=self.now_s + DAY_S).contains(&event.valid_until) {
            self.wrong(&refusal::VALID_UNTIL, "/event", "valid_until is not between 2 minutes and 24 hours ahead");
        }
        let opens = matches!(event.kind, Kind::Create | Kind::Complete | Kind::Renew) || event.takes_back();
        if opens && event.state.not_after <= earliest_s {
            self.wrong(&refusal::NOT_AFTER, "/event", "not_after is over or almost over");
        }
    }

    /// Clause 2.6, and the flags that a new registration may carry.
    fn flags(&mut self, event: &Event) {
        if !matches!(event.kind, Kind::Create | Kind::Complete) {
            return;
        }
        if event.kind == Kind::Create
            && event.state.flags.without(Flags::LOCK.with(Flags::PROVIDER_HELD)) != Flags::NONE
        {
            self.wrong(&refusal::FLAGS, "/event", "a new registration is at most locked and provider-held");
        }
        if event.state.flags.contains(Flags::PROVIDER_HELD) && !self.context.policy.provider_held_allowed {
            self.wrong(&refusal::PROVIDER_HELD, "/event", "this charter has no provider-held numbers");
        }
    }

    /// Clause 6.2.
    fn code(&mut self, event: &Event) -> Option<Hash> {
        let due = event.kind == Kind::Request && event.door == Door::Code;
        match &self.submission.code {
            None if due => self.wrong(&refusal::CODE_MISSING, "/code", "a change by code needs the code"),
            Some(_) if !due => self.wrong(&refusal::CODE_UNEXPECTED, "/code", "this event takes no code"),
            _ => {}
        }
        self.submission.code.as_ref().map(|code| code.hash(&event.label))
    }

    /// What the record says and publishes, and that the event commits to it.
    fn contents(&mut self, event: &Event, record: Record, opening: [u8; 32]) -> ExaminedRecord {
        const AT: &str = "/record";
        let bytes = self.submission.record.clone().unwrap_or_default();
        if commitment(&opening, &bytes) != event.state.commitment {
            self.wrong(&refusal::COMMITMENT, "/opening", "the event commits to something else");
        }
        if record.number != self.submission.number {
            self.wrong(&refusal::RECORD_NUMBER, AT, "the record names another number");
        }
        if matches!(&self.submission.entrance, Entrance::Provider(id) if record.provider != *id) {
            self.wrong(&refusal::RECORD_PROVIDER, AT, "the record names another provider");
        }
        let policy = self.context.policy;
        if bytes.len() as u64 > policy.number_bytes_max {
            let detail = format!("{} octets; at most {}", bytes.len(), policy.number_bytes_max);
            self.wrong(&refusal::RECORD_SIZE, AT, detail);
        }
        let addresses: Vec<&[u8]> = record.rdata(Prefix::Naptr).collect();
        self.refusals.extend(naptr::check(&addresses, record.number, self.context.apex, policy, AT));
        let circumstances = Circumstances { policy, apex: self.context.apex, now_s: self.now_s };
        let (keys, refusals) = keys::check(&record, &circumstances, AT);
        self.refusals.extend(refusals);
        self.published(event, &record, &keys);
        ExaminedRecord { record, bytes, opening, keys, unproved: Vec::new() }
    }

    /// Clauses 2.6, 4.4 and 4.6.
    fn published(&mut self, event: &Event, record: &Record, keys: &[Published]) {
        const AT: &str = "/record";
        if event.state.flags.contains(Flags::PROVIDER_HELD) && record.rr.iter().any(|rr| rr.prefix != Prefix::Naptr) {
            self.wrong(&refusal::PROVIDER_HELD_KEYS, AT, "a provider-held number publishes a user key");
        }
        let thumbprints: Vec<Hash> =
            keys.iter().filter_map(|key| key.key.as_ref()).map(|key| key.thumbprint()).collect();
        if thumbprints.iter().any(|thumbprint| [event.state.control, event.state.recovery].contains(thumbprint)) {
            self.wrong(&refusal::CONTROL_KEY_SHARED, AT, "the control or recovery key is published");
        }
        let keep_s = self.context.policy.revoked_keep_d * DAY_S;
        for revoked in &record.revoked {
            let future = revoked.at_s > self.now_s + self.context.policy.clock_skew_max_s;
            if future || revoked.at_s.saturating_add(keep_s) < self.now_s || thumbprints.contains(&revoked.thumbprint) {
                self.wrong(&refusal::REVOKED, AT, "a revoked line is from the future, too old, or of a published key");
            }
        }
    }

    /// Tokens of a provider's event. Their refusals stay in the verdict: they come after those of possession.
    fn tokens(&mut self, event: Option<&Event>) -> Verdict {
        let nothing = Verdict { validation: None, ephemeral: None, refusals: Vec::new() };
        let Entrance::Provider(provider) = &self.submission.entrance else { return nothing };
        let control = event.map(control_of);
        let expected = Expected {
            register: self.context.register,
            policy: self.context.policy,
            nonce_key: self.context.nonce_key,
            apex: self.context.apex,
            number: self.submission.number,
            label: &self.submission.label,
            provider,
            control: control.as_ref(),
            now_s: self.now_s,
        };
        let mut verdict = token::verify(&self.submission.validation, &expected);
        if event.is_none() {
            self.refusals.append(&mut verdict.refusals);
        }
        verdict
    }

    /// Proofs of possession; gives the keys that none proves. A new registration and a new control key have none of those.
    fn possession(
        &mut self,
        event: &Event,
        record: Option<&ExaminedRecord>,
        tbs: &[u8],
        verdict: &Verdict,
    ) -> Vec<(Prefix, Hash)> {
        let beside = match (&self.submission.entrance, &self.submission.nonce) {
            (Entrance::Provider(provider), Some(nonce)) => {
                self.context.nonce_key.check(nonce, provider, &self.submission.label, self.now_s).ok()
            }
            _ => None,
        };
        let ephemeral = verdict.ephemeral.as_deref().or(beside.as_deref());
        let keys = record.map_or(&[][..], |record| &record.keys);
        let policy = self.context.policy;
        let (unproved, refusals) = possession::check(&self.submission.possession, keys, policy, tbs, ephemeral);
        self.refusals.extend(refusals);
        if matches!(event.kind, Kind::Create | Kind::Complete) || event.takes_back() {
            for (prefix, _) in &unproved {
                let detail = format!("{}: a key without a proof", prefix.as_str());
                self.wrong(&refusal::POSSESSION_MISSING, "/possession", detail);
            }
        }
        unproved
    }

    /// Clauses 3.1 and 3.3: tokens where they are due, and an event that commits to them.
    fn evidence(&mut self, event: &Event, validation: Option<&Validation>) {
        const AT: &str = "/validation";
        let sent = !self.submission.validation.is_empty();
        let by_provider = matches!(self.submission.entrance, Entrance::Provider(_));
        let need = if by_provider { needs_tokens(event) } else { Need::Never };
        // A ruling is the evidence of the event that it allows; until when that is good, the tokens still say.
        let ruling = event.signature(Role::Operator).is_some();
        match need {
            // Of the operator's events it names the order, which the rules look for in the gov log.
            Need::Never if self.submission.entrance == Entrance::Operator && !sent => {}
            Need::Must if !sent => {
                self.wrong(&refusal::VALIDATION_MISSING, AT, "an event of this kind needs a validation token")
            }
            Need::Never if sent => {
                self.wrong(&refusal::VALIDATION_UNEXPECTED, AT, "an event of this kind needs no validation token")
            }
            _ if !ruling && evidence::hash(&self.submission.validation).unwrap_or(ZERO) != event.evidence => {
                self.wrong(&refusal::EVIDENCE, "/event", "the evidence is not that of these tokens");
            }
            _ => {}
        }
        let too_late = validation.is_some_and(|validation| event.state.not_after > validation.until_s);
        if (matches!(event.kind, Kind::Create | Kind::Complete) || event.takes_back()) && too_late {
            self.wrong(&refusal::NOT_AFTER, "/event", "not_after lies after the end of the validation");
        }
        // Whose number it is nobody knows yet: while any bulk door is open, the second stage asks (clause 6.9).
        let bulk = self.context.register.bulk_doors().any(|(_, door)| door.is_open(self.context.now_ms));
        let claim = event.kind == Kind::Request && event.door == Door::Validation;
        if claim && !bulk && validation.is_some_and(|validation| !validation.two_methods) {
            self.wrong(&refusal::TWO_METHODS, AT, "a claim needs one method of each class, far enough apart");
        }
        if event.takes_back() && validation.is_some_and(|validation| !validation.two_methods) {
            self.wrong(
                &refusal::TWO_METHODS,
                AT,
                "to take a number back needs one method of each class, far enough apart",
            );
        }
    }
}
