//! A registration from beginning to end, as a provider that validates its own numbers makes it.
//!
//! ```text
//! prepare ──> the label is proved by the pinned VRF key ──> token minted (nonce inside) ──> event signed by the device,
//! possession proved ──> signed by the provider ──> PUT ──> published: DNS answers
//!                       registered before by others? prepare with the token tells its last State ──> signed again ──> PUT
//! ```

use crate::api::numbers::{NumberView, Prepared, Receipt, Renewal, Submission};
use crate::client::holder::{Change, Device, Directory, HolderError, RecordDraft, Signed, opening};
use crate::client::provider::{Api, ApiError};
use crate::client::transfer::Earlier;
use crate::client::ve::{ValidationToken, token_id};
use crate::log::Hash;
use crate::log::bytes::Malformed;
use crate::log::event::{Door, Role};
use crate::log::key::{SigningKey, Thumbprint};
use crate::log::label::Label;
use crate::log::random::{NoRandomness, Random};
use crate::log::record::Record;
use crate::log::state::{State, Status};
use crate::number::Number;

/// How long a signed event may wait for its epoch: far more than an epoch, far less than the 24 h that the format allows.
pub(super) const EVENT_LIFE_S: u64 = 3_600;

/// The code of the refusal of an event that follows another State than the present one.
const STATE_STALE: &str = "state_stale";

/// A provider at a directory, with the keys that it signs with and the directory's keys as it pinned them.
pub struct Registrar<'a> {
    /// The directory's API, with the provider's token.
    pub api: &'a Api,
    /// The directory's map log as pinned: origin and VRF key. What `prepare` says must agree.
    pub directory: &'a Directory,
    /// The provider's id.
    pub provider: &'a str,
    /// Signs its submissions.
    pub statement_key: &'a SigningKey,
    /// The validation entity's id and the key that signs its tokens.
    pub validation: Validation<'a>,
    /// For openings and token ids.
    pub random: &'a dyn Random,
}

/// Who validated, and with which key the tokens are signed.
#[derive(Clone, Copy)]
pub struct Validation<'a> {
    /// The validation entity's id.
    pub issuer: &'a str,
    /// Signs its tokens.
    pub key: &'a SigningKey,
}

/// What was found out about a holder before a token is minted.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The methods' ids, such as `sms`.
    pub methods: Vec<String>,
    /// When the holder was validated, Unix seconds.
    pub validated_s: u64,
    /// Until when that is good: the registration's `not_after`, Unix seconds.
    pub not_after_s: u64,
    /// SHA-256 commitment to the evidence that the entity keeps.
    pub evidence: Hash,
}

/// A change that is in the directory.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The directory's promise, and once published the epoch.
    pub receipt: Receipt,
    /// The State that was signed, both epochs 0.
    pub state: State,
    /// The opening of the commitment to the record, if there is a new record: keep it, it proves what was committed to.
    pub opening: Option<[u8; 32]>,
}

/// A request that is signed and complete: it can be sent by whatever way, within an hour.
pub struct Drafted<B> {
    /// What is sent.
    pub body: B,
    /// The version that the number must still have (`If-Match`); none for one that is new to this provider.
    pub version: Option<u64>,
    signed: Signed,
    opening: Option<[u8; 32]>,
}

/// Why a registration was not made.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The directory says no, or cannot be reached.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// What the directory sent does not fit what was pinned, or what was to be signed is not complete.
    #[error("not signed: {0}")]
    Holder(#[from] HolderError),
    /// What the directory sent is not of its format.
    #[error("the directory sent something that is not of its format: {0}")]
    Malformed(#[from] Malformed),
    /// No random bytes.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The directory speaks for another map log than the pinned one.
    #[error("the directory speaks for the log {found}, but {pinned} was pinned: is this the right directory?")]
    OtherLog {
        /// What `prepare` said.
        found: String,
        /// What was expected.
        pinned: String,
    },
    /// The number is registered by this provider, under a control key that is not the one at hand.
    #[error("the number is registered by this provider under another control key: only that key changes its record")]
    OtherKey,
    /// There is nothing to change: the number is not registered by this provider.
    #[error("the number is not registered by this provider")]
    NotSponsored,
    /// There is nothing to take over.
    #[error("the number is not registered: register it")]
    NotRegistered,
    /// There is nothing to complete.
    #[error("no request of this provider is pending for the number: make one; a veto or a change may have ended it")]
    NothingPending,
}

/// What a registration rests on before it is signed.
struct Basis {
    prepared: Prepared,
    label: Label,
    before: Option<State>,
    record: Record,
    opening: [u8; 32],
}

impl Registrar<'_> {
    /// Registers a number with the record and the keys of its holder's device, or, when this provider has it already and
    /// the device holds its control key, changes the record. A number that somebody else had lately takes an earlier
    /// validation by a method of the other class too. Waits `wait_ms` for publication; 0: does not wait.
    pub fn register(
        &self,
        number: Number,
        draft: RecordDraft,
        device: &Device,
        finding: &Finding,
        earlier: Option<Earlier<'_>>,
        wait_ms: u64,
    ) -> Result<Registered, RegisterError> {
        let basis = self.basis(number, draft)?;
        if let Some(drafted) = self.update(&basis, device)? {
            let receipt = self.api.put(number, &drafted.body, drafted.version)?;
            return self.done(receipt, &drafted.signed, drafted.opening, wait_ms);
        }
        let (change, tokens) = self.creation(number, &basis, device, finding, earlier)?;
        let (receipt, signed) = self.first(number, change, &basis.prepared, tokens, &device.control, Some(device))?;
        self.done(receipt, &signed, Some(basis.opening), wait_ms)
    }

    /// The same, signed and not sent.
    pub fn registration(
        &self,
        number: Number,
        draft: RecordDraft,
        device: &Device,
        finding: &Finding,
        earlier: Option<Earlier<'_>>,
    ) -> Result<Drafted<Submission>, RegisterError> {
        let basis = self.basis(number, draft)?;
        if let Some(drafted) = self.update(&basis, device)? {
            return Ok(drafted);
        }
        let (change, tokens) = self.creation(number, &basis, device, finding, earlier)?;
        // Whether somebody had the number before is asked now, by the tokens: when it is sent nobody can sign again.
        let before = match &basis.before {
            Some(before) => Some(before.clone()),
            None => {
                self.api.prepare_with(number, tokens.clone())?.state.map(|state| State::parse(&state.0)).transpose()?
            }
        };
        let released = before.filter(|before| before.status == Status::Released);
        let change = released.iter().fold(change, Change::after_release);
        let signed = self.sign(&change, &basis.prepared, (Role::NewControl, &device.control), Some(device))?;
        let (body, version) = (signed.submission(tokens), basis.prepared.version);
        Ok(Drafted { body, version, signed, opening: Some(basis.opening) })
    }

    fn basis(&self, number: Number, draft: RecordDraft) -> Result<Basis, RegisterError> {
        let (prepared, label) = self.prepare(number)?;
        let before = prepared.state.as_ref().map(|state| State::parse(&state.0)).transpose()?;
        Ok(Basis { label, before, record: draft.build()?, opening: opening(self.random)?, prepared })
    }

    /// A new record for a number that this provider has; nothing if it has none.
    fn update(&self, basis: &Basis, device: &Device) -> Result<Option<Drafted<Submission>>, RegisterError> {
        let Basis { prepared, label, before, record, opening } = basis;
        let Some(before) = before.as_ref().filter(|before| before.status != Status::Released) else { return Ok(None) };
        let change = Change::update(*label, before, record, *opening);
        // A claim stays pending through every change, or the directory refuses it.
        let claimed = prepared.pending.as_ref().is_some_and(|pending| pending.door == Door::Validation as u32);
        let change = if claimed { change.keep_pending(before) } else { change };
        let signed = self.sign(&change, prepared, (Role::Control, &device.control), Some(device))?;
        let body = Submission { nonce: Some(prepared.nonce.clone()), ..signed.submission(vec![]) };
        Ok(Some(Drafted { body, version: prepared.version, signed, opening: Some(*opening) }))
    }

    /// The first event of a registration, with the tokens that it commits to.
    fn creation(
        &self,
        number: Number,
        basis: &Basis,
        device: &Device,
        finding: &Finding,
        earlier: Option<Earlier<'_>>,
    ) -> Result<(Change, Vec<String>), RegisterError> {
        let control = device.control.public();
        let tokens = self.tokens(number, control.thumbprint(), finding, earlier, &basis.prepared)?;
        let change = Change::create(basis.label, &basis.record, basis.opening, control, good_until_s(finding, earlier));
        Ok((change.evidence(&tokens)?, tokens))
    }

    /// Registers a number whose holder has no device key: this provider keeps `control`, a key for this number alone, and
    /// no user keys are published (clause 2.6 of the charter). `None` if it is registered so already. Does not wait for
    /// publication.
    pub fn register_held(
        &self,
        number: Number,
        draft: RecordDraft,
        control: &SigningKey,
        finding: &Finding,
    ) -> Result<Option<Registered>, RegisterError> {
        let (prepared, label) = self.prepare(number)?;
        let before = prepared.state.as_ref().map(|state| State::parse(&state.0)).transpose()?;
        if let Some(before) = before.as_ref().filter(|before| before.status != Status::Released) {
            let ours = before.control == control.public().thumbprint();
            return if ours { Ok(None) } else { Err(RegisterError::OtherKey) };
        }
        let (record, opening) = (draft.build()?, opening(self.random)?);
        let tokens = self.tokens(number, control.public().thumbprint(), finding, None, &prepared)?;
        let change = Change::create(label, &record, opening, control.public(), finding.not_after_s).provider_held();
        let (receipt, signed) = self.first(number, change.evidence(&tokens)?, &prepared, tokens, control, None)?;
        self.done(receipt, &signed, Some(opening), 0).map(Some)
    }

    /// Hands in a CREATE. Of a number that was registered before, the versions go on from its release. Its last provider is
    /// told that State by `prepare`; everybody else by the tokens, and is not asked to fetch it first: most numbers are new.
    fn first(
        &self,
        number: Number,
        change: Change,
        prepared: &Prepared,
        tokens: Vec<String>,
        control: &SigningKey,
        device: Option<&Device>,
    ) -> Result<(Receipt, Signed), RegisterError> {
        let hand_in = |released: Option<State>| {
            let change = released.iter().fold(change.clone(), Change::after_release);
            let signed = self.sign(&change, prepared, (Role::NewControl, control), device)?;
            let receipt = self.api.put(number, &signed.submission(tokens.clone()), prepared.version)?;
            Ok::<_, RegisterError>((receipt, signed))
        };
        let released = prepared.state.as_ref().map(|state| State::parse(&state.0)).transpose()?;
        let told = released.is_some();
        match hand_in(released) {
            Err(RegisterError::Api(no)) if !told && no.code() == Some(STATE_STALE) => {
                let last = self.api.prepare_with(number, tokens.clone())?.state;
                let last = last.map(|state| State::parse(&state.0)).transpose()?;
                // Anything else than a released State is news: somebody was faster.
                let last = last.filter(|last| last.status == Status::Released).ok_or(no)?;
                hand_in(Some(last))
            }
            outcome => outcome,
        }
    }

    /// Signs as holder and as provider, and proves possession of the device's keys.
    fn sign(
        &self,
        change: &Change,
        prepared: &Prepared,
        signer: (Role, &SigningKey),
        device: Option<&Device>,
    ) -> Result<Signed, RegisterError> {
        let change = change.clone().valid_until(prepared.now_s.saturating_add(EVENT_LIFE_S));
        let mut signed = change.sign(self.directory, &[signer])?;
        if let Some(device) = device {
            self.possess(&mut signed, device, prepared)?;
        }
        signed.cosign(self.directory, self.statement_key);
        Ok(signed)
    }

    /// Extends a registration by a fresh validation of the same holder.
    pub fn renew(&self, number: Number, finding: &Finding, wait_ms: u64) -> Result<Registered, RegisterError> {
        let drafted = self.renewal(number, finding)?;
        let receipt = self.api.renew(number, &drafted.body)?;
        self.done(receipt, &drafted.signed, None, wait_ms)
    }

    /// The same, signed and not sent.
    pub fn renewal(&self, number: Number, finding: &Finding) -> Result<Drafted<Renewal>, RegisterError> {
        let (prepared, label) = self.prepare(number)?;
        let before = State::parse(&prepared.state.as_ref().ok_or(RegisterError::NotSponsored)?.0)?;
        let token = self.token(number, before.control, finding, &prepared)?;
        let change = Change::renew(label, &before, self.provider, finding.not_after_s).evidence(&[&token])?;
        let change = change.valid_until(prepared.now_s.saturating_add(EVENT_LIFE_S));
        let mut signed = change.sign(self.directory, &[])?;
        signed.cosign(self.directory, self.statement_key);
        Ok(Drafted { body: signed.renewal(vec![token]), version: prepared.version, signed, opening: None })
    }

    /// Gives notice that the provider will release the number, or releases it when the notice is already given and over.
    pub fn release(&self, number: Number, wait_ms: u64) -> Result<Registered, RegisterError> {
        let (prepared, label) = self.prepare(number)?;
        let before = State::parse(&prepared.state.as_ref().ok_or(RegisterError::NotSponsored)?.0)?;
        let noticed = self.api.number(number)?.is_some_and(|view: NumberView| view.release_possible_from.is_some());
        let change = match noticed {
            true => Change::release_after_notice(label, &before, self.provider),
            false => Change::release_notice(label, &before, self.provider),
        };
        let change = change.valid_until(prepared.now_s.saturating_add(EVENT_LIFE_S));
        let mut signed = change.sign(self.directory, &[])?;
        signed.cosign(self.directory, self.statement_key);
        let receipt = self.api.release(number, &signed.provider_release())?;
        self.done(receipt, &signed, None, wait_ms)
    }

    /// What the directory knows, and the number's label, proved by the pinned key.
    pub(super) fn prepare(&self, number: Number) -> Result<(Prepared, Label), RegisterError> {
        let prepared = self.api.prepare(number)?;
        if prepared.origin != self.directory.origin() {
            let pinned = self.directory.origin().to_owned();
            return Err(RegisterError::OtherLog { found: prepared.origin, pinned });
        }
        let label = self.directory.label(number, &prepared.vrf_proof.0)?;
        Ok((prepared, label))
    }

    /// The tokens of a validation and of the one before it, if there is one; the newest is the last.
    pub(super) fn tokens(
        &self,
        number: Number,
        control: Thumbprint,
        finding: &Finding,
        earlier: Option<Earlier<'_>>,
        prepared: &Prepared,
    ) -> Result<Vec<String>, RegisterError> {
        let earlier = earlier.map(|earlier| self.minted(number, control, earlier, prepared, None)).transpose()?;
        Ok(earlier.into_iter().chain([self.token(number, control, finding, prepared)?]).collect())
    }

    fn token(
        &self,
        number: Number,
        control: Thumbprint,
        finding: &Finding,
        prepared: &Prepared,
    ) -> Result<String, RegisterError> {
        let newest = Earlier { finding, validation: self.validation };
        self.minted(number, control, newest, prepared, Some(prepared.nonce.clone()))
    }

    /// A token; the newest one alone has the nonce.
    fn minted(
        &self,
        number: Number,
        control: Thumbprint,
        of: Earlier<'_>,
        prepared: &Prepared,
        nonce: Option<String>,
    ) -> Result<String, RegisterError> {
        let token = ValidationToken {
            issuer: of.validation.issuer.to_owned(),
            audience: prepared.apex.clone(),
            id: token_id(self.random)?,
            issued_s: prepared.now_s,
            number,
            provider: self.provider.to_owned(),
            methods: of.finding.methods.clone(),
            validated_s: of.finding.validated_s,
            expires_s: of.finding.not_after_s,
            control,
            evidence: of.finding.evidence,
            nonce,
        };
        Ok(token.mint(of.validation.key))
    }

    /// Proves possession of the keys and certificates of the device.
    pub(super) fn possess(
        &self,
        signed: &mut Signed,
        device: &Device,
        prepared: &Prepared,
    ) -> Result<(), RegisterError> {
        let ephemeral = <[u8; 32]>::try_from(&*prepared.ephemeral.0);
        let ephemeral = ephemeral.map_err(|_| Malformed { what: "ephemeral", why: "not 32 bytes" })?;
        signed.prove(self.directory, &device.keys, &ephemeral)?;
        Ok(signed.prove_certificates(self.directory, &device.certificates)?)
    }

    pub(super) fn done(
        &self,
        receipt: Receipt,
        signed: &Signed,
        opening: Option<[u8; 32]>,
        wait_ms: u64,
    ) -> Result<Registered, RegisterError> {
        let receipt = if wait_ms == 0 { receipt } else { self.api.published(receipt, wait_ms)? };
        Ok(Registered { receipt, state: signed.event.state.clone(), opening })
    }
}

/// Until when a registration may last that rests on these validations, Unix seconds.
pub(super) fn good_until_s(finding: &Finding, earlier: Option<Earlier<'_>>) -> u64 {
    earlier.map_or(finding.not_after_s, |earlier| earlier.finding.not_after_s.min(finding.not_after_s))
}
