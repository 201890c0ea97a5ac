//! A directory in memory: the law over the simplest ledger there is, with providers, phones and a clock to play with.

use std::collections::{BTreeMap, HashSet};

use callbook::charter::Policy;
use callbook::client::ve::ValidationToken;
use callbook::log::event::{Door, Event, Kind, Role};
use callbook::log::key::{Algorithm, SigningKey};
use callbook::log::label::Label;
use callbook::log::possession::{PublishedKey, mac, shared_secret, signature, x25519_public};
use callbook::log::record::{Prefix, Record, Revoked, Rr, commitment};
use callbook::log::state::{Flags, State, Status};
use callbook::log::{Hash, ZERO, evidence, pending, sha256};
use callbook::number::Number;
use callbook::registry::code::TransferCode;
use callbook::registry::decide::{CodeChange, Counters, Decision, Facts, RecordChange, Waiting, decide};
use callbook::registry::examine::{Context, Entrance, Examined, Submission, examine};
use callbook::registry::nonce::NonceKey;
use callbook::registry::past::Past;
use callbook::registry::possession::Proof;
use callbook::registry::refusal::Refusal;
use callbook::registry::register::{EntityStatus, Provider, ProviderStatus, Register, ValidationEntity};
use callbook::registry::rules::{self, Entry, Law};
use callbook::registry::terms::Terms;
use callbook::registry::{bulk, lapse, records};

pub(super) const ORIGIN: &str = "dir.example.org/map/2027a";
pub(super) const APEX: &str = "e164.example.";
pub(super) const START_MS: u64 = 1_795_000_000_000;
pub(super) const DAY_MS: u64 = 86_400_000;

/// The keys of two members of the operator's staff.
pub(super) const STAFF: [u8; 2] = [92, 93];

pub(super) fn ed25519(seed: u8) -> SigningKey {
    SigningKey::from_bytes(Algorithm::Ed25519, &[seed; 32]).unwrap()
}

pub(super) fn number(text: &str) -> Number {
    Number::parse(text).unwrap()
}

pub(super) fn label(number: Number) -> Label {
    Label(sha256(&[b"label", number.digits().as_bytes()]))
}

/// One number in the ledger.
#[derive(Clone, Default)]
pub(super) struct Row {
    pub(super) entry: Option<Entry>,
    pub(super) record: Option<(Record, Vec<u8>, [u8; 32])>,
    pub(super) key_hashes: Vec<Hash>,
    pub(super) waiting: Option<Decision>,
    pub(super) past: Vec<Past>,
    /// The transfer code in force, and when it expires.
    pub(super) code: Option<(TransferCode, u64)>,
}

pub(super) struct Directory {
    pub(super) policy: Policy,
    pub(super) register: Register,
    pub(super) terms: Terms,
    pub(super) nonce_key: NonceKey,
    pub(super) sequencer: SigningKey,
    sequencers: Vec<Hash>,
    pub(super) gov: HashSet<Hash>,
    pub(super) now_ms: u64,
    pub(super) epoch: u64,
    pub(super) rows: BTreeMap<Number, Row>,
    used: HashSet<Hash>,
    pub(super) counters: Counters,
    /// Whether numbers and registrations are counted by provider; else `counters` holds for each of them.
    pub(super) counts: bool,
    creates: BTreeMap<(String, u64), u64>,
    tokens: u64,
}

/// Statement keys by provider.
pub(super) fn statement_key(provider: &str) -> SigningKey {
    ed25519(100 + provider.as_bytes()[0] % 32)
}

/// The register with these providers besides the usual ones.
pub(super) fn register<'a>(more: impl IntoIterator<Item = &'a str>) -> Register {
    register_without("gone", more)
}

/// The same with that provider suspended.
pub(super) fn register_without<'a>(gone: &str, more: impl IntoIterator<Item = &'a str>) -> Register {
    let provider = |id: &str| Provider {
        id: id.into(),
        name: id.into(),
        status: if [gone, "gone"].contains(&id) { ProviderStatus::Suspended } else { ProviderStatus::Accredited },
        statement_keys: vec![statement_key(id).public().clone()],
    };
    let usual = ["acme", "bell", "gone"].map(provider);
    let more = more.into_iter().map(provider);
    let staff = STAFF.map(|seed| ed25519(seed).public().clone());
    let entity = ValidationEntity::new("checkit", EntityStatus::Accredited, [ed25519(90).public().clone()]);
    Register::new(usual.into_iter().chain(more), [entity], staff)
}

impl Directory {
    pub(super) fn new() -> Self {
        let register = register([]);
        let (policy, sequencer) = (Policy::embedded(), ed25519(91));
        Self {
            terms: Terms::of(&policy),
            policy,
            register,
            nonce_key: NonceKey::new(&[1; 32]),
            sequencers: vec![sequencer.public().thumbprint()],
            sequencer,
            gov: HashSet::new(),
            now_ms: START_MS,
            epoch: 0,
            rows: BTreeMap::new(),
            used: HashSet::new(),
            counters: Counters::default(),
            counts: false,
            creates: BTreeMap::new(),
            tokens: 0,
        }
    }

    pub(super) fn now_s(&self) -> u64 {
        self.now_ms / 1000
    }

    pub(super) fn law(&self) -> Law<'_> {
        Law {
            register: &self.register,
            sequencer: &self.sequencers,
            gov: &self.gov,
            terms: &self.terms,
            carry_until: 0,
        }
    }

    pub(super) fn entry(&self, number: Number) -> Option<&Entry> {
        self.rows.get(&number)?.entry.as_ref()
    }

    /// What the DNS would show now.
    pub(super) fn shows(&self, number: Number) -> bool {
        let Some(row) = self.rows.get(&number) else { return false };
        let (Some(entry), Some((record, ..))) = (&row.entry, &row.record) else { return false };
        records::published(&entry.state, record, self.now_s()).is_some()
    }

    pub(super) fn examine(&self, submission: &Submission) -> Result<Examined, Vec<Refusal>> {
        let context = Context {
            policy: &self.policy,
            register: &self.register,
            origin: ORIGIN,
            apex: APEX,
            nonce_key: &self.nonce_key,
            now_ms: self.now_ms,
        };
        examine(submission, &context)
    }

    pub(super) fn decide(&self, facts: &Facts, examined: &Examined) -> Result<Decision, Refusal> {
        decide(facts, examined, &self.policy, &self.law(), self.now_ms)
    }

    pub(super) fn facts(&self, examined: &Examined) -> Facts {
        let row = self.rows.get(&examined.number).cloned().unwrap_or_default();
        let used = examined.validation.iter().flat_map(|validation| &validation.used);
        let control = examined.event.state.control;
        let elsewhere = |hash: &Hash| {
            self.rows.iter().any(|(number, row)| {
                let other = row.entry.as_ref().is_some_and(|entry| entry.state.control != control);
                *number != examined.number && other && row.key_hashes.contains(hash)
            })
        };
        let keys = examined.record.iter().flat_map(|record| &record.keys).map(|key| key.spki_hash);
        let waiting = row.waiting.as_ref();
        Facts {
            token_used: used.into_iter().any(|token| self.used.contains(&token.hash)),
            published_elsewhere: keys.filter(elsewhere).collect(),
            waiting: waiting
                .map(|decision| Waiting { provider: decision.provider.clone(), control: decision.event.state.control }),
            entry: row.entry,
            record: row.record.map(|(record, ..)| record),
            counters: if self.counts { self.counted(&examined.event.provider) } else { self.counters },
            past: row.past,
            code: row
                .code
                .filter(|(_, until_ms)| self.now_ms < *until_ms)
                .map(|(code, _)| code.hash(&label(examined.number))),
            released_before_ms: None,
        }
    }

    /// What a provider has now, what it is about to get included, and what it registered today.
    fn counted(&self, provider: &str) -> Counters {
        let takes =
            |decision: &&Decision| matches!(decision.event.kind, Kind::Create | Kind::Transfer | Kind::Complete);
        let holder = |row: &&Row| match row.waiting.as_ref().filter(takes) {
            Some(decision) => decision.provider == provider,
            None => {
                let live = row.entry.as_ref().filter(|entry| entry.state.status != Status::Released);
                live.is_some_and(|entry| entry.provider == provider)
            }
        };
        let numbers = self.rows.values().filter(holder).count() as u64;
        let creates_today = self.creates.get(&(provider.to_owned(), self.now_ms / DAY_MS)).copied().unwrap_or(0);
        Counters { creates_today, numbers, ..self.counters }
    }

    pub(super) fn submit(&mut self, submission: &Submission) -> Result<(), Vec<Refusal>> {
        let examined = self.examine(submission)?;
        let decision = self.decide(&self.facts(&examined), &examined).map_err(|refusal| vec![refusal])?;
        self.used.extend(decision.consumed.iter().map(|token| token.hash));
        if decision.event.kind == Kind::Create {
            *self.creates.entry((decision.provider.clone(), self.now_ms / DAY_MS)).or_default() += 1;
        }
        let row = self.rows.entry(decision.number).or_default();
        row.past.extend(decision.happened.clone().map(|what| Past { what, time_ms: self.now_ms }));
        if decision.code == CodeChange::Void {
            row.code = None;
        }
        row.waiting = Some(decision);
        Ok(())
    }

    /// The codes of a refusal; empty if it was accepted.
    pub(super) fn codes(&mut self, submission: &Submission) -> Vec<&'static str> {
        self.submit(submission).err().unwrap_or_default().iter().map(|refusal| refusal.code).collect()
    }

    /// Submits what must be accepted, and seals it.
    pub(super) fn accept(&mut self, submission: &Submission) {
        if let Err(refusals) = self.submit(submission) {
            panic!("{refusals:?}");
        }
        self.seal();
    }

    /// Releases what has lapsed for long enough, then seals an epoch: every sealed event also passes the auditors' check.
    pub(super) fn seal(&mut self) {
        self.epoch += 1;
        self.now_ms += 1000;
        let mut rows = std::mem::take(&mut self.rows);
        for (number, row) in &mut rows {
            let due = row.entry.as_ref().filter(|entry| {
                bulk::release_due_ms(entry, &self.terms, &self.register).is_some_and(|due_ms| self.now_ms >= due_ms)
            });
            let (event, change) = match (row.waiting.take(), due) {
                (Some(decision), _) => (decision.event, decision.record),
                (None, Some(entry)) => {
                    let event = lapse::release(entry, label(*number), ORIGIN, self.now_ms, &self.sequencer);
                    (event, RecordChange::Erase)
                }
                (None, None) => continue,
            };
            let before = row.entry.as_ref();
            let (sealed, after) = rules::seal(&event, self.epoch, self.now_ms, before, &self.law()).unwrap();
            let audited = rules::check(&sealed, ORIGIN, self.epoch, self.now_ms, before, &self.law());
            assert_eq!(audited.as_ref(), Ok(&after));
            row.entry = Some(after);
            match change {
                RecordChange::Keep => {}
                RecordChange::Erase => {
                    (row.record, row.key_hashes, row.past, row.code) = (None, Vec::new(), Vec::new(), None);
                }
                RecordChange::Set { bytes, opening, key_hashes } => {
                    row.record = Some((Record::parse(&bytes).unwrap(), bytes, opening));
                    row.key_hashes = key_hashes;
                }
            }
        }
        self.rows = rows;
    }

    /// A token minted now with the directory's nonce.
    pub(super) fn token(&mut self, provider: &str, number: Number, control: &SigningKey, days: u64) -> String {
        self.validated(provider, number, control, "document", 0, days)
    }

    /// A token for a validation some time ago; the nonce is in it if that is now.
    pub(super) fn validated(
        &mut self,
        provider: &str,
        number: Number,
        control: &SigningKey,
        method: &str,
        ago_s: u64,
        days: u64,
    ) -> String {
        self.tokens += 1;
        let (now_s, nonce) = (self.now_s(), self.nonce_key.make(provider, &label(number), self.now_s() + 900));
        ValidationToken {
            issuer: "checkit".into(),
            audience: APEX.into(),
            id: format!("jti-{:08}", self.tokens),
            issued_s: now_s - ago_s,
            number,
            provider: provider.into(),
            methods: vec![method.into()],
            validated_s: now_s - ago_s,
            expires_s: now_s - ago_s + days * 86_400,
            control: control.public().thumbprint(),
            evidence: [8; 32],
            nonce: (ago_s == 0).then_some(nonce),
        }
        .mint(&ed25519(90))
    }

    /// One method of each class, a day apart.
    pub(super) fn two_methods(&mut self, provider: &str, number: Number, control: &SigningKey) -> Vec<String> {
        let first = self.validated(provider, number, control, "sms", 86_400, 90);
        vec![first, self.validated(provider, number, control, "document", 0, 365)]
    }

    /// The State after the present one, unchanged otherwise, or an empty first one.
    pub(super) fn next(&self, number: Number) -> State {
        match self.entry(number).map(|entry| &entry.state) {
            Some(old) => State { version: old.version + 1, prev: old.hash(), ..old.as_signed() },
            None => State {
                status: Status::Active,
                flags: Flags::NONE,
                version: 1,
                since_epoch: 0,
                key_epoch: 0,
                not_after: 0,
                prev: ZERO,
                control: ZERO,
                recovery: ZERO,
                pending: ZERO,
                commitment: ZERO,
            },
        }
    }
}

/// What a phone holds for one number.
pub(super) struct Phone {
    pub(super) control: SigningKey,
    pub(super) identity: SigningKey,
    pub(super) device: [u8; 32],
}

impl Phone {
    pub(super) fn new(seed: u8) -> Self {
        Self { control: ed25519(seed), identity: ed25519(seed + 1), device: [seed + 2; 32] }
    }

    pub(super) fn record(&self, provider: &str, number: Number, user: &str) -> Record {
        let regexp = format!("!^.*$!sip:{user}@acme.example!");
        let mut naptr = vec![0, 100, 0, 10, 1, b'u', 7];
        naptr.extend_from_slice(b"E2U+sip");
        naptr.push(regexp.len() as u8);
        naptr.extend_from_slice(regexp.as_bytes());
        naptr.push(0);
        let tlsa = |spki: Vec<u8>| [vec![3, 1, 0], spki].concat();
        let device = PublishedKey::X25519(x25519_public(&self.device));
        let rr = vec![
            Rr { prefix: Prefix::Naptr, rdata: naptr },
            Rr { prefix: Prefix::E2e, rdata: tlsa(device.to_spki()) },
            Rr { prefix: Prefix::Id, rdata: tlsa(self.identity.public().to_spki()) },
        ];
        Record { number, provider: provider.into(), rr, revoked: Vec::<Revoked>::new() }
    }

    /// Proofs of both keys; `ephemeral` as `prepare` gave it.
    pub(super) fn proofs(&self, event: &Event, ephemeral: &[u8; 32]) -> Vec<Proof> {
        let tbs = event.tbs(ORIGIN);
        let identity = signature(&self.identity, &tbs, Prefix::Id).to_vec();
        let spki = PublishedKey::X25519(x25519_public(&self.device)).to_spki();
        let shared = shared_secret(&self.device, ephemeral).unwrap();
        let device = mac(&shared, &tbs, Prefix::E2e, &spki).to_vec();
        vec![
            Proof { prefix: Prefix::Id, spki: self.identity.public().to_spki(), proof: identity },
            Proof { prefix: Prefix::E2e, spki, proof: device },
        ]
    }
}

/// An event on its way: built, then signed, then submitted.
pub(super) struct Draft {
    pub(super) event: Event,
    pub(super) submission: Submission,
}

impl Draft {
    pub(super) fn new(directory: &Directory, number: Number, kind: Kind, provider: Option<&str>) -> Self {
        let state = directory.next(number);
        let door = if provider.is_none() { Door::Direct } else { Door::Main };
        let event = Event {
            kind,
            door,
            label: label(number),
            prev: state.prev,
            state,
            provider: provider.unwrap_or_default().into(),
            evidence: ZERO,
            valid_until: directory.now_s() + 3600,
            signatures: Vec::new(),
        };
        let submission = Submission {
            entrance: provider.map_or(Entrance::Holder, |id| Entrance::Provider(id.into())),
            number,
            label: label(number),
            event: Vec::new(),
            record: None,
            opening: None,
            possession: Vec::new(),
            validation: Vec::new(),
            nonce: None,
            code: None,
        };
        Self { event, submission }
    }

    pub(super) fn tokens(mut self, tokens: Vec<String>) -> Self {
        self.event.evidence = evidence::hash(&tokens).unwrap();
        self.submission.validation = tokens;
        self
    }

    pub(super) fn record(mut self, record: &Record) -> Self {
        let (bytes, opening) = (record.write(), [self.event.state.version as u8; 32]);
        self.event.state.commitment = commitment(&opening, &bytes);
        (self.submission.record, self.submission.opening) = (Some(bytes), Some(opening));
        self
    }

    pub(super) fn state(mut self, change: impl FnOnce(&mut State)) -> Self {
        change(&mut self.event.state);
        self
    }

    pub(super) fn event(mut self, change: impl FnOnce(&mut Event)) -> Self {
        change(&mut self.event);
        self
    }

    /// Signs; the provider with its statement key if it is named.
    pub(super) fn sign(mut self, keys: &[(Role, &SigningKey)]) -> Self {
        for (role, key) in keys {
            self.event.sign(ORIGIN, *role, key);
        }
        if !self.event.provider.is_empty() {
            self.event.sign(ORIGIN, Role::Provider, &statement_key(&self.event.provider));
        }
        self
    }

    pub(super) fn proofs(mut self, proofs: Vec<Proof>) -> Self {
        self.submission.possession = proofs;
        self
    }

    pub(super) fn done(mut self) -> Submission {
        self.submission.event = self.event.write();
        self.submission
    }
}

/// A registration of `number` through `provider` for `phone`, right in every way.
pub(super) fn create(directory: &mut Directory, provider: &str, number: Number, phone: &Phone) -> Submission {
    create_with(directory, provider, number, phone, &phone.record(provider, number, "alice"))
}

pub(super) fn create_with(
    directory: &mut Directory,
    provider: &str,
    number: Number,
    phone: &Phone,
    record: &Record,
) -> Submission {
    let token = directory.token(provider, number, &phone.control, 365);
    let nonce = directory.nonce_key.make(provider, &label(number), directory.now_s() + 900);
    let not_after = directory.now_s() + 365 * 86_400;
    let draft = Draft::new(directory, number, Kind::Create, Some(provider))
        .state(|state| {
            state.status = Status::Active;
            state.control = phone.control.public().thumbprint();
            state.not_after = not_after;
        })
        .tokens(vec![token])
        .record(record)
        .sign(&[(Role::NewControl, &phone.control)]);
    let proofs = phone.proofs(&draft.event, &directory.nonce_key.ephemeral(&nonce));
    draft.proofs(proofs).done()
}

/// A number whose provider keeps the key of `phone` for a holder without a device.
pub(super) fn held(directory: &mut Directory, provider: &str, number: Number, phone: &Phone) -> Submission {
    let mut record = phone.record(provider, number, "alice");
    record.rr.truncate(1); // no keys of users
    held_with(directory, provider, number, phone, &record)
}

pub(super) fn held_with(
    directory: &mut Directory,
    provider: &str,
    number: Number,
    phone: &Phone,
    record: &Record,
) -> Submission {
    let token = directory.token(provider, number, &phone.control, 90);
    let not_after = directory.now_s() + 90 * 86_400;
    let draft = Draft::new(directory, number, Kind::Create, Some(provider)).state(|state| {
        state.control = phone.control.public().thumbprint();
        state.flags = Flags::PROVIDER_HELD;
        state.not_after = not_after;
    });
    draft.tokens(vec![token]).record(record).sign(&[(Role::NewControl, &phone.control)]).done()
}

/// A new record for a registered number, signed by the phone and its provider; its keys stay.
pub(super) fn update(directory: &Directory, provider: &str, number: Number, phone: &Phone, user: &str) -> Submission {
    Draft::new(directory, number, Kind::Update, Some(provider))
        .state(|state| state.pending = ZERO)
        .record(&phone.record(provider, number, user))
        .sign(&[(Role::Control, &phone.control)])
        .done()
}

/// A renewal until `days` from now.
pub(super) fn renew(directory: &mut Directory, provider: &str, number: Number, phone: &Phone, days: u64) -> Submission {
    let token = directory.token(provider, number, &phone.control, days.min(365));
    let not_after = directory.now_s() + days * 86_400;
    Draft::new(directory, number, Kind::Renew, Some(provider))
        .state(|state| state.not_after = not_after)
        .tokens(vec![token])
        .sign(&[])
        .done()
}

/// The provider's notice of a release.
pub(super) fn notice(directory: &Directory, provider: &str, number: Number) -> Submission {
    Draft::new(directory, number, Kind::Request, Some(provider))
        .event(|event| event.door = Door::Direct)
        .state(|state| state.pending = pending::hash(Door::Direct, &ZERO, provider))
        .sign(&[])
        .done()
}

fn emptied(state: &mut State) {
    state.status = Status::Released;
    state.flags = Flags::NONE;
    (state.control, state.recovery, state.pending, state.commitment) = (ZERO, ZERO, ZERO, ZERO);
}

/// The provider's release after its notice.
pub(super) fn provider_release(directory: &Directory, provider: &str, number: Number) -> Submission {
    Draft::new(directory, number, Kind::Release, Some(provider))
        .event(|event| event.door = Door::Direct)
        .state(emptied)
        .sign(&[])
        .done()
}

/// Something that the holder does alone: SUSPEND, RESUME, RELEASE, OBJECT or VETO.
pub(super) fn holder(directory: &Directory, number: Number, phone: &Phone, kind: Kind) -> Submission {
    Draft::new(directory, number, kind, None)
        .state(|state| match kind {
            Kind::Suspend => {
                state.status = Status::Suspended;
                state.flags = state.flags.with(Flags::SUSP_HOLDER);
            }
            Kind::Resume => {
                state.status = Status::Active;
                state.flags = state.flags.without(Flags::SUSP_HOLDER);
            }
            Kind::Release => emptied(state),
            Kind::Object => {
                state.flags = state.flags.with(Flags::OBJECTED);
                if state.pending == ZERO {
                    state.pending = [9; 32]; // an objection to nothing is no State at all
                }
            }
            _ => state.pending = ZERO,
        })
        .sign(&[(Role::Control, &phone.control)])
        .done()
}

/// Door 1: the phone's number goes to another provider.
pub(super) fn transfer(directory: &mut Directory, provider: &str, number: Number, phone: &Phone) -> Submission {
    let token = directory.token(provider, number, &phone.control, 90);
    Draft::new(directory, number, Kind::Transfer, Some(provider))
        .state(|state| state.control = phone.control.public().thumbprint())
        .tokens(vec![token])
        .record(&phone.record(provider, number, "alice"))
        .sign(&[(Role::Control, &phone.control)])
        .done()
}

/// A request for that phone's control key, by door 0, 2 or 3; at door 0 the recovery key may sign too.
pub(super) fn request(
    directory: &mut Directory,
    provider: &str,
    number: Number,
    phone: &Phone,
    door: Door,
    recovery: Option<&SigningKey>,
) -> Submission {
    let tokens = match door {
        Door::Validation => directory.two_methods(provider, number, &phone.control),
        _ => vec![directory.token(provider, number, &phone.control, 90)],
    };
    request_with(directory, provider, number, phone, door, recovery, tokens)
}

/// A claim by one method alone.
pub(super) fn claim_once(directory: &mut Directory, provider: &str, number: Number, phone: &Phone) -> Submission {
    let tokens = vec![directory.token(provider, number, &phone.control, 90)];
    request_with(directory, provider, number, phone, Door::Validation, None, tokens)
}

fn request_with(
    directory: &mut Directory,
    provider: &str,
    number: Number,
    phone: &Phone,
    door: Door,
    recovery: Option<&SigningKey>,
    tokens: Vec<String>,
) -> Submission {
    let control = phone.control.public().thumbprint();
    let signers = [Some((Role::NewControl, &phone.control)), recovery.map(|key| (Role::Recovery, key))];
    let mut submission = Draft::new(directory, number, Kind::Request, Some(provider))
        .event(|event| event.door = door)
        .state(|state| {
            if state.control == ZERO {
                // Of a number that nobody has: as if one could build on it.
                (state.status, state.control, state.commitment) = (Status::Active, [1; 32], [1; 32]);
            }
            state.pending = pending::hash(door, &control, provider);
            state.flags = state.flags.without(Flags::OBJECTED);
        })
        .tokens(tokens)
        .sign(&signers.into_iter().flatten().collect::<Vec<_>>())
        .done();
    if door == Door::Code {
        let row = directory.rows.get(&number);
        submission.code = row.and_then(|row| row.code.as_ref()).map(|(code, _)| code.clone());
        submission.code = submission.code.or(TransferCode::from_text("cbt_guessed"));
    }
    submission
}

/// The completion of a request, with these tokens; `gov` is the leaf of a ruling, which two of the staff sign.
pub(super) fn complete_with(
    directory: &mut Directory,
    provider: &str,
    number: Number,
    phone: &Phone,
    door: Door,
    tokens: Vec<String>,
    gov: Option<Hash>,
) -> Submission {
    let nonce = directory.nonce_key.make(provider, &label(number), directory.now_s() + 900);
    let staff = STAFF.map(ed25519);
    let mut signers = vec![(Role::NewControl, &phone.control)];
    signers.extend(staff.iter().filter(|_| gov.is_some()).map(|key| (Role::Operator, key)));
    let draft = complete_draft(directory, provider, number, phone, door, tokens)
        .event(|event| event.evidence = gov.unwrap_or(event.evidence))
        .sign(&signers);
    let proofs = phone.proofs(&draft.event, &directory.nonce_key.ephemeral(&nonce));
    draft.proofs(proofs).done()
}

/// What a completion is before it is signed.
fn complete_draft(
    directory: &Directory,
    provider: &str,
    number: Number,
    phone: &Phone,
    door: Door,
    tokens: Vec<String>,
) -> Draft {
    let not_after = directory.now_s() + 80 * 86_400;
    Draft::new(directory, number, Kind::Complete, Some(provider))
        .event(|event| event.door = door)
        .state(|state| {
            (state.pending, state.recovery) = (ZERO, ZERO);
            (state.control, state.not_after) = (phone.control.public().thumbprint(), not_after);
            state.flags = state.flags.only(Flags::SUSPENSIONS);
            if state.status == Status::Released {
                state.status = Status::Active; // as if one could build on it
            }
        })
        .tokens(tokens)
        .record(&phone.record(provider, number, "carol"))
}

/// The completion with one fresh validation.
pub(super) fn complete(
    directory: &mut Directory,
    provider: &str,
    number: Number,
    phone: &Phone,
    door: Door,
) -> Submission {
    let token = directory.token(provider, number, &phone.control, 90);
    complete_with(directory, provider, number, phone, door, vec![token], None)
}

/// The phone takes a number back that a change took from it: the line tried now, the subscription a day before.
pub(super) fn take_back(directory: &mut Directory, provider: &str, number: Number, phone: &Phone) -> Submission {
    take_back_with(directory, provider, number, phone, [("sms", 0), ("document", 86_400)])
}

/// The same by these methods, so many seconds ago.
pub(super) fn take_back_with(
    directory: &mut Directory,
    provider: &str,
    number: Number,
    phone: &Phone,
    methods: [(&str, u64); 2],
) -> Submission {
    let validated = methods
        .map(|(method, ago_s)| directory.validated(provider, number, &phone.control, method, ago_s, 85))
        .to_vec();
    let mut draft = complete_draft(directory, provider, number, phone, Door::Validation, validated);
    draft.event.kind = Kind::Transfer;
    let nonce = directory.nonce_key.make(provider, &label(number), directory.now_s() + 900);
    let draft = draft.sign(&[(Role::NewControl, &phone.control)]);
    let proofs = phone.proofs(&draft.event, &directory.nonce_key.ephemeral(&nonce));
    draft.proofs(proofs).done()
}
