//! A number changes hands, as the gaining provider makes it: at once by the holder's key, or by a request and its completion.
//!
//! ```text
//! prepare ──> token minted (nonce inside) ──> prepare with the token: version and State ──> event signed by the device
//! ──> signed by the provider ──> POST …/transfer ──> published; a request waits in public until it is completed
//! ```

use crate::api::numbers::{Prepared, Transfer};
use crate::client::holder::{Change, Device, RecordDraft, Signed, opening};
use crate::client::register::{EVENT_LIFE_S, Finding, RegisterError, Registered, Registrar, Validation, good_until_s};
use crate::log::event::{Door, Role};
use crate::log::key::{SigningKey, Thumbprint};
use crate::log::label::Label;
use crate::log::state::State;
use crate::number::Number;

/// Which way a request takes.
#[derive(Clone, Copy)]
pub enum Way<'a> {
    /// Door 0: the same provider, the control key is lost. With the recovery key it takes a day.
    Recovery(Option<&'a SigningKey>),
    /// Door 2: the code that the present provider gave the holder.
    Code(&'a str),
    /// Door 3: fresh validation by two methods.
    Claim,
}

/// A validation before the newest one: the first of two methods, or of a second round.
#[derive(Clone, Copy)]
pub struct Earlier<'a> {
    /// What was found out, and when.
    pub finding: &'a Finding,
    /// By whom.
    pub validation: Validation<'a>,
}

/// Tokens, and what the directory said to them.
struct Proved {
    label: Label,
    tokens: Vec<String>,
    prepared: Prepared,
    before: State,
}

impl Registrar<'_> {
    /// Door 1: takes over a number whose holder's device signs it. Waits `wait_ms` for publication; 0: does not wait.
    pub fn transfer(
        &self,
        number: Number,
        draft: RecordDraft,
        device: &Device,
        finding: &Finding,
        wait_ms: u64,
    ) -> Result<Registered, RegisterError> {
        let proved = self.prove(number, device.control.public().thumbprint(), finding, None)?;
        let (record, opening) = (draft.build()?, opening(self.random)?);
        let change = Change::transfer(proved.label, &proved.before, &record, opening);
        let mut signed = self.sign_proved(change, &proved, &[(Role::Control, &device.control)])?;
        self.possess(&mut signed, device, &proved.prepared)?;
        self.hand_in(number, signed, proved, Some(opening), wait_ms)
    }

    /// Asks for `control` as the control key of a number. A claim takes an earlier validation by a method of the other class.
    pub fn request(
        &self,
        number: Number,
        way: Way<'_>,
        control: &SigningKey,
        finding: &Finding,
        earlier: Option<Earlier<'_>>,
        wait_ms: u64,
    ) -> Result<Registered, RegisterError> {
        let proved = self.prove(number, control.public().thumbprint(), finding, earlier)?;
        let (door, recovery, code) = match way {
            Way::Recovery(key) => (Door::Main, key, None),
            Way::Code(code) => (Door::Code, None, Some(code.to_owned())),
            Way::Claim => (Door::Validation, None, None),
        };
        let change = Change::request(proved.label, &proved.before, door, control.public(), self.provider);
        let signers = [Some((Role::NewControl, control)), recovery.map(|key| (Role::Recovery, key))];
        let signers: Vec<_> = signers.into_iter().flatten().collect();
        let mut signed = self.sign_proved(change, &proved, &signers)?;
        signed.cosign(self.directory, self.statement_key);
        let body = Transfer { code, ..signed.transfer(proved.tokens) };
        let receipt = self.api.transfer(number, &body)?;
        self.done(receipt, &signed, None, wait_ms)
    }

    /// Completes what this provider asked for, with the device whose control key it asked for and a fresh validation; after an
    /// objection with an earlier one too.
    pub fn complete(
        &self,
        number: Number,
        draft: RecordDraft,
        device: &Device,
        finding: &Finding,
        earlier: Option<Earlier<'_>>,
        wait_ms: u64,
    ) -> Result<Registered, RegisterError> {
        let control = device.control.public();
        let proved = self.prove(number, control.thumbprint(), finding, earlier)?;
        let pending = proved.prepared.pending.as_ref().filter(|pending| pending.provider == self.provider);
        let door = pending.and_then(|pending| Door::from_u8(u8::try_from(pending.door).ok()?));
        let door = door.filter(|door| *door != Door::Direct).ok_or(RegisterError::NothingPending)?;
        let not_after_s = good_until_s(finding, earlier);
        let (record, opening) = (draft.build()?, opening(self.random)?);
        let change = Change::complete(proved.label, &proved.before, door, &record, opening, control, not_after_s);
        let mut signed = self.sign_proved(change, &proved, &[(Role::NewControl, &device.control)])?;
        self.possess(&mut signed, device, &proved.prepared)?;
        self.hand_in(number, signed, proved, Some(opening), wait_ms)
    }

    /// Takes a number back from which a change by code or by claim took it, with the device whose control key it had before, and
    /// two validations: `finding` by a method of class possession, made since, and `earlier` by one of class record.
    pub fn take_back(
        &self,
        number: Number,
        draft: RecordDraft,
        device: &Device,
        finding: &Finding,
        earlier: Earlier<'_>,
        wait_ms: u64,
    ) -> Result<Registered, RegisterError> {
        let control = device.control.public();
        let proved = self.prove(number, control.thumbprint(), finding, Some(earlier))?;
        let not_after_s = good_until_s(finding, Some(earlier));
        let (record, opening) = (draft.build()?, opening(self.random)?);
        let change = Change::take_back(proved.label, &proved.before, &record, opening, control, not_after_s);
        let mut signed = self.sign_proved(change, &proved, &[(Role::NewControl, &device.control)])?;
        self.possess(&mut signed, device, &proved.prepared)?;
        self.hand_in(number, signed, proved, Some(opening), wait_ms)
    }

    /// Mints the tokens and learns by them what the event must follow.
    fn prove(
        &self,
        number: Number,
        control: Thumbprint,
        finding: &Finding,
        earlier: Option<Earlier<'_>>,
    ) -> Result<Proved, RegisterError> {
        let (prepared, label) = self.prepare(number)?;
        let tokens = self.tokens(number, control, finding, earlier, &prepared)?;
        let told = self.api.prepare_with(number, tokens.clone())?;
        let before = State::parse(&told.state.as_ref().ok_or(RegisterError::NotRegistered)?.0)?;
        // The nonce in the token is the first one; the ephemeral key of possession proofs belongs to it.
        let prepared = Prepared { pending: told.pending, ..prepared };
        Ok(Proved { label, tokens, prepared, before })
    }

    fn sign_proved(
        &self,
        change: Change,
        proved: &Proved,
        signers: &[(Role, &SigningKey)],
    ) -> Result<Signed, RegisterError> {
        let change = change.evidence(&proved.tokens)?;
        let change = change.valid_until(proved.prepared.now_s.saturating_add(EVENT_LIFE_S));
        Ok(change.sign(self.directory, signers)?)
    }

    fn hand_in(
        &self,
        number: Number,
        mut signed: Signed,
        proved: Proved,
        opening: Option<[u8; 32]>,
        wait_ms: u64,
    ) -> Result<Registered, RegisterError> {
        signed.cosign(self.directory, self.statement_key);
        let receipt = self.api.transfer(number, &signed.transfer(proved.tokens))?;
        self.done(receipt, &signed, opening, wait_ms)
    }
}
