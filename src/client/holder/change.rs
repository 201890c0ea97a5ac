//! A change of a number: from the State before to a signed event, with all that goes beside it.

use crate::api::Base64;
use crate::api::numbers::{Against, HolderAct, Possession, Release, Renewal, Submission, Transfer};
use crate::client::holder::{CertificateKey, DeviceKey, Directory, HolderError, Proved};
use crate::log::event::{Door, Event, Kind, Role};
use crate::log::key::{PublicKey, SigningKey, Thumbprint};
use crate::log::label::Label;
use crate::log::record::{Prefix, Record, commitment};
use crate::log::state::{Flags, State, Status};
use crate::log::{Hash, ZERO, evidence, pending};
use crate::number::Number;

/// An event in the making. Start with the constructor of its kind, end with [`Change::sign`].
///
/// ```
/// use callbook::client::holder::{Change, Device, Directory};
/// use callbook::log::event::Role;
/// # use callbook::client::holder::{RecordDraft, opening};
/// # use callbook::log::{key::Algorithm, random::Seeded, vrf};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (random, number) = (Seeded::new([1; 32]), callbook::number::Number::parse("+9990001234")?);
/// # let server = vrf::SecretKey::generate(&random)?;
/// # let directory = Directory::new("dir.example.org/map/0", server.public().as_bytes())?;
/// # let (label, now_s) = (server.label("dir.example.org/map/0", number).0, 1_800_000_000);
/// # let device = Device::generate(Algorithm::Es256, &random)?;
/// # let record = RecordDraft::new(number, "acme").build()?;
/// # let state = Change::create(label, &record, opening(&random)?, device.control.public(), now_s + 9).state().clone();
/// // The holder alone withholds the number; `state` is the newest one that was published.
/// let signed = Change::suspend(label, &state)
///     .valid_until(now_s + 3600)
///     .sign(&directory, &[(Role::Control, &device.control)])?;
/// let body = signed.holder_act(number);
/// # assert!(signed.event.signatures_verify(directory.origin()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Change {
    event: Event,
    record: Option<(Record, [u8; 32])>,
}

impl Change {
    /// A number comes in, for the first time. Needs a token; signed by the new control key and the provider.
    ///
    /// `not_after` in Unix seconds, no later than the token's `vex`.
    pub fn create(label: Label, record: &Record, opening: [u8; 32], control: &PublicKey, not_after: u64) -> Self {
        let state = State {
            status: Status::Active,
            flags: Flags::NONE,
            version: 1,
            since_epoch: 0,
            key_epoch: 0,
            not_after,
            prev: ZERO,
            control: control.thumbprint(),
            recovery: ZERO,
            pending: ZERO,
            commitment: ZERO,
        };
        Self::new(Kind::Create, Door::Main, label, ZERO, state).with_record(record, opening)
    }

    /// A CREATE for a number whose newest State is RELEASED: its chain of versions goes on.
    #[must_use]
    pub fn after_release(mut self, released: &State) -> Self {
        self.event.prev = released.hash();
        (self.event.state.prev, self.event.state.version) = (released.hash(), released.version + 1);
        self
    }

    /// Another record. Signed by the control key and the provider.
    pub fn update(label: Label, before: &State, record: &Record, opening: [u8; 32]) -> Self {
        let mut change = Self::next(Kind::Update, Door::Main, label, before);
        change.event.state.flags = before.flags.without(Flags::OBJECTED); // an objection goes with what it was to
        change.pending(ZERO).with_record(record, opening)
    }

    /// Another record by the holder alone, for instance with a key revoked. Signed by the control key.
    pub fn update_direct(label: Label, before: &State, record: &Record, opening: [u8; 32]) -> Self {
        let mut change = Self::update(label, before, record, opening).by("");
        change.event.door = Door::Direct;
        change
    }

    /// Only `not_after` moves. Needs a token for the same control key; signed by the provider.
    pub fn renew(label: Label, before: &State, provider: &str, not_after: u64) -> Self {
        let mut change = Self::next(Kind::Renew, Door::Main, label, before).by(provider);
        change.event.state.not_after = not_after;
        change
    }

    /// The holder withholds the record. Signed by the control key.
    pub fn suspend(label: Label, before: &State) -> Self {
        Self::next(Kind::Suspend, Door::Direct, label, before).flags(before.flags.with(Flags::SUSP_HOLDER))
    }

    /// The holder takes the suspension back. Signed by the control key.
    pub fn resume(label: Label, before: &State) -> Self {
        Self::next(Kind::Resume, Door::Direct, label, before).flags(before.flags.without(Flags::SUSP_HOLDER))
    }

    /// The holder gives the number back. Signed by the control key.
    pub fn release(label: Label, before: &State) -> Self {
        let mut change = Self::next(Kind::Release, Door::Direct, label, before).flags(Flags::NONE).pending(ZERO);
        let state = &mut change.event.state;
        state.status = Status::Released;
        (state.control, state.recovery, state.commitment) = (ZERO, ZERO, ZERO);
        change
    }

    /// The provider gives notice that it will release the number: a REQUEST by door 9. Signed by the provider.
    pub fn release_notice(label: Label, before: &State, provider: &str) -> Self {
        let change = Self::next(Kind::Request, Door::Direct, label, before).by(provider);
        change.pending(pending::hash(Door::Direct, &ZERO, provider))
    }

    /// The provider releases the number after its notice. Signed by the provider.
    pub fn release_after_notice(label: Label, before: &State, provider: &str) -> Self {
        Self::release(label, before).by(provider)
    }

    /// Another provider, at once (door 1): the record names it. Needs a token that names it; signed by the control key and the
    /// gaining provider.
    pub fn transfer(label: Label, before: &State, record: &Record, opening: [u8; 32]) -> Self {
        Self::next(Kind::Transfer, Door::Main, label, before).with_record(record, opening)
    }

    /// Asks for another control key: door 0 with the same provider, 2 by code, 3 by fresh validation. Needs tokens that name
    /// `provider` and `control`; signed by that key as [`Role::NewControl`] and by the provider, at door 0 by the recovery key too
    /// if there is one. What is too old to count is put aside.
    pub fn request(label: Label, before: &State, door: Door, control: &PublicKey, provider: &str) -> Self {
        let mut change = Self::next(Kind::Request, door, label, before).by(provider);
        change.event.state.flags = before.flags.without(Flags::OBJECTED);
        change.pending(pending::hash(door, &control.thumbprint(), provider))
    }

    /// What was asked for takes effect. Needs fresh tokens; signed by the new control key and the provider.
    ///
    /// `not_after` in Unix seconds, no later than the token's `vex`. Lock and provider-held are off, and there is no recovery key.
    pub fn complete(
        label: Label,
        before: &State,
        door: Door,
        record: &Record,
        opening: [u8; 32],
        control: &PublicKey,
        not_after: u64,
    ) -> Self {
        let change = Self::next(Kind::Complete, door, label, before).pending(ZERO);
        let mut change = change.flags(before.flags.only(Flags::SUSPENSIONS)).with_record(record, opening);
        let state = &mut change.event.state;
        (state.control, state.recovery, state.not_after) = (control.thumbprint(), ZERO, not_after);
        change
    }

    /// The key from which a change by code or by claim took the number takes it back, at once (clause 6.10): a TRANSFER through
    /// door 3. Needs two tokens, of which the one of class possession was validated since; signed by that key as
    /// [`Role::NewControl`] and by the provider of the record.
    ///
    /// `not_after` in Unix seconds, no later than the tokens' `vex`. The lock is off, and there is no recovery key.
    pub fn take_back(
        label: Label,
        before: &State,
        record: &Record,
        opening: [u8; 32],
        control: &PublicKey,
        not_after: u64,
    ) -> Self {
        let mut change = Self::complete(label, before, Door::Validation, record, opening, control, not_after);
        change.event.kind = Kind::Transfer;
        change
    }

    /// The holder stops what is pending by door 0, 2 or 9. Signed by the control key.
    pub fn veto(label: Label, before: &State) -> Self {
        Self::next(Kind::Veto, Door::Direct, label, before).pending(ZERO)
    }

    /// The holder objects to a claim (door 3): a second round follows. Signed by the control key.
    pub fn object(label: Label, before: &State) -> Self {
        Self::next(Kind::Object, Door::Direct, label, before).flags(before.flags.with(Flags::OBJECTED))
    }

    /// Another recovery key; [`ZERO`]: none.
    #[must_use]
    pub fn recovery(mut self, key: Thumbprint) -> Self {
        self.event.state.recovery = key;
        self
    }

    /// Another control key: then it signs too, as [`Role::NewControl`]; a provider-held number becomes the holder's.
    #[must_use]
    pub fn control(mut self, key: &PublicKey) -> Self {
        self.event.state.control = key.thumbprint();
        let flags = self.event.state.flags.without(Flags::PROVIDER_HELD);
        self.flags(flags)
    }

    /// With the lock, a recovery takes 30 days.
    #[must_use]
    pub fn locked(self) -> Self {
        let flags = self.event.state.flags.with(Flags::LOCK);
        self.flags(flags)
    }

    /// Without the lock.
    #[must_use]
    pub fn unlocked(self) -> Self {
        let flags = self.event.state.flags.without(Flags::LOCK);
        self.flags(flags)
    }

    /// The provider keeps the control key, for a holder who has no device key. Only in CREATE and COMPLETE.
    #[must_use]
    pub fn provider_held(self) -> Self {
        let flags = self.event.state.flags.with(Flags::PROVIDER_HELD);
        self.flags(flags)
    }

    /// Leaves a claim by fresh validation (door 3) pending, which an UPDATE must not clear until it is void.
    #[must_use]
    pub fn keep_pending(mut self, before: &State) -> Self {
        let objected = before.flags.only(Flags::OBJECTED);
        self.event.state.flags = self.event.state.flags.with(objected);
        self.pending(before.pending)
    }

    /// The validation tokens that go with it, the newest first, exactly as they will be submitted.
    pub fn evidence<T: AsRef<[u8]>>(mut self, tokens: &[T]) -> Result<Self, HolderError> {
        self.event.evidence = evidence::hash(tokens).ok_or(HolderError::Incomplete("a token is too long"))?;
        Ok(self)
    }

    /// Unix seconds after which it may no longer enter an epoch; at most 24 h ahead.
    #[must_use]
    pub fn valid_until(mut self, unix_s: u64) -> Self {
        self.event.valid_until = unix_s;
        self
    }

    /// The State that it will make, both epochs 0.
    pub fn state(&self) -> &State {
        &self.event.state
    }

    /// Checks that it is complete and signs it, each key as its role.
    pub fn sign(self, directory: &Directory, signers: &[(Role, &SigningKey)]) -> Result<Signed, HolderError> {
        let mut event = self.event;
        let incomplete = |unless, what| if unless { Ok(()) } else { Err(HolderError::Incomplete(what)) };
        incomplete(event.valid_until != 0, "until when the event is valid is not said")?;
        event.state.check()?;
        for (role, key) in signers {
            event.sign(directory.origin(), *role, key);
        }
        let record = match self.record {
            None => None,
            Some((record, opening)) => {
                let text = record.write();
                // What the record's own rules refuse (a line twice, too long) must not be signed.
                Record::parse(&text)?;
                Some((text, opening))
            }
        };
        Ok(Signed { event, record, possession: Vec::new() })
    }

    fn new(kind: Kind, door: Door, label: Label, prev: Hash, state: State) -> Self {
        let (provider, signatures) = (String::new(), Vec::new());
        let event = Event { kind, door, label, prev, state, provider, evidence: ZERO, valid_until: 0, signatures };
        Self { event, record: None }
    }

    /// The next version of `before`, nothing else changed yet.
    fn next(kind: Kind, door: Door, label: Label, before: &State) -> Self {
        let prev = before.hash();
        let state = State { version: before.version + 1, prev, ..before.as_signed() };
        Self::new(kind, door, label, prev, state)
    }

    fn with_record(mut self, record: &Record, opening: [u8; 32]) -> Self {
        self.event.state.commitment = commitment(&opening, &record.write());
        self.event.provider.clone_from(&record.provider);
        self.record = Some((record.clone(), opening));
        self
    }

    fn by(mut self, provider: &str) -> Self {
        provider.clone_into(&mut self.event.provider);
        self
    }

    fn pending(mut self, pending: Hash) -> Self {
        self.event.state.pending = pending;
        self
    }

    /// Sets the flags, and the status that follows from them.
    fn flags(mut self, flags: Flags) -> Self {
        let suspended = flags.intersects(Flags::SUSPENSIONS);
        self.event.state.flags = flags;
        self.event.state.status = if suspended { Status::Suspended } else { Status::Active };
        self
    }
}

/// A signed event with what goes beside it.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The event.
    pub event: Event,
    /// The text of record R and the opening of the commitment to it, if the event sets one.
    pub record: Option<(Vec<u8>, [u8; 32])>,
    /// The proofs of possession of the published keys.
    pub possession: Vec<Proved>,
}

impl Signed {
    /// Proves possession of these keys; `ephemeral` is the X25519 key that the directory gave out for this change.
    pub fn prove(
        &mut self,
        directory: &Directory,
        keys: &[(Prefix, DeviceKey)],
        ephemeral: &[u8; 32],
    ) -> Result<(), HolderError> {
        let tbs = self.event.tbs(directory.origin());
        for (prefix, key) in keys {
            self.possession.push(key.prove(&tbs, *prefix, ephemeral)?);
        }
        Ok(())
    }

    /// Proves possession of the keys of published certificates. OpenPGP keys bring their proof themselves.
    pub fn prove_certificates(&mut self, directory: &Directory, keys: &[CertificateKey]) -> Result<(), HolderError> {
        let tbs = self.event.tbs(directory.origin());
        for key in keys {
            self.possession.push(key.prove(&tbs)?);
        }
        Ok(())
    }

    /// Adds the provider's signature.
    pub fn cosign(&mut self, directory: &Directory, statement_key: &SigningKey) {
        self.event.sign(directory.origin(), Role::Provider, statement_key);
    }

    /// The body of `PUT /v1/numbers/{n}`; `tokens` as in [`Change::evidence`].
    pub fn submission(&self, tokens: Vec<String>) -> Submission {
        let possession = self.possession.iter().map(|proved| Possession {
            prefix: proved.prefix.as_str().to_owned(),
            spki: Base64::from(&proved.spki),
            proof: Base64::from(&proved.proof),
        });
        Submission {
            record: self.record_text().unwrap_or_default(),
            opening: self.opening().unwrap_or_default(),
            event: self.event_bytes(),
            possession: possession.collect(),
            validation: tokens,
            nonce: None,
        }
    }

    /// The body of `POST /v1/numbers/{n}/transfer`.
    pub fn transfer(&self, tokens: Vec<String>) -> Transfer {
        let first = self.event.kind == Kind::Transfer && self.event.door == Door::Main;
        let door = if first { 1 } else { self.event.door as u32 };
        Transfer {
            door,
            event: self.event_bytes(),
            record: self.record_text(),
            opening: self.opening(),
            possession: self.submission(Vec::new()).possession,
            validation: tokens,
            nonce: None,
            code: None,
        }
    }

    /// The body of `POST /v1/numbers/{n}/transfer/objection` and of `DELETE /v1/numbers/{n}/transfer`.
    pub fn against(&self) -> Against {
        Against { event: self.event_bytes() }
    }

    /// The body of `POST /v1/numbers/{n}/validation`.
    pub fn renewal(&self, tokens: Vec<String>) -> Renewal {
        Renewal { event: self.event_bytes(), validation: tokens }
    }

    /// The body of `DELETE /v1/numbers/{n}`.
    pub fn provider_release(&self) -> Release {
        Release { event: self.event_bytes() }
    }

    /// The body of `POST /v1/holder/events`.
    pub fn holder_act(&self, number: Number) -> HolderAct {
        HolderAct {
            number: number.to_string(),
            event: self.event_bytes(),
            record: self.record_text(),
            opening: self.opening(),
        }
    }

    fn event_bytes(&self) -> Base64 {
        Base64(self.event.write())
    }

    fn record_text(&self) -> Option<String> {
        self.record.as_ref().map(|(text, _)| String::from_utf8_lossy(text).into_owned())
    }

    fn opening(&self) -> Option<Base64> {
        self.record.as_ref().map(|(_, opening)| Base64::from(opening))
    }
}
